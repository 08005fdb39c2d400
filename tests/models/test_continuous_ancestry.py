"""Effects along ancestry, against statsmodels' fit of the same model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import chi2

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_logistic
from pgs_trd.models.continuous_ancestry import fit_along_distance, fit_ancestry_interaction


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Draw 3,000 people whose effect of the score halves over one unit of PC1."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.standard_normal((3000, 4)), columns=["score", "null", "PC1", "PC2"])
    table["age"] = rng.uniform(20, 80, 3000)
    table["PC1"] = 0.01 * table["PC1"] + 0.3
    linear = -1 + table["score"] * (0.4 - 20 * (table["PC1"] - 0.3)) + 30 * (table["PC1"] - 0.3)
    return table.assign(outcome=(rng.random(3000) < expit(linear)).astype(float))


def _logit(people: pd.DataFrame, *products: str):
    """Fit statsmodels' Logit with age, both components centred, the score and products."""
    design = people[["age", "PC1", "PC2"]].copy()
    for name in ("PC1", "PC2"):
        design[name] -= design[name].mean()
    design["score"] = people["score"]
    for name in products:
        design[f"score:{name}"] = people["score"] * design[name]
    return sm.Logit(people["outcome"], sm.add_constant(design)).fit(disp=0, tol=1e-12)


def test_fit_ancestry_interaction__is_the_likelihood_ratio_of_statsmodels(people):
    """Both models by statsmodels; terms, errors and the joint test of 2 degrees."""
    full, plain = _logit(people, "PC1", "PC2"), _logit(people)
    ratio = 2 * (full.llf - plain.llf)

    fits = fit_ancestry_interaction(
        people["outcome"],
        people[["score", "null"]],
        people[["age", "PC1", "PC2"]],
        components=["PC1", "PC2"],
    )

    terms = ["score", "score:PC1", "score:PC2"]
    ours = fits[fits["score"] == "score"].set_index("term").loc[terms]
    assert_allclose(ours["beta"], full.params[terms], rtol=1e-6)
    assert_allclose(ours["se"], full.bse[terms], rtol=1e-6)
    assert_allclose(ours["joint_chi2"], ratio, rtol=1e-7)
    assert_allclose(ours["joint_p_value"], chi2.sf(ratio, 2), rtol=1e-6)
    assert_allclose(ours["joint_log10_p"], np.log10(ours["joint_p_value"]), rtol=1e-9)
    assert (fits["joint_df"] == 2).all()
    assert fits.loc[fits["score"] == "null", "joint_p_value"].min() > 0.01


def test_fit_along_distance__is_the_line_of_statsmodels_with_its_error(people):
    """Effect and error at a point from the covariance of the two coefficients."""
    full = _logit(people, "PC1")
    points = np.array([0.27, 0.3, 0.34])
    both = ["score", "score:PC1"]
    covariance = full.cov_params().loc[both, both].to_numpy()
    loads = np.column_stack([np.ones(3), points - people["PC1"].mean()])

    effects = fit_along_distance(
        people["outcome"],
        people[["score"]],
        people[["age", "PC1", "PC2"]],
        distance="PC1",
        at=points,
    )

    assert_allclose(effects["beta"], loads @ full.params[both], rtol=1e-6)
    variance = np.einsum("ij,jk,ik->i", loads, covariance, loads)
    assert_allclose(effects["se"], np.sqrt(variance), rtol=1e-6)
    assert_allclose(effects["change_beta"], full.params["score:PC1"], rtol=1e-6)
    assert_allclose(effects["change_p_value"], full.pvalues["score:PC1"], rtol=1e-5)
    assert effects["distance"].tolist() == points.tolist()


def test_fit_along_distance__moves_with_its_origin_and_unit(people):
    """A distance in other units is the same line."""
    covariates = people[["age", "PC1"]]
    scores = people[["score", "null"]]
    given = fit_along_distance(people["outcome"], scores, covariates, distance="PC1", at=[0.31])
    moved = fit_along_distance(
        people["outcome"],
        scores,
        covariates.assign(PC1=1000 * covariates["PC1"] - 7),
        distance="PC1",
        at=[303.0],
    )
    assert_allclose(given[["beta", "se"]], moved[["beta", "se"]], rtol=1e-7)
    assert_allclose(given["change_beta"], 1000 * moved["change_beta"], rtol=1e-7)


def test_fit_ancestry_interaction__scores_with_gaps_use_the_same_people_twice(people):
    """The likelihood ratio compares two models of the same people."""
    scores = people[["score"]].copy()
    scores.iloc[:500] = np.nan
    covariates = people[["age", "PC1"]].copy()
    covariates.iloc[500:600, 0] = np.nan
    fits = fit_ancestry_interaction(people["outcome"], scores, covariates, components=["PC1"])
    direct = fit_logistic(
        people["outcome"], scores, covariates, interaction="PC1", interval="lr"
    ).set_index("term")

    assert (fits["n"] == 2400).all()
    assert_allclose(fits["joint_p_value"], direct.loc["score:PC1", "p_value"], rtol=1e-6)


def test_continuous_ancestry__what_cannot_be_fitted_has_its_status(people):
    """No number in any row, the joint test included."""
    scores, covariates = people[["score"]], people[["PC1"]]
    nobody = np.zeros(3000)
    fits = fit_ancestry_interaction(nobody, scores, covariates, components=["PC1"])
    effects = fit_along_distance(nobody, scores, covariates, distance="PC1", at=[0.0, 1.0])
    flat = fit_along_distance(
        people["outcome"], scores, covariates.assign(PC1=1.0), distance="PC1", at=[0.0]
    )

    assert fits["status"].tolist() == ["no_events"] * 2
    assert effects["status"].tolist() == ["no_events"] * 2
    assert flat["status"].tolist() == ["collinear"]
    assert fits[["beta", "joint_chi2", "joint_p_value", "joint_log10_p"]].isna().all(axis=None)
    assert pd.concat([effects, flat])[["beta", "se", "change_beta"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("components", "message"),
    [
        (["PC9"], "no column 'PC9'"),
        ([], "components is empty"),
        (["sex"], "sex must all be numbers"),
    ],
)
def test_fit_ancestry_interaction__components_that_are_none_are_refused(
    people, components, message
):
    """Text has no effect per unit; nothing to multiply with is no test."""
    covariates = people[["PC1"]].assign(sex="female")
    with pytest.raises(UsageError, match=message):
        fit_ancestry_interaction(
            people["outcome"], people[["score"]], covariates, components=components
        )


@pytest.mark.parametrize("at", [[], [np.nan], [np.inf]])
def test_fit_along_distance__points_that_are_none_are_refused(people, at):
    """A table without rows, or of NaN, would look like a failed fit."""
    with pytest.raises(UsageError, match="at holds no distances"):
        fit_along_distance(
            people["outcome"], people[["score"]], people[["PC1"]], distance="PC1", at=at
        )


def test_fit_ancestry_interaction__refuses_a_component_named_twice(people):
    """The joint test would count a degree of freedom that no product has."""
    with pytest.raises(UsageError, match="components has 2 names, 1 of them different"):
        fit_ancestry_interaction(
            people["outcome"], people[["score"]], people[["PC1"]], components=["PC1", "PC1"]
        )


def test_fit_along_distance__a_distance_that_nobody_has_gives_no_numbers(people):
    """A status and no warning."""
    covariates = people[["age"]].assign(far=np.nan)

    effects = fit_along_distance(
        people["outcome"], people[["score"]], covariates, distance="far", at=[0.0, 1.0]
    )

    assert effects["status"].tolist() == ["no_complete_cases"] * 2
    assert effects[["beta", "change_beta"]].isna().all(axis=None)


def test_fit_ancestry_interaction__centres_on_the_people_of_the_fit(people):
    """Who is out for a sex that cannot be read does not move the mean of ancestry."""
    sex = np.where(np.arange(3000) % 2 == 0, "male", "female").astype(object)
    far = people["PC1"] > people["PC1"].quantile(0.9)
    sex[far] = "unknown"
    covariates = people[["PC1"]].assign(sex=sex)

    whole = fit_ancestry_interaction(
        people["outcome"], people[["score"]], covariates, components=["PC1"]
    )
    without = fit_ancestry_interaction(
        people["outcome"][~far], people[["score"]][~far], covariates[~far], components=["PC1"]
    )

    assert_allclose(whole["beta"], without["beta"], rtol=1e-8)
