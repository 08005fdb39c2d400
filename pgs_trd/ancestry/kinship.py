"""Kinship of all pairs of people from packed genotypes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry.packed import FloatArray, Int32Array, IntArray, PackedKernel, WordArray
from pgs_trd.ancestry.reading import PackedReader, check_autosomal
from pgs_trd.errors import DataError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.resources import thread_count

# Geometric means of the kinship of neighbouring degrees, 2^-1.5, 2^-2.5, ...: KING's limits.
DEGREES = (("duplicate", 2.0**-1.5), ("first", 2.0**-2.5), ("second", 2.0**-3.5),
           ("third", 2.0**-4.5))  # fmt: skip
THIRD_DEGREE = DEGREES[-1][1]
SECOND_DEGREE = DEGREES[-2][1]
# People a side of the square of pairs that a thread compares at once.
TILE = 256


def king_kinship(
    genotypes: GenotypeSource,
    rows: IntArray,
    *,
    min_kinship: float | None = THIRD_DEGREE,
    threads: int | None = None,
) -> pd.DataFrame:
    """Estimate the kinship of all pairs of people by KING-robust [1]_.

    ``1/2 - (4 n_ibs0 + n_one_het) / (4 m)`` over variants called in both, where n_ibs0
    counts opposite homozygotes, n_one_het the variants at which one of the two is
    heterozygous, and m those at which the one with fewer is: the formula for pairs
    of different families, as plink2's ``--make-king-table``. It needs no frequencies
    and holds for people of different ancestries; admixed pairs come out too low.

    Time grows with the square of the number of people (all pairs are compared, bit by
    bit); memory is three eighths of a byte a call. Biobanks give the pairs: see
    `read_pairs`.

    Parameters
    ----------
    genotypes
        From `open_genotypes`; dosages count as hard calls, see `PackedReader`.
    rows : (n_rows,)
        Ascending rows of autosomal variants; they need not be pruned.
    min_kinship
        Smallest kinship of the pairs given; by default third degree. None gives all.
    threads
        Default: what the scheduler allotted, else the processors allowed.

    Returns
    -------
    pairs
        One row a pair, by the order of the people: person_1, person_2; n_variants
        (called in both); both_heterozygous, ibs0 (shares of n_variants); kinship
        (NaN if one of the two has no heterozygous call); degree, see `name_degree`.

    Raises
    ------
    UsageError
        If a row is not of an autosome.
    DataError
        If there are fewer than two people or no variant.

    References
    ----------
    .. [1] Manichaikul et al. (2010) Bioinformatics 26:2867.
    """
    rows = check_autosomal(genotypes, rows)
    n_people = len(genotypes.samples)
    if n_people < 2 or not len(rows):
        raise DataError(
            f"kinship needs two people and a variant; there are {n_people:,} people and "
            f"{len(rows):,} variants"
        )
    n_threads = thread_count(threads)
    with PackedKernel(n_threads) as kernel:
        planes = _read_planes(PackedReader(genotypes, rows, keep=False), kernel)
    first, second, counts = _compare(planes, len(rows), min_kinship, n_threads)
    n_variants = _count_called(planes, first, second, len(rows))
    person_id = genotypes.samples["person_id"].to_numpy(dtype=object)
    kinship = _kinship(counts)
    shares = counts[:, :2] / np.maximum(n_variants, 1)[:, np.newaxis]
    return pd.DataFrame(
        {
            "person_1": person_id[first],
            "person_2": person_id[second],
            "n_variants": n_variants,
            "both_heterozygous": shares[:, 0],
            "ibs0": shares[:, 1],
            "kinship": kinship,
            "degree": name_degree(kinship),
        }
    )


def name_degree(kinship: FloatArray) -> npt.NDArray[np.object_]:
    """Name the degree of relatedness by KING's limits.

    Returns
    -------
    degree : (n_pairs,)
        ``duplicate`` (or identical twins) from 0.354 on, ``first`` (parents, children,
        full siblings) from 0.177, ``second`` from 0.0884, ``third`` from 0.0442, else
        ``unrelated``; None where the kinship is missing.
    """
    limits = [kinship >= limit for _, limit in DEGREES]
    names = np.select(limits, [name for name, _ in DEGREES], default="unrelated").astype(object)
    names[np.isnan(kinship)] = None
    return names


def _read_planes(reader: PackedReader, kernel: PackedKernel) -> WordArray:
    """Give the bits of all people (n_people, 3, n_words); see `PackedKernel.planes`."""
    n_words = -(-len(reader.rows) // 64)
    planes = np.empty((reader.n_people, 3, n_words), dtype=np.uint64)
    for start, codes in reader.blocks():
        turned = kernel.transpose(codes, reader.n_people)
        part = kernel.planes(turned, len(codes))
        planes[:, :, start // 64 : start // 64 + part.shape[2]] = part
    return planes


def _compare(
    planes: WordArray, n_variants: int, min_kinship: float | None, n_threads: int
) -> tuple[IntArray, IntArray, Int32Array]:
    """Compare all pairs, a tile at a time; give places and counts of those wanted."""
    kernel = PackedKernel()
    starts = range(0, len(planes), TILE)

    def compare(tile: tuple[int, int]) -> tuple[IntArray, IntArray, Int32Array]:
        i, j = tile
        counts = kernel.king(planes[i : i + TILE], planes[j : j + TILE], n_variants)
        wanted = np.ones(counts.shape[:2], dtype=bool)
        if min_kinship is not None:
            wanted = _kinship(counts.reshape(-1, 4)).reshape(wanted.shape) >= min_kinship
        if i == j:
            wanted &= np.triu(np.ones(wanted.shape, dtype=bool), k=1)
        first, second = np.nonzero(wanted)
        return first + i, second + j, counts[first, second]

    tiles = list(combinations_with_replacement(starts, 2))
    with ThreadPoolExecutor(n_threads) as pool:
        found = list(pool.map(compare, tiles))
    first, second = (np.concatenate([part[k] for part in found]) for k in (0, 1))
    order = np.lexsort((second, first))
    return first[order], second[order], np.concatenate([part[2] for part in found])[order]


def _kinship(counts: Int32Array) -> FloatArray:
    """Give the kinship behind the counts of `PackedKernel.king`."""
    both, opposite, only_1, only_2 = counts.T.astype(np.float64)
    fewer = both + np.minimum(only_1, only_2)
    distance = 4 * opposite + only_1 + only_2
    kinship = np.full(len(counts), np.nan)
    np.divide(distance, 4 * fewer, out=kinship, where=fewer > 0)
    return 0.5 - kinship


def _count_called(
    planes: WordArray, first: IntArray, second: IntArray, n_variants: int
) -> IntArray:
    """Count the variants called in both people of each pair; `first` ascends."""
    kernel = PackedKernel()
    n_called = np.zeros(len(first), dtype=np.int64)
    people, starts = np.unique(first, return_index=True)
    for person, start, end in zip(people, starts, [*starts[1:], len(first)], strict=True):
        others = np.ascontiguousarray(second[start:end])
        n_called[start:end] = kernel.correlate(planes[person], planes, others, n_variants)[:, 0]
    return n_called
