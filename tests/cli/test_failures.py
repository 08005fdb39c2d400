"""Failures of the machine: their exit codes, and a line that helps."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import duckdb
import numpy as np
import pytest

from pgs_trd.cli.failures import explain_failure


def test_explain_failure__says_how_much_memory_to_ask_for(monkeypatch: pytest.MonkeyPatch):
    """Schedulers try again after 137; a user reads what to change."""
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "2000")
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, dtype=np.uint8)

    explained = explain_failure(caught.value)

    assert explained is not None
    code, (first, second) = explained
    assert code == 137
    assert " of 2,000 MB were in use. Unable to allocate 1.00 EiB" in first
    assert "--set-resources RULE:mem_mb=" in second


def test_explain_failure__knows_duckdb_at_its_limit():
    """Its error is no MemoryError: a query that needs more than --mem-mb."""
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '5MB'; SET max_temp_directory_size = '0KB'")
        with pytest.raises(duckdb.OutOfMemoryException) as caught:
            connection.execute("SELECT list(i) FROM range(10000000) AS t(i)")

    explained = explain_failure(caught.value)

    assert explained is not None
    assert explained[0] == 137


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_explain_failure__says_where_there_is_no_room(number: int):
    """A full disk or quota may pass: 75 is what mail and schedulers take for that."""
    explained = explain_failure(OSError(number, os.strerror(number), "scores.parquet"))

    assert explained is not None
    code, lines = explained
    assert code == 75
    assert lines[0].startswith("error: no room left for scores.parquet: ")


def test_explain_failure__leaves_other_errors_alone():
    """Those are faults of the program, and a traceback tells where."""
    assert explain_failure(OSError(errno.EACCES, "Permission denied")) is None
    assert explain_failure(ValueError("x")) is None


def test_main__leaves_with_the_code_of_the_failure():
    """The one line and no traceback, through the command line."""
    code = (
        "import sys, pgs_trd.steps.merge as m\n"
        "def fail(*_): raise MemoryError('no more')\n"
        "m.is_of_models = fail\n"
        "from pgs_trd.cli import main\n"
        "sys.argv = ['pgs-trd', 'merge', 'a.parquet', '--out', 'b.parquet']\n"
        "main()\n"
    )

    done = subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 137
    assert done.stderr.startswith("error: out of memory: ")
    assert "Traceback" not in done.stderr
