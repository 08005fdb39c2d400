"""Read weight files of any kind into one table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.weights.columns import LOG_P, Layout, recognise
from pgs_trd.weights.effects import (
    check_thresholds,
    fill_effects,
    refuse_missing,
    split_by_p_value,
)
from pgs_trd.weights.files import (
    MANY_COLUMNS,
    MISSING_TEXTS,
    Head,
    Kind,
    read_columns,
    read_head,
    read_sample,
)
from pgs_trd.weights.formats import is_number
from pgs_trd.weights.refusals import DOSES_OF_MANY, Refusals
from pgs_trd.weights.table import FloatArray, Weights
from pgs_trd.weights.values import to_categories
from pgs_trd.weights.variants import make_table, read_doses
from pgs_trd.weights.wide import read_wide

# Version 1 of the PGS Catalog's files has titles for keys.
NAME_KEYS = ("pgs_id", "omicspred_id", "PGS ID")
BUILD_KEYS = ("genome_build", "Original Genome Build")
COUNT_KEYS = ("variants_number", "Number of Variants")
ENDINGS = (".gz", ".bgz", ".zst", ".txt", ".tsv", ".csv", ".parquet", ".snpres")
BUILD_NAMES = {
    "hg18": "NCBI36", "ncbi36": "NCBI36",
    "hg19": "GRCh37", "grch37": "GRCh37",
    "hg38": "GRCh38", "grch38": "GRCh38",
}  # fmt: skip
RATIO_TYPES = {"or", "hr", "or/hr", "odds ratio", "hazard ratio", "odds_ratio", "hazard_ratio"}
KINDS: dict[str, Kind] = {
    "id": "names", "original_id": "names",
    "position": "numbers", "effect_allele_frequency": "numbers",
    "p_value": "numbers", LOG_P: "numbers",
    "dosage_0_weight": "numbers", "dosage_1_weight": "numbers", "dosage_2_weight": "numbers",
}  # fmt: skip
SAMPLE_ROWS = 200


def read_weights(
    path: str | Path,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    name: str | None = None,
    p_thresholds: Sequence[float] | None = None,
) -> Weights:
    """Read a weight file, its format recognised by its header, or by its first line.

    Read are files of the PGS Catalog (every version, original and harmonised, and the
    tables made from them) and of OmicsPred; PRS-CS and PRS-CSx (no header); LDpred2
    (a1 has the effect, a0 not); SBayesRC and GCTB (.snpRes, .txt); GWAS results of
    PRSice, plink2, regenie, GCTA and the GWAS Catalog; plink --score tables, with a
    header or with three columns; tables divided by tabs, commas, semicolons or
    spaces; Parquet. Text is plain or compressed (.gz, bgzip, .zst). Harmonised
    chromosome, position and id are taken before the original.

    A1 is taken to be the effect allele, as those programs have it; tables of
    MungeSumstats have it in A2: name both alleles in `columns` for them. Names that
    programs use both ways (Allele1, Allele2) are not recognised.

    Parameters
    ----------
    path
        The file.
    columns
        Our names (id, effect_allele, other_allele, chromosome, position,
        effect_weight, effect_allele_frequency, p_value) -> the file's, or the numbers
        (from 1) of the columns of a file without header. For effect_weight also a
        list, or ``"*"`` for every other numeric column: one score a column. Names
        that are not given are recognised. A column of odds or hazard ratios (OR,
        odds_ratio, HR, hazard_ratio) is a weight only if it is named here, and then
        its natural logarithm is the weight.
    name
        Name of the score; else the header's pgs_id, else the name of the file. Scores
        of a list or of ``"*"`` have the names of their columns.
    p_thresholds
        Make one score a threshold, of the rows with a p-value up to it, named
        ``<name>_p<threshold>``. The file must have a p-value, or its negative
        logarithm to base 10 (neg_log_10_p_value, LOG10P, mlogp).

    Returns
    -------
    weights
        Every row of the file; rows that cannot be scored stand in `refused`.

    Raises
    ------
    UsageError
        If there is no such file, a name of `columns` is not ours, or a threshold is
        not in (0, 1].
    DataError
        If the file is empty or damaged, lacks a weight or effect allele column, has
        two that could be it, or holds no number where the weights should be.

    Warns
    -----
    PgsTrdWarning
        If the header states more variants than there are rows, or that the weights
        are ratios; they are used as they stand.
    """
    weights, doubts = read_with_doubts(
        Path(path), columns=columns, name=name, p_thresholds=p_thresholds
    )
    for doubt in doubts:
        warnings.warn(doubt, PgsTrdWarning, stacklevel=2)
    return weights


def read_with_doubts(
    path: Path,
    *,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    name: str | None = None,
    p_thresholds: Sequence[float] | None = None,
) -> tuple[Weights, list[str]]:
    """Read a weight file, and give what `read_weights` warns of, so that any thread may."""
    head = read_head(path)
    layout = recognise(head, columns, path.name)
    if p_thresholds is not None:
        _check_p_value(layout, path)
    weights, weight_types = _assemble(path, head, layout, name, p_thresholds)
    return weights, [f"{path.name}: {doubt}" for doubt in _doubts(weights, weight_types)]


def stand_in(path: Path, error: DataError) -> Weights:
    """Give weights without rows for a file that cannot be read, so that its score fails."""
    none = Refusals(0)
    fault = ". ".join(str(error).removeprefix(f"{path.name}: ").splitlines())
    return Weights(
        variants=make_table({}, 0, "", none),
        effects=np.empty((0, 1)),
        names=(path.name,),
        genome_build=None,
        metadata={},
        path=path,
        refused=none.table((path.name,)),
        fault=fault,
    )


def _assemble(
    path: Path, head: Head, layout: Layout, name: str | None, thresholds: Sequence[float] | None
) -> tuple[Weights, set[str]]:
    """Give the weights, and what their own column says of their kind."""
    ours = {
        ours: place
        for ours, place in layout.places.items()
        if thresholds is not None or ours not in ("p_value", LOG_P)
    }
    guessed = _numeric_places(path, head, layout)
    kinds: dict[int, Kind] = {place: KINDS.get(name, "text") for name, place in ours.items()}
    kinds |= dict.fromkeys(guessed, "numbers")
    wide = None
    if len(guessed) > MANY_COLUMNS and not layout.ratio_places:
        wide = read_wide(path, head, kinds, guessed)
    table, matrix = (read_columns(path, head, kinds), None) if wide is None else wide
    del wide
    n_rows = table.num_rows
    column = {ours: table.column(str(place)) for ours, place in ours.items()}
    places, matrix = _leave_out_empty(guessed, table, matrix, layout, path)
    names = _score_names(path, head, layout, column, places, name)
    if thresholds is not None:
        names = check_thresholds(thresholds, names[0])
    batches = [] if matrix is not None else _batches(table, places)
    del table
    pa.default_memory_pool().release_unused()

    refusals = Refusals(n_rows)
    effect_name = head.columns[layout.places["effect_allele"]]
    variants = make_table(column, n_rows, effect_name, refusals)
    doses, by_dose = read_doses(column, n_rows, refusals)
    effects = _effects(batches, matrix, places, layout, by_dose, refusals)
    if thresholds is not None:
        effects = split_by_p_value(effects, column, thresholds, refusals)
    if not np.isfinite(effects).any() and refusals.only_weights() and thresholds is None:
        raise DataError(
            f"{path.name}: none of the {n_rows:,} rows has a number in the weight "
            f"column{'s' if len(names) > 1 else ''}"
        )
    weights = Weights(
        variants=variants,
        effects=effects,
        names=names,
        genome_build=_genome_build(head.metadata, layout.is_harmonised),
        metadata=head.metadata,
        path=path,
        refused=refusals.table(names),
        doses=doses,
    )
    types = column.get("weight_type")
    return weights, set() if types is None else set(to_categories(types, str.lower).categories)


def _batches(table: pa.Table, places: Sequence[int]) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = table.select([str(place) for place in places]).to_batches()
    return batches


def _effects(
    batches: list[pa.RecordBatch],
    matrix: FloatArray | None,
    places: Sequence[int],
    layout: Layout,
    by_dose: FloatArray,
    refusals: Refusals,
) -> FloatArray:
    """Give the effects of the weight columns, and of dosage weights where there are any."""
    has_doses = ~np.isnan(by_dose)
    if matrix is not None:
        effects = matrix
    elif not places:
        effects = np.full((len(by_dose), 1), np.nan)
    else:
        ratios = [place in layout.ratio_places for place in places]
        # A row of dosage weights needs no other weight.
        aside = Refusals(len(by_dose)) if len(places) == 1 and has_doses.any() else refusals
        effects = fill_effects(batches, len(by_dose), ratios, aside)
        if aside is not refusals:
            refusals.take(aside, ~has_doses)
    if len(places) > 1:
        refusals.refuse(has_doses, DOSES_OF_MANY)
        return effects
    effects[has_doses, 0] = by_dose[has_doses]
    refuse_missing(effects, refusals)
    return effects


def _numeric_places(path: Path, head: Head, layout: Layout) -> tuple[int, ...]:
    """Give the weight columns; of any that may be one those that start with numbers.

    Half of the filled cells of the first rows must be numbers.
    """
    if layout.weight_places is not None:
        return layout.weight_places
    sample = read_sample(path, head, SAMPLE_ROWS)
    taken = set(layout.places.values())
    places = []
    for place in range(len(head.columns)):
        cells = [row[place].strip() for row in sample if place < len(row)]
        filled = [cell for cell in cells if cell not in MISSING_TEXTS]
        if place not in taken and 2 * sum(map(is_number, filled)) >= len(filled):
            places.append(place)
    return tuple(places)


def _leave_out_empty(
    guessed: Sequence[int],
    table: pa.Table,
    matrix: FloatArray | None,
    layout: Layout,
    path: Path,
) -> tuple[tuple[int, ...], FloatArray | None]:
    """Leave out of guessed weight columns, and of their numbers, those that are empty."""
    if layout.weight_places is not None:
        return tuple(guessed), matrix
    if matrix is None:
        n_empty = [table.column(str(place)).null_count for place in guessed]
        is_empty = np.array(n_empty) == table.num_rows
    else:
        is_empty = np.isnan(matrix[:SAMPLE_ROWS]).all(axis=0)
        is_empty[is_empty] = np.isnan(matrix[:, is_empty]).all(axis=0)
    kept = tuple(np.array(guessed)[~is_empty].tolist())
    if not kept:
        raise DataError(f"{path.name}: no other column than those named holds numbers")
    if matrix is not None and is_empty.any():
        matrix = np.ascontiguousarray(matrix[:, ~is_empty])
    return kept, matrix


def _score_names(
    path: Path,
    head: Head,
    layout: Layout,
    column: Mapping[str, pa.ChunkedArray],
    places: Sequence[int],
    name: str | None,
) -> tuple[str, ...]:
    if layout.is_wide:
        if name is None:
            return tuple(head.columns[place] for place in places)
        if len(places) > 1:
            raise UsageError(f"one name was given, but {path.name} holds {len(places)} scores")
    accessions = (
        list(to_categories(column["accession"], str).categories) if "accession" in column else []
    )
    if len(accessions) > 1:
        raise DataError(
            f"{path.name}: {len(accessions)} scores stand one under the other (column accession); "
            "split it into one file a score"
        )
    if name is not None:
        return (name,)
    stated = [head.metadata[key] for key in NAME_KEYS if head.metadata.get(key)] + accessions
    stem = path.name
    while stem.lower().endswith(ENDINGS):
        stem = stem[: stem.rindex(".")]
    return (stated[0] if stated else stem,)


def _genome_build(metadata: Mapping[str, str], is_harmonised: bool) -> str | None:
    keys = ("HmPOS_build",) if is_harmonised else BUILD_KEYS
    stated = next((metadata[key] for key in keys if metadata.get(key)), "")
    if not stated or stated.upper() in ("NR", "NA"):
        return None
    return BUILD_NAMES.get(stated.lower(), stated)


def _check_p_value(layout: Layout, path: Path) -> None:
    if not layout.places.keys() & {"p_value", LOG_P}:
        raise DataError(f"{path.name}: p_thresholds need a p-value column: name it as p_value")
    if layout.weight_places is None or len(layout.weight_places) > 1:
        raise UsageError("p_thresholds need one weight column, and several were asked for")


def _doubts(weights: Weights, weight_types: set[str]) -> list[str]:
    """Say what the file says of itself that its rows do not bear out."""
    metadata, n_rows = weights.metadata, len(weights.variants)
    doubts = []
    found = (metadata[key] for key in COUNT_KEYS if key in metadata)
    stated = next(found, "").replace(",", "")
    if stated.isdecimal() and int(stated) > n_rows:
        doubts.append(
            f"its header states {int(stated):,} variants, it has {n_rows:,}: cut off, or "
            "filtered after it was written"
        )
    if RATIO_TYPES & (weight_types | {metadata.get("weight_type", "").lower()}):
        doubts.append(
            "it says that the weights are ratios; they are used as they stand: check that "
            "they are logarithms"
        )
    return doubts
