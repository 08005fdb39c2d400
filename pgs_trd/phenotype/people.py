"""The time in which a person was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import NEVER, to_dates, to_days

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
    people = ehr.people
    row = people.find(person_id)
    held = people.periods.hold(row, to_days(date))
    periods = people.periods
    return pd.DataFrame(
        {
            "period_start": to_dates(np.append(periods.first, NEVER)[held]),
            "period_end": to_dates(np.append(periods.last, NEVER)[held]),
        },
        index=person_id.index,
    )
