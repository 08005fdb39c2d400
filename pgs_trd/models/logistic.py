"""Logistic regression of one outcome on many scores that share their covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import Labels, Matrix, People, Vector, read_binary, read_scores
from pgs_trd.models.logistic_likelihood import FirthLikelihood, GlmLikelihood
from pgs_trd.models.sandwich import ERROR_NOTES, GlmErrors
from pgs_trd.models.term_fits import (
    STEP_TOLERANCE,
    FitOptions,
    Interval,
    Method,
    TermProblem,
    describe_fit,
    fit_terms,
    read_options,
)
from pgs_trd.models.term_inputs import read_term_inputs
from pgs_trd.models.term_rows import TermRows
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers

__all__ = ["ERROR_NOTES", "LogisticErrors", "LogisticMethod", "LogisticProblem", "fit_logistic"]

LogisticMethod: TypeAlias = Literal["ml", "firth", "auto"]
LogisticErrors: TypeAlias = GlmErrors

METHODS: dict[str, tuple[Method, ...]] = {
    "ml": ("ml",),
    "firth": ("firth",),
    "auto": ("ml", "firth"),
}


def fit_logistic(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    method: LogisticMethod = "auto",
    interaction: str | Sequence[str] | None = None,
    se: LogisticErrors | Literal["robust"] = "model",
    cluster: Labels | None = None,
    interval: Interval = "wald",
    weights: Vector | None = None,
    offset: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
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
        Jeffreys' prior [1]_ [2]_, which is finite under separation too; "auto" for
        maximum likelihood, and Firth's where that is infinite: the status of such a
        row is "firth". With robust errors, which Firth's fits lack, "auto" is "ml".
    interaction
        Names of covariates, as given or once encoded, that the score is multiplied
        with: outcome ~ covariates + score + score:covariate. There is a row for each
        of them; the row of the score itself is its effect where they are 0.
    se
        "model", "HC0" (also called "robust"), "HC1", "HC3" [4]_ or "cluster"; Firth's
        fits have "model" only.
    cluster : (n_people,)
        Labels of clusters, for `se="cluster"`; missing is out.
    interval
        "wald"; "lr" for the p-value of the likelihood ratio test, with the interval
        of the error that it implies; "profile" for the same p-value and the interval
        by profile likelihood, as R's confint() and logistf give it [3]_.
    weights : (n_people,)
        Each person's factor in the log likelihood; 0 or NaN is out. With weights
        that are not counts use a robust error.
    offset : (n_people,)
        Added to the linear predictor with coefficient 1.
    confidence
        Coverage of the intervals.
    min_events_per_parameter
        Below this number of the rarer outcome per coefficient the row has the status
        `too_few_events`. 0 asks for nothing.
    threads
        At most so many; the result is the same to the last bit for any number. None
        is what this process may use.

    Returns
    -------
    fits
        One row a score: `score`, `beta` (log odds per unit of the score), `se`,
        `ci_low`, `ci_high`, `p_value`, `log10_p`, `n`, `n_events`,
        `log_likelihood` (penalised with Firth's method), `iterations`, `status`,
        `reason`. With an interaction there is also `term`, and one row a term. Only
        rows with status "ok" or "firth" have numbers; `STATUSES` explains the others.
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
    .. [3] Venzon and Moolgavkar (1988) Applied Statistics 37:87.
    .. [4] Long and Ervin (2000) The American Statistician 54:217.

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
    if method not in METHODS:
        raise UsageError(f"method is {method!r}: it must be one of {get_args(LogisticMethod)}")
    options = read_options(
        se,
        interval,
        confidence,
        min_events_per_parameter,
        cluster,
        known=get_args(GlmErrors),
    )
    if method == "firth" and options.se != "model":
        raise UsageError(f"method 'firth' has model-based errors only, not se={options.se!r}")
    people = People()
    columns = read_scores(people, scores)
    inputs = read_term_inputs(
        people,
        columns,
        read_binary(people, "outcome", outcome),
        covariates,
        interaction=interaction,
        weights=weights,
        offset=offset,
        cluster=cluster,
    )
    rows = TermRows(columns.names, inputs.labels, "term" if interaction else "", confidence)
    methods = METHODS[method] if options.se == "model" else METHODS["ml"]
    with Workers(threads) as workers:
        for batch, part in inputs.batches():
            problem = LogisticProblem(part, options, workers, methods)
            fit_terms(rows, batch, problem, nobody=inputs.nobody)
    return rows.table(_conventions(method, options))


@dataclass(frozen=True)
class LogisticProblem(TermProblem):
    """Everything about a batch of logistic models but its scores."""

    infinite_reason = "separates cases from controls, wholly or for some of them"

    @property
    def n_events(self) -> int:
        """Number of cases."""
        return int(self.inputs.data.outcome.sum())

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        n_people = self.inputs.n_people
        n_rarer = min(self.n_events, n_people - self.n_events)
        if self.n_events == 0:
            return "no_events", f"no cases among {n_people:,} complete cases"
        if self.n_events == n_people:
            return "no_nonevents", f"no controls among {n_people:,} complete cases"
        if n_rarer < self.options.min_events_per_parameter * self.n_parameters:
            return (
                "too_few_events",
                f"{n_rarer:,} of the rarer outcome, {self.n_parameters} coefficients",
            )
        return self.inputs.common_fault(self.n_parameters)

    def begin(self) -> FloatArray:
        """Start from the share of cases."""
        data, start = self.inputs.data, np.zeros(len(self.inputs.basis.columns))
        if data.offset is None:
            share = np.average(data.outcome, weights=data.weights)
            start[0] = np.log(share / (1 - share))
        return start

    def likelihood(self, design: TermDesign, method: Method, /) -> GlmLikelihood:
        """Give the likelihood of the models in `design`."""
        kind = FirthLikelihood if method == "firth" else GlmLikelihood
        return kind(design, self.inputs.data, "logistic", self.workers)

    def log_likelihood_shift(self, method: Method, scale: FloatArray, /) -> FloatArray:
        """Give Firth's penalty the units of the caller's columns."""
        if method == "firth":
            return np.asarray(self.inputs.basis.log_volume + np.log(scale).sum(axis=0))
        return np.zeros(scale.shape[1])


def _conventions(method: str, options: FitOptions) -> dict[str, str | float]:
    notes = {"ml": "plain", "firth": "penalised by Jeffreys' prior"}
    notes["auto"] = "plain; where the status is 'firth', penalised by Jeffreys' prior"
    return describe_fit(
        "logistic",
        options,
        method=method,
        log_likelihood=notes[method],
        step_tolerance=STEP_TOLERANCE[METHODS[method][0]],
    )
