"""The plan of a study: commands that make what `run_study` makes, and rules that run them."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

from pgs_trd.cli.app import app
from pgs_trd.errors import UsageError
from pgs_trd.simulate import Biobank
from pgs_trd.study import run_study, scatter
from pgs_trd.study.commands import write_dsub, write_shell, write_slurm_arrays
from pgs_trd.study.config import load_config
from pgs_trd.study.costs import read_constants
from pgs_trd.study.plan import Plan, plan_study
from pgs_trd.study.scatter import scatter_study
from pgs_trd.study.sensitivity import choose_definitions
from pgs_trd.study.site import PROGRAMS, examine_site
from pgs_trd.study.workflow import (
    describe_progress,
    find_profile,
    find_stopped,
    is_locked,
    job_prefix,
    run_workflow,
    workflow_folder,
)
from pgs_trd.tables import read_table, write_table


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> Path:
    return make_study("planned")


@pytest.fixture(scope="module")
def plan(study: Path) -> Plan:
    return plan_study(load_config(study), study)


def _changed(study: Path, tmp_path: Path, **changes: object) -> Plan:
    """Plan the study with some keys changed; its relative paths stay right."""
    content = yaml.safe_load(study.read_text()) | changes
    path = study.parent / f"{tmp_path.name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return plan_study(load_config(path), path)


def test_plan_study__scores_each_genotype_file_in_a_job_of_its_own(plan: Plan):
    """A chromosome is the piece that a cluster can work on alone."""
    stages = {stage: [job.name for job in jobs] for stage, jobs in plan.stages().items()}

    assert stages == {
        "score_part": ["part1", "part2", "part3"],
        "merge": [""],
        "phenotype": [""],
        "associate": [""],
        "progression": [""],
        "meta": ["association", "progression"],
        "sensitivity": [""],
        "report": [""],
    }
    part = plan.jobs[1]
    assert part.command[:3] == ("pgs-trd", "score", str(Path(part.inputs[0])))
    assert [Path(name).name for name in part.inputs[:3]] == ["part2.bed", "part2.bim", "part2.fam"]


def test_plan_study__lists_jobs_after_those_whose_outputs_they_read(plan: Plan):
    """The order is one in which they can run; every output is made once."""
    made: set[str] = set()
    everything = {path for job in plan.jobs for path in job.outputs}
    for job in plan.jobs:
        assert set(job.inputs) & everything <= made, job.stage
        assert not set(job.outputs) & made, job.stage
        made |= set(job.outputs)
    # What lies outside of the results has to be there before.
    outside = {path for job in plan.jobs for path in job.inputs} - made
    assert all(Path(path).is_file() for path in outside)


def test_plan_study__scores_one_file_in_one_job(study: Path, sources: Biobank, tmp_path: Path):
    """Without a set of files there is nothing to scatter, and nothing to merge."""
    plan = _changed(study, tmp_path, genotypes=str(sources.genotypes), sensitivity={}, bias={})

    assert "score" in plan.stages()
    assert not {"score_part", "merge", "sensitivity"} & set(plan.stages())


def test_plan_study__cuts_scores_and_models_where_the_study_file_says(study: Path, tmp_path: Path):
    """Chromosome by batch, stratum by contrast; each gathered by one job."""
    plan = _changed(study, tmp_path, jobs={"weight_files": 2, "models": "each"})
    stages = plan.stages()

    assert [job.name for job in stages["score_part"]] == [
        f"part{part}-b{batch}" for batch in (1, 2) for part in (1, 2, 3)
    ]
    assert stages["score_part"][0].command.count("--weights") == 1
    assert stages["score_part"][3].command.count("--weights") == 2
    assert len(stages["merge"][0].inputs) == 6
    contrasts = ("trd_vs_responsive", "trd_vs_none", "mdd_vs_none")
    assert [job.name for job in stages["associate_part"]] == [
        f"{number}-{name}"
        for number, name in enumerate(
            (f"{s}-{c}" for s in ("AFR", "EAS", "EUR") for c in contrasts), start=1
        )
    ]
    assert [job.name for job in stages["progression_part"]] == ["1-AFR", "2-EAS", "3-EUR"]
    line = stages["associate_part"][4].line()
    assert "--strata EAS" in line
    assert "--contrasts trd_vs_none" in line
    assert "associate" not in stages


def test_plan_study__cuts_definitions_where_the_study_file_says(study: Path, tmp_path: Path):
    """Classes once, the models of each definition apart, what is of the main one beside."""
    definitions = {"definitions": ["fabbri2021", "kim2020"], "within": "sex"}
    plan = _changed(study, tmp_path, jobs={"models": "each"}, sensitivity=definitions)
    stages = plan.stages()

    names = ("adequate2", "fabbri2021", "kim2020")
    (classes,), parts = stages["classes"], stages["sensitivity_part"]
    (stack,), (meta,) = stages["stack_sensitivity"], stages["meta_sensitivity"]
    (rest,) = stages["sensitivity"]
    assert classes.command[-2:] == ("--steps", "classes")
    assert [job.name for job in parts] == [f"{n}-{name}" for n, name in enumerate(names, start=1)]
    for job, name in zip(parts, names, strict=True):
        (file,) = [path for path in classes.outputs if f".{name}." in path]
        assert f"--phenotype {name}={file} --contrasts trd_vs_responsive --scores" in job.line()
        assert " --part " in job.line()
    assert stack.command[2:5] == tuple(job.outputs[0] for job in parts)
    assert "--by definition,contrast,score --method fixed" in meta.line()
    assert rest.command[-2:] == ("--steps", "within,bias")
    made = {Path(path).name for path in stack.outputs + meta.outputs}
    assert made == {f"association{name}.parquet{end}" for name in ("", "_meta")
                    for end in ("", ".json")}  # fmt: skip
    # Records are read in one job, and nothing that it does not need holds it up.
    assert not set(classes.inputs) & {path for job in plan.jobs for path in job.outputs}


def test_plan_study__makes_the_same_tables_whether_definitions_are_cut(study: Path, tmp_path: Path):
    """But for the parts, what jobs of a cluster leave is what one job leaves."""
    whole = _changed(study, tmp_path, jobs={"models": "one"})
    cut = _changed(study, tmp_path, jobs={"models": "each"})

    def made(plan: Plan) -> set[str]:
        paths = {path for job in plan.jobs for path in job.outputs}
        return {path for path in paths if "/sensitivity/" in path and "/parts/" not in path}

    assert made(cut) == made(whole)
    assert len(made(whole)) == 9
    assert "sensitivity_part" not in whole.stages()


def test_plan_study__refuses_an_id_that_a_command_line_would_split(study: Path, tmp_path: Path):
    """NAME=FILE of `a=b` would be a definition `a` of a file that nobody has."""
    text = (files("pgs_trd.phenotype") / "definitions" / "kim2020.yaml").read_text("utf-8")
    own = study.parent / "own.yaml"
    own.write_text(re.sub(r"(?m)^id: .*$", "id: a=b", text))
    sensitivity = {"definitions": ["own.yaml"]}

    with pytest.raises(UsageError, match=r"definition 'a=b': an id with '=' or '/'"):
        _changed(study, tmp_path, sensitivity=sensitivity, jobs={"models": "each"})
    plan = _changed(study, tmp_path, sensitivity=sensitivity, jobs={"models": "one"})
    (job,) = plan.stages()["sensitivity"]
    assert str(own) in job.inputs


def test_plan_study__prices_each_part_by_its_definitions(study: Path, tmp_path: Path):
    """A part holds its own definitions, the job of classes those of all and no scores."""
    grid = {"grid": "grid"}
    whole = _changed(study, tmp_path, jobs={"models": "one"}, sensitivity=grid)
    cut = _changed(study, tmp_path, jobs={"models": "each"}, sensitivity=grid)
    costs = {job.stage: cost for job, cost in zip(cut.jobs, cut.costs, strict=True)}
    assert all(cost is not None for cost in costs.values())
    constants = read_constants()["stages"]["sensitivity"]["memory"]
    people, n_scores = whole.size.people / 1e6, 3

    assert whole.size.definitions == 16
    assert costs["classes"].memory_mb == pytest.approx(
        constants["one"] + constants["classes"] * people * 16
    )
    assert costs["sensitivity_part"].memory_mb == pytest.approx(
        constants["one"] + constants["classes"] * people + constants["sums"] * people * n_scores
    )
    assert costs["sensitivity_part"].cpu_seconds < costs["classes"].cpu_seconds
    assert costs["sensitivity"].cpu_seconds == costs["sensitivity_part"].cpu_seconds
    assert costs["meta_sensitivity"] == costs["meta"]
    (job,) = cut.stages()["classes"]
    assert job.mem_mb >= 2000


def test_scatter_study__cuts_what_is_large(study: Path, monkeypatch: pytest.MonkeyPatch):
    """500 people and 3 scores are one job a stage; a thousand times that is not."""
    config = load_config(study)
    small = scatter_study(config)
    monkeypatch.setattr(scatter, "MOST_SUMS", 1000)
    monkeypatch.setattr(scatter, "MOST_FITS", 4000)
    large = scatter_study(config)

    assert [len(batch) for batch in small.batches] == [3]
    assert not small.splits_models
    assert [len(batch) for batch in large.batches] == [1, 2]
    assert large.strata == ("AFR", "EAS", "EUR")
    assert large.contrasts == ("trd_vs_responsive", "trd_vs_none", "mdd_vs_none")


def test_scatter_study__puts_as_many_definitions_into_a_job_as_it_can_hold(
    study: Path, monkeypatch: pytest.MonkeyPatch
):
    """500 people and 3 scores are 1,500 fits a definition and contrast; the grid has 16."""
    config = load_config(study)
    sensitivity = config.sensitivity.model_copy(update={"definitions": None, "grid": "grid"})
    config = config.model_copy(update={"sensitivity": sensitivity})

    def cut(most: int, **changes: object) -> list[int]:
        monkeypatch.setattr(scatter, "MOST_FITS", most)
        chosen = config.sensitivity.model_copy(update=changes)
        found = scatter_study(config.model_copy(update={"sensitivity": chosen})).definitions
        names = [name for batch in found for name in batch]
        assert names == ([one.id for one in choose_definitions(config)] if found else [])
        return [len(batch) for batch in found]

    assert cut(16 * 1_500) == []
    assert cut(16 * 1_500 - 1) == [8, 8]
    assert cut(6 * 1_500) == [5, 5, 6]
    assert cut(6 * 1_500, contrasts=["trd_vs_none", "mdd_vs_none"]) == [2, 3, 3, 2, 3, 3]
    assert cut(10) == [1] * 16
    assert cut(10, definitions=None, grid=None) == []


def test_plan_study__hands_every_option_of_the_study_to_a_command(study: Path, tmp_path: Path):
    """An option that is lost on the way to the cluster would change numbers in silence."""
    plan = _changed(
        study, tmp_path,
        scoring={"palindromes": "keep", "missing": "zero", "min_overlap": 0.5, "male_x": "0..1",
                 "p_thresholds": [5e-8, 0.05], "small_sample": True, "check_frequencies": False,
                 "columns": {"effect_weight": ["BETA", "OR"], "effect_allele": "A1"}},
        models={"method": "firth", "standardise": "controls", "splines": {"birth_year": 4},
                "se": "HC1", "meta_method": "dl", "min_events_per_parameter": 5},
        trials={"gap_days": 45}, origin="first_antidepressant",
    )  # fmt: skip
    lines = {job.stage: " ".join(job.command) for job in plan.jobs}

    for option in (
        "--palindromes keep", "--missing zero", "--male-x 0..1", "--p-thresholds 5e-08,0.05",
        "--small-sample --", "--no-check-frequencies",
        "--columns effect_allele=A1,effect_weight=BETA,effect_weight=OR",
    ):  # fmt: skip
        assert option in lines["score_part"]
    assert "--min-overlap 0.5" in lines["merge"]
    assert "--min-overlap" not in lines["score_part"]
    assert "--gap-days 45" in lines["phenotype"]
    assert "--origin first_antidepressant" in lines["phenotype"]
    for option in ("--method firth", "--se HC1", "--standardise controls",
                   "--splines birth_year:4", "--min-events-per-parameter 5.0"):  # fmt: skip
        assert option in lines["associate"]
    assert "--se robust" in lines["progression"]
    assert "--standardise stratum" in lines["progression"]
    assert "--method dl" in lines["meta"]


def test_plan_study__makes_components_before_the_models_that_they_are_in(
    study: Path, sources: Biobank, tmp_path: Path
):
    """Models are adjusted for them, and read them from the table that the job before wrote."""
    people = read_table(sources.covariates)[["person_id", "sex", "ancestry"]]
    write_table(people, study.parent / "few.tsv")
    chosen = {"file": "few.tsv", "columns": ["sex"]}
    made = {"number": 2, "genome_build": "GRCh38"}

    plan = _changed(study, tmp_path, covariates=chosen, components=made, bias={})

    stages = plan.stages()
    (job,) = stages["covariates"]
    line = stages["associate"][0].line()
    assert "--covariate-columns sex,PC1,PC2" in line
    assert f"--covariates {job.outputs[0]}" in line
    assert list(stages).index("covariates") < list(stages).index("associate")
    # Three strata, in genotypes by chromosome.
    run_study(plan.study, steps=["scores", "covariates"])
    table = read_table(Path(job.outputs[0]))
    assert list(table.columns) == ["person_id", "sex", "ancestry", "PC1", "PC2"]
    assert table[["PC1", "PC2"]].notna().all(axis=None)
    assert set(job.outputs) <= {str(path) for path in plan.output.rglob("*")}


def test_plan_study__hands_code_lists_and_follow_up_to_the_phenotype(study: Path, tmp_path: Path):
    """Each list is a word of its own."""
    content = yaml.safe_load(study.read_text())["records"]
    for name in ("own.tsv", "enrolment.tsv"):
        (study.parent / name).write_text("person_id\tdate\n")
    records = content | {
        "codelists": ["own.tsv"], "enrolment": "enrolment.tsv", "washout_days": 180,
        "data_end": "2020-12-31",
    }  # fmt: skip

    plan = _changed(study, tmp_path, records=records, trials={"dose_floor": True})

    (job,) = plan.stages()["phenotype"]
    line = job.line()
    for words in ("--washout-days 180", "--dose-floor", "--data-end 2020-12-31"):
        assert words in line
    for option, name in (("codelists", "own.tsv"), ("enrolment", "enrolment.tsv")):
        assert f"--{option} {study.parent / name}" in line
    assert str(study.parent / "own.tsv") in job.inputs


def test_plan_study__asks_for_what_the_size_of_each_job_takes(plan: Plan):
    """A part with more variants is expected to take longer; memory has room for Snakemake."""
    cost = dict(zip([(job.stage, job.name) for job in plan.jobs], plan.costs, strict=True))

    assert (plan.size.people, plan.size.variants, plan.size.parts) == (500, 1_000, 3)
    variants = [len(Path(plan.jobs[k].inputs[1]).read_text().splitlines()) for k in range(3)]
    seconds = [cost["score_part", f"part{k}"].cpu_seconds for k in (1, 2, 3)]
    assert np.argsort(seconds).tolist() == np.argsort(variants).tolist()
    for job, one in zip(plan.jobs, plan.costs, strict=True):
        assert (job.mem_mb, job.minutes) == (one.mem_mb, one.minutes)
        assert job.mem_mb >= one.memory_mb + 256
    assert {job.mem_mb for job in plan.jobs if "--mem-mb" in job.takes} == {2000}


def test_plan__of_a_study_thought_of_needs_no_files(run_plan: Callable[..., str], study: Path):
    """A cluster's time is asked for before there are data."""
    text = run_plan("--people", "500000", "--variants", "10000000")

    assert re.search(r"^score_part +22 +2 ", text, re.MULTILINE)
    assert "500,000 people, 10,000,000 variants, 61 scores" in text
    with pytest.raises(UsageError, match="both --people and --variants"):
        run_plan("--people", "500000")
    with pytest.raises(UsageError, match=r"those of study\.yaml"):
        run_plan(str(study), "--people", "5")


@pytest.fixture
def run_plan(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run `pgs-trd plan` in this process; give what it prints."""

    def run(*words: str) -> str:
        typer.main.get_command(app)(["plan", *words], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_plan_study__refuses_names_that_a_command_line_would_split(study: Path, tmp_path: Path):
    """A column `a,b` would become two others; the fault is said before any job is sent."""
    with pytest.raises(UsageError, match=r"columns: a name with a comma"):
        _changed(study, tmp_path, scoring={"columns": {"effect_weight": "BETA,SE"}})


def test_write_shell__is_a_script_of_every_job(plan: Plan):
    """The lines are the commands with what they may use."""
    script = write_shell(plan)

    subprocess.run(["sh", "-n"], input=script, text=True, check=True, timeout=30)
    lines = [line for line in script.splitlines() if line.startswith("pgs-trd ")]
    assert lines == [job.line() for job in plan.jobs]
    assert re.search(r"pgs-trd phenotype .* --threads 2 --mem-mb 2000$", script, re.MULTILINE)


def test_write_slurm_arrays__sends_a_stage_when_those_before_are_done(plan: Plan):
    """An array that starts too early fails, one that never starts says nothing."""
    script = write_slurm_arrays(plan)

    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=30)
    sent = {line.split("=")[0]: line for line in script.splitlines() if "$(sbatch" in line}
    assert list(sent) == list(plan.stages())
    assert "--array=1-3%50" in sent["score_part"]
    assert "--dependency" not in sent["score_part"] + sent["phenotype"]
    assert "--dependency=afterok:$score_part " in sent["merge"]
    assert "--dependency=afterok:$merge:$phenotype " in sent["associate"]


def test_write_dsub__has_a_row_for_each_job(plan: Plan):
    """A task of dsub is a row; the columns are its variables."""
    rows = list(csv.reader(io.StringIO(write_dsub(plan)), delimiter="\t"))

    assert rows[0] == ["--env STAGE", "--env JOB", "--env COMMAND"]
    assert [row[2] for row in rows[1:]] == [job.line() for job in plan.jobs]


def test_slurm_profile__avoids_the_defects_of_the_plugin():
    """Each of these once waited for ever or deleted results; see the file's comments."""
    profile = yaml.safe_load((find_profile("slurm") / "config.yaml").read_text())

    assert profile["executor"] == "slurm"
    assert profile["slurm-status-command"] == "squeue"
    assert profile["retries"] >= 1
    assert profile["rerun-incomplete"] is True
    # By the timespan Snakemake ends later than it could.
    assert re.fullmatch(r"\d+/1?\ds", profile["max-jobs-per-timespan"])
    assert not any("array" in key or "group" in key for key in profile)


def test_rules__ask_for_resources_and_leave_logs_and_benchmarks():
    """Without memory or time a rule gets the site's; with retries it repeats in one allocation."""
    rules = "".join(path.read_text() for path in (workflow_folder() / "rules").glob("*.smk"))
    bodies = re.split(r"^\s*rule (\w+):", rules, flags=re.MULTILINE)[1:]
    by_name = dict(zip(bodies[::2], bodies[1::2], strict=True))

    models = {"associate", "associate_part", "stack_association",
              "progression", "progression_part", "stack_progression", "meta"}  # fmt: skip
    others = {"score_part", "merge", "score", "covariates", "phenotype", "report", "sensitivity",
              "classes", "sensitivity_part", "stack_sensitivity", "meta_sensitivity"}  # fmt: skip
    assert set(by_name) == models | others
    for name, body in by_name.items():
        for part in ("threads:", "mem_mb=", "runtime=", "log:", "benchmark:", "shell:"):
            assert part in body, (name, part)
        for part in ("retries:", "script:", "run:", "group:", "checkpoint"):
            assert part not in body, (name, part)


@pytest.mark.parametrize("jobs", [{}, {"weight_files": 1, "models": "each"}])
def test_snakefile__passes_the_lint_of_snakemake(study: Path, tmp_path: Path, jobs: object):
    """Its rules are what users of Snakemake are used to read."""
    pytest.importorskip("snakemake")
    path = _changed(study, tmp_path, jobs=jobs).write()
    words = ("--snakefile", workflow_folder() / "Snakefile", "--lint", "--config", f"plan={path}")

    done = subprocess.run(
        (sys.executable, "-m", "snakemake", *words),
        capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefile__is_formatted():
    """As snakefmt would."""
    pytest.importorskip("snakefmt")
    words = (sys.executable, "-m", "snakefmt", "--check", workflow_folder())

    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr


def test_find_profile__names_those_there_are(tmp_path: Path):
    """A misspelt profile must not run hundreds of jobs on the login node."""
    with pytest.raises(UsageError, match=r"--profile slrum: neither one of local, slurm nor"):
        find_profile("slrum")
    (tmp_path / "config.yaml").write_text("executor: slurm\n")
    assert find_profile(str(tmp_path)) == tmp_path


def test_job_prefix__is_of_the_output_and_one_that_slurm_takes(study: Path, plan: Plan):
    """By it a later call finds the jobs of this study, and of no other."""
    assert re.fullmatch(r"pgs-[0-9a-f]{8}", job_prefix(plan))
    assert job_prefix(plan) == job_prefix(plan_study(load_config(study), study))


def test_run_workflow__does_not_start_beside_jobs_in_the_queue(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An interrupt leaves no lock, but jobs that were about to be sent, which write the same."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    squeue = tmp_path / "squeue"
    squeue.write_text(f"#!/bin/sh\necho '7|{job_prefix(plan)}_1|PENDING'\necho '8|other|RUNNING'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_locked(plan)

    with pytest.raises(UsageError, match=r"^1 jobs of an earlier run .* still in the queue"):
        run_workflow(plan, "slurm")


def test_describe_progress__counts_jobs_whose_files_are_all_there(
    make_study: Callable[..., Path],
):
    """Half of what a job writes is nothing done."""
    study = make_study("half")
    plan = plan_study(load_config(study), study)
    part, merge = plan.jobs[0], plan.jobs[3]
    for path in (*part.outputs, merge.outputs[0]):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()

    done = describe_progress(plan).set_index("stage")["n_done"]

    assert done["score_part"] == 1
    assert done.drop("score_part").sum() == 0
    assert not is_locked(plan)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("logs/phenotype.log", "error: no OMOP table\n", "phenotype stopped: no OMOP table"),
        ("logs/phenotype.log", "error: no room left for x\n", "phenotype found no room left"),
        (".snakemake/slurm_logs/rule_phenotype/7.log", "slurmstepd: Exceeded memory limit",
         "phenotype ran out of memory: --set-resources phenotype:mem_mb=8000"),
        (".snakemake/slurm_logs/rule_phenotype/7.log", "CANCELLED AT X DUE TO TIME LIMIT",
         "phenotype ran out of time: --set-resources phenotype:runtime=80"),
    ],
)  # fmt: skip
def test_find_stopped__tells_why_by_the_logs(
    study: Path, tmp_path: Path, file: str, text: str, said: str
):
    """Snakemake reports "Reason: Unknown" of a job that Slurm killed for its memory."""
    plan = dataclasses.replace(plan_study(load_config(study), study), output=tmp_path)
    (plan.folder / file).parent.mkdir(parents=True)
    (plan.folder / file).write_text(f"phenotype ...\n{text}")

    (line,) = find_stopped(plan)

    assert line.startswith(said)


def test_examine_site__names_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """On a machine without Slurm each program is named, with what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))

    site = examine_site().set_index("subject")

    assert set(site.loc[list(PROGRAMS), "verdict"]) == {"missing"}
    assert site.loc["which", "advice"].endswith("Snakemake stops under every profile")
    assert site.loc["sinfo", "advice"].startswith("needed for --profile slurm only")
    assert "MinJobAge" not in site.index


@pytest.mark.parametrize("absent", PROGRAMS)
def test_examine_site__tells_of_one_program_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, absent: str
):
    """The plugin fails with a traceback in the middle of a study; the others are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in set(PROGRAMS) - {absent}:
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)

    site = examine_site().set_index("subject")

    verdicts = site.loc[list(PROGRAMS), "verdict"]
    assert verdicts.index[verdicts == "missing"].tolist() == [absent]
    assert ("slurm" in site.index) == (absent not in ("scontrol", "sinfo"))
