"""The partial likelihood of one Cox model whose last column also acts by a function of time."""

from __future__ import annotations

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.newton import Evaluation
from pgs_trd.models.risk_sets import RiskSets


class TimeEffectLikelihood:
    """Columns, and once more the last column times g(time), with g known on event days.

    Relative risks change from day to day, so every risk set is summed anew.
    """

    def __init__(
        self,
        columns: FloatArray,
        daily: FloatArray,
        risk_sets: RiskSets,
        weights: FloatArray | None,
    ) -> None:
        """Take columns (n_people, n_columns) and g (n_days,)."""
        self._columns, self._daily, self._sets = columns, daily, risk_sets
        self._weights = np.ones(len(columns)) if weights is None else weights
        # A day's people, one interval of the order of leaving; the late ones are sifted out.
        self._order = np.argsort(risk_sets.left, kind="stable")
        self._first = np.searchsorted(
            risk_sets.left[self._order], np.arange(risk_sets.n_days), "right"
        )

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate at the rows of `beta`, (len(models), n_columns + 1): one model only."""
        assert len(models) == 1
        size = beta.shape[1]
        value, gradient = 0.0, np.zeros(size)
        information = np.zeros((size, size))
        with np.errstate(all="ignore"):
            for day in range(self._sets.n_days):
                parts = self._day(day, beta[0])
                value, gradient = value + parts[0], gradient + parts[1]
                information += parts[2]
        return Evaluation(np.array([value]), gradient[np.newaxis], information[np.newaxis])

    def _day(self, day: int, beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        sets = self._sets
        there = self._order[self._first[day] :]
        there = there[sets.entered[there] <= day]
        end = sets.death_starts[day + 1] if day + 1 < sets.n_days else len(sets.deaths)
        deaths = sets.deaths[sets.death_starts[day] : end]
        share = sets.death_share[sets.death_starts[day] : end]
        z, now = self._at(there, day), self._at(deaths, day)
        predictor, of_deaths = z @ beta, now @ beta
        top = predictor.max()
        risk = self._weights[there] * np.exp(predictor - top)
        today = self._weights[deaths] * np.exp(of_deaths - top)
        weighted, dead = z * risk[:, np.newaxis], now * today[:, np.newaxis]
        sums = risk.sum() - share * today.sum()
        means = (weighted.sum(axis=0) - np.outer(share, dead.sum(axis=0))) / sums[:, np.newaxis]
        weight = self._weights[deaths]
        each = weight.mean()
        value = float(weight @ (of_deaths - top) - each * np.log(sums).sum())
        slope = weight @ now - each * means.sum(axis=0)
        second, tied = weighted.T @ z, dead.T @ now
        inverse = each / sums
        curvature = second * inverse.sum() - tied * (share * inverse).sum()
        return value, slope, curvature - each * (means.T @ means)

    def _at(self, people: IntArray, day: int) -> FloatArray:
        columns = self._columns[people]
        return np.column_stack([columns, columns[:, -1] * self._daily[day]])
