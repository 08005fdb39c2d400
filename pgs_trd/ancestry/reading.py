"""Hard calls of chosen variants, packed, in blocks of one size, pass after pass."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from pgs_trd.ancestry.packed import CodeArray, IntArray
from pgs_trd.errors import PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeBlock, GenotypeSource, pack_codes, unpack_codes
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.source import DOSAGE_UNIT, MISSING_UNITS, Int8Array

AUTOSOMES = tuple(map(str, range(1, 23)))
# A multiple of the 24 columns that the kernel takes at once, so that sums do not
# depend on how the source cuts its blocks.
BLOCK_ROWS = 1536
# Genotypes up to this size are read once and kept; larger ones are read every pass.
KEPT_BYTES = 1 << 30
# As plink2's --hard-call-threshold.
LARGEST_DOUBT = 0.1
MOST_DOUBTFUL = 0.1


class PackedReader:
    """Packed hard calls of some variants of a source, read as often as wanted.

    A dosage counts as the nearest whole number of copies if it is within 0.1 of it,
    else as missing, as in plink2; if that takes more than a tenth of the dosages, the
    first reading warns of it.

    Parameters
    ----------
    genotypes
        From `open_genotypes`.
    rows : (n_rows,)
        Ascending rows of ``genotypes.variants``.
    keep
        Keep the codes in memory after the first reading if they take up to 1 GiB.
    block_rows
        Rows in each block but the last.
    warns
        Whether to warn of dosages in doubt; not where they are counted.
    """

    def __init__(
        self,
        genotypes: GenotypeSource,
        rows: IntArray,
        *,
        keep: bool,
        block_rows: int = BLOCK_ROWS,
        warns: bool = True,
    ) -> None:
        self._genotypes = genotypes
        self._block_rows = block_rows
        self._keep = keep
        self.rows = np.asarray(rows, dtype=np.int64)
        self.n_people = len(genotypes.samples)
        self._kept: list[CodeArray] | None = None
        self._warns = warns

    def blocks(self) -> Iterator[tuple[int, CodeArray]]:
        """Give the number of the first row of each block, and its codes."""
        if self._kept is not None:
            blocks: Iterator[CodeArray] = iter(self._kept)
        else:
            blocks = self._read()
        keep = self._keep and self._kept is None and self._n_bytes <= KEPT_BYTES
        kept: list[CodeArray] = []
        start = 0
        for codes in blocks:
            if keep:
                kept.append(codes)
            yield start, codes
            start += len(codes)
        if keep:
            self._kept = kept

    @property
    def _n_bytes(self) -> int:
        return len(self.rows) * packed_width(self.n_people)

    def _read(self) -> Iterator[CodeArray]:
        """Read blocks of equal size, however the source cuts them."""
        width, n_left = packed_width(self.n_people), len(self.rows)
        waiting = np.empty((min(self._block_rows, n_left), width), dtype=np.uint8)
        n_waiting = n_known = n_doubtful = 0
        for block in self._genotypes.blocks(self.rows, block_size=self._block_rows):
            codes = hard_calls(block, self.n_people)
            if self._warns and block.units is not None:
                n_known += int((block.units != MISSING_UNITS).sum())
                n_doubtful += int(_IN_DOUBT[block.units].sum())
            while len(codes):
                part = codes[: len(waiting) - n_waiting]
                waiting[n_waiting : n_waiting + len(part)] = part
                n_waiting += len(part)
                codes = codes[len(part) :]
                if n_waiting == len(waiting):
                    yield waiting
                    n_left -= n_waiting
                    n_waiting = 0
                    waiting = np.empty((min(self._block_rows, n_left), width), dtype=np.uint8)
        self._warns = False
        if n_doubtful > MOST_DOUBTFUL * n_known:
            warnings.warn(
                f"{n_doubtful / n_known:.1%} of {n_known:,} dosages are more than "
                f"{LARGEST_DOUBT} from a whole number of copies and count as missing here: take "
                "variants that were genotyped, or imputed better (`pgs-trd ancestry qc` flags "
                "those that lose many)",
                PgsTrdWarning,
                stacklevel=2,
            )


def check_autosomal(genotypes: GenotypeSource, rows: IntArray) -> IntArray:
    """Give `rows` as int64; raise a UsageError if one is not of an autosome."""
    rows = np.asarray(rows, dtype=np.int64)
    n_other = int((~genotypes.variants["chromosome"].iloc[rows].isin(AUTOSOMES)).sum())
    if n_other:
        raise UsageError(f"{n_other:,} of {len(rows):,} variants are not on an autosome")
    return rows


def hard_calls(block: GenotypeBlock, n_people: int) -> CodeArray:
    """Give the codes of a block.

    Dosages in doubt by more than 0.1 copy are missing. One allele where there is only
    one, as on a man's X, counts as two alike, as PLINK 1 files write it.
    """
    is_haploid = None if block.ploidy is None else block.ploidy == 1
    if block.codes is not None and (is_haploid is None or not is_haploid.any()):
        return np.ascontiguousarray(block.codes)
    if block.codes is not None:
        copies = unpack_codes(block.codes, n_people)
    else:
        assert block.units is not None
        copies = _NEAREST[block.units]
    if is_haploid is not None:
        copies = np.where(is_haploid & (copies == 1), np.int8(2), copies)
    return pack_codes(copies)


def _nearest_copies() -> Int8Array:
    """Give the hard call of each dosage in units."""
    units = np.arange(MISSING_UNITS + 1)
    copies = np.rint(units / DOSAGE_UNIT)
    is_sure = (np.abs(units - copies * DOSAGE_UNIT) <= LARGEST_DOUBT * DOSAGE_UNIT) & (copies <= 2)
    return np.where(is_sure, copies, -1).astype(np.int8)


_NEAREST = _nearest_copies()
_IN_DOUBT = (_NEAREST < 0) & (np.arange(len(_NEAREST)) < MISSING_UNITS)
