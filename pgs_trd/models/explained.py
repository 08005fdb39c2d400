"""How much of a 0/1 outcome a score explains beyond the covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.design import build_basis
from pgs_trd.models.inputs import Matrix, Vector
from pgs_trd.models.predictions import (
    BatchPredictions,
    PredictionPlan,
    predict_batches,
    read_prediction_plan,
)

NUMBERS = (
    "r2_linear", "r2_linear_se", "r2_nagelkerke", "r2_nagelkerke_se",
    "r2_nagelkerke_covariates", "r2_nagelkerke_full",
)  # fmt: skip


def explained_variation(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    threads: int | None = None,
) -> pd.DataFrame:
    """Give R2 of the score beyond the covariates, with its error, for every score.

    All numbers are in-sample: each R2 is too high by about 1 / n for the score, which is
    little beside its error, as weights of scores come from other people.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        As `fit_logistic` takes them.
    threads
        At most so many.

    Returns
    -------
    explained
        One row a score: `score`, `n`, `n_cases`; `r2_linear`, the gain in R2 of the linear
        model of the 0/1 outcome, which the liability scale starts from; `r2_nagelkerke`,
        the gain of the logistic model, `r2_nagelkerke_full` less
        `r2_nagelkerke_covariates` [1]_; `r2_linear_se` and `r2_nagelkerke_se`; `status`,
        `reason`. Errors are of first order (the variance of each person's influence on the
        R2, within cases and within controls, whose numbers count as fixed [2]_), and assume
        no normal errors. They say little where R2 is within about two errors of 0.

    Raises
    ------
    UsageError
        If inputs disagree about the people.
    ModelDataError
        If the outcome has values other than 0 and 1, or anything is infinite.

    References
    ----------
    .. [1] Nagelkerke (1991) Biometrika 78:691.
    .. [2] Efron (1981) Biometrika 68:589.
    """
    plan = read_prediction_plan(outcome, scores, covariates, folds=0, rng=None, threads=threads)
    size = len(plan.names)
    columns: dict[str, FloatArray] = {name: np.full(size, np.nan) for name in NUMBERS}
    n, n_cases = np.zeros((2, size), dtype=np.int64)
    status, reason = ["ok"] * size, [""] * size
    for part in predict_batches(plan):
        places = [*part.positions.tolist(), *(position for position, _, _ in part.refused)]
        n[places], n_cases[places] = len(part.outcome), int(part.outcome.sum())
        for position, word, text in part.refused:
            status[position], reason[position] = word, text
        if not len(part.positions):
            continue
        for name, values in (_nagelkerke(part) | _linear(part, plan)).items():
            columns[name][part.positions] = values
    table = pd.DataFrame({"score": list(plan.names), "n": n, "n_cases": n_cases, **columns})
    table = table.assign(status=status, reason=reason)
    table.attrs["conventions"] = {
        "r2_linear": "R2 of the linear model with the score less that without it",
        "r2_nagelkerke": "R2 of the logistic model with the score less that without it",
        "se": "first-order influence, given the numbers of cases and controls",
        "predictions": "in-sample",
    }
    return table


def person_log_likelihood(outcome: FloatArray, logit: FloatArray) -> FloatArray:
    """Give each person's share of the log likelihood at a linear predictor."""
    return np.asarray(-np.logaddexp(0.0, np.where(outcome == 1, -logit, logit)))


def nagelkerke_r2(outcome: FloatArray, logit: FloatArray) -> float:
    """Give Nagelkerke's R2 of a linear predictor, against the share of cases alone."""
    null, largest = _null_model(outcome)
    mean = float(person_log_likelihood(outcome, logit).mean())
    return float(-np.expm1(-2 * (mean - null)) / largest)


def _null_model(outcome: FloatArray) -> tuple[float, float]:
    """Give the mean log likelihood of the share of cases, and the largest R2 of Cox and Snell."""
    share = float(outcome.mean())
    null = share * np.log(share) + (1 - share) * np.log1p(-share)
    return float(null), float(-np.expm1(2 * null))


def influence_error(outcome: FloatArray, influence: FloatArray) -> float:
    """Give the standard error of a mean of influences, cases and controls apart."""
    variance = 0.0
    for value in (0, 1):
        group = influence[outcome == value]
        variance += float(np.sum((group - group.mean()) ** 2))
    return float(np.sqrt(variance) / len(outcome))


def _nagelkerke(part: BatchPredictions) -> dict[str, FloatArray]:
    """Give R2 of the covariates, of them and each score, the gain and its error."""
    outcome = part.outcome
    null, largest = _null_model(outcome)
    of_covariates = person_log_likelihood(outcome, part.baseline)
    left_by_covariates = np.exp(-2 * (of_covariates.mean() - null))
    full, error = np.empty(len(part.full)), np.empty(len(part.full))
    for row, logit in enumerate(part.full):
        of_both = person_log_likelihood(outcome, logit)
        left_by_both = np.exp(-2 * (of_both.mean() - null))
        influence = left_by_both * of_both - left_by_covariates * of_covariates
        full[row] = (1 - left_by_both) / largest
        error[row] = influence_error(outcome, 2 / largest * influence)
    of_covariates_alone = np.full(len(full), (1 - left_by_covariates) / largest)
    return {
        "r2_nagelkerke_covariates": of_covariates_alone,
        "r2_nagelkerke_full": full,
        "r2_nagelkerke": full - of_covariates_alone,
        "r2_nagelkerke_se": error,
    }


def _linear(part: BatchPredictions, plan: PredictionPlan) -> dict[str, FloatArray]:
    """Give the gain of the linear model; at least squares its influence is that of residuals."""
    outcome, positions = part.outcome, part.positions
    gain, error = np.empty(len(positions)), np.empty(len(positions))
    first, end = int(positions.min()), int(positions.max()) + 1
    scores = plan.inputs.scores.block(first, end)[np.ix_(part.rows, positions - first)]
    # An orthogonal basis, as least squares would drop a covariate in a very small unit.
    basis = build_basis(plan.inputs.covariates[part.rows], plan.inputs.names, intercept=True)
    columns = np.column_stack([outcome, scores - scores.mean(axis=0)])
    residual = columns - basis.columns.T @ (basis.columns @ columns) / len(outcome)
    without = residual[:, 0]
    total = float(np.mean((outcome - outcome.mean()) ** 2))
    for row, left in enumerate(residual[:, 1:].T):
        with_score = without - left * (left @ without) / (left @ left)
        difference = (without**2 - with_score**2) / total
        gain[row], error[row] = difference.mean(), influence_error(outcome, difference)
    return {"r2_linear": gain, "r2_linear_se": error}
