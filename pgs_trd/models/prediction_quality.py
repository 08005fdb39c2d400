"""How well covariates and one score tell cases from controls: one row a score."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from pgs_trd.models.calibration import calibration_line
from pgs_trd.models.discrimination import compare_areas, gain_columns, place
from pgs_trd.models.explained import nagelkerke_r2
from pgs_trd.models.inputs import Matrix, Vector
from pgs_trd.models.predictions import (
    BatchPredictions,
    PredictionPlan,
    describe_folds,
    predict_batches,
    read_prediction_plan,
)
from pgs_trd.models.wald import check_confidence, wald_columns

# Calibration among the people of the fit is 0 and 1 by construction.
CALIBRATION = ("intercept", "intercept_se", "slope", "slope_se")
COLUMNS = (
    "score", "n", "n_cases", "auc_covariates", "auc", "auc_se", "auc_ci_low", "auc_ci_high",
    "gain", "gain_se", "gain_ci_low", "gain_ci_high", "p_value", "log10_p", "auc_score",
    "r2_nagelkerke_covariates", "r2_nagelkerke_full", "brier_covariates", "brier", "brier_scaled",
    "intercept", "intercept_ci_low", "intercept_ci_high", "slope", "slope_ci_low",
    "slope_ci_high", "status", "reason",
)  # fmt: skip


def prediction_quality(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    folds: int = 0,
    rng: np.random.Generator | None = None,
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Judge logistic models of covariates and one score against the covariates alone.

    In the sample (`folds` 0) areas, R2 and Brier's score are too good, by about the number
    of coefficients over the number of cases, and the test of the gain in area is far too
    cautious, as the covariates are part of the model: whether a score matters is its
    coefficient's p-value. With folds everybody is predicted by a model that has not seen
    them; the errors then still ignore that models of different folds differ, and the test
    stays cautious.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        As `fit_logistic` takes them.
    folds, rng, threads
        As `predict_cases` takes them. Relatives in different folds know of each other:
        leave them out first.
    confidence
        Coverage of the intervals.

    Returns
    -------
    quality
        One row a score: `n`, `n_cases`; areas under the ROC curve of the covariates
        (`auc_covariates`), of covariates and score (`auc`, `auc_se`, `auc_ci_low`,
        `auc_ci_high`), their difference (`gain` and its columns, with `p_value` and
        `log10_p`: DeLong), and of the score by itself (`auc_score`);
        `r2_nagelkerke_covariates` and `r2_nagelkerke_full` (below 0 where held-out
        predictions are worse than the share of cases); `brier_covariates`, `brier`,
        `brier_scaled`; with folds also calibration `intercept` and `slope` with intervals,
        see `calibrate` (in the sample they are 0 and 1 by construction, and left NaN);
        `status`, `reason`.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or folds and the generator do not go together.
    ModelDataError
        If the outcome has values other than 0 and 1, or anything is infinite.
    """
    check_confidence(confidence)
    plan = read_prediction_plan(outcome, scores, covariates, folds=folds, rng=rng, threads=threads)
    rows: dict[int, dict[str, object]] = {}
    for part in predict_batches(plan):
        counts = {"n": len(part.outcome), "n_cases": int(part.outcome.sum())}
        for position, word, text in part.refused:
            rows[position] = counts | {"status": word, "reason": text}
        rows |= _judge(part, plan)
    table = pd.DataFrame([rows[position] for position in range(len(plan.names))])
    table.insert(0, "score", list(plan.names))
    for name in ("auc", "auc_se", "gain", "gain_se", *CALIBRATION):
        table[name] = table[name].astype(np.float64) if name in table else np.nan
    for low_name, value, error in (
        ("auc_ci", "auc", "auc_se"),
        ("intercept_ci", "intercept", "intercept_se"),
        ("slope_ci", "slope", "slope_se"),
    ):
        wald = wald_columns(table[value].to_numpy(), table[error].to_numpy(), confidence=confidence)
        table[f"{low_name}_low"], table[f"{low_name}_high"] = wald["ci_low"], wald["ci_high"]
    for name in ("auc_ci_low", "auc_ci_high"):
        table[name] = table[name].clip(0.0, 1.0)
    for name, values in gain_columns(table, confidence).items():
        table[name] = values
    table = table.reindex(columns=list(COLUMNS))
    table.attrs["conventions"] = {
        "model": "logistic, maximum likelihood",
        "predictions": describe_folds(folds),
        "auc": "DeLong",
        "interval": "Wald",
        "confidence": confidence,
    }
    return table


def _judge(part: BatchPredictions, plan: PredictionPlan) -> dict[int, dict[str, object]]:
    """Give the numbers of the scores of one batch."""
    if not len(part.positions):
        return {}
    outcome, baseline = part.outcome, part.baseline
    of_baseline = place(outcome, baseline)
    shared: dict[str, object] = {
        "r2_nagelkerke_covariates": nagelkerke_r2(outcome, baseline),
        "brier_covariates": float(np.mean((expit(baseline) - outcome) ** 2)),
    }
    rows: dict[int, dict[str, object]] = {}
    for position, logits in zip(part.positions.tolist(), part.full, strict=True):
        areas = compare_areas(outcome, logits, baseline, of_baseline)
        score = plan.inputs.scores.block(position, position + 1)[part.rows, 0]
        brier = float(np.mean((expit(logits) - outcome) ** 2))
        row = shared | {
            "n": areas["n"],
            "n_cases": areas["n_cases"],
            "auc_covariates": areas["auc_base"],
            "auc": areas["auc"],
            "auc_se": areas["se"],
            "gain": areas["gain"],
            "gain_se": areas["gain_se"],
            "auc_score": place(outcome, score).auc,
            "r2_nagelkerke_full": nagelkerke_r2(outcome, logits),
            "brier": brier,
            "brier_scaled": 1 - brier / float(outcome.mean() * (1 - outcome.mean())),
            "status": "ok",
            "reason": "",
        }
        if plan.folds:
            line = calibration_line(outcome, logits)
            row |= {name: line[name] for name in CALIBRATION}
        rows[position] = row
    return rows
