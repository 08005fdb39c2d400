"""Two-bit genotype codes: pack, unpack, count."""

from __future__ import annotations

import numpy as np

from pgs_trd.genotypes.source import (
    DOSAGE_UNIT,
    MISSING_UNITS,
    FloatArray,
    GenotypeSource,
    Int8Array,
    IntArray,
    UInt8Array,
)

# Index is copies + 1, so -1 (missing), 0, 1, 2 copies.
CODE_OF_COPIES = np.array([0b01, 0b11, 0b10, 0b00], dtype=np.uint8)
COPIES_OF_CODE = np.array([2, -1, 1, 0], dtype=np.int8)

_CODES_OF_BYTE = (np.arange(256)[:, np.newaxis] >> np.array([0, 2, 4, 6])) & 0b11
_COPIES_OF_BYTE = COPIES_OF_CODE[_CODES_OF_BYTE]
# Four int8 copies seen as one uint32: one look-up gives four people.
_FOUR_COPIES_OF_BYTE = np.ascontiguousarray(_COPIES_OF_BYTE).view(np.uint32).ravel()
_SUM_OF_BYTE = np.where(_COPIES_OF_BYTE >= 0, _COPIES_OF_BYTE, 0).sum(axis=1).astype(np.uint8)
_CALLED_OF_BYTE = (_COPIES_OF_BYTE >= 0).sum(axis=1).astype(np.uint8)
_ALL_MISSING = 0b01010101


def packed_width(n_people: int) -> int:
    """Give the number of bytes that hold one variant of `n_people`."""
    return (n_people + 3) // 4


def pack_codes(copies: Int8Array) -> UInt8Array:
    """Pack copies of the counted allele, two bits a person.

    Parameters
    ----------
    copies : (n_rows, n_people)
        0, 1 or 2; -1 where the call is missing.

    Returns
    -------
    codes : (n_rows, ceil(n_people / 4))
        In the packing of PLINK 1, pad bits zero.

    Raises
    ------
    ValueError
        If any number is none of -1, 0, 1, 2.
    """
    copies = np.asarray(copies)
    if copies.size and (copies.min() < -1 or copies.max() > 2):
        raise ValueError(
            f"copies must be -1 (missing), 0, 1 or 2; they go from {copies.min()} to {copies.max()}"
        )
    n_rows, n_people = copies.shape
    padded = np.zeros((n_rows, 4 * packed_width(n_people)), dtype=np.uint8)
    padded[:, :n_people] = CODE_OF_COPIES[copies.astype(np.intp) + 1]
    quads = padded.reshape(n_rows, packed_width(n_people), 4)
    for person in (1, 2, 3):
        quads[:, :, 0] |= quads[:, :, person] << np.uint8(2 * person)
    return np.ascontiguousarray(quads[:, :, 0])


def unpack_codes(codes: UInt8Array, n_people: int) -> Int8Array:
    """Give the copies (n_rows, n_people) behind packed `codes`; -1 where missing."""
    if codes.shape[1] != packed_width(n_people):
        raise ValueError(
            f"{codes.shape[1]} bytes a row cannot hold {n_people} people: "
            f"{packed_width(n_people)} are needed"
        )
    four = np.ascontiguousarray(_FOUR_COPIES_OF_BYTE[codes])
    copies: Int8Array = four.view(np.int8).reshape(len(codes), 4 * codes.shape[1])
    return copies[:, :n_people]


def count_codes(codes: UInt8Array, n_people: int) -> tuple[IntArray, IntArray]:
    """Count, in each row, copies of the counted allele and people with a call."""
    n_pad = -n_people % 4
    if n_pad and codes.shape[1]:
        codes = codes.copy()
        kept = 0xFF >> (2 * n_pad)
        codes[:, -1] = (codes[:, -1] & kept) | (_ALL_MISSING & ~kept & 0xFF)
    n_copies: IntArray = _SUM_OF_BYTE[codes].sum(axis=1, dtype=np.int64)
    n_called: IntArray = _CALLED_OF_BYTE[codes].sum(axis=1, dtype=np.int64)
    return n_copies, n_called


def count_alleles(source: GenotypeSource, rows: IntArray) -> tuple[FloatArray, IntArray]:
    """Give the frequency of the counted allele and the number of people called.

    Parameters
    ----------
    source
        Genotypes.
    rows : (n_rows,)
        Ascending rows of ``source.variants``.

    Returns
    -------
    frequency : (n_rows,)
        Copies over alleles called, in [0, 1]; NaN where nobody has a call. A
        haploid call is one allele.
    n_called : (n_rows,)
        People with a call.
    """
    n_people = len(source.samples)
    frequency = np.full(len(rows), np.nan)
    called = np.zeros(len(rows), dtype=np.int64)
    start = 0
    for block in source.blocks(rows):
        stop = start + len(block.rows)
        n_copies: FloatArray | IntArray
        if block.codes is not None:
            n_copies, n_called = count_codes(block.codes, n_people)
        else:
            assert block.units is not None
            is_called = block.units != MISSING_UNITS
            n_copies = block.units.sum(axis=1, where=is_called, dtype=np.int64) / DOSAGE_UNIT
            n_called = is_called.sum(axis=1, dtype=np.int64)
        n_alleles = 2 * n_called
        if block.ploidy is not None:
            n_alleles = block.ploidy.sum(axis=1, dtype=np.int64)
        np.divide(n_copies, n_alleles, out=frequency[start:stop], where=n_alleles > 0)
        called[start:stop] = n_called
        start = stop
    return frequency, called
