"""What happens to each person: visits, diagnoses, fills, procedures, questionnaires."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.simulate.courses import HELPED, REPEAT, SECOND, THIRD, UNUSED, Courses, list_fills
from pgs_trd.simulate.timelines import DAYS_A_YEAR, EARLY_LOSS_BEFORE, MARGIN
from pgs_trd.simulate.vocabulary import (
    ANXIETY,
    ANXIETY_ICD10CM,
    BIPOLAR,
    BIPOLAR_ICD10CM,
    ICD10CM_OF_MDD,
    MDD_CONCEPTS,
    MDD_SHARES,
    OTHER_DIAGNOSES,
    Formulary,
)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

DAYS_OBSERVED = 365
VISITS_A_YEAR = 2.0
OTHER_DIAGNOSIS, OTHER_DRUG = 0.45, 0.30
STRAY_DIAGNOSIS = 0.01
PAIN_USE, ANXIETY_USE = 0.02, 0.01
CONVERSION = 0.025
ECT_SHARE, ANTIPSYCHOTIC_IF_RESISTANT, ANTIPSYCHOTIC_ELSE = 0.06, 0.25, 0.03
CODED_AT_STEP, CODED_AT_VISIT = 0.6, 0.3
BETTER_AFTER = 60


@dataclass(frozen=True)
class Story:
    """The people, what befalls them, and what they are given.

    `patient` are the numbers of the people with MDD, in the order of `courses`;
    `is_mdd` and `is_resistant` cover everybody.
    """

    people: pd.DataFrame
    timelines: pd.DataFrame
    courses: Courses
    patient: IntArray
    is_mdd: BoolArray
    is_resistant: BoolArray
    formulary: Formulary


@dataclass(frozen=True)
class Events:
    """Events as tables of person (number), day (since 1970) and what it was.

    Attributes
    ----------
    visits
        person, day.
    conditions
        person, day, concept, code; at a visit.
    fills
        person, day, drug (number), supply (true days).
    procedures
        person, day; at a visit.
    questionnaires
        person, day, score (PHQ-9 total); at a visit.
    """

    visits: pd.DataFrame
    conditions: pd.DataFrame
    fills: pd.DataFrame
    procedures: pd.DataFrame
    questionnaires: pd.DataFrame


def to_dates(days: IntArray) -> pd.Series:
    """Turn days since 1970 into dates."""
    return pd.Series(pd.to_datetime(days, unit="D")).astype("datetime64[ns]")


def draw_events(story: Story, of_fills: np.random.Generator, rng: np.random.Generator) -> Events:
    """Draw all events of all people; those outside observation are left out."""
    for_visits, for_mdd, for_others, for_extras, for_scales = rng.spawn(5)
    visits = _routine_visits(story, for_visits)
    mdd = _mdd_diagnoses(story, visits, for_mdd)
    others = _other_diagnoses(visits, for_others)
    bipolar = _conversions(story, for_extras)
    courses = list_fills(story.courses, of_fills)
    courses["person"] = story.patient[courses["person"].to_numpy()]
    courses["day"] += story.timelines["first_treatment"].to_numpy()[courses["person"].to_numpy()]
    background, anxiety = _background_antidepressants(story, for_others)
    fills = [
        courses[["person", "day", "drug", "supply"]],
        _antipsychotics(story, for_extras),
        background,
        _other_fills(story, visits, for_others),
    ]
    procedures = _within(story, _electroconvulsive_therapy(story, for_extras))
    conditions = _within(
        story, pd.concat([mdd, others, bipolar, anxiety], ignore_index=True)
    ).drop_duplicates(["person", "day", "concept"], ignore_index=True)
    mdd_visits = _within(story, mdd)[["person", "day"]].drop_duplicates(ignore_index=True)
    steps = _within(story, _step_starts(story))
    return Events(
        visits=pd.concat(
            [visits, steps, conditions[["person", "day"]], procedures[["person", "day"]]]
        ).drop_duplicates(ignore_index=True),
        conditions=conditions,
        fills=_within(story, pd.concat(fills, ignore_index=True)),
        procedures=procedures,
        questionnaires=_questionnaires(story, pd.concat([mdd_visits, steps]), for_scales),
    )


def _within(story: Story, events: pd.DataFrame) -> pd.DataFrame:
    """Keep events inside the person's observation."""
    person, day = events["person"].to_numpy(), events["day"].to_numpy()
    start = story.timelines["observation_start"].to_numpy()[person]
    end = story.timelines["observation_end"].to_numpy()[person]
    kept: pd.DataFrame = events[(day >= start) & (day <= end)]
    return kept.reset_index(drop=True)


def _table(person: IntArray, day: IntArray, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"person": person, "day": day, **columns})


def _routine_visits(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """Draw visits as a Poisson process whose rate differs between people."""
    start = story.timelines["observation_start"].to_numpy()
    days = story.timelines["observation_end"].to_numpy() - start + 1
    rate = rng.gamma(2.0, VISITS_A_YEAR / 2.0, size=len(days)) / DAYS_A_YEAR
    person = np.repeat(np.arange(len(days)), rng.poisson(rate * days))
    day = start[person] + rng.integers(0, days[person])
    return _table(person, day).drop_duplicates(ignore_index=True)


def _step_starts(story: Story) -> pd.DataFrame:
    """Give the day each step of treatment is prescribed."""
    row, step = np.nonzero(story.courses.kind != UNUSED)
    person = story.patient[row]
    first = story.timelines["first_treatment"].to_numpy()[person]
    return _table(person, first + story.courses.start[row, step])


def _mdd_diagnoses(story: Story, visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw MDD codes: the two that make the diagnosis, then at steps and some visits."""
    timelines, patient = story.timelines, story.patient
    first = timelines["first_diagnosis"].to_numpy()
    steps = _step_starts(story)
    at_step = steps[rng.random(len(steps)) < CODED_AT_STEP]
    last = np.full(len(first), -1, dtype=np.int64)
    last[patient] = timelines["first_treatment"].to_numpy()[patient] + np.where(
        story.courses.kind != UNUSED, story.courses.stop, 0
    ).max(axis=1)
    person, day = visits["person"].to_numpy(), visits["day"].to_numpy()
    during = story.is_mdd[person] & (day >= first[person]) & (day <= last[person] + 90)
    at_visit = visits[during & (rng.random(len(visits)) < CODED_AT_VISIT)]
    stray = np.flatnonzero(~story.is_mdd & (rng.random(len(first)) < STRAY_DIAGNOSIS))
    coded: pd.DataFrame = pd.concat(
        [
            _table(patient, first[patient]),
            _table(patient, timelines["second_diagnosis"].to_numpy()[patient]),
            at_step,
            at_visit,
            _table(stray, first[stray]),
        ],
        ignore_index=True,
    ).drop_duplicates(ignore_index=True)
    which = rng.choice(len(MDD_CONCEPTS), size=len(coded), p=MDD_SHARES)
    codes = np.array(ICD10CM_OF_MDD, dtype=object)
    return coded.assign(concept=MDD_CONCEPTS[which], code=codes[which])


def _other_diagnoses(visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw diagnoses that have nothing to do with depression, for everybody alike."""
    chosen = visits[rng.random(len(visits)) < OTHER_DIAGNOSIS]
    shares = np.array([share for *_, share in OTHER_DIAGNOSES])
    which = rng.choice(len(shares), size=len(chosen), p=shares / shares.sum())
    concepts = np.array([concept for concept, *_ in OTHER_DIAGNOSES])
    codes = np.array([code for _, _, _, code, _ in OTHER_DIAGNOSES], dtype=object)
    return chosen.assign(concept=concepts[which], code=codes[which])


def _conversions(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """Draw first bipolar diagnoses, either early in treatment or after it is judged.

    Not in between: a definition that ends follow-up at the conversion would then
    call a resistant person responsive.
    """
    patient = story.patient[rng.random(len(story.patient)) < CONVERSION]
    treated = story.timelines["first_treatment"].to_numpy()[patient]
    third = story.timelines["third_drug"].to_numpy()[patient]
    early = treated + rng.integers(30, EARLY_LOSS_BEFORE, size=len(patient))
    late = np.maximum(third + MARGIN, treated + DAYS_OBSERVED + MARGIN)
    late += rng.integers(0, 1000, size=len(patient))
    day = np.where(rng.random(len(patient)) < 0.4, early, late)
    return _table(patient, day, concept=BIPOLAR, code=BIPOLAR_ICD10CM)


def _monthly_fills(
    person: IntArray, first: IntArray, drug: IntArray, rng: np.random.Generator, most: int = 6
) -> pd.DataFrame:
    """Draw one to `most` monthly fills of one drug for each person."""
    n_fills = rng.integers(1, most + 1, size=len(person))
    row = np.repeat(np.arange(len(person)), n_fills)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_fills) - n_fills, n_fills)
    day = first[row] + 30 * number + np.where(number > 0, rng.integers(0, 6, size=len(row)), 0)
    return _table(person[row], day, drug=drug[row], supply=30)


def _background_antidepressants(
    story: Story, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give a few people without MDD an antidepressant, for pain or for anxiety."""
    formulary = story.formulary
    draw = rng.random(len(story.people))
    for_anxiety = ~story.is_mdd & (draw < ANXIETY_USE)
    person = np.flatnonzero(~story.is_mdd & (draw < ANXIETY_USE + PAIN_USE))
    first = story.timelines["first_treatment"].to_numpy()[person]
    shares = formulary.shares(slice(0, formulary.n_antidepressants))
    drug = np.where(
        for_anxiety[person],
        rng.choice(len(shares), size=len(person), p=shares),
        formulary.pain_antidepressant,
    )
    anxious = np.flatnonzero(for_anxiety)
    diagnoses = _table(
        anxious,
        story.timelines["first_treatment"].to_numpy()[anxious],
        concept=ANXIETY,
        code=ANXIETY_ICD10CM,
    )
    return _monthly_fills(person, first, drug, rng), diagnoses


def _antipsychotics(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """Add an antipsychotic to the second or third drug of some people."""
    formulary, courses, patient = story.formulary, story.courses, story.patient
    resistant = story.is_resistant[patient]
    chance = np.where(resistant, ANTIPSYCHOTIC_IF_RESISTANT, ANTIPSYCHOTIC_ELSE)
    treated = (courses.kind != UNUSED).any(axis=1)
    row = np.flatnonzero(treated & (rng.random(len(patient)) < chance))
    step = np.where(resistant[row], np.where(rng.random(len(row)) < 0.3, SECOND, THIRD), -1)
    start = np.where(step < 0, 0, courses.start[row, step])
    first = story.timelines["first_treatment"].to_numpy()[patient[row]]
    day = first + start + rng.integers(14, 120, size=len(row))
    part = formulary.antipsychotics
    shares = formulary.shares(part)
    drug = part.start + rng.choice(len(shares), size=len(row), p=shares)
    return _monthly_fills(patient[row], day, drug, rng)


def _other_fills(story: Story, visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw drugs that have nothing to do with depression, for everybody alike."""
    chosen = visits[rng.random(len(visits)) < OTHER_DRUG]
    part = story.formulary.others
    shares = story.formulary.shares(part)
    drug = part.start + rng.choice(len(shares), size=len(chosen), p=shares)
    supply = rng.choice([30, 90], size=len(chosen))
    return chosen.assign(drug=drug, supply=supply)


def _electroconvulsive_therapy(story: Story, rng: np.random.Generator) -> pd.DataFrame:
    """Give some resistant people a course of ECT after the third drug."""
    patient = story.patient[story.is_resistant[story.patient]]
    patient = patient[rng.random(len(patient)) < ECT_SHARE]
    n_sessions = rng.integers(6, 13, size=len(patient))
    row = np.repeat(np.arange(len(patient)), n_sessions)
    number = np.arange(len(row)) - np.repeat(np.cumsum(n_sessions) - n_sessions, n_sessions)
    first = story.timelines["third_drug"].to_numpy()[patient]
    first = first + rng.integers(30, 400, size=len(patient))
    return _table(patient[row], first[row] + 3 * number)


def _questionnaires(story: Story, visits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Draw PHQ-9 totals at visits for depression: lower once a drug has helped."""
    visits = visits.drop_duplicates(ignore_index=True)
    visits = visits[story.is_mdd[visits["person"].to_numpy()]]
    visits = visits[rng.random(len(visits)) < 0.5]
    row_of = np.full(len(story.people), -1, dtype=np.int64)
    row_of[story.patient] = np.arange(len(story.patient))
    person = visits["person"].to_numpy()
    row = row_of[person]
    helped = story.courses.kind[:, :REPEAT] == HELPED
    is_helped = helped.any(axis=1)
    helping = helped.argmax(axis=1)
    since = story.courses.start[np.arange(len(helping)), helping] + BETTER_AFTER
    day = visits["day"].to_numpy() - story.timelines["first_treatment"].to_numpy()[person]
    is_better = is_helped[row] & (day >= since[row])
    score = np.where(is_better, 5.0, 15.5) + np.where(is_better, 2.5, 4.0) * rng.standard_normal(
        len(visits)
    )
    return visits.assign(score=np.clip(np.rint(score), 0, 27).astype(np.int64))
