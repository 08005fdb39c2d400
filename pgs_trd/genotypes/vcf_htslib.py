"""Read BCF, and VCF that gzip compressed without blocks, through htslib."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.genotypes.decoding import Piece, UnitArray, join_pieces
from pgs_trd.genotypes.packing import pack_codes
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    DOSAGE_UNIT,
    MISSING_UNITS,
    FloatArray,
    GenotypeBlock,
    HaploidCoding,
    Int8Array,
    IntArray,
    check_rows,
)
from pgs_trd.genotypes.variants import make_variants

HalfCalls: TypeAlias = Literal["missing", "haploid", "reference", "error"]

DAMAGED = "a truncated or damaged file, or not a VCF"
MAX_DOSAGE = 2.0
DOSAGE_SLACK = 0.01  # Writers round dosages to two or three digits.


@dataclass(frozen=True)
class HtslibSource:
    """A BCF, or a VCF compressed in one piece; as `VcfSource`, but read from its start."""

    paths: tuple[Path, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    field: Literal["GT", "DS"]
    half_calls: HalfCalls
    record: IntArray = dataclass_field(repr=False)
    alternative: IntArray = dataclass_field(repr=False)
    format: str = "vcf"

    @property
    def haploid_coding(self) -> HaploidCoding:
        """Calls say how many alleles they have, dosages (DS) do not."""
        return "one" if self.field == "GT" else "unknown"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode the genotypes of `rows`; see `VcfSource.blocks`."""
        rows = check_rows(rows, len(self.variants), block_size)
        calls = self._calls(rows)
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            piece = Piece.of(len(part), len(self.samples))
            for index, row in enumerate(part.tolist()):
                self._fill(piece, index, next(calls), row)
            yield join_pieces(part, [piece])

    def _fill(self, piece: Piece, index: int, record: Any, row: int) -> None:
        where = f"{self.paths[0].name}: record {int(self.record[row]) + 1:,}"
        alternative = int(self.alternative[row])
        if self.field == "DS":
            values = record_dosages(record, where)
            piece.put_units(index, to_units(values, where)[alternative - 1])
            return
        copies, ploidy = count_copies(record, alternative, self.half_calls, where)
        piece.codes[index] = pack_codes(copies[np.newaxis])[0]
        piece.put_ploidy(index, ploidy)

    def _calls(self, rows: IntArray) -> Iterator[Any]:
        """Give the cyvcf2 record of each row; rows of one record get it repeatedly."""
        name = self.paths[0].name
        wanted = iter(self.record[rows].tolist())
        want = next(wanted, None)
        records = iterate_records(self.paths[0], samples=None)
        for number, record in enumerate(records):
            if want is None:
                return
            while want == number:
                yield record
                want = next(wanted, None)
        if want is not None:
            raise DataError(f"{name}: ends before record {want + 1:,}: changed since it was opened")


def read_records(path: Path) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Read one row for each alternative allele, with its record and its number there."""
    chromosome, position, name, counted, other = [], [], [], [], []
    record_of, alternative_of = [], []
    for number, record in enumerate(iterate_records(path, samples=[])):
        try:
            alleles = record.ALT
            if not alleles:
                _check_has_reference(record, f"{path.name}: record {number + 1:,}")
                continue
            site = record.CHROM, record.POS, record.ID or ".", record.REF
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path.name}: record {number + 1:,} holds bytes that are not text: damaged?"
            ) from error
        for alternative, allele in enumerate(alleles, start=1):
            chromosome.append(site[0])
            position.append(site[1])
            name.append(site[2])
            counted.append(allele)
            other.append(site[3])
            record_of.append(number)
            alternative_of.append(alternative)
    if not record_of:
        raise DataError(f"{path.name}: holds no site with an alternative allele")
    record_of_row = np.array(record_of, dtype=np.int64)
    variants = make_variants(chromosome, position, name, counted, other, record_of_row)
    return variants, record_of_row, np.array(alternative_of, dtype=np.int64)


def _check_has_reference(record: Any, where: str) -> None:
    """Raise a DataError for a record that htslib gave up on but cyvcf2 passes on.

    Such a record has no alleles at all; asking cyvcf2 for its REF would read
    through a null pointer.
    """
    if str(record).split("\t")[3:4] in ([], ["."]):
        raise DataError(f"{where} cannot be read as VCF: {DAMAGED}")


def count_copies(
    record: Any, alternative: int, half_calls: HalfCalls, where: str
) -> tuple[Int8Array, Int8Array | None]:
    """Count one alternative allele: copies (-1 missing), and ploidy unless all are diploid."""
    genotype = record.genotype if "GT" in record.FORMAT else None
    if genotype is None:
        raise DataError(no_calls(where, ":".join(record.FORMAT)))
    alleles = genotype.array()[:, :-1]
    if alleles.shape[1] > 2 and (alleles[:, 2:] != -2).any():
        raise DataError(f"{where} has calls of {alleles.shape[1]} alleles; two are the most")
    # In cyvcf2 -1 is a missing allele and -2 pads a call of lower ploidy.
    is_half = (alleles == -1).any(axis=1) & (alleles >= 0).any(axis=1)
    if half_calls == "error" and is_half.any():
        raise DataError(f"{where} has a call of which one allele is missing")
    if half_calls == "missing":
        alleles[is_half] = -1
    elif is_half.any():
        alleles[is_half[:, np.newaxis] & (alleles == -1)] = 0 if half_calls == "reference" else -2
    is_missing = (alleles == -1).any(axis=1)
    copies = (alleles == alternative).sum(axis=1).astype(np.int8)
    n_alleles = (alleles >= 0).sum(axis=1).astype(np.int8)
    n_alleles[is_missing] = 0
    copies[n_alleles == 0] = -1
    return copies, n_alleles if (n_alleles == 1).any() else None


def no_calls(where: str, keys: str) -> str:
    """Say that a record has no GT."""
    return f"{where} has no GT (its FORMAT is {keys}): ask for dosages if it holds DS"


def record_dosages(record: Any, where: str) -> FloatArray:
    """Give the dosages (n_people, n_alternatives) of a record, NaN where missing."""
    values = record.format("DS") if "DS" in record.FORMAT else None
    if values is None:
        raise DataError(f"{where} has no DS (its FORMAT is {':'.join(record.FORMAT)})")
    n_alternatives = len(record.ALT)
    if values.shape[1] == 1 < n_alternatives and np.isnan(values).all():
        # One "." may stand for all of a person's dosages; here nobody has any.
        return np.full((len(values), n_alternatives), np.nan)
    if values.shape[1] != n_alternatives:
        raise DataError(
            f"{where} has {values.shape[1]} dosages a person "
            f"for {n_alternatives} alternative alleles"
        )
    return np.asarray(values, dtype=np.float64)


def to_units(values: FloatArray, where: str) -> UnitArray:
    """Give dosages (n_people, n_alternatives; NaN missing) as units, alternatives as rows.

    Raises
    ------
    DataError
        If a dosage, or the sum of one person's, lies outside [0, 2].
    """
    outside = (values < -DOSAGE_SLACK) | (values > MAX_DOSAGE + DOSAGE_SLACK)
    if outside.any():
        raise DataError(
            f"{where} has {int(outside.sum()):,} dosages outside [0, 2], "
            f"the first {values[outside][0]:g}"
        )
    n_alternatives = values.shape[1]
    if n_alternatives > 1:
        total = np.nansum(values, axis=1)
        above = total > MAX_DOSAGE + n_alternatives * DOSAGE_SLACK
        if above.any():
            raise DataError(
                f"{where} has {int(above.sum()):,} people whose dosages of {n_alternatives} "
                f"alternative alleles add up to more than 2, the first to {total[above][0]:g}"
            )
    is_missing = np.isnan(values)
    clipped = np.clip(np.where(is_missing, 0, values), 0, MAX_DOSAGE)
    units = np.rint(clipped * DOSAGE_UNIT).astype(np.uint16)
    units[is_missing] = MISSING_UNITS
    return np.ascontiguousarray(units.T)


def iterate_records(path: Path, *, samples: list[str] | None) -> Iterator[Any]:
    """Give the records; with `samples` empty, htslib skips their columns unparsed."""
    import cyvcf2  # Only here: it takes longer to load than a small file to read.

    with quiet_htslib(), as_data_error(path):
        reader = cyvcf2.VCF(str(path), samples=samples)
    number = 0
    try:
        while True:
            with quiet_htslib(), as_data_error(path, number + 1):
                record = next(reader, None)
            if record is None:
                return
            yield record
            number += 1
    finally:
        reader.close()


@contextmanager
def as_data_error(path: Path, record: int | None = None) -> Iterator[None]:
    """Raise a DataError for whatever htslib or cyvcf2 raise."""
    place = "" if record is None else f"record {record:,} "
    try:
        yield
    # cyvcf2 raises bare Exception for what htslib cannot parse.
    except Exception as error:
        raise DataError(f"{path.name}: {place}cannot be read as VCF: {DAMAGED}") from error


@contextmanager
def quiet_htslib() -> Iterator[None]:
    """Keep htslib from writing to standard error; its faults come back as exceptions."""
    levels = _log_levels()
    if levels is None:
        yield
        return
    get_level, set_level = levels
    before = get_level()
    set_level(0)
    try:
        yield
    finally:
        set_level(before)


@cache
def _log_levels() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Give htslib's getter and setter; None if this build of cyvcf2 hides them."""
    try:
        import cyvcf2

        library = ctypes.CDLL(cyvcf2.cyvcf2.__file__)
        return library.hts_get_log_level, library.hts_set_log_level
    except (AttributeError, OSError):
        return None
