"""Quality of variants and people for components and kinship: flags, nothing dropped."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry.packed import CodeArray, FloatArray, IntArray, PackedKernel, hardy_weinberg
from pgs_trd.ancestry.reading import AUTOSOMES, PackedReader, check_autosomal
from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.genotypes.packing import pack_codes
from pgs_trd.resources import thread_count

BoolArray = npt.NDArray[np.bool_]

VARIANT_REASONS = (
    "not_autosomal", "multiallelic", "palindromic", "missing", "rare", "hardy_weinberg",
)  # fmt: skip
PERSON_REASONS = ("missing", "heterozygosity")
COPIED = ("chromosome", "position", "id", "counted_allele", "other_allele")
PALINDROMES = ({"A", "T"}, {"C", "G"})
# plink's limits of F on X: below the first a woman, above the second a man.
FEMALE_F, MALE_F = 0.2, 0.8


def variant_quality(
    genotypes: GenotypeSource,
    *,
    min_frequency: float = 0.05,
    max_missing: float = 0.02,
    min_hardy_p: float | None = None,
    mid_p: bool = True,
    flag_palindromes: bool = False,
    threads: int | None = None,
) -> pd.DataFrame:
    """Count calls of every variant and flag those unfit for components and kinship.

    Counts are of everybody on autosomes and pseudo-autosomal regions, and of women
    on the rest of X, where men carry one allele.

    Parameters
    ----------
    genotypes
        From `open_genotypes`; dosages count as hard calls, see `PackedReader`.
    min_frequency
        Smallest frequency of the rarer allele.
    max_missing
        Largest share of missing calls.
    min_hardy_p
        Smallest p-value of Hardy-Weinberg equilibrium. None sets no limit: among
        people of several ancestries good variants fail the test.
    mid_p
        See `hardy_weinberg`.
    flag_palindromes
        Flag A/T and C/G variants, whose strand the alleles do not tell: for a
        reference that other people's genotypes are to be matched with.
    threads
        Default: what the scheduler allotted, else the processors allowed.

    Returns
    -------
    quality
        One row a variant, in the order of ``genotypes.variants``: chromosome,
        position, id, counted_allele, other_allele; n_two, n_one, n_none (people with
        so many copies of the counted allele), n_missing; missing_rate; frequency (of
        the counted allele; NaN if nobody has a call); hardy_p (NaN on Y and MT);
        status ``ok`` or ``flagged``; reason, the first that holds of
        `VARIANT_REASONS`, empty if ok.

    Raises
    ------
    UsageError
        If a limit does not lie in its range.
    """
    _check_share("max_missing", max_missing, 1.0)
    _check_share("min_frequency", min_frequency, 0.5)
    if min_hardy_p is not None:
        _check_share("min_hardy_p", min_hardy_p, 1.0)
    variants = genotypes.variants
    chromosome = variants["chromosome"].astype(object).to_numpy()
    is_x = (chromosome == "X") & ~variants["is_par"].to_numpy(dtype=bool)
    counts = _count_variants(genotypes, is_x, thread_count(threads))
    n_called = counts[:, [0, 2, 3]].sum(axis=1)
    n_people = counts.sum(axis=1)
    quality = variants.loc[:, list(COPIED)].copy()
    for name, code in (("n_two", 0), ("n_one", 2), ("n_none", 3), ("n_missing", 1)):
        quality[name] = counts[:, code]
    quality["missing_rate"] = _ratio(counts[:, 1], n_people)
    quality["frequency"] = _ratio(2 * counts[:, 0] + counts[:, 2], 2 * n_called)
    p_value = hardy_weinberg(counts[:, [0, 2, 3]], mid_p=mid_p)
    p_value[(chromosome == "Y") | (chromosome == "MT")] = np.nan
    quality["hardy_p"] = p_value
    frequency = quality["frequency"].to_numpy()
    fails = {
        "not_autosomal": ~np.isin(chromosome, AUTOSOMES),
        "multiallelic": variants["site"].duplicated(keep=False).to_numpy(),
        "palindromic": _is_palindromic(variants) & flag_palindromes,
        "missing": ~(quality["missing_rate"].to_numpy() <= max_missing),
        "rare": ~(np.minimum(frequency, 1 - frequency) >= min_frequency),
        "hardy_weinberg": p_value < (0.0 if min_hardy_p is None else min_hardy_p),
    }
    return _flag(quality, fails)


def person_quality(
    genotypes: GenotypeSource,
    rows: IntArray,
    *,
    max_missing: float = 0.05,
    max_heterozygosity_sd: float | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Count calls of every person and flag those whose genotypes look damaged.

    Parameters
    ----------
    genotypes
        From `open_genotypes`; dosages count as hard calls, see `PackedReader`.
    rows : (n_rows,)
        Ascending rows of autosomal variants, such as those that are ok in
        `variant_quality`.
    max_missing
        Largest share of missing calls.
    max_heterozygosity_sd
        Largest distance of the heterozygosity from its mean, in standard deviations;
        too much speaks for two people's DNA in one sample, too little for inbreeding.
        None sets no limit: heterozygosity differs between ancestries.
    threads
        Default: what the scheduler allotted, else the processors allowed.

    Returns
    -------
    quality
        One row a person: person_id; n_called, n_missing, missing_rate;
        n_heterozygous; heterozygosity (share of calls); inbreeding, the coefficient F
        of plink2's ``--het``, (observed - expected) / (called - expected) homozygous
        calls by the frequencies of these people (NaN where nothing is expected);
        status ``ok`` or ``flagged``; reason, the first that holds of
        `PERSON_REASONS`, empty if ok.

    Raises
    ------
    UsageError
        If a limit does not lie in its range, or a row is not of an autosome.
    """
    _check_share("max_missing", max_missing, 1.0)
    if max_heterozygosity_sd is not None and max_heterozygosity_sd <= 0:
        raise UsageError(f"max_heterozygosity_sd must be above 0, got {max_heterozygosity_sd}")
    rows = check_autosomal(genotypes, rows)
    counts, expected = _count_people(genotypes, rows, None, thread_count(threads))
    quality = _person_table(genotypes, counts, expected)
    heterozygosity = quality["heterozygosity"].to_numpy()
    far = np.zeros(len(quality), dtype=bool)
    if max_heterozygosity_sd is not None and np.isfinite(heterozygosity).sum() > 1:
        spread = np.nanstd(heterozygosity, ddof=1)
        far = np.abs(heterozygosity - np.nanmean(heterozygosity)) > max_heterozygosity_sd * spread
    fails = {
        "missing": ~(quality["missing_rate"].to_numpy() <= max_missing),
        "heterozygosity": far,
    }
    return _flag(quality, fails)


def check_sex(
    genotypes: GenotypeSource, *, min_frequency: float = 0.05, threads: int | None = None
) -> pd.DataFrame:
    """Compare the sex that is recorded with the one that X shows.

    Women are about as often heterozygous on X as their alleles' frequencies let
    expect (F near 0), men never (F = 1).

    Parameters
    ----------
    genotypes
        From `open_genotypes`.
    min_frequency
        Smallest frequency, among women, of the rarer allele of variants that count.
    threads
        Default: what the scheduler allotted, else the processors allowed.

    Returns
    -------
    table
        One row a person: person_id, sex (recorded), n_called, inbreeding (F on X, as
        in `person_quality`), sex_genotypes (``female`` if F is below 0.2, ``male``
        if above 0.8, else ``unknown``), status: ``ok``, ``flagged`` where the two
        are known and differ, ``unknown`` where one is not known.

    Raises
    ------
    DataError
        If no variant of X is common enough.
    """
    quality = variant_quality(genotypes, threads=threads)
    frequency = quality["frequency"].to_numpy()
    is_x = (quality["chromosome"] == "X").to_numpy()
    is_x &= ~genotypes.variants["is_par"].to_numpy(dtype=bool)
    rows = np.flatnonzero(is_x & (np.minimum(frequency, 1 - frequency) >= min_frequency))
    if not len(rows):
        raise DataError(
            f"none of {int(is_x.sum()):,} variants of X outside its pseudo-autosomal regions has "
            f"a frequency of at least {min_frequency:g} among women: the sex cannot be checked"
        )
    counts, expected = _count_people(genotypes, rows, frequency[rows], thread_count(threads))
    people = _person_table(genotypes, counts, expected)
    f = people["inbreeding"].to_numpy()
    shown = np.select([f < FEMALE_F, f > MALE_F], ["female", "male"], default="unknown")
    told = genotypes.samples["sex"].to_numpy(dtype=object).astype(str)
    table = people[["person_id"]].assign(
        sex=told, n_called=people["n_called"], inbreeding=f, sex_genotypes=shown
    )
    unknown = (told == "unknown") | (shown == "unknown")
    table["status"] = np.select([unknown, told == shown], ["unknown", "ok"], default="flagged")
    return table


def _count_variants(genotypes: GenotypeSource, is_x: BoolArray, threads: int) -> IntArray:
    """Count the codes of every variant; of women only where `is_x`."""
    rows = np.arange(len(genotypes.variants), dtype=np.int64)
    reader = PackedReader(genotypes, rows, keep=False, warns=False)
    is_woman = (genotypes.samples["sex"] == "female").to_numpy()
    # Nobody else's bits pass: they become 00, and are taken off again.
    women: CodeArray = pack_codes(np.where(is_woman, 0, 2)[np.newaxis].astype(np.int8))
    counts = np.zeros((len(rows), 4), dtype=np.int64)
    with PackedKernel(threads) as kernel:
        for start, codes in reader.blocks():
            stop = start + len(codes)
            of_x = is_x[start:stop]
            if of_x.any():
                codes = np.where(of_x[:, np.newaxis], codes & women, codes)
            counts[start:stop] = kernel.count(codes, reader.n_people)
    counts[is_x, 0] -= reader.n_people - int(is_woman.sum())
    return counts


def _count_people(
    genotypes: GenotypeSource, rows: IntArray, frequency: FloatArray | None, threads: int
) -> tuple[IntArray, FloatArray]:
    """Count the codes of every person, and the homozygous calls that are expected.

    Expected by `frequency`, or by that among these people.
    """
    reader = PackedReader(genotypes, rows, keep=False, warns=False)
    n_people = reader.n_people
    counts = np.zeros((n_people, 4), dtype=np.int64)
    expected = np.zeros((n_people, 1))
    total = 0.0
    with PackedKernel(threads) as kernel:
        for start, codes in reader.blocks():
            if frequency is None:
                of_variant = kernel.count(codes, n_people)
                n_called = of_variant[:, [0, 2, 3]].sum(axis=1)
                p = _ratio(2 * of_variant[:, 0] + of_variant[:, 2], 2 * n_called)
            else:
                p = frequency[start : start + len(codes)]
            homozygous = np.where(np.isnan(p), 0.0, 1 - 2 * p * (1 - p))
            turned = kernel.transpose(codes, n_people)
            counts += kernel.count(turned, len(codes))
            kernel.add_missing(turned, -homozygous[:, np.newaxis].astype(np.float32), expected)
            total += float(homozygous.sum())
    return counts, expected[:, 0] + total


def _person_table(
    genotypes: GenotypeSource, counts: IntArray, expected: FloatArray
) -> pd.DataFrame:
    n_called = counts[:, [0, 2, 3]].sum(axis=1)
    n_homozygous = n_called - counts[:, 2]
    return pd.DataFrame(
        {
            "person_id": genotypes.samples["person_id"].to_numpy(),
            "n_called": n_called,
            "n_missing": counts[:, 1],
            "missing_rate": _ratio(counts[:, 1], counts.sum(axis=1)),
            "n_heterozygous": counts[:, 2],
            "heterozygosity": _ratio(counts[:, 2], n_called),
            "inbreeding": _ratio(n_homozygous - expected, n_called - expected),
        }
    )


def _is_palindromic(variants: pd.DataFrame) -> BoolArray:
    counted, other = (
        variants[name].astype(object).to_numpy() for name in ("counted_allele", "other_allele")
    )
    found = np.zeros(len(variants), dtype=bool)
    for pair in PALINDROMES:
        first, second = sorted(pair)
        found |= (counted == first) & (other == second)
        found |= (counted == second) & (other == first)
    return found


def _flag(quality: pd.DataFrame, fails: Mapping[str, BoolArray]) -> pd.DataFrame:
    """Add status and reason, the first of `fails` that holds."""
    reason = np.select(list(fails.values()), list(fails), default="")
    quality["status"] = np.where(reason == "", "ok", "flagged")
    quality["reason"] = reason
    return quality


def _ratio(part: IntArray | FloatArray, whole: IntArray | FloatArray) -> FloatArray:
    """Divide; NaN where `whole` is not above 0."""
    out = np.full(len(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def _check_share(name: str, value: float, largest: float) -> None:
    if not 0.0 <= value <= largest:
        raise UsageError(f"{name} must lie in [0, {largest:g}], got {value}")
