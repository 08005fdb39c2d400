"""Rounding of the counts that are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

SHARE = "__share"


def round_count(count: int, base: int) -> int:
    """Round a count to a multiple of `base`, halves up; nobody is 0 and few are not.

    Examples
    --------
    >>> [round_count(count, 5) for count in (0, 1, 22, 23, 37)]
    [0, 5, 20, 25, 35]
    """
    if base == 1 or count == 0:
        return count
    return max(base, (2 * count + base) // (2 * base) * base)


def round_cells(table: pd.DataFrame, columns: list[str], base: int) -> pd.DataFrame:
    """Round the counts of some columns; marks and missing cells stay.

    What is shown can be worked out from what was shown without rounding, so that no
    cell is protected less than before.
    """
    if base == 1 or table.empty:
        return table
    rounded = table.copy()
    for column in columns:
        if column in rounded:
            cells = [_round_cell(cell, base) for cell in rounded[column]]
            rounded[column] = pd.Series(cells, index=rounded.index, dtype=object)
    return rounded


def _round_cell(cell: object, base: int) -> object:
    is_count = isinstance(cell, int | np.integer) and not isinstance(cell, bool | np.bool_)
    return round_count(int(cell), base) if is_count else cell  # type: ignore[call-overload]  # a count


def round_characteristics(table: pd.DataFrame, base: int) -> pd.DataFrame:
    """Round Table 1: counts are int, statistics float; shares are those of rounded counts."""
    if base == 1 or table.empty:
        return table
    classes = [column for column in table.columns if f"{column}{SHARE}" in table.columns]
    rounded = round_cells(table, classes, base)
    for name in classes:
        total = rounded[name].iloc[0]
        shares = [
            share if share != share else cell / total
            for cell, share in zip(rounded[name], rounded[f"{name}{SHARE}"], strict=True)
        ]
        rounded[f"{name}{SHARE}"] = pd.Series(shares, index=rounded.index, dtype=object)
    return rounded
