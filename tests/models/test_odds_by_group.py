"""Odds by groups of a score, against statsmodels and a table of four counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import odds_by_group


def draw(seed, n=1000, n_scores=1):
    """Draw an outcome with the score's and a covariate's effect."""
    rng = np.random.default_rng(seed)
    scores = pd.DataFrame(
        rng.normal(size=(n, n_scores)), columns=[f"s{i}" for i in range(n_scores)]
    )
    covariate = rng.normal(size=n) + 0.3 * scores["s0"]
    logit = -1 + 0.5 * scores["s0"] + 0.5 * covariate
    return (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(float), scores, covariate


@pytest.mark.parametrize(
    ("cuts", "reference", "labels", "at"),
    [
        (range(10, 100, 10), "middle", [0, 1, 2, 3, 4, 4, 5, 6, 7, 8], 4),
        (range(10, 100, 10), "bottom", list(range(10)), 0),
        ((20, 40, 60, 80), "middle", list(range(5)), 2),
    ],
)
def test_odds_by_group__agrees_with_statsmodels(cuts, reference, labels, at):
    """Dummies made by hand; with deciles the two around the median are one reference."""
    outcome, scores, covariate = draw(1, n_scores=2)

    table = odds_by_group(outcome, scores, covariate, cuts=cuts, reference=reference)

    for name in scores:
        rows = table[table["score"] == name].set_index("group")
        codes = pd.qcut(scores[name], len(labels), labels=False).map(dict(enumerate(labels)))
        dummies = pd.get_dummies(codes, dtype=float).drop(columns=at)
        design = sm.add_constant(dummies.assign(covariate=covariate))
        fit = sm.Logit(outcome, design).fit(disp=0, tol=1e-12)
        others = rows.drop(index=at + 1)
        assert_allclose(others["beta"], fit.params[dummies.columns], rtol=1e-7)
        assert_allclose(others["se"], fit.bse[dummies.columns], rtol=1e-7)
        assert rows["n"].tolist() == codes.value_counts().sort_index().tolist()
        cases = pd.Series(outcome).groupby(codes).sum()
        assert rows["n_cases"].tolist() == cases.tolist()
        assert rows.loc[at + 1, ["beta", "status"]].tolist() == [0.0, "reference"]
        assert np.isnan(rows.loc[at + 1, "se"])


def test_odds_by_group__two_groups_are_a_table_of_four_counts():
    """Above the median 30 of 50 are cases, below 20 of 50: the odds ratio is 2.25."""
    score = np.arange(100.0)
    outcome = np.r_[np.ones(20), np.zeros(30), np.ones(30), np.zeros(20)]

    row = odds_by_group(outcome, score, cuts=[50], reference="bottom").iloc[1]

    assert_allclose(row["beta"], np.log(2.25), rtol=1e-9)
    assert_allclose(row["se"], np.sqrt(1 / 20 + 1 / 30 + 1 / 30 + 1 / 20), rtol=1e-9)
    assert (row["percentile_low"], row["percentile_high"]) == (50, 100)


def test_odds_by_group__a_group_without_cases_gets_firths_estimates():
    """The four counts 0 of 50 and 25 of 50: Firth adds 1/2 to each."""
    score = np.arange(100.0)
    outcome = np.r_[np.zeros(50), np.tile([0.0, 1.0], 25)]

    table = odds_by_group(outcome, score, cuts=[50], reference="bottom")

    row = table.iloc[1]
    assert row["status"] == "firth"
    assert_allclose(row["beta"], np.log((25.5 / 25.5) / (0.5 / 50.5)), rtol=1e-8)
    assert "separated" in row["reason"]
    assert table.iloc[0]["status"] == "reference"


def test_odds_by_group__the_order_of_people_and_the_unit_change_nothing():
    """Groups are made of ranks."""
    outcome, scores, covariate = draw(2)
    order = np.random.default_rng(1).permutation(len(outcome))

    one = odds_by_group(outcome, scores, covariate)
    other = odds_by_group(
        outcome[order], np.exp(scores.to_numpy()[order]), covariate.to_numpy()[order]
    )

    numbers = ["n", "n_cases", "beta", "se", "p_value"]
    assert_allclose(one[numbers], other[numbers], rtol=1e-7)


def test_odds_by_group__more_scores_than_stand_in_memory_keep_their_order():
    """Nineteen scores in three turns, one with gaps in a batch of its own."""
    outcome, scores, _ = draw(3, n=300, n_scores=19)
    scores.loc[:9, "s4"] = np.nan

    table = odds_by_group(outcome, scores, cuts=[50], reference="bottom")

    assert table["score"].tolist() == [name for name in scores for _ in range(2)]
    for name in ("s4", "s18"):
        kept = scores[name].notna().to_numpy()
        alone = odds_by_group(
            outcome[kept], scores.loc[kept, [name]], cuts=[50], reference="bottom"
        )
        here = table[table["score"] == name]
        assert_allclose(here[["n", "beta"]], alone[["n", "beta"]], rtol=1e-8)


def test_odds_by_group__says_why_there_is_no_number():
    """A score with two values has no deciles; no cases have no odds."""
    outcome, scores, _ = draw(4, n=200)
    two = odds_by_group(outcome, (scores > 0).astype(float))
    none = odds_by_group(np.zeros(200), scores)

    assert set(two["status"]) == {"too_few_people"}
    assert set(none["status"]) == {"no_events"}
    assert two["beta"].isna().all()
    assert none["beta"].isna().all()


def test_odds_by_group__refuses_cuts_that_make_no_groups():
    """A median split has no middle."""
    outcome, scores, _ = draw(5, n=50)
    with pytest.raises(UsageError, match="two groups have no middle"):
        odds_by_group(outcome, scores, cuts=[50])
    with pytest.raises(UsageError, match="cuts has 2 percentiles"):
        odds_by_group(outcome, scores, cuts=[80, 20])
    with pytest.raises(UsageError, match="strictly between 0 and 100"):
        odds_by_group(outcome, scores, cuts=[50, 100])
    with pytest.raises(UsageError, match="reference is 'top'"):
        odds_by_group(outcome, scores, reference="top")


def test_odds_by_group__a_covariate_that_separates_leaves_firths_estimates():
    """Maximum likelihood has none for any score then; the groups are still told apart."""
    outcome, scores, _ = draw(6, n=200, n_scores=2)
    sure = (outcome == 1) & (np.arange(200) % 4 == 0)

    table = odds_by_group(outcome, scores, sure.astype(float), cuts=[50], reference="bottom")

    others = table[table["status"] != "reference"]
    assert others["status"].tolist() == ["firth", "firth"]
    assert others["beta"].between(-3, 3).all()
    assert (others["se"] > 0).all()


def test_odds_by_group__refuses_a_cut_that_is_missing():
    """NaN is not below any bound, and must not pass for that."""
    outcome, scores = np.arange(40) % 2, np.arange(40.0)

    with pytest.raises(UsageError, match="cuts has 2 percentiles"):
        odds_by_group(outcome, scores, cuts=[10, np.nan], reference="bottom")
    with pytest.raises(UsageError, match="strictly between 0 and 100"):
        odds_by_group(outcome, scores, cuts=[np.nan], reference="bottom")


def test_odds_by_group__counts_people_where_nobody_is_a_case():
    """The status says that there are no cases; the people are there."""
    groups = odds_by_group(np.zeros(40), np.arange(40.0), cuts=[25, 50], reference="bottom")

    assert groups["status"].tolist() == ["no_events"] * 3
    assert groups["n"].tolist() == [10, 10, 20]
    assert groups["n_cases"].tolist() == [0, 0, 0]
