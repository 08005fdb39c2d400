"""How large index-event bias can be, and taking it out of estimates alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, roots_hermitenorm

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.results import STANDING
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.tables import require_columns

NODES = 61
MIN_ROWS = 10


def expected_index_event_bias(
    *,
    prevalence: float,
    outcome_share: float,
    score_on_event: Sequence[float],
    shared_on_event: Sequence[float],
    shared_on_outcome: Sequence[float],
    score_on_outcome: float = 0.0,
) -> pd.DataFrame:
    """Give what the analysis among people with the index event tends to, on a grid.

    A score and a hidden shared cause, both standard normal and independent, act on
    the index event, and on the outcome among those who have it, by logistic models.
    The slope of the outcome on the score alone, among people with the event, is what
    a sample of any size estimates; the integrals are Gauss-Hermite sums [1]_.

    Parameters
    ----------
    prevalence
        Share of people with the index event (MDD), in (0, 1).
    outcome_share
        Share of those with the outcome (resistance), in (0, 1).
    score_on_event, shared_on_event, shared_on_outcome
        Log odds per standard deviation; the grid is every combination.
    score_on_outcome
        Log odds of the outcome per standard deviation of the score, shared cause held
        fixed: the truth.

    Returns
    -------
    grid
        One row a combination: `score_on_event`, `shared_on_event`,
        `shared_on_outcome`, `estimate` (the log odds ratio that the analysis tends
        to), `without_selection` (what it would be in everybody, had all had the
        event; it differs from the truth because odds ratios do not collapse) and
        `bias`, the difference of the two.

    Raises
    ------
    UsageError
        If a share does not lie in (0, 1).

    References
    ----------
    .. [1] Abramowitz and Stegun (1964) Handbook of Mathematical Functions, 25.4.46.

    Examples
    --------
    >>> grid = expected_index_event_bias(
    ...     prevalence=0.2, outcome_share=0.2,
    ...     score_on_event=[0.3], shared_on_event=[1.0], shared_on_outcome=[1.0],
    ... )
    >>> bool(-0.1 < grid.loc[0, "bias"] < -0.01)
    True
    """
    for name, share in {"prevalence": prevalence, "outcome_share": outcome_share}.items():
        if not 0 < share < 1:
            raise UsageError(f"{name} is {share}: it must lie between 0 and 1")
    rows = []
    for on_event in score_on_event:
        for shared_event in shared_on_event:
            for shared_outcome in shared_on_outcome:
                estimate, free = _limits(
                    prevalence,
                    outcome_share,
                    event=(on_event, shared_event),
                    outcome=(score_on_outcome, shared_outcome),
                )
                rows.append((on_event, shared_event, shared_outcome, estimate, free))
    columns = ["score_on_event", "shared_on_event", "shared_on_outcome"]
    grid = pd.DataFrame(rows, columns=[*columns, "estimate", "without_selection"], dtype=float)
    return grid.assign(bias=grid["estimate"] - grid["without_selection"])


def _limits(
    prevalence: float,
    outcome_share: float,
    *,
    event: tuple[float, float],
    outcome: tuple[float, float],
) -> tuple[float, float]:
    """Give the slope of the outcome on the score among the selected, and in everybody."""
    nodes, mass = roots_hermitenorm(NODES)
    mass = mass / mass.sum()
    score, hidden = nodes[:, np.newaxis], nodes[np.newaxis, :]
    everybody = mass[:, np.newaxis] * mass[np.newaxis, :]
    selected = everybody * _probability(event[0] * score + event[1] * hidden, everybody, prevalence)
    affected = _probability(outcome[0] * score + outcome[1] * hidden, selected, outcome_share)
    return _slope(nodes, selected, affected), _slope(nodes, everybody, affected)


def _probability(linear: FloatArray, weight: FloatArray, share: float) -> FloatArray:
    """Give logistic probabilities whose weighted mean is `share`."""

    def excess(intercept: float) -> float:
        return float(np.average(expit(intercept + linear), weights=weight)) - share

    return np.asarray(expit(brentq(excess, -100.0, 100.0, xtol=1e-13) + linear))


def _slope(score: FloatArray, weight: FloatArray, probability: FloatArray) -> float:
    """Give the slope of the logistic regression on the score alone of a whole population."""
    share = weight.sum(axis=1)
    cases = (weight * probability).sum(axis=1)
    design = np.stack([np.ones_like(score), score])
    beta = np.array([np.log(cases.sum() / (share.sum() - cases.sum())), 0.0])
    for _ in range(50):
        fitted = expit(beta @ design)
        information = (design * (share * fitted * (1 - fitted))) @ design.T
        step = np.linalg.solve(information, design @ (cases - share * fitted))
        beta = beta + step
        if np.max(np.abs(step)) < 1e-13:
            break
    return float(beta[1])


def adjust_for_incidence(
    estimates: pd.DataFrame,
    *,
    slope_from: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Take from effects on the outcome their part that goes with effects on the index event.

    Dudbridge's correction [1]_: effects on the outcome among the selected are regressed
    on effects on the index event, the slope is freed of the dilution by sampling errors
    (Hedges and Olkin), and the residual is the adjusted effect. It needs no measured
    shared cause. It holds if, over the rows that the slope comes from, effects on the
    outcome itself are unrelated to effects on the event. That asks for hundreds of
    independent variants: a few dozen correlated scores, of which one causes MDD, will
    not do.

    Parameters
    ----------
    estimates
        One row a variant or score, independent of each other: `beta_event`, `se_event`
        (index event against none), `beta_outcome`, `se_outcome` (outcome among people
        with the event). Rows with a number missing get no numbers. If there is a
        `status`, only rows that stand are used.
    slope_from : (n_rows,)
        True for the rows that the slope comes from, such as variants pruned for linkage
        disequilibrium; None is all.
    confidence
        Coverage of the intervals.

    Returns
    -------
    adjusted
        The rows with the adjusted `beta`, `se`, `ci_low`, `ci_high`, `p_value`,
        `log10_p`. The error is that of [1]_, with the slope's by the jackknife over
        rows. `attrs["slope"]`, `attrs["slope_se"]`, `attrs["slope_undiluted_by"]`.

    Raises
    ------
    DataError
        If a column is missing or holds text or infinities, an error is negative, fewer
        than 10 rows give the slope, or effects on the event vary no more than their
        sampling errors do.
    UsageError
        If `slope_from` has not one True or False a row, or another index.

    References
    ----------
    .. [1] Dudbridge et al. (2019) Nature Communications 10:1561.
    """
    check_confidence(confidence)
    names = ("beta_event", "se_event", "beta_outcome", "se_outcome")
    require_columns(estimates, names, "estimates")
    numbers = [read_numbers(estimates, name, "estimates") for name in names]
    event, event_se, outcome, outcome_se = numbers
    usable: BoolArray = np.isfinite(np.stack(numbers)).all(axis=0)
    if "status" in estimates.columns:
        usable &= estimates["status"].isin(STANDING).to_numpy()
    chosen = np.ones(len(estimates), dtype=bool)
    if slope_from is not None:
        chosen = _read_chosen(slope_from, estimates)
    n_wrong = int(np.sum((event_se < 0) | (outcome_se < 0)))
    if n_wrong:
        raise DataError(f"estimates: {n_wrong:,} of {len(estimates):,} rows have a negative error")
    chosen = chosen & usable
    slope, slope_se, factor = _undiluted_slope(event[chosen], event_se[chosen], outcome[chosen])
    variance = outcome_se**2 + slope**2 * event_se**2 + slope_se**2 * (event**2 + event_se**2)
    beta = np.where(usable, outcome - slope * event, np.nan)
    se = np.where(usable, np.sqrt(variance), np.nan)
    adjusted = estimates.assign(**wald_columns(beta, se, confidence=confidence))
    adjusted.attrs |= {"slope": slope, "slope_se": slope_se, "slope_undiluted_by": factor}
    return adjusted


def _read_chosen(slope_from: npt.ArrayLike | pd.Series, estimates: pd.DataFrame) -> BoolArray:
    """Give the rows that the slope comes from, checked."""
    given = np.asarray(slope_from)
    if given.shape != (len(estimates),):
        raise UsageError(
            f"slope_from has shape {given.shape}: one value for each of the "
            f"{len(estimates):,} rows is needed"
        )
    if isinstance(slope_from, pd.Series) and not slope_from.index.equals(estimates.index):
        raise UsageError("the index of slope_from differs from that of estimates")
    if not all(isinstance(value, bool | np.bool_) for value in given.tolist()):
        raise UsageError("slope_from holds values other than True and False")
    return np.asarray(given, dtype=bool)


def _undiluted_slope(
    event: FloatArray, event_se: FloatArray, outcome: FloatArray
) -> tuple[float, float, float]:
    """Give slope, its jackknife error, and the factor that undoes the dilution."""
    n_rows = len(event)
    if n_rows < MIN_ROWS:
        raise DataError(
            f"estimates: {n_rows} rows have all numbers for the slope, at least {MIN_ROWS} are "
            "needed. Give effects of independent variants"
        )
    x, y = event - event.mean(), outcome - outcome.mean()
    parts = np.stack([x, y, x * x, x * y, event_se**2])
    total = parts.sum(axis=1, keepdims=True)
    slope, factor = _slope_of_sums(total, n_rows)
    if not 0 < factor[0] < np.inf:
        raise DataError(
            f"estimates: effects of {n_rows:,} rows on the index event vary no more than their "
            "sampling errors: no slope can be told. Take rows with larger effects on it"
        )
    left_out, _ = _slope_of_sums(total - parts, n_rows - 1)
    spread = np.sum((left_out - left_out.mean()) ** 2)
    return float(slope[0]), float(np.sqrt((n_rows - 1) / n_rows * spread)), float(factor[0])


def _slope_of_sums(sums: FloatArray, n_rows: int) -> tuple[FloatArray, FloatArray]:
    """Give undiluted slopes and their factors from sums of x, y, x^2, xy and squared errors."""
    x, y, xx, xy, noise = sums
    variance = (xx - x * x / n_rows) / (n_rows - 1)
    covariance = (xy - x * y / n_rows) / (n_rows - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = variance - noise / n_rows
        return covariance / signal, variance / signal
