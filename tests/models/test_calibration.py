"""Calibration and Brier's score against statsmodels, identities, and simulated miscalibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.stats.proportion import proportion_confint

from pgs_trd.errors import UsageError
from pgs_trd.models import (
    ModelDataError,
    calibrate,
    calibration_bins,
    calibration_curve,
    predict_cases,
)


def draw(seed, n=400, *, shift=0.0, slope=1.0):
    """Draw true logits, outcomes by them, and probabilities that are off by shift and slope."""
    rng = np.random.default_rng(seed)
    truth = -0.8 + rng.normal(size=n)
    outcome = (rng.random(n) < expit(truth)).astype(float)
    return outcome, expit((truth - shift) / slope)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_calibrate__agrees_with_statsmodels(seed):
    """Intercept with the logit as offset, slope with it as predictor."""
    outcome, probability = draw(seed, 60, shift=0.5, slope=0.7)

    row = calibrate(outcome, probability).iloc[0]

    x, ones = logit(probability), np.ones(len(outcome))
    level = sm.GLM(outcome, ones, family=sm.families.Binomial(), offset=x).fit(tol=1e-14)
    assert_allclose(row["intercept"], level.params[0], rtol=1e-6, atol=1e-8)
    assert_allclose(row["intercept_se"], level.bse[0], rtol=1e-6)
    slope = sm.Logit(outcome, np.column_stack([ones, x])).fit(disp=0, tol=1e-12)
    assert_allclose([row["slope"], row["slope_se"]], [slope.params[1], slope.bse[1]], rtol=1e-6)
    assert_allclose(row["n_expected"], probability.sum())


@pytest.mark.parametrize("tiny", [1e-300, 5e-324])
@pytest.mark.parametrize("is_case", [0.0, 1.0])
def test_calibrate__takes_probabilities_as_small_as_numbers_get(tiny, is_case):
    """Their logits are far out and finite: statsmodels fits the same line, in other units."""
    outcome, probability = draw(5, 200)
    outcome[:3], probability[:3] = is_case, tiny

    row = calibrate(outcome, probability).iloc[0]

    design = np.column_stack([np.ones(200), logit(probability) / 100])
    slope = sm.GLM(outcome, design, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=200)
    assert row["status"] == "ok"
    assert_allclose(row["slope"] * 100, slope.params[1], rtol=1e-6)
    assert_allclose(row["slope_se"] * 100, slope.bse[1], rtol=1e-6)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), bins=st.integers(2, 12), digits=st.integers(1, 3))
def test_calibrate__parts_of_briers_score_sum_to_it(seed, bins, digits):
    """Exactly, as the part within bins is one of them; ties share a bin."""
    outcome, probability = draw(seed, 50)
    probability = np.clip(np.round(probability, digits), 0.01, 0.99)

    row = calibrate(outcome, probability, bins=bins).iloc[0]

    assert_allclose(row["brier"], brier_score_loss(outcome, probability), rtol=1e-12)
    total = (
        row["brier_reliability"] - row["brier_resolution"] + row["brier_uncertainty"]
        + row["brier_within_bins"]
    )  # fmt: skip
    assert_allclose(total, row["brier"], rtol=1e-10)
    assert_allclose(row["brier_scaled"], 1 - row["brier"] / row["brier_uncertainty"], rtol=1e-12)


def test_calibrate__briers_parts_are_what_was_worked_out_by_hand():
    """Two groups said 0.2 and 0.8, in which 1 of 4 and 2 of 4 are cases.

    Reliability (0.05^2 + 0.3^2) / 2, resolution 0.125^2, uncertainty 3/8 x 5/8, nothing within.
    """
    outcome, probability = [1, 0, 0, 0, 1, 1, 0, 0], [0.2] * 4 + [0.8] * 4

    row = calibrate(outcome, probability, bins=2).iloc[0]

    parts = [row[f"brier_{name}"] for name in ("reliability", "resolution", "uncertainty")]
    assert_allclose(parts, [(0.0025 + 0.09) / 2, 0.015625, 15 / 64], rtol=1e-12)
    assert row["brier_within_bins"] == pytest.approx(0.0, abs=1e-15)


def test_calibrate__in_the_sample_every_model_looks_calibrated():
    """So these say nothing there; held-out predictions of a crowded model are too extreme."""
    rng = np.random.default_rng(1)
    outcome = (rng.random(200) < 0.4).astype(float)
    noise = pd.DataFrame(rng.normal(size=(200, 25)))
    score, others = noise[[0]], noise.drop(columns=0)

    inside = calibrate(outcome, predict_cases(outcome, score, others)).iloc[0]
    held_out = calibrate(
        outcome, predict_cases(outcome, score, others, folds=5, rng=np.random.default_rng(2))
    ).iloc[0]

    assert_allclose([inside["intercept"], inside["slope"]], [0, 1], atol=1e-6)
    assert inside["brier_scaled"] > 0.05
    assert held_out["slope_ci_high"] < 1
    assert held_out["brier_scaled"] < 0


def test_calibrate__recovers_how_far_probabilities_are_off():
    """Logits that are 0.5 too low and half as steep as they should be."""
    outcome, probability = draw(3, 20_000, shift=0.5, slope=2.0)

    row = calibrate(outcome, probability).iloc[0]

    assert row["slope_ci_low"] < 2.0 < row["slope_ci_high"]
    shifted, only = draw(4, 20_000, shift=0.5)
    row = calibrate(shifted, only).iloc[0]
    assert row["intercept_ci_low"] < 0.5 < row["intercept_ci_high"]


def test_calibrate__an_intercept_far_away_is_found():
    """Probabilities near 0 or 1 for everybody overshoot a plain Newton step."""
    outcome = np.r_[np.ones(30), np.zeros(30)]
    for level in (-30.0, 30.0):
        row = calibrate(outcome, expit(np.linspace(level - 1, level + 1, 60))).iloc[0]
        assert row["intercept"] == pytest.approx(-level, abs=0.5)


def test_calibration_bins__count_people_and_cases():
    """Deciles of 100 people, with the interval of statsmodels; gaps are out."""
    outcome, probability = draw(5, 101)
    outcome[0] = np.nan
    table = calibration_bins(outcome, probability, confidence=0.9)

    order = np.argsort(probability[1:])
    tenths = np.array_split(order, 10)
    assert table["n"].tolist() == [10] * 10
    cases = [int(outcome[1:][rows].sum()) for rows in tenths]
    assert table["n_cases"].tolist() == cases
    assert_allclose(table["mean_probability"], [probability[1:][rows].mean() for rows in tenths])
    low, _ = proportion_confint(np.array(cases), 10, alpha=0.1, method="wilson")
    assert_allclose(table["ci_low"], low)


def test_calibration_curve__is_near_the_truth_and_does_not_depend_on_order():
    """Logits that are 1 too low: the truth at p is expit(logit p + 1)."""
    outcome, probability = draw(6, 4000, shift=1.0)

    curve = calibration_curve(outcome, probability, fraction=0.3)

    truth = expit(logit(curve["probability"]) + 1)
    assert np.max(np.abs(curve["observed"] - truth)) < 0.06  # about 3 errors of 1,200 people
    again = calibration_curve(outcome[::-1], probability[::-1], fraction=0.3)
    assert_allclose(again["observed"], curve["observed"], rtol=1e-9)


def test_calibrate__has_a_row_for_each_column_and_says_what_failed():
    """A constant probability has no slope; nobody with cases has nothing."""
    outcome, probability = draw(7)
    table = pd.DataFrame({"a": probability, "b": 0.3, "c": np.where(outcome, np.nan, probability)})

    rows = calibrate(outcome, table).set_index("model")

    assert rows["status"].to_dict() == {"a": "ok", "b": "constant_score", "c": "no_events"}
    assert np.isnan(rows.loc["b", "slope"])
    assert_allclose(rows.loc["b", "intercept"], logit(outcome.mean()) - logit(0.3), rtol=1e-8)
    assert rows.loc["c", ["intercept", "brier"]].isna().all()


def test_calibrate__refuses_what_is_no_probability():
    """A score or a percentage would give numbers that look like some."""
    with pytest.raises(ModelDataError, match="model 'score_1': 2 of 3 values"):
        calibrate([0, 1, 0], [0.2, 1.0, 40.0])
    with pytest.raises(UsageError, match="bins is 1"):
        calibrate([0, 1], [0.2, 0.3], bins=1)
    with pytest.raises(UsageError, match="fraction is 2"):
        calibration_curve([0, 1], [0.2, 0.3], fraction=2)
    with pytest.raises(ModelDataError, match="no model has probabilities that vary"):
        calibration_curve([0, 1], [0.2, 0.2])


def test_calibrate__says_so_where_nobody_is_complete():
    """Nobody is not the same as nobody with the event."""
    row = calibrate([np.nan, 1.0], np.array([[0.2], [np.nan]])).iloc[0]

    assert row["status"] == "no_complete_cases"


def test_calibration_curve__people_who_share_a_probability_have_their_share_of_cases():
    """Five of six people at 0.1: a local line through one point gave 0."""
    rng = np.random.default_rng(1)
    probability = np.r_[np.full(250, 0.1), rng.uniform(0.1, 0.9, 50)]
    outcome = (rng.random(300) < probability).astype(float)

    curve = calibration_curve(outcome, probability)

    assert_allclose(curve.loc[0, ["probability", "observed"]].tolist(), [0.1, outcome[:250].mean()])
    assert curve["observed"].notna().all()


def test_calibration_curve__is_statsmodels_lowess_at_its_people():
    """Without ties the curve is the smoother's own value, not a line between others."""
    rng = np.random.default_rng(2)
    probability = rng.uniform(0.05, 0.95, 101)
    outcome = (rng.random(101) < probability).astype(float)

    curve = calibration_curve(outcome, probability, points=99)

    smooth = lowess(outcome, probability, frac=2 / 3, it=0)
    assert_allclose(curve["probability"], smooth[1:-1, 0])
    assert_allclose(curve["observed"], smooth[1:-1, 1], rtol=1e-9)
