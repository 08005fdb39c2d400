"""Periods of observation, made disjoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pgs_trd.ehr.arrays import NEVER, AnyIntArray, IntArray, is_first_of, running_max, sort_key

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Periods:
    """Periods of observation, ordered by person and time; those of one person are disjoint.

    Attributes
    ----------
    person
        Row of the person.
    first, last
        Days since 1970-01-01, both inclusive.
    """

    person: IntArray
    first: IntArray
    last: IntArray

    @cached_property
    def _starts(self) -> IntArray:
        return sort_key(self.person, self.first)

    def hold(self, person: AnyIntArray, day: AnyIntArray) -> IntArray:
        """Give the number of the period that holds each person's day; -1 for none.

        `person` -1 stands for nobody, whom no period holds.
        """
        if not len(self.person):
            return np.full(len(person), -1, dtype=np.int64)
        place = np.searchsorted(self._starts, sort_key(person, day), side="right") - 1
        is_held = (self.person[place] == person) & (day <= self.last[place])
        return np.where(is_held, place, -1)


def merge_periods(person: IntArray, first: IntArray, last: IntArray) -> Periods:
    """Join periods of one person that overlap or follow on the next day.

    Parameters
    ----------
    person, first, last
        One row a period as recorded, in any order. Rows of nobody (-1), without a date
        (`NEVER`), or that end before they start, are left out.
    """
    usable = (person >= 0) & (first < NEVER) & (last < NEVER) & (last >= first)
    person, first, last = person[usable], first[usable], last[usable]
    order = np.argsort(sort_key(person, first))
    person, first, last = person[order], first[order], last[order]
    opens = is_first_of(person)
    reach = running_max(last, opens)
    opens[1:] |= first[1:] > reach[:-1] + 1
    closes = np.append(opens[1:], True)[: len(opens)]
    return Periods(person[opens], first[opens], reach[closes])


def span_of_records(*records: ir.Table) -> ir.Table:
    """Take the time from a person's first to last record as the time of observation.

    What is left to a source without observation periods. It ends with the last
    contact, so that staying well looks like leaving.
    """
    # Slow to import, and needed here only.
    import ibis

    rows = ibis.union(*records)
    dated = rows.filter(rows.person_id.notnull() & rows.date.notnull())
    return dated.group_by("person_id").aggregate(
        start_date=dated.date.min(), end_date=dated.date.max()
    )
