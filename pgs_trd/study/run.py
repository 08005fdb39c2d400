"""A whole study, from raw files to the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.provenance import describe_run, dump_description
from pgs_trd.report import render_report
from pgs_trd.steps.inputs import Target
from pgs_trd.steps.models import (
    AssociationOptions,
    FurtherTables,
    ProgressionOptions,
    associate_step,
    meta_step,
    progression_step,
)
from pgs_trd.steps.records import phenotype_step
from pgs_trd.steps.scores import score_step
from pgs_trd.study.bias import examine_bias
from pgs_trd.study.config import check_study, load_config
from pgs_trd.study.made_with import check_made_with, versions_made_with
from pgs_trd.study.people import make_covariates, makes_covariates, with_made_covariates
from pgs_trd.study.results import collect_results
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.sensitivity import (
    classify_under,
    repeat_under,
    repeat_within,
    write_phenotypes,
)
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.tables import read_table, write_table, write_text

Progress = Callable[[str, float], None]
Step = Literal[
    "scores", "phenotype", "covariates", "association", "progression", "sensitivity", "report"
]
STEPS: tuple[Step, ...] = get_args(Step)
Piece = Literal["classes", "within", "bias"]
"""Pieces of the step `sensitivity` that a job does alone, where others fit the models."""


def run_study(
    study: StudyConfig | str | Path,
    *,
    threads: int | None = None,
    memory_mb: int | None = None,
    progress: Progress | None = None,
    steps: Sequence[Step | Piece] | None = None,
) -> Path:
    """Run a study and give the path of its report.

    Every step's artefact is written into the study's output folder, as Parquet
    with a JSON sidecar of provenance, and the result tables as TSV too.

    Parameters
    ----------
    study
        A study file, or its content.
    threads, memory_mb
        Of the machine, for this run; default: what the scheduler allotted.
    progress
        Called with the name of a step and the share of it that is done.
    steps
        Some of the steps, whatever their order here; what the others make has to be there.
        Default: all. Of `sensitivity` also "classes", "within" or "bias" alone: the classes
        under other definitions for models that `associate` fits, the estimates within groups,
        the bias panel.

    Raises
    ------
    UsageError
        If the study file is wrong, a step has no such name, or the results of a step that
        is left out are not there or were made with other options.
    DataError
        If a file of the study is wrong, or a stratum has no cases.
    """
    config = study if isinstance(study, StudyConfig) else check_study(Path(study))
    chosen = STEPS if steps is None else steps
    run = _Run(config, threads, memory_mb, progress or _ignore)
    work: dict[Step | Piece, Callable[[], object]] = {
        "scores": run.score,
        "phenotype": run.phenotype,
        "covariates": run.choose,
        "association": run.associate,
        "progression": run.follow,
        "sensitivity": run.repeat,
        "classes": run.classify,
        "within": run.fit_within,
        "bias": run.examine,
        "report": run.finish,
    }
    if unknown := sorted(set(chosen) - set(work)):
        raise UsageError(f"no step {', '.join(unknown)}: the steps are {', '.join(STEPS)}")
    for name, do in work.items():
        if name in chosen:
            do()
    return run.files.report / "report.html"


def report_study(study: StudyConfig | str | Path) -> Path:
    """Write the report of a study again, from the results of its last run.

    Raises
    ------
    UsageError
        If the study file is wrong, results of a step are not there, or they were
        made with other options than the study file has now.
    """
    config = study if isinstance(study, StudyConfig) else load_config(Path(study))
    return _Run(config, None, None, _ignore).report()


def _ignore(_step: str, _share: float) -> None:
    """Take progress and show nothing."""


class _Run:
    """The files of one run, and the steps that fill them."""

    def __init__(
        self, config: StudyConfig, threads: int | None, memory_mb: int | None, progress: Progress
    ) -> None:
        self.given = config
        self.config = with_made_covariates(config)
        self.threads = threads
        self.memory_mb = memory_mb
        self.progress = progress
        self.files = StudyFiles(config.output)

    def score(self) -> None:
        self.progress("scores", 0.0)
        options = self.config.scoring.model_dump()
        target = Target(**{field.name: options.pop(field.name) for field in fields(Target)})
        score_step(
            self.config.genotypes,
            self.config.weights,
            self.files.scores,
            target=target,
            **options,
            threads=self.threads,
            progress=lambda share: self.progress("scores", share),
        )

    def phenotype(self) -> None:
        self.progress("phenotype", 0.0)
        phenotype_step(
            self.config.records.source,
            self.files.records,
            columns=self.config.records.columns,
            codelists=self.config.records.codelists,
            definition=self.config.definition,
            origin=self.config.origin,
            **self.config.trials.of_building,
            gates=self.config.trials.gates,
            followed=self.config.records.followed,
            threads=self.threads,
            memory_mb=self.memory_mb,
        )
        self.progress("phenotype", 1.0)

    def choose(self) -> None:
        if makes_covariates(self.given):
            self.progress("covariates", 0.0)
            make_covariates(self.given, threads=self.threads)
            self.progress("covariates", 1.0)

    def associate(self) -> None:
        self.progress("association", 0.0)
        covariates = self.config.covariates
        associate_step(
            self.files.records / "phenotype.parquet",
            self.files.scores,
            covariates.file,
            self.files.models / "association.parquet",
            covariate_columns=covariates.columns,
            contrasts=self.config.contrasts,
            stratum=covariates.stratum,
            strata=covariates.strata,
            options=AssociationOptions(**self.config.models.of_logistic, threads=self.threads),
        )
        self._pool("association", ("contrast", "score"))
        self.progress("association", 1.0)

    def follow(self) -> None:
        self.progress("progression", 0.0)
        covariates = self.config.covariates
        progression_step(
            self.files.records / "follow_up.parquet",
            self.files.scores,
            covariates.file,
            self.files.models / "progression.parquet",
            covariate_columns=covariates.columns,
            stratum=covariates.stratum,
            strata=covariates.strata,
            options=ProgressionOptions(**self.config.models.of_cox, threads=self.threads),
            further=FurtherTables(tables=("ph_tests",)),
        )
        self._pool("progression", ("score",))
        self.progress("progression", 1.0)

    def repeat(self) -> None:
        wanted = self.config.sensitivity
        if not wanted.has_definitions and wanted.within is None and not self.config.bias.panel:
            return
        self.progress("sensitivity", 0.0)
        if wanted.has_definitions:
            repeat_under(self.config, self.files, self._classes(), threads=self.threads)
        self.fit_within()
        self.examine()
        self.progress("sensitivity", 1.0)

    def classify(self) -> None:
        if self.config.sensitivity.has_definitions:
            write_phenotypes(self.files, self._classes())

    def _classes(self) -> dict[str, pd.DataFrame]:
        return classify_under(
            self.config, self.files, threads=self.threads, memory_mb=self.memory_mb
        )

    def fit_within(self) -> None:
        if self.config.sensitivity.within is not None:
            column = self.config.sensitivity.within
            repeat_within(self.config, self.files, column, threads=self.threads)

    def examine(self) -> None:
        if self.config.bias.panel:
            examine_bias(self.config, self.files, threads=self.threads, memory_mb=self.memory_mb)

    def _pool(self, name: str, by: tuple[str, ...]) -> None:
        meta_step(
            self.files.models / f"{name}.parquet",
            self.files.models / f"{name}_meta.parquet",
            by=by,
            method=self.config.models.meta_method,
        )

    def finish(self) -> None:
        """Record what the results were made with, write them as text too, and the report."""
        check_made_with(self.config, self.files)
        for name in ("association", "association_meta", "progression", "progression_meta"):
            table = read_table(self.files.models / f"{name}.parquet")
            write_table(table, self.files.models / f"{name}.tsv")
        self.record()
        self.report()

    def record(self) -> None:
        options = self.config.model_dump(mode="json", exclude={"output"})
        provenance = describe_run("run", options, _small_inputs(self.config))
        provenance["versions"] = versions_made_with(self.config, self.files)
        write_text(dump_description(provenance), self.files.record)

    def report(self) -> Path:
        self.progress("report", 0.0)
        results = collect_results(self.config, self.files)
        disclosure = self.config.disclosure
        path = render_report(
            results,
            self.files.report,
            threshold=disclosure.suppress_counts_up_to,
            round_to=disclosure.round_counts_to,
        )
        self.progress("report", 1.0)
        return path


def _small_inputs(config: StudyConfig) -> list[Path]:
    """Give the input files that the steps' own sidecars do not list."""
    return [
        path for path in (config.covariates.file, config.traits, config.truth) if path is not None
    ]
