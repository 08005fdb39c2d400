"""The study file is checked as a whole, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgs_trd.errors import UsageError
from pgs_trd.study import load_config

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
    assert config.suppress_counts_up_to == 20


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
