"""The partial likelihood of K Cox models that share people, days and covariates.

All sums over risk sets come from one backward walk over the event days. The information
is a Gram matrix weighted with the expected events, minus the cross product of the
risk-set means, which have one row per event, not per person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pgs_trd.models import _cox
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import Design, null_design
from pgs_trd.models.newton import Evaluation
from pgs_trd.models.risk_sets import RiskSets

LANES = 8


@dataclass(frozen=True)
class Block:
    """Up to eight models at one point each.

    `own` and `risk` are (n_people, 8), the relative risk times the weight, scaled by its
    largest value, whose logarithm is `shift` (8,); `at_risk` (n_events, 8) is the risk
    set's sum after Efron's share is out.
    """

    own: FloatArray
    risk: FloatArray
    shift: FloatArray
    at_risk: FloatArray


@dataclass(frozen=True)
class Moments:
    """Slopes and curvatures of m models, each event times a factor: factors come first."""

    log_likelihood: FloatArray
    gradient: FloatArray
    information: FloatArray


class CoxLikelihood:
    """Log partial likelihood, gradient and information [1]_ [2]_.

    References
    ----------
    .. [1] Cox (1972) J R Stat Soc B 34:187.
    .. [2] Efron (1977) J Am Stat Assoc 72:557.
    """

    def __init__(
        self,
        design: Design,
        risk_sets: RiskSets,
        weights: FloatArray | None,
        *,
        threads: int = 1,
    ) -> None:
        self.design = design
        self.sets = risk_sets
        self._weights = weights
        self._threads = threads
        self._x = np.ascontiguousarray(design.basis.T)
        self._own = _pack(design.own)
        deaths = risk_sets.deaths
        self.observed = np.ones(len(deaths)) if weights is None else weights[deaths]
        self._observed_sum = self.observed @ self._x[deaths]
        per_day = risk_sets.of_the_day(np.ones(len(deaths)))
        # Deaths of one day share their mean weight: their order is not known.
        mean_weight = risk_sets.of_the_day(self.observed) / per_day
        self.death_weight = mean_weight[risk_sets.death_day]

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`, (len(models), n_parameters)."""
        moments = self.moments(beta, models, np.ones((len(self.death_weight), 1)))
        return Evaluation(moments.log_likelihood, moments.gradient[0], moments.information[0])

    def start(self, shared: FloatArray) -> Evaluation:
        """Evaluate all models at one value of the shared coefficients, and 0 for the own.

        All models then have the same risks, so that one model's sums serve all, and
        only the means of the own columns are left to do.
        """
        design, n_models, size = self.design, self.design.n_models, self.design.n_parameters
        if size == 1:
            return self.evaluate(np.zeros((n_models, 1)), np.arange(n_models))
        one, point = np.zeros(1, dtype=np.int64), shared[np.newaxis]
        null = CoxLikelihood(null_design(design.basis), self.sets, self._weights)
        at_null = null.evaluate(point, one)
        _, expected = null.hazards(point, one)
        weight = self.death_weight[:, np.newaxis]
        weighted_means = null.risk_set_means(point) * weight
        same, same_point = (np.repeat(v, LANES, axis=1) for v in (null.design.own, point.T))
        means = np.empty((len(self.observed), n_models))

        def run(places: slice, own: FloatArray, _point: FloatArray) -> None:
            _, block_means = null._walk(same, same_point, means_of=own)
            means[:, places] = block_means[:, : places.stop - places.start]

        self._each_block(np.zeros((n_models, size)), np.arange(n_models), run)
        gradient, information = np.empty((n_models, size)), np.empty((n_models, size, size))
        weighted_own = expected * design.own
        gradient[:, :-1] = at_null.gradient
        gradient[:, -1] = self.observed @ design.own[self.sets.deaths] - weight[:, 0] @ means
        information[:, :-1, :-1] = at_null.information
        cross = (design.basis @ weighted_own - weighted_means.T @ means).T
        information[:, :-1, -1] = information[:, -1, :-1] = cross
        information[:, -1, -1] = np.einsum("im,im->m", weighted_own, design.own)
        information[:, -1, -1] -= np.einsum("em,em->m", weight * means, means)
        value = np.repeat(at_null.log_likelihood, n_models)
        return Evaluation(value, gradient, information)

    def moments(self, beta: FloatArray, models: IntArray, factors: FloatArray) -> Moments:
        """Evaluate with each event's terms times a factor, for several factors at once.

        Parameters
        ----------
        beta, models
            As in `evaluate`.
        factors : (n_events, n_factors)
            In the order of the risk sets' deaths, the same within a day.

        Returns
        -------
        moments
            `gradient` (n_factors, n_models, n_parameters) and `information`
            (n_factors, n_models, n_parameters, n_parameters).
        """
        n_factors, size = factors.shape[1], self.design.n_parameters
        first, second = np.triu_indices(size)
        value = np.empty(len(models))
        slopes = np.empty((n_factors, len(models), size))
        cells = np.empty((n_factors, len(models), len(first)))
        weighted = factors * self.death_weight[:, np.newaxis]
        events = factors * self.observed[:, np.newaxis]
        seen = events.T @ self._x[self.sets.deaths]

        def run(places: slice, own: FloatArray, point: FloatArray) -> None:
            n = places.stop - places.start
            slope = np.zeros((n_factors, size, LANES))
            cell = np.zeros((n_factors, len(first), LANES))
            block, _ = self._walk(own, point, weighted, slope, cell)
            slope[:, :-1] += seen[:, :, np.newaxis]
            mine = np.einsum("ef,em->fm", events, own[self.sets.deaths])
            slope[:, -1] += mine
            for place in range(n_factors):
                increment = weighted[:, place, np.newaxis] / block.at_risk
                expected = self._spread(increment)
                expected *= block.risk
                _cox.add_gram((self._x, own, expected, cell[place]), len(own), size - 1)
            mine = np.einsum("e,em->m", self.observed, own[self.sets.deaths])
            deaths = np.einsum("c,cm->m", self._observed_sum, point[:-1]) + mine * point[-1]
            drop = np.einsum("e,em->m", self.death_weight, np.log(block.at_risk))
            shift = self.observed.sum() * block.shift
            value[places] = (deaths - shift - drop)[:n]
            slopes[:, places] = slope.transpose(0, 2, 1)[:, :n]
            cells[:, places] = cell.transpose(0, 2, 1)[:, :n]

        self._each_block(beta, models, run)
        information = np.empty((n_factors, len(models), size, size))
        information[:, :, first, second] = cells
        information[:, :, second, first] = cells
        return Moments(value, slopes, information)

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on one linear combination of the coefficients.

        This is the score residual times the row of the inverse information that
        belongs to the combination; sums of squares are the robust variances [1]_.

        Parameters
        ----------
        beta, leverage : (n_models, n_parameters)
            The estimates, and the rows of the inverse information.
        models
            Which models these are.

        References
        ----------
        .. [1] Lin and Wei (1989) J Am Stat Assoc 84:1074.
        """
        influence = np.empty((self.design.n_people, len(models)))
        combinations = _pack(leverage.T)
        sets = self.sets
        per_day = sets.of_the_day(np.ones((len(sets.deaths), 1)))

        def run(places: slice, own: FloatArray, point: FloatArray) -> None:
            along, _ = self._predictor(own, combinations[places.start // LANES])
            block, means = self._walk(own, point, means_of=along)
            increment = self.death_weight[:, np.newaxis] / block.at_risk
            pull = self._spread(increment * means)
            pull -= along * self._spread(increment)
            pull *= block.risk
            day_mean = sets.of_the_day(means) / per_day
            own_day = along[sets.deaths] - day_mean[sets.death_day]
            pull[sets.deaths] += self.observed[:, np.newaxis] * own_day
            influence[:, places] = pull[:, : places.stop - places.start]

        self._each_block(beta, models, run)
        return influence

    def hazards(self, beta: FloatArray, models: IntArray) -> tuple[FloatArray, FloatArray]:
        """Give each death's addition to the baseline hazard, and the events expected.

        Returns
        -------
        increment : (n_events, n_models)
            On the scale of the design: relative risk 1 where all columns are 0.
        expected : (n_people, n_models)
            The cumulative hazard of each person, times the weight.
        """
        increments = np.empty((len(self.observed), len(models)))
        expected = np.empty((self.design.n_people, len(models)))

        def run(places: slice, own: FloatArray, point: FloatArray) -> None:
            block, _ = self._walk(own, point)
            n = places.stop - places.start
            increment = self.death_weight[:, np.newaxis] / block.at_risk
            expected[:, places] = (self._spread(increment) * block.risk)[:, :n]
            increments[:, places] = (increment * np.exp(-block.shift))[:, :n]

        self._each_block(beta, models, run)
        return increments, expected

    def risk_set_means(self, beta: FloatArray) -> FloatArray:
        """Give the columns' means over each death's risk set, (n_events, n_parameters).

        Of a design with one model only.
        """
        columns = np.concatenate([self._x, self.design.own], axis=1)
        means = np.empty((len(self.observed), columns.shape[1]))
        # One model in all eight places, a column each.
        own, point = (np.repeat(values, LANES, axis=1) for values in (self.design.own, beta.T))
        for first in range(0, columns.shape[1], LANES):
            part = _pack(columns[:, first : first + LANES])[0]
            _, block_means = self._walk(own, point, means_of=part)
            means[:, first : first + LANES] = block_means[:, : columns.shape[1] - first]
        return means

    def _each_block(
        self,
        beta: FloatArray,
        models: IntArray,
        run: Callable[[slice, FloatArray, FloatArray], None],
    ) -> None:
        """Run on blocks of eight models; far out numbers overflow, and that is seen later."""
        is_whole = len(models) == self.design.n_models
        packed = self._own if is_whole else _pack(self.design.own[:, models])
        points = _pack(beta.T)

        def task(place: int) -> None:
            places = slice(LANES * place, min(LANES * (place + 1), len(models)))
            with np.errstate(all="ignore"):
                run(places, packed[place], points[place])

        if len(packed) == 1 or self._threads == 1:
            for place in range(len(packed)):
                task(place)
        else:
            with ThreadPoolExecutor(min(self._threads, len(packed))) as pool:
                for _ in pool.map(task, range(len(packed))):
                    pass

    def _predictor(self, own: FloatArray, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give linear predictors, (n_people, 8), and the largest of each model."""
        out, largest = np.empty_like(own), np.empty(LANES)
        _cox.predict((self._x, own, point, out, largest), len(own), self._x.shape[1])
        return out, largest

    def _walk(
        self,
        own: FloatArray,
        point: FloatArray,
        factors: FloatArray | None = None,
        gradient: FloatArray | None = None,
        information: FloatArray | None = None,
        *,
        means_of: FloatArray | None = None,
    ) -> tuple[Block, FloatArray]:
        """Give the sums of risk at one point, with moments or with one column's means."""
        sets, n_people = self.sets, len(own)
        risk, shift = self._predictor(own, point)
        risk -= shift
        np.exp(risk, out=risk)
        if self._weights is not None:
            risk *= self._weights[:, np.newaxis]
        at_risk = np.empty((len(self.observed), LANES))
        means = np.empty_like(at_risk if means_of is not None else at_risk[:0])
        n_factors = 0 if factors is None else factors.shape[1]
        n_shared = 0 if factors is None else self._x.shape[1]
        arrays = (
            self._x,
            own if means_of is None else means_of,
            risk,
            factors,
            at_risk,
            None if means_of is None else means,
            gradient,
            information,
        )
        _cox.walk_means(sets.buffers, arrays, n_people, sets.n_days, n_shared, n_factors)
        return Block(own, risk, shift, at_risk), means

    def _spread(self, values: FloatArray) -> FloatArray:
        """Sum values of deaths over each person's time at risk, (n_people, 8)."""
        out = np.empty((self.design.n_people, LANES))
        begin, until = self.sets.interval
        values = np.ascontiguousarray(values)
        _cox.spread(self.sets.buffers, (values, begin, until, out), len(out), self.sets.n_days)
        return out


class FirthCoxLikelihood(CoxLikelihood):
    """The partial likelihood times Jeffreys' prior [1]_.

    The penalty, half the log determinant of the information, keeps the estimates
    finite where the likelihood is monotone.

    References
    ----------
    .. [1] Heinze and Schemper (2001) Biometrics 57:114.
    """

    def start(self, shared: FloatArray) -> Evaluation:
        """Evaluate all models at one value of the shared coefficients, and 0 for the own."""
        beta = np.tile(np.r_[shared, 0.0], (self.design.n_models, 1))
        return self.evaluate(beta, np.arange(self.design.n_models))

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate penalised likelihood and gradient; the information is the plain one."""
        plain = super().evaluate(beta, models)
        information = np.where(np.isfinite(plain.information), plain.information, 0.0)
        sign, log_determinant = np.linalg.slogdet(information)
        usable = (sign > 0) & plain.is_finite()
        inverse = np.zeros_like(information)
        inverse[usable] = np.linalg.inv(information[usable])
        size = self.design.n_parameters
        first, second = np.triu_indices(size)
        packed = _pack(inverse[:, first, second].T)
        slopes = np.zeros((len(models), size))

        def run(places: slice, own: FloatArray, point: FloatArray) -> None:
            block, _ = self._walk(own, point)
            slope = np.zeros((size, LANES))
            form = packed[places.start // LANES]
            arrays = (self._x, own, block.risk, form, self.death_weight, slope)
            sets = self.sets
            _cox.walk_penalty(sets.buffers, arrays, len(own), sets.n_days, size - 1)
            slopes[places] = slope.T[: places.stop - places.start]

        self._each_block(beta, models, run)
        with np.errstate(all="ignore"):
            value = np.where(usable, plain.log_likelihood + 0.5 * log_determinant, -np.inf)
            return Evaluation(value, plain.gradient + 0.5 * slopes, plain.information)


def _pack(columns: FloatArray) -> FloatArray:
    """Cut (rows, m) into blocks of eight columns, (n_blocks, rows, 8), the last filled with 0."""
    return np.stack(list(_blocks(columns)))


def _blocks(columns: FloatArray) -> Iterator[FloatArray]:
    for first in range(0, columns.shape[1], LANES):
        part = columns[:, first : first + LANES]
        block = np.zeros((len(columns), LANES))
        block[:, : part.shape[1]] = part
        yield block
