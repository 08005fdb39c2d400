"""How well planted scores predict, against closed forms and the fit of all people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from pgs_trd.study.quality import quality_tables
from pgs_trd.study.sections import Covariates

SHIFT = 0.5


def people(n=3000, seed=2):
    """Cases' scores lie 0.5 SD above those of the controls; the second score is noise."""
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(n)]
    is_case = rng.random(n) < 0.3
    scores = pd.DataFrame(
        {"S1": rng.normal(size=n) + SHIFT * is_case, "S2": rng.normal(size=n)},
        index=pd.Index(ids, name="person_id"),
    )
    phenotype = pd.DataFrame(
        {"person_id": ids, "phenotype": np.where(is_case, "trd", "responsive"), "is_mdd": True}
    )
    covariates = pd.DataFrame({"person_id": ids, "ancestry": "X", "PC1": rng.normal(size=n)})
    return phenotype, scores, covariates


def test_quality__finds_the_planted_area_and_none_in_noise(tmp_path):
    """Two normals 0.5 SD apart: the area is Phi(0.5 / sqrt 2) = 0.638."""
    chosen = Covariates(file=tmp_path / "c.tsv", columns=["PC1"])

    prediction, liability = quality_tables(
        *people(), chosen, contrast="trd_vs_responsive", names=["S1", "S2"]
    )

    rows = prediction.table.set_index("score")
    expected = norm.cdf(SHIFT / np.sqrt(2))
    assert rows.loc["S1", "auc_ci_low"] < expected < rows.loc["S1", "auc_ci_high"]
    assert rows.loc["S1", "auc"] == pytest.approx(expected, abs=0.03)
    assert rows.loc["S2", "gain_ci_low"] < 0 < rows.loc["S2", "gain_ci_high"]
    assert (rows["n_cases"] + rows["n_controls"] == 3000).all()
    r2 = liability.table.set_index(["score", "prevalence"])["r2_liability"]
    assert list(liability.table["prevalence"].unique()) == ["0.1", "0.15", "0.2", "0.3"]
    assert r2["S1", "0.3"] > 10 * r2["S2", "0.3"]
    assert prediction.tells_counts
    assert liability.tells_counts


def test_quality__without_scores_is_no_table(tmp_path):
    """No score of the contrast has an estimate."""
    chosen = Covariates(file=tmp_path / "c.tsv", columns=["PC1"])

    assert quality_tables(*people(30), chosen, contrast="trd_vs_responsive", names=[]) == ()


def test_finished_study__says_how_well_planted_scores_predict(finished):
    """One row a stratum and score; the page links both tables."""
    folder = finished / "results" / "report"
    found = pd.read_csv(folder / "tables" / "prediction.csv")
    text = (folder / "report.html").read_text(encoding="utf-8")

    assert found["stratum"].nunique() == 3
    assert not found.duplicated(["stratum", "score"]).any()
    assert not {"n_cases", "n_controls"} & set(found.columns)
    assert 'href="#prediction"' in text
    assert 'href="#liability"' in text
