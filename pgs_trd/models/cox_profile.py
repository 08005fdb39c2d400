"""Profile-likelihood intervals and likelihood-ratio tests of the score's coefficient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtri

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.cox_likelihood import CoxLikelihood
from pgs_trd.models.cox_problem import CoxProblem
from pgs_trd.models.design import Design, orthogonalise_scores
from pgs_trd.models.inputs import Batch
from pgs_trd.models.newton import Evaluation, maximise
from pgs_trd.models.results import FitRows
from pgs_trd.models.wald import LOG10_E

ROOT_TOLERANCE = 1e-9
MAX_ROOT_STEPS = 60
FIXED_TOLERANCE = 1e-9


def profile_columns(
    rows: FitRows,
    batch: Batch,
    problem: CoxProblem,
    penalised: Sequence[int],
    confidence: float,
) -> dict[int, tuple[float, float, float]]:
    """Give interval and log10 p-value for the scores of `batch` that have an estimate.

    Parameters
    ----------
    rows
        Fits of the batch, by position.
    batch, problem
        The scores, and the models without penalty.
    penalised
        Positions whose estimate is Firth's.
    confidence
        Coverage.

    Returns
    -------
    columns
        Position to low end, high end (NaN where the likelihood does not fall far
        enough) and log10 of the likelihood-ratio p-value.
    """
    fitted = [p for p, place in enumerate(batch.positions) if np.isfinite(rows.beta[place])]
    columns: dict[int, tuple[float, float, float]] = {}
    for is_firth in (False, True):
        places = [p for p in fitted if (batch.positions[p] in penalised) == is_firth]
        if not places:
            continue
        own = orthogonalise_scores(np.ascontiguousarray(batch.values[:, places]), problem.basis)
        design = Design(problem.basis.columns, own.columns)
        of_kind = problem.penalised() if is_firth else problem
        positions = [batch.positions[p] for p in places]
        profile = _Profile(of_kind.likelihood(design), of_kind, rows.beta[positions] * own.scale)
        spread = rows.se[positions] * own.scale
        ends = [profile.root(side, spread, confidence) / own.scale for side in (-1.0, 1.0)]
        log10_p = profile.log10_p()
        for place, position in enumerate(positions):
            columns[position] = (
                float(ends[0][place]),
                float(ends[1][place]),
                float(log10_p[place]),
            )
    return columns


@dataclass(frozen=True)
class _Fixed:
    """A likelihood of the shared coefficients, the score's held at one value a model."""

    likelihood: CoxLikelihood
    value: FloatArray

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        whole = self.likelihood.evaluate(np.column_stack([beta, self.value[models]]), models)
        return Evaluation(
            whole.log_likelihood,
            np.ascontiguousarray(whole.gradient[:, :-1]),
            np.ascontiguousarray(whole.information[:, :-1, :-1]),
        )


class _Profile:
    """The profile likelihoods of the last coefficients."""

    def __init__(
        self, likelihood: CoxLikelihood, problem: CoxProblem, estimate: FloatArray
    ) -> None:
        self._likelihood = likelihood
        self._problem = problem
        self._estimate = estimate
        self._shared = np.zeros((len(estimate), likelihood.design.n_parameters - 1))
        self._top, _ = self._at(estimate)

    def _at(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the profile and its slope at one value a model."""
        everyone = np.arange(len(value))
        if self._shared.shape[1]:
            top = maximise(
                _Fixed(self._likelihood, value),
                self._shared,
                step_tolerance=min(FIXED_TOLERANCE, self._problem.step_tolerance),
                max_iterations=self._problem.max_iterations,
            )
            self._shared = top.beta
        whole = self._likelihood.evaluate(np.column_stack([self._shared, value]), everyone)
        return whole.log_likelihood, whole.gradient[:, -1]

    def log10_p(self) -> FloatArray:
        """Give log10 of the p-values of no effect."""
        value, _ = self._at(np.zeros(len(self._estimate)))
        root = np.sqrt(2 * np.maximum(self._top - value, 0.0))
        return np.asarray(np.log10(2) + log_ndtr(-root) * LOG10_E)

    def root(self, side: float, se: FloatArray, confidence: float) -> FloatArray:
        """Find where the signed root of the likelihood ratio is the normal quantile.

        The root is nearly linear in the coefficient, so that Newton's method needs few
        steps; a bracket keeps it safe.
        """
        target = float(ndtri(0.5 + confidence / 2))
        low, high = np.zeros(len(se)), np.full(len(se), np.inf)
        distance = target * se
        for _ in range(MAX_ROOT_STEPS):
            value, slope = self._at(self._estimate + side * distance)
            root = np.sqrt(2 * np.maximum(self._top - value, 0.0))
            with np.errstate(divide="ignore", invalid="ignore"):
                step = (target - root) * root / (-side * slope)
            below = root < target
            low, high = np.where(below, distance, low), np.where(below, high, distance)
            done: BoolArray = np.abs(root - target) < ROOT_TOLERANCE
            if done.all():
                return self._estimate + side * distance
            proposed = distance + step
            inside = np.isfinite(proposed) & (proposed > low) & (proposed < high)
            proposed = np.where(
                inside, proposed, np.where(np.isinf(high), 2 * distance, (low + high) / 2)
            )
            distance = np.where(done, distance, np.minimum(proposed, 4 * distance))
        return np.where(done, self._estimate + side * distance, np.nan)
