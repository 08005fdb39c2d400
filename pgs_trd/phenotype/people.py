"""The time in which a person was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pgs_trd.ehr.records import Ehr


def observed_until(ehr: Ehr, person_id: pd.Series, date: pd.Series) -> pd.DataFrame:
    """Give the period of observation around one date of each person.

    Returns
    -------
    DataFrame
        ``period_start``, ``period_end`` with the index of `person_id`; NaT where
        the date is NaT or outside every period.
    """
    periods = ehr.fetch(
        ehr.observation.select(
            "start_date", "end_date", person_id=ehr.observation.person_id.cast("string")
        )
    )
    wanted = pd.DataFrame({"row": range(len(person_id)), "person_id": person_id, "date": date})
    held = wanted.dropna(subset=["date"]).merge(periods, on="person_id", how="inner")
    held = held[(held["start_date"] <= held["date"]) & (held["date"] <= held["end_date"])]
    found = held.set_index("row")[["start_date", "end_date"]].reindex(range(len(wanted)))
    found.columns = pd.Index(["period_start", "period_end"])
    return found.astype("datetime64[ns]").set_axis(person_id.index, axis=0)
