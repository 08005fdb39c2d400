from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.simulate import locate_biobank, simulate_biobank
from pgs_trd.simulate.omop import write_omop

SMALL = {"n_people": 400, "n_variants": 1_200, "seed": 7}


def _contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("n_people", 99, "n_people must be at least 100, got 99"),
        ("n_variants", 10, "n_variants must be at least 1,000, got 10"),
        ("seed", -1, "seed must not be negative, got -1"),
        ("mdd_prevalence", 1.0, "mdd_prevalence must lie between 0 and 1, got 1"),
        ("trd_share", 0.0, "trd_share must lie between 0 and 1, got 0"),
        ("ancestries", {"EUR": 1.0, "AFR": 0.0}, "a share above 0"),
        ("ancestries", {"ROMAN": 1.0}, "unknown ancestry 'ROMAN'"),
    ],
)
def test_simulate_biobank__options_out_of_range_are_refused_before_anything_is_written(
    tmp_path, option, value, message
):
    """Wrong use is told at once, and leaves no folder behind."""
    with pytest.raises(UsageError, match=message):
        simulate_biobank(tmp_path / "out", **(SMALL | {option: value}))

    assert not (tmp_path / "out").exists()


def test_simulate_biobank__same_seed_same_bytes_whatever_the_threads(biobank, tmp_path):
    """A demo must be the same for everybody; another seed must be another biobank."""
    stages = []
    again = simulate_biobank(
        tmp_path, **SMALL, threads=2, progress=lambda _, share: stages.append(share)
    )

    assert _contents(again.folder) == _contents(biobank.folder)
    assert stages == sorted(stages)
    assert (stages[0], stages[-1]) == (0.0, 1.0)


def test_simulate_biobank__another_seed_is_another_biobank(biobank, tmp_path):
    """Replicates are drawn by the seed alone."""
    other = simulate_biobank(tmp_path, **(SMALL | {"seed": 8, "n_people": 100}))

    assert locate_biobank(tmp_path) == other
    first, second = (pd.read_csv(b.covariates, sep="\t") for b in (biobank, other))
    assert len(second) == 100
    assert (first["birth_year"][:100] != second["birth_year"]).any()


def test_simulate_biobank__people_are_the_same_and_in_one_order_in_every_file(biobank):
    """Genotypes, covariates, latent truth and records must join without loss."""
    ids = open_plink1(biobank.genotypes).samples["person_id"].tolist()
    covariates = pd.read_csv(biobank.covariates, sep="\t", dtype={"person_id": str})
    person = pd.read_parquet(biobank.records / "person.parquet")

    assert covariates["person_id"].tolist() == ids
    assert person["person_id"].astype(str).tolist() == ids
    assert pd.read_parquet(biobank.latent)["person_id"].astype(str).tolist() == ids
    assert (person["year_of_birth"] == covariates["birth_year"]).all()
    sex = person["gender_concept_id"].map({8532: "female", 8507: "male"})
    assert (sex == covariates["sex"]).all()
    assert covariates["ancestry"].value_counts().to_dict() == {"EUR": 160, "AFR": 120, "EAS": 120}


def test_simulate_biobank__components_tell_the_ancestries_apart(biobank):
    """Two components separate three groups; they are what a biobank would give."""
    covariates = pd.read_csv(biobank.covariates, sep="\t")
    components = covariates[["PC1", "PC2"]]
    centre = components.groupby(covariates["ancestry"]).mean()
    distance = {
        label: ((components - centre.loc[label]) ** 2).sum(axis=1) for label in centre.index
    }
    nearest = pd.DataFrame(distance).idxmin(axis=1)

    assert (nearest == covariates["ancestry"]).all()
    norms = np.linalg.norm(covariates[[f"PC{k}" for k in range(1, 11)]], axis=0)
    np.testing.assert_allclose(norms, 1.0, atol=1e-4)


def test_simulate_biobank__truth_names_the_scores_of_the_weight_files(biobank):
    """The report joins truth, traits and scores by the score's id."""
    traits = pd.read_csv(biobank.traits, sep="\t")
    truth = pd.read_csv(biobank.truth, sep="\t")
    files = sorted(path.name.removesuffix(".txt.gz") for path in biobank.weights.iterdir())

    assert traits["score"].tolist() == files
    assert set(truth["score"]) == set(files)
    assert truth.columns.tolist() == ["score", "trait", "contrast", "beta"]


def test_write_omop__every_column_of_the_cdm_is_there_and_typed(biobank):
    """Readers of the CDM expect int64 ids and dates, and columns even where empty."""
    drugs = pq.read_schema(biobank.records / "drug_exposure.parquet")
    person = pq.read_schema(biobank.records / "person.parquet")

    assert {path.stem for path in biobank.records.iterdir()} == {
        "person", "observation_period", "visit_occurrence", "condition_occurrence",
        "drug_exposure", "procedure_occurrence", "measurement", "death", "concept",
        "concept_ancestor",
    }  # fmt: skip
    assert len(drugs) == 23
    assert len(person) == 18
    assert drugs.field("person_id").type == pa.int64()
    assert drugs.field("drug_exposure_start_date").type == pa.date32()
    assert drugs.field("days_supply").type == pa.int64()
    assert drugs.field("stop_reason").type == pa.string()


def test_write_omop__a_column_that_is_not_in_the_cdm_is_refused(tmp_path):
    """A misspelt column would otherwise be dropped without a word."""
    table = pd.DataFrame({"person_id": [1], "death_day": [2]})

    with pytest.raises(ValueError, match="'death_day'"):
        write_omop({"death": table}, tmp_path)
