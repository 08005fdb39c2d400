"""A study through Snakemake on this machine: the values of `run_study`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from pgs_trd.study.config import load_config
from pgs_trd.study.jobs import Job
from pgs_trd.study.plan import plan_study
from pgs_trd.study.workflow import cancel_workflow
from pgs_trd.tables import read_table

from .conftest import HARD_LIMIT_SECONDS, Head, assert_same_results, program_path, wait_until

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
    """Chromosome by batch of weight files, stratum by contrast, by definition, by a shell."""
    study = make_study("many jobs", jobs=EACH)
    environment = {**os.environ, "PATH": program_path()}
    script = subprocess.run(
        ("pgs-trd", "plan", study, "--commands", "sh"),
        env=environment, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert script.count("pgs-trd score ") == 6
    assert script.count("pgs-trd associate ") == 9 + 2

    done = subprocess.run(
        ("sh", "-s"), input=script, env=environment, capture_output=True, text=True,
        timeout=HARD_LIMIT_SECONDS, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    assert_same_results(study.parent / "results", expected)


@needs_snakemake
def test_workflow__killed_among_parts_goes_on_where_it_was(
    make_study: Callable[..., Path], expected: Path, start_workflow: Callable[..., Head]
):
    """A part that is done stays as it is; the tables are those of a run that nobody killed."""
    study = make_study("killed", jobs={"models": "each"})
    parts = study.parent / "results" / "sensitivity" / "parts"
    plan = plan_study(load_config(study), study)
    finished = re.compile(r"Finished jobid: \d+ \(Rule: sensitivity_part\)")

    head = start_workflow(study, "--profile", "local")
    wait_until(lambda: bool(finished.search(head.said())), "a part")
    head.kill()

    done = {path: path.stat().st_mtime_ns for path in parts.glob("associate-*.json")}
    assert done
    assert not (study.parent / "results" / "report" / "report.html").exists()
    cancel_workflow(plan)
    again = start_workflow(study, "--profile", "local")
    assert again.finish() == 0, again.said()[-3000:]
    assert min(path.stat().st_mtime_ns for path in parts.glob("associate-*.json")) in done.values()
    assert_same_results(study.parent / "results", expected)


def test_commands__of_definitions_give_the_tables_of_one_job_bit_by_bit(
    make_study: Callable[..., Path], expected: Path
):
    """Whatever is pooled or drawn from them is then the same, too; a part less is refused."""
    study = make_study("cut definitions", jobs={"models": "each"})
    results = study.parent / "results"
    for folder in ("scores", "phenotype", "models"):
        shutil.copytree(expected / folder, results / folder)
    stages = plan_study(load_config(study), study).stages()
    (classes,), parts = stages["classes"], stages["sensitivity_part"]
    (stack,), (meta,) = stages["stack_sensitivity"], stages["meta_sensitivity"]

    def run(*jobs: Job) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("sh", "-e"), input="\n".join(job.line() for job in jobs), capture_output=True,
            text=True, timeout=HARD_LIMIT_SECONDS, check=False,
            env={**os.environ, "PATH": program_path()},
        )  # fmt: skip

    assert run(classes, parts[1]).returncode == 0
    early = run(stack)
    assert early.returncode == 2
    assert f"no such file: {parts[0].outputs[0]}" in early.stderr
    assert not Path(stack.outputs[0]).exists()
    done = run(parts[0], stack, meta)

    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("association.parquet", "association_meta.parquet", "classes.parquet",
                 "definitions.tsv"):  # fmt: skip
        found, whole = (read_table(one / "sensitivity" / name) for one in (results, expected))
        assert_frame_equal(found, whole, check_exact=True, obj=name)
        assert found.attrs == whole.attrs
    assert found["definition"].tolist() == ["adequate2", "fabbri2021"]
