"""The rules on trials: who failed which, and when resistance was reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pgs_trd.ehr.arrays import (
    NEVER,
    BoolArray,
    IntArray,
    ends_of,
    first_of,
    is_first_of,
    pair_rows,
    running_max,
    starts_of,
)
from pgs_trd.ehr.trials import switch_days
from pgs_trd.phenotype.arrays import Trials, grouped, nth_distinct, sort_trials

_NO_WINDOW = NEVER


def resistance_days(
    trials: Trials,
    n_people: int,
    *,
    n_failures: int,
    link_days: int,
    min_days: int,
    window_days: int = _NO_WINDOW,
) -> IntArray:
    """Give the day each person became resistant; `NEVER` for who never was.

    That is the start of a drug that follows `n_failures` adequate trials of
    different drugs, itself different from them, all in one line of treatment and,
    where asked, within `window_days` of the first of them. Each trial is judged by
    what was known when the next of the chain began: min(its end, that start) less
    its start is at least `min_days`. Drugs begun on one day are no sequence: a
    combination is one step.

    Parameters
    ----------
    trials
        Those that count.
    """
    line = treatment_lines(trials, link_days=link_days)
    group = _dense(trials.person, line)
    n_drugs = _distinct_per_group(group, trials.drug)
    kept = np.flatnonzero(n_drugs[group] > n_failures) if len(group) else np.zeros(0, np.int64)
    steps, group = trials.take(kept), group[kept]
    after = ends_of(group)
    row = np.flatnonzero(~steps.is_last_step)
    first, used = steps.start[row], steps.drug[row][:, np.newaxis]
    for place in range(1, n_failures + 1):
        left, following = pair_rows(row + 1, after[row])
        # pair_rows numbers the pairs' left side by place in `row`.
        now = row[left]
        begins = steps.start[following]
        known_end = np.minimum(steps.end[now], begins)
        is_next = begins > steps.start[now]
        is_next &= steps.fails_anyway[now] | (known_end - steps.start[now] >= min_days)
        is_next &= (steps.drug[following][:, np.newaxis] != used[left]).all(axis=1)
        is_next &= begins - first[left] <= window_days
        if place < n_failures:
            is_next &= ~steps.is_last_step[following]
        left, row = left[is_next], following[is_next]
        first = first[left]
        used = np.column_stack([used[left], steps.drug[row]])
    return first_of(steps.person[row], steps.start[row], n_people)


def treatment_lines(trials: Trials, *, link_days: int) -> IntArray:
    """Give each trial the number of its line of treatment: 0, 1, ... in a person.

    A line goes on as long as a trial starts at most `link_days` after everything
    before it has ended.
    """
    person = trials.person
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    reach = running_max(trials.end, is_first_of(person))
    opens = np.zeros(len(person), dtype=np.int64)
    same = person[1:] == person[:-1]
    opens[1:] = same & (trials.start[1:] - reach[:-1] > link_days)
    number = np.cumsum(opens)
    found: IntArray = number - number[starts_of(person)]
    return found


def _dense(person: IntArray, line: IntArray) -> IntArray:
    """Give each line of each person a number, in order, without gaps."""
    if not len(person):
        return np.zeros(0, dtype=np.int64)
    changes = (person[1:] != person[:-1]) | (line[1:] != line[:-1])
    found: IntArray = np.cumsum(np.r_[False, changes]).astype(np.int64)
    return found


def _distinct_per_group(group: IntArray, kind: IntArray) -> IntArray:
    if not len(group):
        return np.zeros(0, dtype=np.int64)
    pairs = np.unique(group * (int(kind.max()) + 1) + kind)
    found: IntArray = np.bincount(pairs // (int(kind.max()) + 1)).astype(np.int64)
    return found


def join_drugs(trials: Trials, groups: Sequence[Sequence[str]], *, taper_days: int = 30) -> Trials:
    """Let the ingredients of one group be one drug; a change within it is no switch."""
    if not groups or not len(trials.person):
        return trials
    drug = grouped(trials.drugs, groups)[trials.drug]
    return find_switches_anew(sort_trials(replace(trials, drug=drug)), taper_days=taper_days)


def find_switches_anew(trials: Trials, *, taper_days: int = 30) -> Trials:
    """Find the day each trial was switched from, among these trials only."""
    columns = (trials.person, trials.drug, trials.start, trials.end)
    return replace(trials, switch=switch_days(*columns, taper_days=taper_days))


def adequate_trials(trials: Trials, *, min_days: int) -> BoolArray:
    """Say which trials lasted `min_days` up to their end or switch, at no too low a dose."""
    known_end = np.minimum(trials.end, trials.switch)
    found: BoolArray = (known_end - trials.start >= min_days) & ~trials.is_last_step
    return found


def count_trials(
    trials: Trials, n_people: int, *, min_days: int, link_days: int
) -> dict[str, IntArray]:
    """Count each person's trials, adequate ones, failed ones and different drugs.

    Adequate: at least `min_days` up to its end or switch. Failed: adequate, and
    another drug began at most `link_days` after its end.

    Returns
    -------
    dict
        ``first_start`` (`NEVER` without a trial), ``n_trials``, ``n_adequate``,
        ``n_failed``, ``n_ingredients``, one number a person.
    """
    is_adequate = adequate_trials(trials, min_days=min_days)
    is_failed = is_adequate & (trials.switch - trials.end <= link_days)

    def count(mask: BoolArray) -> IntArray:
        return np.bincount(trials.person[mask], minlength=n_people).astype(np.int64)

    n_ingredients = np.zeros(n_people, dtype=np.int64)
    if len(trials.person):
        distinct = _distinct_per_group(trials.person, trials.drug)
        n_ingredients[: len(distinct)] = distinct
    return {
        "first_start": first_of(trials.person, trials.start, n_people),
        "n_trials": count(np.ones(len(trials.person), dtype=bool)),
        "n_adequate": count(is_adequate),
        "n_failed": count(is_failed),
        "n_ingredients": n_ingredients,
    }


def distinct_in_window(
    trials: Trials, origin: IntArray, *, n_drugs: int, window_days: int
) -> IntArray:
    """Give the day of the start of the `n_drugs`-th different drug since `origin`.

    Starts from the origin up to `window_days` later count.
    """
    since = trials.start - origin[trials.person]
    inside = (since >= 0) & (since <= window_days)
    return nth_distinct(
        trials.person[inside], trials.start[inside], trials.drug[inside], n_drugs, len(origin)
    )


def overlapping_eras(
    trials: Trials, *, n_drugs: int, lookback_days: int
) -> tuple[IntArray, IntArray]:
    """Give the starts by which eras of `n_drugs` drugs reach into the look-back.

    Of each start, eras count that began by then and end no more than
    `lookback_days` before; all but one of the drugs must have begun earlier.

    Returns
    -------
    person, day
        One row a start.
    """
    begin, end = starts_of(trials.person), ends_of(trials.person)
    left, other = pair_rows(begin, end)
    day = trials.start[left]
    known = (trials.start[other] <= day) & (trials.end[other] >= day - lookback_days)
    left, other = left[known], other[known]
    earlier = trials.start[other] < trials.start[left]
    n_all = _count_distinct(left, trials.drug[other], len(trials.person))
    n_earlier = _count_distinct(left[earlier], trials.drug[other[earlier]], len(trials.person))
    reached = (n_all >= n_drugs) & (n_earlier >= n_drugs - 1)
    return trials.person[reached], trials.start[reached]


def _count_distinct(row: IntArray, kind: IntArray, n_rows: int) -> IntArray:
    found = np.zeros(n_rows, dtype=np.int64)
    if len(row):
        n_kinds = int(kind.max()) + 1
        pairs = np.unique(row * n_kinds + kind)
        found += np.bincount(pairs // n_kinds, minlength=n_rows)
    return found


def added_to(
    trials: Trials,
    person: IntArray,
    start: IntArray,
    *,
    n_drugs: int,
    lookback_days: int,
    min_lead_days: int = 0,
) -> BoolArray:
    """Say which added drugs start with `n_drugs` antidepressants in the look-back.

    Those must have begun `min_lead_days` before or earlier.
    """
    low = np.searchsorted(trials.person, person, side="left")
    high = np.searchsorted(trials.person, person, side="right")
    left, other = pair_rows(low, high)
    day = start[left]
    known = trials.start[other] <= day - min_lead_days
    known &= trials.end[other] >= day - lookback_days
    found = _count_distinct(left[known], trials.drug[other[known]], len(person))
    enough: BoolArray = found >= n_drugs
    return enough


def add_steps(trials: Trials, steps: list[Trials]) -> Trials:
    """Put procedures and added drugs among the trials, as drugs of their own numbers."""
    parts = [trials, *(step for step in steps if len(step.person))]
    return sort_trials(
        Trials(
            person=np.concatenate([part.person for part in parts]),
            start=np.concatenate([part.start for part in parts]),
            end=np.concatenate([part.end for part in parts]),
            drug=np.concatenate([part.drug for part in parts]),
            switch=np.concatenate([part.switch for part in parts]),
            fails_anyway=np.concatenate([part.fails_anyway for part in parts]),
            is_last_step=np.concatenate([part.is_last_step for part in parts]),
            drugs=trials.drugs,
        )
    )
