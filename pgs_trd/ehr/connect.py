"""Health records where they lie: PostgreSQL, BigQuery and Spark, by their URL."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import ibis
import ibis.expr.types as ir

from pgs_trd.ehr import raw
from pgs_trd.errors import DataError, UsageError

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend

SCHEMES = ("postgresql", "bigquery", "pyspark")
"""How a URL of health records may begin; "postgres" is short for the first."""

# By scheme: what must be installed, the extra that does it, the name of the Ibis backend.
_DRIVERS = {
    "postgresql": ("psycopg", "postgres", "postgres"),
    "bigquery": ("google.cloud.bigquery", "bigquery", "bigquery"),
    "pyspark": ("pyspark", "spark", "pyspark"),
}
_ERRORS = {
    "duckdb": ("duckdb:Error",),
    "postgres": ("psycopg:Error",),
    "bigquery": ("google.api_core.exceptions:GoogleAPIError",),
    "pyspark": ("pyspark.errors:PySparkException", "py4j.protocol:Py4JError"),
}
# Looked for before the URL is taken apart: a / or # in a password would end the host there.
_PASSWORD = re.compile(r"[^/]*//[^/@]*:[^@]+@")
_EXAMPLES = (
    "postgresql://user@host/database/schema, bigquery://project/dataset or pyspark://database"
)


@dataclass(frozen=True)
class Place:
    """Where OMOP tables stand, as a URL says it.

    Attributes
    ----------
    scheme
        One of `SCHEMES`.
    database
        Of PostgreSQL the database, of BigQuery the project that holds the data.
    schemas
        Schemas, datasets or Spark databases, in the order in which a table is looked
        for; empty: the engine's current one.
    url
        The parts of the URL.
    options
        What stands behind the question mark.
    """

    scheme: str
    database: str
    schemas: tuple[str, ...]
    url: SplitResult
    options: dict[str, str]

    @property
    def name(self) -> str:
        """Name the place without user, password or host."""
        return f"{self.scheme}://" + "/".join(filter(None, (self.database, *self.schemas[:1])))


def is_url(source: object) -> bool:
    """Say whether `source` is meant as the URL of a database."""
    return isinstance(source, str) and "://" in source


def name_source(source: str | Path) -> str:
    """Name a folder, file or database in messages, without user, password or host."""
    return parse_url(str(source)).name if is_url(source) else Path(source).name


def parse_url(text: str) -> Place:
    """Take the URL of OMOP tables apart.

    Parameters
    ----------
    text
        ``postgresql://[user@][host[:port]]/database[/schema]``,
        ``bigquery://project/dataset`` or ``pyspark://[database]``. Options:
        ``?vocabulary=NAME``, a second schema, dataset or Spark database where tables
        are looked for that the first does not have; ``host=FOLDER``, the socket of a
        PostgreSQL server; ``billing=PROJECT`` and ``location=REGION`` of BigQuery.

    Raises
    ------
    UsageError
        If the URL is of another kind, lacks a part or holds a password, which is not repeated.
    """
    if _PASSWORD.match(text):
        raise UsageError(
            "the URL of the health records holds a password, which plans, commands and logs would "
            "show. Write user@host without it; PostgreSQL takes it from ~/.pgpass or PGPASSWORD"
        )
    url = urlsplit(text)
    scheme = "postgresql" if url.scheme == "postgres" else url.scheme
    if scheme not in SCHEMES:
        raise UsageError(f"health records cannot be read from {scheme}://; known are {_EXAMPLES}")
    steps = [unquote(step) for step in url.path.split("/") if step]
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    known = {"postgresql": {"host"}, "bigquery": {"billing", "location"}, "pyspark": set()}[scheme]
    unknown = sorted(set(asked) - known - {"vocabulary"})
    if unknown:
        names = ", ".join(sorted({*known, "vocabulary"}))
        raise UsageError(f"{scheme}://: no option {unknown[0]!r}; there are: {names}")
    if scheme == "postgresql":
        n_steps, database = (1, 2), steps[0] if steps else ""
        schemas = steps[1:]
    else:
        n_steps = (1, 1) if scheme == "bigquery" else (0, 0)
        database = url.netloc if scheme == "bigquery" else ""
        schemas = steps if scheme == "bigquery" else [part for part in (url.netloc,) if part]
    if not n_steps[0] <= len(steps) <= n_steps[1] or (scheme == "bigquery" and not url.netloc):
        raise UsageError(f"{scheme}:// is incomplete or has too many parts; want {_EXAMPLES}")
    vocabulary = asked.pop("vocabulary", None)
    if vocabulary is not None and not schemas and scheme == "postgresql":
        schemas = ["public"]
    return Place(scheme, database, (*schemas, *filter(None, [vocabulary])), url, asked)


def open_url(text: str) -> tuple[SQLBackend, dict[str, ir.Table]]:
    """Connect to a database and find its OMOP tables; nothing is read yet.

    Tables are only read. Small tables of codes go into temporary tables of the
    session, so the user must be allowed to make those.

    Parameters
    ----------
    text
        As `parse_url` wants it. PostgreSQL takes the password from ~/.pgpass or
        PGPASSWORD, BigQuery uses Google's application default credentials, and Spark
        the session that is active, or the one that its configuration makes.

    Returns
    -------
    backend, tables
        The Ibis backend, and the OMOP tables found by name, columns in lower case.

    Raises
    ------
    UsageError
        If the URL is wrong or the engine's package is not installed.
    DataError
        If there is no connection, or a schema cannot be listed.
    """
    place = parse_url(text)
    driver, extra, name = _DRIVERS[place.scheme]
    try:
        import_module(driver)
    except ImportError as error:
        raise UsageError(
            f"{place.scheme}:// needs the package {driver}: pip install 'pgs-trd[{extra}]'"
        ) from error
    try:
        backend = _connect(place)
        return backend, _find_tables(backend, place)
    except engine_errors(name) as error:
        raise DataError(f"{place.name}: cannot be opened ({_first_line(error)})") from None


def _connect(place: Place) -> SQLBackend:
    if place.scheme == "postgresql":
        return _connect_postgres(place)
    if place.scheme == "bigquery":
        return cast(
            "SQLBackend",
            ibis.bigquery.connect(
                project_id=place.options.get("billing", place.database),
                dataset_id=f"{place.database}.{place.schemas[0]}",
                location=place.options.get("location"),
            ),
        )
    builder = import_module("pyspark.sql").SparkSession.builder
    return cast("SQLBackend", ibis.pyspark.connect(builder.appName("pgs-trd").getOrCreate()))


def _connect_postgres(place: Place) -> SQLBackend:
    url = place.url
    backend = ibis.postgres.connect(
        host=place.options.get("host", url.hostname),
        port=url.port or 5432,
        user=unquote(url.username) if url.username else None,
        database=place.database,
    )
    # Nobody has to close the connection: it ends with the last table made of it.
    weakref.finalize(backend, backend.con.close)
    return cast("SQLBackend", backend)


def _find_tables(backend: SQLBackend, place: Place) -> dict[str, ir.Table]:
    found: dict[str, ir.Table] = {}
    for database in _databases(place):
        for listed in sorted(backend.list_tables(database=database)):
            name = listed.lower()
            if name in raw.OMOP_TABLES and name not in found:
                found[name] = raw.lower_names(backend.table(listed, database=database), name)
    return found


def _databases(place: Place) -> Iterator[Any]:
    """Give each schema as Ibis names it; None for the current one."""
    if place.scheme == "bigquery":
        yield from ((place.database, dataset) for dataset in place.schemas)
    else:
        yield from place.schemas or (None,)


def open_tables(
    source: str | Path, *, threads: int | None = None, memory_mb: int | None = None
) -> tuple[SQLBackend, dict[str, ir.Table]]:
    """Open the OMOP tables of a folder, a .duckdb file or a database, as they are.

    Parameters
    ----------
    source
        As `open_ehr` takes it.
    threads, memory_mb
        What DuckDB may use for files.

    Raises
    ------
    UsageError
        If there is no such file, or it is none of these.
    DataError
        If it cannot be opened.
    """
    if is_url(source):
        return open_url(str(source))
    path = Path(source)
    if not path.exists():
        raise UsageError(f"no such file or folder: {path}")
    backend = raw.connect(threads, memory_mb)
    if path.is_dir():
        return backend, raw.open_folder(backend, path)
    if path.suffix == ".duckdb":
        return backend, raw.open_database(backend, path)
    raise UsageError(
        f"{path.name!r} is no folder of OMOP tables and no .duckdb file; "
        "flat tables are given as a mapping with prescriptions and diagnoses"
    )


def engine_errors(name: str) -> tuple[type[Exception], ...]:
    """Give the errors that the engine of an Ibis backend raises.

    Their text may quote a person's record, so that it goes into no message.

    Parameters
    ----------
    name
        The name of the backend: "duckdb", "postgres", "bigquery" or "pyspark".
    """
    return tuple(_load(_ERRORS[name]))


def _load(paths: Iterable[str]) -> Iterator[type[Exception]]:
    for path in paths:
        module, _, attribute = path.partition(":")
        yield getattr(import_module(module), attribute)


def _first_line(error: Exception) -> str:
    """Give the first line of a message about a connection: no records are read by then."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
