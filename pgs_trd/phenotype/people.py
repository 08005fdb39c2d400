"""What the definitions need to know of each person, taken from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pgs_trd.ehr.codes import DEPRESSION_CLASSES
from pgs_trd.phenotype.definition import Definition

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pgs_trd.ehr.records import Ehr

DATES = (
    "mdd_date",
    "mdd_known_date",
    "bipolar_date",
    "psychosis_date",
    "observation_start",
    "observation_end",
    "death_date",
)


def describe_people(ehr: Ehr, definition: Definition) -> pd.DataFrame:
    """Give one row a person with the dates that the rules of `definition` ask for.

    Returns
    -------
    DataFrame
        Ordered by ``person_id`` (text): ``sex``, ``birth_year``,
        ``has_depression_code`` (of any tier, at any date, cleaned or not),
        ``mdd_date`` (first diagnosis date; NaT without enough dates),
        ``mdd_known_date`` (the date that made them enough), ``bipolar_date``,
        ``psychosis_date`` (first), ``observation_start``, ``observation_end``
        (first and last day of all periods), ``death_date``.
    """
    people = ehr.fetch(_people_expression(ehr, definition))
    for column in DATES:
        people[column] = pd.to_datetime(people[column]).astype("datetime64[ns]")
    people["person_id"] = people["person_id"].astype(object)
    people["sex"] = people["sex"].astype(object)
    people["birth_year"] = people["birth_year"].astype("Int64")
    people["has_depression_code"] = people["has_depression_code"].fillna(0).astype(bool)
    return people.sort_values("person_id", kind="stable", ignore_index=True)


def _people_expression(ehr: Ehr, definition: Definition) -> ir.Table:
    # Ibis is slow to import: not before there are records to work on.
    import ibis

    from pgs_trd.ehr.cleaning import flag_diagnoses

    flagged = flag_diagnoses(ehr)
    usable = flagged.filter(flagged.reason.isnull())
    rule, exclusions = definition.depression, definition.exclusions
    is_depression = flagged.diagnosis_class.isin(list(DEPRESSION_CLASSES))
    coded = (
        flagged.filter(is_depression)
        .group_by("person_id")
        .aggregate(has_depression_code=lambda rows: rows.count())
    )
    depressed = usable.filter(usable.diagnosis_class.isin(list(rule.classes)))
    dates = depressed.select("person_id", "date").distinct()
    place = ibis.row_number().over(group_by="person_id", order_by="date")
    numbered = dates.mutate(place=place)
    mdd = numbered.group_by("person_id").aggregate(
        first=numbered.date.min(),
        known=numbered.date.min(where=numbered.place == rule.min_dates - 1),
    )
    excluding = usable.group_by("person_id").aggregate(
        bipolar_date=usable.date.min(where=usable.diagnosis_class.isin(list(exclusions.bipolar))),
        psychosis_date=usable.date.min(
            where=usable.diagnosis_class.isin(list(exclusions.psychosis))
        ),
    )
    observed = ehr.observation.group_by("person_id").aggregate(
        observation_start=ehr.observation.start_date.min(),
        observation_end=ehr.observation.end_date.max(),
    )
    people = ehr.persons
    for table in (coded, mdd, excluding, observed, ehr.deaths):
        people = people.left_join(table, "person_id").drop("person_id_right")
    return people.select(
        "sex",
        "birth_year",
        "has_depression_code",
        "bipolar_date",
        "psychosis_date",
        "observation_start",
        "observation_end",
        "death_date",
        person_id=people.person_id.cast("string"),
        mdd_date=people.known.isnull().ifelse(ibis.null("date"), people["first"]),
        mdd_known_date=people.known,
    )


def observed_until(ehr: Ehr, person_id: pd.Series, date: pd.Series) -> pd.DataFrame:
    """Give the period of observation around one date of each person.

    Returns
    -------
    DataFrame
        ``period_start``, ``period_end`` with the index of `person_id`; NaT where
        the date is NaT or outside every period.
    """
    periods = ehr.fetch(
        ehr.observation.select(
            "start_date", "end_date", person_id=ehr.observation.person_id.cast("string")
        )
    )
    wanted = pd.DataFrame({"row": range(len(person_id)), "person_id": person_id, "date": date})
    held = wanted.dropna(subset=["date"]).merge(periods, on="person_id", how="inner")
    held = held[(held["start_date"] <= held["date"]) & (held["date"] <= held["end_date"])]
    found = held.set_index("row")[["start_date", "end_date"]].reindex(range(len(wanted)))
    found.columns = pd.Index(["period_start", "period_end"])
    return found.astype("datetime64[ns]").set_axis(person_id.index, axis=0)
