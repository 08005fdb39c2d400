"""A study as jobs, each one public command with its files and what it needs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from pgs_trd import __version__
from pgs_trd.errors import UsageError
from pgs_trd.genotypes.filesets import expand_pattern, is_pattern
from pgs_trd.provenance import sidecar_path
from pgs_trd.scoring.files import beside
from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.results import StudyFiles
from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import write_text

FOLDER = "workflow"
PLAN_FILE = "plan.json"
THREADS, MEMORY = "--threads", "--mem-mb"
_GENOTYPE_ENDINGS = (".bed", ".bim", ".fam", ".pgen", ".pvar", ".pvar.zst", ".psam")


@dataclass(frozen=True)
class Job:
    """One command of a study.

    Attributes
    ----------
    stage
        Jobs of one stage need nothing of each other and may run at once.
    name
        Of the job within its stage; empty where it is the only one.
    command
        The words of the command, without `takes`.
    takes
        The options by which it is told the threads and the memory it may use.
    inputs, outputs
        Files it reads and writes; those that another job needs, and more.
    threads, mem_mb, minutes
        What to ask a scheduler for, at the first attempt.
    """

    stage: str
    name: str
    command: tuple[str, ...]
    takes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int = 1
    mem_mb: int = 2000
    minutes: int = 60

    def line(self) -> str:
        """Write the command as a line of a shell, with the threads and memory planned."""
        given = {THREADS: self.threads, MEMORY: self.mem_mb}
        return shlex.join([*self.command, *_options({name: given[name] for name in self.takes})])


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
    """

    study: Path
    output: Path
    jobs: tuple[Job, ...]
    files: Mapping[str, str]

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
    """Plan a study: one job a step, and scoring one a chromosome if each has its file.

    No genotype is read. What the jobs write is what `run_study` writes.

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
    files = StudyFiles(config.output.resolve())
    study = study.resolve()
    columns, texts = _record_columns(config, files)
    scoring = _score_jobs(config, files)
    phenotype = _phenotype_job(config, files, columns)
    models = _model_jobs(config, files)
    jobs = [*scoring, phenotype, *models]
    if _repeats(config, files):
        jobs.append(_sensitivity_job(config, files, study, phenotype))
    jobs.append(_report_job(config, files, study, jobs))
    return Plan(study, files.output, tuple(jobs), texts)


def _score_jobs(config: StudyConfig, files: StudyFiles) -> list[Job]:
    options = _changed(config.scoring)
    min_overlap = {name: options.pop(name) for name in ("min_overlap",) if name in options}
    weights = [word for path in _short(config.weights) for word in ("--weights", path)]
    read = [
        *config.weights,
        *(value for value in options.values() if isinstance(value, Path)),
    ]
    outputs = _tables(files.scores, "match", "summary")
    if not is_pattern(config.genotypes):
        command = ("pgs-trd", "score", str(config.genotypes), *weights)
        command += (*_options(options | min_overlap), "--out", str(files.scores))
        inputs = _names([*_genotype_files(config.genotypes), *read])
        return [Job("score", "", command, (THREADS,), inputs, outputs, threads=2)]
    jobs = []
    for member in expand_pattern(config.genotypes):
        out = files.scores.with_name("parts") / f"{_plain(member)}.parquet"
        command = ("pgs-trd", "score", str(member), *weights, *_options(options))
        command += ("--part", "--out", str(out))
        inputs = _names([*_genotype_files(member), *read])
        name = out.stem
        jobs.append(Job("score_part", name, command, (THREADS,), inputs, _names([out]), threads=2))
    parts = tuple(output for job in jobs for output in job.outputs)
    command = ("pgs-trd", "merge", *parts, *_options(min_overlap), "--out", str(files.scores))
    return [*jobs, Job("merge", "", command, (), parts, outputs, minutes=20)]


def _phenotype_job(config: StudyConfig, files: StudyFiles, columns: Path | None) -> Job:
    source = config.records.source
    tables = {"omop": source} if isinstance(source, Path) else source
    options: dict[str, Any] = {
        **tables,
        "columns": columns,
        "definition": config.definition,
        "origin": config.origin,
        **config.trials.model_dump(),
        **config.records.model_dump(include={"washout_days", "enrolment", "data_end"}),
        "out": files.records,
    }
    read = [file for path in tables.values() for file in _inside(path)]
    read += [Path(config.definition)] if Path(config.definition).is_file() else []
    further = [*(config.records.codelists or []), config.records.enrolment]
    read += [file for path in further if path is not None for file in _inside(path)]
    made = [files.records / name for name in ("trials.parquet", "phenotype.parquet",
                                              "follow_up.parquet", "attrition.tsv")]  # fmt: skip
    lists = [str(path) for path in config.records.codelists or []]
    repeated = [word for path in lists for word in ("--codelists", path)]
    command = ("pgs-trd", "phenotype", *_options(options), *repeated)
    takes = (THREADS, MEMORY)
    return Job("phenotype", "", command, takes, _names(read), _names(made), threads=2, mem_mb=4000)


def _model_jobs(config: StudyConfig, files: StudyFiles) -> list[Job]:
    covariates = config.covariates
    shared: dict[str, Any] = {
        "scores": files.scores,
        "covariates": covariates.file,
        "covariate_columns": covariates.columns,
        "stratum": covariates.stratum or "",
        "strata": covariates.strata,
    }
    association, progression = (
        files.models / f"{name}.parquet" for name in ("association", "progression")
    )
    phenotype, follow_up = (
        files.records / f"{name}.parquet" for name in ("phenotype", "follow_up")
    )
    logistic = {"phenotype": phenotype, "contrasts": config.contrasts, **shared}
    logistic |= {**config.models.of_logistic, "out": association}
    cox = {"follow_up": follow_up, **shared, **config.models.of_cox}
    cox |= {"tables": "ph_tests", "out": progression}
    read = [files.scores, covariates.file]
    commands = [("pgs-trd", "associate", *_options(logistic))]
    commands.append(("pgs-trd", "progression", *_options(cox)))
    first = Job("associate", "", commands[0], (THREADS,), _names([phenotype, *read]),
                _tables(association), threads=2)  # fmt: skip
    second = Job("progression", "", commands[1], (THREADS,), _names([follow_up, *read]),
                 _tables(progression, "ph_tests"), threads=2)  # fmt: skip
    by = {association: "contrast,score", progression: "score"}
    return [first, second, *(_meta_job(config, table, by[table]) for table in by)]


def _meta_job(config: StudyConfig, table: Path, by: str) -> Job:
    out = table.with_name(f"{table.stem}_meta.parquet")
    options = _options({"by": by, "method": config.models.meta_method, "out": out})
    command = ("pgs-trd", "meta", str(table), *options)
    inputs, outputs = _names([table]), _tables(out)
    return Job("meta", table.stem, command, (), inputs, outputs, mem_mb=1000, minutes=10)


def _sensitivity_job(config: StudyConfig, files: StudyFiles, study: Path, phenotype: Job) -> Job:
    command = ("pgs-trd", "run", str(study), "--steps", "sensitivity")
    read = _names([study, files.scores, config.covariates.file])
    inputs = (*read, *phenotype.inputs, *phenotype.outputs)
    made, takes = _names(_repeats(config, files)), (THREADS, MEMORY)
    return Job("sensitivity", "", command, takes, inputs, made, threads=2, mem_mb=4000)


def _repeats(config: StudyConfig, files: StudyFiles) -> list[Path]:
    """Give what the sensitivity analyses write in any case; of no definition need be estimates."""
    names = []
    if config.sensitivity.has_definitions:
        names += ["classes.parquet", "definitions.tsv"]
    if config.sensitivity.within is not None:
        names += ["within.parquet", "interaction.parquet"]
    return [files.sensitivity / name for name in names]


def _report_job(config: StudyConfig, files: StudyFiles, study: Path, before: Iterable[Job]) -> Job:
    command = ("pgs-trd", "run", str(study), "--steps", "report")
    given = [path for path in (config.traits, config.truth) if path is not None]
    read = _names([study, config.covariates.file, *given])
    inputs = (*read, *(output for job in before for output in job.outputs))
    made = _names([files.record, files.report / "report.html"])
    return Job("report", "", command, (), inputs, made, minutes=20)


def _record_columns(config: StudyConfig, files: StudyFiles) -> tuple[Path | None, dict[str, str]]:
    """Give the file of column names that `phenotype` reads, if the study has any."""
    if config.records.columns is None:
        return None, {}
    path = files.output / FOLDER / "columns.yaml"
    return path, {str(path): yaml.safe_dump(config.records.columns)}


def _changed(section: BaseModel) -> dict[str, Any]:
    """Give the options that are not at their default."""
    return {
        name: getattr(section, name)
        for name, field in type(section).model_fields.items()
        if getattr(section, name) != field.default
    }


def _options(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Write options as words; None and False are left out."""
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append(name if name.startswith("-") else f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(_word(name, value))
    return tuple(words)


def _word(name: str, value: Any) -> str:
    if isinstance(value, dict):
        sign = ":" if name == "splines" else "="
        pairs = [
            (key, one)
            for key, given in value.items()
            for one in (given if isinstance(given, list) else [given])
        ]
        return _joined(name, [f"{key}{sign}{one}" for key, one in pairs], sign)
    if isinstance(value, list):
        return _joined(name, [str(one) for one in value])
    return str(value)


def _joined(name: str, words: list[str], sign: str = "") -> str:
    if any("," in word or (sign and word.count(sign) > 1) for word in words):
        raise UsageError(
            f"{name}: a name with a comma or {sign or '='!r} in it cannot be given on a command "
            "line; rename the column, or use `pgs-trd run` without a workflow"
        )
    return ",".join(words)


def _short(weights: list[Path]) -> list[str]:
    """Give weight files, or their folder if they are all that is in it: a line has its limits."""
    folders = {path.parent for path in weights}
    if len(folders) == 1 and len(weights) > 1:
        folder = folders.pop()
        if list_weight_files([folder]) == weights:
            return [str(folder)]
    return [str(path) for path in weights]


def _plain(member: Path) -> str:
    """Give the name of a genotype file as a name of a job."""
    name = member.name
    for ending in (*_GENOTYPE_ENDINGS, ".bgen", ".vcf.gz", ".vcf", ".bcf"):
        name = name.removesuffix(ending)
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)


def _genotype_files(path: Path) -> list[Path]:
    base = path.with_suffix("") if path.suffix in (".bed", ".pgen") else path
    found = [base.with_name(base.name + ending) for ending in _GENOTYPE_ENDINGS]
    return [file for file in dict.fromkeys([path, *found]) if file.is_file()]


def _inside(path: Path) -> list[Path]:
    """Give the files of a folder, or the file: a folder's own time says little."""
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def _tables(out: Path, *companions: str) -> tuple[str, ...]:
    return _names([out, sidecar_path(out), *(beside(out, name) for name in companions)])


def _names(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(map(str, paths))
