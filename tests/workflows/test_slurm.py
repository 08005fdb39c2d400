"""A study on a real Slurm: the values of a local run, whatever happens to its jobs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from pgs_trd.study.config import load_config
from pgs_trd.study.jobs import Job
from pgs_trd.study.plan import Plan, plan_study
from pgs_trd.study.workflow import is_locked, job_prefix, workflow_folder

from .conftest import HARD_LIMIT_SECONDS, QUICK, Head, Slurm, assert_same_results, wait_until
from .test_threads import REPORT

pytestmark = pytest.mark.slow

SLURM = ("--profile", "slurm", *QUICK)
SCORES_ONLY = (*SLURM, "--until", "merge")


@pytest.fixture
def empty_queue(slurm: Slurm) -> Iterator[Slurm]:
    """Hold that a test leaves nothing in the queue, not even a job that is just ending."""
    yield slurm
    slurm.let_jobs_start("UP")
    left = slurm.queue()
    if left:
        slurm.ask("scancel", "--user", "root")
        slurm.wait_until_empty()
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
        capture_output=True, text=True, timeout=HARD_LIMIT_SECONDS, check=False,
    )  # fmt: skip


def _is_done(job: Job) -> bool:
    return all(Path(path).is_file() for path in job.outputs)


def _files(jobs: Iterable[Job]) -> dict[Path, tuple[int, int]]:
    """Give of each file that jobs have written which it is and when it was written.

    Those beside the outputs that others read, such as sidecars, are among them.
    """
    outputs = [Path(path) for job in jobs for path in job.outputs]
    paths = {path for output in outputs for path in output.parent.glob(f"{output.stem}.*")}
    assert paths.issuperset(outputs)
    stats = {path: path.stat() for path in paths}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def _ended(said: str, rule: str = r"\w+") -> int:
    """Count the jobs whose end Snakemake has seen."""
    return len(re.findall(rf"Finished jobid: \d+ \(Rule: {rule}\)", said))


def _planned(said: str) -> dict[str, int]:
    """Read how many jobs of each rule Snakemake was about to run."""
    table = said.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def _keep_some_from_starting(slurm: Slurm, plan: Plan, said: Callable[[], str]) -> list[Job]:
    """Let no job start after the first; give those that were done when all had ended that ran.

    Snakemake has seen their ends, and has sent another, which waits.
    """
    parts = plan.stages()["score_part"]
    wait_until(lambda: slurm.running("score_part") != "", "a part that runs")
    slurm.let_jobs_start("DOWN")

    def only_waits() -> bool:
        states = set(slurm.queue(job_prefix(plan)))
        return states == {"PENDING"} and any(map(_is_done, parts))

    wait_until(lambda: only_waits() and _ended(said()) == sum(map(_is_done, plan.jobs)), "ends")
    return [job for job in plan.jobs if _is_done(job)]


def _assert_only_rest_is_done(said: str, plan: Plan, done: list[Job]) -> None:
    """Hold a run of the scores to the parts that were missing, by Snakemake's own count."""
    left = len(plan.stages()["score_part"]) - sum(job.stage == "score_part" for job in done)
    assert _planned(said) == {"merge": 1} | ({"score_part": left} if left else {})
    assert _ended(said) == left + 1


def test_slurm__gives_the_values_of_a_local_run_after_a_kill(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    expected: Path,
    start_workflow: Callable[..., Head],
):
    """The head is lost, its jobs are not: they are found, cancelled, and only the rest is done."""
    slurm, study = empty_queue, make_study("slurm")
    plan = _plan(study)
    head = start_workflow(study, *SLURM, environment=slurm.environment)
    first = [*plan.stages()["score_part"], *plan.stages()["phenotype"]]
    wait_until(lambda: _ended(head.said(), "(?:score_part|phenotype)") == len(first), "parts")
    # Jobs that are sent now stay in the queue, whatever the speed of this machine.
    slurm.let_jobs_start("DOWN")
    wait_until(lambda: "PENDING" in slurm.queue(), "a job of the next stage")
    head.kill()
    done = _files(first)

    refused = start_workflow(study, *SLURM, environment=slurm.environment)
    assert refused.finish() == 2
    assert "still in the queue" in refused.said()
    names = slurm.ask("squeue", "--noheader", "--format", "%j").split()
    assert names
    assert all(name.startswith(job_prefix(plan)) for name in names)
    said = _command(slurm, "workflow", "status", str(study)).stdout
    assert "score_part: 3 of 3 done" in said
    assert "at Slurm: " in said
    assert "PENDING" in said
    cancelled = _command(slurm, "workflow", "cancel", str(study))
    assert cancelled.stdout.startswith("cancelled "), cancelled.stderr
    slurm.wait_until_empty()

    slurm.let_jobs_start("UP")
    again = start_workflow(study, *SLURM, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]

    assert done.items() <= _files(first).items()
    assert not {"score_part", "phenotype"} & set(_planned(again.said()))
    assert "at Slurm: nothing" in _command(slurm, "workflow", "status", str(study)).stdout
    assert_same_results(plan.output, expected)


def _job_states(slurm: Slurm, plan: Plan) -> list[str]:
    """Give what Slurm knows of each job of a study, a line a job."""
    jobs = slurm.ask("scontrol", "show", "job", "--oneliner").splitlines()
    return [line for line in jobs if str(plan.folder) in line]


def test_slurm__sends_jobs_again_that_were_cancelled_or_ran_out_of_memory_or_time(
    empty_queue: Slurm, make_study: Callable[..., Path], expected: Path, tmp_path: Path
):
    """100 MB are too few for Snakemake alone; the further attempts have 200, 400 and 800."""
    slurm, study = empty_queue, make_study("attempts")
    plan = _plan(study)
    path = plan.write()
    content = json.loads(path.read_text())
    may_go_on = {name: tmp_path / f"{name} may go on" for name in ("part1", "part2")}
    for job in content["jobs"]:
        job["mem_mb"] = 100 if job["stage"] == "phenotype" else job["mem_mb"]
        if job["name"] in may_go_on:
            waiting = ': > "$0, is here"; while [ ! -e "$0" ]; do sleep 0.2; done; exec "$@"'
            job["command"] = ["sh", "-c", waiting, str(may_go_on[job["name"]]), *job["command"]]
    path.write_text(json.dumps(content))

    def stop(part: str, state: str, *words: str) -> None:
        # Not before the command runs: without its step a job fails in another way.
        wait_until(Path(f"{may_go_on[part]}, is here").exists, f"{part} that runs")
        slurm.ask(*(word.format(job=slurm.running(part)) for word in words))
        what = f"JobState={state}"
        wait_until(
            lambda: any(what in line and part in line for line in _job_states(slurm, plan)), what
        )
        may_go_on[part].touch()

    with (tmp_path / "head.log").open("w") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "snakemake", "--snakefile", workflow_folder() / "Snakefile",
             "--directory", plan.folder, "--profile", workflow_folder() / "profiles" / "slurm",
             "--config", f"plan={path}", "--retries", "3", "--until", "merge", "phenotype", *QUICK),
            env=slurm.environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    head = Head(process, tmp_path / "head.log")
    try:
        stop("part1", "CANCELLED", "scancel", "{job}")
        # Its time is over now, which Slurm looks at twice a minute.
        stop("part2", "TIMEOUT", "scontrol", "update", "JobId={job}", "EndTime=now")
        code = head.finish()
    finally:
        if process.poll() is None:
            head.kill()

    assert code == 0, head.said()[-3000:]
    of_phenotype = [line for line in _job_states(slurm, plan) if "phenotype" in line]
    killed = [line for line in of_phenotype if "mem=100M" in line]
    assert len(killed) == 1
    assert all("JobState=FAILED" in x or "JobState=OUT_OF_MEMORY" in x for x in killed)
    assert any("mem=200M" in line for line in of_phenotype)
    assert_same_results(plan.output, expected, ["scores", "phenotype"])


def test_slurm__takes_jobs_back_at_an_interrupt_and_goes_on_later(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    expected: Path,
    start_workflow: Callable[..., Head],
):
    """Ctrl-C leaves no lock, and at most the job that was just being sent, for `cancel`."""
    slurm, study = empty_queue, make_study("interrupted")
    plan = _plan(study)
    head = start_workflow(study, *SCORES_ONLY, environment=slurm.environment)
    done = _keep_some_from_starting(slurm, plan, head.said)
    files = _files(done)

    head.interrupt()

    assert head.finish() != 0
    slurm.wait_until_empty()
    assert not is_locked(plan)
    slurm.let_jobs_start("UP")
    again = start_workflow(study, *SCORES_ONLY, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]
    assert files.items() <= _files(done).items()
    _assert_only_rest_is_done(again.said(), plan, done)
    assert_same_results(plan.output, expected, ["scores"])


def test_slurm__refuses_to_start_beside_jobs_that_were_sent_after_an_interrupt(
    empty_queue: Slurm,
    make_study: Callable[..., Path],
    start_workflow: Callable[..., Head],
    tmp_path: Path,
):
    """Snakemake first takes back what it has sent, then still sends what it was about to."""
    slurm, study = empty_queue, make_study("sending")
    plan = _plan(study)
    slow, first, next_, may_go_on = (tmp_path / name for name in ("sbatch", "1", "2", "go on"))
    sbatch = shutil.which("sbatch", path=slurm.environment["PATH"])
    # The first job is sent at once. Ctrl-C reaches a program that sends one, too.
    slow.write_text(f"""#!/bin/sh
trap "" INT
if ! mkdir '{first}' 2> /dev/null; then
    : > '{next_}'
    while [ ! -e '{may_go_on}' ]; do sleep 0.2; done
fi
exec {sbatch} "$@"
""")
    slow.chmod(0o755)
    environment = {**slurm.environment, "PATH": f"{tmp_path}:{slurm.environment['PATH']}"}
    slurm.let_jobs_start("DOWN")
    head = start_workflow(study, *SCORES_ONLY, environment=environment)
    wait_until(
        lambda: "has been submitted" in head.said() and next_.exists(),
        "a job that was sent, and another that is being sent",
    )

    head.interrupt()

    slurm.wait_until_empty()
    may_go_on.touch()
    assert head.finish() != 0
    assert not is_locked(plan)
    assert slurm.queue(job_prefix(plan)) == ["PENDING"] * 2
    refused = start_workflow(study, *SCORES_ONLY, environment=slurm.environment)
    assert refused.finish() == 2
    assert "2 jobs of an earlier run of this study are still in the queue" in refused.said()
    assert _command(slurm, "workflow", "cancel", str(study)).stdout == "cancelled 2 jobs\n"
    slurm.wait_until_empty()


HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "cluster.md"


def test_slurm__a_head_job_takes_its_jobs_back_before_its_end_and_goes_on_when_sent_again(
    empty_queue: Slurm, make_study: Callable[..., Path], expected: Path, tmp_path: Path
):
    """The script of the how-to: where login nodes forbid it, nobody is there for Ctrl-C."""
    slurm, study = empty_queue, make_study("head job")
    plan = _plan(study)
    (text,) = re.findall(r'```text title="head.sh"\n(.+?)```', HOW_TO.read_text(), re.DOTALL)
    assert text.count("run study.yaml --profile slurm") == 1
    options = shlex.join([str(study), *SCORES_ONLY])
    script = text.replace("run study.yaml --profile slurm", f"run {options}")

    def send(number: int) -> tuple[str, Path]:
        log = tmp_path / f"head{number}.log"
        log.touch()
        done = subprocess.run(
            ("sbatch", "--parsable", f"--output={log}"), input=script, env=slurm.environment,
            check=True, capture_output=True, text=True, timeout=HARD_LIMIT_SECONDS,
        )  # fmt: skip
        return done.stdout.strip(), log

    def is_in_state(job: str, *states: str) -> bool:
        shown = slurm.ask("scontrol", "show", "job", "--oneliner", job)
        return any(f"JobState={state} " in shown for state in states)

    job, log = send(1)
    done = _keep_some_from_starting(slurm, plan, log.read_text)
    files = _files(done)
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 120))
    slurm.ask("scontrol", "update", f"JobId={job}", f"EndTime={end}")

    wait_until(lambda: not is_in_state(job, "RUNNING", "COMPLETING"), "the end of the head")

    assert is_in_state(job, "FAILED"), log.read_text()[-3000:]
    slurm.wait_until_empty()
    assert not is_locked(plan)
    slurm.let_jobs_start("UP")
    job, log = send(2)
    slurm.wait_until_empty()
    assert is_in_state(job, "COMPLETED"), log.read_text()[-3000:]
    assert files.items() <= _files(done).items()
    _assert_only_rest_is_done(log.read_text(), plan, done)
    assert_same_results(plan.output, expected, ["scores"])


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
    subprocess.run(
        shlex.split(part[0].line()), env=slurm.environment, check=True, timeout=HARD_LIMIT_SECONDS
    )
    room = shutil.disk_usage(scores).free
    filler.write_bytes(bytes(room - 4096))
    files = _files(part[:1])

    by_hand = subprocess.run(
        shlex.split(part[1].line()), env=slurm.environment,
        capture_output=True, text=True, timeout=HARD_LIMIT_SECONDS, check=False,
    )  # fmt: skip
    head = start_workflow(study, *SCORES_ONLY, "--retries", "0", environment=slurm.environment)

    assert by_hand.returncode == 75, by_hand.stderr
    assert "error: no room left" in by_hand.stderr
    assert "make room" in by_hand.stderr
    assert head.finish() == 1
    assert f"workflow status {study}" in head.said()
    said = _command(slurm, "workflow", "status", str(study)).stdout
    assert "score_part part2 found no room left to write" in said
    assert set((scores / "parts").iterdir()) == set(files)
    assert _files(part[:1]) == files
    slurm.wait_until_empty()

    filler.unlink()
    again = start_workflow(study, *SCORES_ONLY, environment=slurm.environment)
    assert again.finish() == 0, again.said()[-3000:]
    assert _files(part[:1]) == files
    _assert_only_rest_is_done(again.said(), plan, part[:1])
    assert_same_results(plan.output, expected, ["scores"])


def test_slurm_arrays__give_the_values_of_a_local_run(
    empty_queue: Slurm, make_study: Callable[..., Path], expected: Path
):
    """The script needs nothing but sbatch; stages wait for those before them."""
    slurm, study = empty_queue, make_study("arrays", jobs={"models": "each"})
    script = _command(slurm, "plan", str(study), "--commands", "slurm-array").stdout

    subprocess.run(
        ("bash", "-s"), input=script, env=slurm.environment, text=True, check=True,
        timeout=HARD_LIMIT_SECONDS,
    )  # fmt: skip

    assert slurm.queue()
    slurm.wait_until_empty()
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

    said = [job.communicate(timeout=HARD_LIMIT_SECONDS)[0].strip() for job in jobs]

    assert said == ["[1] 1 1 1"] * 2, time.monotonic() - started
