"""Read BGEN 1.2 and 1.3: any bit depth, zlib, zstd or none, phased or not."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.bgen_samples import check_same_people, read_sample, samples_inside
from pgs_trd.genotypes.decoding import (
    DAMAGED,
    Piece,
    Stamp,
    decode_blocks,
    read_at,
    text_column,
)
from pgs_trd.genotypes.decoding_gzip import INFLATE_ERRORS, inflate
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    GenotypeBlock,
    HaploidCoding,
    IntArray,
    check_rows,
)
from pgs_trd.genotypes.variants import make_variants

MAGICS = (b"bgen", b"\0\0\0\0")
HEADER_SIZE = 24
COMPRESSIONS = {0: "none", 1: "zlib", 2: "zstd"}
LAYOUT_2 = 2  # Of BGEN 1.2 and 1.3; layout 1 is BGEN 1.1.
HAS_SAMPLES = 1 << 31
MAX_BITS = 32
FAULTS: tuple[type[Exception], ...] = (*INFLATE_ERRORS, ValueError)

# Columns of what _decode.scan_bgen gives; texts take two, their start and length.
OFFSET, ID, CHROMOSOME, POSITION, N_ALLELES, GENOTYPES, SIZE = 0, 1, 3, 5, 6, 8, 9
RECORD_COLUMNS = 10

Inflate = Callable[[memoryview, int], bytes]

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")


@dataclass(frozen=True)
class BgenSource:
    """A BGEN; the counted allele is the second, or a later one. See `GenotypeSource`.

    The first allele is `other_allele` as if it were REF (plink2's ``ref-first``).
    BGEN does not say which allele is REF: matching goes by the pair. The dosage is
    the expected number of copies, the sum of probability times copies, rounded once
    to 1/16384 copy. Blocks whose every dosage is whole come as codes.
    """

    paths: tuple[Path, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    compression: int = field(repr=False)
    stamp: Stamp = field(repr=False)
    record: IntArray = field(repr=False)
    alternative: IntArray = field(repr=False)
    place: IntArray = field(repr=False)
    n_alleles: IntArray = field(repr=False)
    format: str = "bgen"
    haploid_coding: HaploidCoding = "one"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode genotypes of `rows`; see `GenotypeSource.blocks`.

        Only the records asked for are read, by several threads. A block has
        `ploidy` if anybody in it is haploid.

        Raises
        ------
        DataError
            If a record is damaged, has calls of three or more alleles, or
            probabilities whose sum is above one; or the file changed.
        """
        rows = check_rows(rows, len(self.variants), block_size)
        self.stamp.check(self.paths[0])
        n_people = len(self.samples)
        with self.paths[0].open("rb") as handle:
            descriptor = handle.fileno()
            yield from decode_blocks(
                rows, block_size, n_people, lambda part: self._decode(descriptor, part)
            )

    def _decode(self, descriptor: int, rows: IntArray) -> Piece:
        n_people = len(self.samples)
        piece = Piece.of(len(rows), n_people)
        inflate_record = inflate if self.compression == 1 else _zstd_inflate()
        ploidy = np.empty(n_people, dtype=np.int8)
        units = np.empty((1, n_people), dtype=np.uint16)
        before, is_mixed = -1, False
        for index, row in enumerate(rows.tolist()):
            record = int(self.record[row])
            n_alleles = int(self.n_alleles[record])
            try:
                if record != before:
                    raw = self._read_record(descriptor, record, inflate_record)
                    if len(units) != n_alleles - 1:
                        units = np.empty((n_alleles - 1, n_people), dtype=np.uint16)
                    is_mixed = _decode.decode_bgen(raw, units, ploidy, n_people, n_alleles)
                    before = record
            except FAULTS as error:
                raise DataError(
                    f"{self.paths[0].name}: record {record + 1:,} {error}: {DAMAGED}"
                ) from error
            piece.put_units(index, units[int(self.alternative[row]) - 1])
            piece.put_ploidy(index, ploidy if is_mixed else None)
        return piece

    def _read_record(self, descriptor: int, record: int, inflate_record: Inflate) -> bytes:
        start, size = self.place[record].tolist()
        raw = read_at(descriptor, start, size)
        if not self.compression:
            return raw
        n_bytes = _U32.unpack_from(raw)[0]
        return inflate_record(memoryview(raw)[4:], n_bytes)


def _zstd_inflate() -> Inflate:
    """Give a function that unfolds zstd; not for use by two threads at once."""
    # Imported here because it takes 24 ms, which every other start would pay for.
    import zstandard

    context = zstandard.ZstdDecompressor()

    def unfold(raw: memoryview, n_bytes: int) -> bytes:
        try:
            found: bytes = context.decompress(raw, max_output_size=n_bytes)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        if len(found) != n_bytes:
            raise ValueError(f"unfolds to {len(found):,} bytes, not {n_bytes:,}")
        return found

    return unfold


def open_bgen(path: Path, *, sample: Path | None = None) -> BgenSource:
    """Open a BGEN by reading the names of its variants.

    Parameters
    ----------
    path
        The .bgen.
    sample
        The .sample with ids and sex; its ID_2 is the person. By default the one
        beside the .bgen under its name, if there is one, whose ids must agree with
        those inside the .bgen; else the ids inside. A .sample that is named here is
        trusted, and only its length checked.

    Raises
    ------
    UsageError
        If there is no such file, or neither ids inside nor a .sample.
    DataError
        If a file is damaged, BGEN 1.1, or the two disagree on the people.
    """
    absent = [wanted for wanted in (path, sample) if wanted is not None and not wanted.is_file()]
    if absent:
        raise UsageError(f"no such file: {absent[0]}")
    if path.stat().st_size < HEADER_SIZE:
        raise DataError(
            f"{path.name}: {path.stat().st_size} bytes long; a BGEN has {HEADER_SIZE} or more"
        )
    stamp = Stamp.of(path)
    with (
        path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start, n_records, n_people, flags, header_end = _read_header(content, path)
        ids = None
        if flags & HAS_SAMPLES:
            ids = _read_ids(content, header_end, start, n_people, path)
        compression = flags & 3
        records = _scan(content, start, (n_records, n_people, compression), path)
        variants, record, alternative = _read_sites(content, records, path)
    paths, samples = _find_people(path, sample, n_people, ids)
    return BgenSource(
        paths,
        samples,
        variants,
        compression=compression,
        stamp=stamp,
        record=record,
        alternative=alternative,
        place=np.ascontiguousarray(records[:, GENOTYPES : SIZE + 1]),
        n_alleles=np.ascontiguousarray(records[:, N_ALLELES]),
    )


def _find_people(
    path: Path, sample: Path | None, n_people: int, ids: list[str] | None
) -> tuple[tuple[Path, ...], pd.DataFrame]:
    beside = path.with_suffix(".sample")
    if sample is None and not beside.is_file():
        return (path,), samples_inside(ids, path)
    samples = read_sample(sample or beside)
    check_same_people(samples, n_people, ids if sample is None else None, sample or beside)
    return (path, sample or beside), samples


def _read_header(content: mmap.mmap, path: Path) -> tuple[int, int, int, int, int]:
    offset, header_size, n_records, n_people = struct.unpack_from("<4I", content, 0)
    if content[16:20] not in MAGICS:
        raise DataError(
            f"{path.name}: bytes 17 to 20 are {content[16:20].hex(' ')}, not 'bgen': another "
            "format, or damaged"
        )
    if header_size < 20 or 4 + header_size > 4 + offset or 4 + offset > len(content):
        raise DataError(
            f"{path.name}: says that its header has {header_size:,} bytes and its variants start "
            f"at byte {4 + offset:,} of {len(content):,}: {DAMAGED}"
        )
    flags = _U32.unpack_from(content, header_size)[0]
    layout, compression = flags >> 2 & 15, flags & 3
    if layout != LAYOUT_2 or compression not in COMPRESSIONS:
        raise DataError(
            f"{path.name}: has layout {layout} and compression {compression}; pgs_trd reads layout "
            "2 (BGEN 1.2, 1.3) with compression 0 to 2. Write BGEN 1.1 again with qctool or plink2"
        )
    if not n_records or not n_people:
        raise DataError(f"{path.name}: holds {n_records:,} variants of {n_people:,} people")
    return 4 + offset, n_records, n_people, flags, 4 + header_size


def _read_ids(content: mmap.mmap, place: int, end: int, n_people: int, path: Path) -> list[str]:
    ids = []
    try:
        size, n_ids = struct.unpack_from("<2I", content, place)
        if n_ids != n_people or place + size > end:
            raise DataError(
                f"{path.name}: holds {n_ids:,} ids in {size:,} bytes for {n_people:,} people and "
                f"{end - place:,} bytes: {DAMAGED}"
            )
        place += 8
        for _ in range(n_ids):
            text, place = _text(content, place, _U16, end)
            ids.append(text)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: its block of ids cannot be read: {DAMAGED}") from error
    return ids


def _text(content: mmap.mmap, place: int, width: struct.Struct, end: int) -> tuple[str, int]:
    start = place + width.size
    stop = start + width.unpack_from(content, place)[0]
    if stop > end:
        raise IndexError(stop)
    return content[start:stop].decode(), stop


def _scan(content: mmap.mmap, start: int, shape: tuple[int, int, int], path: Path) -> IntArray:
    """Give the places of all records, (n_records, 10); each is checked against the file."""
    n_records, n_people, compression = shape
    # A record has at least 20 bytes: a header that counts more is damaged.
    records = np.empty((min(n_records, len(content) // 20 + 1), RECORD_COLUMNS), dtype=np.int64)
    n_found = _decode.scan_bgen(content, records, start, compression)
    records = records[:n_found]
    wrong = _wrong_sizes(content, records, n_people, compression)
    if n_found < n_records or wrong.any():
        first = int(wrong.argmax()) if wrong.any() else n_found
        raise DataError(
            f"{path.name}: record {first + 1:,} of {n_records:,} cannot be read: {DAMAGED}"
        )
    end = int(records[-1, GENOTYPES] + records[-1, SIZE])
    if end != len(content):
        raise DataError(
            f"{path.name}: {len(content) - end:,} bytes follow the last of its {n_records:,} "
            "variants: damaged, or its header counts too few"
        )
    return records


def _wrong_sizes(
    content: mmap.mmap, records: IntArray, n_people: int, compression: int
) -> npt.NDArray[np.bool_]:
    """Tell which records announce a size that genotypes of at most two alleles cannot have."""
    n_bytes = records[:, SIZE]
    if compression:
        spans = np.stack([records[:, GENOTYPES], np.full(len(records), 4)], axis=1)
        announced = bytearray(4 * len(records))
        _decode.gather_text(content, spans, announced)
        n_bytes = np.frombuffer(announced, dtype="<u4").astype(np.int64)
    n_alleles = records[:, N_ALLELES]
    n_values = np.maximum(n_alleles * (n_alleles + 1) // 2, 2 * n_alleles)
    most = 10 + n_people * (1 + n_values * MAX_BITS // 8)
    wrong: npt.NDArray[np.bool_] = (n_alleles < 1) | (n_bytes < 10 + n_people) | (n_bytes > most)
    return wrong


def _read_sites(
    content: mmap.mmap, records: IntArray, path: Path
) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Give one row for each allele but the first, its record and its number there."""
    n_further = records[:, N_ALLELES] - 1
    if not n_further.any():
        raise DataError(f"{path.name}: none of its {len(records):,} variants has a second allele")
    spans = np.empty((int(records[:, N_ALLELES].sum()), 2), dtype=np.int64)
    _decode.scan_alleles(content, records, spans)
    record = np.repeat(np.arange(len(records), dtype=np.int64), n_further)
    first = np.cumsum(records[:, N_ALLELES]) - records[:, N_ALLELES]
    is_first = np.zeros(len(spans), dtype=bool)
    is_first[first] = True
    start = np.cumsum(n_further) - n_further
    try:
        label = text_column(content, records[:, ID : ID + 2])
        chromosome = text_column(content, records[:, CHROMOSOME : CHROMOSOME + 2])
        counted = text_column(content, spans[~is_first])
        other = text_column(content, spans[is_first])
    except ValueError as error:
        raise DataError(f"{path.name}: holds names that are not text: {DAMAGED}") from error
    label = pc.if_else(pc.equal(label, ""), ".", label)
    take = pa.array(record)
    variants = make_variants(
        chromosome.take(take),
        records[record, POSITION],
        label.take(take),
        counted,
        other.take(take),
        record,
    )
    return variants, record, np.arange(len(record), dtype=np.int64) - start[record] + 1
