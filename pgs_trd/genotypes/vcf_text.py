"""The text of a VCF, plain or bgzip: its sites, and any of its lines on demand."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pgs_trd.errors import DataError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.decoding import Stamp, read_at, run_ahead, text_column
from pgs_trd.genotypes.decoding_gzip import GZIP_BITS, INFLATE_ERRORS, inflate
from pgs_trd.genotypes.source import IntArray, UInt8Array
from pgs_trd.genotypes.variants import make_variants
from pgs_trd.genotypes.vcf_calls import CallKeeper, KeptCalls
from pgs_trd.resources import thread_count

DAMAGED = "a truncated or damaged file, or not a VCF"
CHUNK_BYTES = 1 << 21
SHORTEST_LINE = 16
BLOCK_HEADER = 18
GZIP, BLOCKED = b"\x1f\x8b\x08\x04", b"\x06\x00BC\x02\x00"

# Columns of what _decode.scan_vcf gives; texts take two, their start and length.
END, CHROMOSOME, ID, REF, ALT, FORMAT, POSITION, PEOPLE, N_ALLELES, NEXT = (
    1, 2, 4, 6, 8, 10, 12, 13, 14, 15,
)  # fmt: skip
LINE_COLUMNS = 16
FAULTS: tuple[type[Exception], ...] = (*INFLATE_ERRORS, ValueError)


@dataclass(frozen=True)
class VcfText:
    """Random access to the text behind a file.

    `place` and `text_place` are where the blocks of bgzip start, in the file and in
    the text, with the end of the last behind them; both are empty for plain text.
    """

    path: Path
    stamp: Stamp
    place: IntArray = field(repr=False)
    text_place: IntArray = field(repr=False)

    @property
    def n_bytes(self) -> int:
        """Length of the text."""
        return int(self.text_place[-1]) if len(self.place) else self.stamp.n_bytes

    def blocks_of(self, start: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """Give the first and the last block that hold each part [start, end) of the text."""
        first = np.searchsorted(self.text_place, start, side="right") - 1
        last = np.searchsorted(self.text_place, end - 1, side="right") - 1
        return first, last

    def read(self, handle: int, start: int, end: int) -> tuple[bytes, int]:
        """Give a part of the text around [start, end), and where in the text it starts.

        Raises
        ------
        DataError
            If a block is damaged; its checksum is compared.
        """
        try:
            if not len(self.place):
                return read_at(handle, start, end - start), start
            first, last = (
                int(block[0]) for block in self.blocks_of(np.array([start]), np.array([end]))
            )
            at = int(self.place[first])
            raw = memoryview(read_at(handle, at, int(self.place[last + 1]) - at))
            cuts = (self.place[first : last + 2] - at).tolist()
            sizes = np.diff(self.text_place[first : last + 2]).tolist()
            parts = [
                inflate(raw[a:b], n_bytes, wbits=GZIP_BITS)
                for (a, b), n_bytes in zip(pairwise(cuts), sizes, strict=True)
            ]
        except FAULTS as error:
            raise DataError(
                f"{self.path.name}: text from byte {start:,} cannot be read as VCF: {DAMAGED}"
            ) from error
        return b"".join(parts), int(self.text_place[first])


def open_text(path: Path) -> VcfText | None:
    """Find the blocks of a bgzip file; None if it is compressed in another way."""
    stamp = Stamp.of(path)
    empty = np.empty(0, dtype=np.int64)
    with path.open("rb") as handle:
        start = handle.read(2)
        if start != GZIP[:2]:
            return VcfText(path, stamp, empty, empty)
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            place, text_place, at, text_at = [0], [0], 0, 0
            while at < len(content):
                header = content[at : at + BLOCK_HEADER]
                if header[:4] != GZIP or header[10:16] != BLOCKED:
                    if at:
                        raise DataError(
                            f"{path.name}: block {len(place):,} cannot be read as VCF: {DAMAGED}"
                        )
                    return None
                at += int.from_bytes(header[16:18], "little") + 1
                text_at += int.from_bytes(content[at - 4 : at], "little")
                place.append(at)
                text_place.append(text_at)
            if at != len(content):
                raise DataError(f"{path.name}: its last block cannot be read as VCF: {DAMAGED}")
    return VcfText(path, stamp, np.array(place), np.array(text_place))


@dataclass(frozen=True)
class VcfLines:
    """Where the genotypes of each record are.

    start, end : (n_records,)
        Bytes of the text from the first person to the end of the line.
    n_alleles, key : (n_records,)
        Alleles, the reference among them, and which part of a person's text holds
        the genotypes; -1 if the record has none.
    format : (n_records,)
    """

    start: IntArray
    end: IntArray
    n_alleles: IntArray
    key: IntArray
    format: pa.DictionaryArray

    def format_of(self, record: int) -> str:
        """Give the FORMAT of a record."""
        return str(self.format[record].as_py())


@dataclass(frozen=True)
class _Chunk:
    """Whole lines, the first of which is record `first`, and what was scanned of them."""

    content: bytes
    base: int
    first: int
    table: IntArray


@dataclass(frozen=True)
class _Sites:
    """What is taken of a chunk: texts, numbers, and the calls to be kept."""

    texts: dict[int, pa.Array]
    table: IntArray
    calls: tuple[IntArray, UInt8Array]


def read_sites(
    text: VcfText, key: str, keeper: CallKeeper
) -> tuple[pd.DataFrame, IntArray, IntArray, VcfLines, KeptCalls]:
    """Read one row for each alternative allele, with its record and its number there.

    Parameters
    ----------
    text
        The file.
    key
        What the genotypes are called in a FORMAT.
    keeper
        Is given the calls of all lines.

    Raises
    ------
    DataError
        If a line cannot be read, or no site has an alternative allele.
    """
    tables: list[IntArray] = []
    texts: dict[int, list[pa.Array]] = {k: [] for k in (CHROMOSOME, ID, REF, ALT, FORMAT)}
    for sites in run_ahead(
        lambda chunk: _take_sites(text.path, key, keeper, chunk), _chunks(text), thread_count()
    ):
        for column, found in sites.texts.items():
            texts[column].append(found)
        tables.append(sites.table)
        keeper.keep(len(sites.table), *sites.calls)
    if not tables:
        raise DataError(f"{text.path.name}: holds no site with an alternative allele")
    columns = {
        column: pa.chunked_array(found).unify_dictionaries() for column, found in texts.items()
    }
    table = np.concatenate(tables)
    start, end, keys, n_alleles = table[:, :4].T.copy()
    lines = VcfLines(start, end, n_alleles, keys, columns[FORMAT].combine_chunks())
    return *_make_rows(text.path, columns, table[:, 3:]), lines, keeper.kept()


def _take_sites(path: Path, key: str, keeper: CallKeeper, chunk: _Chunk) -> _Sites:
    texts = {}
    try:
        for column in (CHROMOSOME, ID, REF, ALT, FORMAT):
            parts = text_column(chunk.content, chunk.table[:, column : column + 2])
            texts[column] = parts if column == ID else parts.dictionary_encode()
    except ValueError as error:
        raise DataError(
            f"{path.name}: among records {chunk.first + 1:,} to "
            f"{chunk.first + len(chunk.table):,} one holds bytes that are not text: damaged?"
        ) from error
    table = chunk.table[:, [PEOPLE, END, FORMAT, N_ALLELES, POSITION]]
    table[:, 2] = _find_keys(texts[FORMAT], key)
    lines = table.copy()
    lines[:, 4] = 1
    calls = keeper.read(chunk.content, lines)
    table[:, :2] += chunk.base
    return _Sites(texts, table, calls)


def _chunks(text: VcfText) -> Iterator[_Chunk]:
    """Give whole lines behind the header."""
    n_before, is_header, rest = 0, True, b""
    for part, start in _parts(text):
        chunk, base, at = rest + part, start - len(rest), 0
        if start + len(part) == text.n_bytes:
            chunk = chunk.rstrip(b"\r\n") + b"\n"
        while is_header and chunk[at : at + 1] == b"#" and b"\n" in chunk[at:]:
            at = chunk.index(b"\n", at) + 1
        is_header = is_header and chunk[at : at + 1] in (b"#", b"")
        if is_header:
            rest = chunk[at:]
            continue
        # Room for more lines than there can be: what is not written takes no memory.
        room = np.empty(((len(chunk) - at) // SHORTEST_LINE + 1, LINE_COLUMNS), dtype=np.int64)
        table = room[: _decode.scan_vcf(chunk, room, at)]
        rest = chunk[int(table[-1, NEXT]) if len(table) else at :]
        if b"\n" in rest:
            number = n_before + len(table) + 1
            raise DataError(f"{text.path.name}: record {number:,} cannot be read as VCF: {DAMAGED}")
        if len(table):
            yield _Chunk(chunk, base, n_before, table)
        n_before += len(table)


def _parts(text: VcfText) -> Iterator[tuple[bytes, int]]:
    """Give the whole text in parts, read ahead by threads, and where each starts."""
    if len(text.place):
        ends = text.text_place[1:]
        cuts = np.unique(ends[np.searchsorted(ends, np.arange(CHUNK_BYTES, ends[-1], CHUNK_BYTES))])
        cuts = np.unique(np.concatenate([[0], cuts, [ends[-1]]])).tolist()
    else:
        cuts = [*range(0, text.n_bytes, CHUNK_BYTES), text.n_bytes]
    with text.path.open("rb") as handle:
        tasks = pairwise(cuts)
        yield from run_ahead(
            lambda part: text.read(handle.fileno(), part[0], part[1]), tasks, thread_count()
        )


def _find_keys(formats: pa.DictionaryArray, key: str) -> IntArray:
    """Give the place of `key` in each FORMAT, -1 if it is not there."""
    places = [
        names.index(key) if key in names else -1
        for names in (text.split(":") for text in formats.dictionary.to_pylist())
    ]
    keys: IntArray = np.array(places, dtype=np.int64)[formats.indices.to_numpy()]
    return keys


def _make_rows(
    path: Path, columns: dict[int, pa.ChunkedArray], table: IntArray
) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Make the rows; table : (n_records, 2) holds numbers of alleles and positions."""
    n_alternatives = table[:, 0] - 1
    record = np.repeat(np.arange(len(table), dtype=np.int64), n_alternatives)
    if not len(record):
        raise DataError(f"{path.name}: holds no site with an alternative allele")
    first = np.cumsum(n_alternatives) - n_alternatives
    alternative = np.arange(len(record), dtype=np.int64) - first[record] + 1
    counted = columns[ALT].filter(pa.array(n_alternatives > 0))
    if (n_alternatives > 1).any():
        texts = pc.split_pattern(counted.cast(pa.large_string()), ",")
        counted = pc.list_flatten(texts)
        is_empty = pc.equal(counted, "").to_numpy(zero_copy_only=False)
        if is_empty.any():
            raise DataError(
                f"{path.name}: record {int(record[is_empty.argmax()]) + 1:,} has an empty "
                f"alternative allele and cannot be read as VCF: {DAMAGED}"
            )
    take = pa.array(record)
    variants = make_variants(
        columns[CHROMOSOME].take(take),
        table[record, 1],
        columns[ID].take(take),
        counted,
        columns[REF].take(take),
        record,
    )
    return variants, record, alternative
