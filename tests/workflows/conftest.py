"""A small study in three genotype files, its run without a workflow, and a real Slurm."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal

from pgs_trd.simulate import Biobank, simulate_biobank
from pgs_trd.study import run_study
from pgs_trd.study.demo import write_study_file
from pgs_trd.tables import read_table

CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PROGRAMS = ("munged", "slurmctld", "slurmd", *CLIENTS)
NODES = ("n1", "n2")
PARTS = {"part1": range(1, 4), "part2": range(4, 9), "part3": range(9, 23)}
SCORES = ("SIM000001", "SIM000020", "SIM000048")
# The longest to wait for anything, on a machine that others use, too; some failures of
# Snakemake's executor are endless waits.
HARD_LIMIT_SECONDS = 600
# Options by which a head sees the end of a job at once, and itself ends at once: it does so only
# the timespan later than it last looked for jobs to send.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10",
         "--max-jobs-per-timespan", "60/1s")  # fmt: skip
# The plugin's waits are for jobs of minutes, and only the first has an option: after a look that
# found no end it waits 10 s more than before, and its version 2.6 sleeps 5 s before each sbatch.
# A Python that starts Snakemake with the options above looks every second, and sleeps less.
WITHOUT_WAITS = f"""
import sys
if sys.orig_argv[1:3] == ["-m", "snakemake"] and "{QUICK[0]}" in sys.orig_argv:
    import time, types
    import snakemake_executor_plugin_slurm as plugin
    seconds = property(lambda executor: 1, lambda executor, value: None)
    plugin.Executor.next_seconds_between_status_checks = seconds
    shorter = lambda seconds: time.sleep(min(seconds, 0.1))
    plugin.time = types.SimpleNamespace(**{{**vars(time), "sleep": shorter}})
"""
HEEDING_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def wait_until(is_done: Callable[[], bool], what: str, seconds: float = HARD_LIMIT_SECONDS) -> None:
    """Wait for something, not for ever."""
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.2)


FOLDERS = ("scores", "phenotype", "models", "sensitivity", "report/tables")


def assert_same_results(found: Path, expected: Path, folders: Sequence[str] = FOLDERS) -> None:
    """Compare every table of two runs, value by value."""
    tables = sorted(
        path.relative_to(expected)
        for folder in folders
        for path in (expected / folder).rglob("*")
        if path.suffix in (".parquet", ".tsv", ".csv")
    )
    assert len(tables) > (15 if folders == FOLDERS else 2)
    for name in tables:
        one, other = read_table(found / name), read_table(expected / name)
        if name.name == "scores.match.parquet":
            # A row of the genotypes is counted within its part, which a merged table names.
            one, other = one.drop(columns=["part", "target"]), other.drop(columns="target")
        if name.name == "scores.summary.parquet":  # the verdict says of how many parts it is
            one["verdict"] = one["verdict"].str.replace(" in 3 parts", "")
        if "frequency_r" in one.columns:  # of parts it is their mean
            assert_allclose(one.pop("frequency_r"), other.pop("frequency_r"), atol=1e-4)
        # Both count with two threads; a sum may still be grouped otherwise by a library.
        assert_frame_equal(one, other, rtol=1e-9, obj=str(name))


def program_path() -> str:
    """Give a PATH on which `pgs-trd` is the one of this environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Biobank:
    """500 people, their genotypes in one file and in three, which tests only read."""
    folder = tmp_path_factory.mktemp("workflow") / "biobank"
    biobank = simulate_biobank(folder, n_people=500, n_variants=1_000, seed=7)
    lines = biobank.genotypes.with_suffix(".bim").read_text().splitlines(keepends=True)
    people = biobank.genotypes.with_suffix(".fam").read_bytes()
    calls = biobank.genotypes.with_suffix(".bed").read_bytes()
    width = -(-len(people.splitlines()) // 4)
    for name, chromosomes in PARTS.items():
        rows = [row for row, line in enumerate(lines) if int(line.split()[0]) in chromosomes]
        blocks = [calls[3 + row * width : 3 + (row + 1) * width] for row in rows]
        (folder / f"{name}.bim").write_text("".join(lines[row] for row in rows))
        (folder / f"{name}.fam").write_bytes(people)
        (folder / f"{name}.bed").write_bytes(calls[:3] + b"".join(blocks))
    return biobank


@pytest.fixture(scope="session")
def make_study(sources: Biobank) -> Callable[..., Path]:
    """Write a study file whose results go into a folder of that name; keys may be changed."""

    def make(name: str, **changes: object) -> Path:
        folder = sources.folder.parent / name
        folder.mkdir()
        study = folder / "study.yaml"
        write_study_file(sources, study, folder / "results")
        content = yaml.safe_load(study.read_text())
        content["genotypes"] = "../biobank/part{1:3}.bed"
        content["weights"] = [f"../biobank/weights/{score}.txt.gz" for score in SCORES]
        content.pop("bias", None)  # its scores are not among these three
        content["sensitivity"] = {"definitions": ["fabbri2021"]}
        content["bias"] = {"panel": True, "mdd_score": SCORES[1]}
        study.write_text(yaml.safe_dump(content | changes))
        return study

    return make


@pytest.fixture(scope="session")
def expected(make_study: Callable[..., Path]) -> Path:
    """Folder of the results of `run_study`, without any workflow."""
    study = make_study("direct")
    run_study(study, threads=2)
    return study.parent / "results"


@dataclass(frozen=True)
class Slurm:
    """A Slurm of two nodes that are this machine; `environment` is for its clients."""

    folder: Path
    environment: dict[str, str]

    def ask(self, *words: str) -> str:
        """Run a client of Slurm."""
        return subprocess.run(
            words, env=self.environment, check=True, capture_output=True, text=True,
            timeout=HARD_LIMIT_SECONDS,
        ).stdout  # fmt: skip

    def queue(self, prefix: str = "") -> list[str]:
        """Give the states of the jobs that are not over, whose names begin so."""
        lines = self.ask("squeue", "--noheader", "--format", "%j|%T").splitlines()
        jobs = [line.split("|") for line in lines]
        return [state for name, state in jobs if name.startswith(prefix)]

    def running(self, rule: str) -> str:
        """Give the id of a running job of a rule, and its part if that is named; "" if none."""
        listed = self.ask("squeue", "--noheader", "--states", "RUNNING", "--format", "%i %k")
        jobs = (line.split() for line in listed.splitlines())
        return next((job[0] for job in jobs if rule in job[-1]), "")

    def let_jobs_start(self, state: str) -> None:
        """With DOWN what is queued waits and what runs goes on; with UP all goes on."""
        self.ask("scontrol", "update", "PartitionName=main", f"State={state}")

    def wait_until_empty(self) -> None:
        """Wait until no job is left, not even one that is just ending."""
        wait_until(lambda: self.queue() == [], "an empty queue")


def _why_not() -> str | None:
    if os.name != "posix" or os.geteuid() != 0:
        return "Slurm's daemons need root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)}: apt-get install slurm-wlm munge"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "no snakemake-executor-plugin-slurm: pip install 'pgs-trd[workflow]'"
    return None


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """Start munged, slurmctld and two slurmd on loopback; stop them by their ids."""
    if why := _why_not():
        assert not os.environ.get("PGS_TRD_HAS_SLURM"), why
        pytest.skip(why)
    # Munge wants a path that everybody may read, as pytest's folders are not.
    folder = Path(tempfile.mkdtemp(prefix="pgs-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(folder, daemons)
    finally:
        for daemon in reversed(daemons):
            _stop(daemon)
        shutil.rmtree(folder, ignore_errors=True)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait(10)


def _start(folder: Path, daemons: list[subprocess.Popen[bytes]]) -> Slurm:
    environment = {
        **os.environ,
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{folder / 'bin'}{os.pathsep}{program_path()}",
        "PYTHONPATH": str(folder / "python"),
    }
    environment.pop("SLURM_CPUS_PER_TASK", None)

    def start(*words: str) -> None:
        with (folder / f"{words[0]}{len(daemons)}.out").open("wb") as log:
            daemons.append(
                subprocess.Popen(
                    words, env=environment, stdout=log, stderr=log, start_new_session=True
                )
            )

    _write_settings(folder)
    _start_munge(folder, start)
    start("slurmctld", "-D")
    cluster = Slurm(folder, environment)

    def answers(*words: str, wanted: str) -> bool:
        # A client waits for long if the daemon has died: look at that first.
        assert daemons[-1].poll() is None, (folder / "slurmctld.log").read_text()[-2000:]
        try:
            return cluster.ask("timeout", "20", *words).split().count(wanted) > 0
        except subprocess.CalledProcessError:
            return False

    wait_until(lambda: answers("scontrol", "ping", wanted="UP"), "slurmctld")
    for node in NODES:
        start("slurmd", "-D", "-N", node)
    words = ("sinfo", "--noheader", "--format", "%D", "--states", "idle")
    wait_until(lambda: answers(*words, wanted=str(len(NODES))), "nodes")
    return cluster


def _start_munge(folder: Path, start: Callable[..., None]) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munge.pid",
             "log-file": folder / "munge.log", "seed-file": folder / "munge.seed"}  # fmt: skip
    start(
        "munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in files.items())
    )
    wait_until((folder / "munge.socket").exists, "munged")


def _write_settings(folder: Path) -> None:
    for name in ("state", "bin", "python", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    (folder / "python" / "sitecustomize.py").write_text(WITHOUT_WAITS)
    # The plugin takes SLURM_CONF out of the environment, in a job and in a head that is one.
    for client in CLIENTS:
        wrapper = folder / "bin" / client
        program = shutil.which(client)
        wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {program} "$@"\n')
        wrapper.chmod(0o755)
    host = "NodeHostname=localhost NodeAddr=127.0.0.1"
    base = 20_000 + 4 * (os.getpid() % 5_000)
    nodes = [
        f"NodeName={node} {host} Port={base + number} CPUs=2 RealMemory=6000"
        for number, node in enumerate(NODES, start=1)
    ]
    settings = f"""
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={base}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
SlurmdTimeout=600
MessageTimeout=60
BatchStartTimeout=600
KillWait=2
MinJobAge=3600
MpiDefault=none
SwitchType=switch/none
{nodes[0]}
{nodes[1]}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=1440 DefaultTime=10 DefMemPerCPU=500 State=UP
"""
    (folder / "slurm.conf").write_text(settings)


@dataclass
class Head:
    """A running `pgs-trd workflow run` in a session of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def finish(self, seconds: float = HARD_LIMIT_SECONDS) -> int:
        """Wait for its end, which has to come in time; give its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end in {seconds} s:\n{self.said()[-3000:]}") from None

    def kill(self) -> None:
        """Kill it with all it started here, as a lost machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def interrupt(self) -> None:
        """Send what a terminal sends for Ctrl-C, once, to all that it started here."""
        os.killpg(self.process.pid, signal.SIGINT)

    def said(self) -> str:
        """Give what it has printed."""
        return self.log.read_text(errors="replace")


@pytest.fixture
def start_workflow(tmp_path: Path) -> Iterator[Callable[..., Head]]:
    """Start `pgs-trd workflow run`; what still runs at the end of a test is killed."""
    heads: list[Head] = []

    def start(study: Path, *options: str, environment: dict[str, str] | None = None) -> Head:
        log = tmp_path / f"head{len(heads)}.log"
        # What is started from a shell's background ignores Ctrl-C.
        words = (sys.executable, "-c", HEEDING_INTERRUPTS)
        words += ("pgs-trd", "workflow", "run", str(study), *options)
        with log.open("wb") as out:
            process = subprocess.Popen(
                words, stdout=out, stderr=out, start_new_session=True,
                env=environment or {**os.environ, "PATH": program_path()},
            )  # fmt: skip
        heads.append(Head(process, log))
        return heads[-1]

    yield start
    for head in heads:
        if head.process.poll() is None:
            head.kill()
