"""Poisson regression: risk ratios of a common outcome, rate ratios of a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from scipy.special import gammaln, logsumexp

from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import (
    Labels,
    Matrix,
    ModelDataError,
    People,
    Vector,
    read_scores,
    read_vector,
)
from pgs_trd.models.logistic_likelihood import GlmLikelihood
from pgs_trd.models.sandwich import GlmErrors
from pgs_trd.models.term_fits import (
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


def fit_poisson(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    interaction: str | Sequence[str] | None = None,
    se: GlmErrors | Literal["robust"] = "HC0",
    cluster: Labels | None = None,
    interval: Interval = "wald",
    weights: Vector | None = None,
    offset: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit log E(outcome) = intercept + covariates + one score, for every score.

    With an outcome of 0 and 1 exp(beta) is a risk ratio; the variance of such an
    outcome is not Poisson's, so the errors are robust unless asked otherwise [1]_.

    Parameters
    ----------
    outcome : (n_people,)
        0 or 1, or counts; NaN for people who are out.
    scores, covariates, interaction, cluster, interval, confidence, threads
        As in `fit_logistic`.
    se
        "HC0" (also called "robust"), "HC1", "HC3", "cluster", or "model" for counts
        that are Poisson's.
    weights : (n_people,)
        Each person's factor in the log likelihood; 0 or NaN is out.
    offset : (n_people,)
        Added to the logarithm of the mean, such as the logarithm of person-years.
    min_events_per_parameter
        Below this number of people with an outcome above 0 per coefficient the row
        has the status `too_few_events`. 0 asks for nothing.

    Returns
    -------
    fits
        As `fit_logistic`: `beta` is the log ratio per unit of the score, `n_events`
        the number of people with an outcome above 0.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or options do not go together.
    ModelDataError
        If an outcome is negative, or anything is infinite.

    References
    ----------
    .. [1] Zou (2004) American Journal of Epidemiology 159:702.
    """
    options = read_options(
        se,
        interval,
        confidence,
        min_events_per_parameter,
        cluster,
        known=get_args(GlmErrors),
    )
    people = People()
    columns = read_scores(people, scores)
    inputs = read_term_inputs(
        people,
        columns,
        _read_counts(people, outcome),
        covariates,
        interaction=interaction,
        weights=weights,
        offset=offset,
        cluster=cluster,
    )
    rows = TermRows(columns.names, inputs.labels, "term" if interaction else "", confidence)
    with Workers(threads) as workers:
        for batch, part in inputs.batches():
            fit_terms(rows, batch, PoissonProblem(part, options, workers), nobody=inputs.nobody)
    return rows.table(describe_fit("poisson", options))


def _read_counts(people: People, outcome: Vector) -> FloatArray:
    counts = read_vector(people, "outcome", outcome)
    n_negative = int(np.sum(counts < 0))
    if n_negative:
        raise ModelDataError(f"outcome: {n_negative:,} of {len(counts):,} values are negative")
    return counts


@dataclass(frozen=True)
class PoissonProblem(TermProblem):
    """Everything about a batch of Poisson models but its scores."""

    infinite_reason = "singles out people among whom nobody has the outcome"

    @property
    def n_events(self) -> int:
        """Number of people with the outcome."""
        return int(np.sum(self.inputs.data.outcome > 0))

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        outcome = self.inputs.data.outcome
        if self.n_events == 0:
            return "no_events", f"no outcome above 0 among {len(outcome):,} complete cases"
        if np.ptp(outcome) == 0:
            return "no_nonevents", f"all {len(outcome):,} complete cases have the same outcome"
        if self.n_events < self.options.min_events_per_parameter * self.n_parameters:
            return (
                "too_few_events",
                f"{self.n_events:,} people with the outcome, {self.n_parameters} coefficients",
            )
        return self.inputs.common_fault(self.n_parameters)

    def begin(self) -> FloatArray:
        """Start from the mean."""
        data, start = self.inputs.data, np.zeros(len(self.inputs.basis.columns))
        weights = np.ones_like(data.outcome) if data.weights is None else data.weights
        offset = np.zeros_like(data.outcome) if data.offset is None else data.offset
        start[0] = np.log(weights @ data.outcome) - logsumexp(offset, b=weights)
        return start

    def likelihood(self, design: TermDesign, _method: Method, /) -> GlmLikelihood:
        """Give the likelihood of the models in `design`."""
        return GlmLikelihood(design, self.inputs.data, "poisson", self.workers)

    def log_likelihood_shift(self, _method: Method, scale: FloatArray, /) -> FloatArray:
        """Take the factorials of the counts off."""
        data = self.inputs.data
        terms = gammaln(data.outcome + 1)
        total = terms.sum() if data.weights is None else data.weights @ terms
        return np.full(scale.shape[1], -float(total))
