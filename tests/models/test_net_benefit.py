"""Decision curves against counts of everybody, and the shapes that they must have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, decision_curve


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_decision_curve__is_the_mean_of_what_each_person_adds(seed):
    """A case acted on adds 1, a control acted on -t / (1 - t); the error is of that mean."""
    rng = np.random.default_rng(seed)
    outcome = rng.permutation(np.r_[np.ones(12), np.zeros(25)])
    probability = np.round(np.clip(rng.beta(2, 3, 37), 0.02, 0.98), 1 + int(seed % 3))
    thresholds = np.array([0.1, 0.25, 0.3, 0.7])

    curve = decision_curve(outcome, np.clip(probability, 0.02, 0.98), thresholds=thresholds)

    acted = np.clip(probability, 0.02, 0.98)[:, None] >= thresholds
    adds = acted * np.where(outcome[:, None] == 1, 1, -thresholds / (1 - thresholds))
    assert_allclose(curve["net_benefit"], adds.mean(axis=0), rtol=1e-12, atol=1e-15)
    assert_allclose(curve["se"], adds.std(axis=0) / np.sqrt(37), rtol=1e-9, atol=1e-9)
    assert_allclose(curve["share_acted"], acted.mean(axis=0), rtol=1e-12)
    assert_allclose(curve["sensitivity"], acted[outcome == 1].mean(axis=0), rtol=1e-12)
    assert_allclose(curve["specificity"], 1 - acted[outcome == 0].mean(axis=0), rtol=1e-12)


def test_decision_curve__acting_on_everybody_crosses_nobody_at_the_share_of_cases():
    """Of 100 people 20 are cases: at 0.2 both are worth 0."""
    outcome = np.r_[np.ones(20), np.zeros(80)]

    curve = decision_curve(outcome, np.full(100, 0.3), thresholds=[0.1, 0.2, 0.3, 0.4])

    assert_allclose(curve["net_benefit_all"], [0.2 - 0.8 / 9, 0.0, 0.2 - 0.8 * 3 / 7, -1 / 3])
    assert_allclose(curve["net_benefit"][:3], curve["net_benefit_all"][:3], atol=1e-15)
    assert curve["net_benefit"].iloc[3] == 0
    assert_allclose(curve["gain"], [0, 0, 0.2 - 0.8 * 3 / 7, 0], atol=1e-15)


def test_decision_curve__each_model_by_itself():
    """A model that knows gains at every threshold; gaps are out."""
    outcome = np.r_[np.ones(20), np.zeros(80)]
    models = pd.DataFrame({"oracle": np.where(outcome == 1, 0.99, 0.001), "gaps": 0.3})
    models.loc[:9, "gaps"] = np.nan

    curve = decision_curve(outcome, models).set_index("model")

    assert_allclose(curve.loc["oracle", "net_benefit"], 0.2)
    assert (curve.loc["oracle", "gain"] > 0).all()
    assert (curve.loc["gaps", "n"] == 90).all()
    assert (curve.loc["gaps", "n_cases"] == 10).all()


def test_decision_curve__refuses_thresholds_and_probabilities_that_are_none():
    """At a threshold of 1 nobody is worth acting on, whatever it costs."""
    with pytest.raises(UsageError, match="1 of 2 are not strictly between"):
        decision_curve([0, 1], [0.1, 0.2], thresholds=[0.1, 1.0])
    with pytest.raises(ModelDataError, match="1 of 2 values are not strictly between"):
        decision_curve([0, 1], [0.1, 0.0])
