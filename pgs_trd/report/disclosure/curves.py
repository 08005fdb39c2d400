"""Survival curves through the gate: no step, tail or risk table gives few people away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.report.disclosure.counts import (
    WITHHELD,
    Record,
    SuppressionLog,
    is_near,
    is_small,
    small_label,
)

CURVE_KEYS = ("stratum", "score")
DAYS_PER_YEAR = 365.25
MERGED = "steps merged or cut"
SURVIVAL_DECIMALS = 3
"""With all digits a step of a curve is a fraction whose terms can be guessed."""


@dataclass(frozen=True)
class DisclosedCurves:
    """Survival curves and the people at risk under them, as they may be shown.

    Attributes
    ----------
    points
        stratum, score (where given), group, days, survival, ci_low, ci_high.
    risk
        The same keys, group, years, n_at_risk, n_events_so_far (int or a mark).
    """

    points: pd.DataFrame
    risk: pd.DataFrame


def disclose_curves(
    curves: pd.DataFrame, threshold: int, log: SuppressionLog, *, years: Sequence[int] = ()
) -> DisclosedCurves:
    """Thin out survival curves until each stretch holds more than `threshold` events.

    Parameters
    ----------
    curves
        As in `StudyResults`. Times go up within a group.
    threshold
        Largest count that is hidden.
    log
        Told how many points and counts were hidden.
    years
        Times of the risk table; six even ones if none are given.
    """
    if curves.empty:
        return DisclosedCurves(pd.DataFrame(), pd.DataFrame())
    keys = [key for key in CURVE_KEYS if key in curves.columns]
    points, risks = [], []
    for _, panel in curves.groupby(keys, sort=False) if keys else [((), curves)]:
        ticks = tuple(years) or _ticks(panel, threshold)
        first_risk = {}
        for group, rows in panel.groupby("group", sort=False, observed=True):
            ordered = rows.sort_values("days", kind="stable").reset_index(drop=True)
            ordered_known = ordered[ordered["survival"].notna()].reset_index(drop=True)
            kept = _kept_points(ordered_known, threshold)
            log.add("curves", MERGED, _n_steps_gone(ordered, ordered_known, kept))
            if len(kept):
                points.append(ordered_known.loc[kept, [*keys, "group", *_POINT_COLUMNS]])
            first_risk[group] = _risk_rows(ordered, keys, ticks, threshold)
        risks.extend(_protect_groups(list(first_risk.values())))
    risk = pd.DataFrame(
        [row for rows in risks for row in rows], columns=[*keys, "group", "years", *_RISK_COUNTS]
    )
    is_mark = risk[list(_RISK_COUNTS)].map(lambda cell: isinstance(cell, str))
    log.add(
        "risk_table", "count, or difference of two, of 1 to threshold", int(is_mark.sum().sum())
    )
    shown = pd.concat(points, ignore_index=True) if points else pd.DataFrame()
    for column in ("survival", "ci_low", "ci_high"):
        if column in shown:
            shown[column] = shown[column].round(SURVIVAL_DECIMALS)
    return DisclosedCurves(shown, risk)


def disclose_incidence(
    incidence: pd.DataFrame, threshold: int, log: SuppressionLog
) -> pd.DataFrame:
    """Thin out curves of cumulative incidence as survival curves are.

    Returns
    -------
    DataFrame
        group, days, incidence, ci_low, ci_high. No people at risk: together with those of
        the groups of a score they could give small ones back.
    """
    if incidence.empty:
        return pd.DataFrame()
    curves = incidence.rename(columns={"incidence": "survival"})
    own = SuppressionLog()
    points = disclose_curves(curves, threshold, own).points
    log.add("incidence", MERGED, own.counts["curves", MERGED])
    return points.rename(columns={"survival": "incidence"})


_RISK_COUNTS = ("n_at_risk", "n_events_so_far")
_POINT_COLUMNS = ("days", "survival", "ci_low", "ci_high")


def _n_steps_gone(rows: pd.DataFrame, known: pd.DataFrame, kept: Sequence[int]) -> int:
    """Count the days with events that are no points of their own any more."""
    n_steps = int((rows["n_events_so_far"].diff().fillna(rows["n_events_so_far"]) > 0).sum())
    shown = known["n_events_so_far"].iloc[list(kept)]
    return n_steps - int((shown.diff().fillna(shown) > 0).sum())


def _kept_points(rows: pd.DataFrame, threshold: int) -> list[int]:
    """Choose rows with more than `threshold` events between one and the next.

    Rows with `threshold` or fewer at risk are never chosen. What is left over at
    the end joins the last stretch, so that the curve does not end too high.
    """
    at_risk = rows["n_at_risk"].to_numpy()
    events = rows["n_events_so_far"].to_numpy()
    allowed = np.flatnonzero(at_risk > threshold)
    if not len(allowed):
        return []
    start = int(allowed[0])
    if is_small(float(events[start]), threshold):
        later = allowed[events[allowed] > threshold]
        if not len(later):
            return []
        start = int(later[0])
    kept = [start]
    for index in allowed[allowed > start]:
        if events[index] - events[kept[-1]] > threshold:
            kept.append(int(index))
    last = int(allowed[-1])
    if len(kept) > 1 and events[last] > events[kept[-1]]:
        kept[-1] = last
    elif last > kept[-1] and events[last] == events[kept[-1]]:
        kept.append(last)
    return kept


def _ticks(panel: pd.DataFrame, threshold: int) -> tuple[int, ...]:
    """Give at most six whole years, from the first with anybody to the last with enough at risk.

    Nobody is at risk on day 0 where people enter later, at their second diagnosis say.
    """
    enough = panel.loc[panel["n_at_risk"] > threshold, "days"]
    last = int(enough.max() // DAYS_PER_YEAR) if len(enough) else 0
    step = max(1, -(-last // 5))
    first = 0 if (panel.loc[panel["days"] == 0, "n_at_risk"] > 0).any() else step
    return tuple(range(first, last + 1, step))


def _risk_rows(
    rows: pd.DataFrame, keys: Sequence[str], ticks: Sequence[int], threshold: int
) -> list[Record]:
    """Count people at risk and events at whole years; hide small ones and small steps.

    Both counts are of the reported day that is nearest to the year.
    """
    found: list[Record] = []
    shown = _ShownCounts([], [], [])
    days = rows["days"].to_numpy()
    at_risk, events = rows["n_at_risk"].to_numpy(), rows["n_events_so_far"].to_numpy()
    for year in ticks:
        nearest = int(np.argmin(np.abs(days - year * DAYS_PER_YEAR)))
        n_at_risk, n_events = int(at_risk[nearest]), int(events[nearest])
        found.append(
            {
                **{key: rows[key].iat[0] for key in keys},
                "group": rows["group"].iat[0],
                "years": year,
                **shown.judge(n_at_risk, n_events, threshold),
            }
        )
    return found


@dataclass(frozen=True)
class _ShownCounts:
    """What a risk table has shown of one group so far.

    People who left between two times are the difference of those at risk; those
    who left without an event, the difference less the events. None may be small.
    """

    at_risk: list[int]
    events: list[int]
    both: list[int]

    def judge(self, n_at_risk: int, n_events: int, threshold: int) -> Record:
        """Give the two cells of a time, and remember what they show."""
        risk = _mark(n_at_risk, self.at_risk, threshold)
        events = _mark(n_events, self.events, threshold)
        is_pair = isinstance(risk, int) and isinstance(events, int)
        if is_pair and is_near(n_at_risk + n_events, self.both, threshold):
            events = WITHHELD
        if isinstance(risk, int):
            self.at_risk.append(n_at_risk)
        if isinstance(events, int):
            self.events.append(n_events)
            if isinstance(risk, int):
                self.both.append(n_at_risk + n_events)
        return {"n_at_risk": risk, "n_events_so_far": events}


def _mark(count: int, shown: Sequence[int], threshold: int) -> int | str:
    if is_small(count, threshold):
        return small_label(threshold)
    return WITHHELD if is_near(count, shown, threshold) else count


def _protect_groups(
    groups: list[list[Record]],
) -> list[list[Record]]:
    """Hide a second group at a time where one is hidden: together they are the cohort.

    The number of people at the start is known from the model table, so one group
    of it would follow from the others.
    """
    for column in range(min((len(rows) for rows in groups), default=0)):
        at_time = [rows[column] for rows in groups]
        for name in _RISK_COUNTS:
            marked = [isinstance(row[name], str) for row in at_time]
            others = [
                row for row, mark in zip(at_time, marked, strict=True) if not mark and row[name]
            ]
            if sum(marked) == 1 and others:
                smallest = min(others, key=lambda row: int(str(row[name])))
                smallest[name] = WITHHELD
    return groups
