"""Index-event bias is there, is as large as computed, and goes where it is said to go."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_logistic
from pgs_trd.models.index_event import (
    fit_adjusted_for_score,
    fit_against_shared_controls,
    fit_weighted_for_selection,
    selection_weights,
)
from pgs_trd.models.index_event_bias import expected_index_event_bias
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.simulate import Planted, draw_classes, draw_people


@pytest.fixture(scope="module")
def biobank() -> SimpleNamespace:
    """Draw people: MDD score on MDD 0.6, insomnia on resistance 0.2, a cause of both 1.5."""
    rng = np.random.default_rng(7)
    people = draw_people(60_000, rng)
    scores = pd.DataFrame(rng.standard_normal((60_000, 2)), columns=["mdd", "insomnia"])
    classes = draw_classes(
        people,
        scores,
        planted=Planted(trd={"insomnia": 0.2}, mdd={"mdd": 0.6}),
        mdd_prevalence=0.25,
        trd_share=0.3,
        shared_cause=1.5,
        rng=rng,
    )
    is_mdd, is_trd = classes["is_mdd"].to_numpy(), classes["is_resistant"].to_numpy()
    return SimpleNamespace(
        scores=scores,
        covariates=people[["sex", "birth_year"]],
        is_mdd=is_mdd,
        outcome=np.where(is_mdd, is_trd.astype(float), np.nan),
        phenotype=np.where(is_trd, "trd", np.where(is_mdd, "responsive", "no_mdd")),
        hidden=classes["shared_cause"].to_numpy(),
    )


@pytest.fixture(scope="module")
def naive(biobank) -> pd.DataFrame:
    """Analyse people with MDD only."""
    return fit_logistic(biobank.outcome, biobank.scores, biobank.covariates).set_index("score")


def test_fit_logistic__a_score_of_mdd_alone_seems_to_act_on_resistance(naive):
    """The bias that the other tests remove: more than 5 errors below a true 0."""
    assert naive.loc["mdd", "beta"] < -5 * naive.loc["mdd", "se"]


def test_expected_index_event_bias__is_what_a_large_sample_shows(naive):
    """The integral and the simulation share a model, and nothing of their code."""
    grid = expected_index_event_bias(
        prevalence=0.25,
        outcome_share=0.3,
        score_on_event=[0.6],
        shared_on_event=[1.5],
        shared_on_outcome=[1.5],
    )
    off = naive.loc["mdd", "beta"] - grid.loc[0, "estimate"]
    assert abs(off) < 3 * naive.loc["mdd", "se"]
    assert grid.loc[0, "without_selection"] == pytest.approx(0, abs=1e-12)


def test_fit_weighted_for_selection__a_measured_shared_cause_no_longer_biases(biobank):
    """With the cause among the predictors the MDD score is null and insomnia keeps its effect."""
    predictors = biobank.covariates.join(biobank.scores).assign(cause=biobank.hidden)
    fits = fit_weighted_for_selection(
        biobank.outcome,
        biobank.scores,
        biobank.covariates,
        selected=biobank.is_mdd,
        predictors=predictors,
    ).set_index("score")

    assert abs(fits.loc["mdd", "beta"]) < 3 * fits.loc["mdd", "se"]
    assert fits.loc["insomnia", "beta"] > 3 * fits.loc["insomnia", "se"]
    assert (fits["n_effective"] < fits["n"]).all()


def test_fit_weighted_for_selection__an_unmeasured_cause_stays_a_bias(biobank, naive):
    """The limit that the docstring states: weights by the scores alone do not help."""
    fits = fit_weighted_for_selection(
        biobank.outcome,
        biobank.scores,
        biobank.covariates,
        selected=biobank.is_mdd,
        predictors=biobank.covariates.join(biobank.scores),
    ).set_index("score")

    assert fits.loc["mdd", "beta"] < -3 * fits.loc["mdd", "se"]


def test_fit_weighted_for_selection__is_the_weighted_fit_of_statsmodels(biobank):
    """Weights by statsmodels' Logit, fit and hat values by its GLM, HC3 from them."""
    first = slice(0, 3000)
    scores = biobank.scores[first]
    selected, outcome = biobank.is_mdd[first], biobank.outcome[first]
    design = sm.add_constant(scores.to_numpy())
    chance = sm.Logit(selected.astype(float), design).fit(disp=0, tol=1e-12).predict()
    weights = 1 / chance[selected]
    among = sm.add_constant(scores[["insomnia"]].to_numpy()[selected])
    binomial = sm.families.Binomial()
    expected = sm.GLM(outcome[selected], among, binomial, var_weights=weights).fit(tol=1e-12)
    hat = expected.get_hat_matrix_diag(observed=False)
    residual = weights * (outcome[selected] - expected.fittedvalues) / (1 - hat)
    pull = (among * residual[:, np.newaxis]) @ expected.normalized_cov_params

    fits = fit_weighted_for_selection(
        outcome, scores[["insomnia"]], selected=selected, predictors=scores
    )

    assert_allclose(fits["beta"], expected.params[1], rtol=1e-7)
    assert_allclose(fits["se"], np.sqrt((pull[:, 1] ** 2).sum()), rtol=1e-6)
    assert_allclose(fits["n_effective"], weights.sum() ** 2 / (weights**2).sum(), rtol=1e-8)


def test_selection_weights__are_the_inverse_shares_of_each_stratum():
    """One binary predictor saturates the model: 1 of 4 men, 2 of 4 women; mean weight 1."""
    sex = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    mdd = np.array([1.0, 0, 0, 0, 1, 1, 0, 0])

    weights = selection_weights(mdd, sex)

    expected = np.full(8, np.nan)
    expected[[0, 4, 5]] = np.array([4.0, 2.0, 2.0]) * 3 / 8
    assert_allclose(weights, expected, rtol=1e-8)


def test_selection_weights__truncation_bounds_the_largest_weight(biobank):
    """All weights above the median become the median, so that half the people share one."""
    predictors = biobank.scores[:2000].assign(cause=biobank.hidden[:2000])
    weights = selection_weights(biobank.is_mdd[:2000], predictors, truncate=0.5)

    given = weights[~np.isnan(weights)]
    assert np.mean(given >= given.max() * (1 - 1e-12)) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("selected", "predictor", "message"),
    [
        (np.ones(6), np.arange(6.0), "6 of 6 people"),
        (np.zeros(6), np.arange(6.0), "0 of 6 people"),
        (np.r_[np.zeros(3), np.ones(3)], np.arange(6.0), "'covariate_1' separates"),
        (np.r_[np.zeros(3), np.ones(3)], np.ones(6), "'covariate_1' is constant"),
    ],
)
def test_selection_weights__a_selection_that_cannot_be_modelled_is_refused(
    selected, predictor, message
):
    """Infinite weights, or weights of a model that did not settle, must not go on."""
    with pytest.raises(ModelDataError, match=message):
        selection_weights(selected, predictor)


def test_selection_weights__a_truncation_that_is_no_quantile_is_refused():
    """95 for 0.95 would silently truncate nothing."""
    with pytest.raises(UsageError, match="truncate is 95"):
        selection_weights(np.array([0.0, 1, 0, 1]), np.arange(4.0), truncate=95)


def test_fit_against_shared_controls__the_controls_cancel_in_the_difference():
    """A binary score by hand: the difference and its error know the cases alone."""
    counts = {"trd": (12, 30), "responsive": (40, 55), "no_mdd": (300, 150)}
    phenotype = np.concatenate([np.repeat(kind, sum(pair)) for kind, pair in counts.items()])
    score = np.concatenate([np.repeat([0.0, 1.0], pair) for pair in counts.values()])

    fits = fit_against_shared_controls(phenotype, score).set_index("contrast")

    def log_odds(kind):
        return np.log(counts[kind][1] / counts[kind][0])

    def variance(*kinds):
        return sum(1 / count for kind in kinds for count in counts[kind])

    expected = {
        "trd_vs_no_mdd": (log_odds("trd") - log_odds("no_mdd"), variance("trd", "no_mdd")),
        "responsive_vs_no_mdd": (
            log_odds("responsive") - log_odds("no_mdd"),
            variance("responsive", "no_mdd"),
        ),
        "difference": (log_odds("trd") - log_odds("responsive"), variance("trd", "responsive")),
    }
    assert list(fits.index) == list(expected)
    assert_allclose(fits["beta"], [beta for beta, _ in expected.values()], rtol=1e-9)
    assert_allclose(fits["se"] ** 2, [square for _, square in expected.values()], rtol=1e-9)
    assert list(fits["n_events"]) == [42, 95, 42]


def test_fit_against_shared_controls__shows_what_the_case_only_estimate_is_made_of(biobank, naive):
    """MDD acts on both kinds of cases; the difference is as biased as the naive estimate."""
    fits = fit_against_shared_controls(
        pd.Series(biobank.phenotype), biobank.scores, biobank.covariates
    ).set_index(["score", "contrast"])

    both = fits.loc["mdd"]
    assert (both.loc[["trd_vs_no_mdd", "responsive_vs_no_mdd"], "beta"] > 0.3).all()
    assert_allclose(both.loc["difference", "beta"], naive.loc["mdd", "beta"], rtol=0.05)
    assert list(fits.index.get_level_values("score").unique()) == ["mdd", "insomnia"]


def test_fit_against_shared_controls__people_of_other_classes_are_out(biobank):
    """Relabelling people as excluded is leaving them out."""
    phenotype = biobank.phenotype[:4000].copy()
    phenotype[:1000] = "excluded"
    given = fit_against_shared_controls(phenotype, biobank.scores[:4000])
    without = fit_against_shared_controls(phenotype[1000:], biobank.scores[1000:4000])
    pd.testing.assert_frame_equal(given, without)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cases": "resistant"}, "nobody of class 'resistant'"), ({"cases": "no_mdd"}, "three")],
)
def test_fit_against_shared_controls__classes_that_are_not_there_are_refused(options, message):
    """A misspelt class would otherwise compare two groups."""
    with pytest.raises(UsageError, match=message):
        fit_against_shared_controls(["trd", "responsive", "no_mdd"], np.arange(3.0), **options)


def test_fit_adjusted_for_score__a_measured_cause_held_fixed_frees_the_other_scores(biobank):
    """The shared cause as a score: the MDD score is null with it, biased without it."""
    scores = biobank.scores.assign(cause=biobank.hidden)
    fits = fit_adjusted_for_score(
        biobank.outcome, scores, biobank.covariates, adjust_for="cause"
    ).set_index(["score", "approach"])

    assert list(fits.index) == [
        ("mdd", "unadjusted"),
        ("mdd", "adjusted"),
        ("insomnia", "unadjusted"),
        ("insomnia", "adjusted"),
        ("cause", "unadjusted"),
    ]
    mdd = fits.loc["mdd"]
    assert mdd.loc["unadjusted", "beta"] < -5 * mdd.loc["unadjusted", "se"]
    assert abs(mdd.loc["adjusted", "beta"]) < 3 * mdd.loc["adjusted", "se"]


def test_fit_adjusted_for_score__both_fits_are_of_the_same_people(biobank):
    """A difference between the two must not come from people without the score."""
    scores = biobank.scores[:5000].copy()
    scores.iloc[::3, 0] = np.nan
    fits = fit_adjusted_for_score(biobank.outcome[:5000], scores, adjust_for="mdd")
    direct = fit_logistic(biobank.outcome[:5000], scores[["insomnia"]], scores[["mdd"]])

    adjusted = fits[(fits["score"] == "insomnia") & (fits["approach"] == "adjusted")]
    assert fits["n"].nunique() == 1
    assert_allclose(adjusted["beta"], direct["beta"], rtol=1e-12)


def test_fit_adjusted_for_score__a_score_that_is_not_there_is_refused(biobank):
    """Else nothing would be held fixed."""
    with pytest.raises(UsageError, match="'mood'"):
        fit_adjusted_for_score(biobank.outcome, biobank.scores, adjust_for="mood")


def test_fit_weighted_for_selection__refuses_predictors_in_another_order():
    """Weights go by position: of people in another order they would be other people's."""
    rng = np.random.default_rng(3)
    scores = pd.DataFrame(rng.normal(size=(200, 1)), columns=["mdd"])
    predictors = pd.DataFrame({"age": rng.normal(size=200)})
    selected = (rng.random(200) < 0.5).astype(float)
    outcome = np.where(selected == 1, rng.random(200) < 0.4, np.nan)

    with pytest.raises(UsageError, match="index of predictors differs from that of scores"):
        fit_weighted_for_selection(
            outcome, scores, selected=selected, predictors=predictors.iloc[::-1]
        )


def test_fit_adjusted_for_score__refuses_two_scores_of_one_name():
    """It would be open which of them is held fixed."""
    scores = pd.DataFrame(np.eye(6)[:, :2], columns=["mdd", "mdd"])

    with pytest.raises(UsageError, match="column names occur more than once: mdd"):
        fit_adjusted_for_score([0, 1] * 3, scores, adjust_for="mdd")
