"""Follow-up from a landmark, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import landmark, survival_table


@pytest.fixture
def follow_up():
    """Give six people: two gone by day 30, one not yet there, one without days."""
    return pd.DataFrame(
        {
            "person_id": list("abcdef"),
            "entry_days": [0.0, 0.0, 0.0, 10.0, 40.0, np.nan],
            "exit_days": [30.0, 20.0, 100.0, 200.0, 90.0, np.nan],
            "event": [True, False, True, False, True, False],
        }
    )


def test_landmark__keeps_who_is_there_and_free_of_the_event(follow_up):
    """Only c and d: a had the event on the day itself, b left, e came later."""
    later = landmark(follow_up, 30)

    assert later["person_id"].tolist() == ["c", "d"]
    assert later["entry_days"].tolist() == [0.0, 0.0]
    assert later["exit_days"].tolist() == [70.0, 170.0]
    assert later["event"].tolist() == [True, False]
    assert later.attrs["people"] == {
        "n_kept": 2,
        "n_event_before": 1,
        "n_left_before": 1,
        "n_entered_after": 1,
        "n_without_days": 1,
    }


def test_landmark__horizon_ends_everybodys_time(follow_up):
    """The event of day 100 is after day 99, and on day 100 it counts."""
    cut, whole = landmark(follow_up, 30, horizon=99), landmark(follow_up, 30, horizon=100)

    assert cut["exit_days"].tolist() == [69.0, 69.0]
    assert cut["event"].tolist() == [False, False]
    assert cut["event"].dtype == follow_up["event"].dtype
    assert whole["event"].tolist() == [True, False]


def test_landmark__survival_is_conditional_on_the_landmark():
    """S(t | free at L) is S(t) / S(L) where everybody is seen from the origin."""
    rng = np.random.default_rng(1)
    days = np.ceil(rng.exponential(100, size=300))
    table = pd.DataFrame(
        {
            "person_id": np.arange(300),
            "entry_days": 0.0,
            "exit_days": days,
            "event": rng.random(300) < 0.7,
        }
    )

    later = landmark(table, 50)

    whole = survival_table(table["exit_days"], table["event"], days=[50, 120])["survival"]
    part = survival_table(later["exit_days"], later["event"], days=[70])["survival"]
    assert part[0] == pytest.approx(whole[1] / whole[0], rel=1e-12)


def test_landmark__says_what_is_wrong_with_the_call(follow_up):
    """A day before the origin, a horizon before the landmark, nobody left."""
    with pytest.raises(UsageError, match="day is -1"):
        landmark(follow_up, -1)
    with pytest.raises(UsageError, match="horizon is 30: it must be after the landmark, 30"):
        landmark(follow_up, 30, horizon=30)
    with pytest.raises(DataError, match="nobody is under observation on day 500"):
        landmark(follow_up, 500)
