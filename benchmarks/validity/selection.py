"""Index-event bias: what each answer to it leaves, over repeated studies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pgs_trd import models
from pgs_trd.simulate import Planted, draw_classes, draw_people

N_PEOPLE = 8000
# Log odds of resistance per standard deviation, with the shared cause held fixed.
TRUTHS = {"mdd": 0.0, "insomnia": 0.0}


def one_study(rng: np.random.Generator) -> pd.DataFrame:
    """Estimate the effects of a score that causes MDD and of one that does nothing.

    A shared cause of log odds 1.5 acts on MDD (25 % of people) and on resistance (30 % of
    those); the score of MDD acts on MDD with log odds 0.6. Neither acts on resistance.
    """
    people = draw_people(N_PEOPLE, rng)
    scores = pd.DataFrame(rng.standard_normal((N_PEOPLE, 2)), columns=list(TRUTHS))
    classes = draw_classes(
        people,
        scores,
        planted=Planted(trd={}, mdd={"mdd": 0.6}),
        mdd_prevalence=0.25,
        trd_share=0.3,
        shared_cause=1.5,
        rng=rng,
    )
    covariates = people[["sex", "birth_year"]]
    is_mdd = classes["is_mdd"].to_numpy()
    is_trd = classes["is_resistant"].to_numpy()
    outcome = np.where(is_mdd, is_trd.astype(float), np.nan)
    cause = classes["shared_cause"]
    known = covariates.join(scores)
    phenotype = np.where(is_trd, "trd", np.where(is_mdd, "responsive", "no_mdd"))
    shared = models.fit_against_shared_controls(phenotype, scores, covariates)
    adjusted = models.fit_adjusted_for_score(
        outcome, scores.assign(cause=cause), covariates, adjust_for="cause"
    )
    fits: Mapping[str, pd.DataFrame] = {
        "people with MDD only": models.fit_logistic(outcome, scores, covariates),
        "difference against shared controls": shared[shared["contrast"] == "difference"],
        "weighted, cause not measured": models.fit_weighted_for_selection(
            outcome, scores, covariates, selected=is_mdd, predictors=known
        ),
        "weighted, cause measured": models.fit_weighted_for_selection(
            outcome, scores, covariates, selected=is_mdd, predictors=known.assign(cause=cause)
        ),
        "cause held fixed": adjusted[
            (adjusted["approach"] == "adjusted") & (adjusted["score"] != "cause")
        ],
    }
    return pd.concat([table.assign(answer=name) for name, table in fits.items()])


def compare(rng: np.random.Generator, n_replicates: int) -> pd.DataFrame:
    """Tabulate bias and coverage of each answer, for both scores."""
    fits = pd.concat([one_study(rng) for _ in range(n_replicates)])
    rows = []
    for (answer, score), some in fits.groupby(["answer", "score"], sort=False):
        truth = TRUTHS[score]
        covered = (some["ci_low"] <= truth) & (some["ci_high"] >= truth)
        rows.append(
            {
                "answer": answer,
                "score": score,
                "n": len(some),
                "bias": some["beta"].mean() - truth,
                "bias_error": some["beta"].std() / np.sqrt(len(some)),
                "sd": some["beta"].std(),
                "mean_se": some["se"].mean(),
                "coverage": covered.mean(),
            }
        )
    return pd.DataFrame(rows)
