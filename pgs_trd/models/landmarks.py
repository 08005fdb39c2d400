"""Start follow-up anew at a landmark day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.tables import require_columns


def landmark(follow_up: pd.DataFrame, day: float, *, horizon: float | None = None) -> pd.DataFrame:
    """Keep who is under observation and free of the event at a day, and count from there.

    What happened before the landmark may then define groups without looking into the
    future [1]_.

    Parameters
    ----------
    follow_up
        One row a person at risk: `person_id`, `entry_days`, `exit_days`, `event`; other
        columns are kept.
    day
        The landmark, in days from the origin, at least 0.
    horizon
        Day, from the same origin, at which observation ends for everybody; None is
        their own exit.

    Returns
    -------
    later
        The people whose entry is no later than the landmark and whose exit is after it,
        with days counted from it. `attrs["people"]` counts `n_kept`, `n_event_before`,
        `n_left_before`, `n_entered_after` and `n_without_days`.

    Raises
    ------
    UsageError
        If the landmark is below 0, or the horizon not after it.
    DataError
        If nobody is left, or columns are absent.

    References
    ----------
    .. [1] Anderson, Cain and Gelber (1983) Journal of Clinical Oncology 1:710.
    """
    require_columns(follow_up, ["person_id", "entry_days", "exit_days", "event"], "follow-up")
    if not 0 <= day < np.inf:
        raise UsageError(f"day is {day:g}: the landmark is at or after the origin")
    if horizon is not None and horizon <= day:
        raise UsageError(f"horizon is {horizon:g}: it must be after the landmark, {day:g}")
    entry = follow_up["entry_days"].to_numpy(dtype=np.float64, na_value=np.nan)
    leave = follow_up["exit_days"].to_numpy(dtype=np.float64, na_value=np.nan)
    happened = follow_up["event"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = ~np.isnan(entry) & ~np.isnan(leave)
    gone = known & (leave <= day)
    late = known & ~gone & (entry > day)
    kept = known & ~gone & ~late
    if not kept.any():
        raise DataError(f"follow-up: nobody is under observation on day {day:g}")
    end = leave if horizon is None else np.minimum(leave, horizon)
    later: pd.DataFrame = follow_up[kept].copy()
    later["entry_days"] = 0.0
    later["exit_days"] = (end - day)[kept]
    if horizon is not None:
        cut = (leave > horizon)[kept]
        later["event"] = later["event"].mask(pd.Series(cut, index=later.index), False)
        later["event"] = later["event"].astype(follow_up["event"].dtype)
    later.attrs["people"] = {
        "n_kept": int(kept.sum()),
        "n_event_before": int((gone & (happened == 1)).sum()),
        "n_left_before": int((gone & (happened != 1)).sum()),
        "n_entered_after": int(late.sum()),
        "n_without_days": int((~known).sum()),
    }
    return later
