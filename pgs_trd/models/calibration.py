"""Whether predicted probabilities are those that come true."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.discrimination import name_missing_group
from pgs_trd.models.inputs import (
    Matrix,
    ModelDataError,
    People,
    ScoreColumns,
    Vector,
    read_binary,
    read_scores,
)
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.wald import check_confidence, wald_columns

MAX_STEPS = 100
STEP_TOLERANCE = 1e-12
BRIER_PARTS = ("brier_reliability", "brier_resolution", "brier_uncertainty", "brier_within_bins")


def calibrate(
    outcome: Vector,
    probabilities: Matrix,
    *,
    bins: int = 10,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give calibration intercept and slope, and Brier's score with its parts.

    Probabilities of a logistic model among the people that it was fitted to have the
    intercept 0 and the slope 1 whatever they are worth: give held-out ones, as
    `predict_cases` with folds, or those of another study.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    probabilities : (n_people, n_models)
        Strictly between 0 and 1; NaN is missing.
    bins
        Quantile groups of the probability for the parts of Brier's score.
    confidence
        Coverage of the intervals.

    Returns
    -------
    calibration
        One row a column: `model`, `n`, `n_cases`, `n_expected` (sum of the probabilities);
        `intercept`, in log odds, of a model with the logit of the probability as offset
        [1]_, with `intercept_se`, `intercept_ci_low`, `intercept_ci_high`; `slope` of a
        model with that logit as predictor, with `slope_se`, `slope_ci_low`, `slope_ci_high`;
        `brier`, the mean squared difference; `brier_scaled`, 1 less its ratio to that of
        the share of cases; `brier_reliability` - `brier_resolution` + `brier_uncertainty` +
        `brier_within_bins` = `brier` [2]_ [3]_; `status`, `reason` of the slope's fit.

    Raises
    ------
    UsageError
        If the inputs disagree about the people, or there are fewer than 2 bins.
    ModelDataError
        If a probability is not strictly between 0 and 1.

    References
    ----------
    .. [1] Cox (1958) Biometrika 45:562; Steyerberg et al. (2010) Epidemiology 21:128.
    .. [2] Murphy (1973) Journal of Applied Meteorology 12:595.
    .. [3] Stephenson, Coelho and Jolliffe (2008) Weather and Forecasting 23:752.
    """
    check_confidence(confidence)
    check_bins(bins)
    y, columns = read_probabilities(outcome, probabilities)
    rows = []
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        complete = ~np.isnan(y) & ~np.isnan(values)
        rows.append({"model": name} | judge_calibration(y[complete], logit(values[complete]), bins))
    table = pd.DataFrame(rows)
    for part in ("intercept", "slope"):
        found = wald_columns(
            table[part].to_numpy(), table[f"{part}_se"].to_numpy(), confidence=confidence
        )
        at = list(table.columns).index(f"{part}_se")
        table.insert(at + 1, f"{part}_ci_low", found["ci_low"])
        table.insert(at + 2, f"{part}_ci_high", found["ci_high"])
    table.attrs["conventions"] = {
        "intercept": "logistic, slope fixed at 1",
        "slope": "logistic on the logit of the probability",
        "interval": "Wald",
        "bins": f"{bins} quantile groups of the probability",
        "confidence": confidence,
    }
    return table


def check_bins(bins: int) -> None:
    """Raise a UsageError unless there are two bins or more."""
    if bins < 2:
        raise UsageError(f"bins is {bins}: at least 2 are needed")


def read_probabilities(outcome: Vector, probabilities: Matrix) -> tuple[FloatArray, ScoreColumns]:
    """Read an outcome and columns of probabilities, NaN where missing.

    Raises
    ------
    ModelDataError
        If a probability is not strictly between 0 and 1.
    """
    people = People()
    columns = read_scores(people, probabilities)
    y = read_binary(people, "outcome", outcome)
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        n_wrong = int(np.sum((values <= 0) | (values >= 1)))
        if n_wrong:
            raise ModelDataError(
                f"model {name!r}: {n_wrong:,} of {len(values):,} values are not strictly between "
                "0 and 1. Give probabilities, not scores or percent"
            )
    return y, columns


def judge_calibration(outcome: FloatArray, logits: FloatArray, bins: int) -> dict[str, object]:
    """Give intercept, slope and Brier's score of complete linear predictors."""
    n_cases = int(outcome.sum())
    probability = expit(logits)
    row: dict[str, object] = {
        "n": len(outcome), "n_cases": n_cases, "n_expected": float(probability.sum())
    }  # fmt: skip
    numbers = ("intercept", "intercept_se", "slope", "slope_se", "brier", "brier_scaled")
    row |= dict.fromkeys((*numbers, *BRIER_PARTS), float("nan"))
    if not 0 < n_cases < len(outcome):
        word = name_missing_group(outcome)
        return row | {"status": word, "reason": "calibration needs cases and controls"}
    brier = float(np.mean((probability - outcome) ** 2))
    share = n_cases / len(outcome)
    row["brier"], row["brier_scaled"] = brier, 1 - brier / (share * (1 - share))
    return row | _brier_parts(outcome, probability, bins) | calibration_line(outcome, logits)


def calibration_line(outcome: FloatArray, logits: FloatArray) -> dict[str, object]:
    """Give intercept and slope with their errors, and the status of the slope's fit."""
    intercept, error = _intercept(outcome, logits)
    fit = fit_logistic(outcome, logits, method="ml").iloc[0]
    return {
        "intercept": intercept,
        "intercept_se": error,
        "slope": float(fit["beta"]),
        "slope_se": float(fit["se"]),
        "status": fit["status"],
        "reason": fit["reason"],
    }


def _intercept(outcome: FloatArray, logits: FloatArray) -> tuple[float, float]:
    """Give the shift of the logits that makes as many cases as there are, and its error."""
    n_cases = outcome.sum()
    # Between these the expected number of cases passes the observed one.
    own = float(logit(n_cases / len(outcome)))
    low, high = own - logits.max(), own - logits.min()
    shift = float(np.clip(0.0, low, high))
    for _ in range(MAX_STEPS):
        probability = expit(logits + shift)
        excess, weight = n_cases - probability.sum(), np.sum(probability * (1 - probability))
        low, high = (shift, high) if excess > 0 else (low, shift)
        step = excess / weight if weight > 0 else np.inf
        moved = shift + step
        if not low <= moved <= high:
            moved = (low + high) / 2
        if abs(moved - shift) <= STEP_TOLERANCE * (1 + abs(moved)):
            shift = moved
            break
        shift = moved
    probability = expit(logits + shift)
    return shift, float(np.sum(probability * (1 - probability)) ** -0.5)


def _brier_parts(outcome: FloatArray, probability: FloatArray, bins: int) -> dict[str, float]:
    """Split Brier's score; the last part is what varies within bins."""
    codes = quantile_bins(probability, bins)
    size = np.bincount(codes).astype(np.float64)
    expected = np.bincount(codes, weights=probability) / size
    observed = np.bincount(codes, weights=outcome) / size
    share, n = float(outcome.mean()), len(outcome)
    off, hit = probability - expected[codes], outcome - observed[codes]
    return {
        "brier_reliability": float(np.sum(size * (expected - observed) ** 2) / n),
        "brier_resolution": float(np.sum(size * (observed - share) ** 2) / n),
        "brier_uncertainty": share * (1 - share),
        "brier_within_bins": float(np.mean(off**2) - 2 * np.mean(off * hit)),
    }


def quantile_bins(values: FloatArray, bins: int) -> IntArray:
    """Give each value its quantile group 0, 1, ...; equal values share one, so some may be gone."""
    cuts = np.quantile(values, np.arange(1, bins) / bins)
    _, codes = np.unique(np.searchsorted(cuts, values, side="left"), return_inverse=True)
    return np.asarray(codes, dtype=np.int64).ravel()


def calibration_bins(
    outcome: Vector, probabilities: Matrix, *, bins: int = 10, confidence: float = 0.95
) -> pd.DataFrame:
    """Give the share of cases in quantile groups of the probability.

    Parameters
    ----------
    outcome, probabilities, bins, confidence
        As `calibrate` takes them.

    Returns
    -------
    groups
        One row a column and group, from low to high: `model`, `bin` (from 1), `n`,
        `n_cases`, `mean_probability`, `observed` (share of cases), `ci_low`, `ci_high`
        (Wilson's). Equal probabilities are in one group, so there may be fewer than asked.

    Raises
    ------
    UsageError, ModelDataError
        As `calibrate`.
    """
    check_confidence(confidence)
    check_bins(bins)
    y, columns = read_probabilities(outcome, probabilities)
    parts = []
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        complete = ~np.isnan(y) & ~np.isnan(values)
        if not complete.any():
            continue
        codes = quantile_bins(values[complete], bins)
        size = np.bincount(codes)
        n_cases = np.bincount(codes, weights=y[complete]).astype(np.int64)
        low, high = proportion_confint(n_cases, size, alpha=1 - confidence, method="wilson")
        parts.append(
            pd.DataFrame(
                {
                    "model": name,
                    "bin": np.arange(1, len(size) + 1),
                    "n": size,
                    "n_cases": n_cases,
                    "mean_probability": np.bincount(codes, weights=values[complete]) / size,
                    "observed": n_cases / size,
                    "ci_low": low,
                    "ci_high": high,
                }
            )
        )
    if not parts:
        raise ModelDataError("nobody has an outcome and a probability: there is no curve")
    return pd.concat(parts, ignore_index=True)


def calibration_curve(
    outcome: Vector, probabilities: Matrix, *, points: int = 50, fraction: float = 2 / 3
) -> pd.DataFrame:
    """Smooth the outcome over the probability by lowess, without robustness weights [1]_.

    Parameters
    ----------
    outcome, probabilities
        As `calibrate` takes them.
    points
        Where to give the curve: quantiles of the probability, from the first percentile to
        the 99th, as the curve follows single people outside.
    fraction
        Share of the people in each local fit.

    Returns
    -------
    curve
        One row a column and point: `model`, `probability`, `observed`. Where all people of
        a local fit have one probability, it is their share of cases.

    Raises
    ------
    UsageError, ModelDataError
        As `calibrate`; a UsageError also if the fraction is not in (0, 1].

    References
    ----------
    .. [1] Austin and Steyerberg (2014) Statistics in Medicine 33:517.
    """
    if not 0 < fraction <= 1:
        raise UsageError(f"fraction is {fraction}: it must lie in (0, 1], such as 2/3")
    if points < 2:
        raise UsageError(f"points is {points}: a curve has at least 2")
    y, columns = read_probabilities(outcome, probabilities)
    parts = []
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        complete = ~np.isnan(y) & ~np.isnan(values)
        if not complete.any() or np.ptp(values[complete]) == 0:
            continue
        x = values[complete]
        at = np.unique(np.quantile(x, np.linspace(0.01, 0.99, points)))
        observed = _smooth(x, y[complete], at, fraction)
        parts.append(pd.DataFrame({"model": name, "probability": at, "observed": observed}))
    if not parts:
        raise ModelDataError("no model has probabilities that vary: there is no curve")
    return pd.concat(parts, ignore_index=True)


def _smooth(x: FloatArray, y: FloatArray, at: FloatArray, fraction: float) -> FloatArray:
    """Give lowess at some points; where its neighbours are tied, the mean of the nearest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.asarray(lowess(y, x, frac=fraction, it=0, xvals=at), dtype=np.float64)
    for place in np.flatnonzero(~np.isfinite(smooth)):
        distance = np.abs(x - at[place])
        smooth[place] = y[distance == distance.min()].mean()
    return smooth
