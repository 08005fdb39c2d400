"""The rules on trials against slow, plain searches."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgs_trd.ehr.arrays import NEVER
from pgs_trd.phenotype.arrays import Trials, sort_trials
from pgs_trd.phenotype.rules import (
    count_trials,
    distinct_in_window,
    overlapping_eras,
    resistance_days,
    treatment_lines,
)

Trial = tuple[int, int, str]


def _arrays(people: list[list[Trial]], *, shuffle: int | None = None) -> Trials:
    rows = [(p, s, s + n, drug) for p, trials in enumerate(people) for s, n, drug in trials]
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(rows)
    number = {drug: i for i, drug in enumerate("abcdef")}
    nothing = np.zeros(len(rows), dtype=bool)
    return sort_trials(
        Trials(
            person=np.array([row[0] for row in rows], dtype=np.int64),
            start=np.array([row[1] for row in rows], dtype=np.int64),
            end=np.array([row[2] for row in rows], dtype=np.int64),
            drug=np.array([number[row[3]] for row in rows], dtype=np.int64),
            switch=np.full(len(rows), NEVER, dtype=np.int64),
            fails_anyway=nothing,
            is_last_step=nothing,
            drugs=tuple("abcdef"),
        )
    )


def _resistant_by_search(
    trials: list[Trial], *, n_failures: int, link_days: int, min_days: int, window_days: int
) -> int:
    """Try every ordered choice of trials; the line must hold from first to last."""
    days = sorted({day for s, n, _ in trials for day in (s, s + n)})
    best = NEVER
    for chosen in permutations(trials, n_failures + 1):
        drugs = {drug for _, _, drug in chosen}
        starts = [s for s, _, _ in chosen]
        rises = all(a < b for a, b in pairwise(starts))
        if len(drugs) <= n_failures or not rises or starts[-1] - starts[0] > window_days:
            continue
        taken = [
            min(s + n, later) - s for (s, n, _), later in zip(chosen, starts[1:], strict=False)
        ]
        # A break of the line: from some day on nothing is taken, and nothing starts in time.
        broken = any(
            all(s + n <= day or s > day + link_days for s, n, _ in trials)
            and any(s <= day for s, _, _ in trials)
            and starts[0] < day + link_days + 1 <= starts[-1]
            and starts[0] <= day
            for day in days
        )
        if min(taken) >= min_days and not broken:
            best = min(best, starts[-1])
    return best


trials_of_one = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 120), st.sampled_from("abcd")),
    min_size=0,
    max_size=6,
    unique_by=lambda trial: (trial[0], trial[2]),
)


@settings(max_examples=80)
@given(
    people=st.lists(trials_of_one, min_size=1, max_size=4),
    n_failures=st.integers(1, 3),
    link_days=st.integers(0, 200),
    min_days=st.integers(1, 60),
    window_days=st.sampled_from([NEVER, 100, 200, 300]),
)
def test_resistance_days__equals_a_search_over_all_chains(
    people: list[list[Trial]], n_failures: int, link_days: int, min_days: int, window_days: int
):
    """The pairs cut chains early; trying all of them cannot miss one."""
    options = {
        "n_failures": n_failures,
        "link_days": link_days,
        "min_days": min_days,
        "window_days": window_days,
    }

    days = resistance_days(_arrays(people, shuffle=1), len(people), **options)

    assert days.tolist() == [_resistant_by_search(trials, **options) for trials in people]


def test_resistance_days__a_step_that_is_only_last_is_no_failure():
    """An added antipsychotic may end a chain of failures; it is no failed antidepressant."""
    trials = _arrays([[(0, 60, "a"), (60, 60, "b"), (120, 60, "c")]])
    options = {"n_failures": 2, "link_days": 180, "min_days": 42}

    def third(**changes: list[bool]) -> int:
        marked = Trials(**{**vars(trials), **{k: np.array(v) for k, v in changes.items()}})
        return int(resistance_days(marked, 1, **options)[0])

    assert third() == 120
    assert third(is_last_step=[False, False, True]) == 120
    assert third(is_last_step=[False, True, False]) == NEVER


def test_resistance_days__a_procedure_fails_whatever_its_length():
    """A course of ECT of one week can be one of the failed trials."""
    trials = _arrays([[(0, 7, "a"), (60, 60, "b"), (120, 60, "c")]])
    as_trial = Trials(**{**vars(trials), "fails_anyway": np.array([True, False, False])})
    options = {"n_failures": 2, "link_days": 180, "min_days": 42}

    assert resistance_days(trials, 1, **options).tolist() == [NEVER]
    assert resistance_days(as_trial, 1, **options).tolist() == [120]


def test_treatment_lines__long_trial_bridges_a_short_one():
    """From day 200 nothing runs until day 381: one day more than the link."""
    trials = _arrays(
        [[(0, 200, "a"), (10, 20, "b"), (380, 5, "c")], [(0, 200, "a"), (381, 5, "b")]]
    )

    assert treatment_lines(trials, link_days=180).tolist() == [0, 0, 0, 0, 1]


def test_count_trials__failed_is_adequate_and_soon_followed():
    """Worked by hand: b comes 181 days after a ended, c the day b ended."""
    trials = _arrays([[], [(0, 60, "a"), (241, 60, "b"), (301, 10, "c")]])
    switched = Trials(**{**vars(trials), "switch": np.array([241, 301, NEVER])})

    counts = count_trials(switched, 2, min_days=42, link_days=180)

    found = {name: values.tolist() for name, values in counts.items()}
    assert found == {
        "first_start": [NEVER, 0],
        "n_trials": [0, 3],
        "n_adequate": [0, 2],
        "n_failed": [0, 1],
        "n_ingredients": [0, 3],
    }


@settings(max_examples=60)
@given(
    people=st.lists(trials_of_one, min_size=1, max_size=4),
    n_drugs=st.integers(1, 3),
    window_days=st.integers(0, 300),
)
def test_distinct_in_window__equals_a_plain_count(
    people: list[list[Trial]], n_drugs: int, window_days: int
):
    """The first start by which enough different drugs were begun since day 50."""
    expected = []
    for trials in people:
        inside = sorted((s, d) for s, _, d in trials if 0 <= s - 50 <= window_days)
        reached = [s for s, _ in inside if len({d for other, d in inside if other <= s}) >= n_drugs]
        expected.append(min(reached, default=NEVER))
    origin = np.full(len(people), 50, dtype=np.int64)

    found = distinct_in_window(_arrays(people), origin, n_drugs=n_drugs, window_days=window_days)

    assert found.tolist() == expected


@settings(max_examples=60)
@given(people=st.lists(trials_of_one, min_size=1, max_size=4), lookback=st.integers(0, 300))
def test_overlapping_eras__equals_a_plain_count(people: list[list[Trial]], lookback: int):
    """Three drugs overlap the look-back, two of them begun at least a day before."""
    expected = {
        (person, day)
        for person, trials in enumerate(people)
        for day in {s for s, _, _ in trials}
        if len({d for s, n, d in trials if s <= day and s + n >= day - lookback}) >= 3
        and len({d for s, n, d in trials if s <= day - 1 and s + n >= day - lookback}) >= 2
    }

    person, day = overlapping_eras(_arrays(people), n_drugs=3, lookback_days=lookback)

    assert set(zip(person.tolist(), day.tolist(), strict=True)) == expected


def test_rules__nobody_is_no_error():
    """A cohort without trials is a result."""
    nothing = _arrays([])

    assert resistance_days(nothing, 2, n_failures=2, link_days=1, min_days=1).tolist() == [
        NEVER,
        NEVER,
    ]
    assert treatment_lines(nothing, link_days=1).tolist() == []
    assert overlapping_eras(nothing, n_drugs=3, lookback_days=1)[0].tolist() == []


@pytest.mark.parametrize("seed", range(3))
def test_resistance_days__row_order_does_not_matter(seed: int):
    """Trials come from files and joins; their order carries nothing."""
    people = [[(0, 60, "a"), (60, 60, "b"), (60, 60, "c"), (130, 60, "d")] for _ in range(3)]
    options = {"n_failures": 2, "link_days": 180, "min_days": 42}

    first = resistance_days(_arrays(people), 3, **options)

    assert first.tolist() == [130, 130, 130]
    assert resistance_days(_arrays(people, shuffle=seed), 3, **options).tolist() == first.tolist()
