"""Where a study writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyFiles:
    """Where the steps of a study write."""

    output: Path

    @property
    def scores(self) -> Path:
        """The table of scores."""
        return self.output / "scores" / "scores.parquet"

    @property
    def covariates(self) -> Path:
        """The folder of the covariates that the study makes, and of components."""
        return self.output / "covariates"

    @property
    def records(self) -> Path:
        """The folder of trials, classes and follow-up."""
        return self.output / "phenotype"

    @property
    def models(self) -> Path:
        """The folder of estimates."""
        return self.output / "models"

    @property
    def sensitivity(self) -> Path:
        """The folder of estimates under other definitions."""
        return self.output / "sensitivity"

    @property
    def record(self) -> Path:
        """What the run was made with."""
        return self.output / "study.json"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.output / "report"
