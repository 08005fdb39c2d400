"""Tables that are read in a thread while Python works on the one before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from pgs_trd.errors import DataError

T = TypeVar("T")


class Ahead:
    """What is on its way, by name; one query at a time, as a connection can run no more.

    The engine works with the interpreter lock released, so that the sorting of one
    table and the scan of the next share the processors.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._coming: dict[str, Future[Any]] = {}

    def query(self, fetch: Callable[[], T]) -> T:
        """Run a query, after the one that is running."""
        with self._lock:
            return fetch()

    def start(self, name: str, read: Callable[[], object]) -> None:
        """Begin to read something, by `query` where it asks the engine."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="pgs_trd_records")
        self._coming[name] = pool.submit(read)
        pool.shutdown(wait=False)

    def take(self, name: str, read: Callable[[], T]) -> T:
        """Give what was begun; read it now if it was not.

        What went wrong there is tried once more: somebody else's query on the same
        connection ends one that is running.
        """
        coming = self._coming.pop(name, None)
        if coming is not None:
            try:
                found: T = coming.result()
            except DataError:
                pass
            else:
                return found
        return read()
