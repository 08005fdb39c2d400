"""What a workflow needs of a machine: programs, settings of Slurm, room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from pgs_trd.errors import UsageError

# A client of Slurm waits for 9 seconds if the controller is away.
SECONDS_FOR_SLURM = 30
LEAST_ROOM_MB = 1000

_OF_SLURM = "needed for --profile slurm only; log in where jobs are sent"
# What snakemake-executor-plugin-slurm and its jobs call by name, and when they do.
PROGRAMS = {
    "which": "the plugin looks for others by it: without, Snakemake stops under every profile",
    **dict.fromkeys(("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun"), _OF_SLURM),
    "sacct": "needed for --profile slurm where the profile names no slurm_account",
    "sacctmgr": "needed for --profile slurm where the profile names a slurm_account",
    "sshare": "needed for --profile slurm where sacctmgr knows no account",
}


def ask_slurm(words: Sequence[str]) -> str:
    """Run a command of Slurm and give what it says.

    Raises
    ------
    UsageError
        If it fails or does not answer.
    """
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=True, timeout=SECONDS_FOR_SLURM
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = error.stderr if isinstance(error.stderr, str) else ""
        raise UsageError(f"{words[0]} failed: {said.strip() or 'no answer'}") from error
    return done.stdout


def examine_site() -> pd.DataFrame:
    """Look at what a workflow needs of this machine.

    Returns
    -------
    DataFrame
        Columns subject, found, verdict ("ok", "look" or "missing") and advice.
    """
    rows = [_installed("snakemake"), _installed("snakemake-executor-plugin-slurm")]
    rows += [_program(name, advice) for name, advice in PROGRAMS.items()]
    rows.append(
        _room("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to another folder")
    )
    rows.append(_room("home", Path.home(), "no job writes there, but pip and conda do"))
    if shutil.which("scontrol") and shutil.which("sinfo"):
        rows += _examine_slurm()
    return pd.DataFrame(rows, columns=["subject", "found", "verdict", "advice"])


_Row = tuple[str, str, str, str]


def _installed(name: str) -> _Row:
    try:
        return name, version(name), "ok", ""
    except PackageNotFoundError:
        return name, "no", "missing", "pip install 'pgs-trd[workflow]'"


def _program(name: str, advice: str) -> _Row:
    path = shutil.which(name)
    return (name, "no", "missing", advice) if path is None else (name, path, "ok", "")


def _room(subject: str, folder: Path, advice: str) -> _Row:
    if not os.access(folder, os.W_OK | os.X_OK):
        return subject, f"{folder}, not writable", "look", advice
    free = shutil.disk_usage(folder).free // 2**20
    found = f"{folder}, {free:,} MB free"
    if free < LEAST_ROOM_MB:
        return subject, found, "look", advice
    return subject, found, "ok", ""


def _examine_slurm() -> list[_Row]:
    try:
        lines = ask_slurm(["scontrol", "show", "config"]).splitlines()
        partitions = ask_slurm(["sinfo", "--noheader", "--format", "%P|%l|%m|%c"]).splitlines()
    except UsageError as error:
        return [("slurm", str(error), "missing", "is the controller up?")]
    pairs = (line.partition("=") for line in lines)
    settings = {name.strip(): value.strip() for name, _, value in pairs}
    age = settings.get("MinJobAge", "")
    seconds = int(age.split()[0]) if age[:1].isdigit() else 0
    kept = (
        "" if seconds >= 120 else "squeue forgets jobs too early: ask for MinJobAge of 120 or more"
    )
    rows = [("MinJobAge", age, "look" if kept else "ok", kept)]
    accounting = settings.get("AccountingStorageType", "unknown")
    rows.append(("accounting", accounting, "ok", "the profile asks squeue, so none is needed"))
    task = settings.get("TaskPlugin", "unknown")
    binds = "cgroup" in task or "affinity" in task
    bound = "" if binds else "jobs are not held to their processors; pgs-trd keeps to --threads"
    rows.append(("TaskPlugin", task, "ok" if binds else "look", bound))
    default = [line.split("|") for line in partitions if "*" in line.split("|")[0]]
    if not default:
        advice = "add slurm_partition=... to default-resources of a copy of the profile"
        return [*rows, ("default partition", "none", "look", advice)]
    name, limit, memory, processors = default[0]
    found = f"{name.rstrip('*')}: time {limit}, node {memory} MB, {processors} processors"
    line = f"- slurm_partition={name.rstrip('*')}"
    advice = "and - slurm_account=..., if jobs need one: under default-resources of a copy of it"
    return [*rows, ("default partition", found, "ok", ""), ("profile", line, "ok", advice)]
