"""Rows whose numbers tell their people stand only where those people are shown."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from pgs_trd.models.liability import liability_r2
from pgs_trd.report import FurtherTable, disclose


def quality(results, **changes):
    rows = results.association.query("contrast == 'trd_vs_responsive'").reset_index(drop=True)
    table = rows[["stratum", "contrast", "score", "n_cases", "n_controls"]].assign(
        auc=0.6, status="ok", **changes
    )
    return FurtherTable(
        name="prediction", section="Prediction", caption="Areas.", table=table,
        text=("score", "contrast", "stratum", "status"), numbers=("auc",),
        counts=("n_cases", "n_controls"), tells_counts=True,
    )  # fmt: skip


def shown(results, one):
    build, fields = results
    study = disclose(build(n_scores=2, further=(one,), **fields), threshold=20)
    return study.further[0].table, study.log


def test_liability__at_two_prevalences_gives_the_share_of_cases():
    """The reason for the rule: 0.29 comes back from two numbers of a row."""
    found = [float(liability_r2(0.03, share_of_cases=0.29, prevalence=k)) for k in (0.1, 0.3)]
    ratio = found[0] / found[1]
    shares = [n / 1000 for n in range(100, 900)]
    by_share = {
        p: float(liability_r2(0.03, share_of_cases=p, prevalence=0.1))
        / float(liability_r2(0.03, share_of_cases=p, prevalence=0.3))
        for p in shares
    }
    assert [p for p, value in by_share.items() if abs(value - ratio) < 1e-12] == [0.29]


def test_tells_counts__stands_where_the_counts_are_shown(build):
    """The same people as in the association table, none of them hidden."""
    results = build(n_scores=2)

    table, log = shown((build, {}), quality(results))

    assert table["auc"].eq(0.6).all()
    assert "prediction" not in set(log["table"])


def test_tells_counts__other_people_than_shown_are_withheld(build):
    """One control less than the association table says."""
    one = quality(build(n_scores=2))
    one.table.loc[0, "n_controls"] -= 1

    table, log = shown((build, {}), one)

    assert table["auc"].isna().tolist() == [True] + [False] * (len(table) - 1)
    assert table["status"].tolist()[:2] == ["withheld", "ok"]
    assert log.query("table == 'prediction'")["n_hidden"].tolist() == [1]


def test_tells_counts__withheld_where_the_model_lost_a_few_people(build):
    """3 cases of EUR lack a covariate: the association's counts are withheld, so are these."""
    association = build(n_scores=2).association.copy()
    rows = (association["stratum"] == "EUR") & (association["contrast"] == "trd_vs_responsive")
    association.loc[rows, ["n_cases", "n_events", "n"]] -= 3
    fields = {"association": association}

    table, _ = shown((build, fields), quality(build(n_scores=2, **fields)))

    assert table.loc[table["stratum"] == "EUR", "auc"].isna().all()
    assert table.loc[table["stratum"] != "EUR", "auc"].notna().all()


@pytest.mark.parametrize("n_cases", [1, 20])
def test_tells_counts__withheld_for_few_people(build, n_cases):
    """Few cases are no area under a curve."""
    one = quality(build(n_scores=2))
    few = dataclasses.replace(one, table=one.table.assign(n_cases=n_cases))

    table, _ = shown((build, {}), few)

    assert table["auc"].isna().all()


def test_tells_counts__without_an_association_table_nothing_stands(build):
    """A study of follow-up only shows no counts of a contrast."""
    one = quality(build(n_scores=2))
    empty = {"association": pd.DataFrame(), "meta": pd.DataFrame()}

    table, _ = shown((build, empty), one)

    assert table["auc"].isna().all()
