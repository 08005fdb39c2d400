"""The partial likelihood of subdistribution hazards, by cumulative sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.design import Design
from pgs_trd.models.newton import Evaluation

Censoring: TypeAlias = Literal["cmprsk", "survival"]


@dataclass(frozen=True)
class SubdistributionSets:
    """Who is at risk of the cause when, and with which weight; people sorted by time.

    Attributes
    ----------
    first : (n_days,)
        The first person who is still under observation on each day of the cause.
    n_before : (n_days,)
        How many people with a competing event had it before.
    uncensored : (n_days,)
        Probability of no censoring before the day.
    competing, competing_uncensored : (n_competing,)
        People with a competing event, and that probability at their time.
    days_seen : (n_people,)
        Number of days of the cause up to the person's time.
    deaths, death_day, death_share : (n_events,)
        People with the cause, their day, and Efron's share.
    censored : (n_censored,)
        People who are censored.
    at_risk_of_censoring : (n_people,)
        Number of people at risk of censoring at each person's time.
    time : (n_people,)
        Sorted.
    """

    first: IntArray
    n_before: IntArray
    uncensored: FloatArray
    competing: IntArray
    competing_uncensored: FloatArray
    days_seen: IntArray
    deaths: IntArray
    death_starts: IntArray
    death_day: IntArray
    death_share: FloatArray
    censored: IntArray
    at_risk_of_censoring: FloatArray
    time: FloatArray


def build_subdistribution_sets(
    time: FloatArray,
    event: BoolArray,
    competing: BoolArray,
    *,
    efron: bool,
    censoring: Censoring,
) -> SubdistributionSets:
    """Sort out the risk sets once, for all models.

    Parameters
    ----------
    time : (n_people,)
        Ascending.
    event, competing : (n_people,)
        Who has the cause, and who another; the others are censored.
    efron
        Whether tied deaths leave one after the other on average.
    censoring
        See `fit_fine_gray`.
    """
    censored = ~event & ~competing
    n_left = len(time) - np.searchsorted(time, time, "left")
    if censoring == "survival":
        failed = np.cumsum(np.r_[0, ~censored])
        ends = np.searchsorted(time, time, "right")
        n_left = n_left - (failed[ends] - failed[np.searchsorted(time, time, "left")])
    # Ties of censored people leave one time together: a factor once a time.
    moments, counts = np.unique(time[censored], return_counts=True)
    at_moment = n_left[censored][np.searchsorted(time[censored], moments, "left")]
    survival = np.r_[1.0, np.cumprod(1 - counts / at_moment)]

    def before(times: FloatArray) -> FloatArray:
        found: FloatArray = survival[np.searchsorted(moments, times, "left")]
        return found

    deaths = np.flatnonzero(event)
    days, starts, per_day = np.unique(time[deaths], return_index=True, return_counts=True)
    death_day = np.repeat(np.arange(len(days)), per_day)
    place = np.arange(len(deaths)) - starts[death_day]
    share = place / per_day[death_day] if efron else np.zeros(len(deaths))
    others = np.flatnonzero(competing)
    return SubdistributionSets(
        first=_places(time, days),
        n_before=_places(time[others], days),
        uncensored=before(days),
        competing=others.astype(np.int64),
        competing_uncensored=before(time[others]),
        days_seen=np.searchsorted(days, time, "right").astype(np.int64),
        deaths=deaths.astype(np.int64),
        death_starts=starts.astype(np.int64),
        death_day=death_day.astype(np.int64),
        death_share=share,
        censored=np.flatnonzero(censored).astype(np.int64),
        at_risk_of_censoring=n_left.astype(np.float64),
        time=time,
    )


def _places(sorted_times: FloatArray, times: FloatArray) -> IntArray:
    return np.asarray(np.searchsorted(sorted_times, times, "left"), dtype=np.int64)


@dataclass(frozen=True)
class _Point:
    """One model at one point: all columns, relative risks, sums and means at each event."""

    columns: FloatArray
    predictor: FloatArray
    risk: FloatArray
    at_risk: FloatArray
    mean: FloatArray
    increment: FloatArray


class FineGrayLikelihood:
    """Log partial likelihood, gradient and information, and influences, model by model."""

    def __init__(self, design: Design, sets: SubdistributionSets) -> None:
        self._design = design
        self._sets = sets

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`, (len(models), n_parameters)."""
        size = self._design.n_parameters
        value = np.empty(len(models))
        gradient, information = np.empty((len(models), size)), np.empty((len(models), size, size))
        with np.errstate(all="ignore"):
            for place, model in enumerate(models.tolist()):
                point = self._point(beta[place], model)
                expected = point.risk * self._while_at_risk(point.increment)
                deaths = self._sets.deaths
                terms = point.predictor[deaths] - np.log(point.at_risk)
                value[place] = terms.sum()
                gradient[place] = point.columns[deaths].sum(axis=0) - point.mean.sum(axis=0)
                gram = (point.columns * expected[:, np.newaxis]).T @ point.columns
                information[place] = gram - point.mean.T @ point.mean
        return Evaluation(value, gradient, information)

    def start(self, shared: FloatArray) -> Evaluation:
        """Evaluate all models at one value of the shared coefficients, and 0 for the own."""
        beta = np.tile(np.r_[shared, 0.0], (self._design.n_models, 1))
        return self.evaluate(beta, np.arange(self._design.n_models))

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on one linear combination of the coefficients.

        The score residual, and what the person changes in the estimated probability
        of no censoring [1]_.

        References
        ----------
        .. [1] Fine and Gray (1999) J Am Stat Assoc 94:496, equations 7 and 8.
        """
        sets = self._sets
        out = np.zeros((self._design.n_people, len(models)))
        for place, model in enumerate(models.tolist()):
            point = self._point(beta[place], model)
            along, mean = point.columns @ leverage[place], point.mean @ leverage[place]
            pull = self._while_at_risk(point.increment * mean)
            pull -= along * self._while_at_risk(point.increment)
            pull *= point.risk
            per_day = np.bincount(sets.death_day)
            day_mean = np.bincount(sets.death_day, mean) / per_day
            pull[sets.deaths] += along[sets.deaths] - day_mean[sets.death_day]
            out[:, place] = pull + self._censoring_pull(point, along, mean)
        return out

    def _censoring_pull(self, point: _Point, along: FloatArray, mean: FloatArray) -> FloatArray:
        sets, n_people = self._sets, self._design.n_people
        later = point.increment * sets.uncensored[sets.death_day]
        tails = [
            np.r_[np.cumsum(np.bincount(sets.death_day, values)[::-1])[::-1], 0.0]
            for values in (later, later * mean)
        ]
        risk = point.risk[sets.competing] / sets.competing_uncensored
        heads = [np.r_[0.0, np.cumsum(values)] for values in (risk * along[sets.competing], risk)]
        moments = sets.time[sets.censored]
        day = np.searchsorted(sets.time[sets.deaths[sets.death_starts]], moments, "left")
        gone = np.searchsorted(sets.time[sets.competing], moments, "left")
        pull = heads[0][gone] * tails[0][day] - heads[1][gone] * tails[1][day]
        n_left = sets.at_risk_of_censoring[sets.censored]
        psi = np.zeros(n_people)
        psi[sets.censored] = pull / n_left
        drift = np.r_[0.0, np.cumsum(pull / n_left**2)]
        return np.asarray(psi - drift[np.searchsorted(moments, sets.time, "right")])

    def _point(self, beta: FloatArray, model: int) -> _Point:
        design = self._design
        columns = np.concatenate([design.basis.T, design.own[:, [model]]], axis=1)
        predictor = columns @ beta
        predictor -= predictor.max()
        risk = np.exp(predictor)
        at_risk = self._sum_at_risk(risk[:, np.newaxis])
        mean = self._sum_at_risk(columns * risk[:, np.newaxis]) / at_risk
        return _Point(columns, predictor, risk, at_risk[:, 0], mean, 1.0 / at_risk[:, 0])

    def _sum_at_risk(self, weighted: FloatArray) -> FloatArray:
        """Sum over the risk set of each event, less Efron's share of the day's events."""
        sets = self._sets
        seen = np.cumsum(weighted[::-1], axis=0)[::-1][sets.first]
        gone = weighted[sets.competing] / sets.competing_uncensored[:, np.newaxis]
        before = np.concatenate([np.zeros((1, weighted.shape[1])), np.cumsum(gone, axis=0)])
        total = seen + sets.uncensored[:, np.newaxis] * before[sets.n_before]
        at_event = total[sets.death_day]
        if sets.death_share.any():
            today = np.add.reduceat(weighted[sets.deaths], sets.death_starts, axis=0)
            at_event = at_event - sets.death_share[:, np.newaxis] * today[sets.death_day]
        return np.asarray(at_event)

    def _while_at_risk(self, values: FloatArray) -> FloatArray:
        """Sum values of events over each person's time at risk, with their weight then."""
        sets = self._sets
        daily = np.bincount(sets.death_day, values)
        total: FloatArray = np.r_[0.0, np.cumsum(daily)][sets.days_seen]
        later = np.r_[np.cumsum((daily * sets.uncensored)[::-1])[::-1], 0.0]
        rest = later[sets.days_seen[sets.competing]]
        total[sets.competing] += rest / sets.competing_uncensored
        if sets.death_share.any():
            shared = np.bincount(sets.death_day, sets.death_share * values)
            total[sets.deaths] -= shared[sets.death_day]
        return total
