"""Proportional odds regression of an ordered outcome, such as the number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import (
    Batch,
    Labels,
    Matrix,
    People,
    Vector,
    batch_scores,
    read_scores,
    read_vector,
)
from pgs_trd.models.ordinal_likelihood import OrdinalLikelihood
from pgs_trd.models.sandwich import Errors
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

MAX_LEVELS = 50


def fit_ordinal(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    interaction: str | Sequence[str] | None = None,
    se: Errors | Literal["robust"] = "model",
    cluster: Labels | None = None,
    interval: Interval = "wald",
    weights: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit logit P(outcome <= j) = threshold j - covariates - one score, for every score.

    The sign is that of R's polr: a positive `beta` goes with a higher outcome, and
    exp(beta) is the odds ratio of being above any level, per unit of the score [1]_.

    Parameters
    ----------
    outcome : (n_people,)
        Numbers whose order counts, such as a number of trials, or an ordered
        categorical; missing is out.
    scores, covariates, interaction, cluster, interval, weights, confidence, threads
        As in `fit_logistic`.
    se
        "model" (the observed information, as R's polr), "HC0"
        (also called "robust"), "HC1" or "cluster".
    min_events_per_parameter
        Below this effective number of people, n - sum(n_j^3) / n^2 over the levels
        [2]_, per coefficient the rows have the status `too_few_events`. 0 asks for
        nothing.

    Returns
    -------
    fits
        As `fit_logistic`; `n_events` is the number of people above the lowest level.

    Raises
    ------
    UsageError
        If the outcome has more than 50 levels; if inputs disagree about the people.
    ModelDataError
        If anything is infinite.

    References
    ----------
    .. [1] McCullagh (1980) J R Stat Soc B 42:109.
    .. [2] Harrell (2015) Regression Modeling Strategies, 2nd edition, section 4.4.
    """
    options = read_options(se, interval, confidence, min_events_per_parameter, cluster)
    people = People()
    columns = read_scores(people, scores)
    inputs = read_term_inputs(
        people,
        columns,
        _read_levels(people, outcome),
        covariates,
        interaction=interaction,
        weights=weights,
        cluster=cluster,
    )
    rows = TermRows(columns.names, inputs.labels, "term" if interaction else "", confidence)
    with Workers(threads) as workers:
        for batch in batch_scores(columns, inputs.usable):
            _, codes = np.unique(inputs.outcome[batch.rows], return_inverse=True)
            order = np.argsort(codes, kind="stable")
            ranked = Batch(batch.positions, batch.rows[order], batch.values[order])
            part = inputs.of(ranked.rows)
            data = replace(part.data, outcome=codes[order].astype(np.float64))
            n_levels = int(codes.max(initial=-1)) + 1
            part = replace(part, data=data)
            problem = OrdinalProblem(part, options, workers, n_levels=n_levels)
            fit_terms(rows, ranked, problem, nobody=inputs.nobody)
    return rows.table(describe_fit("proportional odds", options))


def _read_levels(people: People, outcome: Vector) -> FloatArray:
    """Give numbers in the order of the levels, NaN where missing."""
    if isinstance(outcome, pd.Series) and isinstance(outcome.dtype, pd.CategoricalDtype):
        if not outcome.dtype.ordered:
            raise UsageError("outcome is a categorical without an order: say ordered=True")
        codes = outcome.cat.codes.astype(np.float64)
        outcome = codes.mask(codes < 0)
    levels = read_vector(people, "outcome", outcome)
    n_levels = len(np.unique(levels[~np.isnan(levels)]))
    if n_levels > MAX_LEVELS:
        raise UsageError(
            f"outcome has {n_levels:,} levels: at most {MAX_LEVELS} can be fitted, group them"
        )
    return levels


@dataclass(frozen=True, kw_only=True)
class OrdinalProblem(TermProblem):
    """Everything about a batch of proportional odds models but its scores.

    People are in the order of their levels, which are numbered from 0.
    """

    n_levels: int
    infinite_reason = "separates lower from higher levels, wholly or for some people"

    @property
    def n_events(self) -> int:
        """Number of people above the lowest level."""
        return int(np.sum(self.inputs.data.outcome > 0))

    @property
    def n_parameters(self) -> int:
        """Thresholds, covariates, score and interactions."""
        n_slopes = len(self.inputs.basis.names) + 1 + len(self.inputs.modifiers)
        return self.n_levels - 1 + n_slopes

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        n_people = self.inputs.n_people
        if self.n_levels < 2:
            return "no_events", f"all {n_people:,} complete cases are at one level"
        counts = np.bincount(self.inputs.data.outcome.astype(np.int64)).astype(np.float64)
        effective = n_people - float(np.sum(counts**3)) / n_people**2
        if effective < self.options.min_events_per_parameter * self.n_parameters:
            return (
                "too_few_events",
                f"{effective:,.0f} people in effect, {self.n_parameters} coefficients",
            )
        return self.inputs.common_fault(self.n_parameters)

    def begin(self) -> FloatArray:
        """Start from the shares of the levels."""
        data = self.inputs.data
        shares = np.bincount(data.outcome.astype(np.int64), data.weights, self.n_levels)
        below = np.cumsum(shares)[:-1]
        start = np.zeros(self.n_levels - 1 + len(self.inputs.basis.names))
        start[: self.n_levels - 1] = np.log(below / (shares.sum() - below))
        return start

    def likelihood(self, design: TermDesign, _method: Method, /) -> OrdinalLikelihood:
        """Give the likelihood of the models in `design`."""
        return OrdinalLikelihood(design, self.inputs.data, self.n_levels, self.workers)
