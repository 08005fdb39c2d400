"""Who is at risk when: the sorted index that all Cox models of a batch share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray

# R's survival merges times that differ by less than the square root of the machine
# precision, so that 0.1 + 0.2 and 0.3 are one day.
TIME_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


def merge_near_ties(*times: FloatArray) -> list[FloatArray]:
    """Give times that differ by rounding only one common value.

    Two neighbours among all distinct times are one if they differ by no more than
    1.5e-8, absolutely or relative to the mean absolute time, as R's `timefix`.
    """
    distinct = np.unique(np.concatenate(times))
    limit = TIME_TOLERANCE * max(1.0, float(np.mean(np.abs(distinct)))) if distinct.size else 0.0
    kept = distinct[np.r_[True, np.diff(distinct) > limit]] if distinct.size else distinct
    return [kept[np.searchsorted(kept, values, side="right") - 1] for values in times]


@dataclass(frozen=True)
class RiskSets:
    """Event days in order of stratum and time, and each person's place among them.

    Person i is at risk on the event days `entered[i]` <= j < `left[i]`; nobody's days
    reach into another stratum.

    Attributes
    ----------
    n_days
        Number of distinct event days, over all strata.
    stratum_starts : (n_strata + 1,)
        Where the days of each stratum begin.
    entered, left : (n_people,)
        First day at risk, and one past the last.
    leaving, leaving_starts, leaving_days
        People sorted by their last day; where each day begins; which day it is.
    late, late_starts, late_days
        The same for people who enter after the first day of their stratum, by the
        day before they enter.
    deaths : (n_events,)
        People with an event, sorted by day.
    death_starts : (n_days,)
        Where each day's deaths begin.
    death_day : (n_events,)
        The day of each death.
    death_share : (n_events,)
        0, 1/d, ..., (d - 1)/d among the d deaths of a day (0 for Breslow): the share
        of the day's deaths that Efron takes out of the risk set.
    """

    n_days: int
    stratum_starts: IntArray
    entered: IntArray
    left: IntArray
    leaving: IntArray
    leaving_starts: IntArray
    leaving_days: IntArray
    late: IntArray
    late_starts: IntArray
    late_days: IntArray
    deaths: IntArray
    death_starts: IntArray
    death_day: IntArray
    death_share: FloatArray

    @cached_property
    def buffers(self) -> tuple[IntArray | FloatArray, ...]:
        """The arrays of the compiled sums: people and bounds by day, last days, shares."""
        is_last = np.zeros(self.n_days, dtype=np.int64)
        is_last[self.stratum_starts[1:][np.diff(self.stratum_starts) > 0] - 1] = 1
        groups = (
            (self.leaving, self.leaving_starts, self.leaving_days),
            (self.late, self.late_starts, self.late_days),
            (self.deaths, self.death_starts, np.arange(self.n_days)),
        )
        arrays: list[IntArray | FloatArray] = []
        for people, starts, days in groups:
            bounds = np.zeros(self.n_days + 1, dtype=np.int64)
            bounds[days + 1] = np.diff(np.r_[starts, len(people)])
            arrays += [people, np.cumsum(bounds)]
        return (*arrays, is_last, self.death_share)

    @cached_property
    def interval(self) -> tuple[IntArray, IntArray]:
        """Each person's days as places in running sums: from (-1 is the start), until."""
        begin = np.full(len(self.left), -1, dtype=np.int64)
        begin[self.late] = self.entered[self.late]
        never = self.left == self.entered
        begin[never] = self.left[never]
        return begin, self.left

    def at_risk(self, values: FloatArray) -> FloatArray:
        """Sum `values` (n_people, ...) over the risk set of each day, (n_days, ...)."""
        if not self.n_days:
            return np.zeros((0, *values.shape[1:]))
        total = np.zeros((self.n_days, *values.shape[1:]))
        total[self.leaving_days] = np.add.reduceat(
            values[self.leaving], self.leaving_starts, axis=0
        )
        if self.late.size:
            total[self.late_days] -= np.add.reduceat(values[self.late], self.late_starts, axis=0)
        for first, end in zip(self.stratum_starts[:-1], self.stratum_starts[1:], strict=True):
            total[first:end] = np.cumsum(total[first:end][::-1], axis=0)[::-1]
        return total

    def of_the_day(self, values: FloatArray) -> FloatArray:
        """Sum rows that belong to deaths (n_events, ...) over each day, (n_days, ...)."""
        if not self.n_days:
            return np.zeros((0, *values.shape[1:]))
        return np.asarray(np.add.reduceat(values, self.death_starts, axis=0))

    def while_at_risk(self, daily: FloatArray) -> FloatArray:
        """Sum daily values (n_days, ...) over each person's days at risk, (n_people, ...)."""
        running = np.zeros((self.n_days + 1, *daily.shape[1:]))
        for first, end in zip(self.stratum_starts[:-1], self.stratum_starts[1:], strict=True):
            np.cumsum(daily[first:end], axis=0, out=running[first + 1 : end + 1])
        total: FloatArray = running[self.left]
        total[self.late] -= running[self.entered[self.late]]
        total[self.left == self.entered] = 0.0
        return total


def build_risk_sets(
    duration: FloatArray,
    event: BoolArray,
    *,
    entry: FloatArray | None = None,
    strata: IntArray | None = None,
    efron: bool = True,
) -> RiskSets:
    """Sort people and event days once, for all models and all Newton steps.

    Parameters
    ----------
    duration : (n_people,)
        Last time seen; at risk at t means entry < t <= duration.
    event : (n_people,)
        Whether the event happened at `duration`.
    entry : (n_people,) or None
        When observation began; None is before everything.
    strata : (n_people,) or None
        Codes; risk sets stay within a stratum.
    efron
        Whether tied deaths leave one after the other on average, or not (Breslow).
    """
    group = np.zeros(len(duration), dtype=np.int64) if strata is None else strata
    group = np.unique(group, return_inverse=True)[1].astype(np.int64)
    n_strata = int(group.max(initial=-1)) + 1
    order = np.lexsort((duration, group))
    deaths = order[event[order]]
    changes = (np.diff(group[deaths]) != 0) | (np.diff(duration[deaths]) != 0)
    death_starts = np.flatnonzero(np.r_[True, changes]) if deaths.size else np.zeros(0, np.int64)
    day_group, day_time = group[deaths[death_starts]], duration[deaths[death_starts]]
    stratum_starts = np.searchsorted(day_group, np.arange(n_strata + 1))
    left = _count_days(stratum_starts, day_time, group, duration)
    first_day = stratum_starts[group]
    entered = first_day if entry is None else _count_days(stratum_starts, day_time, group, entry)
    per_day = np.diff(np.r_[death_starts, deaths.size])
    death_day = np.repeat(np.arange(len(death_starts)), per_day)
    place = np.arange(deaths.size) - death_starts[death_day]
    share = place / per_day[death_day] if efron else np.zeros(deaths.size)
    leaving, leaving_starts, leaving_days = _group_by_day(left, first_day)
    late, late_starts, late_days = _group_by_day(entered, first_day)
    return RiskSets(
        n_days=len(death_starts),
        stratum_starts=stratum_starts.astype(np.int64),
        entered=entered.astype(np.int64),
        left=left.astype(np.int64),
        leaving=leaving,
        leaving_starts=leaving_starts,
        leaving_days=leaving_days,
        late=late,
        late_starts=late_starts,
        late_days=late_days,
        deaths=deaths.astype(np.int64),
        death_starts=death_starts.astype(np.int64),
        death_day=death_day.astype(np.int64),
        death_share=share.astype(np.float64),
    )


def _count_days(
    stratum_starts: IntArray, day_time: FloatArray, group: IntArray, times: FloatArray
) -> IntArray:
    """Give one past the last event day, in the person's stratum, at or before a time."""
    counted = np.zeros(len(times), dtype=np.int64)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(stratum_starts)))
    for stratum in range(len(stratum_starts) - 1):
        members = order[bounds[stratum] : bounds[stratum + 1]]
        first, end = stratum_starts[stratum], stratum_starts[stratum + 1]
        counted[members] = first + np.searchsorted(day_time[first:end], times[members], "right")
    return counted


def _group_by_day(end_day: IntArray, first_day: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Sort people by the day before `end_day`, leaving out those with no day before it."""
    counted = np.flatnonzero(end_day > first_day)
    counted = counted[np.argsort(end_day[counted], kind="stable")].astype(np.int64)
    days = end_day[counted] - 1
    starts = np.flatnonzero(np.r_[True, np.diff(days) != 0]) if days.size else np.zeros(0, np.int64)
    return counted, starts.astype(np.int64), days[starts].astype(np.int64)
