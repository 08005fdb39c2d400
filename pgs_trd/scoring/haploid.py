"""Calls of people with one copy: X of men, Y, mitochondria.

Files write such a call in two ways: as two copies alike (PLINK), or as one allele
(VCF, BGEN). Here all become two alike, and each call is said to count as two
alleles, as one, or not at all; the rules are those of plink2's --score.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning
from pgs_trd.genotypes import GenotypeBlock, GenotypeSource
from pgs_trd.genotypes.source import DOSAGE_UNIT, MISSING_UNITS
from pgs_trd.scoring.kernel import CodeArray, IntArray, Kernel

MaleX = Literal["0..2", "0..1"]
BoolArray = npt.NDArray[np.bool_]
Int8Array = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]

ALL_MISSING = 0b01010101
HIGH_BITS = 0b10101010


@dataclass(frozen=True)
class AlleleRule:
    """How many alleles a call counts as, by chromosome, sex and what the file says.

    Attributes
    ----------
    on_x, on_y, on_mt : (n_variants,)
        Where the variants lie; pseudo-autosomal regions are not on X here.
    is_male, is_female : (n_people,)
        Both False where sex is unknown.
    male_x
        Whether a man's X counts from 0 to 2, as plink2 has it, or from 0 to 1.
    states_ploidy
        Whether the file says how many alleles each call has; on X it is believed.
    """

    on_x: BoolArray
    on_y: BoolArray
    on_mt: BoolArray
    is_male: BoolArray
    is_female: BoolArray
    male_x: MaleX
    states_ploidy: bool

    @classmethod
    def of(cls, genotypes: GenotypeSource, male_x: MaleX, rows: IntArray) -> AlleleRule:
        """Make the rule for a source of which some rows are scored.

        Raises
        ------
        DataError
            If rows on X, Y or mitochondria are scored from dosages that may run to one
            or to two where a person has one copy.
        """
        variants, sex = genotypes.variants, genotypes.samples["sex"].to_numpy()
        chromosome = pd.Categorical(variants["chromosome"])
        par = variants["is_par"].to_numpy() if "is_par" in variants else False
        coding = genotypes.haploid_coding
        rule = cls(
            on_x=np.asarray(chromosome == "X") & ~np.asarray(par, dtype=bool),
            on_y=np.asarray(chromosome == "Y"),
            on_mt=np.asarray(chromosome == "MT"),
            is_male=sex == "male",
            is_female=sex == "female",
            male_x=male_x,
            states_ploidy=coding == "one",
        )
        rule._check(coding, rows)
        return rule

    def _check(self, coding: str, rows: IntArray) -> None:
        """Refuse what cannot be counted, and warn of what counts in an unwanted way."""
        n_x, n_y, n_mt = (int(on[rows].sum()) for on in (self.on_x, self.on_y, self.on_mt))
        if coding == "unknown" and n_x + n_y + n_mt:
            raise DataError(
                f"{n_x + n_y + n_mt:,} scored variants lie on X, Y or mitochondria, and dosages "
                "(DS) do not say whether those of people with one copy run to 1 or to 2: take "
                "calls (GT, --vcf-field GT), leave these variants out (--exclude), or give "
                "another format"
            )
        n_unknown = int((~self.is_male & ~self.is_female).sum())
        if n_unknown and coding == "alike" and n_x + n_y:
            warnings.warn(
                f"{n_unknown:,} of {len(self.is_male):,} people have no sex, and {n_x:,} scored "
                f"variants lie on X, {n_y:,} on Y: on X they count as women, on Y as nothing, as "
                "in plink2; give their sex (--update-sex)",
                PgsTrdWarning,
                stacklevel=4,
            )

    def ploidies(self, block: GenotypeBlock) -> tuple[IntArray, Int8Array] | None:
        """Give the rows of a block that are not diploid for all, and everybody's ploidy.

        Returns
        -------
        rows : (n_special,)
            Places in the block.
        ploidy : (n_special, n_people)
            2, 1 or 0; on Y 0 for all but men, save calls that a file with ploidies
            has of people of unknown sex. A missing call has the ploidy that its
            chromosome and the person's sex give it. Nothing depends on which other
            variants are in the block.
        """
        on_x, on_y, on_mt = (flags[block.rows] for flags in (self.on_x, self.on_y, self.on_mt))
        special = on_y | on_mt | (on_x if self.is_male.any() else False)
        if block.ploidy is not None:
            special |= (block.ploidy == 1).any(axis=1)
        rows = np.flatnonzero(special)
        if not len(rows):
            return None
        on_x, on_y, on_mt = on_x[rows], on_y[rows], on_mt[rows]
        ploidy = np.full((len(rows), len(self.is_male)), 2, dtype=np.int8)
        ploidy[on_mt] = 1
        ploidy[on_y] = self.is_male
        ploidy[np.ix_(on_x, self.is_male)] = 1
        if block.ploidy is not None or self.states_ploidy:
            stated = _stated(block, rows, len(self.is_male))
            believed = ~on_y & ~on_mt
            ploidy[believed] = np.where(stated > 0, stated, ploidy)[believed]
            unknown = ~self.is_male & ~self.is_female
            ploidy[on_y] |= (stated[on_y] > 0) & unknown
        return rows, ploidy

    def count_x_twice(self, block: GenotypeBlock, rows: IntArray, ploidy: Int8Array) -> Int8Array:
        """Give the alleles that calls count as: the ploidy, but 2 for a man's X with 0..2."""
        if self.male_x == "0..1":
            return ploidy
        alleles = ploidy.copy()
        alleles[self.on_x[block.rows[rows]]] = 2
        return alleles


def _stated(block: GenotypeBlock, rows: IntArray, n_people: int) -> Int8Array:
    """Give the ploidy that the file states; 0 where the call is missing."""
    if block.ploidy is not None:
        return block.ploidy[rows]
    if block.codes is not None:
        bits = np.unpackbits(block.codes[rows], axis=1, bitorder="little")[:, : 2 * n_people]
        is_missing = (bits[:, 0::2] == 1) & (bits[:, 1::2] == 0)
        return np.where(is_missing, np.int8(0), np.int8(2))
    assert block.units is not None
    return np.where(block.units[rows] == MISSING_UNITS, np.int8(0), np.int8(2))


def write_alike(block: GenotypeBlock, rows: IntArray) -> GenotypeBlock:
    """Write the calls that a file states as haploid as two copies alike."""
    if block.ploidy is None:
        return block
    is_single = block.ploidy[rows] == 1
    if block.codes is None:
        assert block.units is not None
        units = block.units.copy()
        some = units[rows]
        units[rows] = np.where(is_single & (some != MISSING_UNITS), 2 * some, some)
        return replace(block, units=units)
    codes = block.codes.copy()
    part = codes[rows]
    # One copy is 10 in PLINK 1's code, two are 00.
    is_one = part & HIGH_BITS & ~(part << 1)
    codes[rows] = part & ~(is_one & pack_mask(is_single))
    return replace(block, codes=codes)


def pack_mask(people: BoolArray) -> CodeArray:
    """Set both bits of the people chosen: (n_rows, ceil(n_people / 4))."""
    return np.packbits(np.repeat(people, 2, axis=1), axis=1, bitorder="little")


def count_block(
    kernel: Kernel, block: GenotypeBlock, special: tuple[IntArray, Int8Array] | None
) -> tuple[FloatArray, IntArray]:
    """Count the alleles of each row of a block.

    Returns
    -------
    frequency : (n_rows,)
        Of the counted allele; NaN where nobody is called. A haploid call is one allele.
    n_missing : (n_rows,)
        People without a call.
    """
    copies, called = _count(kernel, block.codes, block.units)
    n_missing = kernel.n_people - called
    alleles = 2.0 * called
    if special is not None:
        rows, ploidy = special
        for wanted in (0, 1):
            mask = ploidy == wanted
            if not mask.any():
                continue
            share = 1.0 - wanted / 2  # of these people's copies and alleles is too much
            some_copies, some_called = _count(kernel, *_only(block, rows, mask))
            copies[rows] -= share * some_copies
            alleles[rows] -= share * 2.0 * some_called
            if wanted == 0:
                n_missing[rows] -= mask.sum(axis=1) - some_called
    frequency = np.divide(copies, alleles, out=np.full(len(called), np.nan), where=alleles > 0)
    return frequency, n_missing


def _only(
    block: GenotypeBlock, rows: IntArray, people: BoolArray
) -> tuple[CodeArray | None, npt.NDArray[np.uint16] | None]:
    """Give some rows with the calls of other people taken out."""
    if block.codes is None:
        assert block.units is not None
        return None, np.where(people, block.units[rows], np.uint16(MISSING_UNITS))
    mask = pack_mask(people)
    return (block.codes[rows] & mask) | (~mask & np.uint8(ALL_MISSING)), None


def _count(
    kernel: Kernel, codes: CodeArray | None, units: npt.NDArray[np.uint16] | None
) -> tuple[FloatArray, IntArray]:
    """Give copies of the counted allele and the number of people called."""
    if codes is not None:
        counts = kernel.count_codes(np.ascontiguousarray(codes))
        return (2.0 * counts[:, 0] + counts[:, 2]), kernel.n_people - counts[:, 1]
    assert units is not None
    counts = kernel.count_dosages(np.ascontiguousarray(units))
    return counts[:, 0] / DOSAGE_UNIT, counts[:, 1].copy()


def group_rows(alleles: Int8Array) -> Iterator[tuple[IntArray, Int8Array]]:
    """Give the rows that count alike for everybody, and how: (places, (n_people,))."""
    if (alleles == alleles[0]).all():
        yield np.arange(len(alleles)), alleles[0]
        return
    kinds, number = np.unique(alleles, axis=0, return_inverse=True)
    for kind, row in enumerate(kinds):
        yield np.flatnonzero(number == kind), row
