"""Cox regression of one follow-up on many scores that share their covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.cox_likelihood import CoxLikelihood
from pgs_trd.models.design import CovariateBasis, Design, build_basis
from pgs_trd.models.fitting import fit_batch, sum_by_cluster
from pgs_trd.models.inputs import (
    Labels,
    Matrix,
    ModelDataError,
    People,
    Vector,
    batch_scores,
    check_cluster,
    explain_nobody,
    read_binary,
    read_covariates,
    read_labels,
    read_scores,
    read_vector,
    read_weights_vector,
)
from pgs_trd.models.results import FitRows
from pgs_trd.models.risk_sets import TIME_TOLERANCE, RiskSets, build_risk_sets, merge_near_ties
from pgs_trd.models.wald import check_confidence

Ties: TypeAlias = Literal["efron", "breslow"]
CoxErrors: TypeAlias = Literal["model", "robust", "cluster"]

STEP_TOLERANCE = 1e-7
MAX_ITERATIONS = 200
ERROR_NOTES = {
    "model": "inverse observed information at the estimate",
    "robust": "Lin-Wei sandwich over people, no small-sample factor",
    "cluster": "Lin-Wei sandwich over cluster sums, no small-sample factor",
}


def fit_cox(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    se: CoxErrors = "model",
    cluster: Labels | None = None,
    weights: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit the hazard of an event on covariates + one score, for every score.

    Pandas inputs must have equal indices, arrays are taken by position. A person
    with anything missing is out, for each score by itself. Times that differ by
    rounding only are one time, as R's `timefix` has it.

    Parameters
    ----------
    duration : (n_people,)
        Time at the end of observation, from the origin; NaN is out.
    event : (n_people,)
        1 or True if the event happened then, else 0 or False; NaN is out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        Shared by all models. Text becomes dummies, see `encode_covariates`.
    entry : (n_people,)
        Time at which observation began (left truncation): at risk at t means
        entry < t <= duration. None means that everybody was seen from the origin.
    strata : (n_people,)
        Labels; each has a baseline hazard of its own. Missing is out.
    ties
        "efron" or "breslow".
    se
        "model", "robust" (each person by itself) or "cluster".
    cluster : (n_people,)
        Labels of clusters, for `se="cluster"`; missing is out.
    weights : (n_people,)
        Each person's factor in the partial likelihood; 0 or NaN is out. With weights
        that are not counts use a robust error.
    confidence
        Coverage of the Wald intervals.
    min_events_per_parameter
        Below this number of events per coefficient the row has the status
        `too_few_events`. 0 asks for nothing.

    Returns
    -------
    fits
        One row a score: `score`, `beta` (log hazard ratio per unit), `se`, `ci_low`,
        `ci_high`, `p_value`, `log10_p`, `n`, `n_events`, `log_likelihood` (partial),
        `iterations`, `status`, `reason`. Only rows with status "ok" have numbers;
        `STATUSES` explains the others. `attrs["conventions"]` says how they were made.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or options do not go together.
    ModelDataError
        If times are infinite or people leave no later than they enter.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=500)})
    >>> time = rng.exponential(np.exp(-scores["mdd"]))
    >>> fits = fit_cox(np.minimum(time, 1), time < 1, scores)
    >>> fits.loc[0, "status"], bool(fits.loc[0, "beta"] > 0.5)
    ('ok', True)
    """
    _check_options(ties, se, cluster)
    check_confidence(confidence)
    people = People()
    columns = read_scores(people, scores)
    times = _read_times(people, duration, event, entry)
    x, names = read_covariates(people, covariates)
    w = None if weights is None else read_weights_vector(people, weights)
    groups = None if cluster is None else read_labels(people, "cluster", cluster)
    levels = None if strata is None else read_labels(people, "strata", strata)
    usable = times.usable & ~np.isnan(x).any(axis=1)
    usable &= True if w is None else ~np.isnan(w)
    for labels in (groups, levels):
        usable &= True if labels is None else labels >= 0
    nobody = explain_nobody(
        usable,
        x,
        names,
        duration=times.duration,
        event=times.event,
        entry=times.entry,
        weights=w,
        cluster=groups,
        strata=levels,
    )
    rows = FitRows(columns.names)
    for batch in batch_scores(columns, usable):
        chosen = batch.rows
        happened = times.event[chosen] == 1
        problem = CoxProblem(
            basis=build_basis(x[chosen], names, intercept=False),
            event=happened,
            risk_sets=build_risk_sets(
                times.duration[chosen],
                happened,
                entry=None if times.entry is None else times.entry[chosen],
                strata=None if levels is None else levels[chosen],
                efron=ties == "efron",
            ),
            weights=None if w is None else w[chosen],
            clusters=None if groups is None else groups[chosen],
            se=se,
            min_events_per_parameter=min_events_per_parameter,
        )
        fit_batch(rows, batch, problem, nobody=nobody)
    return rows.table(confidence=confidence, conventions=_conventions(ties, se))


@dataclass(frozen=True)
class _Times:
    """Follow-up of all people, near ties merged; `usable` where nothing is missing."""

    duration: FloatArray
    event: FloatArray
    entry: FloatArray | None
    usable: BoolArray


def _read_times(people: People, duration: Vector, event: Vector, entry: Vector | None) -> _Times:
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
    return _Times(end, happened, begin, usable)


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

    infinite_status = "monotone_likelihood"
    infinite_reason = "is the highest, or the lowest, at risk at every event it matters for"
    step_tolerance = STEP_TOLERANCE
    max_iterations = MAX_ITERATIONS

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
        """Give the partial likelihood of the models in `design`."""
        return CoxLikelihood(design, self.risk_sets, self.weights)

    def robust_variance(self, influence: FloatArray) -> FloatArray:
        """Give sandwich variances, over people or over cluster sums."""
        if self.clusters is not None:
            influence = sum_by_cluster(influence, self.clusters)
        return np.asarray(np.einsum("ij,ij->j", influence, influence))

    def log_likelihood_shift(self, scale: FloatArray) -> FloatArray:
        """Change nothing: the partial likelihood has no units."""
        return np.zeros(len(scale))


def _check_options(ties: str, se: str, cluster: Labels | None) -> None:
    if ties not in get_args(Ties):
        raise UsageError(f"ties is {ties!r}: it must be one of {get_args(Ties)}")
    if se not in get_args(CoxErrors):
        raise UsageError(f"se is {se!r}: it must be one of {get_args(CoxErrors)}")
    check_cluster(se, cluster)


def _conventions(ties: str, se: str) -> dict[str, str | float]:
    return {
        "model": "cox",
        "ties": ties,
        "near_ties": "merged as R's timefix",
        "time_tolerance": TIME_TOLERANCE,
        "log_likelihood": "partial",
        "se": se,
        "se_definition": ERROR_NOTES[se],
        "interval": "Wald",
        "p_value": "two-sided Wald, normal",
        "step_tolerance": STEP_TOLERANCE,
        "missing": "complete cases of each score",
    }
