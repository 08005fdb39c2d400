"""Threads follow what a job was allotted, on nodes that hold nobody to their processors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgs_trd.resources import limit_pools

REPORT = """
import sys
from pgs_trd.resources import limit_pools
limit_pools(sys.argv[1:])
import numpy, pyarrow, scipy.linalg, threadpoolctl
from pgs_trd.resources import thread_count
pools = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
print(sorted(pools), pyarrow.cpu_count(), thread_count())
"""
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _threads(*arguments: str, **variables: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in POOLS}
    return subprocess.run(
        [sys.executable, "-c", REPORT, *arguments], env={**inherited, **variables},
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_limit_pools__follows_the_allocation_of_slurm():
    """With task/none a job sees all processors; BLAS and Arrow would take them all."""
    assert _threads(SLURM_CPUS_PER_TASK="1") == "[1] 1 1"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["score", "--threads", "3"], "3"),
        (["score", "--threads=5"], "5"),
        (["score"], "2"),
        (["score", "--threads", "many"], "2"),
        (["score", "--threads"], "2"),
        (["--threads", "0"], "1"),
    ],
)
def test_limit_pools__reads_threads_before_the_allocation(
    arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
):
    """What the user asks goes before what Slurm gave; nonsense is for the command to refuse."""
    for name in POOLS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")

    limit_pools(arguments)

    assert [os.environ[name] for name in POOLS] == [expected] * 3


def test_limit_pools__leaves_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch):
    """Sites set these in their modules, with reasons."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for name in POOLS[1:]:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    limit_pools(["--threads", "2"])

    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert os.environ["MKL_NUM_THREADS"] == "2"


def test_commands__start_on_a_read_only_home(tmp_path: Path):
    """Homes of compute nodes are often read-only or full: nothing is cached there."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o500)
    variables = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}

    subprocess.run(
        [Path(sys.executable).with_name("pgs-trd"), "--help"],
        env=variables, check=True, capture_output=True,
    )  # fmt: skip

    assert list(home.iterdir()) == []
