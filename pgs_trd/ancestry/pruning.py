"""Variants in approximate linkage equilibrium, chosen while genotypes stream by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry.packed import IntArray, PackedKernel, WordArray
from pgs_trd.ancestry.reading import PackedReader
from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.resources import thread_count

BoolArray = npt.NDArray[np.bool_]

# plink2's tolerance: r2 and frequencies that differ by rounding only count as equal.
TOLERANCE = 2.0**-44
BLOCK_ROWS = 384


def prune_variants(
    genotypes: GenotypeSource,
    rows: IntArray,
    *,
    window_kb: float | None = 1000.0,
    window_variants: int | None = None,
    max_r2: float = 0.1,
    threads: int | None = None,
) -> IntArray:
    """Choose variants of which no two within a window are correlated.

    A window slides over each chromosome, one new variant or more at a time. Within
    it, round after round, each variant is compared with those behind it up to the
    first with which its squared correlation of copies (over people called in both)
    exceeds `max_r2`; of the two the one with the rarer minor allele goes, the later
    one if both are as common. These are the rule, the order and the choices of
    plink2's ``--indep-pairwise`` with step 1 [1]_; variants without variation are
    not kept. Only the variants of one window are in memory.

    Parameters
    ----------
    genotypes
        From `open_genotypes`; dosages count as hard calls, see `PackedReader`.
    rows : (n_rows,)
        Ascending rows of ``genotypes.variants`` to choose from; within a chromosome
        their positions must not fall.
    window_kb
        Variants further apart than so many thousand bases are not compared.
    window_variants
        Instead of `window_kb` (set it to None): a window is so many of `rows`.
    max_r2
        In [0, 1); 0.1 is usual for components.
    threads
        Default: what the scheduler allotted, else the processors allowed.

    Returns
    -------
    kept : (n_kept,)
        Rows that are kept, ascending.

    Raises
    ------
    UsageError
        If not exactly one kind of window is given, or a number is out of range.
    DataError
        If positions fall within a chromosome.

    References
    ----------
    .. [1] Chang et al. (2015) GigaScience 4:7.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if (window_kb is None) == (window_variants is None):
        raise UsageError("give either window_kb or window_variants, the other one None")
    if (window_kb or window_variants or 0) <= 0:
        raise UsageError("the window must be larger than 0")
    if not 0.0 <= max_r2 < 1.0:
        raise UsageError(f"max_r2 must lie in [0, 1), got {max_r2}")
    if not len(rows):
        return rows
    chromosome = genotypes.variants["chromosome"].iloc[rows]
    position = genotypes.variants["position"].to_numpy(dtype=np.int64)[rows]
    first, is_last = slide_windows(chromosome, position, window_kb, window_variants)
    reader = PackedReader(genotypes, rows, keep=False, block_rows=BLOCK_ROWS)
    with PackedKernel(thread_count(threads)) as kernel:
        pruner = _Pruner(kernel, len(rows), reader.n_people, max_r2)
        for start, codes in reader.blocks():
            planes = kernel.planes(codes, reader.n_people)
            major, varies = _describe(kernel.count(codes, reader.n_people))
            for k, number in enumerate(range(start, start + len(codes))):
                if varies[k]:
                    pruner.add(number, int(first[number]), planes[k], major[k])
                if is_last[number]:
                    pruner.settle()
    kept: IntArray = rows[pruner.is_kept]
    return kept


def slide_windows(
    chromosome: pd.Series,
    position: IntArray,
    window_kb: float | None,
    window_variants: int | None,
) -> tuple[IntArray, BoolArray]:
    """Slide windows over variants, as far each time as it takes to reach a new one.

    Returns
    -------
    first : (n_variants,)
        The first variant of the window in which each is new.
    is_last : (n_variants,)
        Whether it is the last variant of that window.

    Raises
    ------
    DataError
        If positions fall within a chromosome, or a chromosome lies in two pieces.
    """
    names = chromosome.astype(object).to_numpy()
    begins = np.ones(len(names), dtype=bool)
    begins[1:] = names[1:] != names[:-1]
    starts = np.flatnonzero(begins)
    if len(starts) > len(set(names)) or np.any((np.diff(position) < 0) & ~begins[1:]):
        raise DataError(
            "the variants are not sorted by chromosome and position, which pruning by windows "
            "needs: sort them (plink2 --sort-vars)"
        )
    first = np.zeros(len(names), dtype=np.int64)
    is_last = np.zeros(len(names), dtype=bool)
    for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(names)], strict=True):
        start = stop = begin
        if window_kb is not None:
            at, width = position[begin:end], 1000.0 * window_kb
            lowest = (begin + np.searchsorted(at, at - width, side="left")).tolist()
            beyond = (begin + np.searchsorted(at, at + width, side="right")).tolist()
        while stop < end:
            new = stop
            if window_kb is not None:
                start = lowest[new - begin]
                stop = beyond[start - begin]
            else:
                assert window_variants is not None
                start = max(start, new - window_variants + 1)
                stop = min(start + window_variants, end)
            first[new:stop] = start
            is_last[stop - 1] = True
    return first, is_last


class _Pruner:
    """The variants kept so far, and the bits of those in the window.

    The bits lie in rows of `_planes` that are used again when their variant has left
    the window or is pruned.
    """

    def __init__(self, kernel: PackedKernel, n_variants: int, n_people: int, max_r2: float) -> None:
        self.is_kept = np.zeros(n_variants, dtype=bool)
        self._kernel = kernel
        self._n_people = n_people
        self._limit = max_r2 * (1 + TOLERANCE)
        self._major: dict[int, float] = {}
        self._planes: WordArray = np.zeros((64, 3, -(-n_people // 64)), dtype=np.uint64)
        self._free = list(range(len(self._planes)))
        self._numbers: list[int] = []
        self._places: list[int] = []
        # Variant of the window -> those behind it that correlate and are not settled.
        self._pending: dict[int, list[int]] = {}

    def add(self, number: int, first: int, planes: WordArray, major: float) -> None:
        """Compare one variant with the window that begins at `first`, and take it in."""
        self._major[number] = major
        self._leave_out([k for k, other in enumerate(self._numbers) if other < first])
        if self._numbers:
            places = np.array(self._places, dtype=np.int64)
            sums = self._kernel.correlate(planes, self._planes, places, self._n_people)
            for k in np.flatnonzero(_exceeds(sums, self._limit)).tolist():
                self._pending.setdefault(self._numbers[k], []).append(number)
        self._take_in(number, planes)

    def settle(self) -> None:
        """Prune, round after round, until no two variants of the window correlate."""
        gone: set[int] = set()
        n_before = -1
        while len(gone) > n_before:
            n_before = len(gone)
            for first in sorted(self._pending):
                behind = self._pending[first]
                while behind and behind[0] in gone:
                    behind.pop(0)
                if first in gone or not behind:
                    continue
                second = behind.pop(0)
                is_rarer = self._major[first] > self._major[second] * (1 + TOLERANCE)
                gone.add(first if is_rarer else second)
        self._pending.clear()
        if gone:
            self.is_kept[list(gone)] = False
            self._leave_out([k for k, other in enumerate(self._numbers) if other in gone])

    def _leave_out(self, indices: list[int]) -> None:
        for k in reversed(indices):
            self._free.append(self._places[k])
            del self._major[self._numbers[k]], self._numbers[k], self._places[k]

    def _take_in(self, number: int, planes: WordArray) -> None:
        if not self._free:
            n_rows = len(self._planes)
            self._planes = np.concatenate([self._planes, np.zeros_like(self._planes)])
            self._free = list(range(n_rows, 2 * n_rows))
        place = self._free.pop()
        self._planes[place] = planes
        self._numbers.append(number)
        self._places.append(place)
        self.is_kept[number] = True


def _describe(counts: IntArray) -> tuple[list[float], list[bool]]:
    """Give the frequency of the commoner allele of each variant, and whether it varies."""
    n_called = counts[:, [0, 2, 3]].sum(axis=1)
    varies = counts[:, [0, 2, 3]].max(axis=1) < n_called
    frequency = (2 * counts[:, 0] + counts[:, 2]) / np.maximum(1, 2 * n_called)
    return np.maximum(frequency, 1 - frequency).tolist(), varies.tolist()


def _exceeds(sums: IntArray, limit: float) -> BoolArray:
    """Tell where the squared correlation is larger than `limit`; not without variation."""
    n, sum_1, sum_2, square_1, square_2, products = sums.T
    covariance = (n * products - sum_1 * sum_2).astype(np.float64)
    variance_1 = (n * square_1 - sum_1 * sum_1).astype(np.float64)
    variance_2 = (n * square_2 - sum_2 * sum_2).astype(np.float64)
    exceeds: BoolArray = covariance * covariance > limit * variance_1 * variance_2
    return exceeds
