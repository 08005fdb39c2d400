"""Kaplan-Meier curves against R, lifelines, and a case worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.models import kaplan_meier, survival_curves

R_CURVES = {
    "lung_sex": ("lung", "time", lambda t: t["status"] == 2, "sex"),
    "veteran_trt": ("veteran", "time", lambda t: t["status"] == 1, "trt"),
    "veteran_celltype": ("veteran", "time", lambda t: t["status"] == 1, "celltype"),
    "flchain_sex": ("flchain", "futime", lambda t: t["death"] == 1, "sex"),
}


def make_study(rng, n_people=1000):
    """Draw a score and follow-up with no late entry."""
    ids = [f"p{i}" for i in range(n_people)]
    scores = pd.DataFrame({"mdd": rng.normal(size=n_people)}, index=ids)
    time = np.ceil(rng.exponential(500 * np.exp(-0.5 * scores["mdd"].to_numpy())))
    limit = np.ceil(rng.uniform(100, 1500, size=n_people))
    follow_up = pd.DataFrame(
        {
            "person_id": ids,
            "entry_days": 0.0,
            "exit_days": np.minimum(time, limit),
            "event": time <= limit,
        }
    )
    return follow_up, scores


@pytest.mark.parametrize("model_id", R_CURVES)
def test_kaplan_meier__agrees_with_r(r_reference, model_id):
    """Survival and log-log intervals of survfit."""
    models = json.loads((r_reference / "km_logrank.json").read_text())["models"]
    model = next(model for model in models if model["id"] == model_id)
    curve = next(curve for curve in model["curves"] if curve["conf_type"] == "log-log")
    file, time, event, group = R_CURVES[model_id]
    table = pd.read_csv(r_reference / f"{file}.csv")

    for stratum in dict.fromkeys(curve["strata"]):
        rows = [place for place, name in enumerate(curve["strata"]) if name == stratum]
        part = table[table[group].astype(str) == stratum.split("=")[1].strip()]
        days = np.array([curve["time"][place] for place in rows], dtype=float)
        survival, low, high, _ = kaplan_meier(
            part[time].to_numpy(dtype=float), event(part).to_numpy(), None, days
        )
        for ours, theirs in ((survival, "surv"), (low, "lower"), (high, "upper")):
            expected = np.array([curve[theirs][place] for place in rows], dtype=float)
            assert_allclose(ours, expected, rtol=1e-8)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_kaplan_meier__agrees_with_lifelines_with_late_entry(seed):
    """Entry between days, since lifelines counts who enters on the day of an event."""
    from lifelines import KaplanMeierFitter

    rng = np.random.default_rng(seed)
    entry = np.r_[np.full(40, -0.5), rng.integers(0, 5, size=40) + 0.5]
    duration = np.floor(entry) + rng.integers(1, 15, size=80) + 1
    event = rng.random(80) < 0.5
    days = np.arange(0.0, 14.0)

    survival, low, high, _ = kaplan_meier(duration, event, entry, days)

    fitter = KaplanMeierFitter().fit(duration + 1, event, entry=entry + 1)
    at = fitter.survival_function_.index.searchsorted(days + 1, side="right") - 1
    interval = fitter.confidence_interval_.to_numpy()[at]
    assert_allclose(survival, fitter.survival_function_.to_numpy()[at, 0], rtol=1e-10)
    positive = survival > 0
    assert_allclose(low[positive], interval[positive, 0], rtol=1e-8)
    assert_allclose(high[positive], interval[positive, 1], rtol=1e-8)


def test_survival_curves__are_what_was_worked_out_by_hand():
    """Ten people with scores 0 to 9: the fifths are 0-1 and 8-9, the middle six.

    Bottom: both seen 100 days, no event. Top: one event on day 10, the other leaves on
    day 20. Middle: one enters on day 30, after the event of day 25 among the other five.
    """
    scores = pd.DataFrame({"s": np.arange(10.0)}, index=list("abcdefghij"))
    follow_up = pd.DataFrame(
        {
            "person_id": list("abcdefghij"),
            "entry_days": [0.0, 0, 30, 0, 0, 0, 0, 0, 0, 0],
            "exit_days": [100.0, 100, 60, 25, 60, 60, 60, 60, 10, 20],
            "event": [False, False, False, True, True, False, False, False, True, False],
        }
    )

    curves = survival_curves(follow_up, scores, days=[0, 10, 25, 40, 60]).set_index("group")

    assert curves.loc["bottom fifth", "survival"].tolist() == [1.0] * 5
    assert_allclose(curves.loc["middle", "survival"], [1, 1, 0.8, 0.8, 0.8 * 0.8], rtol=1e-12)
    assert curves.loc["middle", "n_at_risk"].tolist() == [5, 5, 5, 5, 5]
    assert curves.loc["middle", "n_events_so_far"].tolist() == [0, 0, 1, 1, 2]
    assert_allclose(curves.loc["top fifth", "survival"], [1, 0.5, np.nan, np.nan, np.nan])
    assert curves.loc["top fifth", "n_at_risk"].tolist() == [2, 2, 0, 0, 0]


def test_survival_curves__order_by_a_score_that_matters():
    """A high score brings the event sooner; the grid is every 30 days by default."""
    follow_up, scores = make_study(np.random.default_rng(30))

    curves = survival_curves(follow_up, scores)

    at = curves[curves["days"] == 300].set_index("group")["survival"]
    assert at["bottom fifth"] > at["middle"] > at["top fifth"]
    assert curves["days"].unique()[:3].tolist() == [0.0, 30.0, 60.0]
    assert curves.groupby("group")["n_people"].first().tolist() == [200, 600, 200]
    assert (curves["ci_low"].dropna() <= curves["survival"][curves["ci_low"].notna()]).all()


def test_survival_curves__fifths_are_cut_within_strata():
    """Ancestries differ in mean score for reasons that have nothing to do with the trait."""
    follow_up, scores = make_study(np.random.default_rng(31))
    ancestry = np.repeat(["AFR", "EUR"], 500)
    covariates = pd.DataFrame({"person_id": follow_up["person_id"], "ancestry": ancestry})
    shifted = scores + 10.0 * (ancestry == "AFR")[:, np.newaxis]

    plain = survival_curves(follow_up, scores, covariates, stratum="ancestry")
    moved = survival_curves(follow_up, shifted, covariates, stratum="ancestry")

    pd.testing.assert_frame_equal(moved, plain)


def test_survival_curves__start_day_conditions_on_being_free_until_then():
    """S(t | free at 90) is S(t) / S(90) where everybody is seen from day 0."""
    follow_up, scores = make_study(np.random.default_rng(32))

    whole = survival_curves(follow_up, scores, days=[90, 300])
    later = survival_curves(follow_up, scores, days=[90, 300], start_day=90)

    survival = whole["survival"].to_numpy().reshape(3, 2)
    assert later["survival"][::2].tolist() == [1.0] * 3
    # The fifths are of all people at risk, so the groups are the same.
    assert_allclose(later["survival"][1::2], survival[:, 1] / survival[:, 0], rtol=1e-10)


def test_survival_curves__a_curve_that_dies_with_its_first_people_is_said():
    """Only one of the top fifth is seen early; their event must not end the curve in silence."""
    follow_up, scores = make_study(np.random.default_rng(33))
    top = (scores["mdd"] > scores["mdd"].quantile(0.8)).to_numpy()
    first = np.flatnonzero(top)[0]
    follow_up.loc[top, ["entry_days", "exit_days"]] = [50.0, 400.0]
    follow_up.loc[first, ["entry_days", "exit_days", "event"]] = [0.0, 20.0, True]

    with pytest.warns(PgsTrdWarning, match="top fifth reaches 0 while 199 people"):
        survival_curves(follow_up, scores)


def test_survival_curves__says_what_is_wrong_with_the_call():
    """Which score, which days, and a score that makes no groups."""
    follow_up, scores = make_study(np.random.default_rng(34))

    with pytest.raises(UsageError, match="no score is named; scores has 2 columns"):
        survival_curves(follow_up, scores.assign(bmi=1.0))
    with pytest.raises(UsageError, match="'bmi' is not a column"):
        survival_curves(follow_up, scores, score="bmi")
    with pytest.raises(DataError, match="nobody is in the middle or the top fifth among 1,000"):
        survival_curves(follow_up, scores * 0)
    with pytest.raises(UsageError, match="days must be finite and ascending"):
        survival_curves(follow_up, scores, days=[30, 30])
