"""`pgs-trd associate`, `progression` and `meta`: options, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.models import associate, progression, progression_tables
from pgs_trd.models.portability import portability_table

COLUMNS = ["sex", "birth_year"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """600 people of one ancestry as files: classes, follow-up, two scores, pairs."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(6)
    n = 600
    ids = [f"p{i}" for i in range(n)]
    scores = pd.DataFrame({"person_id": ids, "a": rng.normal(size=n), "b": rng.normal(size=n)})
    risk = rng.random(n) < 1 / (1 + np.exp(-scores["a"]))
    phenotype = np.where(risk, rng.choice(["trd", "responsive"], size=n), "no_mdd")
    pd.DataFrame({"person_id": ids, "phenotype": phenotype, "is_mdd": risk}).to_parquet(
        folder / "phenotype.parquet"
    )
    days = np.ceil(rng.exponential(900 * np.exp(-0.3 * scores["b"])))
    limit = rng.integers(300, 2500, size=n)
    pd.DataFrame(
        {
            "person_id": ids,
            "entry_days": 0.0,
            "exit_days": np.minimum(days, limit),
            "event": days <= limit,
            "end_reason": np.where(days <= limit, "trd", rng.choice(["death", "other"], size=n)),
        }
    ).to_parquet(folder / "follow_up.parquet")
    scores.to_csv(folder / "scores.tsv", sep="\t", index=False)
    scores.to_parquet(folder / "scores.parquet")
    pd.DataFrame(
        {
            "person_id": ids,
            "ancestry": "EUR",
            "sex": rng.choice(["female", "male"], size=n),
            "birth_year": rng.integers(1940, 2000, size=n),
        }
    ).to_csv(folder / "covariates.tsv", sep="\t", index=False)
    pairs = pd.DataFrame({"ID1": ids[:30], "ID2": ids[30:60], "Kinship": 0.25})
    pairs.to_csv(folder / "rel.dat", sep=" ", index=False)
    return folder


def arguments(tables: Path, scores: str = "scores.parquet") -> list[object]:
    return ["--scores", tables / scores, "--covariates", tables / "covariates.tsv",
            "--covariate-columns", ",".join(COLUMNS)]  # fmt: skip


def given(tables: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = pd.read_parquet(tables / "scores.parquet").set_index("person_id")
    return scores, pd.read_csv(tables / "covariates.tsv", sep="\t")


def test_associate__options_reach_the_models_and_the_sidecar(tables, tmp_path, run_cli):
    """Each option changes the table as it does in Python, and is on record."""
    out = tmp_path / "association.tsv"

    outcome = run_cli(
        "associate", "--phenotype", tables / "phenotype.parquet", *arguments(tables),
        "--contrasts", "mdd_vs_none", "--interaction", "sex", "--se", "HC1", "--splines",
        "birth_year:5", "--standardise", "controls", "--related", tables / "rel.dat",
        "--min-events-per-parameter", "2", "--confidence", "0.9", "--out", out,
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    assert "4 models, 4 fitted" in outcome.err
    scores, covariates = given(tables)
    expected = associate(
        pd.read_parquet(tables / "phenotype.parquet"), scores, covariates,
        contrasts=["mdd_vs_none"], covariate_columns=COLUMNS, interaction="sex", se="HC1",
        splines={"birth_year": 5}, standardise="controls", confidence=0.9,
        related=pd.read_csv(tables / "rel.dat", sep=" "), min_events_per_parameter=2,
    )  # fmt: skip
    written = pd.read_csv(out, sep="\t")
    assert written["term"].tolist() == expected["term"].tolist()
    for column in ("beta", "se", "ci_low", "p_value", "n_related", "score_sd"):
        assert_allclose(written[column], expected[column], rtol=1e-9)
    options = json.loads((tmp_path / "association.tsv.json").read_text())["options"]
    assert options["related"] == "rel.dat"
    assert options["conventions"]["relatives"] == "left out"
    assert options["conventions"]["se"] == "HC1"


def test_associate__text_and_parquet_scores_give_the_same(tables, tmp_path, run_cli):
    """Parquet is read some columns at a time, text at once."""
    for scores in ("scores.parquet", "scores.tsv"):
        outcome = run_cli(
            "associate", "--phenotype", tables / "phenotype.parquet", *arguments(tables, scores),
            "--out", tmp_path / f"{scores}.parquet",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err

    first, second = (
        pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("scores.parquet", "scores.tsv")
    )
    pd.testing.assert_frame_equal(first, second)


def test_associate__several_definitions_have_names(tables, tmp_path, run_cli):
    """And `meta` pools within each of them without being told."""
    phenotype = tables / "phenotype.parquet"
    out = tmp_path / "association.tsv"

    outcome = run_cli(
        "associate", "--phenotype", f"broad={phenotype}", "--phenotype", f"strict={phenotype}",
        *arguments(tables), "--contrasts", "mdd_vs_none", "--within", "sex", "--out", out,
    )  # fmt: skip
    pooled = run_cli("meta", out, "--out", tmp_path / "meta.tsv")
    unnamed = run_cli(
        "associate", "--phenotype", phenotype, "--phenotype", phenotype, *arguments(tables),
        "--out", tmp_path / "no.tsv",
    )  # fmt: skip

    assert outcome.code == pooled.code == 0, outcome.err + pooled.err
    assert pd.read_csv(out, sep="\t")["definition"].tolist() == ["broad"] * 4 + ["strict"] * 4
    keys = pd.read_csv(tmp_path / "meta.tsv", sep="\t").columns[:4].tolist()
    assert keys == ["definition", "within", "contrast", "score"]
    assert unnamed.code == 2
    assert "--phenotype: with several tables each needs a name" in unnamed.err


def test_portability__is_the_table_of_the_function(tables, tmp_path, run_cli):
    """By stratum and by distance, on the liability scale; ids are joined as text."""
    people = pd.read_csv(tables / "covariates.tsv", sep="\t")
    far = np.arange(len(people)) / 100.0
    pd.DataFrame({"person_id": people["person_id"], "genetic_distance": far}).to_csv(
        tmp_path / "distance.tsv", sep="\t", index=False
    )
    out = tmp_path / "portability.tsv"
    given = ["--phenotype", tables / "phenotype.parquet", *arguments(tables)]

    run_cli("portability", *given, "--distance", tmp_path / "distance.tsv", "--bins", 3,
            "--prevalence", 0.2, "--out", out)  # fmt: skip

    found = pd.read_csv(out, sep="\t", dtype={"group": str})
    phenotype = pd.read_parquet(tables / "phenotype.parquet").set_index("person_id")
    by_person = people.set_index("person_id")
    expected = portability_table(
        phenotype["is_mdd"].astype(float),
        pd.read_parquet(tables / "scores.parquet").set_index("person_id"),
        by_person[COLUMNS],
        strata=by_person["ancestry"],
        distance=pd.Series(far, index=by_person.index),
        n_bins=3,
        prevalence=0.2,
    )
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)
    sidecar = json.loads((tmp_path / "portability.tsv.json").read_text())
    assert sidecar["options"]["contrast"] == "mdd_vs_none"
    assert [entry["role"] for entry in sidecar["inputs"]][-1] == "distance"


def test_portability__refuses_before_it_writes(tables, tmp_path, run_cli):
    """An unknown contrast, and a table without distances, by their names."""
    given = ["--phenotype", tables / "phenotype.parquet", *arguments(tables)]
    out = tmp_path / "portability.tsv"

    wrong = run_cli("portability", *given, "--contrast", "trd", "--out", out)
    lacking = run_cli("portability", *given, "--distance", tables / "covariates.tsv", "--out", out)

    assert (wrong.code, lacking.code) == (2, 3)
    assert "contrast is 'trd'" in wrong.err
    assert "genetic_distance" in lacking.err
    assert not out.exists()


def test_progression__writes_further_tables_beside(tables, tmp_path, run_cli):
    """One file a table, named after the first; what an earlier run left does not stay."""
    out = tmp_path / "progression.tsv"
    shared = ["progression", "--follow-up", tables / "follow_up.parquet", *arguments(tables)]

    outcome = run_cli(
        *shared, "--tables", "ph_tests,percentiles,fine_gray,restricted_means", "--days", "365",
        "--percentiles", "10,90", "--competing", "death,other", "--ties", "breslow", "--out", out,
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    scores, covariates = given(tables)
    follow_up = pd.read_parquet(tables / "follow_up.parquet")
    assert_allclose(
        pd.read_csv(out, sep="\t")["beta"],
        progression(
            follow_up, scores, covariates, covariate_columns=COLUMNS, ties="breslow"
        )["beta"],
        rtol=1e-9,
    )  # fmt: skip
    expected = progression_tables(
        follow_up, scores, covariates, covariate_columns=COLUMNS, ties="breslow", days=[365],
        tables=["percentiles", "fine_gray"], percentiles=(10, 90), competing=("death", "other"),
    )  # fmt: skip
    for name, column in (("percentiles", "difference"), ("fine_gray", "beta")):
        written = pd.read_csv(tmp_path / f"progression.{name}.tsv", sep="\t")
        assert_allclose(written[column], expected[name][column], rtol=1e-9)
    assert (tmp_path / "progression.ph_tests.tsv").exists()
    assert (tmp_path / "progression.restricted_means.tsv").exists()
    options = json.loads((tmp_path / "progression.tsv.json").read_text())["options"]
    assert options["ph_tests"]["test"].startswith("exact score test")

    again = run_cli(*shared, "--out", out)

    assert again.code == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "progression.tsv",
        "progression.tsv.json",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--splines", "birth_year:x"], "'birth_year:x' is not name:knots"),
        (["--splines", "height"], "spline 'height' is no covariate"),
        (["--se", "cluster"], "se='cluster' needs clusters"),
        (["--related", "none.dat"], "no such file: none.dat"),
        (["--tables", "zph"], "tables: unknown 'zph'"),
        (["--percentiles", "20"], "--percentiles is '20': 2 numbers separated by commas"),
    ],
)
def test_progression__refuses_before_it_writes(tables, tmp_path, run_cli, options, message):
    """Wrong use is told by name, with exit code 2, and leaves no file."""
    outcome = run_cli(
        "progression", "--follow-up", tables / "follow_up.parquet", *arguments(tables), *options,
        "--out", tmp_path / "out.tsv",
    )  # fmt: skip

    assert outcome.code == 2
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_scores__a_parquet_file_of_something_else_is_named(tables, tmp_path, run_cli):
    """Text columns and a missing person_id are seen in the schema, before any column is read."""
    pd.DataFrame({"person_id": ["p1"], "family": ["f"]}).to_parquet(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "bare.parquet")
    shared = ["associate", "--phenotype", tables / "phenotype.parquet", "--out",
              tmp_path / "out.tsv", *arguments(tables)]  # fmt: skip

    text = run_cli(*shared, "--scores", tmp_path / "text.parquet")
    bare = run_cli(*shared, "--scores", tmp_path / "bare.parquet")

    assert text.code == bare.code == 3
    assert "text.parquet: column 'family' is string, no number" in text.err
    assert "bare.parquet: no column 'person_id'" in bare.err
