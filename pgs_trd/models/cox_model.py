"""One fitted Cox model: coefficients, baseline hazard, residuals and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.concordant_pairs import Concordance, concordance
from pgs_trd.models.covariates import encode_covariates
from pgs_trd.models.cox_fitted import (
    Fitted,
    baseline_steps,
    one_a_person,
    rows_a_person,
    score_residuals,
    to_coefficients,
)
from pgs_trd.models.wald import check_confidence


@dataclass(frozen=True)
class CoxModel:
    """A fitted Cox model.

    Attributes
    ----------
    coefficients
        One row a term: `term`, `beta`, `se`, `ci_low`, `ci_high`, `p_value`, `log10_p`.
    covariance
        Of the coefficients, terms by terms.
    tests
        Of all coefficients at once: `test` ("likelihood ratio", "wald", "score"),
        `chi2`, `df`, `p_value`.
    log_likelihood, log_likelihood_null
        Partial; of the fit, and with all coefficients 0. Penalised with Firth.
    n, n_events, iterations
        Complete cases, events among them, and Newton steps.
    status, reason
        As in `STATUSES`. Without "ok" or "firth" all numbers are NaN, and the methods
        raise a UsageError.
    """

    coefficients: pd.DataFrame
    covariance: pd.DataFrame
    tests: pd.DataFrame
    log_likelihood: float
    log_likelihood_null: float
    n: int
    n_events: int
    iterations: int
    status: str
    reason: str
    _fitted: Fitted | None = field(repr=False)

    def baseline_hazard(self) -> pd.DataFrame:
        """Give the cumulative hazard of a person whose columns are all 0.

        Returns
        -------
        hazard
            One row an event time: `stratum` (None without strata), `time`,
            `cumulative_hazard`, with Efron's steps if ties are Efron's.
        """
        fitted = self._settled()
        sets = fitted.problem.risk_sets
        at_mean = np.exp(-fitted.columns.mean(axis=0) @ self._beta)
        parts = [
            baseline_steps(fitted, np.arange(first, end))[0]
            for first, end in zip(sets.stratum_starts[:-1], sets.stratum_starts[1:], strict=True)
        ]
        return pd.DataFrame(
            {
                "stratum": fitted.labels[fitted.stratum_of_day],
                "time": fitted.times,
                "cumulative_hazard": at_mean * np.concatenate(parts),
            }
        )

    def predict_survival(
        self,
        columns: pd.DataFrame,
        days: Sequence[float] | FloatArray,
        *,
        stratum: object = None,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Predict survival of people with given columns.

        Parameters
        ----------
        columns
            One row a person to predict for, with the columns of the fit.
        days
            Times; beyond the last exit of the stratum survival is NaN.
        stratum
            Whose baseline; needed if the model has strata.
        confidence
            Coverage of the intervals, on the log scale of survival, with the
            uncertainty of baseline and coefficients [1]_.

        Returns
        -------
        curves
            Rows person x day: `row` (label of `columns`), `days`, `survival`, `ci_low`,
            `ci_high`.

        References
        ----------
        .. [1] Tsiatis (1981) Annals of Statistics 9:93.
        """
        check_confidence(confidence)
        fitted = self._settled()
        x = _read_new(columns, fitted.inputs.names)
        chosen, last = self._days_of(fitted, stratum)
        steps = baseline_steps(fitted, chosen)
        at = np.asarray(days, dtype=np.float64)
        place = np.searchsorted(fitted.times[chosen], at, "right")
        base, own, pull = (_from_zero(values)[place] for values in steps)
        distance = x - fitted.columns.mean(axis=0)
        relative = np.exp(distance @ self._beta)[:, np.newaxis]
        apart = distance[:, np.newaxis] * base[:, np.newaxis] - pull
        spread = np.einsum("rdi,ij,rdj->rd", apart, self.covariance.to_numpy(), apart)
        hazard = relative * base
        hazard[:, at > last] = np.nan
        width = float(ndtri(0.5 + confidence / 2)) * relative * np.sqrt(own + spread)
        return pd.DataFrame(
            {
                "row": np.repeat(columns.index, len(at)),
                "days": np.tile(at, len(x)),
                "survival": np.exp(-hazard).ravel(),
                "ci_low": np.exp(-hazard - width).ravel(),
                "ci_high": np.minimum(np.exp(-hazard + width), 1.0).ravel(),
            }
        )

    def martingale_residuals(self) -> pd.Series:
        """Give events less the events expected, one a person; NaN for who is out."""
        fitted = self._settled()
        _, expected = fitted.likelihood.hazards(fitted.beta[np.newaxis], np.zeros(1, int))
        expected = expected[:, 0]
        if fitted.problem.weights is not None:
            expected = expected / fitted.problem.weights
        return one_a_person(fitted, fitted.problem.event - expected, "martingale")

    def deviance_residuals(self) -> pd.Series:
        """Give martingale residuals made symmetric, one a person; NaN for who is out."""
        fitted = self._settled()
        martingale = self.martingale_residuals()
        event = pd.Series(fitted.inputs.event, index=martingale.index)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.where(event == 1, np.log(event - martingale), 0.0)
        deviance = np.sign(martingale) * np.sqrt(-2 * (martingale + event * log))
        return pd.Series(deviance, name="deviance")

    def score_residuals(self) -> pd.DataFrame:
        """Give each person's part of the score, times the weight; NaN for who is out."""
        fitted = self._settled()
        scores = score_residuals(fitted.likelihood, fitted.beta) @ fitted.problem.basis.triangle
        return rows_a_person(fitted, scores)

    def dfbeta(self) -> pd.DataFrame:
        """Give how much each person moves each coefficient, to first order."""
        fitted = self._settled()
        scores = score_residuals(fitted.likelihood, fitted.beta)
        return rows_a_person(fitted, to_coefficients(fitted, scores))

    def schoenfeld_residuals(self) -> pd.DataFrame:
        """Give the columns of each event less their mean over the risk set.

        Returns
        -------
        residuals
            One row an event, by stratum and time: `stratum`, `time`, and one column a
            term. The mean is over the day's events one after the other (Efron).
        """
        fitted = self._settled()
        sets = fitted.problem.risk_sets
        means = sets.of_the_day(fitted.likelihood.risk_set_means(fitted.beta[np.newaxis]))
        means /= sets.of_the_day(np.ones((len(sets.deaths), 1)))
        columns = fitted.likelihood.design
        own = np.concatenate([columns.basis.T, columns.own], axis=1)[sets.deaths]
        left = (own - means[sets.death_day]) @ fitted.problem.basis.triangle
        table = pd.DataFrame(left, columns=list(fitted.inputs.names))
        table.insert(0, "time", fitted.times[sets.death_day])
        table.insert(0, "stratum", fitted.labels[fitted.stratum_of_day[sets.death_day]])
        return table

    def concordance(self) -> Concordance:
        """Give how well the linear predictor orders people by time; costs people x events."""
        fitted = self._settled()
        inputs, rows = fitted.inputs, fitted.rows
        return concordance(
            fitted.columns @ self._beta,
            inputs.duration[rows],
            fitted.problem.event,
            entry=None if inputs.entry is None else inputs.entry[rows],
            strata=None if inputs.strata is None else inputs.strata[rows],
            clusters=fitted.problem.clusters,
        )

    def people_columns(self) -> FloatArray:
        """Give a copy of the columns of the people of the fit, (n, n_terms)."""
        return self._settled().columns.copy()

    def standardised_survival(
        self, columns: FloatArray, days: FloatArray, *, stratum: object = None
    ) -> tuple[FloatArray, FloatArray]:
        """Average predicted survival over people, with what makes it uncertain.

        Parameters
        ----------
        columns : (n_rows, n_terms)
            Of the people to average over.
        days : (n_days,)
            Times; beyond the last exit of the stratum survival is NaN.
        stratum
            Whose baseline; needed if the model has strata.

        Returns
        -------
        survival : (n_days,)
            The mean.
        pull : (n_days, n_terms + 1)
            Its derivatives by the coefficients, and, last, by the baseline hazard times
            the standard error of that.
        """
        fitted = self._settled()
        chosen, last = self._days_of(fitted, stratum)
        steps = baseline_steps(fitted, chosen)
        place = np.searchsorted(fitted.times[chosen], days, "right")
        hazard, own, pull = (_from_zero(values)[place] for values in steps)
        mean = fitted.columns.mean(axis=0)
        relative = np.exp((columns - mean) @ self._beta)
        survival = np.exp(-relative[:, np.newaxis] * hazard)
        slope = survival * relative[:, np.newaxis] / len(columns)
        apart = ((columns - mean).T @ slope).T * hazard[:, np.newaxis]
        apart -= slope.sum(axis=0)[:, np.newaxis] * pull
        curve = survival.mean(axis=0)
        curve[days > last] = np.nan
        return curve, np.column_stack([-apart, -slope.sum(axis=0) * np.sqrt(own)])

    @property
    def _beta(self) -> FloatArray:
        return self.coefficients["beta"].to_numpy()

    def _settled(self) -> Fitted:
        if self._fitted is None:
            raise UsageError(f"the model has no estimates: {self.status}, {self.reason}")
        return self._fitted

    @staticmethod
    def _days_of(fitted: Fitted, stratum: object) -> tuple[IntArray, float]:
        """Give the event days of a stratum, and its last exit."""
        duration = fitted.inputs.duration[fitted.rows]
        if fitted.inputs.strata is None:
            return np.arange(fitted.problem.risk_sets.n_days), float(duration.max())
        if stratum not in fitted.labels:
            raise UsageError(
                f"stratum is {stratum!r}: the model has strata, "
                f"{', '.join(repr(label) for label in fitted.labels)}"
            )
        code = int(fitted.labels.tolist().index(stratum))
        within = fitted.inputs.strata[fitted.rows] == code
        return np.flatnonzero(fitted.stratum_of_day == code), float(duration[within].max())


def _read_new(columns: pd.DataFrame, names: tuple[str, ...]) -> FloatArray:
    absent = [name for name in names if name not in columns]
    if absent:
        encoded = encode_covariates(columns)
        absent = [name for name in names if name not in encoded]
        columns = encoded
    if absent:
        raise UsageError(
            f"columns: {len(absent)} of {len(names)} are absent, such as {absent[0]!r}"
        )
    return columns[list(names)].to_numpy(dtype=np.float64)


def _from_zero(steps: FloatArray) -> FloatArray:
    """Put zeros before the first step."""
    return np.concatenate([np.zeros((1, *steps.shape[1:])), steps])
