"""Likelihood ratio tests, profile intervals and Firth's rescue against R and by definition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import chi2, norm

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_logistic

FIRTH = [
    ("firth_sex2", "sex2_all", "case"),
    ("firth_endometrial", "endometrial", "HG"),
    ("firth_complete_separation", "complete_sep", "y"),
]
R_PROFILES = Path(__file__).parents[1] / "oracles" / "models" / "profile.json"
BIRTHWT = ["birthwt_main", "birthwt_smoke_x_age"]


def simulate(rng, n_people=300, n_scores=2):
    """Draw covariates, scores that correlate with them, and an outcome of both."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, n_scores))).add_prefix("s")
    scores += 0.5 * covariates[["x0"]].to_numpy()
    predictor = -0.5 + 0.4 * scores["s0"] - 0.6 * covariates["x0"]
    outcome = pd.Series((rng.random(n_people) < 1 / (1 + np.exp(-predictor))).astype(float))
    return outcome, scores, covariates


@pytest.mark.parametrize("method", ["firth", "auto"])
@pytest.mark.parametrize(("file", "model_id", "outcome"), FIRTH)
def test_fit_logistic__firth_profiles_agree_with_logistf(
    r_model, fit_each_column, numbers_of, file, model_id, outcome, method
):
    """Penalised profile intervals and ratio tests, also where ML sent the row to Firth."""
    model = r_model(file, model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(
            model.table[outcome], score, rest, method=method, interval="profile"
        ),
        model.columns,
    )

    assert set(fits["status"]) == {"ok" if method == "firth" else "firth"}
    for ours, theirs in [
        ("beta", "coef"),
        ("se", "se_fisher"),
        ("beta", "brglm2_coef"),
        ("beta", "brglm2_ASmean_coef"),
    ]:
        assert_allclose(fits[ours], numbers_of(model.expected, theirs, fits.index), rtol=1e-8)
    for ours, theirs in [
        ("ci_low", "pl_ci_lower"),
        ("ci_high", "pl_ci_upper"),
        ("p_value", "plr_p"),
    ]:
        assert_allclose(fits[ours], numbers_of(model.expected, theirs, fits.index), rtol=1e-6)


@pytest.mark.parametrize(("file", "model_id", "outcome"), FIRTH)
def test_fit_logistic__firth_wald_p_values_follow_from_logistf(
    r_model, fit_each_column, numbers_of, file, model_id, outcome
):
    """With logistf's estimate and the Fisher error the Wald p-value is a formula."""
    model = r_model(file, model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table[outcome], score, rest, method="firth"),
        model.columns,
    )

    beta = numbers_of(model.expected, "coef", fits.index)
    se = numbers_of(model.expected, "se_fisher", fits.index)
    assert_allclose(fits["p_value"], 2 * norm.sf(np.abs(beta / se)), rtol=1e-6)


@pytest.mark.parametrize("model_id", BIRTHWT)
def test_fit_logistic__ratio_tests_agree_with_r_drop1(r_model, fit_each_column, model_id):
    """The likelihood ratio statistic of each column that drop1 can drop alone."""
    model = r_model("birthwt", model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table["low"], score, rest, interval="lr"),
        model.columns,
    )

    expected = {
        name: row["Pr(>Chi)"] for name, row in model.expected["drop1_lrt"].items() if row["Df"] == 1
    }
    names = [name for name in fits.index if name in expected]
    assert len(names) >= 2
    assert_allclose(fits.loc[names, "p_value"], [expected[name] for name in names], rtol=1e-6)


@pytest.mark.parametrize("model_id", BIRTHWT)
def test_fit_logistic__profile_intervals_are_those_of_r(r_model, fit_each_column, model_id):
    """R's confint() interpolates the profile and is off by 4e-4; R by root finding is exact."""
    model = r_model("birthwt", model_id)
    expected = json.loads(R_PROFILES.read_text())[model_id]

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table["low"], score, rest, interval="profile"),
        model.columns,
    )

    for place, (end, theirs) in enumerate({"ci_low": "2.5 %", "ci_high": "97.5 %"}.items()):
        assert_allclose(fits[end], [expected[name][place] for name in fits.index], rtol=1e-6)
        interpolated = [model.expected["profile_ci95"][name][theirs] for name in fits.index]
        assert_allclose(fits[end], interpolated, rtol=1e-3)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(60, 300))
def test_fit_logistic__at_the_ends_the_profile_has_fallen_by_the_quantile(seed, n_people):
    """The definition: held there as an offset, the best rest is worse by chi-square / 2."""
    rng = np.random.default_rng(seed)
    outcome, scores, covariates = simulate(rng, n_people)
    weights = rng.uniform(0.5, 2, size=n_people)

    fit = fit_logistic(
        outcome, scores[["s0"]], covariates, weights=weights, interval="profile", confidence=0.9
    ).iloc[0]

    assert fit["status"] == "ok"
    assert fit["ci_low"] < fit["beta"] < fit["ci_high"]
    for end in ("ci_low", "ci_high"):
        held = sm.GLM(
            outcome,
            sm.add_constant(covariates),
            family=sm.families.Binomial(),
            offset=fit[end] * scores["s0"],
            freq_weights=weights,
        ).fit(tol=1e-14, maxiter=100)
        fall = 2 * (fit["log_likelihood"] - held.llf)
        assert_allclose(fall, chi2.ppf(0.9, 1), rtol=1e-6)


def test_fit_logistic__the_error_of_a_ratio_test_gives_its_p_value_back():
    """An "lr" interval excludes 0 exactly when the ratio test says so."""
    outcome, scores, covariates = simulate(np.random.default_rng(4))

    fits = fit_logistic(outcome, scores, covariates, interval="lr")
    null = sm.Logit(outcome, sm.add_constant(covariates)).fit(disp=0, tol=1e-14)

    statistic = 2 * (fits["log_likelihood"] - null.llf)
    assert_allclose(fits["p_value"], chi2.sf(statistic, 1), rtol=1e-6)
    error = (fits["ci_high"] - fits["ci_low"]) / (2 * norm.ppf(0.975))
    assert_allclose((fits["beta"] / error) ** 2, statistic, rtol=1e-8)
    assert "likelihood ratio" in fits.attrs["conventions"]["p_value"]


def test_fit_logistic__one_profile_does_not_touch_another():
    """Both ends of all scores are climbed together; alone they must be the same."""
    outcome, scores, covariates = simulate(np.random.default_rng(5), n_scores=7)

    together = fit_logistic(outcome, scores, covariates, interval="profile")
    alone = pd.concat(
        [fit_logistic(outcome, scores[[n]], covariates, interval="profile") for n in scores],
        ignore_index=True,
    )

    assert_allclose(together["ci_low"], alone["ci_low"], rtol=1e-7)
    assert_allclose(together["ci_high"], alone["ci_high"], rtol=1e-7)


def test_fit_logistic__auto_is_firth_where_ml_is_infinite_and_ml_elsewhere():
    """The reader sees which: the status says firth, and the numbers are that method's."""
    outcome, scores, covariates = simulate(np.random.default_rng(6), n_scores=3)
    scores["s1"] = np.where(outcome == 1, 5.0, -5.0) + scores["s1"]

    auto = fit_logistic(outcome, scores, covariates)
    ml = fit_logistic(outcome, scores, covariates, method="ml")
    firth = fit_logistic(outcome, scores, covariates, method="firth")

    assert auto["status"].tolist() == ["ok", "firth", "ok"]
    assert auto.loc[1, "reason"].startswith("separated")
    for place, expected in [(0, ml), (1, firth), (2, ml)]:
        for name in ("beta", "se", "log_likelihood", "p_value"):
            assert_allclose(auto.loc[place, name], expected.loc[place, name], rtol=1e-8)


def test_fit_logistic__a_covariate_that_separates_sends_all_scores_to_firth():
    """Maximum likelihood has no number for any score then."""
    outcome, scores, covariates = simulate(np.random.default_rng(7))
    covariates["rare"] = ((outcome == 1) & (np.arange(300) % 9 == 0)).astype(float)

    auto = fit_logistic(outcome, scores, covariates)
    firth = fit_logistic(outcome, scores, covariates, method="firth")

    assert auto["status"].tolist() == ["firth", "firth"]
    assert_allclose(auto["beta"], firth["beta"], rtol=1e-8)
    assert_allclose(auto["se"], firth["se"], rtol=1e-8)


def test_fit_logistic__robust_errors_are_not_mixed_with_firth():
    """An estimate of one method with the error of another would be a wrong number."""
    outcome, scores, covariates = simulate(np.random.default_rng(8))
    scores["s1"] = np.where(outcome == 1, 5.0, -5.0)

    fits = fit_logistic(outcome, scores, covariates, se="HC0")

    assert fits["status"].tolist() == ["ok", "separation"]
    assert np.isnan(fits.loc[1, "beta"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "exact"}, "interval is 'exact'"),
        ({"interval": "profile", "se": "HC0"}, "no robust form"),
        ({"interaction": "sex"}, "interaction 'sex' is no covariate"),
        ({"interaction": "site"}, "interaction names 19 columns: at most 15"),
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_fit_logistic__options_that_cannot_be_are_refused_by_name(options, message):
    """Each message names the option and its value."""
    outcome, scores, covariates = simulate(np.random.default_rng(9))
    covariates["site"] = [f"site {place % 20:02}" for place in range(300)]

    with pytest.raises(UsageError, match=message):
        fit_logistic(outcome, scores, covariates, **options)
