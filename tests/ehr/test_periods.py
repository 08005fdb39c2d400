"""Periods of observation made disjoint."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pgs_trd.ehr.arrays import NEVER
from pgs_trd.ehr.periods import merge_periods

DAY = np.datetime64("2010-01-01")


def _days(text: str | None) -> int:
    return NEVER if text is None else int((np.datetime64(text) - DAY).astype(int))


def test_merge_periods__joins_what_overlaps_or_follows_on_the_next_day():
    """An event in two periods would be two events; a day between them is a hole."""
    rows = [
        ("next day", "2010-01-01", "2010-01-31"),
        ("next day", "2010-02-01", "2010-02-28"),
        ("one day between", "2010-01-01", "2010-01-31"),
        ("one day between", "2010-02-02", "2010-02-28"),
        ("inside, then beyond the first end", "2010-01-01", "2010-12-31"),
        ("inside, then beyond the first end", "2010-02-01", "2010-03-01"),
        ("inside, then beyond the first end", "2010-06-01", "2011-06-01"),
        ("twice the same", "2010-01-01", "2010-01-31"),
        ("twice the same", "2010-01-01", "2010-01-31"),
        ("backwards", "2010-01-31", "2010-01-01"),
        ("open", "2010-01-31", None),
    ]
    names = sorted({name for name, _, _ in rows})
    person = np.array([names.index(name) for name, _, _ in rows])
    first = np.array([_days(start) for _, start, _ in rows])
    last = np.array([_days(end) for _, _, end in rows])

    merged = merge_periods(person, first, last)

    found = [
        (names[p], str(DAY + a), str(DAY + b))
        for p, a, b in zip(merged.person, merged.first, merged.last, strict=True)
    ]
    assert found == [
        ("inside, then beyond the first end", "2010-01-01", "2011-06-01"),
        ("next day", "2010-01-01", "2010-02-28"),
        ("one day between", "2010-01-01", "2010-01-31"),
        ("one day between", "2010-02-02", "2010-02-28"),
        ("twice the same", "2010-01-01", "2010-01-31"),
    ]


@given(
    rows=st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 40), st.integers(-3, 15))),
    asked=st.lists(st.tuples(st.integers(-1, 3), st.integers(-5, 60))),
)
def test_periods__hold_the_days_that_any_recorded_period_holds(rows, asked):
    """Merging must neither lose nor add a day, and one number means one unbroken stretch."""
    person, first, length = (np.array([r[k] for r in rows], dtype=np.int64) for k in range(3))
    covered = {(p, day) for p, a, n in rows if p >= 0 for day in range(a, a + n + 1)}
    periods = merge_periods(person, first, first + length)
    who, when = (np.array([a[k] for a in asked], dtype=np.int64) for k in range(2))

    held = periods.hold(who, when)

    assert [(place >= 0) for place in held] == [(p, d) in covered for p, d in asked]
    for (p, d), place in zip(asked, held, strict=True):
        if place >= 0:
            assert periods.person[place] == p
            stretch = range(int(periods.first[place]), int(periods.last[place]) + 1)
            assert d in stretch
            assert all((p, day) in covered for day in stretch)
