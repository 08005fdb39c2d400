"""Cox models against R, lifelines, statsmodels, and what must not change them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, fit_cox
from pgs_trd.models.cox_problem import read_cox_inputs
from pgs_trd.models.design import Design

NUMBERS = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p", "log_likelihood"]


def simulate(rng, n_people=200, *, tied=True):
    """Draw late entry, tied days, strata and scores with an effect."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    hazard = np.exp(0.5 * scores["s0"] - 0.3 * covariates["x0"])
    time = rng.exponential(1 / hazard) * 20
    entry = rng.uniform(0, 5, size=n_people)
    limit = rng.uniform(5, 60, size=n_people)
    duration = entry + np.minimum(time, limit) + 0.5
    if tied:
        entry, duration = np.floor(entry), np.ceil(duration)
    event = pd.Series(time <= limit)
    return pd.Series(duration), event, scores, covariates, pd.Series(entry)


def test_fit_cox__agrees_with_r(r_cox, fit_each_column, numbers_of):
    """coxph: Efron and Breslow, strata, start-stop rows, model-based and robust errors."""
    expected, options = r_cox.expected, r_cox.options
    robust = (
        {"se": "robust"} if r_cox.clusters is None else {"se": "cluster", "cluster": r_cox.clusters}
    )

    plain = fit_each_column(lambda s, x: fit_cox(scores=s, covariates=x, **options), r_cox.columns)
    sandwich = fit_each_column(
        lambda s, x: fit_cox(scores=s, covariates=x, **options, **robust), r_cox.columns
    )

    assert (plain["status"] == "ok").all()
    assert (plain["n"] == expected["n"]).all()
    assert (plain["n_events"] == expected["n_event"]).all()
    assert_allclose(plain["beta"], numbers_of(expected, "coef", plain.index), rtol=1e-8)
    assert_allclose(plain["se"], numbers_of(expected, "se", plain.index), rtol=1e-8)
    assert_allclose(plain["log_likelihood"], expected["loglik"], rtol=1e-10)
    assert_allclose(plain["p_value"], numbers_of(expected, "p", plain.index), rtol=1e-6)
    assert_allclose(sandwich["se"], numbers_of(expected, "robust_se", plain.index), rtol=1e-8)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), ties=st.sampled_from(["efron", "breslow"]))
def test_fit_cox__agrees_with_statsmodels(seed, ties):
    """PHReg has strata and late entry; who enters on the day of an event it counts as at risk."""
    from statsmodels.duration.hazard_regression import PHReg

    rng = np.random.default_rng(seed)
    duration, event, scores, covariates, entry = simulate(rng)
    strata, entry = rng.integers(0, 2, size=200), entry + 0.5

    fits = fit_cox(duration, event, scores, covariates, entry=entry, strata=strata, ties=ties)

    design = pd.concat([scores[["s0"]], covariates], axis=1)
    model = PHReg(duration, design, status=event.astype(int), entry=entry, strata=strata, ties=ties)
    expected = model.fit(disp=0)
    assert_allclose(fits.loc[0, "beta"], expected.params[0], rtol=1e-6)
    assert_allclose(fits.loc[0, "se"], expected.bse[0], rtol=1e-5)
    assert_allclose(fits.loc[0, "log_likelihood"], expected.llf, rtol=1e-9)


def test_fit_cox__agrees_with_lifelines_under_weights():
    """Lifelines' weights without ties, where all tie rules are one."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import StatisticalWarning

    rng = np.random.default_rng(2)
    duration, event, scores, covariates, _ = simulate(rng, tied=False)
    weights = rng.uniform(0.5, 2, size=200)

    fits = fit_cox(duration, event, scores, covariates, weights=weights)

    table = pd.concat([scores[["s0"]], covariates], axis=1).assign(t=duration, e=event, w=weights)
    with pytest.warns(StatisticalWarning, match="not integers"):
        expected = CoxPHFitter().fit(
            table, "t", "e", weights_col="w", fit_options={"precision": 1e-12}
        )
    assert_allclose(fits.loc[0, "beta"], expected.params_["s0"], rtol=1e-6)
    assert_allclose(fits.loc[0, "se"], expected.standard_errors_["s0"], rtol=1e-6)


def test_fit_cox__robust_errors_follow_repeated_people_under_efron_ties():
    """A cluster of two copies is one person of weight 2, in Breslow's likelihood."""
    rng = np.random.default_rng(3)
    duration, event, scores, covariates, entry = simulate(rng)
    rows = np.tile(np.arange(200), 2)

    weighted = fit_cox(
        duration,
        event,
        scores,
        covariates,
        entry=entry,
        weights=np.full(200, 2.0),
        ties="breslow",
        se="robust",
    )
    copies = fit_cox(
        duration.iloc[rows],
        event.iloc[rows],
        scores.iloc[rows],
        covariates.iloc[rows],
        entry=entry.iloc[rows],
        ties="breslow",
        se="cluster",
        cluster=rows,
    )

    assert_allclose(copies["beta"], weighted["beta"], rtol=1e-9)
    assert_allclose(copies["se"], weighted["se"], rtol=1e-9)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), ties=st.sampled_from(["efron", "breslow"]))
def test_fit_cox__units_and_order_do_not_matter(seed, ties):
    """Time enters by rank only; covariates moved and rescaled, people permuted: the same."""
    rng = np.random.default_rng(seed)
    duration, event, scores, covariates, entry = simulate(rng)
    order = rng.permutation(200)

    plain = fit_cox(duration, event, scores, covariates, entry=entry, ties=ties, se="robust")
    moved = fit_cox(
        np.sqrt(duration.iloc[order]) * 365,
        event.iloc[order],
        scores.iloc[order] * -10 + 3,
        (covariates * [1e-2, 1e4] + [20.0, 5.0]).iloc[order],
        entry=np.sqrt(entry.iloc[order]) * 365,
        ties=ties,
        se="robust",
    )

    assert_allclose(moved["beta"] * -10, plain["beta"], rtol=1e-7, atol=1e-10)
    assert_allclose(moved["se"] * 10, plain["se"], rtol=1e-8)
    assert_allclose(moved["log_likelihood"], plain["log_likelihood"], rtol=1e-10)


def test_fit_cox__entry_before_the_first_event_changes_nothing():
    """Nobody is missing from a risk set if all came before the first event."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(4))
    early = pd.Series(np.random.default_rng(5).uniform(0, 0.9, size=200))

    fits = fit_cox(duration, event, scores, covariates, entry=early)

    pd.testing.assert_frame_equal(fits, fit_cox(duration, event, scores, covariates))


def test_fit_cox__a_stratum_without_events_changes_nothing():
    """Its people are in no risk set; they count as people, not as information."""
    duration, event, scores, covariates, entry = simulate(np.random.default_rng(6))
    strata = np.r_[np.zeros(150), np.ones(50)]
    event[150:] = False

    both = fit_cox(duration, event, scores, covariates, entry=entry, strata=strata)
    first = fit_cox(duration[:150], event[:150], scores[:150], covariates[:150], entry=entry[:150])

    assert_allclose(both["beta"], first["beta"], rtol=1e-9)
    assert_allclose(both["se"], first["se"], rtol=1e-9)
    assert (both["n"] == 200).all()


def test_fit_cox__near_ties_are_ties():
    """Days computed as 0.1 * k in two ways must not break ties by rounding."""
    rng = np.random.default_rng(7)
    duration, event, scores, covariates, _ = simulate(rng)
    exact = duration * 0.1
    rounded = exact * (1 + rng.choice([-1e-15, 0, 1e-15], size=200))

    assert (exact != rounded).any()
    assert_allclose(
        fit_cox(rounded, event, scores, covariates)["beta"],
        fit_cox(exact, event, scores, covariates)["beta"],
        rtol=1e-10,
    )


def test_fit_cox__all_events_on_one_day_still_have_an_answer():
    """With Breslow this is the multinomial logit of who had the event, worked out by hand.

    One score, 0 or 1; all 4 of 6 events on one day: the likelihood of b is
    exp(3b) / (3 + 3 exp(b))^4, highest where exp(b) / (1 + exp(b)) = 3/4.
    """
    score = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    event = np.array([1, 1, 1, 1, 0, 0])

    fit = fit_cox(np.full(6, 10.0), event, score, ties="breslow").iloc[0]

    assert fit["status"] == "ok"
    assert_allclose(fit["beta"], np.log(3), rtol=1e-10)
    assert_allclose(fit["se"], 1 / np.sqrt(4 * 0.75 * 0.25), rtol=1e-10)
    assert_allclose(fit["log_likelihood"], 3 * np.log(3) - 4 * np.log(12), rtol=1e-10)


def test_fit_cox__monotone_likelihood_is_said():
    """The one who falls ill next always has the highest score: the ML estimate is infinite."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(8))
    scores["order"] = -duration
    fits = fit_cox(duration, event, scores, covariates, method="ml")

    assert fits["status"].tolist() == ["ok", "ok", "monotone_likelihood"]
    assert fits.loc[2, NUMBERS].isna().all()
    assert "the score" in fits.loc[2, "reason"]


def test_fit_cox__takes_firths_estimate_where_the_likelihood_is_monotone():
    """The row says so; the others are what they were, and "firth" alone gives the same row."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(8))
    scores["order"] = -duration

    fits = fit_cox(duration, event, scores, covariates)
    plain = fit_cox(duration, event, scores, covariates, method="ml")
    firth = fit_cox(duration, event, scores, covariates, method="firth")

    assert fits["status"].tolist() == ["ok", "ok", "firth"]
    assert "the score" in fits.loc[2, "reason"]
    pd.testing.assert_frame_equal(fits.iloc[:2], plain.iloc[:2])
    pd.testing.assert_frame_equal(fits.loc[[2], NUMBERS], firth.loc[[2], NUMBERS])


def test_fit_cox__robust_errors_do_not_go_with_firth():
    """Estimate and error would be of two methods: the row stays without numbers."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(8))
    scores["order"] = -duration

    fits = fit_cox(duration, event, scores, covariates, se="robust")

    assert fits["status"].tolist() == ["ok", "ok", "monotone_likelihood"]
    with pytest.raises(UsageError, match="method='firth' goes with se='model'"):
        fit_cox(duration, event, scores, covariates, se="robust", method="firth")
    with pytest.raises(UsageError, match="interval='profile' goes with se='model'"):
        fit_cox(duration, event, scores, covariates, se="robust", interval="profile")


def test_fit_cox__a_covariate_that_is_monotone_is_named():
    """In coxphf's breast cancer data all deaths have G = 1; any score then has no ML model."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(9))
    covariates["tumour"] = (event | (duration > 20)).astype(float)

    fits = fit_cox(duration, event, scores, covariates, method="ml")

    assert (fits["status"] == "monotone_likelihood").all()
    assert fits["reason"].str.contains("'tumour'").all()


def test_fit_cox__agrees_with_coxphf(r_reference, fit_each_column, numbers_of):
    """Heinze and Schemper 2001 introduced Firth's penalty with the breast cancer data.

    coxphf takes its penalised likelihood of columns over their standard deviations.
    """
    table = pd.read_csv(r_reference / "coxphf_breast.csv")
    content = json.loads((r_reference / "cox_firth_breast.json").read_text())
    expected = next(model for model in content["models"] if model["id"] == "breast_firth")
    columns = table[["T", "N", "G", "CD"]]

    wald, profile = (
        fit_each_column(
            lambda s, x, kind=kind: fit_cox(
                table["TIME"], table["CENS"], s, x, ties="breslow", interval=kind
            ),
            columns,
        )
        for kind in ("wald", "profile")
    )

    assert (wald["status"] == "firth").all()
    assert "the score" in wald.loc["G", "reason"]
    names = wald.index
    assert_allclose(wald["beta"], numbers_of(expected, "coef", names), rtol=1e-8)
    assert_allclose(wald["se"], numbers_of(expected, "se", names), rtol=1e-8)
    assert_allclose(wald["p_value"], numbers_of(expected, "wald_p", names), rtol=1e-6)
    assert_allclose(profile["p_value"], numbers_of(expected, "plr_p", names), rtol=1e-6)
    for end, key in (("ci_low", "pl_ci_lower"), ("ci_high", "pl_ci_upper")):
        assert_allclose(np.exp(profile[end]), numbers_of(expected, key, names), rtol=1e-6)
    in_their_units = wald["log_likelihood"] - np.log(columns.std()).sum()
    assert_allclose(in_their_units, expected["penalized_loglik"][1], rtol=1e-8)


def test_fit_cox__profile_interval_ends_where_the_likelihood_has_fallen_enough():
    """At each end the best fit with the score held there lies 1.92 below the top."""
    duration, event, scores, covariates, entry = simulate(np.random.default_rng(15))
    fit = fit_cox(
        duration, event, scores[["s0"]], covariates, entry=entry, interval="profile"
    ).iloc[0]

    def profile(value):
        from scipy.optimize import minimize

        inputs = read_cox_inputs(duration, event, scores[["s0"]], covariates, entry=entry)
        ((batch, problem),) = inputs.problems(ties="efron")
        likelihood = problem.likelihood(Design(problem.basis.columns, batch.values))

        def below(shared):
            point = np.r_[shared, value][np.newaxis]
            return -likelihood.evaluate(point, np.zeros(1, int)).log_likelihood[0]

        return -minimize(below, np.zeros(2), method="BFGS", options={"gtol": 1e-6}).fun

    for end in (fit["ci_low"], fit["ci_high"]):
        assert_allclose(2 * (fit["log_likelihood"] - profile(end)), 1.959963984540054**2, rtol=1e-6)
    ratio = 2 * (fit["log_likelihood"] - profile(0.0))
    assert_allclose(fit["p_value"], stats.chi2.sf(ratio, 1), rtol=1e-5)


def test_fit_cox__threads_do_not_change_a_digit():
    """Blocks of eight models are summed by one thread each, in one order."""
    rng = np.random.default_rng(16)
    duration, event, _, covariates, entry = simulate(rng)
    scores = pd.DataFrame(rng.normal(size=(200, 30))).add_prefix("s")

    one, three = (
        fit_cox(duration, event, scores, covariates, entry=entry, se="robust", threads=threads)
        for threads in (1, 3)
    )

    pd.testing.assert_frame_equal(one, three, check_exact=True)


def test_fit_cox__many_scores_at_once_are_as_one_at_a_time():
    """Batching must not let one score touch another, also with gaps of their own."""
    rng = np.random.default_rng(10)
    duration, event, _, covariates, entry = simulate(rng)
    scores = pd.DataFrame(rng.normal(size=(200, 66))).add_prefix("s")
    scores = scores.mask(rng.random(scores.shape) < 0.01)
    scores["s5"] = -duration - 1.0

    together = fit_cox(duration, event, scores, covariates, entry=entry, se="robust")
    alone = pd.concat(
        [
            fit_cox(duration, event, scores[[name]], covariates, entry=entry, se="robust")
            for name in scores.columns
        ],
        ignore_index=True,
    )

    assert together["status"].tolist() == alone["status"].tolist()
    assert (together["status"] == "ok").sum() == 65
    assert together["n"].tolist() == scores.notna().sum().tolist()
    assert_allclose(together["beta"], alone["beta"], rtol=1e-9, atol=1e-12)
    assert_allclose(together["se"], alone["se"], rtol=1e-9)


def test_fit_cox__finds_a_planted_effect():
    """The intervals of a large sample hold the truth, here at 4 standard errors."""
    duration, event, scores, covariates, entry = simulate(
        np.random.default_rng(11), n_people=6000, tied=False
    )

    fits = fit_cox(duration - entry, event, scores, covariates)

    assert (np.abs(fits["beta"] - np.array([0.5, 0.0])) < 4 * fits["se"]).all()
    assert fits.loc[0, "log10_p"] < -50


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("no_events", lambda d, e, s, x: (d, e & False, s, x)),
        ("no_complete_cases", lambda d, e, s, x: (d * np.nan, e, s, x[[]])),
        ("constant_score", lambda d, e, s, x: (d, e, s * 0 + 0.3, x)),
        ("collinear", lambda d, e, s, x: (d, e, s, x.assign(twice=2 * x["x0"]))),
        ("too_few_people", lambda d, e, s, x: (d.where(d.index < 3), e, s, x)),
    ],
)
def test_fit_cox__a_model_that_cannot_be_has_its_status_and_no_number(status, change):
    """A wrong number is worse than none, and the reason is said."""
    duration, event, scores, covariates, _ = simulate(np.random.default_rng(12))
    event[:3] = True

    fits = fit_cox(*change(duration, event, scores, covariates))

    assert (fits["status"] == status).all()
    assert (fits["reason"] != "").all()
    assert fits[NUMBERS].isna().all(axis=None)


def test_fit_cox__people_never_at_risk_are_counted():
    """Leaving on the day of entry is no follow-up; dropping them silently biases counts."""
    duration, event, scores, covariates, entry = simulate(np.random.default_rng(13))
    duration[:7] = entry[:7]

    with pytest.raises(ModelDataError, match=r"7 of 200 people have a duration no later"):
        fit_cox(duration, event, scores, covariates, entry=entry)
    with pytest.raises(ValueError, match="1 of 200 values are infinite"):
        fit_cox(duration.where(duration.index > 0, np.inf), event, scores)
    with pytest.raises(ValueError, match="200 of 200 people have a negative duration"):
        fit_cox(-duration - 1, event, scores)


def test_fit_cox__unknown_tie_rule_is_refused():
    """'exact' is known to R, not to us."""
    duration, event, scores, _, _ = simulate(np.random.default_rng(14))

    with pytest.raises(UsageError, match="ties is 'exact'"):
        fit_cox(duration, event, scores, ties="exact")
