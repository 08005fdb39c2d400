"""Prescriptions of one ingredient joined into eras."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from pgs_trd.ehr.arrays import (
    NEVER,
    AnyIntArray,
    BoolArray,
    IntArray,
    SmallIntArray,
    is_first_of,
    running_max,
    sort_key,
    split_key,
)
from pgs_trd.ehr.people import People
from pgs_trd.ehr.prescriptions import Prescriptions
from pgs_trd.errors import UsageError

LONGEST_ERA = 100 * 365
"""Days; what an era of the source may last."""


@dataclass(frozen=True)
class Fills:
    """What one drug supplies from one day on, ordered by person, drug and day.

    Attributes
    ----------
    person, drug
        Row of the person; number of the ingredient.
    period
        Number of the period of observation.
    start, end
        Half-open, in days since 1970-01-01.
    is_imputed
        Whether the supply is the default.
    """

    person: SmallIntArray
    drug: npt.NDArray[np.int16]
    period: SmallIntArray
    start: SmallIntArray
    end: SmallIntArray
    is_imputed: BoolArray


@dataclass(frozen=True)
class Eras:
    """Eras of one drug, ordered by person, drug and start.

    Attributes
    ----------
    person, drug, start, end
        As in `Fills`.
    n_prescriptions, n_supply_imputed
        Fills, and those of them with the default supply.
    """

    person: IntArray
    drug: IntArray
    start: IntArray
    end: IntArray
    n_prescriptions: IntArray
    n_supply_imputed: IntArray

    def take(self, order: IntArray) -> Eras:
        """Give the eras in another order."""
        return Eras(*(getattr(self, column.name)[order] for column in fields(self)))


def make_fills(
    rows: Prescriptions,
    chosen: BoolArray,
    people: People,
    *,
    default_supply_days: int,
    max_supply_days: int,
    use_refills: bool,
) -> Fills:
    """Give each person, drug and day one fill with the days it supplies.

    The supply of a row is, in this order: its days' supply if positive (times one
    plus the refills of an order, cut at `max_supply_days`); the span to its end date
    if that lies after its start; else nothing is known. Rows of one day are one: two
    strengths of one drug are taken together, so the longest known supply stands. A day
    on which no row knows its supply gets `default_supply_days`.

    Parameters
    ----------
    chosen
        Which rows to take; all of them with a known ingredient and period.
    """
    longest_supply = LONGEST_ERA if rows.are_eras else max_supply_days
    supply = _known_supply(rows, chosen, longest_supply, use_refills)
    drug_bits, n_bits = len(rows.ingredients).bit_length(), int(supply.max(initial=0)).bit_length()
    group = rows.person[chosen].astype(np.int64)
    group <<= drug_bits
    group += rows.ingredient[chosen]
    # The supply goes along in the lowest bits: one sort of numbers orders all of it, and
    # the last row of a day has the longest.
    key = sort_key(group, rows.day[chosen])
    key <<= n_bits
    key += supply
    del group, supply
    if len(key) and key.min() < 0:
        raise UsageError(f"max_supply_days is too large: {max_supply_days}")
    key.sort()
    longest = (key & ((1 << n_bits) - 1)).astype(np.int32)
    key >>= n_bits
    is_last = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=is_last[:-1])
    longest = longest[is_last]
    group, day = split_key(key[is_last])
    person, start = (group >> drug_bits).astype(np.int32), day.astype(np.int32)
    is_imputed = longest == 0
    return Fills(
        person=person,
        drug=(group & ((1 << drug_bits) - 1)).astype(np.int16),
        period=people.period_of(person, start),
        start=start,
        end=start + np.where(is_imputed, np.int32(default_supply_days), longest),
        is_imputed=is_imputed,
    )


def _known_supply(
    rows: Prescriptions, chosen: BoolArray, max_supply_days: int, use_refills: bool
) -> AnyIntArray:
    """Give the days each row supplies; 0 where that is not known."""
    supply = np.minimum(rows.supply[chosen], max_supply_days)
    if use_refills and rows.refills.any():
        times = np.minimum(rows.refills[chosen], max_supply_days) + 1
        supply = supply.astype(np.int64) * times
    asked = np.flatnonzero(supply <= 0)
    end, day = rows.end[chosen][asked], rows.day[chosen][asked]
    span = np.where(end < NEVER, end - day + 1, 0)
    supply[asked] = np.where(span > 1, span, 0)
    return np.minimum(supply, max_supply_days)


def stockpile_fills(fills: Fills) -> Fills:
    """Let each fill begin when the one before is used up: nothing of early refills is lost.

    With S the running sum of the supplies, the supplies so far last until S plus the
    largest start less the supply before it: one pass, no loop. A pause uses up what is
    left, so that nothing is carried across it.
    """
    supply = fills.end - fills.start
    total = np.cumsum(supply, dtype=np.int64)
    free = fills.start - (total - supply)
    # The sum of other drugs before is in `total` and, negative, in `free`.
    lasts = total + running_max(free, _opens(fills))
    return replace(fills, end=lasts.astype(np.int32))


def _opens(fills: Fills) -> BoolArray:
    """Say which fills are the first of one person, drug and period."""
    return is_first_of(fills.person, fills.drug, fills.period)


def build_eras(fills: Fills, people: People, *, gap_days: int) -> Eras:
    """Join the fills of a person and drug into eras.

    A new era begins where a fill starts more than `gap_days` after everything
    before it has run out. "Everything before": the running maximum of the ends,
    so that a short fill inside a long one does not split the era. Eras do not
    cross a hole in observation, and end with observation or life.
    """
    opens = _opens(fills)
    reach = running_max(fills.end, opens)
    opens[1:] |= fills.start[1:] > reach[:-1] + gap_days
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(opens))[: len(first)] - 1
    person = fills.person[first].astype(np.int64)
    until = np.minimum(people.periods.last[fills.period[first]], people.death_day[person])
    imputed = fills.is_imputed.astype(np.int64)
    return Eras(
        person=person,
        drug=fills.drug[first].astype(np.int64),
        start=fills.start[first].astype(np.int64),
        end=np.minimum(reach[last], until + 1),
        n_prescriptions=last - first + 1,
        n_supply_imputed=np.add.reduceat(imputed, first) if len(first) else imputed,
    )
