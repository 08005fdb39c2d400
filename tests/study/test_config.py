"""The study file is checked as a whole, before any work."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pytest

from pgs_trd.errors import UsageError
from pgs_trd.steps.inputs import Target
from pgs_trd.steps.scores import score_step
from pgs_trd.study import load_config
from pgs_trd.study.sections import Scoring

GOOD = """\
genotypes: cohort
weights: [weights/*.txt]
records: {source: omop}
covariates: {file: covariates.tsv, columns: [sex, PC1]}
curve_score: insomnia
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with all the files that a good study file names."""
    (tmp_path / "weights").mkdir()
    for name in ("b", "a"):
        (tmp_path / "weights" / f"{name}.txt").touch()
    (tmp_path / "omop").mkdir()
    (tmp_path / "cohort.bed").touch()
    (tmp_path / "covariates.tsv").write_text("person_id\tancestry\tsex\tPC1\n")
    (tmp_path / "traits.tsv").write_text("score\ttrait\tdomain\ns1\tinsomnia\tsleep\n")
    return tmp_path


def test_load_config__counts_paths_from_its_own_folder_and_expands_patterns(folder: Path):
    """A study can be started from anywhere and moved as a folder."""
    (folder / "study.yaml").write_text(GOOD)

    config = load_config(folder / "study.yaml")

    assert config.genotypes == folder / "cohort"
    assert config.weights == [folder / "weights" / "a.txt", folder / "weights" / "b.txt"]
    assert config.output == folder / "results"
    assert config.disclosure.suppress_counts_up_to == 20


def test_load_config__reports_all_faults_at_once(folder: Path):
    """An unknown key with the nearest known one, a missing key, a wrong value."""
    (folder / "study.yaml").write_text(
        GOOD.replace("curve_score", "curve_scores") + "scoring: {min_overlap: 2}\n"
    )

    with pytest.raises(UsageError, match=r"study.yaml: 3 faults") as caught:
        load_config(folder / "study.yaml")

    message = str(caught.value)
    assert "unknown key 'curve_scores'; did you mean 'curve_score'?" in message
    assert "curve_score: Field required" in message
    assert "scoring.min_overlap: Input should be less than or equal to 1" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a list", "is a mapping of keys"),
        ("a: [", "is not valid YAML"),
        (GOOD.replace("*.txt", "*.gz"), "no weight file is named like"),
        (GOOD.replace("covariates.tsv", "nowhere.tsv"), r"no such file: .*nowhere.tsv"),
        (GOOD.replace("PC1", "PC9"), "covariates.tsv has no column 'PC9'"),
        (GOOD + "contrasts: [trd_vs_all]\n", "unknown contrast 'trd_vs_all'; there are trd_vs_"),
        (GOOD.replace("[sex, PC1]", "[sex], strata: [EUR]"), "strata: 'EUR' is no ancestry"),
        (GOOD.replace("cohort", "elsewhere"), "no such genotypes: .*elsewhere"),
        (GOOD + "definition: own\n", "definition: .*own"),
        (GOOD + "traits: traits.tsv\n", "curve_score 'insomnia' is no score of traits.tsv"),
        (GOOD + "suppress_counts_up_to: 1\n", "give 0, or 2 or more"),
    ],
)
def test_load_config__says_what_is_wrong(folder: Path, content: str, message: str):
    """Nothing is read before the study file can be right."""
    (folder / "study.yaml").write_text(content)

    with pytest.raises(UsageError, match=message):
        load_config(folder / "study.yaml")


def test_load_config__says_that_there_is_no_file(tmp_path: Path):
    """The path is in the message."""
    with pytest.raises(UsageError, match=r"no such study file: .*none.yaml"):
        load_config(tmp_path / "none.yaml")


def test_load_config__refuses_a_file_that_is_no_text(tmp_path: Path):
    """A study file in another encoding is one message, not a traceback."""
    (tmp_path / "study.yaml").write_bytes(b"title: caf\xe9\n")

    with pytest.raises(UsageError, match=r"study.yaml cannot be read as UTF-8 text"):
        load_config(tmp_path / "study.yaml")


def test_load_config__says_the_line_of_each_fault(folder: Path):
    """In a file of sixty lines the name of a key is not enough; the order is the file's."""
    (folder / "study.yaml").write_text(
        GOOD + "scoring:\n  missing: mean\n  palindrome: drop\n  chain: none.chain\n"
    )

    with pytest.raises(UsageError, match=r"line 8: unknown key 'scoring.palindrome'; did you mean"):
        load_config(folder / "study.yaml")

    (folder / "study.yaml").write_text(
        GOOD.replace("omop", "nowhere") + "scoring:\n  chain: none.chain\ncontrasts:\n"
        "  - trd_vs_none\n  - trd_vs_all\n"
    )
    with pytest.raises(UsageError, match=r"study.yaml: 3 faults") as caught:
        load_config(folder / "study.yaml")
    lines = str(caught.value).splitlines()[1:]
    assert lines[0].startswith("  - line 3: no such file: ")
    assert lines[1].startswith("  - line 7: no such file: ")
    assert lines[2].startswith("  - line 10: unknown contrast 'trd_vs_all'")


def test_load_config__names_the_section_of_a_key_that_stands_elsewhere(folder: Path):
    """`min_overlap` at the top is a right key in a wrong place."""
    (folder / "study.yaml").write_text(GOOD + "min_overlap: 0.5\n")

    with pytest.raises(UsageError, match=r"did you mean 'scoring.min_overlap'\?"):
        load_config(folder / "study.yaml")


def test_load_config__refuses_a_key_that_stands_twice(folder: Path):
    """YAML would take the last one without a word."""
    (folder / "study.yaml").write_text(GOOD + "title: One\ntitle: Two\n")

    with pytest.raises(UsageError, match="line 7: title stands twice, first in line 6"):
        load_config(folder / "study.yaml")


def test_load_config__reads_the_limit_in_its_old_place(folder: Path):
    """Study files from before there was a section `disclosure` go on working."""
    (folder / "study.yaml").write_text(GOOD + "suppress_counts_up_to: 10\n")

    assert load_config(folder / "study.yaml").disclosure.suppress_counts_up_to == 10


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sensitivity: {definitions: [adequate2]}\n", "stands twice, or is the main definition"),
        ("sensitivity: {definitions: [own]}\n", "line 6: definition: .*own"),
        ("sensitivity: {grid: grit}\n", "no grid 'grit'; there are: grid"),
        ("sensitivity: {grid: grid, contrasts: [responsive_vs_none]}\n",
         "'responsive_vs_none' is not among the contrasts of the study"),
        ("sensitivity: {within: age}\n", "sensitivity.within: 'age' is not among the covariates"),
        ("models: {splines: {age: 4}}\n", "models.splines: 'age' is not among the covariates"),
        ("models: {splines: {PC1: 2}}\n", "models.splines.PC1: .* equal to 3"),
        ("scoring: {missing: zero, scale: center}\n", "leave missing at 'mean'"),
        ("scoring: {p_thresholds: [0]}\n", r"scoring.p_thresholds.0: .* greater than 0"),
        ("scoring: {keep: traits.tsv, remove: traits.tsv}\n", "keep and remove are the same file"),
        ("output: covariates.tsv\n", "covariates.tsv is a file, not a folder"),
        ("disclosure: {round_counts_to: 0}\n", "disclosure.round_counts_to: .* equal to 1"),
    ],
)  # fmt: skip
def test_load_config__refuses_choices_that_cannot_be(folder: Path, content: str, message: str):
    """Found in a second, not when the step comes that needs them."""
    (folder / "study.yaml").write_text(GOOD + content)

    with pytest.raises(UsageError, match=message):
        load_config(folder / "study.yaml")


def test_load_config__refuses_people_with_two_rows_of_covariates(folder: Path):
    """The models could not know which row is right; nobody is named."""
    (folder / "covariates.tsv").write_text(
        "person_id\tancestry\tsex\tPC1\nx77\tEUR\t1\t0\nx77\tEUR\t2\t0\n"
    )
    (folder / "study.yaml").write_text(GOOD)

    with pytest.raises(UsageError, match="1 rows are of people who have one already") as caught:
        load_config(folder / "study.yaml")
    assert "x77" not in str(caught.value)


def test_load_config__scoring_has_every_option_of_the_command():
    """What `pgs-trd score` can do a study can ask for."""
    asked = set(Scoring.model_fields)
    of_score = set(inspect.signature(score_step).parameters)
    of_target = {field.name for field in dataclasses.fields(Target)}
    of_the_run = {"genotypes", "weights", "out", "target", "averages", "part", "threads",
                  "progress", "reading_progress"}  # fmt: skip

    assert asked == (of_score - of_the_run) | of_target


def test_load_config__takes_the_url_of_a_database(folder: Path):
    """It is no path, and its user and host stay out of records and reports."""
    url = "postgresql://me@host.example:5432/omop/cdm"
    (folder / "study.yaml").write_text(GOOD.replace("source: omop", f"source: {url}"))

    config = load_config(folder / "study.yaml")

    assert config.records.source == url
    assert config.model_dump(mode="json")["records"]["source"] == "postgresql://omop/cdm"


def test_load_config__says_what_is_wrong_with_a_url(folder: Path):
    """The kind of server is named, and not who reads from it."""
    url = "mysql://somebody@host/omop"
    (folder / "study.yaml").write_text(GOOD.replace("source: omop", f"source: {url}"))

    with pytest.raises(UsageError, match="cannot be read from mysql://") as caught:
        load_config(folder / "study.yaml")
    assert "somebody" not in str(caught.value)
