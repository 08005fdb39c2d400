"""Survival of groups: tables, quantiles, the log-rank test, restricted means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaincc, ndtri
from scipy.stats import chi2 as chi_square

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.cox_problem import read_times
from pgs_trd.models.inputs import Labels, ModelDataError, People, Vector, read_labels
from pgs_trd.models.risk_sets import build_risk_sets
from pgs_trd.models.survival_steps import Interval, SurvivalSteps, check_interval, survival_steps
from pgs_trd.models.wald import LOG10_E, check_confidence, wald_columns


def survival_table(
    duration: Vector,
    event: Vector,
    groups: Labels | None = None,
    *,
    days: Sequence[float],
    entry: Vector | None = None,
    interval: Interval = "log-log",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate survival of each group by Kaplan and Meier.

    Parameters
    ----------
    duration, event, entry : (n_people,)
        As in `fit_cox`; a person with anything missing is out.
    groups : (n_people,)
        Labels; None is one group.
    days
        When to report.
    interval
        Scale of the interval: "log-log" (the default of most programs), "log" (R's) or
        "plain".
    confidence
        Coverage of the pointwise interval.

    Returns
    -------
    table
        Rows group x day: `group` (None without groups), `days`, `n_at_risk` (just
        before), `n_events` (so far), `survival`, `se` (Greenwood), `ci_low`, `ci_high`,
        `cumulative_hazard` (Nelson-Aalen). After the last exit the curve stays.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or an option is unknown.
    ModelDataError
        If times are infinite or people leave no later than they enter.
    """
    check_interval(interval)
    check_confidence(confidence)
    at = np.asarray(days, dtype=np.float64)
    parts = []
    for group in _groups(duration, event, groups, entry):
        steps = survival_steps(group.duration, group.event, group.entry)
        low, high = steps.interval(interval, confidence)
        place = steps.at(at)
        begin = np.full(len(group.duration), -np.inf) if group.entry is None else group.entry
        entered = np.searchsorted(np.sort(begin), at, "left")
        left = np.searchsorted(np.sort(group.duration), at, "left")
        parts.append(
            pd.DataFrame(
                {
                    "group": group.label,
                    "days": at,
                    "n_at_risk": entered - left,
                    "n_events": np.r_[0, np.cumsum(steps.died)].astype(np.int64)[place],
                    "survival": steps.survival[place],
                    "se": steps.se()[place],
                    "ci_low": low[place],
                    "ci_high": high[place],
                    "cumulative_hazard": steps.cumulative_hazard[place],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def survival_quantiles(
    duration: Vector,
    event: Vector,
    groups: Labels | None = None,
    *,
    shares: Sequence[float] = (0.25, 0.5, 0.75),
    entry: Vector | None = None,
    interval: Interval = "log-log",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give the times at which given shares of each group have had the event.

    Parameters
    ----------
    duration, event, groups, entry, interval, confidence
        As in `survival_table`; the interval is where the ends of the curve's interval
        cross [1]_.
    shares
        In (0, 1); 0.5 is the median.

    Returns
    -------
    quantiles
        Rows group x share: `group`, `share`, `time`, `ci_low`, `ci_high`; NaN where the
        curve does not come that far.

    References
    ----------
    .. [1] Brookmeyer and Crowley (1982) Biometrics 38:29.
    """
    check_interval(interval)
    check_confidence(confidence)
    rows = []
    for group in _groups(duration, event, groups, entry):
        steps = survival_steps(group.duration, group.event, group.entry)
        low, high = steps.interval(interval, confidence)
        for share in shares:
            times = [steps.quantile(share, curve) for curve in (steps.survival, low, high)]
            rows.append((group.label, share, *times))
    return pd.DataFrame(rows, columns=["group", "share", "time", "ci_low", "ci_high"])


@dataclass(frozen=True)
class LogRank:
    """The test that all groups have one hazard.

    Attributes
    ----------
    groups
        One row a group: `group`, `n`, `observed`, `expected` events.
    covariance : (n_groups, n_groups)
        Of observed less expected.
    chi2, df, p_value, log10_p
        The test; NaN if no group can differ.
    """

    groups: pd.DataFrame
    covariance: FloatArray
    chi2: float
    df: int
    p_value: float
    log10_p: float


def log_rank(
    duration: Vector,
    event: Vector,
    groups: Labels,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    rho: float = 0.0,
) -> LogRank:
    """Test whether groups differ in hazard [1]_.

    Parameters
    ----------
    duration, event, groups, entry : (n_people,)
        As in `survival_table`.
    strata : (n_people,)
        Labels; groups are compared within strata.
    rho
        Events count S(t) ** rho, with the survival of all just before: 0 is the
        log-rank test, 1 is Peto and Peto's.

    References
    ----------
    .. [1] Harrington and Fleming (1982) Biometrika 69:553.
    """
    people = People()
    end, happened, begin = read_times(people, duration, event, entry)
    codes = read_labels(people, "groups", groups)
    levels = np.zeros(len(end), dtype=np.int64)
    levels = levels if strata is None else read_labels(people, "strata", strata)
    usable = ~np.isnan(end) & ~np.isnan(happened) & (codes >= 0) & (levels >= 0)
    usable &= True if begin is None else ~np.isnan(begin)
    labels = pd.factorize(pd.Series(groups).reset_index(drop=True), sort=True)[1]
    size = len(labels)
    observed, expected = np.zeros(size), np.zeros(size)
    covariance = np.zeros((size, size))
    for level in np.unique(levels[usable]):
        rows = np.flatnonzero(usable & (levels == level))
        late = None if begin is None else begin[rows]
        member = np.eye(size)[codes[rows]]
        part = _compare(end[rows], happened[rows] == 1, late, member, rho)
        observed, expected, covariance = (
            observed + part[0],
            expected + part[1],
            covariance + part[2],
        )
    chi2, df = _quadratic(observed - expected, covariance)
    table = pd.DataFrame(
        {
            "group": labels,
            "n": np.bincount(codes[usable], minlength=size),
            "observed": observed,
            "expected": expected,
        }
    )
    if not df:
        return LogRank(table, covariance, np.nan, 0, np.nan, np.nan)
    p_value, log10_p = float(gammaincc(df / 2, chi2 / 2)), float(chi_square.logsf(chi2, df))
    return LogRank(table, covariance, chi2, df, p_value, log10_p * LOG10_E)


def _compare(
    duration: FloatArray,
    event: BoolArray,
    entry: FloatArray | None,
    member: FloatArray,
    rho: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give observed and expected events of the groups and the covariance, in one stratum."""
    sets = build_risk_sets(duration, event, entry=entry)
    at_risk, died = sets.at_risk(member), sets.of_the_day(member[sets.deaths])
    n, d = at_risk.sum(axis=1), died.sum(axis=1)
    before = np.r_[1.0, np.cumprod(1 - d / n)][:-1]
    weight = before**rho
    share = at_risk / n[:, np.newaxis]
    spread = weight**2 * d * np.where(n > 1, (n - d) / np.maximum(n - 1, 1), 0.0)
    covariance = np.diag(spread @ share) - (share * spread[:, np.newaxis]).T @ share
    return weight @ died, (weight * d) @ share, covariance


def _quadratic(difference: FloatArray, covariance: FloatArray) -> tuple[float, int]:
    """Give the statistic, over the groups that have anything to say, and its df."""
    kept = np.flatnonzero(np.diag(covariance) > 0)[:-1]
    if not kept.size:
        return float("nan"), 0
    inside = covariance[np.ix_(kept, kept)]
    return float(difference[kept] @ np.linalg.solve(inside, difference[kept])), len(kept)


def restricted_mean(
    duration: Vector,
    event: Vector,
    groups: Labels | None = None,
    *,
    horizon: float,
    entry: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give each group's mean event-free time up to a horizon [1]_.

    Parameters
    ----------
    duration, event, groups, entry, confidence
        As in `survival_table`.
    horizon
        Time up to which to average, above 0 and within the follow-up of every group.

    Returns
    -------
    means
        One row a group: `group`, `n`, `n_events`, `mean`, `se`, `ci_low`, `ci_high`.

    Raises
    ------
    UsageError
        If the horizon is not above 0 or beyond the follow-up of a group whose curve
        has not ended.

    References
    ----------
    .. [1] Royston and Parmar (2013) BMC Medical Research Methodology 13:152.
    """
    check_confidence(confidence)
    z = float(ndtri(0.5 + confidence / 2))
    rows = []
    for group in _groups(duration, event, groups, entry):
        steps = survival_steps(group.duration, group.event, group.entry)
        _check_horizon(horizon, steps, group.label)
        mean, variance = steps.restricted_mean(horizon)
        se = float(np.sqrt(variance))
        counts = (len(group.duration), int(group.event.sum()))
        rows.append((group.label, *counts, mean, se, mean - z * se, mean + z * se))
    names = ["group", "n", "n_events", "mean", "se", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=names)


def restricted_mean_difference(
    duration: Vector,
    event: Vector,
    groups: Labels,
    *,
    horizon: float,
    reference: object = None,
    entry: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare restricted means with one group.

    Parameters
    ----------
    duration, event, groups, horizon, entry, confidence
        As in `restricted_mean`.
    reference
        Label of the group to compare with; None is the first in order.

    Returns
    -------
    differences
        One row for each other group: `group`, `reference`, `difference` (group less
        reference), `se`, `ci_low`, `ci_high`, `p_value`, `log10_p`.
    """
    means = restricted_mean(
        duration, event, groups, horizon=horizon, entry=entry, confidence=confidence
    ).set_index("group")
    base = means.index[0] if reference is None else reference
    if base not in means.index:
        known = ", ".join(repr(label) for label in means.index)
        raise UsageError(f"reference is {base!r}: the groups are {known}")
    chosen = means.loc[[base]]
    others = means.drop(index=base)
    difference = others["mean"].to_numpy() - chosen["mean"].to_numpy()
    se = np.sqrt(others["se"].to_numpy() ** 2 + chosen["se"].to_numpy() ** 2)
    columns = wald_columns(difference, se, confidence=confidence)
    table = pd.DataFrame({"group": others.index, "reference": base, **columns})
    return table.rename(columns={"beta": "difference"})


def _check_horizon(horizon: float, steps: SurvivalSteps, label: object) -> None:
    if not 0 < horizon < np.inf:
        raise UsageError(f"horizon is {horizon:g}: it must be above 0")
    if horizon > steps.last and steps.survival[-1] > 0:
        whose = "" if label is None else f" of group {label!r}"
        raise UsageError(
            f"horizon is {horizon:g}, and the follow-up{whose} ends at {steps.last:g}: "
            "take a horizon within the follow-up of all"
        )


@dataclass(frozen=True)
class _Group:
    label: object
    duration: FloatArray
    event: BoolArray
    entry: FloatArray | None


def _groups(
    duration: Vector, event: Vector, groups: Labels | None, entry: Vector | None
) -> Iterator[_Group]:
    """Give the complete people of each group, in the order of the labels."""
    people = People()
    end, happened, begin = read_times(people, duration, event, entry)
    codes: IntArray = np.zeros(len(end), dtype=np.int64)
    labels = pd.Index([None], dtype=object)
    if groups is not None:
        codes = read_labels(people, "groups", groups)
        labels = pd.factorize(pd.Series(groups).reset_index(drop=True), sort=True)[1]
    usable = ~np.isnan(end) & ~np.isnan(happened) & (codes >= 0)
    usable &= True if begin is None else ~np.isnan(begin)
    if not usable.any():
        raise ModelDataError(f"none of {len(end):,} people has duration, event and group")
    for code in np.unique(codes[usable]):
        rows = np.flatnonzero(usable & (codes == code))
        late = None if begin is None else begin[rows]
        yield _Group(labels[code], end[rows], happened[rows] == 1, late)
