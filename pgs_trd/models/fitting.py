"""What Cox and Fine-Gray fits share: from a batch of scores to rows of the result."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import CovariateBasis, Design, null_design, orthogonalise_scores
from pgs_trd.models.inputs import Batch
from pgs_trd.models.newton import Evaluation, Maximum, maximise, solve_each
from pgs_trd.models.results import FitRows

NULL_TOLERANCE = 1e-4


class ModelLikelihood(Protocol):
    """A likelihood that also knows each person's pull on an estimate."""

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`."""
        ...

    def start(self, shared: FloatArray) -> Evaluation:
        """Evaluate all models at one value of the shared coefficients, and 0 for the own."""
        ...

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on one combination of the coefficients."""
        ...


class Problem(Protocol):
    """Everything about a batch of models but its scores."""

    @property
    def basis(self) -> CovariateBasis:
        """The covariates."""
        ...

    @property
    def n_events(self) -> int:
        """Number of events among the people of the batch."""
        ...

    @property
    def step_tolerance(self) -> float:
        """The last Newton step is no longer than this."""
        ...

    @property
    def settle_tolerance(self) -> float:
        """A step no longer than this needs no evaluation after it."""
        ...

    @property
    def max_iterations(self) -> int:
        """Newton steps after which a fit counts as not converged."""
        ...

    @property
    def exact_after(self) -> int:
        """Newton steps after which the true curvature is taken; 0 is never."""
        ...

    @property
    def infinite_status(self) -> str:
        """The status of an estimate that would be infinite."""
        ...

    @property
    def infinite_reason(self) -> str:
        """What the culprit does, to end a sentence."""
        ...

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted: status and reason."""
        ...

    def likelihood(self, design: Design) -> ModelLikelihood:
        """Give the likelihood of the models in `design`."""
        ...

    @property
    def is_robust(self) -> bool:
        """Whether standard errors come from the influences."""
        ...

    def robust_variance(self, influence: FloatArray) -> FloatArray:
        """Give variances from the influences, (n_people, n_models)."""
        ...

    def log_likelihood_shift(self, scale: FloatArray) -> FloatArray:
        """Give what turns the log likelihood of scaled scores into the caller's."""
        ...


def fit_batch(rows: FitRows, batch: Batch, problem: Problem, *, nobody: str) -> None:
    """Fit the scores of one batch and put them in their rows.

    `nobody` is the reason of scores without complete cases.
    """
    positions = np.array(batch.positions)
    rows.n[positions] = len(batch.rows)
    rows.n_events[positions] = problem.n_events
    fault = problem.fault() if len(batch.rows) else ("no_complete_cases", nobody)
    start = np.zeros(problem.basis.columns.shape[0])
    if fault is None:
        with np.errstate(all="ignore"):
            start, fault = _fit_null(problem)
    if fault is not None:
        for position in batch.positions:
            rows.refuse(position, *fault)
        return
    scores = orthogonalise_scores(batch.values, problem.basis)
    possible = np.array([status == "ok" for status in scores.status])
    for place in np.flatnonzero(~possible):
        rows.refuse(batch.positions[place], scores.status[place], scores.reason[place])
    if possible.any():
        columns = scores.columns if possible.all() else scores.columns[:, possible]
        design = Design(problem.basis.columns, np.ascontiguousarray(columns))
        with np.errstate(all="ignore"):  # far out numbers overflow; the ending says so
            _fit_design(rows, positions[possible], problem, design, start, scores.scale[possible])


def _fit_design(
    rows: FitRows,
    positions: IntArray,
    problem: Problem,
    design: Design,
    start: FloatArray,
    scale: FloatArray,
) -> None:
    """Climb from the covariates-only fit, and record how each score ended."""
    likelihood = problem.likelihood(design)
    begin = np.zeros((design.n_models, design.n_parameters))
    begin[:, :-1] = start
    top = maximise(
        likelihood,
        begin,
        step_tolerance=problem.step_tolerance,
        settle_tolerance=problem.settle_tolerance,
        max_iterations=problem.max_iterations,
        exact_after=problem.exact_after,
        begin=likelihood.start(start),
    )
    rows.iterations[positions] = top.iterations
    variance = _variances(problem, likelihood, top)
    value = top.at_end.log_likelihood + problem.log_likelihood_shift(scale)
    for place, position in enumerate(positions.tolist()):
        if top.ending[place] == "diverging":
            reason = _describe(problem, top.direction[place])
            rows.refuse(position, problem.infinite_status, reason)
        elif top.ending[place] != "converged" or not 0 < variance[place] < np.inf:
            rows.refuse(position, "not_converged", f"after {top.iterations[place]} Newton steps")
        else:
            rows.accept(
                position,
                beta=float(top.beta[place, -1] / scale[place]),
                se=float(np.sqrt(variance[place]) / scale[place]),
                log_likelihood=float(value[place]),
            )


def _fit_null(problem: Problem) -> tuple[FloatArray, tuple[str, str] | None]:
    """Fit the covariates alone: where all scores start, or what is infinite already."""
    columns = problem.basis.columns
    if not len(columns):
        return np.zeros(0), None
    top = maximise(
        problem.likelihood(null_design(columns)),
        np.zeros((1, len(columns))),
        step_tolerance=NULL_TOLERANCE,
        max_iterations=problem.max_iterations,
        exact_after=problem.exact_after,
    )
    if top.ending[0] == "diverging":
        culprit = problem.basis.describe_direction(top.direction[0])
        return columns[:, 0], (problem.infinite_status, f"{culprit} {problem.infinite_reason}")
    return top.beta[0] if top.ending[0] == "converged" else np.zeros(len(columns)), None


def _describe(problem: Problem, direction: FloatArray) -> str:
    """Say which column runs away: the score, or else a covariate by name."""
    share = abs(direction[-1]) / np.max(np.abs(direction))
    shared = direction[:-1]
    culprit = "the score" if share > 0.01 else problem.basis.describe_direction(shared)
    return f"{culprit} {problem.infinite_reason}"


def _variances(problem: Problem, likelihood: ModelLikelihood, top: Maximum) -> FloatArray:
    """Give the variance of the last coefficient of each model, NaN if not converged."""
    variance = np.full(len(top.beta), np.nan)
    models = np.flatnonzero([ending == "converged" for ending in top.ending])
    if not models.size:
        return variance
    # The last row of the inverse information.
    unit = np.zeros((len(models), top.beta.shape[1]))
    unit[:, -1] = 1.0
    leverage = solve_each(top.at_end.information[models], unit)
    variance[models] = leverage[:, -1]
    if problem.is_robust:
        influence = likelihood.influence(top.beta[models], models, leverage)
        variance[models] = problem.robust_variance(influence)
    return variance


def sum_by_cluster(values: FloatArray, clusters: IntArray) -> FloatArray:
    """Add up the rows of `values` that belong to one cluster."""
    order = np.argsort(clusters, kind="stable")
    ranked = clusters[order]
    first = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    return np.asarray(np.add.reduceat(values[order], first, axis=0))
