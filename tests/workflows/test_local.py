"""A study through Snakemake on this machine: the values of `run_study`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HARD_LIMIT_SECONDS, Head, assert_same_results, program_path

pytestmark = pytest.mark.slow
needs_snakemake = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None, reason="snakemake is not installed"
)
EACH = {"weight_files": 2, "models": "each"}


@needs_snakemake
def test_workflow__gives_the_values_of_run_study_and_does_nothing_twice(
    make_study: Callable[..., Path], expected: Path, start_workflow: Callable[..., Head]
):
    """The rules call the public commands, so the numbers are the same."""
    study = make_study("local")

    head = start_workflow(study, "--profile", "local")

    assert head.finish() == 0, head.said()[-3000:]
    assert_same_results(study.parent / "results", expected)
    again = subprocess.run(
        ("pgs-trd", "run", study, "--profile", "local"),
        env={**os.environ, "PATH": program_path()}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert "Nothing to be done" in again.stdout + again.stderr


def test_commands__of_a_study_in_many_jobs_give_the_values_of_run_study(
    make_study: Callable[..., Path], expected: Path
):
    """Chromosome by batch of weight files, stratum by contrast, by nothing but a shell."""
    study = make_study("many jobs", jobs=EACH)
    environment = {**os.environ, "PATH": program_path()}
    script = subprocess.run(
        ("pgs-trd", "plan", study, "--commands", "sh"),
        env=environment, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert script.count("pgs-trd score ") == 6
    assert script.count("pgs-trd associate ") == 9

    done = subprocess.run(
        ("sh", "-s"), input=script, env=environment, capture_output=True, text=True,
        timeout=HARD_LIMIT_SECONDS, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_results(study.parent / "results", expected)
