"""Every command starts as soon as it can: what it does not use is not loaded."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numpy", "pandas", "pyarrow", "pydantic", "scipy", "duckdb", "matplotlib")


def test_cli__loads_no_library_before_a_command_runs():
    """A typing error or --help must answer at once, and a score pays for what it uses only."""
    code = f"import sys, pgs_trd.cli; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
