"""Many definitions on one set of people: grid, presets, concordance, explanation, exports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pgs_trd.ehr import build_trials
from pgs_trd.ehr.adjuncts import build_adjuncts
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import (
    classify,
    classify_grid,
    compare_definitions,
    count_overlaps,
    draw_overlaps,
    explain,
    follow_up,
    list_definitions,
    load_definition,
    load_grid,
    plink2_table,
    regenie_table,
    stage,
    survival_table,
)

TWO_DX = (("F32.1", "2010-01-01"), ("F33.2", "2010-02-01"))
A, B, C = (
    ("sertraline", "2010-01-01", 60),
    ("citalopram", "2010-03-02", 60),
    ("mirtazapine", "2010-05-01", 60),
)
SHORT = (
    ("sertraline", "2010-01-01", 30),
    ("citalopram", "2010-01-31", 30),
    ("mirtazapine", "2010-03-02", 60),
)
SLOW = (
    ("sertraline", "2010-01-01", 365),
    ("sertraline", "2011-01-01", 365),
    ("citalopram", "2012-01-01", 60),
    ("mirtazapine", "2012-03-01", 60),
)


@pytest.fixture(scope="module")
def small(patient, open_small):
    """Give records, trials and the ids of people by what they are."""
    people = {
        "resistant": patient(TWO_DX, (A, B, C)),
        "short_trials": patient(TWO_DX, SHORT),
        "slow": patient(TWO_DX, SLOW),
        "bipolar": patient((*TWO_DX, ("F31.1", "2009-01-01")), (A, B, C)),
        "antipsychotic": patient(TWO_DX, (A, B, ("quetiapine", "2010-04-01", 60))),
        "one_drug": patient(TWO_DX, (A,)),
        "one_switch": patient(TWO_DX, (A, B)),
        "untreated": patient(TWO_DX),
        "control": patient(),
    }
    ehr, trials = open_small(people)
    return ehr, trials, classify_grid(ehr, trials)


def _classes(found) -> dict[str, str]:
    return dict(zip(found.table["person_id"], found.table["phenotype"], strict=True))


# Who is resistant under each of the five, and responsive under each of the three.
RESISTANT = {
    "t1": {"resistant", "slow"},
    "t2": {"resistant", "slow", "short_trials"},
    "t3": {"resistant"},
    "t4": {"resistant", "slow", "antipsychotic"},
    "t5": {"resistant", "slow", "bipolar"},
}
RESPONSIVE = {"r1": {"one_drug"}, "r2": set(), "r3": {"one_drug", "one_switch"}}


def test_classify_grid__fifteen_pairs_worked_by_hand(small):
    """Each person stands on one axis: length, window, added drugs, bipolar disorder, visits."""
    grid = small[2]

    assert len(grid) == 15
    for name, found in grid.items():
        _, resistant, responsive = name.split("_")
        classes = _classes(found)
        assert {p for p, c in classes.items() if c == "trd"} == RESISTANT[resistant], name
        assert {p for p, c in classes.items() if c == "responsive"} == RESPONSIVE[responsive], name
        assert classes["control"] == "no_mdd"
        assert found.attrition["n_people_in"].iloc[0] == len(classes)
        left = found.attrition["n_people_left"].sum() + found.attrition["n_people_out"].iloc[-1]
        assert left == len(classes)


def test_classify_grid__each_is_what_classify_gives_alone(small):
    """Sharing parts of rules may not share answers."""
    ehr, trials, grid = small
    shuffled = trials.sample(frac=1, random_state=3)

    for name in ("grid_t4_r2", "grid_t5_r3"):
        alone = classify(ehr, shuffled, name)
        pd.testing.assert_frame_equal(alone.table, grid[name].table)
        pd.testing.assert_frame_equal(alone.attrition, grid[name].attrition)


def test_classify_grid__columns_that_definitions_share_are_held_once(small):
    """Fifteen tables of all people are a gigabyte of 500,000 people otherwise."""
    grid = small[2]
    first, *others = (found.table for found in grid.values())

    for name in ("mdd_date", "mdd_known_date", "sex", "death_date"):
        own = first[name].to_numpy()
        assert all(np.shares_memory(own, each[name].to_numpy()) for each in others), name
    same_rule = grid["grid_t1_r3"].table["resistant_date"].to_numpy()
    assert np.shares_memory(first["resistant_date"].to_numpy(), same_rule)


def test_classify_grid__every_preset_accounts_for_everybody(small):
    """Comparator and neither are always there, and each loss has a step of the attrition."""
    ehr, trials, _ = small
    found = classify_grid(ehr, trials, list_definitions())

    assert list(found) == list_definitions()
    for name, each in found.items():
        others = ~each.table["phenotype"].isin(["trd", "responsive"])
        counts = each.table.loc[others, "reason"].value_counts()
        left = each.attrition[each.attrition["reason"] != ""].set_index("reason")["n_people_left"]
        assert left[left > 0].to_dict() == counts.to_dict(), name
    resistant = {
        name: {p for p, c in _classes(each).items() if c == "trd"} for name, each in found.items()
    }
    # By hand. One prescription a trial: Sealock's drugs last no day, Fabbri's last to the
    # next prescription. The slow third drug comes two years after the last diagnosis,
    # which OHDSI 1009 does not allow, and 60 days after the second, a switch for Lo.
    assert resistant == {
        "adequate2": {"resistant", "slow"},
        "cepeda2018": {"resistant", "short_trials", "antipsychotic"},
        "fabbri2021": {"resistant"},
        "forthman_aou": {"resistant", "short_trials"},
        "gronemann2018": {"resistant", "short_trials"},
        "kim2020": {"resistant", "slow", "short_trials"},
        "lo2025": {*RESISTANT["t4"], "short_trials", "bipolar", "one_switch"},
        "ohdsi1009": {"resistant", "short_trials", "antipsychotic"},
        "sealock2024": set(),
        "sforzini2021": set(),
    }


def test_definitions__none_is_called_a_replication():
    """Each published rule says what is known and what is not; numbers of ours are ours."""
    for name in list_definitions():
        definition = load_definition(name)
        assert "no " in definition.status or "ours" in definition.status, name
        if name != "adequate2":
            assert definition.known, name
            assert definition.unknown, name
    for definition in load_grid():
        assert "no replication" in definition.status
    assert len({definition.hash for definition in load_grid()}) == 15


def test_classify_grid__unknown_names_are_refused(small):
    """A misspelt grid is wrong use, and the message has the right spelling."""
    ehr, trials, _ = small
    with pytest.raises(UsageError, match="no definition 'gird'"):
        classify_grid(ehr, trials, "gird")
    with pytest.raises(UsageError, match="no grid 'gird'; there are: grid"):
        load_grid("gird")


def test_compare_definitions__worked_by_hand(small):
    """t1 finds 2, t2 finds 3 of 7 with depression: both 2, kappa by the formula."""
    grid = small[2]
    pair = {name: grid[f"grid_{name}_r1"] for name in ("t1", "t2")}

    row = compare_definitions(pair).iloc[0]

    assert row[["n_people", "n_a", "n_b", "n_both"]].tolist() == [7, 2, 3, 2]
    assert row["overlap"] == pytest.approx(2 / 3, rel=1e-12)
    assert row[["share_of_a", "share_of_b"]].tolist() == pytest.approx([1, 2 / 3], rel=1e-12)
    chance = (2 * 3 + 5 * 4) / 49
    assert row["kappa"] == pytest.approx((6 / 7 - chance) / (1 - chance), rel=1e-12)


def test_compare_definitions__kappa_equals_statsmodels(small):
    """The same table through another program."""
    from statsmodels.stats.inter_rater import cohens_kappa

    grid = {name: each for name, each in small[2].items() if name.endswith("r1")}
    for row in compare_definitions(grid).itertuples():
        a, b, both, n = row.n_a, row.n_b, row.n_both, row.n_people
        table = np.array([[both, a - both], [b - both, n - a - b + both]])
        expected = cohens_kappa(table, return_results=False)
        assert row.kappa == pytest.approx(expected, rel=1e-9)


def test_count_overlaps__everybody_once_and_drawn(small):
    """An UpSet counts each case in one set, the exact one."""
    grid = {name: each for name, each in small[2].items() if name.endswith("r1")}
    counts = count_overlaps(grid)

    assert counts["n_people"].sum() == len(set.union(*RESISTANT.values()))
    everywhere = counts[list(grid)].all(axis=1)
    assert counts.loc[everywhere, "n_people"].tolist() == [1]
    figure = draw_overlaps(counts)
    bars, dots = figure.axes
    assert [bar.get_height() for bar in bars.patches] == counts["n_people"].tolist()
    assert [text.get_text() for text in dots.get_yticklabels()] == list(grid)


def test_compare_definitions__other_people_are_refused(small):
    """Rows of different people side by side would compare nobody with somebody."""
    one = small[2]["grid_t1_r1"]
    fewer = replace(one, table=one.table.iloc[1:])
    with pytest.raises(DataError, match="definition 'b' was applied to other people"):
        compare_definitions({"a": one, "b": fewer})


def test_explain__shows_what_counted_and_what_it_led_to(small):
    """The rows that decide, in order, ending with class and reason."""
    grid = small[2]
    found = explain(grid["grid_t4_r1"], "antipsychotic")

    assert found["what"].tolist() == [
        "observation",
        *["diagnosis", "trial", "diagnosis", "decision", "trial", "added", "decision", "decision"],
    ]
    assert found.iloc[-1][["detail", "note"]].tolist() == ["trd", "resistant"]
    added = found[found["what"] == "added"].iloc[0]
    assert added[["detail", "counts"]].tolist() == ["augmentation: quetiapine", True]
    short = explain(grid["grid_t1_r1"], "short_trials")
    notes = short.loc[short["what"] == "trial", "note"].tolist()
    assert notes[0] == "30 days until its end or switch: too short to fail"
    with pytest.raises(UsageError, match="nobody in the records has the id"):
        explain(grid["grid_t1_r1"], "nobody")
    with pytest.raises(UsageError, match="needs a phenotype as classify gives it"):
        explain(replace(grid["grid_t1_r1"], cohort=None), "resistant")


def test_exports__cases_controls_and_the_others(small):
    """REGENIE takes 1, 0 and NA, PLINK 2 takes 2, 1 and NA."""
    grid = {"t1": small[2]["grid_t1_r1"]}
    regenie = regenie_table(grid).set_index("IID")["t1"].to_dict()
    plink = plink2_table(grid, contrast="trd_vs_control").set_index("#IID")["t1"].to_dict()
    wide = regenie_table(grid, contrast="trd_vs_other_mdd").set_index("IID")["t1"]

    assert {p: v for p, v in regenie.items() if v != "NA"} == {
        "resistant": "1",
        "slow": "1",
        "one_drug": "0",
    }
    assert {p: v for p, v in plink.items() if v != "NA"} == {
        "resistant": "2",
        "slow": "2",
        "control": "1",
    }
    # Who is excluded for bipolar disorder is neither case nor control.
    assert wide[["bipolar", "control", "untreated"]].tolist() == ["NA", "NA", "0"]
    families = {person: f"f_{person}" for person in regenie}
    with_family = plink2_table(grid, families=families)
    assert list(with_family.columns) == ["#FID", "IID", "t1"]
    assert with_family["#FID"].iloc[0] == "f_" + with_family["IID"].iloc[0]
    assert regenie_table(grid)["FID"].tolist() == list(regenie)
    with pytest.raises(UsageError, match="no contrast 'trd'"):
        regenie_table(grid, contrast="trd")
    with pytest.raises(DataError, match="no entry for 8 of 9 people"):
        regenie_table(grid, families={"control": "f"})


def test_survival_table__competing_ends_have_numbers(small):
    """Death and conversion compete, the end of observation censors."""
    followed = pd.DataFrame(
        {
            "person_id": list("abcde"),
            "entry_days": [0.0, 0, 5, 0, np.nan],
            "exit_days": [10.0, 20, 30, 40, np.nan],
            "end_reason": ["trd", "death", "bipolar_or_psychosis", "end_of_observation", None],
            "status": ["at_risk"] * 4 + ["prevalent"],
        }
    )
    found = survival_table(followed)

    assert found["status"].tolist() == [1, 2, 3, 0]
    assert found["event"].tolist() == ["trd", "death", "bipolar_or_psychosis", "censored"]
    assert found["start"].tolist() == [0, 0, 5, 0]
    assert survival_table(followed, competing=("death",))["status"].tolist() == [1, 2, 0, 0]
    with pytest.raises(UsageError, match="no end 'moving' can compete"):
        survival_table(followed, competing=("moving",))
    real = survival_table(follow_up(small[0], small[2]["grid_t1_r1"]))
    assert (real["stop"] > real["start"]).all()
    assert real["status"].sum() == 2


def test_stage__worked_by_hand(small):
    """Two failures and ten years: 3 + 1 points and the severity; augmentation adds one."""
    ehr, _, grid = small
    found = stage(grid["grid_t1_r1"], build_adjuncts(ehr), severity={"resistant": 4})
    found = found.set_index("person_id")

    assert found.loc["resistant", ["msm", "msm_low", "msm_high", "mgh_s"]].tolist() == [8, 8, 8, 2]
    own = found.loc["antipsychotic"]
    assert own[["n_failed", "has_augmentation"]].tolist() == [1, True]
    assert np.isnan(own["msm"])
    assert own[["msm_low", "msm_high", "mgh_s"]].tolist() == [6, 10, 1.5]
    assert "one_drug" not in found.index
    blind = stage(grid["grid_t1_r1"], severity={"resistant": 4}).set_index("person_id")
    assert blind.loc["resistant", ["msm_low", "msm_high"]].tolist() == [8, 10]
    assert blind["has_ect"].isna().all()
    with pytest.raises(DataError, match="severity: 1 values are none of 1, 2, 3, 4, 5"):
        stage(grid["grid_t1_r1"], severity={"resistant": 6})


def test_classify__records_of_nobody_treated(patient, open_small):
    """Every rule must bear a cohort without a single prescription."""
    ehr, trials = open_small({"a": patient(TWO_DX), "b": patient()})
    assert build_trials(ehr).empty

    found = classify_grid(ehr, trials, [*list_definitions(), *load_grid()])

    for name, each in found.items():
        assert not each.table["phenotype"].isin(["trd", "responsive"]).any(), name
