"""Match weight rows with genotypes: place and both alleles, and a reason for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import GenotypeSource, count_alleles
from pgs_trd.weights.index import (
    NO_KEY,
    BoolArray,
    IntArray,
    TargetIndex,
    candidates,
    index_by_id,
    index_by_position,
    number_alleles,
    pack_keys,
)
from pgs_trd.weights.reasons import REASONS, STATUSES, Outcome
from pgs_trd.weights.summary import summarise
from pgs_trd.weights.table import FloatArray, Weights

Palindromes: TypeAlias = Literal["drop", "keep", "frequency"]
MatchBy: TypeAlias = Literal["position", "id"]

FREQUENCY_MARGIN = 0.1


@dataclass(frozen=True)
class Match:
    """What became of every row of every weight file.

    Attributes
    ----------
    table
        One row a weight row: file (0-based place among the weights), row, id,
        chromosome, position, effect_allele, other_allele, status, reason, target
        (row of the genotypes' variants, -1 if none), swapped (the effect allele is
        the target's other allele), flipped (matched on the other strand). Only rows
        whose status is ``"matched"`` have a target.
    summary
        One row a score: score, n_rows, n_matched, match_rate, one n_<status> column
        for every other status (they and n_matched add up to n_rows), weight_matched
        (share of the sum of absolute weights), status ``"ok"`` or ``"failed"``,
        verdict (one sentence).
    """

    table: pd.DataFrame
    summary: pd.DataFrame


def match_variants(
    genotypes: GenotypeSource,
    weights: Weights | Sequence[Weights],
    *,
    palindromes: Palindromes = "drop",
    min_overlap: float = 0.75,
    by: MatchBy = "position",
) -> Match:
    """Find the genotype row of every weight row, or say why there is none.

    A row matches a genotype row of the same place whose two alleles are its own: as
    they stand, swapped, on the other strand, or both. A row without other allele
    matches by its effect allele alone, if that fits one genotype row.

    - ``palindromic``: both strands fit one genotype row (A/T, C/G).
    - ``ambiguous``: the two strands, or one allele, fit different genotype rows.
    - ``collision``: two rows of one score fit one genotype row; both are out.
    - ``duplicate_target``: the genotypes hold that variant more than once.
    - ``refused``: not scorable, from `Weights.refused`; or the effect allele is the
      reference of a multi-allelic site, whose copies one genotype row does not tell.

    Parameters
    ----------
    genotypes
        The target.
    weights
        One weight file or several.
    palindromes
        ``"drop"`` leaves palindromic rows out; ``"keep"`` takes them to be on the
        genotypes' strand; ``"frequency"`` takes the strand on which the effect allele
        is the rarer one both in the weight file and in the genotypes, or in neither.
        Both frequencies must be 0.1 or more away from 0.5, else the row is dropped.
    min_overlap
        Share of a score's rows that must match for its summary to be ``"ok"``.
    by
        ``"position"`` (chromosome and position) or ``"id"``; alleles count in both.

    Raises
    ------
    UsageError
        If an option is none of the known.
    """
    files = [weights] if isinstance(weights, Weights) else list(weights)
    _check_options(palindromes, min_overlap, by)
    variants = genotypes.variants
    index = index_by_position(variants) if by == "position" else index_by_id(variants)
    tables, summaries = [], []
    for number, file in enumerate(files):
        outcome = _match_file(genotypes, index, file, palindromes, by)
        tables.append(_table(number, file, outcome))
        summaries.append(summarise(file, outcome, min_overlap))
    return Match(
        table=pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
        summary=pd.concat(summaries, ignore_index=True) if summaries else pd.DataFrame(),
    )


def _check_options(palindromes: str, min_overlap: float, by: str) -> None:
    if palindromes not in ("drop", "keep", "frequency"):
        raise UsageError(f"palindromes must be 'drop', 'keep' or 'frequency', got {palindromes!r}")
    if by not in ("position", "id"):
        raise UsageError(f"by must be 'position' or 'id', got {by!r}")
    if not 0 <= min_overlap <= 1:
        raise UsageError(f"min_overlap must lie in [0, 1], got {min_overlap}")


def _match_file(
    genotypes: GenotypeSource,
    index: TargetIndex,
    file: Weights,
    palindromes: Palindromes,
    by: MatchBy,
) -> Outcome:
    outcome = Outcome.start(len(file.variants))
    whole = file.refused[file.refused["score"].isna()]
    rows = whole["row"].to_numpy(dtype=np.int64) - 1
    outcome.refuse(rows, whole["reason"].to_numpy(dtype=object))
    keys = _keys(index, file.variants, outcome, by)
    _choose_targets(index, file.variants, keys, outcome)
    _settle_palindromes(genotypes, file, palindromes, outcome)
    matched = np.flatnonzero(outcome.is_matched)
    target, swapped = outcome.target[matched], outcome.swapped[matched]
    is_shared = np.where(swapped, index.other_is_shared[target], index.counted_is_shared[target])
    outcome.set_status(matched[is_shared], "refused", REASONS["multi_allelic_reference"])
    outcome.set_status(_collisions(outcome, file.effects), "collision")
    outcome.forget_unmatched()
    return outcome


def _keys(index: TargetIndex, variants: pd.DataFrame, outcome: Outcome, by: MatchBy) -> IntArray:
    """Give each row's place among the genotypes' places, or the reason for none."""
    open_rows = outcome.is_open
    if by == "id":
        identity = variants["id"]
        has_id = identity.notna().to_numpy() & (identity != ".").to_numpy()
        keys: IntArray = index.names.get_indexer(pd.Index(identity)).astype(np.int64)
        keys[~has_id] = NO_KEY
        outcome.set_status(open_rows & ~has_id, "no_id")
        outcome.set_status(outcome.is_open & (keys == NO_KEY), "id_absent")
    else:
        codes, names = pd.factorize(variants["chromosome"])
        chromosome = np.append(index.names.get_indexer(pd.Index(names)), NO_KEY)[codes]
        position = variants["position"].fillna(0).to_numpy(dtype=np.int64)
        keys = pack_keys(chromosome.astype(np.int64), position)
        has_place = (codes >= 0) & (pack_keys(np.zeros_like(position), position) != NO_KEY)
        outcome.set_status(open_rows & ~has_place, "no_position")
        outcome.set_status(outcome.is_open & (chromosome == NO_KEY), "chromosome_absent")
    keys[~outcome.is_open] = NO_KEY
    return keys


def _choose_targets(
    index: TargetIndex, variants: pd.DataFrame, keys: IntArray, outcome: Outcome
) -> None:
    """Choose the genotype row of each row; write why none could be."""
    n_rows = len(variants)
    row, target = candidates(index, keys)
    is_there = np.zeros(n_rows, dtype=bool)
    is_there[row] = True
    outcome.set_status(outcome.is_open & ~is_there, "position_absent")
    effect, other, effect_flipped, other_flipped, has_other = number_alleles(
        index, variants["effect_allele"], variants["other_allele"]
    )
    counted, uncounted, any_other = index.counted[target], index.other[target], ~has_other[row]

    def reads(first: IntArray, second: IntArray) -> tuple[BoolArray, BoolArray]:
        as_is = (first[row] == counted) & (any_other | (second[row] == uncounted))
        swapped = (first[row] == uncounted) & (any_other | (second[row] == counted))
        return as_is, swapped

    plain, plain_swapped = reads(effect, other)
    turned, turned_swapped = reads(effect_flipped, other_flipped)
    fits, fits_turned = plain | plain_swapped, turned | turned_swapped
    n_fits, n_turned = (_count(mask, row, n_rows) for mask in (fits, fits_turned))
    # The strand as written goes first; the other strand only where nothing fits it.
    chosen = np.where(n_fits[row] > 0, fits, fits_turned)
    n_chosen = np.where(n_fits > 0, n_fits, n_turned)
    for pair_values, array in (
        (target, outcome.target),
        (np.where(fits, plain_swapped, turned_swapped), outcome.swapped),
        (~fits, outcome.flipped),
        (fits & fits_turned, outcome.is_palindromic),
    ):
        array[row[chosen]] = pair_values[chosen]
    outcome.set_status(outcome.is_open & (n_chosen == 0), "allele_mismatch")
    is_duplicate = _count(chosen & index.is_duplicate[target], row, n_rows) > 0
    outcome.set_status(outcome.is_open & is_duplicate, "duplicate_target")
    in_rows = outcome.is_open & (n_chosen > 1)
    outcome.set_status(
        in_rows & _is_one_site(row[chosen], index.site[target[chosen]], n_rows),
        "refused",
        REASONS["multi_allelic_reference"],
    )
    # An allele that the site carries as written may be that one, not its complement.
    carried = (effect[row] == counted) | (effect[row] == uncounted)
    fits_otherwise = _count(fits_turned & ~chosen, row, n_rows) > 0
    carried_otherwise = (n_fits == 0) & (_count(carried, row, n_rows) > 0)
    outcome.set_status(
        outcome.is_open & ((n_chosen > 1) | fits_otherwise | carried_otherwise), "ambiguous"
    )
    outcome.set_status(outcome.is_open, "matched")


def _is_one_site(row: IntArray, site: IntArray, n_rows: int) -> BoolArray:
    """Tell which rows' pairs all lie in one site: their alleles share one allele then."""
    n_sites = pd.Series(site).groupby(row).nunique()
    result = np.zeros(n_rows, dtype=bool)
    result[n_sites.index[n_sites == 1].to_numpy(dtype=np.int64)] = True
    return result


def _count(mask: BoolArray, row: IntArray, n_rows: int) -> IntArray:
    return np.bincount(row[mask], minlength=n_rows)


def _settle_palindromes(
    genotypes: GenotypeSource, file: Weights, palindromes: Palindromes, outcome: Outcome
) -> None:
    rows = np.flatnonzero(outcome.is_matched & outcome.is_palindromic)
    if palindromes == "keep" or not len(rows):
        return
    if palindromes == "drop":
        outcome.set_status(rows, "palindromic")
        return
    stated = file.variants["effect_allele_frequency"].to_numpy(dtype=np.float64)[rows]
    targets, place = np.unique(outcome.target[rows], return_inverse=True)
    counted: FloatArray = count_alleles(genotypes, targets)[0][place]
    observed = np.where(outcome.swapped[rows], 1 - counted, counted)
    unstated = np.isnan(stated)
    near = ~unstated & (_is_near_half(stated) | _is_near_half(observed))
    outcome.set_status(rows[unstated], "palindromic", REASONS["palindromic_no_frequency"])
    outcome.set_status(rows[near], "palindromic", REASONS["palindromic_near_half"])
    other_strand = rows[~unstated & ~near & ((stated < 0.5) != (observed < 0.5))]
    outcome.swapped[other_strand] = ~outcome.swapped[other_strand]
    outcome.flipped[other_strand] = True


def _is_near_half(frequency: FloatArray) -> BoolArray:
    """Tell what is too near one half, unknown frequencies included."""
    is_far: BoolArray = np.abs(frequency - 0.5) >= FREQUENCY_MARGIN - 1e-12
    return ~is_far


def _collisions(outcome: Outcome, effects: npt.NDArray[np.float64]) -> IntArray:
    """Give the matched rows that share a genotype row within one score."""
    matched = np.flatnonzero(outcome.is_matched)
    target = outcome.target[matched]
    crowded = pd.Series(target).duplicated(keep=False).to_numpy()
    rows, groups = matched[crowded], pd.factorize(target[crowded])[0]
    included = ~np.isnan(effects[rows])
    n_included = pd.DataFrame(included.astype(np.int64)).groupby(groups).transform("sum")
    colliding: IntArray = rows[(included & (n_included.to_numpy() > 1)).any(axis=1)]
    return colliding


def _table(number: int, file: Weights, outcome: Outcome) -> pd.DataFrame:
    columns = ["row", "id", "chromosome", "position", "effect_allele", "other_allele"]
    table = file.variants[columns].copy()
    table.insert(0, "file", np.int64(number))
    table["status"] = np.array(STATUSES, dtype=object)[outcome.status]
    table["reason"] = outcome.reason_texts()
    table["target"] = outcome.target
    table["swapped"] = outcome.swapped
    table["flipped"] = outcome.flipped
    return table
