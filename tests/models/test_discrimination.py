"""Areas and DeLong's errors against their definition over all pairs of case and control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.metrics import roc_auc_score

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, auc


def all_pairs(outcome, predictors):
    """DeLong et al. (1988), equations 4 to 6, with every case beside every control."""
    cases, controls = predictors[outcome == 1], predictors[outcome == 0]
    above = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    by_case, by_control = above.mean(axis=1), above.mean(axis=0)
    covariance = np.cov(by_case.T) / len(cases) + np.cov(by_control.T) / len(controls)
    return above.mean(axis=(0, 1)), np.atleast_2d(covariance)


def random_people(seed, n_predictors, *, digits):
    """Draw an outcome and predictors with many ties."""
    rng = np.random.default_rng(seed)
    outcome = rng.permutation(np.r_[np.ones(9), np.zeros(14)])
    values = rng.normal(size=(23, n_predictors)) + outcome[:, None] * rng.normal(size=n_predictors)
    return outcome, np.round(values, digits)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), digits=st.integers(0, 3))
def test_auc__is_its_definition_over_all_pairs(seed, digits):
    """Area, error, gain and the error of the gain, ties counting half."""
    outcome, predictors = random_people(seed, 3, digits=digits)

    table = auc(outcome, predictors[:, :2], base=predictors[:, 2])

    areas, covariance = all_pairs(outcome, predictors)
    assert_allclose(table["auc"], areas[:2], rtol=1e-12)
    assert_allclose(table["auc"], [roc_auc_score(outcome, p) for p in predictors[:, :2].T])
    assert_allclose(table["se"], np.sqrt(np.diag(covariance)[:2]), rtol=1e-10, atol=1e-12)
    assert_allclose(table["gain"], areas[:2] - areas[2], rtol=1e-10, atol=1e-12)
    variance = np.diag(covariance)[:2] + covariance[2, 2] - 2 * covariance[:2, 2]
    assert_allclose(table["gain_se"], np.sqrt(np.maximum(variance, 0)), rtol=1e-8, atol=1e-8)


def test_auc__is_what_was_worked_out_by_hand():
    """Cases 2, 4; controls 1, 2, 3: the cases' shares are 1.5/3 and 3/3, the area 3/4.

    The controls' shares are 2/2, 1.5/2, 1/2. Variance (1/8) / 2 + (1/16) / 3 = 1/12.
    """
    row = auc([1, 1, 0, 0, 0], [[2.0], [4.0], [1.0], [2.0], [3.0]], confidence=0.9).iloc[0]

    assert_allclose([row["auc"], row["se"]], [0.75, np.sqrt(1 / 12)], rtol=1e-12)
    assert_allclose(row["ci_low"], 0.75 - stats.norm.ppf(0.95) * np.sqrt(1 / 12), rtol=1e-12)
    assert row["ci_high"] == 1.0  # 0.75 + 0.47 is no probability


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_auc__sees_ranks_only_and_the_other_side_of_them(seed):
    """A growing function changes nothing, its negative turns the area around."""
    outcome, predictors = random_people(seed, 1, digits=1)
    one = auc(outcome, predictors)
    grown = auc(outcome, np.exp(predictors / 3))
    turned = auc(outcome, -predictors)

    assert_allclose(grown[["auc", "se"]], one[["auc", "se"]], rtol=1e-12)
    assert_allclose(turned["auc"], 1 - one["auc"], rtol=1e-10)
    assert_allclose(turned["se"], one["se"], rtol=1e-10, atol=1e-14)


def test_auc__agrees_with_r(r_model):
    """The area of the fitted birth weight model; R counted concordant pairs."""
    model = r_model("birthwt", "birthwt_main")
    values = list(model.expected["coef"].values())
    predictor = model.columns.to_numpy() @ values[1:]

    table = auc(model.table["low"].to_numpy(), predictor)

    assert_allclose(table["auc"], model.expected["auc"], rtol=1e-12)


def test_auc__covers_the_truth_as_often_as_it_says():
    """Two normal predictors one apart: the area is Phi(1 / sqrt 2); base has Phi(0.5 / sqrt 2)."""
    rng = np.random.default_rng(8)
    outcome = np.repeat([1.0, 0.0], [80, 160])
    shift = outcome[:, None]
    shared = rng.normal(size=(240, 400)) * np.sqrt(0.5)
    better = shift + shared + rng.normal(size=(240, 400)) * np.sqrt(0.5)
    worse = 0.5 * shift + shared + rng.normal(size=(240, 400)) * np.sqrt(0.5)
    truth, of_base = stats.norm.cdf([1 / np.sqrt(2), 0.5 / np.sqrt(2)])

    rows = pd.concat(
        [auc(outcome, better[:, [i]], base=worse[:, i], confidence=0.9) for i in range(400)]
    )

    covered = (rows["ci_low"] < truth) & (truth < rows["ci_high"])
    gain = truth - of_base
    gain_covered = (rows["gain_ci_low"] < gain) & (gain < rows["gain_ci_high"])
    # 400 draws of 0.9: a standard error of 0.015.
    assert covered.mean() == pytest.approx(0.9, abs=0.045)
    assert gain_covered.mean() == pytest.approx(0.9, abs=0.045)


def test_auc__people_with_gaps_are_out_for_each_predictor_by_itself():
    """A gap in one predictor costs the other nothing; one in the base costs both."""
    outcome, values = random_people(3, 2, digits=3)
    predictors = pd.DataFrame(values, columns=["a", "b"])
    predictors.loc[[0, 4], "a"] = np.nan

    table = auc(pd.Series(outcome), predictors).set_index("predictor")

    kept = predictors["a"].notna().to_numpy()
    assert table["n"].to_dict() == {"a": 21, "b": 23}
    assert_allclose(table.loc["a", "auc"], roc_auc_score(outcome[kept], values[kept, 0]))


def test_auc__a_predictor_against_itself_gains_nothing():
    """0 / 0 is no test statistic: p is 1."""
    outcome, predictors = random_people(5, 1, digits=2)

    row = auc(outcome, predictors, base=predictors[:, 0]).iloc[0]

    assert (row["gain"], row["p_value"], row["log10_p"]) == (0.0, 1.0, 0.0)
    assert row["gain_se"] == pytest.approx(0.0, abs=1e-9)


def test_auc__needs_cases_and_controls():
    """Without one of them there are no pairs: a status and no number."""
    none, all_of_them = auc([0, 0], [[1.0], [2.0]]).iloc[0], auc([1, 1], [[1.0], [2.0]]).iloc[0]

    assert (none["status"], all_of_them["status"]) == ("no_events", "no_nonevents")
    assert np.isnan([none["auc"], all_of_them["auc"]]).all()
    with pytest.raises(ModelDataError, match="1 of 2 values are neither 0 nor 1"):
        auc([0, 2], [[1.0], [2.0]])
    with pytest.raises(UsageError, match="base has 1 values"):
        auc([0, 1], [[1.0], [2.0]], base=[1.0])


def test_auc__says_so_where_nobody_is_complete():
    """Nobody is not the same as nobody with the event."""
    areas = auc([np.nan, 1.0], np.array([[0.2], [np.nan]]))

    assert areas[["n", "status"]].to_numpy().tolist() == [[0, "no_complete_cases"]]
