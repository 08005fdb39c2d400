"""Read weight files of any kind into one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.alleles import canonical_chromosome, is_sequence
from pgs_trd.weights.columns import (
    COMPLEX_FLAGS,
    DOSAGE_WEIGHTS,
    INFERRED_OTHER_ALLELE,
    Layout,
    recognise,
)
from pgs_trd.weights.files import Head, Kind, distinct, read_columns, read_head
from pgs_trd.weights.table import REFUSED_COLUMNS, FloatArray, Weights

ObjectArray = npt.NDArray[np.object_]
BoolArray = npt.NDArray[np.bool_]

NAME_KEYS = ("pgs_id", "omicspred_id")
ENDINGS = (".gz", ".zst", ".txt", ".tsv", ".csv")
BUILD_NAMES = {
    "hg18": "NCBI36", "ncbi36": "NCBI36",
    "hg19": "GRCh37", "grch37": "GRCh37",
    "hg38": "GRCh38", "grch38": "GRCh38",
}  # fmt: skip
KINDS: dict[str, Kind] = {
    "id": "names", "original_id": "names",
    "position": "numbers", "effect_allele_frequency": "numbers",
}  # fmt: skip
NOT_ONE_VARIANT = "haplotype, diplotype or interaction: not one variant"
DOSAGE_SPECIFIC = "dosage-specific weights not supported yet"
NO_EFFECT_ALLELE = "effect allele missing"
EFFECT_ALLELE_TEXT = "effect allele not spelled in A, C, G, T"
OTHER_ALLELE_TEXT = "other allele not spelled in A, C, G, T"
SAME_ALLELES = "effect allele equals other allele"
WEIGHT_MISSING = "weight missing"
WEIGHT_TEXT = "weight not a number"
WEIGHT_INFINITE = "weight not finite"
FAULTS_OF_WEIGHT = {None, WEIGHT_MISSING, WEIGHT_TEXT, WEIGHT_INFINITE}


def read_weights(
    path: str | Path,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    name: str | None = None,
) -> Weights:
    """Read a weight file, its format recognised by its header.

    Read are PGS Catalog files (original, harmonised, and the tables made from them),
    plink --score tables with a header, and TSV, CSV or space-separated tables; plain,
    .gz or .zst. Harmonised chromosome, position and id are taken before the original.

    Parameters
    ----------
    path
        The file.
    columns
        Our names (id, effect_allele, other_allele, chromosome, position,
        effect_weight, effect_allele_frequency) -> the file's. For effect_weight also
        a list, or ``"*"`` for every other numeric column: one score a column. Names
        that are not given are recognised.
    name
        Name of the score; else the header's pgs_id, else the name of the file. Scores
        of a list or of ``"*"`` have the names of their columns.

    Returns
    -------
    weights
        Every row of the file; rows that cannot be scored stand in `refused`.

    Raises
    ------
    UsageError
        If there is no such file, or a name of `columns` is not ours.
    DataError
        If the file is empty or damaged, lacks a weight or effect allele column, or
        holds no number where the weights should be.
    """
    path = Path(path)
    head = read_head(path)
    layout = recognise(head.columns, columns, path.name)
    return _assemble(path, head, layout, name)


def _assemble(path: Path, head: Head, layout: Layout, name: str | None) -> Weights:
    kinds: dict[int, Kind] = {
        place: KINDS.get(ours, "text") for ours, place in layout.places.items()
    }
    if layout.weight_places is None:
        for place in range(len(head.columns)):
            kinds.setdefault(place, "guess")
    else:
        for place in layout.weight_places:
            kinds[place] = "numbers"
    table = read_columns(path, head, kinds)
    weight_places = _numeric_places(table, kinds, layout, path)
    n_rows = len(next(iter(table.values())))
    column = {ours: table[place] for ours, place in layout.places.items()}
    names = _score_names(path, head, layout, column, weight_places, name)

    reasons: ObjectArray = np.full(n_rows, None, dtype=object)
    variants = _variants(column, n_rows, reasons)
    effects, cell_faults = _effects(table, weight_places, n_rows, reasons, len(names))
    if not np.isfinite(effects).any() and set(reasons) <= FAULTS_OF_WEIGHT:
        raise DataError(
            f"{path.name}: none of the {n_rows:,} rows has a number in the weight "
            f"column{'s' if len(names) > 1 else ''}"
        )
    rows = np.flatnonzero(reasons != None)  # noqa: E711  # elementwise on objects
    whole = pd.DataFrame({"row": rows + 1, "score": None, "reason": reasons[rows]})
    cells = pd.DataFrame(
        [(row + 1, names[k], reason) for row, k, reason in cell_faults if reasons[row] is None],
        columns=list(REFUSED_COLUMNS),
    )
    refused = whole if cells.empty else pd.concat([whole, cells], ignore_index=True)
    return Weights(
        variants=variants,
        effects=effects,
        names=names,
        genome_build=_genome_build(head.metadata, layout.is_harmonised),
        metadata=head.metadata,
        path=path,
        refused=refused.sort_values("row", kind="stable", ignore_index=True),
    )


def _numeric_places(
    table: Mapping[int, pd.Series], kinds: Mapping[int, Kind], layout: Layout, path: Path
) -> tuple[int, ...]:
    """Give the weight columns; of guessed ones those that hold numbers in the main."""
    if layout.weight_places is not None:
        return layout.weight_places
    places = []
    for place, kind in kinds.items():
        if kind != "guess":
            continue
        series = table[place]
        if series.dtype != np.float64:
            numbers = pd.to_numeric(series.dropna().astype(str), errors="coerce")
            if series.dtype == bool or not len(numbers) or numbers.notna().mean() < 0.5:
                continue
        elif series.isna().all():
            continue
        places.append(place)
    if not places:
        raise DataError(f"{path.name}: no other column than those named holds numbers")
    return tuple(places)


def _variants(column: Mapping[str, pd.Series], n_rows: int, reasons: ObjectArray) -> pd.DataFrame:
    """Make the table of variants; write into `reasons` why rows are refused."""
    _refuse_models(column, reasons)
    effect = _text(column, "effect_allele", n_rows, str.upper)
    other = _text(column, "other_allele", n_rows, str.upper)
    if INFERRED_OTHER_ALLELE in column:
        # Several alleles ("A/T") were inferred where the catalog could not tell: none.
        inferred = _text(column, INFERRED_OTHER_ALLELE, n_rows, _one_sequence)
        other = np.where(_is_none(other), inferred, other)
    _refuse(reasons, _is_none(effect), NO_EFFECT_ALLELE)
    _refuse(reasons, _is_not_sequence(effect), EFFECT_ALLELE_TEXT)
    _refuse(reasons, _is_not_sequence(other), OTHER_ALLELE_TEXT)
    _refuse(reasons, effect == other, SAME_ALLELES)
    identity = _text(column, "id", n_rows)
    if "original_id" in column:
        identity = np.where(_is_none(identity), _text(column, "original_id", n_rows), identity)
    position = _numbers(column.get("position"), n_rows)[0]
    is_whole = np.isfinite(position) & (position == np.floor(position)) & (np.abs(position) < 2**53)
    frequency = _numbers(column.get("effect_allele_frequency"), n_rows)[0]
    frequency[~((frequency >= 0) & (frequency <= 1))] = np.nan
    return pd.DataFrame(
        {
            "row": np.arange(1, n_rows + 1, dtype=np.int64),
            "id": identity,
            "chromosome": _text(column, "chromosome", n_rows, canonical_chromosome),
            "position": pd.arrays.IntegerArray(
                np.where(is_whole, position, 0).astype(np.int64), ~is_whole
            ),
            "effect_allele": effect,
            "other_allele": other,
            "effect_allele_frequency": frequency,
        }
    )


def _refuse_models(column: Mapping[str, pd.Series], reasons: ObjectArray) -> None:
    """Refuse what is not one additive effect of one variant."""
    for flag in COMPLEX_FLAGS:
        _refuse(reasons, _is_true(column, flag, len(reasons)), NOT_ONE_VARIANT)
    for flag in ("dominant", "recessive"):
        reason = f"{flag} effect not supported yet"
        _refuse(reasons, _is_true(column, f"is_{flag}", len(reasons)), reason)
    if "effect_type" in column:
        codes, texts = distinct(column["effect_type"])
        for code, text in enumerate(texts):
            if text.lower() not in ("", "additive"):
                _refuse(reasons, codes == code, f"{text.lower()} effect not supported yet")
    for place in DOSAGE_WEIGHTS:
        if place in column:
            _refuse(reasons, column[place].notna().to_numpy(), DOSAGE_SPECIFIC)


def _effects(
    table: Mapping[int, pd.Series],
    places: Sequence[int],
    n_rows: int,
    reasons: ObjectArray,
    n_scores: int,
) -> tuple[FloatArray, list[tuple[int, int, str]]]:
    """Give the effects and, of a wide file, the cells that are refused (row, score, reason).

    In a file of one score a row without a weight is refused. In a wide one an empty
    cell says that the row is not part of that score.
    """
    effects = np.full((n_rows, n_scores), np.nan)
    cell_faults: list[tuple[int, int, str]] = []
    for k, place in enumerate(places):
        values, is_text = _numbers(table[place], n_rows)
        is_infinite = np.isinf(values)
        values[is_infinite] = np.nan
        effects[:, k] = values
        if len(places) == 1:
            _refuse(reasons, is_text, WEIGHT_TEXT)
            _refuse(reasons, is_infinite, WEIGHT_INFINITE)
            _refuse(reasons, np.isnan(values), WEIGHT_MISSING)
            continue
        for mask, reason in ((is_text, WEIGHT_TEXT), (is_infinite, WEIGHT_INFINITE)):
            cell_faults += [(int(row), k, reason) for row in np.flatnonzero(mask)]
    if not places:  # Dosage-specific weights only, and not on every row.
        _refuse(reasons, np.ones(n_rows, dtype=bool), WEIGHT_MISSING)
    return effects, cell_faults


def _numbers(series: pd.Series | None, n_rows: int) -> tuple[FloatArray, BoolArray]:
    """Give a column as numbers (NaN missing), and which cells hold something else."""
    if series is None:
        return np.full(n_rows, np.nan), np.zeros(n_rows, dtype=bool)
    if series.dtype == np.float64:
        return series.to_numpy(dtype=np.float64, copy=True), np.zeros(n_rows, dtype=bool)
    codes, texts = distinct(series)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64)
    spelled_nan = np.array([text.lower() == "nan" for text in texts], dtype=bool)
    values = np.append(numbers, np.nan)[codes]
    is_text = np.append(np.isnan(numbers) & ~spelled_nan, False)[codes]
    return values, is_text


def _text(
    column: Mapping[str, pd.Series],
    ours: str,
    n_rows: int,
    change: Callable[[str], str | None] | None = None,
) -> ObjectArray:
    """Give a column as text, None where missing, `change` computed once a distinct text."""
    if ours not in column:
        return np.full(n_rows, None, dtype=object)
    if change is None:
        texts_as_they_are = column[ours].to_numpy(dtype=object, copy=True)
        texts_as_they_are[_is_none(texts_as_they_are)] = None
        return texts_as_they_are
    codes, texts = distinct(column[ours])
    changed = np.empty(len(texts) + 1, dtype=object)
    changed[:-1] = [change(text) if text else None for text in texts]
    return changed[codes]


def _one_sequence(text: str) -> str | None:
    return text.upper() if is_sequence(text.upper()) else None


def _is_none(texts: ObjectArray) -> BoolArray:
    return np.asarray(pd.isna(texts), dtype=bool)


def _is_not_sequence(alleles: ObjectArray) -> BoolArray:
    codes, texts = pd.factorize(alleles)
    return np.append([not is_sequence(text) for text in texts], False).astype(bool)[codes]


def _is_true(column: Mapping[str, pd.Series], flag: str, n_rows: int) -> BoolArray:
    if flag not in column:
        return np.zeros(n_rows, dtype=bool)
    codes, texts = distinct(column[flag])
    is_true = [text.lower() in ("true", "t", "yes", "1") for text in texts]
    return np.append(is_true, False).astype(bool)[codes]


def _refuse(reasons: ObjectArray, mask: BoolArray, reason: str) -> None:
    """Write `reason` where `mask` holds and no reason stands yet."""
    reasons[mask & _is_none(reasons)] = reason


def _score_names(
    path: Path,
    head: Head,
    layout: Layout,
    column: Mapping[str, pd.Series],
    places: Sequence[int],
    name: str | None,
) -> tuple[str, ...]:
    if layout.is_wide:
        if name is None:
            return tuple(head.columns[place] for place in places)
        if len(places) > 1:
            raise UsageError(f"one name was given, but {path.name} holds {len(places)} scores")
    accessions = distinct(column["accession"])[1] if "accession" in column else []
    if len(accessions) > 1:
        raise DataError(
            f"{path.name}: {len(accessions)} scores stand one under the other (column accession); "
            "split it into one file a score"
        )
    if name is not None:
        return (name,)
    stated = [head.metadata[key] for key in NAME_KEYS if head.metadata.get(key)] + list(accessions)
    stem = path.name
    while stem.lower().endswith(ENDINGS):
        stem = stem[: stem.rindex(".")]
    return (stated[0] if stated else stem,)


def _genome_build(metadata: Mapping[str, str], is_harmonised: bool) -> str | None:
    stated = metadata.get("HmPOS_build" if is_harmonised else "genome_build", "")
    if not stated or stated.upper() in ("NR", "NA"):
        return None
    return BUILD_NAMES.get(stated.lower(), stated)
