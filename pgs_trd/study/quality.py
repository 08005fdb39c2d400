"""How well scores predict, for the report of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pgs_trd.models import judge_scores
from pgs_trd.report import FurtherTable
from pgs_trd.study.sections import Covariates

FOLDS = 5
SEED = 1
KIND = "linear"


def quality_tables(
    phenotype: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame,
    chosen: Covariates,
    *,
    contrast: str,
    names: Sequence[str],
    splines: Mapping[str, int] | None = None,
) -> tuple[FurtherTable, ...]:
    """Judge some scores in every stratum: areas under the curve, and liability R2.

    Everybody is predicted by a model that has not seen them, in five folds. R2 is of the fit,
    on the liability scale by Lee et al. (2012), at several prevalences of resistance.

    Parameters
    ----------
    phenotype, scores, covariates
        As `models.judge_scores` takes them.
    chosen
        Columns of the models, and the strata.
    contrast
        What is predicted.
    names
        The scores.
    splines
        As the models of the study have them.

    Returns
    -------
    tables
        "prediction" and "liability"; none without scores.
    """
    if not len(names):
        return ()
    judged = judge_scores(
        phenotype,
        scores[list(names)],
        covariates,
        contrasts=(contrast,),
        stratum=chosen.stratum,
        strata=chosen.strata,
        covariate_columns=chosen.columns,
        splines=splines,
        folds=FOLDS,
        seed=SEED,
    )
    prediction = judged["prediction"]
    prediction = prediction.assign(n_controls=prediction["n"] - prediction["n_cases"])
    keys = ["stratum", "contrast", "score"]
    liability = judged["liability"]
    liability = liability[liability["kind"] == KIND].merge(
        prediction[[*keys, "n_cases", "n_controls"]], on=keys, validate="many_to_one"
    )
    liability = liability.assign(prevalence=liability["prevalence"].map("{:g}".format)).rename(
        columns={"ci_low": "r2_low", "ci_high": "r2_high"}
    )
    return (
        FurtherTable(
            name="prediction",
            section="How well scores predict",
            caption=f"Areas under the ROC curve of covariates, and of covariates and score, "
            f"predicted in {FOLDS} folds; slope is that of the calibration, 1 at best.",
            table=prediction,
            text=("score", "contrast", "stratum", "status"),
            numbers=(
                "auc_covariates", "auc", "auc_ci_low", "auc_ci_high", "gain", "gain_ci_low",
                "gain_ci_high", "slope",
            ),
            counts=("n_cases", "n_controls"),
            tells_counts=True,
        ),
        FurtherTable(
            name="liability",
            section="Variance explained",
            caption="R2 of the score, observed and on the liability scale, if the cases are "
            "this share of the people of the contrast.",
            table=liability,
            text=("score", "contrast", "stratum", "prevalence", "status"),
            numbers=("r2_observed", "r2_liability", "r2_low", "r2_high"),
            counts=("n_cases", "n_controls"),
            tells_counts=True,
        ),
    )  # fmt: skip
