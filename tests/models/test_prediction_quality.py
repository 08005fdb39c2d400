"""The table of prediction quality against its parts, R, and simulations of no effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from pgs_trd.models import auc, calibrate, predict_cases, prediction_quality
from pgs_trd.models.predictions import assign_folds


def draw(seed, n=500):
    """Draw an outcome, one score that matters and one that does not, and two covariates."""
    rng = np.random.default_rng(seed)
    scores = pd.DataFrame(rng.normal(size=(n, 2)), columns=["mdd", "noise"])
    covariates = pd.DataFrame(rng.normal(size=(n, 2)), columns=["age", "pc1"])
    rate = -1 + scores["mdd"] + 0.5 * covariates["age"]
    return pd.Series(rng.random(n) < 1 / (1 + np.exp(-rate))), scores, covariates


def test_prediction_quality__agrees_with_r(r_model):
    """Area, Brier's score and Nagelkerke's R2 of the birth weight model."""
    model = r_model("birthwt", "birthwt_main")
    columns = model.columns

    row = prediction_quality(
        model.table["low"].to_numpy(), columns[["age"]].to_numpy(),
        columns.drop(columns="age").to_numpy(),
    ).iloc[0]  # fmt: skip

    expected = model.expected
    assert_allclose(row["auc"], expected["auc"], rtol=1e-12)
    assert_allclose(row["brier"], expected["brier"], rtol=1e-8)
    assert_allclose(row["r2_nagelkerke_full"], expected["pseudo_r2"]["nagelkerke"], rtol=1e-8)


@pytest.mark.parametrize("folds", [0, 4])
def test_prediction_quality__is_made_of_predicted_cases(folds):
    """The same numbers from `predict_cases`, `auc` and `calibrate`, with the same folds."""
    outcome, scores, covariates = draw(1)
    options = {"folds": folds, "rng": np.random.default_rng(7)}

    rows = prediction_quality(outcome, scores, covariates, **options).set_index("score")

    options["rng"] = np.random.default_rng(7)
    full = predict_cases(outcome, scores, covariates, **options)
    areas = auc(outcome, logit(full)).set_index("predictor")
    for ours, theirs in (("auc", "auc"), ("auc_se", "se"), ("auc_ci_low", "ci_low")):
        assert_allclose(rows[ours], areas[theirs], rtol=1e-9)
    assert_allclose(rows["gain"], rows["auc"] - rows["auc_covariates"], rtol=1e-10)
    assert_allclose(rows["auc_score"], [roc_auc_score(outcome, scores[name]) for name in scores])
    line = calibrate(outcome, full).set_index("model")
    assert_allclose(rows[["brier", "brier_scaled"]], line[["brier", "brier_scaled"]], rtol=1e-9)
    if folds:
        numbers = ["intercept", "slope", "slope_ci_low", "intercept_ci_high"]
        assert_allclose(rows[numbers], line[numbers], rtol=1e-7)
    else:
        assert rows[["intercept", "slope", "slope_ci_high"]].isna().all(axis=None)


def test_prediction_quality__held_out_noise_gains_nothing():
    """Thirty covariates of noise look good in the sample, and are worth nothing outside."""
    rng = np.random.default_rng(3)
    outcome, noise = rng.random(300) < 0.3, rng.normal(size=(300, 31))

    inside = prediction_quality(outcome, noise[:, :1], noise[:, 1:]).iloc[0]
    outside = prediction_quality(
        outcome, noise[:, :1], noise[:, 1:], folds=10, rng=np.random.default_rng(1)
    ).iloc[0]

    assert inside["auc"] > 0.65
    assert abs(outside["auc"] - 0.5) < 3 * outside["auc_se"]
    assert inside["r2_nagelkerke_full"] > 0.1
    assert outside["r2_nagelkerke_full"] < 0
    assert outside["slope"] < 0.5


def test_prediction_quality__without_covariates_the_baseline_knows_nothing():
    """Its area is 1/2 with folds too, where shares of cases differ a little."""
    outcome, scores, _ = draw(4, n=203)

    for options in ({}, {"folds": 5, "rng": np.random.default_rng(2)}):
        rows = prediction_quality(outcome, scores, **options)
        assert_allclose(rows["auc_covariates"], 0.5, rtol=1e-12)
        assert_allclose(rows["gain_se"], rows["auc_se"], rtol=1e-9)
        assert_allclose(rows["r2_nagelkerke_covariates"], 0, atol=1e-12)


def test_prediction_quality__area_of_normal_scores_is_the_known_one():
    """Cases one standard deviation higher: Phi(1 / sqrt 2) = 0.760."""
    rng = np.random.default_rng(5)
    outcome = np.repeat([1.0, 0.0], [4000, 8000])

    row = prediction_quality(outcome, rng.normal(size=12_000) + outcome).iloc[0]

    assert abs(row["auc"] - stats.norm.cdf(1 / np.sqrt(2))) < 3 * row["auc_se"]
    assert row["auc_se"] < 0.006
    assert row["log10_p"] < -100


def test_prediction_quality__scores_without_a_model_have_a_status():
    """Their rows keep their place and their counts."""
    outcome, scores, covariates = draw(6, n=150)
    scores.insert(0, "flat", 1.0)
    scores.loc[:4, "noise"] = np.nan

    rows = prediction_quality(outcome, scores, covariates)

    assert rows["score"].tolist() == ["flat", "mdd", "noise"]
    assert rows["status"].tolist() == ["constant_score", "ok", "ok"]
    assert rows["n"].tolist() == [150, 150, 145]
    assert np.isnan(rows.loc[0, "auc"])
    none = prediction_quality(np.zeros(150), scores, covariates)
    assert set(none["status"]) == {"no_events"}
    assert none[["auc", "gain", "p_value", "brier", "slope"]].isna().all(axis=None)


def test_prediction_quality__the_same_generator_gives_the_same_folds():
    """And so the same numbers to the last bit, whatever the threads."""
    outcome, scores, covariates = draw(7)
    one, other = (
        prediction_quality(
            outcome, scores, covariates, folds=3, rng=np.random.default_rng(9), threads=threads
        )
        for threads in (1, 2)
    )

    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert len(np.unique(assign_folds(outcome.to_numpy(float), 3, np.random.default_rng(9)))) == 3


def test_prediction_quality__auc_score_is_that_of_the_score_as_given():
    """Not of what the covariates leave of it: they are correlated here."""
    outcome, scores, covariates = draw(3)
    scores = scores.assign(mdd=scores["mdd"] + 2 * covariates["pc1"])

    row = prediction_quality(outcome, scores.copy(), covariates).iloc[0]

    assert_allclose(row["auc_score"], roc_auc_score(outcome, scores["mdd"]), rtol=1e-12)
