"""Threads follow what a job was allotted, on nodes that hold nobody to their processors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pgs_trd.resources import limit_pools
from pgs_trd.study.config import load_config
from pgs_trd.study.plan import plan_study
from pgs_trd.study.workflow import environment

from .conftest import program_path

REPORT = """
import sys
from pgs_trd.resources import limit_pools
limit_pools(sys.argv[1:])
import numpy, pyarrow, scipy.linalg, threadpoolctl
from pgs_trd.ehr.raw import connect
from pgs_trd.resources import thread_count
pools = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
connection = connect(None, None)
(duckdb,) = connection.raw_sql("select current_setting('threads')").fetchone()
print(sorted(pools), pyarrow.cpu_count(), thread_count(), duckdb)
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
    assert _threads(SLURM_CPUS_PER_TASK="1") == "[1] 1 1 1"


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


@pytest.mark.slow
def test_commands__need_no_home(make_study: Callable[..., Path]):
    """Homes of compute nodes are often read-only, full or not there; /proc takes no folder."""
    study = make_study("homeless")
    home = {"HOME": "/proc/no-home", "XDG_CACHE_HOME": "/proc/no-home/cache"}
    variables = {**os.environ, **home, "PATH": program_path()}
    variables.pop("MPLCONFIGDIR", None)

    done = subprocess.run(
        ("pgs-trd", "run", study, "--threads", "2"),
        env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    assert (study.parent / "results" / "report" / "report.html").is_file()


def test_environment__keeps_the_cache_of_snakemake_beside_the_plan(
    make_study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    """All nodes see it there, and no home is needed; what a site has set stays."""
    study = make_study("cached")
    plan = plan_study(load_config(study), study)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    assert environment(plan)["XDG_CACHE_HOME"] == str(plan.folder / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch/cache")
    assert environment(plan)["XDG_CACHE_HOME"] == "/scratch/cache"
