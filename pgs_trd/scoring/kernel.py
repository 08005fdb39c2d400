"""The compiled kernel, its people shared out over threads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pgs_trd.scoring import _kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.uint8]
DosageArray = npt.NDArray[np.uint16]

CACHE_LINE = 64

# Below so many effects a second thread takes longer to start than to fill a table.
WORTH_A_THREAD = 16384


def aligned_zeros(shape: tuple[int, ...]) -> IntArray:
    """Give zeros that start on a cache line, where the kernel adds fastest."""
    size = math.prod(shape)
    room = np.zeros(size + CACHE_LINE // 8, dtype=np.int64)
    start = -room.ctypes.data % CACHE_LINE // 8
    return room[start : start + size].reshape(shape)


class Kernel:
    """Count and score blocks of variants with a fixed number of threads.

    Every sum is an integer, so the number of threads and the machine change the
    time only. Use it as a context manager: it owns the threads.

    Parameters
    ----------
    n_people
        In every block; each thread takes a part of them.
    threads
        At most so many.
    path
        Which set of machine instructions to use, one of `_kernel.paths()`; by
        default the fastest that this machine runs.

    Raises
    ------
    ValueError
        If this machine does not run `path`.
    """

    def __init__(self, n_people: int, threads: int, *, path: str | None = None) -> None:
        known = _kernel.paths()
        if path is not None and path not in known:
            raise ValueError(f"path must be one of {', '.join(known)}, got {path!r}")
        self._path = len(known) - 1 if path is None else known.index(path)
        self.n_people = n_people
        self._threads = threads
        self._shards = _split(n_people, threads)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def count_codes(self, codes: CodeArray) -> IntArray:
        """Count how many people have each 2-bit code: (n_rows, 4)."""
        return self._count(_kernel.count_codes, codes, 4)

    def count_dosages(self, dosages: DosageArray) -> IntArray:
        """Count the dosages of each row.

        Parameters
        ----------
        dosages : (n_rows, n_people)
            In units of 1/16384 copy; above 32768 (65535 by convention) where missing.

        Returns
        -------
        counts : (n_rows, 3)
            The sum of the called dosages, how many are called, and how many of
            these are not exactly 0, 1 or 2 copies.
        """
        return self._count(_kernel.count_dosages, dosages, 3)

    def score_codes(self, codes: CodeArray, table: IntArray, sums: IntArray) -> None:
        """Add to `sums` what `codes` contribute.

        Parameters
        ----------
        codes : (n_rows, ceil(n_people / 4))
            Packed as in PLINK 1.
        table : (n_rows, 4, n_columns)
            What each code adds: two copies, missing, one copy, none. `n_columns` is
            1 or a multiple of 8. One column is fastest while the largest absolute
            entries of the rows add up to at most 2**53.
        sums : (n_people, n_columns)
            Changed in place.
        """
        self._score(_kernel.score_codes, codes, table, sums)

    def score_dosages(self, dosages: DosageArray, table: IntArray, sums: IntArray) -> None:
        """Add to `sums` what `dosages` contribute.

        A dosage between two whole numbers of copies adds what lies on the straight
        line between their entries, rounded half up to an integer.

        Parameters
        ----------
        dosages : (n_rows, n_people)
            In units of 1/16384 copy; above 32768 (65535 by convention) where missing.
        table : (n_rows, 4, n_columns)
            What exactly two copies, a missing dosage, exactly one copy and none add;
            as for codes.
        sums : (n_people, n_columns)
            Changed in place.
        """
        self._score(_kernel.score_dosages, dosages, table, sums)

    def fill_codes(
        self,
        table: IntArray,
        rows: IntArray,
        copies: FloatArray,
        effects: FloatArray,
        columns: IntArray,
    ) -> None:
        """Add `copies` times `effects` to the entries of a table, rounded half to even.

        Parameters
        ----------
        table : (n_table_rows, 4, n_columns)
            Changed in place.
        rows : (n_rows,)
            Where each row lies in the table; any order, and one may occur twice.
        copies : (n_rows, 4)
            What each code counts as, in the order of the table; finite.
        effects : (n_rows, n_scores)
            In steps; NaN where a row is not part of a score, which adds nothing.
            Products must stay below 2**62.
        columns : (n_scores,)
            Column of each score in the table.

        Raises
        ------
        ValueError
            If a row or a column lies outside the table, or the sizes disagree.
        """
        n_rows, n_scores = effects.shape

        def run(_: int, start: int, end: int) -> None:
            _kernel.fill_codes(
                table,
                rows,
                copies,
                effects,
                columns,
                n_rows,
                n_scores,
                len(table),
                table.shape[2],
                start,
                end,
                self._path,
            )

        if effects.size < WORTH_A_THREAD:
            run(0, 0, len(table))
        else:
            self._each(run, _split(len(table), self._threads))

    def _count(
        self, count: Callable[..., None], rows: CodeArray | DosageArray, n_kinds: int
    ) -> IntArray:
        counts = np.zeros((len(self._shards), len(rows), n_kinds), dtype=np.int64)

        def run(shard: int, start: int, end: int) -> None:
            count(rows, counts[shard], len(rows), self.n_people, start, end, self._path)

        self._each(run, self._shards)
        total: IntArray = counts.sum(axis=0)
        return total

    def _score(
        self,
        score: Callable[..., None],
        rows: CodeArray | DosageArray,
        table: IntArray,
        sums: IntArray,
    ) -> None:
        def run(_: int, start: int, end: int) -> None:
            n_columns = table.shape[2]
            score(rows, table, sums, len(rows), self.n_people, n_columns, start, end, self._path)

        self._each(run, self._shards)

    def _each(
        self, run: Callable[[int, int, int], None], shards: Sequence[tuple[int, int]]
    ) -> None:
        if self._pool is None or len(shards) == 1:
            for shard, (start, end) in enumerate(shards):
                run(shard, start, end)
            return
        futures = [
            self._pool.submit(run, shard, start, end) for shard, (start, end) in enumerate(shards)
        ]
        for future in futures:
            future.result()


def _split(n: int, parts: int) -> list[tuple[int, int]]:
    """Share out [0, n), each start a multiple of 32."""
    size = max(1, math.ceil(n / (32 * parts))) * 32
    return [(start, min(start + size, n)) for start in range(0, n, size)]
