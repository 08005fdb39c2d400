"""Which variant at its place a weight row is, told by the alleles alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.genotypes.alleles import other_strand
from pgs_trd.weights.codes import BoolArray, Codes, IntArray, chunks, to_codes
from pgs_trd.weights.index import NO_PLACE, Pairs, TargetIndex, pair_up
from pgs_trd.weights.reasons import REASONS, Outcome

UNKNOWN_ALLELE = -1


@dataclass(frozen=True)
class AlleleColumn:
    """One allele column of a weight file, numbered as the genotypes' alleles are.

    Attributes
    ----------
    codes : (n_rows,)
        Places among the distinct alleles, -1 where missing.
    spelled, flipped, lengths : (n_distinct + 1,)
        Number of the allele as it stands and as read on the other strand,
        `UNKNOWN_ALLELE` where the genotypes have none such; number of bases. The last
        stands for a missing allele.
    """

    codes: Codes
    spelled: Codes
    flipped: Codes
    lengths: Codes


def number_alleles(index: TargetIndex, alleles: pd.Series) -> AlleleColumn:
    """Give the numbers of a column of alleles; see `AlleleColumn`."""
    codes, texts = to_codes(alleles)
    turned = pd.Index([other_strand(text) for text in texts], dtype=object)
    return AlleleColumn(
        codes=codes,
        spelled=_numbers(index, pd.Index(texts)),
        flipped=_numbers(index, turned),
        lengths=np.array([*(len(text) for text in texts), 0], dtype=np.int32),
    )


def _numbers(index: TargetIndex, texts: pd.Index) -> Codes:
    return np.append(index.alleles.get_indexer(texts), UNKNOWN_ALLELE).astype(np.int32)


def choose_targets(
    index: TargetIndex, variants: pd.DataFrame, place: Codes, outcome: Outcome
) -> None:
    """Choose the genotype row of each open row; write why none could be.

    Every row that has a place and is open ends as matched, allele_mismatch,
    duplicate_target, refused or ambiguous, and knows whether it is palindromic.
    """
    effect = number_alleles(index, variants["effect_allele"])
    other = number_alleles(index, variants["other_allele"])
    for part in chunks(len(place)):
        rows = outcome.part(part)
        here = np.flatnonzero(rows.is_open & (place[part] != NO_PLACE))
        is_crowded = index.is_crowded[place[part][here]]
        # Apart, because places of one variant need no counting of pairs.
        for chosen in (here[~is_crowded], here[is_crowded]):
            if len(chosen):
                pairs = pair_up(index, place[part][chosen])
                _choose(index, effect, other, chosen + part.start, pairs, outcome)


def _choose(
    index: TargetIndex,
    effect: AlleleColumn,
    other: AlleleColumn,
    rows: IntArray,
    pairs: Pairs,
    outcome: Outcome,
) -> None:
    """Choose for `rows`, which `pairs` number from 0."""
    target = pairs.target
    fits, fits_turned, is_swapped, carried = _read_pairs(index, effect, other, rows, pairs)
    n_fits, n_turned = pairs.count(fits), pairs.count(fits_turned)
    # The strand as written goes first; the other strand only where nothing fits it.
    chosen = np.where(pairs.spread(n_fits) > 0, fits, fits_turned)
    n_chosen = np.where(n_fits > 0, n_fits, n_turned)
    # Where a row has one pair, what is written here of one that does not fit is
    # forgotten with its status: see `Outcome.forget_unmatched`.
    written = slice(None) if pairs.is_single else chosen
    row = rows[pairs.row[written]]
    outcome.target[row] = target[written]
    outcome.swapped[row] = is_swapped[written]
    outcome.flipped[row] = ~fits[written]
    outcome.is_palindromic[row] = (fits & fits_turned)[written]

    is_none = n_chosen == 0
    is_duplicate = pairs.count(chosen & index.is_duplicate[target]) > 0
    is_several = n_chosen > 1
    # An allele that the site carries as written may be that one, not its complement.
    fits_otherwise = pairs.count(fits_turned & ~chosen) > 0
    carried_otherwise = (n_fits == 0) & (pairs.count(carried) > 0)
    is_ambiguous = is_several | fits_otherwise | carried_otherwise
    # What stands later in this list goes before what stands earlier.
    outcome.set_status(rows, "matched")
    outcome.set_status(rows[is_ambiguous], "ambiguous")
    if is_several.any():
        of_several = chosen & pairs.spread(is_several)
        is_reference = _is_one_site(pairs.row[of_several], index.site[target[of_several]])
        outcome.set_status(rows[is_reference], "refused", REASONS["multi_allelic_reference"])
    outcome.set_status(rows[is_duplicate], "duplicate_target")
    outcome.set_status(rows[is_none], "allele_mismatch")
    # A palindrome may yet turn out to be on the other strand: it is judged later.
    rows = rows[index.has_shared[outcome.target[rows]]]
    refuse_shared_alleles(index, outcome, rows[~outcome.is_palindromic[rows]])


def _read_pairs(
    index: TargetIndex, effect: AlleleColumn, other: AlleleColumn, rows: IntArray, pairs: Pairs
) -> tuple[BoolArray, BoolArray, BoolArray, BoolArray]:
    """Compare the alleles of each pair.

    Returns
    -------
    fits, fits_turned : (n_pairs,)
        Whether they are the variant's two as they stand, and on the other strand.
    is_swapped : (n_pairs,)
        Whether the effect allele is the one not counted, as they stand if that fits.
    carried : (n_pairs,)
        Whether the variant has the effect allele as it stands.
    """
    counted, uncounted = index.counted[pairs.target], index.other[pairs.target]
    first, second = (pairs.spread(column.codes[rows].astype(np.intp)) for column in (effect, other))
    any_other = second < 0

    def reads(one: Codes, two: Codes) -> tuple[BoolArray, BoolArray]:
        as_is = (one == counted) & (any_other | (two == uncounted))
        swapped = (one == uncounted) & (any_other | (two == counted))
        return as_is, swapped

    spelled = effect.spelled[first]
    plain, plain_swapped = reads(spelled, other.spelled[second])
    turned, turned_swapped = reads(effect.flipped[first], other.flipped[second])
    # The other strand is read for alleles of one length only: complemented, the base
    # in front of an insertion or deletion stands behind it, at another position.
    lengths = effect.lengths[first]
    can_flip = lengths == np.where(any_other, 1, other.lengths[second])
    fits = plain | plain_swapped
    return (
        fits,
        can_flip & (turned | turned_swapped),
        np.where(fits, plain_swapped, turned_swapped),
        (spelled == counted) | (spelled == uncounted),
    )


def _is_one_site(row: IntArray, site: IntArray) -> IntArray:
    """Give the rows whose pairs all lie in one site: their alleles share one allele then."""
    first = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    is_one = np.minimum.reduceat(site, first) == np.maximum.reduceat(site, first)
    rows: IntArray = row[first][is_one]
    return rows


def refuse_shared_alleles(index: TargetIndex, outcome: Outcome, rows: IntArray) -> None:
    """Refuse those of `rows` that are matched by the reference of a multi-allelic site."""
    rows = rows[outcome.is_matched[rows]]
    target = outcome.target[rows]
    is_shared = np.where(
        outcome.swapped[rows], index.other_is_shared[target], index.counted_is_shared[target]
    )
    outcome.set_status(rows[is_shared], "refused", REASONS["multi_allelic_reference"])
