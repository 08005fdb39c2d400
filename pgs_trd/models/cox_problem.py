"""From checked inputs to the Cox models of a batch: who is at risk when, and which likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.cox_likelihood import CoxLikelihood, FirthCoxLikelihood
from pgs_trd.models.design import CovariateBasis, Design, build_basis
from pgs_trd.models.fitting import sum_by_cluster
from pgs_trd.models.inputs import (
    Batch,
    Labels,
    Matrix,
    ModelDataError,
    People,
    ScoreColumns,
    Vector,
    batch_scores,
    explain_nobody,
    read_binary,
    read_covariates,
    read_labels,
    read_scores,
    read_vector,
    read_weights_vector,
)
from pgs_trd.models.risk_sets import RiskSets, build_risk_sets, merge_near_ties
from pgs_trd.resources import thread_count

Ties: TypeAlias = Literal["efron", "breslow"]
CoxErrors: TypeAlias = Literal["model", "robust", "cluster"]

STEP_TOLERANCE = 1e-7
# After a Newton step of this length, in standard deviations of a column, coefficients are
# exact to rounding, and the information differs by about as much as the step.
SETTLE_TOLERANCE = 3e-9
MAX_ITERATIONS = 200
# Firth's steps use the plain information, so they shrink by a factor, not quadratically.
FIRTH_STEP_TOLERANCE = 1e-11
FIRTH_MAX_ITERATIONS = 1000
FIRTH_EXACT_AFTER = 60


@dataclass(frozen=True)
class CoxProblem:
    """Everything about a batch of Cox models but its scores."""

    basis: CovariateBasis
    event: BoolArray
    risk_sets: RiskSets
    weights: FloatArray | None
    clusters: IntArray | None
    se: CoxErrors
    min_events_per_parameter: float
    threads: int
    is_firth: bool = False

    infinite_status = "monotone_likelihood"
    infinite_reason = "is the highest, or the lowest, at risk at every event it matters for"

    @property
    def step_tolerance(self) -> float:
        """The last Newton step is no longer than this."""
        return FIRTH_STEP_TOLERANCE if self.is_firth else STEP_TOLERANCE

    @property
    def settle_tolerance(self) -> float:
        """A step no longer than this needs no evaluation after it."""
        return 0.0 if self.is_firth else SETTLE_TOLERANCE

    @property
    def max_iterations(self) -> int:
        """Newton steps after which a fit counts as not converged."""
        return FIRTH_MAX_ITERATIONS if self.is_firth else MAX_ITERATIONS

    @property
    def exact_after(self) -> int:
        """Newton steps after which the true curvature is taken; 0 is never."""
        return FIRTH_EXACT_AFTER if self.is_firth else 0

    @property
    def n_events(self) -> int:
        """Number of events."""
        return int(self.event.sum())

    @property
    def is_robust(self) -> bool:
        """Whether standard errors come from the influences."""
        return self.se != "model"

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        n_people, n_parameters = len(self.event), len(self.basis.names) + 1
        if self.n_events == 0:
            return "no_events", f"no events among {n_people:,} complete cases"
        if n_people <= n_parameters:
            return "too_few_people", f"{n_people:,} people for {n_parameters} coefficients"
        if self.n_events < self.min_events_per_parameter * n_parameters:
            return "too_few_events", f"{self.n_events:,} events, {n_parameters} coefficients"
        if self.basis.fault:
            return "collinear", self.basis.fault
        if self.clusters is not None and len(np.unique(self.clusters)) < 2:
            return "too_few_clusters", "all complete cases are in one cluster"
        return None

    def likelihood(self, design: Design) -> CoxLikelihood:
        """Give the partial likelihood of the models in `design`, penalised or not."""
        kind = FirthCoxLikelihood if self.is_firth else CoxLikelihood
        return kind(design, self.risk_sets, self.weights, threads=self.threads)

    def robust_variance(self, influence: FloatArray) -> FloatArray:
        """Give sandwich variances, over people or over cluster sums."""
        if self.clusters is not None:
            influence = sum_by_cluster(influence, self.clusters)
        return np.asarray(np.einsum("ij,ij->j", influence, influence))

    def log_likelihood_shift(self, scale: FloatArray) -> FloatArray:
        """Bring Firth's penalty to the units of the data; the likelihood itself has none."""
        if not self.is_firth:
            return np.zeros(len(scale))
        return np.asarray(self.basis.log_volume + np.log(scale))

    def penalised(self) -> CoxProblem:
        """Give the same problem with Firth's penalty."""
        return replace(self, is_firth=True)


@dataclass(frozen=True)
class CoxInputs:
    """The inputs of a call in one order of people; codes are -1 and numbers NaN where missing."""

    scores: ScoreColumns
    duration: FloatArray
    event: FloatArray
    entry: FloatArray | None
    covariates: FloatArray
    names: tuple[str, ...]
    weights: FloatArray | None
    clusters: IntArray | None
    strata: IntArray | None
    usable: BoolArray

    @property
    def nobody(self) -> str:
        """Say what is missing where a score has no complete cases."""
        return explain_nobody(
            self.usable,
            self.covariates,
            self.names,
            duration=self.duration,
            event=self.event,
            entry=self.entry,
            weights=self.weights,
            cluster=self.clusters,
            strata=self.strata,
        )

    def problems(
        self,
        *,
        ties: Ties,
        se: CoxErrors = "model",
        min_events_per_parameter: float = 0.0,
        threads: int | None = None,
    ) -> Iterator[tuple[Batch, CoxProblem]]:
        """Give batches of scores with their problems, people in the order they leave."""
        for batch in batch_scores(self.scores, self.usable):
            order = self.order_of(batch.rows)
            chosen = batch.rows[order]
            problem = self.problem(
                chosen,
                ties=ties,
                se=se,
                min_events_per_parameter=min_events_per_parameter,
                threads=threads,
            )
            yield Batch(batch.positions, chosen, batch.values[order]), problem

    def order_of(self, rows: IntArray) -> IntArray:
        """Order people as they leave the risk sets: sums then read memory in a row."""
        if self.strata is None:
            return np.argsort(self.duration[rows], kind="stable")
        return np.asarray(np.lexsort((self.duration[rows], self.strata[rows])))

    def problem(
        self,
        chosen: IntArray,
        *,
        ties: Ties,
        se: CoxErrors = "model",
        min_events_per_parameter: float = 0.0,
        threads: int | None = None,
    ) -> CoxProblem:
        """Give the models of some people, by row."""
        happened = self.event[chosen] == 1
        return CoxProblem(
            basis=build_basis(self.covariates[chosen], self.names, intercept=False),
            event=happened,
            risk_sets=build_risk_sets(
                self.duration[chosen],
                happened,
                entry=None if self.entry is None else self.entry[chosen],
                strata=None if self.strata is None else self.strata[chosen],
                efron=ties == "efron",
            ),
            weights=None if self.weights is None else self.weights[chosen],
            clusters=None if self.clusters is None else self.clusters[chosen],
            se=se,
            min_events_per_parameter=min_events_per_parameter,
            threads=thread_count(threads),
        )


def read_cox_inputs(
    duration: Vector,
    event: Vector,
    scores: Matrix | None,
    covariates: Matrix | None,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    cluster: Labels | None = None,
    weights: Vector | None = None,
) -> CoxInputs:
    """Check what `fit_cox` and its relatives are given; near ties of times are merged."""
    people = People()
    columns = ScoreColumns((), pd.DataFrame()) if scores is None else read_scores(people, scores)
    end, happened, begin = read_times(people, duration, event, entry)
    x, names = read_covariates(people, covariates)
    w = None if weights is None else read_weights_vector(people, weights)
    groups = None if cluster is None else read_labels(people, "cluster", cluster)
    levels = None if strata is None else read_labels(people, "strata", strata)
    usable = ~np.isnan(end) & ~np.isnan(happened) & ~np.isnan(x).any(axis=1)
    for numbers in (begin, w):
        usable &= True if numbers is None else ~np.isnan(numbers)
    for labels in (groups, levels):
        usable &= True if labels is None else labels >= 0
    return CoxInputs(columns, end, happened, begin, x, names, w, groups, levels, usable)


def read_times(
    people: People, duration: Vector, event: Vector, entry: Vector | None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Give duration, event and entry with near ties merged; refuse people never at risk.

    Raises
    ------
    ModelDataError
        If times are infinite or people leave no later than they enter.
    """
    end = read_vector(people, "duration", duration).copy()
    happened = read_binary(people, "event", event)
    usable = ~np.isnan(end) & ~np.isnan(happened)
    if entry is None:
        begin = None
        (end[usable],) = merge_near_ties(end[usable])
        wrong = end[usable] < 0
        fault = "a negative duration: count time from the origin"
    else:
        begin = read_vector(people, "entry", entry).copy()
        usable &= ~np.isnan(begin)
        end[usable], begin[usable] = merge_near_ties(end[usable], begin[usable])
        wrong = end[usable] <= begin[usable]
        fault = (
            "a duration no later than their entry: they were never at risk. Leave them out, "
            "or, if they left on the day they entered, add half a day to the duration"
        )
    if wrong.any():
        raise ModelDataError(f"{int(wrong.sum()):,} of {wrong.size:,} people have {fault}")
    return end, happened, begin


def check_ties(ties: str) -> None:
    """Raise a UsageError unless `ties` is a rule we know."""
    if ties not in get_args(Ties):
        raise UsageError(f"ties is {ties!r}: it must be one of {get_args(Ties)}")
