"""A study as jobs, each one public command with its files and what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from pgs_trd import __version__
from pgs_trd.genotypes.filesets import (
    PLINK_ENDINGS,
    expand_pattern,
    find_plink_files,
    is_pattern,
)
from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.costs import Cost, Size
from pgs_trd.study.demands import estimate_jobs
from pgs_trd.study.jobs import (
    MEMORY,
    THREADS,
    Job,
    files_inside,
    path_names,
    plain_text,
    table_files,
)
from pgs_trd.study.model_jobs import model_jobs, sensitivity_jobs
from pgs_trd.study.people import makes_covariates, with_made_covariates
from pgs_trd.study.scatter import Scatter, scatter_study
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.sizes import measure_size
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.words import changed, option_words
from pgs_trd.tables import write_text

FOLDER = "workflow"
PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Plan:
    """The jobs of a study, each after those whose outputs it reads.

    Attributes
    ----------
    study
        The study file.
    output
        The folder the study writes into.
    jobs
        In an order in which they can run one after the other.
    files
        Small files that the commands read, by their path: their content.
    size
        How large the study is.
    costs
        What each job is expected to take; None where that was never measured.
    """

    study: Path
    output: Path
    jobs: tuple[Job, ...]
    files: Mapping[str, str]
    size: Size
    costs: tuple[Cost | None, ...]

    @property
    def folder(self) -> Path:
        """Where the plan, the logs and the state of a workflow lie."""
        return self.output / FOLDER

    def stages(self) -> dict[str, list[Job]]:
        """Give the jobs by stage, in order."""
        stages: dict[str, list[Job]] = {}
        for job in self.jobs:
            stages.setdefault(job.stage, []).append(job)
        return stages

    def write(self) -> Path:
        """Write the plan and its files into `folder`; give the path of the plan."""
        for name, text in self.files.items():
            write_text(text, Path(name))
        content = {
            "version": __version__,
            "study": str(self.study),
            "output": str(self.output),
            "jobs": [asdict(job) for job in self.jobs],
        }
        path = self.folder / PLAN_FILE
        write_text(json.dumps(content, indent=1) + "\n", path)
        return path


def plan_study(config: StudyConfig, study: Path) -> Plan:
    """Plan a study: one job a step, and more where it is large or its genotypes are many files.

    Scoring is one job a genotype file and batch of weight files, models are one a stratum and
    contrast, or a batch of definitions, as `scatter_study` decides. Of genotypes, weights and
    records only headers are read. What the jobs write is what `run_study` writes.

    Parameters
    ----------
    config
        The study, its paths absolute, as `load_config` gives it.
    study
        Its file.

    Raises
    ------
    UsageError
        If a name holds a comma or an equals sign that a command line would split.
    """
    given = config.model_copy(update={"output": config.output.resolve()})
    config, files = with_made_covariates(given), StudyFiles(given.output)
    study = study.resolve()
    columns, texts = _record_columns(config, files)
    scatter = scatter_study(given)
    scoring = _score_jobs(config, files, scatter)
    phenotype = _phenotype_job(config, files, columns)
    models = model_jobs(config, files, scatter)
    made = _covariate_jobs(given, files, study)
    jobs = [*scoring, phenotype, *made, *models]
    jobs += sensitivity_jobs(config, files, study, phenotype, scatter)
    jobs.append(_report_job(config, files, study, jobs))
    size = measure_size(config)
    costs = estimate_jobs(jobs, size)
    asking = [
        replace(job, mem_mb=cost.mem_mb, minutes=cost.minutes) if cost else job
        for job, cost in zip(jobs, costs, strict=True)
    ]
    return Plan(study, files.output, tuple(asking), texts, size, tuple(costs))


def _score_jobs(config: StudyConfig, files: StudyFiles, scatter: Scatter) -> list[Job]:
    options = changed(config.scoring)
    min_overlap = {name: options.pop(name) for name in ("min_overlap",) if name in options}
    read = [value for value in options.values() if isinstance(value, Path)]
    outputs = table_files(files.scores, "match", "summary")

    def job(stage: str, name: str, genotypes: Path, weights: Sequence[Path], *rest: str) -> Job:
        given = [word for path in _short(weights) for word in ("--weights", path)]
        command = ("pgs-trd", "score", str(genotypes), *given, *option_words(options), *rest)
        inputs = path_names([*_genotype_files(genotypes), *weights, *read])
        made = outputs if stage == "score" else path_names([Path(rest[-1])])
        return Job(stage, name, command, (THREADS,), inputs, made, threads=2)

    one_file, batches = not is_pattern(config.genotypes), scatter.batches
    if one_file and len(batches) == 1:
        rest = (*option_words(min_overlap), "--out", str(files.scores))
        return [job("score", "", config.genotypes, batches[0], *rest)]
    jobs = []
    for number, batch in enumerate(batches, start=1):
        for member in [config.genotypes] if one_file else expand_pattern(config.genotypes):
            name = _plain(member) + (f"-b{number}" if len(batches) > 1 else "")
            out = files.scores.with_name("parts") / f"{name}.parquet"
            jobs.append(job("score_part", name, member, batch, "--part", "--out", str(out)))
    parts = tuple(output for job in jobs for output in job.outputs)
    command = ("pgs-trd", "merge", *parts, *option_words(min_overlap), "--out", str(files.scores))
    return [*jobs, Job("merge", "", command, (), parts, outputs)]


def _covariate_jobs(config: StudyConfig, files: StudyFiles, study: Path) -> list[Job]:
    if not makes_covariates(config):
        return []
    command = ("pgs-trd", "run", str(study), "--steps", "covariates")
    read = [study, files.scores, files.records / "phenotype.parquet", config.covariates.file]
    read += [config.covariates.related] if config.covariates.related else []
    if config.components.names:
        source = config.components.genotypes or config.genotypes
        members = expand_pattern(source) if is_pattern(source) else [source]
        read += [file for member in members for file in _genotype_files(member)]
    inputs, made = path_names(read), table_files(files.covariates / "covariates.parquet")
    return [Job("covariates", "", command, (THREADS,), inputs, made, threads=2, mem_mb=4000)]


def _phenotype_job(config: StudyConfig, files: StudyFiles, columns: Path | None) -> Job:
    source = config.records.source
    tables = source if isinstance(source, dict) else {"omop": source}
    options: dict[str, Any] = {
        **tables,
        "columns": columns,
        "definition": config.definition,
        "origin": config.origin,
        **config.trials.model_dump(),
        **config.records.model_dump(include={"washout_days", "enrolment", "data_end"}),
        "out": files.records,
    }
    paths = [path for path in tables.values() if isinstance(path, Path)]
    read = [file for path in paths for file in files_inside(path)]
    read += [Path(config.definition)] if Path(config.definition).is_file() else []
    further = [*(config.records.codelists or []), config.records.enrolment]
    read += [file for path in further if path is not None for file in files_inside(path)]
    made = [files.records / name for name in ("trials.parquet", "phenotype.parquet",
                                              "follow_up.parquet", "attrition.tsv")]  # fmt: skip
    lists = [str(path) for path in config.records.codelists or []]
    repeated = [word for path in lists for word in ("--codelists", path)]
    command = ("pgs-trd", "phenotype", *option_words(options), *repeated)
    takes = (THREADS, MEMORY)
    return Job("phenotype", "", command, takes, path_names(read), path_names(made), threads=2)


def _report_job(config: StudyConfig, files: StudyFiles, study: Path, before: Iterable[Job]) -> Job:
    command = ("pgs-trd", "run", str(study), "--steps", "report")
    given = [path for path in (config.traits, config.truth) if path is not None]
    read = path_names([study, config.covariates.file, *given])
    inputs = (*read, *(output for job in before for output in job.outputs))
    made = path_names([files.record, files.report / "report.html"])
    return Job("report", "", command, (), inputs, made)


def _record_columns(config: StudyConfig, files: StudyFiles) -> tuple[Path | None, dict[str, str]]:
    """Give the file of column names that `phenotype` reads, if the study has any."""
    if config.records.columns is None:
        return None, {}
    path = files.output / FOLDER / "columns.yaml"
    return path, {str(path): yaml.safe_dump(config.records.columns)}


def _short(weights: Sequence[Path]) -> list[str]:
    """Give weight files, or their folder if they are all that is in it: a line has its limits."""
    folders = {path.parent for path in weights}
    if len(folders) == 1 and len(weights) > 1:
        folder = folders.pop()
        if list_weight_files([folder]) == list(weights):
            return [str(folder)]
    return [str(path) for path in weights]


def _plain(member: Path) -> str:
    """Give the name of a genotype file as a name of a job."""
    name = member.name
    for ending in (*PLINK_ENDINGS, ".bgen", ".vcf.gz", ".vcf", ".bcf"):
        name = name.removesuffix(ending)
    return plain_text(name)


def _genotype_files(path: Path) -> list[Path]:
    found = dict.fromkeys([path, *find_plink_files(path).values()])
    return [file for file in found if file.is_file()]
