"""A study of real genotypes, with simulated records: HapMap 3, of the folder of real data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.testing import assert_allclose

from pgs_trd.genotypes import open_genotypes
from pgs_trd.scoring import score
from pgs_trd.simulate.liability import draw_classes, draw_people
from pgs_trd.simulate.omop import write_omop
from pgs_trd.simulate.records import simulate_records
from pgs_trd.simulate.traits import Planted, state_truth
from pgs_trd.study import run_study
from pgs_trd.tables import read_table, write_table
from pgs_trd.weights import read_weights

# Chromosomes of each trait: four scores that share no variant.
TRAITS = {
    "insomnia": range(1, 4),
    "neuroticism": range(4, 8),
    "educational attainment": range(8, 13),
    "major depressive disorder": range(13, 23),
}
# Far larger than real ones: 957 people are to show them.
PLANTED = Planted(
    trd={"insomnia": 0.6, "educational attainment": -0.6}, mdd={"major depressive disorder": 0.6}
)
TRD_SHARE = 0.4


def lay_out(real: Path, folder: Path) -> pd.DataFrame:
    """Link the genotypes under ids that records can have; give person_id and group."""
    for ending in ("bed", "bim"):
        (folder / f"hm3.{ending}").symlink_to(real / f"hm3_b36.{ending}")
    fam = pd.read_csv(real / "hm3_b36.fam", sep=r"\s+", header=None, dtype=str)
    people = draw_people(len(fam), np.random.default_rng(3))
    people["sex"] = fam[4].map({"1": "male", "2": "female"})
    populations = pd.read_csv(real / "hm3_populations.tsv", sep="\t").set_index("IID")
    # 87 people from India and 48 from Mexico are too few for strata of their own.
    groups = populations["SuperPop"].replace({"SAS": "other", "AMR": "other"})
    people["ancestry"] = fam[1].map(groups).to_numpy()
    fam[0] = fam[1] = people["person_id"].astype(str)
    fam.to_csv(folder / "hm3.fam", sep=" ", header=False, index=False)
    return people


def write_scores(real: Path, folder: Path) -> pd.DataFrame:
    """Write a weight file a trait, and give the table of traits."""
    weights = pd.read_csv(real / "reference" / "weights_all.tsv", sep="\t")
    traits = pd.DataFrame({"score": [f"HM{n}" for n in range(1, 5)], "trait": list(TRAITS)})
    (folder / "weights").mkdir()
    for name, chromosomes in zip(traits["score"], TRAITS.values(), strict=True):
        rows = weights[weights["chr"].isin(chromosomes)]
        named = rows[["chr", "pos", "A1", "A2", "W_dense"]].set_axis(
            ["chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight"], axis=1
        )
        named.to_csv(folder / "weights" / f"{name}.txt", sep="\t", index=False)
    return traits.assign(domain="real genotypes")


@pytest.fixture(scope="module")
def studied(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the study and its results."""
    folder, real = tmp_path_factory.mktemp("hapmap"), real_data / "hapmap3"
    people, traits = lay_out(real, folder), write_scores(real, folder)
    weights = [read_weights(file) for file in sorted((folder / "weights").iterdir())]
    scores = score(open_genotypes(folder / "hm3.bed"), weights, palindromes="keep").scores
    groups = people["ancestry"].to_numpy()
    z = scores.groupby(groups).transform(lambda column: (column - column.mean()) / column.std())
    z = z.set_axis(traits["trait"], axis=1).reset_index(drop=True)
    rng = np.random.default_rng(11)
    classes = draw_classes(
        people, z, planted=PLANTED, mdd_prevalence=0.6, trd_share=TRD_SHARE, shared_cause=0.0,
        rng=rng,
    )  # fmt: skip
    write_omop(simulate_records(people, classes, rng=rng).tables, folder / "omop")
    write_table(traits, folder / "traits.tsv")
    write_table(state_truth(traits, PLANTED, trd_share=TRD_SHARE), folder / "truth.tsv")
    write_table(people, folder / "covariates.tsv")
    study = {
        "genotypes": "hm3.bed",
        "weights": ["weights"],
        "traits": "traits.tsv",
        "records": {"source": "omop"},
        "covariates": {"file": "covariates.tsv", "columns": ["sex", "birth_year"]},
        "components": {"number": 4, "genome_build": "NCBI36"},
        "scoring": {"palindromes": "keep"},
        "curve_score": "HM1",
        "models": {"min_events_per_parameter": 0},
        "published": "xu2025",
        "truth": "truth.tsv",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run_study(folder / "study.yaml", threads=2)
    return folder


@pytest.mark.slow
def test_real_genotypes__have_scores_that_add_up_to_those_of_plink2(studied: Path, real_data: Path):
    """The four scores have all weights once; plink2 printed six digits of their sum's average."""
    reference = real_data / "hapmap3" / "reference"
    (name,) = sorted(reference.glob("score_dense_meanimpute*"))
    expected = pd.read_csv(name, sep="\t")
    sums = expected.columns[-1]

    found = read_table(studied / "results" / "scores" / "scores.parquet")

    together = found.drop(columns="person_id").sum(axis=1)
    assert_allclose(together, expected[sums], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_real_genotypes__show_what_was_planted_in_the_records(studied: Path):
    """The intervals of the effects hold them, and those of no effect hold 0."""
    report = studied / "results" / "report"
    table = pd.read_csv(report / "tables" / "planted_against_estimated.csv")

    rows = table[table["contrast"] == "trd_vs_responsive"]
    assert rows["is_covered"].astype(bool).all(), rows
    strong = rows[rows["planted_beta"] != 0]
    assert (np.sign(strong["ci_low"]) == np.sign(strong["ci_high"])).all()
    assert (report / "report.html").is_file()


@pytest.mark.slow
def test_real_genotypes__have_components_in_each_stratum(studied: Path):
    """Centred within it, as fitted there; the models are adjusted for them."""
    covariates = read_table(studied / "results" / "covariates" / "covariates.parquet")
    names = [f"PC{number}" for number in range(1, 5)]

    assert covariates[names].notna().all(axis=None)
    means = covariates.groupby("ancestry")[names].mean()
    spread = covariates.groupby("ancestry")[names].std()
    assert (means.abs() < 0.02 * spread).all(axis=None)
    association = read_table(studied / "results" / "models" / "association.parquet")
    assert set(association["stratum"]) == set(covariates["ancestry"])
    assert association["beta"].notna().any()
