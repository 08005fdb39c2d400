"""Read VCF and BCF files, compressed or not, with or without an index."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import cyvcf2
import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.alleles import canonical_chromosomes, number_sites, upper_case
from pgs_trd.genotypes.packing import pack_codes, packed_width, unpack_codes
from pgs_trd.genotypes.plink1 import check_people
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    Float32Array,
    GenotypeBlock,
    Int8Array,
    IntArray,
    UInt8Array,
    check_rows,
)

VcfField: TypeAlias = Literal["auto", "GT", "DS"]

# The empty block that ends every file that bgzip finished (SAM specification, 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
DAMAGED = "a truncated or damaged file, or not a VCF"
MAX_DOSAGE = 2.0
DOSAGE_SLACK = 0.01  # Writers round dosages to two or three digits.


@dataclass(frozen=True)
class VcfSource:
    """A VCF or BCF; the counted allele is ALT. See `GenotypeSource`.

    Opening it reads the sites only; genotypes are decoded in `blocks`, and only
    those of the records asked for. `field` is where they come from, GT or DS.
    """

    paths: tuple[Path, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    field: Literal["GT", "DS"]
    record: IntArray = dataclass_field(repr=False)
    alternative: IntArray = dataclass_field(repr=False)
    format: str = "vcf"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode the genotypes of `rows`; see `GenotypeSource.blocks`.

        The file is read from its start once a call. A half call counts as missing;
        a haploid call counts its one allele, and the block says so in `ploidy`.

        Raises
        ------
        DataError
            If a record cannot be read, has no genotypes of the kind asked for, or
            has a call of three or more alleles or a dosage outside [0, 2].
        """
        rows = check_rows(rows, len(self.variants), block_size)
        calls = self._calls(rows)
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            yield (
                self._dosage_block(part, calls)
                if self.field == "DS"
                else self._code_block(part, calls)
            )

    def _code_block(self, rows: IntArray, calls: Iterator[Any]) -> GenotypeBlock:
        n_people = len(self.samples)
        codes: UInt8Array = np.empty((len(rows), packed_width(n_people)), dtype=np.uint8)
        ploidy: Int8Array | None = None
        for index, row in enumerate(rows):
            copies, n_alleles = _count_copies(
                next(calls), int(self.alternative[row]), self._where(row)
            )
            codes[index] = pack_codes(copies[np.newaxis])[0]
            if n_alleles is not None:
                if ploidy is None:
                    # Rows before were diploid: whoever has a call has two alleles.
                    ploidy = np.zeros((len(rows), n_people), dtype=np.int8)
                    ploidy[:index] = _diploid(codes[:index], n_people)
                ploidy[index] = n_alleles
            elif ploidy is not None:
                ploidy[index] = np.where(copies >= 0, 2, 0)
        return GenotypeBlock(rows=rows, codes=codes, ploidy=ploidy)

    def _dosage_block(self, rows: IntArray, calls: Iterator[Any]) -> GenotypeBlock:
        dosages: Float32Array = np.empty((len(rows), len(self.samples)), dtype=np.float32)
        for index, row in enumerate(rows):
            dosages[index] = _alternative_dosage(
                next(calls), int(self.alternative[row]), self._where(row)
            )
        return GenotypeBlock(rows=rows, dosages=dosages)

    def _where(self, row: int) -> str:
        return f"{self.paths[0].name}: record {int(self.record[row]) + 1:,}"

    def _calls(self, rows: IntArray) -> Iterator[Any]:
        """Give the cyvcf2 record of each row; rows of one record get it repeatedly."""
        name = self.paths[0].name
        wanted = iter(self.record[rows].tolist())
        want = next(wanted, None)
        records = _iterate(self.paths[0], samples=None)
        for number, record in enumerate(records):
            if want is None:
                return
            while want == number:
                yield record
                want = next(wanted, None)
        if want is not None:
            raise DataError(f"{name}: ends before record {want + 1:,}: changed since it was opened")


def open_vcf(path: Path, *, field: VcfField = "auto") -> VcfSource:
    """Open a VCF or BCF by reading its sites.

    Parameters
    ----------
    path
        The file: .vcf, .vcf.gz, .bcf.
    field
        Take genotypes from ``"GT"`` or dosages from ``"DS"``; ``"auto"`` takes GT
        where the header declares it, else DS.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file is damaged, holds no people, or a person twice.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    _check_end(path)
    with _quiet_htslib(), _as_data_error(path):
        reader = cyvcf2.VCF(str(path))
        samples = pd.DataFrame({"person_id": reader.samples}, dtype=object)
        declared = _declared_formats(reader)
        reader.close()
    if samples.empty:
        raise DataError(f"{path.name}: holds sites but no people (no sample columns)")
    samples["family_id"] = samples["person_id"]
    samples["sex"] = "unknown"
    check_people(samples, path)
    chosen = _choose_field(field, declared, path)
    variants, record, alternative = _read_sites(path)
    return VcfSource((path,), samples, variants, chosen, record, alternative)


def _choose_field(field: VcfField, declared: set[str], path: Path) -> Literal["GT", "DS"]:
    if field == "auto":
        if "GT" in declared:
            return "GT"
        if "DS" in declared:
            return "DS"
        raise DataError(
            f"{path.name}: its header declares neither GT nor DS, "
            f"but {len(declared)} other FORMAT fields"
        )
    if field not in declared:
        raise DataError(f"{path.name}: its header declares no FORMAT field {field}")
    return field


def _read_sites(path: Path) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Read one row for each alternative allele, with its record and its number there."""
    chromosome, position, name, counted, other = [], [], [], [], []
    record_of, alternative_of = [], []
    for number, record in enumerate(_iterate(path, samples=[])):
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
    variants = pd.DataFrame(
        {
            "chromosome": canonical_chromosomes(chromosome),
            "position": np.array(position, dtype=np.int64),
            "id": np.array(name, dtype=object),
            "counted_allele": upper_case(counted),
            "other_allele": upper_case(other),
        }
    )
    record = np.array(record_of, dtype=np.int64)
    variants["site"] = number_sites(variants, record)
    return variants, record, np.array(alternative_of, dtype=np.int64)


def _check_has_reference(record: Any, where: str) -> None:
    """Raise a DataError for a record that htslib gave up on but cyvcf2 passes on.

    Such a record has no alleles at all; asking cyvcf2 for its REF would read
    through a null pointer.
    """
    if str(record).split("\t")[3:4] in ([], ["."]):
        raise DataError(f"{where} cannot be read as VCF: {DAMAGED}")


def _count_copies(record: Any, alternative: int, where: str) -> tuple[Int8Array, Int8Array | None]:
    """Count one alternative allele: copies (-1 missing), and ploidy unless all are diploid."""
    genotype = record.genotype if "GT" in record.FORMAT else None
    if genotype is None:
        raise DataError(
            f"{where} has no GT (its FORMAT is {':'.join(record.FORMAT)}): "
            "ask for dosages if it holds DS"
        )
    alleles = genotype.array()[:, :-1]
    if alleles.shape[1] > 2 and (alleles[:, 2:] != -2).any():
        raise DataError(f"{where} has calls of {alleles.shape[1]} alleles; two are the most")
    # In cyvcf2 -1 is a missing allele and -2 pads a call of lower ploidy.
    is_missing = (alleles == -1).any(axis=1)
    copies = (alleles == alternative).sum(axis=1).astype(np.int8)
    copies[is_missing] = -1
    n_alleles = (alleles >= 0).sum(axis=1).astype(np.int8)
    n_alleles[is_missing] = 0
    copies[n_alleles == 0] = -1
    return copies, n_alleles if (n_alleles == 1).any() else None


def _diploid(codes: UInt8Array, n_people: int) -> Int8Array:
    return np.where(unpack_codes(codes, n_people) >= 0, 2, 0).astype(np.int8)


def _alternative_dosage(record: Any, alternative: int, where: str) -> Float32Array:
    values = record.format("DS") if "DS" in record.FORMAT else None
    if values is None:
        raise DataError(f"{where} has no DS (its FORMAT is {':'.join(record.FORMAT)})")
    n_alternatives = len(record.ALT)
    if values.shape[1] != n_alternatives:
        raise DataError(
            f"{where} has {values.shape[1]} dosages a person "
            f"for {n_alternatives} alternative alleles"
        )
    dosage: Float32Array = values[:, alternative - 1].astype(np.float32)
    outside = (dosage < -DOSAGE_SLACK) | (dosage > MAX_DOSAGE + DOSAGE_SLACK)
    if outside.any():
        raise DataError(
            f"{where} has {int(outside.sum()):,} dosages outside [0, 2], "
            f"the first {dosage[outside][0]:g}"
        )
    return np.clip(dosage, 0, MAX_DOSAGE)


def _declared_formats(reader: Any) -> set[str]:
    headers = (header.info() for header in reader.header_iter())
    return {
        header["ID"]
        for header in headers
        if header.get("HeaderType") == "FORMAT" and "ID" in header
    }


def _iterate(path: Path, *, samples: list[str] | None) -> Iterator[Any]:
    """Give the records; with `samples` empty, htslib skips their columns unparsed."""
    with _quiet_htslib(), _as_data_error(path):
        reader = cyvcf2.VCF(str(path), samples=samples)
    number = 0
    try:
        while True:
            with _quiet_htslib(), _as_data_error(path, number + 1):
                record = next(reader, None)
            if record is None:
                return
            yield record
            number += 1
    finally:
        reader.close()


@contextmanager
def _as_data_error(path: Path, record: int | None = None) -> Iterator[None]:
    place = "" if record is None else f"record {record:,} "
    try:
        yield
    # cyvcf2 raises bare Exception for what htslib cannot parse.
    except Exception as error:
        raise DataError(f"{path.name}: {place}cannot be read as VCF: {DAMAGED}") from error


@contextmanager
def _quiet_htslib() -> Iterator[None]:
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
        library = ctypes.CDLL(cyvcf2.cyvcf2.__file__)
        return library.hts_get_log_level, library.hts_set_log_level
    except (AttributeError, OSError):
        return None


def _check_end(path: Path) -> None:
    """Raise a DataError if the file plainly stops before its end."""
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path.name}: is empty")
    with path.open("rb") as handle:
        start = handle.read(18)
        if start[:2] == b"\x1f\x8b":
            is_blocked = len(start) == 18 and start[3] & 4 and start[12:14] == b"BC"
            handle.seek(max(size - len(BGZF_END), 0))
            if is_blocked and handle.read() != BGZF_END:
                raise DataError(
                    f"{path.name}: lacks the block that ends a bgzip file: a truncated copy"
                )
        elif start[:2] == b"##":
            _check_last_line(path)


def _check_last_line(path: Path) -> None:
    """Raise a DataError if the last line of an uncompressed VCF has too few columns."""
    with path.open("rb") as handle:
        n_columns = next((line.count(b"\t") for line in handle if line[:2] != b"##"), 0)
        size = handle.seek(0, 2)
        length = 2**16
        while True:
            handle.seek(max(size - length, 0))
            tail = handle.read().rstrip(b"\r\n")
            if b"\n" in tail or length >= size:
                break
            length *= 2
    last = tail.rpartition(b"\n")[2]
    if last[:1] != b"#" and last.count(b"\t") != n_columns:
        raise DataError(
            f"{path.name}: its last line has {last.count(bytes([9])) + 1:,} columns, the header "
            f"{n_columns + 1:,}: a truncated copy"
        )
