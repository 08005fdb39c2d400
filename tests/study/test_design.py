"""The shipped design inspired by Xu et al. (2025), on the simulated biobank."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from pgs_trd.cli.app import app
from pgs_trd.errors import UsageError
from pgs_trd.simulate import Biobank
from pgs_trd.study import load_config, run_study
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.template import (
    PUBLISHED_TRAITS,
    StudyParts,
    design_traits,
    write_template,
)
from pgs_trd.tables import read_table


@pytest.fixture(scope="module")
def designed(biobank: Biobank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the design, written by one command for the biobank, and its results."""
    folder = tmp_path_factory.mktemp("design")
    path = folder / "study.yaml"
    arguments = [
        "init", str(path), "--design", "xu2025", "--genotypes", str(biobank.genotypes),
        "--weights", str(biobank.weights), "--records", str(biobank.records),
        "--covariates", str(biobank.covariates), "--traits", str(biobank.traits),
    ]  # fmt: skip
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    text = path.read_text(encoding="utf-8")
    # The usual rule, ten events a coefficient, would leave nothing of 900 people.
    rule = "min_events_per_parameter: 10"
    assert rule in text
    path.write_text(text.replace(rule, "min_events_per_parameter: 0"), encoding="utf-8")
    run_study(path, threads=2)
    return folder


@pytest.mark.slow
def test_design__asks_for_what_the_paper_did(designed: Path):
    """Every choice of theirs that is known stands in the file, and none is left to a default."""
    config = load_config(designed / "study.yaml")

    assert config.contrasts == ["trd_vs_responsive", "responsive_vs_none", "trd_vs_none"]
    assert config.origin == "first_diagnosis"
    assert config.covariates.columns[:2] == ["sex", "birth_year"]
    assert len(config.covariates.columns) == 12
    assert config.models.planned_scores == 61
    assert config.sensitivity.grid == "grid"
    assert config.sensitivity.within == "sex"
    assert config.bias.panel
    traits = read_table(config.traits).set_index("trait")["score"]
    assert config.bias.mdd_score == traits["major depressive disorder"]
    people = read_table(config.covariates.file)["ancestry"].value_counts()
    assert config.replication.discovery == [people.index[0]]


@pytest.mark.slow
def test_design__has_its_parts_in_the_report(designed: Path):
    """Contrasts, domains, grid, sex, replication, Cox between percentiles, published effects."""
    report = designed / "results" / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    tables = {path.stem: pd.read_csv(path) for path in (report / "tables").glob("*.csv")}

    assert "As in the main analysis" in set(tables["index_event"]["approach"])
    for anchor in ("association", "replication", "published", "definitions", "progression",
                   "within_groups", "bias"):  # fmt: skip
        assert f'<a href="#{anchor}">' in page, anchor
    assert "inspired by Xu et al. (2025)" in page
    pooled = tables["association_pooled"]
    assert set(pooled["contrast"]) == {"trd_vs_responsive", "responsive_vs_none", "trd_vs_none"}
    assert pooled.groupby("contrast")["score"].nunique().eq(61).all()
    assert pooled["domain"].nunique() == 7
    assert {"p_bonferroni", "p_bh"} <= set(pooled.columns)
    assert {"ratio_80_20", "ratio_80_20_low"} <= set(tables["progression_pooled"].columns)
    assert tables["association_by_definition"]["definition"].str.startswith("grid_").any()
    assert set(tables["within_groups"]["within"]) == {"sex=female", "sex=male"}
    published = tables["published_against_found"]
    assert published["published_ratio"].tolist() == [1.11, 1.11, 0.88, 0.91]
    assert published["published_low"].isna().all()
    assert "p_value_interaction" in tables["within_groups"]


def test_design__has_sixty_one_traits_in_the_published_domains():
    """2, 17, 19, 9 and 2 scores, and 12 of substance use and temperament together."""
    traits = design_traits()

    counts = traits["domain"].value_counts().to_dict()
    together = counts.pop("substance use") + counts.pop("temperament")
    assert counts == {
        "education and cognition": 2, "metabolic and inflammation": 17, "personality": 19,
        "psychiatric": 9, "sleep": 2,
    }  # fmt: skip
    assert together == 12
    assert not traits["score"].duplicated().any()
    named = set(traits.loc[traits["basis"] == "named in the paper", "trait"])
    assert named == set(PUBLISHED_TRAITS)


def test_design__without_files_writes_its_traits_beside(tmp_path: Path):
    """Its keys are right; only files are for the user to name."""
    path = tmp_path / "study.yaml"

    made = CliRunner().invoke(app, ["init", str(path), "--design", "xu2025"])

    assert made.output.split() == [str(path), str(tmp_path / "traits.tsv")]
    StudyConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    with pytest.raises(UsageError) as caught:
        load_config(path)
    faults = str(caught.value).splitlines()[1:]
    assert all("no such" in fault or "no weight file" in fault for fault in faults), faults
    (tmp_path / "study.yaml").unlink()
    again = CliRunner().invoke(app, ["init", str(path), "--design", "xu2025"])
    assert isinstance(again.exception, UsageError)
    assert "traits.tsv is there already" in str(again.exception)


def test_design__of_one_stratum_has_no_replication(tmp_path: Path):
    """Nobody would be left to replicate in."""
    covariates = tmp_path / "covariates.tsv"
    covariates.write_text("person_id\tsex\tancestry\na\t1\tEUR\nb\t2\tEUR\n")

    text = write_template(
        tmp_path / "study.yaml", StudyParts(covariates=covariates), design="xu2025"
    )

    assert "replication" not in yaml.safe_load(text)
