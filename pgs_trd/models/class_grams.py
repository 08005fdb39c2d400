"""Chunks of people, for likelihoods with several weights a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.terms import TermDesign

CHUNK_PEOPLE = 1024


@dataclass(frozen=True)
class Chunk:
    """Some people of a design, and some of its models.

    Attributes
    ----------
    rows
        Which people.
    basis : (n_shared, n_rows)
        Shared columns.
    own : (n_own, n_models, n_rows)
        Columns of one model alone.
    """

    rows: slice
    basis: FloatArray
    own: FloatArray

    def combine(self, shared: FloatArray, own: FloatArray) -> FloatArray:
        """Give columns times coefficients, (n_models, n_rows).

        `shared` is (n_models, n_shared), `own` (n_models, n_own).
        """
        total: FloatArray = shared @ self.basis
        for place, column in enumerate(self.own):
            total += column * own[:, place, np.newaxis]
        return total

    def slopes(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give the columns' sums with weights (n_models, n_rows): shared, own."""
        return weights @ self.basis.T, np.einsum("kn,tkn->kt", weights, self.own)

    def gram(self, weights: FloatArray, pairs: FloatArray) -> FloatArray:
        """Give weighted cross products, (n_models, n_columns, n_columns).

        `pairs` are the products of each basis column with itself and those after it.
        """
        n_shared, n_own = len(self.basis), len(self.own)
        first, second = np.triu_indices(n_shared)
        gram = np.empty((len(weights), n_shared + n_own, n_shared + n_own))
        gram[:, first, second] = weights @ pairs.T
        gram[:, second, first] = gram[:, first, second]
        for place, column in enumerate(self.own):
            weighted = weights * column
            shared, own = self.slopes(weighted)
            gram[:, n_shared + place, :n_shared] = shared
            gram[:, :n_shared, n_shared + place] = shared
            gram[:, n_shared + place, n_shared:] = own
        return gram

    def pairs(self) -> FloatArray:
        """Give the products of each basis column with itself and those after it."""
        first, second = np.triu_indices(len(self.basis))
        return self.basis[first] * self.basis[second]


def cut_into_chunks(design: TermDesign, models: IntArray, start: int, end: int) -> Iterator[Chunk]:
    """Give the people of [start, end) in chunks that stay in cache."""
    for first in range(start, end, CHUNK_PEOPLE):
        rows = slice(first, min(first + CHUNK_PEOPLE, end))
        yield Chunk(rows, design.basis[:, rows], design.own[:, models, rows])
