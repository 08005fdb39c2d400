"""A study on a real Slurm: the values of a local run, after kills and too little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from pgs_trd.study.config import load_config
from pgs_trd.study.plan import Plan, plan_study
from pgs_trd.study.workflow import job_prefix, workflow_folder
from pgs_trd.tables import read_table

from .conftest import HARD_LIMIT_SECONDS, Head, Slurm, assert_same_results, wait_until

pytestmark = pytest.mark.slow

# Snakemake asks Slurm after these seconds; its default of 40 is for jobs of minutes.
QUICK = ("--slurm-init-seconds-before-status-checks", "12", "--latency-wait", "10")


@pytest.fixture
def empty_queue(slurm: Slurm) -> Iterator[Slurm]:
    """Hold that a test leaves nothing in the queue."""
    yield slurm
    slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    left = slurm.queue()
    if left:
        slurm.ask("scancel", "--user", "root")
    assert left == []


def _plan(study: Path) -> Plan:
    return plan_study(load_config(study), study)


def _command(slurm: Slurm, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("pgs-trd", "workflow", *words), env=slurm.environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_slurm__gives_the_values_of_a_local_run_after_a_kill(
    empty_queue: Slurm,
    make_study: Callable[[str], Path],
    expected: Path,
    start_workflow: Callable[..., Head],
):
    """The head is lost, its jobs are not: they are found, cancelled, and only the rest is done."""
    slurm, study = empty_queue, make_study("slurm")
    results = study.parent / "results"
    options = ("--profile", "slurm", *QUICK)
    head = start_workflow(study, *options, environment=slurm.environment)
    first = [*_plan(study).stages()["score_part"], *_plan(study).stages()["phenotype"]]
    wait_until(lambda: all(Path(p).is_file() for job in first for p in job.outputs), 180, "parts")
    # Jobs that are sent now stay in the queue, whatever the speed of this machine.
    slurm.ask("scontrol", "update", "PartitionName=main", "State=DOWN")
    wait_until(lambda: "PENDING" in slurm.queue(), 120, "a job of the next stage")
    head.kill()
    done = {path: path.stat().st_mtime_ns for path in (results / "scores" / "parts").iterdir()}

    refused = start_workflow(study, *options, environment=slurm.environment)
    assert refused.finish() == 2
    assert "still in the queue" in refused.said()
    names = slurm.ask("squeue", "--noheader", "--format", "%j").split()
    assert names
    assert all(name.startswith(job_prefix(_plan(study))) for name in names)
    said = _command(slurm, "status", str(study)).stdout
    assert "score_part: 3 of 3 done" in said
    assert "at Slurm: " in said
    assert "PENDING" in said
    cancelled = _command(slurm, "cancel", str(study))
    assert cancelled.stdout.startswith("cancelled "), cancelled.stderr
    wait_until(lambda: slurm.queue() == [], 60, "an empty queue")

    slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    again = start_workflow(study, *options, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]

    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert "at Slurm: nothing" in _command(slurm, "status", str(study)).stdout
    assert_same_results(results, expected)


def test_slurm__tries_again_with_more_memory_after_running_out(
    empty_queue: Slurm, make_study: Callable[[str], Path], expected: Path
):
    """240 MB are too few with the 150 of Snakemake; twice as much at each attempt ends well."""
    slurm, study = empty_queue, make_study("memory")
    plan = _plan(study)
    path = plan.write()
    content = json.loads(path.read_text())
    for job in content["jobs"]:
        job["mem_mb"] = 240 if job["stage"] == "phenotype" else job["mem_mb"]
    path.write_text(json.dumps(content))

    done = subprocess.run(
        (sys.executable, "-m", "snakemake", "--snakefile", workflow_folder() / "Snakefile",
         "--directory", plan.folder, "--profile", workflow_folder() / "profiles" / "slurm",
         "--config", f"plan={path}", "--until", "phenotype", "--retries", "3", *QUICK),
        env=slurm.environment, capture_output=True, text=True, timeout=HARD_LIMIT_SECONDS,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    asked = slurm.ask("scontrol", "show", "job")
    assert "JobState=FAILED" in asked or "JobState=OUT_OF_MEMORY" in asked
    assert "mem=240M" in asked
    assert "mem=480M" in asked
    for name in ("phenotype.parquet", "follow_up.parquet", "trials.parquet"):
        found = read_table(plan.output / "phenotype" / name)
        assert_frame_equal(found, read_table(expected / "phenotype" / name))
