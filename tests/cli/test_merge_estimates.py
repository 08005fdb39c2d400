"""`pgs-trd associate` and `progression` with --part, and `merge`: what one run gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from pgs_trd.models import adjust_p_values
from pgs_trd.tables import read_table

CONTRASTS = ("trd_vs_responsive", "mdd_vs_none")
STRATA = ("AFR", "EUR", "SAS")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """900 people in three strata, of which one has no cases and no events."""
    folder = tmp_path_factory.mktemp("estimates")
    rng = np.random.default_rng(12)
    n = 900
    ids = [f"p{i}" for i in range(n)]
    ancestry = np.repeat(STRATA, [300, 500, 100])
    scores = pd.DataFrame({"person_id": ids, **{k: rng.normal(size=n) for k in "abcde"}})
    is_mdd = (rng.random(n) < 1 / (1 + np.exp(-scores["a"]))) & (ancestry != "SAS")
    for name in ("phenotype", "other"):
        classes = np.where(is_mdd, rng.choice(["trd", "responsive"], size=n), "no_mdd")
        table = pd.DataFrame({"person_id": ids, "phenotype": classes, "is_mdd": is_mdd})
        table.to_parquet(folder / f"{name}.parquet")
    days = np.ceil(rng.exponential(900 * np.exp(-0.3 * scores["b"])))
    limit = rng.integers(300, 2500, size=n)
    follow_up = pd.DataFrame({"person_id": ids, "entry_days": 0.0, "exit_days": limit * 1.0,
                              "event": False})  # fmt: skip
    happens = (days <= limit) & (ancestry != "SAS")
    follow_up.loc[happens, ["exit_days", "event"]] = pd.DataFrame(
        {"exit_days": days[happens], "event": True}
    )
    follow_up.to_parquet(folder / "follow_up.parquet")
    scores.to_parquet(folder / "scores.parquet")
    pd.DataFrame({"person_id": ids, "ancestry": ancestry,
                  "birth_year": rng.integers(1940, 2000, size=n)}).to_csv(
        folder / "covariates.tsv", sep="\t", index=False)  # fmt: skip
    return folder


@pytest.fixture
def fit(tables: Path, tmp_path: Path, run_cli: Callable[..., object]) -> Callable[..., Path]:
    """Run a command on the tables; give the path of what it wrote."""

    def run(command: str, name: str, *options: object) -> Path:
        out = tmp_path / f"{name}.parquet"
        outcome = run_cli(
            command, *options, "--scores", tables / "scores.parquet",
            "--covariates", tables / "covariates.tsv", "--covariate-columns", "birth_year",
            "--out", out,
        )  # fmt: skip
        assert outcome.code == 0, outcome.err  # type: ignore[attr-defined]
        return out

    return run


def associate(fit: Callable[..., Path], tables: Path, name: str, *options: object) -> Path:
    return fit("associate", name, "--phenotype", tables / "phenotype.parquet", *options)


def merged(run_cli: Callable[..., object], parts: Sequence[Path]) -> Path:
    out = parts[0].with_name("merged.parquet")
    outcome = run_cli("merge", *parts, "--out", out)
    assert outcome.code == 0, outcome.err  # type: ignore[attr-defined]
    return out


def test_merge__stacks_strata_and_contrasts_to_what_one_run_gives(tables, fit, run_cli):
    """Value by value, with the stratum that has no cases, and the same tests planned."""
    whole = associate(fit, tables, "whole", "--contrasts", ",".join(CONTRASTS))
    parts = [
        associate(fit, tables, f"{s}.{c}", "--strata", s, "--contrasts", c, "--part")
        for s in STRATA
        for c in CONTRASTS
    ]

    out = merged(run_cli, parts)

    found, expected = read_table(out), read_table(whole)
    assert_frame_equal(found, expected, rtol=1e-12)
    assert set(found.loc[found["stratum"] == "SAS", "status"]) == {"no_events", "no_complete_cases"}
    assert found.attrs == expected.attrs
    assert_frame_equal(adjust_p_values(found), adjust_p_values(expected), rtol=1e-9)
    options = json.loads(Path(f"{out}.json").read_text())["options"]
    assert options["strata"] == list(STRATA)
    assert options["contrasts"] == list(CONTRASTS)
    meta = [fit_meta(run_cli, path) for path in (out, whole)]
    assert_frame_equal(*meta, rtol=1e-9)


def fit_meta(run_cli: Callable[..., object], path: Path) -> pd.DataFrame:
    out = path.with_name(f"{path.stem}_meta.parquet")
    run_cli("meta", path, "--out", out)
    return read_table(out)


def test_merge__stacks_batches_of_definitions(tables, fit, run_cli):
    """People are counted once a definition, as one run does."""
    given = {name: f"{name}={tables / name}.parquet" for name in ("phenotype", "other")}
    options = [word for text in given.values() for word in ("--phenotype", text)]
    whole = fit("associate", "whole", *options, "--contrasts", CONTRASTS[1])
    parts = [
        fit("associate", name, "--phenotype", text, "--contrasts", CONTRASTS[1], "--part")
        for name, text in given.items()
    ]

    found, expected = read_table(merged(run_cli, parts)), read_table(whole)

    assert_frame_equal(found, expected, rtol=1e-12)
    assert found.attrs == expected.attrs
    assert found.attrs["people"]["n_records"] == 1800


def test_merge__stacks_progression_and_the_tables_beside_it(tables, fit, run_cli):
    """A stratum without events is a row with a status, in both tables."""
    options = ("--follow-up", tables / "follow_up.parquet", "--tables", "ph_tests")
    whole = fit("progression", "whole", *options)
    parts = [fit("progression", s, *options, "--strata", s, "--part") for s in STRATA]

    out = merged(run_cli, parts)

    assert_frame_equal(read_table(out), read_table(whole), rtol=1e-9)
    tests = [path.with_name(f"{path.stem}.ph_tests.parquet") for path in (out, whole)]
    assert_frame_equal(*map(read_table, tests), rtol=1e-9)


def test_merge__refuses_a_part_of_another_study(tables, fit, run_cli, tmp_path):
    """Another definition of the same people is none; other covariates of a stratum are."""
    one = associate(fit, tables, "one", "--strata", "EUR", "--contrasts", CONTRASTS[0], "--part")
    people = read_table(tables / "covariates.tsv")
    people["birth_year"] += people["birth_year"] % 2
    people.to_csv(tmp_path / "covariates.tsv", sep="\t", index=False)

    def of_other(stratum: str) -> Path:
        out = tmp_path / f"{stratum}.parquet"
        outcome = run_cli(
            "associate", "--phenotype", tables / "phenotype.parquet", "--scores",
            tables / "scores.parquet", "--covariates", tmp_path / "covariates.tsv",
            "--covariate-columns", "birth_year", "--strata", stratum, "--contrasts", CONTRASTS[1],
            "--out", out, "--part",
        )  # fmt: skip
        assert outcome.code == 0, outcome.err
        return out

    outcome = run_cli("merge", one, of_other("EUR"), "--out", tmp_path / "merged.parquet")

    assert outcome.code == 3
    assert (
        "EUR.parquet: covariates of EUR are of another file than those of one.parq" in outcome.err
    )
    assert not (tmp_path / "merged.parquet").exists()
    # Each stratum's people may lie in files of their own.
    assert len(read_table(merged(run_cli, [one, of_other("AFR")]))) == 10


def test_merge__refuses_estimates_that_do_not_belong_together(tables, fit, run_cli, tmp_path):
    """A row twice, other options, a whole among parts, or nothing to estimate at all."""
    part = associate(fit, tables, "part", "--strata", "EUR", "--part")
    other = associate(fit, tables, "other", "--strata", "AFR", "--se", "HC1", "--part")
    whole = associate(fit, tables, "whole", "--contrasts", CONTRASTS[1])
    empty = associate(fit, tables, "empty", "--strata", "SAS", "--part")
    refused = {
        "2 parts overlap: 15 of 30 rows": (part, part),
        "part 2: made with se 'HC1', not 'model'": (part, other),
        "whole.parquet: is not what associate or progression wrote with --part": (part, whole),
        "contrast 'mdd_vs_none': no stratum has cases and controls": (empty,),
    }
    for message, parts in refused.items():
        outcome = run_cli("merge", *parts, "--out", tmp_path / "merged.parquet")
        assert outcome.code == 3
        assert message in outcome.err
    outcome = run_cli("associate", "--phenotype", tables / "phenotype.parquet", "--part",
                      "--scores", tables / "scores.parquet", "--covariates",
                      tables / "covariates.tsv", "--covariate-columns", "birth_year",
                      "--out", tmp_path / "part.tsv")  # fmt: skip
    assert outcome.code == 2
    assert "part.tsv should end in .parquet" in outcome.err
