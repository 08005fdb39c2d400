"""Newton's method for many concave likelihoods at once, with step halving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray

Ending: TypeAlias = Literal["converged", "diverging", "not_converged"]

MAX_STEP = 30.0
MAX_HALVINGS = 12
# A likelihood that is flat along a long step, where it was curved at the start, has
# its maximum at infinity.
FLAT_DECREMENT = 1e-8
LONG_STEP = 1e-2
LOST_CURVATURE = 1e-6
# A fit that ends unsettled this far out, in standard deviations, was on its way there.
FAR_OUT = 30.0


@dataclass(frozen=True)
class Evaluation:
    """Value, slope and curvature of m likelihoods, each at its own point."""

    log_likelihood: FloatArray
    gradient: FloatArray
    information: FloatArray

    def is_finite(self) -> BoolArray:
        """Say which models have finite numbers throughout: far out they overflow."""
        finite = np.isfinite(self.log_likelihood) & np.isfinite(self.gradient).all(axis=1)
        return np.asarray(finite & np.isfinite(self.information).all(axis=(1, 2)))

    def replace(self, places: BoolArray | IntArray, other: Evaluation) -> None:
        """Overwrite the models at `places` with those of `other`."""
        self.log_likelihood[places] = other.log_likelihood
        self.gradient[places] = other.gradient
        self.information[places] = other.information

    def take(self, places: BoolArray | IntArray) -> Evaluation:
        """Give a copy of the models at `places`."""
        return Evaluation(
            self.log_likelihood[places], self.gradient[places], self.information[places]
        )


class Likelihood(Protocol):
    """What `maximise` needs: the likelihoods of some models at some points."""

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`."""
        ...


@dataclass(frozen=True)
class Maximum:
    """Where the maximisation ended.

    Attributes
    ----------
    beta : (n_models, n_parameters)
        Final points.
    at_end
        Value, gradient and information at the final points.
    iterations : (n_models,)
        Newton steps taken.
    ending
        How each model ended; "diverging" means a maximum at infinity.
    direction : (n_models, n_parameters)
        The last step; where a likelihood diverges, the way it goes.
    """

    beta: FloatArray
    at_end: Evaluation
    iterations: IntArray
    ending: list[Ending]
    direction: FloatArray


def maximise(
    likelihood: Likelihood,
    start: FloatArray,
    *,
    step_tolerance: float,
    max_iterations: int,
    settle_tolerance: float = 0.0,
    begin: Evaluation | None = None,
) -> Maximum:
    """Climb each likelihood until its step is shorter than `step_tolerance`.

    Parameters
    ----------
    likelihood
        Concave in its parameters, which are on a scale where 1 is a large change.
    start : (n_models, n_parameters)
        Where to begin.
    step_tolerance
        Largest coordinate of the last step. The information is taken after that
        step, at the final point.
    max_iterations
        Steps after which a model counts as not converged.
    settle_tolerance
        A step no longer than this is taken and ends the climb without another
        evaluation: what it changes of the information is as small.
    begin
        The likelihoods at `start`, where they are known already.
    """
    beta = start.copy()
    n_models = len(beta)
    current = likelihood.evaluate(beta, np.arange(n_models)) if begin is None else begin
    curvature_at_start = current.information.copy()
    iterations = np.zeros(n_models, dtype=np.int64)
    ending: list[Ending] = ["not_converged"] * n_models
    direction = np.zeros_like(beta)
    active = np.flatnonzero(current.is_finite())
    while active.size:
        here = current.take(active)
        newton = solve_each(here.information, here.gradient)
        direction[active] = newton
        lost = _is_diverging(newton, here, curvature_at_start[active])
        for model in active[lost]:
            ending[model] = "diverging"
        settled = ~lost & (_length(newton) <= settle_tolerance)
        beta[active[settled]] += newton[settled]
        iterations[active[settled]] += 1
        for model in active[settled]:
            ending[model] = "converged"
        active, newton = active[~lost & ~settled], newton[~lost & ~settled]
        if not active.size:
            break
        stuck = _climb(likelihood, beta, current, active, newton)
        iterations[active] += 1
        # The length asked for decides, not what halving left of it.
        done = _length(newton) <= step_tolerance
        for model in active[done]:
            ending[model] = "converged"
        given_up = ~done & (stuck | (iterations[active] >= max_iterations))
        for model in active[given_up]:
            if np.max(np.abs(beta[model])) > FAR_OUT:
                ending[model], direction[model] = "diverging", beta[model]
        active = active[~done & ~given_up]
    return Maximum(beta, current, iterations, ending, direction)


def _climb(
    likelihood: Likelihood,
    beta: FloatArray,
    current: Evaluation,
    active: IntArray,
    newton: FloatArray,
) -> BoolArray:
    """Step the active models, halving where a likelihood falls; update in place.

    Returns which models could not rise.
    """
    step = newton * (MAX_STEP / np.maximum(_length(newton), MAX_STEP))[:, np.newaxis]
    pending = np.arange(len(active))
    for _ in range(MAX_HALVINGS):
        models = active[pending]
        trial = likelihood.evaluate(beta[models] + step[pending], models)
        before = current.log_likelihood[models]
        # Sums over many people round; a fall within the rounding is no fall.
        rises = trial.log_likelihood >= before - 1e-11 * (1.0 + np.abs(before))
        rises &= trial.is_finite()
        risen = models[rises]
        beta[risen] += step[pending[rises]]
        current.replace(risen, trial.take(rises))
        pending = pending[~rises]
        if not pending.size:
            break
        step[pending] /= 2
    stuck = np.zeros(len(active), dtype=bool)
    stuck[pending] = True
    return stuck


def _length(steps: FloatArray) -> FloatArray:
    """Give the largest coordinate of each step."""
    return np.asarray(np.max(np.abs(steps), axis=1, initial=0.0))


def _is_diverging(newton: FloatArray, here: Evaluation, at_start: FloatArray) -> BoolArray:
    decrement = np.einsum("ij,ij->i", newton, here.gradient)
    now = np.einsum("ij,ijk,ik->i", newton, here.information, newton)
    then = np.einsum("ij,ijk,ik->i", newton, at_start, newton)
    flat = (decrement < FLAT_DECREMENT) & (now <= LOST_CURVATURE * then)
    return np.asarray(flat & (_length(newton) > LONG_STEP))


def solve_each(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Solve m small symmetric systems; near-singular ones by least squares."""
    try:
        solution: FloatArray = np.linalg.solve(matrices, vectors[..., np.newaxis])[..., 0]
    except np.linalg.LinAlgError:
        solution = np.full_like(vectors, np.nan)
    for place in np.flatnonzero(~np.isfinite(solution).all(axis=1)):
        values, axes = np.linalg.eigh(matrices[place])
        floor = 1e-14 * max(float(values[-1]), 1e-300)
        solution[place] = axes @ ((axes.T @ vectors[place]) / np.maximum(values, floor))
    return solution
