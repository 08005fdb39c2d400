"""What the readers that decode share: text columns, pieces of blocks, threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pgs_trd.errors import DataError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.source import GenotypeBlock, Int8Array, IntArray, UInt8Array
from pgs_trd.resources import thread_count

UnitArray: TypeAlias = npt.NDArray[np.uint16]
Task = TypeVar("Task")
Result = TypeVar("Result")

UNIT = 16384  # 1/16384 of a copy is the finest dosage, as in a .pgen.
MISSING_UNIT = 65535
PIECE_GENOTYPES = 1 << 20
DAMAGED = "a truncated or damaged file"


@dataclass
class Piece:
    """Some rows of a block, filled one by one: codes as long as every dosage is whole."""

    n_people: int
    codes: UInt8Array
    units: UnitArray | None = None
    ploidy: Int8Array | None = None

    @classmethod
    def of(cls, n_rows: int, n_people: int) -> Piece:
        """Make a piece to be filled."""
        return cls(n_people, np.empty((n_rows, packed_width(n_people)), dtype=np.uint8))

    def put_units(self, row: int, units: UnitArray) -> None:
        """Enter the dosages of one row; rows before are there already."""
        if self.units is None:
            if _decode.pack_units(units, self.codes[row], 1, self.n_people):
                return
            self.units = np.empty((len(self.codes), self.n_people), dtype=np.uint16)
            _decode.expand_codes(self.codes[:row], self.units[:row], row, self.n_people)
        self.units[row] = units

    def put_ploidy(self, row: int, ploidy: Int8Array | None) -> None:
        """Enter the ploidy of a row whose genotypes are there; None: all calls are diploid."""
        if self.ploidy is None:
            if ploidy is None:
                return
            self.ploidy = np.empty((len(self.codes), self.n_people), dtype=np.int8)
            for before in range(row):
                self.ploidy[before] = self._diploid(before)
        self.ploidy[row] = self._diploid(row) if ploidy is None else ploidy

    def _diploid(self, row: int) -> Int8Array:
        units = np.empty(self.n_people, dtype=np.uint16)
        if self.units is None:
            _decode.expand_codes(self.codes[row], units, 1, self.n_people)
        else:
            units[:] = self.units[row]
        return np.where(units == MISSING_UNIT, 0, 2).astype(np.int8)

    def whole_ploidy(self) -> Int8Array:
        """Give the ploidy of all rows."""
        if self.ploidy is not None:
            return self.ploidy
        return np.stack([self._diploid(row) for row in range(len(self.codes))])

    def whole_units(self) -> UnitArray:
        """Give the dosages of all rows."""
        if self.units is not None:
            return self.units
        units = np.empty((len(self.codes), self.n_people), dtype=np.uint16)
        _decode.expand_codes(self.codes, units, len(units), self.n_people)
        return units


def join_pieces(rows: IntArray, pieces: list[Piece]) -> GenotypeBlock:
    """Join pieces to a block: codes if every dosage is whole, else units."""
    ploidy = None
    if any(piece.ploidy is not None for piece in pieces):
        ploidy = _stack([piece.whole_ploidy() for piece in pieces])
    if all(piece.units is None for piece in pieces):
        codes = _stack([piece.codes for piece in pieces])
        return GenotypeBlock(rows=rows, codes=codes, ploidy=ploidy)
    units = _stack([piece.whole_units() for piece in pieces])
    return GenotypeBlock(rows=rows, units=units, ploidy=ploidy)


def _stack(arrays: list[Any]) -> Any:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def decode_blocks(
    rows: IntArray, block_size: int, n_people: int, decode: Callable[[IntArray], Piece]
) -> Iterator[GenotypeBlock]:
    """Give blocks of `rows`, decoded a piece at a time by threads that run ahead."""
    n_piece = max(1, min(PIECE_GENOTYPES // n_people, -(-block_size // thread_count())))
    starts = range(0, len(rows), block_size)
    blocks = [rows[start : start + block_size] for start in starts]
    parts = [[part[k : k + n_piece] for k in range(0, len(part), n_piece)] for part in blocks]
    ahead = -(-block_size // n_piece) + thread_count()
    found = run_ahead(decode, (piece for part in parts for piece in part), ahead)
    for block, part in zip(blocks, parts, strict=True):
        yield join_pieces(block, [next(found) for _ in part])


def run_ahead(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    ahead: int,
    threads: int | None = None,
) -> Iterator[Result]:
    """Give the results in the order of `tasks`, at most `ahead` of them waiting."""
    waiting: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(thread_count(threads), thread_name_prefix="decode")
    try:
        for task in tasks:
            waiting.append(executor.submit(function, task))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def text_column(content: Any, spans: IntArray) -> pa.Array:
    """Give the pieces (start, length) of `content` as Arrow text.

    Raises
    ------
    ValueError
        If bytes are not UTF-8.
    """
    spans = np.ascontiguousarray(spans, dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(spans[:, 1])])
    gathered = bytearray(int(ends[-1]))
    _decode.gather_text(content, spans, gathered)
    texts = pa.LargeStringArray.from_buffers(
        len(spans), pa.py_buffer(ends.astype(np.int64)), pa.py_buffer(bytes(gathered))
    )
    texts.validate(full=True)
    return texts


@dataclass(frozen=True)
class Stamp:
    """Size and time of a file, by which a change after opening shows."""

    n_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Take the stamp of `path`."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns)

    def check(self, path: Path) -> None:
        """Raise a DataError unless `path` still has this stamp."""
        if not path.is_file() or Stamp.of(path) != self:
            raise DataError(f"{path.name}: changed since it was opened")


def read_at(handle: int, start: int, n_bytes: int) -> bytes:
    """Read `n_bytes` at `start` of an open file, from any thread; a ValueError if fewer."""
    found = os.pread(handle, n_bytes, start)
    if len(found) != n_bytes:
        raise ValueError("the file ends before")
    return found
