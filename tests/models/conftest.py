"""Fixtures: the models that R fitted, with designs rebuilt from their formulas."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@dataclass(frozen=True)
class RModel:
    """One model of a reference file with its data, incomplete rows included."""

    expected: dict
    table: pd.DataFrame
    columns: pd.DataFrame
    strata: pd.Series | None


@pytest.fixture
def r_model(r_reference: Path) -> Callable[[str, str], RModel]:
    """Read one model by file and id."""
    return lambda file, model_id: _read_model(r_reference, file, model_id)


def _read_model(folder: Path, file: str, model_id: str) -> RModel:
    """Give what R computed for one model, and its design without the intercept."""
    content = json.loads((folder / f"{file}.json").read_text())
    expected = next(model for model in content["models"] if model["id"] == model_id)
    table = pd.read_csv(folder / content["meta"]["csv"])
    right = expected["formula"].split("~")[1]
    columns: dict[str, pd.Series] = {}
    strata = None
    for term in (part.strip() for part in right.split("+")):
        if term.startswith("strata("):
            strata = table[term[len("strata(") : -1]]
        elif "*" in term:
            first, second = (part.strip() for part in term.split("*"))
            columns |= {first: table[first], second: table[second]}
            columns[f"{first}:{second}"] = table[first] * table[second]
        else:
            columns |= _term(term, table)
    # R puts interactions last.
    names = sorted(columns, key=lambda name: ":" in name)
    design = pd.DataFrame({name: columns[name] for name in names}).astype(float)
    return RModel(expected, table, design, strata)


def _term(term: str, table: pd.DataFrame) -> dict[str, pd.Series]:
    if term.startswith("factor("):
        values = table[term[len("factor(") : -1]]
        return {f"{term}{level}": values == level for level in sorted(values.unique())[1:]}
    if term == "celltype":
        levels = ("smallcell", "adeno", "large")
        return {f"celltype{level}": table["celltype"] == level for level in levels}
    if term == "transplant":
        return {"transplant1": table["transplant"].astype(float)}
    return {term: table[term]}


R_COX_MODELS = [
    ("cox_lung", "lung_age_sex_ecog"),
    ("cox_lung", "lung_breslow"),
    ("cox_lung", "lung_strata_sex"),
    ("cox_lung", "lung_sexint"),
    ("cox_lung", "lung_cluster_inst"),
    ("cox_veteran", "veteran_main"),
    ("cox_veteran", "veteran_breslow"),
    ("cox_veteran", "veteran_strata"),
    ("cox_ovarian", "ovarian"),
    ("cox_heart_start_stop", "heart_tv"),
    ("cox_heart_start_stop", "heart_tv_breslow"),
]
R_FOLLOW_UP = {
    "cox_lung": lambda t: {"duration": t["time"], "event": t["status"] == 2},
    "cox_veteran": lambda t: {"duration": t["time"], "event": t["status"]},
    "cox_ovarian": lambda t: {"duration": t["futime"], "event": t["fustat"]},
    "cox_heart_start_stop": lambda t: {
        "duration": t["stop"],
        "event": t["event"],
        "entry": t["start"],
    },
}


@dataclass(frozen=True)
class RCox:
    """A Cox model of R: what to give to a fit, and what R computed."""

    expected: dict
    columns: pd.DataFrame
    options: dict
    clusters: pd.Series | None


@pytest.fixture(params=R_COX_MODELS, ids=[name for _, name in R_COX_MODELS])
def r_cox(request: pytest.FixtureRequest, r_reference: Path) -> RCox:
    """Give each Cox model of the reference files by name."""
    file, model_id = request.param
    model = _read_model(r_reference, file, model_id)
    clusters = model.table.get(model.expected["robust_cluster"])
    present = slice(None) if clusters is None else clusters.notna()
    options = {name: values[present] for name, values in R_FOLLOW_UP[file](model.table).items()}
    options["ties"] = model.expected["ties"]
    if model.strata is not None:
        options["strata"] = model.strata[present]
    return RCox(
        model.expected,
        model.columns[present],
        options,
        None if clusters is None else clusters[present],
    )


@pytest.fixture
def fit_each_column() -> Callable[..., pd.DataFrame]:
    """Let each column of a design be the score once, the others its covariates."""

    def fit_all(fit: Callable[..., pd.DataFrame], columns: pd.DataFrame) -> pd.DataFrame:
        rows = [fit(columns[[name]], columns.drop(columns=name)) for name in columns.columns]
        return pd.concat(rows, ignore_index=True).set_index("score")

    return fit_all


@pytest.fixture
def numbers_of() -> Callable[[dict, str, pd.Index], np.ndarray]:
    """Take R's numbers for some coefficients, in their order."""
    return lambda expected, key, names: np.array([expected[key][name] for name in names])


@pytest.fixture
def study():
    """2,000 people of two ancestries; score `a` raises depression, `b` resistance in it."""
    rng = np.random.default_rng(20)
    n = 2000
    ids = pd.Index([f"{i:05d}" for i in range(n)])
    scores = pd.DataFrame(rng.normal(3, 2, size=(n, 2)), index=ids, columns=["a", "b"])
    covariates = pd.DataFrame(
        {
            "person_id": ids,
            "ancestry": rng.choice(["AFR", "EUR"], size=n, p=[0.4, 0.6]),
            "sex": rng.choice(["female", "male"], size=n),
            "birth_year": rng.integers(1940, 2000, size=n),
            "PC1": rng.normal(size=n) / 100,
        }
    )
    scores[covariates["ancestry"].to_numpy() == "AFR"] *= 1.5
    is_mdd = rng.random(n) < 1 / (1 + np.exp(0.5 - 0.2 * (scores["a"] - 3)))
    resistant = rng.random(n) < 1 / (1 + np.exp(-0.2 * (scores["b"] - 3)))
    status = np.where(resistant, "trd", rng.choice(["responsive", "neither"], size=n))
    phenotype = pd.DataFrame(
        {
            "person_id": ids,
            "phenotype": np.where(is_mdd, status, "no_mdd"),
            "is_mdd": is_mdd.to_numpy(),
        }
    )
    return phenotype, scores, covariates


@pytest.fixture
def follow_up(study):
    """Days to resistance from a hazard that score `b` raises; some enter late."""
    phenotype, scores, _ = study
    rng = np.random.default_rng(21)
    n = len(phenotype)
    time = rng.exponential(1500 * np.exp(-0.2 * (scores["b"].to_numpy() - 3)))
    entry = np.floor(rng.uniform(0, 100, size=n))
    limit = rng.uniform(200, 3000, size=n)
    return pd.DataFrame(
        {
            "person_id": phenotype["person_id"],
            "entry_days": entry,
            "exit_days": entry + np.ceil(np.minimum(time, limit)),
            "event": time <= limit,
        }
    )
