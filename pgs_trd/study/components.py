"""Principal components within each stratum, where the covariates have none."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pandas as pd

from pgs_trd.errors import PgsTrdError, PgsTrdWarning
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.steps.ancestry import pca_step, prune_step, quality_step
from pgs_trd.steps.inputs import Target
from pgs_trd.steps.models import read_scores
from pgs_trd.study.results import StudyFiles
from pgs_trd.study.sections import StudyConfig
from pgs_trd.tables import read_table, write_table, write_text


def with_components(config: StudyConfig) -> StudyConfig:
    """Give the study whose models are adjusted for the components that it makes, too."""
    names = config.components.names
    if not names:
        return config
    made = config.covariates.model_copy(
        update={
            "file": StudyFiles(config.output).components / "covariates.parquet",
            "columns": [*config.covariates.columns, *names],
        }
    )
    return config.model_copy(update={"covariates": made})


def make_components(config: StudyConfig, *, threads: int | None) -> None:
    """Fit components among the people of each stratum who have scores.

    Variants are chosen in each stratum: common ones with few missing calls, outside the regions
    of long-range linkage disequilibrium where the build is told, pruned. Writes into
    ``components/`` the tables of each stratum, and the covariates with the components
    beside them. A stratum in which none can be fitted has a warning, and no components.
    """
    files, chosen = StudyFiles(config.output), config.covariates
    covariates = read_table(chosen.file)
    scored = covariates["person_id"].isin(read_scores(files.scores).index)
    strata = covariates[chosen.stratum] if chosen.stratum else pd.Series("all", covariates.index)
    if chosen.strata is not None:
        scored &= strata.astype(str).isin(chosen.strata)
    people = covariates.loc[scored, "person_id"]
    fitted = [
        table
        for label, ids in people.groupby(strata[scored].astype(str))
        for table in _fit(config, str(label), list(ids), files.components, threads)
    ]
    together = pd.concat(fitted) if fitted else pd.DataFrame({"person_id": []}, dtype=object)
    joined = covariates.merge(together, on="person_id", how="left", validate="one_to_one")
    out = files.components / "covariates.parquet"
    write_table(joined.reindex(columns=[*covariates.columns, *config.components.names]), out)
    options = config.components.model_dump(mode="json") | {"stratum": chosen.stratum}
    write_sidecar(describe_run("components", options, [chosen.file, files.scores]), out)


def _fit(
    config: StudyConfig, label: str, people: list[str], folder: Path, threads: int | None
) -> Iterator[pd.DataFrame]:
    """Fit the components of one stratum; nothing where that cannot be done."""
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
