"""From a batch of scores to rows of the result, for models with coefficients of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.inputs import Batch, Labels, check_cluster
from pgs_trd.models.newton import Evaluation, Maximum, maximise
from pgs_trd.models.profiles import (
    Peaks,
    TermLikelihood,
    profile_bounds,
    ratio_distance,
    root_of_ratio,
)
from pgs_trd.models.sandwich import ERROR_NOTES, Errors, GlmErrors, own_covariance
from pgs_trd.models.term_inputs import BatchInputs
from pgs_trd.models.term_rows import TermRows, Tested, normal_quantile
from pgs_trd.models.terms import TermDesign, null_terms, orthogonalise_terms
from pgs_trd.models.wald import check_confidence
from pgs_trd.models.workers import Workers

Method: TypeAlias = Literal["ml", "firth"]
Interval: TypeAlias = Literal["wald", "lr", "profile"]

# A step this short leaves the information as exact as the coefficients.
STEP_TOLERANCE = {"ml": 1e-9, "firth": 1e-11}
MAX_ITERATIONS = {"ml": 200, "firth": 1000}
# Firth's steps use Fisher's information, and may shrink by a factor near 1 only.
EXACT_AFTER = {"ml": 0, "firth": 60}
NULL_TOLERANCE = 1e-3
INTERVAL_NOTES = {
    "wald": ("Wald", "two-sided Wald, normal"),
    "lr": (
        "Wald, with the error that the likelihood ratio test implies",
        "likelihood ratio, chi-square of one degree",
    ),
    "profile": ("profile likelihood", "likelihood ratio, chi-square of one degree"),
}


@dataclass(frozen=True)
class FitOptions:
    """What a call asks of every model."""

    se: GlmErrors = "model"
    interval: Interval = "wald"
    confidence: float = 0.95
    min_events_per_parameter: float = 0.0


@dataclass(frozen=True)
class TermProblem(ABC):
    """Everything about a batch of models but its scores.

    Parameters come in the order: those of the model without a score, then its own.

    Attributes
    ----------
    inputs
        The people.
    options
        What the call asks for.
    workers
        The threads.
    methods
        How to fit: with the first, and where it diverges with the second, if any.
    infinite_reason
        What the culprit of a maximum at infinity does, to end a sentence.
    """

    inputs: BatchInputs
    options: FitOptions
    workers: Workers
    methods: tuple[Method, ...] = ("ml",)
    infinite_reason: ClassVar[str]

    @property
    @abstractmethod
    def n_events(self) -> int | IntArray:
        """Number of events among the people of the batch, of each label where they differ."""

    @property
    def n_parameters(self) -> int:
        """Number of coefficients of one model: intercept, covariates, score, interactions."""
        return len(self.inputs.basis.names) + 2 + len(self.inputs.modifiers)

    @abstractmethod
    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted: status and reason."""

    @abstractmethod
    def begin(self) -> FloatArray:
        """Give where the model without a score starts."""

    @abstractmethod
    def likelihood(self, design: TermDesign, method: Method, /) -> TermLikelihood:
        """Give the likelihood of the models in `design`."""

    def own_scale(self, scale: FloatArray) -> FloatArray:
        """Give the scale of each own parameter, (n_models, n_own_parameters)."""
        return scale.T

    def describe(self, direction: FloatArray) -> str:
        """Name the covariate that moves most in a direction of the shared parameters."""
        return self.inputs.basis.describe_direction(direction)

    def log_likelihood_shift(self, _method: Method, scale: FloatArray, /) -> FloatArray:
        """Give what turns the log likelihood of scaled columns into the caller's."""
        return np.zeros(scale.shape[1])

    def note(  # noqa: B027
        self, rows: TermRows, positions: IntArray, beta: FloatArray, covariance: FloatArray
    ) -> None:
        """Add further tests of (n_models, n_own) coefficients to the rows, if any."""


def read_options(
    se: GlmErrors | Literal["robust"],
    interval: Interval,
    confidence: float,
    min_events_per_parameter: float,
    cluster: Labels | None,
    *,
    known: tuple[str, ...] = get_args(Errors),
) -> FitOptions:
    """Give the options of a call; raise a UsageError if they are unknown or disagree."""
    errors: GlmErrors = "HC0" if se == "robust" else se
    if errors not in known:
        raise UsageError(f"se is {se!r}: it must be one of {known}")
    if interval not in get_args(Interval):
        raise UsageError(f"interval is {interval!r}: it must be one of {get_args(Interval)}")
    if interval != "wald" and errors != "model":
        raise UsageError(
            f"interval {interval!r} comes from the likelihood and has no robust form: "
            f"with se={errors!r} the interval is 'wald'"
        )
    check_cluster(errors, cluster)
    check_confidence(confidence)
    return FitOptions(errors, interval, confidence, min_events_per_parameter)


def describe_fit(model: str, options: FitOptions, **more: str | float) -> dict[str, str | float]:
    """Say how numbers were made, for the header of a result."""
    interval, p_value = INTERVAL_NOTES[options.interval]
    return {
        "model": model,
        "log_likelihood": "plain",
        "se": options.se,
        "se_definition": ERROR_NOTES[options.se],
        "interval": interval,
        "p_value": p_value,
        "step_tolerance": STEP_TOLERANCE["ml"],
        "missing": "complete cases of each score",
        **more,
    }


def fit_terms(
    rows: TermRows, batch: Batch, problem: TermProblem, *, nobody: Callable[[], str]
) -> None:
    """Fit the scores of one batch and put them in their rows.

    `nobody` gives the reason of scores without complete cases.
    """
    positions = np.array(batch.positions)
    rows.n[positions] = len(batch.rows)
    rows.n_events[positions] = problem.n_events
    fault = problem.fault() if len(batch.rows) else ("no_complete_cases", nobody())
    if fault is not None:
        for position in batch.positions:
            rows.refuse(position, *fault)
        return
    inputs = problem.inputs
    scores = _transpose(batch.values, problem.workers)
    own = orthogonalise_terms(scores, inputs.modifiers, inputs.basis)
    possible = np.array([status == "ok" for status in own.status])
    for place in np.flatnonzero(~possible):
        rows.refuse(batch.positions[place], own.status[place], own.reason[place])
    if not possible.any():
        return
    columns = own.columns if possible.all() else own.columns[:, possible]
    fit = _BatchFit(
        rows=rows,
        positions=positions[possible],
        problem=problem,
        design=TermDesign(inputs.basis.columns, columns),
        scale=own.scale[:, possible],
    )
    fit.run(np.arange(fit.design.n_models), problem.methods)


@dataclass(frozen=True)
class _BatchFit:
    """Scores that can be fitted, and where their numbers go."""

    rows: TermRows
    positions: IntArray
    problem: TermProblem
    design: TermDesign
    scale: FloatArray

    def run(self, models: IntArray, methods: tuple[Method, ...]) -> None:
        """Fit some models with the first method, and what diverges with the next."""
        method, others = methods[0], methods[1:]
        null = self._fit_null(method)
        lost = null.ending[0] == "diverging"
        if lost and others:
            return self.run(models, others)
        if lost:
            culprit = self.problem.describe(null.direction[0])
            for position in self.positions[models].tolist():
                self._refuse_infinite(position, culprit)
            return None
        likelihood = self.problem.likelihood(self.design, method)
        top = self._climb(likelihood, models, null, method)
        self.rows.iterations[self.positions[models]] = top.iterations
        converged = np.array([ending == "converged" for ending in top.ending])
        diverging = np.array([ending == "diverging" for ending in top.ending])
        if converged.any():
            self._finish(likelihood, models, top, np.flatnonzero(converged), null, method)
        for place in np.flatnonzero(~converged & ~(diverging & bool(others))).tolist():
            position = int(self.positions[models[place]])
            if diverging[place]:
                self._refuse_infinite(position, self._culprit(top.direction[place]))
            else:
                reason = f"after {top.iterations[place]} Newton steps"
                self.rows.refuse(position, "not_converged", reason)
        return self.run(models[diverging], others) if diverging.any() and others else None

    def _fit_null(self, method: Method) -> Maximum:
        """Fit the covariates alone: where all scores start, or what is infinite already."""
        exact = self.problem.options.interval != "wald"
        return maximise(
            self.problem.likelihood(null_terms(self.problem.inputs.basis.columns), method),
            self.problem.begin()[np.newaxis],
            step_tolerance=STEP_TOLERANCE[method] if exact else NULL_TOLERANCE,
            settle_tolerance=0.0 if exact else NULL_TOLERANCE,
            max_iterations=MAX_ITERATIONS[method],
            exact_after=EXACT_AFTER[method],
        )

    def _climb(
        self, likelihood: TermLikelihood, models: IntArray, null: Maximum, method: Method
    ) -> Maximum:
        """Climb from the model without a score."""
        start = null.beta[0] if null.ending[0] == "converged" else self.problem.begin()
        return maximise(
            _Some(likelihood, models),
            likelihood.approach(start, models),
            step_tolerance=STEP_TOLERANCE[method],
            settle_tolerance=STEP_TOLERANCE[method],
            max_iterations=MAX_ITERATIONS[method],
            exact_after=EXACT_AFTER[method],
        )

    def _finish(
        self,
        likelihood: TermLikelihood,
        models: IntArray,
        top: Maximum,
        done: IntArray,
        null: Maximum,
        method: Method,
    ) -> None:
        """Give the models at `done` their errors, intervals and tests."""
        n_null = null.beta.shape[1]
        at_end = top.at_end.take(done)
        variance, positive = _invert(at_end.information)
        for place in done[~positive].tolist():
            reason = f"after {top.iterations[place]} Newton steps"
            self.rows.refuse(int(self.positions[models[place]]), "not_converged", reason)
        done, variance = done[positive], variance[positive]
        peaks = Peaks(
            likelihood,
            models[done],
            top.beta[done],
            top.at_end.log_likelihood[done],
            variance,
        )
        own_scale = self.problem.own_scale(self.scale[:, models[done]])
        beta = peaks.beta[:, n_null:] / own_scale
        covariance = own_covariance(
            peaks, n_null, se=self.problem.options.se, clusters=self.problem.inputs.clusters
        )
        covariance = covariance / (own_scale[:, :, np.newaxis] * own_scale[:, np.newaxis])
        tested = None
        if self.problem.options.interval != "wald" and len(done):
            tested = self._test(peaks, n_null, null, method, own_scale)
        is_rescue = method != self.problem.methods[0]
        shift = self.problem.log_likelihood_shift(method, self.scale[:, models[done]])
        self.rows.accept(
            self.positions[models[done]],
            beta,
            np.sqrt(np.einsum("kss->ks", covariance)),
            log_likelihood=peaks.log_likelihood + shift,
            tested=tested,
            status="firth" if is_rescue else "ok",
            reason="separated: no finite maximum likelihood estimate" if is_rescue else "",
        )
        self.problem.note(self.rows, self.positions[models[done]], beta, covariance)

    def _test(
        self, peaks: Peaks, n_null: int, null: Maximum, method: Method, own_scale: FloatArray
    ) -> Tested:
        """Give likelihood ratio tests and the intervals that go with them."""
        quantile = normal_quantile(self.problem.options.confidence)
        own = range(n_null, peaks.beta.shape[1])
        if len(own) == 1 and method == "ml" and null.ending[0] == "converged":
            restricted = null.at_end.log_likelihood[0]
            distance = root_of_ratio(peaks.log_likelihood, restricted)[:, np.newaxis]
        else:
            distance = np.stack([ratio_distance(peaks, row) for row in own], axis=1)
        if self.problem.options.interval == "profile":
            bounds = [profile_bounds(peaks, row, quantile) for row in own]
            low, high = (np.stack(ends, axis=1) for ends in zip(*bounds, strict=True))
        else:
            beta = peaks.beta[:, n_null:]
            wald = np.sqrt(np.stack([peaks.variance[:, row, row] for row in own], axis=1))
            with np.errstate(divide="ignore", invalid="ignore"):
                error = np.where(distance > 1e-5, np.abs(beta) / distance, wald)
            low, high = beta - quantile * error, beta + quantile * error
        return Tested(low / own_scale, high / own_scale, distance)

    def _culprit(self, direction: FloatArray) -> str:
        """Say which column runs away: the score, or else a covariate by name."""
        n_own = self.problem.own_scale(self.scale[:, :1]).shape[1]
        share = np.max(np.abs(direction[-n_own:])) / np.max(np.abs(direction))
        return "the score" if share > 0.01 else self.problem.describe(direction[:-n_own])

    def _refuse_infinite(self, position: int, culprit: str) -> None:
        self.rows.refuse(position, "separation", f"{culprit} {self.problem.infinite_reason}")


@dataclass(frozen=True)
class _Some:
    """Some models of a likelihood, numbered from 0."""

    likelihood: TermLikelihood
    models: IntArray

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` of these at the rows of `beta`."""
        return self.likelihood.evaluate(beta, self.models[models])


def _transpose(values: FloatArray, workers: Workers) -> FloatArray:
    """Give a copy with a row for each score, made a range of people at a time."""
    scores = np.empty(values.shape[::-1])

    def run(start: int, end: int) -> None:
        scores[:, start:end] = values[start:end].T

    workers.map(run, len(values))
    return scores


def _invert(information: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Give inverses, and which of them are those of positive definite matrices."""
    values = np.linalg.eigvalsh(information)
    positive = values[:, 0] > 0
    inverse = np.full_like(information, np.nan)
    inverse[positive] = np.linalg.inv(information[positive])
    return inverse, positive
