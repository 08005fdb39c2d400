"""The models of a study as jobs: those of the main definition, and the further analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pgs_trd.study.bias import ESTIMATES, PARTS_MADE
from pgs_trd.study.jobs import MEMORY, THREADS, Job, path_names, plain_text, table_files
from pgs_trd.study.scatter import Scatter
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.words import option_words


def model_jobs(config: StudyConfig, files: StudyFiles, scatter: Scatter) -> list[Job]:
    """Plan association and progression under the main definition, and their pooling."""
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
    jobs = [
        *_fitting_jobs("associate", logistic, phenotype, scatter.strata, scatter.contrasts),
        *_fitting_jobs("progression", cox, follow_up, scatter.strata, (None,)),
    ]
    by = {association: "contrast,score", progression: "score"}
    return [*jobs, *(_meta_job(config, table, by[table]) for table in by)]


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
    parts = tuple(job.outputs[0] for job in jobs)
    read = tuple(path for job in jobs for path in job.outputs)
    words = ("pgs-trd", "merge", *parts, "--out", str(out))
    made = table_files(out, *companions)
    return [*jobs, Job(f"stack_{out.stem}", "", words, (), read, made)]


def _meta_job(config: StudyConfig, table: Path, by: str) -> Job:
    out = table.with_name(f"{table.stem}_meta.parquet")
    options = option_words({"by": by, "method": config.models.meta_method, "out": out})
    command = ("pgs-trd", "meta", str(table), *options)
    inputs, outputs = path_names([table]), table_files(out)
    return Job("meta", table.stem, command, (), inputs, outputs)


def sensitivity_job(config: StudyConfig, files: StudyFiles, study: Path, phenotype: Job) -> Job:
    """Plan the sensitivity analyses."""
    command = ("pgs-trd", "run", str(study), "--steps", "sensitivity")
    read = path_names([study, files.scores, config.covariates.file])
    inputs = (*read, *phenotype.inputs, *phenotype.outputs)
    if config.bias.panel:
        inputs += table_files(files.models / "association_meta.parquet")
    made, takes = path_names(list_repeated(config, files)), (THREADS, MEMORY)
    return Job("sensitivity", "", command, takes, inputs, made, threads=2)


def list_repeated(config: StudyConfig, files: StudyFiles) -> list[Path]:
    """Give what the sensitivity analyses write in any case; of no definition need be estimates."""
    names = []
    if config.sensitivity.has_definitions:
        names += ["classes.parquet", "definitions.tsv"]
    if config.sensitivity.within is not None:
        names += ["within.parquet", "interaction.parquet"]
    if config.bias.panel:
        names += [ESTIMATES, PARTS_MADE]
    return [files.sensitivity / name for name in names]
