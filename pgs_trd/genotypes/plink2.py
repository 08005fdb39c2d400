"""Read PLINK 2 filesets: .pgen with .pvar, .pvar.zst or .bim, and .psam or .fam."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pgenlib

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.decoding import Piece, Stamp, decode_blocks
from pgs_trd.genotypes.filesets import find_plink_files, plink_prefix
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.plink1 import read_bim, read_fam
from pgs_trd.genotypes.plink2_tables import read_psam, read_pvar
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    DOSAGE_UNIT,
    MISSING_UNITS,
    GenotypeBlock,
    HaploidCoding,
    IntArray,
    UInt8Array,
    check_rows,
)

NOT_A_PGEN = "a truncated or damaged file, or a .pvar or .psam of another fileset"

MAGIC = b"\x6c\x1b"
HEADER_SIZE = 12
FIXED_HARD_CALLS = 0x02
FIXED_DOSAGES = (0x03, 0x04)
VARIABLE = 0x10
VARIABLE_EXTENDED = 0x11
VARIANTS_A_BLOCK = 1 << 16
HAS_DOSAGE = 0x60  # Bits of a record's type (PLINK 2 file format specification, 2.2).


@dataclass(frozen=True)
class Plink2Source:
    """A .pgen fileset; the counted allele is ALT. See `GenotypeSource`.

    Blocks hold codes, or units where dosages are not whole. A .pgen has no ploidy,
    so that blocks have none either; phase is not read.
    """

    paths: tuple[Path, Path, Path]
    samples: pd.DataFrame
    variants: pd.DataFrame
    has_dosages: bool
    stamp: Stamp = field(repr=False)
    record: IntArray = field(repr=False)
    alternative: IntArray = field(repr=False)
    n_alleles: IntArray = field(repr=False)
    format: str = "plink2"
    haploid_coding: HaploidCoding = "alike"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode the genotypes of `rows`, by several threads; see `GenotypeSource.blocks`.

        Raises
        ------
        DataError
            If a record is damaged, or is multi-allelic with dosages, which pgenlib
            does not read; or the file changed.
        """
        rows = check_rows(rows, len(self.variants), block_size)
        if not len(rows):
            return
        self.stamp.check(self.paths[0])
        # A reader serves one thread at a time; pgenlib lets others run meanwhile.
        idle: SimpleQueue[Any] = SimpleQueue()

        def decode(part: IntArray) -> Piece:
            try:
                reader = idle.get_nowait()
            except Empty:
                reader = self._reader()
            piece = self._decode(reader, part)
            idle.put(reader)
            return piece

        yield from decode_blocks(rows, block_size, len(self.samples), decode)

    def _reader(self) -> Any:
        offsets = None
        if (self.n_alleles > 2).any():
            offsets = np.concatenate([[0], np.cumsum(self.n_alleles)]).astype(np.uintp)
        try:
            return pgenlib.PgenReader(
                os.fsencode(self.paths[0]),
                raw_sample_ct=len(self.samples),
                variant_ct=len(self.n_alleles),
                allele_idx_offsets=offsets,
            )
        except (RuntimeError, AssertionError) as error:
            raise DataError(
                f"{self.paths[0].name}: pgenlib cannot open it: {_say(error)}: {NOT_A_PGEN}"
            ) from error

    def _decode(self, reader: Any, rows: IntArray) -> Piece:
        n_people = len(self.samples)
        piece = Piece.of(len(rows), n_people)
        if not self.has_dosages:
            copies = np.empty((len(rows), n_people), dtype=np.int8)
            self._read(reader, rows, copies, "read")
            _decode.pack_copies(copies, piece.codes, len(rows), n_people)
            return piece
        dosages = np.empty((len(rows), n_people), dtype=np.float32)
        self._read(reader, rows, dosages, "read_dosages")
        dosages[dosages < 0] = MISSING_UNITS / DOSAGE_UNIT
        units = np.rint(dosages * np.float32(DOSAGE_UNIT)).astype(np.uint16)
        if not _decode.pack_units(units, piece.codes, len(rows), n_people):
            piece.units = units
        return piece

    def _read(self, reader: Any, rows: IntArray, out: Any, method: str) -> None:
        """Fill `out` by pgenlib's read_list(), or its read_dosages_list()."""
        records = self.record[rows].astype(np.uint32)
        alternatives = self.alternative[rows]
        try:
            if (alternatives == 1).all():
                getattr(reader, f"{method}_list")(records, out)
                return
            for index, (record, alternative) in enumerate(zip(records, alternatives, strict=True)):
                getattr(reader, method)(int(record), out[index], int(alternative))
        except RuntimeError as error:
            raise DataError(
                f"{self.paths[0].name}: among records {int(records[0]) + 1:,} to "
                f"{int(records[-1]) + 1:,} one cannot be read: {_say(error)}: {NOT_A_PGEN}"
            ) from error


def open_plink2(path: Path) -> Plink2Source:
    """Open a PLINK 2 fileset, given its prefix or any of its three files.

    Parameters
    ----------
    path
        Beside the .pgen there is a .pvar, .pvar.zst or .bim, and a .psam or .fam:
        the first of these that exists is read.

    Raises
    ------
    UsageError
        If none of the files exists.
    DataError
        If a file is missing, damaged, or disagrees with the others.
    """
    paths = find_members(path)
    stamp = Stamp.of(paths[0])
    if paths[1].suffix == ".bim":
        variants = read_bim(paths[1])
        record = np.arange(len(variants), dtype=np.int64)
        alternative, n_alleles = np.ones_like(record), np.full_like(record, 2)
    else:
        variants, record, alternative, n_alleles = read_pvar(paths[1])
    samples = read_fam(paths[2]) if paths[2].suffix == ".fam" else read_psam(paths[2])
    has_dosages = check_pgen(paths[0], len(n_alleles), len(samples))
    source = Plink2Source(
        paths, samples, variants, has_dosages, stamp, record, alternative, n_alleles
    )
    with source._reader():
        return source


def find_members(path: Path) -> tuple[Path, Path, Path]:
    """Give the paths of the .pgen, the variants and the people that `path` means."""
    prefix, files = plink_prefix(path), find_plink_files(path)
    groups = ((".pgen",), (".pvar", ".pvar.zst", ".bim"), (".psam", ".fam"))
    found = [next((files[e] for e in g if e in files), None) for g in groups]
    pgen, pvar, psam = found
    if pgen is None and not path.is_file():
        raise UsageError(f"no such PLINK 2 fileset: {prefix}.pgen, .pvar, .psam")
    if pgen is None or pvar is None or psam is None:
        missing = [" or ".join(g) for g, member in zip(groups, found, strict=True) if not member]
        raise DataError(
            f"{Path(prefix).name}: {len(missing)} of the 3 files of a PLINK 2 fileset missing: "
            f"{', '.join(missing)}. The three must lie in one folder under one name."
        )
    return pgen, pvar, psam


def check_pgen(path: Path, n_variants: int, n_people: int) -> bool:
    """Raise a DataError unless `path` is a whole .pgen of that size; tell if it has dosages."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(HEADER_SIZE)
        _check_start(start, path)
        found = np.frombuffer(start[3:11], dtype="<u4")
        if found[0] != n_variants or found[1] != n_people:
            raise DataError(
                f"{path.name}: holds {found[0]:,} variants of {found[1]:,} people, but the "
                f"files beside it list {n_variants:,} variants and {n_people:,} people: "
                "files of different sets, or damaged"
            )
        mode, layout = start[2], start[11]
        expected = HEADER_SIZE + n_variants * packed_width(n_people)
        if mode == FIXED_HARD_CALLS and size != expected:
            raise DataError(
                f"{path.name}: {size:,} bytes found, {expected:,} expected: {NOT_A_PGEN}"
            )
        # From layout 8 on lengths are packed to bits, which leaves no room for dosages.
        if mode != VARIABLE or layout & 0x08:
            return mode not in (FIXED_HARD_CALLS, VARIABLE)
        return _check_records(handle, path, size, n_variants, layout)


def _check_start(start: bytes, path: Path) -> None:
    if len(start) < HEADER_SIZE:
        raise DataError(f"{path.name}: {len(start)} bytes long; a .pgen has {HEADER_SIZE} or more")
    if start[:2] != MAGIC:
        raise DataError(
            f"{path.name}: starts with bytes {start[:3].hex(' ')}, but a .pgen starts with 6c 1b: "
            "another format, or damaged"
        )
    if start[2] not in (FIXED_HARD_CALLS, *FIXED_DOSAGES, VARIABLE, VARIABLE_EXTENDED):
        cause = {
            0x01: "a .bed of PLINK 1: give it that ending",
            0x20: "its index is in a .pgen.pgi: write it again with plink2 --make-pgen",
        }.get(start[2] & 0xFE if start[2] > 1 else 1, "a newer format, or damaged")
        raise DataError(f"{path.name}: storage mode (third byte) is {start[2]:02x}: {cause}")


def _check_records(handle: BinaryIO, path: Path, size: int, n_variants: int, layout: int) -> bool:
    """Check that the records of the index fill the file; tell if any has dosages."""
    n_blocks = -(-n_variants // VARIANTS_A_BLOCK)
    starts = np.frombuffer(_read(handle, path, 8 * n_blocks), dtype="<u8").astype(np.int64)
    is_wide_type = bool(layout & 0x04)
    length_size, count_size = (layout & 0x03) + 1, (layout >> 4) & 0x03
    has_flags = layout >> 6 == 3
    has_dosages = False
    ends = np.empty(n_blocks, dtype=np.int64)
    for block in range(n_blocks):
        n = min(VARIANTS_A_BLOCK, n_variants - block * VARIANTS_A_BLOCK)
        types = np.frombuffer(_read(handle, path, n if is_wide_type else -(-n // 2)), np.uint8)
        has_dosages |= is_wide_type and bool((types & HAS_DOSAGE).any())
        lengths = _little_endian(_read(handle, path, n * length_size), length_size)
        ends[block] = starts[block] + lengths.sum()
        _read(handle, path, n * count_size)
        _read(handle, path, -(-n // 8) if has_flags else 0)
    expected = np.concatenate([[handle.tell()], ends[:-1]])
    if not np.array_equal(starts, expected):
        wrong = int((starts != expected).argmax())
        raise DataError(
            f"{path.name}: its index says that block {wrong + 1:,} of {n_blocks:,} starts at byte "
            f"{starts[wrong]:,}, but it must start at {expected[wrong]:,}: damaged"
        )
    if size != ends[-1]:
        raise DataError(
            f"{path.name}: {size:,} bytes found, {ends[-1]:,} expected from its index: "
            + ("a truncated copy" if size < ends[-1] else "damaged")
        )
    return has_dosages


def _read(handle: BinaryIO, path: Path, n_bytes: int) -> bytes:
    found = handle.read(n_bytes)
    if len(found) < n_bytes:
        raise DataError(f"{path.name}: ends inside its index of records: a truncated copy")
    return found


def _little_endian(raw: bytes, width: int) -> IntArray:
    digits: UInt8Array = np.frombuffer(raw, dtype=np.uint8).reshape(-1, width)
    return digits.astype(np.int64) @ (1 << (8 * np.arange(width, dtype=np.int64)))


def _say(error: BaseException) -> str:
    detail = error.args[0] if error.args else "no reason given"
    return (detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)).strip()
