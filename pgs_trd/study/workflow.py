"""A study through Snakemake, on this machine or on a cluster."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import pandas as pd
import yaml

import pgs_trd
from pgs_trd.errors import UsageError
from pgs_trd.study.plan import PLAN_FILE, Plan

# A client of Slurm waits for 9 seconds if the controller is away.
SECONDS_FOR_SLURM = 30
NO_CLUSTER = "Could not establish a configuration source"
QUEUE_COLUMNS = ["job", "name", "state"]


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


def environment() -> dict[str, str]:
    """Give the environment for Snakemake: its rules find this `pgs-trd` by its name."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}"}


def job_prefix(plan: Plan) -> str:
    """Give what the names of the study's jobs at Slurm begin with."""
    return f"pgs-{hashlib.sha256(os.fsencode(plan.output)).hexdigest()[:8]}"


def run_workflow(plan: Plan, profile: str, further: Sequence[str] = ()) -> int:
    """Write the plan, run Snakemake on it, and give Snakemake's exit code.

    Raises
    ------
    UsageError
        If jobs of an earlier run of this study are still in the queue of Slurm.
    """
    command = snakemake_command(plan, profile, further)
    if is_locked(plan) and (queued := find_queued(plan)) is not None and len(queued):
        raise UsageError(
            f"{len(queued)} jobs of an earlier run of this study are still in the queue and would "
            f"write the same files: wait, or `pgs-trd workflow cancel {plan.study.name}`"
        )
    plan.write()
    with subprocess.Popen(command, env=environment()) as process, _passed_on(process):
        return process.wait()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave it to Snakemake what an interrupt means: it takes its jobs back, then ends."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    # A terminal sends Ctrl-C to both of us: Snakemake has it already.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, pass_on),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        lines = _ask(words).splitlines()
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
        _ask(["scancel", *queued["job"]])
    if is_locked(plan):
        command = snakemake_command(plan, "local", ["--unlock"])
        subprocess.run(command, env=environment(), check=True, capture_output=True, timeout=300)
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


def _ask(words: Sequence[str]) -> str:
    """Run a command of Slurm and give what it says."""
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
    rows += [_program(name) for name in ("sbatch", "squeue", "scancel", "scontrol")]
    rows.append(_temporary())
    if all(row[2] == "ok" for row in rows if row[0] in ("sbatch", "squeue", "scontrol")):
        rows += _examine_slurm()
    return pd.DataFrame(rows, columns=["subject", "found", "verdict", "advice"])


_Row = tuple[str, str, str, str]


def _installed(name: str) -> _Row:
    try:
        return name, version(name), "ok", ""
    except PackageNotFoundError:
        return name, "no", "missing", "pip install 'pgs-trd[workflow]'"


def _program(name: str) -> _Row:
    path = shutil.which(name)
    if path is None:
        return name, "no", "missing", "needed for --profile slurm only; log in where jobs are sent"
    return name, path, "ok", ""


def _temporary() -> _Row:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free // 2**20
    advice = "" if free >= 1000 else "set TMPDIR to a folder with more room"
    return (
        "temporary files",
        f"{folder}, {free:,} MB free",
        "ok" if free >= 1000 else "look",
        advice,
    )


def _examine_slurm() -> list[_Row]:
    try:
        lines = _ask(["scontrol", "show", "config"]).splitlines()
        partitions = _ask(["sinfo", "--noheader", "--format", "%P|%l|%m|%c"]).splitlines()
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
    return [*rows, ("default partition", found, "ok", "")]
