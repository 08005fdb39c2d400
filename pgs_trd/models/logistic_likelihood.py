"""The likelihoods of K logistic or Poisson models that share people and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.linalg import cython_blas
from scipy.special import expit

from pgs_trd.models import _logistic
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.newton import Evaluation, solve_each
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers

Family: TypeAlias = Literal["logistic", "poisson"]

FAMILIES: tuple[Family, ...] = ("logistic", "poisson")
EVALUATE, PENALTY, INFLUENCE, START, BEND = range(5)
NOTHING = np.empty(0)
# Beyond a step this long the third derivatives at its start say little about its end.
SHORT_STEP = 0.5
# Python's own matrix product may sit on another, slower BLAS than scipy's.
DGEMM = cython_blas.__pyx_capi__["dgemm"]


@dataclass(frozen=True)
class GlmData:
    """What the models predict.

    Attributes
    ----------
    outcome : (n_people,)
        0 or 1, or a count for Poisson models.
    weights : (n_people,) or None
        Positive; None is 1 for everybody.
    offset : (n_people,) or None
        Added to the linear predictor; None is 0.
    """

    outcome: FloatArray
    weights: FloatArray | None = None
    offset: FloatArray | None = None


class GlmLikelihood:
    """Log likelihood, gradient and information; parameters are the shared, then the own.

    Parameters
    ----------
    design
        The columns.
    data
        The outcome.
    family
        "logistic" or "poisson", with their canonical links. The Poisson likelihood
        is without the factorials of the counts.
    workers
        The threads; any number of them gives the same to the last bit.
    path
        Which set of machine instructions to use, one of `_logistic.paths()`; by
        default the fastest that this machine runs.
    """

    def __init__(
        self,
        design: TermDesign,
        data: GlmData,
        family: Family,
        workers: Workers,
        *,
        path: str | None = None,
    ) -> None:
        self._design = design
        self._data = data
        self._family = FAMILIES.index(family)
        self._workers = workers
        known = _logistic.paths()
        self._path = len(known) - 1 if path is None else known.index(path)
        self._basis = np.ascontiguousarray(design.basis)
        self._own = np.ascontiguousarray(design.own)
        self._pairs = np.triu_indices(design.n_shared)

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models`, which may occur again, at the rows of `beta`."""
        n_models, n_own, n_shared = len(models), self._design.n_own, self._design.n_shared
        n_sums = 1 + n_own + n_own * (n_own + 1) // 2

        def run(start: int, end: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            sums = np.zeros((n_models, n_sums))
            slopes = np.zeros((1 + n_own, n_models, n_shared))
            pairs = np.zeros((n_models, len(self._pairs[0])))
            self._run(EVALUATE, beta, models, (sums, slopes, pairs, NOTHING), start, end)
            return sums, slopes, pairs

        parts = self._workers.map(run, self._design.n_people)
        sums, slopes, pairs = (sum_in_order([part[i] for part in parts]) for i in range(3))
        return self._assemble(sums, slopes, pairs)

    def _assemble(self, sums: FloatArray, slopes: FloatArray, pairs: FloatArray) -> Evaluation:
        """Put likelihoods, gradients and information together from their sums."""
        n_models, n_own, n_shared = len(sums), self._design.n_own, self._design.n_shared
        first, second = self._pairs
        size = n_shared + n_own
        gradient = np.empty((n_models, size))
        information = np.empty((n_models, size, size))
        gradient[:, :n_shared] = slopes[0]
        information[:, first, second] = pairs
        information[:, second, first] = pairs
        place = 1
        for t in range(n_own):
            row = n_shared + t
            gradient[:, row] = sums[:, place]
            information[:, row, row] = sums[:, place + 1]
            information[:, row, :n_shared] = information[:, :n_shared, row] = slopes[1 + t]
            for u in range(t):
                column = n_shared + u
                information[:, row, column] = sums[:, place + 2 + u]
                information[:, column, row] = sums[:, place + 2 + u]
            place += 2 + t
        return Evaluation(sums[:, 0].copy(), gradient, information)

    def approach(self, start: FloatArray, models: IntArray) -> FloatArray:
        """Step from one point of the shared coefficients towards the maximum of each model.

        At such a point all models have the same residuals and variances, so that a
        Newton step costs little; the third derivatives, which cost as little, make the
        step Chebyshev's, whose error is a third power [1]_. A model whose step is long
        stays where it is.

        Parameters
        ----------
        start : (n_shared,)
            The shared coefficients; the own ones are 0.
        models
            Which models.

        Returns
        -------
        beta : (n_models, n_parameters)
            Where to climb from.

        References
        ----------
        .. [1] Traub (1964) Iterative Methods for the Solution of Equations, chapter 5.
        """
        n_models, n_own, n_shared = len(models), self._design.n_own, self._design.n_shared
        n_sums = 1 + n_own + n_own * (n_own + 1) // 2
        start = np.ascontiguousarray(start)
        beta = np.zeros((n_models, n_shared + n_own))
        beta[:, :n_shared] = start

        def run_start(first: int, end: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            sums = np.zeros((n_models, n_sums))
            slopes = np.zeros((1 + n_own, n_models, n_shared))
            pairs = np.zeros((1, len(self._pairs[0])))
            self._run(START, beta, models, (sums, slopes, pairs, NOTHING), first, end)
            return sums, slopes, pairs

        parts = self._workers.map(run_start, self._design.n_people)
        sums, slopes, pairs = (sum_in_order([part[i] for part in parts]) for i in range(3))
        slopes[0] = slopes[0, 0]
        at = self._assemble(sums, slopes, pairs)
        step = solve_each(at.information, at.gradient)

        def run_bend(first: int, end: int) -> FloatArray:
            bent, slope = np.zeros((n_models, n_own)), np.zeros((n_models, n_shared))
            self._run(BEND, beta, models, (bent, slope, NOTHING, step), first, end)
            return np.hstack([slope, bent])

        bend = sum_in_order(self._workers.map(run_bend, self._design.n_people))
        correction = solve_each(at.information, bend)
        length = np.max(np.abs(step), axis=1)
        is_short = length <= SHORT_STEP
        is_small = is_short & (np.max(np.abs(correction), axis=1) <= length / 2)
        beta[is_short] += step[is_short]
        beta[is_small] += correction[is_small]
        return beta

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
        influence : (n_models, n_people)
            Their sums of squares are the robust variances [1]_.

        References
        ----------
        .. [1] White (1982) Econometrica 50:1.
        """
        influence = np.empty((len(models), self._design.n_people))
        extra = np.ascontiguousarray(leverage)

        def run(start: int, end: int) -> None:
            self._run(INFLUENCE, beta, models, (influence, NOTHING, NOTHING, extra), start, end)

        self._workers.map(run, self._design.n_people)
        return influence

    def hat_values(self, beta: FloatArray, models: IntArray, variance: FloatArray) -> FloatArray:
        """Give how far each person's fitted value follows the own outcome [1]_.

        Parameters
        ----------
        beta : (n_models, n_parameters)
            The estimates.
        models
            Which models these are.
        variance : (n_models, n_parameters, n_parameters)
            Inverse information there.

        Returns
        -------
        hat : (n_models, n_people)
            Their sum is the number of parameters.

        References
        ----------
        .. [1] Pregibon (1981) Annals of Statistics 9:705.
        """
        hat = np.empty((len(models), self._design.n_people))

        def run(start: int, end: int) -> None:
            here = slice(start, end)
            for row, model in enumerate(models):
                columns = np.vstack([self._basis[:, here], self._own[:, model, here]])
                linear = beta[row] @ columns
                if self._data.offset is not None:
                    linear += self._data.offset[here]
                if FAMILIES[self._family] == "logistic":
                    spread = expit(linear) * expit(-linear)
                else:
                    spread = np.exp(linear)
                if self._data.weights is not None:
                    spread *= self._data.weights[here]
                hat[row, here] = spread * np.sum(columns * (variance[row] @ columns), axis=0)

        self._workers.map(run, self._design.n_people)
        return hat

    def _run(
        self,
        mode: int,
        beta: FloatArray,
        models: IntArray,
        arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
        start: int,
        end: int,
    ) -> None:
        design, data = self._design, self._data
        _logistic.run(
            DGEMM,
            self._basis,
            self._own,
            np.ascontiguousarray(beta),
            np.ascontiguousarray(models, dtype=np.int64),
            data.outcome,
            NOTHING if data.weights is None else data.weights,
            NOTHING if data.offset is None else data.offset,
            *arrays,
            design.n_shared,
            design.n_own,
            design.n_models,
            design.n_people,
            start,
            end,
            self._family,
            mode,
            self._path,
        )


class FirthLikelihood(GlmLikelihood):
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
        finite = np.isfinite(plain.information).all(axis=(1, 2))
        sign, log_determinant = np.full((2, len(models)), -np.inf)
        sign[finite], log_determinant[finite] = np.linalg.slogdet(plain.information[finite])
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
        n_models, n_own, n_shared = len(models), self._design.n_own, self._design.n_shared
        first, second = self._pairs
        packed = inverse[:, first, second] * np.where(first == second, 1.0, 2.0)
        corner = np.tril_indices(n_own)
        cross = inverse[:, n_shared:, :n_shared].reshape(n_models, -1)
        own = inverse[:, n_shared + corner[0], n_shared + corner[1]]
        extra = np.ascontiguousarray(np.hstack([cross, own]))
        packed = np.ascontiguousarray(packed)

        def run(start: int, end: int) -> FloatArray:
            sums, slopes = np.zeros((n_models, n_own)), np.zeros((n_models, n_shared))
            self._run(PENALTY, beta, models, (sums, slopes, packed, extra), start, end)
            return np.hstack([slopes, sums])

        return sum_in_order(self._workers.map(run, self._design.n_people))


def sum_in_order(parts: list[FloatArray]) -> FloatArray:
    """Add arrays one after the other, so that the sum is the same for any threads."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total
