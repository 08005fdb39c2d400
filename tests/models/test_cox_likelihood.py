"""The compiled sums against loops over events and people, and against differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.models.cox_likelihood import CoxLikelihood, FirthCoxLikelihood
from pgs_trd.models.design import Design
from pgs_trd.models.risk_sets import build_risk_sets


def make_case(seed, *, n_people=60, n_models=3, is_efron=True):
    """Draw tied days, late entry, strata, weights; columns of a design with two shared."""
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 4, size=n_people).astype(float)
    duration = entry + rng.integers(1, 9, size=n_people)
    event = rng.random(n_people) < 0.6
    event[0] = True
    strata = rng.integers(0, 2, size=n_people)
    weights = rng.uniform(0.5, 2, size=n_people)
    sets = build_risk_sets(duration, event, entry=entry, strata=strata, efron=is_efron)
    design = Design(rng.normal(size=(2, n_people)), rng.normal(size=(n_people, n_models)))
    follow_up = {"entry": entry, "duration": duration, "event": event, "strata": strata}
    return design, sets, weights, follow_up, rng.normal(size=(n_models, 3)) * 0.5


def slow_value(design, model, weights, follow_up, beta, *, is_efron):
    """Add up the log partial likelihood, event by event, as Efron writes it."""
    x = np.column_stack([design.basis.T, design.own[:, model]])
    risk = weights * np.exp(x @ beta)
    entry, duration, event, strata = follow_up.values()
    value = 0.0
    for stratum, day in {(s, t) for s, t, e in zip(strata, duration, event, strict=True) if e}:
        there = (strata == stratum) & (entry < day) & (day <= duration)
        died = there & event & (duration == day)
        n_died = int(died.sum())
        value += float(weights[died] @ (x[died] @ beta))
        for k in range(n_died):
            share = k / n_died if is_efron else 0.0
            left = risk[there].sum() - share * risk[died].sum()
            value -= weights[died].mean() * np.log(left)
    return value


def differences(function, point, step=1e-5):
    """Give central differences of a function of a vector."""
    moves = np.eye(len(point)) * step
    return np.array([(function(point + m) - function(point - m)) / (2 * step) for m in moves])


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), is_efron=st.booleans(), n_models=st.sampled_from([1, 3, 9]))
def test_cox_likelihood__equals_a_loop_over_events(seed, is_efron, n_models):
    """Value by the definition, slope and curvature as its differences."""
    design, sets, weights, follow_up, beta = make_case(seed, n_models=n_models, is_efron=is_efron)

    at_beta = CoxLikelihood(design, sets, weights).evaluate(beta, np.arange(n_models))

    model = n_models - 1

    def value(b):
        return slow_value(design, model, weights, follow_up, b, is_efron=is_efron)

    def slope(b):
        points = np.tile(b, (n_models, 1))
        likelihood = CoxLikelihood(design, sets, weights)
        return likelihood.evaluate(points, np.arange(n_models)).gradient[model]

    assert_allclose(at_beta.log_likelihood[model], value(beta[model]), rtol=1e-11)
    # Differences of step 1e-5 keep about nine digits.
    assert_allclose(at_beta.gradient[model], differences(value, beta[model]), rtol=1e-5, atol=1e-6)
    assert_allclose(
        at_beta.information[model], -differences(slope, beta[model]), rtol=1e-5, atol=1e-6
    )


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), is_efron=st.booleans())
def test_firth_cox_likelihood__slope_is_that_of_its_value(seed, is_efron):
    """The penalty's slope needs third moments of risk sets; differences need none."""
    design, sets, weights, _, beta = make_case(seed, is_efron=is_efron)
    likelihood = FirthCoxLikelihood(design, sets, weights)
    everyone = np.arange(3)

    slope = likelihood.evaluate(beta, everyone).gradient[1]

    def value(b):
        return likelihood.evaluate(np.tile(b, (3, 1)), everyone).log_likelihood[1]

    assert_allclose(slope, differences(value, beta[1]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("is_efron", [True, False])
def test_cox_likelihood__models_do_not_touch_each_other(is_efron):
    """A model gives the same digits alone, in another place, and beside others."""
    design, sets, weights, _, beta = make_case(3, n_models=9, is_efron=is_efron)
    likelihood = CoxLikelihood(design, sets, weights)

    together = likelihood.evaluate(beta, np.arange(9))
    for model in (0, 8):
        alone = likelihood.evaluate(beta[[model]], np.array([model]))
        assert alone.log_likelihood[0] == together.log_likelihood[model]
        assert (alone.gradient[0] == together.gradient[model]).all()
        assert (alone.information[0] == together.information[model]).all()


@pytest.mark.parametrize("kind", [CoxLikelihood, FirthCoxLikelihood])
def test_cox_likelihood__start_is_an_evaluation(kind):
    """One model's sums serve all where the own coefficients are 0: the numbers are the same."""
    design, sets, weights, _, beta = make_case(7, n_models=9)
    likelihood = kind(design, sets, weights)
    shared = beta[0, :-1]

    begin = likelihood.start(shared)

    expected = likelihood.evaluate(np.tile(np.r_[shared, 0.0], (9, 1)), np.arange(9))
    assert_allclose(begin.log_likelihood, expected.log_likelihood, rtol=1e-11)
    assert_allclose(begin.gradient, expected.gradient, rtol=1e-9, atol=1e-11)
    assert_allclose(begin.information, expected.information, rtol=1e-9, atol=1e-11)


def test_cox_likelihood__influences_add_up_to_the_slope():
    """Score residuals along a direction sum to the slope along it; weights are in both."""
    design, sets, weights, _, beta = make_case(4, is_efron=False)
    likelihood = CoxLikelihood(design, sets, weights)
    directions = np.random.default_rng(5).normal(size=(3, 3))

    influence = likelihood.influence(beta, np.arange(3), directions)

    slope = likelihood.evaluate(beta, np.arange(3)).gradient
    assert_allclose(influence.sum(axis=0), np.einsum("ij,ij->i", slope, directions), rtol=1e-10)


def test_cox_likelihood__risk_set_means_are_those_of_each_column():
    """Nine columns, so that the blocks of eight are crossed."""
    rng = np.random.default_rng(6)
    _, _, weights, follow_up, _ = make_case(6)
    entry, duration, event, strata = follow_up.values()
    sets = build_risk_sets(duration, event, entry=entry, strata=strata, efron=False)
    x = rng.normal(size=(60, 10))
    beta = rng.normal(size=10) * 0.3
    likelihood = CoxLikelihood(Design(x[:, :9].T.copy(), x[:, 9:].copy()), sets, weights)

    means = likelihood.risk_set_means(beta[np.newaxis])

    risk = weights * np.exp(x @ beta)
    for mean, person in zip(means, sets.deaths, strict=True):
        day = duration[person]
        there = (strata == strata[person]) & (entry < day) & (day <= duration)
        assert_allclose(mean, np.average(x[there], axis=0, weights=risk[there]), rtol=1e-10)
