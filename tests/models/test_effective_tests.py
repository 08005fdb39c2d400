"""Effective numbers of tests of correlation matrices whose eigenvalues are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, effective_tests
from pgs_trd.models.effective_tests import METHODS, count_effective


def numbers_of(*arguments, **options):
    """Give the effective numbers by method."""
    return effective_tests(*arguments, **options).set_index("method")["n_effective"]


def whitened(rng, n_people, n_columns):
    """Draw columns that are uncorrelated to the last digit."""
    raw = rng.normal(size=(n_people, n_columns))
    return np.linalg.qr(raw - raw.mean(axis=0))[0]


def test_count_effective__is_what_was_worked_out_by_hand():
    """Equal correlations of 1/2 among four tests: eigenvalues 2.5, 0.5, 0.5, 0.5.

    Their variance is 1; Nyholt 1 + 3 x (1 - 1/4); Li and Ji 1.5 + 3 x 0.5 = 3;
    Galwey (sqrt(2.5) + 3 sqrt(0.5))^2 / 4 = (7 + 6 sqrt(1.25)) / 4.
    """
    eigenvalues = np.array([2.5, 0.5, 0.5, 0.5])

    found = [count_effective(eigenvalues, method) for method in METHODS]

    assert_allclose(found, [3.25, 3.0, (7 + 6 * np.sqrt(1.25)) / 4], rtol=1e-7)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n_scores=st.integers(2, 8))
def test_effective_tests__independent_scores_count_each_and_copies_once(seed, n_scores):
    """The two ends, for any sign and scale of the scores."""
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.5, 3, n_scores) * rng.choice([-1, 1], n_scores)
    apart = whitened(rng, 40, n_scores) * scale
    copies = apart[:, :1] * scale

    for method, number in numbers_of(apart).items():
        assert number == pytest.approx(n_scores, rel=1e-6), method
    for method, number in numbers_of(copies).items():
        assert number == pytest.approx(1.0, abs=1e-6), method


def test_effective_tests__take_out_what_the_models_adjust_for():
    """Two scores that are alike in nothing but a covariate are two tests given it."""
    rng = np.random.default_rng(4)
    covariate, one, other = whitened(rng, 200, 3).T
    scores = np.column_stack([one + 10 * covariate, other + 10 * covariate])

    plain, adjusted = numbers_of(scores), numbers_of(scores, covariate)

    assert plain["galwey"] < 1.3
    assert adjusted["galwey"] == pytest.approx(2.0, rel=1e-6)


def test_effective_tests__people_with_gaps_are_out_and_counted():
    """The correlation of pairs with different people need not be one of any scores."""
    rng = np.random.default_rng(5)
    scores = pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "c"])
    scores.iloc[:7, 1] = np.nan

    numbers = effective_tests(scores, alpha=0.1)

    assert (numbers["n"] == 43).all()
    assert_allclose(numbers["alpha_per_test"], 0.1 / numbers["n_effective"])
    pd.testing.assert_frame_equal(numbers, effective_tests(scores.iloc[7:], alpha=0.1))


def test_effective_tests__refuses_scores_that_do_not_vary():
    """Their correlation is 0/0."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=30)
    with pytest.raises(ModelDataError, match="score 'b' is constant or a combination"):
        effective_tests(pd.DataFrame({"a": rng.normal(size=30), "b": 5.1 + 0 * x}))
    with pytest.raises(ModelDataError, match="score 'b' is constant or a combination"):
        effective_tests(pd.DataFrame({"a": rng.normal(size=30), "b": 2 * x - 1}), x)
    with pytest.raises(ModelDataError, match="2 people are complete"):
        effective_tests(rng.normal(size=(2, 2)))
    with pytest.raises(UsageError, match="alpha is 5"):
        effective_tests(rng.normal(size=(9, 2)), alpha=5)


def test_effective_tests__does_not_depend_on_the_units_of_covariates():
    """A covariate that both scores hold is taken out whatever its unit beside another."""
    rng = np.random.default_rng(8)
    covariates = pd.DataFrame(rng.normal(size=(500, 2)), columns=["age", "pc1"])
    scores = rng.normal(size=(500, 2)) + 3 * covariates[["pc1"]].to_numpy()

    plain, scaled = (effective_tests(scores, covariates * [unit, 1 / unit]) for unit in (1.0, 3e7))

    assert_allclose(scaled["n_effective"], plain["n_effective"], rtol=1e-10)
