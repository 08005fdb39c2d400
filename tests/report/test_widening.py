"""Standard errors do not tell how many people a model lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from pgs_trd.models import meta_analyse
from pgs_trd.report import disclose
from pgs_trd.report.disclosure.widening import widen, widening_factor

ESTIMATES = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p"]


def with_losses(build, losses, *, contrast="trd_vs_none", n_scores=4):
    """Results in which the models of some strata lost cases, standard errors and pool included."""
    results = build(n_scores=n_scores)
    association = results.association.copy()
    for stratum, lost in losses.items():
        rows = (association["stratum"] == stratum) & (association["contrast"] == contrast)
        association.loc[rows, ["n_cases", "n_events", "n"]] -= lost
        part = association[rows]
        information = part["n_cases"] * part["n_controls"] / part["n"]
        # Each score has a variance of its own, which the reader does not know.
        spread = 1 + 0.01 * np.arange(rows.sum())
        association.loc[rows, "se"] = spread / np.sqrt(information)
        beta, se = association.loc[rows, "beta"], association.loc[rows, "se"]
        association.loc[rows, "ci_low"] = beta - norm.isf(0.025) * se
        association.loc[rows, "ci_high"] = beta + norm.isf(0.025) * se
        association.loc[rows, "p_value"] = 2 * norm.sf(np.abs(beta / se))
        association.loc[rows, "log10_p"] = np.log10(2) + norm.logsf(np.abs(beta / se)) / np.log(10)
    meta = meta_analyse(association)
    return build(n_scores=n_scores, association=association, meta=meta)


@pytest.mark.parametrize("other", [1, 11, 20])
def test_disclose__shows_the_same_whatever_few_people_a_model_lost(build, other):
    """Nothing on the page can tell 3 lost from 11: the page is the same, pooled rows too."""
    one = disclose(with_losses(build, {"AFR": 3}), threshold=20)
    two = disclose(with_losses(build, {"AFR": other}), threshold=20)

    for table in ("association", "meta"):
        inner = ["hidden", "stood", "counts_hidden", "factor"]  # not in the CSV files
        left = getattr(one, table).drop(columns=inner, errors="ignore")
        right = getattr(two, table).drop(columns=inner, errors="ignore")
        pd.testing.assert_frame_equal(left, right, rtol=1e-9)
    rows = one.association.query("stratum == 'AFR' and contrast == 'trd_vs_none'")
    assert rows["se_widened"].all()
    assert rows["beta"].notna().all()
    assert one.association["se_widened"].sum() == len(rows)


def test_disclose__pools_what_it_shows(build):
    """The pooled row says nothing that the strata do not say."""
    study = disclose(with_losses(build, {"AFR": 3, "EUR": 12}), threshold=20)

    again = meta_analyse(study.association.drop(columns=["n", "n_events"]))

    expected = again.query("contrast == 'trd_vs_none'")[[*ESTIMATES, "q", "i2"]]
    actual = study.meta.query("contrast == 'trd_vs_none'")[[*ESTIMATES, "q", "i2"]]
    assert_allclose(actual.to_numpy(float), expected.to_numpy(float), rtol=1e-10)


def test_disclose__hides_what_all_strata_lost_together(build):
    """39 lost of two strata, at most 20 each, would say 19 or 20 of both."""
    study = disclose(with_losses(build, {"AFR": 19, "EUR": 20}), threshold=20)

    rows = study.meta.query("contrast == 'trd_vs_none'")
    assert set(rows["n"]) == {"withheld"}
    assert set(rows["n_events"]) == {"withheld"}


def test_disclose__widens_hazard_ratios_by_their_events(build):
    """In a Cox model the events carry the information."""
    results = build(n_scores=2)
    progression = results.progression.copy()
    rows = progression["stratum"] == "AFR"
    progression.loc[rows, "n_events"] -= 4

    study = disclose(build(n_scores=2, progression=progression), threshold=20)

    ratio = study.progression.loc[rows, "se"] / progression.loc[rows, "se"]
    assert_allclose(ratio, np.sqrt(306 / 290), rtol=1e-12)
    shown = study.progression.loc[rows]
    assert_allclose(shown["ci_high"] - shown["beta"], 1.959964 * shown["se"], rtol=1e-6)


def test_widening_factor__is_worked_out_by_hand():
    """310 - 20 = 290 cases assumed for 307; controls as they are."""
    factor = widening_factor((307, 9120), [(310, 9120)], 20, is_cox=False)

    known, least = 307 * 9120 / 9427, 290 * 9120 / 9410
    assert_allclose(factor, np.sqrt(known / least), rtol=1e-12)
    assert widening_factor((310, 9120), [(310, 9120)], 20, is_cox=False) == 1.0
    assert np.isnan(widening_factor((None, 9120), [(310, 9120)], 20, is_cox=False))


def test_widen__gives_the_p_value_of_the_wider_error():
    """Two-sided normal p-values, also where only the logarithm is a number."""
    beta, se = np.array([0.2, 3.0, 0.1]), np.array([0.1, 0.05, 0.1])
    table = pd.DataFrame(
        {
            "beta": beta, "se": se, "ci_low": beta - 2 * se, "ci_high": beta + 2 * se,
            "p_value": 2 * norm.sf(beta / se),
            "log10_p": np.log10(2) + norm.logsf(beta / se) / np.log(10),
        }
    )  # fmt: skip

    wider = widen(table, np.array([1.5, 1.5, 1.0]))

    z = beta[:2] / (1.5 * se[:2])
    assert_allclose(wider["log10_p"][:2], np.log10(2) + norm.logsf(z) / np.log(10), rtol=1e-10)
    assert_allclose(wider["ci_low"][:2], beta[:2] - 3 * se[:2], rtol=1e-12)
    assert (wider.iloc[2] == table.iloc[2]).all()
