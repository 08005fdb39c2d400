"""The rule of resistance against a slow, plain search."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pgs_trd.phenotype.definition import ResistantRule
from pgs_trd.phenotype.rules import count_trials, resistance_dates, treatment_lines

EPOCH = pd.Timestamp("2010-01-01")
Trial = tuple[int, int, str]


def _table(people: list[list[Trial]]) -> pd.DataFrame:
    rows = [
        (f"p{person}", EPOCH + pd.Timedelta(days=s), EPOCH + pd.Timedelta(days=s + n), drug)
        for person, trials in enumerate(people)
        for s, n, drug in trials
    ]
    columns = ["person_id", "start_date", "end_date", "ingredient"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"start_date": "datetime64[ns]", "end_date": "datetime64[ns]"})


def _resistant_by_search(
    trials: list[Trial], *, n_failures: int, link_days: int, min_days: int
) -> int | None:
    """Try every ordered choice of trials; the line must hold from first to last."""
    days = sorted({day for s, n, _ in trials for day in (s, s + n)})
    best = None
    for chosen in permutations(trials, n_failures + 1):
        drugs = {drug for _, _, drug in chosen}
        starts = [s for s, _, _ in chosen]
        rises = all(a < b for a, b in pairwise(starts))
        if len(drugs) <= n_failures or not rises:
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
        if min(taken) >= min_days and not broken and (best is None or starts[-1] < best):
            best = starts[-1]
    return best


trials_of_one = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 120), st.sampled_from("abcd")),
    min_size=0,
    max_size=6,
    unique_by=lambda trial: (trial[0], trial[2]),
)


@settings(max_examples=60, deadline=None)
@given(
    people=st.lists(trials_of_one, min_size=1, max_size=4),
    n_failures=st.integers(1, 3),
    link_days=st.integers(0, 200),
    min_days=st.integers(1, 60),
)
def test_resistance_dates__equals_a_search_over_all_chains(
    people: list[list[Trial]], n_failures: int, link_days: int, min_days: int
):
    """The joins cut chains early; trying all of them cannot miss one."""
    rule = ResistantRule("adequate_then_next", n_failures=n_failures, link_days=link_days)

    dates = resistance_dates(_table(people), rule, min_days=min_days)

    found = {str(person): (date - EPOCH).days for person, date in dates.items()}
    searched = {
        f"p{person}": _resistant_by_search(
            trials, n_failures=n_failures, link_days=link_days, min_days=min_days
        )
        for person, trials in enumerate(people)
    }
    assert found == {person: day for person, day in searched.items() if day is not None}


def test_treatment_lines__long_trial_bridges_a_short_one():
    """From day 200 nothing runs until day 381: one day more than the link."""
    table = _table([[(0, 200, "a"), (10, 20, "b"), (380, 5, "c")], [(0, 200, "a"), (381, 5, "b")]])

    assert treatment_lines(table, link_days=180).tolist() == [0, 0, 0, 0, 1]


def test_count_trials__failed_is_adequate_and_soon_followed():
    """Worked by hand: b comes 181 days after a ended, c the day b ended."""
    table = _table([[(0, 60, "a"), (241, 60, "b"), (301, 10, "c")]]).assign(trial=[1, 2, 3])
    table["switch_date"] = [*table["start_date"].iloc[1:], pd.NaT]

    counts = count_trials(table, min_days=42, link_days=180).loc["p0"]

    numbers = ["n_trials", "n_adequate", "n_failed", "n_ingredients"]
    assert counts[numbers].tolist() == [3, 2, 1, 3]
    assert counts["first_start"] == EPOCH
    assert counts[numbers].map(type).isin([int, np.int64]).all()
