"""Make the table of variants of a weight file, and what its copies count as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pgs_trd.genotypes.alleles import canonical_chromosome, is_sequence
from pgs_trd.weights.columns import DOSAGE_WEIGHTS, INFERRED_OTHER_ALLELE
from pgs_trd.weights.refusals import (
    BOTH_MODELS,
    DIPLOTYPE,
    DOSES_INCOMPLETE,
    EFFECT_ALLELE_TEXT,
    HAPLOTYPE,
    HEADER_AGAIN,
    HLA_ALLELE,
    HLA_AMINO_ACID,
    HLA_SEROTYPE,
    INTERACTION,
    NO_EFFECT_ALLELE,
    OTHER_ALLELE_TEXT,
    SAME_ALLELES,
    UNKNOWN_FLAG,
    UNKNOWN_MODEL,
    Refusals,
)
from pgs_trd.weights.table import FloatArray
from pgs_trd.weights.values import (
    BoolArray,
    fill_missing,
    is_category,
    to_categories,
    to_ids,
    to_numbers,
    to_texts,
)

ADDITIVE, DOMINANT, RECESSIVE = (0.0, 1.0, 2.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0)
HLA_REASONS = {"HLA_ALLELE": HLA_ALLELE, "HLA_AA": HLA_AMINO_ACID, "HLA_SEROTYPE": HLA_SEROTYPE}
TRUE_TEXTS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_TEXTS = ("false", "f", "no", "n", "0", "0.0")


def make_table(
    column: dict[str, pa.ChunkedArray], n_rows: int, header: str, refusals: Refusals
) -> pd.DataFrame:
    """Make `Weights.variants`; write into `refusals` what is not one variant.

    Parameters
    ----------
    column
        Our name -> the file's column; what becomes the table is taken out of it.
    n_rows
        Rows of the file.
    header
        Name of the effect allele's column.
    refusals
        Where refused rows are written.
    """
    effect = _categories(column, "effect_allele", n_rows)
    other = _categories(column, "other_allele", n_rows)
    if INFERRED_OTHER_ALLELE in column and (other.codes < 0).any():
        # Several alleles ("A/T") were inferred where the catalog could not tell: none.
        inferred = to_categories(column[INFERRED_OTHER_ALLELE], _one_sequence)
        other = fill_missing(other, inferred)
    refusals.refuse(is_category(effect, lambda text: text == header.upper()), HEADER_AGAIN)
    _refuse_complex(column, effect, refusals)
    refusals.refuse(effect.codes < 0, NO_EFFECT_ALLELE)
    refusals.refuse(is_category(effect, lambda text: not is_sequence(text)), EFFECT_ALLELE_TEXT)
    refusals.refuse(is_category(other, lambda text: not is_sequence(text)), OTHER_ALLELE_TEXT)
    same = np.append(effect.categories.get_indexer(other.categories), -1)[other.codes]
    refusals.refuse((same == effect.codes) & (same >= 0), SAME_ALLELES)
    chromosome = (
        to_categories(column.pop("chromosome"), canonical_chromosome)
        if "chromosome" in column
        else _no_categories(n_rows)
    )
    return pd.DataFrame(
        {
            "row": np.arange(1, n_rows + 1, dtype=np.int64),
            "id": _ids(column, n_rows),
            "chromosome": chromosome,
            "position": _positions(column, n_rows),
            "effect_allele": effect,
            "other_allele": other,
            "effect_allele_frequency": _frequencies(column, n_rows),
        },
        copy=False,
    )


def read_doses(
    column: Mapping[str, pa.ChunkedArray], n_rows: int, refusals: Refusals
) -> tuple[FloatArray | None, FloatArray]:
    """Give `Weights.doses`, and the effect where dosage weights make it (else NaN).

    The effect of a row of dosage weights is the one furthest from zero; the doses are
    the three in units of it.
    """
    dominant, recessive = _models(column, n_rows, refusals)
    refusals.refuse(dominant & recessive, BOTH_MODELS)
    present = [name for name in DOSAGE_WEIGHTS if name in column]
    if not present and not dominant.any() and not recessive.any():
        return None, np.broadcast_to(np.nan, n_rows)
    effect = np.full(n_rows, np.nan)
    doses = np.tile(np.array(ADDITIVE), (n_rows, 1))
    doses[dominant] = DOMINANT
    doses[recessive] = RECESSIVE
    if present:
        weights = np.full((n_rows, 3), np.nan)
        stated = np.zeros(n_rows, dtype=bool)
        for k, name in enumerate(DOSAGE_WEIGHTS):
            if name in column:
                weights[:, k], is_text = to_numbers(column[name])
                stated |= is_text | ~np.isnan(weights[:, k])
        whole = np.isfinite(weights).all(axis=1)
        refusals.refuse(stated & ~whole, DOSES_INCOMPLETE)
        rows = np.flatnonzero(whole)
        largest = np.abs(weights[rows]).argmax(axis=1)
        effect[rows] = weights[rows, largest]
        scaled = rows[effect[rows] != 0]
        doses[rows] = ADDITIVE
        doses[scaled] = weights[scaled] / effect[scaled, np.newaxis]
    return doses, effect


def _models(
    column: Mapping[str, pa.ChunkedArray], n_rows: int, refusals: Refusals
) -> tuple[BoolArray, BoolArray]:
    dominant, recessive = (
        _is_true(column, flag, n_rows, refusals) for flag in ("is_dominant", "is_recessive")
    )
    if "effect_type" in column:
        kinds = to_categories(column["effect_type"], str.lower)
        dominant |= is_category(kinds, lambda text: text == "dominant")
        recessive |= is_category(kinds, lambda text: text == "recessive")
        known = {"additive", "dominant", "recessive"}
        if all(name in column for name in DOSAGE_WEIGHTS):
            known |= {"nonadditive", "non-additive", "non_additive"}
        refusals.refuse(is_category(kinds, lambda text: text not in known), UNKNOWN_MODEL)
    return dominant, recessive


def _refuse_complex(
    column: Mapping[str, pa.ChunkedArray], effect: pd.Categorical, refusals: Refusals
) -> None:
    """Refuse what is not one variant, by the most telling of what the file says of it."""
    n_rows = len(effect)
    refusals.refuse(_is_true(column, "is_interaction", n_rows, refusals), INTERACTION)
    refusals.refuse(_is_true(column, "is_diplotype", n_rows, refusals), DIPLOTYPE)
    if "variant_type" in column:
        types = to_categories(column["variant_type"], _spell_type)
        for text, reason in HLA_REASONS.items():
            refusals.refuse(types == text, reason)
    # Such as HLA-B*57:01, which older files have as an id.
    refusals.refuse(is_category(effect, lambda text: text.startswith("HLA-")), HLA_ALLELE)
    if "id" in column:
        of_hla = pc.starts_with(column["id"].cast(pa.string()), "HLA-")
        is_star = is_category(effect, lambda text: not is_sequence(text))
        refusals.refuse(np.asarray(of_hla.fill_null(False).to_numpy()) & is_star, HLA_ALLELE)
    refusals.refuse(_is_true(column, "is_haplotype", n_rows, refusals), HAPLOTYPE)


def _spell_type(text: str) -> str:
    return text.upper().replace(" ", "_").replace("-", "_")


def _ids(column: dict[str, pa.ChunkedArray], n_rows: int) -> Any:
    if "id" not in column:
        return pd.array(pa.nulls(n_rows, pa.string()), dtype="string[pyarrow]")
    identity, original = to_texts(column.pop("id")), column.pop("original_id", None)
    if original is not None and identity.null_count:
        identity = pc.coalesce(identity, to_texts(original))
    return to_ids(identity)


def _categories(column: dict[str, pa.ChunkedArray], ours: str, n_rows: int) -> pd.Categorical:
    return to_categories(column.pop(ours), str.upper) if ours in column else _no_categories(n_rows)


def _no_categories(n_rows: int) -> pd.Categorical:
    return pd.Categorical.from_codes(
        np.full(n_rows, -1, dtype=np.int8), categories=pd.Index([], dtype=object)
    )


def _positions(column: dict[str, pa.ChunkedArray], n_rows: int) -> pd.arrays.IntegerArray:
    if "position" not in column:
        # One value in memory for all rows, as for frequencies.
        none = np.broadcast_to(np.int64(0), n_rows), np.broadcast_to(np.bool_(True), n_rows)
        return pd.arrays.IntegerArray(none[0], none[1])
    position = to_numbers(column.pop("position"))[0]
    is_whole = np.isfinite(position) & (position == np.floor(position)) & (np.abs(position) < 2**53)
    return pd.arrays.IntegerArray(np.where(is_whole, position, 0).astype(np.int64), ~is_whole)


def _frequencies(column: dict[str, pa.ChunkedArray], n_rows: int) -> FloatArray:
    if "effect_allele_frequency" not in column:
        return np.broadcast_to(np.nan, n_rows)
    frequency = to_numbers(column.pop("effect_allele_frequency"))[0]
    frequency[~((frequency >= 0) & (frequency <= 1))] = np.nan
    return frequency


def _one_sequence(text: str) -> str | None:
    return text.upper() if is_sequence(text.upper()) else None


def _is_true(
    column: Mapping[str, pa.ChunkedArray], flag: str, n_rows: int, refusals: Refusals
) -> BoolArray:
    """Tell where a flag is true, missing counting as false; refuse rows where it is neither."""
    if flag not in column:
        return np.zeros(n_rows, dtype=bool)
    answers = to_categories(column[flag], str.lower)
    known = (*TRUE_TEXTS, *FALSE_TEXTS)
    refusals.refuse(is_category(answers, lambda text: text not in known), UNKNOWN_FLAG)
    return is_category(answers, lambda text: text in TRUE_TEXTS)
