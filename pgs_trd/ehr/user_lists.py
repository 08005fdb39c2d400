"""Code lists of the user, each instead of the package's list of that name."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pgs_trd.ehr.codes import (
    PACKAGE_LISTS,
    CodeLists,
    code_family,
    list_codelists,
    normalise_code,
    read_codelist,
)
from pgs_trd.errors import DataError, UsageError, join_faults

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_STATED = {
    "antidepressants": ("ingredient", "drug_class", "counts_as_trial"),
    "augmentation": ("ingredient", "drug_class", "counts_as_trial"),
    "combinations": ("atc_code", "ingredient", "partner", "counts_as_trial"),
    "depression": ("diagnosis_class",),
    "exclusions": ("diagnosis_class",),
    "perinatal": ("perinatal_class",),
    "procedures": ("procedure_class",),
}
"""What every line of a list must say, besides its source."""

_CHOICES = ("diagnosis_class", "perinatal_class", "procedure_class", "counts_as_trial")
_DIAGNOSES = ("depression", "exclusions")
_DRUGS = ("antidepressants", "augmentation")
_MOST_LINES = 5


def open_codelists(source: str | Path | Sequence[str | Path] | None) -> CodeLists:
    """Read code lists of your own; each stands instead of the package's of that name.

    A list is a file ``<name>.csv`` or ``<name>.tsv``, its name one of `list_codelists`,
    with the columns that `read_codelist` gives of it. It replaces the package's list
    whole: begin with a copy of that (``pgs-trd codes show NAME --out NAME.tsv``) and
    change its lines. Columns that only inform can be left out; ``source`` cannot.

    Parameters
    ----------
    source
        A folder, of which every .csv and .tsv file is a list; or a file, or several of
        either; None or none: the package's lists.

    Raises
    ------
    UsageError
        If a file or folder does not exist, or a folder holds no list.
    DataError
        If lists have faults: all of all files are named, with their lines.
    """
    if not source:
        return PACKAGE_LISTS
    paths = [source] if isinstance(source, str | Path) else source
    files = [file for path in paths for file in _list_files(Path(path))]
    known = list_codelists()
    own: dict[str, pd.DataFrame] = {}
    faults: list[str] = []
    for file in files:
        name = file.name.removesuffix(file.suffix).lower()
        if name not in known:
            found = [f"is no code list; want one of {', '.join(known)}"]
        elif name in own:
            found = [f"is the second file of the code list {name}"]
        else:
            own[name], found = _read_list(file, name)
        faults += [f"{file.name}: {fault}" for fault in found]
    if faults:
        raise DataError(join_faults("code lists", faults))
    return CodeLists(own, tuple(files))


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in _SEPARATORS)
        if not found:
            raise UsageError(f"{path.name}: holds no code list (.csv or .tsv)")
        return found
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    if path.suffix.lower() not in _SEPARATORS:
        raise UsageError(f"{path.name}: want a code list as .csv or .tsv")
    return [path]


def _read_list(file: Path, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Read one list in the form of the package's; give its faults, too."""
    form = read_codelist(name)
    table, faults = _read_text(file)
    if faults:
        return form, faults
    stated = (*_STATED[name], "source")
    faults = [f"no column {column!r}" for column in stated if column not in table.columns]
    faults += [
        f"no list of this name has a column {column!r}"
        for column in table.columns
        if column not in form.columns
    ]
    if table.columns.has_duplicates:
        faults.append("a column is there twice")
    if not len(table):
        faults.append("has no lines")
    if faults:
        return form, faults
    table = table.reindex(columns=form.columns, fill_value="")
    for column in ("ingredient", "synonym", "partner"):
        if column in table.columns:
            table[column] = table[column].str.lower()
    faults = [*_check_cells(table, name, form), *_check_meaning(table, name)]
    if "concept_id" in table.columns:
        table["concept_id"] = _whole(table["concept_id"])
    return table.reset_index(drop=True), faults


def _read_text(file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of text, its index the line of the file."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=_SEPARATORS[file.suffix.lower()], strict=True)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        return pd.DataFrame(), [f"cannot be read as a table of text: {error}"]
    if not rows:
        return pd.DataFrame(), ["is empty, want a header line with column names"]
    header = [name.lower() for name in rows.pop(0)[1]]
    is_ragged = pd.Series({line: len(row) != len(header) for line, row in rows}, dtype=bool)
    faults = _say(is_ragged, f"not {len(header)} fields, as the header has")
    if faults:
        return pd.DataFrame(), faults
    cells, lines = [row for _, row in rows], [line for line, _ in rows]
    return pd.DataFrame(cells, index=pd.Index(lines), columns=header, dtype=str), []


def _whole(texts: pd.Series) -> pd.Series:
    """Give ids as Int64, <NA> for what is no positive whole number."""
    return pd.to_numeric(texts.where(texts.str.fullmatch(r"[1-9]\d{0,17}"))).astype("Int64")


def _check_cells(table: pd.DataFrame, name: str, form: pd.DataFrame) -> list[str]:
    """Find what is missing, or none of the values it can be."""
    faults = []
    for column in (*_STATED[name], "source"):
        faults += _say(table[column] == "", f"no {column!r}")
    for column in _CHOICES:
        if column in table.columns:
            choices = sorted(set(form[column]))
            is_other = ~table[column].isin(["", *choices])
            faults += _say(is_other, f"{column!r} is none of {', '.join(choices)}")
    if "concept_id" in table.columns:
        is_bad = _whole(table["concept_id"]).isna() & (table["concept_id"] != "")
        faults += _say(is_bad, "'concept_id' is no positive whole number")
        if name not in _DRUGS:
            faults += _say(
                (table["concept_id"] == "") & (table["code"] == ""),
                "neither 'concept_id' nor 'code'",
            )
    if "min_adequate_dose_mg" in table.columns:
        dose = table["min_adequate_dose_mg"]
        is_dose = dose.str.fullmatch(r"\d+(\.\d+)?") | (dose == "")
        faults += _say(~is_dose, "'min_adequate_dose_mg' is no number of at least 0")
    return faults


def _check_meaning(table: pd.DataFrame, name: str) -> list[str]:
    """Find lines that match nothing, and ids and codes that would mean two things."""
    faults = []
    if name in _DIAGNOSES:
        is_unknown = (table["vocabulary"].map(code_family) == "") & (table["concept_id"] == "")
        faults += _say(
            is_unknown & (table["code"] != ""),
            "codes of this 'vocabulary' match nothing (want ICD-9, ICD-10 or SNOMED, "
            "or a concept id)",
        )
    if name == "depression":
        # Exclusions can be of two classes; tiers of depression exclude each other.
        family = table["vocabulary"].map(code_family)
        code = (family + " " + table["code"].map(normalise_code)).where(
            (family != "") & (table["code"] != ""), ""
        )
        faults += _say(_means_two(table["concept_id"], table["diagnosis_class"]),
                       "one 'concept_id' has two diagnosis classes")  # fmt: skip
        faults += _say(_means_two(code, table["diagnosis_class"]),
                       "one 'code' has two diagnosis classes")  # fmt: skip
    if name in _DRUGS:
        faults += _say(_means_two(table["concept_id"], table["ingredient"]),
                       "one 'concept_id' is of two ingredients")  # fmt: skip
        faults += _say(_means_two(table["ingredient"], table["drug_class"]),
                       "one 'ingredient' has two drug classes")  # fmt: skip
    return faults


def _means_two(key: pd.Series, meaning: pd.Series) -> pd.Series:
    n_meanings = meaning.groupby(key).transform("nunique")
    return (key != "") & (n_meanings > 1)


def _say(is_fault: pd.Series, text: str) -> list[str]:
    """Name a fault with the lines of the file that have it, if any."""
    lines = is_fault.index[is_fault.to_numpy(dtype=bool)]
    if not len(lines):
        return []
    shown = ", ".join(map(str, lines[:_MOST_LINES]))
    more = f" and {len(lines) - _MOST_LINES:,} more" if len(lines) > _MOST_LINES else ""
    return [f"line{'s' if len(lines) > 1 else ''} {shown}{more}: {text}"]
