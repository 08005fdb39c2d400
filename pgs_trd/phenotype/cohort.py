"""All that definitions need to know of people, read once and kept as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.phenotype.arrays import (
    NEVER,
    BoolArray,
    Events,
    IntArray,
    Trials,
    first_of,
    make_events,
    sort_key,
    sort_trials,
    to_days,
)
from pgs_trd.tables import require_columns

if TYPE_CHECKING:
    import pyarrow as pa

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
    periods
        Person, first and last day of each period of observation, in order.
    trials
        From `build_trials`, without those that `gate_trials` marked.
    trial_table
        The same as a table, in the same order.
    """

    ehr: Ehr
    people: pd.DataFrame
    has_depression_code: BoolArray
    diagnoses: Events
    periods: tuple[IntArray, IntArray, IntArray]
    trials: Trials
    trial_table: pd.DataFrame

    @property
    def n_people(self) -> int:
        """Count the people."""
        return len(self.people)

    @cached_property
    def row_of(self) -> pd.Index[str]:
        """Find people by id."""
        ids: pd.Index[str] = pd.Index(self.people["person_id"])
        return ids

    def classes_of(self, drugs: tuple[str, ...]) -> tuple[str, ...]:
        """Give the class that the code lists have for each drug."""
        from pgs_trd.ehr.drugs import class_of_ingredients

        classes = class_of_ingredients()
        return tuple(classes.get(drug, "unknown") for drug in drugs)

    @cached_property
    def scripts(self) -> Events:
        """Give the days with a usable antidepressant prescription, by ingredient."""
        from pgs_trd.ehr.adjuncts import prescription_days

        return self._events(prescription_days(self.ehr), "ingredient")

    @cached_property
    def antipsychotic_scripts(self) -> Events:
        """Give the days with a usable prescription of an antipsychotic, by ingredient."""
        from pgs_trd.ehr.adjuncts import prescription_days

        rows = prescription_days(self.ehr, counted=("augmentation",))
        return self._events(rows[rows["drug_class"] == "SGA"], "ingredient")

    @cached_property
    def adjuncts(self) -> pd.DataFrame:
        """Give added drugs, markers and procedures (`build_adjuncts`), with ``row``, in days."""
        from pgs_trd.ehr.adjuncts import build_adjuncts

        table = build_adjuncts(self.ehr)
        return pd.DataFrame(
            {
                "row": self.row_of.get_indexer(pd.Index(table["person_id"])),
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
        from pgs_trd.ehr.adjuncts import visit_days

        visits = visit_days(self.ehr)
        if visits is not None:
            return self._events(visits.assign(kind="visit"), "kind")
        scripts, diagnoses = self.scripts, self.diagnoses
        person = np.concatenate([scripts.person, diagnoses.person])
        day = np.concatenate([scripts.day, diagnoses.day])
        return make_events(person, day, np.full(len(person), "record", dtype=object))

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Give usable symptom scores: ``row``, ``day``, ``scale``, ``score``, in order."""
        from pgs_trd.ehr.scales import read_scores

        table = read_scores(self.ehr)
        found = pd.DataFrame(
            {
                "row": self.row_of.get_indexer(pd.Index(table["person_id"])),
                "day": to_days(table["date"]),
                "scale": table["scale"],
                "score": table["score"].to_numpy(dtype=np.float64),
            }
        )
        return found.sort_values(["row", "scale", "day"], kind="stable", ignore_index=True)

    def _events(self, table: pd.DataFrame, kind: str) -> Events:
        person = self.row_of.get_indexer(pd.Index(table["person_id"])).astype(np.int64)
        return make_events(person, to_days(table["date"]), table[kind].to_numpy(dtype=object))

    def observed(self, day: IntArray) -> tuple[IntArray, IntArray]:
        """Give the period around one day of each person; `NEVER` where there is none."""
        person, first, last = self.periods
        wanted = sort_key(np.arange(self.n_people, dtype=np.int64), day)
        place = np.searchsorted(sort_key(person, first), wanted, side="right") - 1
        if not len(person):
            nothing = np.full(self.n_people, NEVER, dtype=np.int64)
            return nothing, nothing
        held = (place >= 0) & (person[place] == np.arange(self.n_people)) & (last[place] >= day)
        return np.where(held, first[place], NEVER), np.where(held, last[place], NEVER)


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
    people, ids = _read_people(ehr)
    rows = pd.Index(people["person_id"]).get_indexer(pd.Index(trials["person_id"]))
    _check_people(trials, rows)
    order = np.lexsort((trials["ingredient"].astype(str), to_days(trials["start_date"]), rows))
    table = trials.iloc[order].reset_index(drop=True)
    has_code, diagnoses = _read_diagnoses(ehr, ids)
    return Cohort(
        ehr=ehr,
        people=people,
        has_depression_code=has_code,
        diagnoses=diagnoses,
        periods=_read_periods(ehr, ids),
        trials=trial_arrays(table, rows[order].astype(np.int64)),
        trial_table=table,
    )


def _read_people(ehr: Ehr) -> tuple[pd.DataFrame, pa.Array]:
    """Give the people in the order of their id as text, and their ids as in the source."""
    from pgs_trd.ehr.records import fetch_arrow

    observed = ehr.observation.group_by("person_id").aggregate(
        observation_start=ehr.observation.start_date.min(),
        observation_end=ehr.observation.end_date.max(),
    )
    people = ehr.persons
    for table in (observed, ehr.deaths):
        people = people.left_join(table, "person_id").drop("person_id_right")
    people = people.mutate(text=people.person_id.cast("string")).order_by("text")
    arrow = fetch_arrow(ehr.backend, people)
    found = arrow.to_pandas(date_as_object=False)
    dates = ("observation_start", "observation_end", "death_date")
    columns = {name: pd.to_datetime(found[name]).astype("datetime64[ns]") for name in dates}
    table = pd.DataFrame(
        {
            "person_id": found["text"].astype(object),
            "sex": found["sex"].astype(object),
            "birth_year": found["birth_year"].astype("Int64"),
            **columns,
        }
    )
    return table, arrow.column("person_id").combine_chunks()


def _read_diagnoses(ehr: Ehr, ids: pa.Array) -> tuple[BoolArray, Events]:
    from pgs_trd.ehr.cleaning import flag_diagnoses
    from pgs_trd.ehr.codes import DEPRESSION_CLASSES
    from pgs_trd.ehr.records import fetch_arrow

    flagged = flag_diagnoses(ehr)
    arrow = fetch_arrow(
        ehr.backend,
        flagged.select("person_id", "date", "diagnosis_class", usable=flagged.reason.isnull()),
    )
    rows, day = _rows_and_days(arrow, ids)
    kind = arrow.column("diagnosis_class").combine_chunks().dictionary_encode()
    names = np.array(kind.dictionary.to_pylist(), dtype=object)
    codes = kind.indices.to_numpy(zero_copy_only=False)
    usable = arrow.column("usable").to_numpy().astype(bool)
    is_depression = np.array([name in DEPRESSION_CLASSES for name in names], dtype=bool)
    has_code = np.zeros(len(ids), dtype=bool)
    if len(names):
        has_code[rows[(rows >= 0) & is_depression[codes]]] = True
    labels = pd.Categorical.from_codes(codes[usable].astype(np.int64), categories=pd.Index(names))
    return has_code, make_events(rows[usable], day[usable], pd.Series(labels))


def _read_periods(ehr: Ehr, ids: pa.Array) -> tuple[IntArray, IntArray, IntArray]:
    from pgs_trd.ehr.records import fetch_arrow

    periods = ehr.observation
    arrow = fetch_arrow(
        ehr.backend, periods.select("person_id", date="start_date", end_date="end_date")
    )
    rows, first = _rows_and_days(arrow, ids)
    last = _days(arrow.column("end_date"))
    known = rows >= 0
    rows, first, last = rows[known], first[known], last[known]
    order = np.argsort(sort_key(rows, first), kind="stable")
    return rows[order], first[order], last[order]


def _rows_and_days(arrow: pa.Table, ids: pa.Array) -> tuple[IntArray, IntArray]:
    """Give the row of each person among `ids` (-1: not one of them) and the days."""
    import pyarrow.compute as pc

    found = pc.index_in(arrow.column("person_id").combine_chunks(), value_set=ids)
    rows = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows, _days(arrow.column("date"))


def _days(column: pa.ChunkedArray) -> IntArray:
    import pyarrow as pa

    plain = column.cast(pa.date32()).cast(pa.int32()).combine_chunks()
    days: IntArray = plain.fill_null(NEVER).to_numpy(zero_copy_only=False).astype(np.int64)
    return days


def _check_people(trials: pd.DataFrame, rows: IntArray) -> None:
    unknown = trials.loc[rows < 0, "person_id"]
    if len(unknown):
        raise DataError(
            f"trials: {unknown.nunique():,} of {trials['person_id'].nunique():,} people are "
            "not in the records: were the trials built from other records?"
        )


def trial_arrays(table: pd.DataFrame, rows: IntArray) -> Trials:
    """Make arrays of a table of trials, given the row of each trial's person."""
    drug, names = pd.factorize(table["ingredient"].to_numpy(dtype=object), sort=True)
    nothing = np.zeros(len(table), dtype=bool)
    too_low = nothing
    if "is_dose_adequate" in table.columns:
        too_low = ~table["is_dose_adequate"].to_numpy(dtype=bool)
    return sort_trials(
        Trials(
            person=rows,
            start=to_days(table["start_date"]),
            end=to_days(table["end_date"]),
            drug=drug.astype(np.int64),
            switch=to_days(table["switch_date"]),
            fails_anyway=nothing,
            is_last_step=too_low,
            drugs=tuple(map(str, names)),
        )
    )


def first_dates(cohort: Cohort, classes: tuple[str, ...]) -> IntArray:
    """Give each person's first usable diagnosis of some classes (days; `NEVER` if none)."""
    found = cohort.diagnoses.of(classes)
    return first_of(found.person, found.day, cohort.n_people)
