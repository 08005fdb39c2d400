"""Read text of many columns of numbers, fast, where it is plain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pgs_trd.genotypes.decoding import run_ahead
from pgs_trd.weights import _rows
from pgs_trd.weights.files import Head, Kind, parse_text
from pgs_trd.weights.opening import LINE_END, open_stream
from pgs_trd.weights.table import FloatArray

ROOM = 2**20
# Of a column, for `_rows`; 0 is not read.
TEXT, WEIGHT, OTHER = 1, 2, 3


def read_wide(
    path: Path, head: Head, kinds: Mapping[int, Kind], weights: Sequence[int]
) -> tuple[pa.Table, FloatArray] | None:
    """Read some columns of a text file, the weights as one array.

    Parameters
    ----------
    path
        The file.
    head
        From `read_head`.
    kinds
        Column (0-based) -> what it holds.
    weights
        Which of them are the weights.

    Returns
    -------
    table
        The other columns, as `read_columns` gives them.
    effects : (n_rows, n_weights)
        NaN where missing.
    None
        If the file is not plain: Parquet, columns divided by white space, quotation
        marks, empty or uneven lines, or anything but plain decimal numbers where
        numbers should be. `read_columns` reads it, or says what is wrong.
    """
    try:
        return _read(path, head, kinds, weights)
    except (_NotPlainError, pa.ArrowInvalid):
        return None


class _NotPlainError(Exception):
    """Only a parser for tables can read the file, or say what is wrong with it."""


def _read(
    path: Path, head: Head, kinds: Mapping[int, Kind], weights: Sequence[int]
) -> tuple[pa.Table, FloatArray]:
    texts = sorted(place for place in kinds if kinds[place] != "numbers")
    others = sorted(kinds.keys() - {*texts, *weights})
    if head.separator in (" ", "parquet") or not texts:
        raise _NotPlainError
    codes = bytearray(len(head.columns))
    for code, places in ((TEXT, texts), (WEIGHT, weights), (OTHER, others)):
        for place in places:
            codes[place] = code
    split = partial(_split, ord(head.separator), bytes(codes), (len(weights), len(others)))
    effects, numbers = np.empty((0, len(weights))), np.empty((0, len(others)))
    kept = []
    n_threads = pa.cpu_count()  # which the command line holds to those asked for
    pieces = run_ahead(split, _lines(path, head.n_lines), n_threads, n_threads)
    for *more, text in pieces:
        for array, rows in zip((effects, numbers), more, strict=True):
            n_rows = len(array)
            # Grown in place: the system moves no byte of a large array.
            array.resize((n_rows + len(rows), array.shape[1]), refcheck=False)
            array[n_rows:] = rows
        kept.append(text)
    table = parse_text(b"".join(kept), head.separator, texts, kinds)
    if table.num_rows != len(effects):
        raise _NotPlainError
    for place, column in zip(others, numbers.T, strict=True):
        table = table.append_column(str(place), pa.array(column, from_pandas=True))
    order = np.argsort(np.argsort(weights))
    return table, effects if (order == np.arange(len(order))).all() else effects[:, order]


def _split(
    separator: int, codes: bytes, widths: tuple[int, int], lines: bytes
) -> tuple[FloatArray, FloatArray, bytearray]:
    """Give the weights of some lines, the other numbers, and the text."""
    n_rows = int(np.count_nonzero(np.frombuffer(lines, dtype=np.uint8) == LINE_END))
    effects, numbers = (np.empty((n_rows, width)) for width in widths)
    text = bytearray(len(lines))
    n_kept = _rows.split(lines, separator, codes, effects, numbers, text)
    if n_kept is None:
        raise _NotPlainError
    del text[n_kept:]
    return effects, numbers, text


def _lines(path: Path, n_skipped: int) -> Iterator[bytes]:
    """Give whole lines in large pieces, the last one ended, without the first ones."""
    room = bytearray(ROOM + 1)
    held = 0
    with open_stream(path) as stream:
        while True:
            if held == ROOM:
                raise _NotPlainError
            n_read = stream.readinto(memoryview(room)[held:ROOM])
            if not n_read:
                break
            held += n_read
            start = 0
            while n_skipped and (end := room.find(LINE_END, start, held) + 1):
                start = end
                n_skipped -= 1
            cut = 0 if n_skipped else room.rfind(LINE_END, start, held) + 1
            if cut > start:
                yield bytes(memoryview(room)[start:cut])
                start = cut
            held -= start
            room[:held] = room[start : start + held]
        if held and not n_skipped:
            room[held] = LINE_END
            yield bytes(memoryview(room)[: held + (room[held - 1] != LINE_END)])
