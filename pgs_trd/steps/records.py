"""Health records to treatment trials, classes and follow-up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pgs_trd.ehr import build_trials, diagnosis_flow, open_ehr, prescription_flow
from pgs_trd.phenotype import classify, follow_up, load_definition
from pgs_trd.provenance import describe_run, write_sidecar
from pgs_trd.tables import make_folder, write_table


def phenotype_step(
    source: Path | Mapping[str, Path],
    out: Path,
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    definition: str = "adequate2",
    origin: Literal["first_diagnosis", "first_antidepressant"] = "first_diagnosis",
    gap_days: int = 30,
    default_supply_days: int = 30,
    threads: int | None = None,
    memory_mb: int | None = None,
) -> dict[str, Any]:
    """Build trials, classes and follow-up; write them into the folder `out`.

    The sidecar of the classes counts the rows that cleaning left out, by reason.

    Returns
    -------
    description
        What the sidecar of the classes holds.
    """
    make_folder(out)
    ehr = open_ehr(source, columns=columns, threads=threads, memory_mb=memory_mb)
    rules = load_definition(definition)
    trials = build_trials(ehr, gap_days=gap_days, default_supply_days=default_supply_days)
    phenotype = classify(ehr, trials, rules)
    followed = follow_up(ehr, phenotype, origin=origin)
    write_table(trials, out / "trials.parquet")
    write_table(phenotype.table, out / "phenotype.parquet")
    write_table(followed, out / "follow_up.parquet")
    write_table(phenotype.attrition, out / "attrition.tsv")
    options = {
        "definition": rules.id,
        "definition_version": rules.version,
        "definition_hash": rules.hash,
        "origin": origin,
        "gap_days": gap_days,
        "default_supply_days": default_supply_days,
    }
    files = [source] if isinstance(source, Path) else list(source.values())
    inputs = [file for path in files for file in _table_files(path)]
    facts = {
        "n_people": len(phenotype.table),
        "n_trials": len(trials),
        "notes": list(ehr.notes),
        "prescription_rows": prescription_flow(ehr).to_dict("records"),
        "diagnosis_rows": diagnosis_flow(ehr).to_dict("records"),
    }
    description = describe_run("phenotype", options, inputs, **facts)
    write_sidecar(description, out / "phenotype.parquet")
    return description


def _table_files(path: Path) -> list[Path]:
    """Give the files of a folder of tables, or the file itself."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
