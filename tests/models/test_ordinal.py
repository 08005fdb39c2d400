"""Proportional odds models against statsmodels, their special case, and derivatives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from statsmodels.miscmodels.ordinal_model import OrderedModel

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_logistic
from pgs_trd.models.logistic_likelihood import GlmData
from pgs_trd.models.ordinal import fit_ordinal
from pgs_trd.models.ordinal_likelihood import OrdinalLikelihood
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers


def simulate(rng, n_people=500):
    """Draw covariates, two scores, and a number of trials from 1 to 4."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    scores += 0.5 * covariates[["x0"]].to_numpy()
    latent = 0.5 * scores["s0"] - 0.4 * covariates["x0"] + rng.logistic(size=n_people)
    trials = pd.Series(np.digitize(latent, [-0.5, 0.8, 2.0]) + 1.0)
    return trials, scores, covariates


def test_fit_ordinal__agrees_with_statsmodels():
    """Statsmodels differentiates its likelihood numerically: its error is good to 1e-6."""
    outcome, scores, covariates = simulate(np.random.default_rng(1))

    fits = fit_ordinal(outcome, scores, covariates)

    for place, name in enumerate(scores):
        design = pd.concat([covariates, scores[[name]]], axis=1)
        expected = OrderedModel(outcome, design, distr="logit").fit(
            method="newton", disp=0, maxiter=100
        )
        assert_allclose(fits.loc[place, "beta"], expected.params[name], rtol=1e-6)
        assert_allclose(fits.loc[place, "se"], expected.bse[name], rtol=1e-5)
        assert_allclose(fits.loc[place, "log_likelihood"], expected.llf, rtol=1e-9)
    assert (fits["n_events"] == (outcome > 1).sum()).all()


@pytest.mark.parametrize("se", ["model", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("interaction", [None, "x1"])
def test_fit_ordinal__of_two_levels_is_logistic(se, interaction):
    """One threshold is an intercept; nothing else may come out, weights and gaps included."""
    rng = np.random.default_rng(2)
    outcome, scores, covariates = simulate(rng)
    scores = scores.mask(rng.random(scores.shape) < 0.02)
    options = {
        "se": se,
        "interaction": interaction,
        "weights": rng.uniform(0.5, 2, size=500),
        "cluster": rng.integers(0, 40, size=500) if se == "cluster" else None,
    }

    fits = fit_ordinal(outcome.clip(upper=2), scores, covariates, **options)
    plain = fit_logistic((outcome > 1).astype(float), scores, covariates, **options)

    for name in ("beta", "se", "p_value", "log_likelihood"):
        assert_allclose(fits[name], plain[name], rtol=1e-8)
    assert fits["n"].tolist() == plain["n"].tolist()
    assert fits["n_events"].tolist() == plain["n_events"].tolist()


def test_ordinal_likelihood__derivatives_are_those_of_its_value():
    """Central differences in thresholds and slopes, with weights, five levels, two own columns."""
    rng = np.random.default_rng(3)
    outcome = np.sort(rng.integers(0, 5, size=120)).astype(float)
    basis = np.vstack([np.ones(120), rng.normal(size=(2, 120))])
    design = TermDesign(basis, rng.normal(size=(2, 3, 120)))
    data = GlmData(outcome, rng.uniform(0.5, 2, size=120))
    beta = np.hstack([np.tile([-1.5, -0.3, 0.4, 1.2], (2, 1)), rng.normal(size=(2, 4)) * 0.4])
    models, step = np.array([2, 0]), 1e-5

    with Workers(1) as workers:
        likelihood = OrdinalLikelihood(design, data, 5, workers)
        at = likelihood.evaluate(beta, models)
        for place in range(beta.shape[1]):
            moved = np.zeros_like(beta)
            moved[:, place] = step
            above = likelihood.evaluate(beta + moved, models)
            below = likelihood.evaluate(beta - moved, models)
            slope = (above.log_likelihood - below.log_likelihood) / (2 * step)
            curve = (below.gradient - above.gradient) / (2 * step)
            # Differences of numbers near 100 over 2e-5 are good to about 1e-9.
            assert_allclose(at.gradient[:, place], slope, rtol=1e-6, atol=1e-7)
            assert_allclose(at.information[:, place], curve, rtol=1e-6, atol=1e-7)
        one = np.zeros_like(beta)
        for place in range(beta.shape[1]):
            one[:] = 0
            one[:, place] = 1
            pull = likelihood.influence(beta, models, one)
            assert_allclose(pull.sum(axis=1), at.gradient[:, place], rtol=1e-9, atol=1e-10)


def test_fit_ordinal__turning_the_order_round_turns_the_sign():
    """The logistic distribution is symmetric; labels of levels do not matter."""
    outcome, scores, covariates = simulate(np.random.default_rng(4))

    plain = fit_ordinal(outcome, scores, covariates)
    turned = fit_ordinal(-10 * outcome**3, scores, covariates)
    named = fit_ordinal(
        pd.Series(pd.Categorical(outcome.map("{:.0f} trials".format), ordered=True)),
        scores,
        covariates,
    )

    assert_allclose(turned["beta"], -plain["beta"], rtol=1e-8)
    assert_allclose(turned["se"], plain["se"], rtol=1e-8)
    assert_allclose(named["beta"], plain["beta"], rtol=1e-10)


def test_fit_ordinal__profile_and_threads():
    """The ends hold the estimate, agree with the test about 0, and any threads give them."""
    outcome, scores, covariates = simulate(np.random.default_rng(5), n_people=9000)

    one = fit_ordinal(outcome, scores, covariates, interval="profile", threads=1)
    two = fit_ordinal(outcome, scores, covariates, interval="profile", threads=2)

    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert (one["ci_low"] < one["beta"]).all()
    assert (one["beta"] < one["ci_high"]).all()
    excludes = (one["ci_low"] > 0) | (one["ci_high"] < 0)
    assert (excludes == (one["p_value"] < 0.05)).all()


def test_fit_ordinal__what_cannot_be_has_its_status():
    """Separation, one level, and too few people for the rule."""
    outcome, scores, covariates = simulate(np.random.default_rng(6))
    scores["s1"] = outcome * 3.0

    fits = fit_ordinal(outcome, scores, covariates)
    single = fit_ordinal(outcome * 0, scores, covariates)
    few = fit_ordinal(outcome, scores, covariates, min_events_per_parameter=100)

    assert fits["status"].tolist() == ["ok", "separation"]
    assert single["status"].tolist() == ["no_events"] * 2
    assert few["status"].tolist() == ["too_few_events"] * 2
    for table in (fits.iloc[1:], single, few):
        assert table[["beta", "se", "p_value"]].isna().all(axis=None)
        assert (table["reason"] != "").all()


def test_fit_ordinal__outcomes_that_are_no_levels_are_refused():
    """A measurement has as many levels as people, a category without order has no odds."""
    outcome, scores, _ = simulate(np.random.default_rng(7))

    with pytest.raises(UsageError, match="outcome has 500 levels: at most 50"):
        fit_ordinal(outcome + np.arange(500) / 1000, scores)
    with pytest.raises(UsageError, match="categorical without an order"):
        fit_ordinal(pd.Series(pd.Categorical(outcome.astype(str))), scores)


def test_fit_ordinal__finds_a_planted_effect():
    """The interval of a large sample holds the truth, here at 4 standard errors."""
    outcome, scores, covariates = simulate(np.random.default_rng(8), n_people=20_000)

    fits = fit_ordinal(outcome, scores, covariates)

    assert (np.abs(fits["beta"] - [0.5, 0.0]) < 4 * fits["se"]).all()
    assert fits.loc[0, "p_value"] < 1e-50
