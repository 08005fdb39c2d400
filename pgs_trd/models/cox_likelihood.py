"""The partial likelihood of K Cox models that share people, days and covariates.

All sums over risk sets are reversed cumulative sums over event days. The information
is a Gram matrix weighted with the expected events, minus the cross product of the
risk-set means, which have one row per event, not per person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import Design, GramSum
from pgs_trd.models.logistic_likelihood import add_gradient, combine
from pgs_trd.models.newton import Evaluation
from pgs_trd.models.risk_sets import RiskSets


@dataclass(frozen=True)
class _Hazards:
    """What one point implies, for m models.

    `risk` (n_people, m) is the weighted relative risk, scaled by its largest value;
    `at_risk` (n_events, m) the risk set's sum after Efron's share is out; `increment`
    (n_events, m) each death's addition to the baseline hazard; `expected`
    (n_people, m) the events expected of each person.
    """

    predictor: FloatArray
    risk: FloatArray
    at_risk: FloatArray
    increment: FloatArray
    expected: FloatArray


class CoxLikelihood:
    """Log partial likelihood, gradient and information [1]_ [2]_.

    References
    ----------
    .. [1] Cox (1972) J R Stat Soc B 34:187.
    .. [2] Efron (1977) J Am Stat Assoc 72:557.
    """

    def __init__(self, design: Design, risk_sets: RiskSets, weights: FloatArray | None) -> None:
        self._design = design
        self._sets = risk_sets
        self._weights = weights
        deaths = risk_sets.deaths
        weight_of_death = np.ones(len(deaths)) if weights is None else weights[deaths]
        per_day = risk_sets.of_the_day(np.ones(len(deaths)))
        # Deaths of one day share their mean weight: their order is not known.
        mean_weight = risk_sets.of_the_day(weight_of_death) / per_day
        self._death_weight = mean_weight[risk_sets.death_day][:, np.newaxis]
        self._observed = np.zeros((design.n_people, 1))
        self._observed[deaths, 0] = weight_of_death
        self._share = risk_sets.death_share[:, np.newaxis]
        self._has_ties = bool((risk_sets.death_share > 0).any())

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`, (len(models), n_parameters)."""
        own = self._design.own_columns(models)
        # Far out in a parameter these overflow; Newton's steps then stay this side of it.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            return self._evaluate(beta, own)

    def _evaluate(self, beta: FloatArray, own: FloatArray) -> Evaluation:
        design, n_models = self._design, len(beta)
        hazards = self._hazards(beta, own)
        deaths = self._observed * hazards.predictor
        value = deaths.sum(axis=0) - (self._death_weight * np.log(hazards.at_risk)).sum(axis=0)
        residual = self._observed - hazards.expected
        gradient = np.zeros((n_models, design.n_parameters))
        add_gradient(gradient, design.basis, own, residual)
        gram = GramSum(design.basis.shape[0], n_models)
        for rows in design.chunks(n_models):
            gram.add(design.basis[:, rows], own[rows], hazards.expected[rows])
        information = gram.total()
        for place in np.flatnonzero(np.isfinite(value)):
            information[place] -= self._mean_products(hazards, own, int(place))
        return Evaluation(value, gradient, information)

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
        own = self._design.own_columns(models)
        hazards = self._hazards(beta, own)
        along = combine(self._design.basis, own, leverage)
        sets, share = self._sets, self._share
        mean = self._risk_set_mean(hazards.risk * along, hazards.at_risk)
        weighted_mean = hazards.increment * mean
        hazard_part = along * hazards.expected
        mean_part = sets.while_at_risk(sets.of_the_day(weighted_mean))
        if self._has_ties:
            mean_part[sets.deaths] -= sets.of_the_day(share * weighted_mean)[sets.death_day]
        influence = hazards.risk * mean_part - hazard_part
        day_mean = sets.of_the_day(mean) / sets.of_the_day(np.ones((len(mean), 1)))
        observed = self._observed[sets.deaths] * (along[sets.deaths] - day_mean[sets.death_day])
        influence[sets.deaths] += observed
        return influence

    def _hazards(self, beta: FloatArray, own: FloatArray) -> _Hazards:
        sets = self._sets
        predictor = combine(self._design.basis, own, beta)
        predictor -= predictor.max(axis=0)
        risk = np.exp(predictor)
        if self._weights is not None:
            risk *= self._weights[:, np.newaxis]
        at_risk = self._efron_sum(risk)
        increment = self._death_weight / at_risk
        expected = sets.while_at_risk(sets.of_the_day(increment))
        if self._has_ties:
            expected[sets.deaths] -= sets.of_the_day(self._share * increment)[sets.death_day]
        expected *= risk
        return _Hazards(predictor, risk, at_risk, increment, expected)

    def _efron_sum(self, values: FloatArray) -> FloatArray:
        """Sum over the risk set of each death, less Efron's share of the day's deaths."""
        sets = self._sets
        total = sets.at_risk(values)[sets.death_day]
        if self._has_ties:
            total -= self._share * sets.of_the_day(values[sets.deaths])[sets.death_day]
        return total

    def _risk_set_mean(self, weighted: FloatArray, at_risk: FloatArray) -> FloatArray:
        return self._efron_sum(weighted) / at_risk

    def _mean_products(self, hazards: _Hazards, own: FloatArray, place: int) -> FloatArray:
        """Give the weighted cross product of one model's risk-set means."""
        risk = hazards.risk[:, place, np.newaxis]
        columns = np.concatenate([self._design.basis.T, own[:, place, np.newaxis]], axis=1)
        mean = self._risk_set_mean(risk * columns, hazards.at_risk[:, place, np.newaxis])
        product: FloatArray = (mean * self._death_weight).T @ mean
        return product
