"""Health records in one form, whatever they came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from pgs_trd.ehr.ahead import Ahead
from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists
from pgs_trd.errors import DataError
from pgs_trd.resources import freed_at_once

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend

    from pgs_trd.ehr.cleaning import ClassedRows
    from pgs_trd.ehr.people import People
    from pgs_trd.ehr.prescriptions import Prescriptions


@dataclass(frozen=True)
class Ehr:
    """Health records as lazy tables: nothing is read until a result is asked for.

    Person ids keep the type they have in the source (64-bit integer in OMOP,
    text in flat tables) until they leave through a pandas table.

    Attributes
    ----------
    persons
        ``person_id``, ``sex`` ("female", "male", "unknown"), ``birth_year``
        (int64, null unknown). One row a person.
    observation
        ``person_id``, ``start_date``, ``end_date`` (both inclusive), as recorded:
        `People.periods` are made disjoint.
    prescriptions
        ``person_id``, ``date``, ``end_date``, ``days_supply``, ``refills``,
        ``dose_ug`` (micrograms a day, null unknown), ``ingredient``, ``drug_class``,
        ``counts_as_trial``, ``drug_number`` (into `drugs`). Antidepressants, and the
        drugs that are added to them ("augmentation"), as recorded: not yet cleaned.
        ``ingredient`` is null where only the drug class is known.
    drugs
        ``ingredient``, ``drug_class``, ``counts_as_trial`` of each ``drug_number``.
    diagnoses
        ``person_id``, ``date``, ``diagnosis_class``: depression tiers and
        exclusions of the code lists, as recorded: not yet cleaned.
    procedures
        ``person_id``, ``date``, ``procedure_class``.
    deaths
        ``person_id``, ``death_date``. One row a person who died.
    kind
        "omop" or "flat".
    notes
        What the source lacks and what is done instead; shown to the user.
    backend
        The Ibis backend that runs the tables.
    visits
        ``person_id``, ``date`` of visits; None where the source has no such table.
    scales
        ``person_id``, ``date``, ``scale``, ``score`` (whole) of symptom scales, as
        recorded; None where the source has none.
    deliveries
        ``person_id``, ``date`` of childbirth, one row a record; None as before.
    inpatient_diagnoses
        As `diagnoses`, those made in hospital; None where that is not known.
    has_drug_eras
        Each prescription is an era of the source, however long.
    codelists
        The code lists by which drugs and codes were found.
    threads
        Threads of DuckDB in this process; 1 for other engines.
    """

    persons: ir.Table
    observation: ir.Table
    prescriptions: ir.Table
    drugs: pd.DataFrame
    diagnoses: ir.Table
    procedures: ir.Table
    deaths: ir.Table
    kind: str
    notes: tuple[str, ...]
    backend: SQLBackend
    visits: ir.Table | None = None
    scales: ir.Table | None = None
    deliveries: ir.Table | None = None
    inpatient_diagnoses: ir.Table | None = None
    has_drug_eras: bool = False
    codelists: CodeLists = PACKAGE_LISTS
    threads: int = 1
    _ahead: Ahead = field(default_factory=Ahead, init=False, repr=False, compare=False)

    @cached_property
    def people(self) -> People:
        """Everybody in the records, with life and observation, as arrays."""
        from pgs_trd.ehr.people import fetch_people, read_people

        tables = fetch_people(self)
        self._begin("prescriptions", self._fetch_prescriptions)
        with freed_at_once():
            return read_people(tables)

    @cached_property
    def prescription_rows(self) -> Prescriptions:
        """All rows of `prescriptions` as arrays, each with why it cannot be used."""
        from pgs_trd.ehr.prescriptions import read_prescriptions

        with freed_at_once():
            # First: while it sorts the people, the prescriptions are fetched.
            _ = self.people
            found = self._ahead.take("prescriptions", self._fetch_prescriptions)
            self._begin("diagnoses", self._read_diagnoses)
            return read_prescriptions(self, found)

    @cached_property
    def diagnosis_rows(self) -> ClassedRows:
        """All rows of `diagnoses` as arrays, each with why it cannot be used."""
        with freed_at_once():
            return self._ahead.take("diagnoses", self._read_diagnoses)

    def _fetch_prescriptions(self) -> pa.Table:
        from pgs_trd.ehr.prescriptions import prescription_query

        return self.fetch_arrow(prescription_query(self))

    def _read_diagnoses(self) -> ClassedRows:
        from pgs_trd.ehr.cleaning import read_classed

        return read_classed(self, self.diagnoses, "diagnosis_class")

    def _begin(self, name: str, read: Callable[[], object]) -> None:
        """Begin to read in a thread, where DuckDB may use more than one."""
        if self.threads > 1:
            self._ahead.start(name, read)

    @cached_property
    def inpatient_rows(self) -> ClassedRows | None:
        """All rows of `inpatient_diagnoses` as arrays; None where there are none."""
        from pgs_trd.ehr.cleaning import read_classed

        if self.inpatient_diagnoses is None:
            return None
        return read_classed(self, self.inpatient_diagnoses, "diagnosis_class")

    def fetch(self, expression: ir.Table) -> pd.DataFrame:
        """Run an expression on these records; give it as a pandas table.

        Raises
        ------
        DataError
            If a file turns out to be damaged. The message names no content.
        """
        return _to_pandas(self.fetch_arrow(expression))

    def fetch_arrow(self, expression: ir.Table) -> pa.Table:
        """Run an expression on these records; give it as an Arrow table.

        Raises
        ------
        DataError
            As `fetch`.
        """
        return self._ahead.query(partial(fetch_arrow, self.backend, expression))


def fetch_arrow(backend: SQLBackend, expression: ir.Table) -> pa.Table:
    """Run `expression`; give it as an Arrow table.

    Raises
    ------
    DataError
        If the engine cannot read the records to the end.
    """
    from pgs_trd.ehr.connect import engine_errors

    try:
        return backend.to_pyarrow(expression)
    except engine_errors(backend.name) as error:
        # The engine's text, and so the cause, quotes the offending line: a person's record.
        raise DataError(_without_content(error, backend.name)) from None


def fetch(backend: SQLBackend, expression: ir.Table) -> pd.DataFrame:
    """Run `expression`; give it as a pandas table with dates as datetime64[ns]."""
    return _to_pandas(fetch_arrow(backend, expression))


def _to_pandas(found: pa.Table) -> pd.DataFrame:
    table: pd.DataFrame = found.to_pandas(date_as_object=False)
    for column in table.columns:
        if pd.api.types.is_datetime64_any_dtype(table[column].dtype):
            table[column] = table[column].astype("datetime64[ns]")
    return table


def _without_content(error: Exception, engine: str) -> str:
    line = re.search(r"Line: (\d+)", str(error))
    where = f" near line {line.group(1)}" if line else ""
    kind = type(error).__name__
    if engine != "duckdb":
        return f"the health records cannot be read to the end ({engine} {kind})"
    return (
        f"the health records cannot be read to the end{where} (DuckDB {kind}): "
        "the file may be truncated, or a line may have more fields than the header"
    )
