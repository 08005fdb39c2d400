"""What each prescription supplies: days from one on, and how they are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from pgs_trd.ehr.arrays import (
    NEVER,
    AnyIntArray,
    BoolArray,
    SmallIntArray,
    is_first_of,
    running_max,
    sort_key,
    split_key,
)
from pgs_trd.ehr.people import People
from pgs_trd.ehr.prescriptions import Prescriptions
from pgs_trd.errors import UsageError

SUPPLY_SOURCES = ("default", "median_gap", "end_date", "days_supply")
"""How a supply is known, by number: the first two are imputed."""

# By how much a row knows: nothing, an end date, a days' supply.
_SOURCE_OF_KNOWN = np.array([0, 2, 3], dtype=np.int8)

UnknownSupply = Literal["default", "median_gap"]

LONGEST_GAP = 90
"""Days; the longest supply that is taken from the time between prescriptions."""

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
    source
        Number into `SUPPLY_SOURCES`.
    """

    person: SmallIntArray
    drug: npt.NDArray[np.int16]
    period: SmallIntArray
    start: SmallIntArray
    end: SmallIntArray
    source: npt.NDArray[np.int8]

    @property
    def opens(self) -> BoolArray:
        """Say which are the first of one person, drug and period."""
        return is_first_of(self.person, self.drug, self.period)

    @property
    def is_imputed(self) -> BoolArray:
        """Say which have a supply that no row told."""
        found: BoolArray = self.source < SUPPLY_SOURCES.index("end_date")
        return found


def make_fills(
    rows: Prescriptions,
    chosen: BoolArray,
    people: People,
    *,
    default_supply_days: int,
    max_supply_days: int,
    use_refills: bool,
    unknown_supply: UnknownSupply = "default",
) -> Fills:
    """Give each person, drug and day one fill with the days it supplies.

    The supply of a row is, in this order: its days' supply if positive (times one
    plus the refills of an order, cut at `max_supply_days`); the span to its end date
    if that lies after its start; else nothing is known. Rows of one day are one: two
    strengths of one drug are taken together, so the longest known supply stands. A day
    on which no row knows its supply gets `default_supply_days`, or by "median_gap" the
    usual time (median, the lower of two in the middle) from one day with this drug to the
    next, no more than `LONGEST_GAP`, where the person has two such days.

    Parameters
    ----------
    chosen
        Which rows to take; all of them with a known ingredient and period.
    """
    if unknown_supply not in get_args(UnknownSupply):
        known_ways = " or ".join(get_args(UnknownSupply))
        raise UsageError(f"unknown_supply must be {known_ways}, got {unknown_supply!r}")
    longest_supply = LONGEST_ERA if rows.are_eras else max_supply_days
    known = _known_supply(rows, chosen, longest_supply, use_refills)
    drug_bits, n_bits = len(rows.ingredients).bit_length(), int(known.max(initial=0)).bit_length()
    group = rows.person[chosen].astype(np.int64)
    group <<= drug_bits
    group += rows.ingredient[chosen]
    # The supply goes along in the lowest bits: one sort of numbers orders all of it, and
    # the last row of a day has the longest.
    key = sort_key(group, rows.day[chosen])
    key <<= n_bits
    key += known
    del group, known
    if len(key) and key.min() < 0:
        raise UsageError(f"max_supply_days is too large: {max_supply_days}")
    key.sort()
    known = (key & ((1 << n_bits) - 1)).astype(np.int32)
    key >>= n_bits
    is_last = np.ones(len(key), dtype=bool)
    np.not_equal(key[1:], key[:-1], out=is_last[:-1])
    known = known[is_last]
    group, day = split_key(key[is_last])
    person, start = (group >> drug_bits).astype(np.int32), day.astype(np.int32)
    fills = Fills(
        person=person,
        drug=(group & ((1 << drug_bits) - 1)).astype(np.int16),
        period=people.period_of(person, start),
        start=start,
        end=start + np.where(known == 0, np.int32(default_supply_days), known >> 1),
        source=_SOURCE_OF_KNOWN[(known > 0) + (known & 1)],
    )
    return fills if unknown_supply == "default" else _fill_gaps(fills)


def _known_supply(
    rows: Prescriptions, chosen: BoolArray, max_supply_days: int, use_refills: bool
) -> AnyIntArray:
    """Give twice the days each row supplies, and one more where it says so; 0: not known."""
    supply = np.minimum(rows.supply[chosen], max_supply_days)
    if use_refills and rows.refills.any():
        times = np.minimum(rows.refills[chosen], max_supply_days) + 1
        supply = supply.astype(np.int64) * times
    is_said = supply > 0
    asked = np.flatnonzero(~is_said)
    end, day = rows.end[chosen][asked], rows.day[chosen][asked]
    span = np.where(end < NEVER, end - day + 1, 0)
    supply[asked] = np.where(span > 1, span, 0)
    return np.minimum(supply, max_supply_days) * 2 + is_said


def _fill_gaps(fills: Fills) -> Fills:
    """Give fills of unknown supply the usual time to the next fill, where there is one."""
    opens = fills.opens
    group = np.cumsum(opens) - 1
    before = np.flatnonzero(~opens) - 1
    gap, of_gap = (fills.start[before + 1] - fills.start[before]), group[before]
    n_gaps = np.bincount(of_gap, minlength=int(opens.sum()))
    middle = np.cumsum(n_gaps) - n_gaps + (n_gaps - 1) // 2
    by_length = gap[np.lexsort((gap, of_gap))]
    asked = np.flatnonzero(fills.is_imputed & (n_gaps[group] > 0))
    end, source = fills.end.copy(), fills.source.copy()
    usual = np.minimum(by_length[middle[group[asked]]], LONGEST_GAP)
    end[asked] = fills.start[asked] + usual
    source[asked] = SUPPLY_SOURCES.index("median_gap")
    return replace(fills, end=end, source=source)


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
    lasts = total + running_max(free, fills.opens)
    return replace(fills, end=lasts.astype(np.int32))
