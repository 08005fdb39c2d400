"""How well a predictor orders people by the time of their event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.fitting import sum_by_cluster

CHUNK_PAIRS = 1 << 24


@dataclass(frozen=True)
class Concordance:
    """Share of comparable pairs in which the higher predictor has the earlier event.

    Attributes
    ----------
    value
        (concordant + tied / 2) / pairs; NaN without a comparable pair.
    se
        From the infinitesimal jackknife, as R's survival.
    n_concordant, n_discordant, n_tied
        Pairs; tied means equal predictors. Pairs with events at one time are left out.
    """

    value: float
    se: float
    n_concordant: int
    n_discordant: int
    n_tied: int


def concordance(
    predictor: FloatArray,
    duration: FloatArray,
    event: BoolArray,
    *,
    entry: FloatArray | None = None,
    strata: IntArray | None = None,
    clusters: IntArray | None = None,
) -> Concordance:
    """Count concordant pairs [1]_.

    A pair is one person with an event and another of the stratum who is under
    observation then and leaves later; who is censored at that time leaves later.

    Parameters
    ----------
    predictor, duration, event : (n_people,)
        Higher means sooner; complete.
    entry : (n_people,)
        Late entry; None is from the origin.
    strata, clusters : (n_people,)
        Codes. Pairs lie within strata; influences are added over clusters.

    References
    ----------
    .. [1] Harrell, Lee and Mark (1996) Statistics in Medicine 15:361.
    """
    group = np.zeros(len(duration), dtype=np.int64) if strata is None else strata
    balance, pairs = np.zeros(len(duration)), np.zeros(len(duration))
    totals = np.zeros(3, dtype=np.int64)
    for stratum in np.unique(group[event]):
        members = np.flatnonzero(group == stratum)
        late = None if entry is None else entry[members]
        part = _count(predictor[members], duration[members], event[members], late)
        balance[members], pairs[members] = part[0], part[1]
        totals += part[2]
    n_pairs = int(totals.sum())
    if not n_pairs:
        return Concordance(np.nan, np.nan, 0, 0, 0)
    value = float((totals[0] + totals[2] / 2) / n_pairs)
    influence = (balance - value * pairs) / n_pairs
    if clusters is not None:
        influence = sum_by_cluster(influence[:, np.newaxis], clusters)[:, 0]
    se = float(np.sqrt(np.sum(influence**2)))
    return Concordance(value, se, *(int(count) for count in totals))


def _count(
    predictor: FloatArray, duration: FloatArray, event: BoolArray, entry: FloatArray | None
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Give each person's concordant (tied half) and comparable pairs, and all three counts."""
    order = np.lexsort((~event, duration))
    score, time, died = predictor[order], duration[order], event[order]
    begin = None if entry is None else entry[order]
    balance, pairs = np.zeros(len(order)), np.zeros(len(order))
    totals = np.zeros(3, dtype=np.int64)
    cases = np.flatnonzero(died)
    chunk = max(1, CHUNK_PAIRS // max(len(order), 1))
    for first in range(0, len(cases), chunk):
        mine = cases[first : first + chunk]
        # Nobody before the first case of the chunk outlives any of them.
        others = slice(int(mine[0]), len(order))
        now = time[mine, np.newaxis]
        later = (time[others] > now) | ((time[others] == now) & ~died[others])
        if begin is not None:
            later &= begin[others] < now
        higher = later & (score[mine, np.newaxis] > score[others])
        equal = later & (score[mine, np.newaxis] == score[others])
        good = higher + 0.5 * equal
        balance[mine] += good.sum(axis=1)
        pairs[mine] += later.sum(axis=1)
        balance[others] += good.sum(axis=0)
        pairs[others] += later.sum(axis=0)
        n_all, n_high, n_equal = int(later.sum()), int(higher.sum()), int(equal.sum())
        totals += np.array([n_high, n_all - n_high - n_equal, n_equal])
    back = np.argsort(order)
    return balance[back], pairs[back], totals
