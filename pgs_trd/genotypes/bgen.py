"""Read BGEN 1.2 and 1.3: any bit depth, zlib, zstd or none, phased or not."""

from __future__ import annotations

import logging
import mmap
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bgen as bgen_package
import numpy as np
import pandas as pd
import zstandard

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.alleles import canonical_chromosomes, number_sites, upper_case
from pgs_trd.genotypes.bgen_samples import check_same_people, read_sample, samples_inside
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    Float32Array,
    GenotypeBlock,
    Int8Array,
    IntArray,
    check_rows,
)

MAGICS = (b"bgen", b"\0\0\0\0")
HEADER_SIZE = 24
COMPRESSIONS = {0: "none", 1: "zlib", 2: "zstd"}
LAYOUT_2 = 2  # Of BGEN 1.2 and 1.3; layout 1 is BGEN 1.1.
HAS_SAMPLES = 1 << 31
MAX_BITS = 32
DOSAGE_SLACK = 1e-3  # Rounding of probabilities to 8 bits and to float32.
DAMAGED = "a truncated or damaged file"

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")


@dataclass(frozen=True)
class BgenSource:
    """A BGEN; the counted allele is the second, or a later one. See `GenotypeSource`.

    The first allele is `other_allele` as if it were REF (plink2's ``ref-first``).
    BGEN does not say which allele is REF: matching goes by the pair. The dosage is
    the expected number of copies, the sum of probability times copies.
    """

    paths: tuple[Path, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    record: IntArray = field(repr=False)
    alternative: IntArray = field(repr=False)
    offset: IntArray = field(repr=False)
    format: str = "bgen"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode dosages of `rows`; see `GenotypeSource.blocks`.

        The records of a file are passed over in order, decoding those asked for. A
        block has `ploidy` if anybody in it is haploid.

        Raises
        ------
        DataError
            If a record is damaged, has calls of three or more alleles, or
            probabilities whose sum is so far above one that a dosage is negative.
        """
        rows = check_rows(rows, len(self.variants), block_size)
        decoded = self._decode(rows)
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            dosages: Float32Array = np.empty((len(part), len(self.samples)), dtype=np.float32)
            ploidy: Int8Array | None = None
            for index in range(len(part)):
                dosages[index], n_alleles = next(decoded)
                if n_alleles is not None and ploidy is None:
                    # Rows before were diploid: whoever has a call has two alleles.
                    ploidy = np.zeros(dosages.shape, dtype=np.int8)
                    ploidy[:index] = np.where(np.isnan(dosages[:index]), 0, 2)
                if ploidy is not None:
                    diploid = np.where(np.isnan(dosages[index]), 0, 2)
                    ploidy[index] = diploid if n_alleles is None else n_alleles
            yield GenotypeBlock(rows=part, dosages=dosages, ploidy=ploidy)

    def _decode(self, rows: IntArray) -> Iterator[tuple[Float32Array, Int8Array | None]]:
        """Give dosage and, unless all are diploid, ploidy of each row."""
        name = self.paths[0].name
        before = -1
        with _as_data_error(name):
            reader = bgen_package.BgenReader(str(self.paths[0]), delay_parsing=True)
        try:
            for row in rows:
                record = int(self.record[row])
                with _as_data_error(f"{name}: record {record + 1:,}"):
                    for _ in range(record - before):
                        variant = next(reader)
                    if record != before:
                        if variant.fileoffset != self.offset[record]:
                            raise DataError(f"{name}: changed since it was opened")
                        copies, ploidy = _count_copies(variant)
                        before = record
                yield copies[self.alternative[row] - 1], ploidy
        finally:
            reader.close()


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
    with (
        path.open("rb") as handle,
        mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start, n_records, n_people, flags, header_end = _read_header(content, path)
        ids = None
        if flags & HAS_SAMPLES:
            ids = _read_ids(content, header_end, start, n_people, path)
        compression = flags & 3
        variants, record, alternative, offset = _read_sites(
            content, start, (n_records, n_people, compression), path
        )
    beside = path.with_suffix(".sample")
    if sample is None and not beside.is_file():
        samples = samples_inside(ids, path)
        return BgenSource((path,), samples, variants, record, alternative, offset)
    samples = read_sample(sample or beside)
    check_same_people(samples, n_people, ids if sample is None else None, sample or beside)
    return BgenSource((path, sample or beside), samples, variants, record, alternative, offset)


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


def _read_sites(
    content: mmap.mmap, place: int, shape: tuple[int, int, int], path: Path
) -> tuple[pd.DataFrame, IntArray, IntArray, IntArray]:
    """Read one row for each allele but the first; each record's place is checked on the way."""
    n_records, n_people, compression = shape
    found: list[tuple[str, int, str, str, str, int, int]] = []
    offset = np.empty(min(n_records, len(content)), dtype=np.int64)
    end = len(content)
    for record in range(n_records):
        try:
            offset[record] = place
            variant_id, place = _text(content, place, _U16, end)
            name, place = _text(content, place, _U16, end)
            chromosome, place = _text(content, place, _U16, end)
            position, n_alleles = struct.unpack_from("<IH", content, place)
            place += 6
            alleles = []
            for _ in range(n_alleles):
                allele, place = _text(content, place, _U32, end)
                alleles.append(allele)
            place = _check_genotypes(content, place, n_alleles, n_people, compression)
        except (struct.error, IndexError, ValueError, zlib.error, zstandard.ZstdError) as error:
            raise DataError(
                f"{path.name}: record {record + 1:,} of {n_records:,} cannot be read: {DAMAGED}"
            ) from error
        for k, allele in enumerate(alleles[1:], start=1):
            label = name or variant_id or "."
            found.append((chromosome, position, label, allele, alleles[0], record, k))
    if place != end:
        raise DataError(
            f"{path.name}: {end - place:,} bytes follow the last of its {n_records:,} variants: "
            "damaged, or its header counts too few"
        )
    if not found:
        raise DataError(f"{path.name}: none of its {n_records:,} variants has a second allele")
    columns = list(zip(*found, strict=True))
    record_of = np.array(columns[5], dtype=np.int64)
    variants = pd.DataFrame(
        {
            "chromosome": canonical_chromosomes(columns[0]),
            "position": np.array(columns[1], dtype=np.int64),
            "id": np.array(columns[2], dtype=object),
            "counted_allele": upper_case(columns[3]),
            "other_allele": upper_case(columns[4]),
        }
    )
    variants["site"] = number_sites(variants, record_of)
    return variants, record_of, np.array(columns[6], dtype=np.int64), offset


def _check_genotypes(
    content: mmap.mmap, place: int, n_alleles: int, n_people: int, compression: int
) -> int:
    """Give the end of a record's genotypes; raise unless its sizes can be of diploid calls.

    The bgen package reserves what the record says it needs, so that is checked first.
    """
    size = int(_U32.unpack_from(content, place)[0])
    start, end = place + 4, place + 4 + size
    if end > len(content):
        raise IndexError(end)
    n_bytes = size
    if compression:
        n_bytes = _U32.unpack_from(content, start)[0]
        start += 4
    n_values = max(n_alleles * (n_alleles + 1) // 2, 2 * n_alleles)
    if start > end or not 10 + n_people <= n_bytes <= 10 + n_people * (
        1 + n_values * MAX_BITS // 8
    ):
        raise ValueError(n_bytes)
    return end


def _count_copies(variant: Any) -> tuple[Float32Array, Int8Array | None]:
    """Give copies (n_alleles - 1, n_people) of all but the first, and ploidy unless diploid."""
    ploidy = variant.ploidy.astype(np.int8)
    if ploidy.max(initial=0) > 2:
        raise DataError(f"has calls of {ploidy.max()} alleles; two are the most")
    n_alleles = len(variant.alleles)
    copies: Float32Array
    with _no_sum_above_one():
        if n_alleles == 2:
            copies = variant.alt_dosage[np.newaxis]
        else:
            copies = _count_many(variant.probabilities, ploidy, n_alleles, variant.is_phased)
    if (ploidy == 2).all():
        if np.fmin.reduce(copies, None) < -DOSAGE_SLACK or np.fmax.reduce(copies, None) > 2.001:
            raise DataError(f"gives dosages outside 0 to 2: {DAMAGED}")
        return np.clip(copies, 0, 2, out=copies), None
    copies[:, ploidy == 0] = np.nan
    if ((copies < -DOSAGE_SLACK) | (copies > ploidy + DOSAGE_SLACK)).any():
        raise DataError(f"gives dosages outside 0 to the ploidy: {DAMAGED}")
    ploidy[np.isnan(copies[0])] = 0
    return np.clip(copies, 0, ploidy), ploidy


def _count_many(
    probabilities: Float32Array, ploidy: Int8Array, n_alleles: int, is_phased: bool
) -> Float32Array:
    """Give copies of all alleles but the first, from probabilities in the order of BGEN."""
    is_missing = np.isnan(probabilities[:, 0])
    filled = np.nan_to_num(probabilities, nan=0.0)
    allele = np.arange(n_alleles)
    if is_phased:
        copies = filled.reshape(len(filled), -1, n_alleles).sum(axis=1)
    else:
        larger, smaller = np.tril_indices(n_alleles)
        pairs = (larger[:, np.newaxis] == allele).astype(np.float32) + (
            smaller[:, np.newaxis] == allele
        )
        is_one = ploidy == 1
        copies = filled[:, :n_alleles].copy()
        if not is_one.all():
            copies[~is_one] = filled[~is_one] @ pairs.astype(np.float32)
    copies[is_missing] = np.nan
    return np.ascontiguousarray(copies[:, 1:].T, dtype=np.float32)


class _SumAboveOne(logging.Filter):
    found = False

    def filter(self, record: logging.LogRecord) -> bool:
        is_it = "malformed" in str(record.msg)
        self.found |= is_it
        return not is_it


@contextmanager
def _no_sum_above_one() -> Iterator[None]:
    """Raise a DataError where the bgen package logs that probabilities exceed one."""
    root, watch, silent = logging.getLogger(), _SumAboveOne(), logging.NullHandler()
    root.addFilter(watch)
    root.addHandler(silent)  # Without any, logging would set one up for good.
    try:
        yield
    finally:
        root.removeFilter(watch)
        root.removeHandler(silent)
    if watch.found:
        raise DataError(f"has probabilities whose sum is above one: {DAMAGED}")


@contextmanager
def _as_data_error(where: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{where} {error}") from error.__cause__
    # The bgen package raises ValueError, MemoryError, StopIteration, sqlite3's errors.
    except Exception as error:
        detail = str(error) or type(error).__name__
        raise DataError(f"{where} cannot be read as BGEN: {detail}: {DAMAGED}") from error
