"""Risk sets against a plain loop over people and days."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.models.risk_sets import build_risk_sets, merge_near_ties


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(1, 40), n_strata=st.integers(1, 4))
def test_risk_sets__equal_a_loop_over_people_and_days(seed, n_people, n_strata):
    """At risk at t means entry < t <= duration, within the stratum, ties and all."""
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 6, size=n_people).astype(float)
    duration = entry + rng.integers(1, 8, size=n_people)
    event = rng.random(n_people) < 0.6
    strata = rng.integers(0, n_strata, size=n_people)
    values = rng.normal(size=(n_people, 2))

    sets = build_risk_sets(duration, event, entry=entry, strata=strata)

    days = sorted({(s, t) for s, t, e in zip(strata, duration, event, strict=True) if e})
    member = np.array(
        [(strata == s) & (entry < t) & (t <= duration) for s, t in days], dtype=float
    ).reshape(len(days), n_people)
    daily = rng.normal(size=(len(days), 2))
    assert sets.n_days == len(days)
    assert_allclose(sets.at_risk(values), member @ values, atol=1e-12)
    assert_allclose(sets.while_at_risk(daily), member.T @ daily, atol=1e-12)


def test_merge_near_ties__joins_times_that_differ_by_rounding():
    """0.1 + 0.2 is not 0.3 in binary; R's timefix makes them one day, but not 0.3001."""
    times = np.array([0.3, 0.1 + 0.2, 0.3001, 5.0])

    (merged,) = merge_near_ties(times)

    assert merged[0] == merged[1]
    assert merged[2] == 0.3001
    assert merged[3] == 5.0
