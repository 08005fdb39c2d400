"""Published rules on days of prescription, before any era is built."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pgs_trd.ehr.arrays import (
    NEVER,
    BoolArray,
    IntArray,
    ends_of,
    first_of,
    places,
    sort_key,
    starts_of,
)
from pgs_trd.phenotype.arrays import Events, nth_distinct
from pgs_trd.phenotype.rule_types import (
    DistinctInPeriod,
    QualifyingSwitches,
    QuickSwitch,
    StableEpisode,
    SwitchInEpisode,
)


def distinct_in_period(scripts: Events, rule: DistinctInPeriod, n_people: int) -> IntArray:
    """Give the start of the drug that makes `rule.n_drugs` in one period (`NEVER`: none)."""
    person, day, drug = _instances(scripts, rule.instance_break_days)
    period = _periods(person, day, drug, rule.period_days)
    n_periods = int(period.max(initial=-1)) + 1
    reached = nth_distinct(period, day, drug, rule.n_drugs, n_periods)
    owner = np.zeros(n_periods, dtype=np.int64)
    owner[period] = person
    return first_of(owner, reached, n_people)


def _instances(scripts: Events, break_days: int) -> tuple[IntArray, IntArray, IntArray]:
    """Give the first day of each run of one drug without a longer break, by person and day."""
    order = np.lexsort((scripts.day, scripts.kind, scripts.person))
    person, day, drug = scripts.person[order], scripts.day[order], scripts.kind[order]
    opens = np.ones(len(person), dtype=bool)
    opens[1:] = (person[1:] != person[:-1]) | (drug[1:] != drug[:-1]) | (np.diff(day) > break_days)
    person, day, drug = person[opens], day[opens], drug[opens]
    order = np.lexsort((drug, day, person))
    return person[order], day[order], drug[order]


def _periods(person: IntArray, day: IntArray, drug: IntArray, period_days: int) -> IntArray:
    """Give each row the number of its period. Where one opens depends on the one before.

    The n-th rows of all people are taken together, so that there are as many steps
    as the longest history has rows.
    """
    place = places(person)
    first_day, opens = day.copy(), np.ones(len(person), dtype=bool)
    by_place = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[by_place], np.arange(1, int(place.max(initial=0)) + 2))
    for low, high in pairwise(bounds):
        row = by_place[low:high]
        too_late = day[row] - first_day[row - 1] > period_days
        new = too_late | (drug[row] == drug[row - 1])
        opens[row] = new
        first_day[row] = np.where(new, day[row], first_day[row - 1])
    found: IntArray = np.cumsum(opens).astype(np.int64) - 1
    return found


def qualifying_switches(scripts: Events, rule: QualifyingSwitches, n_people: int) -> IntArray:
    """Give the first prescription after the switch that makes the rule true (`NEVER`: none)."""
    person, day, drug = scripts.person, scripts.day, scripts.kind
    n_rows = len(person)
    if not n_rows:
        return np.full(n_people, NEVER, dtype=np.int64)
    first, is_last = _episodes(person, day, drug, rule.episode_break_days)
    has_next = np.zeros(n_rows, dtype=bool)
    has_next[:-1] = person[1:] == person[:-1]
    gap = np.zeros(n_rows, dtype=np.int64)
    gap[:-1] = np.diff(day)
    other = np.zeros(n_rows, dtype=bool)
    other[:-1] = drug[1:] != drug[:-1]
    lasted = day - first
    lasted = np.where((lasted == 0) & has_next & (gap <= rule.max_gap_days), gap, lasted)
    qualifies = is_last & has_next & other & (lasted >= rule.min_days)
    qualifies &= (gap > 0) & (gap <= rule.max_gap_days)
    switch = np.flatnonzero(qualifies)
    arrival = day[switch + 1]
    second = _nth_row(person[switch], arrival, rule.n_switches, n_people)
    two_drugs = nth_distinct(person[switch], arrival, drug[switch], 2, n_people)
    enough_drugs = nth_distinct(person, day, drug, rule.n_drugs, n_people)
    found: IntArray = np.maximum(np.maximum(second, two_drugs), enough_drugs)
    return found


def _nth_row(person: IntArray, day: IntArray, n: int, n_people: int) -> IntArray:
    found = np.full(n_people, NEVER, dtype=np.int64)
    reached = places(person) == n - 1
    found[person[reached]] = day[reached]
    return found


def _episodes(
    person: IntArray, day: IntArray, drug: IntArray, break_days: int
) -> tuple[IntArray, BoolArray]:
    """Give the first day of the episode of each row, and whether the row is its last."""
    order = np.lexsort((day, drug, person))
    p, d, k = person[order], day[order], drug[order]
    opens = np.ones(len(p), dtype=bool)
    opens[1:] = (p[1:] != p[:-1]) | (k[1:] != k[:-1]) | (np.diff(d) > break_days)
    episode = np.cumsum(opens)
    first = np.empty(len(p), dtype=np.int64)
    first[order] = d[starts_of(episode)]
    is_last = np.empty(len(p), dtype=bool)
    is_last[order] = np.r_[opens[1:], True][: len(p)]
    return first, is_last


def switch_in_episode(
    scripts: Events, antipsychotics: Events, rule: SwitchInEpisode, n_people: int
) -> tuple[IntArray, BoolArray]:
    """Give the day of leaving a drug, and who responds, by the first episode that counts.

    The day is that of the first prescription after the last one of the drug that was
    left first. Everybody else in the rule is in between, or has no drug that counts.
    """
    person, day, drug = scripts.person, scripts.day, scripts.kind
    nobody = np.full(n_people, NEVER, dtype=np.int64), np.zeros(n_people, dtype=bool)
    if not len(person):
        return nobody
    opens = np.ones(len(person), dtype=bool)
    opens[1:] = (person[1:] != person[:-1]) | (np.diff(day) > rule.episode_break_days)
    episode = np.cumsum(opens) - 1
    owner, first = person[opens], day[opens]
    last = day[np.r_[np.flatnonzero(opens)[1:], len(person)] - 1]
    of_drug, low, high = _spans(episode, drug, day)
    counts = high - low >= rule.min_days
    of_drug, high = of_drug[counts], high[counts]
    if not len(of_drug):
        return nobody
    deciding = np.full(n_people, len(owner), dtype=np.int64)
    np.minimum.at(deciding, owner[of_drug], of_drug)
    is_deciding = of_drug == deciding[owner[of_drug]]
    of_drug, high = of_drug[is_deciding], high[is_deciding]
    n_drugs = np.bincount(of_drug, minlength=len(owner))
    left_at = np.full(len(owner), NEVER, dtype=np.int64)
    np.minimum.at(left_at, of_drug, np.where(high < last[of_drug], high, NEVER))
    with_antipsychotic = _add_antipsychotics(antipsychotics, owner, first, last, rule)
    chosen = deciding[deciding < len(owner)]
    resistant, responds = nobody
    responds[owner[chosen]] = (
        (left_at[chosen] == NEVER) & (n_drugs[chosen] == 1) & ~with_antipsychotic[chosen]
    )
    left = chosen[left_at[chosen] < NEVER]
    following = np.searchsorted(
        sort_key(person, day), sort_key(owner[left], left_at[left]), side="right"
    )
    resistant[owner[left]] = day[following]
    return resistant, responds


def _spans(group: IntArray, kind: IntArray, day: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Give group, first and last day of each kind within each group."""
    order = np.lexsort((day, kind, group))
    g, k, d = group[order], kind[order], day[order]
    opens = np.ones(len(g), dtype=bool)
    opens[1:] = (g[1:] != g[:-1]) | (k[1:] != k[:-1])
    closes = np.r_[opens[1:], True][: len(g)]
    return g[opens], d[opens], d[closes]


def _add_antipsychotics(
    antipsychotics: Events,
    owner: IntArray,
    first: IntArray,
    last: IntArray,
    rule: SwitchInEpisode,
) -> BoolArray:
    """Say which episodes hold an antipsychotic for long enough."""
    found = np.zeros(len(owner), dtype=bool)
    wanted = sort_key(antipsychotics.person, antipsychotics.day)
    place = np.searchsorted(sort_key(owner, first), wanted, side="right") - 1
    inside = (place >= 0) & (owner[place] == antipsychotics.person)
    inside &= antipsychotics.day <= last[place]
    episode, low, high = _spans(
        place[inside], antipsychotics.kind[inside], antipsychotics.day[inside]
    )
    found[episode[high - low >= rule.antipsychotic_min_days]] = True
    return found


def quick_switch(
    scripts: Events, classes: tuple[str, ...], rule: QuickSwitch, n_people: int
) -> IntArray:
    """Give the first prescription of the drug that followed a short start (`NEVER`: none)."""
    person, day, drug = scripts.person, scripts.day, scripts.kind
    if not len(person):
        return np.full(n_people, NEVER, dtype=np.int64)
    opens = np.ones(len(person), dtype=bool)
    opens[1:] = (person[1:] != person[:-1]) | (drug[1:] != drug[:-1])
    begin = np.flatnonzero(opens)
    run_person, run_day, run_drug = person[begin], day[begin], drug[begin]
    has_next = np.zeros(len(begin), dtype=bool)
    has_next[:-1] = run_person[1:] == run_person[:-1]
    next_day = np.r_[run_day[1:], 0]
    took = next_day - run_day
    fits = has_next & (took >= rule.min_days) & (took <= rule.max_days)
    fits &= np.array([name == rule.from_class for name in classes], dtype=bool)[run_drug]
    n_ever, n_before = _count_of_drug(person, day, drug, run_person, run_drug, next_day)
    fits &= (n_before <= rule.max_before) & (n_ever - n_before <= rule.max_after)
    fits &= n_ever <= rule.max_ever
    return first_of(run_person[fits], next_day[fits], n_people)


def _count_of_drug(
    person: IntArray,
    day: IntArray,
    drug: IntArray,
    of_person: IntArray,
    of_drug: IntArray,
    until: IntArray,
) -> tuple[IntArray, IntArray]:
    """Count the prescriptions of one drug ever, and those before a day."""
    n_drugs = int(drug.max()) + 1
    key = np.sort(sort_key(person * n_drugs + drug, day))
    group = of_person * n_drugs + of_drug
    low = np.searchsorted(key, sort_key(group, np.zeros_like(until) - (1 << 20)), side="left")
    high = np.searchsorted(key, sort_key(group + 1, np.zeros_like(until) - (1 << 20)), side="left")
    at = np.searchsorted(key, sort_key(group, until), side="left")
    return high - low, at - low


def stable_episode(
    scripts: Events, classes: tuple[str, ...], rule: StableEpisode, n_people: int
) -> BoolArray:
    """Say who has an episode of one drug of the class with enough prescriptions."""
    found = np.zeros(n_people, dtype=bool)
    of_class = np.array([name == rule.from_class for name in classes], dtype=bool)
    kept = scripts.take(of_class[scripts.kind]) if len(scripts.person) else scripts
    if not len(kept.person):
        return found
    order = np.lexsort((kept.day, kept.kind, kept.person))
    p, k, d = kept.person[order], kept.kind[order], kept.day[order]
    opens = np.ones(len(p), dtype=bool)
    opens[1:] = (p[1:] != p[:-1]) | (k[1:] != k[:-1]) | (np.diff(d) > rule.episode_break_days)
    episode = np.cumsum(opens) - 1
    size = ends_of(episode)[opens] - np.flatnonzero(opens)
    is_close = np.zeros(len(size), dtype=bool)
    is_close[episode[1:][~opens[1:] & (np.diff(d) < rule.max_interval_days)]] = True
    found[p[opens][(size >= rule.min_scripts) & is_close]] = True
    return found
