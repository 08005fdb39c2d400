"""A plan as text for other engines than Snakemake."""

from __future__ import annotations

import shlex

from pgs_trd.study.jobs import Job
from pgs_trd.study.plan import Plan

MOST_AT_ONCE = 50
"""Tasks of one array that run at the same time."""


def write_shell(plan: Plan) -> str:
    """Write a shell script that runs the jobs one after the other.

    A comment starts each stage; the lines of a stage need nothing of each other.
    """
    lines = ["#!/bin/sh", "set -e"]
    for stage, jobs in plan.stages().items():
        lines += ["", f"# {stage}: {len(jobs)}", *(job.line() for job in jobs)]
    return "\n".join(lines) + "\n"


def write_slurm_arrays(plan: Plan) -> str:
    """Write a shell script that sends each stage to Slurm as one array.

    A stage waits for those whose outputs it reads. Where one of them fails, it and
    what follows never start.
    """
    stages = plan.stages()
    logs = shlex.quote(str(plan.folder / "logs"))
    lines = ["#!/bin/bash", "set -euo pipefail", f"mkdir -p {logs}"]
    for stage, jobs in stages.items():
        before = [name for name, others in stages.items() if name != stage and _feeds(others, jobs)]
        lines += ["", *_array(stage, jobs, before, logs)]
    return "\n".join(lines) + "\n"


def _feeds(first: list[Job], then: list[Job]) -> bool:
    made = {path for job in first for path in job.outputs}
    return any(path in made for job in then for path in job.inputs)


def _array(stage: str, jobs: list[Job], before: list[str], logs: str) -> list[str]:
    most = jobs[0]
    words = [
        f"{stage}=$(sbatch --parsable --job-name={stage} --array=1-{len(jobs)}%{MOST_AT_ONCE}",
        f"--cpus-per-task={most.threads} --mem={max(job.mem_mb for job in jobs)}M",
        f"--time={max(job.minutes for job in jobs)} --output={logs}/{stage}.%a.log",
    ]
    if before:
        after = ":".join(f"${name}" for name in before)
        words.append(f"--dependency=afterok:{after} --kill-on-invalid-dep=yes")
    cases = [f"{number}) exec {job.line()} ;;" for number, job in enumerate(jobs, start=1)]
    script = ["#!/bin/bash", "case $SLURM_ARRAY_TASK_ID in", *cases, "esac"]
    return [" ".join([*words, "<<'JOB'"]), *script, "JOB", ")"]


def write_dsub(plan: Plan) -> str:
    """Write a tasks file for dsub: one row a job, its stage, name and command as variables."""
    rows = [("--env STAGE", "--env JOB", "--env COMMAND")]
    rows += [(job.stage, job.name or job.stage, job.line()) for job in plan.jobs]
    return "".join("\t".join(row) + "\n" for row in rows)
