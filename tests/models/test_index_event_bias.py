"""The size of index-event bias, and its removal from estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.index_event_bias import adjust_for_incidence, expected_index_event_bias


def _effects(rng: np.random.Generator, n: int, slope: float) -> pd.DataFrame:
    """Effects on the event, a tenth of rows with one on the outcome, and the bias `slope`."""
    on_event = rng.normal(0, 0.1, n)
    on_outcome = np.where(np.arange(n) % 10 == 0, rng.normal(0, 0.1, n), 0.0)
    se = np.full(n, 0.05)
    return pd.DataFrame(
        {
            "beta_event": on_event + rng.normal(0, se),
            "se_event": se,
            "beta_outcome": on_outcome + slope * on_event + rng.normal(0, se),
            "se_outcome": se,
            "truth": on_outcome,
        }
    )


def test_expected_index_event_bias__needs_a_path_from_the_score_to_the_outcome():
    """Without an effect of the score or of the shared cause on the event there is none."""
    grid = expected_index_event_bias(
        prevalence=0.2,
        outcome_share=0.2,
        score_on_event=[0.0, 0.5],
        shared_on_event=[0.0, 1.0],
        shared_on_outcome=[0.0, 1.0],
    )
    open_path = (grid.iloc[:, :3] != 0).all(axis=1)
    assert (grid.loc[open_path, "bias"] < -0.01).all()
    assert_allclose(grid.loc[~open_path, "bias"], 0, atol=1e-12)
    assert len(grid) == 8


def test_expected_index_event_bias__vanishes_for_a_rare_event():
    """Logistic selection of a rare event multiplies probabilities, and ties no causes."""
    biases = [
        expected_index_event_bias(
            prevalence=share,
            outcome_share=0.2,
            score_on_event=[0.5],
            shared_on_event=[0.7],
            shared_on_outcome=[0.7],
        ).loc[0, "bias"]
        for share in (0.3, 0.01, 1e-5)
    ]
    assert biases[0] < biases[1] < biases[2] < 0
    assert biases[2] > -1e-4


def test_expected_index_event_bias__finds_the_true_effect_where_nothing_is_shared():
    """A score without effect on the event is estimated as planted."""
    grid = expected_index_event_bias(
        prevalence=0.2,
        outcome_share=0.2,
        score_on_event=[0.0],
        shared_on_event=[1.0],
        shared_on_outcome=[0.0],
        score_on_outcome=0.104,
    )
    assert_allclose(grid[["estimate", "without_selection"]], 0.104, rtol=1e-9)


@pytest.mark.parametrize("name", ["prevalence", "outcome_share"])
def test_expected_index_event_bias__a_percentage_is_refused(name):
    """20 for 0.2 has no intercept."""
    shares = {"prevalence": 0.2, "outcome_share": 0.2} | {name: 20}
    with pytest.raises(UsageError, match=f"{name} is 20"):
        expected_index_event_bias(
            **shares, score_on_event=[0.5], shared_on_event=[1], shared_on_outcome=[1]
        )


def test_adjust_for_incidence__is_the_residual_of_the_undiluted_regression():
    """The formulas of Dudbridge et al. written out, and the jackknife as a loop."""
    table = _effects(np.random.default_rng(3), 40, -0.4)
    x, y = table["beta_event"].to_numpy(), table["beta_outcome"].to_numpy()
    noise = table["se_event"].to_numpy() ** 2

    def slope(keep):
        return np.cov(x[keep], y[keep])[0, 1] / (np.var(x[keep], ddof=1) - noise[keep].mean())

    everything = np.arange(40)
    left_out = np.array([slope(np.delete(everything, k)) for k in range(40)])
    b = slope(everything)
    variance = 39 / 40 * np.sum((left_out - left_out.mean()) ** 2)

    adjusted = adjust_for_incidence(table)

    assert_allclose(adjusted.attrs["slope"], b, rtol=1e-10)
    assert_allclose(adjusted.attrs["slope_se"], np.sqrt(variance), rtol=1e-9)
    assert_allclose(adjusted["beta"], y - b * x, rtol=1e-10)
    expected = table["se_outcome"] ** 2 + b**2 * noise + variance * (x**2 + noise)
    assert_allclose(adjusted["se"] ** 2, expected, rtol=1e-9)


def test_adjust_for_incidence__removes_a_bias_that_no_one_measured():
    """Rows without an effect are null afterwards at 5 %; before, far more are not."""
    table = _effects(np.random.default_rng(11), 4000, -0.8)
    nulls = table["truth"] == 0

    adjusted = adjust_for_incidence(table)

    naive = np.mean(np.abs(table["beta_outcome"] / table["se_outcome"])[nulls] > 1.96)
    corrected = np.mean(adjusted.loc[nulls, "p_value"] < 0.05)
    assert adjusted.attrs["slope"] == pytest.approx(-0.8, abs=3 * adjusted.attrs["slope_se"])
    assert naive > 0.2
    assert 0.04 < corrected < 0.06


def test_adjust_for_incidence__the_slope_comes_from_the_rows_asked_for():
    """Correlated variants are adjusted too, but do not count in the slope."""
    table = _effects(np.random.default_rng(5), 60, -0.4)
    table["status"] = ["not_converged"] + ["ok"] * 59
    chosen = np.arange(60) < 50

    adjusted = adjust_for_incidence(table, slope_from=chosen)
    alone = adjust_for_incidence(table[1:50])

    assert adjusted.attrs["slope"] == pytest.approx(alone.attrs["slope"], rel=1e-12)
    assert adjusted["beta"].notna().tolist() == [False] + [True] * 59


def test_adjust_for_incidence__effects_that_are_all_noise_give_no_slope():
    """The undiluted slope would be of any size and sign."""
    table = _effects(np.random.default_rng(5), 30, -0.4).assign(se_event=10.0)
    with pytest.raises(DataError, match="30 rows on the index event"):
        adjust_for_incidence(table)
    with pytest.raises(DataError, match="9 rows"):
        adjust_for_incidence(table[:9])
    with pytest.raises(UsageError, match="30 rows"):
        adjust_for_incidence(table, slope_from=[True])


def test_adjust_for_incidence__reads_slope_from_strictly():
    """A mask by position of another table, or with gaps, would choose other rows."""
    rng = np.random.default_rng(3)
    estimates = pd.DataFrame(
        {"beta_event": rng.normal(size=40), "se_event": 0.1, "beta_outcome": rng.normal(size=40)}
    ).assign(se_outcome=0.1)
    chosen = pd.Series(np.arange(40) < 20)

    with pytest.raises(UsageError, match="index of slope_from differs"):
        adjust_for_incidence(estimates, slope_from=chosen.iloc[::-1])
    with pytest.raises(UsageError, match="other than True and False"):
        adjust_for_incidence(estimates, slope_from=chosen.astype(object).mask(chosen))
    with pytest.raises(DataError, match="1 of 40 rows have a negative error"):
        adjust_for_incidence(estimates.assign(se_outcome=np.where(estimates.index == 3, -0.1, 0.1)))
