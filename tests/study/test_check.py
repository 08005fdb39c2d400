"""`pgs-trd check` looks into the files of a study, and `init` writes a file that passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pgs_trd.cli.app import app
from pgs_trd.errors import UsageError
from pgs_trd.simulate import Biobank
from pgs_trd.study import check_study, load_config
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.template import design_traits, study_schema, write_template
from pgs_trd.tables import write_table

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "reference" / "study.schema.json"


@pytest.fixture
def study(biobank: Biobank, tmp_path: Path) -> dict[str, object]:
    """Content of a right study file, with absolute paths."""
    return {
        "genotypes": str(biobank.genotypes),
        "weights": [str(biobank.weights / "*.txt.gz")],
        "traits": str(biobank.traits),
        "records": {"source": str(biobank.records)},
        "covariates": {"file": str(biobank.covariates), "columns": ["sex", "PC1"]},
        "curve_score": "SIM000048",
        "output": str(tmp_path / "results"),
    }


def check(study: dict[str, object], folder: Path) -> StudyConfig:
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return check_study(folder / "study.yaml")


def test_check__finds_nothing_wrong_with_a_right_study(study, tmp_path: Path):
    """The demo's files, and nothing is written on the way."""
    assert len(check(study, tmp_path).weights) == 61
    assert not (tmp_path / "results").exists()


def test_check__finds_faults_of_several_files_at_once(study, tmp_path: Path):
    """Each would else stop the study at another step, the last one after hours."""
    (tmp_path / "weights.txt").write_text("a b\n1 2\n")
    (tmp_path / "covariates.tsv").write_text("person_id\tancestry\tsex\tPC1\nnobody\tEUR\t1\t0\n")
    (tmp_path / "omop").mkdir()
    study["weights"] = ["weights.txt"]
    study["covariates"] = {"file": "covariates.tsv", "columns": ["sex", "PC1"]}
    study["records"] = {"source": "omop"}

    with pytest.raises(UsageError, match=r"study.yaml: 3 faults") as caught:
        check(study, tmp_path)

    message = str(caught.value)
    assert "line 2: weights: weights.txt" in message
    assert "none of the 900 people of genotypes is among the 1 of covariates.tsv" in message
    assert "records: omop: 2 faults" in message
    assert "nobody" not in message


def test_check__knows_the_scores_that_the_weights_will_make(study, tmp_path: Path):
    """A misspelt score of the curves would be found after all the scoring."""
    del study["traits"]
    with pytest.raises(UsageError, match="no weight file makes a score named 'SIM48'"):
        check(study | {"curve_score": "SIM48"}, tmp_path)


def test_check__finds_a_stratum_of_which_nobody_has_genotypes(study, tmp_path: Path):
    """It could give no estimate."""
    rows = "nobody\tEAS\t1\t0\n"
    rows += (Path(str(study["genotypes"]) + ".fam").read_text().split()[1]) + "\tEUR\t1\t0\n"
    (tmp_path / "covariates.tsv").write_text("person_id\tancestry\tsex\tPC1\n" + rows)
    study["covariates"] = {
        "file": "covariates.tsv", "columns": ["sex", "PC1"], "strata": ["EUR", "EAS"],
    }  # fmt: skip

    with pytest.raises(UsageError, match="strata: nobody of 'EAS' is among the people of"):
        check(study, tmp_path)


def test_init__writes_a_file_that_passes_the_check(biobank: Biobank, tmp_path: Path):
    """With the study's files named there is nothing left to fill in."""
    path = tmp_path / "study.yaml"
    arguments = [
        "init", str(path), "--genotypes", str(biobank.genotypes),
        "--weights", str(biobank.weights / "*.txt.gz"), "--records", str(biobank.records),
        "--covariates", str(biobank.covariates), "--traits", str(biobank.traits),
    ]  # fmt: skip

    made = CliRunner().invoke(app, arguments)
    checked = CliRunner().invoke(app, ["check", str(path)])

    assert made.exit_code == 0, made.output
    assert checked.output == "study.yaml: no faults; 61 weight files, 3 contrasts\n"
    assert load_config(path).covariates.columns[:3] == ["sex", "birth_year", "PC1"]
    assert path.read_text().count("#") > 15


def test_init__without_files_writes_right_keys_and_the_defaults(tmp_path: Path):
    """What its comments call the default must be it; only files are for the user to name."""
    text = write_template(tmp_path / "study.yaml")

    config = StudyConfig.model_validate(yaml.safe_load(text))

    written = yaml.safe_load(text)
    for section in ("scoring", "trials", "models", "disclosure"):
        kind = type(getattr(config, section))
        for key, value in written[section].items():
            assert kind.model_fields[key].default == value, f"{section}.{key}"
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        check_study(tmp_path / "study.yaml")
    faults = str(caught.value).splitlines()[1:]
    assert all("no such" in fault or "no weight file" in fault for fault in faults), faults


def test_init__leaves_a_file_that_is_there(tmp_path: Path):
    """Somebody's choices are in it."""
    (tmp_path / "study.yaml").write_text("mine")

    result = CliRunner().invoke(app, ["init", str(tmp_path / "study.yaml")])

    assert isinstance(result.exception, UsageError)
    assert (tmp_path / "study.yaml").read_text() == "mine"


@pytest.mark.parametrize("scheme", ["postgresql", "Postgresql", "postgresql+psycopg2"])
def test_check__refuses_a_password_and_does_not_show_it(study, tmp_path: Path, scheme: str):
    """The URL goes into the plan and onto command lines; as people write it, it is no path."""
    study["records"] = {"source": f"{scheme}://reader:geheim@host/ehr/cdm"}

    with pytest.raises(UsageError, match=r"line \d+: records.source: .* holds a pass") as caught:
        check(study, tmp_path)

    assert "geheim" not in str(caught.value)


def test_schema__in_the_docs_is_the_one_that_is_printed():
    """Editors check study files by it; `pgs-trd init --schema` writes it anew."""
    printed = CliRunner().invoke(app, ["init", "--schema"]).output

    assert json.loads(printed) == study_schema()
    assert SCHEMA.read_text() == printed


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ({"discovery": ["EUR", "SAS"]}, "replication.discovery: 'SAS' is no stratum of the study"),
        ({"discovery": ["EUR"], "replication": ["EUR"]}, "EUR cannot be both"),
        ({"replication": ["EUR"]}, "in which strata is it discovered"),
        ({"discovery": ["AFR", "EAS", "EUR"]}, "no stratum is left to replicate in"),
    ],
)
def test_check__finds_strata_that_cannot_replicate(study, tmp_path: Path, roles, told: str):
    """An effect does not come back in the people in whom it was found."""
    with pytest.raises(UsageError, match=told):
        check(study | {"replication": roles}, tmp_path)


def test_check__finds_files_of_records_and_published_effects(study, tmp_path: Path):
    """Code lists, enrolment and literature would else be missed after the scoring."""
    study["records"] |= {"codelists": ["lists"], "enrolment": "enrolment.tsv"}

    with pytest.raises(UsageError) as caught:
        check(study | {"published": "xu2024"}, tmp_path)

    message = str(caught.value)
    assert f"no such file: {tmp_path / 'lists'}" in message
    assert f"no such file: {tmp_path / 'enrolment.tsv'}" in message
    assert "no published effects 'xu2024' and no table; there are: xu2025" in message


def test_check__finds_a_table_of_traits_of_other_scores(study, tmp_path: Path):
    """As the one that comes with a design, whose names are to be changed."""
    write_table(design_traits(), tmp_path / "traits.tsv")
    study |= {"traits": "traits.tsv", "curve_score": "insomnia"}

    with pytest.raises(UsageError, match=r"none of the 61 scores of traits.tsv is made by a weig"):
        check(study, tmp_path)


def test_check__names_a_score_of_the_bias_panel_that_nothing_makes(study, tmp_path: Path):
    """A misspelt control would be found only when the models are fitted."""
    study["bias"] = {
        "panel": True, "mdd_score": "SIM00003", "negative_controls": ["SIM000004", "none"],
        "shared_causes": ["PC1", "adversity"], "enrolment": "joined",
    }  # fmt: skip

    with pytest.raises(UsageError) as caught:
        check(study, tmp_path)

    message = str(caught.value)
    assert "covariates.tsv has no column 'joined'" in message
    assert "bias.shared_causes: 'PC1' is adjusted for already" in message
    assert "bias.mdd_score 'SIM00003' is no score of traits.tsv" in message
    assert "bias.negative_controls 'none' is no score of traits.tsv" in message
    del study["traits"]
    with pytest.raises(UsageError, match=r"bias\.mdd_score: no weight file makes a score named"):
        check(study, tmp_path)
