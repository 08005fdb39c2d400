"""Estimates under other definitions: the same models, another phenotype."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from pgs_trd.errors import UsageError
from pgs_trd.report import disclose, render_report
from pgs_trd.study import load_config
from pgs_trd.study.further import within_table
from pgs_trd.study.made_with import check_made_with
from pgs_trd.study.results import collect_results
from pgs_trd.study.sensitivity import choose_definitions, repeat_under, repeat_within
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.tables import read_table, write_table


def test_sensitivity__under_the_main_definition_is_the_main_analysis(finished: Path):
    """Whatever differs between definitions is then the definition."""
    results = finished / "results"
    main = read_table(results / "models" / "association.parquet")
    repeated = read_table(results / "sensitivity" / "association.parquet")

    own = repeated[repeated["definition"] == "adequate2"].drop(columns="definition")
    expected = main[main["contrast"] == "trd_vs_responsive"]
    columns = ["stratum", "contrast", "score", "beta", "se", "n", "n_events", "status"]
    assert_frame_equal(
        own[columns].reset_index(drop=True), expected[columns].reset_index(drop=True), rtol=1e-10
    )


def test_sensitivity__has_everybody_in_a_class_of_each_definition(finished: Path):
    """Sixteen definitions; the table of them counts the classes."""
    folder = finished / "results" / "sensitivity"
    classes = read_table(folder / "classes.parquet")
    definitions = pd.read_csv(folder / "definitions.tsv", sep="\t")

    assert len(classes) == 900
    names = [column for column in classes.columns if column != "person_id"]
    assert names == definitions["definition"].tolist()
    assert len(names) == 16
    for row in definitions.to_dict("records"):
        counts = classes[row["definition"]].value_counts()
        for name in ("trd", "responsive", "neither", "no_mdd"):
            assert row[f"n_{name}"] == counts.get(name, 0)


def test_sensitivity__leaves_out_a_stratum_without_cases_and_goes_on(finished: Path):
    """A narrow definition may leave a stratum without cases; the others are fitted."""
    pooled = read_table(finished / "results" / "sensitivity" / "association_meta.parquet")

    assert set(pooled["definition"]) <= set(
        read_table(finished / "results" / "sensitivity" / "association.parquet")["definition"]
    )
    assert len(pooled) == pooled["definition"].nunique() * 61


def test_sensitivity__keeps_a_definition_without_cases_as_rows_with_a_status(
    finished: Path, tmp_path: Path
):
    """Rows that were not there would be missed by nobody; the report is written all the same."""
    config = load_config(finished / "study.yaml")
    files = StudyFiles(tmp_path / "results")
    shutil.copytree(finished / "results", files.output)
    main = read_table(files.records / "phenotype.parquet")[["person_id", "phenotype", "is_mdd"]]
    nobody = main.assign(phenotype=main["phenotype"].replace("trd", "neither"))

    repeat_under(config, files, {"adequate2": main, "grid_t1_r1": nobody}, threads=1)

    table = read_table(files.sensitivity / "association.parquet")
    assert table["definition"].value_counts().to_dict() == {"adequate2": 183, "grid_t1_r1": 183}
    without = table[table["definition"] == "grid_t1_r1"]
    assert set(without["status"]) <= {"no_events", "no_complete_cases"}
    assert (without["n_cases"] == 0).all()
    results = collect_results(config, files)
    pooled = results.sensitivity.set_index("definition")
    assert set(pooled.loc["grid_t1_r1", "status"]) == {"no_estimates"}
    page = render_report(results, tmp_path / "report", threshold=20, round_to=1)
    assert "nan" not in re.sub(r"<[^>]*>", " ", page.read_text()).lower().split()


def test_check_made_with__misses_a_definition_that_was_not_gathered(finished: Path, tmp_path: Path):
    """A part forgotten by hand would be a definition that nobody looked at."""
    config = load_config(finished / "study.yaml")
    files = StudyFiles(tmp_path / "results")
    shutil.copytree(finished / "results", files.output)
    check_made_with(config, files)
    path = files.sensitivity / "association.parquet"
    table = read_table(path)
    write_table(table[table["definition"] != "grid_t2_r1"], path)

    with pytest.raises(UsageError, match=r"than the study: grid_t2_r1 are in one of the two"):
        check_made_with(config, files)


def test_within__gives_estimates_by_sex_and_the_test_of_their_difference(
    finished: Path, tmp_path: Path
):
    """One model with the interaction says of two strata what two models by sex say."""
    config = load_config(finished / "study.yaml")
    files = StudyFiles(tmp_path)
    for name in ("scores", "phenotype"):
        (tmp_path / name).symlink_to(finished / "results" / name)

    repeat_within(config, files, "sex", threads=1)

    within = read_table(files.sensitivity / "within.parquet").set_index(["score", "within"])
    tests = read_table(files.sensitivity / "interaction.parquet").set_index("score")
    difference = within["beta"].xs("sex=male", level=1) - within["beta"].xs("sex=female", level=1)
    assert len(tests) == 61
    # Covariates have effects of their own in each sex there, so the two are alike, not equal.
    assert np.corrcoef(difference, tests["beta"])[0, 1] > 0.9
    found = within_table(files.sensitivity, "sex")
    assert found is not None
    assert len(found.table) == 122
    results = collect_results(config, StudyFiles(config.output))
    study = disclose(dataclasses.replace(results, further=(found,)), threshold=5)
    shown = study.further[0].table
    few = found.table[["n_events", "n_others"]].le(5).any(axis=1)
    assert shown.loc[few, "beta"].isna().all()
    is_shown = shown["beta"].notna()
    assert is_shown.any()
    assert (shown.loc[is_shown, "se"] > 0.9999 * found.table.loc[is_shown, "se"]).all()


def test_choose_definitions__keeps_the_order_of_the_study_file(finished: Path):
    """The main definition, those that are named, then the grid."""
    config = load_config(finished / "study.yaml")
    sensitivity = config.sensitivity.model_copy(update={"definitions": ["kim2020"]})

    chosen = choose_definitions(config.model_copy(update={"sensitivity": sensitivity}))

    assert [one.id for one in chosen[:3]] == ["adequate2", "kim2020", "grid_t1_r1"]
    assert len(chosen) == 17
