"""Tables that the engine fetches in a thread while Python works on the one before."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import pyarrow as pa

from pgs_trd.errors import DataError

Fetch = Callable[[], pa.Table]


class Ahead:
    """Tables on their way, by name; one query at a time, as a connection can run no more.

    The engine works with the interpreter lock released, so that the sorting of one
    table and the scan of the next share the processors.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._coming: dict[str, Future[pa.Table]] = {}

    def run(self, fetch: Fetch) -> pa.Table:
        """Fetch a table now, after the one that is on its way."""
        with self._lock:
            return fetch()

    def start(self, name: str, fetch: Fetch) -> None:
        """Begin to fetch a table, unless it is on its way."""
        if name in self._coming:
            return
        pool = ThreadPoolExecutor(1, thread_name_prefix="pgs_trd_records")
        self._coming[name] = pool.submit(self.run, fetch)
        pool.shutdown(wait=False)

    def take(self, name: str, fetch: Fetch) -> pa.Table:
        """Give a table that was begun; fetch it now if none was.

        What went wrong there is tried once more: somebody else's query on the same
        connection ends one that is running.
        """
        coming = self._coming.pop(name, None)
        if coming is not None:
            try:
                return coming.result()
            except DataError:
                pass
        return self.run(fetch)
