"""A whole study, from raw files to the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pgs_trd.provenance import describe_run, dump_description
from pgs_trd.report import render_report
from pgs_trd.steps.models import associate_step, meta_step, progression_step
from pgs_trd.steps.records import phenotype_step
from pgs_trd.steps.scores import score_step
from pgs_trd.study.config import StudyConfig, load_config
from pgs_trd.study.results import StudyFiles, collect_results
from pgs_trd.tables import write_table, write_text

Progress = Callable[[str, float], None]


def run_study(
    study: StudyConfig | str | Path,
    *,
    threads: int | None = None,
    memory_mb: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run a whole study and give the path of its report.

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

    Raises
    ------
    UsageError
        If the study file is wrong.
    DataError
        If a file of the study is wrong, or a stratum has no cases.
    """
    run = _Run(_config(study), threads, memory_mb, progress or _ignore)
    run.score()
    run.phenotype()
    run.associate()
    run.follow()
    run.record()
    return run.report()


def report_study(study: StudyConfig | str | Path) -> Path:
    """Write the report of a study again, from the results of its last run.

    Raises
    ------
    UsageError
        If the study file is wrong, results of a step are not there, or they were
        made with other options than the study file has now.
    """
    return _Run(_config(study), None, None, _ignore).report()


def _config(study: StudyConfig | str | Path) -> StudyConfig:
    return study if isinstance(study, StudyConfig) else load_config(Path(study))


def _ignore(_step: str, _share: float) -> None:
    """Take progress and show nothing."""


class _Run:
    """The files of one run, and the steps that fill them."""

    def __init__(
        self, config: StudyConfig, threads: int | None, memory_mb: int | None, progress: Progress
    ) -> None:
        self.config = config
        self.threads = threads
        self.memory_mb = memory_mb
        self.progress = progress
        self.files = StudyFiles(config.output)

    def score(self) -> None:
        self.progress("scores", 0.0)
        options = self.config.scoring
        score_step(
            self.config.genotypes,
            self.config.weights,
            self.files.scores,
            columns=options.columns,
            palindromes=options.palindromes,
            missing=options.missing,
            min_overlap=options.min_overlap,
            threads=self.threads,
            progress=lambda share: self.progress("scores", share),
        )

    def phenotype(self) -> None:
        self.progress("phenotype", 0.0)
        phenotype_step(
            self.config.records.source,
            self.files.records,
            columns=self.config.records.columns,
            definition=self.config.definition,
            origin=self.config.origin,
            **self.config.trials.model_dump(),
            threads=self.threads,
            memory_mb=self.memory_mb,
        )
        self.progress("phenotype", 1.0)

    def associate(self) -> None:
        self.progress("association", 0.0)
        covariates = self.config.covariates
        estimates = associate_step(
            self.files.records / "phenotype.parquet",
            self.files.scores,
            covariates.file,
            self.files.models / "association.parquet",
            covariate_columns=covariates.columns,
            contrasts=self.config.contrasts,
            stratum=covariates.stratum,
            strata=covariates.strata,
        )
        write_table(estimates, self.files.models / "association.tsv")
        self._pool("association", ("contrast", "score"))
        self.progress("association", 1.0)

    def follow(self) -> None:
        self.progress("progression", 0.0)
        covariates = self.config.covariates
        estimates = progression_step(
            self.files.records / "follow_up.parquet",
            self.files.scores,
            covariates.file,
            self.files.models / "progression.parquet",
            covariate_columns=covariates.columns,
            stratum=covariates.stratum,
            strata=covariates.strata,
        )
        write_table(estimates, self.files.models / "progression.tsv")
        self._pool("progression", ("score",))
        self.progress("progression", 1.0)

    def _pool(self, name: str, by: tuple[str, ...]) -> None:
        pooled = meta_step(
            self.files.models / f"{name}.parquet", self.files.models / f"{name}_meta.parquet", by=by
        )
        write_table(pooled, self.files.models / f"{name}_meta.tsv")

    def record(self) -> None:
        options = self.config.model_dump(mode="json", exclude={"output"})
        provenance = describe_run("run", options, _small_inputs(self.config))
        write_text(dump_description(provenance), self.files.record)

    def report(self) -> Path:
        self.progress("report", 0.0)
        results = collect_results(self.config, self.files)
        path = render_report(
            results, self.files.report, threshold=self.config.suppress_counts_up_to
        )
        self.progress("report", 1.0)
        return path


def _small_inputs(config: StudyConfig) -> list[Path]:
    """Give the input files that the steps' own sidecars do not list."""
    return [
        path for path in (config.covariates.file, config.traits, config.truth) if path is not None
    ]
