"""Whom the models are of: relatives left out, and components made within each stratum."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.ancestry.kinship import THIRD_DEGREE
from pgs_trd.ancestry.unrelated import read_pairs, unrelated_set
from pgs_trd.errors import PgsTrdError, PgsTrdWarning
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.steps.ancestry import pca_step, prune_step, quality_step
from pgs_trd.steps.inputs import Target
from pgs_trd.steps.models import read_scores
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.tables import read_table, write_table, write_text


def makes_covariates(config: StudyConfig) -> bool:
    """Tell whether a study makes a table of covariates of its own."""
    return bool(config.components.names) or config.covariates.related is not None


def with_made_covariates(config: StudyConfig) -> StudyConfig:
    """Give the study whose models read the covariates that it makes, if it makes any."""
    if not makes_covariates(config):
        return config
    made = config.covariates.model_copy(
        update={
            "file": StudyFiles(config.output).covariates / "covariates.parquet",
            "columns": [*config.covariates.columns, *config.components.names],
        }
    )
    return config.model_copy(update={"covariates": made})


def covariate_options(config: StudyConfig) -> dict[str, Any]:
    """Give the options by which the covariates are made, as their sidecar has them."""
    related = config.covariates.related
    return config.components.model_dump(mode="json") | {
        "stratum": config.covariates.stratum,
        "related": None if related is None else related.name,
    }


def make_covariates(config: StudyConfig, *, threads: int | None) -> None:
    """Leave relatives out of the covariates, and fit components in each stratum.

    Of people with scores no two are related then: those who are resistant by the main definition
    stay before others. Components are fitted among them, of variants chosen in each stratum:
    common ones with few missing calls, outside the regions of long-range linkage disequilibrium
    where the build is told, pruned. Writes into ``covariates/`` the tables of each stratum, and
    `covariates.parquet`. A stratum in which none can be fitted has a warning, and no
    components.
    """
    files, chosen = StudyFiles(config.output), config.covariates
    covariates = read_table(chosen.file)
    scored = covariates["person_id"].isin(read_scores(files.scores).index)
    n_related = 0
    if chosen.related is not None:
        phenotype = read_table(files.records / "phenotype.parquet")
        resistant = set(phenotype.loc[phenotype["phenotype"] == "trd", "person_id"])
        people = covariates.loc[scored, "person_id"]
        choice = unrelated_set(
            list(people),
            read_pairs(chosen.related),
            first=people.isin(resistant).to_numpy(),
            max_kinship=THIRD_DEGREE,
        )
        left_out = choice.loc[choice["status"] != "ok", "person_id"]
        stays = ~covariates["person_id"].isin(left_out)
        covariates, scored, n_related = covariates[stays], scored[stays], len(left_out)
    strata = covariates[chosen.stratum] if chosen.stratum else pd.Series("all", covariates.index)
    if chosen.strata is not None:
        scored &= strata.astype(str).isin(chosen.strata)
    people = covariates.loc[scored, "person_id"]
    fitted = [
        table
        for label, ids in people.groupby(strata[scored].astype(str))
        for table in _fit(config, str(label), list(ids), files.covariates, threads)
    ]
    together = pd.concat(fitted) if fitted else pd.DataFrame({"person_id": []}, dtype=object)
    joined = covariates.merge(together, on="person_id", how="left", validate="one_to_one")
    out = files.covariates / "covariates.parquet"
    write_table(joined.reindex(columns=[*covariates.columns, *config.components.names]), out)
    inputs = [chosen.file, files.scores, *([chosen.related] if chosen.related else [])]
    described = describe_run("covariates", covariate_options(config), inputs, n_related=n_related)
    write_sidecar(described, out)


def _fit(
    config: StudyConfig, label: str, people: list[str], folder: Path, threads: int | None
) -> Iterator[pd.DataFrame]:
    """Fit the components of one stratum; nothing where that cannot be done, or is not asked."""
    if not config.components.names:
        return
    inside = folder / re.sub(r"[^\w-]+", "_", label)
    keep = inside / "people.txt"
    write_text("".join(f"{person}\n" for person in people), keep)
    source = config.components.genotypes or config.genotypes
    read = {one.name: getattr(config.scoring, one.name) for one in fields(Target)}
    unused = {"keep", "remove", "update_sex"} | (
        {"sample", "extract", "exclude"} if config.components.genotypes else set()
    )
    target = Target(
        **{name: value for name, value in read.items() if name not in unused}, keep=keep
    )
    build = config.components.genome_build
    quality, pruned = inside / "quality.parquet", inside / "pruned.parquet"
    try:
        quality_step(source, quality, target=target, threads=threads)
        prune_step(
            source, pruned, target=target, variants=quality, genome_build=build, threads=threads
        )
        pca = pca_step(
            source,
            inside / "components.parquet",
            target=target,
            variants=pruned,
            n_components=len(config.components.names),
            genome_build=build,
            threads=threads,
        )
    except PgsTrdError as error:
        warnings.warn(
            f"stratum {label!r} has no components, and is in no model adjusted for them: {error}",
            PgsTrdWarning,
            stacklevel=2,
        )
        return
    yield pca.scores.reset_index()
