"""Predicted probabilities against statsmodels, in the sample and fold by fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import explained_variation, predict_cases, prediction_quality
from pgs_trd.models.predictions import (
    assign_folds,
    draw_fold_seed,
    predict_batches,
    read_prediction_plan,
)


@pytest.fixture
def people():
    """300 people with two scores and two covariates, one of them text."""
    rng = np.random.default_rng(11)
    index = [f"person {number}" for number in range(300)]
    covariates = pd.DataFrame(
        {"age": rng.normal(50, 9, 300), "sex": rng.choice(["female", "male"], 300)}, index=index
    )
    scores = pd.DataFrame(rng.normal(size=(300, 2)), columns=["mdd", "bmi"], index=index)
    logit = -1 + scores["mdd"] + 0.03 * (covariates["age"] - 50)
    outcome = pd.Series(rng.random(300) < 1 / (1 + np.exp(-logit)), index=index).astype(float)
    return outcome, scores, covariates


def design_of(scores, covariates, name):
    """Give the columns of a model for statsmodels."""
    table = pd.DataFrame({"age": covariates["age"], "male": covariates["sex"] == "male"})
    return sm.add_constant(table.assign(score=scores[name]).astype(float))


def test_predict_cases__agrees_with_statsmodels(people):
    """One model a score, everybody predicted by the model fitted to all."""
    outcome, scores, covariates = people

    probabilities = predict_cases(outcome, scores, covariates)

    assert probabilities.index.equals(outcome.index)
    for name in scores:
        design = design_of(scores, covariates, name)
        expected = sm.Logit(outcome, design).fit(disp=0, tol=1e-12).predict(design)
        assert_allclose(probabilities[name], expected, rtol=1e-9)


def test_predict_cases__predicts_each_fold_by_a_model_that_has_not_seen_it(people):
    """Five models a score, fitted by statsmodels to the other folds."""
    outcome, scores, covariates = people
    seed = draw_fold_seed(np.random.default_rng(2))
    fold = assign_folds(outcome.to_numpy(), 5, np.random.default_rng(seed))

    probabilities = predict_cases(
        outcome, scores, covariates, folds=5, rng=np.random.default_rng(2)
    )

    design = design_of(scores, covariates, "mdd")
    for number in range(5):
        fit = sm.Logit(outcome[fold != number], design[fold != number]).fit(disp=0, tol=1e-12)
        held_out = probabilities.loc[fold == number, "mdd"]
        assert_allclose(held_out, fit.predict(design[fold == number]), rtol=1e-9)


def test_assign_folds__have_the_same_share_of_cases():
    """A fold without cases could not be judged, and shares that differ pull predictions away."""
    outcome = np.r_[np.ones(23), np.zeros(40)]

    fold = assign_folds(outcome, 4, np.random.default_rng(1))

    assert sorted(np.bincount(fold[outcome == 1])) == [5, 6, 6, 6]
    assert np.bincount(fold[outcome == 0]).tolist() == [10, 10, 10, 10]


def test_predict_cases__people_with_gaps_are_out(people):
    """They are not in the fit and have no prediction; a score's gap is its own."""
    outcome, scores, covariates = people
    outcome = outcome.copy()
    outcome.iloc[:5] = np.nan
    covariates = covariates.copy()
    covariates.iloc[5, 0] = np.nan
    scores = scores.copy()
    scores.iloc[6, 0] = np.nan

    probabilities = predict_cases(outcome, scores, covariates)

    assert probabilities.isna().sum().to_dict() == {"mdd": 7, "bmi": 6}
    kept = probabilities["mdd"].notna()
    alone = predict_cases(outcome[kept], scores.loc[kept, ["mdd"]], covariates[kept])
    assert_allclose(probabilities.loc[kept, "mdd"], alone["mdd"], rtol=1e-9)


def test_predict_batches__scores_without_a_model_have_a_status(people):
    """A score that separates, one that does not vary, and one like a covariate."""
    outcome, scores, covariates = people
    scores = scores.assign(
        oracle=outcome + 0.0, flat=1.0, age=2 * covariates["age"] + 1, absent=np.nan
    )
    plan = read_prediction_plan(outcome, scores, covariates, folds=0, rng=None, threads=1)

    parts = list(predict_batches(plan))

    refused = {
        plan.names[position]: status for part in parts for position, status, _ in part.refused
    }
    assert refused == {
        "oracle": "separation",
        "flat": "constant_score",
        "age": "collinear",
        "absent": "no_complete_cases",
    }
    fitted = [plan.names[position] for part in parts for position in part.positions]
    assert fitted == ["mdd", "bmi"]
    table = predict_cases(outcome, scores, covariates)
    assert table.isna().all().sum() == 4


def test_predict_cases__folds_need_a_generator_and_cases(people):
    """Hidden randomness could not be repeated."""
    outcome, scores, covariates = people
    with pytest.raises(UsageError, match="give rng"):
        predict_cases(outcome, scores, folds=5)
    with pytest.raises(UsageError, match="folds is 1"):
        predict_cases(outcome, scores, folds=1, rng=np.random.default_rng(1))
    few = pd.Series(np.r_[np.ones(4), np.zeros(296)], index=outcome.index)
    plan = read_prediction_plan(
        few, scores, covariates, folds=5, rng=np.random.default_rng(1), threads=1
    )
    assert {status for part in predict_batches(plan) for _, status, _ in part.refused} == {
        "too_few_events"
    }


@pytest.mark.parametrize("judge", [predict_cases, prediction_quality, explained_variation])
def test_judges__leave_the_scores_of_the_caller_alone(people, judge):
    """Scores in columns are read where they lie: the fit must not make residuals of them."""
    outcome, scores, covariates = people
    given = pd.DataFrame(
        np.asfortranarray(scores.to_numpy()), index=scores.index, columns=scores.columns
    )

    judge(outcome, given, covariates)

    pd.testing.assert_frame_equal(given, scores, check_exact=True)


def test_prediction_quality__a_score_alone_has_the_folds_it_has_beside_others(people):
    """Gaps of another score must not change the numbers of this one."""
    outcome, scores, covariates = people
    gappy = scores.assign(mdd=scores["mdd"].mask(np.arange(300) < 3))[["mdd", "bmi"]]

    beside, alone = (
        prediction_quality(
            outcome, given, covariates, folds=4, rng=np.random.default_rng(5)
        ).set_index("score").loc["bmi", "auc"]
        for given in (gappy, scores[["bmi"]])
    )  # fmt: skip

    assert beside == alone
