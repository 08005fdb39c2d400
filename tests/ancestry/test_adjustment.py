"""Scores across ancestry: standard normal in each group, and fitted as published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import optimize, stats

from pgs_trd.ancestry import adjustment
from pgs_trd.ancestry.adjustment import (
    adjust_scores,
    find_beyond,
    fit_adjustment,
)
from pgs_trd.ancestry.within_groups import adjust_within_groups
from pgs_trd.errors import DataError, UsageError

MEANS = np.array([0.0, 1.5, -2.0, 0.7, 3.0])
SPREADS = np.array([1.0, 1.4, 0.8, 1.1, 0.6])


def draw_shifted(n_each: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Draw five groups whose score differs in mean and spread, on four components."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(scale=10, size=(5, 4))
    group = np.repeat(np.arange(5), n_each)
    values = centres[group] + rng.normal(scale=0.05, size=(len(group), 4))
    people = pd.Index([f"p{i}" for i in range(len(group))], name="person_id")
    components = pd.DataFrame(values, index=people, columns=["PC1", "PC2", "PC3", "PC4"])
    score = 40.0 + 1e-3 * (MEANS[group] + SPREADS[group] * rng.normal(size=len(group)))
    return pd.DataFrame({"s": score}, index=people), components, group


def draw_gradient(n_people: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw two scores whose mean and log variance are linear in two components."""
    rng = np.random.default_rng(seed)
    people = pd.Index([f"p{i}" for i in range(n_people)], name="person_id")
    x = rng.normal(size=(n_people, 2))
    components = pd.DataFrame(x, index=people, columns=["PC1", "PC2"])
    noise = rng.normal(size=(n_people, 2))
    first = 2 + x @ [1.0, -0.5] + np.exp(0.5 * (0.3 + x @ [0.6, 0.2])) * noise[:, 0]
    second = -1 + x @ [0.1, 0.0] + noise[:, 1]
    return pd.DataFrame({"a": first, "b": second}, index=people), components


def test_z_norm2__makes_every_group_standard_normal():
    """Mean within 0.05 and variance within 5 % in each group, in people not fitted in."""
    scores, components, _ = draw_shifted(20_000, 1)
    new_scores, new_components, group = draw_shifted(20_000, 2)

    fitted = fit_adjustment(scores, components)
    z = adjust_scores(new_scores, new_components, fitted)["s"]

    by_group = z.groupby(group)
    assert (by_group.mean().abs() < 0.05).all()
    assert ((by_group.var() - 1).abs() < 0.05).all()
    assert fitted.fits.loc["s", "status"] == "ok"
    assert stats.kstest(z[group == 2], "norm").pvalue > 0.001


def test_z_norm1__makes_means_equal_and_leaves_spreads():
    """It is the simpler one of the two, and has to say no more than it does."""
    scores, components, group = draw_shifted(5_000, 3)

    fitted = fit_adjustment(scores, components, method="z_norm1")
    z = adjust_scores(scores, components, fitted)["s"]

    assert (z.groupby(group).mean().abs() < 0.05).all()
    assert_allclose(z.std(ddof=0), 1.0, rtol=1e-10)
    assert z.groupby(group).var().max() / z.groupby(group).var().min() > 4


def test_z_norm1__is_the_residual_of_least_squares_over_its_spread():
    """Khera 2019, by statsmodels; the spread is over n."""
    scores, components = draw_gradient(400, 4)

    adjusted = adjust_scores(
        scores, components, fit_adjustment(scores, components, method="z_norm1")
    )

    for name in scores:
        residual = sm.OLS(scores[name], sm.add_constant(components)).fit().resid
        assert_allclose(adjusted[name], residual / residual.std(ddof=0), rtol=1e-8, atol=1e-10)


def test_z_norm2__maximises_the_published_likelihood():
    """Khan 2022: the same by a general optimiser from another start."""
    scores, components = draw_gradient(500, 5)
    x = np.column_stack([np.ones(500), (components - components.mean()) / components.std(ddof=0)])

    def loss(both: np.ndarray, s: np.ndarray) -> float:
        eta = x @ both[3:]
        return float(np.sum(0.5 * eta + 0.5 * (s - x @ both[:3]) ** 2 / np.exp(eta)))

    fitted = fit_adjustment(scores, components)

    for name in scores:
        s = scores[name].to_numpy()
        start = np.concatenate([[s.mean(), 0, 0], [np.log(s.var()), 0, 0]])
        best = optimize.minimize(loss, start, args=(s,), method="BFGS", options={"gtol": 1e-6})
        found = np.concatenate([fitted.mean.loc[name], fitted.log_variance.loc[name]])
        # BFGS stops by a gradient taken by finite differences.
        assert_allclose(found, best.x, atol=2e-5)
        assert loss(found, s) <= best.fun + 1e-9
    assert (fitted.fits["gradient"] < 1e-8).all()


def test_z_norm2__falls_back_on_the_gamma_regression(monkeypatch: pytest.MonkeyPatch):
    """A climb that is not done is not taken: the two-step fit is, and it is said."""
    scores, components = draw_gradient(500, 6)
    x = np.column_stack([np.ones(500), (components - components.mean()) / components.std(ddof=0)])
    residual = sm.OLS(scores["a"].to_numpy(), x).fit().resid
    gamma = sm.GLM(residual**2, x, family=sm.families.Gamma(sm.families.links.Log())).fit(tol=1e-12)
    real_run = adjustment._Climb.run

    def run(self, mean, log_variance, *, move_mean):
        climbed = real_run(self, mean, log_variance, move_mean=move_mean)
        return replace(climbed, has_converged=not move_mean)

    monkeypatch.setattr(adjustment._Climb, "run", run)

    actual = fit_adjustment(scores, components)

    assert actual.fits["status"].tolist() == ["two_step", "two_step"]
    assert_allclose(actual.log_variance.loc["a"], gamma.params, rtol=1e-6, atol=1e-8)


def test_fit_adjustment__does_not_depend_on_the_unit_of_a_score():
    """A score in other units is the same score."""
    scores, components = draw_gradient(300, 7)

    one = adjust_scores(scores, components, fit_adjustment(scores, components))
    moved = scores * 1e-9 + 5.0
    two = adjust_scores(moved, components, fit_adjustment(moved, components))

    # Five plus a billionth of a score keeps six of its digits.
    assert_allclose(one, two, atol=1e-4)


def test_fit_adjustment__counts_people_without_a_number_out_of_that_fit():
    """Missing scores, missing components, a constant score: each is said or missing."""
    scores, components = draw_gradient(300, 8)
    scores = scores.assign(c=1.25, d=scores["a"].where(np.arange(300) >= 245))
    scores.iloc[:7, 0] = np.nan
    components.iloc[7:9, 1] = np.nan

    fitted = fit_adjustment(scores, components)
    z = adjust_scores(scores, components, fitted)

    assert fitted.fits["n_people"].tolist() == [291, 298, 298, 55]
    assert fitted.fits["status"].tolist() == ["ok", "ok", "constant", "few_people"]
    assert z["a"].isna().sum() == 9
    assert z["b"].isna().sum() == 2
    assert z[["c", "d"]].isna().all(axis=None)


def test_fit_adjustment__refuses_what_cannot_be_fitted():
    """Too few people, a constant component, an unknown method, an unknown score."""
    scores, components = draw_gradient(100, 9)

    with pytest.raises(DataError, match=r"40 people .* too few for 6 coefficients: 60 are needed"):
        fit_adjustment(scores.iloc[:40], components)
    with pytest.raises(DataError, match="constant or collinear"):
        fit_adjustment(scores, components.assign(PC2=components["PC1"]))
    with pytest.raises(UsageError, match="'z_norm3'"):
        fit_adjustment(scores, components, method="z_norm3")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="1 of 1 scores were not fitted: a"):
        adjust_scores(scores[["a"]], components, fit_adjustment(scores[["b"]], components))


def test_find_beyond__marks_people_outside_the_range_of_the_fit():
    """There the variance is extrapolated exponentially; who it is has to be seen."""
    scores, components = draw_gradient(100, 10)
    fitted = fit_adjustment(scores, components)
    people = pd.DataFrame({"PC1": [0.0, 9.0, np.nan], "PC2": [0.0, 0.0, 0.0]}, index=list("xyz"))

    assert find_beyond(people, fitted).tolist() == [False, True, False]


def test_adjust_within_groups__is_z_and_rank_in_the_most_similar_group():
    """Counted by hand: 3 of 1, 2, 3, 4 has two below and itself by half."""
    reference = pd.DataFrame({"s": [1.0, 2.0, 3.0, 4.0, 10.0, 30.0]}, index=list("abcdef"))
    reference_groups = pd.Series(["g"] * 4 + ["h"] * 2, index=list("abcdef"))
    people = pd.DataFrame({"s": [3.0, 40.0, 3.0, np.nan]}, index=list("wxyz"))
    groups = pd.Series(["g", "h", "other", "g"], index=list("wxyz"))

    z, percentile = adjust_within_groups(people, groups, reference, reference_groups)

    spread = np.std([1, 2, 3, 4], ddof=1)
    assert_allclose(z["s"], [0.5 / spread, 20 / np.std([10, 30], ddof=1), np.nan, np.nan])
    assert_allclose(percentile["s"], [2.5 / 4, 1.0, np.nan, np.nan])


def test_fit_adjustment__gives_no_numbers_where_components_explain_all():
    """What is left of such a score is rounding; over its spread it would look like a score."""
    _, components = draw_gradient(200, 12)
    scores = pd.DataFrame({"s": 3 * components["PC1"] + 1})

    for method in ("z_norm1", "z_norm2"):
        fitted = fit_adjustment(scores, components, method=method)

        assert fitted.fits.loc["s", ["status", "mean_r2"]].tolist() == ["constant", 1.0]
        assert adjust_scores(scores, components, fitted)["s"].isna().all()


def test_adjust_scores__takes_infinite_components_as_missing():
    """An infinite component made an infinite score, and no fit at all."""
    scores, components = draw_gradient(200, 13)
    broken = components.copy()
    broken.iloc[3, 0] = np.inf
    broken.iloc[4, 0] = -np.inf
    left_out = [3, 4]

    fitted = fit_adjustment(scores, broken)
    expected = fit_adjustment(
        scores.drop(scores.index[left_out]), components.drop(components.index[left_out])
    )

    assert_allclose(fitted.mean, expected.mean, rtol=1e-10)
    adjusted = adjust_scores(scores, broken, fitted)
    assert adjusted.isna().any(axis=1).to_numpy().nonzero()[0].tolist() == left_out


def test_fit_adjustment__refuses_people_who_occur_twice():
    """Which of their rows is meant cannot be told; it ended in an error about shapes."""
    scores, components = draw_gradient(100, 14)
    groups = pd.Series("g", index=scores.index)
    twice = pd.concat([scores, scores.iloc[:3]])

    with pytest.raises(DataError, match="3 of 103 rows of the scores to fit in repeat"):
        fit_adjustment(twice, components)
    with pytest.raises(DataError, match="2 of 102 rows of the components repeat"):
        fit_adjustment(scores, pd.concat([components, components.iloc[:2]]))
    with pytest.raises(DataError, match="1 of 101 rows of the groups repeat"):
        adjust_within_groups(scores, pd.concat([groups, groups.iloc[:1]]), scores, groups)
    with pytest.raises(DataError, match="training scores lack 1 of 3 scores"):
        adjust_within_groups(scores.assign(t=1.0), groups, scores, groups)


def test_adjustments__refuse_people_of_whom_none_are_shared():
    """Numbers as ids beside text gave scores that were all missing, and no word of it."""
    scores, components = draw_gradient(200, 17)
    numbers = scores.set_axis(range(len(scores)))
    groups = pd.Series("g", index=scores.index)
    fitted = fit_adjustment(scores, components)
    message = r"none of the \d+ people of .+ is among .+ \(they are integer in .+, string in "

    with pytest.raises(DataError, match=message):
        fit_adjustment(numbers, components)
    with pytest.raises(DataError, match=message):
        adjust_scores(numbers, components, fitted)
    with pytest.raises(DataError, match=message):
        adjust_within_groups(numbers, groups, scores, groups)
    with pytest.raises(DataError, match=message):
        adjust_within_groups(scores, groups, numbers, groups)
    assert adjust_scores(scores[:0], components, fitted).empty


def test_fit_adjustment__depends_on_no_order_and_on_no_unit_of_components():
    """Tables are joined by person, and components are standardised."""
    scores, components = draw_gradient(150, 15)
    rng = np.random.default_rng(16)
    expected = adjust_scores(scores, components, fit_adjustment(scores, components))

    mixed = components.iloc[rng.permutation(150)] * 1e-12
    actual = adjust_scores(scores[::-1], mixed, fit_adjustment(scores[::-1], mixed))

    assert_allclose(actual.loc[scores.index], expected, rtol=1e-9)
