"""What a run writes: never onto what it reads, and all of it or nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, MatchRateError, UsageError
from pgs_trd.genotypes import write_plink1
from pgs_trd.steps import outputs
from pgs_trd.steps.inputs import Target
from pgs_trd.steps.merge import merge_step
from pgs_trd.steps.scores import match_step, score_step

HEADER = "id\tchromosome\tposition\teffect_allele\tother_allele\teffect_weight\n"
ROWS = "v0\t1\t100\tA\tG\t0.5\nv1\t1\t200\tC\tA\t-1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of genotypes of three people and two families, and a weight file."""
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "position": [100, 200],
            "id": ["v0", "v1"],
            "counted_allele": ["A", "C"],
            "other_allele": ["G", "A"],
        }
    )
    samples = pd.DataFrame(
        {"person_id": ["01", "bo", "cem"], "family_id": ["f1", "007", "f1"], "sex": "female"}
    )
    copies = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.int8)
    write_plink1(tmp_path / "cohort", [copies], variants=variants, samples=samples)
    (tmp_path / "mdd.tsv").write_text(HEADER + ROWS)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("given", "out"),
    [
        ("mdd.tsv", "mdd.tsv"),
        ("mdd.tsv", "other/../mdd.tsv"),
        ("mdd.summary.tsv", "mdd.tsv"),
        ("mdd.match.tsv", "mdd.sscore"),
        ("mdd.alleles.tsv", "mdd.tsv"),
        ("mdd.averages.tsv", "mdd.tsv"),
    ],
)
def test_score_step__never_writes_onto_its_weights(folder: Path, given: str, out: str):
    """A typing error in --out must not cost the weight file, nor must a companion's name."""
    (folder / "other").mkdir()
    (folder / given).write_text(HEADER + ROWS)
    before = contents(folder)

    with pytest.raises(UsageError, match=rf"{re.escape(given)} is read, and --out mdd\."):
        score_step(folder / "cohort", [folder / given], folder / out)

    assert contents(folder) == before


@pytest.mark.parametrize("option", ["keep", "remove", "extract", "exclude", "update_sex", "sample"])
def test_score_step__never_writes_onto_a_list(folder: Path, option: str):
    """Lists of people and variants are files that a run reads as well."""
    target = Target(**{option: folder / "kk.tsv"})
    (folder / "kk.tsv").write_text("bo\n")
    before = contents(folder)

    for step in (score_step, match_step):
        with pytest.raises(UsageError, match=r"kk\.tsv is read, and --out kk\.tsv would write"):
            step(folder / "cohort", [folder / "mdd.tsv"], folder / "kk.tsv", target=target)

    assert contents(folder) == before


@pytest.mark.parametrize("option", ["chain", "read_freq"])
def test_score_step__never_writes_onto_a_chain_or_frequencies(folder: Path, option: str):
    """Here by way of a link: two names can be one file."""
    (folder / "given").write_text("x")
    (folder / "kk.tsv").symlink_to(folder / "given")

    with pytest.raises(UsageError, match=r"given is read, and --out kk\.tsv would write kk\.tsv"):
        score_step(
            folder / "cohort", [folder / "mdd.tsv"], folder / "kk.tsv",
            **{option: folder / "given"},
        )  # fmt: skip

    assert (folder / "given").read_text() == "x"


@pytest.mark.parametrize(("given", "out"), [("mdd.tsv", "mdd.tsv"), ("m.summary.tsv", "m.tsv")])
def test_match_step__never_writes_onto_its_weights(folder: Path, given: str, out: str):
    """The match table and its summary have names that a weight file may have."""
    (folder / given).write_text(HEADER + ROWS)
    before = contents(folder)

    with pytest.raises(UsageError, match="is read, and --out"):
        match_step(folder / "cohort", [folder / given], folder / out)

    assert contents(folder) == before


@pytest.mark.parametrize("out", ["b.parquet", "a.parquet"])
def test_merge_step__never_writes_onto_a_part(folder: Path, out: str):
    """Parts took hours to make."""
    parts = [folder / "a.parquet", folder / "b.parquet"]
    for part in parts:
        score_step(folder / "cohort", [folder / "mdd.tsv"], part, part=True)
    before = contents(folder)

    with pytest.raises(UsageError, match=rf"{out} is read, and --out {out} would write"):
        merge_step(parts, folder / out)

    assert contents(folder) == before


def test_steps__write_no_table_among_the_weight_files(folder: Path):
    """The next run would read scores.match.tsv there as a weight file; a folder in it is free."""
    weights = folder / "pgs"
    weights.mkdir()
    (weights / "mdd.tsv").write_text(HEADER + ROWS)

    for step in (score_step, match_step):
        with pytest.raises(UsageError, match=r"--out scores\.tsv would lie in .*pgs, the folder"):
            step(folder / "cohort", [weights], weights / "scores.tsv")
        step(folder / "cohort", [weights], weights / "out" / "scores.tsv")

    assert sorted(path.name for path in weights.iterdir()) == ["mdd.tsv", "out"]


def test_score_step__says_every_ending_that_it_writes(folder: Path):
    """The message is a list to choose from, so it has to be whole; match has no .sscore."""
    endings = r"should end in \.parquet, \.tsv, \.txt"
    with pytest.raises(UsageError, match=rf"{endings}, \.csv or \.sscore$"):
        score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.xlsx")
    with pytest.raises(UsageError, match=rf"'s\.sscore': it {endings} or \.csv$"):
        match_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.sscore")


def test_score_step__leaves_an_earlier_run_whole_when_a_later_table_fails(
    folder: Path, monkeypatch
):
    """Tables of two runs beside each other would be taken for one run's."""
    score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.tsv", averages=True)
    before = contents(folder)

    def fail(*_: object) -> None:
        raise DataError("the disk is full")

    monkeypatch.setattr(outputs, "write_table", fail)
    with pytest.raises(DataError, match="the disk is full"):
        score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.tsv")

    assert contents(folder) == before
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_score_step__deletes_companions_that_it_does_not_write(folder: Path):
    """Averages of the run before would be taken for this run's."""
    options = {"missing": "zero", "averages": True}
    score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.tsv", **options)
    assert {"s.averages.tsv", "s.alleles.tsv"} < set(contents(folder))

    score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "s.tsv")

    assert sorted(name for name in contents(folder) if name.startswith("s.")) == [
        "s.match.tsv",
        "s.summary.tsv",
        "s.tsv",
        "s.tsv.json",
    ]


@pytest.mark.parametrize("earlier", [False, True])
def test_score_step__says_in_tables_why_every_score_failed(folder: Path, earlier: bool):
    """The message points to the match table: it must be there, and no scores but earlier ones."""
    out = folder / "s.tsv"
    if earlier:
        out.write_text("earlier")
    (folder / "bad.tsv").write_text(HEADER + ROWS.replace("\t1\t", "\t7\t"))

    with pytest.raises(MatchRateError, match=r"matched 0 of 2 rows") as caught:
        score_step(folder / "cohort", [folder / "bad.tsv"], out)

    notes = " ".join(caught.value.__notes__)
    assert "s.match.tsv and s.summary.tsv; no scores were written" in notes
    assert ("s.tsv, which stands there, is of an earlier run" in notes) is earlier
    match = pd.read_csv(folder / "s.match.tsv", sep="\t")
    assert match["status"].tolist() == ["chromosome_absent"] * 2
    summary = pd.read_csv(folder / "s.summary.tsv", sep="\t")
    assert summary["status"].tolist() == ["failed"]
    assert out.exists() is earlier
    assert not out.with_name("s.tsv.json").exists()


def test_merge_step__says_in_tables_why_every_score_failed(folder: Path):
    """A part that was forgotten shows in the match table of the others."""
    weights = folder / "mdd.tsv"
    weights.write_text(HEADER + ROWS + "v9\t2\t100\tA\tG\t0.5\n")
    score_step(folder / "cohort", [weights], folder / "a.parquet", part=True)

    with pytest.raises(MatchRateError, match="matched 2 of 3 rows") as caught:
        merge_step([folder / "a.parquet"], folder / "s.tsv")

    assert "s.match.tsv and s.summary.tsv" in caught.value.__notes__[0]
    assert len(pd.read_csv(folder / "s.match.tsv", sep="\t")) == 3
    assert pd.read_csv(folder / "s.summary.tsv", sep="\t")["n_matched"].tolist() == [2]
    assert not (folder / "s.tsv").exists()


def test_merge_step__keeps_the_families_of_a_plink2_table(folder: Path):
    """Joined by #FID and IID, as plink does, people of family 0 would be others."""
    score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "whole.sscore")
    score_step(folder / "cohort", [folder / "mdd.tsv"], folder / "a.parquet", part=True)

    merge_step([folder / "a.parquet"], folder / "merged.sscore")

    merged = (folder / "merged.sscore").read_text()
    assert merged == (folder / "whole.sscore").read_text()
    assert merged.splitlines()[0] == "#FID\tIID\tDENOM\tmdd_AVG\tmdd_SUM"
    assert [line.split("\t")[:3] for line in merged.splitlines()[1:]] == [
        ["f1", "01", "4"],
        ["007", "bo", "4"],
        ["f1", "cem", "4"],
    ]


@pytest.mark.parametrize("name", ["person_id", "#FID", "iid", "family_id"])
def test_score_step__leaves_nothing_of_a_score_named_as_a_column_of_people(folder: Path, name: str):
    """Two columns of one name cannot be told apart; the match table was left behind once."""
    (folder / f"{name}.tsv").write_text(HEADER + ROWS)
    before = contents(folder)

    with pytest.raises(UsageError, match=re.escape(repr(name))):
        score_step(folder / "cohort", [folder / f"{name}.tsv"], folder / "s.tsv")

    assert contents(folder) == before
