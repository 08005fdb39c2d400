"""What the report shows besides its main tables, worked out by hand or from what was planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from pgs_trd.study.further import (
    choose_scores,
    hazards_table,
    incidence_of_causes,
    odds_of_groups,
)
from pgs_trd.study.sections import Covariates
from pgs_trd.tables import write_table


def test_incidence__of_five_people_by_hand():
    """At day 30 one of five is resistant, at 60 one of the four left dead: 1/5, 4/5 x 1/4."""
    follow_up = pd.DataFrame(
        {
            "person_id": list("abcdef"), "status": ["at_risk"] * 6,
            "entry_days": 0.0, "exit_days": [20.0, 50.0, 100.0, 100.0, 100.0, 10.0],
            "end_reason": ["trd", "death", *["end_of_observation"] * 3, "death"],
        }
    )  # fmt: skip

    curves = incidence_of_causes(follow_up, pd.Index(list("abcde")))

    at_60 = curves[curves["days"] == 60].set_index("group")
    assert_allclose(at_60.loc["trd", "incidence"], 0.2, rtol=1e-12)
    assert_allclose(at_60.loc["death", "incidence"], 0.8 * 0.25, rtol=1e-12)
    assert at_60["n_at_risk"].tolist() == [3, 3]
    assert at_60["n_events_so_far"].tolist() == [1, 1]


def test_incidence__without_events_is_empty():
    """A cohort in which nothing happened has no curve, and is no error."""
    follow_up = pd.DataFrame(
        {"person_id": ["a"], "status": ["at_risk"], "entry_days": [0.0], "exit_days": [9.0],
         "end_reason": ["end_of_observation"]}
    )  # fmt: skip

    assert incidence_of_causes(follow_up, pd.Index(["a"])).empty


def people(n=4000, seed=1):
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(n)]
    stratum = np.where(np.arange(n) < n / 2, "X", "Y")
    score = rng.normal(size=n)
    odds = np.exp(0.5 * score - 0.5)
    phenotype = np.where(rng.random(n) < odds / (1 + odds), "trd", "responsive")
    # The strata differ in mean and in spread: only ranks within them are comparable.
    shifted = np.where(stratum == "X", score, 50 + 7 * score)
    covariates = pd.DataFrame({"person_id": ids, "ancestry": stratum, "PC1": rng.normal(size=n)})
    return (
        pd.DataFrame({"person_id": ids, "phenotype": phenotype, "is_mdd": True}),
        pd.DataFrame({"s1": shifted}, index=pd.Index(ids, name="person_id")),
        covariates,
    )


def test_groups__are_cut_within_strata_and_recover_what_was_planted():
    """The middles of the highest and the lowest fifth lie 2.8 SD apart: 0.5 x 2.8 = 1.4."""
    phenotype, scores, covariates = people()
    chosen = Covariates(file=Path("x.tsv"), columns=["PC1"])

    found = odds_of_groups(
        phenotype, scores, covariates, chosen,
        contrast="trd_vs_responsive", names=["s1"], threshold=100,
    )  # fmt: skip

    assert found is not None
    assert found.table["n"].tolist() == [800] * 5
    top = found.table.iloc[-1]
    assert abs(top["beta"] - 1.4) < 3 * top["se"]
    assert top["beta"] > 5 * top["se"]
    assert found.groups == ("score",)


def test_groups__are_tenths_where_people_are_many():
    """A tenth of the cases, 150 or so, is more than twice the threshold."""
    phenotype, scores, covariates = people()
    chosen = Covariates(file=Path("x.tsv"), columns=["PC1"])

    found = odds_of_groups(
        phenotype, scores, covariates, chosen,
        contrast="trd_vs_responsive", names=["s1"], threshold=20,
    )  # fmt: skip

    assert found is not None
    assert len(found.table) == 10


def test_choose_scores__takes_planted_ones_first():
    """A simulated study looks at what it should find; a real one at the smallest p-values."""
    pooled = pd.DataFrame(
        {"contrast": "a", "score": list("wxyz"), "beta": [0.1, 0.2, np.nan, 0.3],
         "p_value": [0.5, 0.01, np.nan, 0.2]}
    )  # fmt: skip
    truth = pd.DataFrame({"contrast": "a", "score": ["w", "x"], "beta": [0.4, 0.0]})

    assert choose_scores(pooled, "a", None) == ["x", "z", "w"]
    assert choose_scores(pooled, "a", truth) == ["w"]


def test_hazards__puts_the_test_of_all_terms_beside_that_of_the_score(tmp_path: Path):
    """Two rows of a model become one."""
    tests = pd.DataFrame(
        {"stratum": "X", "score": "s1", "term": ["s1", "GLOBAL"], "chi2": [1.0, 5.0],
         "p_value": [0.3, 0.08], "status": "ok"}
    )  # fmt: skip
    write_table(tests, tmp_path / "tests.parquet")

    found = hazards_table(tmp_path / "tests.parquet")

    assert found is not None
    assert found.table[["chi2", "p_value", "p_value_all_terms"]].to_numpy().tolist() == [
        [1.0, 0.3, 0.08]
    ]
    assert hazards_table(tmp_path / "nowhere.parquet") is None
