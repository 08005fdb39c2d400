"""Whether the results on disk were made with the options that a study has now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgs_trd.ehr import open_codelists
from pgs_trd.errors import UsageError
from pgs_trd.provenance import sidecar_path
from pgs_trd.steps.phenotype_options import plain_options
from pgs_trd.study.bias import ESTIMATES
from pgs_trd.study.people import covariate_options, makes_covariates
from pgs_trd.study.scatter import list_strata
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.sensitivity import (
    CLASSES_MADE,
    choose_definitions,
    class_options,
    refit_options,
)
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.tables import read_table

_OF_SCORES = ("palindromes", "missing", "min_overlap", "by", "scale", "male_x", "p_thresholds")


def check_made_with(config: StudyConfig, files: StudyFiles) -> None:
    """Check the tables that earlier steps left, before what was made of them is recorded.

    Raises
    ------
    UsageError
        If a table is not there, its step had other options than the study has now, or
        estimates of a definition are missing.
    """
    for table, options in _expected(config, files):
        made_with = _read_sidecar(table)["options"]
        if options.get("strata", "") is None and made_with.get("strata") == list_strata(
            config.covariates
        ):
            made_with["strata"] = None  # jobs of a stratum each, stacked
        changed = sorted(name for name, value in options.items() if made_with.get(name) != value)
        if changed:
            raise UsageError(
                f"{table.name} was made with other options: {', '.join(changed)} changed since. "
                "Run its step again"
            )
    if config.sensitivity.has_definitions:
        _check_definitions(config, files.sensitivity / "association.parquet")


def _check_definitions(config: StudyConfig, table: Path) -> None:
    """Refuse estimates that parts of some definitions were stacked to, or of other ones."""
    found = set(read_table(table)["definition"])
    if odd := sorted(found ^ {one.id for one in choose_definitions(config)}):
        raise UsageError(
            f"{table.name} in {table.parent} has other definitions than the study: "
            f"{', '.join(odd)} are in one of the two only. Run its step again"
        )


def versions_made_with(config: StudyConfig, files: StudyFiles) -> dict[str, str]:
    """Give the versions that the steps recorded; several of one library with commas.

    They are those of the results: what this process happens to have loaded says
    nothing of how they were made.

    Raises
    ------
    UsageError
        If a table is not there.
    """
    found: dict[str, set[str]] = {}
    for table, _ in _expected(config, files):
        for library, version in _read_sidecar(table)["versions"].items():
            found.setdefault(library, set()).add(str(version))
    return {library: ", ".join(sorted(found[library])) for library in sorted(found)}


def _read_sidecar(table: Path) -> dict[str, Any]:
    sidecar = sidecar_path(table)
    if not sidecar.is_file():
        raise UsageError(f"no {table.name} in {table.parent}: run the steps before")
    content: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    return content


def _expected(config: StudyConfig, files: StudyFiles) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give each table with the options that its step should have had."""
    yield files.scores, config.scoring.model_dump(include=set(_OF_SCORES))
    if makes_covariates(config):
        yield files.covariates / "covariates.parquet", covariate_options(config)
    records = {
        "origin": config.origin,
        "codelists": open_codelists(config.records.codelists).hashes,
        **config.trials.of_building,
        **plain_options(config.trials.gates),
        **plain_options(config.records.followed),
    }
    if not config.definition.endswith((".yaml", ".yml")):  # a file has its id inside
        records["definition"] = config.definition
    yield files.records / "phenotype.parquet", records
    shared = {
        "covariate_columns": config.covariates.columns,
        "stratum": config.covariates.stratum,
        "strata": config.covariates.strata,
    }
    logistic = config.models.of_logistic | shared | {"contrasts": config.contrasts}
    yield files.models / "association.parquet", logistic
    yield files.models / "progression.parquet", config.models.of_cox | shared
    pooled = {"method": config.models.meta_method}
    for name in ("association_meta", "progression_meta"):
        yield files.models / f"{name}.parquet", pooled
    if config.sensitivity.has_definitions:
        yield files.sensitivity / CLASSES_MADE, class_options(config)
        yield files.sensitivity / "association.parquet", refit_options(config)
        yield files.sensitivity / "association_meta.parquet", pooled
    if config.bias.panel:
        yield files.sensitivity / ESTIMATES, config.bias.model_dump()
