"""The design that all scores of a batch share: one orthogonal covariate basis, many scores.

The coefficient of a score, its standard error and the likelihood depend on the
covariates only through the space they span. So the covariates are replaced by an
orthogonal basis of that space, and each score by what the basis leaves of it, scaled
to unit mean square. Both changes are exact: they are undone by one factor per score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dgemm

from pgs_trd.models.arrays import FloatArray

RANK_TOLERANCE = 1e-8
WELL_CONDITIONED = 1e-3


@dataclass(frozen=True)
class CovariateBasis:
    """Orthogonal columns of mean square 1 that span the covariates.

    Attributes
    ----------
    columns : (n_columns, n_people)
        The basis; the first is the intercept if there is one.
    names
        Of the covariates, in their order; without the intercept.
    triangle : (n_covariates, n_covariates)
        Upper triangular; centred covariates = basis.T @ triangle.
    fault
        "" or a sentence that names the covariate that makes the rank deficient.
    """

    columns: FloatArray
    names: tuple[str, ...]
    triangle: FloatArray
    fault: str

    @property
    def log_volume(self) -> float:
        """Logarithm of the determinant that turns the basis into the covariates."""
        return float(np.sum(np.log(np.abs(np.diag(self.triangle)))))

    def describe_direction(self, direction: FloatArray) -> str:
        """Name the covariate that a direction in the basis mostly moves."""
        if not self.names:
            return "the intercept"
        slopes = direction[-len(self.names) :]
        # Columns of the triangle have as length the root mean square of the covariate.
        spread = np.sqrt(np.sum(self.triangle**2, axis=0))
        moved = np.abs(np.linalg.solve(self.triangle, slopes)) * spread
        return f"covariate {self.names[int(np.argmax(moved))]!r}"


def build_basis(
    covariates: FloatArray, names: tuple[str, ...], *, intercept: bool
) -> CovariateBasis:
    """Make an orthogonal basis of the covariates by QR on centred, scaled columns.

    Parameters
    ----------
    covariates : (n_people, n_covariates)
        Complete and finite.
    names
        One name a column.
    intercept
        Whether the basis starts with a column of ones.
    """
    n_people, n_covariates = covariates.shape
    rows = np.array(covariates.T, dtype=np.float64, order="C")
    ones = np.ones((1, n_people)) if intercept else np.empty((0, n_people))
    level = np.maximum(rows.max(axis=1, initial=0.0), -rows.min(axis=1, initial=0.0))
    if n_people:
        rows -= rows.mean(axis=1)[:, np.newaxis]
    norm = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    constant = norm <= 1e-12 * level * np.sqrt(max(n_people, 1))
    if constant.any():
        culprit = names[int(np.argmax(constant))]
        fault = f"covariate {culprit!r} is constant"
        return CovariateBasis(ones, names, np.eye(n_covariates), fault)
    rows /= norm[:, np.newaxis]
    orthonormal, triangle = _factor(rows)
    dependent = np.abs(np.diag(triangle)) < RANK_TOLERANCE
    fault = ""
    if n_covariates > n_people - 1:
        fault = f"{n_covariates} covariates are too many for {n_people:,} people"
    elif dependent.any():
        culprit = names[int(np.argmax(dependent))]
        fault = f"covariate {culprit!r} is a linear combination of the covariates before it"
    root = np.sqrt(max(n_people, 1))
    columns = np.empty((len(ones) + len(orthonormal), n_people))
    columns[: len(ones)] = ones
    np.multiply(orthonormal, root, out=columns[len(ones) :])
    return CovariateBasis(columns, names, triangle * norm / root, fault)


def _factor(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give orthonormal rows, and the upper triangle whose transpose makes `rows` of them.

    Two rounds of Cholesky factors of the cross products are as orthogonal as
    Householder's reflections for columns far from collinear [1]_, and several times
    faster for many people.

    References
    ----------
    .. [1] Yamamoto et al. (2015) Electronic Transactions on Numerical Analysis 44:306.
    """
    total, orthonormal = np.eye(len(rows)), rows
    is_well = 0 < len(rows) < rows.shape[1]
    for _ in range(2 if is_well else 0):
        try:
            gram = dgemm(1.0, orthonormal.T, orthonormal.T, trans_a=True)
            triangle = np.linalg.cholesky(gram).T
        except np.linalg.LinAlgError:
            is_well = False
            break
        if np.min(np.diag(triangle)) < WELL_CONDITIONED:
            is_well = False
            break
        orthonormal = dgemm(1.0, orthonormal.T, np.linalg.inv(triangle)).T
        total = triangle @ total
    if is_well:
        return np.asarray(orthonormal), np.asarray(total)
    columns, triangle = np.linalg.qr(rows.T)
    return columns.T, triangle


@dataclass(frozen=True)
class Design:
    """K models on the same people: shared basis columns and one own column each.

    Attributes
    ----------
    basis : (n_shared, n_people)
        Columns that every model has.
    own : (n_people, n_models)
        The column that belongs to one model alone; its coefficient comes last.
    """

    basis: FloatArray
    own: FloatArray

    @property
    def n_people(self) -> int:
        """Number of people."""
        return self.own.shape[0]

    @property
    def n_models(self) -> int:
        """Number of models."""
        return self.own.shape[1]

    @property
    def n_parameters(self) -> int:
        """Number of coefficients of one model."""
        return self.basis.shape[0] + 1


def null_design(basis: FloatArray) -> Design:
    """Give the design of the one model that has the shared columns only."""
    return Design(basis[:-1], np.ascontiguousarray(basis[-1:].T))


@dataclass(frozen=True)
class OwnColumns:
    """Scores made ready for fitting.

    Attributes
    ----------
    columns : (n_people, n_scores)
        What the basis leaves of each score, mean square 1; 0 where there is a fault.
    scale : (n_scores,)
        coefficient of the score = coefficient of its column / scale.
    status, reason
        "ok", or why this score cannot be fitted.
    """

    columns: FloatArray
    scale: FloatArray
    status: list[str]
    reason: list[str]


def orthogonalise_scores(values: FloatArray, basis: CovariateBasis) -> OwnColumns:
    """Take the basis out of each score and scale what is left to mean square 1."""
    n_people, n_scores = values.shape
    centred = np.ascontiguousarray(values - values.mean(axis=0))
    total = np.sqrt(np.einsum("ij,ij->j", centred, centred) / n_people)
    constant = total <= 1e-12 * np.max(np.abs(values), axis=0)
    _take_out(centred, basis.columns)
    left = np.sqrt(np.einsum("ij,ij->j", centred, centred) / n_people)
    if (left < 0.01 * total).any():  # little is left, and the rounding of what went is in it
        _take_out(centred, basis.columns)
        left = np.sqrt(np.einsum("ij,ij->j", centred, centred) / n_people)
    collinear = ~constant & (left < RANK_TOLERANCE * total)
    status, reason = ["ok"] * n_scores, [""] * n_scores
    for place in range(n_scores):
        if constant[place]:
            status[place] = "constant_score"
            reason[place] = "all people have the same score"
        elif collinear[place]:
            status[place] = "collinear"
            reason[place] = "the score is a linear combination of the covariates"
    left = np.where(constant | collinear, 1.0, left)
    centred *= np.where(constant | collinear, 0.0, 1.0 / left)
    return OwnColumns(centred, left, status, reason)


def _take_out(scores: FloatArray, basis: FloatArray) -> None:
    """Subtract what the basis (n_columns, n_people) makes of scores, in place.

    `scores` (n_people, n_scores) are by rows in memory.
    """
    # Python's own matrix product may sit on another, slower BLAS than scipy's.
    share = dgemm(1.0 / len(scores), scores.T, basis.T)
    dgemm(-1.0, share, basis.T, beta=1.0, c=scores.T, trans_b=True, overwrite_c=True)
