"""The study's tables: strata x contrasts x scores, joins and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import (
    CONTRASTS,
    ModelDataError,
    associate,
    fit_cox,
    fit_logistic,
    meta_analyse,
    progression,
)

PHENOTYPES = ["no_mdd", "responsive", "trd", "neither"]


def test_associate__is_fit_logistic_in_each_stratum_and_contrast(study):
    """By hand for one cell: pick the people, standardise in the stratum, adjust, fit."""
    phenotype, scores, covariates = study

    table = associate(phenotype, scores, covariates)

    cell = table.query("stratum == 'AFR' and contrast == 'trd_vs_responsive'")
    here = (covariates["ancestry"] == "AFR").to_numpy()
    own = scores[here]
    standard = (own - own.mean()) / own.std()
    outcome = phenotype["phenotype"][here].map({"trd": 1.0, "responsive": 0.0})
    adjust = covariates[here].assign(sex=lambda x: (x["sex"] == "male").astype(float))
    expected = fit_logistic(
        outcome.to_numpy(), standard, adjust[["sex", "birth_year", "PC1"]].set_axis(own.index)
    )
    assert len(table) == 2 * 3 * 2
    assert_allclose(cell["beta"], expected["beta"], rtol=1e-9)
    assert_allclose(cell["se"], expected["se"], rtol=1e-9)
    assert cell["n_cases"].tolist() == [int((outcome == 1).sum())] * 2
    assert cell["n_controls"].tolist() == [int((outcome == 0).sum())] * 2
    assert_allclose(cell["score_sd"], own.std(), rtol=1e-12)


def test_associate__finds_what_was_planted_and_nothing_else(study):
    """Score `a` acts on depression, not on resistance within it; `b` the other way round."""
    table = associate(*study)

    pooled = meta_analyse(table).set_index(["contrast", "score"])

    assert pooled.loc[("mdd_vs_none", "a"), "p_value"] < 1e-6
    assert pooled.loc[("trd_vs_responsive", "b"), "p_value"] < 1e-4
    assert pooled.loc[("trd_vs_responsive", "a"), "p_value"] > 1e-3
    assert pooled.loc[("mdd_vs_none", "b"), "p_value"] > 1e-3


def test_associate__does_not_depend_on_row_order_or_other_people(study):
    """Tables are joined by person, and people without scores or phenotype are out, counted."""
    phenotype, scores, covariates = study
    rng = np.random.default_rng(22)
    extra = phenotype.iloc[:7].assign(person_id=[f"new{i}" for i in range(7)])

    plain = associate(phenotype, scores, covariates)
    shuffled = associate(
        pd.concat([phenotype, extra]).sample(frac=1, random_state=rng),
        scores.sample(frac=1, random_state=rng),
        covariates.sample(frac=1, random_state=rng),
    )

    assert_allclose(shuffled["beta"], plain["beta"], rtol=1e-8)
    assert shuffled["n"].tolist() == plain["n"].tolist()
    assert shuffled.attrs["people"]["n_without_scores"] == 7
    assert shuffled.attrs["people"]["n_joined"] == 2000


def test_associate__whole_number_ids_join_with_text(study):
    """Ids are text in every table; an integer index is the same person."""
    phenotype, scores, covariates = study
    numbered = [table.assign(person_id=range(2000)) for table in (phenotype, covariates)]

    table = associate(numbered[0], scores.set_axis(range(2000)), numbered[1])

    assert_allclose(table["beta"], associate(phenotype, scores, covariates)["beta"], rtol=1e-9)


def test_associate__covariates_constant_in_a_stratum_are_dropped_with_a_note(study):
    """A site that only one ancestry attends must not cost that ancestry its estimate."""
    phenotype, scores, covariates = study
    elsewhere = np.random.default_rng(23).choice(["north", "south"], size=2000)
    site = np.where(covariates["ancestry"] == "AFR", "centre", elsewhere)

    table = associate(
        phenotype, scores, covariates.assign(site=site, array=1.0), contrasts=["mdd_vs_none"]
    )

    assert (table["status"] == "ok").all()
    assert table["dropped_covariates"].tolist() == ["site; array"] * 2 + ["array"] * 2
    without = associate(phenotype, scores, covariates, contrasts=["mdd_vs_none"])
    assert_allclose(table["beta"][:2], without["beta"][:2], rtol=1e-9)


def test_associate__a_missing_covariate_puts_the_person_out_even_if_constant(study):
    """Complete cases are of all columns asked for, also of those that end up dropped."""
    phenotype, scores, covariates = study
    array = pd.Series(1.0, index=covariates.index).mask(covariates.index < 100)

    table = associate(phenotype, scores, covariates.assign(array=array), contrasts=["mdd_vs_none"])

    in_contrast = phenotype["phenotype"].isin(PHENOTYPES)
    assert table.groupby("stratum")["n"].first().sum() == in_contrast[100:].sum()


def test_contrasts__people_excluded_from_depression_are_neither_case_nor_control():
    """'neither' without depression is an exclusion such as bipolar disorder."""
    table = pd.DataFrame(
        {"phenotype": [*PHENOTYPES, "neither"], "is_mdd": [False, True, True, True, False]}
    )

    outcomes = {name: contrast.outcome(table).tolist() for name, contrast in CONTRASTS.items()}

    nan = np.nan
    np.testing.assert_equal(
        outcomes,
        {
            "trd_vs_responsive": [nan, 0.0, 1.0, nan, nan],
            "trd_vs_none": [0.0, nan, 1.0, nan, nan],
            "responsive_vs_none": [0.0, 1.0, nan, nan, nan],
            "mdd_vs_none": [0.0, 1.0, 1.0, 1.0, nan],
        },
    )


def test_associate__a_stratum_without_cases_has_rows_that_say_so(study):
    """One empty stratum must not cost the others their estimates, nor be silent."""
    phenotype, scores, covariates = study
    african = (covariates["ancestry"] == "AFR").to_numpy()
    cured = phenotype.assign(
        phenotype=phenotype["phenotype"].mask(
            african & (phenotype["phenotype"] == "trd"), "neither"
        )
    )

    table = associate(cured, scores, covariates).set_index(["stratum", "contrast"]).sort_index()

    n_responsive = int(((cured["phenotype"] == "responsive") & african).sum())
    for name, n_controls in (("trd_vs_responsive", n_responsive), ("trd_vs_none", None)):
        rows = table.loc[("AFR", name)]
        assert (rows["status"] == "no_events").all()
        assert rows[["beta", "se", "p_value"]].isna().all(axis=None)
        assert (rows["n_cases"] == 0).all()
        assert n_controls is None or (rows["n_controls"] == n_controls).all()
    assert (table.loc["EUR", "status"] == "ok").all()
    assert (table.loc[("AFR", "mdd_vs_none"), "status"] == "ok").all()


def test_associate__a_contrast_that_no_stratum_has_is_refused_before_any_model(study, monkeypatch):
    """Classes under other names would else give a table of gaps; counts and the way out."""
    phenotype, scores, covariates = study
    cured = phenotype.assign(phenotype=phenotype["phenotype"].replace("trd", "neither"))

    def refuse(*_, **__):
        raise AssertionError("a model was fitted")

    monkeypatch.setattr("pgs_trd.models.association.fit_logistic", refuse)

    with pytest.raises(DataError) as caught:
        associate(cured, scores, covariates)

    n_responsive = int((cured["phenotype"] == "responsive").sum())
    found = f"'trd_vs_responsive': no stratum has both; 0 cases and {n_responsive:,} controls"
    assert found in str(caught.value)
    assert "'trd_vs_none': no stratum has both; 0 cases" in str(caught.value)
    assert "'mdd_vs_none'" not in str(caught.value)


def test_associate__strata_says_which_labels_to_use(study):
    """The way out that the message names; an unknown label is refused with those there are."""
    phenotype, scores, covariates = study

    table = associate(phenotype, scores, covariates, strata=["EUR"])

    assert set(table["stratum"]) == {"EUR"}
    with pytest.raises(UsageError, match=r"nobody is in 'EAS'\. There are: 'AFR', 'EUR'"):
        associate(phenotype, scores, covariates, strata=["EUR", "EAS"])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda i: f"fam_{i}", "family id pasted before the person id with '_'"),
        (lambda i: i.lstrip("0") or "0", "leading zeros"),
        (lambda i: f"{i}.0", "trailing '.0'"),
        (lambda i: f"x{i}y", "data of another release"),
    ],
)
def test_associate__no_person_in_common_names_the_likely_cause(study, change, cause):
    """Both counts and a cause that was tried on the ids; never an id itself."""
    phenotype, scores, covariates = study

    with pytest.raises(
        DataError, match="of 2,000 people in phenotype table, 0 are among"
    ) as caught:
        associate(phenotype, scores.set_axis([change(i) for i in scores.index]), covariates)

    assert cause in str(caught.value)
    assert not any(person in str(caught.value) for person in phenotype["person_id"])


def test_associate__a_person_twice_is_refused(study):
    """Twice the row is twice the weight."""
    phenotype, scores, covariates = study
    twice = pd.concat([phenotype, phenotype.iloc[:3]])

    with pytest.raises(DataError, match="phenotype table: 3 of 2,003 rows repeat a person_id"):
        associate(twice, scores, covariates)
    with pytest.raises(UsageError, match="contrasts: unknown 'trd_vs_all'"):
        associate(phenotype, scores, covariates, contrasts=["trd_vs_all"])


def test_associate__works_without_covariates_and_strata(study):
    """One sample, unadjusted, in the scores' own units."""
    phenotype, scores, _ = study

    table = associate(
        phenotype, scores, None, stratum=None, standardise="none", contrasts=["mdd_vs_none"]
    )

    expected = fit_logistic(phenotype["is_mdd"].to_numpy(), scores)
    assert table["stratum"].tolist() == ["all", "all"]
    assert_allclose(table["beta"], expected["beta"], rtol=1e-9)


def test_progression__is_fit_cox_in_each_stratum(study, follow_up):
    """By hand for one stratum, late entry included."""
    _, scores, covariates = study

    table = progression(follow_up, scores, covariates, covariate_columns=["birth_year"])

    here = (covariates["ancestry"] == "EUR").to_numpy()
    own = scores[here]
    expected = fit_cox(
        follow_up["exit_days"].to_numpy()[here],
        follow_up["event"].to_numpy()[here],
        (own - own.mean()) / own.std(),
        covariates[["birth_year"]].to_numpy()[here],
        entry=follow_up["entry_days"].to_numpy()[here],
    )
    cell = table.query("stratum == 'EUR'")
    assert_allclose(cell["beta"], expected["beta"], rtol=1e-9)
    assert_allclose(cell["se"], expected["se"], rtol=1e-9)
    assert meta_analyse(table, by=["score"]).set_index("score").loc["b", "p_value"] < 1e-10


def test_progression__a_stratum_without_events_has_rows_that_say_so(study, follow_up):
    """The others keep their estimates; without any event there is nothing to fit."""
    _, scores, covariates = study
    african = (covariates["ancestry"] == "AFR").to_numpy()

    table = progression(
        follow_up.assign(event=follow_up["event"] & ~african), scores, covariates
    ).set_index("stratum")

    assert (table.loc["AFR", "status"] == "no_events").all()
    assert table.loc["AFR", "beta"].isna().all()
    assert (table.loc["EUR", "status"] == "ok").all()
    with pytest.raises(DataError, match="no events among 2,000 people at risk in all 2 strata"):
        progression(follow_up.assign(event=False), scores, covariates)


def test_associate__infinite_scores_are_counted_before_they_are_standardised(study):
    """One infinity makes the whole standardised column NaN or infinite: a wrong count."""
    phenotype, scores, covariates = study
    scores.iloc[[3, 5], 0] = [np.inf, -np.inf]

    with pytest.raises(ModelDataError, match=r"score 'a': 2 of 2,000 are infinite"):
        associate(phenotype, scores, covariates)


def test_associate__text_among_the_scores_is_named_and_not_shown(study):
    """A family id left in the table; its values are ids of people."""
    phenotype, scores, covariates = study
    families = [f"family{i}" for i in range(1999)] + [None]

    with pytest.raises(DataError) as caught:
        associate(phenotype, scores.assign(FID=families), covariates)

    assert "column 'FID': 1,999 of 2,000 values are no number" in str(caught.value)
    assert "family1" not in str(caught.value)


def test_associate__numbers_kept_as_objects_are_scores(study):
    """Python numbers with None are what a database hands out."""
    phenotype, scores, covariates = study
    objects = scores.astype(object)

    table = associate(phenotype, objects, covariates)

    assert_allclose(table["beta"], associate(phenotype, scores, covariates)["beta"], rtol=1e-12)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_associate__rows_without_a_person_are_refused(study, missing):
    """As text they would be one person named 'None' or 'nan', and join with another's."""
    phenotype, scores, covariates = study
    ids = phenotype["person_id"].astype(object).tolist()
    ids[:2] = [missing, missing]

    with pytest.raises(DataError, match="phenotype table: 2 of 2,000 rows without 'person_id'"):
        associate(phenotype.assign(person_id=ids), scores, covariates)
    with pytest.raises(DataError, match="scores: 2 of 2,000 rows without 'person_id'"):
        associate(phenotype, scores.set_axis(pd.Index(ids, dtype=object)), covariates)


@pytest.mark.parametrize(("column", "value"), [("PC1", np.nan), ("sex", "unknown"), ("sex", None)])
def test_associate__a_covariate_that_a_stratum_lacks_is_named(study, column, value):
    """The cases are there: 'no_events' would blame the phenotype."""
    phenotype, scores, covariates = study
    african = covariates["ancestry"] == "AFR"
    covariates.loc[african, column] = value

    table = associate(phenotype, scores, covariates, contrasts=["mdd_vs_none"])

    here = table["stratum"] == "AFR"
    assert (table["status"][here] == "no_complete_cases").all()
    reason = f"no complete cases: covariate '{column}' is missing for everybody"
    assert (table["reason"][here] == reason).all()
    assert (table["dropped_covariates"][here] == "").all()
    assert (table["status"][~here] == "ok").all()


def test_associate__counts_who_is_not_a_complete_case(study):
    """`n` and `n_incomplete` add up to the contrast; a gap in a score is of that score only."""
    phenotype, scores, covariates = study
    whole = associate(phenotype, scores, covariates, contrasts=["mdd_vs_none"])
    european = np.flatnonzero(covariates["ancestry"] == "EUR")
    covariates.loc[european[:30], "PC1"] = np.nan
    scores.iloc[european[20:70], 0] = np.nan

    table = associate(phenotype, scores, covariates, contrasts=["mdd_vs_none"])

    assert table["n_incomplete"].tolist() == [0, 0, 70, 30]
    assert (table["n"] + table["n_incomplete"]).tolist() == whole["n"].tolist()


def test_progression__counts_who_is_at_risk_and_not_a_complete_case(study, follow_up):
    """People without days were never at risk, and are not missing."""
    _, scores, covariates = study
    european = np.flatnonzero(covariates["ancestry"] == "EUR")
    follow_up.loc[european[:10], ["entry_days", "exit_days"]] = np.nan
    scores.iloc[european[5:25], 0] = np.nan

    table = progression(follow_up, scores, covariates)

    assert table["n_incomplete"].tolist() == [0, 0, 15, 0]
    assert table["n"].tolist()[2:] == [len(european) - 25, len(european) - 10]


def test_progression__people_never_at_risk_are_counted_by_stratum(study, follow_up):
    """All strata at once: the reader knows which data to mend."""
    _, scores, covariates = study
    for label, n_wrong in (("AFR", 3), ("EUR", 4)):
        rows = np.flatnonzero(covariates["ancestry"] == label)[:n_wrong]
        follow_up.loc[rows, "exit_days"] = follow_up.loc[rows, "entry_days"]

    with pytest.raises(ModelDataError) as caught:
        progression(follow_up, scores, covariates)

    n_african = int((covariates["ancestry"] == "AFR").sum())
    assert f"stratum 'AFR': 3 of {n_african:,} people have" in str(caught.value)
    assert f"stratum 'EUR': 4 of {2000 - n_african:,} people have" in str(caught.value)


def test_progression__an_event_without_days_is_no_event(study, follow_up):
    """Resistant before the time at risk: no model can use it."""
    _, scores, covariates = study
    african = (covariates["ancestry"] == "AFR").to_numpy()
    gone = african & follow_up["event"].to_numpy()
    follow_up.loc[gone, ["entry_days", "exit_days"]] = np.nan

    table = progression(follow_up, scores, covariates).set_index("stratum")

    assert (table.loc["AFR", "status"] == "no_events").all()
    assert (table.loc["AFR", "n"] == (african & ~gone).sum()).all()
