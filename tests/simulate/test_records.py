from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, norm

from pgs_trd.ehr import build_trials, open_ehr
from pgs_trd.ehr.codes import read_codelist
from pgs_trd.phenotype import classify
from pgs_trd.simulate import Planted, draw_classes, draw_people, simulate_records
from pgs_trd.simulate.courses import (
    FAILED,
    HELPED,
    INTOLERANT,
    REPEAT,
    THIRD,
    UNUSED,
    draw_courses,
    list_fills,
)
from pgs_trd.simulate.omop import write_omop
from pgs_trd.simulate.vocabulary import ATC_ANTIDEPRESSANTS, FIRST_LOCAL_ID, MDD, list_drugs

DATES = {
    "observation_period": "observation_period_start_date",
    "visit_occurrence": "visit_start_date",
    "condition_occurrence": "condition_start_date",
    "drug_exposure": "drug_exposure_start_date",
    "procedure_occurrence": "procedure_date",
    "measurement": "measurement_date",
    "death": "death_date",
}
CONCEPTS = {
    "visit_occurrence": "visit_concept_id",
    "condition_occurrence": "condition_concept_id",
    "drug_exposure": "drug_concept_id",
    "procedure_occurrence": "procedure_concept_id",
    "measurement": "measurement_concept_id",
}


def _simulate(n, seed=2, **options):
    rng = np.random.default_rng(seed)
    people = draw_people(n, rng)
    scores = pd.DataFrame(rng.standard_normal((n, 5)), columns=[*Planted().trd, "asthma"])
    planted = Planted(mdd={}, **options)
    classes = draw_classes(
        people,
        scores,
        planted=planted,
        mdd_prevalence=0.3,
        trd_share=0.25,
        shared_cause=0.0,
        rng=rng,
    )
    return scores, classes, simulate_records(people, classes, rng=rng)


@pytest.fixture(scope="module")
def simulated():
    return _simulate(6_000)


@pytest.fixture(scope="module")
def tables(simulated):
    return simulated[2].tables


@pytest.fixture(scope="module")
def courses():
    rng = np.random.default_rng(4)
    is_resistant = rng.random(4_000) < 0.5
    return is_resistant, draw_courses(is_resistant, np.full(11, 1 / 11), rng)


def test_tables__every_person_visit_and_concept_named_is_there(tables):
    """Referential integrity, as the CDM demands."""
    people = set(tables["person"]["person_id"])
    visits = tables["visit_occurrence"].set_index("visit_occurrence_id")
    concepts = set(tables["concept"]["concept_id"])

    for name in DATES:
        assert set(tables[name]["person_id"]) <= people
        if name in CONCEPTS:
            assert set(tables[name][CONCEPTS[name]]) <= concepts
    for name in ("condition_occurrence", "procedure_occurrence", "measurement"):
        visit = visits.loc[tables[name]["visit_occurrence_id"]]
        assert (visit["person_id"].to_numpy() == tables[name]["person_id"]).all()
        assert (visit["visit_start_date"].to_numpy() == tables[name][DATES[name]]).all()
    for column in ("ancestor_concept_id", "descendant_concept_id"):
        assert set(tables["concept_ancestor"][column]) <= concepts


def test_tables__keys_are_unique_and_columns_complete(tables):
    """A primary key twice would multiply rows in a join; a null date would lose them."""
    for name, key in (
        ("person", "person_id"),
        ("observation_period", "observation_period_id"),
        ("visit_occurrence", "visit_occurrence_id"),
        ("condition_occurrence", "condition_occurrence_id"),
        ("drug_exposure", "drug_exposure_id"),
        ("procedure_occurrence", "procedure_occurrence_id"),
        ("measurement", "measurement_id"),
        ("death", "person_id"),
        ("concept", "concept_id"),
    ):
        assert tables[name][key].is_unique
        assert tables[name][key].notna().all()
        if name in DATES:
            assert tables[name][DATES[name]].notna().all()


def test_tables__events_lie_inside_observation_and_before_death(tables):
    """Nobody is treated before being observed, or after dying."""
    period = tables["observation_period"].set_index("person_id")
    death = tables["death"].set_index("person_id")["death_date"]
    birth = tables["person"].set_index("person_id")["year_of_birth"]

    assert (period["observation_period_start_date"].dt.year - birth.loc[period.index]).min() >= 18
    assert (death == period["observation_period_end_date"].loc[death.index]).all()
    for name, column in DATES.items():
        dates = tables[name].set_index("person_id")[column]
        own = period.loc[dates.index]
        assert (dates >= own["observation_period_start_date"]).all()
        assert (dates <= own["observation_period_end_date"]).all()


def test_tables__drug_rows_have_the_blemishes_of_real_ones(tables):
    """A quarter without days' supply, some zeros, 1 % exact duplicates, never at 90 days."""
    drugs = tables["drug_exposure"]
    is_missing = drugs["days_supply"].isna()
    others = drugs.columns.difference(["drug_exposure_id"]).tolist()
    n_days = (drugs["drug_exposure_end_date"] - drugs["drug_exposure_start_date"]).dt.days

    assert 0.20 < is_missing.mean() < 0.30
    assert 0.003 < (drugs["days_supply"] == 0).mean() < 0.02
    assert 0.006 < drugs.duplicated(others).mean() < 0.015
    assert set(drugs["days_supply"].dropna()) == {0, 14, 28, 30, 90}
    assert (n_days[is_missing] == 0).all()
    assert (
        n_days[drugs["days_supply"] > 0] == drugs["days_supply"][drugs["days_supply"] > 0] - 1
    ).all()


def test_concepts__antidepressants_and_diagnoses_agree_with_the_code_lists(tables):
    """An id with another drug's name would be found by one reader and missed by the next."""
    concept = tables["concept"].set_index("concept_id")
    listed = read_codelist("antidepressants").dropna(subset=["concept_id"])
    listed = listed.set_index("concept_id")
    depression = read_codelist("depression").dropna(subset=["concept_id"]).set_index("concept_id")
    ancestors = tables["concept_ancestor"]
    of_class = ancestors[ancestors["ancestor_concept_id"] == ATC_ANTIDEPRESSANTS][
        "descendant_concept_id"
    ]
    ingredients = [n for n in of_class if n < FIRST_LOCAL_ID and n != ATC_ANTIDEPRESSANTS]
    mdd = ancestors[ancestors["ancestor_concept_id"] == MDD]["descendant_concept_id"]

    assert len(ingredients) == 12
    for number in ingredients:
        assert concept.loc[number, "concept_name"] == listed.loc[number, "ingredient"]
        assert concept.loc[number, "concept_code"] == listed.loc[number, "code"]
    assert (depression.loc[mdd, "diagnosis_class"] == "mdd_core").all()


def test_concepts__every_clinical_concept_is_its_own_ancestor(tables):
    """Expansion through concept_ancestor must keep rows coded at the ingredient."""
    ancestors = tables["concept_ancestor"]
    own = ancestors[ancestors["min_levels_of_separation"] == 0]
    used = pd.concat([tables[name][column] for name, column in CONCEPTS.items()]).unique()
    clinical = tables["concept"].set_index("concept_id").loc[used]
    clinical = clinical[clinical["domain_id"] != "Visit"]

    assert (own["ancestor_concept_id"] == own["descendant_concept_id"]).all()
    assert set(clinical.index) <= set(own["ancestor_concept_id"])


def test_draw_courses__only_resistant_people_have_a_drug_after_two_that_failed(courses):
    """The event that defines resistance must happen to all of them and to no one else."""
    is_resistant, drawn = courses
    before = np.cumsum(drawn.kind == FAILED, axis=1)[:, :-1]
    new_drug = np.isin(drawn.kind[:, 1:], [FAILED, HELPED, INTOLERANT])
    new_drug[:, REPEAT - 1] = False

    np.testing.assert_array_equal((new_drug & (before >= 2)).any(axis=1), is_resistant)
    assert not (drawn.kind[is_resistant] == HELPED).any()


def test_draw_courses__no_drug_comes_twice_but_the_one_that_helped(courses):
    """A third *distinct* drug is the event; a repeat may only be of the drug that helped."""
    _, drawn = courses
    for kind, drug in zip(drawn.kind[:500], drawn.drug[:500], strict=True):
        used = drug[:REPEAT][kind[:REPEAT] != UNUSED]
        assert len(set(used)) == len(used)
        if kind[REPEAT] != UNUSED:
            assert drug[REPEAT] == drug[:REPEAT][kind[:REPEAT] == HELPED][0]


def test_list_fills__first_fill_starts_the_step_and_gaps_stay_within_grace(courses):
    """A gap over 30 days would end the trial early, but for the pauses that are meant to."""
    _, drawn = courses
    fills = list_fills(drawn, np.random.default_rng(5))
    first = fills.groupby(["person", "step"])["day"].first()
    person, step = (first.index.get_level_values(level).to_numpy() for level in (0, 1))
    np.testing.assert_array_equal(first, drawn.start[person, step])

    follows = (fills["person"].diff() == 0) & (fills["step"].diff() == 0)
    covered_until = (fills["day"] + fills["supply"]).shift()
    gap = (fills["day"] - covered_until)[follows]
    number = fills.groupby(["person", "step"]).cumcount()[follows]
    at = (fills["person"][follows], fills["step"][follows])
    pauses = number.to_numpy() == drawn.lapse_at[at]

    assert gap[~pauses].max() <= 25
    assert gap[pauses].min() > 20
    assert 0.002 < pauses.mean() < 0.02


def test_records__time_to_resistance_is_about_the_published_mean(simulated):
    """Xu et al. (2025): 944 days from diagnosis (883 to 992)."""
    outcome = simulated[2].outcome
    days = (outcome["third_drug"] - outcome["first_diagnosis"]).dt.days

    assert 883 < days.mean() < 992


def test_records__observation_tells_nothing_about_the_class(simulated):
    """How long people are seen must not differ between the latent classes, else losses bias."""
    _, classes, records = simulated
    period = records.tables["observation_period"]
    days = (period["observation_period_end_date"] - period["observation_period_start_date"]).dt.days
    groups = [
        days[classes["is_mdd"] & classes["is_resistant"]],
        days[classes["is_mdd"] & ~classes["is_resistant"]],
        days[~classes["is_mdd"]],
    ]

    for group in groups:
        se = group.std() / len(group) ** 0.5
        assert abs(group.mean() - days.mean()) < 4 * se


def test_records__the_classifier_finds_the_latent_class(simulated, tmp_path):
    """No resistant person is called responsive or the reverse, so effects are not diluted."""
    _, classes, records = simulated
    ehr = open_ehr(write_omop(records.tables, tmp_path))
    found = classify(ehr, build_trials(ehr), "adequate2").table.set_index("person_id")
    outcome = records.outcome.assign(person_id=records.outcome["person_id"].astype(str))
    outcome = outcome.set_index("person_id").loc[found.index]
    latent = classes.assign(person_id=classes["person_id"].astype(str)).set_index("person_id")
    latent = latent.loc[found.index]
    is_trd, is_responsive = found["phenotype"] == "trd", found["phenotype"] == "responsive"

    assert latent.loc[is_trd, "is_resistant"].all()
    assert (latent["is_mdd"] & ~latent["is_resistant"])[is_responsive].all()
    assert not latent.loc[found["phenotype"] == "no_mdd", "is_mdd"].any()
    assert (found.loc[is_trd, "trd_date"] == outcome.loc[is_trd, "third_drug"]).all()
    # What complete records would show is lost only to the few bipolar conversions.
    expected = outcome["expected_phenotype"]
    for phenotype, is_found in (("trd", is_trd), ("responsive", is_responsive)):
        assert is_found[expected == phenotype].mean() > 0.97
        assert (expected[is_found] == phenotype).all()
    assert 0.20 < is_trd.sum() / (is_trd | is_responsive).sum() < 0.32


def test_records__unplanted_scores_have_uniform_p_values_in_every_contrast():
    """Losses and codes must not make a score look like an effect: 12 data sets, all classes."""
    p_values = []
    for seed in range(12):
        scores, _, records = _simulate(2_000, seed=seed, trd={})
        phenotype = records.outcome["expected_phenotype"]
        for case, control in (("trd", "responsive"), ("trd", "no_mdd"), ("neither", "responsive")):
            kept = phenotype.isin([case, control]).to_numpy()
            y = (phenotype[kept] == case).to_numpy(dtype=float)
            r = np.corrcoef(scores[kept].to_numpy().T, y)[-1, :-1]
            p_values.extend(2 * norm.sf(np.abs(r) * np.sqrt(len(y))))

    assert kstest(p_values, "uniform").pvalue > 0.01


def test_simulate_records__nobody_ill_still_gives_records():
    """A sample without MDD must not fail on empty courses."""
    rng = np.random.default_rng(0)
    people = draw_people(50, rng)
    classes = pd.DataFrame({"is_mdd": np.zeros(50, bool), "is_resistant": np.zeros(50, bool)})

    records = simulate_records(people, classes, rng=rng)

    assert (records.outcome["expected_phenotype"] == "no_mdd").all()
    assert len(records.tables["visit_occurrence"]) > 50


def test_list_drugs__shares_sum_to_one_and_tablets_have_local_ids():
    """Drug numbers run through one formulary; ids of made-up tablets must not be real ones."""
    formulary = list_drugs()
    drug = np.arange(len(formulary.drugs))

    assert formulary.shares(slice(0, formulary.n_antidepressants)).sum() == pytest.approx(1)
    assert (formulary.concept_ids(drug, np.zeros_like(drug)) >= FIRST_LOCAL_ID).all()
    assert formulary.names(np.array([0, 0]), np.array([1, -1])).tolist() == [
        "sertraline 100 MG Oral Tablet",
        "sertraline",
    ]
    assert THIRD < REPEAT
