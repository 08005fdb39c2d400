"""Sum up a match score by score, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.weights.codes import CHUNK_ROWS, BoolArray, Codes, IntArray, chunks
from pgs_trd.weights.reasons import STATUSES, Outcome
from pgs_trd.weights.table import Weights

FloatArray = npt.NDArray[np.float64]

MATCHED, REFUSED = STATUSES.index("matched"), STATUSES.index("refused")


@dataclass(frozen=True)
class Tally:
    """Rows of each score by status, and what they weigh.

    Attributes
    ----------
    counts : (n_statuses, n_scores)
        Rows, statuses in the order of `STATUSES`.
    weight : (n_statuses, n_scores)
        Sum of absolute weights.
    variance : (n_statuses, n_scores)
        Sum of 2 p (1 - p) times the squared weight over the rows that state a
        frequency p of the effect allele.
    """

    counts: IntArray
    weight: FloatArray
    variance: FloatArray

    @property
    def n_rows(self) -> IntArray:
        """Rows of each score."""
        total: IntArray = self.counts.sum(axis=0)
        return total

    @property
    def match_rate(self) -> FloatArray:
        """Share of rows matched, NaN for a score without rows."""
        return _share(self.counts)

    @property
    def weight_matched(self) -> FloatArray:
        """Share of the weight matched, NaN for a score without weight."""
        return _share(self.weight)

    @property
    def variance_matched(self) -> FloatArray:
        """Share of the variance matched, NaN where no row states a frequency."""
        return _share(self.variance)


def _share(amounts: IntArray | FloatArray) -> FloatArray:
    total = amounts.sum(axis=0).astype(np.float64)
    none = np.full(len(total), np.nan)
    return np.divide(amounts[MATCHED].astype(np.float64), total, out=none, where=total > 0)


def tally(file: Weights, outcome: Outcome) -> Tally:
    """Count the rows of each score by status, and weigh them.

    A row belongs to a score if it has a weight for it, or was refused there.
    """
    n_scores = len(file.names)
    shape = (len(STATUSES), n_scores)
    counts = np.zeros(shape, dtype=np.int64)
    weight, variance = np.zeros(shape), np.zeros(shape)
    frequency = file.variants["effect_allele_frequency"].to_numpy(dtype=np.float64)
    has_spread = not np.isnan(frequency).all()
    spread = np.zeros(len(frequency))
    if has_spread:
        spread = np.nan_to_num(2 * frequency * (1 - frequency), copy=False)
    for part in chunks(len(spread), max(1, CHUNK_ROWS // max(n_scores, 1))):
        status = outcome.status[part]
        for code in np.flatnonzero(np.bincount(status, minlength=len(STATUSES))).tolist():
            rows = status == code
            size = np.abs(file.effects[part] if rows.all() else file.effects[part][rows])
            counts[code] += np.count_nonzero(size >= 0, axis=0)
            size = np.fmax(size, 0.0, out=size)
            weight[code] += size.sum(axis=0)
            if has_spread:
                variance[code] += (size**2 * spread[part][rows, np.newaxis]).sum(axis=0)
    totals = Tally(counts, weight, variance)
    _add_refused(file, outcome, totals, spread)
    return totals


def _add_refused(file: Weights, outcome: Outcome, totals: Tally, spread: FloatArray) -> None:
    """Count what is refused without a weight, or in one score only."""
    counts = totals.counts
    row = file.refused["row"].to_numpy(dtype=np.int64) - 1
    is_whole = file.refused["score"].isna().to_numpy()
    if len(file.names) == 1:
        # A row refused whole counts in the file's only score even without a weight.
        whole = np.unique(row[is_whole])
        counts[REFUSED] += np.isnan(file.effects[whole]).sum(axis=0)
    row, cells = row[~is_whole], file.refused["score"].to_numpy()[~is_whole]
    score = pd.Index(file.names).get_indexer(pd.Index(cells))
    row, score = row[score >= 0], score[score >= 0]
    has_weight = ~np.isnan(file.effects[row, score])
    moved, of_score = row[has_weight], score[has_weight]
    size = np.abs(file.effects[moved, of_score])
    for amounts, change in (
        (counts, np.ones_like(moved)),
        (totals.weight, size),
        (totals.variance, size**2 * spread[moved]),
    ):
        np.subtract.at(amounts, (outcome.status[moved], of_score), change)
        np.add.at(amounts, (REFUSED, of_score), change)
    np.add.at(counts, (REFUSED, score[~has_weight]), 1)


def find_collisions(target: Codes, is_matched: BoolArray, effects: FloatArray) -> IntArray:
    """Give the matched rows that share a target with another row of one score.

    Parameters
    ----------
    target : (n_rows,)
        As in `Match.table`.
    is_matched : (n_rows,)
        Which rows have one.
    effects : (n_rows, n_scores)
        NaN where a row is not part of the score.
    """
    if is_matched.all() and (target[1:] > target[:-1]).all():
        return np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(is_matched)
    target = target[rows]
    if not len(target) or (target[1:] > target[:-1]).all():
        return np.empty(0, dtype=np.int64)
    crowded = (np.bincount(target) > 1)[target]
    rows, groups = rows[crowded], np.unique(target[crowded], return_inverse=True)[1]
    if not len(rows):
        return np.empty(0, dtype=np.int64)
    included: BoolArray = ~np.isnan(effects[rows])
    n_included = np.zeros((groups.max() + 1, effects.shape[1]), dtype=np.int64)
    np.add.at(n_included, groups, included)
    colliding: IntArray = rows[(included & (n_included[groups] > 1)).any(axis=1)]
    return colliding


def summarise(names: tuple[str, ...], totals: Tally) -> pd.DataFrame:
    """Give the numbers of one row a score; see `Match.summary`."""
    others = [code for code, text in enumerate(STATUSES) if text != "matched"]
    return pd.DataFrame(
        {
            "score": pd.Series(names, dtype=object),
            "n_rows": totals.n_rows,
            "n_matched": totals.counts[MATCHED],
            "match_rate": totals.match_rate,
            **{f"n_{STATUSES[code]}": totals.counts[code] for code in others},
            "weight_matched": totals.weight_matched,
            "variance_matched": totals.variance_matched,
        }
    )
