"""Failures that are the machine's: too little memory, no room on a disk."""

from __future__ import annotations

import errno
import os
import resource
import sys

OUT_OF_MEMORY, NO_ROOM = 137, 75
"""Exit codes: what a scheduler sees of a killed job, and a failure that may pass (EX_TEMPFAIL)."""
ROOM_ERRORS = (errno.ENOSPC, errno.EDQUOT)


def explain_failure(error: BaseException) -> tuple[int, list[str]] | None:
    """Give the exit code and the lines to print for a failure of the machine.

    None for every other error: those are ours, and their traceback is wanted.
    """
    if isinstance(error, MemoryError) or _is_of_duckdb(error):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        allotted = os.environ.get("SLURM_MEM_PER_NODE", "")
        of = f" of {int(allotted):,} MB" if allotted.isdigit() else ""
        return OUT_OF_MEMORY, [
            f"error: out of memory: {peak:,} MB{of} were in use. {error}".rstrip(),
            f"give the job {4 * peak:,} MB (in a workflow --set-resources RULE:mem_mb={4 * peak}), "
            "or fewer --threads",
        ]
    if isinstance(error, OSError) and error.errno in ROOM_ERRORS:
        where = f" for {error.filename}" if error.filename else ""
        return NO_ROOM, [
            f"error: no room left{where}: {error.strerror or error}",
            "what was complete before is untouched: make room, or set TMPDIR if that is what is "
            "full, and run it again",
        ]
    return None


def _is_of_duckdb(error: BaseException) -> bool:
    """Tell whether DuckDB ran out of the memory it may use; it is asked only where it is loaded."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.OutOfMemoryException)
