"""Effects that change with time: against Therneau's vignette, expanded rows, and the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import fit_cox, fit_cox_log_time, fit_cox_model, fit_cox_periods


def simulate(seed, n_people=80):
    """Draw tied days, late entry, strata and weights."""
    rng = np.random.default_rng(seed)
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    entry = rng.integers(0, 4, size=n_people).astype(float)
    time = np.ceil(rng.exponential(15 * np.exp(-0.5 * scores["s0"])))
    limit = np.ceil(rng.uniform(5, 40, size=n_people))
    options = {
        "entry": entry,
        "strata": rng.integers(0, 2, size=n_people),
        "weights": rng.uniform(0.5, 2, size=n_people),
    }
    return entry + np.minimum(time, limit), time <= limit, scores, covariates, options


def split(duration, entry, edges):
    """Cut every person's time at `edges`: person, begin, end."""
    rows = [
        (person, max(begin, low), min(end, high))
        for person, (begin, end) in enumerate(zip(entry, duration, strict=True))
        for low, high in pairwise(edges)
        if begin < high and end > low
    ]
    return (np.array(column) for column in zip(*rows, strict=True))


def test_fit_cox_periods__agrees_with_therneaus_vignette(r_reference):
    """Veteran data, Karnofsky score by period cut at 90 and 180 days.

    Therneau, Crowson and Atkinson, Using time dependent covariates, section 4.2, prints
    -0.048755, 0.008050 and -0.008349 with errors 0.006222, 0.012823 and 0.014620.
    """
    table = pd.read_csv(r_reference / "veteran.csv")

    periods = fit_cox_periods(
        table["time"], table["status"], table[["karno"]], table[["trt", "prior"]], cuts=[90, 180]
    )

    assert_allclose(periods["beta"], [-0.048755, 0.008050, -0.008349], atol=5e-7)
    assert_allclose(periods["se"], [0.006222, 0.012823, 0.014620], atol=5e-7)
    assert periods["n_events"].sum() == table["status"].sum()


def test_fit_cox_log_time__agrees_with_therneaus_vignette(r_reference):
    """Karnofsky score and its product with log(time + 20), by R's tt().

    The same vignette, section 4.3, prints -0.124662 and 0.021310 with errors 0.028785
    and 0.006607.
    """
    table = pd.read_csv(r_reference / "veteran.csv")

    effects = fit_cox_log_time(
        table["time"], table["status"], table[["karno"]], table[["trt", "prior"]], shift=20.0
    )

    assert_allclose(effects["beta"], [-0.124662, 0.021310], atol=5e-7)
    assert_allclose(effects["se"], [0.028785, 0.006607], atol=5e-7)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_fit_cox_periods__is_a_cox_model_of_rows_cut_at_the_periods(ties):
    """With strata, late entry and weights; the second score is fitted by itself."""
    duration, event, scores, covariates, options = simulate(1)

    periods = fit_cox_periods(duration, event, scores, covariates, cuts=[6.0], ties=ties, **options)

    who, begin, end = split(duration, options["entry"], [-1.0, 6.0, np.inf])
    late = begin >= 6
    score = scores["s1"].to_numpy()[who]
    columns = covariates.iloc[who].assign(early=score * ~late, late=score * late)
    model = fit_cox_model(
        end,
        event[who] & (end == duration[who]),
        columns.to_numpy(),
        entry=begin,
        strata=options["strata"][who],
        weights=options["weights"][who],
        ties=ties,
    )
    ours = periods[periods["score"] == "s1"]
    assert_allclose(ours["beta"], model.coefficients["beta"][2:], rtol=1e-9)
    assert_allclose(ours["se"], model.coefficients["se"][2:], rtol=1e-9)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_fit_cox_log_time__is_a_cox_model_of_rows_cut_at_every_event(ties):
    """With strata, late entry and weights: between events nothing is compared."""
    duration, event, scores, covariates, options = simulate(2)

    effects = fit_cox_log_time(duration, event, scores, covariates, ties=ties, **options)

    days = np.unique(duration[event])
    who, begin, end = split(duration, options["entry"], np.r_[-1.0, days, np.inf])
    # A row's products are those of the event at its end; others end in no event.
    now = days[np.minimum(np.searchsorted(days, end), len(days) - 1)]
    score = scores["s1"].to_numpy()[who]
    columns = covariates.iloc[who].assign(s=score, by_time=score * np.log(now))
    model = fit_cox_model(
        end,
        event[who] & (end == duration[who]),
        columns.to_numpy(),
        entry=begin,
        strata=options["strata"][who],
        weights=options["weights"][who],
        ties=ties,
    )
    ours = effects[effects["score"] == "s1"]
    assert_allclose(ours["beta"], model.coefficients["beta"][2:], rtol=1e-8)
    assert_allclose(ours["se"], model.coefficients["se"][2:], rtol=1e-8)
    assert_allclose(ours["log_likelihood"], model.log_likelihood, rtol=1e-10)


def test_fit_cox_periods__one_period_would_be_fit_cox():
    """A cut after the last exit leaves the other period empty of people: its own status."""
    duration, event, scores, covariates, options = simulate(3)

    periods = fit_cox_periods(
        duration, event, scores, covariates, cuts=[duration.max() + 1], **options
    )

    plain = fit_cox(duration, event, scores, covariates, **options)
    assert (plain["status"] == "ok").all()
    assert (periods["status"] == "collinear").all()
    assert periods["beta"].isna().all()


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("no_events", lambda d, e, s, x: (d, e & False, s, x)),
        ("no_complete_cases", lambda d, e, s, x: (d, e, s * np.nan, x)),
        ("collinear", lambda d, e, s, x: (d, e, s, x.assign(twice=2 * x["x0"]))),
    ],
)
@pytest.mark.parametrize("fit", [lambda *a: fit_cox_periods(*a, cuts=[6.0]), fit_cox_log_time])
def test_time_effects__data_that_allow_no_fit_have_a_status(fit, status, change):
    """A wrong number is worse than none."""
    effects = fit(*change(*simulate(4)[:4]))

    assert (effects["status"] == status).all()
    assert (effects["reason"] != "").all()
    assert effects[["beta", "se", "p_value"]].isna().all(axis=None)


def test_time_effects__say_what_is_wrong_with_the_call():
    """Cuts that do not ascend, and an event at time 0."""
    duration, event, scores, *_ = simulate(5)

    with pytest.raises(UsageError, match="cuts must be ascending days above 0"):
        fit_cox_periods(duration, event, scores, cuts=[6, 6])
    with pytest.raises(UsageError, match="1 events are at a time whose logarithm is not finite"):
        fit_cox_log_time(np.r_[0.0, duration[1:]], np.r_[True, event[1:]], scores)
