"""The size of a study from headers is that of its data."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from pgs_trd.genotypes import open_genotypes
from pgs_trd.simulate import simulate_biobank
from pgs_trd.study.config import load_config
from pgs_trd.study.demo import write_study_file
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.sizes import count_genotypes, measure_size
from pgs_trd.tables import read_table


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    folder = tmp_path_factory.mktemp("sizes")
    biobank = simulate_biobank(folder / "biobank", n_people=301, n_variants=1_000, seed=7)
    write_study_file(biobank, folder / "study.yaml", folder / "results")
    return load_config(folder / "study.yaml")


def _with(config: StudyConfig, **changes: object) -> StudyConfig:
    return config.model_copy(update=changes)


def test_measure_size__counts_what_the_files_hold(config: StudyConfig):
    """301 people leave the last byte of a .bed's row half empty: variants still come out whole."""
    size = measure_size(config)

    source = config.records.source
    assert isinstance(source, Path)
    rows = [len(read_table(source / f"{name}.parquet"))
            for name in ("drug_exposure", "condition_occurrence")]  # fmt: skip
    lines = [gzip.decompress(path.read_bytes()).count(b"\n") for path in config.weights]
    assert (size.people, size.variants, size.scores) == (301, 1_000, 61)
    assert size.record_rows == sum(rows)
    assert size.weight_rows == sum(lines)
    assert (size.definitions, size.contrasts, size.covariates) == (16, 3, 6)
    assert (size.form, size.parts, size.guessed) == ("bed", 1, ())


@pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (".pgen", ["--make-pgen"]),
        (".bgen", ["--export", "bgen-1.2", "bits=8", "ref-first"]),
        (".vcf.gz", ["--export", "vcf", "bgz"]),
        (".vcf", ["--export", "vcf"]),
    ],
)
def test_count_genotypes__reads_the_header_of_each_form(
    config: StudyConfig, tmp_path: Path, ending: str, words: list[str]
):
    """As plink2 writes them; a VCF says no number, so it is judged from its start."""
    subprocess.run(["plink2", "--bfile", config.genotypes, *words, "--out", tmp_path / "set"],
                   check=True, capture_output=True, timeout=120)  # fmt: skip

    people, variants = count_genotypes(tmp_path / f"set{ending}")

    source = open_genotypes(tmp_path / f"set{ending}")
    assert people == len(source.samples) == 301
    assert variants == pytest.approx(len(source.variants), rel=0.1)


def test_measure_size__judges_long_text_from_its_start(config: StudyConfig, tmp_path: Path):
    """200,000 rows packed: the first part of the file tells of the rest, within a tenth."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"chr_name": 1, "chr_position": rng.integers(1, 2**28, 200_000),
                         "effect_allele": "A", "other_allele": "C",
                         "effect_weight": rng.normal(size=200_000)})  # fmt: skip
    path = tmp_path / "long.txt.gz"
    rows.to_csv(path, sep="\t", index=False)

    assert measure_size(_with(config, weights=[path])).weight_rows == pytest.approx(2e5, rel=0.1)


def test_measure_size__counts_wide_files_and_thresholds(config: StudyConfig, tmp_path: Path):
    """Three columns at two thresholds are six scores."""
    path = tmp_path / "wide.tsv"
    columns = ["ID", "A1", "A2", "one", "two", "three"]
    path.write_text("\t".join(columns) + "\nrs1\tA\tC\t1\t2\t3\n")
    scoring = config.scoring.model_copy(
        update={
            "columns": {
                "id": "ID",
                "effect_allele": "A1",
                "other_allele": "A2",
                "effect_weight": "*",
            },
            "p_thresholds": [0.1, 1.0],
        }
    )

    assert measure_size(_with(config, weights=[path], scoring=scoring)).scores == 6


def test_measure_size__asks_duckdb_and_guesses_for_a_server(config: StudyConfig, tmp_path: Path):
    """What cannot be counted is taken as usual, and said."""
    path = tmp_path / "records.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("CREATE TABLE drug_exposure AS SELECT range AS person_id FROM range(70)")
        database.execute("CREATE TABLE visit_occurrence AS SELECT 1 FROM range(99)")
    records = config.records.model_copy(update={"source": path})
    assert measure_size(_with(config, records=records)).record_rows == 70

    records = config.records.model_copy(update={"source": "postgresql://server/cdm"})
    size = measure_size(_with(config, records=records))
    assert size.record_rows == 160 * 301
    assert size.guessed == ("160 rows of health records a person",)
