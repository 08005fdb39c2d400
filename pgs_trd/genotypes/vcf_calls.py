"""Calls of a VCF as codes: read from its text, and those that are kept of its first records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.source import BoolArray, Int8Array, IntArray, UInt8Array

KEPT_BYTES = 1 << 27
"""Memory for the codes that are kept of all files opened together."""
UNREAD, DIPLOID, HAPLOID = 0, 1, 2


@dataclass(frozen=True)
class Calls:
    """Calls of one alternative of each of some lines.

    codes, ploidy : (n_rows, packed width), (n_rows, n_people)
        Codes are void where `found` is `UNREAD`, ploidy unless it is `HAPLOID`.
    found : (n_rows,)
        `UNREAD`; `DIPLOID`; `HAPLOID` if anybody is.
    fault
        What is wrong with the first line of which something is.
    """

    codes: UInt8Array
    ploidy: Int8Array
    found: UInt8Array
    fault: str | None


def read_calls(text: Any, lines: IntArray, *, n_people: int, half: int) -> Calls:
    """Read calls from a text.

    Parameters
    ----------
    text
        Bytes.
    lines : (n_rows, 5)
        Start and end of the people in `text`, which part of a person's text the calls
        are (-1: none), number of alleles, alternative.
    n_people
        People in a line.
    half
        Place of the rule for half calls in `HALF_CALLS`.
    """
    lines = np.ascontiguousarray(lines, dtype=np.int64)
    codes = np.empty((len(lines), packed_width(n_people)), dtype=np.uint8)
    ploidy = np.empty((len(lines), n_people), dtype=np.int8)
    found = np.empty(len(lines), dtype=np.uint8)
    fault = _decode.read_lines(text, lines, half, n_people, codes, ploidy, found)
    return Calls(codes, ploidy, found, fault)


@dataclass(frozen=True)
class KeptCalls:
    """Codes of records that were kept when the sites were read.

    codes : (n_kept or more, packed width)
    place : (n_records,)
        Row of `codes`; -1 if the record has to be read.
    """

    codes: UInt8Array = field(repr=False)
    place: IntArray = field(repr=False)

    def fill(self, record: IntArray, codes: UInt8Array) -> BoolArray:
        """Enter the codes of those of the records that are kept, and tell which."""
        place = self.place[record]
        is_kept: BoolArray = place >= 0
        if is_kept.all():
            np.take(self.codes, place, axis=0, out=codes, mode="clip")
        elif is_kept.any():
            codes[is_kept] = self.codes[place[is_kept]]
        return is_kept


class CallKeeper:
    """Keeps the codes of the first records of two alleles and diploid calls, in bounded memory.

    Parameters
    ----------
    n_people
        People in a line.
    half
        As in `read_calls`.
    most_bytes
        Memory for codes.
    most_records
        There are no more; memory is only used as far as it is filled.
    """

    def __init__(self, n_people: int, half: int, *, most_bytes: int, most_records: int) -> None:
        self._n_people, self._half = n_people, half
        room = min(most_bytes // packed_width(n_people), most_records)
        self._codes = np.empty((room, packed_width(n_people)), dtype=np.uint8)
        self._places: list[IntArray] = []
        self._n_kept = 0

    def read(self, text: Any, lines: IntArray) -> tuple[IntArray, UInt8Array]:
        """Give which lines can be kept, and their codes; from any thread."""
        chosen = np.flatnonzero((lines[:, 2] >= 0) & (lines[:, 3] == 2))
        chosen = chosen[: len(self._codes) - self._n_kept]
        calls = read_calls(text, lines[chosen], n_people=self._n_people, half=self._half)
        is_kept = calls.found == DIPLOID
        return chosen[is_kept], calls.codes[is_kept]

    def keep(self, n_lines: int, chosen: IntArray, codes: UInt8Array) -> None:
        """Keep what `read` gave of the next `n_lines`, as far as there is room."""
        start, stop = self._n_kept, min(self._n_kept + len(chosen), len(self._codes))
        self._codes[start:stop] = codes[: stop - start]
        place = np.full(n_lines, -1, dtype=np.int64)
        place[chosen[: stop - start]] = np.arange(start, stop)
        self._places.append(place)
        self._n_kept = stop

    def kept(self) -> KeptCalls:
        """Give what was kept."""
        self._codes.flags.writeable = False
        return KeptCalls(self._codes, np.concatenate(self._places))
