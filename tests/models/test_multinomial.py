"""Multinomial models against statsmodels, and their special case of two classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.stats import chi2

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_logistic
from pgs_trd.models.multinomial import fit_multinomial

CLASSES = np.array(["no_mdd", "responsive", "trd"])


def simulate(rng, n_people=500):
    """Draw covariates, two scores, and three classes of which the last depends on s0 more."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    scores += 0.5 * covariates[["x0"]].to_numpy()
    s0, x0 = scores["s0"].to_numpy(), covariates["x0"].to_numpy()
    odds = np.column_stack([s0 * 0, -0.3 + 0.2 * s0 - 0.4 * x0, -0.6 + 0.9 * s0])
    chance = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    place = (rng.random((n_people, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return pd.Series(CLASSES[place]), scores, covariates


def peer(outcome, scores, covariates, name):
    """Fit one score with statsmodels to full precision."""
    design = sm.add_constant(pd.concat([covariates, scores[[name]]], axis=1))
    codes = outcome.map({label: place for place, label in enumerate(CLASSES)})
    return sm.MNLogit(codes, design).fit(disp=0, method="newton", tol=1e-14, maxiter=50)


def test_fit_multinomial__agrees_with_statsmodels():
    """Effects, errors and likelihood of every class."""
    outcome, scores, covariates = simulate(np.random.default_rng(1))

    fits = fit_multinomial(outcome, scores, covariates, reference="no_mdd")

    assert fits["class"].tolist() == ["responsive", "trd"] * 2
    assert fits["n_events"].tolist() == [(outcome == c).sum() for c in CLASSES[1:]] * 2
    for name in scores:
        expected = peer(outcome, scores, covariates, name)
        ours = fits[fits["score"] == name]
        assert_allclose(ours["beta"], expected.params.loc[name], rtol=1e-8)
        assert_allclose(ours["se"], expected.bse.loc[name], rtol=1e-8)
        assert_allclose(ours["p_value"], expected.pvalues.loc[name], rtol=1e-6)
        assert_allclose(ours["log_likelihood"], expected.llf, rtol=1e-10)


def test_fit_multinomial__equal_effects_is_the_wald_test_of_statsmodels():
    """Score effects that differ, and score effects that do not."""
    outcome, scores, covariates = simulate(np.random.default_rng(2), n_people=2000)

    fits = fit_multinomial(outcome, scores, covariates, reference="no_mdd")

    for name in scores:
        expected = peer(outcome, scores, covariates, name)
        covariance = np.asarray(expected.cov_params())
        place = list(expected.params.index).index(name)
        places = [place, len(expected.params) + place]
        difference = np.diff(expected.params.loc[name]).item()
        part = covariance[np.ix_(places, places)]
        statistic = difference**2 / (part[0, 0] + part[1, 1] - 2 * part[0, 1])
        ours = fits[fits["score"] == name]
        assert_allclose(ours["equal_effects_chi2"], statistic, rtol=1e-7)
        assert_allclose(ours["equal_effects_p"], chi2.sf(statistic, 1), rtol=1e-6)
    assert fits.loc[0, "equal_effects_p"] < 1e-6
    assert fits.loc[2, "equal_effects_p"] > 0.001


@pytest.mark.parametrize("se", ["model", "HC0", "HC1", "cluster"])
def test_fit_multinomial__of_two_classes_is_logistic(se):
    """With one class beside the reference nothing else may come out, weights and gaps included."""
    rng = np.random.default_rng(3)
    outcome, scores, covariates = simulate(rng)
    two = outcome.where(outcome != "responsive")
    scores = scores.mask(rng.random(scores.shape) < 0.02)
    weights = rng.uniform(0.5, 2, size=500)
    cluster = rng.integers(0, 40, size=500) if se == "cluster" else None

    fits = fit_multinomial(
        two, scores, covariates, reference="no_mdd", se=se, weights=weights, cluster=cluster
    )
    plain = fit_logistic(
        two.map({"no_mdd": 0.0, "trd": 1.0}),
        scores, covariates, se=se, weights=weights, cluster=cluster,
    )  # fmt: skip

    for name in ("beta", "se", "p_value", "log_likelihood"):
        assert_allclose(fits[name], plain[name], rtol=1e-8)
    assert fits["n"].tolist() == plain["n"].tolist()
    assert fits["equal_effects_p"].isna().all()


def test_fit_multinomial__robust_errors_are_the_sandwich_of_all_classes():
    """Bread and meat from statsmodels' own scores, person by person."""
    outcome, scores, covariates = simulate(np.random.default_rng(4))

    fits = fit_multinomial(outcome, scores[["s0"]], covariates, reference="no_mdd", se="HC0")

    expected = peer(outcome, scores, covariates, "s0")
    bread = np.asarray(expected.cov_params())
    pull = expected.model.score_obs(np.asarray(expected.params).ravel(order="F"))
    covariance = bread @ pull.T @ pull @ bread
    place = list(expected.params.index).index("s0")
    places = [place, len(expected.params) + place]
    assert_allclose(fits["se"], np.sqrt(np.diag(covariance)[places]), rtol=1e-7)
    part = covariance[np.ix_(places, places)]
    statistic = np.diff(expected.params.loc["s0"]).item() ** 2 / (
        part[0, 0] + part[1, 1] - 2 * part[0, 1]
    )
    assert_allclose(fits["equal_effects_chi2"], statistic, rtol=1e-6)


def test_fit_multinomial__another_reference_turns_the_effects_round():
    """The contrast of trd with responsive is the difference of theirs with no_mdd."""
    outcome, scores, covariates = simulate(np.random.default_rng(5))

    plain = fit_multinomial(outcome, scores, covariates, reference="no_mdd")
    turned = fit_multinomial(outcome, scores, covariates, reference="responsive")

    beta = plain["beta"].to_numpy().reshape(2, 2)
    assert_allclose(turned["beta"].to_numpy().reshape(2, 2)[:, 0], -beta[:, 0], rtol=1e-8)
    difference = beta[:, 1] - beta[:, 0]
    assert_allclose(turned["beta"].to_numpy().reshape(2, 2)[:, 1], difference, rtol=1e-7)
    assert_allclose(turned["log_likelihood"], plain["log_likelihood"], rtol=1e-10)
    # Equal effects of trd and responsive: the Wald test of their own contrast.
    wald = (turned["beta"] / turned["se"]).to_numpy().reshape(2, 2)[:, 1] ** 2
    assert_allclose(plain["equal_effects_chi2"].to_numpy()[::2], wald, rtol=1e-6)


def test_fit_multinomial__ratio_tests_drop_one_class_effect():
    """Each row's p-value: that class's effect held at 0, all else free."""
    outcome, scores, covariates = simulate(np.random.default_rng(6), n_people=300)

    fits = fit_multinomial(
        outcome, scores[["s0"]], covariates, reference="no_mdd", interval="profile"
    )

    # With no effect in a class, profile ends and ratio test agree about 0.
    for row in fits.itertuples():
        assert (row.p_value < 0.05) == (row.ci_low > 0 or row.ci_high < 0)
        assert row.ci_low < row.beta < row.ci_high
    wald = fit_multinomial(outcome, scores[["s0"]], covariates, reference="no_mdd")
    assert_allclose(fits["ci_low"], wald["ci_low"], atol=0.3 * wald["se"].max())
    assert not np.allclose(fits["ci_low"], wald["ci_low"], rtol=1e-6)


def test_fit_multinomial__what_cannot_be_has_its_status():
    """Separation and an absent class, for that score alone."""
    outcome, scores, covariates = simulate(np.random.default_rng(7))
    scores["apart"] = np.where(outcome == "trd", 5.0, -5.0) + scores["s1"]
    scores["gap"] = scores["s0"].where(outcome != "responsive")

    fits = fit_multinomial(outcome, scores, covariates, reference="no_mdd")

    status = fits.drop_duplicates("score").set_index("score")["status"]
    assert status.to_dict() == {
        "s0": "ok", "s1": "ok", "apart": "separation", "gap": "no_events",
    }  # fmt: skip
    failed = fits[fits["status"] != "ok"]
    assert failed[["beta", "se", "p_value", "equal_effects_p"]].isna().all(axis=None)
    assert "'responsive'" in failed.set_index("score").loc["gap", "reason"].iloc[0]


def test_fit_multinomial__an_unknown_reference_is_named():
    """A misspelt label must not become a class of nobody."""
    outcome, scores, _ = simulate(np.random.default_rng(8))

    with pytest.raises(UsageError, match=r"reference 'control' is no class.*'no_mdd'"):
        fit_multinomial(outcome, scores, reference="control")
    with pytest.raises(UsageError, match="the outcome has 1 classes"):
        fit_multinomial(outcome.where(outcome == "trd"), scores, reference="trd")
