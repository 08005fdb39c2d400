"""The PH test against R's cox.zph, and on data where the answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from pgs_trd.errors import UsageError
from pgs_trd.models import ModelDataError, ph_test


def simulate(rng, n_people=300, n_scores=2):
    """Draw tied days, covariates and scores without an effect that changes."""
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2))).add_prefix("x")
    scores = pd.DataFrame(rng.normal(size=(n_people, n_scores))).add_prefix("s")
    time = np.ceil(rng.exponential(30 * np.exp(-0.4 * scores["s0"])))
    limit = np.ceil(rng.uniform(5, 90, size=n_people))
    return np.minimum(time, limit), time <= limit, scores, covariates


@pytest.mark.parametrize("transform", ["km", "rank", "identity", "log"])
def test_ph_test__agrees_with_cox_zph(r_cox, transform):
    """Survival 3's exact test: each term, and all of them at once."""
    expected = r_cox.expected["zph"][transform]
    names = list(r_cox.columns)

    tests = ph_test(
        scores=r_cox.columns[names[:1]],
        covariates=r_cox.columns[names[1:]] if names[1:] else None,
        transform=transform,
        **r_cox.options,
    ).set_index("term")

    assert (tests["status"] == "ok").all()
    assert set(tests.index) == set(expected)
    for term, values in expected.items():
        assert_allclose(tests.loc[term, "chi2"], values["chisq"], rtol=1e-8)
        assert tests.loc[term, "df"] == values["df"]
        assert_allclose(tests.loc[term, "p_value"], values["p"], rtol=1e-6)
        assert_allclose(tests.loc[term, "log10_p"], np.log10(values["p"]), rtol=1e-6)


def test_ph_test__many_scores_at_once_are_as_one_at_a_time():
    """Batching must not let one score touch another, also with gaps of their own."""
    rng = np.random.default_rng(1)
    duration, event, scores, covariates = simulate(rng, n_scores=11)
    scores = scores.mask(rng.random(scores.shape) < 0.002)

    together = ph_test(duration, event, scores, covariates, threads=2)
    alone = pd.concat(
        [ph_test(duration, event, scores[[name]], covariates) for name in scores],
        ignore_index=True,
    )

    pd.testing.assert_frame_equal(together, alone, check_exact=False, rtol=1e-9)
    assert together["term"][:4].tolist() == ["x0", "x1", "s0", "GLOBAL"]


def test_ph_test__finds_an_effect_that_changes_sign():
    """Early the score hastens the event, late it delays it."""
    rng = np.random.default_rng(2)
    score = rng.normal(size=2000)
    early = rng.exponential(10 * np.exp(-score))
    late = 5 + rng.exponential(10 * np.exp(score))
    time = np.where(early < 5, early, late)

    tests = ph_test(time, np.ones(2000), pd.DataFrame({"s": score}))

    assert tests.loc[0, "log10_p"] < -50


def test_ph_test__p_values_are_uniform_where_hazards_are_proportional():
    """Of 300 true nulls the p-values pass a Kolmogorov-Smirnov test."""
    rng = np.random.default_rng(3)
    duration, event, _, covariates = simulate(rng)
    scores = pd.DataFrame(rng.normal(size=(300, 300))).add_prefix("s")

    tests = ph_test(duration, event, scores, covariates)

    own = tests.loc[tests["term"] == tests["score"], "p_value"]
    assert stats.kstest(own, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("no_events", lambda d, e, s, x: (d, e & False, s, x)),
        ("no_complete_cases", lambda d, e, s, x: (d * np.nan, e, s, x)),
        ("constant_score", lambda d, e, s, x: (d, e, s * 0 + 0.3, x)),
        ("collinear", lambda d, e, s, x: (d, e, s, x.assign(twice=2 * x["x0"]))),
        ("monotone_likelihood", lambda d, e, s, x: (d, e, s[["s0"]].mul(0).sub(d, axis=0), x)),
        ("too_few_events", lambda d, e, s, x: (d * 0 + 5, e, s, x)),
    ],
)
def test_ph_test__a_test_that_cannot_be_has_its_status_and_no_number(status, change):
    """A wrong number is worse than none, and the reason is said."""
    tests = ph_test(*change(*simulate(np.random.default_rng(4))))

    assert (tests["status"] == status).all()
    assert (tests["reason"] != "").all()
    assert tests[["chi2", "p_value", "log10_p"]].isna().all(axis=None)


def test_ph_test__says_what_is_wrong_with_the_call():
    """An unknown transform, and the logarithm of time 0."""
    duration, event, scores, _ = simulate(np.random.default_rng(5))
    duration[event][0] = 0.0

    with pytest.raises(UsageError, match="transform is 'sqrt'"):
        ph_test(duration, event, scores, transform="sqrt")
    with pytest.raises(ModelDataError, match="'log': 1 events are at time 0"):
        ph_test(np.r_[0.0, duration], np.r_[True, event], np.r_[0.5, scores["s0"]], transform="log")
