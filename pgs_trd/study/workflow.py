"""A study through Snakemake, on this machine or on a cluster."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pandas as pd
import yaml

import pgs_trd
from pgs_trd.errors import UsageError
from pgs_trd.study.jobs import Job
from pgs_trd.study.plan import PLAN_FILE, Plan
from pgs_trd.study.site import ask_slurm

NO_CLUSTER = "Could not establish a configuration source"
QUEUE_COLUMNS = ["job", "name", "state"]
# What a log says at its end, and what is said of it.
STOPPED = (
    (r"(?i)oom[-_ ]kill|exceeded memory limit|out of memory",
     "ran out of memory: --set-resources {rule}:mem_mb={memory}"),
    (r"DUE TO TIME LIMIT", "ran out of time: --set-resources {rule}:runtime={minutes}"),
    (r"(?i)no space left|no room left", "found no room left to write: make some"),
    (r"CANCELLED", "was cancelled"),
)  # fmt: skip


def workflow_folder() -> Path:
    """Give the folder of the Snakefile: in the package, or beside it in a source tree.

    Raises
    ------
    UsageError
        If it is in neither.
    """
    package = Path(pgs_trd.__file__).parent
    for folder in (package / "workflows", package.parent / "workflows"):
        if (folder / "Snakefile").is_file():
            return folder
    raise UsageError("this installation of pgs-trd has no workflows folder: install the wheel")


def find_profile(profile: str) -> Path:
    """Give the folder of a profile: ours by its name, or one of the user's.

    Raises
    ------
    UsageError
        If there is none.
    """
    ours = workflow_folder() / "profiles"
    for folder in (Path(profile), ours / profile):
        if (folder / "config.yaml").is_file():
            return folder.resolve()
    names = ", ".join(sorted(path.name for path in ours.iterdir()))
    raise UsageError(f"--profile {profile}: neither one of {names} nor a folder with a config.yaml")


def snakemake_command(plan: Plan, profile: str, further: Sequence[str] = ()) -> list[str]:
    """Give the words that start Snakemake with a plan that is written.

    Raises
    ------
    UsageError
        If Snakemake, or its plugin for the profile's scheduler, is not installed.
    """
    folder = find_profile(profile)
    executor = _executor(folder)
    needed = ["snakemake"]
    if executor == "slurm":
        needed.append("snakemake_executor_plugin_slurm")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} not installed: pip install 'pgs-trd[workflow]', "
            "or run the study on this machine with pgs-trd run"
        )
    words = [sys.executable, "-m", "snakemake"]
    words += ["--snakefile", str(workflow_folder() / "Snakefile")]
    words += ["--directory", str(plan.folder), "--profile", str(folder)]
    words += ["--config", f"plan={plan.folder / PLAN_FILE}"]
    if executor == "slurm":
        words += ["--slurm-jobname-prefix", job_prefix(plan)]
    return [*words, *further]


def _executor(folder: Path) -> str:
    content = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return str(content.get("executor", "local")) if isinstance(content, dict) else "local"


def environment(plan: Plan) -> dict[str, str]:
    """Give the environment for Snakemake: its rules find this `pgs-trd` by its name.

    What it caches lies beside the plan, where all nodes see it, and not in a home that may
    be read-only or full.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"XDG_CACHE_HOME": str(plan.folder / "cache"), **os.environ, "PATH": path}


def job_prefix(plan: Plan) -> str:
    """Give what the names of the study's jobs at Slurm begin with."""
    return f"pgs-{hashlib.sha256(os.fsencode(plan.output)).hexdigest()[:8]}"


def run_workflow(plan: Plan, profile: str, further: Sequence[str] = ()) -> NoReturn:
    """Write the plan and become Snakemake, which works on it.

    Signals and the exit code are Snakemake's own: there is no process between.

    Raises
    ------
    UsageError
        If jobs of an earlier run of this study are still in the queue of Slurm.
    """
    command = snakemake_command(plan, profile, further)
    # An interrupt leaves no lock, but may leave jobs that were about to be sent.
    of_slurm = _executor(find_profile(profile)) == "slurm"
    queued = find_queued(plan) if of_slurm or is_locked(plan) else None
    if queued is not None and len(queued):
        raise UsageError(
            f"{len(queued)} jobs of an earlier run of this study are still in the queue and would "
            f"write the same files: wait, or `pgs-trd workflow cancel {plan.study.name}`"
        )
    plan.write()
    sys.stdout.flush()
    os.execve(command[0], command, environment(plan))


def is_locked(plan: Plan) -> bool:
    """Tell whether a run of Snakemake has the study, or was killed while it had."""
    locks = plan.folder / ".snakemake" / "locks"
    return locks.is_dir() and any(locks.iterdir())


def find_queued(plan: Plan) -> pd.DataFrame | None:
    """Give the study's jobs at Slurm as a table of job, name, state; None without Slurm.

    Raises
    ------
    UsageError
        If Slurm does not answer.
    """
    if shutil.which("squeue") is None:
        return None
    words = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%i|%j|%T"]
    try:
        lines = ask_slurm(words).splitlines()
    except UsageError as error:
        if NO_CLUSTER in str(error):  # the programs are installed, and belong to no cluster
            return None
        raise
    rows = [line.strip().split("|") for line in lines if line.strip()]
    table = pd.DataFrame(rows, columns=QUEUE_COLUMNS)
    return table[table["name"].str.startswith(job_prefix(plan))].reset_index(drop=True)


def cancel_workflow(plan: Plan) -> int:
    """Take the study's jobs out of Slurm's queue and its lock away; give how many there were."""
    queued = find_queued(plan)
    if queued is not None and len(queued):
        ask_slurm(["scancel", *queued["job"]])
    if is_locked(plan):
        command = snakemake_command(plan, "local", ["--unlock"])
        subprocess.run(command, env=environment(plan), check=True, capture_output=True, timeout=300)
    return 0 if queued is None else len(queued)


def describe_progress(plan: Plan) -> pd.DataFrame:
    """Give how many jobs of each stage are done: all that they write is there."""
    rows = [
        {
            "stage": stage,
            "n_jobs": len(jobs),
            "n_done": sum(all(Path(path).is_file() for path in job.outputs) for job in jobs),
        }
        for stage, jobs in plan.stages().items()
    ]
    return pd.DataFrame(rows)


def find_stopped(plan: Plan) -> list[str]:
    """Say of each job that is not done and left a log what stopped it, one line each.

    Slurm's own log of the last attempt tells it, or the error in the command's.
    """
    lines = []
    for job in plan.jobs:
        is_done = all(Path(path).is_file() for path in job.outputs)
        reason = None if is_done else _explain(job, _read_ends(_logs(plan, job)))
        if reason is not None:
            lines.append(f"{_name(job)} {reason}")
    return lines


def _explain(job: Job, text: str) -> str | None:
    """Say by the end of its logs what stopped a job; None if they do not tell."""
    for pattern, said in STOPPED:
        if re.search(pattern, text):
            return said.format(rule=job.stage, memory=4 * job.mem_mb, minutes=4 * job.minutes)
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    return f"stopped: {errors[-1].removeprefix('error: ')}" if errors else None


def _name(job: Job) -> str:
    return f"{job.stage} {job.name}".strip()


def _logs(plan: Plan, job: Job) -> list[Path]:
    """Give the command's log, and that of Slurm of the last attempt if there is any."""
    own = plan.folder / "logs" / f"{'.'.join(_name(job).split())}.log"
    folder = plan.folder / ".snakemake" / "slurm_logs" / f"rule_{job.stage}"
    of_slurm = sorted((folder / job.name).glob("*.log"), key=lambda path: path.stat().st_mtime)
    return [path for path in (own, *of_slurm[-1:]) if path.is_file()]


def _read_ends(paths: Sequence[Path]) -> str:
    """Read the last lines of logs."""
    return "\n".join(
        line for path in paths for line in path.read_text(errors="replace").splitlines()[-40:]
    )
