"""The likelihood of K logistic models that share their people and covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import Design, GramSum
from pgs_trd.models.newton import Evaluation


@dataclass(frozen=True)
class LogisticData:
    """What the models predict.

    Attributes
    ----------
    outcome : (n_people,)
        0 or 1.
    weights : (n_people,) or None
        Positive; None is 1 for everybody.
    offset : (n_people,) or None
        Added to the linear predictor; None is 0.
    """

    outcome: FloatArray
    weights: FloatArray | None
    offset: FloatArray | None


@dataclass(frozen=True)
class _Fitted:
    """One chunk of people at one point: (rows, n_models) each."""

    own: FloatArray
    predictor: FloatArray
    softplus: FloatArray
    mean: FloatArray
    variance: FloatArray


class LogisticLikelihood:
    """Log likelihood, gradient and information, chunk by chunk of people."""

    def __init__(self, design: Design, data: LogisticData) -> None:
        self._design = design
        self._data = data

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models` at the rows of `beta`, (len(models), n_parameters)."""
        design = self._design
        gram = GramSum(design.basis.shape[0], len(models))
        value = np.zeros(len(models))
        gradient = np.zeros((len(models), design.n_parameters))
        for rows in design.chunks(len(models)):
            fitted = self._fit_chunk(rows, beta, models)
            outcome = self._data.outcome[rows, np.newaxis]
            terms = outcome * fitted.predictor - fitted.softplus
            value += self._weighted(rows, terms).sum(axis=0)
            residual = self._weighted(rows, outcome - fitted.mean)
            add_gradient(gradient, design.basis[:, rows], fitted.own, residual)
            gram.add(design.basis[:, rows], fitted.own, self._weighted(rows, fitted.variance))
        return Evaluation(value, gradient, gram.total())

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on one linear combination of the coefficients.

        Parameters
        ----------
        beta : (n_models, n_parameters)
            The estimates.
        models
            Which models these are.
        leverage : (n_models, n_parameters)
            The row of the inverse information that belongs to the combination.

        Returns
        -------
        influence : (n_people, n_models)
            Their sums of squares are the robust variances [1]_.

        References
        ----------
        .. [1] White (1982) Econometrica 50:1.
        """
        design = self._design
        influence = np.empty((design.n_people, len(models)))
        for rows in design.chunks(len(models)):
            fitted = self._fit_chunk(rows, beta, models)
            residual = self._weighted(rows, self._data.outcome[rows, np.newaxis] - fitted.mean)
            influence[rows] = residual * combine(design.basis[:, rows], fitted.own, leverage)
        return influence

    def _fit_chunk(self, rows: slice, beta: FloatArray, models: IntArray) -> _Fitted:
        own = self._design.own[rows]
        if len(models) != self._design.n_models:
            own = own[:, models]
        predictor = combine(self._design.basis[:, rows], own, beta)
        if self._data.offset is not None:
            predictor += self._data.offset[rows, np.newaxis]
        small = np.exp(-np.abs(predictor))
        share = 1.0 / (1.0 + small)
        mean = np.where(predictor >= 0, share, small * share)
        softplus = np.maximum(predictor, 0.0) + np.log1p(small)
        return _Fitted(own, predictor, softplus, mean, small * share * share)

    def _weighted(self, rows: slice, values: FloatArray) -> FloatArray:
        weights = self._data.weights
        return values if weights is None else values * weights[rows, np.newaxis]


class FirthLikelihood(LogisticLikelihood):
    """The logistic likelihood times Jeffreys' prior.

    The penalty, half the log determinant of the information, takes the first-order
    bias out of the estimates and keeps them finite under separation [1]_ [2]_.

    References
    ----------
    .. [1] Firth (1993) Biometrika 80:27.
    .. [2] Heinze and Schemper (2002) Statistics in Medicine 21:2409.
    """

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate penalised likelihood and gradient; the information is Fisher's."""
        plain = super().evaluate(beta, models)
        sign, log_determinant = np.linalg.slogdet(plain.information)
        invertible = sign > 0
        penalty = np.where(invertible, 0.5 * log_determinant, -np.inf)
        inverse = np.zeros_like(plain.information)
        inverse[invertible] = np.linalg.inv(plain.information[invertible])
        gradient = plain.gradient + self._penalty_gradient(beta, models, inverse)
        return Evaluation(plain.log_likelihood + penalty, gradient, plain.information)

    def _penalty_gradient(
        self, beta: FloatArray, models: IntArray, inverse: FloatArray
    ) -> FloatArray:
        """Give the sum of x * hat value * (1/2 - mean), one row a model."""
        design = self._design
        gradient = np.zeros((len(models), design.n_parameters))
        first, second = np.triu_indices(design.basis.shape[0])
        twice = np.where(first == second, 1.0, 2.0)
        packed = (inverse[:, first, second] * twice).T
        for rows in design.chunks(len(models)):
            fitted = self._fit_chunk(rows, beta, models)
            basis = design.basis[:, rows]
            form = (basis[first] * basis[second]).T @ packed
            form += fitted.own * (2 * (basis.T @ inverse[:, :-1, -1].T))
            form += fitted.own**2 * inverse[:, -1, -1]
            hat = self._weighted(rows, fitted.variance) * form
            add_gradient(gradient, basis, fitted.own, hat * (0.5 - fitted.mean))
        return gradient


def combine(basis: FloatArray, own: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Give design times coefficients, (rows, n_models)."""
    product: FloatArray = np.matmul(basis.T, coefficients[:, :-1].T)
    product += own * coefficients[:, -1]
    return product


def add_gradient(
    gradient: FloatArray, basis: FloatArray, own: FloatArray, residual: FloatArray
) -> None:
    """Add design transposed times residual, (rows, n_models), to `gradient` in place."""
    gradient[:, :-1] += (basis @ residual).T
    gradient[:, -1] += np.einsum("ij,ij->j", own, residual)
