"""Classes, scores and distances to the variance explained in each ancestry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models import CONTRASTS, join_people
from pgs_trd.models.portability import portability_table
from pgs_trd.provenance import write_sidecar
from pgs_trd.steps.outputs import check_outputs, describe_inputs, stage_outputs
from pgs_trd.steps.score_columns import open_scores
from pgs_trd.tables import read_table, require_columns, write_table

DISTANCE = "genetic_distance"


def portability_step(
    phenotype: Path,
    scores: Path,
    covariates: Path,
    out: Path,
    *,
    covariate_columns: Sequence[str],
    contrast: str,
    stratum: str | None = "ancestry",
    distance: Path | None = None,
    n_bins: int = 5,
    prevalence: float | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Write how much of a contrast scores explain by stratum and by genetic distance.

    `distance` is a table with person_id and genetic_distance, as
    ``pgs-trd ancestry assign --distance-from`` writes it.
    """
    if contrast not in CONTRASTS:
        raise UsageError(f"contrast is {contrast!r}: it must be one of {', '.join(CONTRASTS)}")
    inputs = {"phenotype": [phenotype], "scores": [scores], "covariates": [covariates]}
    if distance is not None:
        inputs["distance"] = [distance]
    check_outputs(out, [path for paths in inputs.values() for path in paths], companions=())
    people = join_people(
        read_table(phenotype),
        open_scores(scores),
        read_table(covariates),
        subject="phenotype table",
        stratum=None,
        covariate_columns=covariate_columns,
        extra_columns=[] if stratum is None else [stratum],
        standardise="none",
    ).strata[0]
    result = portability_table(
        pd.Series(CONTRASTS[contrast].outcome(people.records), index=people.records.index),
        people.scores,
        people.covariates,
        strata=None if stratum is None else people.extras[stratum],
        distance=None if distance is None else _read_distance(distance),
        n_bins=n_bins,
        prevalence=prevalence,
        confidence=confidence,
    )
    options = {
        "covariate_columns": list(covariate_columns),
        "contrast": contrast,
        "stratum": stratum,
        "n_bins": n_bins,
        "prevalence": prevalence,
        "confidence": confidence,
    }
    with stage_outputs(out) as staged:
        write_table(result, staged)
        write_sidecar(describe_inputs("portability", options, inputs), staged)
    return result


def _read_distance(path: Path) -> pd.Series[float]:
    table = read_table(path)
    require_columns(table, ["person_id", DISTANCE], path.name)
    return table.set_index("person_id")[DISTANCE]
