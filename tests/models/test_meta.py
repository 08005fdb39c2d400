"""Pooling against R's metafor, statsmodels, and cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import gammaln
from statsmodels.stats.meta_analysis import combine_effects

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import ModelDataError, meta_analyse
from pgs_trd.models.pooling import TAU2, Pools, solve_q, tau2_reml, weigh
from pgs_trd.models.student import student_columns

BCG = json.loads((Path(__file__).parents[1] / "oracles" / "meta" / "bcg.json").read_text())
SUBSETS = [
    ("bcg_logRR", "rr", 13),
    ("bcg_logOR", "or", 13),
    ("bcg_logRR_first2", "rr", 2),
    ("bcg_logRR_first3", "rr", 3),
    ("bcg_logRR_first5", "rr", 5),
]
FITS = [
    ("fixed", "wald", "EE_z"),
    ("dl", "wald", "DL_z"),
    ("reml", "wald", "REML_z"),
    ("pm", "wald", "PM_z"),
    ("dl", "hartung_knapp", "DL_knha"),
    ("reml", "hartung_knapp", "REML_knha"),
    ("pm", "hartung_knapp", "PM_knha"),
]
RANDOM = ["dl", "reml", "pm"]


def strata(**columns):
    """Make one test's estimates, all fit to pool unless a status says otherwise."""
    size = len(columns["beta"])
    base = {"contrast": "c", "score": "s", "n": 100, "n_events": 10, "status": ["ok"] * size}
    return pd.DataFrame({**base, **columns})


def trials(scale, k):
    """Give the first k BCG trials as the strata of one test."""
    effects = BCG["effects"]
    return strata(beta=effects[f"yi_{scale}"][:k], se=np.sqrt(effects[f"vi_{scale}"][:k]))


def metafor(model_id):
    """Give what metafor computed."""
    return next(model for model in BCG["models"] if model["id"] == model_id)


def random_pools(seed, n_pools=5, n_strata=4):
    """Draw pools from no variance between strata to much of it."""
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.02, 0.5, (n_pools, n_strata))
    spread = rng.choice([0.0, 0.05, 0.5, 3.0], (n_pools, 1))
    return Pools(rng.normal(0.1, np.sqrt(se**2 + spread**2)), se**2)


@pytest.mark.parametrize(("model_id", "scale", "k"), SUBSETS)
@pytest.mark.parametrize(("method", "interval", "fit"), FITS)
def test_meta_analyse__agrees_with_metafor(model_id, scale, k, method, interval, fit):
    """The 13 BCG trials, and as few of them as a study has ancestries."""
    expected = metafor(model_id)["fits"]

    pooled = meta_analyse(trials(scale, k), method=method, interval=interval).iloc[0]

    names = {
        "beta": "est", "se": "se", "ci_low": "ci_lb", "ci_high": "ci_ub", "p_value": "p",
        "q": "Q", "q_p_value": "Q_p",
    }  # fmt: skip
    if method != "fixed":
        names |= {"prediction_low": "pi_lb", "prediction_high": "pi_ub"}
    for ours, theirs in names.items():
        assert_allclose(pooled[ours], expected[fit][theirs], rtol=1e-8, err_msg=ours)
    moments = expected["DL_z"] if method == "fixed" else expected[fit]
    assert_allclose(100 * pooled["i2"], moments["I2"], rtol=1e-8, atol=1e-10)
    assert_allclose(pooled["tau2"], moments["tau2"], rtol=1e-8, atol=1e-12)
    assert_allclose(pooled["log10_p"], np.log10(expected[fit]["p"]), rtol=1e-8)
    assert pooled["n_strata"] == k


@pytest.mark.parametrize(("model_id", "scale", "k"), SUBSETS)
def test_meta_analyse__intervals_of_heterogeneity_agree_with_metafor(model_id, scale, k):
    """Q-profile, as confint() gives it; metafor stops at 100 with k = 2.

    It was run with uniroot's own tolerance, 1.2e-4 of tau2; `test_solve_q` below holds that the
    ends are roots of Q.
    """
    expected = metafor(model_id)["tau2_ci_qprofile_REML"]

    pooled = meta_analyse(trials(scale, k), method="reml").iloc[0]

    for ours, theirs, factor, within in (("tau2", "tau^2", 1, 1.2e-4), ("i2", "I^2(%)", 100, 0.01)):
        low, high = expected[theirs]["ci.lb"], expected[theirs]["ci.ub"]
        assert_allclose(factor * pooled[f"{ours}_low"], low, rtol=0, atol=within)
        if k > 2:
            assert_allclose(factor * pooled[f"{ours}_high"], high, rtol=0, atol=within)
        else:
            assert factor * pooled[f"{ours}_high"] > high


@pytest.mark.parametrize("k", [5, 13])
@pytest.mark.parametrize(("method", "theirs"), [("dl", "dl"), ("pm", "iterated")])
def test_meta_analyse__agrees_with_statsmodels(k, method, theirs):
    """A second program, with its own Paule-Mandel and Hartung-Knapp."""
    table = trials("or", k)
    other = combine_effects(table["beta"], table["se"] ** 2, method_re=theirs, use_t=False, atol=0)

    plain = meta_analyse(table, method=method).iloc[0]
    adjusted = meta_analyse(table, method=method, interval="hartung_knapp").iloc[0]

    # statsmodels ends its iteration once Q is within 1e-5 of its degrees of freedom.
    assert_allclose(plain["tau2"], other.tau2, rtol=1e-10 if method == "dl" else 1e-4)
    tolerance = 1e-10 if method == "dl" else 1e-4
    assert_allclose(plain["beta"], other.mean_effect_re, rtol=tolerance)
    assert_allclose(plain["se"], other.sd_eff_w_re, rtol=tolerance)
    assert_allclose(adjusted["se"], other.sd_eff_w_re_hksj, rtol=tolerance)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
@example(seed=13506)
def test_tau2_reml__is_where_no_other_tau2_is_likelier(seed):
    """The likelihood written out, on a grid; it may have several maxima, as with seed 13506."""
    pools = random_pools(seed)

    found = tau2_reml(pools)

    assert np.isfinite(found).all()
    for beta, variance, tau2 in zip(pools.beta, pools.variance, found, strict=True):
        grid = np.r_[tau2, 0.0, np.geomspace(1e-6, 100, 60), tau2 * np.linspace(0.99, 1.01, 5)]
        w = 1 / (variance + grid[:, np.newaxis])
        centre = (w @ beta) / w.sum(axis=1)
        normal = stats.norm.logpdf(beta, centre[:, np.newaxis], w**-0.5).sum(axis=1)
        height = normal - 0.5 * np.log(w.sum(axis=1))
        assert height[0] >= height.max() - 1e-9


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.001, 3.0))
def test_solve_q__gives_the_root_or_zero(seed, share):
    """Q at the tau2 that is given is the target, or below it at 0."""
    pools = random_pools(seed)
    target = share * pools.freedom

    tau2 = solve_q(pools, target)

    q = weigh(pools, tau2).q
    assert_allclose(q[tau2 > 0], target[tau2 > 0], rtol=1e-8)
    assert (q[tau2 == 0] <= target[tau2 == 0]).all()


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.01, 100.0))
def test_tau2__another_unit_of_the_score_changes_the_unit_only(seed, factor):
    """A variance between strata has the square of the unit of the estimates."""
    one = random_pools(seed)
    other = Pools(factor * one.beta, factor**2 * one.variance)
    for find in TAU2.values():
        small = 1e-9 * one.variance.max()
        assert_allclose(find(other) / factor**2, find(one), rtol=1e-6, atol=small)


@pytest.mark.parametrize("method", ["fixed", *RANDOM])
def test_meta_analyse__many_pools_at_once_are_what_each_is_alone(method):
    """Pools of one to five strata stand in one array and must not touch each other."""
    rng = np.random.default_rng(3)
    parts = [
        strata(beta=rng.normal(0, 0.3, k), se=rng.uniform(0.05, 0.3, k), score=f"s{place}")
        for place, k in enumerate([3, 1, 5, 2, 4])
    ]
    shuffled = pd.concat(parts).sample(frac=1, random_state=1)

    together = meta_analyse(shuffled, method=method).set_index("score")

    alone = pd.concat([meta_analyse(part, method=method) for part in parts]).set_index("score")
    columns = alone.columns.drop(["contrast", "status"])
    assert_allclose(
        together.loc[alone.index, columns].astype(float), alone[columns].astype(float), rtol=1e-9
    )


def test_meta_analyse__the_floor_never_makes_the_error_smaller_than_walds():
    """Two estimates alike: without the floor the error is about 0, which is not known so well."""
    table = strata(beta=[0.1, 0.1001, 0.0999], se=[0.1, 0.1, 0.1])

    wald = meta_analyse(table, method="reml").iloc[0]
    plain = meta_analyse(table, method="reml", interval="hartung_knapp").iloc[0]
    floor = meta_analyse(table, method="reml", interval="hartung_knapp_floor").iloc[0]

    assert plain["se"] < 0.001 * wald["se"]
    assert_allclose(floor["se"], wald["se"], rtol=1e-12)
    assert_allclose(floor["ci_high"] - floor["beta"], stats.t.ppf(0.975, 2) * wald["se"])


def test_meta_analyse__equal_estimates_have_no_hartung_knapp_error():
    """A zero error would be a p-value of 0 from two strata."""
    table = strata(beta=[0.5, 0.5], se=[0.1, 0.2])

    row = meta_analyse(table, method="dl", interval="hartung_knapp").iloc[0]

    assert row["status"] == "no_spread"
    assert row["beta"] == 0.5
    assert row[["se", "ci_low", "p_value", "log10_p", "prediction_low"]].isna().all()


@pytest.mark.parametrize("freedom", [1.0, 3.0, 12.0, 60.0])
def test_student_columns__agree_with_scipy_and_do_not_underflow(freedom):
    """Far out the density is its leading term, a power of t that is integrated by hand."""
    t = np.array([0.0, 0.5, -3.0, 40.0])
    columns = student_columns(t, np.ones(4), np.full(4, freedom), confidence=0.9)
    assert_allclose(columns["p_value"], 2 * stats.t.sf(np.abs(t), freedom), rtol=1e-10)
    assert_allclose(columns["ci_high"], t + stats.t.ppf(0.95, freedom), rtol=1e-10)

    far = np.array([1e300])
    log10_p = student_columns(far, np.ones(1), np.array([freedom]), confidence=0.9)["log10_p"]
    half = (freedom + 1) / 2
    constant = gammaln(half) - gammaln(freedom / 2) - 0.5 * np.log(np.pi * freedom)
    leading = np.log(2) + constant + half * np.log(freedom) - np.log(freedom)
    assert_allclose(log10_p, leading / np.log(10) - 300 * freedom, rtol=1e-12)


def test_meta_analyse__is_what_was_worked_out_by_hand():
    """Weights 4, 1, 1; mean 3/6 = 0.5; Q = 4 x 0.25 + 0.25 + 2.25 = 3.5; tau2 = 1.5 / 3.

    The weights' sum less the sum of squares over it is 6 - 18/6 = 3. With tau2 = 0.5 the
    weights are 4/3, 2/3, 2/3, the mean is (0 + 2/3 + 4/3) / (8/3) = 3/4, its variance 3/8.
    """
    table = strata(beta=[0.0, 1.0, 2.0], se=[0.5, 1.0, 1.0], n=[4, 5, 6], n_events=[1, 2, 3])

    fixed = meta_analyse(table).iloc[0]
    random = meta_analyse(table, method="dl").iloc[0]

    assert_allclose([fixed["beta"], fixed["se"]], [0.5, 1 / np.sqrt(6)], rtol=1e-12)
    assert_allclose([fixed["q"], fixed["i2"], fixed["tau2"]], [3.5, 1.5 / 3.5, 0.5], rtol=1e-12)
    assert_allclose([random["beta"], random["se"]], [0.75, np.sqrt(3 / 8)], rtol=1e-12)
    assert (fixed["n"], fixed["n_events"], fixed["n_strata"]) == (15, 6, 3)


def test_meta_analyse__rows_without_a_number_leave_the_pool_and_are_counted():
    """One stratum left passes through; none left has its own status and no number."""
    table = pd.concat(
        [
            strata(beta=[0.3, np.nan], se=[0.1, np.nan], status=["ok", "separation"]),
            strata(beta=[np.nan], se=[np.nan], status=["no_events"], score="t"),
        ]
    )

    pooled = meta_analyse(table).set_index("score")

    assert pooled["status"].to_dict() == {"s": "ok", "t": "no_estimates"}
    assert pooled["n_strata"].to_dict() == {"s": 1, "t": 0}
    assert pooled["n_strata_out"].to_dict() == {"s": 1, "t": 1}
    assert pooled["n"].to_dict() == {"s": 100, "t": 0}
    assert_allclose(pooled.loc["s", ["beta", "se"]].astype(float), [0.3, 0.1], rtol=1e-14)
    assert pooled.loc["s", ["q", "q_p_value", "i2", "tau2"]].isna().all()
    assert pooled.loc["t", ["beta", "se", "ci_low", "p_value", "log10_p"]].isna().all()


def test_meta_analyse__keeps_tests_apart_in_their_order():
    """A test is one combination of all columns of `by`."""
    table = pd.concat(
        [
            strata(beta=[float(i)], se=[1.0], contrast=c, score=s)
            for i, (c, s) in enumerate([("b", "y"), ("a", "x"), ("b", "x"), ("a", "x")])
        ]
    )

    pooled = meta_analyse(table)

    assert pooled[["contrast", "score"]].to_numpy().tolist() == [["b", "y"], ["a", "x"], ["b", "x"]]
    assert pooled["beta"].tolist() == [0.0, 2.0, 2.0]


def test_meta_analyse__refuses_an_ok_without_a_number():
    """It would turn the pooled estimate into NaN, or drop a stratum in silence."""
    with pytest.raises(ModelDataError, match="1 of 2 rows with status 'ok'"):
        meta_analyse(strata(beta=[0.1, np.nan], se=[0.1, 0.1]))
    with pytest.raises(DataError, match="no column 'se'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]).drop(columns="se"))
    with pytest.raises(UsageError, match="method is 'sj'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]), method="sj")
    with pytest.raises(UsageError, match="interval is 'hk'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]), method="dl", interval="hk")
    with pytest.raises(UsageError, match="with method='fixed' it is 'wald'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]), interval="hartung_knapp")


def test_meta_analyse__a_count_that_is_not_given_is_missing_not_zero():
    """0 people would be read as a result."""
    table = strata(beta=[0.1, 0.2], se=[0.1, 0.1])

    without = meta_analyse(table.drop(columns=["n", "n_events"]))
    partly = meta_analyse(table.assign(n=[100, np.nan]))

    assert without[["n", "n_events"]].isna().all(axis=None)
    assert partly["n"].isna().all()
    assert partly["n_events"].tolist() == [20]


def test_meta_analyse__a_stratum_twice_in_a_test_is_refused():
    """Its people would count twice, and the error come out too small."""
    table = strata(beta=[0.1, 0.2, 0.3, 0.4], se=[0.1] * 4, stratum=["A", "A", "B", "B"])

    with pytest.raises(DataError, match="2 of 4 rows repeat a stratum of their group"):
        meta_analyse(table)

    apart = meta_analyse(table.assign(model=[1, 2, 1, 2]), by=["score", "model"])
    assert_allclose(apart["beta"], [0.2, 0.3], rtol=1e-12)


def test_meta_analyse__a_pooled_table_is_not_pooled_again():
    """Each pooled row alone in its test would pass through as if it were new."""
    pooled = meta_analyse(strata(beta=[0.1, 0.2], se=[0.1, 0.1]))

    with pytest.raises(UsageError, match="its 1 rows are pooled already"):
        meta_analyse(pooled)


def test_meta_analyse__text_is_counted_not_shown():
    """A table of the report has marks where numbers were."""
    table = strata(beta=[0.1, "withheld"], se=["withheld", "withheld"])

    with pytest.raises(DataError) as caught:
        meta_analyse(table)

    assert "beta: 1 of 2 values are no number" in str(caught.value)
    assert "se: 2 of 2 values are no number" in str(caught.value)
    assert "withheld" not in str(caught.value)


def test_meta_analyse__pools_estimates_of_firth_as_well():
    """A stratum with few events has Firth's numbers, and they stand."""
    rows = pd.DataFrame(
        {"score": "a", "contrast": "c", "beta": [0.2, 0.4], "se": [0.1, 0.1],
         "status": ["ok", "firth"]}
    )  # fmt: skip

    pooled = meta_analyse(rows).iloc[0]

    assert pooled["n_strata"] == 2
    assert pooled["beta"] == pytest.approx(0.3)


@pytest.mark.parametrize("method", ["fixed", *RANDOM])
def test_meta_analyse__no_rows_give_no_rows(method):
    """A stage without results is a table without rows, with the columns of any other."""
    table = strata(beta=[0.1, 0.2], se=[0.1, 0.1])

    empty = meta_analyse(table.iloc[:0], method=method)

    assert len(empty) == 0
    assert list(empty) == list(meta_analyse(table, method=method))


def test_meta_analyse__equal_estimates_have_no_hartung_knapp_error_whatever_the_weights():
    """Their centre rounds to another number: an error of 1e-16 gave p = 1e-48."""
    rng = np.random.default_rng(5)
    beta = np.repeat(rng.normal(size=100), 3)
    estimates = pd.DataFrame(
        {"score": np.repeat(np.arange(100), 3), "beta": beta, "se": rng.uniform(0.01, 1, 300)}
    )

    pooled = meta_analyse(estimates, by="score", method="reml", interval="hartung_knapp")

    assert set(pooled["status"]) == {"no_spread"}
    assert pooled[["se", "p_value"]].isna().all(axis=None)


def test_meta_analyse__restricted_likelihood_does_not_depend_on_the_unit():
    """The cube of a weight of 1e120 is no number."""
    rng = np.random.default_rng(5)
    estimates = pd.DataFrame(
        {"score": "a", "beta": rng.normal(size=6), "se": rng.uniform(0.1, 1, 6)}
    )

    plain, small = (
        meta_analyse(estimates.assign(beta=estimates["beta"] * unit, se=estimates["se"] * unit),
                     by="score", method="reml")
        for unit in (1.0, 1e-60)
    )  # fmt: skip

    assert_allclose(small["tau2"] * 1e60 * 1e60, plain["tau2"], rtol=1e-8)
