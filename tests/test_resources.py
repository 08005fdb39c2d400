"""What a run may use of the machine, and what it gives back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from pgs_trd.errors import UsageError
from pgs_trd.resources import thread_count

# After a large array was freed, glibc keeps others that are no larger in one heap,
# which shrinks only from its end: of 300 MiB, here 30 in pieces far apart are in use.
HOLES = """
import os, numpy as np
from contextlib import nullcontext
from pgs_trd.resources import freed_at_once

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

large = np.ones(3 << 20); del large
with {context}:
    before = resident()
    arrays = [np.ones(1 << 17) for _ in range(300)]
    kept = arrays[::10]; del arrays
    print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory")
def test_freed_at_once__leaves_no_holes():
    """Of a job's peak memory a quarter was arrays that nobody held any more."""
    kept, held = (
        int(subprocess.check_output([sys.executable, "-c", HOLES.format(context=context)]))
        for context in ("nullcontext()", "freed_at_once()")
    )

    assert held < 60 < 200 < kept


def test_thread_count__follows_the_allocation(monkeypatch: pytest.MonkeyPatch):
    """Two jobs on a node would fight if each took every processor."""
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")

    assert thread_count() == 3
    assert thread_count(2) == 2
    with pytest.raises(UsageError, match="at least 1"):
        thread_count(0)
