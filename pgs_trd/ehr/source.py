"""Open health records: an OMOP folder or database, or flat tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr import connect, era_tables, flat, omop, raw
from pgs_trd.ehr.codes import CodeLists
from pgs_trd.ehr.fields import Kind, check_fields, count_rows
from pgs_trd.ehr.records import Ehr, fetch
from pgs_trd.ehr.user_lists import open_codelists
from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.resources import thread_count

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend


def open_ehr(
    source: str | Path | Mapping[str, str | Path | pd.DataFrame],
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    codelists: str | Path | Sequence[str | Path] | CodeLists | None = None,
    threads: int | None = None,
    memory_mb: int | None = None,
) -> Ehr:
    """Open health records, check them, and give them in one form.

    Parameters
    ----------
    source
        A folder of OMOP CDM 5.3 or 5.4 tables (Parquet, or CSV and tab-separated
        text, also gzipped), a .duckdb file that holds them, the URL of a database
        (``postgresql://user@host/database/schema``, ``bigquery://project/dataset``,
        ``pyspark://database``; see `connect.parse_url`), or a mapping of flat
        tables, each a path or a pandas table: ``prescriptions`` (person_id, date,
        drug, optional end_date, days_supply and dose_mg, the dose a day; drug is an
        ATC code or a name), ``diagnoses`` (person_id, date, code, optional
        vocabulary and setting, "inpatient" or another), and optionally ``persons``
        (person_id, sex, birth_year), ``observation`` (person_id, start_date,
        end_date), ``deaths`` (person_id, death_date), ``procedures`` (person_id, date,
        procedure: a code, or a class such as ECT), ``visits`` (person_id, date),
        ``scales`` (person_id, date, scale, score) and ``deliveries`` (person_id,
        date). Where a site has no drug_exposure or condition_occurrence, drug_era and
        condition_era are taken; ``notes`` says what that means.
    columns
        For each table, our column name -> the source's.
    codelists
        Code lists of your own, each instead of the package's of that name: a folder or
        files, as `open_codelists` takes them, or what it gave.
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
        If code lists have faults, or a required table or column is absent or holds
        what cannot be read. All faults of all tables are named at once, by counts of
        rows.
    """
    lists = codelists if isinstance(codelists, CodeLists) else open_codelists(codelists)
    if isinstance(source, Mapping):
        backend: SQLBackend = raw.connect(threads, memory_mb)
        ehr = _open_flat(backend, source, columns, lists)
    else:
        backend, tables = connect.open_tables(source, threads=threads, memory_mb=memory_mb)
        subject = connect.name_source(source)
        ehr = _open_omop(backend, tables, columns, lists=lists, subject=subject)
    return replace(ehr, threads=thread_count(threads) if backend.name == "duckdb" else 1)


def _open_omop(
    backend: SQLBackend,
    tables: dict[str, ir.Table],
    columns: Mapping[str, Mapping[str, str]] | None,
    *,
    lists: CodeLists,
    subject: str,
) -> Ehr:
    eras_of = {table: era for era, table in era_tables.STANDS_FOR.items()}
    required = [name for name in eras_of if eras_of[name] not in tables]
    _require_tables(tables, required, subject)
    if "person" not in tables and "observation_period" not in tables:
        raise DataError(f"{subject}: no table person and no observation_period; one is needed")
    tables = raw.use_columns(tables, columns)
    versions = _other_versions(backend, tables)
    tests = (omop.FIELDS, omop.REQUIRED)
    _check(backend, tables, *tests, persons="person", subject=subject, causes=versions)
    tables, eras = era_tables.replace_absent(omop.read_omop(tables))
    if "concept_ancestor" in tables and _is_empty(backend, tables["concept_ancestor"]):
        del tables["concept_ancestor"]
    diagnoses, unmapped = omop.omop_diagnoses(backend, tables, lists)
    prescriptions, drugs = omop.omop_prescriptions(backend, tables, lists)
    return Ehr(
        persons=omop.omop_persons(tables),
        observation=omop.omop_observation(tables),
        prescriptions=prescriptions,
        drugs=drugs,
        diagnoses=diagnoses,
        inpatient_diagnoses=omop.omop_inpatient(tables, diagnoses),
        procedures=omop.omop_procedures(tables, lists),
        deaths=omop.omop_deaths(tables),
        visits=omop.omop_visits(tables),
        scales=omop.omop_scales(tables),
        deliveries=omop.omop_deliveries(tables, lists),
        kind="omop",
        notes=(
            *lists.notes,
            *versions,
            *_omop_notes(backend, tables, eras, n_unmapped=unmapped.n_rows),
        ),
        backend=backend,
        has_drug_eras="drug_era" in eras,
        codelists=lists,
    )


def _other_versions(backend: SQLBackend, tables: Mapping[str, ir.Table]) -> tuple[str, ...]:
    """Name the version of the CDM where the source says that it is another than is read."""
    if "cdm_version" not in getattr(tables.get("cdm_source"), "columns", ()):
        return ()
    said = fetch(backend, tables["cdm_source"].select("cdm_version"))["cdm_version"]
    numbers = (re.search(r"\d+\.\d+", str(text)) for text in said)
    others = sorted({number[0] for number in numbers if number} - set(omop.VERSIONS))
    known = " and ".join(omop.VERSIONS)
    return tuple(f"cdm_source: the version is {each}; {known} are read" for each in others)


def _omop_notes(
    backend: SQLBackend, tables: Mapping[str, ir.Table], eras: Sequence[str], *, n_unmapped: int
) -> tuple[str, ...]:
    notes = [era_tables.NOTES[name] for name in eras]
    if "concept_ancestor" not in tables:
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
    drug = tables["drug_exposure"]
    is_unmapped = drug.drug_concept_id.isnull() | (drug.drug_concept_id == 0)
    counts = {
        "drug_exposure": count_rows(backend, drug.filter(is_unmapped)),
        "condition_occurrence": n_unmapped,
    }
    for name, n in counts.items():
        if n:
            n_rows = count_rows(backend, tables[name])
            notes.append(f"{n:,} of {n_rows:,} rows of {name} have no concept (0)")
    return tuple(notes)


def _open_flat(
    backend: SQLBackend,
    source: Mapping[str, str | Path | pd.DataFrame],
    columns: Mapping[str, Mapping[str, str]] | None,
    lists: CodeLists,
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
    prescriptions, drugs = flat.flat_prescriptions(backend, tables, lists)
    diagnoses = flat.flat_diagnoses(backend, tables, lists)
    absent = {
        "persons": "no persons table: sex and birth year are unknown",
        "observation": "no observation table: observed from first to last record",
        "deaths": "no deaths table: nobody is known to have died",
    }
    return Ehr(
        persons=flat.flat_persons(tables),
        observation=flat.flat_observation(tables),
        prescriptions=prescriptions,
        drugs=drugs,
        diagnoses=diagnoses,
        inpatient_diagnoses=flat.flat_inpatient(diagnoses),
        procedures=flat.flat_procedures(tables, lists),
        deaths=flat.flat_deaths(tables),
        visits=tables.get("visits"),
        scales=flat.flat_scales(tables),
        deliveries=tables.get("deliveries"),
        kind="flat",
        notes=(*lists.notes, *(text for name, text in absent.items() if name not in tables)),
        backend=backend,
        codelists=lists,
    )


def _require_tables(tables: Mapping[str, object], required: Sequence[str], subject: str) -> None:
    absent = [name for name in required if name not in tables]
    if absent:
        raise DataError(
            join_faults(subject, [f"no table {name}" for name in absent])
            + f"\nIts tables are: {', '.join(sorted(tables)) or 'none'}"
        )


def _is_empty(backend: SQLBackend, table: ir.Table) -> bool:
    return fetch(backend, table.limit(1)).empty


def _check(
    backend: SQLBackend,
    tables: Mapping[str, ir.Table],
    fields: Mapping[str, Mapping[str, Kind]],
    required: Mapping[str, tuple[str, ...]],
    *,
    persons: str,
    subject: str,
    causes: Sequence[str] = (),
) -> None:
    faults = []
    for name, table in tables.items():
        found = check_fields(backend, table, fields[name], required=required[name])
        if name == persons and not found:
            found += _repeated_persons(backend, table)
        faults += [f"{name}: {fault}" for fault in found]
    if faults:
        raise DataError(join_faults(subject, [*faults, *causes]))


def _repeated_persons(backend: SQLBackend, persons: ir.Table) -> list[str]:
    ids = persons.person_id
    if not isinstance(ids, ir.IntegerValue):
        ids = ids.cast("string").strip()
    counted = persons.aggregate(n_rows=persons.count(), n_people=ids.nunique())
    row = fetch(backend, counted).iloc[0]
    n_more = int(row["n_rows"]) - int(row["n_people"])
    return [f"{n_more:,} rows repeat a 'person_id' that has a row already"] if n_more else []
