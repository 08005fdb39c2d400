"""How much of the machine a run may use: what was asked, or what was allotted."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from pgs_trd.errors import UsageError

# Of glibc's mallopt: how much may lie free, and from what size on arrays are mapped one by one.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SMALL, _LARGE = 1 << 18, 1 << 25
# What each library reads when it is loaded; Arrow reads that of OpenMP.
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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


def limit_pools(arguments: Sequence[str] = ()) -> None:
    """Hold the threads of BLAS, OpenMP and Arrow to those of this process.

    They would take every processor of the machine where a scheduler does not hold a
    job to its own. Has to come before they are loaded; what the user has set stays.

    Parameters
    ----------
    arguments
        Of a command line, with ``--threads`` or without; see `thread_count`.
    """
    given = [
        text
        for option, following in zip(arguments, [*arguments[1:], ""], strict=False)
        for name, sign, value in [option.partition("=")]
        if name == "--threads" and (text := value if sign else following).isdecimal()
    ]
    count = thread_count(max(int(given[-1]), 1) if given else None)
    for variable in _POOLS:
        os.environ.setdefault(variable, str(count))


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
