"""A Cox fit in the coordinates of its design, and what is derived from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_likelihood import CoxLikelihood
from pgs_trd.models.cox_problem import CoxInputs, CoxProblem


@dataclass(frozen=True)
class Fitted:
    """The fit in the coordinates of the design, people sorted by exit."""

    inputs: CoxInputs
    problem: CoxProblem
    likelihood: CoxLikelihood
    rows: IntArray
    beta: FloatArray
    labels: pd.Index
    index: pd.Index

    @property
    def columns(self) -> FloatArray:
        """Give the covariates of the people of the fit."""
        return self.inputs.covariates[self.rows]

    @property
    def times(self) -> FloatArray:
        """Give the time of each event day of the risk sets."""
        sets = self.problem.risk_sets
        times: FloatArray = self.inputs.duration[self.rows][sets.deaths[sets.death_starts]]
        return times

    @property
    def stratum_of_day(self) -> IntArray:
        """Give the code of the stratum of each event day."""
        sets = self.problem.risk_sets
        counts = np.diff(sets.stratum_starts)
        present = (
            np.zeros(1, dtype=np.int64)
            if self.inputs.strata is None
            else np.unique(self.inputs.strata[self.rows])
        )
        return np.repeat(present, counts)


def baseline_steps(fitted: Fitted, days: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the hazard at the mean of the columns after each of `days`, and its uncertainty.

    Returns the hazard (n_days,), its variance with the coefficients known (n_days,), and
    minus its derivative by the coefficients, (n_days, n_terms).
    """
    sets, likelihood = fitted.problem.risk_sets, fitted.likelihood
    increment, _ = likelihood.hazards(fitted.beta[np.newaxis], np.zeros(1, int))
    weight = likelihood.death_weight[:, np.newaxis]
    # An increment is w / S: its variance is w / S^2, that is, increment^2 / w.
    own = np.cumsum(sets.of_the_day(increment**2 / weight)[days, 0])
    # The basis is 0 at the mean of the columns, and so are these means.
    means = likelihood.risk_set_means(fitted.beta[np.newaxis]) @ fitted.problem.basis.triangle
    pull = np.cumsum(sets.of_the_day(increment * means)[days], axis=0)
    return np.cumsum(sets.of_the_day(increment)[days, 0]), own, pull


def score_residuals(likelihood: CoxLikelihood, beta: FloatArray) -> FloatArray:
    """Give score residuals in the coordinates of the design, (n_people, n_parameters)."""
    one = np.zeros(1, dtype=np.int64)
    units = np.eye(len(beta))
    columns = [likelihood.influence(beta[np.newaxis], one, unit[np.newaxis]) for unit in units]
    return np.concatenate(columns, axis=1)


def to_coefficients(fitted: Fitted, scores: FloatArray) -> FloatArray:
    """Give the change of each coefficient that goes with scores in the design."""
    point, one = fitted.beta[np.newaxis], np.zeros(1, dtype=np.int64)
    information = CoxLikelihood.evaluate(fitted.likelihood, point, one).information[0]
    inside = np.linalg.solve(information, scores.T)
    return np.asarray(np.linalg.solve(fitted.problem.basis.triangle, inside).T)


def one_a_person(fitted: Fitted, values: FloatArray, name: str) -> pd.Series:
    """Bring values (n,) to the order of the input, NaN for people who are out."""
    whole = np.full(len(fitted.index), np.nan)
    whole[fitted.rows] = values
    return pd.Series(whole, index=fitted.index, name=name)


def rows_a_person(fitted: Fitted, values: FloatArray) -> pd.DataFrame:
    """Bring rows (n, n_terms) to the order of the input, NaN for people who are out."""
    whole = np.full((len(fitted.index), values.shape[1]), np.nan)
    whole[fitted.rows] = values
    return pd.DataFrame(whole, index=fitted.index, columns=list(fitted.inputs.names))
