"""Logistic regression of one outcome on many scores that share their covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import CovariateBasis, Design, build_basis
from pgs_trd.models.fitting import fit_batch, sum_by_cluster
from pgs_trd.models.inputs import (
    Labels,
    Matrix,
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
from pgs_trd.models.logistic_likelihood import (
    FirthLikelihood,
    LogisticData,
    LogisticLikelihood,
)
from pgs_trd.models.results import FitRows
from pgs_trd.models.wald import check_confidence

LogisticMethod: TypeAlias = Literal["ml", "firth"]
LogisticErrors: TypeAlias = Literal["model", "HC0", "HC1", "cluster"]

STEP_TOLERANCE = {"ml": 1e-7, "firth": 1e-11}
MAX_ITERATIONS = {"ml": 200, "firth": 1000}
ERROR_NOTES = {
    "model": "inverse Fisher information at the estimate",
    "HC0": "sandwich, no small-sample factor",
    "HC1": "sandwich times n / (n - coefficients)",
    "cluster": "sandwich over cluster sums times clusters / (clusters - 1)",
}


def fit_logistic(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    method: LogisticMethod = "ml",
    se: LogisticErrors | Literal["robust"] = "model",
    cluster: Labels | None = None,
    weights: Vector | None = None,
    offset: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit outcome ~ intercept + covariates + one score, for every score.

    Pandas inputs must have equal indices, arrays are taken by position. A person
    with anything missing is out, for each score by itself.

    Parameters
    ----------
    outcome : (n_people,)
        1 or True for cases, 0 or False for controls, NaN for people who are out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        Shared by all models. Text becomes dummies, see `encode_covariates`. An
        intercept is always added.
    method
        "ml" for maximum likelihood; "firth" for the likelihood penalised by
        Jeffreys' prior [1]_ [2]_, which is finite under separation too.
    se
        "model", "HC0" (also called "robust"), "HC1" or "cluster"; `firth` has "model" only.
    cluster : (n_people,)
        Labels of clusters, for `se="cluster"`; missing is out.
    weights : (n_people,)
        Each person's factor in the log likelihood; 0 or NaN is out. With weights
        that are not counts use a robust error.
    offset : (n_people,)
        Added to the linear predictor with coefficient 1.
    confidence
        Coverage of the Wald intervals.
    min_events_per_parameter
        Below this number of the rarer outcome per coefficient the row has the status
        `too_few_events`. 0 asks for nothing.

    Returns
    -------
    fits
        One row a score: `score`, `beta` (log odds per unit of the score), `se`,
        `ci_low`, `ci_high`, `p_value`, `log10_p`, `n`, `n_events`,
        `log_likelihood` (penalised with `firth`), `iterations`, `status`, `reason`.
        Only rows with status "ok" have numbers; `STATUSES` explains the others.
        `attrs["conventions"]` says how the numbers were made.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or options do not go together.
    ModelDataError
        If the outcome has values other than 0 and 1, or anything is infinite.

    References
    ----------
    .. [1] Firth (1993) Biometrika 80:27.
    .. [2] Heinze and Schemper (2002) Statistics in Medicine 21:2409.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"height": rng.normal(size=500)})
    >>> chance = 1 / (1 + np.exp(-scores["height"]))
    >>> fits = fit_logistic(rng.random(500) < chance, scores)
    >>> fits.loc[0, "status"], int(fits.loc[0, "n"])
    ('ok', 500)
    """
    se = "HC0" if se == "robust" else se
    _check_options(method, se, cluster)
    check_confidence(confidence)
    people = People()
    columns = read_scores(people, scores)
    y = read_binary(people, "outcome", outcome)
    x, names = read_covariates(people, covariates)
    w = None if weights is None else read_weights_vector(people, weights)
    shift = None if offset is None else read_vector(people, "offset", offset)
    groups = None if cluster is None else read_labels(people, "cluster", cluster)
    usable = ~np.isnan(y) & ~np.isnan(x).any(axis=1)
    for extra in (w, shift):
        usable &= True if extra is None else ~np.isnan(extra)
    if groups is not None:
        usable &= groups >= 0
    nobody = explain_nobody(usable, x, names, outcome=y, weights=w, offset=shift, cluster=groups)
    rows = FitRows(columns.names)
    for batch in batch_scores(columns, usable):
        chosen = batch.rows
        problem = LogisticProblem(
            basis=build_basis(x[chosen], names, intercept=True),
            data=LogisticData(y[chosen], _pick(w, chosen), _pick(shift, chosen)),
            clusters=None if groups is None else groups[chosen],
            method=method,
            se=se,
            min_events_per_parameter=min_events_per_parameter,
        )
        fit_batch(rows, batch, problem, nobody=nobody)
    return rows.table(confidence=confidence, conventions=_conventions(method, se))


@dataclass(frozen=True)
class LogisticProblem:
    """Everything about a batch of logistic models but its scores."""

    basis: CovariateBasis
    data: LogisticData
    clusters: IntArray | None
    method: LogisticMethod
    se: LogisticErrors
    min_events_per_parameter: float

    infinite_status = "separation"
    infinite_reason = "separates cases from controls, wholly or for some of them"

    @property
    def n_events(self) -> int:
        """Number of cases."""
        return int(self.data.outcome.sum())

    @property
    def step_tolerance(self) -> float:
        """Firth's steps shrink by a factor only, so theirs must be shorter at the end."""
        return STEP_TOLERANCE[self.method]

    @property
    def max_iterations(self) -> int:
        """Steps allowed."""
        return MAX_ITERATIONS[self.method]

    @property
    def is_robust(self) -> bool:
        """Whether standard errors come from the influences."""
        return self.se != "model"

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        n_people, n_parameters = len(self.data.outcome), len(self.basis.names) + 2
        n_rarer = min(self.n_events, n_people - self.n_events)
        if self.n_events == 0:
            return "no_events", f"no cases among {n_people:,} complete cases"
        if self.n_events == n_people:
            return "no_nonevents", f"no controls among {n_people:,} complete cases"
        if n_people <= n_parameters:
            return "too_few_people", f"{n_people:,} people for {n_parameters} coefficients"
        if n_rarer < self.min_events_per_parameter * n_parameters:
            return (
                "too_few_events",
                f"{n_rarer:,} of the rarer outcome, {n_parameters} coefficients",
            )
        if self.basis.fault:
            return "collinear", self.basis.fault
        if self.clusters is not None and len(np.unique(self.clusters)) < 2:
            return "too_few_clusters", "all complete cases are in one cluster"
        return None

    def likelihood(self, design: Design) -> LogisticLikelihood:
        """Give the likelihood of the models in `design`."""
        kind = FirthLikelihood if self.method == "firth" else LogisticLikelihood
        return kind(design, self.data)

    def robust_variance(self, influence: FloatArray) -> FloatArray:
        """Give sandwich variances, with the small-sample factor of the kind asked for."""
        n_people, factor = len(influence), 1.0
        if self.clusters is not None:
            influence = sum_by_cluster(influence, self.clusters)
            factor = len(influence) / (len(influence) - 1)
        elif self.se == "HC1":
            factor = n_people / (n_people - len(self.basis.names) - 2)
        return np.asarray(factor * np.einsum("ij,ij->j", influence, influence))

    def log_likelihood_shift(self, scale: FloatArray) -> FloatArray:
        """Give Firth's penalty the units of the caller's columns."""
        if self.method == "firth":
            return np.asarray(self.basis.log_volume + np.log(scale))
        return np.zeros(len(scale))


def _check_options(method: str, se: str, cluster: Labels | None) -> None:
    if method not in get_args(LogisticMethod):
        raise UsageError(f"method is {method!r}: it must be one of {get_args(LogisticMethod)}")
    if se not in get_args(LogisticErrors):
        raise UsageError(f"se is {se!r}: it must be one of {get_args(LogisticErrors)}")
    if method == "firth" and se != "model":
        raise UsageError(f"method 'firth' has model-based errors only, not se={se!r}")
    check_cluster(se, cluster)


def _pick(values: FloatArray | None, rows: IntArray) -> FloatArray | None:
    return None if values is None else values[rows]


def _conventions(method: str, se: str) -> dict[str, str | float]:
    likelihood = "penalised by Jeffreys' prior" if method == "firth" else "plain"
    return {
        "model": "logistic",
        "method": method,
        "log_likelihood": likelihood,
        "se": se,
        "se_definition": ERROR_NOTES[se],
        "interval": "Wald",
        "p_value": "two-sided Wald, normal",
        "step_tolerance": STEP_TOLERANCE[method],
        "missing": "complete cases of each score",
    }
