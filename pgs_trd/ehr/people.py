"""The people of the records as arrays: who they are, when they lived and were observed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pgs_trd.ehr.arrays import (
    NEVER,
    BoolArray,
    IntArray,
    ObjectArray,
    SmallIntArray,
    first_of,
    is_first_of,
)
from pgs_trd.ehr.periods import Periods, merge_periods

if TYPE_CHECKING:
    from pgs_trd.ehr.records import Ehr

UNKNOWN_YEAR = -(10**6)
"""Stands for a year of birth that is not known: before every date."""

_LEAST = np.iinfo(np.int64).min
_POWERS_OF_TEN = 10 ** np.arange(1, 19)

_LARGEST_TABLE = 64
"""Most places of the table from id to row for each person."""


@dataclass(frozen=True)
class Keys:
    """Ids of people as the source has them, in the order of the people."""

    ids: pa.Array

    def rows_of(self, ids: pa.ChunkedArray) -> SmallIntArray:
        """Give the row of each id as the source has it; -1 for who is none of these people."""
        if self._row_of_number is None:
            found = pc.index_in(ids, value_set=self.ids).fill_null(-1)
            places: SmallIntArray = found.to_numpy()
            return places
        first, rows = self._row_of_number
        place = ids.fill_null(first - 1).to_numpy() - first
        # The last row of the table stands for nobody.
        place[(place < 0) | (place >= len(rows))] = -1
        numbered: SmallIntArray = rows[place]
        return numbered

    def rows_of_texts(self, texts: ObjectArray) -> SmallIntArray | None:
        """Give the row that each text can only be of; None where that is not found so soon."""
        if self._row_of_number is None:
            return None
        try:
            return self.rows_of(pa.chunked_array([pa.array(texts, pa.string()).cast(pa.int64())]))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return None

    @cached_property
    def _row_of_number(self) -> tuple[int, SmallIntArray] | None:
        """A table from id to row where ids are numbers that lie close enough; its first id."""
        if not pa.types.is_int64(self.ids.type) or not len(self.ids):
            return None
        numbers = self.ids.to_numpy()
        first, last = int(numbers.min()), int(numbers.max())
        # The number before the first stands for null.
        if first == _LEAST or last - first > _LARGEST_TABLE * len(self.ids):
            return None
        rows = np.full(last - first + 2, -1, dtype=np.int32)
        rows[numbers - first] = np.arange(len(self.ids), dtype=np.int32)
        return first, rows


@dataclass(frozen=True)
class People:
    """Everybody in the records, in the order of the person id as text.

    Attributes
    ----------
    person_id
        Text.
    sex
        "female", "male" or "unknown".
    birth_year
        `UNKNOWN_YEAR` where not known.
    death_day
        First date of death in days since 1970-01-01; `NEVER` without one.
    periods
        Time of observation, disjoint.
    keys
        Finds people by the id that the source has.
    """

    person_id: ObjectArray
    sex: ObjectArray
    birth_year: IntArray
    death_day: IntArray
    periods: Periods
    keys: Keys

    def __len__(self) -> int:
        """Count the people."""
        return len(self.person_id)

    def find(self, person_id: pd.Series | ObjectArray) -> IntArray:
        """Give the row of each id as text; -1 for who is none of these people."""
        wanted = np.asarray(person_id, dtype=object)
        if not len(wanted) or not len(self):
            return np.full(len(wanted), -1, dtype=np.int64)
        # Tables of trials have the rows of a person together: each is looked for once.
        opens = is_first_of(wanted)
        asked = wanted[opens]
        place = self.keys.rows_of_texts(asked)
        if place is None:
            place = np.minimum(np.searchsorted(self.person_id, asked), len(self) - 1)
        place = np.where(self.person_id[place] == asked, place, -1)
        found: IntArray = place[np.cumsum(opens) - 1]
        return found

    @cached_property
    def birth_day(self) -> IntArray:
        """The first day of the year of birth; before every date where it is not known."""
        first = (self.birth_year - 1970).astype("datetime64[Y]").astype("datetime64[D]")
        days: IntArray = first.astype(np.int64)
        return days

    @cached_property
    def _only_period(self) -> tuple[SmallIntArray, SmallIntArray, SmallIntArray]:
        """Who has one period: its number, and first and last day of it in life; others never.

        One row more than there are people stands for nobody.
        """
        person = self.periods.person
        is_only = np.bincount(person, minlength=len(self)) == 1
        chosen = np.flatnonzero(is_only[person])
        number = np.full(len(self) + 1, -1, dtype=np.int32)
        first = np.full(len(self) + 1, NEVER, dtype=np.int32)
        last = np.full(len(self) + 1, -NEVER, dtype=np.int32)
        own = person[chosen]
        number[own] = chosen
        first[own] = np.maximum(self.periods.first[chosen], self.birth_day[own])
        last[own] = np.minimum(self.periods.last[chosen], self.death_day[own])
        return number, first, last

    def place(self, person: SmallIntArray, day: SmallIntArray) -> tuple[SmallIntArray, BoolArray]:
        """Give the number of the period that holds each person's day, and who lived then.

        Returns
        -------
        period
            -1: none.
        is_alive
            Observed, born and not dead on that day.
        """
        number, first, last = self._only_period
        is_alive = (first[person] <= day) & (day <= last[person])
        period = np.where(is_alive, number[person], -1)
        # Of the others the rules are asked one by one; most people need none of that.
        rest = np.flatnonzero(~is_alive)
        who, when = person[rest], day[rest]
        held = self.periods.hold(who, when)
        period[rest] = held
        died, born = np.append(self.death_day, NEVER), np.append(self.birth_day, -NEVER)
        is_alive[rest] = (held >= 0) & (when <= died[who]) & (when >= born[who])
        return period, is_alive

    def period_of(self, person: SmallIntArray, day: SmallIntArray) -> SmallIntArray:
        """Give the number of the period of days that are known to lie in one."""
        period = self._only_period[0][person]
        rest = np.flatnonzero(period < 0)
        period[rest] = self.periods.hold(person[rest], day[rest])
        return period


def fetch_people(ehr: Ehr) -> list[pa.Table]:
    """Fetch people, deaths and observation from the records."""
    queries = (
        ehr.persons.select("person_id", "sex", "birth_year"),
        ehr.deaths.select("person_id", "death_date"),
        ehr.observation.select("person_id", "start_date", "end_date"),
    )
    return [ehr.fetch_arrow(query) for query in queries]


def read_people(tables: list[pa.Table]) -> People:
    """Put people in order, with life and observation; it empties `tables` of `fetch_people`."""
    recorded, deaths, persons = tables.pop(), tables.pop(), tables.pop()
    ids = persons.column("person_id").combine_chunks()
    text = ids.cast(pa.string())
    # Not by the engine: databases sort text by the rules of a language.
    order = _text_order(ids, text)
    keys = Keys(ids.take(order))
    person_id = text.take(order).to_numpy(zero_copy_only=False)
    years = persons.column("birth_year").cast(pa.int64()).fill_null(UNKNOWN_YEAR)
    sex, birth_year = _shared_texts(persons.column("sex").take(order)), years.take(order).to_numpy()
    del persons, ids, text, order, years
    # Arrow keeps for itself what it needed to sort the ids.
    pa.default_memory_pool().release_unused()
    dead, died = keys.rows_of(deaths.column("person_id")), days_of(deaths.column("death_date"))
    periods = merge_periods(
        keys.rows_of(recorded.column("person_id")).astype(np.int64),
        days_of(recorded.column("start_date")).astype(np.int64),
        days_of(recorded.column("end_date")).astype(np.int64),
    )
    death_day = first_of(dead[dead >= 0], died[dead >= 0], len(person_id))
    return People(person_id, sex, birth_year, death_day, periods, keys)


def _text_order(ids: pa.Array, text: pa.StringArray) -> IntArray:
    """Give the order of ids as text."""
    order: IntArray
    numbers = ids.to_numpy() if pa.types.is_int64(ids.type) and not ids.null_count else None
    if numbers is None or not len(numbers) or not 0 <= numbers.min() <= numbers.max() < 10**18:
        order = pc.sort_indices(text).to_numpy()
        return order
    # Numbers are sorted sooner: all filled up with zeros to one length, the shorter first.
    n_digits = np.searchsorted(_POWERS_OF_TEN, numbers, side="right")
    filled = numbers * 10 ** (n_digits.max() - n_digits)
    order = np.lexsort((n_digits, filled)) if np.ptp(n_digits) else np.argsort(filled)
    return order


def _shared_texts(column: pa.ChunkedArray) -> ObjectArray:
    """Give a column of few values as objects, one for each value."""
    codes, names = number_texts(column)
    found: ObjectArray = np.array([*names, None], dtype=object)[codes]
    return found


def number_texts(column: pa.ChunkedArray) -> tuple[SmallIntArray, list[str]]:
    """Give a column of few texts as numbers into its sorted values; -1 for null."""
    names = sorted(name for name in column.unique().to_pylist() if name is not None)
    found = pc.index_in(column, value_set=pa.array(names, type=pa.string())).fill_null(-1)
    return found.to_numpy().astype(np.int32), names


def days_of(column: pa.ChunkedArray) -> SmallIntArray:
    """Give a column of dates in days since 1970-01-01; `NEVER` for null."""
    plain = column.cast(pa.date32()).cast(pa.int32()).fill_null(NEVER)
    days: SmallIntArray = plain.to_numpy()
    return days
