"""The models of a study as jobs: those of the main definition, and the further analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pgs_trd.errors import UsageError
from pgs_trd.study.bias import ESTIMATES, PARTS_MADE
from pgs_trd.study.jobs import MEMORY, THREADS, Job, path_names, plain_text, table_files
from pgs_trd.study.scatter import Scatter
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.sensitivity import CLASSES_MADE, POOLED_BY, phenotype_part, repeated_contrasts
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.words import option_words


def model_jobs(config: StudyConfig, files: StudyFiles, scatter: Scatter) -> list[Job]:
    """Plan association and progression under the main definition, and their pooling."""
    association, progression = (
        files.models / f"{name}.parquet" for name in ("association", "progression")
    )
    phenotype, follow_up = (
        files.records / f"{name}.parquet" for name in ("phenotype", "follow_up")
    )
    shared = _shared(config, files)
    logistic = {"phenotype": phenotype, "contrasts": config.contrasts, **shared}
    logistic |= {**config.models.of_logistic, "out": association}
    cox = {"follow_up": follow_up, **shared, **config.models.of_cox}
    cox |= {"tables": "ph_tests", "out": progression}
    jobs = [
        *_fitting_jobs("associate", logistic, phenotype, scatter.strata, scatter.contrasts),
        *_fitting_jobs("progression", cox, follow_up, scatter.strata, (None,)),
    ]
    by = {association: "contrast,score", progression: "score"}
    return [*jobs, *(_meta_job(config, table, by[table]) for table in by)]


def _shared(config: StudyConfig, files: StudyFiles) -> dict[str, Any]:
    """Give the options that the commands of all models have."""
    covariates = config.covariates
    return {
        "scores": files.scores,
        "covariates": covariates.file,
        "covariate_columns": covariates.columns,
        "stratum": covariates.stratum or "",
        "strata": covariates.strata,
    }


def _fitting_jobs(
    command: str,
    options: Mapping[str, Any],
    records: Path,
    strata: Sequence[str | None],
    contrasts: Sequence[str | None],
) -> list[Job]:
    """Plan the models of a table: one job, or one a stratum and contrast and one that stacks."""
    companions = ("ph_tests",) if command == "progression" else ()
    out: Path = options["out"]
    inputs = path_names([records, options["scores"], options["covariates"]])

    def job(stage: str, name: str, more: Mapping[str, Any], path: Path) -> Job:
        words = option_words({**options, **more, "out": path})
        made = table_files(path, *companions)
        return Job(stage, name, ("pgs-trd", command, *words), (THREADS,), inputs, made, threads=2)

    if len(strata) * len(contrasts) == 1:
        return [job(command, "", {}, out)]
    jobs = []
    for number, (stratum, contrast) in enumerate(product(strata, contrasts), start=1):
        given = {"strata": stratum, "contrasts": contrast}
        more = {name: [value] for name, value in given.items() if value is not None}
        name = plain_text("-".join([str(number), *(value for (value,) in more.values())]))
        path = out.with_name("parts") / f"{command}-{name}.parquet"
        jobs.append(job(f"{command}_part", name, {**more, "part": True}, path))
    return [*jobs, _stack_job(f"stack_{out.stem}", jobs, out, *companions)]


def _stack_job(stage: str, parts: Sequence[Job], out: Path, *companions: str) -> Job:
    words = ("pgs-trd", "merge", *(job.outputs[0] for job in parts), "--out", str(out))
    read = tuple(path for job in parts for path in job.outputs)
    return Job(stage, "", words, (), read, table_files(out, *companions))


def _meta_job(config: StudyConfig, table: Path, by: str, stage: str = "meta") -> Job:
    out = table.with_name(f"{table.stem}_meta.parquet")
    options = option_words({"by": by, "method": config.models.meta_method, "out": out})
    command = ("pgs-trd", "meta", str(table), *options)
    name = table.stem if stage == "meta" else ""
    return Job(stage, name, command, (), path_names([table]), table_files(out))


def sensitivity_jobs(
    config: StudyConfig, files: StudyFiles, study: Path, phenotype: Job, scatter: Scatter
) -> list[Job]:
    """Plan the sensitivity analyses: one job; or the classes, batches of definitions, the rest.

    Parameters
    ----------
    phenotype
        The job that reads the same records.
    """
    folder, rest = files.sensitivity, {}
    if config.sensitivity.within is not None:
        rest["within"] = _two_tables(folder, "within", "interaction")
    if config.bias.panel:
        rest["bias"] = path_names([folder / ESTIMATES, folder / PARTS_MADE])
    jobs = []
    steps, made = list(rest), [name for names in rest.values() for name in names]
    if scatter.definitions:
        jobs = _definition_jobs(config, files, study, phenotype, scatter)
    elif config.sensitivity.has_definitions:
        steps = ["sensitivity"]
        made += [*_class_files(folder), *_two_tables(folder, "association", "association_meta")]
    if steps:
        command = ("pgs-trd", "run", str(study), "--steps", ",".join(steps))
        read = path_names([study, files.scores, config.covariates.file, *_own_rules(config)])
        inputs = (*read, *phenotype.inputs, *phenotype.outputs)
        if config.bias.panel:
            inputs += table_files(files.models / "association_meta.parquet")
        takes = (THREADS, MEMORY)
        jobs.append(Job("sensitivity", "", command, takes, inputs, tuple(made), threads=2))
    return jobs


def _class_files(folder: Path) -> tuple[str, ...]:
    return (*table_files(folder / CLASSES_MADE), str(folder / "definitions.tsv"))


def _two_tables(folder: Path, one: str, other: str) -> tuple[str, ...]:
    return table_files(folder / f"{one}.parquet") + table_files(folder / f"{other}.parquet")


def _definition_jobs(
    config: StudyConfig, files: StudyFiles, study: Path, phenotype: Job, scatter: Scatter
) -> list[Job]:
    """Plan one job for the classes, one a batch of definitions, and what gathers them."""
    parts = {name: phenotype_part(files, name) for batch in scatter.definitions for name in batch}
    if odd := [name for name in parts if "=" in name or "/" in name]:
        raise UsageError(
            f"definition {odd[0]!r}: an id with '=' or '/' cannot be given on a command line; "
            "change it, or say jobs.models: one"
        )
    command = ("pgs-trd", "run", str(study), "--steps", "classes")
    made = (*_class_files(files.sensitivity), *path_names(parts.values()))
    read = (*path_names([study, *_own_rules(config)]), *phenotype.inputs)
    classes = Job("classes", "", command, (THREADS, MEMORY), read, made, threads=2)
    shared = _shared(config, files) | config.models.of_logistic
    options = {"contrasts": repeated_contrasts(config), **shared, "part": True}
    jobs = []
    for number, batch in enumerate(scatter.definitions, start=1):
        ends = dict.fromkeys((batch[0], batch[-1]))
        name = plain_text("-".join([str(number), *ends]))
        out = files.sensitivity / "parts" / f"associate-{name}.parquet"
        given = [word for one in batch for word in ("--phenotype", f"{one}={parts[one]}")]
        words = ("pgs-trd", "associate", *given, *option_words({**options, "out": out}))
        inputs = path_names([*(parts[one] for one in batch), files.scores, config.covariates.file])
        jobs.append(
            Job("sensitivity_part", name, words, (THREADS,), inputs, table_files(out), threads=2)
        )
    out = files.sensitivity / "association.parquet"
    pooled = _meta_job(config, out, ",".join(POOLED_BY), "meta_sensitivity")
    return [classes, *jobs, _stack_job("stack_sensitivity", jobs, out), pooled]


def _own_rules(config: StudyConfig) -> list[Path]:
    """Give the files of the user's own among the further definitions."""
    named = map(Path, config.sensitivity.definitions or [])
    return [path for path in named if path.is_file()]
