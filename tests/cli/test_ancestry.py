"""`pgs-trd ancestry`: from genotypes to adjusted scores, each step from the one before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.genotypes import write_plink1

N_VARIANTS = 1500
GROUPS = ("north", "south", "west")


def write_people(prefix: Path, n_people: int, seed: int, children: int = 0) -> pd.Series:
    """Write people of three groups in turn; the last ones are children of the first two.

    Of each child the genotypes are drawn from those parents.
    """
    rng = np.random.default_rng(seed)
    old = np.random.default_rng(50).uniform(0.2, 0.8, size=(N_VARIANTS, 1))
    frequency = np.random.default_rng(51).beta(19 * old, 19 * (1 - old), (N_VARIANTS, 3))
    copies = rng.binomial(2, frequency[:, np.arange(n_people) % 3])
    for child in range(n_people - children, n_people):
        copies[:, child] = rng.binomial(1, copies[:, :2] / 2).sum(axis=1)
    copies[rng.random(copies.shape) < 0.005] = -1
    variants = pd.DataFrame(
        {
            "chromosome": np.where(np.arange(N_VARIANTS) < 700, "1", "22"),
            "position": 2_000_000 + 20_000 * np.arange(N_VARIANTS),
            "id": [f"v{i}" for i in range(N_VARIANTS)],
            "counted_allele": "A",
            "other_allele": "G",
        }
    )
    people = [f"{prefix.name}{i}" for i in range(n_people)]
    samples = pd.DataFrame({"person_id": people, "sex": "unknown"})
    write_plink1(prefix, [copies.astype(np.int8)], variants=variants, samples=samples)
    return pd.Series(np.array(GROUPS)[np.arange(n_people) % 3], index=people, name="group")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a panel of 150 labelled people, and 60 others, two of them children of the first."""
    folder = tmp_path_factory.mktemp("ancestry")
    panel = write_people(folder / "panel", 150, 1)
    panel.rename_axis("IID").reset_index().to_csv(folder / "panel.tsv", sep="\t", index=False)
    write_people(folder / "cohort", 60, 2, children=2)
    return folder


@pytest.fixture
def run(run_cli):
    """Run a subcommand and expect that it succeeds."""

    def run(*arguments: object) -> str:
        outcome = run_cli("ancestry", *arguments)
        assert outcome.code == 0, outcome.err
        return outcome.err

    return run


@pytest.fixture
def reference(study: Path, run) -> Path:
    """Write the panel's reference once; give its path."""
    path = study / "panel.npz"
    if not path.exists():
        run(
            "qc", study / "panel", "--out", study / "qc.parquet", "--max-missing", "0.05",
        )  # fmt: skip
        run(
            "prune", study / "panel", "--variants", study / "qc.parquet", "--max-r2", "0.3",
            "--genome-build", "GRCh37", "--out", study / "pruned.tsv",
        )  # fmt: skip
        run(
            "pca", study / "panel", "--variants", study / "pruned.tsv", "--reference", path,
            "--labels", study / "panel.tsv", "--label-column", "group", "--n-components", 4,
            "--genome-build", "GRCh37", "--out", study / "panel_pcs.tsv",
        )  # fmt: skip
    return path


def test_ancestry__flags_variants_and_drops_none(study: Path, reference: Path):
    """Tables of qc and prune have every variant; each one out has a reason."""
    quality = pd.read_parquet(study / "qc.parquet")
    pruned = pd.read_csv(study / "pruned.tsv", sep="\t", keep_default_na=False)
    people = pd.read_parquet(study / "qc.people.parquet")
    sidecar = json.loads((study / "pruned.tsv.json").read_text())

    assert len(quality) == len(pruned) == N_VARIANTS
    assert len(people) == 150
    assert ((pruned["status"] == "ok") == (pruned["reason"] == "")).all()
    # Positions 8 to 12 Mb of chromosome 1 are in none of the regions, 48 to 52 are in one
    # of GRCh37; chromosome 22 has none.
    long_range = pruned["reason"] == "long_range_ld"
    assert not long_range[pruned["chromosome"] != 1].any()
    assert sidecar["variants"] == pruned["reason"].replace("", "ok").value_counts().to_dict()
    assert {entry["role"] for entry in sidecar["inputs"]} == {"genotypes", "variants"}


def test_ancestry__projects_and_assigns_people_to_their_groups(study: Path, reference: Path, run):
    """From the panel's file alone, people of the same groups are told."""
    run("project", study / "cohort", "--reference", reference, "--out", study / "pcs.tsv")
    said = run(
        "assign", study / "pcs.tsv", "--reference", reference, "--n-components", 2,
        "--distance-from", "north", "--out", study / "ancestry.tsv",
    )  # fmt: skip

    pcs = pd.read_csv(study / "pcs.tsv", sep="\t")
    people = pd.read_csv(study / "ancestry.tsv", sep="\t")
    accuracy = pd.read_csv(study / "ancestry.accuracy.tsv", sep="\t")
    sidecar = json.loads((study / "pcs.tsv.json").read_text())
    assert pcs.columns.tolist() == [
        "person_id", "PC1", "PC2", "PC3", "PC4", "call_rate", "residual", "status"
    ]  # fmt: skip
    # The children are of parents from two groups, and may lie between.
    assert people["ancestry"].head(58).tolist() == [GROUPS[i % 3] for i in range(58)]
    north = people["ancestry"] == "north"
    assert people["genetic_distance"][north].max() < people["genetic_distance"][~north].min() * 1.5
    assert {f"probability_{name}" for name in GROUPS} <= set(people.columns)
    assert accuracy["group"].tolist() == [*GROUPS, "all"]
    assert accuracy["accuracy"].iloc[-1] > 0.95
    assert "60 people assigned" in said or "of 60 people" in said
    assert sidecar["n_matched"] > 1000
    assert set(sidecar["shrinkage"]) == {"PC1", "PC2", "PC3", "PC4"}


def test_ancestry__takes_components_and_labels_of_a_biobank_as_they_are(
    study: Path, reference: Path, run
):
    """A table with the biobank's names is as good as a reference of our own."""
    pcs = pd.read_csv(study / "panel_pcs.tsv", sep="\t").rename(
        columns={"person_id": "IID", "PC1": "pc1", "PC2": "pc2"}
    )
    labels = pd.read_csv(study / "panel.tsv", sep="\t")
    pcs[["IID", "pc1", "pc2"]].merge(labels).to_csv(study / "biobank.csv", index=False)

    run(
        "assign", study / "biobank.csv", "--reference", study / "biobank.csv", "--label-column",
        "group", "--out", study / "given.parquet",
    )  # fmt: skip

    people = pd.read_parquet(study / "given.parquet")
    assert (people["most_similar"] == labels["group"]).mean() > 0.98


def test_ancestry__adjusts_scores_in_controls_or_in_the_panel(
    study: Path, reference: Path, run, run_cli
):
    """Shifted by group, scores of the people fitted in come out standard normal."""
    labels = pd.read_csv(study / "panel.tsv", sep="\t").set_index("IID")["group"]
    rng = np.random.default_rng(5)
    shift = labels.map({"north": 0.0, "south": 3.0, "west": -2.0})
    scores = pd.DataFrame({"s": shift + rng.normal(size=len(labels))}, index=labels.index)
    scores.rename_axis("person_id").reset_index().to_csv(
        study / "scores.tsv", sep="\t", index=False
    )
    (study / "controls.txt").write_text("\n".join(labels.index[:120]) + "\n")
    common = (study / "scores.tsv", "--n-components", 2)

    run(
        "adjust", *common, "--components", study / "panel_pcs.tsv", "--fit-on",
        study / "controls.txt", "--out", study / "adjusted.tsv",
    )  # fmt: skip
    run(
        "adjust", *common, "--components", study / "panel_pcs.tsv", "--reference", reference,
        "--reference-scores", study / "scores.tsv", "--method", "z_norm1", "--out",
        study / "z1.tsv",
    )  # fmt: skip
    run(
        "adjust", *common, "--method", "most_similar", "--groups", study / "panel.tsv",
        "--group-column", "group", "--fit-on", study / "controls.txt", "--out", study / "near.tsv",
    )  # fmt: skip
    refused = run_cli(
        "ancestry", "adjust", *common, "--components", study / "panel_pcs.tsv", "--out",
        study / "no.tsv",
    )  # fmt: skip

    adjusted = pd.read_csv(study / "adjusted.tsv", sep="\t").set_index("person_id")["s"]
    fitted = adjusted.loc[labels.index[:120]]
    assert_allclose(fitted.groupby(labels).mean(), 0.0, atol=0.25)
    assert_allclose(fitted.std(ddof=0), 1.0, atol=0.02)
    fits = pd.read_csv(study / "adjusted.fits.tsv", sep="\t")
    assert fits["status"].tolist() == ["ok"]
    assert fits["n_people"].tolist() == [120]
    z1 = pd.read_csv(study / "z1.tsv", sep="\t").set_index("person_id")["s"]
    assert_allclose(z1.std(ddof=0), 1.0, rtol=1e-10)
    near = pd.read_csv(study / "near.tsv", sep="\t").set_index("person_id")["s"]
    expected = scores["s"].iloc[:120].groupby(labels).transform(lambda s: (s - s.mean()) / s.std())
    assert_allclose(near.loc[expected.index], expected, rtol=1e-9)
    percentiles = pd.read_csv(study / "near.percentiles.tsv", sep="\t")["s"]
    assert percentiles.between(0, 1).all()
    assert refused.code == 2
    assert "--fit-on" in refused.err


def test_ancestry__finds_relatives_and_keeps_cases(study: Path, run):
    """The two children and their parents: whoever is a case stays."""
    (study / "cases.txt").write_text("#IID\ncohort0\ncohort58\n")

    (study / "people.txt").write_text("".join(f"0 cohort{i}\n" for i in range(60)))

    run("kinship", study / "cohort", "--out", study / "pairs.tsv", "--min-kinship", 0.1)
    run(
        "unrelated", study / "people.txt", "--pairs", study / "pairs.tsv", "--first",
        study / "cases.txt", "--out", study / "unrelated.tsv",
    )  # fmt: skip

    pairs = pd.read_csv(study / "pairs.tsv", sep="\t")
    found = {frozenset(pair) for pair in pairs[["person_1", "person_2"]].to_numpy()}
    parents = ("cohort0", "cohort1")
    assert {frozenset((p, c)) for p in parents for c in ("cohort58", "cohort59")} <= found
    table = pd.read_csv(study / "unrelated.tsv", sep="\t").set_index("person_id")
    assert len(table) == 60
    # Two cases who are parent and child cannot both stay; one of them does, no other relative.
    kept = table.index[table["status"] == "ok"]
    assert len({"cohort0", "cohort58"} & set(kept)) == 1
    assert not {"cohort59"} & set(kept)
    assert (study / "unrelated.keep.txt").read_text().split() == ["#IID", *kept]


def test_ancestry__refuses_tables_of_other_genotypes(study: Path, reference: Path, run_cli):
    """A table of variants made from other genotypes must not choose rows here."""
    table = pd.read_csv(study / "pruned.tsv", sep="\t")
    table.iloc[:-1].to_csv(study / "short.tsv", sep="\t", index=False)
    table.assign(position=table["position"] + 1).to_csv(study / "moved.tsv", sep="\t", index=False)

    short, moved, labels, bad = (
        run_cli("ancestry", *words)
        for words in (
            ("pca", study / "cohort", "--variants", study / "short.tsv", "--out", study / "x.tsv"),
            ("pca", study / "cohort", "--variants", study / "moved.tsv", "--out", study / "x.tsv"),
            ("assign", study / "panel_pcs.tsv", "--reference", study / "panel_pcs.tsv", "--out",
             study / "x.tsv"),
            ("project", study / "cohort", "--reference", study / "panel.tsv", "--out",
             study / "x.tsv"),
        )
    )  # fmt: skip

    assert (short.code, moved.code, labels.code, bad.code) == (3, 3, 2, 3)
    assert "has 1,499 variants, and the genotypes have 1,500" in short.err
    assert "1,500 of 1,500 variants have another position" in moved.err
    assert "has no groups" in labels.err
    assert "no ancestry reference" in bad.err
    assert not (study / "x.tsv").exists()


def test_ancestry__takes_nobody_along_whom_quality_flags(study: Path, run):
    """Flagged people were counted in by `unrelated`, and no list for --keep was there."""
    run("qc", study / "cohort", "--max-person-missing", 0.005, "--out", study / "strict.tsv")
    people = pd.read_csv(study / "strict.people.tsv", sep="\t")
    ok = people.loc[people["status"] == "ok", "person_id"].tolist()
    assert 0 < len(ok) < 60
    run("kinship", study / "cohort", "--min-kinship", 0.1, "--out", study / "close.parquet")

    said = run(
        "unrelated", study / "strict.people.tsv", "--pairs", study / "close.parquet", "--out",
        study / "sound.tsv",
    )  # fmt: skip

    assert f"{60 - len(ok)} of 60 people are not ok and are left out" in said
    assert (study / "strict.keep.txt").read_text().split() == ["#IID", *ok]
    assert pd.read_csv(study / "sound.tsv", sep="\t")["person_id"].tolist() == ok


def test_ancestry__leaves_the_unassigned_out_of_every_group(study: Path, run):
    """People who are like no group were adjusted among each other, as if they were one."""
    rng = np.random.default_rng(8)
    people = [f"{i:03d}" for i in range(60)]
    scores = pd.DataFrame({"person_id": people, "#FID": 1, "s": rng.normal(size=60)})
    groups = np.where(np.arange(60) < 30, "1", "unassigned")
    scores.to_csv(study / "mixed.tsv", sep="\t", index=False)
    pd.DataFrame({"person_id": people, "ancestry": groups}).to_csv(
        study / "groups.tsv", sep="\t", index=False
    )
    (study / "mixed.txt").write_text("\n".join(people[:55]) + "\n")

    run(
        "adjust", study / "mixed.tsv", "--method", "most_similar", "--groups", study / "groups.tsv",
        "--group-column", "ancestry", "--fit-on", study / "mixed.txt", "--out", study / "m.tsv",
    )  # fmt: skip

    adjusted = pd.read_csv(study / "m.tsv", sep="\t", dtype={"person_id": str})
    assert adjusted.columns.tolist() == ["person_id", "s"]
    assert adjusted["s"].notna().tolist() == [True] * 30 + [False] * 30


def test_ancestry__warns_of_groups_too_small_to_adjust_in(study: Path, run):
    """Z of two people is 0.7 and -0.7, whatever their scores are."""
    people = [f"q{i}" for i in range(32)]
    scores = pd.DataFrame({"person_id": people, "s": np.arange(32.0)})
    scores.to_csv(study / "few.tsv", sep="\t", index=False)
    groups = pd.DataFrame({"person_id": people, "most_similar": ["a"] * 25 + ["b"] * 7})
    groups.to_csv(study / "few_groups.tsv", sep="\t", index=False)
    (study / "few.txt").write_text("\n".join(people[:31]) + "\n")

    said = run(
        "adjust", study / "few.tsv", "--method", "most_similar", "--groups",
        study / "few_groups.tsv", "--fit-on", study / "few.txt", "--out", study / "n.tsv",
    )  # fmt: skip

    assert "1 of 2 groups have fewer than 20 people to fit in" in said


def test_ancestry__says_what_is_wrong_with_people(study: Path, reference: Path, run_cli):
    """A label column that was not looked at, people listed twice, rows without a person."""
    (study / "twice.txt").write_text("cohort1\ncohort2\ncohort1\n")
    (study / "nobody.tsv").write_text("person_id\tPC1\nx\t1\n\t2\n")
    (study / "kin.tsv").write_text("ID1 ID2 Kinship\ncohort1 cohort2 0.25\n")

    column, twice, nobody = (
        run_cli("ancestry", *words, "--out", study / "x.tsv")
        for words in (
            ("assign", study / "panel_pcs.tsv", "--reference", reference, "--label-column", "group",
             "--n-components", 2),
            ("unrelated", study / "twice.txt", "--pairs", study / "kin.tsv"),
            ("assign", study / "nobody.tsv", "--reference", reference, "--n-components", 1),
        )
    )  # fmt: skip

    assert (column.code, twice.code, nobody.code) == (2, 3, 3)
    assert "--label-column group is a column of --labels, which is not given" in column.err
    assert "twice.txt: 1 of 3 rows repeat a person" in twice.err
    assert "nobody.tsv: 1 of 2 rows have no person" in nobody.err
    assert not (study / "x.tsv").exists()


def test_ancestry__says_that_people_are_not_placed(study: Path, reference: Path, run):
    """Nobody placed looked like everybody placed, and the sidecar was no JSON: it held NaN."""
    said = run(
        "project", study / "cohort", "--reference", reference, "--min-call-rate", 1, "--out",
        study / "nobody_placed.tsv",
    )  # fmt: skip

    def refuse(constant: str) -> float:
        raise ValueError(f"{constant} is not JSON")

    text = (study / "nobody_placed.tsv.json").read_text()
    sidecar = json.loads(text, parse_constant=refuse)
    assert "60 of 60 people have too few calls and get no components" in said
    assert (sidecar["n_few_calls"], sidecar["shrinkage"]) == (60, {})
