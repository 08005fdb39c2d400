"""The estimates of a study again, under other definitions of who is resistant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.ehr import build_trials, open_codelists, open_ehr
from pgs_trd.models import associate, meta_analyse
from pgs_trd.phenotype import Definition, classify_grid, load_definition, load_grid
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.steps.models import meta_step, read_scores, write_estimates
from pgs_trd.steps.phenotype_options import plain_options
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.summaries import CLASSES
from pgs_trd.tables import read_table, write_table

CLASSES_MADE = "classes.parquet"
OF_THE_MODELS = ("person_id", "phenotype", "is_mdd")
POOLED_BY = ("definition", "contrast", "score")


def choose_definitions(config: StudyConfig) -> list[Definition]:
    """Give the main definition, the further ones and those of the grid, in this order."""
    chosen = [load_definition(config.definition)]
    chosen += [load_definition(name) for name in config.sensitivity.definitions or []]
    if config.sensitivity.grid is not None:
        chosen += load_grid(config.sensitivity.grid)
    return chosen


def class_options(config: StudyConfig) -> dict[str, Any]:
    """Give what decides everybody's class under each definition, as it stands in the sidecar."""
    return {
        "definitions": {one.id: one.hash for one in choose_definitions(config)},
        "codelists": open_codelists(config.records.codelists).hashes,
        **config.trials.of_building,
        **plain_options(config.trials.gates),
    }


def classify_under(
    config: StudyConfig, files: StudyFiles, *, threads: int | None, memory_mb: int | None
) -> dict[str, pd.DataFrame]:
    """Classify everybody under each definition; write who is of which class.

    Writes into ``sensitivity/``: `classes.parquet`, people by their class under each
    definition; `definitions.tsv`.

    Returns
    -------
    dict
        By definition what the models read: person_id, phenotype, is_mdd.
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
    classified = {
        name: one.table[list(OF_THE_MODELS)]
        for name, one in classify_grid(ehr, trials, definitions).items()
    }
    path = files.sensitivity / CLASSES_MADE
    write_table(_classes(classified), path)
    write_table(_describe(definitions, classified), path.with_name("definitions.tsv"))
    write_sidecar(describe_run("classes", class_options(config), []), path)
    return classified


def phenotype_part(files: StudyFiles, definition: str) -> Path:
    """Give where the classes under one definition lie for jobs that fit its models."""
    return files.sensitivity / "parts" / f"phenotype.{definition}.parquet"


def write_phenotypes(files: StudyFiles, classified: Mapping[str, pd.DataFrame]) -> None:
    """Write the classes under each definition as a table of its own."""
    for name, table in classified.items():
        write_table(table, phenotype_part(files, name))


def repeat_under(
    config: StudyConfig,
    files: StudyFiles,
    classified: Mapping[str, pd.DataFrame],
    *,
    threads: int | None,
) -> None:
    """Fit the models under each definition; write what comes out.

    Writes into ``sensitivity/``: `association.parquet`, one row a definition, stratum,
    contrast and score; `association_meta.parquet`, pooled over strata. A definition
    that leaves no cases or no controls has rows with a status.
    """
    asked = refit_options(config)
    covariates, scores = read_table(config.covariates.file), read_scores(files.scores)
    association = associate(classified, scores, covariates, part=True, threads=threads, **asked)
    out = files.sensitivity / "association.parquet"
    inputs = {
        "phenotype": [files.sensitivity / CLASSES_MADE],
        "scores": [files.scores],
        "covariates": [config.covariates.file],
    }
    write_estimates("associate", {"": association}, out, asked, inputs)
    method, pooled = config.models.meta_method, out.with_name("association_meta.parquet")
    meta_step(out, pooled, by=POOLED_BY, method=method)


def repeated_contrasts(config: StudyConfig) -> list[str]:
    """Give the contrasts whose models are fitted again."""
    return config.sensitivity.contrasts or config.contrasts[:1]


def refit_options(config: StudyConfig) -> dict[str, Any]:
    """Give the options of `associate` for models that are fitted again."""
    return {
        "contrasts": repeated_contrasts(config),
        "covariate_columns": config.covariates.columns,
        "stratum": config.covariates.stratum,
        "strata": config.covariates.strata,
        **config.models.of_logistic,
    }


def repeat_within(
    config: StudyConfig, files: StudyFiles, column: str, *, threads: int | None
) -> None:
    """Fit the models within each value of a covariate, and its interaction with the scores.

    Writes into ``sensitivity/``: `within.parquet`, pooled over strata, one row a value,
    contrast and score; `interaction.parquet`, one row a contrast, score and term of the
    interaction.
    """
    chosen = config.covariates
    asked = refit_options(config) | {"threads": threads}
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


def _classes(classified: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    first = next(iter(classified.values()))
    columns: dict[str, Any] = {"person_id": first["person_id"]}
    columns |= {name: table["phenotype"].to_numpy() for name, table in classified.items()}
    return pd.DataFrame(columns)


def _describe(
    definitions: list[Definition], classified: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    rows = []
    for one in definitions:
        counts = classified[one.id]["phenotype"].value_counts()
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
