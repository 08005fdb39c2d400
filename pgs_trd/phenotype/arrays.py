"""Events of people as sorted arrays, and the few operations rules are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.arrays import (
    NEVER,
    BoolArray,
    IntArray,
    places,
    sort_key,
)


@dataclass(frozen=True)
class Events:
    """Dated events of people, ordered by person, day and kind.

    Attributes
    ----------
    person
        Row of the person.
    day
        Days since 1970-01-01.
    kind
        Number into `kinds`.
    kinds
        Names, sorted.
    """

    person: IntArray
    day: IntArray
    kind: IntArray
    kinds: tuple[str, ...]

    def of(self, names: Sequence[str]) -> Events:
        """Keep the events whose kind is one of `names`."""
        wanted = np.array([name in names for name in self.kinds], dtype=bool)
        return self.take(wanted[self.kind] if len(self.kinds) else np.zeros(0, dtype=bool))

    def take(self, mask: BoolArray) -> Events:
        """Keep the events of a mask."""
        return Events(self.person[mask], self.day[mask], self.kind[mask], self.kinds)


def make_events(
    person: IntArray, day: IntArray, kind: pd.Series | npt.NDArray[np.object_]
) -> Events:
    """Sort events; those of one person, day and kind become one."""
    codes, kinds = _number(kind)
    order = np.lexsort((codes, sort_key(person, day)))
    person, day, codes = person[order], day[order], codes[order]
    is_new = np.ones(len(person), dtype=bool)
    is_new[1:] = (np.diff(person) != 0) | (np.diff(day) != 0) | (np.diff(codes) != 0)
    return Events(person[is_new], day[is_new], codes[is_new], kinds)


def _number(kind: pd.Series | npt.NDArray[np.object_]) -> tuple[IntArray, tuple[str, ...]]:
    found = pd.Categorical(kind)
    names = [str(name) for name in found.categories]
    rank = np.argsort(np.argsort(np.array(names, dtype=object))) if names else np.zeros(0, int)
    return rank[found.codes].astype(np.int64), tuple(sorted(names))


@dataclass(frozen=True)
class Trials:
    """Treatment trials, ordered by person, start and drug.

    Attributes
    ----------
    person, start, end
        Row of the person; half-open days.
    drug
        Number into `drugs`; numbers beyond are procedures and added drugs.
    switch
        Start of the next trial of another drug (`NEVER`: none).
    fails_anyway
        Counts as a failed trial whatever its length (a course of ECT, say).
    is_last_step
        Can end a chain of failures, but be none of them (too low a dose, an added drug).
    drugs
        Names, sorted.
    """

    person: IntArray
    start: IntArray
    end: IntArray
    drug: IntArray
    switch: IntArray
    fails_anyway: BoolArray
    is_last_step: BoolArray
    drugs: tuple[str, ...]

    def take(self, chosen: BoolArray | IntArray) -> Trials:
        """Keep the trials of a mask or an order."""
        return Trials(
            self.person[chosen],
            self.start[chosen],
            self.end[chosen],
            self.drug[chosen],
            self.switch[chosen],
            self.fails_anyway[chosen],
            self.is_last_step[chosen],
            self.drugs,
        )


def sort_trials(trials: Trials) -> Trials:
    """Order trials by person, start and drug."""
    return trials.take(np.lexsort((trials.drug, sort_key(trials.person, trials.start))))


def nth_date(events: Events, n: int, n_people: int) -> IntArray:
    """Give the day on which each person had events on `n` different days; `NEVER` if never."""
    is_new = np.ones(len(events.person), dtype=bool)
    is_new[1:] = (np.diff(events.person) != 0) | (np.diff(events.day) != 0)
    person, day = events.person[is_new], events.day[is_new]
    place = places(person)
    reached = place == n - 1
    found = np.full(n_people, NEVER, dtype=np.int64)
    found[person[reached]] = day[reached]
    return found


def grouped(names: tuple[str, ...], groups: Sequence[Sequence[str]]) -> IntArray:
    """Give each name a number; those of one group share that of the first of them."""
    number = np.arange(len(names), dtype=np.int64)
    for group in groups:
        members = [place for place, name in enumerate(names) if name in group]
        number[members] = min(members, default=0)
    return number


def join_kinds(events: Events, groups: Sequence[Sequence[str]]) -> Events:
    """Let the kinds of one group be one kind."""
    if not groups or not len(events.person):
        return events
    kind = grouped(events.kinds, groups)[events.kind]
    return make_events(events.person, events.day, np.array(events.kinds, dtype=object)[kind])


def nth_distinct(
    person: IntArray, day: IntArray, kind: IntArray, n: int, n_people: int
) -> IntArray:
    """Give the day by which each person had `n` different kinds; `NEVER` if never.

    Rows in any order.
    """
    order = np.lexsort((sort_key(person, day), kind, person))
    person, day, kind = person[order], day[order], kind[order]
    is_first = np.ones(len(person), dtype=bool)
    is_first[1:] = (np.diff(person) != 0) | (np.diff(kind) != 0)
    person, day = person[is_first], day[is_first]
    order = np.argsort(sort_key(person, day), kind="stable")
    person, day = person[order], day[order]
    reached = places(person) == n - 1
    found = np.full(n_people, NEVER, dtype=np.int64)
    found[person[reached]] = day[reached]
    return found
