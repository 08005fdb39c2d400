"""What could make the estimates of a study wrong, each made visible by other models."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from pgs_trd.errors import PgsTrdError
from pgs_trd.models import meta_analyse
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.report import FurtherTable
from pgs_trd.study.bias_inputs import BiasInputs, NotPossibleError
from pgs_trd.study.index_event import fit_index_event
from pgs_trd.study.other_ends import fit_competing, fit_entries
from pgs_trd.study.sections import StudyConfig
from pgs_trd.study.study_files import StudyFiles
from pgs_trd.study.visits import fit_visit_density
from pgs_trd.tables import read_table, write_table

ESTIMATES, PARTS_MADE = "bias.parquet", "bias_parts.tsv"
MAKERS: dict[str, Callable[[BiasInputs], Iterator[pd.DataFrame]]] = {
    "index_event": fit_index_event,
    "visit_density": fit_visit_density,
    "left_truncation": fit_entries,
    "competing_events": fit_competing,
}
OF_COX = ("left_truncation", "competing_events")
TIME_TO_TRD = "time_to_trd"
KEPT = ("contrast", "beta", "se", "ci_low", "ci_high", "p_value", "n_events", "n_others", "status")
COLUMNS = ("score", "approach", *KEPT, "part")
FAILED = "the models could not be fitted to these people"


def examine_bias(
    config: StudyConfig, files: StudyFiles, *, threads: int | None, memory_mb: int | None
) -> None:
    """Fit the models of the bias panel; write what comes out, and what could not be done.

    Writes into ``sensitivity/``: `bias.parquet`, one row a part, score and approach, pooled
    over strata; `bias_parts.tsv`, one row a part with the reason if it has no estimates.
    """
    inputs = BiasInputs.read(config, files, threads=threads, memory_mb=memory_mb)
    tables, told = [], []
    for part, make in MAKERS.items():
        table, reason = _make(make, inputs)
        if not reason:
            tables.append(table.assign(part=part))
        told.append({"part": part, "is_done": not reason, "reason": reason})
    folder = files.sensitivity
    estimates = (
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    )
    write_table(estimates, folder / ESTIMATES)
    write_table(pd.DataFrame(told), folder / PARTS_MADE)
    read = [config.covariates.file, files.scores, files.records / "phenotype.parquet"]
    write_sidecar(describe_run("bias", config.bias.model_dump(), read), folder / ESTIMATES)


def _make(
    make: Callable[[BiasInputs], Iterator[pd.DataFrame]], inputs: BiasInputs
) -> tuple[pd.DataFrame, str]:
    """Give the pooled estimates of a part, or the reason why there are none."""
    try:
        parts = [_pool(part, inputs) for part in make(inputs)]
    except NotPossibleError as error:
        return pd.DataFrame(), str(error)
    except PgsTrdError:
        # What it says may hold a count of a few people.
        return pd.DataFrame(), FAILED
    table = pd.concat(parts, ignore_index=True)
    table["score"] = pd.Categorical(table["score"], inputs.names)
    return table.sort_values("score", kind="stable").astype({"score": str}), ""


def _pool(estimates: pd.DataFrame, inputs: BiasInputs) -> pd.DataFrame:
    """Pool the estimates of strata by approach and score."""
    if "contrast" not in estimates:
        estimates = estimates.assign(contrast=TIME_TO_TRD)
    by = ("approach", "contrast", "score")
    pooled = meta_analyse(estimates, by=by, method=inputs.config.models.meta_method)
    pooled["n_others"] = pooled["n"] - pooled["n_events"]
    return pooled[["score", "approach", *KEPT]]


def bias_parts(config: StudyConfig, files: StudyFiles) -> pd.DataFrame:
    """Say which parts of the panel were made, and why others were not; empty without one."""
    if not config.bias.panel:
        return pd.DataFrame()
    return read_table(files.sensitivity / PARTS_MADE, text_columns=("part", "reason")).fillna("")


def bias_tables(config: StudyConfig, files: StudyFiles) -> tuple[FurtherTable, ...]:
    """Give the tables of the bias panel for the report; none if the study has no panel."""
    if not config.bias.panel:
        return ()
    table = read_table(files.sensitivity / ESTIMATES)
    return tuple(_further(str(part), rows) for part, rows in table.groupby("part", sort=False))


def _further(part: str, rows: pd.DataFrame) -> FurtherTable:
    return FurtherTable(
        name=part,
        section="Bias panel",
        caption="",
        table=rows.reset_index(drop=True),
        text=("score", "approach", "contrast", "status"),
        numbers=("beta", "se", "ci_low", "ci_high", "p_value"),
        counts=("n_events", "n_others"),
        is_cox=part in OF_COX,
    )
