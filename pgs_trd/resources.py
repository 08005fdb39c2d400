"""How much of the machine a run may use: what was asked, or what was allotted."""

from __future__ import annotations

import os

from pgs_trd.errors import UsageError


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
