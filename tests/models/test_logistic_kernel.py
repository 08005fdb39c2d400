"""The compiled sums of logistic and Poisson models against plain numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from pgs_trd.models import _logistic, fit_logistic
from pgs_trd.models.logistic_likelihood import FirthLikelihood, GlmData, GlmLikelihood
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import PEOPLE_PER_PART, Workers


def draw(rng, family, n_people=1500, n_own=2, *, extreme=1.0):
    """Draw a design with three models, and coefficients for four rows of them."""
    design = TermDesign(rng.normal(size=(4, n_people)), rng.normal(size=(n_own, 3, n_people)))
    outcome = rng.integers(0, 2 if family == "logistic" else 5, size=n_people).astype(float)
    data = GlmData(outcome, rng.uniform(0.5, 2, size=n_people), rng.normal(size=n_people))
    beta = rng.normal(size=(4, 4 + n_own)) * 0.3 * extreme
    return design, data, beta, np.array([0, 2, 1, 0])


def columns_of(design, model):
    """Put the shared and the own columns of one model together."""
    return np.vstack([design.basis, design.own[:, model]])


@pytest.mark.parametrize("path", _logistic.paths())
@pytest.mark.parametrize("family", ["logistic", "poisson"])
@pytest.mark.parametrize("n_own", [0, 1, 3])
def test_glm_likelihood__is_the_plain_sum(path, family, n_own):
    """Value, gradient and information, written out, on every set of instructions."""
    design, data, beta, models = draw(np.random.default_rng(1), family, n_own=n_own)
    if n_own == 0:
        design = TermDesign(design.basis, np.empty((0, 3, design.basis.shape[1])))

    with Workers(1) as workers:
        at = GlmLikelihood(design, data, family, workers, path=path).evaluate(beta, models)

    for row, model in enumerate(models):
        x = columns_of(design, model)
        eta = beta[row] @ x + data.offset
        mean = expit(eta) if family == "logistic" else np.exp(eta)
        variance = mean * (1 - mean) if family == "logistic" else mean
        whole = np.logaddexp(0, eta) if family == "logistic" else mean
        value = data.weights @ (data.outcome * eta - whole)
        assert_allclose(at.log_likelihood[row], value, rtol=1e-12)
        residual = data.weights * (data.outcome - mean)
        assert_allclose(at.gradient[row], x @ residual, rtol=1e-10, atol=1e-9)
        assert_allclose(
            at.information[row], (x * (data.weights * variance)) @ x.T, rtol=1e-10, atol=1e-9
        )


def test_glm_likelihood__very_many_covariates_are_summed_in_smaller_chunks():
    """Beyond 40 or so columns the pairs no longer fit; the sums must not notice."""
    rng = np.random.default_rng(7)
    design = TermDesign(rng.normal(size=(90, 1300)) / 10, rng.normal(size=(1, 2, 1300)))
    data = GlmData((rng.random(1300) < 0.3).astype(float))
    beta, models = rng.normal(size=(2, 91)) * 0.3, np.arange(2)

    with Workers(1) as workers:
        at = GlmLikelihood(design, data, "logistic", workers).evaluate(beta, models)

    for model in models:
        x = columns_of(design, model)
        mean = expit(beta[model] @ x)
        assert_allclose(at.gradient[model], x @ (data.outcome - mean), rtol=1e-9, atol=1e-10)
        information = (x * (mean * (1 - mean))) @ x.T
        assert_allclose(at.information[model], information, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("path", _logistic.paths())
def test_glm_likelihood__far_predictors_keep_their_relative_precision(path):
    """Separated people have predictors of hundreds: their variance must not become 0 or NaN."""
    eta = np.array([-700.0, -300.0, -40.0, -1e-9, 0.0, 1e-9, 40.0, 300.0, 700.0])
    one = TermDesign(np.empty((0, 1)), np.ones((1, 1, 1)))

    for x in eta:
        data = GlmData(np.array([1.0]), None, np.array([x]))
        with Workers(1) as workers:
            likelihood = GlmLikelihood(one, data, "logistic", workers, path=path)
            at = likelihood.evaluate(np.zeros((1, 1)), np.array([0]))
        # As a term of a sum: only its absolute size counts.
        assert_allclose(at.log_likelihood[0], -np.logaddexp(0, -x), rtol=1e-13, atol=1e-15)
        assert_allclose(at.gradient[0, 0], expit(-x), rtol=1e-13, atol=3e-16)
        assert_allclose(at.information[0, 0, 0], expit(-x) * expit(x), rtol=1e-13)


@pytest.mark.parametrize("path", _logistic.paths())
def test_glm_likelihood__a_predictor_that_is_no_number_is_seen(path):
    """A NaN that vanished in a sum would end as a coefficient."""
    one = TermDesign(np.empty((0, 2)), np.ones((1, 1, 2)))
    data = GlmData(np.array([1.0, 0.0]), None, np.array([0.0, np.nan]))

    with Workers(1) as workers:
        at = GlmLikelihood(one, data, "logistic", workers, path=path).evaluate(
            np.zeros((1, 1)), np.array([0])
        )

    assert not at.is_finite().any()


@pytest.mark.parametrize("path", _logistic.paths())
def test_firth_likelihood__gradient_is_that_of_its_value(path):
    """Central differences of the penalised likelihood, in all coefficients, with weights."""
    design, data, beta, models = draw(np.random.default_rng(2), "logistic", n_people=80)
    step = 1e-5

    with Workers(1) as workers:
        likelihood = FirthLikelihood(design, data, "logistic", workers, path=path)
        gradient = likelihood.evaluate(beta, models).gradient
        for place in range(beta.shape[1]):
            moved = np.zeros_like(beta)
            moved[:, place] = step
            above = likelihood.evaluate(beta + moved, models).log_likelihood
            below = likelihood.evaluate(beta - moved, models).log_likelihood
            # Differences of numbers near 100 over 2e-5 are good to about 1e-9.
            assert_allclose(gradient[:, place], (above - below) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("path", _logistic.paths())
def test_glm_likelihood__influence_is_residual_times_combination(path):
    """Written out, for models in any order."""
    rng = np.random.default_rng(3)
    design, data, beta, models = draw(rng, "logistic")
    leverage = rng.normal(size=beta.shape)

    with Workers(2) as workers:
        likelihood = GlmLikelihood(design, data, "logistic", workers, path=path)
        influence = likelihood.influence(beta, models, leverage)

    for row, model in enumerate(models):
        x = columns_of(design, model)
        residual = data.weights * (data.outcome - expit(beta[row] @ x + data.offset))
        assert_allclose(influence[row], residual * (leverage[row] @ x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("path", _logistic.paths())
@pytest.mark.parametrize(("family", "n_own"), [("logistic", 1), ("logistic", 2), ("poisson", 1)])
def test_glm_likelihood__approach_is_chebyshevs_step(path, family, n_own):
    """Gradient, information and third derivatives at the common point, written out."""
    design, data, _, _ = draw(np.random.default_rng(6), family, n_own=n_own)
    start, models = np.array([0.1, -0.1, 0.05, 0.2]), np.array([2, 0])

    with Workers(1) as workers:
        likelihood = GlmLikelihood(design, data, family, workers, path=path)
        beta = likelihood.approach(start, models)

    for row, model in enumerate(models):
        x = columns_of(design, model)
        eta = start @ design.basis + data.offset
        mean = expit(eta) if family == "logistic" else np.exp(eta)
        variance = data.weights * (mean * (1 - mean) if family == "logistic" else mean)
        third = variance * (1 - 2 * mean) if family == "logistic" else variance
        inverse = np.linalg.inv((x * variance) @ x.T)
        newton = inverse @ (x @ (data.weights * (data.outcome - mean)))
        correction = -0.5 * inverse @ (x @ (third * (newton @ x) ** 2))
        at_start = np.concatenate([start, np.zeros(n_own)])
        assert np.max(np.abs(correction)) < np.max(np.abs(newton)) / 2
        is_short = np.max(np.abs(newton)) <= 0.5
        expected = at_start + (newton + correction if is_short else 0)
        assert_allclose(beta[row], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("options", [{}, {"se": "HC0"}, {"interval": "profile"}])
def test_fit_logistic__threads_do_not_change_a_bit(options):
    """A result that depends on the machine's cores cannot be checked on another."""
    rng = np.random.default_rng(4)
    n_people = 2 * PEOPLE_PER_PART + 100
    scores = pd.DataFrame(rng.normal(size=(n_people, 3))).add_prefix("s")
    covariates = rng.normal(size=(n_people, 2))
    outcome = (rng.random(n_people) < expit(0.3 * scores["s0"] - 1)).astype(float)

    one = fit_logistic(outcome, scores, covariates, threads=1, **options)
    many = fit_logistic(outcome, scores, covariates, threads=3, **options)

    pd.testing.assert_frame_equal(one, many, check_exact=True)


def test_run__sizes_that_do_not_fit_are_refused():
    """The kernel reads memory by the sizes it is told: they are checked, not trusted."""
    design, data, beta, models = draw(np.random.default_rng(5), "logistic")

    with Workers(1) as workers:
        likelihood = GlmLikelihood(design, data, "logistic", workers)
        with pytest.raises(ValueError, match="coefficients holds 128 bytes, expected 192"):
            likelihood.evaluate(beta[:, :4], models)
        with pytest.raises(ValueError, match="model 3 of 3"):
            likelihood.evaluate(beta, np.array([0, 1, 2, 3]))
