"""The compiled kernel, its people shared out over threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pgs_trd.scoring import _kernel

IntArray = npt.NDArray[np.int64]
CodeArray = npt.NDArray[np.uint8]
DosageArray = npt.NDArray[np.uint16]

DOSAGE_BITS = 14
DOSAGE_UNIT = 1 << DOSAGE_BITS
MISSING_DOSAGE = 65535


class Kernel:
    """Count and score blocks of variants with a fixed number of threads.

    Every sum is an integer, so the number of threads changes the time only.
    Use it as a context manager: it owns the threads.
    """

    def __init__(self, n_people: int, threads: int) -> None:
        self.n_people = n_people
        shard = -(-n_people // threads)
        shard = -(-shard // 32) * 32
        self._shards = [
            (start, min(start + shard, n_people)) for start in range(0, n_people, shard)
        ]
        self._pool = ThreadPoolExecutor(len(self._shards)) if len(self._shards) > 1 else None

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def count_codes(self, codes: CodeArray) -> IntArray:
        """Count how many people have each 2-bit code: (n_rows, 4)."""
        counts = np.zeros((len(self._shards), len(codes), 4), dtype=np.int64)

        def run(shard: int, start: int, end: int) -> None:
            _kernel.count_codes(codes, counts[shard], len(codes), self.n_people, start, end)

        self._each_shard(run)
        total: IntArray = counts.sum(axis=0)
        return total

    def score_codes(self, codes: CodeArray, table: IntArray, sums: IntArray) -> None:
        """Add to `sums` what `codes` contribute.

        Parameters
        ----------
        codes : (n_rows, ceil(n_people / 4))
            Packed as in PLINK 1.
        table : (n_rows, 4, n_columns)
            What each code adds; `n_columns` is 1 or a multiple of 8.
        sums : (n_people, n_columns)
            Changed in place.
        """

        def run(_: int, start: int, end: int) -> None:
            _kernel.score_codes(
                codes, table, sums, len(codes), self.n_people, table.shape[2], start, end
            )

        self._each_shard(run)

    def score_dosages(self, dosages: DosageArray, table: IntArray, sums: IntArray) -> None:
        """Add to `sums` what `dosages` contribute.

        Parameters
        ----------
        dosages : (n_rows, n_people)
            In units of 1/16384 copy; 65535 where missing.
        table : (n_rows, 3, n_columns)
            What no copy, one unit of dosage, and a missing dosage add.
        sums : (n_people, n_columns)
            Changed in place.
        """

        def run(_: int, start: int, end: int) -> None:
            _kernel.score_dosages(
                dosages, table, sums, len(dosages), self.n_people, table.shape[2], start, end
            )

        self._each_shard(run)

    def _each_shard(self, run: Callable[[int, int, int], None]) -> None:
        if self._pool is None:
            run(0, *self._shards[0])
            return
        futures = [
            self._pool.submit(run, shard, start, end)
            for shard, (start, end) in enumerate(self._shards)
        ]
        for future in futures:
            future.result()
