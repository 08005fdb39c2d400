"""Open health records: an OMOP folder or database, or flat tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr import flat, omop, raw
from pgs_trd.ehr.fields import Kind, check_fields
from pgs_trd.ehr.records import Ehr, fetch
from pgs_trd.errors import DataError, UsageError, join_faults

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend


def open_ehr(
    source: str | Path | Mapping[str, str | Path | pd.DataFrame],
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    threads: int | None = None,
    memory_mb: int | None = None,
) -> Ehr:
    """Open health records, check them, and give them in one form.

    Parameters
    ----------
    source
        A folder of OMOP CDM 5.3 or 5.4 tables (Parquet, or CSV and tab-separated
        text, also gzipped), a .duckdb file that holds them, or a mapping of flat
        tables, each a path or a pandas table: ``prescriptions`` (person_id, date,
        drug, optional end_date, days_supply and dose_mg, the dose a day; drug is an
        ATC code or a name),
        ``diagnoses`` (person_id, date, code, optional vocabulary), and optionally
        ``persons`` (person_id, sex, birth_year), ``observation`` (person_id,
        start_date, end_date), ``deaths`` (person_id, death_date), ``procedures``
        (person_id, date, procedure: a code, or a class such as ECT), ``visits``
        (person_id, date), ``scales`` (person_id, date, scale, score) and
        ``deliveries`` (person_id, date).
    columns
        For each table, our column name -> the source's.
    threads, memory_mb
        What DuckDB may use. Threads default to what the process was allotted.

    Returns
    -------
    Ehr
        Lazy tables; ``notes`` says what the source lacks.

    Raises
    ------
    UsageError
        If the source does not exist or is none of the above.
    DataError
        If a required table or column is absent or holds what cannot be read. All
        faults of all tables are named at once, by counts of rows.
    """
    backend = raw.connect(threads, memory_mb)
    if isinstance(source, Mapping):
        return _open_flat(backend, source, columns)
    path = Path(source)
    if not path.exists():
        raise UsageError(f"no such file or folder: {path}")
    if path.is_dir():
        tables = raw.open_folder(backend, path)
    elif path.suffix == ".duckdb":
        tables = raw.open_database(backend, path)
    else:
        raise UsageError(
            f"{path.name!r} is no folder of OMOP tables and no .duckdb file; "
            "flat tables are given as a mapping with prescriptions and diagnoses"
        )
    return _open_omop(backend, tables, columns, subject=path.name)


def _open_omop(
    backend: Backend,
    tables: dict[str, ir.Table],
    columns: Mapping[str, Mapping[str, str]] | None,
    *,
    subject: str,
) -> Ehr:
    _require_tables(tables, ("drug_exposure", "condition_occurrence"), subject)
    if "person" not in tables and "observation_period" not in tables:
        raise DataError(f"{subject}: no table person and no observation_period; one is needed")
    tables = raw.use_columns(tables, columns)
    _check(backend, tables, omop.FIELDS, omop.REQUIRED, persons="person", subject=subject)
    tables = omop.read_omop(tables)
    notes = _omop_notes(backend, tables)
    if "concept_ancestor" in tables and _is_empty(backend, tables["concept_ancestor"]):
        del tables["concept_ancestor"]
    return Ehr(
        persons=omop.omop_persons(tables),
        observation=omop.omop_observation(tables),
        prescriptions=omop.omop_prescriptions(tables),
        diagnoses=omop.omop_diagnoses(tables),
        procedures=omop.omop_procedures(tables),
        deaths=omop.omop_deaths(tables),
        visits=omop.omop_visits(tables),
        scales=omop.omop_scales(tables),
        deliveries=omop.omop_deliveries(tables),
        kind="omop",
        notes=notes,
        backend=backend,
    )


def _omop_notes(backend: Backend, tables: Mapping[str, ir.Table]) -> tuple[str, ...]:
    notes = []
    if "concept_ancestor" not in tables or _is_empty(backend, tables["concept_ancestor"]):
        has_names = "concept" in tables or "concept_names" in tables
        notes.append(
            "no concept_ancestor (or an empty one): drugs are found by listed concepts"
            + (" and by ingredient names in the concept names" if has_names else "")
            + ", diagnoses by listed concepts and source codes"
        )
    absent = {
        "person": "no person table: sex and birth year are unknown",
        "observation_period": "no observation_period: observed from first to last record",
        "death": "no death table: nobody is known to have died",
        "procedure_occurrence": "no procedure_occurrence: no brain stimulation is known",
    }
    notes += [text for name, text in absent.items() if name not in tables]
    for name, concept in (
        ("drug_exposure", "drug_concept_id"),
        ("condition_occurrence", "condition_concept_id"),
    ):
        table = tables[name]
        is_unmapped = table[concept].isnull() | (table[concept] == 0)
        row = fetch(
            backend, table.aggregate(n_rows=table.count(), n_unmapped=is_unmapped.sum())
        ).iloc[0]
        if pd.notna(row["n_unmapped"]) and row["n_unmapped"] > 0:
            notes.append(
                f"{int(row['n_unmapped']):,} of {int(row['n_rows']):,} rows of {name} "
                "have no concept (0)"
            )
    return tuple(notes)


def _open_flat(
    backend: Backend,
    source: Mapping[str, str | Path | pd.DataFrame],
    columns: Mapping[str, Mapping[str, str]] | None,
) -> Ehr:
    unknown = sorted(set(source) - set(flat.FIELDS))
    if unknown:
        raise UsageError(
            f"unknown flat tables: {', '.join(unknown)}; known are {', '.join(flat.FIELDS)}"
        )
    _require_tables(source, ("prescriptions", "diagnoses"), "flat tables")
    tables = {
        name: raw.open_frame(table, name)
        if isinstance(table, pd.DataFrame)
        else raw.open_file(backend, Path(table))
        for name, table in source.items()
    }
    tables = raw.use_columns(tables, columns)
    _check(backend, tables, flat.FIELDS, flat.REQUIRED, persons="persons", subject="flat tables")
    tables = flat.read_flat(tables)
    absent = {
        "persons": "no persons table: sex and birth year are unknown",
        "observation": "no observation table: observed from first to last record",
        "deaths": "no deaths table: nobody is known to have died",
    }
    return Ehr(
        persons=flat.flat_persons(tables),
        observation=flat.flat_observation(tables),
        prescriptions=flat.flat_prescriptions(tables),
        diagnoses=flat.flat_diagnoses(tables),
        procedures=flat.flat_procedures(tables),
        deaths=flat.flat_deaths(tables),
        visits=tables.get("visits"),
        scales=flat.flat_scales(tables),
        deliveries=tables.get("deliveries"),
        kind="flat",
        notes=tuple(text for name, text in absent.items() if name not in tables),
        backend=backend,
    )


def _require_tables(tables: Mapping[str, object], required: tuple[str, ...], subject: str) -> None:
    absent = [name for name in required if name not in tables]
    if absent:
        raise DataError(
            join_faults(subject, [f"no table {name}" for name in absent])
            + f"\nIts tables are: {', '.join(sorted(tables)) or 'none'}"
        )


def _is_empty(backend: Backend, table: ir.Table) -> bool:
    return fetch(backend, table.limit(1)).empty


def _check(
    backend: Backend,
    tables: Mapping[str, ir.Table],
    fields: Mapping[str, Mapping[str, Kind]],
    required: Mapping[str, tuple[str, ...]],
    *,
    persons: str,
    subject: str,
) -> None:
    faults = []
    for name, table in tables.items():
        found = check_fields(backend, table, fields[name], required=required[name])
        if name == persons and not found:
            found += _repeated_persons(backend, table)
        faults += [f"{name}: {fault}" for fault in found]
    if faults:
        raise DataError(join_faults(subject, faults))


def _repeated_persons(backend: Backend, persons: ir.Table) -> list[str]:
    ids = persons.person_id.cast("string").strip()
    counted = persons.aggregate(n_rows=persons.count(), n_people=ids.nunique())
    row = fetch(backend, counted).iloc[0]
    n_more = int(row["n_rows"]) - int(row["n_people"])
    return [f"{n_more:,} rows repeat a 'person_id' that has a row already"] if n_more else []
