"""The compiled work on packed genotypes, its rows shared out over threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pgs_trd.ancestry import _packed
from pgs_trd.genotypes.packing import packed_width

CodeArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.int64]
WordArray = npt.NDArray[np.uint64]

# Dense columns come in registers of sixteen floats.
LANES = 16
# Fewer columns to compare are done sooner than a second thread starts.
WORTH_A_THREAD = 1 << 22


class PackedKernel:
    """Count, turn, multiply and compare packed genotypes with a number of threads.

    Results are the same to the last bit for any number of threads and any set of
    machine instructions. Use it as a context manager: it owns the threads.

    Parameters
    ----------
    threads
        At most so many.
    path
        Which set of machine instructions to use, one of `_packed.paths()`; by
        default the fastest that this machine runs.

    Raises
    ------
    ValueError
        If this machine does not run `path`.
    """

    def __init__(self, threads: int = 1, *, path: str | None = None) -> None:
        known = _packed.paths()
        if path is not None and path not in known:
            raise ValueError(f"path must be one of {', '.join(known)}, got {path!r}")
        self._path = len(known) - 1 if path is None else known.index(path)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> PackedKernel:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def count(self, codes: CodeArray, n_columns: int) -> IntArray:
        """Count in each row the columns of each code: (n_rows, 4).

        The order is that of the codes: two copies, missing, one copy, none.
        """
        counts = np.zeros((len(codes), 4), dtype=np.int64)
        self.each(
            len(codes),
            lambda start, end: _packed.count_rows(
                codes, counts, len(codes), n_columns, start, end, self._path
            ),
        )
        return counts

    def transpose(self, codes: CodeArray, n_columns: int) -> CodeArray:
        """Give codes (n_columns, ceil(n_rows / 4)): rows become columns.

        The bits behind the last code of a row hold no genotype.
        """
        turned = np.empty((n_columns, packed_width(len(codes))), dtype=np.uint8)
        self.each(
            n_columns,
            lambda start, end: _packed.transpose(
                codes, turned, len(codes), n_columns, start, end, self._path
            ),
        )
        return turned

    def multiply(
        self, codes: CodeArray, coefficients: Float32Array, dense: Float32Array, out: FloatArray
    ) -> None:
        """Add to `out` the product of coded rows with a dense matrix.

        Parameters
        ----------
        codes : (n_rows, ceil(n_columns / 4))
            Packed as in PLINK 1.
        coefficients : (n_columns, 4)
            What each code of a column counts as: two copies, missing, one copy, none.
        dense : (n_columns, width)
            `width` is a multiple of 16.
        out : (n_rows, width)
            Changed in place. Single precision within 1,536 columns, double beyond.
        """
        n_columns, width = dense.shape
        self.each(
            len(codes),
            lambda start, end: _packed.multiply(
                codes,
                coefficients,
                dense,
                out,
                len(codes),
                n_columns,
                width,
                start,
                end,
                self._path,
            ),
        )

    def add_missing(self, codes: CodeArray, dense: Float32Array, out: FloatArray) -> None:
        """Add to each row of `out` the rows of `dense` of its missing columns."""
        n_columns, width = dense.shape
        self.each(
            len(codes),
            lambda start, end: _packed.add_missing(
                codes, dense, out, len(codes), n_columns, width, start, end, self._path
            ),
        )

    def planes(self, codes: CodeArray, n_columns: int) -> WordArray:
        """Split rows into bits: heterozygous, homozygous, two counted copies.

        Returns
        -------
        planes : (n_rows, 3, ceil(n_columns / 64))
            A missing call has no bit in any.
        """
        planes = np.empty((len(codes), 3, -(-n_columns // 64)), dtype=np.uint64)
        self.each(
            len(codes),
            lambda start, end: _packed.split_planes(
                codes, planes, len(codes), n_columns, start, end, self._path
            ),
        )
        return planes

    def king(self, first: WordArray, second: WordArray, n_columns: int) -> Int32Array:
        """Compare all rows of two sets of planes, over columns called in both.

        Returns
        -------
        counts : (n_first, n_second, 4)
            Columns where both are heterozygous, where they are homozygous for
            different alleles, where only the first, and only the second, is
            heterozygous.
        """
        counts = np.zeros((len(first), len(second), 4), dtype=np.int32)
        _packed.king(first, second, counts, len(first), len(second), n_columns, self._path)
        return counts

    def correlate(
        self, one: WordArray, planes: WordArray, others: IntArray, n_columns: int
    ) -> IntArray:
        """Give what the correlation of one row with `others` of `planes` needs.

        Returns
        -------
        sums : (n_others, 6)
            Over columns called in both, genotypes counting 1, 0 and -1: how many,
            sum of the one, of the other, sum of squares of the one, of the other,
            sum of products.
        """
        sums = np.empty((len(others), 6), dtype=np.int64)
        self.each(
            len(others),
            lambda start, end: _packed.correlate(
                one,
                planes,
                others,
                sums,
                len(planes),
                len(others),
                n_columns,
                start,
                end,
                self._path,
            ),
            least=1 + WORTH_A_THREAD // n_columns,
        )
        return sums

    def each(self, n: int, run: Callable[[int, int], None], *, least: int = 4) -> None:
        """Run `run` on parts of [0, n) of at least `least`, a thread each; wait for all."""
        size = max(least, math.ceil(n / (4 * self._threads)) * 4)
        parts = [(start, min(start + size, n)) for start in range(0, n, size)]
        if self._pool is None or len(parts) == 1:
            for start, end in parts:
                run(start, end)
            return
        for future in [self._pool.submit(run, start, end) for start, end in parts]:
            future.result()


def hardy_weinberg(counts: IntArray, *, mid_p: bool = True) -> FloatArray:
    """Test Hardy-Weinberg equilibrium exactly [1]_.

    Parameters
    ----------
    counts : (n_variants, 3)
        People with two copies, one and none.
    mid_p
        Count outcomes as likely as the observed one half [2]_; plink2's ``midp``.

    Returns
    -------
    p_value : (n_variants,)
        In [0, 1]; NaN where nobody has a call.

    Raises
    ------
    ValueError
        If a count is negative.

    References
    ----------
    .. [1] Wigginton, Cutler, Abecasis (2005) Am J Hum Genet 76:887.
    .. [2] Graffelman, Moreno (2013) Stat Appl Genet Mol Biol 12:433.
    """
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    p_value = np.empty(len(counts), dtype=np.float64)
    _packed.hardy(counts, p_value, len(counts), mid_p)
    return p_value
