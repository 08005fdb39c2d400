"""Which records can be used, and why the others cannot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.arrays import (
    NEVER,
    AnyIntArray,
    BoolArray,
    IntArray,
    SmallIntArray,
    is_first_of,
    sort_key,
    split_key,
)
from pgs_trd.ehr.people import People, days_of, number_texts

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from pgs_trd.ehr.records import Ehr

SENTINEL_DATES = (
    "1900-01-01",
    "1901-01-01",
    "1902-02-02",
    "1903-03-03",
    "1970-01-01",
    "2037-07-07",
    "9999-12-31",
)
"""Dates that stand for "unknown", "at birth" or "in the future" in biobank exports."""

_SENTINEL_DAYS = np.array(SENTINEL_DATES, dtype="datetime64[D]").astype(np.int32)

COUNTED_AS_TRIAL = ("yes", "dose-dependent", "indication-dependent")
"""Drugs that make a treatment trial while dose and indication rules are off.

Oral selegiline ("route-dependent") is a Parkinson drug; esketamine and ketamine
("marker") mark resistance rather than being tried.
"""

EVENT_RULES = {
    "no_date": "has a date",
    "sentinel_date": "its date is no placeholder",
    "unknown_person": "its person is in the person table",
    "before_birth": "not before the year of birth",
    "after_death": "not after death",
    "outside_observation": "inside an observation period",
}
"""What every dated row must be, in the order in which it is asked."""

PRESCRIPTION_RULES = {
    **EVENT_RULES,
    "ingredient_unknown": "its ingredient is known",
    "not_counted": "its drug counts as an antidepressant trial",
    "negative_supply": "days supply is not negative",
}

REASONS = ("", *PRESCRIPTION_RULES)
"""Why a row cannot be used, by number; 0: it can."""

ReasonArray = npt.NDArray[np.int8]


def reason_number(name: str) -> int:
    """Give the number of a reason."""
    return REASONS.index(name)


@dataclass(frozen=True)
class Rows:
    """Dated rows of people, in the order of the source.

    Attributes
    ----------
    person
        Row among the people; -1: not one of them.
    day
        Days since 1970-01-01; `NEVER` without a date.
    period
        Number of the period of observation that holds the day; -1: none.
    reason
        Into `REASONS`: why the row cannot be used; 0 if it can.
    values
        The other columns.
    """

    person: SmallIntArray
    day: SmallIntArray
    period: SmallIntArray
    reason: ReasonArray
    values: pa.Table

    @property
    def is_usable(self) -> BoolArray:
        """Say which rows can be used."""
        found: BoolArray = self.reason == 0
        return found


def read_rows(ehr: Ehr, table: ir.Table, *columns: str) -> Rows:
    """Read dated rows with some columns, each with the reason why it cannot be used."""
    return place_rows(ehr, ehr.fetch_arrow(table.select("person_id", "date", *columns)))


def place_rows(ehr: Ehr, found: pa.Table) -> Rows:
    """Find person and period of fetched rows, and why they cannot be used."""
    people = ehr.people
    person = people.keys.rows_of(found.column("person_id"))
    day = days_of(found.column("date"))
    period, is_alive = people.place(person, day)
    reason = np.zeros(len(person), dtype=np.int8)
    asked = np.flatnonzero(~is_alive | np.isin(day, _SENTINEL_DAYS))
    reason[asked] = _find_reasons(people, person[asked], day[asked], period[asked])
    return Rows(person, day, period, reason, found.drop_columns(["person_id", "date"]))


def _find_reasons(
    people: People, person: SmallIntArray, day: SmallIntArray, period: SmallIntArray
) -> ReasonArray:
    """Say why rows cannot be used, by the first of `EVENT_RULES` that they break."""
    born, died = np.append(people.birth_day, -NEVER), np.append(people.death_day, NEVER)
    broken = {
        "outside_observation": period < 0,
        "after_death": day > died[person],
        "before_birth": day < born[person],
        "unknown_person": person < 0,
        "sentinel_date": np.isin(day, _SENTINEL_DAYS),
        "no_date": day == NEVER,
    }
    reason = np.zeros(len(person), dtype=np.int8)
    # From the last rule asked to the first: the first one broken is what stays.
    for name, mask in broken.items():
        reason[mask] = reason_number(name)
    return reason


@dataclass(frozen=True)
class ClassedRows:
    """Dated rows of people, each of one class, in the order of the source.

    Attributes
    ----------
    person, day, reason
        As in `Rows`.
    number
        Into `classes`; -1: none.
    classes
        Names, sorted.
    """

    person: SmallIntArray
    day: SmallIntArray
    reason: ReasonArray
    number: npt.NDArray[np.int8]
    classes: tuple[str, ...]

    def usable_days(self) -> tuple[IntArray, IntArray, IntArray]:
        """Give person, day and number of the rows that can be used, sorted, each once."""
        usable = (self.reason == 0) & (self.number >= 0)
        return unique_days(self.person[usable], self.day[usable], self.number[usable])


def unique_days(
    person: AnyIntArray, day: AnyIntArray, number: AnyIntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Sort rows by person, day and number; equal ones become one."""
    n_numbers = int(number.max(initial=0)) + 1
    key = sort_key(person, day)
    key *= n_numbers
    key += number
    key.sort()
    key = key[is_first_of(key)]
    sorted_person, sorted_day = split_key(key // n_numbers)
    return sorted_person, sorted_day, key % n_numbers


def read_classed(ehr: Ehr, table: ir.Table, column: str) -> ClassedRows:
    """Read dated rows with the class that `column` gives them."""
    rows = read_rows(ehr, table, column)
    number, classes = number_texts(rows.values.column(column))
    return ClassedRows(
        person=rows.person,
        day=rows.day,
        reason=rows.reason,
        number=number.astype(np.int8),
        classes=tuple(classes),
    )


def prescription_flow(ehr: Ehr, *, counted: Collection[str] = COUNTED_AS_TRIAL) -> pd.DataFrame:
    """Count antidepressant rows from the source to what makes trials.

    Returns
    -------
    DataFrame
        ``step``, ``rule``, ``n_rows_in``, ``n_rows_out``, ``n_rows_dropped``. The
        last step merges rows of one drug on one day, exact duplicates among them.
    """
    rows = ehr.prescription_rows
    # Drugs that are only added to an antidepressant are no antidepressant rows.
    is_added = rows.is_of(("augmentation",))
    reason = rows.reasons(counted)[~is_added]
    chosen = np.flatnonzero(~is_added)[reason == 0]
    days, _, _ = unique_days(rows.person[chosen], rows.day[chosen], rows.ingredient[chosen])
    flow = _flow(reason, PRESCRIPTION_RULES)
    return _with_merged(flow, len(days), "one row for a person, drug and day")


def diagnosis_flow(ehr: Ehr) -> pd.DataFrame:
    """Count depression and exclusion diagnosis rows from the source to what is used.

    A row with a code of two classes counts for each.

    Returns
    -------
    DataFrame
        ``step``, ``rule``, ``n_rows_in``, ``n_rows_out``, ``n_rows_dropped``. The
        last step merges rows of one class on one day.
    """
    rows = ehr.diagnosis_rows
    n_days = len(rows.usable_days()[0])
    return _with_merged(
        _flow(rows.reason, EVENT_RULES), n_days, "one row for a person, class and day"
    )


def _flow(reason: ReasonArray, rules: dict[str, str]) -> pd.DataFrame:
    counts = np.bincount(reason, minlength=len(REASONS))
    n_left = len(reason)
    steps: list[dict[str, object]] = []
    for name, rule in rules.items():
        n_dropped = int(counts[reason_number(name)])
        steps.append(
            {
                "step": name,
                "rule": rule,
                "n_rows_in": n_left,
                "n_rows_out": n_left - n_dropped,
                "n_rows_dropped": n_dropped,
            }
        )
        n_left -= n_dropped
    return pd.DataFrame(steps)


def _with_merged(flow: pd.DataFrame, n_days: int, rule: str) -> pd.DataFrame:
    n_in = int(flow["n_rows_out"].iloc[-1])
    row: Sequence[object] = ("same_day", rule, n_in, n_days, n_in - n_days)
    merged = pd.DataFrame([row], columns=flow.columns)
    return pd.concat([flow, merged], ignore_index=True)
