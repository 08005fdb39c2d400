"""The columns that belong to one model alone: a score and its interactions.

Models of a batch share one orthogonal basis of the covariates. What is left of a
score, and of its products with covariates, once the basis is taken out, is scaled to
mean square 1: an exact change, undone by one factor for each column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dgemm

from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.design import RANK_TOLERANCE, CovariateBasis


@dataclass(frozen=True)
class TermDesign:
    """K models on the same people: shared basis columns, and some columns of their own.

    Attributes
    ----------
    basis : (n_shared, n_people)
        Columns that every model has.
    own : (n_own, n_models, n_people)
        First the scores, then their interactions, one after the other.
    """

    basis: FloatArray
    own: FloatArray

    @property
    def n_people(self) -> int:
        """Number of people."""
        return self.own.shape[2]

    @property
    def n_models(self) -> int:
        """Number of models."""
        return self.own.shape[1]

    @property
    def n_shared(self) -> int:
        """Number of basis columns."""
        return self.basis.shape[0]

    @property
    def n_own(self) -> int:
        """Number of columns of one model alone."""
        return self.own.shape[0]


def null_terms(basis: FloatArray) -> TermDesign:
    """Give the design of the one model that has the shared columns only."""
    return TermDesign(basis, np.empty((0, 1, basis.shape[1])))


@dataclass(frozen=True)
class OwnTerms:
    """Scores and interactions made ready for fitting.

    Attributes
    ----------
    columns : (n_own, n_scores, n_people)
        Mean square 1; 0 where there is a fault.
    scale : (n_own, n_scores)
        coefficient of the caller's column = coefficient of ours / scale.
    status, reason
        "ok", or why this score cannot be fitted.
    """

    columns: FloatArray
    scale: FloatArray
    status: list[str]
    reason: list[str]


def product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Give left @ right.T of two matrices by rows, without a copy of either."""
    return np.asarray(dgemm(1.0, right.T, left.T, trans_a=True)).T


def orthogonalise_terms(
    scores: FloatArray, modifiers: FloatArray, basis: CovariateBasis
) -> OwnTerms:
    """Take the basis out of each score and its products with the modifiers.

    Parameters
    ----------
    scores : (n_scores, n_people)
        By rows, complete; taken over and changed.
    modifiers : (n_modifiers, n_people)
        What the scores are multiplied with; without rows there is no interaction.
    basis
        Of the covariates, with an intercept.
    """
    n_scores, n_people = scores.shape
    n_own = 1 + len(modifiers)
    columns = np.empty((n_own, n_scores, n_people)) if n_own > 1 else scores[np.newaxis]
    for place, modifier in enumerate(modifiers):
        np.multiply(scores, modifier, out=columns[1 + place])
    if n_own > 1:
        columns[0] = scores
    scale = np.empty((n_own, n_scores))
    constant, collinear = np.zeros((2, n_own, n_scores), dtype=bool)
    for place in range(n_own):
        scale[place], constant[place], collinear[place] = _take_out(columns[place], basis)
    gram = np.einsum("skn,tkn->kst", columns, columns) / n_people if n_own > 1 else None
    status, reason = ["ok"] * n_scores, [""] * n_scores
    for place in range(n_scores):
        if constant[0, place]:
            status[place] = "constant_score"
            reason[place] = "all people have the same score"
        elif collinear[0, place]:
            status[place] = "collinear"
            reason[place] = "the score is a linear combination of the covariates"
        elif gram is not None and np.linalg.eigvalsh(gram[place])[0] < RANK_TOLERANCE:
            status[place] = "collinear"
            reason[place] = (
                "an interaction is a linear combination of the score, its other interactions "
                "and the covariates"
            )
    return OwnTerms(columns, scale, status, reason)


def _take_out(column: FloatArray, basis: CovariateBasis) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Take the basis out in place; give the scale, and who was constant, and who collinear."""
    square = _mean_square(column)
    share = product(column, basis.columns) / column.shape[1]
    mean = share[:, 0]  # the basis starts with the intercept
    variance = square - mean**2
    if (variance < 0.01 * square).any():  # the mean is most of it, and rounds off the rest
        column -= column.mean(axis=1)[:, np.newaxis]
        variance = _mean_square(column)
        share = product(column, basis.columns) / column.shape[1]
    constant = variance <= (1e-12 * mean) ** 2
    _subtract(column, share, basis.columns)
    left = variance - np.sum(share[:, 1:] ** 2, axis=1)
    if (left < 0.01 * variance).any():  # little is left, and the rounding of what went is in it
        _subtract(column, product(column, basis.columns) / column.shape[1], basis.columns)
        left = _mean_square(column)
    collinear = ~constant & (left <= RANK_TOLERANCE**2 * variance)
    scale = np.where(constant | collinear, 1.0, np.sqrt(np.maximum(left, 0.0)))
    column *= np.where(constant | collinear, 0.0, 1.0 / scale)[:, np.newaxis]
    return scale, constant, collinear


def _mean_square(column: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("kn,kn->k", column, column) / column.shape[1])


def _subtract(column: FloatArray, share: FloatArray, basis: FloatArray) -> None:
    """Subtract share @ basis in place."""
    dgemm(-1.0, basis.T, share.T, beta=1.0, c=column.T, overwrite_c=True)
