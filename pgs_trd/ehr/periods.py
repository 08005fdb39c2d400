"""Periods of observation, made disjoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pgs_trd.ehr.arrays import NEVER, IntArray, is_first_of, running_max, sort_key

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

    def hold(self, person: IntArray, day: IntArray, n_people: int) -> IntArray:
        """Give the number of the period that holds each person's day; -1 for none.

        `person` -1 stands for nobody, whom no period holds.
        """
        bounds = np.searchsorted(self.person, np.arange(n_people + 1))
        n_own = np.append(np.diff(bounds), 0)
        place = np.append(bounds[:-1], 0)[person]
        # Most people have one period: only of the others the right one is looked for.
        several = np.flatnonzero(n_own[person] > 1)
        wanted = sort_key(person[several], day[several])
        starts = sort_key(self.person, self.first)
        place[several] = np.searchsorted(starts, wanted, side="right") - 1
        held = n_own[person] > 0
        held[several] &= place[several] >= bounds[person[several]]
        inside = place[held]
        held[held] = (self.first[inside] <= day[held]) & (day[held] <= self.last[inside])
        return np.where(held, place, -1)


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
    reach = running_max(last, person)
    opens = is_first_of(person)
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
