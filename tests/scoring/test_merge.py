"""Parts of one genome add up to the whole, to the last bit, or are refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import write_plink1
from pgs_trd.scoring import Scores
from pgs_trd.scoring.files import beside
from pgs_trd.scoring.merge import merge_scores
from pgs_trd.scoring.parts import read_part
from pgs_trd.steps.merge import merge_step
from pgs_trd.steps.scores import score_step

N_PEOPLE = 53
CHROMOSOMES = ("1", "2", "X")
PER_CHROMOSOME = 40


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Make a genome of three chromosomes, whole and in parts, and two weight files.

    Of every chromosome the weights have rows that match and rows that do not; the
    rows of chromosome 7 are nowhere.
    """
    rng = np.random.default_rng(20_261_122)
    n_rows = len(CHROMOSOMES) * PER_CHROMOSOME
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(CHROMOSOMES, PER_CHROMOSOME),
            "position": 100 * (1 + np.arange(n_rows)),
            "id": [f"v{i}" for i in range(n_rows)],
            "counted_allele": "A",
            "other_allele": np.where(np.arange(n_rows) % 10 == 3, "T", "G"),
        }
    )
    copies = rng.choice(np.array([-1, 0, 1, 2], dtype=np.int8), size=(n_rows, N_PEOPLE))
    people = [f"P{i:02d}" for i in range(N_PEOPLE)]
    samples = pd.DataFrame({"person_id": people, "family_id": people, "sex": "female"})
    write_plink1(tmp_path / "whole", [copies], variants=variants, samples=samples)
    for name in CHROMOSOMES:
        rows = (variants["chromosome"] == name).to_numpy()
        write_plink1(
            tmp_path / f"chr{name}", [copies[rows]],
            variants=variants[rows].reset_index(drop=True), samples=samples,
        )  # fmt: skip
    weights = variants.drop(columns="id").rename(
        columns={"counted_allele": "effect_allele", "other_allele": "other"}
    )
    weights["other"] = np.where(np.arange(n_rows) % 10 == 5, "C", weights["other"])
    weights["position"] += np.where(np.arange(n_rows) % 10 == 7, 1, 0)
    weights["b1"], weights["b2"] = rng.normal(size=(2, n_rows)) / 3
    nowhere = weights.iloc[:4].assign(chromosome="7")
    weights = pd.concat([weights, nowhere], ignore_index=True)
    weights = weights.rename(columns={"other": "other_allele"})
    one = weights.drop(columns="b2").rename(columns={"b1": "effect_weight"})
    one.loc[20, "effect_weight"] = np.nan
    one.to_csv(tmp_path / "one.tsv", sep="\t", index=False)
    weights.loc[::3, "b2"] = np.nan
    weights.to_csv(tmp_path / "two.csv", index=False)
    return tmp_path


def score_one(folder: Path, genotypes: str, **options: object) -> Path:
    """Score one file of weights; give the path of the scores."""
    out = folder / f"{genotypes}.parquet"
    score_step(folder / genotypes, [folder / "one.tsv"], out, **options)  # type: ignore[arg-type]
    return out


def score_parts(folder: Path, **options: object) -> list[Path]:
    return [score_one(folder, f"chr{name}", part=True, **options) for name in CHROMOSOMES]


@pytest.mark.parametrize(
    ("missing", "scale"), [("mean", "none"), ("zero", "none"), ("mean", "standardize")]
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize(
    ("weights", "columns"), [("one.tsv", None), ("two.csv", {"effect_weight": ["b1", "b2"]})]
)
def test_merge_scores__gives_what_the_whole_gives(
    cohort: Path,
    missing: str,
    scale: str,
    order: Sequence[int],
    weights: str,
    columns: dict[str, list[str]],
):
    """Sums, averages, counts and shares: nothing may tell that the genome was split."""
    options = {"missing": missing, "scale": scale, "columns": columns}
    whole = score_step(
        cohort / "whole", [cohort / weights], cohort / "whole.parquet", min_overlap=0.5, **options
    )
    outs = [cohort / f"chr{CHROMOSOMES[number]}.parquet" for number in order]
    for out in outs:
        score_step(cohort / out.stem, [cohort / weights], out, part=True, **options)

    tables: list[pd.DataFrame] = []
    merged = merge_scores(outs, min_overlap=0.5, log=tables.append)

    pd.testing.assert_frame_equal(merged.scores, whole.scores, check_exact=True)
    pd.testing.assert_frame_equal(merged.averages, whole.averages, check_exact=True)
    assert merged.summary.columns.tolist() == whole.summary.columns.tolist()
    counts = [name for name in whole.summary if name.startswith("n_")]
    pd.testing.assert_frame_equal(merged.summary[counts], whole.summary[counts])
    assert_allclose(merged.summary["weight_matched"], whole.summary["weight_matched"], rtol=1e-12)
    (table,) = tables
    expected = pd.read_parquet(cohort / "whole.match.parquet")
    same = ["row", "id", "chromosome", "position", "effect_allele", "status", "reason", "swapped"]
    pd.testing.assert_frame_equal(
        table[same].astype(object), expected[same].astype(object), check_dtype=False
    )


def test_merge_scores__equals_the_whole_of_hapmap3_to_the_last_bit(real_data: Path, tmp_path: Path):
    """957 real people, 22 chromosomes, missing calls, three scores of one file."""
    source = real_data / "hapmap3"
    bim = pd.read_csv(source / "hm3_b36.bim", sep="\t", header=None, dtype={0: str})
    width = -(-957 // 4)
    packed = np.fromfile(source / "hm3_b36.bed", dtype=np.uint8)[3:].reshape(len(bim), width)
    options = {
        "columns": {
            "id": "ID", "effect_allele": "A1", "other_allele": "A2", "chromosome": "chr",
            "position": "pos", "effect_weight": ["W_dense", "W_sparse", "W_half"],
        },
        "palindromes": "keep",
    }  # fmt: skip
    weights = [source / "reference" / "weights_all.tsv"]
    for missing in ("mean", "zero"):
        whole = score_step(
            source / "hm3_b36", weights, tmp_path / "whole.parquet", missing=missing, **options
        )
        outs = []
        for name in bim[0].unique():
            rows = (bim[0] == name).to_numpy()
            part = tmp_path / f"chr{name}"
            bim[rows].to_csv(f"{part}.bim", sep="\t", header=False, index=False)
            Path(f"{part}.fam").write_bytes((source / "hm3_b36.fam").read_bytes())
            Path(f"{part}.bed").write_bytes(b"\x6c\x1b\x01" + packed[rows].tobytes())
            outs.append(tmp_path / f"chr{name}.parquet")
            score_step(part, weights, outs[-1], missing=missing, part=True, **options)
        assert len(outs) == 22

        merged = merge_scores(outs)
        backwards = merge_scores(outs[::-1])

        assert_array_equal(merged.scores, whole.scores)
        assert_array_equal(merged.averages, whole.averages)
        assert_array_equal(backwards.scores, whole.scores)
        assert merged.summary["n_matched"].tolist() == whole.summary["n_matched"].tolist()


def test_score_step__a_file_that_cannot_be_read_does_not_stop_the_others(cohort: Path):
    """It is a failed score with its reason, in the whole as in the parts."""
    packed = gzip.compress((cohort / "one.tsv").read_bytes())
    (cohort / "cut.tsv.gz").write_bytes(packed[:-20])
    (cohort / "empty.tsv").touch()
    files = [cohort / name for name in ("cut.tsv.gz", "one.tsv", "empty.tsv")]
    alone = score_step(cohort / "whole", files[1:2], cohort / "alone.parquet", min_overlap=0.5)

    def run() -> tuple[Scores, Scores]:
        whole = score_step(cohort / "whole", files, cohort / "all.parquet", min_overlap=0.5)
        outs = [cohort / f"chr{name}.parquet" for name in CHROMOSOMES]
        for out in outs:
            score_step(cohort / out.stem, files, out, part=True)
        return whole, merge_scores(outs, min_overlap=0.5)

    with pytest.warns(PgsTrdWarning) as said:
        whole, merged = run()

    for result in (whole, merged):
        pd.testing.assert_frame_equal(result.scores, alone.scores, check_exact=True)
        assert result.summary["status"].tolist() == ["failed", "ok", "failed"]
        assert result.summary["score"].tolist()[::2] == ["cut.tsv.gz", "empty.tsv"]
        assert result.summary["verdict"].tolist()[::2] == [
            "its gzip compression is damaged or cut off: a truncated copy",
            "is empty",
        ]
    texts = [str(warning.message) for warning in said]
    assert "empty.tsv: its score fails, the others go on: is empty" in texts
    failed = "2 of 3 scores failed. The first: cut.tsv.gz: its gzip"
    assert sum(failed in text for text in texts) == 2
    with pytest.raises(DataError, match=r"^empty.tsv: is empty"):
        score_step(cohort / "whole", files[2:], cohort / "none.parquet")


def test_merge_scores__takes_the_mean_correlation_of_the_parts(cohort: Path):
    """Weighted by matched rows; where it is below zero the verdict says so, as for the whole."""
    parts = [read_part(path) for path in score_parts(cohort)]
    n = np.array([part.summary["n_matched"].item() for part in parts])
    r = np.array([-0.5, 0.2, np.nan])
    parts = [
        replace(part, summary=part.summary.assign(frequency_r=value))
        for part, value in zip(parts, r, strict=True)
    ]

    summary = merge_scores(parts, min_overlap=0.5).summary

    expected = (-0.5 * n[0] + 0.2 * n[1]) / (n[0] + n[1])
    assert_allclose(summary["frequency_r"], expected, rtol=1e-10)
    warns = "effect and other allele may be swapped" in summary["verdict"].item()
    assert warns == (expected < 0)


def test_merge_scores__aligns_people(cohort: Path):
    """Files of one cohort in another order are no fault: people have names."""
    outs = score_parts(cohort)
    expected = merge_scores(outs, min_overlap=0.5).scores
    turn_people(cohort / "chr2", cohort / "turned")
    outs[1] = score_one(cohort, "turned", part=True)

    merged = merge_scores(outs, min_overlap=0.5)

    pd.testing.assert_frame_equal(merged.scores, expected, check_exact=True)


def turn_people(prefix: Path, to: Path) -> None:
    """Write a PLINK 1 fileset with its people backwards."""
    fam = Path(f"{prefix}.fam").read_text().splitlines()
    bed = np.fromfile(f"{prefix}.bed", dtype=np.uint8)[3:].reshape(PER_CHROMOSOME, -1)
    bits = np.unpackbits(bed, axis=1, bitorder="little").reshape(PER_CHROMOSOME, -1, 2)
    turned = bits[:, : len(fam)][:, ::-1].reshape(PER_CHROMOSOME, -1)
    packed = np.packbits(turned, axis=1, bitorder="little")
    Path(f"{to}.fam").write_text("\n".join(fam[::-1]) + "\n")
    Path(f"{to}.bim").write_bytes(Path(f"{prefix}.bim").read_bytes())
    Path(f"{to}.bed").write_bytes(b"\x6c\x1b\x01" + packed.tobytes())


def test_merge_scores__a_part_without_a_matched_row_adds_nothing(cohort: Path):
    """A small chromosome may hold no variant of a score: that is no failure."""
    weights = cohort / "one.tsv"
    table = pd.read_csv(weights, sep="\t", dtype=str)
    table[table["chromosome"] != "2"].to_csv(weights, sep="\t", index=False)
    whole = score_step(cohort / "whole", [weights], cohort / "whole.parquet", min_overlap=0.5)

    merged = merge_scores(score_parts(cohort), min_overlap=0.5)

    pd.testing.assert_frame_equal(merged.scores, whole.scores, check_exact=True)
    assert pd.read_parquet(cohort / "chr2.parquet")["one"].tolist() == [0.0] * N_PEOPLE


def test_merge_scores__judges_the_overlap_of_all_parts(cohort: Path):
    """Two of three chromosomes: a bit more than half of what the whole matches."""
    outs = score_parts(cohort)

    with pytest.raises(MatchRateError, match=r"matched 55 of 124 rows .* in 2 parts.*missing\?"):
        merge_scores(outs[:2])

    assert merge_scores(outs[:2], min_overlap=0.4).summary["n_matched"].tolist() == [55]


def test_merge_scores__refuses_parts_that_overlap(cohort: Path):
    """A variant in two parts would count twice."""
    outs = score_parts(cohort)
    outs.append(score_one(cohort, "whole", part=True))

    with pytest.raises(DataError, match=r"overlap: 83 rows .* more than one"):
        merge_scores(outs)


def test_merge_scores__says_that_parts_split_a_place(cohort: Path):
    """Each part decides by the alleles it has: another one might have made a row ambiguous."""
    bim = cohort / "chr2.bim"
    lines = bim.read_text().splitlines()
    lines[0] = "1\tnew\t0\t100\tC\tCT"
    bim.write_text("\n".join(lines) + "\n")

    with pytest.warns(PgsTrdWarning, match="^1 rows .* more than one part"):
        merged = merge_scores(score_parts(cohort), min_overlap=0.5)

    assert merged.summary["n_matched"].tolist() == [82]


def other_people(folder: Path) -> Path:
    fam = folder / "chr2.fam"
    fam.write_text(fam.read_text().replace("P05", "Q05"))
    return score_one(folder, "chr2", part=True)


def other_weights(folder: Path) -> Path:
    weights = folder / "one.tsv"
    weights.write_text(weights.read_text().replace("\tA\t", "\ta\t", 1))
    return score_one(folder, "chr2", part=True)


def other_options(folder: Path) -> Path:
    return score_one(folder, "chr2", part=True, palindromes="keep")


def other_version(folder: Path) -> Path:
    sidecar = folder / "chr2.parquet.json"
    facts = json.loads(sidecar.read_text())
    facts["versions"]["pgs-trd"] = "0.0.1"
    sidecar.write_text(json.dumps(facts))
    return folder / "chr2.parquet"


def not_a_part(folder: Path) -> Path:
    return score_one(folder, "chr2", min_overlap=0.1)


def changed_file(folder: Path) -> Path:
    path = folder / "chr2.parquet"
    (pd.read_parquet(path) * 1).drop(columns="one").assign(one=1.0).to_parquet(path)
    return path


def no_companion(folder: Path) -> Path:
    (folder / "chr2.match.parquet").unlink()
    return folder / "chr2.parquet"


def no_sidecar(folder: Path) -> Path:
    (folder / "chr2.parquet.json").unlink()
    return folder / "chr2.parquet"


def broken_sidecar(folder: Path) -> Path:
    sidecar = folder / "chr2.parquet.json"
    sidecar.write_text(sidecar.read_text()[:100])
    return folder / "chr2.parquet"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_people, "chr2.parquet: holds 53 people, not 53, of whom 52 are common"),
        (other_weights, "2 files or their contents"),
        (other_options, "scored with palindromes 'keep', not 'drop'"),
        (other_version, "made by pgs-trd 0.0.1"),
        (not_a_part, "chr2.parquet: was not scored as a part"),
        (changed_file, "chr2.parquet has changed since it was written"),
        (no_companion, "chr2.match.parquet is not beside it"),
        (no_sidecar, "chr2.parquet.json is not beside it"),
        (broken_sidecar, "chr2.parquet.json: is no JSON"),
    ],
)
def test_merge_scores__refuses_what_does_not_belong_together(cohort: Path, spoil, message: str):
    """A sum over other people, weights or rules would be a wrong score that looks right."""
    outs = score_parts(cohort)
    outs[1] = spoil(cohort)

    with pytest.raises(DataError, match=message) as caught:
        merge_scores(outs)

    assert not any(name in str(caught.value) for name in ("P05", "Q05"))


def test_merge_scores__refuses_weight_files_in_another_order(cohort: Path):
    """Files are told apart by their place, so the order must be the same."""
    (cohort / "more.tsv").write_text((cohort / "one.tsv").read_text().replace("-", ""))
    files = [cohort / "one.tsv", cohort / "more.tsv"]
    outs = [cohort / "chr1.parquet", cohort / "chr2.parquet"]
    score_step(cohort / "chr1", files, outs[0], part=True)
    score_step(cohort / "chr2", files[::-1], outs[1], part=True)

    with pytest.raises(DataError, match="the same weight files, in another order"):
        merge_scores(outs)


def score_batches(folder: Path, weights: Sequence[Path]) -> list[Path]:
    """Score each part of the genome with one weight file after the other."""
    outs = []
    for number, file in enumerate(weights):
        for name in CHROMOSOMES:
            outs.append(folder / "parts" / f"{number}.chr{name}.parquet")
            score_step(folder / f"chr{name}", [file], outs[-1], part=True)
    return outs


@pytest.mark.parametrize("averages", [False, True])
def test_merge_step__sets_batches_of_weight_files_side_by_side(cohort: Path, averages: bool):
    """Chromosome by batch is how a cluster scores thousands of files: it must not show."""
    weights = [cohort / "one.tsv", cohort / "more.tsv", cohort / "half.tsv"]
    table = pd.read_csv(weights[0], sep="\t", dtype=str)
    table.assign(effect_weight="0.25").to_csv(weights[1], sep="\t", index=False)
    table.iloc[::2].to_csv(weights[2], sep="\t", index=False)
    whole, merged = cohort / "whole.parquet", cohort / "merged.parquet"
    score_step(cohort / "whole", weights, whole, min_overlap=0.5, averages=averages)

    merge_step(score_batches(cohort, weights), merged, min_overlap=0.5, averages=averages)

    for name in ("", *(["averages"] if averages else [])):
        found = pd.read_parquet(beside(merged, name) if name else merged)
        expected = pd.read_parquet(beside(whole, name) if name else whole)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    summary = pd.read_parquet(beside(merged, "summary"))
    expected = pd.read_parquet(beside(whole, "summary"))
    assert summary["score"].tolist() == ["one", "more", "half"]
    counts = [name for name in expected if name.startswith("n_")]
    pd.testing.assert_frame_equal(summary[counts], expected[counts])
    match = pd.read_parquet(beside(merged, "match")).astype({"status": str})
    expected = pd.read_parquet(beside(whole, "match")).astype({"status": str})
    same = ["file", "row", "position", "status", "swapped"]
    pd.testing.assert_frame_equal(match[same], expected[same])


def test_merge_scores__fails_some_scores_of_a_batch_and_keeps_the_others(cohort: Path):
    """A batch in which every score fails is no reason to lose the others."""
    weights = [cohort / "one.tsv", cohort / "nowhere.tsv"]
    table = pd.read_csv(weights[0], sep="\t", dtype=str)
    table.assign(chromosome="9").to_csv(weights[1], sep="\t", index=False)
    outs = score_batches(cohort, weights)

    with pytest.warns(PgsTrdWarning, match="nowhere: matched 0 of 124 rows"):
        merged = merge_scores(outs, min_overlap=0.5)

    assert merged.scores.columns.tolist() == ["one"]
    assert merged.summary["status"].tolist() == ["ok", "failed"]


def test_merge_scores__refuses_a_batch_that_lacks_a_part(cohort: Path):
    """Scores over fewer chromosomes than the others would stand beside them unseen."""
    (cohort / "more.tsv").write_text((cohort / "one.tsv").read_text())
    outs = score_batches(cohort, [cohort / "one.tsv", cohort / "more.tsv"])

    with pytest.raises(DataError, match=r"of 2 parts, those of 0.chr1.parquet of 3, and 1 of the"):
        merge_scores(outs[:-1])


def test_merge_scores__names_wrong_use():
    """Nothing to merge, a share that is none, a path that leads nowhere."""
    with pytest.raises(UsageError, match="no parts"):
        merge_scores([])
    with pytest.raises(UsageError, match=r"min_overlap must lie in \[0, 1\], got 75"):
        merge_scores(["x.parquet"], min_overlap=75)
    with pytest.raises(UsageError, match=r"no such file: x\.parquet"):
        merge_scores(["x.parquet"])


def test_read_part__gives_rows_and_scores_as_they_were(cohort: Path):
    """The bits that say which score holds a row survive being written, beyond eight scores."""
    rng = np.random.default_rng(1)
    table = pd.read_csv(cohort / "two.csv").drop(columns=["b1", "b2"])
    names = [f"s{k}" for k in range(11)]
    effects = rng.normal(size=(len(table), 11))
    effects[rng.random(effects.shape) < 0.4] = np.nan
    table[names] = effects
    table.to_csv(cohort / "many.csv", index=False)
    out = cohort / "many.parquet"
    score_step(
        cohort / "whole", [cohort / "many.csv"], out, part=True, columns={"effect_weight": names}
    )

    part = read_part(out)
    is_member, is_refused = part.read_members(0, 11)

    assert_array_equal(is_member, ~np.isnan(effects))
    assert not is_refused.any()
    assert part.names == (tuple(names),)


def test_merge_step__writes_what_score_writes(cohort: Path):
    """Whoever reads scores must not care whether they were merged."""
    out = cohort / "merged.tsv"

    merge_step(score_parts(cohort, missing="zero"), out, min_overlap=0.5, averages=True)

    scores = pd.read_csv(out, sep="\t")
    assert scores.columns.tolist() == ["person_id", "one"]
    for name in ("match", "summary", "alleles", "averages"):
        assert len(pd.read_csv(beside(out, name), sep="\t")) > 0
    facts = json.loads(Path(f"{out}.json").read_text())
    assert facts["step"] == "merge"
    assert facts["options"]["missing"] == "zero"
    assert [entry["role"] for entry in facts["inputs"]] == ["part"] * 3
