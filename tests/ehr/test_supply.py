"""What each prescription supplies, and how that is known."""

from __future__ import annotations

import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgs_trd.ehr import Ehr, build_trials, open_ehr, prescription_supply
from pgs_trd.errors import UsageError

START = np.datetime64("2010-01-01")
Row = tuple[str, str, int | None, int | None]


def open_rows(rows: list[Row]) -> Ehr:
    """Open one person's (drug, date, days to the end date, days' supply)."""
    table = pd.DataFrame(rows, columns=["drug", "date", "days", "days_supply"])
    table["date"] = pd.to_datetime(table["date"])
    table["end_date"] = table["date"] + pd.to_timedelta(table.pop("days").astype(float), "D")
    diagnoses = {"person_id": ["p"], "date": ["2010-01-01"], "code": ["F32.1"]}
    observed = {"person_id": ["p"], "start_date": ["2005-01-01"], "end_date": ["2019-12-31"]}
    return open_ehr(
        {
            "prescriptions": table.assign(person_id="p"),
            "diagnoses": pd.DataFrame(diagnoses),
            "observation": pd.DataFrame(observed),
        }
    )


def supply_of(ehr: Ehr, **options: object) -> list[tuple[str, str, int, str]]:
    """Give drug, date, supply and source of each row."""
    table = prescription_supply(ehr, **options)  # type: ignore[arg-type]  # options by name
    return [
        (row.ingredient, str(row.date.date()), row.supply_days, row.supply_source)
        for row in table.itertuples()
    ]


def test_prescription_supply__each_row_says_how_it_is_known():
    """Said, told from the end date, usual time between prescriptions, or the default."""
    ehr = open_rows(
        [
            ("sertraline", "2010-01-01", None, None),
            ("sertraline", "2010-01-21", None, 28),
            ("sertraline", "2010-03-02", 13, None),
            # Two strengths of one day: the longest stands, and of two alike the one that is said.
            ("sertraline", "2010-06-01", 29, 10),
            ("sertraline", "2010-06-01", 29, None),
            ("citalopram", "2012-01-01", None, None),
            ("mirtazapine", "2013-01-01", None, None),
            ("mirtazapine", "2013-12-01", 20, 21),
            ("mirtazapine", "2013-12-01", 20, None),
        ]
    )
    others = [
        ("sertraline", "2010-01-21", 28, "days_supply"),
        ("sertraline", "2010-03-02", 14, "end_date"),
        ("sertraline", "2010-06-01", 30, "end_date"),
    ]
    last = ("mirtazapine", "2013-12-01", 21, "days_supply")

    assert supply_of(ehr) == [
        ("citalopram", "2012-01-01", 30, "default"),
        ("mirtazapine", "2013-01-01", 30, "default"),
        last,
        ("sertraline", "2010-01-01", 30, "default"),
        *others,
    ]
    # Sertraline was fetched after 20, 40 and 91 days; mirtazapine after 334, more than 90.
    assert supply_of(ehr, unknown_supply="median_gap") == [
        ("citalopram", "2012-01-01", 30, "default"),
        ("mirtazapine", "2013-01-01", 90, "median_gap"),
        last,
        ("sertraline", "2010-01-01", 40, "median_gap"),
        *others,
    ]
    trials = build_trials(ehr, unknown_supply="median_gap")
    assert trials.groupby("ingredient")["n_supply_imputed"].sum().to_dict() == {
        "citalopram": 1,
        "mirtazapine": 1,
        "sertraline": 1,
    }


@settings(max_examples=15)
@given(
    fills=st.dictionaries(
        st.tuples(st.sampled_from(["sertraline", "citalopram"]), st.integers(0, 400)),
        st.none() | st.integers(1, 60),
        min_size=1,
    )
)
def test_prescription_supply__median_gap_equals_a_plain_loop(fills):
    """The medians of all people are found in one sort; here one by one."""
    rows = [(drug, str(START + day), None, supply) for (drug, day), supply in fills.items()]
    days = {drug: sorted(day for name, day in fills if name == drug) for drug, _ in fills}
    expected = []
    for (drug, day), supply in sorted(fills.items()):
        gaps = np.diff(days[drug]).tolist()
        known = supply or (min(statistics.median_low(gaps), 90) if gaps else 30)
        expected.append((drug, str(START + day), known))

    found = supply_of(open_rows(rows), unknown_supply="median_gap")

    assert [row[:3] for row in found] == expected


def test_prescription_supply__impossible_options_are_refused():
    """A word that no policy has would silently be another one."""
    ehr = open_rows([("sertraline", "2010-01-01", None, 30)])

    with pytest.raises(UsageError, match="must be default or median_gap, got 'mean'"):
        build_trials(ehr, unknown_supply="mean")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(UsageError, match="default_supply_days must be at least 1, got 0"):
        prescription_supply(ehr, default_supply_days=0)
