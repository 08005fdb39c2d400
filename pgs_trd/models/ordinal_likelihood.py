"""The likelihood of K proportional odds models that share people and covariates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import expit

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.class_grams import Chunk, cut_into_chunks
from pgs_trd.models.logistic_likelihood import GlmData, sum_in_order
from pgs_trd.models.newton import Evaluation
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers


class OrdinalLikelihood:
    """Log likelihood, gradient and information of logit P(Y <= j) = threshold_j - slopes [1]_.

    Parameters are the thresholds, the shared slopes (of the basis without its
    intercept), the own slopes. The likelihood is concave in all of them [2]_.

    Parameters
    ----------
    design
        The columns; the first of the basis is the intercept.
    data
        The outcome is the place of each person's level, in ascending order.
    n_levels
        How many there are.
    workers
        The threads.

    References
    ----------
    .. [1] McCullagh (1980) J R Stat Soc B 42:109.
    .. [2] Pratt (1981) J Am Stat Assoc 76:103.
    """

    def __init__(self, design: TermDesign, data: GlmData, n_levels: int, workers: Workers) -> None:
        self._design = TermDesign(design.basis[1:], design.own)
        self._data = data
        self._n_thresholds = n_levels - 1
        self._workers = workers
        self._borders = np.searchsorted(data.outcome, np.arange(n_levels + 1))

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models`, which may occur again, at the rows of `beta`."""
        size = self._n_thresholds + self._design.n_shared + self._design.n_own

        def run(start: int, end: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            value = np.zeros(len(models))
            slope, curve = np.zeros((len(models), size)), np.zeros((len(models), size, size))
            for level, chunk in self._chunks(models, start, end):
                self._add(level, chunk, beta, (value, slope, curve))
            return value, slope, curve

        parts = self._workers.map(run, self._design.n_people)
        value, slope, curve = (sum_in_order([part[i] for part in parts]) for i in range(3))
        return Evaluation(value, slope, curve)

    def approach(self, start: FloatArray, models: IntArray) -> FloatArray:
        """Give where to climb from: at `start`, with own coefficients of 0."""
        n_own = self._design.n_own
        return np.hstack([np.tile(start, (len(models), 1)), np.zeros((len(models), n_own))])

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on a combination of coefficients, (n_models, n_people)."""
        influence = np.empty((len(models), self._design.n_people))

        def run(start: int, end: int) -> None:
            for level, chunk in self._chunks(models, start, end):
                _, upper, lower, above, below = self._fit(level, chunk, beta)
                pull = (above + below - 1) * self._combine(chunk, leverage)
                if level < self._n_thresholds:
                    pull += upper * leverage[:, level, np.newaxis]
                if level > 0:
                    pull += lower * leverage[:, level - 1, np.newaxis]
                weights = self._data.weights
                influence[:, chunk.rows] = pull if weights is None else pull * weights[chunk.rows]

        self._workers.map(run, self._design.n_people)
        return influence

    def _chunks(self, models: IntArray, start: int, end: int) -> Iterator[tuple[int, Chunk]]:
        """Give chunks of people of one level; people are in the order of their levels."""
        for level in range(self._n_thresholds + 1):
            first = max(start, int(self._borders[level]))
            last = min(end, int(self._borders[level + 1]))
            for chunk in cut_into_chunks(self._design, models, first, last):
                yield level, chunk

    def _combine(self, chunk: Chunk, coefficients: FloatArray) -> FloatArray:
        border = self._n_thresholds + self._design.n_shared
        return chunk.combine(coefficients[:, self._n_thresholds : border], coefficients[:, border:])

    def _fit(
        self, level: int, chunk: Chunk, beta: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Give, for people of one level, what the likelihood and its slopes are made of.

        That is the log likelihood, its slopes in the thresholds above and below, and
        the chances of being at most at this level and at most at the one before.
        """
        predictor = self._combine(chunk, beta)
        zero = np.zeros_like(predictor)
        value, upper, lower, above, below = zero.copy(), zero, zero, zero + 1.0, zero
        is_top = level == self._n_thresholds
        if not is_top:
            distance = beta[:, level, np.newaxis] - predictor
            above = expit(distance)
            value -= np.logaddexp(0.0, -distance) if level == 0 else np.logaddexp(0.0, distance)
            upper = 1.0 - above
        if level > 0:
            under = beta[:, level - 1, np.newaxis] - predictor
            below = expit(under)
            value -= np.logaddexp(0.0, under)
            lower = -below
        if level > 0 and not is_top:
            gap = beta[:, level] - beta[:, level - 1]
            gap = np.where(gap > 0, gap, np.nan)[:, np.newaxis]
            value += distance + np.log(-np.expm1(-gap))
            upper = upper + 1.0 / np.expm1(gap)
            lower = lower - 1.0 / np.expm1(gap)
        return value, upper, lower, above, below

    def _add(
        self,
        level: int,
        chunk: Chunk,
        beta: FloatArray,
        sums: tuple[FloatArray, FloatArray, FloatArray],
    ) -> None:
        """Add one chunk of people of one level."""
        value, slope, curve = sums
        n_thresholds, weights = self._n_thresholds, self._data.weights
        w = np.ones(chunk.basis.shape[1]) if weights is None else weights[chunk.rows]
        part, upper, lower, above, below = self._fit(level, chunk, beta)
        value += part @ w
        slope[:, n_thresholds:] += np.hstack(chunk.slopes(w * (above + below - 1)))
        bend_above: FloatArray = w * above * (1 - above)
        bend_below: FloatArray = w * below * (1 - below)
        curve[:, n_thresholds:, n_thresholds:] += chunk.gram(bend_above + bend_below, chunk.pairs())
        ends = [(level, upper, bend_above), (level - 1, lower, bend_below)]
        for place, pull, bend in ends:
            if not 0 <= place < n_thresholds:
                continue
            slope[:, place] += pull @ w
            cross = -np.hstack(chunk.slopes(bend))
            curve[:, place, n_thresholds:] += cross
            curve[:, n_thresholds:, place] += cross
            curve[:, place, place] += bend.sum(axis=1)
        if 0 < level < n_thresholds:
            gap = beta[:, level] - beta[:, level - 1]
            gap = np.where(gap > 0, gap, np.nan)
            stiff = w.sum() / (4 * np.sinh(gap / 2) ** 2)
            for place, other, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)):
                curve[:, level - place, level - other] += sign * stiff
