"""Climb to the maximum of a batch of Cox models, for what needs more than the estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_likelihood import CoxLikelihood
from pgs_trd.models.cox_problem import CoxProblem
from pgs_trd.models.design import Design, null_design, orthogonalise_scores
from pgs_trd.models.fitting import NULL_TOLERANCE
from pgs_trd.models.newton import Maximum, maximise


@dataclass(frozen=True)
class Climb:
    """Where the models of a batch ended.

    Attributes
    ----------
    likelihood
        Of the models that could be tried.
    places : (n_tried,)
        Their places in the batch.
    top
        Their maxima, in the coordinates of the design.
    to_design : (n_tried, n_parameters, n_parameters)
        Covariates and score = design columns times this, one matrix a model.
    status, reason
        Of all scores of the batch.
    """

    likelihood: CoxLikelihood | None
    places: IntArray
    top: Maximum | None
    to_design: FloatArray
    status: list[str]
    reason: list[str]


def climb(problem: CoxProblem, values: FloatArray) -> Climb:
    """Fit every column of `values`, (n_people, n_scores), beside the covariates."""
    n_scores = values.shape[1]
    fault = problem.fault()
    nothing = np.zeros((0, 0, 0))
    if fault:
        return Climb(
            None, np.zeros(0, int), None, nothing, [fault[0]] * n_scores, [fault[1]] * n_scores
        )
    own = orthogonalise_scores(values, problem.basis)
    places = np.flatnonzero([status == "ok" for status in own.status])
    status, reason = list(own.status), list(own.reason)
    if not places.size:
        return Climb(None, places, None, nothing, status, reason)
    columns = np.ascontiguousarray(own.columns[:, places])
    likelihood = problem.likelihood(Design(problem.basis.columns, columns))
    begin = np.zeros((len(places), likelihood.design.n_parameters))
    with np.errstate(all="ignore"):  # far out numbers overflow; the ending says so
        shared = null_point(problem)
        begin[:, :-1] = shared
        top = maximise(
            likelihood,
            begin,
            step_tolerance=problem.step_tolerance,
            settle_tolerance=problem.settle_tolerance,
            max_iterations=problem.max_iterations,
            begin=likelihood.start(shared),
        )
    for place, ending in zip(places.tolist(), top.ending, strict=True):
        if ending == "diverging":
            status[place], reason[place] = problem.infinite_status, problem.infinite_reason
        elif ending != "converged":
            status[place], reason[place] = "not_converged", "Newton's method did not settle"
    return Climb(
        likelihood, places, top, _to_design(problem, values, own.scale, places), status, reason
    )


def null_point(problem: CoxProblem) -> FloatArray:
    """Fit the covariates alone: where all scores start; zeros if that has no maximum."""
    columns = problem.basis.columns
    if not len(columns):
        return np.zeros(0)
    top = maximise(
        problem.likelihood(null_design(columns)),
        np.zeros((1, len(columns))),
        step_tolerance=NULL_TOLERANCE,
        max_iterations=problem.max_iterations,
    )
    return top.beta[0] if top.ending[0] == "converged" else np.zeros(len(columns))


def _to_design(
    problem: CoxProblem, values: FloatArray, scale: FloatArray, places: IntArray
) -> FloatArray:
    """Give the matrices that make the covariates and the score out of the design."""
    basis = problem.basis
    size = len(basis.columns) + 1
    matrices = np.zeros((len(places), size, size))
    matrices[:, :-1, :-1] = basis.triangle
    tried = values if len(places) == values.shape[1] else values[:, places]
    matrices[:, :-1, -1] = (basis.columns @ tried).T / max(len(values), 1)
    matrices[:, -1, -1] = scale[places]
    return matrices
