"""Published rules against literal re-statements of their steps, on random histories."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pgs_trd.ehr.arrays import NEVER
from pgs_trd.phenotype import load_definition
from pgs_trd.phenotype.arrays import Events, make_events
from pgs_trd.phenotype.script_rules import (
    distinct_in_period,
    qualifying_switches,
    quick_switch,
    stable_episode,
    switch_in_episode,
)

Script = tuple[int, str]

# Histories made of steps: short ones within an episode, long ones around the published cuts.
steps = st.tuples(
    st.sampled_from([0, 1, 28, 30, 42, 60, 90, 97, 98, 99, 180, 181, 182, 183, 200, 366]),
    st.sampled_from("abcd"),
)
history = st.lists(steps, max_size=12).map(
    lambda made: [
        (int(day), drug)
        for day, (_, drug) in zip(np.cumsum([gap for gap, _ in made]), made, strict=True)
    ]
)


def _events(people: list[list[Script]]) -> Events:
    rows = [(p, day, drug) for p, scripts in enumerate(people) for day, drug in scripts]
    np.random.default_rng(4).shuffle(rows)
    return make_events(
        np.array([int(row[0]) for row in rows], dtype=np.int64),
        np.array([int(row[1]) for row in rows], dtype=np.int64),
        np.array([str(row[2]) for row in rows], dtype=object),
    )


def _forthman(scripts: list[Script]) -> int:
    """Instances, periods, then distinct drugs, one row after another, as published."""
    by_drug: dict[str, list[int]] = defaultdict(list)
    for day, drug in sorted(set(scripts)):
        by_drug[drug].append(day)
    instances = []
    for drug, days in by_drug.items():
        for number, day in enumerate(days):
            if number == 0 or day - days[number - 1] > 180:
                instances.append((day, drug))
    instances.sort()
    periods: list[list[tuple[int, str]]] = []
    for number, (day, drug) in enumerate(instances):
        if number == 0 or day - periods[-1][0][0] > 365 or drug == instances[number - 1][1]:
            periods.append([])
        periods[-1].append((day, drug))
    best = NEVER
    for period in periods:
        seen: set[str] = set()
        for day, drug in period:
            seen.add(drug)
            if len(seen) == 3:
                best = min(best, day)
                break
    return best


def _fabbri(scripts: list[Script]) -> tuple[bool, int]:
    """Apply steps 1 to 8 as published; the day is as in the Exeter port."""
    rows = sorted(set(scripts))
    by_drug: dict[str, list[int]] = defaultdict(list)
    for day, drug in rows:
        by_drug[drug].append(day)
    episode_of: dict[tuple[int, str], int] = {}
    first_of_episode: dict[tuple[str, int], int] = {}
    last_of_episode: dict[tuple[str, int], int] = {}
    for drug, days in by_drug.items():
        episode = 0
        for number, day in enumerate(days):
            if number and day - days[number - 1] > 26 * 7:
                episode += 1
            episode_of[day, drug] = episode
            first_of_episode.setdefault((drug, episode), day)
            last_of_episode[drug, episode] = day
    qualifying = []
    for row, following in pairwise(rows):
        day, drug = row
        episode = episode_of[row]
        if last_of_episode[drug, episode] != day or following[1] == drug:
            continue
        gap = following[0] - day
        duration = day - first_of_episode[drug, episode]
        if duration == 0 and gap <= 14 * 7:
            duration = gap
        if duration >= 6 * 7 and 0 < gap <= 14 * 7 and len(by_drug) > 2:
            qualifying.append((following[0], drug))
    is_trd = len(qualifying) >= 2 and len({drug for _, drug in qualifying}) >= 2
    if not is_trd:
        return False, NEVER
    # Known when two switches from two drugs, and three drugs, had been seen.
    second_drug = next(day for day, drug in qualifying if drug != qualifying[0][1])
    third = sorted(days[0] for days in by_drug.values())[2]
    return True, max(second_drug, third)


@settings(max_examples=200)
@given(people=st.lists(history, min_size=1, max_size=4))
def test_forthman_aou__equals_a_literal_re_statement(people: list[list[Script]]):
    """The published notebook is a loop over rows; ours takes all people at once."""
    rule = load_definition("forthman_aou").resistant

    found = distinct_in_period(_events(people), rule, len(people))

    assert found.tolist() == [_forthman(scripts) for scripts in people]


@settings(max_examples=200)
@given(people=st.lists(history, min_size=1, max_size=4))
def test_fabbri2021__equals_a_literal_re_statement(people: list[list[Script]]):
    """Also the day, which is when the rule could first be seen to hold."""
    rule = load_definition("fabbri2021").resistant

    found = qualifying_switches(_events(people), rule, len(people))

    expected = [_fabbri(scripts) for scripts in people]
    assert (found < NEVER).tolist() == [is_trd for is_trd, _ in expected]
    assert found.tolist() == [day for _, day in expected]


def test_published_rules__random_histories_reach_both_answers():
    """A property that only ever compared "no" with "no" would prove nothing."""
    rng = np.random.default_rng(9)
    people = []
    for _ in range(400):
        gaps = rng.choice([1, 28, 42, 60, 90, 98, 99, 182, 183], size=10)
        days = np.cumsum(gaps).tolist()
        people.append([(day, str(rng.choice(list("abcd")))) for day in days])
    events = _events(people)

    forthman = distinct_in_period(events, load_definition("forthman_aou").resistant, 400)
    fabbri = qualifying_switches(events, load_definition("fabbri2021").resistant, 400)

    assert forthman.tolist() == [_forthman(scripts) for scripts in people]
    assert fabbri.tolist() == [_fabbri(scripts)[1] for scripts in people]
    assert 40 < (forthman < NEVER).sum() < 395
    assert 40 < (fabbri < NEVER).sum() < 395


def _sealock(scripts: list[Script], antipsychotics: list[Script]) -> tuple[int, bool]:
    """Label the first episode with a drug of six weeks, as published."""
    rows = sorted(set(scripts))
    episodes: list[list[Script]] = []
    for number, row in enumerate(rows):
        if number == 0 or row[0] - rows[number - 1][0] > 182:
            episodes.append([])
        episodes[-1].append(row)
    for episode in episodes:
        days: dict[str, list[int]] = defaultdict(list)
        for day, drug in episode:
            days[drug].append(day)
        adequate = {drug: d for drug, d in days.items() if d[-1] - d[0] >= 42}
        if not adequate:
            continue
        first, last = episode[0][0], episode[-1][0]
        added: dict[str, list[int]] = defaultdict(list)
        for day, drug in sorted(antipsychotics):
            if first <= day <= last:
                added[drug].append(day)
        with_antipsychotic = any(d[-1] - d[0] >= 14 for d in added.values())
        left = [d[-1] for d in adequate.values() if d[-1] < last]
        if left:
            return next(day for day, _ in episode if day > min(left)), False
        return NEVER, len(adequate) == 1 and not with_antipsychotic
    return NEVER, False


@settings(max_examples=200)
@given(
    people=st.lists(st.tuples(history, history), min_size=1, max_size=3),
)
def test_sealock2024__equals_a_literal_re_statement(
    people: list[tuple[list[Script], list[Script]]],
):
    """Labels of an episode: not responding, responder, in between."""
    rule = load_definition("sealock2024").resistant
    scripts = _events([own for own, _ in people])
    antipsychotics = _events([added for _, added in people])

    day, responds = switch_in_episode(scripts, antipsychotics, rule, len(people))

    expected = [_sealock(own, added) for own, added in people]
    assert list(zip(day.tolist(), responds.tolist(), strict=True)) == expected


def _lo(scripts: list[Script]) -> tuple[int, bool]:
    """Find the first short run of an SSRI (a or b) before another drug; and the comparator."""
    rows = sorted(set(scripts))
    runs: list[list[Script]] = []
    for row in rows:
        if not runs or runs[-1][0][1] != row[1]:
            runs.append([])
        runs[-1].append(row)
    case = NEVER
    for run, following in pairwise(runs):
        start, drug = run[0]
        until = following[0][0]
        before = sum(day < until for day, other in rows if other == drug)
        ever = sum(other == drug for _, other in rows)
        fits = 5 <= until - start <= 95 and before <= 2 and ever - before <= 2 and ever <= 3
        if drug in "ab" and fits:
            case = min(case, until)
    stable = False
    for drug in "ab":
        days = [day for day, other in rows if other == drug]
        episodes: list[list[int]] = []
        for number, day in enumerate(days):
            if number == 0 or day - days[number - 1] > 180:
                episodes.append([])
            episodes[-1].append(day)
        for episode in episodes:
            gaps = np.diff(episode)
            stable |= len(episode) >= 3 and bool((gaps < 30).any())
    return case, stable


@settings(max_examples=200)
@given(people=st.lists(history, min_size=1, max_size=4))
def test_lo2025__equals_a_literal_re_statement(people: list[list[Script]]):
    """Cases leave an SSRI early, comparators stay on one."""
    definition = load_definition("lo2025")
    events = _events(people)
    classes = tuple("SSRI" if drug in "ab" else "SNRI" for drug in events.kinds)

    case = quick_switch(events, classes, definition.resistant, len(people))
    stable = stable_episode(events, classes, definition.responsive, len(people))

    found = list(zip(case.tolist(), stable.tolist(), strict=True))
    assert found == [_lo(scripts) for scripts in people]
