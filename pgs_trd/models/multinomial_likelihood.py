"""The likelihood of K multinomial logistic models that share people and covariates."""

from __future__ import annotations

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.class_grams import Chunk, cut_into_chunks
from pgs_trd.models.logistic_likelihood import GlmData, sum_in_order
from pgs_trd.models.newton import Evaluation
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers


class MultinomialLikelihood:
    """Log likelihood, gradient and information against a reference class [1]_.

    Parameters are the shared coefficients of the first class that is not the
    reference, those of the second, and so on; then the own coefficients, class by
    class.

    Parameters
    ----------
    design
        The columns.
    data
        The outcome is the place of each person's class; the reference is 0.
    n_classes
        With the reference.
    workers
        The threads.

    References
    ----------
    .. [1] Agresti (2013) Categorical Data Analysis, 3rd edition, section 8.1.
    """

    def __init__(self, design: TermDesign, data: GlmData, n_classes: int, workers: Workers) -> None:
        self._design = design
        self._data = data
        self._others = range(n_classes - 1)
        self._workers = workers

    def evaluate(self, beta: FloatArray, models: IntArray) -> Evaluation:
        """Evaluate `models`, which may occur again, at the rows of `beta`."""
        n_others, size = len(self._others), self._design.n_shared + self._design.n_own

        def run(start: int, end: int) -> tuple[FloatArray, FloatArray, FloatArray]:
            value = np.zeros(len(models))
            slope = np.zeros((len(models), n_others, size))
            curve = np.zeros((len(models), n_others, size, n_others, size))
            for chunk in cut_into_chunks(self._design, models, start, end):
                self._add(chunk, beta, (value, slope, curve))
            return value, slope, curve

        parts = self._workers.map(run, self._design.n_people)
        value, slope, curve = (sum_in_order([part[i] for part in parts]) for i in range(3))
        order = self._order()
        information = curve.reshape(len(models), n_others * size, n_others * size)
        return Evaluation(
            value,
            slope.reshape(len(models), -1)[:, order],
            information[:, order[:, np.newaxis], order],
        )

    def approach(self, start: FloatArray, models: IntArray) -> FloatArray:
        """Give where to climb from: at `start`, with own coefficients of 0."""
        n_own = len(self._others) * self._design.n_own
        return np.hstack([np.tile(start, (len(models), 1)), np.zeros((len(models), n_own))])

    def influence(self, beta: FloatArray, models: IntArray, leverage: FloatArray) -> FloatArray:
        """Give each person's pull on a combination of coefficients, (n_models, n_people)."""
        influence = np.zeros((len(models), self._design.n_people))

        def run(start: int, end: int) -> None:
            for chunk in cut_into_chunks(self._design, models, start, end):
                _, residual, _ = self._fit(chunk, beta)
                for place, pull in enumerate(self._combine(chunk, leverage)):
                    influence[:, chunk.rows] += residual[place] * pull

        self._workers.map(run, self._design.n_people)
        return influence

    def _order(self) -> IntArray:
        """Give where each parameter is when every class has its shared and own ones together."""
        n_shared, size = self._design.n_shared, self._design.n_shared + self._design.n_own
        place = np.arange(len(self._others) * size).reshape(-1, size)
        return np.concatenate([place[:, :n_shared].ravel(), place[:, n_shared:].ravel()])

    def _combine(self, chunk: Chunk, coefficients: FloatArray) -> list[FloatArray]:
        """Give the columns times the coefficients of each class but the reference."""
        n_shared, n_own = self._design.n_shared, self._design.n_own
        border = len(self._others) * n_shared
        return [
            chunk.combine(
                coefficients[:, place * n_shared : (place + 1) * n_shared],
                coefficients[:, border + place * n_own : border + (place + 1) * n_own],
            )
            for place in self._others
        ]

    def _fit(
        self, chunk: Chunk, beta: FloatArray
    ) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
        """Give the log likelihood, and each class's weighted residual and chance."""
        predictor = self._combine(chunk, beta)
        outcome = self._data.outcome[chunk.rows]
        top = np.maximum(0.0, np.max(predictor, axis=0))
        powers = [np.exp(one - top) for one in predictor]
        total = np.exp(-top) + sum(powers)
        chance = [power / total for power in powers]
        value = -(np.log(total) + top)
        residual = []
        for place, one in enumerate(predictor):
            is_class = (outcome == place + 1).astype(np.float64)
            value += is_class * one
            residual.append(is_class - chance[place])
        weights = self._data.weights
        if weights is not None:
            value *= weights[chunk.rows]
            residual = [one * weights[chunk.rows] for one in residual]
        return value.sum(axis=1), residual, chance

    def _add(
        self, chunk: Chunk, beta: FloatArray, sums: tuple[FloatArray, FloatArray, FloatArray]
    ) -> None:
        value, slope, curve = sums
        part, residual, chance = self._fit(chunk, beta)
        value += part
        pairs = chunk.pairs()
        weights = self._data.weights
        for place in self._others:
            slope[:, place] += np.hstack(chunk.slopes(residual[place]))
            for other in range(place + 1):
                weight = -chance[place] * chance[other]
                if other == place:
                    weight += chance[place]
                if weights is not None:
                    weight *= weights[chunk.rows]
                gram = chunk.gram(weight, pairs)
                curve[:, place, :, other] += gram
                if other != place:
                    curve[:, other, :, place] += gram
