"""How much of the machine a run may use: what was asked, or what was allotted."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from pgs_trd.errors import UsageError

# Of glibc's mallopt: how much may lie free, and from what size on arrays are mapped one by one.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SMALL, _LARGE = 1 << 18, 1 << 25


def thread_count(asked: int | None = None) -> int:
    """Give the number of threads to use.

    What was asked for; else what Slurm allotted (``SLURM_CPUS_PER_TASK``); else
    the processors this process may run on, which a scheduler can have limited.
    Never simply all processors of the machine.

    Raises
    ------
    UsageError
        If fewer than one thread is asked for.
    """
    if asked is not None:
        if asked < 1:
            raise UsageError(f"threads must be at least 1, got {asked}")
        return asked
    allotted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if allotted.isdigit() and int(allotted) > 0:
        return int(allotted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@contextmanager
def freed_at_once() -> Iterator[Callable[[], object]]:
    """Give the memory of large arrays to the system as soon as they are freed.

    glibc keeps it otherwise, in pieces that the next arrays do not fit, and a job
    pays for its peak. Costs time where large arrays come and go by the thousand.
    Yields a function that gives back what small ones have left. Elsewhere than with
    glibc nothing changes.
    """
    libc = ctypes.CDLL(None)
    if sys.platform != "linux" or not hasattr(libc, "mallopt"):
        yield lambda: None
        return
    give_back = partial(libc.malloc_trim, 0)
    give_back()
    libc.mallopt(_MMAP_THRESHOLD, _SMALL)
    try:
        yield give_back
    finally:
        give_back()
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGE)
