"""Poisson models against statsmodels, and risk ratios by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.models import ModelDataError
from pgs_trd.models.poisson import fit_poisson


def simulate(rng, n_people=400):
    """Draw covariates, two scores and counts, with people's time as offset."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    scores += 0.5 * covariates[["x0"]].to_numpy()
    years = pd.Series(rng.uniform(0.5, 4, size=n_people))
    mean = years * np.exp(-1 + 0.3 * scores["s0"] - 0.2 * covariates["x0"])
    return pd.Series(rng.poisson(mean).astype(float)), scores, covariates, np.log(years)


@pytest.mark.parametrize("se", ["model", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("is_binary", [False, True])
def test_fit_poisson__agrees_with_statsmodels(se, is_binary):
    """Counts with an offset, and an outcome of 0 and 1, with every kind of error."""
    rng = np.random.default_rng(1)
    outcome, scores, covariates, offset = simulate(rng)
    if is_binary:
        outcome, offset = outcome.clip(upper=1), offset * 0
    cluster = rng.integers(0, 50, size=len(outcome))
    # HC1 of statsmodels' GLM lacks the factor that makes it so; R's sandwich has it.
    kinds = {"model": "nonrobust", "HC1": "HC0"}
    options = {"groups": cluster, "use_correction": False} if se == "cluster" else None

    fits = fit_poisson(
        outcome,
        scores,
        covariates,
        offset=offset,
        se=se,
        cluster=cluster if se == "cluster" else None,
    )

    n_clusters = len(np.unique(cluster))
    factor = {"cluster": np.sqrt(n_clusters / (n_clusters - 1)), "HC1": np.sqrt(400 / 396)}
    for place, name in enumerate(scores):
        design = sm.add_constant(pd.concat([covariates, scores[[name]]], axis=1))
        model = sm.GLM(outcome, design, family=sm.families.Poisson(), offset=offset)
        expected = model.fit(tol=1e-14, maxiter=100, cov_type=kinds.get(se, se), cov_kwds=options)
        assert_allclose(fits.loc[place, "beta"], expected.params[name], rtol=1e-8)
        assert_allclose(fits.loc[place, "se"], expected.bse[name] * factor.get(se, 1.0), rtol=1e-7)
        assert_allclose(fits.loc[place, "log_likelihood"], expected.llf, rtol=1e-10)
        if se in ("model", "HC0"):
            assert_allclose(fits.loc[place, "p_value"], expected.pvalues[name], rtol=1e-6)
    assert (fits["n_events"] == (outcome > 0).sum()).all()


def test_fit_poisson__hc3_divides_residuals_by_one_less_the_hat_value():
    """With an offset and weights; hat values are statsmodels' own."""
    rng = np.random.default_rng(3)
    outcome, scores, covariates, offset = simulate(rng, 60)
    weights = rng.uniform(0.2, 5.0, size=60)
    design = sm.add_constant(pd.concat([covariates, scores[["s0"]]], axis=1)).to_numpy()
    family = sm.families.Poisson()
    other = sm.GLM(
        outcome.to_numpy(), design, family, offset=offset.to_numpy(), var_weights=weights
    ).fit(tol=1e-14)
    hat = other.get_hat_matrix_diag(observed=False)
    residual = weights * (outcome.to_numpy() - other.fittedvalues) / (1 - hat)

    fits = fit_poisson(
        outcome, scores[["s0"]], covariates, offset=offset, weights=weights, se="HC3"
    )

    pull = design * residual[:, np.newaxis]
    expected = np.sqrt(((pull @ other.normalized_cov_params)[:, -1] ** 2).sum())
    assert_allclose(fits.loc[0, "se"], expected, rtol=1e-7)


def test_fit_poisson__hc3_of_somebody_alone_is_that_without_them():
    """Their hat value is 1 and their residual 0: the ratio was no number, or a huge one."""
    outcome, scores, covariates, _ = simulate(np.random.default_rng(4), 80)
    outcome[7] = 3.0
    alone = (np.arange(80) == 7).astype(float)

    fits = fit_poisson(outcome, scores, covariates.assign(alone=alone), se="HC3")

    others = np.arange(80) != 7
    without = fit_poisson(outcome[others], scores[others], covariates[others], se="HC3")
    assert_allclose(fits[["beta", "se"]], without[["beta", "se"]], rtol=1e-6)


def test_fit_poisson__of_two_groups_is_the_risk_ratio():
    """30 of 100 against 15 of 100: ratio 2, error sqrt(1/30 - 1/100 + 1/15 - 1/100) by hand."""
    exposed = np.repeat([1.0, 0.0], 100)
    outcome = np.concatenate([np.arange(100) < 30, np.arange(100) < 15])

    fit = fit_poisson(outcome, pd.DataFrame({"exposed": exposed})).iloc[0]

    assert_allclose(fit["beta"], np.log(2), rtol=1e-10)
    assert_allclose(fit["se"], np.sqrt(1 / 30 - 1 / 100 + 1 / 15 - 1 / 100), rtol=1e-10)


def test_fit_poisson__a_common_outcome_has_narrower_robust_errors():
    """The variance of 0 and 1 is below Poisson's: that is why robust is the default."""
    outcome, scores, covariates, _ = simulate(np.random.default_rng(2))
    outcome = outcome.clip(upper=1)

    robust = fit_poisson(outcome, scores, covariates)
    model = fit_poisson(outcome, scores, covariates, se="model")

    assert robust.attrs["conventions"]["se"] == "HC0"
    assert (robust["se"] < 0.9 * model["se"]).all()
    assert_allclose(robust["beta"], model["beta"], rtol=1e-12)


def test_fit_poisson__interactions_and_profiles_agree_with_statsmodels():
    """At an end of the interval of score:x0 the rest fits worse by 3.84 / 2."""
    outcome, scores, covariates, offset = simulate(np.random.default_rng(3))

    fits = fit_poisson(
        outcome, scores[["s0"]], covariates,
        offset=offset, interaction="x0", se="model", interval="profile",
    )  # fmt: skip

    product = scores["s0"] * covariates["x0"]
    rest = sm.add_constant(covariates.assign(s0=scores["s0"]))
    row = fits.set_index("term").loc["s0:x0"]
    for end in ("ci_low", "ci_high"):
        held = sm.GLM(
            outcome, rest, family=sm.families.Poisson(), offset=offset + row[end] * product
        ).fit(tol=1e-14)
        assert_allclose(2 * (row["log_likelihood"] - held.llf), 3.841458820694124, rtol=1e-6)


def test_fit_poisson__a_group_without_events_is_separation():
    """Its rate ratio is 0: there is no finite logarithm."""
    outcome, scores, covariates, offset = simulate(np.random.default_rng(4))
    scores["s1"] = (np.arange(400) % 10 == 0).astype(float)
    outcome = outcome.mask(scores["s1"] == 1, 0.0)

    fits = fit_poisson(outcome, scores, covariates, offset=offset)

    assert fits["status"].tolist() == ["ok", "separation"]
    assert fits.loc[1, ["beta", "se", "p_value"]].isna().all()
    assert "nobody has the outcome" in fits.loc[1, "reason"]


@pytest.mark.parametrize(
    ("change", "status"),
    [(lambda y: y * 0, "no_events"), (lambda y: y * 0 + 1, "no_nonevents")],
)
def test_fit_poisson__an_outcome_that_does_not_vary_has_its_status(change, status):
    """No rate differs from another."""
    outcome, scores, covariates, _ = simulate(np.random.default_rng(5))

    fits = fit_poisson(change(outcome), scores, covariates)

    assert fits["status"].tolist() == [status] * 2
    assert fits["beta"].isna().all()


def test_fit_poisson__negative_outcomes_are_counted():
    """-9 is how another program writes missing."""
    outcome, scores, _, _ = simulate(np.random.default_rng(6))

    with pytest.raises(ModelDataError, match="outcome: 7 of 400 values are negative"):
        fit_poisson(outcome.mask(np.arange(400) < 7, -9.0), scores)


def test_fit_poisson__large_counts_and_offsets_do_not_break_the_fit():
    """Means from 1e-6 to 1e6: plain Newton from 0 overflows."""
    rng = np.random.default_rng(7)
    _, scores, covariates, _ = simulate(rng)
    offset = pd.Series(rng.uniform(-10, 14, size=400))
    outcome = pd.Series(rng.poisson(np.exp(offset + 0.2 * scores["s0"])).astype(float))

    fit = fit_poisson(outcome, scores[["s0"]], covariates, offset=offset, se="model").iloc[0]

    assert fit["status"] == "ok"
    assert abs(fit["beta"] - 0.2) < 4 * fit["se"]
