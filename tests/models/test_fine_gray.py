"""Fine-Gray models against R's cmprsk and survival, and an expanded Cox model."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, fit_cox, fit_fine_gray


def simulate(rng, n_people=200):
    """Draw tied days, two causes and censoring."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("s")
    time = np.ceil(rng.exponential(12 * np.exp(-0.5 * scores["s0"])))
    limit = np.ceil(rng.uniform(3, 30, size=n_people))
    cause = rng.choice([1, 2], p=[0.6, 0.4], size=n_people)
    return np.minimum(time, limit), np.where(time <= limit, cause, 0), scores, covariates


def expand(duration, event, cause):
    """Write the rows of R's `finegray`: who has another event stays, with falling weight.

    Censoring at a time comes after the events of that time.
    """
    moments = np.unique(duration[event == 0])
    factors = [
        1
        - ((duration == t) & (event == 0)).sum()
        / ((duration > t) | ((duration == t) & (event == 0))).sum()
        for t in moments
    ]
    uncensored = np.r_[1.0, np.cumprod(factors)]
    edges = np.r_[moments, duration.max() + 1]
    rows = []
    for person, (time, code) in enumerate(zip(duration, event, strict=True)):
        if code in (0, cause):
            rows.append((person, -1.0, time, code == cause, 1.0))
            continue
        base = uncensored[np.searchsorted(moments, time, "left")]
        begin = -1.0
        for place, edge in enumerate(edges):
            if edge < time:
                continue
            rows.append((person, begin, edge, False, uncensored[place] / base))
            begin = edge
    names = ["person", "entry", "duration", "event", "weight"]
    table = pd.DataFrame(rows, columns=names)
    return table[table["weight"] > 0]


@pytest.mark.parametrize("model_id", ["pbc_death", "pbc_transplant"])
def test_fit_fine_gray__agrees_with_r(r_reference, fit_each_column, numbers_of, model_id):
    """Crr: coefficients, errors, log likelihood; finegray + coxph: Efron and Breslow."""
    content = json.loads((r_reference / "competing_risks_pbc.json").read_text())
    expected = next(model for model in content["models"] if model["id"] == model_id)
    table = pd.read_csv(r_reference / "pbc.csv").iloc[:312]
    columns = table[["age", "edema"]].assign(lbili=np.log(table["bili"]))
    event = table["status"].map({0: 0, 1: 2, 2: 1})

    def fit(**options):
        return fit_each_column(
            lambda s, x: fit_fine_gray(
                table["time"], event, s, x, cause=expected["event_code"], **options
            ),
            columns,
        )

    crr = fit()
    efron = fit(ties="efron", censoring="survival", se="model")
    breslow = fit(ties="breslow", censoring="survival", se="model")

    names = crr.index
    assert (crr["status"] == "ok").all()
    assert (crr["n"] == expected["n"]).all()
    assert_allclose(crr["beta"], numbers_of(expected, "crr_coef", names), rtol=1e-8)
    assert_allclose(crr["se"], numbers_of(expected, "crr_se", names), rtol=1e-8)
    assert_allclose(crr["log_likelihood"], expected["crr_loglik"], rtol=1e-8)
    for fits, key in ((efron, "efron"), (breslow, "breslow")):
        theirs = numbers_of(expected, f"finegray_coxph_{key}_coef", names)
        assert_allclose(fits["beta"], theirs, rtol=1e-8)
    # R calls these model errors, and coxph makes them robust: weights are not counts.
    rows = expand(table["time"].to_numpy(), event.to_numpy(), expected["event_code"])
    long = columns.iloc[rows["person"]].reset_index(drop=True)
    times = rows.reset_index(drop=True)
    expanded = fit_each_column(
        lambda s, x: fit_cox(
            times["duration"],
            times["event"],
            s,
            x,
            entry=times["entry"],
            weights=times["weight"],
            se="robust",
        ),
        long,
    )
    theirs = numbers_of(expected, "finegray_coxph_efron_model_se", names)
    assert_allclose(expanded["se"], theirs, rtol=1e-8)


@pytest.mark.parametrize("model_id", ["pbc_death", "pbc_transplant"])
def test_fit_cox__of_one_cause_agrees_with_r(r_reference, fit_each_column, numbers_of, model_id):
    """The cause-specific hazard: people with another event are censored by it."""
    content = json.loads((r_reference / "competing_risks_pbc.json").read_text())
    expected = next(model for model in content["models"] if model["id"] == model_id)
    table = pd.read_csv(r_reference / "pbc.csv").iloc[:312]
    columns = table[["age", "edema"]].assign(lbili=np.log(table["bili"]))
    event = table["status"].map({0: 0, 1: 2, 2: 1}) == expected["event_code"]

    fits = fit_each_column(lambda s, x: fit_cox(table["time"], event, s, x), columns)

    coefficients = numbers_of(expected, "cause_specific_cox_coef", fits.index)
    assert_allclose(fits["beta"], coefficients, rtol=1e-8)
    assert_allclose(
        fits["se"], numbers_of(expected, "cause_specific_cox_se", fits.index), rtol=1e-8
    )


@pytest.mark.parametrize("ties", ["breslow", "efron"])
def test_fit_fine_gray__is_a_weighted_cox_model_of_expanded_rows(ties):
    """The sums over people must be the sums over the rows of R's `finegray`."""
    duration, event, scores, covariates = simulate(np.random.default_rng(1))
    rows = expand(duration, event, 1)

    fits = fit_fine_gray(
        duration, event, scores, covariates, ties=ties, censoring="survival", se="model"
    )
    expanded = fit_cox(
        rows["duration"].to_numpy(),
        rows["event"].to_numpy(),
        scores.iloc[rows["person"]].to_numpy(),
        covariates.iloc[rows["person"]].to_numpy(),
        entry=rows["entry"].to_numpy(),
        weights=rows["weight"].to_numpy(),
        ties=ties,
    )

    for name in ("beta", "se", "log_likelihood"):
        assert_allclose(fits[name], expanded[name], rtol=1e-9)


def test_fit_fine_gray__without_another_cause_is_cox():
    """Then the subdistribution hazard is the hazard; errors too, but for the censoring."""
    duration, event, scores, covariates = simulate(np.random.default_rng(2))
    event = (event == 1).astype(int)

    fits = fit_fine_gray(duration, event, scores, covariates, ties="efron", se="model")
    plain = fit_cox(duration, event, scores, covariates)

    assert_allclose(fits["beta"], plain["beta"], rtol=1e-9)
    assert_allclose(fits["se"], plain["se"], rtol=1e-9)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("no_events", lambda d, e, s, x: (d, np.where(e == 1, 0, e), s, x)),
        ("no_complete_cases", lambda d, e, s, x: (d * np.nan, e, s, x)),
        ("constant_score", lambda d, e, s, x: (d, e, s * 0 + 0.3, x)),
        ("collinear", lambda d, e, s, x: (d, e, s, x.assign(twice=2 * x["x0"]))),
        (
            "monotone_likelihood",
            lambda d, e, s, x: (d, e, s[["s0"]].mul(0).add((e == 1) * 1.0, axis=0), x),
        ),
    ],
)
def test_fit_fine_gray__a_model_that_cannot_be_has_its_status(status, change):
    """A wrong number is worse than none."""
    fits = fit_fine_gray(*change(*simulate(np.random.default_rng(3))))

    assert (fits["status"] == status).all()
    assert fits[["beta", "se", "p_value"]].isna().all(axis=None)


def test_fit_fine_gray__says_what_is_wrong_with_the_call():
    """Codes that are none, and an option that is unknown."""
    duration, event, scores, _ = simulate(np.random.default_rng(4))

    with pytest.raises(ModelDataError, match="200 of 200 values are not whole numbers"):
        fit_fine_gray(duration, event + 0.5, scores)
    with pytest.raises(ModelDataError, match="200 of 200 people have a negative duration"):
        fit_fine_gray(-duration, event, scores)
    with pytest.raises(UsageError, match="censoring is 'none'"):
        fit_fine_gray(duration, event, scores, censoring="none")
