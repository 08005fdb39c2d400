"""The empirical null: its likelihood, its calibration, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.stats import foldnorm, kstest, norm

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.negative_controls import (
    EmpiricalNull,
    calibrate_controls,
    calibrate_estimates,
    fit_empirical_null,
)


def _controls(seed: int, n: int, *, mean: float = 0.1, sd: float = 0.15) -> pd.DataFrame:
    """Draw controls with a systematic error and their sampling errors."""
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.02, 0.2, n)
    return pd.DataFrame({"beta": rng.normal(mean, np.hypot(sd, se)), "se": se})


def test_fit_empirical_null__is_the_maximum_that_scipy_finds():
    """Both parameters at once by another method, the likelihood from scipy's density."""
    controls = _controls(1, 60)

    def negative(theta):
        scale = np.hypot(np.exp(theta[1]), controls["se"])
        return -norm.logpdf(controls["beta"], theta[0], scale).sum()

    top = minimize(negative, [0.0, -2.0], method="BFGS", options={"gtol": 1e-9})
    null = fit_empirical_null(controls)

    assert_allclose([null.mean, null.sd], [top.x[0], np.exp(top.x[1])], rtol=1e-5)
    assert null.n_controls == 60


def test_fit_empirical_null__of_equal_errors_is_known_in_closed_form():
    """sd^2 = mean squared deviation less se^2, where that is above 0."""
    beta = np.array([0.4, -0.1, 0.2, 0.0, 0.3, 0.7])
    null = fit_empirical_null(pd.DataFrame({"beta": beta, "se": 0.1}))
    assert_allclose([null.mean, null.sd**2], [0.25, np.var(beta) - 0.01], rtol=1e-7)


def test_fit_empirical_null__sampling_error_alone_is_no_systematic_error():
    """Estimates closer together than their errors: sd 0 and the inverse-variance mean."""
    controls = pd.DataFrame({"beta": [0.1, 0.2, 0.1, 0.2, 0.1], "se": [0.5, 0.5, 0.5, 0.5, 0.25]})
    null = fit_empirical_null(controls)
    assert null.sd == 0
    assert_allclose(null.mean, np.average(controls["beta"], weights=controls["se"] ** -2.0))
    equal = fit_empirical_null(controls.assign(beta=0.3))
    assert (equal.mean, equal.sd) == (pytest.approx(0.3), 0)


@pytest.mark.parametrize(("mean", "sd"), [(0.1, 0.3), (-0.4, 0.1), (0.0, 0.2), (-0.2, 0.0)])
def test_empirical_null__expected_absolute_error_is_that_of_a_folded_normal(mean, sd):
    """Scipy's folded normal has the same mean."""
    expected = foldnorm.mean(abs(mean) / sd, scale=sd) if sd else abs(mean)
    assert_allclose(EmpiricalNull(mean, sd, 10).expected_absolute_error, expected, rtol=1e-10)


def test_calibrate_estimates__is_the_test_of_schuemie():
    """P = 2 min(P(Z < z), P(Z > z)) with z from the null's mean and both variances."""
    controls = _controls(3, 40)
    found = pd.DataFrame({"score": ["a", "b"], "beta": [0.5, -0.02], "se": [0.1, 0.05]})
    null = fit_empirical_null(controls)

    calibrated = calibrate_estimates(found, controls)

    scale = np.hypot(null.sd, found["se"])
    lower = norm.cdf((found["beta"] - null.mean) / scale)
    assert_allclose(calibrated["calibrated_p_value"], 2 * np.minimum(lower, 1 - lower), rtol=1e-9)
    assert_allclose(calibrated["calibrated_beta"], found["beta"] - null.mean, rtol=1e-12)
    assert_allclose(
        calibrated["calibrated_ci_high"], calibrated["calibrated_beta"] + 1.959963984540054 * scale
    )
    assert calibrated["beta"].equals(found["beta"])
    with pytest.raises(UsageError, match="calibrated already"):
        calibrate_estimates(calibrated, controls)


def test_calibrate_controls__turns_excess_into_uniform_p_values():
    """Each control by the others: nominal p-values are far from uniform, calibrated ones not."""
    controls = _controls(8, 300)
    calibrated = calibrate_controls(controls)

    nominal = 2 * norm.sf(np.abs(controls["beta"] / controls["se"]))
    covered = (calibrated["calibrated_ci_low"] < 0) & (calibrated["calibrated_ci_high"] > 0)
    assert kstest(nominal, "uniform").pvalue < 1e-6
    assert kstest(calibrated["calibrated_p_value"], "uniform").pvalue > 0.05
    assert 0.92 < covered.mean() < 0.98
    assert (calibrated["n_controls"] == 299).all()


def test_calibrate_controls__leaves_each_control_out_of_its_own_null():
    """The definition, one row by hand, with an index that repeats."""
    controls = _controls(2, 12).set_axis([0] * 12)
    calibrated = calibrate_controls(controls)
    null = fit_empirical_null(controls.iloc[np.arange(12) != 3])
    assert_allclose(calibrated["null_mean"].iloc[3], null.mean, rtol=1e-12)


def test_calibrate_estimates__each_group_has_its_own_null():
    """Scores with their own control outcomes; a group with too few has no numbers."""
    controls = pd.concat(
        [
            _controls(1, 20, mean=0.5).assign(score="a"),
            _controls(2, 20, mean=-0.5).assign(score="b"),
            _controls(3, 4).assign(score="c"),
        ]
    )
    found = pd.DataFrame({"score": ["b", "a", "c", "d"], "beta": 0.1, "se": 0.1})

    calibrated = calibrate_estimates(found, controls, by="score").set_index("score")

    alone = fit_empirical_null(controls[controls["score"] == "a"])
    assert_allclose(calibrated.loc["a", ["null_mean", "null_sd"]].to_list(), [alone.mean, alone.sd])
    assert calibrated.loc["b", "null_mean"] < 0 < calibrated.loc["a", "null_mean"]
    assert calibrated["n_controls"].to_dict() == {"b": 20, "a": 20, "c": 4, "d": 0}
    assert calibrated["calibrated_p_value"].isna().tolist() == [False, False, True, True]


def test_calibrate_estimates__rows_that_do_not_stand_are_out_on_both_sides():
    """A failed fit is no control, and gets no calibrated number."""
    controls = _controls(1, 10).assign(status="ok")
    controls.loc[0, ["beta", "status"]] = [50.0, "separation"]
    found = pd.DataFrame({"beta": [0.1, 0.2], "se": 0.1, "status": ["ok", "separation"]})

    calibrated = calibrate_estimates(found, controls)

    assert (calibrated["n_controls"] == 9).all()
    assert calibrated["null_mean"].max() < 1
    assert calibrated["calibrated_beta"].notna().tolist() == [True, False]
    assert calibrated["calibrated_se"].notna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        (pd.DataFrame({"beta": [0.1] * 4, "se": 0.1}), "4 have numbers, at least 5"),
        (pd.DataFrame({"beta": [0.1] * 6, "se": 0.0}), "6 of 6 errors"),
        (pd.DataFrame({"beta": [0.1] * 6}), "no column 'se'"),
    ],
)
def test_fit_empirical_null__controls_that_make_no_null_are_refused(controls, message):
    """Two parameters from a handful, or infinite weights, would calibrate nothing."""
    with pytest.raises(DataError, match=message):
        fit_empirical_null(controls)


@pytest.mark.parametrize("groups", [["a", None], ["a", np.nan], [1.0, np.nan]])
def test_calibrate_estimates__a_missing_group_is_a_group(groups):
    """Its controls are those with the group missing too."""
    controls = _controls(4, 24).assign(group=np.repeat(np.array(groups, dtype=object), 12))
    estimates = pd.DataFrame({"group": pd.Series(groups, dtype=object), "beta": 0.2, "se": 0.1})

    calibrated = calibrate_estimates(estimates, controls, by="group")

    null = fit_empirical_null(controls.iloc[12:])
    assert calibrated["n_controls"].tolist() == [12, 12]
    assert_allclose(calibrated.loc[1, "null_mean"], null.mean)


def test_calibrate_controls__levels_that_nobody_has_are_no_groups():
    """A categorical column with an unused level, without a warning."""
    controls = _controls(4, 12).assign(group=pd.Categorical(["a"] * 12, categories=["a", "b"]))

    pd.testing.assert_frame_equal(
        calibrate_controls(controls, by="group").drop(columns="group"),
        calibrate_controls(controls.drop(columns="group")),
    )


def test_calibrate_estimates__refuses_an_infinite_estimate():
    """It would have p = 0 whatever the null."""
    estimates = pd.DataFrame({"beta": [np.inf, 0.2], "se": [0.1, 0.1]})

    with pytest.raises(DataError, match="estimates: beta: 1 of 2 values are infinite"):
        calibrate_estimates(estimates, _controls(4, 12))
