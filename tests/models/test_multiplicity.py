"""Adjusted p-values against R and statsmodels, with planned tests that gave no number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.stats.multitest import multipletests

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import ModelDataError, adjust_p_values
from pgs_trd.models.multiplicity import estimate_null_share

ORACLE = Path(__file__).parents[1] / "oracles" / "multiplicity" / "hedenfalk.json"
STATSMODELS = {"bonferroni": "bonferroni", "holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}


@pytest.fixture(scope="module")
def hedenfalk():
    """3,170 p-values and what R made of some of them."""
    return json.loads(ORACLE.read_text())


def table(p_values, **columns):
    return pd.DataFrame({"p_value": p_values, **columns})


@pytest.mark.parametrize("method", [*STATSMODELS, "smoother", "bootstrap"])
def test_adjust_p_values__agrees_with_r(hedenfalk, method):
    """p.adjust and qvalue; R's spline stops looking for 3 degrees of freedom at about 1e-5."""
    p_values = np.array(hedenfalk["counts"]) / hedenfalk["out_of"]
    is_storey = method not in STATSMODELS
    adjusted = adjust_p_values(
        table(p_values),
        methods=["storey" if is_storey else method],
        null_share=method if is_storey else "smoother",
    )

    found = adjusted[f"p_{'storey' if is_storey else method}"].iloc[hedenfalk["rows"]]

    assert_allclose(found, hedenfalk[method], rtol=2e-5 if method == "smoother" else 1e-12)
    if is_storey:
        share = adjusted["null_share"].iloc[0]
        tolerance = 2e-5 if method == "smoother" else 1e-12
        assert_allclose(share, hedenfalk["null_share"][method], rtol=tolerance)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), n_unlisted=st.integers(0, 5))
def test_adjust_p_values__a_test_without_a_number_counts_as_one_with_p_of_1(seed, n_unlisted):
    """Or a family would get smaller, and its results stronger, because fits failed."""
    rng = np.random.default_rng(seed)
    p_values = np.round(rng.uniform(size=20) ** rng.integers(1, 40), rng.integers(2, 300))
    p_values[rng.random(20) < 0.2] = np.nan
    p_values[p_values == 0] = 1e-300
    known = ~np.isnan(p_values)
    filled = np.r_[np.where(known, p_values, 1.0), np.ones(n_unlisted)]

    adjusted = adjust_p_values(
        table(p_values), methods=list(STATSMODELS), n_planned=len(p_values) + n_unlisted
    )

    assert (adjusted["n_planned"] == len(filled)).all()
    assert (adjusted["n_completed"] == known.sum()).all()
    for ours, theirs in STATSMODELS.items():
        expected = multipletests(filled, method=theirs)[1][: len(p_values)]
        assert_allclose(adjusted[f"p_{ours}"][known], expected[known], rtol=1e-9)
        assert adjusted[f"p_{ours}"][~known].isna().all()


def test_adjust_p_values__orders_p_values_that_are_too_small_for_a_number():
    """Three tests with p = 0 in the table are told apart by their log10 p."""
    tests = pd.DataFrame({"p_value": 0.0, "log10_p": [-400.0, -900.0, -600.0]})

    adjusted = adjust_p_values(tests, methods=["holm", "bh"])

    assert_allclose(adjusted["log10_p_holm"], [-400, -900 + np.log10(3), -600 + np.log10(2)])
    assert_allclose(adjusted["log10_p_bh"], [-400, -900 + np.log10(3), -600 + np.log10(1.5)])
    assert (adjusted["p_holm"] == 0).all()


def test_adjust_p_values__families_do_not_touch_each_other():
    """A family is one combination of `by`; the order of rows does not matter."""
    tests = table([0.01, 0.02, 0.03, 0.04, 0.05], contrast=["a", "b", "a", "b", "b"])

    adjusted = adjust_p_values(tests, by=["contrast"], methods=["bonferroni", "holm"])

    assert_allclose(adjusted["p_bonferroni"], [0.02, 0.06, 0.06, 0.12, 0.15])
    assert_allclose(adjusted["p_holm"], [0.02, 0.06, 0.03, 0.08, 0.08])
    assert adjusted["n_planned"].tolist() == [2, 3, 2, 3, 3]


def test_adjust_p_values__effective_tests_replace_the_number_of_tests():
    """0.01 x 12.5, and never above 1."""
    adjusted = adjust_p_values(table([0.01, 0.5, np.nan]), n_effective=12.5)

    assert_allclose(adjusted["p_effective"], [0.125, 1.0, np.nan])


def test_estimate_null_share__is_1_for_few_or_cut_off_p_values():
    """61 p-values say too little, and a list cut at 0.05 has none near 1."""
    rng = np.random.default_rng(1)
    few, cut = rng.uniform(size=61) ** 3, rng.uniform(0, 0.05, size=2000)
    for method in ("smoother", "bootstrap"):
        assert estimate_null_share(few, method=method) == 1.0
        assert estimate_null_share(cut, method=method) == 1.0


@pytest.mark.parametrize("method", ["smoother", "bootstrap"])
def test_estimate_null_share__recovers_the_share_that_was_simulated(method):
    """70 % nulls among 20,000; the others have p-values that are never near 1."""
    rng = np.random.default_rng(2)
    p_values = np.r_[rng.uniform(size=14_000), rng.uniform(size=6_000) * 1e-3]

    # The standard error at 0.95 is sqrt(700) / (20,000 x 0.05) = 0.026.
    assert estimate_null_share(p_values, method=method) == pytest.approx(0.7, abs=0.05)


def test_adjust_p_values__refuses_what_is_no_p_value():
    """And a plan that is smaller than what was done."""
    with pytest.raises(ModelDataError, match="1 of 2 rows have p_value outside"):
        adjust_p_values(table([0.1, 1.2]))
    with pytest.raises(ModelDataError, match="1 of 2 rows have log10_p above 0"):
        adjust_p_values(pd.DataFrame({"log10_p": [0.1, -1.0]}))
    with pytest.raises(DataError, match="no column 'log10_p' or 'p_value'"):
        adjust_p_values(pd.DataFrame({"beta": [0.1]}))
    with pytest.raises(UsageError, match="n_planned is 1, but a family has 2 rows"):
        adjust_p_values(table([0.1, 0.2]), n_planned=1)
    with pytest.raises(UsageError, match=r"methods are \['fdr'\]"):
        adjust_p_values(table([0.1]), methods=["fdr"])
    with pytest.raises(UsageError, match=r"n_effective is 0\.5"):
        adjust_p_values(table([0.1]), n_effective=0.5)


def test_adjust_p_values__takes_p_value_in_rows_without_its_logarithm():
    """A test with a p-value is a test that was done."""
    tests = pd.DataFrame({"p_value": [0.01, 0.04], "log10_p": [-2.0, np.nan]})

    adjusted = adjust_p_values(tests, methods=["bonferroni"])

    assert adjusted["n_completed"].tolist() == [2, 2]
    assert_allclose(adjusted["p_bonferroni"], [0.02, 0.08])
