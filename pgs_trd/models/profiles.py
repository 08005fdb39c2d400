"""Likelihood ratio tests and profile-likelihood intervals of many models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.newton import Evaluation, Likelihood, maximise, solve_each

STEP_TOLERANCE = 1e-9
MAX_ITERATIONS = 1000
MAX_DOUBLINGS = 40
# How far from its level the likelihood may be at the end of an interval.
LEVEL_TOLERANCE = 1e-8


class TermLikelihood(Likelihood, Protocol):
    """A likelihood that also knows where to start, and each person's pull on an estimate."""

    def approach(self, start: FloatArray, models: IntArray) -> FloatArray:
        """Give where to climb from, if without a score `start` is the best."""
        ...

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on a combination of coefficients, (n_models, n_people)."""
        ...


@dataclass(frozen=True)
class FixedLikelihood:
    """A likelihood with one coefficient held; row i is model `models[i]` at `values[i]`."""

    likelihood: Likelihood
    coordinate: int
    models: IntArray
    values: FloatArray

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate some rows; `beta` is without the held coefficient."""
        whole = np.insert(beta, self.coordinate, self.values[models], axis=1)
        at = self.likelihood.evaluate(whole, self.models[models])
        information = np.delete(at.information, self.coordinate, axis=1)
        return Evaluation(
            at.log_likelihood,
            np.delete(at.gradient, self.coordinate, axis=1),
            np.delete(information, self.coordinate, axis=2),
        )


@dataclass(frozen=True)
class Peaks:
    """The maxima of some models of a likelihood.

    Attributes
    ----------
    likelihood
        Of all models.
    models : (n_models,)
        Which ones these are.
    beta : (n_models, n_parameters)
        Where their maxima are.
    log_likelihood : (n_models,)
        How high.
    variance : (n_models, n_parameters, n_parameters)
        Inverse information there.
    """

    likelihood: TermLikelihood
    models: IntArray
    beta: FloatArray
    log_likelihood: FloatArray
    variance: FloatArray

    def held_at(self, coordinate: int, values: FloatArray, models: IntArray) -> FloatArray:
        """Give the highest likelihood of rows `models` with one coefficient held.

        NaN where the climb does not end.
        """
        slope = self.variance[models, :, coordinate]
        slope = slope / self.variance[models, coordinate, coordinate][:, np.newaxis]
        shift = values - self.beta[models, coordinate]
        start = self.beta[models] + slope * shift[:, np.newaxis]
        top = maximise(
            FixedLikelihood(self.likelihood, coordinate, self.models[models], values),
            np.delete(start, coordinate, axis=1),
            step_tolerance=STEP_TOLERANCE,
            max_iterations=1000,
        )
        done = np.array([ending == "converged" for ending in top.ending])
        return np.where(done, top.at_end.log_likelihood, np.nan)


def ratio_distance(peaks: Peaks, coordinate: int) -> FloatArray:
    """Give the root of the likelihood ratio statistic of one coefficient being 0."""
    everyone = np.arange(len(peaks.models))
    at_zero = peaks.held_at(coordinate, np.zeros(len(everyone)), everyone)
    return root_of_ratio(peaks.log_likelihood, at_zero)


def root_of_ratio(log_likelihood: FloatArray, restricted: FloatArray | float) -> FloatArray:
    """Give the root of twice the difference; what rounding makes negative is 0."""
    return np.asarray(np.sqrt(np.maximum(2 * (log_likelihood - restricted), 0.0)))


def profile_bounds(peaks: Peaks, coordinate: int, quantile: float) -> tuple[FloatArray, FloatArray]:
    """Find where the likelihood, highest in all other coefficients, has fallen enough.

    The two ends of all models are found together by Venzon and Moolgavkar's method
    [1]_; where that does not settle, by bracketing one end after the other.

    Parameters
    ----------
    peaks
        The maxima.
    coordinate
        Of the coefficient.
    quantile
        The fall is half the square of this.

    Returns
    -------
    low, high : (n_models,)
        NaN where an end could not be found.

    References
    ----------
    .. [1] Venzon and Moolgavkar (1988) Applied Statistics 37:87.
    """
    n_models = len(peaks.models)
    rows = np.tile(np.arange(n_models), 2)
    side = np.repeat([-1.0, 1.0], n_models)
    level = peaks.log_likelihood[rows] - quantile**2 / 2
    found, done = _climb_down(peaks, coordinate, rows, side, level)
    for place in np.flatnonzero(~done):
        found[place] = _bracket(
            peaks, coordinate, int(rows[place]), float(side[place]), float(level[place])
        )
    return found[:n_models], found[n_models:]


def _climb_down(
    peaks: Peaks, coordinate: int, rows: IntArray, side: FloatArray, level: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Solve likelihood = level and slope 0 in the other coefficients by Newton steps."""
    peak, error = peaks.beta[rows, coordinate], np.sqrt(peaks.variance[:, coordinate, coordinate])
    wide = error[rows] * np.sqrt(2 * (peaks.log_likelihood[rows] - level))
    toward = peaks.variance[rows, :, coordinate] / (error[rows] ** 2)[:, np.newaxis]
    theta = peaks.beta[rows] + toward * (side * wide)[:, np.newaxis]
    done = np.zeros(len(rows), dtype=bool)
    active = np.arange(len(rows))
    for _ in range(MAX_ITERATIONS):
        at = peaks.likelihood.evaluate(theta[active], peaks.models[rows[active]])
        finite = at.is_finite()
        active, at = active[finite], at.take(finite)
        if not active.size:
            break
        step, fall = _newton_step(at, coordinate, side[active], level[active])
        longest = 2 * wide[active]
        step *= (longest / np.maximum(np.abs(step[:, coordinate]), longest))[:, np.newaxis]
        theta[active] += step
        settled = (np.max(np.abs(step), axis=1) <= STEP_TOLERANCE) & (
            np.abs(fall) <= LEVEL_TOLERANCE
        )
        done[active[settled]] = True
        active = active[~settled]
        if not active.size:
            break
    found = theta[:, coordinate]
    return found, done & (side * (found - peak) > 0)


def _newton_step(
    at: Evaluation, coordinate: int, side: FloatArray, level: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Give the step to the level, by a parabola, and how far off the level is."""
    others = np.delete(np.arange(at.gradient.shape[1]), coordinate)
    inner = at.information[:, others[:, np.newaxis], others]
    border = at.information[:, others, coordinate]
    rise = solve_each(inner, at.gradient[:, others])
    bend = solve_each(inner, border)
    curvature = at.information[:, coordinate, coordinate] - np.sum(border * bend, axis=1)
    slope = at.gradient[:, coordinate] - np.sum(border * rise, axis=1)
    height = at.log_likelihood + 0.5 * np.sum(at.gradient[:, others] * rise, axis=1)
    fall = height - level
    root = np.sqrt(np.maximum(slope**2 + 2 * curvature * fall, 0.0))
    move = (slope + side * root) / np.maximum(curvature, 1e-300)
    step = np.zeros_like(at.gradient)
    step[:, others] = rise - bend * move[:, np.newaxis]
    step[:, coordinate] = move
    return step, fall


def _bracket(peaks: Peaks, coordinate: int, row: int, side: float, level: float) -> float:
    """Find one end by doubling the distance until the likelihood is too low, then bisecting."""
    peak = float(peaks.beta[row, coordinate])

    def above(distance: float) -> float:
        value = np.array([peak + side * distance])
        return float(peaks.held_at(coordinate, value, np.array([row]))[0]) - level

    near, far = 0.0, float(np.sqrt(peaks.variance[row, coordinate, coordinate]))
    for _ in range(MAX_DOUBLINGS):
        height = above(far)
        if np.isnan(height):
            return np.nan
        if height < 0:
            break
        near, far = far, 2 * far
    else:
        return np.nan
    if near == 0.0 and above(near) <= 0:
        return np.nan
    try:
        return peak + side * float(brentq(above, near, far, xtol=1e-12, rtol=1e-12))
    except (RuntimeError, ValueError):
        return np.nan
