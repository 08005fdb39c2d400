"""From events to OMOP tables, with the blemishes that real tables have."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.simulate.events import Events, to_dates
from pgs_trd.simulate.vocabulary import (
    DISPENSED,
    ECT,
    EMERGENCY,
    FEMALE,
    FROM_EHR,
    INPATIENT,
    MALE,
    OUTPATIENT,
    PHARMACY_CLAIM,
    PHQ9_TOTAL,
    Formulary,
    ancestor_table,
    concept_table,
)

IntArray = npt.NDArray[np.int64]

# Days' supply is missing at the same rate in all fills of one person, low for some and high for
# others, as pharmacies differ. Fills of 90 days always state it: a definition that imputes 30
# days would otherwise see gaps that were none.
MISSING_SUPPLY = (0.15, 0.55)
ZERO_SUPPLY, DUPLICATES, INGREDIENT_ONLY = 0.01, 0.01, 0.03
LONG_SUPPLY = 90
DAY_BITS = 16
SIM_YEAR_LAST_DAY = 28


def make_tables(
    people: pd.DataFrame,
    timelines: pd.DataFrame,
    events: Events,
    formulary: Formulary,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Make the OMOP tables of all events, each sorted by person and date.

    Parameters
    ----------
    people, timelines
        In one order; events name people by their number in it.
    events
        From `draw_events`, all inside observation.
    formulary
        What the drug numbers of ``events.fills`` mean.
    rng
        Draws birthdays, kinds of visit and the blemishes.
    """
    for_people, for_visits, for_fills = rng.spawn(3)
    ids = people["person_id"].to_numpy()
    visits = events.visits.sort_values(["person", "day"], ignore_index=True)
    keys = _keys(visits)
    concepts = concept_table(formulary)
    return {
        "person": _person(people, for_people),
        "observation_period": _observation_period(ids, timelines),
        "visit_occurrence": _visits(ids, visits, for_visits),
        "condition_occurrence": _conditions(ids, events.conditions, keys),
        "drug_exposure": _drugs(ids, events.fills, formulary, for_fills),
        "procedure_occurrence": _procedures(ids, events.procedures, keys),
        "measurement": _measurements(ids, events.questionnaires, keys),
        "death": _deaths(ids, timelines),
        "concept": concepts,
        "concept_ancestor": ancestor_table(concepts, formulary),
    }


def _keys(events: pd.DataFrame) -> IntArray:
    """Give one ascending number per person and day."""
    keys: IntArray = (events["person"].to_numpy() << DAY_BITS) + events["day"].to_numpy()
    return keys


def _visit_ids(events: pd.DataFrame, keys: IntArray) -> IntArray:
    return np.searchsorted(keys, _keys(events)) + 1


def _person(people: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    is_female = (people["sex"] == "female").to_numpy()
    ids = people["person_id"].to_numpy()
    return pd.DataFrame(
        {
            "person_id": ids,
            "gender_concept_id": np.where(is_female, FEMALE, MALE),
            "year_of_birth": people["birth_year"].to_numpy(),
            "month_of_birth": rng.integers(1, 13, size=len(people)),
            "day_of_birth": rng.integers(1, SIM_YEAR_LAST_DAY + 1, size=len(people)),
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
            "person_source_value": ids.astype(str),
            "gender_source_value": np.where(is_female, "F", "M"),
        }
    )


def _observation_period(ids: IntArray, timelines: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "observation_period_id": np.arange(1, len(ids) + 1),
            "person_id": ids,
            "observation_period_start_date": to_dates(timelines["observation_start"].to_numpy()),
            "observation_period_end_date": to_dates(timelines["observation_end"].to_numpy()),
            "period_type_concept_id": FROM_EHR,
        }
    )


def _visits(ids: IntArray, visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    date = to_dates(visits["day"].to_numpy())
    kinds = [OUTPATIENT, EMERGENCY, INPATIENT]
    return pd.DataFrame(
        {
            "visit_occurrence_id": np.arange(1, len(visits) + 1),
            "person_id": ids[visits["person"].to_numpy()],
            "visit_concept_id": rng.choice(kinds, size=len(visits), p=[0.92, 0.05, 0.03]),
            "visit_start_date": date,
            "visit_end_date": date,
            "visit_type_concept_id": FROM_EHR,
        }
    )


def _conditions(ids: IntArray, conditions: pd.DataFrame, keys: IntArray) -> pd.DataFrame:
    rows = conditions.sort_values(["person", "day", "concept"], ignore_index=True)
    return pd.DataFrame(
        {
            "condition_occurrence_id": np.arange(1, len(rows) + 1),
            "person_id": ids[rows["person"].to_numpy()],
            "condition_concept_id": rows["concept"].to_numpy(),
            "condition_start_date": to_dates(rows["day"].to_numpy()),
            "condition_type_concept_id": FROM_EHR,
            "visit_occurrence_id": _visit_ids(rows, keys),
            "condition_source_value": rows["code"].to_numpy(),
            "condition_source_concept_id": 0,
        }
    )


def _drugs(
    ids: IntArray, fills: pd.DataFrame, formulary: Formulary, rng: np.random.Generator
) -> pd.DataFrame:
    rows = fills.sort_values(["person", "day", "drug"], kind="stable", ignore_index=True)
    n = len(rows)
    rows["strength"] = np.where(rng.random(n) < INGREDIENT_ONLY, -1, rng.integers(0, 2, size=n))
    rate = rng.choice(MISSING_SUPPLY, size=len(ids))[rows["person"].to_numpy()]
    is_short = rows["supply"].to_numpy() < LONG_SUPPLY
    rows["is_missing"] = is_short & (rng.random(n) < rate)
    rows["is_zero"] = is_short & ~rows["is_missing"] & (rng.random(n) < ZERO_SUPPLY)
    rows["kind"] = rng.choice([DISPENSED, PHARMACY_CLAIM], size=len(ids))[rows["person"].to_numpy()]
    copies = np.repeat(np.arange(n), 1 + (rng.random(n) < DUPLICATES))
    rows = rows.iloc[copies].reset_index(drop=True)
    drug, strength = rows["drug"].to_numpy(), rows["strength"].to_numpy()
    day, supply = rows["day"].to_numpy(), rows["supply"].to_numpy()
    is_missing, is_zero = rows["is_missing"].to_numpy(), rows["is_zero"].to_numpy()
    end = np.where(is_missing | is_zero, day, day + supply - 1)
    stated = pd.Series(np.where(is_zero, 0, supply), dtype="Int64").mask(is_missing)
    return pd.DataFrame(
        {
            "drug_exposure_id": np.arange(1, len(rows) + 1),
            "person_id": ids[rows["person"].to_numpy()],
            "drug_concept_id": formulary.concept_ids(drug, strength),
            "drug_exposure_start_date": to_dates(day),
            # As loaders fill it in where the supply is unknown: the day of the fill.
            "drug_exposure_end_date": to_dates(end),
            "drug_type_concept_id": rows["kind"].to_numpy(),
            "quantity": pd.Series(supply, dtype="Float64").mask(is_missing),
            "days_supply": stated,
            "drug_source_value": formulary.names(drug, strength),
            "drug_source_concept_id": 0,
        }
    )


def _procedures(ids: IntArray, procedures: pd.DataFrame, keys: IntArray) -> pd.DataFrame:
    rows = procedures.sort_values(["person", "day"], ignore_index=True)
    return pd.DataFrame(
        {
            "procedure_occurrence_id": np.arange(1, len(rows) + 1),
            "person_id": ids[rows["person"].to_numpy()],
            "procedure_concept_id": ECT,
            "procedure_date": to_dates(rows["day"].to_numpy()),
            "procedure_type_concept_id": FROM_EHR,
            "visit_occurrence_id": _visit_ids(rows, keys),
            "procedure_source_value": "90870",
            "procedure_source_concept_id": 0,
        }
    )


def _measurements(ids: IntArray, questionnaires: pd.DataFrame, keys: IntArray) -> pd.DataFrame:
    rows = questionnaires.sort_values(["person", "day"], ignore_index=True)
    return pd.DataFrame(
        {
            "measurement_id": np.arange(1, len(rows) + 1),
            "person_id": ids[rows["person"].to_numpy()],
            "measurement_concept_id": PHQ9_TOTAL,
            "measurement_date": to_dates(rows["day"].to_numpy()),
            "measurement_type_concept_id": FROM_EHR,
            "value_as_number": rows["score"].to_numpy(dtype=np.float64),
            "visit_occurrence_id": _visit_ids(rows, keys),
            "measurement_source_value": "44261-6",
            "measurement_source_concept_id": 0,
        }
    )


def _deaths(ids: IntArray, timelines: pd.DataFrame) -> pd.DataFrame:
    has_died = timelines["has_died"].to_numpy()
    return pd.DataFrame(
        {
            "person_id": ids[has_died],
            "death_date": to_dates(timelines["observation_end"].to_numpy()[has_died]),
            "death_type_concept_id": FROM_EHR,
        }
    )
