"""Read VCF and BCF files, compressed or not, with or without an index."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.decoding import Piece, UnitArray, decode_blocks
from pgs_trd.genotypes.plink1 import check_people
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    GenotypeBlock,
    HaploidCoding,
    Int8Array,
    IntArray,
    check_rows,
)
from pgs_trd.genotypes.vcf_calls import (
    HAPLOID,
    KEPT_BYTES,
    UNREAD,
    CallKeeper,
    KeptCalls,
    read_calls,
)
from pgs_trd.genotypes.vcf_htslib import (
    HalfCalls,
    HtslibSource,
    as_data_error,
    no_calls,
    quiet_htslib,
    read_records,
    to_units,
)
from pgs_trd.genotypes.vcf_text import VcfLines, VcfText, open_text, read_sites

VcfField: TypeAlias = Literal["auto", "GT", "DS"]

HALF_CALLS: tuple[HalfCalls, ...] = ("missing", "haploid", "reference", "error")
# The empty block that ends every file that bgzip finished (SAM specification, 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
MAX_ALLELES = 254
REFERENCE_BLOCKS = ("<NON_REF>", "<*>")


@dataclass(frozen=True)
class VcfSource:
    """A VCF; the counted allele is ALT. See `GenotypeSource`.

    Opening it reads the sites, and keeps the calls of as many records as fit a bounded
    memory; the others are decoded in `blocks`, and only those asked for: no index is
    needed. `field` is where they come
    from, GT or DS; a DS has no ploidy. `half_calls` is what a call counts as of
    which one allele is known and the other missing (``0/.``), as plink2's
    ``--vcf-half-call``: missing, a haploid call, one with the reference, or an error.
    """

    paths: tuple[Path, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    field: Literal["GT", "DS"]
    half_calls: HalfCalls
    text: VcfText = dataclass_field(repr=False)
    lines: VcfLines = dataclass_field(repr=False)
    kept: KeptCalls = dataclass_field(repr=False)
    record: IntArray = dataclass_field(repr=False)
    alternative: IntArray = dataclass_field(repr=False)
    format: str = "vcf"

    @property
    def haploid_coding(self) -> HaploidCoding:
        """Calls say how many alleles they have, dosages (DS) do not."""
        return "one" if self.field == "GT" else "unknown"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Decode the genotypes of `rows`; see `GenotypeSource.blocks`.

        A haploid call counts its one allele, and the block says so in `ploidy`.

        Raises
        ------
        DataError
            If a record cannot be read, has no genotypes of the kind asked for, or
            has a call of three or more alleles or a dosage outside [0, 2].
        """
        rows = check_rows(rows, len(self.variants), block_size)
        self.text.stamp.check(self.paths[0])
        with self.paths[0].open("rb") as handle:
            descriptor = handle.fileno()
            yield from decode_blocks(
                rows, block_size, len(self.samples), lambda part: self._decode(descriptor, part)
            )

    def _decode(self, descriptor: int, rows: IntArray) -> Piece:
        piece = Piece.of(len(rows), len(self.samples))
        fill = self._fill_dosages if self.field == "DS" else self._fill_calls
        fill(piece, rows, descriptor)
        return piece

    def _fill_calls(self, piece: Piece, rows: IntArray, descriptor: int) -> None:
        record = self.record[rows]
        ploidy: dict[int, Int8Array] = {}
        left = np.flatnonzero(~self.kept.fill(record, piece.codes))
        for part, text, base in self._texts(record, left, descriptor):
            at = record[part]
            places = self.lines.start[at] - base, self.lines.end[at] - base
            key, n_alleles = self.lines.key[at], self.lines.n_alleles[at]
            lines = np.stack([*places, key, n_alleles, self.alternative[rows[part]]], axis=1)
            calls = read_calls(
                text, lines, n_people=piece.n_people, half=HALF_CALLS.index(self.half_calls)
            )
            unread = np.flatnonzero(calls.found == UNREAD)
            if len(unread):
                self._raise(int(at[unread[0]]), calls.fault)
            piece.codes[part] = calls.codes
            for k in np.flatnonzero(calls.found == HAPLOID).tolist():
                ploidy[int(part[k])] = calls.ploidy[k].copy()
        if ploidy:
            for row in range(len(rows)):
                piece.put_ploidy(row, ploidy.get(row))

    def _raise(self, record: int, fault: str | None) -> NoReturn:
        """Say why a record cannot be read."""
        where, key = self._find(record)
        if key < 0:
            raise DataError(no_calls(where, self.lines.format_of(record)))
        raise DataError(f"{where} {fault or 'cannot be read'}")

    def _texts(
        self, record: IntArray, chosen: IntArray, descriptor: int
    ) -> Iterator[tuple[IntArray, bytes, int]]:
        """Give those of the chosen rows whose lines lie together, the text, and its start."""
        for first, last in self._runs(record[chosen]):
            part = chosen[first : last + 1]
            at, end = self.lines.start[record[part[0]]], self.lines.end[record[part[-1]]]
            yield part, *self.text.read(descriptor, int(at), int(end))

    def _runs(self, record: IntArray) -> Iterator[tuple[int, int]]:
        """Give first and last of records that lie in the same or neighbouring blocks."""
        if not len(record):
            return
        if not len(self.text.place):
            starts = np.flatnonzero(np.diff(record, prepend=-1))
        else:
            first, last = self.text.blocks_of(self.lines.start[record], self.lines.end[record])
            starts = np.flatnonzero(np.append(True, first[1:] > last[:-1] + 1))
        yield from zip(starts.tolist(), [*(starts[1:] - 1).tolist(), len(record) - 1], strict=True)

    def _fill_dosages(self, piece: Piece, rows: IntArray, descriptor: int) -> None:
        record = self.record[rows]
        for part, text, base in self._texts(record, np.arange(len(rows)), descriptor):
            starts = np.flatnonzero(np.diff(record[part], prepend=-1))
            for of_record in np.split(part, starts[1:]):
                units = self._read_dosages(int(record[of_record[0]]), text, base)
                for row in of_record.tolist():
                    piece.put_units(row, units[int(self.alternative[rows[row]]) - 1])

    def _read_dosages(self, record: int, text: bytes, base: int) -> UnitArray:
        where, key = self._find(record)
        if key < 0:
            raise DataError(f"{where} has no DS (its FORMAT is {self.lines.format_of(record)})")
        n_people, n_alternatives = len(self.samples), int(self.lines.n_alleles[record]) - 1
        values = np.empty((n_people, n_alternatives))
        place = self.lines.start[record] - base, self.lines.end[record] - base
        try:
            _decode.decode_dosages(text, *place, key, n_alternatives, n_people, values)
        except ValueError as error:
            raise DataError(f"{where} {error}") from error
        values[np.isneginf(values)] = np.nan
        return to_units(values, where)

    def _find(self, record: int) -> tuple[str, int]:
        where = f"{self.paths[0].name}: record {record + 1:,}"
        if self.lines.n_alleles[record] > MAX_ALLELES:
            raise DataError(
                f"{where} has {int(self.lines.n_alleles[record]):,} alleles; {MAX_ALLELES} are "
                "the most"
            )
        return where, int(self.lines.key[record])


def open_vcf(
    path: Path,
    *,
    field: VcfField = "auto",
    half_calls: HalfCalls = "missing",
    keep_bytes: int = KEPT_BYTES,
) -> VcfSource | HtslibSource:
    """Open a VCF or BCF by reading its sites.

    Parameters
    ----------
    path
        The file: .vcf, .vcf.gz, .bcf.
    field
        Take genotypes from ``"GT"`` or dosages from ``"DS"``; ``"auto"`` takes GT
        where the header declares it, else DS.
    half_calls
        What a call like ``0/.`` counts as; see `VcfSource`.
    keep_bytes
        Memory in which calls are kept that were read with their sites, and need not
        be read again.

    Raises
    ------
    UsageError
        If there is no such file, or `half_calls` is none of the known.
    DataError
        If the file is damaged, holds no people, or a person twice.

    Warns
    -----
    PgsTrdWarning
        If records are reference blocks (gVCF).
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    if half_calls not in HALF_CALLS:
        raise UsageError(f"half_calls must be one of {', '.join(HALF_CALLS)}, got {half_calls!r}")
    _check_end(path)
    import cyvcf2  # Only here: it takes longer to load than a small file to read.

    with quiet_htslib(), as_data_error(path):
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
    text = None if _is_bcf(path) else open_text(path)
    if text is None:
        variants, record, alternative = read_records(path)
        _warn_of_blocks(variants, path)
        return HtslibSource((path,), samples, variants, chosen, half_calls, record, alternative)
    keeper = CallKeeper(
        len(samples),
        HALF_CALLS.index(half_calls),
        most_bytes=keep_bytes if chosen == "GT" else 0,
        most_records=text.n_bytes // (2 * len(samples)),
    )
    variants, record, alternative, lines, kept = read_sites(text, chosen, keeper)
    _warn_of_blocks(variants, path)
    return VcfSource(
        (path,), samples, variants, chosen, half_calls, text, lines, kept, record, alternative
    )


def _warn_of_blocks(variants: pd.DataFrame, path: Path) -> None:
    """Warn of records that stand for many positions and name the reference of the first only."""
    is_alone = ~variants["site"].duplicated(keep=False)
    n_blocks = int((is_alone & variants["counted_allele"].isin(REFERENCE_BLOCKS)).sum())
    if n_blocks:
        warnings.warn(
            f"{path.name}: is a gVCF: {n_blocks:,} records are reference blocks, and positions "
            "inside them count as absent, since their alleles are not written; write them out "
            "(bcftools convert --gvcf2vcf --fasta-ref), or take jointly called genotypes",
            PgsTrdWarning,
            stacklevel=5,
        )


def _is_bcf(path: Path) -> bool:
    """Tell a BCF by its first bytes, plain or behind gzip."""
    with path.open("rb") as handle:
        start = handle.read(1 << 16)
    if start[:2] == b"\x1f\x8b":
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, 3)
        except zlib.error:
            return False
    return start[:3] == b"BCF"


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


def _declared_formats(reader: Any) -> set[str]:
    headers = (header.info() for header in reader.header_iter())
    return {
        header["ID"]
        for header in headers
        if header.get("HeaderType") == "FORMAT" and "ID" in header
    }


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
