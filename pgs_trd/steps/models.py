"""Scores, classes and follow-up to estimates, and their pooling."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.ancestry.unrelated import read_pairs
from pgs_trd.errors import PgsTrdWarning, UsageError
from pgs_trd.models import associate, meta_analyse, progression, progression_tables
from pgs_trd.models.cox import CoxErrors, CoxInterval, CoxMethod, Ties
from pgs_trd.models.logistic import LogisticErrors, LogisticMethod
from pgs_trd.models.meta import MetaInterval, MetaMethod
from pgs_trd.models.people import Standardise
from pgs_trd.models.plans import MIN_EVENTS_PER_PARAMETER
from pgs_trd.models.progression_tables import DEFAULT_DAYS, ProgressionTable
from pgs_trd.models.proportional_hazards import Transform
from pgs_trd.models.results import STANDING
from pgs_trd.models.term_fits import Interval
from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring.files import beside
from pgs_trd.steps.outputs import check_outputs, describe_inputs, stage_outputs
from pgs_trd.steps.score_columns import open_scores, read_scores
from pgs_trd.tables import check_output, read_table, write_table

__all__ = [
    "AssociationOptions",
    "CommonOptions",
    "FurtherTables",
    "ProgressionOptions",
    "associate_step",
    "meta_step",
    "progression_step",
    "read_scores",
]

PROGRESSION_COMPANIONS = ("ph_tests", "percentiles", "fine_gray", "restricted_means")
KEYS = ("definition", "within", "contrast", "score", "term")


@dataclass(frozen=True)
class CommonOptions:
    """What association and progression can be asked for alike; see `associate`.

    Attributes
    ----------
    reference, related
        Files of the tables of these names.
    part
        Whether the tables are parts of a study's, for `merge_step`.
    """

    standardise: Standardise = "stratum"
    reference: Path | None = None
    splines: Mapping[str, int] | None = None
    within: str | None = None
    interaction: Sequence[str] = ()
    related: Path | None = None
    cluster: str | None = None
    confidence: float = 0.95
    min_events_per_parameter: float = MIN_EVENTS_PER_PARAMETER
    threads: int | None = None
    part: bool = False


@dataclass(frozen=True)
class AssociationOptions(CommonOptions):
    """Options of `associate`."""

    method: LogisticMethod = "auto"
    se: LogisticErrors = "model"
    interval: Interval = "wald"


@dataclass(frozen=True)
class ProgressionOptions(CommonOptions):
    """Options of `progression`."""

    ties: Ties = "efron"
    method: CoxMethod = "auto"
    se: CoxErrors = "model"
    interval: CoxInterval = "wald"


@dataclass(frozen=True)
class FurtherTables:
    """Which tables of `progression_tables` are wanted, and their options."""

    tables: Sequence[ProgressionTable] = ()
    days: Sequence[float] = DEFAULT_DAYS
    percentiles: tuple[float, float] = (20.0, 80.0)
    competing: Sequence[str] = ("death",)
    transform: Transform = "km"


def associate_step(
    phenotype: Path | Mapping[str, Path],
    scores: Path,
    covariates: Path,
    out: Path,
    *,
    covariate_columns: Sequence[str],
    contrasts: Sequence[str],
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    options: AssociationOptions | None = None,
) -> pd.DataFrame:
    """Fit one logistic model a score, stratum and contrast; write one row a model.

    Several phenotype tables by the name of their definition give a column `definition`.
    """
    tables = phenotype if isinstance(phenotype, Mapping) else {"": phenotype}
    chosen = options or AssociationOptions()
    inputs = _inputs(
        chosen, phenotype=list(tables.values()), scores=[scores], covariates=[covariates]
    )
    check_outputs(out, [path for paths in inputs.values() for path in paths], companions=())
    _check_part(chosen, out)
    asked = _asked(covariate_columns, stratum, strata) | {"contrasts": list(contrasts)}
    read = {name: read_table(path) for name, path in tables.items()}
    result = associate(
        read if isinstance(phenotype, Mapping) else read[""],
        open_scores(scores),
        read_table(covariates),
        **asked,
        **_read(chosen),
    )
    warn_of_losses(result)
    write_estimates("associate", {"": result}, out, asked | _stated(chosen), inputs)
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
    options: ProgressionOptions | None = None,
    further: FurtherTables | None = None,
) -> pd.DataFrame:
    """Fit one Cox model a score and stratum; write one row a model, and further tables beside."""
    chosen, more = options or ProgressionOptions(), further or FurtherTables()
    inputs = _inputs(chosen, follow_up=[followed], scores=[scores], covariates=[covariates])
    paths = [path for paths in inputs.values() for path in paths]
    check_outputs(out, paths, companions=PROGRESSION_COMPANIONS)
    _check_part(chosen, out)
    asked = _asked(covariate_columns, stratum, strata)
    follow_up, columns, described = (
        read_table(followed),
        open_scores(scores),
        read_table(covariates),
    )
    read = _read(chosen)
    result = progression(follow_up, columns, described, **asked, **read)
    warn_of_losses(result)
    made = {"": result}
    if more.tables:
        alike = {"interaction", "cluster", "method", "se", "interval"}
        shared = {name: value for name, value in read.items() if name not in alike}
        wanted = asked | shared | asdict(more)
        made |= progression_tables(follow_up, columns, described, **wanted)
    stated = asked | _stated(chosen) | (asdict(more) if more.tables else {})
    write_estimates("progression", made, out, stated, inputs)
    return result


def _check_part(options: CommonOptions, out: Path) -> None:
    if options.part and out.suffix != ".parquet":
        raise UsageError(f"a part is written as Parquet: {out.name} should end in .parquet")
    if options.part and options.within:
        raise UsageError("a part is of some strata or contrasts: --within splits only the whole")


def _asked(
    covariate_columns: Sequence[str], stratum: str | None, strata: Sequence[str] | None
) -> dict[str, Any]:
    return {
        "covariate_columns": list(covariate_columns),
        "stratum": stratum,
        "strata": None if strata is None else list(strata),
    }


def _inputs(options: CommonOptions, **given: list[Path]) -> dict[str, list[Path]]:
    """Give the files that are read, by what they are for."""
    more = {"reference": options.reference, "related": options.related}
    return given | {name: [path] for name, path in more.items() if path is not None}


def _read(options: CommonOptions) -> dict[str, Any]:
    """Give options for a model, files read."""
    read = asdict(options)
    read["interaction"] = list(options.interaction) or None
    if options.reference is not None:
        read["reference"] = read_table(options.reference, text_columns=("score", "stratum"))
    if options.related is not None:
        read["related"] = read_pairs(options.related)
    return read


def _stated(options: CommonOptions) -> dict[str, Any]:
    """Give options as they stand in a sidecar: files by their name."""
    values = asdict(options).items()
    return {name: value.name if isinstance(value, Path) else value for name, value in values}


def write_estimates(
    step: str,
    made: Mapping[str, pd.DataFrame],
    out: Path,
    options: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Path]],
) -> None:
    """Write tables, the others named after the first, and what they were made with.

    Parameters
    ----------
    step
        "associate" or "progression".
    made
        Tables by their names; that of the models themselves is "".
    out
        Where that one is to stand.
    options, inputs
        What the sidecar says they were made with.
    """
    header = {str(name): value for name, value in made[""].attrs.items()}
    header |= {name: table.attrs["conventions"] for name, table in made.items() if name}
    with stage_outputs(out, PROGRESSION_COMPANIONS if step == "progression" else ()) as staged:
        for name, table in made.items():
            write_table(table, beside(staged, name) if name else staged)
        write_sidecar(describe_inputs(step, {**options, **header}, inputs), staged)


def warn_of_losses(result: pd.DataFrame) -> None:
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


def meta_step(
    estimates: Path,
    out: Path,
    *,
    by: Sequence[str] | None = None,
    method: MetaMethod = "fixed",
    interval: MetaInterval = "wald",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Pool estimates over strata; write one row a group.

    Without `by`, within whatever the table has of definition, part of the people, contrast,
    score and term.
    """
    check_output(out)
    table = read_table(estimates)
    if by is None:
        by = [name for name in KEYS if name in table.columns]
    options = {"method": method, "interval": interval, "confidence": confidence}
    result = meta_analyse(
        table, by=tuple(by), method=method, interval=interval, confidence=confidence
    )
    write_table(result, out)
    write_sidecar(
        describe_inputs("meta", {"by": list(by), **options}, {"estimates": [estimates]}), out
    )
    return result
