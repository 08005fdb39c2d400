"""R2 of a score beyond covariates, against R, statsmodels and the bootstrap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.models import explained_variation


def draw(rng, n=800):
    """Draw a case-control sample with one covariate and three scores."""
    covariate = rng.normal(size=n)
    scores = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    scores["b"] += 0.5 * covariate
    logit = -1 + 0.7 * scores["a"] + 0.4 * scores["b"] + 0.5 * covariate
    return (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float), scores, covariate


def nagelkerke(outcome, design):
    """Nagelkerke's R2 from statsmodels' log likelihoods."""
    fit = sm.Logit(outcome, design).fit(disp=0, tol=1e-12)
    n = len(outcome)
    cox_snell = 1 - np.exp(2 * (fit.llnull - fit.llf) / n)
    return cox_snell / (1 - np.exp(2 * fit.llnull / n))


def test_explained_variation__agrees_with_r(r_model):
    """Nagelkerke's R2 of the birth weight model, each column the score once."""
    model = r_model("birthwt", "birthwt_main")
    columns = model.columns
    for name in columns:
        row = explained_variation(
            model.table["low"].to_numpy(), columns[[name]].to_numpy(),
            columns.drop(columns=name).to_numpy(),
        ).iloc[0]  # fmt: skip
        expected = model.expected["pseudo_r2"]["nagelkerke"]
        assert_allclose(row["r2_nagelkerke_full"], expected, rtol=1e-8)


def test_explained_variation__is_the_gain_over_the_covariates():
    """Models with and without the score by statsmodels; people with a gap are out."""
    outcome, scores, covariate = draw(np.random.default_rng(1))
    scores.iloc[:9, 2] = np.nan

    table = explained_variation(outcome, scores.to_numpy(), covariate).set_index(scores.columns)

    for name in scores:
        here = scores[name].notna().to_numpy()
        y, null = outcome[here], sm.add_constant(covariate[here])
        both = np.column_stack([null, scores[name][here]])
        linear = sm.OLS(y, both).fit().rsquared - sm.OLS(y, null).fit().rsquared
        assert_allclose(table.loc[name, "r2_linear"], linear, rtol=1e-8)
        gain = nagelkerke(y, both) - nagelkerke(y, null)
        assert_allclose(table.loc[name, "r2_nagelkerke"], gain, rtol=1e-8)
        assert table.loc[name, "n"] == here.sum()
        assert table.loc[name, "n_cases"] == y.sum()


def test_explained_variation__errors_are_those_of_the_bootstrap():
    """Cases and controls drawn again with replacement, as many of each, 300 times."""
    rng = np.random.default_rng(2)
    outcome, scores, covariate = draw(rng)
    table = explained_variation(outcome, scores[["a", "b"]], covariate)

    again = []
    for _ in range(300):
        rows = np.concatenate(
            [rng.choice(np.flatnonzero(outcome == value), int((outcome == value).sum()))
             for value in (0, 1)]
        )  # fmt: skip
        drawn = explained_variation(
            outcome[rows], scores[["a", "b"]].to_numpy()[rows], covariate[rows], threads=1
        )
        again.append(drawn[["r2_linear", "r2_nagelkerke"]].to_numpy())

    spread = np.std(again, axis=0)
    for column, name in enumerate(["r2_linear", "r2_nagelkerke"]):
        # A standard deviation of 300 draws has an error of 4 %.
        assert_allclose(table[f"{name}_se"], spread[:, column], rtol=0.15)


def test_explained_variation__another_unit_or_sign_changes_nothing():
    """R2 has no unit."""
    outcome, scores, covariate = draw(np.random.default_rng(3), n=300)
    one = explained_variation(outcome, scores, covariate)
    other = explained_variation(outcome, -7 * scores + 100, covariate * 1e-3)

    numbers = [name for name in one if name.startswith("r2")]
    assert_allclose(one[numbers], other[numbers], rtol=1e-7)


def test_explained_variation__a_score_without_a_model_has_a_status_and_no_number():
    """One that separates cases from controls, beside one that does not."""
    outcome, scores, _ = draw(np.random.default_rng(4), n=200)
    scores["c"] = outcome + 0.0

    table = explained_variation(outcome, scores).set_index("score")

    assert table["status"].to_dict() == {"a": "ok", "b": "ok", "c": "separation"}
    numbers = [name for name in table if name.startswith("r2")]
    assert table.loc["c", numbers].isna().all()
    assert table.loc[["a", "b"], numbers].notna().all(axis=None)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_explained_variation__needs_cases_and_controls(value):
    """R2 of an outcome that does not vary is 0 / 0."""
    rng = np.random.default_rng(5)

    row = explained_variation(np.full(30, value), rng.normal(size=(30, 1))).iloc[0]

    assert row["status"] == ("no_nonevents" if value else "no_events")
    assert np.isnan(row["r2_linear"])


def test_explained_variation__does_not_depend_on_the_units_of_covariates():
    """A covariate in a unit 1e15 times that of another stays in the linear model."""
    rng = np.random.default_rng(8)
    covariates = pd.DataFrame(rng.normal(size=(600, 2)), columns=["age", "pc1"])
    scores = rng.normal(size=(600, 1)) + covariates[["pc1"]].to_numpy()
    outcome = (rng.random(600) < 1 / (1 + np.exp(-covariates["pc1"]))).astype(float)

    plain, scaled = (
        explained_variation(outcome, scores.copy(), covariates * [unit, 1 / unit])
        for unit in (1.0, 3e7)
    )

    numbers = ["r2_linear", "r2_linear_se", "r2_nagelkerke", "r2_nagelkerke_se"]
    assert_allclose(scaled[numbers], plain[numbers], rtol=1e-8)
