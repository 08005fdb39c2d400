"""Newton's method for many concave likelihoods at once, with step halving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray

Ending: TypeAlias = Literal["converged", "diverging", "not_converged"]

MAX_STEP = 30.0
# A step that was cut short and climbed may be followed by one so many times as long.
LONGER = 4.0
MAX_HALVINGS = 12
MAX_EXACT_STEPS = 100
# Such a step leaves an error a million times shorter: that of differences as derivatives.
EXACT_TOLERANCE = 1e-8
# A likelihood that is flat along a long step, where it was curved at the start, has
# its maximum at infinity.
FLAT_DECREMENT = 1e-8
LONG_STEP = 1e-2
LOST_CURVATURE = 1e-6
# A fit that ends unsettled this far out, in standard deviations, was on its way there;
# one that settles has a column with values far out, and tolerances grow with the distance.
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
    exact_after: int = 0,
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
    exact_after
        For likelihoods whose information is not quite their curvature, as penalised ones
        are: models that have not settled after so many steps go on with second
        derivatives from differences of the gradient. 0 is never.
    begin
        The likelihoods at `start`, where they are known already.
    """
    limit = min(max_iterations, exact_after or max_iterations)
    beta = start.copy()
    n_models = len(beta)
    current = likelihood.evaluate(beta, np.arange(n_models)) if begin is None else begin
    curvature_at_start = current.information.copy()
    iterations = np.zeros(n_models, dtype=np.int64)
    ending: list[Ending] = ["not_converged"] * n_models
    direction = np.zeros_like(beta)
    reach = np.full(n_models, MAX_STEP)
    active = np.flatnonzero(current.is_finite())
    while active.size:
        here = current.take(active)
        newton = solve_each(here.information, here.gradient)
        direction[active] = newton
        size = np.maximum(1.0, _length(beta[active]) / FAR_OUT)
        lost = _is_diverging(newton, here, curvature_at_start[active], size)
        for model in active[lost]:
            ending[model] = "diverging"
        settled = ~lost & (_length(newton) <= settle_tolerance * size)
        beta[active[settled]] += newton[settled]
        iterations[active[settled]] += 1
        for model in active[settled]:
            ending[model] = "converged"
        going = ~lost & ~settled
        active, newton, size = active[going], newton[going], size[going]
        if not active.size:
            break
        stuck = _climb(likelihood, beta, current, active, newton, reach)
        iterations[active] += 1
        # The length asked for decides, not what halving left of it.
        done = _length(newton) <= step_tolerance * size
        for model in active[done]:
            ending[model] = "converged"
        given_up = ~done & (stuck | (iterations[active] >= limit))
        active = active[~done & ~given_up]
    top = Maximum(beta, current, iterations, ending, direction)
    for model in np.flatnonzero([end == "not_converged" for end in ending]).tolist():
        if exact_after:
            _climb_by_differences(likelihood, top, model)
        if ending[model] == "not_converged" and np.max(np.abs(beta[model])) > FAR_OUT:
            ending[model], direction[model] = "diverging", beta[model]
    return top


def _climb_by_differences(likelihood: Likelihood, top: Maximum, model: int) -> None:
    """Climb one model with its true curvature, from where it is; update `top`."""
    point, one = top.beta[model].copy(), np.array([model])
    here = top.at_end.take(one)
    if not here.is_finite()[0]:
        return
    for _ in range(MAX_EXACT_STEPS):
        curvature = _curvature(likelihood, point, model, here.information[0])
        if not np.isfinite(curvature).all():
            return
        values, axes = np.linalg.eigh(curvature)
        floor = 1e-12 * np.max(np.abs(values))
        # Where the likelihood is not concave, climb all the same.
        step = axes @ ((axes.T @ here.gradient[0]) / np.maximum(np.abs(values), floor))
        length = float(np.max(np.abs(step)))
        step *= MAX_STEP / max(length, MAX_STEP)
        place, reach = np.zeros(1, dtype=np.int64), np.full(1, MAX_STEP)
        beta, own = (
            point[np.newaxis].copy(),
            Evaluation(here.log_likelihood, here.gradient, here.information),
        )
        if _climb(_One(likelihood, model), beta, own, place, step[np.newaxis], reach)[0]:
            return
        point, here = beta[0], own
        top.iterations[model] += 1
        top.beta[model] = point
        top.at_end.replace(one, here)
        if length <= EXACT_TOLERANCE and values[0] > 0:
            top.ending[model] = "converged"
            return


def _curvature(
    likelihood: Likelihood, point: FloatArray, model: int, information: FloatArray
) -> FloatArray:
    """Give minus the second derivatives of one model by central differences of the gradient."""
    width = 1e-4 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    moved = np.diag(width)
    points = np.vstack([point + moved, point - moved])
    slopes = likelihood.evaluate(points, np.full(len(points), model)).gradient
    ahead, behind = slopes[: len(point)], slopes[len(point) :]
    change = (behind - ahead) / (2 * width[:, np.newaxis])
    return np.asarray((change + change.T) / 2)


@dataclass(frozen=True)
class _One:
    """One model of a likelihood, whatever number it is asked for."""

    likelihood: Likelihood
    model: int

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate the model at the rows of `beta`."""
        return self.likelihood.evaluate(beta, np.full(len(models), self.model))


def _climb(
    likelihood: Likelihood,
    beta: FloatArray,
    current: Evaluation,
    active: IntArray,
    newton: FloatArray,
    reach: FloatArray,
) -> BoolArray:
    """Step the active models, halving where a likelihood falls; update in place.

    `reach` is how long a step of each model may be. Returns which models could not rise.
    """
    longest = reach[active]
    step = newton * (longest / np.maximum(_length(newton), longest))[:, np.newaxis]
    pending = np.arange(len(active))
    for halving in range(MAX_HALVINGS):
        models = active[pending]
        trial = likelihood.evaluate(beta[models] + step[pending], models)
        before = current.log_likelihood[models]
        # Sums over many people round; a fall within the rounding is no fall.
        rises = trial.log_likelihood >= before - 1e-11 * (1.0 + np.abs(before))
        rises &= trial.is_finite()
        risen = models[rises]
        beta[risen] += step[pending[rises]]
        current.replace(risen, trial.take(rises))
        if not halving:
            was_cut = _length(newton[rises]) > longest[rises]
            reach[risen[was_cut]] *= LONGER
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


def _is_diverging(
    newton: FloatArray, here: Evaluation, at_start: FloatArray, size: FloatArray
) -> BoolArray:
    decrement = np.einsum("ij,ij->i", newton, here.gradient)
    now = np.einsum("ij,ijk,ik->i", newton, here.information, newton)
    then = np.einsum("ij,ijk,ik->i", newton, at_start, newton)
    flat = (decrement < FLAT_DECREMENT) & (now <= LOST_CURVATURE * then)
    return np.asarray(flat & (_length(newton) > LONG_STEP * size))


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
