"""Relatives are left out of every model alike, and resistant people last."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from pgs_trd.study import load_config
from pgs_trd.study.people import make_covariates, with_made_covariates
from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import read_table


def prepared(finished: Path, folder: Path, related: Path) -> StudyConfig:
    """Give the finished study with another output, in which scores and classes are."""
    config = load_config(finished / "study.yaml")
    for name in ("scores", "phenotype"):
        (folder / name).symlink_to(finished / "results" / name)
    covariates = config.covariates.model_copy(update={"related": related})
    return config.model_copy(update={"covariates": covariates, "output": folder})


def test_make_covariates__keeps_the_resistant_one_of_a_pair(finished: Path, tmp_path: Path):
    """A pair far apart, and one with somebody who is not there, are none."""
    phenotype = read_table(finished / "results" / "phenotype" / "phenotype.parquet")
    classes = phenotype.set_index("person_id")["phenotype"]
    resistant, others = (list(classes[classes == name].index) for name in ("trd", "responsive"))
    pairs = [
        (others[0], resistant[0], 0.25),
        (others[1], others[2], 0.06),
        (others[3], others[4], 0.01),
        (others[5], "nobody", 0.25),
    ]
    path = tmp_path / "pairs.tsv"
    pd.DataFrame(pairs, columns=["ID1", "ID2", "Kinship"]).to_csv(path, sep="\t", index=False)
    config = prepared(finished, tmp_path, path)

    make_covariates(config, threads=1)

    made = with_made_covariates(config).covariates
    table, given = read_table(made.file), read_table(config.covariates.file)
    gone = set(given["person_id"]) - set(table["person_id"])
    assert len(gone) == 2
    assert others[0] in gone
    assert len(gone & {others[1], others[2]}) == 1
    assert list(table.columns) == list(given.columns)
    assert made.columns == config.covariates.columns
    sidecar = json.loads(made.file.with_name("covariates.parquet.json").read_text())
    assert sidecar["n_related"] == 2
    assert sidecar["options"]["related"] == "pairs.tsv"


def test_with_made_covariates__leaves_a_study_that_asks_for_none(finished: Path):
    """Its models read the table of the study file."""
    config = load_config(finished / "study.yaml")

    assert with_made_covariates(config) == config
