"""Curves, quantiles, log-rank tests and restricted means against R and by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import (
    ModelDataError,
    log_rank,
    restricted_mean,
    restricted_mean_difference,
    survival_quantiles,
    survival_table,
)

R_CURVES = {
    "lung_sex": ("lung", "time", lambda t: t["status"] == 2, "sex"),
    "lung_one": ("lung", "time", lambda t: t["status"] == 2, None),
    "veteran_trt": ("veteran", "time", lambda t: t["status"] == 1, "trt"),
    "veteran_celltype": ("veteran", "time", lambda t: t["status"] == 1, "celltype"),
    "flchain_sex": ("flchain", "futime", lambda t: t["death"] == 1, "sex"),
}
GROUPED = [model_id for model_id, (*_, group) in R_CURVES.items() if group]


@pytest.fixture
def r_curve(r_reference):
    """Read what R computed and the people it was computed from, by id."""

    def read(model_id):
        models = json.loads((r_reference / "km_logrank.json").read_text())["models"]
        file, time, event, group = R_CURVES[model_id]
        table = pd.read_csv(r_reference / f"{file}.csv")
        groups = None if group is None else table[group].astype(str)
        expected = next(model for model in models if model["id"] == model_id)
        return expected, (table[time], event(table), groups)

    return read


def label(stratum):
    """Give R's "sex=1" as "1"."""
    return stratum.split("=")[1].strip()


def numbers(values):
    """Give R's numbers, its null as NaN."""
    return np.array([np.nan if v is None else v for v in np.ravel(np.array(values, object))], float)


@pytest.mark.parametrize("interval", ["log", "log-log", "plain"])
@pytest.mark.parametrize("model_id", R_CURVES)
def test_survival_table__agrees_with_r(r_curve, model_id, interval):
    """Survfit's estimate, error, three intervals, people at risk and hazard."""
    expected, people = r_curve(model_id)
    curve = next(c for c in expected["curves"] if c["conf_type"] == interval)
    days = list(dict.fromkeys(curve["time"]))

    table = survival_table(*people, days=days, interval=interval)

    if curve["strata"]:
        order = [label(s) for s in dict.fromkeys(curve["strata"])]
        table = pd.concat([table[table["group"] == name] for name in order])
    assert table["n_at_risk"].tolist() == curve["n_risk"]
    for ours, theirs in (
        ("survival", "surv"),
        ("se", "std_err"),
        ("ci_low", "lower"),
        ("ci_high", "upper"),
        ("cumulative_hazard", "cumhaz"),
    ):
        assert_allclose(table[ours], numbers(curve[theirs]), rtol=1e-8, err_msg=theirs)


@pytest.mark.parametrize("interval", ["log", "log-log", "plain"])
@pytest.mark.parametrize("model_id", R_CURVES)
def test_survival_quantiles__agree_with_r(r_curve, model_id, interval):
    """Quartiles with their intervals; a flat stretch at the level gives its middle."""
    expected, people = r_curve(model_id)
    curve = next(c for c in expected["curves"] if c["conf_type"] == interval)

    table = survival_quantiles(*people, interval=interval)

    if curve["strata"]:
        order = [label(s) for s in curve["quantile_rows"]]
        table = pd.concat([table[table["group"] == name] for name in order])
    assert_allclose(table["time"], numbers(curve["quantile"]), rtol=1e-8)
    assert_allclose(table["ci_low"], numbers(curve["quantile_lower"]), rtol=1e-8)
    assert_allclose(table["ci_high"], numbers(curve["quantile_upper"]), rtol=1e-8)


@pytest.mark.parametrize("model_id", GROUPED)
def test_log_rank__agrees_with_r(r_curve, model_id):
    """Survdiff: events observed and expected, their covariance, and Peto and Peto's test."""
    expected, people = r_curve(model_id)
    theirs = expected["logrank"]

    test = log_rank(*people)
    peto = log_rank(*people, rho=1.0)

    assert test.df == theirs["df"]
    assert_allclose(test.chi2, theirs["chisq"], rtol=1e-8)
    assert_allclose(test.p_value, theirs["p"], rtol=1e-6)
    assert_allclose(10**test.log10_p, theirs["p"], rtol=1e-6)
    # R has the groups as the file has them, we have them sorted.
    order = np.argsort([label(s) for s in dict.fromkeys(expected["curves"][0]["strata"])])
    assert_allclose(test.groups["observed"], np.array(theirs["obs"])[order], rtol=1e-12)
    assert_allclose(test.groups["expected"], np.array(theirs["exp"])[order], rtol=1e-8)
    assert_allclose(test.covariance, np.array(theirs["var"])[np.ix_(order, order)], rtol=1e-8)
    assert_allclose(peto.chi2, expected["peto_peto_rho1"]["chisq"], rtol=1e-8)


@pytest.mark.parametrize("model_id", R_CURVES)
def test_restricted_mean__agrees_with_r(r_curve, model_id):
    """Print(survfit, rmean = tau): the mean and its error."""
    expected, people = r_curve(model_id)
    theirs, tau = expected["rmst"]["table"], expected["rmst"]["tau"]

    means = restricted_mean(*people, horizon=tau).set_index("group")

    rows = {None: theirs} if "rmean" in theirs else {label(k): v for k, v in theirs.items()}
    for group, row in zip(means.index, means.itertuples(), strict=True):
        assert_allclose(row.mean, rows[group]["rmean"], rtol=1e-8)
        assert_allclose(row.se, rows[group]["se(rmean)"], rtol=1e-8)
        assert row.n == rows[group]["records"]


def test_restricted_mean_difference__is_of_independent_groups():
    """Difference of the means, error from the sum of variances; the reference is chosen."""
    rng = np.random.default_rng(1)
    groups = np.repeat(["a", "b", "c"], 50)
    time = np.ceil(rng.exponential(20, size=150))
    event = rng.random(150) < 0.7

    means = restricted_mean(time, event, groups, horizon=10.0).set_index("group")
    differences = restricted_mean_difference(time, event, groups, horizon=10.0, reference="b")

    assert differences["group"].tolist() == ["a", "c"]
    row = differences.iloc[1]
    assert_allclose(row["difference"], means.loc["c", "mean"] - means.loc["b", "mean"], rtol=1e-12)
    assert_allclose(row["se"], np.hypot(means.loc["c", "se"], means.loc["b", "se"]), rtol=1e-12)
    with pytest.raises(UsageError, match="reference is 'd': the groups are 'a', 'b', 'c'"):
        restricted_mean_difference(time, event, groups, horizon=10.0, reference="d")


def test_log_rank__strata_are_added_up():
    """Observed, expected and covariance are sums over strata; late entry is heeded."""
    rng = np.random.default_rng(2)
    entry = rng.integers(0, 5, size=200).astype(float)
    time = entry + np.ceil(rng.exponential(10, size=200))
    event, group, strata = rng.random(200) < 0.6, rng.integers(0, 2, 200), rng.integers(0, 2, 200)

    whole = log_rank(time, event, group, entry=entry, strata=strata)

    parts = [
        log_rank(
            time[strata == s], event[strata == s], group[strata == s], entry=entry[strata == s]
        )
        for s in (0, 1)
    ]
    expected = sum(part.groups["expected"] for part in parts)
    assert_allclose(whole.groups["expected"], expected, rtol=1e-12)
    assert_allclose(whole.covariance, sum(part.covariance for part in parts), rtol=1e-12)


def test_log_rank__groups_that_cannot_differ_have_no_test():
    """One group, or no events: no statistic, and no exception."""
    time, event = np.arange(1.0, 6.0), np.array([True, False, True, True, False])

    for test in (log_rank(time, event, ["a"] * 5), log_rank(time, event & False, list("aabbb"))):
        assert test.df == 0
        assert np.isnan([test.chi2, test.p_value, test.log10_p]).all()


def test_survival_table__counts_late_entrants_when_they_come():
    """Four people by hand: one enters on day 2 and is at risk of the event of day 3."""
    table = survival_table(
        [1.0, 3.0, 5.0, 5.0],
        [True, True, False, False],
        entry=[0.0, 0.0, 0.0, 2.0],
        days=[1, 2, 3],
    )

    assert table["n_at_risk"].tolist() == [3, 2, 3]
    assert_allclose(table["survival"], [2 / 3, 2 / 3, 2 / 3 * 2 / 3], rtol=1e-12)
    assert table["n_events"].tolist() == [1, 1, 2]


def test_survival_groups__say_what_is_wrong_with_the_call():
    """A horizon beyond what was seen, an interval nobody knows, nobody at all."""
    time, event = np.array([1.0, 2.0, 3.0]), np.array([True, False, False])

    with pytest.raises(UsageError, match="horizon is 4, and the follow-up ends at 3"):
        restricted_mean(time, event, horizon=4.0)
    with pytest.raises(UsageError, match="horizon is 0: it must be above 0"):
        restricted_mean(time, event, horizon=0.0)
    with pytest.raises(UsageError, match="interval is 'exact'"):
        survival_table(time, event, days=[1], interval="exact")
    with pytest.raises(ModelDataError, match="none of 3 people"):
        survival_quantiles(time * np.nan, event)
