"""Kaplan-Meier curves of groups of one score."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.people import JoinedPeople, join_people
from pgs_trd.models.survival_steps import Interval, check_interval, survival_steps
from pgs_trd.models.wald import check_confidence
from pgs_trd.tables import require_columns

GROUPS = ("bottom fifth", "middle", "top fifth")
GRID_DAYS = 30.0
N_TAIL = 0.2


def survival_curves(
    follow_up: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame | None = None,
    *,
    score: str | None = None,
    stratum: str | None = None,
    strata: Sequence[str] | None = None,
    days: Sequence[float] | None = None,
    start_day: float = 0.0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate event-free survival in the bottom fifth, middle and top fifth of a score.

    Parameters
    ----------
    follow_up
        One row a person at risk: `person_id`, `entry_days`, `exit_days`, `event`.
        At risk on a day means entry < day <= exit, as in `fit_cox`.
    scores
        Index is the person id, one column a score.
    covariates, stratum, strata
        With `stratum`, fifths are cut within each stratum, so that the groups do not
        differ in ancestry; the curves are over all strata.
    score
        The column of `scores`; may be left out if there is one only.
    days
        Days at which to report; None is every 30 days up to the last exit.
    start_day
        Estimate survival given no event until then; later entrants still come in
        when they do. Needed where few people are seen from the origin.
    confidence
        Coverage of the intervals, on the log-log scale.

    Returns
    -------
    curves
        Rows group x day: `group`, `days`, `survival`, `ci_low`, `ci_high`,
        `n_at_risk` (under observation just before the end of that day, events of the
        day included), `n_events_so_far`, `n_people` (of the group). Survival is NaN
        after the last exit of a group; the interval is NaN at survival 0.

    Raises
    ------
    UsageError
        If the score is not named or unknown.
    DataError
        If nobody is in all tables or follow-up ends before it begins.

    References
    ----------
    .. [1] Kaplan and Meier (1958) J Am Stat Assoc 53:457.
    """
    check_confidence(confidence)
    needed = ["person_id", "entry_days", "exit_days", "event"]
    require_columns(follow_up, needed, "follow-up")
    name = _choose_score(scores, score)
    people = join_people(
        follow_up.dropna(subset=["entry_days", "exit_days", "event"]),
        scores[[name]].dropna(),
        covariates,
        subject="follow-up",
        stratum=stratum,
        strata=strata,
        covariate_columns=(),
        standardise="none",
    )
    table = _group_people(people, name)
    table["entry"] = np.maximum(table["entry"], start_day)
    table = table[table["exit"] > table["entry"]]
    if table.empty:
        raise DataError(f"follow-up: nobody is under observation after day {start_day:g}")
    grid = _grid(days, start_day, float(table["exit"].max()))
    _refuse_empty_groups(table, name)
    parts = [
        _curve(part, group, grid, start_day=start_day, confidence=confidence)
        for group, part in ((group, table[table["group"] == group]) for group in GROUPS)
    ]
    curves = pd.concat(parts, ignore_index=True)
    curves.attrs["conventions"] = {
        "model": "kaplan-meier",
        "score": name,
        "groups": "fifths of the score" + (" within each stratum" if stratum else ""),
        "interval": "log-log",
        "confidence": confidence,
        "start_day": start_day,
    }
    return curves


def _choose_score(scores: pd.DataFrame, score: str | None) -> str:
    names = [str(name) for name in scores.columns]
    if score is None and len(names) == 1:
        return names[0]
    if score is None or score not in names:
        found = f"{score!r} is not a column" if score is not None else "no score is named"
        raise UsageError(f"score: {found}; scores has {len(names)} columns")
    return score


def _group_people(people: JoinedPeople, name: str) -> pd.DataFrame:
    """Cut fifths within each stratum; a tie falls to the lower group together."""
    tables = []
    for part in people.strata:
        values = part.scores[name].to_numpy()
        low, high = np.quantile(values, [N_TAIL, 1 - N_TAIL])
        group = np.where(values <= low, GROUPS[0], np.where(values > high, GROUPS[2], GROUPS[1]))
        tables.append(
            pd.DataFrame(
                {
                    "group": group,
                    "entry": part.records["entry_days"].to_numpy(dtype=np.float64),
                    "exit": part.records["exit_days"].to_numpy(dtype=np.float64),
                    "event": part.records["event"].to_numpy(dtype=np.float64) == 1,
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    n_wrong = int((table["exit"] <= table["entry"]).sum())
    if n_wrong:
        raise ModelDataError(f"follow-up: {n_wrong:,} of {len(table):,} people leave before entry")
    return table


def _refuse_empty_groups(table: pd.DataFrame, name: str) -> None:
    counts = table["group"].value_counts()
    empty = [group for group in GROUPS if group not in counts.index]
    if empty:
        raise DataError(
            f"score {name!r}: nobody is in the {' or the '.join(empty)} among {len(table):,} "
            "people. The score hardly varies, or there are too few people"
        )


def _grid(days: Sequence[float] | None, start_day: float, last: float) -> FloatArray:
    if days is None:
        return np.arange(start_day, last + GRID_DAYS, GRID_DAYS)
    grid = np.asarray(days, dtype=np.float64)
    if not grid.size or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise UsageError("days must be finite and ascending, such as [0, 365, 730]")
    if grid[0] < start_day:
        raise UsageError(f"days begin at {grid[0]:g}, before start_day {start_day:g}")
    return grid


def _curve(
    table: pd.DataFrame, group: str, grid: FloatArray, *, start_day: float, confidence: float
) -> pd.DataFrame:
    entry, leave = table["entry"].to_numpy(), table["exit"].to_numpy()
    event = table["event"].to_numpy()
    survival, low, high, so_far = kaplan_meier(leave, event, entry, grid, confidence=confidence)
    # Those who are there from the start are at risk on that day too.
    from_start = np.where(grid == start_day, np.sum(entry == start_day), 0)
    seen = np.searchsorted(np.sort(entry), grid, "left") + from_start
    gone = np.searchsorted(np.sort(leave), grid, "left")
    past = grid > leave.max()
    zero_days = grid[survival == 0]
    n_later = int(np.sum(leave > zero_days[0])) if zero_days.size else 0
    if n_later:
        warnings.warn(
            f"the curve of the {group} reaches 0 while {n_later:,} people are under observation "
            "later: few were at risk early. Give a later start_day",
            PgsTrdWarning,
            stacklevel=3,
        )
    return pd.DataFrame(
        {
            "group": group,
            "days": grid,
            "survival": np.where(past, np.nan, survival),
            "ci_low": np.where(past, np.nan, low),
            "ci_high": np.where(past, np.nan, high),
            "n_at_risk": seen - gone,
            "n_events_so_far": so_far,
            "n_people": len(table),
        }
    )


def kaplan_meier(
    duration: FloatArray,
    event: BoolArray,
    entry: FloatArray | None,
    days: FloatArray,
    *,
    interval: Interval = "log-log",
    confidence: float = 0.95,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Give survival, its interval and the number of events at `days`.

    At risk at t means entry < t <= duration, as in R's survival; lifelines counts a
    person who enters at t too. The variance is Greenwood's [1]_.

    Parameters
    ----------
    duration, event, entry : (n_people,)
        Follow-up; entry None is from the origin.
    days : (n_days,)
        When to report; events of the day itself are counted.
    interval
        The scale on which it is symmetric: "log-log", "log" or "plain".
    confidence
        Coverage.

    References
    ----------
    .. [1] Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time
       Data, 2nd edition, section 1.4.
    """
    check_interval(interval)
    steps = survival_steps(duration, event, entry)
    low, high = steps.interval(interval, confidence)
    so_far = np.r_[0, np.cumsum(steps.died)].astype(np.int64)
    place = steps.at(days)
    return steps.survival[place], low[place], high[place], so_far[place]
