"""Threads that share out ranges of people, with BLAS kept to one thread in each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import TypeVar, cast

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # no stubs

from pgs_trd.resources import thread_count

Result = TypeVar("Result")

# Fixed, so that sums of parts do not depend on the number of threads.
PEOPLE_PER_PART = 8192


@lru_cache(maxsize=1)
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep BLAS to one thread: its own wait for work by spinning, and so take processors.

    Use it as a context manager around whatever has threads of its own.
    """
    return cast("AbstractContextManager[object]", _blas().limit(limits=1, user_api="blas"))


class Workers:
    """Run one function on all people, part by part, with BLAS kept to one thread.

    Use it as a context manager.

    Parameters
    ----------
    threads
        At most so many; None for what the machine allows this process.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = thread_count(threads)
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def __enter__(self) -> Workers:
        self._limit = one_blas_thread()
        self._limit.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.__exit__(None, None, None)
        if self._pool is not None:
            self._pool.shutdown()

    def map(self, run: Callable[[int, int], Result], n_people: int) -> list[Result]:
        """Give `run(start, end)` of each part, in the order of people."""
        starts = range(0, n_people, PEOPLE_PER_PART)
        ends = [min(start + PEOPLE_PER_PART, n_people) for start in starts]
        if self._pool is None or len(ends) == 1:
            return [run(start, end) for start, end in zip(starts, ends, strict=True)]
        return list(self._pool.map(run, starts, ends))
