"""The quality of scores over a study is that of each stratum and contrast by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models import judge_scores, odds_by_group, prediction_quality


@pytest.fixture(scope="module")
def study():
    """900 people of two ancestries, two scores, age and a column without spread in one."""
    rng = np.random.default_rng(21)
    ids = [f"p{number}" for number in range(900)]
    scores = pd.DataFrame(rng.normal(size=(900, 2)), index=ids, columns=["mdd", "bmi"])
    is_trd = rng.random(900) < 1 / (1 + np.exp(1 - scores["mdd"].to_numpy()))
    phenotypes = pd.DataFrame(
        {
            "person_id": ids,
            "phenotype": np.where(
                is_trd, "trd", np.where(rng.random(900) < 0.5, "responsive", "no_mdd")
            ),
        }
    )
    phenotypes["is_mdd"] = phenotypes["phenotype"] != "no_mdd"
    ancestry = np.repeat(["A", "B"], [600, 300])
    covariates = pd.DataFrame(
        {
            "person_id": ids, "ancestry": ancestry, "age": rng.normal(50, 9, 900),
            "site": np.where(ancestry == "A", rng.integers(0, 2, 900), 0),
        }
    )  # fmt: skip
    return phenotypes, scores, covariates


def test_judge_scores__is_each_stratum_and_contrast_by_itself(study):
    """The same numbers from the functions, on people chosen by hand."""
    phenotypes, scores, covariates = study
    contrasts = ["trd_vs_responsive", "trd_vs_none"]

    tables = judge_scores(*study, contrasts=contrasts, cuts=[50], reference="bottom")

    prediction = tables["prediction"]
    assert prediction[["stratum", "contrast", "score"]].to_numpy().tolist() == [
        [stratum, contrast, score]
        for stratum in "AB"
        for contrast in contrasts
        for score in ("mdd", "bmi")
    ]
    here = (covariates["ancestry"] == "B") & phenotypes["phenotype"].isin(["trd", "responsive"])
    outcome = (phenotypes.loc[here, "phenotype"] == "trd").to_numpy(float)
    given = outcome, scores[here.to_numpy()].to_numpy(), covariates.loc[here, "age"].to_numpy()
    alone = prediction_quality(*given)
    rows = prediction.query("stratum == 'B' and contrast == 'trd_vs_responsive'")
    numbers = ["n", "n_cases", "auc", "gain", "gain_se", "brier", "r2_nagelkerke_full"]
    assert_allclose(rows[numbers], alone[numbers], rtol=1e-7)
    assert (rows["dropped_covariates"] == "site").all()
    groups = tables["groups"].query("stratum == 'B' and contrast == 'trd_vs_responsive'")
    by_hand = odds_by_group(*given, cuts=[50], reference="bottom")
    assert_allclose(groups[["n", "n_cases", "beta"]], by_hand[["n", "n_cases", "beta"]], rtol=1e-7)
    assert len(tables["liability"]) == 2 * 2 * 2 * 2 * 4  # with kinds and prevalences


def test_judge_scores__the_seed_gives_the_folds(study):
    """The same seed the same numbers, another one others; groups and R2 have no folds."""
    one, same, other = (judge_scores(*study, folds=3, seed=seed) for seed in (1, 1, 2))

    pd.testing.assert_frame_equal(one["prediction"], same["prediction"])
    assert (one["prediction"]["auc"] != other["prediction"]["auc"]).all()
    assert one["prediction"]["slope"].notna().all()
    pd.testing.assert_frame_equal(one["groups"], other["groups"])


def test_judge_scores__no_table_has_one_row_a_person(study):
    """They go to a report: nobody's id is in them."""
    for table in judge_scores(*study).values():
        text = table.astype(str).to_numpy().ravel()
        assert not any(value in set(study[1].index) for value in text)
        assert "conventions" in table.attrs


def test_judge_scores__a_stratum_without_complete_people_says_why(study):
    """Its rows have a status and the covariate that is missing."""
    phenotypes, scores, covariates = study
    holed = covariates.assign(age=covariates["age"].mask(covariates["ancestry"] == "B"))

    rows = judge_scores(phenotypes, scores, holed)["prediction"].query("stratum == 'B'")

    assert (rows["status"] == "no_complete_cases").all()
    assert rows["reason"].str.contains("covariate 'age' is missing for everybody").all()


def test_judge_scores__refuses_contrasts_it_does_not_know(study):
    """A list of letters is what a text would be read as."""
    with pytest.raises(UsageError, match="list of names among trd_vs_responsive"):
        judge_scores(*study, contrasts="trd_vs_none")
    with pytest.raises(UsageError, match="list of names among trd_vs_responsive"):
        judge_scores(*study, contrasts=["trd_vs_all"])
