"""The compiled kernel, its people shared out over threads."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pgs_trd.scoring import _kernel

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.uint8]
DosageArray = npt.NDArray[np.uint16]

CACHE_LINE = 64

# Of the kernel for many scores: people whose sums it adds at once and in which it makes pieces
# of them, and variants in a group.
TILE, SEGMENT, GROUP = 2048, 128, 24

# Below so many effects a second thread takes longer to start than to fill a table.
WORTH_A_THREAD = 16384


def aligned_zeros(shape: tuple[int, ...]) -> IntArray:
    """Give zeros that start on a cache line, where the kernel adds fastest."""
    size = math.prod(shape)
    room = np.zeros(size + CACHE_LINE // 8, dtype=np.int64)
    start = -room.ctypes.data % CACHE_LINE // 8
    return room[start : start + size].reshape(shape)


@dataclass(frozen=True)
class Effects:
    """Some rows and scores of a table of effects.

    Attributes
    ----------
    effects : (n_file_rows, n_file_scores)
        NaN where a row is not part of a score, which adds nothing.
    rows : (n_rows,)
        Those wanted; one may occur twice.
    chosen : (n_chosen,)
        The scores wanted.
    scales : (n_chosen,)
        Powers of two: what makes effects steps. Steps times copies must stay below 2**62.
    """

    effects: FloatArray
    rows: npt.NDArray[np.int32]
    chosen: IntArray
    scales: FloatArray


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
        self._tiles = _split(n_people, threads * math.ceil(n_people / (TILE * threads)), SEGMENT)
        self._coming: deque[list[Future[None]]] = deque([[], []], maxlen=2)
        self._of_thread = threading.local()
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

    def score_codes(
        self, codes: CodeArray, table: IntArray, sums: IntArray, *, wait: bool = True
    ) -> None:
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
        wait
            Until all is added. Else the arrays may be in use until `wait` is called, and
            the next call only waits for the one before the last: threads that have done
            their part of a block go on with the next block.
        """
        self._score(_kernel.score_codes, codes, table, sums, wait=wait)

    def score_dosages(
        self, dosages: DosageArray, table: IntArray, sums: IntArray, *, wait: bool = True
    ) -> None:
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
        wait
            As for codes.
        """
        self._score(_kernel.score_dosages, dosages, table, sums, wait=wait)

    def wait(self) -> None:
        """Wait until all is added."""
        for futures in self._coming:
            for future in futures:
                future.result()

    def fill_codes(
        self,
        table: IntArray,
        rows: IntArray,
        copies: FloatArray,
        effects: Effects,
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
        effects
            Of the same rows.
        columns : (n_chosen,)
            Column of each score in the table.

        Raises
        ------
        ValueError
            If a row, a score or a column lies outside its array, or the sizes disagree.
        """

        def run(_: int, start: int, end: int) -> None:
            _kernel.fill_codes(
                table,
                rows,
                copies,
                effects.effects,
                effects.rows,
                effects.chosen,
                effects.scales,
                columns,
                len(rows),
                effects.effects.shape[0],
                effects.effects.shape[1],
                len(effects.chosen),
                len(table),
                table.shape[2],
                start,
                end,
                self._path,
            )

        if len(rows) * len(columns) < WORTH_A_THREAD:
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
        *,
        wait: bool,
    ) -> None:
        n_rows, _, n_columns = table.shape
        is_many = n_columns > 1
        shards = self._tiles if is_many else self._shards
        narrow = np.empty(_kernel.narrow_size(n_rows, n_columns) if is_many else 0, dtype=np.uint8)
        last, before = self._coming

        def make_narrow(_: int, start: int, end: int) -> None:
            _kernel.make_narrow(table, narrow, n_rows, n_columns, start, end, self._path)

        def run(shard: int, start: int, end: int) -> None:
            if before:
                before[shard].result()  # which was begun earlier, for the same people
            scratch = self._scratch() if is_many else narrow
            people = (self.n_people, n_columns, start, end)
            score(rows, table, narrow, scratch, sums, n_rows, *people, self._path)

        if len(before) != len(shards):
            self.wait()
            before = []
        for future in last:
            future.result()
        if is_many:
            self._each(make_narrow, _split(n_rows, self._threads, GROUP))
        self._coming.append(self._begin(run, shards))
        if wait:
            self.wait()

    def _scratch(self) -> CodeArray:
        """Give the room of this thread, made when it first needs it."""
        if not hasattr(self._of_thread, "scratch"):
            self._of_thread.scratch = np.empty(_kernel.scratch_size(), dtype=np.uint8)
        scratch: CodeArray = self._of_thread.scratch
        return scratch

    def _each(
        self, run: Callable[[int, int, int], None], shards: Sequence[tuple[int, int]]
    ) -> None:
        for future in self._begin(run, shards):
            future.result()

    def _begin(
        self, run: Callable[[int, int, int], None], shards: Sequence[tuple[int, int]]
    ) -> list[Future[None]]:
        """Begin with each shard in turn; do all at once where there are no threads."""
        if self._pool is not None and len(shards) > 1:
            return [self._pool.submit(run, n, start, end) for n, (start, end) in enumerate(shards)]
        for n, (start, end) in enumerate(shards):
            run(n, start, end)
        return []


def _split(n: int, parts: int, unit: int = 32) -> list[tuple[int, int]]:
    """Share out [0, n), each start a multiple of `unit`."""
    size = max(1, math.ceil(n / (unit * max(1, parts)))) * unit
    return [(start, min(start + size, n)) for start in range(0, n, size)]
