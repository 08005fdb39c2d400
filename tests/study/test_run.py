"""A whole study: every artefact, the same through the workflow, nothing half-written."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from pgs_trd.cli.app import app
from pgs_trd.errors import PgsTrdWarning, UsageError
from pgs_trd.simulate import Biobank
from pgs_trd.study import report_study, run_study
from pgs_trd.study.summaries import merge_covariates
from pgs_trd.tables import read_table


def test_run_study__leaves_every_artefact_with_its_provenance(finished: Path):
    """What a step made can be told from the file beside it."""
    results = finished / "results"
    for artefact in (
        "scores/scores.parquet",
        "phenotype/phenotype.parquet",
        "models/association.parquet",
        "models/association_meta.parquet",
        "models/progression.parquet",
        "models/progression_meta.parquet",
    ):
        path = results / artefact
        assert path.is_file(), artefact
        sidecar = json.loads(path.with_name(path.name + ".json").read_text())
        assert sidecar["versions"]["pgs-trd"], artefact
    assert not list(finished.rglob("*.part"))


def test_run_study__has_a_row_for_every_score_contrast_and_stratum(finished: Path):
    """61 scores, three contrasts, three strata, and the pooled ones."""
    association = read_table(finished / "results" / "models" / "association.parquet")
    pooled = read_table(finished / "results" / "models" / "association_meta.parquet")
    progression = read_table(finished / "results" / "models" / "progression.parquet")

    assert len(association) == 61 * 3 * 3
    assert len(pooled) == 61 * 3
    assert len(progression) == 61 * 3
    assert not association.duplicated(["stratum", "contrast", "score"]).any()


def test_run_study__classes_everybody_once(finished: Path, biobank: Biobank):
    """Nobody of the records is lost on the way, and the attrition ends where it began."""
    phenotype = read_table(finished / "results" / "phenotype" / "phenotype.parquet")
    attrition = pd.read_csv(finished / "results" / "phenotype" / "attrition.tsv", sep="\t")
    people = read_table(biobank.covariates)

    assert sorted(phenotype["person_id"]) == sorted(people["person_id"])
    assert attrition["n_people_in"].iloc[0] == len(people) == 900
    assert (
        attrition["n_people_in"] == attrition["n_people_out"] + attrition["n_people_left"]
    ).all()
    assert attrition["n_people_in"].tolist()[1:] == attrition["n_people_out"].tolist()[:-1]
    counts = phenotype["phenotype"].value_counts()
    assert attrition["n_people_out"].iloc[-1] == counts["trd"] + counts["responsive"]
    left = attrition.groupby("phenotype")["n_people_left"].sum()
    assert left[["no_mdd", "neither"]].tolist() == counts[["no_mdd", "neither"]].tolist()


def test_report_study__writes_the_same_page_from_the_results(finished: Path):
    """The report depends on the results alone."""
    page = finished / "results" / "report" / "report.html"
    first = page.read_bytes()

    assert report_study(finished / "study.yaml") == page
    assert page.read_bytes() == first


def test_report_study__refuses_results_that_were_made_with_other_options(finished: Path):
    """The methods would state what was not done; a new title is none of them."""
    changed = finished / "changed.yaml"
    study = yaml.safe_load((finished / "study.yaml").read_text())
    study |= {"scoring": {"palindromes": "keep"}, "title": "Another"}
    changed.write_text(yaml.safe_dump(study))

    with pytest.raises(UsageError, match="other options: scoring changed since"):
        report_study(changed)


def test_merge_covariates__keeps_whom_the_models_can_use():
    """Without a score, a covariate row or a stratum nobody is in a model, nor in its counts."""
    phenotype = pd.DataFrame({"person_id": list("abcde"), "phenotype": "trd"})
    covariates = pd.DataFrame({"person_id": list("abcd"), "ancestry": ["X", "Y", None, "X"]})

    people = merge_covariates(phenotype, covariates, pd.Index(list("abce")), "ancestry", None)
    of_x = merge_covariates(phenotype, covariates, pd.Index(list("abce")), "ancestry", ["X"])

    assert people["person_id"].tolist() == ["a", "b"]
    assert of_x["person_id"].tolist() == ["a"]


def test_run_study__goes_on_past_a_stratum_without_cases(
    finished: Path, biobank: Biobank, tmp_path: Path
):
    """A stratum that can give no estimate has a status, and the page says how many have."""
    covariates = read_table(biobank.covariates)
    covariates.loc[covariates.index[:3], "ancestry"] = "AMR"
    covariates.to_csv(tmp_path / "covariates.tsv", sep="\t", index=False)
    study = yaml.safe_load((finished / "study.yaml").read_text())
    for key in ("genotypes", "traits", "truth"):
        study[key] = str(finished / study[key])
    study["weights"] = [str(finished / "biobank" / "weights" / "SIM000048.txt.gz")]
    study["records"]["source"] = str(biobank.records)
    study["covariates"]["file"] = "covariates.tsv"
    study["output"] = "results"
    del study["sensitivity"], study["bias"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))

    with pytest.warns(PgsTrdWarning, match="models are without a number"):
        page = run_study(tmp_path / "study.yaml")

    association = read_table(tmp_path / "results" / "models" / "association.parquet")
    without = association[association["beta"].isna()]
    assert set(without["stratum"]) == {"AMR"}
    assert "without a number" in page.read_text(encoding="utf-8")


def test_run_study__takes_up_where_other_steps_ended(finished: Path):
    """A workflow runs its last steps alone; the page is that of a whole run."""
    page = finished / "results" / "report" / "report.html"
    first = page.read_bytes()
    table = finished / "results" / "models" / "association.tsv"
    as_text = table.read_bytes()
    table.unlink()

    assert run_study(finished / "study.yaml", steps=["report"]) == page
    assert page.read_bytes() == first
    assert table.read_bytes() == as_text


def test_run_study__records_the_versions_that_its_results_were_made_with(
    finished: Path, monkeypatch: pytest.MonkeyPatch
):
    """What the process of the last step has loaded made none of the results."""
    record = finished / "results" / "study.json"
    page = finished / "results" / "report" / "report.html"
    before, first = record.read_bytes(), page.read_bytes()
    loaded = types.ModuleType("lifelines")
    loaded.__version__ = "0.0.made.up"  # type: ignore[attr-defined]  # as modules have
    monkeypatch.setitem(sys.modules, "lifelines", loaded)

    run_study(finished / "study.yaml", steps=["report"])

    assert json.loads(before)["versions"]["pgs-trd"]
    assert record.read_bytes() == before
    assert page.read_bytes() == first


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("scoring", {"missing": "zero"}, "scores.parquet was made .*: missing changed"),
        ("trials", {"gap_days": 60}, "phenotype.parquet was made .*: gap_days changed"),
        ("contrasts", ["trd_vs_none"], "association.parquet was made .*: contrasts changed"),
        ("models", {"meta_method": "dl", "min_events_per_parameter": 0},
         "association_meta.parquet was made .*: method changed"),
        ("sensitivity", {"definitions": ["kim2020"]},
         "classes.parquet was made .*: definitions changed"),
        ("sensitivity", {"grid": "grid", "contrasts": ["trd_vs_none"]},
         "association.parquet was made .*: contrasts changed"),
    ],
)  # fmt: skip
def test_run_study__records_no_options_that_results_were_not_made_with(
    finished: Path, key: str, value: object, told: str
):
    """With the last step alone the record would state what the study file says now."""
    record = finished / "results" / "study.json"
    before = record.read_bytes()
    changed = finished / "changed_steps.yaml"
    study = yaml.safe_load((finished / "study.yaml").read_text())
    del study["sensitivity"]
    study |= {key: value}
    changed.write_text(yaml.safe_dump(study))

    with pytest.raises(UsageError, match=told):
        run_study(changed, steps=["report"])
    assert record.read_bytes() == before


def test_run_study__names_the_steps_where_one_is_unknown(finished: Path):
    """A misspelt step must not pass for done."""
    with pytest.raises(UsageError, match="no step model: the steps are scores, phenotype, cov"):
        run_study(finished / "study.yaml", steps=["model"])  # type: ignore[list-item]  # on purpose


def test_run__names_the_report_only_where_it_writes_it(finished: Path):
    """A job of a workflow that names it would seem to have made it."""
    study = str(finished / "study.yaml")

    result = CliRunner().invoke(app, ["run", study, "--steps", "covariates"])

    assert result.exit_code == 0
    assert "report.html" not in result.stdout
