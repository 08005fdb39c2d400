"""Cumulative incidence of competing events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_problem import read_times
from pgs_trd.models.inputs import Labels, ModelDataError, People, Vector, read_labels, read_vector
from pgs_trd.models.risk_sets import build_risk_sets
from pgs_trd.models.wald import check_confidence


def cumulative_incidence(
    duration: Vector,
    event: Vector,
    groups: Labels | None = None,
    *,
    days: Sequence[float],
    entry: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Estimate the probability of each cause by a day, by Aalen and Johansen [1]_.

    Nobody is counted as censored by a competing event, and ties stay ties.

    Parameters
    ----------
    duration, entry : (n_people,)
        As in `fit_cox`.
    event : (n_people,)
        0 for censored, else the code of the cause.
    groups : (n_people,)
        Labels; None is one group.
    days
        When to report; events of the day itself are counted.
    confidence
        Coverage of the intervals, on the log-log scale of the incidence.

    Returns
    -------
    incidence
        Rows group x cause x day: `group` (None without groups), `cause`, `days`,
        `incidence`, `se` [2]_, `ci_low`, `ci_high`. After the last exit it stays.

    Raises
    ------
    UsageError
        If inputs disagree about the people.
    ModelDataError
        If times are infinite, people leave no later than they enter, or codes are not
        whole numbers from 0.

    References
    ----------
    .. [1] Aalen and Johansen (1978) Scandinavian Journal of Statistics 5:141.
    .. [2] Marubini and Valsecchi (1995), Analysing Survival Data from Clinical Trials and
       Observational Studies, equation 10.12.
    """
    check_confidence(confidence)
    people = People()
    codes = read_vector(people, "event", event)
    known = ~np.isnan(codes)
    n_odd = int(np.sum((codes[known] < 0) | (codes[known] != np.floor(codes[known]))))
    if n_odd:
        raise ModelDataError(
            f"event: {n_odd:,} of {len(codes):,} values are not whole numbers from 0 on. "
            "Code censored people as 0 and each cause as a number of its own"
        )
    any_event = np.where(known, codes > 0, np.nan)
    end, _, begin = read_times(people, duration, any_event, entry)
    group_codes: IntArray = np.zeros(len(end), dtype=np.int64)
    labels = pd.Index([None], dtype=object)
    if groups is not None:
        group_codes = read_labels(people, "groups", groups)
        labels = pd.factorize(pd.Series(groups).reset_index(drop=True), sort=True)[1]
    usable = ~np.isnan(end) & known & (group_codes >= 0)
    usable &= True if begin is None else ~np.isnan(begin)
    causes = np.unique(codes[usable & (codes > 0)])
    at = np.asarray(days, dtype=np.float64)
    parts = []
    for code in np.unique(group_codes[usable]):
        rows = np.flatnonzero(usable & (group_codes == code))
        late = None if begin is None else begin[rows]
        for cause in causes:
            value, se = _incidence(end[rows], codes[rows], late, cause, at)
            low, high = _log_log(value, se, confidence)
            parts.append(
                pd.DataFrame(
                    {
                        "group": labels[code],
                        "cause": int(cause),
                        "days": at,
                        "incidence": value,
                        "se": se,
                        "ci_low": low,
                        "ci_high": high,
                    }
                )
            )
    if not parts:
        raise ModelDataError(f"no event of any cause among {int(usable.sum()):,} people")
    return pd.concat(parts, ignore_index=True)


def _incidence(
    duration: FloatArray,
    codes: FloatArray,
    entry: FloatArray | None,
    cause: float,
    at: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Give incidence and standard error at `at`.

    The variance is a polynomial in the incidence at the end, so that cumulative sums
    of its coefficients give it at every time.
    """
    sets = build_risk_sets(duration, codes > 0, entry=entry)
    n = sets.at_risk(np.ones(len(duration)))
    d = sets.of_the_day(np.ones(len(sets.deaths)))
    mine = sets.of_the_day((codes[sets.deaths] == cause).astype(np.float64))
    before = np.r_[1.0, np.cumprod(1 - d / n)][:-1]
    curve = np.cumsum(before * mine / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        all_causes = np.where(n > d, d / (n * (n - d)), 0.0)
    own = before**2 * mine * (n - mine) / n**3
    cross = before * mine / n**2
    square, linear, constant = (
        np.cumsum(values)
        for values in (
            all_causes,
            -2 * curve * all_causes - 2 * cross,
            curve**2 * all_causes + own + 2 * curve * cross,
        )
    )
    variance = curve**2 * square + curve * linear + constant
    place = np.searchsorted(duration[sets.deaths[sets.death_starts]], at, "right")
    se = np.sqrt(np.maximum(np.r_[0.0, variance], 0.0))
    return np.r_[0.0, curve][place], se[place]


def _log_log(value: FloatArray, se: FloatArray, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Give the interval that is symmetric on the scale of log(-log(incidence))."""
    with np.errstate(divide="ignore", invalid="ignore"):
        width = float(ndtri(0.5 + confidence / 2)) * se / (value * np.log(value))
        low, high = value ** np.exp(-width), value ** np.exp(width)
    settled = (value <= 0) | (value >= 1)
    return np.where(settled, value, low), np.where(settled, value, high)
