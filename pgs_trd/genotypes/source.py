"""The one shape that every genotype file takes: samples, variants, blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]
Int8Array: TypeAlias = npt.NDArray[np.int8]
UInt8Array: TypeAlias = npt.NDArray[np.uint8]
UInt16Array: TypeAlias = npt.NDArray[np.uint16]
Float32Array: TypeAlias = npt.NDArray[np.float32]
FloatArray: TypeAlias = npt.NDArray[np.float64]

# How one copy is written: as one allele, as two alike, or it cannot be told.
HaploidCoding: TypeAlias = Literal["one", "alike", "unknown"]

BLOCK_SIZE = 1024
DOSAGE_UNIT = 1 << 14
MISSING_UNITS = 65535
SAMPLE_COLUMNS = ("person_id", "family_id", "sex")
VARIANT_COLUMNS = (
    "chromosome",
    "position",
    "id",
    "counted_allele",
    "other_allele",
    "site",
    "is_par",
)


@dataclass(frozen=True)
class GenotypeBlock:
    """Genotypes of some variants for everybody, variants as rows, as on disk.

    Exactly one of `codes` and `units` is given; a source may give codes for one
    block and units for the next.

    Attributes
    ----------
    rows : (n_rows,)
        Which rows of `GenotypeSource.variants` these are.
    codes : (n_rows, ceil(n_people / 4)) or None
        Hard calls in the packing of PLINK 1: two bits a person, low bits first;
        00 two copies of the counted allele, 01 missing, 10 one copy, 11 none.
        The bits behind the last person may hold anything.
    units : (n_rows, n_people) or None
        Dosages of the counted allele in units of 1/16384 copy, from 0 to 32768;
        65535 where missing.
    ploidy : (n_rows, n_people) or None
        Number of alleles called, 0 where missing; None says that the file holds
        diploid calls only, or does not tell. Copies of the other allele are
        ``ploidy - copies``: a man's single X is 0 or 1 of each, never 2.
    """

    rows: IntArray
    codes: UInt8Array | None = None
    units: UInt16Array | None = None
    ploidy: Int8Array | None = None

    def __post_init__(self) -> None:
        if (self.codes is None) == (self.units is None):
            raise ValueError("a block has either codes or units: one of them, not both")
        for name in ("codes", "units", "ploidy"):
            array = getattr(self, name)
            if array is None:
                continue
            if array.ndim != 2 or len(array) != len(self.rows):
                raise ValueError(
                    f"{name} has shape {array.shape}, but there are {len(self.rows)} rows"
                )
            array.flags.writeable = False

    @property
    def dosages(self) -> Float32Array:
        """Copies of the counted allele of a block of `units`; NaN where missing."""
        if self.units is None:
            raise ValueError("a block of codes has no dosages: see unpack_codes")
        dosages = self.units.astype(np.float32) / np.float32(DOSAGE_UNIT)
        dosages[self.units == MISSING_UNITS] = np.nan
        return dosages


@runtime_checkable
class GenotypeSource(Protocol):
    """Genotypes on disk: tables of people and variants, and blocks when asked.

    Attributes
    ----------
    paths
        The files behind it.
    format
        ``"plink1"``, ``"plink2"``, ``"bgen"`` or ``"vcf"``.
    samples
        One row a person, in the order of the file: person_id (text, unique),
        family_id, sex (``"female"``, ``"male"``, ``"unknown"``).
    variants
        One row for each alternative allele of each site, in the order of the
        file: chromosome (canonical name; category), position (1-based; 0 or less
        is unplaced), id (Arrow text), counted_allele, other_allele (upper case;
        categories), site (rows that hold alleles of one site share this number),
        is_par (whether the file places it in a pseudo-autosomal region of X).
    haploid_coding
        How one copy is written, as on a man's X: ``"one"`` allele, the ploidy of each
        call told by the blocks or 2; two ``"alike"``; or ``"unknown"``.
    """

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files behind the source."""
        ...

    @property
    def format(self) -> str:
        """Name of the file format."""
        ...

    @property
    def haploid_coding(self) -> HaploidCoding:
        """How calls of people with one copy are written."""
        ...

    @property
    def samples(self) -> pd.DataFrame:
        """Table of people."""
        ...

    @property
    def variants(self) -> pd.DataFrame:
        """Table of variants."""
        ...

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Give the genotypes of `rows`, each once and in order, a block at a time."""
        ...


def check_rows(rows: IntArray, n_variants: int, block_size: int) -> IntArray:
    """Give `rows` as int64; raise a ValueError unless ascending, unique, in range."""
    if block_size < 1:
        raise ValueError(f"block_size must be at least 1, got {block_size}")
    checked = np.asarray(rows)
    if checked.ndim != 1 or (len(checked) and checked.dtype.kind not in "iu"):
        raise ValueError("rows must be a one-dimensional array of whole numbers")
    checked = checked.astype(np.int64, copy=False)
    if len(checked) and (checked[0] < 0 or checked[-1] >= n_variants):
        raise ValueError(
            f"rows go from {checked[0]} to {checked[-1]}, but the variants from 0 to "
            f"{n_variants - 1}"
        )
    if np.any(np.diff(checked) <= 0):
        raise ValueError("rows must be ascending and each occur once")
    return checked
