"""PH tests, percentile contrasts, Fine-Gray and restricted means by stratum and score."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import (
    fit_cox_model,
    fit_fine_gray,
    percentile_contrast,
    ph_test,
    progression_tables,
    restricted_mean,
    restricted_mean_difference,
)

ALL = ("ph_tests", "percentiles", "fine_gray", "restricted_means")


@pytest.fixture
def ended(follow_up):
    """Let some of the censored die."""
    rng = np.random.default_rng(8)
    reason = np.where(rng.random(len(follow_up)) < 0.4, "death", "end_of_observation")
    return follow_up.assign(end_reason=np.where(follow_up["event"], "trd", reason))


@pytest.fixture
def europeans(study, ended):
    """By hand: times, the standardised scores and the covariates of one stratum."""
    _, scores, covariates = study
    here = (covariates["ancestry"] == "EUR").to_numpy()
    own = scores[here].reset_index(drop=True)
    times = ended[here].reset_index(drop=True)
    return (
        times,
        (own - own.mean()) / own.std(),
        covariates.loc[here, ["PC1"]].reset_index(drop=True),
    )


@pytest.fixture
def tables(study, ended):
    _, scores, covariates = study
    return progression_tables(
        ended, scores, covariates, tables=ALL, covariate_columns=["PC1"], strata=["EUR"],
        days=[365, 730],
    )  # fmt: skip


def test_progression_tables__ph_tests_are_those_of_ph_test(tables, europeans):
    """The score's row and the global one; of the covariates nothing is asked."""
    times, scores, covariates = europeans

    expected = ph_test(
        times["exit_days"], times["event"], scores, covariates, entry=times["entry_days"]
    )
    expected = expected[expected["term"] != "PC1"]
    table = tables["ph_tests"]
    assert table["term"].tolist() == ["a", "GLOBAL", "b", "GLOBAL"]
    assert_allclose(table["chi2"], expected["chi2"], rtol=1e-6)
    assert_allclose(table["p_value"], expected["p_value"], rtol=1e-6)
    assert table.attrs["conventions"]["transform"] == "km"


def test_progression_tables__percentiles_are_standardised_curves(tables, europeans):
    """Everybody at the 80th against everybody at the 20th percentile, from one Cox model."""
    times, scores, covariates = europeans
    model = fit_cox_model(
        times["exit_days"], times["event"], covariates.assign(b=scores["b"]),
        entry=times["entry_days"],
    )  # fmt: skip
    expected = percentile_contrast(model, "b", days=[365, 730])

    table = tables["percentiles"].set_index("score").loc["b"]

    for column in ("survival_low", "survival_high", "difference", "se", "p_value"):
        assert_allclose(table[column], expected[column], rtol=1e-6)
    ratio = expected.attrs["hazard_ratio"]
    assert_allclose(table["hazard_ratio"], ratio["hazard_ratio"], rtol=1e-7)
    assert_allclose(table["hazard_ratio_ci_high"], ratio["ci_high"], rtol=1e-7)
    assert (table["difference"] < 0).all()


def test_progression_tables__fine_gray_counts_deaths_as_competing(tables, europeans):
    """Time since entry, cause 1 resistance, cause 2 death; other ends are censored."""
    times, scores, covariates = europeans
    code = times["end_reason"].map({"trd": 1, "death": 2}).fillna(0)
    expected = fit_fine_gray(times["exit_days"] - times["entry_days"], code, scores, covariates)

    table = tables["fine_gray"]

    assert_allclose(table["beta"], expected["beta"], rtol=1e-7)
    assert_allclose(table["se"], expected["se"], rtol=1e-7)
    assert (table["n_competing"] == (code == 2).sum()).all()
    assert table.attrs["conventions"]["competing"] == ["death"]


def test_progression_tables__restricted_means_compare_the_tails(tables, europeans):
    """People at the tails of the score only, top less bottom."""
    times, scores, _ = europeans
    low, high = np.percentile(scores["b"], [20, 80])
    group = np.where(scores["b"] <= low, "bottom", np.where(scores["b"] >= high, "top", ""))
    tails = times[group != ""]
    options = {"horizon": 730, "entry": tails["entry_days"]}
    of = tails["exit_days"], tails["event"], group[group != ""]
    means = restricted_mean(*of, **options).set_index("group")["mean"]
    expected = restricted_mean_difference(*of, **options, reference="bottom").iloc[0]

    row = tables["restricted_means"].set_index(["score", "days"]).loc[("b", 730.0)]

    assert_allclose(row["mean_high"], means["top"], rtol=1e-10)
    assert_allclose(row["difference"], expected["difference"], rtol=1e-10)
    assert_allclose(row["p_value"], expected["p_value"], rtol=1e-8)
    assert row["n_low"] == (group == "bottom").sum()
    assert row["difference"] < 0


def test_progression_tables__what_cannot_be_computed_has_a_status(study, ended):
    """Beyond follow-up, too few events, a flat score: a reason and no number."""
    _, scores, covariates = study
    flat = scores.assign(b=1.0)

    late = progression_tables(
        ended, flat, covariates, tables=ALL, covariate_columns=[], strata=["EUR"], days=[9000]
    )
    rare = ended.assign(event=ended["event"] & (np.arange(2000) % 100 == 0))
    few = progression_tables(rare, scores, covariates, tables=ALL[:3], strata=["EUR"], days=[365])

    means = late["restricted_means"].set_index("score")
    assert means["status"].to_dict() == {"a": "short_follow_up", "b": "constant_score"}
    assert (late["percentiles"]["status"].tolist()[0]) == "short_follow_up"
    assert late["percentiles"]["difference"].isna().all()
    for table in few.values():
        assert (table["status"] == "too_few_events").all()
        assert "beta" not in table or table["beta"].isna().all()


def test_progression_tables__relatives_and_sexes_are_handled_as_in_progression(study, ended):
    """The tables stand beside the models: they must be of the same people."""
    _, scores, covariates = study
    ids = covariates["person_id"].to_numpy()
    pairs = pd.DataFrame({"ID1": ids[:50], "ID2": ids[50:100]})

    table = progression_tables(
        ended, scores, covariates, tables=["fine_gray"], within="sex", related=pairs, stratum=None,
        covariate_columns=["birth_year"], competing=(),
    )["fine_gray"]  # fmt: skip

    assert table["within"].tolist() == ["sex=female"] * 2 + ["sex=male"] * 2
    assert 1900 < table.drop_duplicates("within")["n"].sum() < 2000
    assert (table["n_competing"] == 0).all()


def test_progression_tables__refuses_what_is_unknown(study, follow_up):
    """Before any model is fitted."""
    _, scores, covariates = study

    with pytest.raises(UsageError, match="tables: unknown 'zph'"):
        progression_tables(follow_up, scores, covariates, tables=["zph"])
    with pytest.raises(UsageError, match="days must be above 0"):
        progression_tables(follow_up, scores, covariates, tables=ALL, days=[0])
    with pytest.raises(DataError, match="no column 'end_reason'"):
        progression_tables(follow_up, scores, covariates, tables=["fine_gray"])
