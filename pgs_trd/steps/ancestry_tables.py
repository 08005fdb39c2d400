"""Tables of people, components and variants that the steps of ancestry pass on."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry import PrincipalComponents, read_reference
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.tables import read_table, require_columns, write_text

IntArray = npt.NDArray[np.int64]

REFERENCE_ENDING = ".npz"
COMPONENT = re.compile(r"pc_?(\d+)", re.IGNORECASE)
VARIANT_COLUMNS = ("chromosome", "position", "id", "counted_allele", "other_allele")
STATUSES = {"ok", "flagged", "few_calls"}
"""Of people in tables of ours: whoever is not ok is on no list."""
TEXTS = ("chromosome", "id", "counted_allele", "other_allele", "status", "reason")


def read_people(path: Path, *, text_columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of people; give it with the index `person_id`.

    The column may also be named IID or #IID, as in files of PLINK; their column of
    families is left out.

    Raises
    ------
    DataError
        If there is no such column, a row has no person, or a person occurs twice.
    """
    table = read_table(path, text_columns=("person_id", "IID", "#IID", *text_columns))
    table = table.drop(columns=["FID", "#FID"], errors="ignore")
    names = {name: "person_id" for name in ("IID", "#IID") if "person_id" not in table.columns}
    table = table.rename(columns=names)
    require_columns(table, ["person_id"], path.name)
    n_without = int(table["person_id"].isna().sum())
    if n_without:
        raise DataError(f"{path.name}: {n_without:,} of {len(table):,} rows have no person")
    n_repeated = int(table["person_id"].duplicated().sum())
    if n_repeated:
        raise DataError(f"{path.name}: {n_repeated:,} of {len(table):,} rows repeat a person")
    return table.set_index("person_id")


def read_components(path: Path) -> pd.DataFrame:
    """Read the columns PC1, PC2, ... of a table of people, a biobank's or our own.

    Raises
    ------
    DataError
        If there is none, or one of them holds no numbers.
    """
    table = read_people(path)
    numbers = {
        int(found[1]): name
        for name in map(str, table.columns)
        if (found := COMPONENT.fullmatch(name)) is not None
    }
    if not numbers:
        raise DataError(f"{path.name}: has no columns PC1, PC2, ...: is it a table of components?")
    chosen = table[[numbers[k] for k in sorted(numbers)]]
    chosen.columns = pd.Index([f"PC{k}" for k in sorted(numbers)])
    texts = [str(name) for name in chosen if not pd.api.types.is_numeric_dtype(chosen[name])]
    if texts:
        raise DataError(f"{path.name}: {', '.join(texts)} should hold numbers and does not")
    return chosen.astype(np.float64)


def read_scores(path: Path) -> pd.DataFrame:
    """Read a table of scores; every column but the person's must be of numbers."""
    table = read_people(path)
    texts = [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if texts:
        raise DataError(
            f"{path.name}: {len(texts)} of {table.shape[1]} columns hold no numbers, the first is "
            f"{texts[0]}: is it a table of scores?"
        )
    return table.astype(np.float64)


@dataclass(frozen=True)
class Labelled:
    """People with components, and perhaps the groups they belong to.

    Attributes
    ----------
    components : (n_people, n_components)
        Index `person_id`.
    labels : (n_people,) or None
        Groups, by the index of `components`.
    paths
        Files they come from.
    """

    components: pd.DataFrame
    labels: pd.Series[str] | None
    paths: tuple[Path, ...]


def read_labelled(
    reference: Path, labels: Path | None = None, label_column: str | None = None
) -> Labelled:
    """Read labelled people: a reference (.npz), or a table of components and labels.

    Parameters
    ----------
    reference
        From `pgs-trd ancestry pca --reference`, or a table of people with PC1, PC2, ...
    labels
        Table of their groups; default: those in `reference`.
    label_column
        Column of the groups in the table of labels, or else in that of components.

    Raises
    ------
    UsageError
        If a column is needed and not named, or named and of no table.
    DataError
        If it is absent, or nobody of the reference is in the table of labels.
    """
    of_reference = None
    if reference.suffix == REFERENCE_ENDING:
        fitted = read_reference(reference)
        components, of_reference = fitted.scores, fitted.labels
    else:
        components = read_components(reference)
    paths = (reference,) if labels is None else (reference, labels)
    if labels is None and label_column is not None and reference.suffix == REFERENCE_ENDING:
        raise UsageError(
            f"--label-column {label_column} is a column of --labels, which is not given: without "
            f"both, the groups are those in {reference.name}"
        )
    if labels is None and label_column is None:
        return Labelled(components, of_reference, paths)
    if label_column is None:
        raise UsageError("--labels: name the column of the groups by --label-column")
    groups = read_groups(labels or reference, label_column)
    if not components.index.isin(groups.index).any():
        raise DataError(
            f"{paths[-1].name}: none of its {len(groups):,} people is among the "
            f"{len(components):,} of {reference.name}"
        )
    return Labelled(components, groups.reindex(components.index), paths)


def read_groups(path: Path, column: str) -> pd.Series[str]:
    """Read the group of each person from a table; missing stays missing."""
    table = read_people(path, text_columns=(column,))
    require_columns(table, [column], path.name)
    texts = table[column].where(table[column].notna(), np.nan)
    groups: pd.Series[str] = texts.map(str, na_action="ignore").rename("group")
    return groups


def label_reference(pca: PrincipalComponents, labels: Path, label_column: str) -> pd.Series[str]:
    """Give the groups of a reference's people, from a table."""
    groups = read_groups(labels, label_column).reindex(pca.components.index)
    if not groups.notna().any():
        raise DataError(f"{labels.name}: has a label for none of {len(groups):,} people")
    return groups


def read_ids(path: Path) -> pd.Index[str]:
    """Read a list of people: a table with `person_id`, or a file as plink2's --keep takes.

    Such a file has one person a line, family and person or the person alone; a header
    line starting with #FID, FID, #IID or IID names the columns. Of a table of ours with
    a status only those who are ok are on the list; a warning tells how many are not.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    if path.suffix == ".parquet":
        return _ok_people(path)
    lines = [words for line in path.read_text(encoding="utf-8-sig").splitlines()
             if (words := line.replace(",", " ").split())]  # fmt: skip
    if not lines:
        raise DataError(f"{path.name}: is empty")
    header = [name.removeprefix("#") for name in lines[0]]
    known = [name for name in ("person_id", "IID") if name in header]
    if known:
        return (
            _ok_people(path)
            if known == ["person_id"]
            else _column(path, lines[1:], header.index("IID"))
        )
    return _column(path, lines, min(1, len(lines[0]) - 1))


def _ok_people(path: Path) -> pd.Index[str]:
    """Give the people of a table who are ok, if it tells."""
    table = read_people(path)
    if "status" not in table or not set(table["status"]) <= STATUSES:
        return table.index
    is_ok = (table["status"] == "ok").to_numpy(dtype=bool)
    if not is_ok.all():
        warnings.warn(
            f"{path.name}: {int((~is_ok).sum()):,} of {len(table):,} people are not ok and are "
            "left out",
            PgsTrdWarning,
            stacklevel=3,
        )
    return table.index[is_ok]


def keep_path(out: Path, read: Iterable[Path | None]) -> Path:
    """Name the list for --keep that stands beside `out`; refuse to write it onto a file read."""
    path = out.with_name(f"{out.stem}.keep.txt")
    if path.resolve() in {other.resolve() for other in read if other is not None}:
        raise UsageError(f"{path.name} is read and would be written: give --out another name")
    return path


def write_keep(people: pd.DataFrame, path: Path) -> None:
    """Write the people who are ok as a list for --keep."""
    kept = people.loc[people["status"] == "ok", "person_id"]
    write_text("\n".join(["#IID", *kept, ""]), path)


def _column(path: Path, lines: list[list[str]], place: int) -> pd.Index[str]:
    short = [number for number, words in enumerate(lines, 1) if len(words) <= place]
    if short:
        raise DataError(f"{path.name}: {len(short):,} of {len(lines):,} rows have too few columns")
    return pd.Index([words[place] for words in lines], name="person_id")


def read_variants(path: Path, genotypes: GenotypeSource) -> pd.DataFrame:
    """Read a table of `ancestry qc` or `prune`, which must be of these genotypes.

    Raises
    ------
    DataError
        If it is of other variants, or in another order.
    """
    table = read_table(path, text_columns=TEXTS)
    require_columns(table, [*VARIANT_COLUMNS, "status"], path.name)
    variants = genotypes.variants
    if len(table) != len(variants):
        raise DataError(
            f"{path.name}: has {len(table):,} variants, and the genotypes have "
            f"{len(variants):,}: make it from these genotypes, with the same --extract and "
            "--exclude"
        )
    for name in ("chromosome", "position", "counted_allele", "other_allele"):
        ours = variants[name].astype(object).to_numpy()
        n_other = int((table[name].astype(object).to_numpy() != ours).sum())
        if n_other:
            raise DataError(
                f"{path.name}: {n_other:,} of {len(table):,} variants have another {name} than the "
                "genotypes: make it from these genotypes"
            )
    return table


def rows_of(table: pd.DataFrame) -> IntArray:
    """Give the rows of the variants that are ok."""
    return np.flatnonzero((table["status"] == "ok").to_numpy(dtype=bool)).astype(np.int64)


def check_reference_path(path: Path) -> None:
    """Raise a UsageError, before any work, unless `path` can be a reference's."""
    if path.suffix != REFERENCE_ENDING:
        raise UsageError(f"--reference {path.name}: a reference is one {REFERENCE_ENDING} file")
