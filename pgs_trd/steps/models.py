"""Scores, classes and follow-up to estimates, and their pooling."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning
from pgs_trd.models import associate, meta_analyse, progression
from pgs_trd.models.results import STANDING
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.tables import check_output, read_table, write_table


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score table; give it with the index `person_id`."""
    table = read_table(path)
    if "person_id" not in table.columns:
        raise DataError(f"{path.name}: no column 'person_id'; is it a table of scores?")
    return table.set_index("person_id")


def _warn_of_losses(result: pd.DataFrame) -> None:
    """Warn of people and models that are left out; nothing is dropped in silence."""
    people = result.attrs["people"]
    lost = {
        name.removeprefix("n_").replace("_", " "): count
        for name, count in people.items()
        if name.startswith("n_without") and count
    }
    if lost:
        reasons = ", ".join(f"{count:,} {name}" for name, count in lost.items())
        warnings.warn(
            f"{sum(lost.values()):,} of {people['n_records']:,} people are in no model: {reasons}",
            PgsTrdWarning,
            stacklevel=3,
        )
    failed = result.loc[~result["status"].isin(STANDING), "status"].value_counts()
    if len(failed):
        reasons = ", ".join(f"{count:,} {status}" for status, count in failed.items())
        warnings.warn(
            f"{failed.sum():,} of {len(result):,} models are without a number: {reasons}",
            PgsTrdWarning,
            stacklevel=3,
        )


def associate_step(
    phenotype: Path,
    scores: Path,
    covariates: Path,
    out: Path,
    *,
    covariate_columns: Sequence[str],
    contrasts: Sequence[str],
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Fit one logistic model a score, stratum and contrast; write one row a model."""
    check_output(out)
    options: dict[str, Any] = {
        "contrasts": list(contrasts),
        "covariate_columns": list(covariate_columns),
        "stratum": stratum,
        "strata": None if strata is None else list(strata),
    }
    result = associate(
        read_table(phenotype), read_scores(scores), read_table(covariates), **options
    )
    _warn_of_losses(result)
    write_table(result, out)
    options |= {str(name): value for name, value in result.attrs.items()}
    write_sidecar(describe_run("associate", options, [phenotype, scores, covariates]), out)
    return result


def progression_step(
    followed: Path,
    scores: Path,
    covariates: Path,
    out: Path,
    *,
    covariate_columns: Sequence[str],
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Fit one Cox model a score and stratum; write one row a model."""
    check_output(out)
    options: dict[str, Any] = {
        "covariate_columns": list(covariate_columns),
        "stratum": stratum,
        "strata": None if strata is None else list(strata),
    }
    result = progression(
        read_table(followed), read_scores(scores), read_table(covariates), **options
    )
    _warn_of_losses(result)
    write_table(result, out)
    options |= {str(name): value for name, value in result.attrs.items()}
    write_sidecar(describe_run("progression", options, [followed, scores, covariates]), out)
    return result


def meta_step(
    estimates: Path,
    out: Path,
    *,
    by: Sequence[str] | None = None,
    method: Literal["fixed", "dl"] = "fixed",
) -> pd.DataFrame:
    """Pool estimates over strata; write one row a group.

    Without `by`, within each contrast, where the table has contrasts, and score.
    """
    check_output(out)
    table = read_table(estimates)
    if by is None:
        by = [name for name in ("contrast", "score") if name in table.columns]
    result = meta_analyse(table, by=tuple(by), method=method)
    write_table(result, out)
    options = {"by": list(by), "method": method}
    write_sidecar(describe_run("meta", options, [estimates]), out)
    return result
