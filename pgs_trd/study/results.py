"""What the steps of a study left on disk, gathered for its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models import survival_curves
from pgs_trd.provenance import sidecar_path
from pgs_trd.report import StudyResults
from pgs_trd.steps.models import read_scores
from pgs_trd.steps.scores import beside
from pgs_trd.study.bias import bias_parts, bias_tables
from pgs_trd.study.further import (
    choose_scores,
    hazards_table,
    incidence_of_causes,
    odds_of_groups,
    within_table,
)
from pgs_trd.study.literature import find_scores, read_published
from pgs_trd.study.panels import count_in_squares
from pgs_trd.study.quality import quality_tables
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.summaries import count_classes, describe_cohort, merge_covariates
from pgs_trd.tables import read_table

# What a report may choose anew; everything else was settled when the results were made.
OF_THE_REPORT = {
    "title", "traits", "curve_score", "published", "disclosure", "jobs", "truth", "output",
}  # fmt: skip


def collect_results(config: StudyConfig, files: StudyFiles) -> StudyResults:
    """Read the results of a study and make what its report is written from.

    Class counts and Table 1 are of the people whom the models could use: with
    scores, covariates and a stratum.

    Raises
    ------
    UsageError
        If the study has not been run, or was run with other options.
    """
    if not files.record.is_file():
        raise UsageError(f"no results in {files.output}: run the study first")
    provenance = json.loads(files.record.read_text(encoding="utf-8"))
    _check_same_options(config, provenance["options"])
    covariates = read_table(config.covariates.file)
    scores = read_scores(files.scores)
    people = merge_covariates(
        read_table(files.records / "phenotype.parquet"),
        covariates,
        scores.index,
        config.covariates.stratum,
        config.covariates.strata,
    )
    association = read_table(files.models / "association.parquet")
    progression = read_table(files.models / "progression.parquet")
    follow_up = read_table(files.records / "follow_up.parquet")
    truth = read_table(config.truth) if config.truth else None
    meta = read_table(files.models / "association_meta.parquet")
    traits = _traits(config, scores)
    looked_at = choose_scores(meta, config.contrasts[0], truth)
    further = (
        *quality_tables(
            people,
            scores,
            covariates,
            config.covariates,
            contrast=config.contrasts[0],
            names=looked_at,
            splines=config.models.splines,
        ),
        odds_of_groups(
            people,
            scores,
            covariates,
            config.covariates,
            contrast=config.contrasts[0],
            names=looked_at,
            threshold=config.disclosure.suppress_counts_up_to,
        ),
        within_table(files.sensitivity, config.sensitivity.within),
        hazards_table(beside(files.models / "progression.parquet", "ph_tests")),
        *bias_tables(config, files),
    )
    return StudyResults(
        title=config.title,
        association=association,
        meta=meta,
        progression=progression,
        progression_meta=read_table(files.models / "progression_meta.parquet"),
        curves=survival_curves(
            follow_up,
            scores,
            covariates,
            score=config.curve_score,
            stratum=config.covariates.stratum,
            strata=config.covariates.strata,
        ),
        attrition=read_table(files.records / "attrition.tsv"),
        match_summary=read_table(beside(files.scores, "summary")),
        class_counts=count_classes(people),
        characteristics=describe_cohort(people),
        traits=traits,
        truth=truth,
        conventions=_conventions(config, files, association, progression)
        | _repeated(files.sensitivity / "definitions.tsv"),
        provenance=provenance,
        sensitivity=_read_if_there(files.sensitivity / "association_meta.parquet"),
        definitions=_read_if_there(files.sensitivity / "definitions.tsv"),
        incidence=incidence_of_causes(follow_up, pd.Index(people["person_id"])),
        components=count_in_squares(people, covariates, config.covariates.columns),
        published=_published(config, traits),
        further=tuple(table for table in further if table is not None),
        bias=bias_parts(config, files),
    )


def _check_same_options(config: StudyConfig, made_with: Mapping[str, Any]) -> None:
    """Raise a UsageError if a report would describe other choices than those made."""
    asked = config.model_dump(mode="json", exclude=OF_THE_REPORT)
    changed = sorted(key for key, value in asked.items() if made_with.get(key) != value)
    if changed:
        raise UsageError(
            f"the results in the study's output were made with other options: "
            f"{', '.join(changed)} changed since. Run the study again"
        )


def _read_if_there(path: Path) -> pd.DataFrame:
    return read_table(path) if path.is_file() else pd.DataFrame()


def _repeated(definitions: Path) -> dict[str, int]:
    """Say under how many other definitions the estimates were repeated, if any."""
    return {"repeated_under": len(read_table(definitions)) - 1} if definitions.is_file() else {}


def _traits(config: StudyConfig, scores: pd.DataFrame) -> pd.DataFrame:
    """Give trait and domain of each score; without a table the name is the trait."""
    if config.traits is not None:
        return read_table(config.traits, text_columns=("score", "trait", "domain"))
    return pd.DataFrame({"score": scores.columns, "trait": scores.columns, "domain": "all"})


def _published(config: StudyConfig, traits: pd.DataFrame) -> pd.DataFrame:
    if config.published is None:
        return pd.DataFrame()
    return find_scores(read_published(config.published), traits)


def _conventions(
    config: StudyConfig, files: StudyFiles, association: pd.DataFrame, progression: pd.DataFrame
) -> dict[str, Any]:
    """Give the choices in force, as the steps recorded them."""
    phenotype = json.loads(sidecar_path(files.records / "phenotype.parquet").read_text())
    logistic, cox = association.attrs["conventions"], progression.attrs["conventions"]
    return {
        **config.scoring.model_dump(exclude={"columns"}),
        **phenotype["options"],
        "covariates": list(config.covariates.columns),
        "stratum": config.covariates.stratum,
        "standardise": logistic["standardise"],
        "se": logistic["se"],
        "ties": cox["ties"],
        "meta_method": config.models.meta_method,
        "planned_scores": config.models.planned_scores,
        "related": config.covariates.related,
        "components_made": config.components.number,
        **config.replication.model_dump(),
        "curve_score": config.curve_score,
        "mdd_score": config.bias.mdd_score if config.bias.panel else None,
        "negative_controls": config.bias.negative_controls if config.bias.panel else None,
        "people in class counts and Table 1": "those with scores, covariates and a stratum",
    }
