"""Scores times covariates: each term against R and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.stats import chi2

from pgs_trd.models import fit_logistic


def simulate(rng, n_people=500):
    """Draw a sex, an age in years, two scores, and an outcome with a sex difference."""
    covariates = pd.DataFrame(
        {"sex": rng.choice(["female", "male"], size=n_people), "age": rng.normal(50, 9, n_people)}
    )
    male = (covariates["sex"] == "male").to_numpy(dtype=float)
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    predictor = -0.3 + (0.2 + 0.5 * male) * scores["s0"] + 0.4 * male
    outcome = pd.Series((rng.random(n_people) < 1 / (1 + np.exp(-predictor))).astype(float))
    return outcome, scores, covariates


def plain_design(scores, covariates, name):
    """Write the columns of score x sex + score x age out."""
    male = (covariates["sex"] == "male").astype(float)
    return sm.add_constant(
        pd.DataFrame(
            {
                "sex_male": male,
                "age": covariates["age"],
                name: scores[name],
                f"{name}:sex_male": scores[name] * male,
                f"{name}:age": scores[name] * covariates["age"],
            }
        )
    )


@pytest.mark.parametrize(("se", "key"), [("model", "se"), ("HC0", "se_HC0"), ("HC1", "se_HC1")])
def test_fit_logistic__interaction_agrees_with_r(r_model, se, key):
    """R's age * smoke + lwt, written as a score with an interaction, either way round."""
    model = r_model("birthwt", "birthwt_smoke_x_age")
    expected, columns = model.expected, model.columns

    for score, other in [("age", "smoke"), ("smoke", "age")]:
        fits = fit_logistic(
            model.table["low"], columns[[score]], columns[[other, "lwt"]], interaction=other, se=se
        )

        assert fits["term"].tolist() == [score, f"{score}:{other}"]
        names = [score, "age:smoke"]
        assert_allclose(fits["beta"], [expected["coef"][name] for name in names], rtol=1e-8)
        assert_allclose(fits["se"], [expected[key][name] for name in names], rtol=1e-8)
        assert_allclose(fits["log_likelihood"], expected["loglik"], rtol=1e-10)


@pytest.mark.parametrize("se", ["nonrobust", "HC0"])
def test_fit_logistic__several_interactions_agree_with_statsmodels(se):
    """Sex as text and age in years: every term of every score."""
    outcome, scores, covariates = simulate(np.random.default_rng(1))

    fits = fit_logistic(
        outcome,
        scores,
        covariates,
        interaction=["sex", "age"],
        se="model" if se == "nonrobust" else se,
    )

    assert fits["term"].tolist() == [
        "s0", "s0:sex_male", "s0:age", "s1", "s1:sex_male", "s1:age",
    ]  # fmt: skip
    for name in scores:
        design = plain_design(scores, covariates, name)
        expected = sm.Logit(outcome, design).fit(disp=0, tol=1e-14, maxiter=60, cov_type=se)
        ours = fits[fits["score"] == name].set_index("term")
        assert_allclose(ours["beta"], expected.params[ours.index], rtol=1e-7)
        assert_allclose(ours["se"], expected.bse[ours.index], rtol=1e-7)
        assert_allclose(ours["log_likelihood"], expected.llf, rtol=1e-10)


def test_fit_logistic__ratio_test_of_an_interaction_drops_that_term_alone():
    """Two fits of statsmodels with and without one term."""
    outcome, scores, covariates = simulate(np.random.default_rng(2))

    fits = fit_logistic(
        outcome, scores[["s0"]], covariates, interaction=["sex", "age"], interval="profile"
    )

    design = plain_design(scores, covariates, "s0")
    full = sm.Logit(outcome, design).fit(disp=0, tol=1e-14)
    for row in fits.itertuples():
        less = sm.Logit(outcome, design.drop(columns=row.term)).fit(disp=0, tol=1e-14)
        assert_allclose(row.p_value, chi2.sf(2 * (full.llf - less.llf), 1), rtol=1e-6)
        assert row.ci_low < row.beta < row.ci_high
        assert (row.ci_low > 0 or row.ci_high < 0) == (row.p_value < 0.05)


def test_fit_logistic__firth_takes_interactions_too():
    """The penalty is that of the whole information: as if the product were a covariate."""
    outcome, scores, covariates = simulate(np.random.default_rng(3), n_people=60)
    male = (covariates["sex"] == "male").astype(float)

    fits = fit_logistic(outcome, scores[["s0"]], covariates, interaction="sex", method="firth")
    as_score = fit_logistic(
        outcome,
        (scores["s0"] * male).rename("product"),
        covariates.assign(s0=scores["s0"]),
        method="firth",
    )

    assert_allclose(fits.loc[1, "beta"], as_score.loc[0, "beta"], rtol=1e-8)
    assert_allclose(fits.loc[1, "se"], as_score.loc[0, "se"], rtol=1e-8)
    assert_allclose(fits["log_likelihood"], as_score.loc[0, "log_likelihood"], rtol=1e-9)


def test_fit_logistic__an_interaction_that_is_the_score_is_collinear():
    """A score that is 0 in all women is its own product with being a man."""
    outcome, scores, covariates = simulate(np.random.default_rng(4))
    scores["s1"] *= covariates["sex"] == "male"

    fits = fit_logistic(outcome, scores, covariates, interaction="sex")

    assert fits["status"].tolist() == ["ok", "ok", "collinear", "collinear"]
    assert "interaction" in fits.loc[2, "reason"]
    assert fits.loc[2:, ["beta", "se", "p_value"]].isna().all(axis=None)
