"""Corrections for selection against their likelihood, their formula, and simulated selection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, correct_winners_curse


def table(z, se=1.0):
    return pd.DataFrame({"beta": np.asarray(z, dtype=float) * se, "se": se})


def conditional_log_likelihood(mu, z, threshold):
    """Give the log density of z less that of being chosen (Zhong and Prentice 2008)."""
    passing = stats.norm.sf(threshold - mu) + stats.norm.cdf(-threshold - mu)
    return stats.norm.logpdf(z - mu) - np.log(passing)


@settings(max_examples=40)
@given(beyond=st.floats(0.001, 8.0), alpha=st.floats(1e-8, 0.2), sign=st.sampled_from([-1, 1]))
def test_correct_winners_curse__is_the_top_of_the_conditional_likelihood(beyond, alpha, sign):
    """No mean on a fine grid around it is likelier; it lies between 0 and the estimate."""
    threshold = stats.norm.isf(alpha / 2)
    z = sign * (threshold + beyond)

    found = correct_winners_curse(table([z]), alpha=alpha)["beta_conditional"].iloc[0]

    assert 0 <= sign * found <= sign * z
    best = optimize.minimize_scalar(
        lambda mu: -conditional_log_likelihood(mu, abs(z), threshold),
        bounds=(0, abs(z)), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert sign * found == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("truth", [0.0, 1.0, 3.0])
def test_correct_winners_curse__intervals_cover_among_the_chosen(truth):
    """Where plain ones need not: estimates of |z| > 2.58 only, with a true mean of `truth`."""
    rng = np.random.default_rng(1)
    z = rng.normal(truth, size=400_000 if truth == 0 else 40_000)
    chosen = z[np.abs(z) > stats.norm.isf(0.005)][:4000]

    rows = correct_winners_curse(table(chosen), alpha=0.01, confidence=0.9)

    assert rows["selected"].all()
    covered = (rows["ci_low_conditional"] < truth) & (truth < rows["ci_high_conditional"])
    error = np.sqrt(0.09 / len(chosen))
    assert covered.mean() == pytest.approx(0.9, abs=3.5 * error)
    plain = np.abs(chosen - truth) < stats.norm.ppf(0.95)
    if truth < 3:  # where nearly all pass, there is little to correct
        assert plain.mean() < 0.9 - 3.5 * error
    if truth:
        assert abs(rows["beta_conditional"].mean() - truth) < abs(chosen.mean() - truth)


def test_correct_winners_curse__leaves_alone_what_is_far_beyond_the_threshold():
    """There was no chance not to choose it; z = 60 has no p-value that a number holds."""
    rows = correct_winners_curse(table([60.0, -60.0], se=0.1), alpha=0.05)

    half = stats.norm.ppf(0.975)
    assert_allclose(rows["beta_conditional"], [6.0, -6.0], rtol=1e-12)
    assert_allclose(rows["ci_low_conditional"], [6 - 0.1 * half, -6 - 0.1 * half], rtol=1e-9)
    # Both at the top of two tests: p is adjusted by 2 / 2.
    assert_allclose(rows["beta_fiqt"], [6.0, -6.0], rtol=1e-10)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_correct_winners_curse__fiqt_is_its_published_recipe(seed):
    """Adjust the p-values for the false discovery rate, and turn them back into z."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=2, size=20)
    se = rng.uniform(0.01, 1, 20)

    rows = correct_winners_curse(table(z, se), alpha=0.05)

    adjusted = multipletests(2 * stats.norm.sf(np.abs(z)), method="fdr_bh")[1]
    expected = np.sign(z) * stats.norm.isf(adjusted / 2) * se
    assert_allclose(rows["beta_fiqt"], expected, rtol=1e-7, atol=1e-9)
    assert (rows["beta_fiqt"].abs() <= rows["beta"].abs() * (1 + 1e-9)).all()


def test_correct_winners_curse__tests_below_the_threshold_have_no_conditional_estimate():
    """They were not chosen; a refused fit is a planned test and has nothing."""
    rows = correct_winners_curse(table([3.0, 1.0, np.nan, 1.5]), alpha=0.01)

    assert rows["selected"].tolist() == [True, False, False, False]
    assert rows["beta_conditional"].notna().tolist() == [True, False, False, False]
    # p of z = 3 is 0.0027, and four tests were planned.
    assert_allclose(rows["beta_fiqt"].iloc[0], stats.norm.isf(2 * stats.norm.sf(3.0) * 4 / 2))
    assert np.isnan(rows["beta_fiqt"].iloc[2])


def test_correct_winners_curse__families_are_adjusted_apart():
    """Two families of one test each: nothing to shrink."""
    rows = correct_winners_curse(
        table([2.0, 1.0]).assign(contrast=["a", "b"]), alpha=0.05, by=["contrast"]
    )

    assert_allclose(rows["beta_fiqt"], [2.0, 1.0], rtol=1e-9)


def test_correct_winners_curse__refuses_estimates_without_an_error():
    """Their z would be infinite."""
    with pytest.raises(ModelDataError, match="1 of 2 estimates have no positive se"):
        correct_winners_curse(table([1.0, 2.0], se=np.array([0.1, 0.0])), alpha=0.05)
    with pytest.raises(UsageError, match="alpha is 0"):
        correct_winners_curse(table([1.0]), alpha=0)


def test_correct_winners_curse__takes_one_column_by_its_name():
    """`by="contrast"` is the column, not its letters."""
    tests = pd.DataFrame({"contrast": ["a", "a", "b"], "beta": [0.1, 0.2, 0.1], "se": 0.03})

    one, other = (
        correct_winners_curse(tests, alpha=0.01, by=by) for by in ("contrast", ["contrast"])
    )

    pd.testing.assert_frame_equal(one, other)


def test_correct_winners_curse__refuses_infinite_estimates():
    """No correction of one is finite."""
    tests = pd.DataFrame({"beta": [np.inf, 0.2], "se": [0.03, 0.03]})

    with pytest.raises(ModelDataError, match="results: beta: 1 of 2 values are infinite"):
        correct_winners_curse(tests, alpha=0.01)
