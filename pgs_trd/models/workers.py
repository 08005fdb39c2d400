"""Threads that share out ranges of people, with BLAS kept to one thread in each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # no stubs

from pgs_trd.resources import thread_count

Result = TypeVar("Result")

# Fixed, so that sums of parts do not depend on the number of threads.
PEOPLE_PER_PART = 8192


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


class Workers:
    """Run one function on all people, part by part. Use it as a context manager.

    Parameters
    ----------
    threads
        At most so many; None for what the machine allows this process.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = thread_count(threads)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, run: Callable[[int, int], Result], n_people: int) -> list[Result]:
        """Give `run(start, end)` of each part, in the order of people."""
        starts = range(0, n_people, PEOPLE_PER_PART)
        ends = [min(start + PEOPLE_PER_PART, n_people) for start in starts]
        with _blas().limit(limits=1, user_api="blas"):
            if self._pool is None or len(ends) == 1:
                return [run(start, end) for start, end in zip(starts, ends, strict=True)]
            return list(self._pool.map(run, starts, ends))
