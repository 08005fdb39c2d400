"""Health records of people whose latent class is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.simulate import events
from pgs_trd.simulate.courses import HELPED, REPEAT, THIRD, UNUSED, draw_courses
from pgs_trd.simulate.tabulate import make_tables
from pgs_trd.simulate.timelines import draw_timelines
from pgs_trd.simulate.vocabulary import list_drugs

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Records:
    """Simulated health records.

    Attributes
    ----------
    tables
        OMOP CDM 5.4 tables by name; dates as datetime64.
    outcome
        What the records were made to show, one row a person: person_id,
        expected_phenotype (trd, responsive, neither, no_mdd), first_diagnosis and
        third_drug (NaT where it did not happen), has_died, lost_early.
    """

    tables: Mapping[str, pd.DataFrame]
    outcome: pd.DataFrame


def simulate_records(
    people: pd.DataFrame, classes: pd.DataFrame, *, rng: np.random.Generator
) -> Records:
    """Simulate the health records of people from their latent classes.

    Visits come at random; people with MDD get a first and a second diagnosis and
    a course of treatment (`draw_courses`), dispensed in fills with gaps, early
    refills, pauses, duplicate rows and days' supply missing in a quarter of all
    rows; a few convert to bipolar disorder, get an antipsychotic or
    electroconvulsive therapy; people without MDD have other diagnoses and drugs,
    a few of them an antidepressant. Records end with observation or death
    (`draw_timelines`). The scores act on nothing here but through the class.

    Parameters
    ----------
    people
        person_id (whole number), sex, birth_year.
    classes
        is_mdd, is_resistant, in the order of `people`; from `draw_classes`.
    rng
        Every part draws from its own child of it.
    """
    is_mdd = classes["is_mdd"].to_numpy()
    is_resistant = classes["is_resistant"].to_numpy()
    formulary = list_drugs()
    drugs = formulary.shares(slice(0, formulary.n_antidepressants))
    of_course, of_time, of_fills, of_events, of_tables = rng.spawn(5)
    courses = draw_courses(is_resistant[is_mdd], drugs, of_course)
    timelines = draw_timelines(people, is_mdd, courses.third_start, of_time)
    story = events.Story(
        people=people,
        timelines=timelines,
        courses=courses,
        patient=np.flatnonzero(is_mdd),
        is_mdd=is_mdd,
        is_resistant=is_resistant,
        formulary=formulary,
    )
    drawn = events.draw_events(story, of_fills, of_events)
    return Records(
        tables=make_tables(people, timelines, drawn, formulary, of_tables),
        outcome=_expect(story),
    )


def _expect(story: events.Story) -> pd.DataFrame:
    """State the class that complete and truthful records show."""
    timelines, courses, patient = story.timelines, story.courses, story.patient
    n = len(timelines)
    end = timelines["observation_end"].to_numpy()
    before_repeat = courses.kind[:, :REPEAT]
    n_drugs = np.zeros(n, dtype=np.int64)
    n_drugs[patient] = (before_repeat != UNUSED).sum(axis=1)
    is_helped = np.zeros(n, dtype=bool)
    is_helped[patient] = (before_repeat == HELPED).any(axis=1)
    reached = np.zeros(n, dtype=bool)
    reached[patient] = courses.kind[:, THIRD] != UNUSED
    reached &= timelines["third_drug"].to_numpy() <= end
    observed = end >= timelines["first_treatment"].to_numpy() + events.DAYS_OBSERVED
    responsive = story.is_mdd & ~story.is_resistant & is_helped & (n_drugs <= 2) & observed
    phenotype = np.select(
        [~story.is_mdd, reached, responsive], ["no_mdd", "trd", "responsive"], "neither"
    ).astype(object)
    return pd.DataFrame(
        {
            "person_id": story.people["person_id"].to_numpy(),
            "expected_phenotype": phenotype,
            "first_diagnosis": _dates(timelines["first_diagnosis"], story.is_mdd),
            "third_drug": _dates(timelines["third_drug"], reached),
            "has_died": timelines["has_died"].to_numpy(),
            "lost_early": timelines["lost_early"].to_numpy(),
        }
    )


def _dates(days: pd.Series, is_known: BoolArray) -> pd.Series:
    return events.to_dates(days.to_numpy()).where(is_known)
