"""What logistic, Poisson, multinomial and ordinal models read in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.design import CovariateBasis, build_basis
from pgs_trd.models.inputs import (
    Batch,
    Labels,
    Matrix,
    People,
    ScoreColumns,
    Vector,
    batch_scores,
    explain_nobody,
    read_covariates,
    read_labels,
    read_modifiers,
    read_vector,
    read_weights_vector,
)
from pgs_trd.models.logistic_likelihood import GlmData


@dataclass(frozen=True)
class BatchInputs:
    """The complete cases of some scores.

    Attributes
    ----------
    basis
        Of the covariates, with an intercept.
    modifiers : (n_modifiers, n_people)
        Covariates that the scores are multiplied with.
    data
        Outcome, weights and offset.
    clusters : (n_people,) or None
        Codes.
    """

    basis: CovariateBasis
    modifiers: FloatArray
    data: GlmData
    clusters: IntArray | None

    @property
    def n_people(self) -> int:
        """Number of complete cases."""
        return len(self.data.outcome)

    def common_fault(self, n_parameters: int) -> tuple[str, str] | None:
        """Say what is wrong with the number of people, covariates or clusters, if anything."""
        if self.n_people <= n_parameters:
            return "too_few_people", f"{self.n_people:,} people for {n_parameters} coefficients"
        if self.basis.fault:
            return "collinear", self.basis.fault
        if self.clusters is not None and len(np.unique(self.clusters)) < 2:
            return "too_few_clusters", "all complete cases are in one cluster"
        return None


@dataclass(frozen=True)
class TermInputs:
    """The inputs of a call in one order of people, NaN where missing."""

    scores: ScoreColumns
    outcome: FloatArray
    covariates: FloatArray
    names: tuple[str, ...]
    modifiers: list[int]
    weights: FloatArray | None
    offset: FloatArray | None
    clusters: IntArray | None

    @property
    def labels(self) -> tuple[str, ...]:
        """What follows the name of the score in its terms: "" and ":sex", for example."""
        return ("", *(f":{self.names[place]}" for place in self.modifiers))

    @property
    def usable(self) -> BoolArray:
        """Who has everything but the scores."""
        usable: BoolArray = ~np.isnan(self.outcome) & ~np.isnan(self.covariates).any(axis=1)
        for extra in (self.weights, self.offset):
            usable &= True if extra is None else ~np.isnan(extra)
        if self.clusters is not None:
            usable &= self.clusters >= 0
        return usable

    def nobody(self) -> str:
        """Say what is missing where a score has no complete cases."""
        return explain_nobody(
            self.usable,
            self.covariates,
            self.names,
            outcome=self.outcome,
            weights=self.weights,
            offset=self.offset,
            cluster=self.clusters,
        )

    def batches(self) -> Iterator[tuple[Batch, BatchInputs]]:
        """Give groups of scores with the same complete cases."""
        last: tuple[IntArray, BatchInputs] | None = None
        for batch in batch_scores(self.scores, self.usable):
            if last is None or not np.array_equal(last[0], batch.rows):
                last = batch.rows, self.of(batch.rows)
            yield batch, last[1]

    def of(self, rows: IntArray) -> BatchInputs:
        """Give the inputs of some people."""
        in_order = len(rows) == len(self.covariates) and bool((rows[1:] > rows[:-1]).all())
        x = self.covariates if in_order else self.covariates[rows]
        return BatchInputs(
            basis=build_basis(x, self.names, intercept=True),
            modifiers=np.ascontiguousarray(x[:, self.modifiers].T),
            data=GlmData(
                self.outcome[rows],
                None if self.weights is None else self.weights[rows],
                None if self.offset is None else self.offset[rows],
            ),
            clusters=None if self.clusters is None else self.clusters[rows],
        )


def read_term_inputs(
    people: People,
    scores: ScoreColumns,
    outcome: FloatArray,
    covariates: Matrix | None,
    *,
    interaction: str | Sequence[str] | None = None,
    weights: Vector | None = None,
    offset: Vector | None = None,
    cluster: Labels | None = None,
) -> TermInputs:
    """Check and read everything but scores and outcome, which the caller has read."""
    x, names = read_covariates(people, covariates)
    return TermInputs(
        scores=scores,
        outcome=outcome,
        covariates=x,
        names=names,
        modifiers=read_modifiers(interaction, names),
        weights=None if weights is None else read_weights_vector(people, weights),
        offset=None if offset is None else read_vector(people, "offset", offset),
        clusters=None if cluster is None else read_labels(people, "cluster", cluster),
    )
