"""Columns sorted by group, days as whole numbers, and the few operations both need."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]
SmallIntArray = npt.NDArray[np.int32]
AnyIntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]

NEVER = 10**9
"""The day (since 1970-01-01) of what did not happen: after every day that did."""

_DAY_BITS = 21
_DAY_ZERO = 1 << 20


def sort_key(person: AnyIntArray, day: AnyIntArray) -> IntArray:
    """Give one number that orders by person, then day (-2,800 to +2,800 years of 1970)."""
    key: IntArray = person.astype(np.int64)
    key <<= _DAY_BITS
    key += np.minimum(day, _DAY_ZERO - 1)
    key += _DAY_ZERO
    return key


def split_key(key: IntArray) -> tuple[IntArray, IntArray]:
    """Give person and day of what `sort_key` made."""
    return key >> _DAY_BITS, (key & ((1 << _DAY_BITS) - 1)) - _DAY_ZERO


def first_of(person: AnyIntArray, day: AnyIntArray, n_people: int) -> IntArray:
    """Give each person's first day; `NEVER` without one."""
    first = np.full(n_people, NEVER, dtype=np.int64)
    np.minimum.at(first, person, day)
    return first


def is_first_of(*columns: npt.NDArray[np.generic]) -> BoolArray:
    """Say which rows of sorted columns begin a new group of equal values."""
    found = np.zeros(len(columns[0]), dtype=bool)
    found[:1] = True
    for column in columns:
        found[1:] |= column[1:] != column[:-1]
    return found


def starts_of(groups: IntArray) -> IntArray:
    """Give for each row of a sorted column the row where its group begins."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    is_first = is_first_of(groups)
    rows = np.flatnonzero(is_first)
    found: IntArray = rows[np.cumsum(is_first) - 1].astype(np.int64)
    return found


def ends_of(groups: IntArray) -> IntArray:
    """Give for each row of a sorted column the row after the last of its group."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    is_last = np.ones(len(groups), dtype=bool)
    is_last[:-1] = groups[1:] != groups[:-1]
    rows = np.flatnonzero(is_last) + 1
    number = np.cumsum(np.r_[False, is_last[:-1]])
    found: IntArray = rows[number].astype(np.int64)
    return found


def places(groups: IntArray) -> IntArray:
    """Give each row its place, from 0, within its group of a sorted column."""
    return np.arange(len(groups), dtype=np.int64) - starts_of(groups)


def running_max(values: AnyIntArray, opens: BoolArray) -> IntArray:
    """Give the maximum so far within each group; `opens` says which rows begin one."""
    # Later groups are lifted above all earlier ones, so that one pass serves them all.
    if not len(values):
        return values.astype(np.int64)
    lift = np.cumsum(opens, dtype=np.int64)
    lift *= int(values.max()) - int(values.min()) + 1
    found: IntArray = values + lift
    np.maximum.accumulate(found, out=found)
    found -= lift
    return found


def pair_rows(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Pair each row i with the rows first[i] to last[i] - 1."""
    n = np.maximum(last - first, 0)
    left = np.repeat(np.arange(len(first), dtype=np.int64), n)
    before = np.cumsum(n) - n
    right = np.arange(int(n.sum()), dtype=np.int64) - before[left] + first[left]
    return left, right


def to_dates(days: IntArray) -> npt.NDArray[np.datetime64]:
    """Make dates of days; `NEVER` becomes NaT."""
    safe = np.where(days >= NEVER, 0, days)
    dates = safe.astype("datetime64[D]").astype("datetime64[ns]")
    dates[days >= NEVER] = np.datetime64("NaT", "ns")
    return dates


def to_days(dates: pd.Series) -> IntArray:
    """Make days of dates; NaT becomes `NEVER`."""
    values = dates.to_numpy(dtype="datetime64[D]")
    days = values.astype(np.int64)
    found: IntArray = np.where(np.isnat(values), NEVER, days)
    return found
