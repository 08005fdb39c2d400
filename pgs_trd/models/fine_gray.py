"""Fine and Gray's regression of the incidence of one cause among others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.cox_problem import (
    MAX_ITERATIONS,
    SETTLE_TOLERANCE,
    STEP_TOLERANCE,
    Ties,
    check_ties,
)
from pgs_trd.models.design import CovariateBasis, Design, build_basis
from pgs_trd.models.fine_gray_likelihood import (
    Censoring,
    FineGrayLikelihood,
    SubdistributionSets,
    build_subdistribution_sets,
)
from pgs_trd.models.fitting import fit_batch
from pgs_trd.models.inputs import (
    Batch,
    Matrix,
    ModelDataError,
    People,
    Vector,
    batch_scores,
    explain_nobody,
    read_covariates,
    read_scores,
    read_vector,
)
from pgs_trd.models.results import FitRows
from pgs_trd.models.risk_sets import merge_near_ties
from pgs_trd.models.wald import check_confidence

FineGrayErrors: TypeAlias = Literal["robust", "model"]

ERROR_NOTES = {
    "robust": "Fine and Gray's sandwich, with the part of the estimated censoring",
    "model": "inverse information at the estimate, censoring taken as known",
}


def fit_fine_gray(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    cause: int = 1,
    ties: Ties = "breslow",
    censoring: Censoring = "cmprsk",
    se: FineGrayErrors = "robust",
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit the subdistribution hazard of a cause on covariates + one score, for every score.

    People with another event stay in the risk set, with the probability that they
    would not have been censored since [1]_.

    Parameters
    ----------
    duration : (n_people,)
        Time at the end of observation, from the origin, where everybody begins.
    event : (n_people,)
        0 for censored, else the code of the cause.
    scores, covariates, confidence, min_events_per_parameter
        As in `fit_cox`.
    cause
        The code whose incidence is modelled.
    ties
        "breslow" as R's `cmprsk::crr`, or "efron".
    censoring
        Whether people with an event at a time count as at risk of censoring at that
        time: "cmprsk" (they do) or "survival" (they do not, as R's `finegray`).
    se
        "robust" as `crr`, or "model".

    Returns
    -------
    fits
        As `fit_cox`: `beta` is the log subdistribution hazard ratio, `n_events` counts
        the cause.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or an option is unknown.
    ModelDataError
        If times are negative or infinite, or event codes are not whole numbers from 0.

    References
    ----------
    .. [1] Fine and Gray (1999) J Am Stat Assoc 94:496.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=500)})
    >>> time = rng.exponential(np.exp(-scores["mdd"]))
    >>> event = np.where(time < 1, rng.integers(1, 3, size=500), 0)
    >>> fit_fine_gray(np.minimum(time, 1), event, scores).loc[0, "status"]
    'ok'
    """
    check_ties(ties)
    check_confidence(confidence)
    for name, value, known in (
        ("censoring", censoring, get_args(Censoring)),
        ("se", se, get_args(FineGrayErrors)),
    ):
        if value not in known:
            raise UsageError(f"{name} is {value!r}: it must be one of {known}")
    people = People()
    columns = read_scores(people, scores)
    time, code = _read_events(people, duration, event)
    x, names = read_covariates(people, covariates)
    usable = ~np.isnan(time) & ~np.isnan(code) & ~np.isnan(x).any(axis=1)
    nobody = explain_nobody(usable, x, names, duration=time, event=code)
    rows = FitRows(columns.names)
    for unsorted in batch_scores(columns, usable):
        order = np.argsort(time[unsorted.rows], kind="stable")
        chosen = unsorted.rows[order]
        batch = Batch(unsorted.positions, chosen, unsorted.values[order])
        happened, competing = code[chosen] == cause, (code[chosen] != cause) & (code[chosen] > 0)
        problem = FineGrayProblem(
            basis=build_basis(x[chosen], names, intercept=False),
            event=happened,
            sets=build_subdistribution_sets(
                time[chosen], happened, competing, efron=ties == "efron", censoring=censoring
            ),
            se=se,
            min_events_per_parameter=min_events_per_parameter,
        )
        fit_batch(rows, batch, problem, nobody=nobody)
    conventions: dict[str, str | float] = {
        "model": "fine-gray",
        "cause": float(cause),
        "ties": ties,
        "near_ties": "merged as R's timefix",
        "censoring": censoring,
        "se": se,
        "se_definition": ERROR_NOTES[se],
        "interval": "Wald",
        "p_value": "two-sided Wald, normal",
        "missing": "complete cases of each score",
    }
    return rows.table(confidence=confidence, conventions=conventions)


def _read_events(people: People, duration: Vector, event: Vector) -> tuple[FloatArray, FloatArray]:
    time = read_vector(people, "duration", duration).copy()
    code = read_vector(people, "event", event)
    known = ~np.isnan(code)
    n_odd = int(np.sum((code[known] < 0) | (code[known] != np.floor(code[known]))))
    if n_odd:
        raise ModelDataError(
            f"event: {n_odd:,} of {len(code):,} values are not whole numbers from 0 on. "
            "Code censored people as 0 and each cause as a number of its own"
        )
    seen = ~np.isnan(time)
    (time[seen],) = merge_near_ties(time[seen])
    n_negative = int(np.sum(time[seen] < 0))
    if n_negative:
        raise ModelDataError(
            f"{n_negative:,} of {len(time):,} people have a negative duration: "
            "count time from the origin"
        )
    return time, code


@dataclass(frozen=True)
class FineGrayProblem:
    """Everything about a batch of Fine-Gray models but its scores."""

    basis: CovariateBasis
    event: BoolArray
    sets: SubdistributionSets
    se: FineGrayErrors
    min_events_per_parameter: float

    infinite_status = "monotone_likelihood"
    infinite_reason = "is the highest, or the lowest, at risk at every event it matters for"
    step_tolerance = STEP_TOLERANCE
    settle_tolerance = SETTLE_TOLERANCE
    max_iterations = MAX_ITERATIONS
    exact_after = 0

    @property
    def n_events(self) -> int:
        """Number of events of the cause."""
        return int(self.event.sum())

    @property
    def is_robust(self) -> bool:
        """Whether standard errors come from the influences."""
        return self.se == "robust"

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        n_people, n_parameters = len(self.event), len(self.basis.names) + 1
        if self.n_events == 0:
            return "no_events", f"no events of the cause among {n_people:,} complete cases"
        if n_people <= n_parameters:
            return "too_few_people", f"{n_people:,} people for {n_parameters} coefficients"
        if self.n_events < self.min_events_per_parameter * n_parameters:
            return "too_few_events", f"{self.n_events:,} events, {n_parameters} coefficients"
        return ("collinear", self.basis.fault) if self.basis.fault else None

    def likelihood(self, design: Design) -> FineGrayLikelihood:
        """Give the partial likelihood of the models in `design`."""
        return FineGrayLikelihood(design, self.sets)

    def robust_variance(self, influence: FloatArray) -> FloatArray:
        """Give sandwich variances over people."""
        return np.asarray(np.einsum("ij,ij->j", influence, influence))

    def log_likelihood_shift(self, scale: FloatArray) -> FloatArray:
        """Change nothing: the partial likelihood has no units."""
        return np.zeros(len(scale))
