"""Ids of variants by hashing: the texts stay where they are, a row costs 12 to 24 bytes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pgs_trd.weights import _ids

Numbers = npt.NDArray[np.int32]

ABSENT = -1
NO_ID = -2
_NOTHING = b""


class IdIndex:
    """The distinct ids of a table, numbered by first occurrence; made by `number_ids`.

    Attributes
    ----------
    first : (n_ids,)
        The first row of each id.
    """

    def __init__(self, texts: _Texts, slots: Numbers, first: Numbers) -> None:
        self._texts = texts
        self._slots = slots
        self.first = first

    def find(self, texts: pd.Series) -> Numbers:
        """Give the numbers of other ids: `ABSENT` if not among these, `NO_ID` if none."""
        numbers: Numbers = np.empty(len(texts), dtype=np.int32)
        start = 0
        for chunk in _chunks(texts):
            asked = _Texts.of(chunk)
            part = numbers[start : start + asked.n]
            _ids.find(*self._texts, self._slots, self.first, *asked, part)
            start += asked.n
        return numbers


def number_ids(texts: pd.Series) -> tuple[IdIndex, Numbers]:
    """Give each distinct id of a table a number.

    Parameters
    ----------
    texts : (n_rows,)
        Ids; missing, empty or ``"."`` is none.

    Returns
    -------
    ids
        To look others up in.
    numbers : (n_rows,)
        Number of each row's id, `NO_ID` where it has none.
    """
    chunks = _chunks(texts)
    own = _Texts.of(chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks))
    slots = np.empty(1 << max(1, (2 * own.n - 1).bit_length()), dtype=np.int32)
    rows, numbers = np.empty(own.n, dtype=np.int32), np.empty(own.n, dtype=np.int32)
    n_ids = _ids.number(*own, slots, rows, numbers)
    return IdIndex(own, slots, rows[:n_ids]), numbers


def _chunks(texts: pd.Series) -> list[pa.Array]:
    array = pa.array(texts, from_pandas=True)
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = array.cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        return array.chunks or [pa.array([], array.type)]
    return [array]


class _Texts(NamedTuple):
    """Buffers of an Arrow array of texts."""

    offsets: npt.NDArray[Any]
    data: pa.Buffer | bytes
    is_null: npt.NDArray[np.bool_] | bytes
    n: int
    is_wide: bool

    @classmethod
    def of(cls, array: pa.Array) -> _Texts:
        is_wide = pa.types.is_large_string(array.type)
        _, offsets, data = array.buffers()
        places = np.frombuffer(offsets or bytes(8), dtype=np.int64 if is_wide else np.int32)
        is_null = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else _NOTHING
        return cls(
            places[array.offset : array.offset + len(array) + 1],
            _NOTHING if data is None else data,
            is_null,
            len(array),
            is_wide,
        )
