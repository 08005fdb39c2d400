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

    outcome = run_cli(
        "score", cohort / "cohort", "--weights", cohort / "weights.tsv", "--out", out,
        "--small-sample",
    )  # fmt: skip

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
    assert [entry["role"] for entry in sidecar["inputs"]] == ["genotypes"] * 3 + ["weights"]


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


def test_score__takes_people_variants_and_frequencies_from_files(cohort: Path, run_cli):
    """A missing call of cem counts 2 x 0.75 copies, whoever else is kept; 0.5 x 1.5 = 0.75."""
    (cohort / "keep.txt").write_text("#IID\ncem\nbo\n")
    (cohort / "extract.txt").write_text("v0\n")
    (cohort / "own.afreq").write_text(
        "#CHROM\tID\tREF\tALT\tALT_FREQS\tOBS_CT\n1\tv0\tG\tA\t0.75\t9000\n"
    )
    out = cohort / "scores.tsv"

    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", out, "--min-overlap", "0.5",
        "--keep", cohort / "keep.txt", "--extract", cohort / "extract.txt",
        "--read-freq", cohort / "own.afreq", "--small-sample",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    scores = pd.read_csv(out, sep="\t")
    assert scores["person_id"].tolist() == ["bo", "cem"]
    assert scores["weights"].tolist() == [0.5, 0.75]
    sidecar = json.loads(out.with_name("scores.tsv.json").read_text())
    assert sidecar["options"]["keep"] == "keep.txt"
    roles = {entry["role"]: entry["name"] for entry in sidecar["inputs"]}
    assert roles["extract"] == "extract.txt"
    assert roles["frequencies"] == "own.afreq"


def test_score__asks_before_it_takes_frequencies_from_few_people(cohort: Path, run_cli):
    """Three people's frequencies are noise; their scores would change with each other's."""
    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", cohort / "s.tsv"
    )

    assert outcome.code == 2
    assert "3 people are too few" in outcome.err
    assert "--small-sample" in outcome.err


def test_score__lifts_positions(cohort: Path, run_cli):
    """The chain moves chromosome 1 by 50: weights at 50 and 150 meet variants at 100 and 200."""
    (cohort / "own.chain").write_text(
        "chain 1000 chr1 5000 + 0 4000 chr1 5050 + 50 4050 1\n4000\n\n"
    )
    weights = cohort / "weights.tsv"
    weights.write_text(WEIGHTS.replace("\t100\t", "\t50\t").replace("\t200\t", "\t150\t"))
    common = ["-w", weights, "--missing", "zero"]

    lifted = run_cli(
        "score", cohort / "cohort", *common, "-o", cohort / "s.tsv", "--chain", cohort / "own.chain"
    )
    unlifted = run_cli("score", cohort / "cohort", *common, "-o", cohort / "unlifted.tsv")

    assert lifted.code == 0, lifted.err
    assert pd.read_csv(cohort / "s.tsv", sep="\t")["weights"].tolist() == [-2.0, -0.5, 0.0]
    assert unlifted.code == 3


def test_score__counts_a_mans_x_as_asked(cohort: Path, run_cli):
    """The sex comes from a file: bo's homozygous call is one allele, counted twice or once."""
    bim = cohort / "cohort.bim"
    bim.write_text(bim.read_text().replace("1\t", "X\t", 2))
    bed = cohort / "cohort.bed"
    bed.write_bytes(bed.read_bytes()[:3] + bytes([0b001100, 0b110011]))
    weights = cohort / "weights.tsv"
    weights.write_text(WEIGHTS.replace("\t1\t", "\tX\t"))
    (cohort / "sex.txt").write_text("#IID\tSEX\nanna\t2\nbo\t1\ncem\t2\n")
    sums = {}

    for male_x in ("0..2", "0..1"):
        out = cohort / "scores.tsv"
        outcome = run_cli(
            "score", cohort / "cohort", "-w", weights, "-o", out, "--male-x", male_x,
            "--update-sex", cohort / "sex.txt",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        times = {"0..2": "twice", "0..1": "once"}[male_x]
        assert f"2 scored variants on X: a man's allele counts {times}" in outcome.err
        sums[male_x] = pd.read_csv(out, sep="\t")["weights"].tolist()

    assert sums == {"0..2": [1.0, -2.0, 1.0], "0..1": [1.0, -1.0, 1.0]}


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


def test_score__says_where_to_look_when_every_score_failed(cohort: Path, run_cli):
    """Exit code 3; the match table and the summary that the message names are there, no more."""
    move_build(cohort)
    before = set(cohort.rglob("*"))

    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", cohort / "scores.tsv"
    )

    assert outcome.code == 3
    assert "matched 0 of 2 rows (0.0%), min_overlap is 75%" in outcome.err
    assert "why is in scores.match.tsv and scores.summary.tsv; no scores" in outcome.err
    assert {path.name for path in set(cohort.rglob("*")) - before} == {
        "scores.match.tsv",
        "scores.summary.tsv",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["score", ".", "-w", "weights.tsv", "-o", "s.tsv"], ". is a folder"),
        (["score", "cohort", "-w", "weights.tsv", "-o", "weights.tsv"], "weights.tsv is read"),
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


@pytest.fixture
def parts(cohort: Path, run_cli) -> list[Path]:
    """Score the cohort and a second chromosome of it as parts."""
    variants = pd.DataFrame(
        {
            "chromosome": "2",
            "position": [300],
            "id": ["v2"],
            "counted_allele": ["A"],
            "other_allele": ["G"],
        }
    )
    samples = pd.DataFrame({"person_id": ["anna", "bo", "cem"], "sex": "unknown"})
    write_plink1(cohort / "second", [np.array([[2, 0, 1]], dtype=np.int8)],
                 variants=variants, samples=samples)  # fmt: skip
    with (cohort / "weights.tsv").open("a") as weights:
        weights.write("v2\t2\t300\tG\tA\t4\n")
    outs = []
    for name in ("cohort", "second"):
        outs.append(cohort / f"{name}.part.parquet")
        outcome = run_cli(
            "score", cohort / name, "-w", cohort / "weights.tsv", "-o", outs[-1],
            "--part", "--missing", "zero",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
    return outs


def test_merge__adds_up_parts(cohort: Path, parts: list[Path], run_cli):
    """Sums and averages worked out by hand; the verdict is that of all parts."""
    out = cohort / "merged.tsv"

    outcome = run_cli("merge", *parts, "-o", out, "--averages")

    assert outcome.code == 0, outcome.err
    assert outcome.err == f"1 of 1 scores of 3 people: {out}\n"
    summary = pd.read_csv(out.with_name("merged.summary.tsv"), sep="\t")
    assert summary["verdict"].tolist() == ["100.0% of rows matched in 2 parts"]
    assert pd.read_csv(out, sep="\t")["weights"].tolist() == [-2.0, 7.5, 4.0]
    averages = pd.read_csv(out.with_name("merged.averages.tsv"), sep="\t")
    assert_allclose(averages["weights"], [-2.0 / 6, 7.5 / 6, 4.0 / 4], rtol=1e-12)


def test_merge__refuses_with_one_message_and_leaves_no_scores(cohort: Path, parts, run_cli):
    """Wrong data is exit code 3, wrong use 2; why a score failed stands in its tables."""
    before = set(cohort.rglob("*"))

    twice = run_cli("merge", parts[0], *parts, "-o", cohort / "merged.tsv")
    alone = run_cli("merge", parts[0], "-o", cohort / "merged.tsv", "--min-overlap", "0.9")
    nowhere = run_cli("merge", "nowhere.parquet", "-o", cohort / "merged.tsv")
    text = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", cohort / "p.tsv", "--part"
    )

    assert (twice.code, alone.code, nowhere.code, text.code) == (3, 3, 2, 2)
    assert "overlap: 2 rows" in twice.err
    assert "matched 2 of 3 rows (66.7%) in 1 parts" in alone.err
    assert "nowhere.parquet" in nowhere.err
    assert "p.tsv should end in .parquet" in text.err
    assert {path.name for path in set(cohort.rglob("*")) - before} == {
        "merged.match.tsv",
        "merged.summary.tsv",
    }


def test_score__writes_a_table_as_plink2_does(cohort: Path, run_cli):
    """Programs that read .sscore find its columns; the companions are plain tables."""
    out = cohort / "scores.sscore"

    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", out, "--missing", "zero"
    )

    assert outcome.code == 0, outcome.err
    table = pd.read_csv(out, sep="\t")
    assert table.columns.tolist() == ["#FID", "IID", "DENOM", "weights_AVG", "weights_SUM"]
    assert table["IID"].tolist() == ["anna", "bo", "cem"]
    assert table["DENOM"].tolist() == [4, 4, 2]
    assert table["weights_SUM"].tolist() == [-2.0, -0.5, 0.0]
    assert table["weights_AVG"].tolist() == [-0.5, -0.125, 0.0]
    assert len(pd.read_csv(cohort / "scores.match.tsv", sep="\t")) == 2


def test_score__takes_all_weight_files_of_a_folder(cohort: Path, run_cli):
    """Sixty files are downloaded into a folder, not typed; what lies beside them is left."""
    folder = cohort / "pgs"
    folder.mkdir()
    for name in ("b.txt", "a.tsv"):
        (folder / name).write_text(WEIGHTS)
    (folder / "README.md").write_text("no weights")
    (folder / ".hidden.txt").write_text("no weights")
    (cohort / "none").mkdir()

    outcome = run_cli(
        "score", cohort / "cohort", "-w", folder, "-o", cohort / "scores.tsv", "--missing", "zero"
    )
    none = run_cli("score", cohort / "cohort", "-w", cohort / "none", "-o", cohort / "s.tsv")
    twice = run_cli(
        "score", cohort / "cohort", "-w", folder, "-w", folder / "a.tsv", "-o", cohort / "s.tsv"
    )

    assert outcome.code == 0, outcome.err
    scores = pd.read_csv(cohort / "scores.tsv", sep="\t")
    assert scores.columns.tolist() == ["person_id", "a", "b"]
    assert none.code == 2
    assert "none: no weight file" in none.err
    assert twice.code == 2
    assert "1 of 3 weight files are given twice" in twice.err


def test_score__makes_a_score_of_every_threshold(cohort: Path, run_cli):
    """The first row alone has a p-value of at most 0.001."""
    weights = cohort / "gwas.tsv"
    lines = WEIGHTS.splitlines()
    cells = zip(lines, ("p_value", "1e-4", "0.2"), strict=True)
    weights.write_text("".join(f"{line}\t{cell}\n" for line, cell in cells))
    out = cohort / "scores.tsv"

    outcome = run_cli(
        "score", cohort / "cohort", "-w", weights, "-o", out, "--missing", "zero",
        "--p-thresholds", "0.001,1",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    scores = pd.read_csv(out, sep="\t")
    assert scores.columns.tolist() == ["person_id", "gwas_p0.001", "gwas_p1"]
    assert scores["gwas_p0.001"].tolist() == [0.0, 0.5, 0.0]
    assert scores["gwas_p1"].tolist() == [-2.0, -0.5, 0.0]


@pytest.mark.parametrize("text", ["", "0.05;1", "0.05,2", "0", "nan"])
def test_score__refuses_thresholds_that_are_no_p_values(cohort: Path, run_cli, text: str):
    """A threshold of 5 for 5 % would take every row."""
    outcome = run_cli(
        "score", cohort / "cohort", "-w", cohort / "weights.tsv", "-o", cohort / "s.tsv",
        f"--p-thresholds={text}",
    )  # fmt: skip

    assert outcome.code == 2
    assert "--p-thresholds" in outcome.err
    assert "5e-8,0.05,1" in outcome.err
