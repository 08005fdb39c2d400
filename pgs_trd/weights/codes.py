"""Texts as numbers: a distinct text is looked at once, however many rows have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.integer[Any]]

CHUNK_ROWS = 2**16


def to_codes(texts: pd.Series) -> tuple[Codes, pd.Index]:
    """Give each row's place among the distinct texts, -1 where missing, and those texts.

    Categories come as they are, so that some may not occur; anything else is
    factorised.
    """
    if isinstance(texts.dtype, pd.CategoricalDtype):
        return texts.cat.codes.to_numpy(), texts.cat.categories
    codes, names = pd.factorize(texts)
    return codes, pd.Index(names)


def take_codes(values: npt.ArrayLike, codes: Codes, missing: int) -> IntArray:
    """Give ``values[codes]``, and `missing` where the code is -1."""
    table = np.append(np.asarray(values, dtype=np.int64), missing).astype(np.int64)
    taken: IntArray = table[codes]
    return taken


def chunks(n_rows: int, size: int = CHUNK_ROWS) -> Iterator[slice]:
    """Give slices that cover all rows; what is done to one stays in the cache."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def take_evenly(rows: IntArray, most: int) -> IntArray:
    """Give `most` of `rows`, evenly spaced, or all if they are fewer."""
    if len(rows) <= most:
        return rows
    places = np.linspace(0, len(rows) - 1, most).round().astype(np.int64)
    taken: IntArray = rows[places]
    return taken
