"""Replication worked out by hand, and binomial tests of simulated effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import ModelDataError, replicate, sign_concordance


def estimates(beta, se, **columns):
    """Give a table of tests named by letters."""
    letters = [chr(97 + place) for place in range(len(beta))]
    return pd.DataFrame({"score": letters, "beta": beta, "se": se} | columns)


def test_replicate__is_what_was_worked_out_by_hand():
    """Four planned: one comes back, one nominally, one turns, one has no estimate."""
    discovery = estimates([0.2, -0.2, 0.2, 0.3], [0.05] * 4)
    replication = estimates([0.3, -0.2, -0.1, 9.0], [0.1] * 4, status=["ok"] * 3 + ["separation"])

    table = replicate(discovery, replication.iloc[::-1], by="score").set_index("score")

    assert_allclose(
        table["p_one_sided"], [stats.norm.sf(3), stats.norm.sf(2), stats.norm.sf(-1), np.nan]
    )
    assert table["same_sign"].tolist() == [True, True, False, pd.NA]
    assert table["nominal"].tolist() == [True, True, False, pd.NA]
    assert table["replicated"].tolist() == [True, False, False, pd.NA]  # 0.0228 > 0.05 / 4
    assert_allclose(table["difference"], [0.1, 0.0, -0.3, np.nan], atol=1e-15)
    z = -0.3 / np.sqrt(0.05**2 + 0.1**2)
    assert_allclose(table.loc["c", "difference_p_value"], 2 * stats.norm.sf(-z))
    assert_allclose(table["log10_p_one_sided"], np.log10(table["p_one_sided"]))


def test_replicate__a_test_that_was_not_done_again_stays_planned():
    """Or the level would be shared by fewer tests than were chosen."""
    discovery = estimates([0.2, 0.2], [0.05] * 2)
    replication = estimates([0.2, 0.5, 0.1], [0.1] * 3).iloc[[0, 2]]

    table = replicate(discovery, replication, by=["score"])

    assert table["score"].tolist() == ["a", "b"]
    assert table["replicated"].tolist() == [True, pd.NA]  # 0.0228 < 0.05 / 2


def test_replicate__turning_all_effects_round_changes_nothing():
    """What counts is the direction of the discovery, not up or down."""
    rng = np.random.default_rng(1)
    discovery, replication = (estimates(rng.normal(size=8), rng.uniform(0.5, 1, 8)) for _ in "12")

    one = replicate(discovery, replication, by="score")
    other = replicate(
        discovery.assign(beta=-discovery["beta"]), replication.assign(beta=-replication["beta"]),
        by="score",
    )  # fmt: skip

    same = ["p_one_sided", "same_sign", "replicated", "difference_p_value"]
    pd.testing.assert_frame_equal(one[same], other[same])


def test_sign_concordance__is_a_binomial_test():
    """Nine of ten: 11 / 1024 one-sided; one more test has no estimate."""
    beta = np.ones(11)
    replication = estimates(np.r_[np.full(9, 0.5), -0.5, np.nan], np.ones(11))
    table = replicate(estimates(beta, np.ones(11)), replication, by="score")

    row = sign_concordance(table).iloc[0]

    assert row[["n_planned", "n_completed", "n_same_sign"]].tolist() == [11, 10, 9]
    assert_allclose(row["p_value"], 11 / 1024, rtol=1e-12)
    assert_allclose([row["ci_low"], row["ci_high"]], [0.5549839, 0.9974714], atol=1e-7)
    assert_allclose(row["n_same_sign_expected"], 10 * stats.norm.cdf(1.0))
    assert (row["n_nominal"], row["n_replicated"]) == (0, 0)


def test_sign_concordance__without_estimates_has_no_share():
    """0 / 0 is not a half."""
    table = replicate(estimates([0.1], [0.1]), estimates([np.nan], [0.1]), by="score")

    row = sign_concordance(table).iloc[0]

    assert (row["n_planned"], row["n_completed"]) == (1, 0)
    assert np.isnan(row["p_value"])


def test_replicate__refuses_tests_that_are_named_twice():
    """One would be compared with the other's replication."""
    twice = estimates([0.1, 0.2], [0.1, 0.1]).assign(score="a")
    once = estimates([0.1], [0.1])
    with pytest.raises(DataError, match="discovery: 1 of 2 rows repeat a test"):
        replicate(twice, once, by="score")
    with pytest.raises(DataError, match="discovery: 1 values of beta and se are no number"):
        replicate(once.astype(object).assign(se="withheld"), once, by="score")
    with pytest.raises(DataError, match="no column 'contrast'"):
        replicate(once, once)
    with pytest.raises(UsageError, match="alpha is 5"):
        replicate(once, once, by="score", alpha=5)
    with pytest.raises(ModelDataError, match="replication: 1 of 1 estimates have no positive se"):
        replicate(once, once.assign(se=0.0), by="score")


def test_replicate__refuses_infinite_estimates():
    """An infinite estimate is no replication with p = 0."""
    found = estimates([0.2, 0.1], [0.05, 0.05])

    with pytest.raises(ModelDataError, match="replication: beta: 1 of 2 values are infinite"):
        replicate(found, found.assign(beta=[np.inf, 0.1]), by="score")


def test_replicate__refuses_keys_that_are_text_in_one_sample_only():
    """Score 1 and score "1" would never meet."""
    found = estimates([0.2, 0.1], [0.05, 0.05]).assign(score=["1", "2"])

    with pytest.raises(DataError, match="'score' holds text in discovery and numbers in repl"):
        replicate(found, found.assign(score=[1, 2]), by="score")
