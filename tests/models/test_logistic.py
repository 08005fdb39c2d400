"""Logistic models against R, statsmodels, and what must not change them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, fit_logistic
from pgs_trd.models.logistic_likelihood import GlmData, GlmLikelihood
from pgs_trd.models.newton import maximise
from pgs_trd.models.terms import null_terms
from pgs_trd.models.workers import Workers

FIRTH = [
    ("firth_sex2", "sex2_all", "case"),
    ("firth_endometrial", "endometrial", "HG"),
    ("firth_complete_separation", "complete_sep", "y"),
]
NUMBERS = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p", "log_likelihood"]


def simulate(rng, n_people=300, n_covariates=3, n_scores=2):
    """Draw covariates, scores that correlate with them, and an outcome of both."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, n_covariates))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, n_scores))).add_prefix("s")
    scores += 0.5 * covariates[["x0"]].to_numpy()
    predictor = -0.5 + 0.4 * scores["s0"] - 0.6 * covariates["x0"]
    outcome = pd.Series((rng.random(n_people) < 1 / (1 + np.exp(-predictor))).astype(float))
    return outcome, scores, covariates


@pytest.mark.parametrize("model_id", ["birthwt_main", "birthwt_smoke_x_age"])
@pytest.mark.parametrize(
    ("se", "key"), [("model", "se"), ("HC0", "se_HC0"), ("HC1", "se_HC1"), ("HC3", "se_HC3")]
)
def test_fit_logistic__agrees_with_r_on_birthwt(
    r_model, fit_each_column, numbers_of, model_id, se, key
):
    """R's glm and sandwich are what users compare with, for every coefficient."""
    model = r_model("birthwt", model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table["low"], score, rest, se=se), model.columns
    )

    assert (fits["status"] == "ok").all()
    assert (fits["n"] == model.expected["n"]).all()
    assert (fits["n_events"] == model.expected["n_case"]).all()
    assert_allclose(fits["beta"], numbers_of(model.expected, "coef", fits.index), rtol=1e-8)
    assert_allclose(fits["se"], numbers_of(model.expected, key, fits.index), rtol=1e-8)
    assert_allclose(fits["log_likelihood"], model.expected["loglik"], rtol=1e-10)


@pytest.mark.parametrize("model_id", ["birthwt_main", "birthwt_smoke_x_age"])
def test_fit_logistic__p_values_and_intervals_agree_with_r(r_model, fit_each_column, model_id):
    """Wald numbers of R's summary() and confint.default()."""
    model = r_model("birthwt", model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table["low"], score, rest), model.columns
    )

    interval = model.expected["wald_ci95"]
    assert_allclose(fits["p_value"], [model.expected["p"][name] for name in fits.index], rtol=1e-6)
    for end, theirs in {"ci_low": "2.5 %", "ci_high": "97.5 %"}.items():
        # An end near 0 is the difference of numbers that agree to 1e-8.
        expected = [interval[name][theirs] for name in fits.index]
        assert_allclose(fits[end], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("file", "model_id", "outcome"), FIRTH)
def test_fit_logistic__firth_agrees_with_r(
    r_model, fit_each_column, numbers_of, file, model_id, outcome
):
    """Logistf's estimates and penalised likelihood, and the error of the Fisher information."""
    model = r_model(file, model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table[outcome], score, rest, method="firth"),
        model.columns,
    )

    assert (fits["status"] == "ok").all()
    assert_allclose(fits["beta"], numbers_of(model.expected, "coef", fits.index), rtol=1e-8)
    assert_allclose(fits["beta"], numbers_of(model.expected, "brglm2_coef", fits.index), rtol=1e-8)
    assert_allclose(fits["se"], numbers_of(model.expected, "se_fisher", fits.index), rtol=1e-8)
    assert_allclose(fits["log_likelihood"], model.expected["penalized_loglik"]["a"], rtol=1e-10)


@pytest.mark.parametrize(("file", "model_id", "outcome"), FIRTH)
def test_fit_logistic__ml_says_separation_where_r_says_infinite(
    r_model, fit_each_column, file, model_id, outcome
):
    """Whatever column is the score, a separated model has no number to give."""
    model = r_model(file, model_id)

    fits = fit_each_column(
        lambda score, rest: fit_logistic(model.table[outcome], score, rest, method="ml"),
        model.columns,
    )

    assert (fits["status"] == "separation").all()
    assert fits[NUMBERS].isna().all(axis=None)
    culprit = {"firth_sex2": "dia", "firth_endometrial": "NV", "firth_complete_separation": "x1"}
    assert (fits["reason"].str.contains(f"the score|{culprit[file]!r}")).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(8, 40))
def test_fit_logistic__separation_is_what_linear_programming_finds(seed, n_people):
    """Separated: some direction is at least 0 for all cases and at most 0 for all controls."""
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n_people), 1)
    covariate = (rng.random(n_people) < 0.3).astype(float)
    outcome = (rng.random(n_people) < 1 / (1 + np.exp(-3 * score))).astype(float)

    fit = fit_logistic(outcome, score, covariate, method="ml").iloc[0]

    if fit["status"] in ("ok", "separation"):
        signed = np.column_stack([np.ones(n_people), score, covariate])
        signed *= (2 * outcome - 1)[:, np.newaxis]
        best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(n_people), bounds=(-1, 1))
        assert (fit["status"] == "separation") == (best.fun < -1e-6)
    else:
        assert fit["status"] in ("no_events", "no_nonevents", "collinear", "constant_score")


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_fit_logistic__agrees_with_statsmodels(seed):
    """An independent Newton solver, with offset and weights by way of GLM."""
    rng = np.random.default_rng(seed)
    outcome, scores, covariates = simulate(rng)
    weights, offset = rng.uniform(0.5, 2, size=300), rng.normal(size=300)

    fits = fit_logistic(outcome, scores, covariates, weights=weights, offset=offset)

    for place, name in enumerate(scores.columns):
        design = sm.add_constant(pd.concat([scores[[name]], covariates], axis=1))
        model = sm.GLM(
            outcome, design, family=sm.families.Binomial(), offset=offset, freq_weights=weights
        )
        expected = model.fit(tol=1e-14, maxiter=100)
        assert_allclose(fits.loc[place, "beta"], expected.params[name], rtol=1e-7, atol=1e-10)
        assert_allclose(fits.loc[place, "se"], expected.bse[name], rtol=1e-6)
        assert_allclose(fits.loc[place, "log_likelihood"], expected.llf, rtol=1e-9)


def test_fit_logistic__clustered_errors_agree_with_statsmodels():
    """Statsmodels without its correction, times G / (G - 1), which is what the header says."""
    rng = np.random.default_rng(3)
    outcome, scores, covariates = simulate(rng)
    cluster = pd.Series(rng.integers(0, 40, size=300)).map("family {}".format)

    fits = fit_logistic(outcome, scores, covariates, se="cluster", cluster=cluster)

    design = sm.add_constant(pd.concat([scores[["s0"]], covariates], axis=1))
    expected = sm.Logit(outcome, design).fit(
        disp=0,
        cov_type="cluster",
        cov_kwds={"groups": cluster.factorize()[0], "use_correction": False},
    )
    n_clusters = cluster.nunique()
    factor = np.sqrt(n_clusters / (n_clusters - 1))
    assert_allclose(fits.loc[0, "se"], expected.bse["s0"] * factor, rtol=1e-7)
    assert "clusters" in fits.attrs["conventions"]["se_definition"]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(["ml", "firth"]))
def test_fit_logistic__units_order_and_coding_do_not_matter(seed, method):
    """Covariates moved and rescaled, people permuted: the same; outcome flipped: the sign."""
    rng = np.random.default_rng(seed)
    outcome, scores, covariates = simulate(rng)
    order = rng.permutation(300)

    plain = fit_logistic(outcome, scores, covariates, method=method)
    moved = fit_logistic(
        outcome.iloc[order],
        scores.iloc[order] * 1000 + 7,
        (covariates * [1e-2, 1.0, 1e5] + [20.0, 0.0, -3.0]).iloc[order],
        method=method,
    )
    flipped = fit_logistic(1 - outcome, scores, covariates, method=method)

    assert_allclose(moved["beta"] * 1000, plain["beta"], rtol=1e-7, atol=1e-10)
    assert_allclose(moved["se"] * 1000, plain["se"], rtol=1e-8)
    assert_allclose(flipped["beta"], -plain["beta"], rtol=1e-8, atol=1e-10)
    assert_allclose(flipped["se"], plain["se"], rtol=1e-8)
    if method == "ml":
        assert_allclose(moved["log_likelihood"], plain["log_likelihood"], rtol=1e-10)


def test_fit_logistic__many_scores_at_once_are_as_one_at_a_time():
    """Batching must not let one score touch another, also with gaps of their own."""
    rng = np.random.default_rng(5)
    outcome, scores, covariates = simulate(rng, n_scores=70)
    scores = scores.mask(rng.random(scores.shape) < 0.01)
    scores["s9"] = covariates["x1"]
    scores["s10"] = np.where(outcome == 1, 5.0, -5.0) + rng.normal(size=300)

    together = fit_logistic(outcome, scores, covariates, method="ml")
    alone = pd.concat(
        [fit_logistic(outcome, scores[[n]], covariates, method="ml") for n in scores.columns],
        ignore_index=True,
    )

    assert together["status"].tolist() == alone["status"].tolist()
    assert (together["status"] == "ok").sum() == 68
    assert together.loc[9, "status"] == "collinear"
    assert together.loc[10, "status"] == "separation"
    assert together["n"].tolist() == scores.notna().sum().tolist()
    assert_allclose(together["beta"], alone["beta"], rtol=1e-9, atol=1e-12)
    assert_allclose(together["se"], alone["se"], rtol=1e-9)


def test_fit_logistic__weights_that_are_counts_repeat_people():
    """A person of weight 2 is two people, a person of weight 0 nobody."""
    rng = np.random.default_rng(6)
    outcome, scores, covariates = simulate(rng)
    counts = rng.integers(0, 3, size=300)

    weighted = fit_logistic(outcome, scores, covariates, weights=counts.astype(float))
    rows = np.repeat(np.arange(300), counts)
    repeated = fit_logistic(outcome.iloc[rows], scores.iloc[rows], covariates.iloc[rows])

    assert_allclose(weighted["beta"], repeated["beta"], rtol=1e-9)
    assert_allclose(weighted["se"], repeated["se"], rtol=1e-9)
    assert (weighted["n"] == (counts > 0).sum()).all()


def test_fit_logistic__finds_a_planted_effect():
    """The interval of a large sample holds the truth, here at 4 standard errors."""
    rng = np.random.default_rng(7)
    outcome, scores, covariates = simulate(rng, n_people=20_000)

    fits = fit_logistic(outcome, scores, covariates)

    truth = np.array([0.4, 0.0])
    assert (np.abs(fits["beta"] - truth) < 4 * fits["se"]).all()
    assert fits.loc[0, "p_value"] < 1e-50


def test_fit_logistic__log10_p_does_not_underflow():
    """An effect 60 errors long has a p-value of 0 in double precision, its logarithm not."""
    rng = np.random.default_rng(8)
    score = rng.normal(size=40_000)
    outcome = rng.random(40_000) < 1 / (1 + np.exp(-0.8 * score))

    fit = fit_logistic(outcome, pd.DataFrame({"strong": score})).iloc[0]

    distance = abs(fit["beta"] / fit["se"])
    assert distance > 40
    assert fit["p_value"] == 0
    # Mills' ratio: log p = -z^2/2 - log(z) - log(2 pi)/2 + log 2 - 1/z^2 + ...
    expected = -(distance**2) / 2 - np.log(distance * np.sqrt(2 * np.pi) / 2) - 1 / distance**2
    assert_allclose(fit["log10_p"], expected / np.log(10), rtol=1e-8)


def test_fit_logistic__heavy_tails_do_not_break_the_fit():
    """A covariate with values from 1 to 1e12 makes plain Newton overshoot; R converges."""
    rng = np.random.default_rng(9)
    outcome, scores, covariates = simulate(rng)
    covariates["x1"] = np.exp(rng.normal(scale=6, size=300))

    fits = fit_logistic(outcome, scores, covariates)

    design = sm.add_constant(
        pd.concat([scores[["s0"]], covariates.assign(x1=covariates["x1"] / 1e6)], axis=1)
    )
    expected = sm.GLM(outcome, design, family=sm.families.Binomial()).fit(tol=1e-14, maxiter=300)
    assert fits["status"].tolist() == ["ok", "ok"]
    assert_allclose(fits.loc[0, "beta"], expected.params["s0"], rtol=1e-6)


STATUS_CASES = {
    "no_events": lambda y, s, x: (y * 0, s, x),
    "no_nonevents": lambda y, s, x: (y * 0 + 1, s, x),
    "constant_score": lambda y, s, x: (y, s * 0 + 0.1, x),
    "too_few_people": lambda y, s, x: (y.where(y.index < 5), s, x),
}


@pytest.mark.parametrize("status", STATUS_CASES)
def test_fit_logistic__a_model_that_cannot_be_has_its_status_and_no_number(status):
    """A wrong number is worse than none, and the reason is said."""
    outcome, scores, covariates = STATUS_CASES[status](*simulate(np.random.default_rng(10)))

    fits = fit_logistic(outcome, scores, covariates)

    assert (fits["status"] == status).all()
    assert (fits["reason"] != "").all()
    assert fits[NUMBERS].isna().all(axis=None)


@pytest.mark.parametrize("with_covariates", [True, False])
def test_fit_logistic__nobody_complete_is_a_status(with_covariates):
    """A stratum where all lack one covariate gives rows that say so, not a crash."""
    outcome, scores, covariates = simulate(np.random.default_rng(19))

    fits = fit_logistic(outcome * np.nan, scores, covariates if with_covariates else None)

    assert fits["status"].tolist() == ["no_complete_cases"] * 2
    assert fits["reason"].tolist() == ["no complete cases: outcome is missing for everybody"] * 2
    assert fits["n"].tolist() == [0, 0]


def test_fit_logistic__nobody_complete_names_what_is_missing():
    """'no cases' would send the reader to the phenotype; a score or covariate is the gap."""
    outcome, scores, covariates = simulate(np.random.default_rng(19))

    unscored = fit_logistic(outcome, scores.assign(s0=np.nan), covariates)
    unadjusted = fit_logistic(outcome, scores, covariates.assign(x1=np.nan))

    assert unscored["status"].tolist() == ["no_complete_cases", "ok"]
    assert "every score value is missing among the 300 people" in unscored.loc[0, "reason"]
    assert unadjusted["status"].tolist() == ["no_complete_cases"] * 2
    assert (
        unadjusted["reason"] == "no complete cases: covariate 'x1' is missing for everybody"
    ).all()


def test_fit_logistic__robust_is_another_name_of_hc0():
    """fit_cox calls its sandwich so."""
    outcome, scores, covariates = simulate(np.random.default_rng(19))

    named = fit_logistic(outcome, scores, covariates, se="robust")

    pd.testing.assert_frame_equal(named, fit_logistic(outcome, scores, covariates, se="HC0"))
    assert named.attrs["conventions"]["se"] == "HC0"


@pytest.mark.parametrize(
    ("column", "reason"),
    [(lambda x: x["x0"] - 2 * x["x1"], "'extra' is a linear"), (3.0, "'extra' is constant")],
)
def test_fit_logistic__a_superfluous_covariate_is_named(column, reason):
    """'Singular matrix' sends users on a hunt; the name of the column does not."""
    outcome, scores, covariates = simulate(np.random.default_rng(11))

    fits = fit_logistic(outcome, scores, covariates.assign(extra=column))

    assert (fits["status"] == "collinear").all()
    assert fits["reason"].str.contains(reason).all()


def test_fit_logistic__a_score_made_of_covariates_is_collinear():
    """Its coefficient is not identified, for this score only."""
    outcome, scores, covariates = simulate(np.random.default_rng(12))
    scores["made"] = covariates["x0"] * 0.3 + covariates["x2"] - 4

    fits = fit_logistic(outcome, scores, covariates)

    assert fits["status"].tolist() == ["ok", "ok", "collinear"]


def test_fit_logistic__missing_values_leave_complete_cases():
    """A gap in any input is as if the person were not there."""
    rng = np.random.default_rng(13)
    outcome, scores, covariates = simulate(rng)
    kept = np.arange(40, 300)
    outcome[:10] = np.nan
    scores.loc[10:19] = np.nan
    covariates.loc[20:29, "x1"] = np.nan
    cluster = pd.Series(np.arange(300) // 3).astype("Int64").mask(np.arange(300) // 10 == 3)

    gaps = fit_logistic(outcome, scores, covariates, se="cluster", cluster=cluster)
    complete = fit_logistic(
        outcome.iloc[kept],
        scores.iloc[kept],
        covariates.iloc[kept],
        se="cluster",
        cluster=cluster.iloc[kept],
    )

    assert (gaps["n"] == 260).all()
    pd.testing.assert_frame_equal(gaps, complete)


def test_fit_logistic__too_few_events_is_a_rule_the_caller_states():
    """With 5 coefficients, 10 per coefficient need 50 of the rarer outcome."""
    outcome, scores, covariates = simulate(np.random.default_rng(14), n_people=120)
    rarer = min(outcome.sum(), 120 - outcome.sum())

    asked = fit_logistic(outcome, scores, covariates, min_events_per_parameter=10)
    exact = fit_logistic(outcome, scores, covariates, min_events_per_parameter=rarer / 5)

    assert rarer < 50
    assert (asked["status"] == "too_few_events").all()
    assert (exact["status"] == "ok").all()


def test_fit_logistic__different_people_are_refused_not_reindexed():
    """A silent reindex would pair one person's outcome with another's score."""
    outcome, scores, covariates = simulate(np.random.default_rng(15))

    with pytest.raises(ValueError, match=r"index of outcome differs .* 300 people 299 are in both"):
        fit_logistic(outcome.set_axis(range(1, 301)), scores, covariates)
    with pytest.raises(UsageError, match="covariates has 299 values and scores has 300"):
        fit_logistic(outcome, scores, covariates.iloc[:299])


def test_fit_logistic__outcomes_other_than_0_and_1_are_counted():
    """2 for cases is the habit of another program, and would be misread."""
    outcome, scores, _ = simulate(np.random.default_rng(16))

    with pytest.raises(ModelDataError, match="300 of 300 values are neither 0 nor 1"):
        fit_logistic(outcome + 2, scores)
    with pytest.raises(UsageError, match="score 's1' holds values that are not numbers"):
        fit_logistic(outcome, scores.assign(s1="high"))
    with pytest.raises(ValueError, match=r"score 's1': 1 of 300 values are infinite"):
        fit_logistic(outcome, scores.replace({"s1": {scores.loc[0, "s1"]: np.inf}}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "probit"}, "method is 'probit'"),
        ({"se": "HC2"}, "se is 'HC2'"),
        ({"se": "cluster"}, "needs the clusters"),
        ({"cluster": np.arange(300)}, "se is 'model': add se='cluster'"),
        ({"method": "firth", "se": "HC0"}, "model-based errors only"),
        ({"confidence": 95}, "confidence is 95"),
    ],
)
def test_fit_logistic__options_that_cannot_be_are_refused(options, message):
    """Each message names the option and its value."""
    outcome, scores, _ = simulate(np.random.default_rng(17))

    with pytest.raises(UsageError, match=message):
        fit_logistic(outcome, scores, **options)


def test_fit_logistic__text_covariates_are_dummies():
    """Sex as text and a site with three levels equal the columns made by hand."""
    rng = np.random.default_rng(18)
    outcome, scores, covariates = simulate(rng)
    sex = pd.Series(rng.choice(["female", "male", "unknown"], size=300, p=[0.5, 0.4, 0.1]))
    site = pd.Series(rng.choice(["a", "b", "c"], size=300))

    text = fit_logistic(outcome, scores, covariates.assign(sex=sex, site=site))
    by_hand = fit_logistic(
        outcome,
        scores,
        covariates.assign(
            male=sex.map({"female": 0.0, "male": 1.0}), b=site == "b", c=(site == "c").astype(int)
        ),
    )

    assert (text["n"] == (sex != "unknown").sum()).all()
    assert_allclose(text["beta"], by_hand["beta"], rtol=1e-10)


def test_glm_likelihood__the_model_without_a_score_agrees_with_r(r_reference):
    """R's low ~ 1: where every fit starts, and what ratio tests compare with."""
    models = json.loads((r_reference / "birthwt.json").read_text())["models"]
    expected = next(m for m in models if m["id"] == "birthwt_noninformative_null")
    outcome = pd.read_csv(r_reference / "birthwt.csv")["low"].to_numpy(dtype=float)
    ones, data = np.ones((1, len(outcome))), GlmData(outcome)

    with Workers(1) as workers:
        likelihood = GlmLikelihood(null_terms(ones), data, "logistic", workers)
        top = maximise(likelihood, np.zeros((1, 1)), step_tolerance=1e-9, max_iterations=50)

    assert_allclose(top.beta[0, 0], expected["coef"]["(Intercept)"], rtol=1e-8)
    error = top.at_end.information[0, 0, 0] ** -0.5
    assert_allclose(error, expected["se"][0], rtol=1e-8)
    assert_allclose(top.at_end.log_likelihood[0], expected["loglik"], rtol=1e-10)
