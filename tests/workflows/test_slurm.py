"""A study on a real Slurm: the values of a local run, whatever happens to its jobs."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgs_trd.study.config import load_config
from pgs_trd.study.plan import Plan, plan_study
from pgs_trd.study.workflow import is_locked, job_prefix, workflow_folder

from .conftest import HARD_LIMIT_SECONDS, Head, Slurm, assert_same_results, wait_until
from .test_threads import REPORT

pytestmark = pytest.mark.slow

# Snakemake asks Slurm after these seconds; its default of 40 is for jobs of minutes.
QUICK = ("--slurm-init-seconds-before-status-checks", "8", "--latency-wait", "10")
SLURM = ("--profile", "slurm", *QUICK)


@pytest.fixture
def empty_queue(slurm: Slurm) -> Iterator[Slurm]:
    """Hold that a test leaves nothing in the queue."""
    yield slurm
    slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    left = slurm.queue()
    if left:
        slurm.ask("scancel", "--user", "root")
        wait_until(lambda: slurm.queue() == [], 60, "an empty queue")
    assert left == []


@pytest.fixture
def small_scratch(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Give a function that makes a folder a file system of 1 MB."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True)
        words = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(("umount", folder), check=True, timeout=30)


def _plan(study: Path) -> Plan:
    return plan_study(load_config(study), study)


def _command(slurm: Slurm, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("pgs-trd", *words), env=slurm.environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def _times(folder: Path) -> dict[Path, int]:
    """Give when each file was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_slurm__gives_the_values_of_a_local_run_after_a_kill(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    expected: Path,
    start_workflow: Callable[..., Head],
):
    """The head is lost, its jobs are not: they are found, cancelled, and only the rest is done."""
    slurm, study = empty_queue, make_study("slurm")
    results = study.parent / "results"
    head = start_workflow(study, *SLURM, environment=slurm.environment)
    first = [*_plan(study).stages()["score_part"], *_plan(study).stages()["phenotype"]]
    wait_until(lambda: all(Path(p).is_file() for job in first for p in job.outputs), 180, "parts")
    # Jobs that are sent now stay in the queue, whatever the speed of this machine.
    slurm.ask("scontrol", "update", "PartitionName=main", "State=DOWN")
    wait_until(lambda: "PENDING" in slurm.queue(), 120, "a job of the next stage")
    head.kill()
    done = _times(results / "scores" / "parts")

    refused = start_workflow(study, *SLURM, environment=slurm.environment)
    assert refused.finish() == 2
    assert "still in the queue" in refused.said()
    names = slurm.ask("squeue", "--noheader", "--format", "%j").split()
    assert names
    assert all(name.startswith(job_prefix(_plan(study))) for name in names)
    said = _command(slurm, "workflow", "status", str(study)).stdout
    assert "score_part: 3 of 3 done" in said
    assert "at Slurm: " in said
    assert "PENDING" in said
    cancelled = _command(slurm, "workflow", "cancel", str(study))
    assert cancelled.stdout.startswith("cancelled "), cancelled.stderr
    wait_until(lambda: slurm.queue() == [], 60, "an empty queue")

    slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    again = start_workflow(study, *SLURM, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]

    assert _times(results / "scores" / "parts") == done
    assert "at Slurm: nothing" in _command(slurm, "workflow", "status", str(study)).stdout
    assert_same_results(results, expected)


def _disturbed(slurm: Slurm, left: dict[str, Callable[[str], None]]) -> bool:
    """Do to each running job what is `left` to be done to it; tell whether more is left."""
    for part in list(left):
        job = slurm.running(part)
        if job:
            left.pop(part)(job)
    return bool(left)


def test_slurm__sends_jobs_again_that_were_cancelled_or_ran_out_of_memory_or_time(
    empty_queue: Slurm, make_study: Callable[..., Path], expected: Path, tmp_path: Path
):
    """100 MB are too few for Snakemake alone; the further attempts have 200, 400 and 800."""
    slurm, study = empty_queue, make_study("attempts")
    plan = _plan(study)
    path = plan.write()
    content = json.loads(path.read_text())
    for job in content["jobs"]:
        job["mem_mb"] = 100 if job["stage"] == "phenotype" else job["mem_mb"]
    path.write_text(json.dumps(content))

    def cancel(job: str) -> None:
        slurm.ask("scancel", job)

    def hang(job: str) -> None:
        # As if it hung and its time were over, which Slurm looks at twice a minute.
        slurm.ask("scancel", "--full", "--signal", "STOP", job)
        slurm.ask("scontrol", "update", f"JobId={job}", "EndTime=now")

    with (tmp_path / "head.log").open("w") as log:
        head = subprocess.Popen(
            (sys.executable, "-m", "snakemake", "--snakefile", workflow_folder() / "Snakefile",
             "--directory", plan.folder, "--profile", workflow_folder() / "profiles" / "slurm",
             "--config", f"plan={path}", "--retries", "3", *QUICK),
            env=slurm.environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        # Whichever of the two comes first.
        disturb = {"part1": cancel, "part2": hang}
        wait_until(lambda: not _disturbed(slurm, disturb), 150, "the jobs of both parts")
        code = head.wait(HARD_LIMIT_SECONDS)
    finally:
        head.kill()

    assert code == 0, (tmp_path / "head.log").read_text()[-3000:]
    jobs = slurm.ask("scontrol", "show", "job", "--oneliner").splitlines()
    of_study = [line for line in jobs if str(plan.folder) in line]
    for what, rule in {
        "JobState=CANCELLED": "part1", "JobState=TIMEOUT": "part2",
        "mem=100M": "phenotype", "mem=200M": "phenotype",
    }.items():  # fmt: skip
        assert any(what in line and rule in line for line in of_study), what
    killed = [line for line in of_study if "mem=100M" in line]
    assert all("JobState=FAILED" in x or "JobState=OUT_OF_MEMORY" in x for x in killed)
    assert_same_results(plan.output, expected)


def test_slurm__takes_jobs_back_at_an_interrupt_and_goes_on_later(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    expected: Path,
    start_workflow: Callable[..., Head],
):
    """Ctrl-C leaves no lock, and at most the job that was just being sent, for `cancel`."""
    slurm, study = empty_queue, make_study("interrupted")
    plan = _plan(study)
    parts, part = plan.output / "scores" / "parts", plan.stages()["score_part"]
    head = start_workflow(study, *SLURM, "--until", "merge", environment=slurm.environment)
    wait_until(lambda: any(Path(job.outputs[0]).is_file() for job in part), 120, "a part")
    slurm.ask("scontrol", "update", "PartitionName=main", "State=DOWN")

    head.interrupt()

    assert head.finish(90) != 0
    cancel = ("pgs-trd", "workflow", "cancel", study)
    subprocess.run(cancel, env=slurm.environment, check=True, capture_output=True, timeout=60)
    wait_until(lambda: slurm.queue() == [], 60, "an empty queue")
    assert not is_locked(plan)
    slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    done = {path: at for path, at in _times(parts).items() if path.suffix == ".parquet"}
    again = start_workflow(study, *SLURM, "--until", "merge", environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]
    assert_same_results(plan.output, expected, ["scores"])
    # A part whose end Snakemake had not seen is done again; at least one was seen or all were.
    assert len(done) >= 1


def test_slurm__says_that_a_disk_is_full_and_goes_on_when_it_is_not(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    expected: Path,
    start_workflow: Callable[..., Head],
    small_scratch: Callable[[Path], None],
):
    """No half file stays; the user is told what to make room for, and done work is kept."""
    slurm, study = empty_queue, make_study("full")
    plan = _plan(study)
    scores = plan.output / "scores"
    small_scratch(scores)
    filler = scores / "filler"
    part = plan.stages()["score_part"]
    subprocess.run(shlex.split(part[0].line()), env=slurm.environment, check=True, timeout=60)
    room = shutil.disk_usage(scores).free
    filler.write_bytes(bytes(room - 4096))
    done = _times(scores / "parts")

    by_hand = subprocess.run(
        shlex.split(part[1].line()), env=slurm.environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    options = (*SLURM, "--until", "merge")
    head = start_workflow(study, *options, "--retries", "0", environment=slurm.environment)

    assert by_hand.returncode == 75, by_hand.stderr
    assert "error: no room left" in by_hand.stderr
    assert "make room" in by_hand.stderr
    assert head.finish() == 1
    assert f"workflow status {study}" in head.said()
    said = _command(slurm, "workflow", "status", str(study)).stdout
    assert "score_part part2 found no room left to write" in said
    assert _times(scores / "parts") == done

    filler.unlink()
    again = start_workflow(study, *options, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]
    assert_same_results(plan.output, expected, ["scores"])


def test_slurm_arrays__give_the_values_of_a_local_run(
    empty_queue: Slurm, make_study: Callable[..., Path], expected: Path
):
    """The script needs nothing but sbatch; stages wait for those before them."""
    slurm, study = empty_queue, make_study("arrays")
    script = _command(slurm, "plan", str(study), "--commands", "slurm-array").stdout

    subprocess.run(
        ("bash", "-s"), input=script, env=slurm.environment, text=True, check=True, timeout=60
    )

    assert slurm.queue()
    wait_until(lambda: slurm.queue() == [], HARD_LIMIT_SECONDS, "the end of the arrays")
    assert_same_results(study.parent / "results", expected)


def test_slurm__two_jobs_on_a_node_keep_to_their_own_processors(empty_queue: Slurm):
    """Nothing binds them here: each would take all processors by itself."""
    slurm = empty_queue
    variables = {k: v for k, v in slurm.environment.items() if not k.endswith("_NUM_THREADS")}
    words = ("srun", "--nodelist", "n1", "--ntasks", "1", "--cpus-per-task", "1", "--mem", "500",
             "--time", "5", sys.executable, "-c", REPORT)  # fmt: skip
    started = time.monotonic()
    jobs = [
        subprocess.Popen(words, env=variables, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]

    said = [job.communicate(timeout=120)[0].strip() for job in jobs]

    assert said == ["[1] 1 1 1"] * 2, time.monotonic() - started
