"""Tables of a source as they are: found, opened, column names in lower case."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.resources import thread_count

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

OMOP_TABLES = (
    "person",
    "observation_period",
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "visit_occurrence",
    "measurement",
    "drug_era",
    "condition_era",
    "death",
    "concept",
    "concept_names",
    "concept_ancestor",
    "cdm_source",
)
_ENDINGS = (
    ".parquet",
    ".csv",
    ".csv.gz",
    ".tsv",
    ".tsv.gz",
    ".txt",
    ".txt.gz",
)
_BY_PLACE = {
    "person": ("person_id", "gender_concept_id", "year_of_birth"),
    "observation_period": (
        "observation_period_id",
        "person_id",
        "observation_period_start_date",
        "observation_period_end_date",
    ),
    "death": ("person_id", "death_date"),
    "drug_era": (
        "drug_era_id",
        "person_id",
        "drug_concept_id",
        "drug_era_start_date",
        "drug_era_end_date",
    ),
    "condition_era": (
        "condition_era_id",
        "person_id",
        "condition_concept_id",
        "condition_era_start_date",
        "condition_era_end_date",
        "condition_occurrence_count",
    ),
    "cdm_source": (
        "cdm_source_name",
        "cdm_source_abbreviation",
        "cdm_holder",
        "source_description",
        "source_documentation_reference",
        "cdm_etl_reference",
        "source_release_date",
        "cdm_release_date",
        "cdm_version",
    ),
}
"""First columns of tables that are shipped without a header line; the same from CDM 5.0 to 5.4."""

ColumnNames = Mapping[str, Mapping[str, str]]


def connect(threads: int | None, memory_mb: int | None) -> Backend:
    """Open a DuckDB in memory that keeps to the threads and memory it is given."""
    settings: dict[str, object] = {
        "threads": thread_count(threads),
        "autoinstall_known_extensions": False,
        # Its default is .tmp in the working folder: people's records do not belong there,
        # and two jobs of one folder would write over each other.
        "temp_directory": str(Path(tempfile.gettempdir()) / f"pgs_trd_{uuid.uuid4().hex}"),
    }
    if memory_mb is not None:
        if memory_mb < 64:
            raise UsageError(f"memory_mb must be at least 64, got {memory_mb}")
        settings["memory_limit"] = f"{memory_mb}MB"
    backend = ibis.duckdb.connect(":memory:", **settings)
    # A progress bar would write into notebooks; row order is ours to fix, not DuckDB's.
    # In Jupyter without ipywidgets DuckDB refuses even to switch it off, and shows none.
    with contextlib.suppress(duckdb.InvalidInputException):
        backend.con.execute("SET enable_progress_bar = false")
    backend.con.execute("SET preserve_insertion_order = false")
    # An instant of a file has no wall clock of its own; the machine's must not decide.
    with contextlib.suppress(duckdb.CatalogException):
        backend.con.execute("SET TimeZone = 'UTC'")
    # Each file is read once or twice: keeping its bytes besides the system's cache is waste.
    with contextlib.suppress(duckdb.CatalogException):
        backend.con.execute("SET enable_external_file_cache = false")
    return cast("Backend", backend)


def open_folder(backend: Backend, folder: Path) -> dict[str, ir.Table]:
    """Open the OMOP tables of a folder of Parquet, CSV or tab-separated files.

    A table is a file ``<table>.<ending>`` or a folder ``<table>/`` of Parquet
    parts, in any case.

    Raises
    ------
    DataError
        If two files claim to be one table, or a file cannot be opened.
    """
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        name = entry.name.lower()
        if entry.is_dir():
            if name in OMOP_TABLES and any(entry.glob("*.parquet")):
                found.setdefault(name, []).append(entry)
            continue
        for ending in _ENDINGS:
            if name.endswith(ending) and name.removesuffix(ending) in OMOP_TABLES:
                found.setdefault(name.removesuffix(ending), []).append(entry)
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    if twice:
        faults = [f"{name}: {', '.join(p.name for p in paths)}" for name, paths in twice.items()]
        raise DataError(join_faults(f"{folder.name}: more than one file for a table", faults))
    return {
        name: open_file(backend, paths[0], by_place=_BY_PLACE.get(name, ()))
        for name, paths in found.items()
    }


def open_file(backend: Backend, path: Path, *, by_place: Sequence[str] = ()) -> ir.Table:
    """Open one Parquet or text file (or folder of Parquet parts) as a lazy table.

    Text columns stay text: what they are is decided where their meaning is known.

    Parameters
    ----------
    by_place
        Names of the first columns, for a text file whose first line is no header:
        it begins with a number, or is of cdm_source and names no version.
    """
    if not path.exists():
        raise UsageError(f"no such file: {path}")
    if path.is_file() and not path.name.lower().endswith(_ENDINGS):
        raise UsageError(
            f"cannot tell the table format of {path.name!r}: it should end in {', '.join(_ENDINGS)}"
        )
    try:
        if path.is_dir():
            return lower_names(backend.read_parquet(str(path / "*.parquet")), path.name)
        if path.name.lower().endswith(".parquet"):
            return lower_names(backend.read_parquet(str(path)), path.name)
        return lower_names(_open_text(backend, path, by_place), path.name)
    except duckdb.Error as error:
        # DuckDB's text may quote a line of the file, that is a person's record.
        raise DataError(
            f"{path.name}: cannot be read as {path.suffixes[0][1:] or 'a table'} "
            f"(DuckDB {type(error).__name__}): the file may be truncated or of another format"
        ) from None


def _open_text(backend: Backend, path: Path, by_place: Sequence[str]) -> ir.Table:
    header = _first_line(path)
    if not header.strip():
        raise DataError(f"{path.name}: is empty, want a header line with column names")
    separator = max("\t,;|", key=header.count)
    # Vocabulary files as Athena ships them are tab-separated with bare quotes inside names.
    quoted = separator != "\t" or header.lstrip("\ufeff").startswith('"')
    fields = header.strip("\ufeff\r\n").split(separator)
    is_record = fields[0].strip("\"' ").lstrip("-").isdigit()
    is_record |= "cdm_version" in by_place and "cdm_version" not in header.lower()
    has_header = not (by_place and is_record)
    unnamed = [f"column_{place}" for place in range(len(by_place), len(fields))]
    options = {} if has_header else {"names": [*by_place, *unnamed][: len(fields)]}
    return cast(
        ir.Table,
        backend.read_csv(
            str(path),
            delim=separator,
            header=has_header,
            all_varchar=True,
            quote='"' if quoted else "",
            escape='"' if quoted else "",
            **options,
        ),
    )


def _first_line(path: Path) -> str:
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path, "rt", encoding="utf-8", errors="replace") as stream:
                return stream.readline()
        with path.open("r", encoding="utf-8", errors="replace") as stream:
            return stream.readline()
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error


def open_database(backend: Backend, path: Path) -> dict[str, ir.Table]:
    """Open the OMOP tables of a .duckdb file, read-only, in whatever schema they stand."""
    try:
        backend.attach(str(path), name="ehr_source", read_only=True)
    except duckdb.Error as error:
        raise DataError(f"{path.name}: DuckDB cannot open it: {error}") from error
    rows = backend.con.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_catalog = 'ehr_source' ORDER BY table_schema, table_name"
    ).fetchall()
    schemas = {schema for schema, name in rows if name.lower() == "drug_exposure"}
    if len(schemas) > 1:
        raise DataError(
            f"{path.name}: drug_exposure stands in {len(schemas)} schemas "
            f"({', '.join(sorted(schemas))}): want one"
        )
    return {
        name.lower(): lower_names(backend.table(name, database=("ehr_source", schema)), name)
        for schema, name in rows
        if schema in schemas and name.lower() in OMOP_TABLES
    }


def lower_names(table: ir.Table, subject: str) -> ir.Table:
    """Rename all columns to lower case, without padding, quotes or byte order mark.

    Raises
    ------
    DataError
        If two columns are then the same.
    """
    plain = {name: name.strip("\ufeff\" '\t\r\n").lower() for name in table.columns}
    taken: dict[str, str] = {}
    faults = []
    for name, lower in plain.items():
        if lower in taken:
            faults.append(f"columns {taken[lower]!r} and {name!r} are one name")
        taken[lower] = name
    if faults:
        raise DataError(join_faults(subject, faults))
    return table.rename(taken)


def open_frame(table: pd.DataFrame, subject: str) -> ir.Table:
    """Make a lazy table of a pandas table; later changes of it have no effect.

    Columns of mixed objects become text, so that ids 1 and "1" are one person.
    """
    plain = pd.DataFrame(index=range(len(table)))
    for name, values in table.items():
        column = values.reset_index(drop=True)
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            # The day on the wall of where it was recorded, whatever this machine's clock.
            column = column.dt.tz_localize(None)
        if column.dtype == object or isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype("string")
        plain[str(name)] = column
    try:
        arrow = pa.Table.from_pandas(plain, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{subject}: a column has a type that cannot be read") from error
    # A column without any value has Arrow's null type, which no engine can compare.
    schema = pa.schema(
        [
            pa.field(field.name, pa.string() if pa.types.is_null(field.type) else field.type)
            for field in arrow.schema
        ]
    )
    return lower_names(cast(ir.Table, ibis.memtable(arrow.cast(schema))), subject)


def use_columns(tables: Mapping[str, ir.Table], columns: ColumnNames | None) -> dict[str, ir.Table]:
    """Rename columns of the source to ours, as the user mapped them.

    Parameters
    ----------
    columns
        For each table our name -> the source's name, in any case.

    Raises
    ------
    UsageError
        If a table is mapped that the source does not have.
    DataError
        If mapped columns are absent; all of them are named.
    """
    mapped = dict(tables)
    unknown = sorted(set(columns or {}) - set(tables))
    if unknown:
        raise UsageError(
            f"columns names tables the source does not have: {', '.join(unknown)}; "
            f"it has: {', '.join(sorted(tables)) or 'none'}"
        )
    faults = []
    for name, names in (columns or {}).items():
        table = tables[name]
        absent = [theirs for theirs in names.values() if theirs.lower() not in table.columns]
        faults += [f"{name} has no column {theirs!r}" for theirs in absent]
        if not absent:
            renamed = {ours: table[theirs.lower()] for ours, theirs in names.items()}
            kept = {c: table[c] for c in table.columns if c not in renamed}
            mapped[name] = table.select(**renamed, **kept)
    if faults:
        raise DataError(join_faults("columns", faults))
    return mapped
