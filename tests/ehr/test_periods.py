"""Periods of observation made disjoint."""

from __future__ import annotations

import pandas as pd

from pgs_trd.ehr.fields import memory_table
from pgs_trd.ehr.periods import merge_periods
from pgs_trd.ehr.raw import connect


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
    table = pd.DataFrame(rows, columns=["person_id", "start_date", "end_date"])
    for column in ("start_date", "end_date"):
        table[column] = pd.to_datetime(table[column]).dt.date
    kinds = {"person_id": "string", "start_date": "date", "end_date": "date"}

    merged = merge_periods(memory_table(table, kinds)).order_by(["person_id", "period"])
    found = connect(1, None).to_pyarrow(merged).to_pandas().astype(str)

    columns = ["person_id", "period", "start_date", "end_date"]
    assert found[columns].to_numpy().tolist() == [
        ["inside, then beyond the first end", "0", "2010-01-01", "2011-06-01"],
        ["next day", "0", "2010-01-01", "2010-02-28"],
        ["one day between", "0", "2010-01-01", "2010-01-31"],
        ["one day between", "1", "2010-02-02", "2010-02-28"],
        ["twice the same", "0", "2010-01-01", "2010-01-31"],
    ]
