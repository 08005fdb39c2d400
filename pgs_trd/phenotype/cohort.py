"""All that definitions need to know of people, read once and kept as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import NEVER, BoolArray, IntArray, first_of, sort_key, to_dates, to_days
from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL, Rows, read_rows, unique_days
from pgs_trd.ehr.codes import DEPRESSION_CLASSES
from pgs_trd.ehr.people import UNKNOWN_YEAR
from pgs_trd.errors import DataError
from pgs_trd.phenotype.arrays import Events, Trials
from pgs_trd.tables import require_columns

if TYPE_CHECKING:
    from pgs_trd.ehr.records import Ehr

TRIAL_COLUMNS = ("person_id", "trial", "ingredient", "start_date", "end_date", "switch_date")


@dataclass(frozen=True)
class Cohort:
    """People, their diagnoses, observation and trials, in the order of the person id.

    What only some definitions need (prescription days, added drugs, procedures,
    symptom scores, visits) is read from the records when first asked for.

    Attributes
    ----------
    ehr
        The records all of it comes from.
    people
        ``person_id`` (text, sorted), ``sex``, ``birth_year``, ``observation_start``,
        ``observation_end``, ``death_date``.
    has_depression_code
        Any code of the depression list, cleaned or not.
    diagnoses
        Usable diagnoses by class.
    trials
        From `build_trials`, without those that `gate_trials` marked.
    trial_table
        The same as a table, in the same order.
    """

    ehr: Ehr
    people: pd.DataFrame
    has_depression_code: BoolArray
    diagnoses: Events
    trials: Trials
    trial_table: pd.DataFrame

    @property
    def n_people(self) -> int:
        """Count the people."""
        return len(self.people)

    def classes_of(self, drugs: tuple[str, ...]) -> tuple[str, ...]:
        """Give the class that the code lists have for each drug."""
        from pgs_trd.ehr.drugs import class_of_ingredients

        classes = class_of_ingredients(self.ehr.codelists)
        return tuple(classes.get(drug, "unknown") for drug in drugs)

    @cached_property
    def inpatient_diagnoses(self) -> Events:
        """Give the usable diagnoses made in hospital, by class.

        Raises
        ------
        DataError
            If the records do not tell where a diagnosis was made.
        """
        rows = self.ehr.inpatient_rows
        if rows is None:
            raise DataError(
                "the definition counts diagnoses made in hospital, and the records do not say "
                "which are: there is no visit_occurrence"
            )
        return Events(*rows.usable_days(), rows.classes)

    @cached_property
    def scripts(self) -> Events:
        """Give the days with a usable antidepressant prescription, by ingredient."""
        rows = self.ehr.prescription_rows
        return self._scripts(rows.reasons(COUNTED_AS_TRIAL) == 0)

    @cached_property
    def antipsychotic_scripts(self) -> Events:
        """Give the days with a usable prescription of an antipsychotic, by ingredient."""
        rows = self.ehr.prescription_rows
        classes = self.classes_of(rows.ingredients)
        is_antipsychotic = np.array([*(name == "SGA" for name in classes), False])
        usable = rows.reasons(("augmentation",)) == 0
        return self._scripts(usable & is_antipsychotic[rows.ingredient])

    def _scripts(self, chosen: BoolArray) -> Events:
        rows = self.ehr.prescription_rows
        days = unique_days(rows.person[chosen], rows.day[chosen], rows.ingredient[chosen])
        return Events(*days, rows.ingredients)

    @cached_property
    def adjuncts(self) -> pd.DataFrame:
        """Give added drugs, markers and procedures (`build_adjuncts`), with ``row``, in days."""
        from pgs_trd.ehr.adjuncts import build_adjuncts

        table = build_adjuncts(self.ehr)
        return pd.DataFrame(
            {
                "row": self.ehr.people.find(table["person_id"]),
                "kind": table["kind"],
                "name": table["name"],
                "drug_class": table["drug_class"],
                "start": to_days(table["start_date"]),
                "end": to_days(table["end_date"]),
            }
        )

    @cached_property
    def contacts(self) -> Events:
        """Give the days of visits, or, without a table of visits, of any record used."""
        if self.ehr.visits is not None:
            visits = read_rows(self.ehr, self.ehr.visits)
            return dated_events(visits, "visit")
        scripts, diagnoses = self.scripts, self.diagnoses
        person = np.concatenate([scripts.person, diagnoses.person])
        day = np.concatenate([scripts.day, diagnoses.day])
        return Events(*unique_days(person, day, np.zeros_like(person)), ("record",))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Give usable symptom scores: ``row``, ``day``, ``scale``, ``score``, in order."""
        from pgs_trd.ehr.scales import read_scores

        table = read_scores(self.ehr)
        found = pd.DataFrame(
            {
                "row": self.ehr.people.find(table["person_id"]),
                "day": to_days(table["date"]),
                "scale": table["scale"],
                "score": table["score"].to_numpy(dtype=np.float64),
            }
        )
        return found.sort_values(["row", "scale", "day"], kind="stable", ignore_index=True)

    def observed(self, day: IntArray) -> tuple[IntArray, IntArray]:
        """Give the period around one day of each person; `NEVER` where there is none."""
        periods = self.ehr.people.periods
        everybody = np.arange(self.n_people, dtype=np.int64)
        held = periods.hold(everybody, day)
        # The last place stands for no period (-1).
        return np.append(periods.first, NEVER)[held], np.append(periods.last, NEVER)[held]


def dated_events(rows: Rows, kind: str) -> Events:
    """Give the days of rows that can be used, as events of one kind."""
    person, day = rows.person[rows.is_usable], rows.day[rows.is_usable]
    return Events(*unique_days(person, day, np.zeros_like(person)), (kind,))


def read_cohort(ehr: Ehr, trials: pd.DataFrame) -> Cohort:
    """Read people, observation and diagnoses from the records, and take `trials`.

    Raises
    ------
    DataError
        If `trials` lacks columns or holds people who are not in the records.
    """
    require_columns(trials, TRIAL_COLUMNS, "trials")
    if "gate" in trials.columns:
        trials = trials[trials["gate"].isna()]
    rows = ehr.people.find(trials["person_id"])
    _check_people(trials, rows)
    arrays, order = trial_arrays(trials, rows)
    has_code, diagnoses = _diagnoses(ehr)
    return Cohort(
        ehr=ehr,
        people=_people_table(ehr),
        has_depression_code=has_code,
        diagnoses=diagnoses,
        trials=arrays,
        trial_table=_in_order(trials, order),
    )


def _in_order(trials: pd.DataFrame, order: IntArray) -> pd.DataFrame:
    """Give the rows in an order; the table itself where that is the order it has."""
    if isinstance(trials.index, pd.RangeIndex) and (np.diff(order) > 0).all():
        return trials
    return trials.iloc[order].reset_index(drop=True)


def _people_table(ehr: Ehr) -> pd.DataFrame:
    people = ehr.people
    periods, n = people.periods, len(people)
    last = np.full(n, -NEVER, dtype=np.int64)
    np.maximum.at(last, periods.person, periods.last)
    year = people.birth_year
    return pd.DataFrame(
        {
            "person_id": people.person_id,
            "sex": people.sex,
            "birth_year": pd.arrays.IntegerArray(year, year == UNKNOWN_YEAR),
            "observation_start": to_dates(first_of(periods.person, periods.first, n)),
            "observation_end": to_dates(np.where(last == -NEVER, NEVER, last)),
            "death_date": to_dates(people.death_day),
        },
        copy=False,
    )


def _diagnoses(ehr: Ehr) -> tuple[BoolArray, Events]:
    """Say who has any code of the depression list, and give the usable diagnoses."""
    rows = ehr.diagnosis_rows
    is_depression = np.array([*(name in DEPRESSION_CLASSES for name in rows.classes), False])
    has_code = np.zeros(len(ehr.people), dtype=bool)
    has_code[rows.person[(rows.person >= 0) & is_depression[rows.number]]] = True
    return has_code, Events(*rows.usable_days(), rows.classes)


def _check_people(trials: pd.DataFrame, rows: IntArray) -> None:
    unknown = trials.loc[rows < 0, "person_id"]
    if len(unknown):
        raise DataError(
            f"trials: {unknown.nunique():,} of {trials['person_id'].nunique():,} people are "
            "not in the records: were the trials built from other records?"
        )


def trial_arrays(table: pd.DataFrame, person: IntArray) -> tuple[Trials, IntArray]:
    """Make arrays of a table of trials, given the row of each trial's person.

    Returns
    -------
    trials, order
        Ordered by person, start and drug; and the rows of `table` in that order.
    """
    drug, names = pd.factorize(table["ingredient"].to_numpy(dtype=object), sort=True)
    start = to_days(table["start_date"])
    nothing = np.zeros(len(table), dtype=bool)
    too_low = nothing
    if "is_dose_adequate" in table.columns:
        too_low = ~table["is_dose_adequate"].to_numpy(dtype=bool)
    trials = Trials(
        person=person,
        start=start,
        end=to_days(table["end_date"]),
        drug=drug.astype(np.int64),
        switch=to_days(table["switch_date"]),
        fails_anyway=nothing,
        is_last_step=too_low,
        drugs=tuple(map(str, names)),
    )
    order = np.lexsort((drug, sort_key(person, start)))
    return trials.take(order), order


def first_dates(cohort: Cohort, classes: tuple[str, ...]) -> IntArray:
    """Give each person's first usable diagnosis of some classes (days; `NEVER` if none)."""
    found = cohort.diagnoses.of(classes)
    return first_of(found.person, found.day, cohort.n_people)
