"""Discovery and replication, made from the estimates by stratum that are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.models import correct_winners_curse
from pgs_trd.report import disclose, render_report
from pgs_trd.report.citations import cite
from pgs_trd.report.findings import find
from pgs_trd.report.narrative import write_methods
from pgs_trd.report.replication import count_replication, find_replication

ROLES = {"discovery": ["EUR"], "replication": None, "meta_method": "fixed"}


def test_replication__tests_again_what_passes_the_limit_of_the_planned_scores(build):
    """The hits are those of 0.05 / 61 in the discovery alone, each by the sum of the others."""
    study = disclose(build(conventions=ROLES))

    found = find_replication(study)

    first = study.association.query("stratum == 'EUR' and contrast == 'trd_vs_responsive'")
    hits = first[first["p_value"] < 0.05 / 61].set_index("score")
    rows = found.query("contrast == 'trd_vs_responsive' and sample == 'all'").set_index("score")
    assert list(rows.index) == list(hits.index)
    assert len(rows) >= 3
    for score, row in rows.iterrows():
        others = study.association[
            (study.association["score"] == score)
            & (study.association["contrast"] == "trd_vs_responsive")
            & study.association["stratum"].isin(["AFR", "AMR"])
        ]
        weight = 1 / others["se"] ** 2
        assert row["replication_beta"] == pytest.approx(
            (weight * others["beta"]).sum() / weight.sum(), rel=1e-10
        )
        assert row["replication_se"] == pytest.approx(1 / np.sqrt(weight.sum()), rel=1e-10)
    same = np.sign(rows["replication_beta"]) == np.sign(rows["discovery_beta"])
    assert_array_equal(rows["same_sign"].astype(bool), same)
    assert_array_equal(rows["nominal"].astype(bool), same & (rows["replication_p_value"] < 0.05))
    corrected = correct_winners_curse(first, alpha=0.05 / 61).set_index("score")
    expected = corrected.loc[rows.index, "beta_conditional"]
    assert_allclose(rows["corrected_beta"], expected, rtol=1e-10)
    assert (rows["corrected_beta"].abs() < rows["discovery_beta"].abs()).all()


def test_replication__counts_what_comes_back(build):
    """One row a contrast and sample, from the rows of the effects."""
    study = disclose(build(conventions=ROLES))

    found, counts = find_replication(study), count_replication(study)

    for row in counts.to_dict("records"):
        own = found[(found["contrast"] == row["contrast"]) & (found["sample"] == row["sample"])]
        assert row["n_planned"] == len(own)
        assert row["n_same_sign"] == own["same_sign"].sum()
        assert row["n_nominal"] == own["nominal"].sum()
    assert set(counts["sample"]) == {"all", "AFR", "AMR"}


def test_replication__of_a_withheld_stratum_is_withheld(build, ordinary_counts):
    """Its estimates would tell of a few people, and may not be told by way of the others."""
    counts = ordinary_counts | {"AMR": {"trd": 9, "responsive": 905, "neither": 350, "no_mdd": 7e3}}
    counts["AMR"] = {name: int(n) for name, n in counts["AMR"].items()}
    study = disclose(build(counts, conventions=ROLES))

    found = find_replication(study)

    shown = study.association[study.association["beta"].notna()]
    own = found[found["contrast"] == "trd_vs_responsive"]
    assert own.loc[own["sample"] == "AMR", "replication_beta"].isna().all()
    used = {
        stratum
        for stratum in ("AFR", "AMR")
        if ((shown["stratum"] == stratum) & (shown["contrast"] == "trd_vs_responsive")).any()
    }
    assert own.loc[own["sample"] == "all", "replication_beta"].notna().all() == bool(used)


def test_replication__is_not_there_without_roles_or_hits(build):
    """A study that names no strata of discovery has no such section."""
    assert find_replication(disclose(build())).empty
    weak = build(conventions=ROLES)
    weak.association["se"] *= 100
    weak.association["p_value"] = 0.9
    assert find_replication(disclose(weak)).empty


def test_planned_scores__set_the_limit(build):
    """Scores that failed count; a study file can plan more than there are."""
    few = find(disclose(build()))
    many = find(disclose(build(conventions={"planned_scores": 610})))

    assert few is not None
    assert many is not None
    assert few.alpha == pytest.approx(0.05 / 61)
    assert many.alpha == pytest.approx(0.05 / 610)


def test_report__has_the_replication_with_its_figure_and_tables(build, tmp_path):
    """Linked from the list; the CSV has the numbers of the page."""
    path = render_report(build(conventions=ROLES, curves=pd.DataFrame()), tmp_path)

    text = path.read_text(encoding="utf-8")
    assert '<a href="#replication">' in text
    assert (tmp_path / "figures" / "replication.svg").is_file()
    table = pd.read_csv(tmp_path / "tables" / "replication.csv")
    assert {"trait", "corrected_beta", "same_sign"} <= set(table.columns)
    assert (tmp_path / "tables" / "replication_counts.csv").is_file()


def test_report__adjusts_pooled_p_values_for_the_planned_scores(build, tmp_path):
    """Bonferroni is p times the planned number; the hazard ratio is given between percentiles."""
    render_report(
        build(conventions={"planned_scores": 100}, curves=pd.DataFrame()), tmp_path, threshold=0
    )

    pooled = pd.read_csv(tmp_path / "tables" / "association_pooled.csv")
    course = pd.read_csv(tmp_path / "tables" / "progression_pooled.csv")
    assert_allclose(pooled["p_bonferroni"], np.minimum(1, pooled["p_value"] * 100), rtol=1e-8)
    assert (pooled["p_bh"] <= pooled["p_bonferroni"] + 1e-12).all()
    # 1.6832 is twice the normal quantile of 0.8, 0.8416.
    assert_allclose(np.log(course["ratio_80_20"]), 1.6832424671 * course["beta"], rtol=1e-8)


def test_report__says_in_its_methods_who_discovered_and_who_was_left_out(build):
    """A reader must not have to find it among the options."""
    asked = ROLES | {"related": "pairs.tsv", "components_made": 10, "planned_scores": 70}
    study = disclose(build(conventions=asked))

    sentences, _ = write_methods(study)

    text = " ".join(sentences)
    assert "Effects were discovered in the strata EUR, and tested again in others." in text
    assert "one was left out of all models, resistant people last" in text
    assert "10 principal components were made within each stratum" in text
    assert "allow for 70 planned scores" in text
    assert any("Zhong and Prentice" in one for one in cite(study))
