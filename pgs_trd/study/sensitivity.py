"""The estimates of a study again, under other definitions of who is resistant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pgs_trd.ehr import build_trials, open_codelists, open_ehr
from pgs_trd.errors import DataError
from pgs_trd.models import associate, meta_analyse
from pgs_trd.phenotype import Definition, Phenotype, classify_grid, load_definition, load_grid
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.steps.models import read_scores
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.summaries import CLASSES
from pgs_trd.tables import read_table, write_table


def choose_definitions(config: StudyConfig) -> list[Definition]:
    """Give the main definition, the further ones and those of the grid, in this order."""
    chosen = [load_definition(config.definition)]
    chosen += [load_definition(name) for name in config.sensitivity.definitions or []]
    if config.sensitivity.grid is not None:
        chosen += load_grid(config.sensitivity.grid)
    return chosen


def repeat_under(
    config: StudyConfig, files: StudyFiles, *, threads: int | None, memory_mb: int | None
) -> None:
    """Classify everybody and fit the models under each definition; write what comes out.

    Writes into ``sensitivity/``: `association.parquet`, one row a definition, stratum,
    contrast and score; `association_meta.parquet`, pooled over strata; `classes.parquet`,
    people by their class under each definition; `definitions.tsv`. A definition
    that leaves no cases or no controls in any stratum has no estimates.
    """
    ehr = open_ehr(
        config.records.source,
        columns=config.records.columns,
        codelists=open_codelists(config.records.codelists),
        threads=threads,
        memory_mb=memory_mb,
    )
    trials = config.trials.gates.apply(ehr, build_trials(ehr, **config.trials.of_building))
    definitions = choose_definitions(config)
    classified = classify_grid(ehr, trials, definitions)
    covariates, scores = read_table(config.covariates.file), read_scores(files.scores)
    contrasts = config.sensitivity.contrasts or config.contrasts[:1]
    parts = [
        part
        for name, phenotype in classified.items()
        for contrast in contrasts
        for part in _associate(name, phenotype, scores, covariates, config, contrast)
    ]
    folder = files.sensitivity
    if parts:
        association = pd.concat(parts, ignore_index=True)
        by = ("definition", "contrast", "score")
        pooled = meta_analyse(association, by=by, method=config.models.meta_method)
        write_table(association, folder / "association.parquet")
        write_table(pooled, folder / "association_meta.parquet")
    write_table(_classes(classified), folder / "classes.parquet")
    write_table(_describe(definitions, classified), folder / "definitions.tsv")
    options = config.sensitivity.model_dump() | {"contrasts": contrasts}
    inputs = [config.covariates.file, files.scores]
    write_sidecar(describe_run("sensitivity", options, inputs), folder / "classes.parquet")


def repeat_within(
    config: StudyConfig, files: StudyFiles, column: str, *, threads: int | None
) -> None:
    """Fit the models within each value of a covariate, and its interaction with the scores.

    Writes into ``sensitivity/``: `within.parquet`, pooled over strata, one row a value,
    contrast and score; `interaction.parquet`, one row a contrast, score and term of the
    interaction.
    """
    chosen = config.covariates
    asked: dict[str, Any] = {
        "contrasts": config.sensitivity.contrasts or config.contrasts[:1],
        "covariate_columns": chosen.columns,
        "stratum": chosen.stratum,
        "strata": chosen.strata,
        "threads": threads,
        **config.models.of_logistic,
    }
    phenotype = read_table(files.records / "phenotype.parquet")
    covariates, scores = read_table(chosen.file), read_scores(files.scores)
    method = config.models.meta_method
    split = associate(phenotype, scores, covariates, within=column, **asked)
    pooled = meta_analyse(split, by=("within", "contrast", "score"), method=method)
    crossed = associate(phenotype, scores, covariates, interaction=[column], **asked)
    terms = crossed[crossed["term"].str.contains(":", regex=False)]
    tested = meta_analyse(terms, by=("contrast", "score", "term"), method=method)
    for table, name in ((pooled, "within"), (tested, "interaction")):
        path = files.sensitivity / f"{name}.parquet"
        write_table(table, path)
        inputs = [chosen.file, files.scores, files.records / "phenotype.parquet"]
        write_sidecar(describe_run("sensitivity", asked | {"within": column}, inputs), path)


def _associate(
    name: str,
    phenotype: Phenotype,
    scores: pd.DataFrame,
    covariates: pd.DataFrame,
    config: StudyConfig,
    contrast: str,
) -> list[pd.DataFrame]:
    """Fit the models of one definition; nothing if no stratum has cases and controls."""
    chosen = config.covariates
    try:
        estimates = associate(
            phenotype.table,
            scores,
            covariates,
            contrasts=[contrast],
            covariate_columns=chosen.columns,
            stratum=chosen.stratum,
            strata=chosen.strata,
            **config.models.of_logistic,
        )
    except DataError:
        return []
    return [estimates.assign(definition=name)]


def _classes(classified: Mapping[str, Phenotype]) -> pd.DataFrame:
    first = next(iter(classified.values())).table
    columns: dict[str, Any] = {"person_id": first["person_id"]}
    columns |= {name: one.table["phenotype"].to_numpy() for name, one in classified.items()}
    return pd.DataFrame(columns)


def _describe(definitions: list[Definition], classified: Mapping[str, Phenotype]) -> pd.DataFrame:
    rows = []
    for one in definitions:
        counts = classified[one.id].table["phenotype"].value_counts()
        rows.append(
            {
                "definition": one.id,
                "version": one.version,
                "hash": one.hash,
                "title": one.title,
                **{f"n_{name}": int(counts.get(name, 0)) for name in CLASSES},
            }
        )
    return pd.DataFrame(rows)
