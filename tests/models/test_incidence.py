"""Cumulative incidence against lifelines, by hand, and over repeated samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.models import ModelDataError, cumulative_incidence, survival_table


def test_cumulative_incidence__is_what_was_worked_out_by_hand():
    """Five people: 1/5 have cause 1 on day 1; of 4/5, 1/4 cause 2 on day 2, 1/2 cause 1 on 4."""
    table = cumulative_incidence([1, 2, 3, 4, 5], [1, 2, 0, 1, 0], days=[0, 1, 2, 4, 9])

    first = table[table["cause"] == 1]
    assert_allclose(first["incidence"], [0, 0.2, 0.2, 0.2 + 0.6 / 2, 0.5], rtol=1e-12)
    assert_allclose(table.loc[table["cause"] == 2, "incidence"], [0, 0, 0.2, 0.2, 0.2], rtol=1e-12)
    # On day 1 it is a share of 5: its variance is p (1 - p) / n.
    assert_allclose(first["se"].iloc[1], np.sqrt(0.2 * 0.8 / 5), rtol=1e-12)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_cumulative_incidence__agrees_with_lifelines_without_ties(seed):
    """Lifelines moves tied times at random, so there are none here."""
    from lifelines import AalenJohansenFitter

    rng = np.random.default_rng(seed)
    time = rng.permutation(60) + 1.0
    event = rng.integers(0, 3, size=60)
    event[:2] = [1, 2]
    days = np.arange(0.0, 55.0, 5.0)

    table = cumulative_incidence(time, event, days=days)

    fitter = AalenJohansenFitter(calculate_variance=True).fit(time, event, event_of_interest=1)
    at = fitter.cumulative_density_.index.searchsorted(days, side="right") - 1
    ours = table[table["cause"] == 1]
    expected = fitter.cumulative_density_.to_numpy()[at, 0]
    assert_allclose(ours["incidence"], expected, rtol=1e-10, atol=1e-14)
    assert_allclose(ours["se"] ** 2, np.ravel(fitter.variance_)[at], rtol=1e-8, atol=1e-14)


def test_cumulative_incidence__of_one_cause_is_one_less_survival():
    """Without another cause this is Kaplan-Meier, with Greenwood's error, ties and late entry."""
    rng = np.random.default_rng(1)
    entry = rng.integers(0, 3, size=100).astype(float)
    time = entry + np.ceil(rng.exponential(10, size=100))
    event = (rng.random(100) < 0.6).astype(int)
    groups = np.repeat(["a", "b"], 50)

    ours = cumulative_incidence(time, event, groups, entry=entry, days=[5, 10, 20])
    plain = survival_table(time, event, groups, entry=entry, days=[5, 10, 20])

    assert ours["group"].tolist() == plain["group"].tolist()
    assert_allclose(ours["incidence"], 1 - plain["survival"], rtol=1e-10)
    assert_allclose(ours["se"], plain["se"], rtol=1e-10)


def test_cumulative_incidence__intervals_cover_the_truth():
    """Of 400 studies about 95 % hold the truth: within three binomial errors."""
    rng = np.random.default_rng(2)
    truth = 0.5 * (1 - np.exp(-10 / 20))
    hits = 0
    for _ in range(400):
        time = rng.exponential(20, size=120)
        limit = rng.uniform(5, 40, size=120)
        event = np.where(time <= limit, rng.integers(1, 3, size=120), 0)
        row = cumulative_incidence(np.minimum(time, limit), event, days=[10.0]).iloc[0]
        hits += row["ci_low"] <= truth <= row["ci_high"]
    assert abs(hits / 400 - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


def test_cumulative_incidence__says_what_is_wrong_with_the_data():
    """No event, and codes that are none."""
    with pytest.raises(ModelDataError, match="no event of any cause among 3 people"):
        cumulative_incidence([1, 2, 3], [0, 0, 0], days=[1])
    with pytest.raises(ModelDataError, match="1 of 3 values are not whole numbers"):
        cumulative_incidence([1, 2, 3], [0, 1, 1.5], days=[1])
