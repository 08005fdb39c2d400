"""R2 on the liability scale: published formulas, and liabilities that were simulated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from pgs_trd.errors import UsageError
from pgs_trd.models import explained_variation, liability_r2, liability_table, two_threshold_r2

# Prevalence, R2, share of cases; from Nagelkerke's R2 and from the linear model's.
LEE = [
    (0.15, 0.02, 0.5, 0.018024, 0.024069),
    (0.15, 0.02, 0.2, 0.023687, 0.037500),
    (0.20, 0.005, 0.2007, 0.006445, 0.010180),
    (0.30, 0.005, 0.2007, 0.007193, 0.011355),
    (0.01, 0.05, 0.5, 0.021282, 0.028646),
]
SHARES = st.floats(0.02, 0.98)


@pytest.mark.parametrize(("k", "r2", "p", "from_nagelkerke", "from_linear"), LEE)
def test_liability_r2__is_the_published_formula(k, r2, p, from_nagelkerke, from_linear):
    """Worked out apart from this code, to six places."""
    assert_allclose(liability_r2(r2, k, p), from_linear, atol=5e-7)
    assert_allclose(liability_r2(r2, k, p, kind="nagelkerke"), from_nagelkerke, atol=5e-7)


@settings(max_examples=40)
@given(k=SHARES, r2=st.floats(1e-6, 0.2))
def test_liability_r2__without_ascertainment_is_robertsons(k, r2):
    """With P = K it is R2 K (1-K) / z^2 (Dempster and Lerner 1950)."""
    density = stats.norm.pdf(stats.norm.isf(k))
    assert_allclose(liability_r2(r2, k, k), r2 * k * (1 - k) / density**2, rtol=1e-9)


@settings(max_examples=40)
@given(k=SHARES, p=SHARES)
def test_liability_r2__small_r2_grow_by_a_factor(k, p):
    """No ascertainment turns 0 into something, and twice a tiny R2 is twice as much."""
    assert liability_r2(0.0, k, p) == 0.0
    assert_allclose(liability_r2(2e-9, k, p), 2 * liability_r2(1e-9, k, p), rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0.1, 0.02, 0.85, 0.5), 0.055065), ((0.1, 0.15, 0.85, 0.5), 0.119613)],
)
def test_two_threshold_r2__is_the_published_formula(arguments, expected):
    """With controls who are all below the cases' threshold, it is Lee's first factor alone."""
    assert_allclose(two_threshold_r2(*arguments), expected, atol=5e-7)


def simulate(rng, *, n, prevalence, r2, share_of_cases=None):
    """Draw liabilities of which a score explains r2, then keep as many cases as asked for."""
    score = rng.normal(size=n)
    liability = np.sqrt(r2) * score + np.sqrt(1 - r2) * rng.normal(size=n)
    outcome = (liability > stats.norm.isf(prevalence)).astype(float)
    if share_of_cases is not None:
        cases, controls = np.flatnonzero(outcome == 1), np.flatnonzero(outcome == 0)
        kept = np.r_[cases, controls[: int(len(cases) * (1 / share_of_cases - 1))]]
        return outcome[kept], score[kept]
    return outcome, score


@pytest.mark.parametrize("share_of_cases", [None, 0.5])
def test_liability_r2__recovers_what_a_score_explains(share_of_cases):
    """5 % of the liability, 10 % of people ill, sampled as they are or as many of each."""
    rng = np.random.default_rng(12)
    outcome, score = simulate(
        rng, n=150_000, prevalence=0.1, r2=0.05, share_of_cases=share_of_cases
    )
    explained = explained_variation(outcome, score)

    rows = liability_table(explained, prevalence=[0.1]).set_index("kind")

    assert len(rows) == 2
    for kind, row in rows.iterrows():
        assert abs(row["r2_liability"] - 0.05) < 3 * row["se"], kind
        assert row["se"] < 0.003
        assert row["ci_low"] < 0.05 < row["ci_high"]


def test_liability_table__has_a_row_for_each_score_kind_and_prevalence():
    """The error is the observed one times the slope, here by a small difference."""
    explained = pd.DataFrame(
        {
            "score": ["a", "b"], "n": [1000, 500], "n_cases": [200, 0],
            "status": ["ok", "no_events"],
            "r2_linear": [0.02, np.nan], "r2_linear_se": [0.004, np.nan],
            "r2_nagelkerke": [0.03, np.nan], "r2_nagelkerke_se": [0.005, np.nan],
        }
    )  # fmt: skip

    table = liability_table(explained, prevalence=[0.15, 0.3])

    assert table["score"].tolist() == ["a"] * 4 + ["b"] * 4
    assert table["kind"].tolist() == ["linear", "linear", "nagelkerke", "nagelkerke"] * 2
    assert table["prevalence"].tolist() == [0.15, 0.3] * 4
    one = table.iloc[0]
    step = 1e-6
    around = liability_r2([0.02 - step, 0.02 + step], 0.15, 0.2)
    assert_allclose(one["r2_liability"], liability_r2(0.02, 0.15, 0.2))
    assert_allclose(one["se"], 0.004 * np.diff(around)[0] / (2 * step), rtol=1e-6)
    empty = table[table["score"] == "b"]
    assert empty[["r2_liability", "se", "ci_low", "share_of_cases"]].isna().all(axis=None)


def test_liability_r2__refuses_shares_that_are_none():
    """A prevalence of 15 is 15 %."""
    with pytest.raises(UsageError, match="prevalence: 1 of 1 values"):
        liability_r2(0.02, 15, 0.5)
    with pytest.raises(UsageError, match="share_of_cases: 1 of 2 values"):
        liability_r2(0.02, 0.15, [0.5, 1.0])
    with pytest.raises(UsageError, match="kind is 'mcfadden'"):
        liability_r2(0.02, 0.15, 0.5, kind="mcfadden")
    with pytest.raises(UsageError, match="the groups overlap"):
        two_threshold_r2(0.02, 0.3, 0.8, 0.5)
