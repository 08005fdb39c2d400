"""What the models of the bias panel are fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pgs_trd.errors import PgsTrdError
from pgs_trd.models import associate
from pgs_trd.steps.models import read_scores
from pgs_trd.study.further import choose_scores
from pgs_trd.study.report_sections import Bias
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.tables import read_table

CONTRAST = "trd_vs_responsive"


class NotPossibleError(PgsTrdError):
    """A part of the panel asks for what the study does not have; the text says for what."""


@dataclass(frozen=True)
class BiasInputs:
    """The tables of a study, and the scores that its bias panel looks at.

    Attributes
    ----------
    config, files, threads, memory_mb
        Of the run.
    phenotype, follow_up, covariates
        One row a person.
    scores
        Of `names` only.
    """

    config: StudyConfig
    files: StudyFiles
    threads: int | None
    memory_mb: int | None
    phenotype: pd.DataFrame
    follow_up: pd.DataFrame
    covariates: pd.DataFrame
    scores: pd.DataFrame

    @classmethod
    def read(
        cls,
        config: StudyConfig,
        files: StudyFiles,
        *,
        threads: int | None,
        memory_mb: int | None,
    ) -> BiasInputs:
        """Read what the steps before have written; the score of depression comes first."""
        pooled = read_table(files.models / "association_meta.parquet")
        truth = read_table(config.truth) if config.truth else None
        names = choose_scores(pooled, config.contrasts[0], truth)
        depression = config.bias.mdd_score
        if depression is not None:
            names = [depression, *(name for name in names if name != depression)]
        return cls(
            config,
            files,
            threads,
            memory_mb,
            read_table(files.records / "phenotype.parquet"),
            read_table(files.records / "follow_up.parquet"),
            read_table(config.covariates.file),
            read_scores(files.scores)[names],
        )

    @property
    def asked(self) -> Bias:
        """What the study says of its panel."""
        return self.config.bias

    @property
    def names(self) -> list[str]:
        """The scores, in order."""
        return list(self.scores.columns)

    @property
    def shared(self) -> dict[str, Any]:
        """Options that all models have in common."""
        chosen = self.config.covariates
        return {
            "covariate_columns": chosen.columns,
            "stratum": chosen.stratum,
            "strata": chosen.strata,
            "threads": self.threads,
        }

    @property
    def of_cox(self) -> dict[str, Any]:
        """Options of the Cox models."""
        return self.config.models.of_cox

    def associate(self, approach: str, *, contrast: str = CONTRAST, **options: Any) -> pd.DataFrame:
        """Fit the logistic models of the study, some options changed, in every stratum."""
        given = {**self.shared, **self.config.models.of_logistic, **options}
        table = associate(
            given.pop("phenotype", self.phenotype),
            given.pop("scores", self.scores),
            given.pop("covariates", self.covariates),
            contrasts=[contrast],
            **given,
        )
        return table.assign(approach=approach)

    def with_covariates(self, more: pd.DataFrame) -> BiasInputs:
        """Add columns to the covariates; `more` has `person_id` and one row a person."""
        own = self.covariates.assign(person_id=self.covariates["person_id"].astype(str))
        added = more.assign(person_id=more["person_id"].astype(str))
        return replace(self, covariates=own.merge(added, on="person_id", how="left"))
