"""The Kaplan-Meier estimate as steps, and what is read off it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from scipy.special import ndtri

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.risk_sets import build_risk_sets, merge_near_ties

Interval: TypeAlias = Literal["log-log", "log", "plain"]

# Survival that differs from a quantile by rounding only is at the quantile, as in R.
LEVEL_TOLERANCE = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class SurvivalSteps:
    """One group's curve; each array has a value before the first event, then one a day.

    Attributes
    ----------
    days : (n_days,)
        Times with an event.
    at_risk, died : (n_days,)
        At risk just before, and events.
    survival, greenwood, cumulative_hazard : (n_days + 1,)
        Estimate, Greenwood's variance of its logarithm, and Nelson-Aalen's hazard.
    last : float
        The last exit.
    """

    days: FloatArray
    at_risk: FloatArray
    died: FloatArray
    survival: FloatArray
    greenwood: FloatArray
    cumulative_hazard: FloatArray
    last: float

    def at(self, times: FloatArray) -> IntArray:
        """Give the place of `times` in the arrays of steps; events of the day count."""
        return np.asarray(np.searchsorted(self.days, times, "right"), dtype=np.int64)

    def se(self) -> FloatArray:
        """Give the standard error of survival after each step, NaN at survival 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.survival * np.sqrt(self.greenwood))

    def interval(self, kind: Interval, confidence: float) -> tuple[FloatArray, FloatArray]:
        """Give the ends of the pointwise interval [1]_, NaN at survival 0.

        References
        ----------
        .. [1] Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time
           Data, 2nd edition, section 1.4.
        """
        survival, z = self.survival, float(ndtri(0.5 + confidence / 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            width = z * np.sqrt(self.greenwood)
            if kind == "log-log":
                power = width / np.log(survival)
                low, high = survival ** np.exp(-power), survival ** np.exp(power)
            elif kind == "log":
                low, high = survival * np.exp(-width), survival * np.exp(width)
            else:
                low, high = survival - width * survival, survival + width * survival
        none_yet, gone = survival == 1.0, survival == 0.0
        low, high = np.where(none_yet, 1.0, low), np.where(none_yet, 1.0, high)
        low, high = np.where(gone, np.nan, low), np.where(gone, np.nan, high)
        return np.maximum(low, 0.0), np.minimum(high, 1.0)

    def restricted_mean(self, horizon: float) -> tuple[float, float]:
        """Give the area under the curve up to `horizon`, and its variance.

        Beyond the last exit the curve stays where it is.
        """
        within = self.days < horizon
        edges = np.r_[0.0, self.days[within], horizon]
        areas = np.diff(edges) * self.survival[: len(edges) - 1]
        later = np.cumsum(areas[::-1])[::-1][1:]
        steps = np.diff(self.greenwood)[within]
        steps = np.where(np.isfinite(steps), steps, 0.0)  # after the last death there is no area
        return float(areas.sum()), float(np.sum(later**2 * steps))

    def quantile(self, share: float, curve: FloatArray) -> float:
        """Give the time at which `curve` has fallen to 1 - `share`, NaN if it never does.

        Where it stays exactly there, the middle of that stretch, as R's `quantile`.
        """
        level = 1.0 - share
        reached = np.flatnonzero(curve <= level + LEVEL_TOLERANCE)
        if not reached.size:
            return float("nan")
        times = np.r_[0.0, self.days]
        first = times[reached[0]]
        if abs(curve[reached[0]] - level) > LEVEL_TOLERANCE:
            return float(first)
        passed = np.flatnonzero(curve < level - LEVEL_TOLERANCE)
        return float((first + (times[passed[0]] if passed.size else self.last)) / 2)


def survival_steps(
    duration: FloatArray, event: BoolArray, entry: FloatArray | None
) -> SurvivalSteps:
    """Estimate survival [1]_; at risk at t means entry < t <= duration.

    Parameters
    ----------
    duration, event, entry : (n_people,)
        Complete; entry None is from the origin.

    References
    ----------
    .. [1] Kaplan and Meier (1958) J Am Stat Assoc 53:457.
    """
    if entry is None:
        (duration,) = merge_near_ties(duration)
    else:
        duration, entry = merge_near_ties(duration, entry)
    sets = build_risk_sets(duration, event, entry=entry)
    at_risk = sets.at_risk(np.ones(len(duration)))
    died = sets.of_the_day(np.ones(len(sets.deaths)))
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.r_[0.0, np.cumsum(died / (at_risk * (at_risk - died)))]
    return SurvivalSteps(
        days=duration[sets.deaths[sets.death_starts]],
        at_risk=at_risk,
        died=died,
        survival=np.r_[1.0, np.cumprod(1 - died / at_risk)],
        greenwood=greenwood,
        cumulative_hazard=np.r_[0.0, np.cumsum(died / at_risk)],
        last=float(duration.max(initial=0.0)),
    )


def check_interval(kind: str) -> None:
    """Raise a UsageError unless `kind` is an interval we know."""
    if kind not in get_args(Interval):
        raise UsageError(f"interval is {kind!r}: it must be one of {get_args(Interval)}")
