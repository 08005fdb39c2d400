"""One Cox model in full against R, and its curves against their definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_cox_model, percentile_contrast


def simulate(seed, n_people=150):
    """Draw tied days and two columns with an effect."""
    rng = np.random.default_rng(seed)
    columns = pd.DataFrame(rng.normal(size=(n_people, 2)), columns=["mdd", "age"])
    time = np.ceil(rng.exponential(20 * np.exp(-0.6 * columns["mdd"] + 0.3 * columns["age"])))
    limit = np.ceil(rng.uniform(5, 60, size=n_people))
    return np.minimum(time, limit), time <= limit, columns


@pytest.fixture
def fitted(r_cox):
    """Fit an R model, all columns at once."""
    return fit_cox_model(columns=r_cox.columns, **r_cox.options)


def test_fit_cox_model__coefficients_agree_with_r(r_cox, fitted, numbers_of):
    """Coxph: coefficients, covariance, log likelihoods, and all three tests."""
    expected, table = r_cox.expected, fitted.coefficients.set_index("term")
    names = table.index

    assert fitted.status == "ok"
    assert (fitted.n, fitted.n_events) == (expected["n"], expected["n_event"])
    assert_allclose(table["beta"], numbers_of(expected, "coef", names), rtol=1e-8)
    assert_allclose(table["se"], numbers_of(expected, "se", names), rtol=1e-8)
    assert_allclose(table["p_value"], numbers_of(expected, "p", names), rtol=1e-6)
    covariance = [[expected["vcov"][a][b] for b in names] for a in names]
    assert_allclose(fitted.covariance, covariance, rtol=1e-8)
    assert_allclose(fitted.log_likelihood, expected["loglik"], rtol=1e-10)
    assert_allclose(fitted.log_likelihood_null, expected["loglik_null"], rtol=1e-10)
    chi2 = fitted.tests.set_index("test")["chi2"]
    assert_allclose(chi2["likelihood ratio"], expected["lr_test"]["stat"], rtol=1e-8)
    assert_allclose(chi2["score"], expected["score_test"], rtol=1e-8)
    # R keeps two decimals of this one.
    assert_allclose(chi2["wald"], expected["wald_test"], atol=0.0051)


def test_fit_cox_model__robust_errors_agree_with_r(r_cox, numbers_of):
    """Over people, or over clusters where R's model has them."""
    robust = {"se": "robust"}
    if r_cox.clusters is not None:
        robust = {"se": "cluster", "cluster": r_cox.clusters}

    table = fit_cox_model(columns=r_cox.columns, **r_cox.options, **robust).coefficients

    expected = numbers_of(r_cox.expected, "robust_se", table["term"])
    assert_allclose(table["se"], expected, rtol=1e-8)


def test_cox_model__residuals_agree_with_r(r_cox, fitted):
    """Martingale, deviance, score, dfbeta and Schoenfeld residuals, in the rows' order."""
    checks = r_cox.expected["residual_checks"]
    martingale = fitted.martingale_residuals()
    terms = fitted.coefficients["term"]

    assert martingale.index.equals(r_cox.columns.index)
    present = martingale.dropna()
    assert len(present) == fitted.n
    assert_allclose(present[:5], checks["martingale_first5"], rtol=1e-8)
    assert_allclose((present**2).sum(), checks["martingale_sumsq"], rtol=1e-8)
    assert_allclose((fitted.deviance_residuals() ** 2).sum(), checks["deviance_sumsq"], rtol=1e-8)
    scores = (fitted.score_residuals() ** 2).sum()
    assert_allclose(scores, checks["score_crossprod_diag"], rtol=1e-8)
    assert_allclose(fitted.dfbeta().abs().max(), checks["dfbeta_colmaxabs"], rtol=1e-8)
    schoenfeld = fitted.schoenfeld_residuals()
    assert_allclose((schoenfeld[terms] ** 2).sum(), checks["schoenfeld_colsumsq"], rtol=1e-8)


def test_cox_model__concordance_agrees_with_r(r_cox, fitted):
    """Harrell's C with strata and start-stop rows, and its jackknife error."""
    found = fitted.concordance()

    assert_allclose(found.value, r_cox.expected["concordance"], rtol=1e-10)
    assert_allclose(found.se, r_cox.expected["concordance_se"], rtol=1e-8)


def test_cox_model__baseline_hazard_agrees_with_r(r_cox, fitted):
    """Basehaz(centered = FALSE): of a person whose columns are all 0."""
    expected = r_cox.expected["basehaz_uncentered"]
    hazard = fitted.baseline_hazard()
    strata = expected["strata"] or [None] * len(expected["time"])

    for time, stratum, value in zip(expected["time"], strata, expected["cumhaz"], strict=True):
        part = hazard
        if stratum is not None:
            part = hazard[hazard["stratum"].astype(str) == stratum.split("=")[-1].strip()]
        so_far = part.loc[part["time"] <= time, "cumulative_hazard"]
        assert_allclose(so_far.iloc[-1] if len(so_far) else 0.0, value, rtol=1e-8)


def slow_hazard(duration, event, x, beta, at):
    """Breslow's cumulative hazard at the columns' 0, by its definition."""
    days = np.unique(duration[event & (duration <= at)])
    risk = np.exp(x @ beta)
    return sum((event & (duration == t)).sum() / risk[duration >= t].sum() for t in days)


def test_cox_model__predicted_survival_and_its_interval_are_what_they_say():
    """S = exp(-H exp(x b)); the variance is Tsiatis's, its slopes taken as differences."""
    duration, event, columns = simulate(1)
    model = fit_cox_model(duration, event, columns, ties="breslow")
    person, day = pd.DataFrame({"mdd": [1.0], "age": [-0.5]}), 15.0
    x, beta = columns.to_numpy(), model.coefficients["beta"].to_numpy()

    curve = model.predict_survival(person, [0.0, day]).iloc[1]

    def hazard(b):
        return slow_hazard(duration, event, x, b, day) * np.exp(person.to_numpy()[0] @ b)

    slope = [(hazard(beta + m) - hazard(beta - m)) / 2e-5 for m in np.eye(2) * 1e-5]
    risk = np.exp(x @ beta)
    days = np.unique(duration[event & (duration <= day)])
    noise = sum(
        (event & (duration == t)).sum() / risk[duration >= t].sum() ** 2 for t in days
    ) * np.exp(2 * person.to_numpy()[0] @ beta)
    se = np.sqrt(noise + np.array(slope) @ model.covariance.to_numpy() @ slope)
    assert_allclose(curve["survival"], np.exp(-hazard(beta)), rtol=1e-10)
    # Differences of step 1e-5 keep about nine digits.
    assert_allclose(curve["ci_low"], np.exp(-hazard(beta) - 1.959963984540054 * se), rtol=1e-7)
    assert_allclose(curve["ci_high"], np.exp(-hazard(beta) + 1.959963984540054 * se), rtol=1e-7)


def test_cox_model__strata_have_their_own_curves():
    """A stratum's survival is that of the model of its own baseline; no other will do."""
    duration, event, columns = simulate(2)
    strata = np.repeat(["a", "b"], 75)
    duration[75:] = np.ceil(duration[75:] / 3)
    model = fit_cox_model(duration, event, columns, strata=strata, ties="breslow")
    beta = model.coefficients["beta"].to_numpy()

    for part, name in ((slice(0, 75), "a"), (slice(75, 150), "b")):
        curve = model.predict_survival(columns[:1] * 0, [5.0, 500.0], stratum=name)
        base = slow_hazard(duration[part], event[part], columns.to_numpy()[part], beta, 5.0)
        assert_allclose(curve["survival"].iloc[0], np.exp(-base), rtol=1e-10)
        assert np.isnan(curve["survival"].iloc[1])
    with pytest.raises(UsageError, match="stratum is None: the model has strata, 'a', 'b'"):
        model.predict_survival(columns[:1], [5.0])


def test_cox_model__residuals_of_people_who_are_out_are_missing():
    """The rows stay those of the input, so that a join cannot slip."""
    duration, event, columns = simulate(3)
    columns.index = [f"p{i}" for i in range(150)]
    columns.loc["p7", "age"] = np.nan

    model = fit_cox_model(duration, event, columns)

    martingale = model.martingale_residuals()
    assert martingale.index[martingale.isna()].tolist() == ["p7"]
    assert abs(martingale.sum()) < 1e-9
    assert model.dfbeta().loc["p7"].isna().all()


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("no_events", lambda d, e, x: (d, e & False, x)),
        ("no_complete_cases", lambda d, e, x: (d * np.nan, e, x)),
        ("collinear", lambda d, e, x: (d, e, x.assign(twice=2 * x["age"]))),
        ("collinear", lambda d, e, x: (d, e, x.assign(same=1.0))),
        ("firth", lambda d, e, x: (d, e, x.assign(order=-d))),
    ],
)
def test_fit_cox_model__data_that_allow_no_fit_have_a_status(status, change):
    """No exception for what the data are like; numbers only where they stand."""
    duration, event, columns = simulate(4)

    model = fit_cox_model(*change(duration, event, columns))

    assert model.status == status
    assert model.reason != ""
    assert model.coefficients["beta"].isna().all() == (status != "firth")
    if status != "firth":
        with pytest.raises(UsageError, match=f"no estimates: {status}"):
            model.concordance()


def test_fit_cox_model__equal_predictors_are_half_a_pair():
    """Three people, worked out: pairs (1,2), (1,3), (2,3); one right, one tied, one wrong."""
    from pgs_trd.models.concordant_pairs import concordance

    found = concordance(
        np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([True, True, False])
    )

    assert (found.n_concordant, found.n_discordant, found.n_tied) == (0, 2, 1)
    assert_allclose(found.value, 0.5 / 3, rtol=1e-12)


def test_percentile_contrast__is_the_mean_of_predictions_at_both_values():
    """Everybody is given the 80th and then the 20th percentile; the rest stays."""
    duration, event, columns = simulate(5)
    model = fit_cox_model(duration, event, columns)
    low, high = np.percentile(columns["mdd"], [20, 80])

    contrast = percentile_contrast(model, "mdd", days=[5.0, 20.0])

    for value, name in ((low, "survival_low"), (high, "survival_high")):
        curves = model.predict_survival(columns.assign(mdd=value), [5.0, 20.0])
        expected = curves.groupby("days")["survival"].mean()
        assert_allclose(contrast[name], expected, rtol=1e-10)
    assert (contrast["difference"] < 0).all()
    ratio = contrast.attrs["hazard_ratio"]
    beta = model.coefficients["beta"].iloc[0]
    assert_allclose(ratio["hazard_ratio"], np.exp(beta * (high - low)), rtol=1e-10)


def test_percentile_contrast__error_covers_the_estimate_over_repeated_samples():
    """The spread of 150 independent studies is the error each of them states, within 20 %."""
    found = []
    for seed in range(150):
        duration, event, columns = simulate(1000 + seed)
        model = fit_cox_model(duration, event, columns)
        # Fixed values, so that the percentiles' own spread is not in it.
        columns["mdd"] = np.linspace(-2, 2, 150)
        curves = [
            model.standardised_survival(columns.assign(mdd=v).to_numpy(), np.array([15.0]))
            for v in (-1.0, 1.0)
        ]
        pull = curves[1][1][0] - curves[0][1][0]
        variance = pull[:-1] @ model.covariance.to_numpy() @ pull[:-1] + pull[-1] ** 2
        found.append((curves[1][0][0] - curves[0][0][0], np.sqrt(variance)))
    estimate, error = np.array(found).T

    assert_allclose(estimate.std(), error.mean(), rtol=0.2)


def test_percentile_contrast__says_what_is_wrong_with_the_call():
    """An unknown term, or percentiles the wrong way round."""
    duration, event, columns = simulate(6)
    model = fit_cox_model(duration, event, columns)

    with pytest.raises(UsageError, match="term is 'bmi'"):
        percentile_contrast(model, "bmi", days=[5.0])
    with pytest.raises(UsageError, match=r"percentiles are \(80.0, 20.0\)"):
        percentile_contrast(model, "mdd", days=[5.0], percentiles=(80.0, 20.0))
