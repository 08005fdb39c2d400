"""`pgs-trd score` and `match`: files that stand beside each other, and clear refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.genotypes import write_plink1

WEIGHTS = (
    "id\tchromosome\tposition\teffect_allele\tother_allele\teffect_weight\n"
    "v0\t1\t100\tA\tG\t0.5\nv1\t1\t200\tC\tA\t-1\n"
)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two variants of three people, a missing call among them, and a weight file."""
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "position": [100, 200],
            "id": ["v0", "v1"],
            "counted_allele": ["A", "C"],
            "other_allele": ["G", "A"],
        }
    )
    samples = pd.DataFrame({"person_id": ["anna", "bo", "cem"], "sex": "unknown"})
    copies = np.array([[0, 1, -1], [2, 1, 0]], dtype=np.int8)
    write_plink1(tmp_path / "cohort", [copies], variants=variants, samples=samples)
    (tmp_path / "weights.tsv").write_text(WEIGHTS)
    return tmp_path


def test_score__writes_scores_match_summary_and_sidecar(cohort: Path, run_cli):
    """The scores are those worked out by hand; what explains them stands beside them."""
    out = cohort / "out" / "scores.tsv"

    outcome = run_cli("score", cohort / "cohort", "--weights", cohort / "weights.tsv", "--out", out)

    assert outcome.code == 0, outcome.err
    scores = pd.read_csv(out, sep="\t")
    assert scores.columns.tolist() == ["person_id", "weights"]
    assert scores["person_id"].tolist() == ["anna", "bo", "cem"]
    assert_allclose(scores["weights"], [-2.0, -0.5, 0.25], rtol=1e-12)
    match = pd.read_csv(out.with_name("scores.match.tsv"), sep="\t")
    assert match["status"].tolist() == ["matched", "matched"]
    summary = pd.read_csv(out.with_name("scores.summary.tsv"), sep="\t")
    assert summary["n_matched"].tolist() == [2]
    sidecar = json.loads(out.with_name("scores.tsv.json").read_text())
    assert sidecar["options"]["missing"] == "mean"
    assert sidecar["versions"]["pgs-trd"]
    assert {entry["name"] for entry in sidecar["inputs"]} == {
        "cohort.bed",
        "cohort.bim",
        "cohort.fam",
        "weights.tsv",
    }
    assert all(entry["checksum"].startswith("sha256:") for entry in sidecar["inputs"])


def test_score__takes_column_names(cohort: Path, run_cli):
    """A file with its own column names is read by saying which is which."""
    (cohort / "own.tsv").write_text("SNP\tCHR\tBP\tA1\tA2\tb1\tb2\nx\t1\t100\tA\tG\t0.5\t2\n")
    out = cohort / "own.parquet"

    outcome = run_cli(
        "score", cohort / "cohort.bed", "-w", cohort / "own.tsv", "-o", out, "--missing", "zero",
        "--columns", "id=SNP,chromosome=CHR,position=BP,effect_allele=A1,other_allele=A2,"
        "effect_weight=b1,effect_weight=b2",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    scores = pd.read_parquet(out)
    assert scores["b1"].tolist() == [0.0, 0.5, 0.0]
    assert scores["b2"].tolist() == [0.0, 2.0, 0.0]


def test_match__says_for_every_score_what_happened(cohort: Path, run_cli):
    """The verdict of each score is printed."""
    out = cohort / "match.tsv"

    outcome = run_cli("match", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", out)

    assert outcome.code == 0, outcome.err
    assert outcome.err.startswith("weights: ")
    assert "100" in outcome.err
    assert len(pd.read_csv(out, sep="\t")) == 2


def truncate_bed(folder: Path) -> None:
    (folder / "cohort.bed").write_bytes((folder / "cohort.bed").read_bytes()[:-1])


def spoil_magic(folder: Path) -> None:
    (folder / "cohort.bed").write_bytes(b"PK" + (folder / "cohort.bed").read_bytes()[2:])


def add_variant(folder: Path) -> None:
    with (folder / "cohort.bim").open("a") as bim:
        bim.write("1\tv2\t0\t300\tA\tC\n")


def repeat_person(folder: Path) -> None:
    fam = folder / "cohort.fam"
    fam.write_text(fam.read_text().replace("bo", "anna"))


def drop_weight_column(folder: Path) -> None:
    weights = folder / "weights.tsv"
    weights.write_text(weights.read_text().replace("effect_weight", "comment"))


def move_build(folder: Path) -> None:
    weights = folder / "weights.tsv"
    weights.write_text(
        weights.read_text().replace("\t100\t", "\t11100\t").replace("\t200\t", "\t9\t")
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncate_bed, "4 bytes"),
        (spoil_magic, "starts with 6c 1b 01"),
        (add_variant, "3 variants"),
        (repeat_person, "1 of 3|twice|more than once"),
        (drop_weight_column, "weight"),
        (move_build, r"matched 0 of 2 rows \(0.0%\), min_overlap is 75%"),
    ],
)
def test_score__refuses_wrong_data_with_one_message_and_leaves_nothing(
    cohort: Path, run_cli, spoil, message: str
):
    """Exit code 3, a message with numbers, no traceback, no person, no file."""
    spoil(cohort)
    before = sorted(cohort.rglob("*"))

    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", cohort / "scores.tsv"
    )

    assert outcome.code == 3
    assert outcome.err.startswith("error: ")
    assert re.search(message, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert not any(name in outcome.err for name in ("anna", "bo ", "cem"))
    assert sorted(cohort.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", "nowhere", "-w", "weights.tsv", "-o", "s.tsv"], "nowhere"),
        (["score", "cohort", "-w", "nowhere.tsv", "-o", "s.tsv"], "nowhere.tsv"),
        (["score", "cohort", "-w", "weights.tsv", "-o", "s.xlsx"], "s.xlsx"),
        (["score", "cohort", "-w", "weights.tsv", "-o", "s.tsv", "--columns", "id"], "--columns"),
        (["score", "cohort", "-w", "weights.tsv", "-o", "s.tsv", "--missing", "two"], "two"),
        (
            ["score", "cohort", "-w", "weights.tsv", "-o", "s.tsv", "--min-overlap", "2"],
            "--min-overlap",
        ),
    ],
)
def test_score__refuses_wrong_use_with_exit_code_2(
    cohort: Path, run_cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
):
    """What the user typed is at fault, and the message names it."""
    monkeypatch.chdir(cohort)
    before = sorted(cohort.rglob("*"))

    outcome = run_cli(*arguments)

    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert sorted(cohort.rglob("*")) == before
