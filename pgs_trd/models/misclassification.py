"""What estimates would be if the definition of the outcome errs at given rates.

The definition is taken to err alike at every value of score and covariates
(non-differential misclassification). Rates are given as the share of labelled cases
that are cases (PPV) and of labelled controls that are controls (NPV): these survive
sampling by label, and chart reviews estimate them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.design import CovariateBasis, build_basis, orthogonalise_scores
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.inputs import (
    Batch,
    Matrix,
    People,
    Vector,
    batch_scores,
    explain_nobody,
    read_binary,
    read_covariates,
    read_scores,
)
from pgs_trd.models.newton import Evaluation, Maximum, maximise
from pgs_trd.models.results import STANDING, FitRows
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.tables import require_columns

STEP_TOLERANCE = 1e-9
MAX_ITERATIONS = 100
# Beyond so many times where nine tenths of people are, a score is cut off to find a start.
BULK = 3.0


def misclassification_grid(
    estimates: pd.DataFrame,
    *,
    ppv: Sequence[float],
    npv: Sequence[float],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Correct log odds ratios for a definition with each pair of PPV and NPV.

    To first order in the effect, misclassification multiplies a log odds ratio by
    PPV + NPV - 1 [1]_; so the estimate and its error are divided by it, and the
    p-value stays. For odds ratios of polygenic scores, close to 1, the first order is
    near; `fit_misclassified` has no such limit and needs the people.

    Parameters
    ----------
    estimates
        `beta` and `se`, log odds ratios with their errors, and any other columns. Rows
        whose `status`, if there is one, is neither "ok" nor "firth" get no numbers.
    ppv, npv
        Shares in [0, 1]; the grid is every pair.
    confidence
        Coverage of the intervals; the rates count as known.

    Returns
    -------
    grid
        The rows of `estimates` once for each pair, with `ppv`, `npv`, `attenuation`
        (PPV + NPV - 1) and the corrected `beta`, `se`, `ci_low`, `ci_high`,
        `p_value`, `log10_p`.

    Raises
    ------
    UsageError
        If a rate lies outside [0, 1], or PPV + NPV is not above 1: such a label says
        no more than chance.
    DataError
        If a column is missing, or an estimate is text or infinite.

    References
    ----------
    .. [1] Neuhaus (1999) Biometrika 86:843.

    Examples
    --------
    >>> import pandas as pd
    >>> found = pd.DataFrame({"score": ["insomnia"], "beta": [0.08], "se": [0.02]})
    >>> grid = misclassification_grid(found, ppv=[0.8, 1.0], npv=[1.0])
    >>> grid[["ppv", "beta", "se"]].round(3).to_dict("records")
    [{'ppv': 0.8, 'beta': 0.1, 'se': 0.025}, {'ppv': 1.0, 'beta': 0.08, 'se': 0.02}]
    """
    check_confidence(confidence)
    require_columns(estimates, ("beta", "se"), "estimates")
    pairs = _pairs(ppv, npv)
    beta, se = (read_numbers(estimates, name, "estimates") for name in ("beta", "se"))
    if "status" in estimates.columns:
        stands = estimates["status"].isin(STANDING).to_numpy()
        beta, se = np.where(stands, beta, np.nan), np.where(stands, se, np.nan)
    parts = []
    for positive, negative in pairs:
        kept = positive + negative - 1
        corrected = wald_columns(beta / kept, se / kept, confidence=confidence)
        parts.append(estimates.assign(ppv=positive, npv=negative, attenuation=kept, **corrected))
    grid = pd.concat(parts, ignore_index=True)
    grid.attrs["conventions"] = {
        "misclassification": "non-differential, first order (Neuhaus 1999), rates as known",
        "confidence": confidence,
    }
    return grid


def fit_misclassified(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    ppv: Sequence[float],
    npv: Sequence[float],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Fit each score on the true outcome, for each pair of PPV and NPV of its label.

    By maximum likelihood [1]_: a label is 1 with probability (1 - specificity) +
    (sensitivity + specificity - 1) P(case), and P(case) is logistic in score and
    covariates. Sensitivity and specificity are those that give the PPV and NPV at the
    share of labelled cases among the complete cases of the score.

    Parameters
    ----------
    outcome : (n_people,)
        The label: 1 or 0; NaN is out.
    scores, covariates, confidence
        As in `fit_logistic`.
    ppv, npv
        Shares in [0, 1]; the grid is every pair. They count as known.

    Returns
    -------
    fits
        Rows score x pair: `score`, `ppv`, `npv`, `sensitivity`, `specificity`, then
        the columns of `fit_logistic`; `n_events` counts labelled cases. Errors are
        model-based, from the expected information. The status is "separation" or
        "not_converged" where no maximum is found: the score separates the labels, or the
        labels are at odds with the rates. With a very heavy-tailed covariate the likelihood
        can have several peaks, and the search may end so too: transform such a covariate. (With
        a score of heavy tails the search starts again from the slope among the others.)

    Raises
    ------
    UsageError
        If a rate lies outside [0, 1], or PPV + NPV is not above 1; or as `fit_logistic`.
    ModelDataError
        As `fit_logistic`.

    References
    ----------
    .. [1] Magder and Hughes (1997) American Journal of Epidemiology 146:195.
    """
    check_confidence(confidence)
    pairs = _pairs(ppv, npv)
    people = People()
    columns = read_scores(people, scores)
    labels = read_binary(people, "outcome", outcome)
    x, names = read_covariates(people, covariates)
    usable = ~np.isnan(labels) & ~np.isnan(x).any(axis=1)
    rows = [FitRows(columns.names) for _ in pairs]
    rates = np.full((len(pairs), len(columns.names), 2), np.nan)
    for batch in batch_scores(columns, usable):
        basis = build_basis(x[batch.rows], names, intercept=True)
        chosen = labels[batch.rows]
        for place, (positive, negative) in enumerate(pairs):
            fit = _Cell(chosen, basis, positive, negative)
            rates[place, list(batch.positions)] = fit.sensitivity, fit.specificity
            if len(chosen):
                fit.run(rows[place], batch)
            else:
                nobody = explain_nobody(usable, x, names, outcome=labels)
                for position in batch.positions:
                    rows[place].refuse(position, "no_complete_cases", nobody)
    notes: dict[str, str | float] = {
        "model": "logistic, with the label misclassified (Magder and Hughes 1997)",
        "misclassification": "non-differential, rates as known",
        "se": "model",
        "interval": "Wald",
        "missing": "complete cases of each score",
    }
    tables = []
    for place, (positive, negative) in enumerate(pairs):
        table = rows[place].table(confidence=confidence, conventions=notes)
        table.insert(1, "ppv", positive)
        table.insert(2, "npv", negative)
        table.insert(3, "sensitivity", rates[place, :, 0])
        table.insert(4, "specificity", rates[place, :, 1])
        tables.append(table)
    fits = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    fits.attrs["conventions"] = {**notes, "confidence": confidence}
    return fits


def _pairs(ppv: Sequence[float], npv: Sequence[float]) -> list[tuple[float, float]]:
    """Give every pair, checked."""
    for name, rates in (("ppv", ppv), ("npv", npv)):
        wrong = [rate for rate in rates if not 0 <= rate <= 1]
        if wrong or not len(rates):
            raise UsageError(f"{name} is {list(rates)}: give shares from 0 to 1, such as 0.9")
    pairs = [(float(positive), float(negative)) for positive in ppv for negative in npv]
    chance = [pair for pair in pairs if not sum(pair) > 1]
    if chance:
        raise UsageError(
            f"ppv {chance[0][0]:g} and npv {chance[0][1]:g} add up to no more than 1: such a "
            "label says no more than chance, and nothing can be corrected by it"
        )
    return pairs


class _Cell:
    """The fits of one batch of scores at one pair of rates."""

    def __init__(self, labels: FloatArray, basis: CovariateBasis, ppv: float, npv: float) -> None:
        self.labels, self.basis = labels, basis
        share = labels.mean() if len(labels) else np.nan
        self.true_share = ppv * share + (1 - npv) * (1 - share)
        with np.errstate(invalid="ignore", divide="ignore"):
            self.sensitivity = float(np.divide(ppv * share, self.true_share))
            self.specificity = float(np.divide(npv * (1 - share), 1 - self.true_share))

    def run(self, rows: FitRows, batch: Batch) -> None:
        """Fit the scores of the batch and put them in their rows."""
        n_people, n_events = len(self.labels), int(self.labels.sum())
        n_parameters = len(self.basis.columns) + 1
        positions = np.array(batch.positions)
        rows.n[positions], rows.n_events[positions] = n_people, n_events
        fault = None
        if n_events == 0:
            fault = "no_events", f"no cases among {n_people:,} complete cases"
        elif n_events == n_people:
            fault = "no_nonevents", f"no controls among {n_people:,} complete cases"
        elif n_people <= n_parameters:
            fault = "too_few_people", f"{n_people:,} people for {n_parameters} coefficients"
        elif self.basis.fault:
            fault = "collinear", self.basis.fault
        own = None if fault else orthogonalise_scores(batch.values, self.basis)
        for place, position in enumerate(batch.positions):
            if own is None or own.status[place] != "ok":
                why = fault or (own.status[place], own.reason[place])  # type: ignore[union-attr]
                rows.refuse(position, *why)
                continue
            self._fit(rows, position, own.columns[:, place], float(own.scale[place]))

    def _fit(self, rows: FitRows, position: int, column: FloatArray, scale: float) -> None:
        """Fit one score."""
        design = np.vstack([self.basis.columns, column])
        start = np.zeros((1, len(design)))
        start[0, 0] = np.log(self.true_share / (1 - self.true_share))
        with np.errstate(all="ignore"):  # far out numbers overflow; the ending says so
            top = self._climb(design, start)
            if top.ending[0] != "converged":
                again = self._climb(design, self._start_within_bulk(design, start))
                top = again if again.ending[0] == "converged" else top
            variance = np.nan
            if top.ending[0] == "converged":
                variance = float(np.linalg.pinv(top.at_end.information[0])[-1, -1])
        rows.iterations[position] = top.iterations[0]
        if top.ending[0] == "diverging":
            rows.refuse(position, "separation", "the estimate runs out of bounds at these rates")
            return
        if top.ending[0] != "converged" or not 0 < variance < np.inf:
            rows.refuse(position, "not_converged", f"after {top.iterations[0]} scoring steps")
            return
        rows.accept(
            position,
            beta=float(top.beta[0, -1] / scale),
            se=float(np.sqrt(variance) / scale),
            log_likelihood=float(top.at_end.log_likelihood[0]),
        )

    def _climb(self, design: FloatArray, start: FloatArray) -> Maximum:
        return maximise(
            _LabelLikelihood(self.labels, design, self.sensitivity, self.specificity),
            start,
            step_tolerance=STEP_TOLERANCE,
            max_iterations=MAX_ITERATIONS,
        )

    def _start_within_bulk(self, design: FloatArray, start: FloatArray) -> FloatArray:
        """Give the estimates for a score whose tails are cut off.

        By its standard deviation a score with one huge value hardly varies among the others,
        and their slope is too far away to be found.
        """
        column = design[-1]
        middle = np.median(column)
        reach = BULK * np.quantile(np.abs(column - middle), 0.9)
        cut = np.clip(column, middle - reach, middle + reach)
        scale = float(cut.std()) or 1.0
        top = self._climb(np.vstack([design[:-1], cut / scale]), start)
        beta = top.beta.copy()
        beta[0, -1] /= scale
        return beta


@dataclass(frozen=True)
class _LabelLikelihood:
    """The likelihood of labels that err, with its expected information.

    Attributes
    ----------
    labels : (n_people,)
        0 or 1.
    design : (n_parameters, n_people)
        Columns of the model of the true outcome.
    sensitivity, specificity
        Of the label.
    """

    labels: FloatArray
    design: FloatArray
    sensitivity: float
    specificity: float

    def evaluate(self, beta: FloatArray, _models: IntArray) -> Evaluation:
        """Evaluate at the one row of `beta`."""
        linear = beta[0] @ self.design
        # Neither share is 1 less the other where that would round to 0.
        truth, rest = expit(linear), expit(-linear)
        span = self.sensitivity + self.specificity - 1
        slope = span * truth * rest
        chance = 1 - self.specificity + span * truth
        other = 1 - self.sensitivity + span * rest
        pull = np.where(self.labels == 1, slope / chance, -slope / other)
        value = np.where(self.labels == 1, np.log(chance), np.log(other)).sum()
        weight = np.where(slope > 0, slope**2 / (chance * other), 0.0)
        return Evaluation(
            np.array([value]),
            (self.design @ pull)[np.newaxis],
            ((self.design * weight) @ self.design.T)[np.newaxis],
        )
