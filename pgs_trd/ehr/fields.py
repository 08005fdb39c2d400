"""Columns of unknown type made into dates, ids and numbers, with their faults counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from pgs_trd.ehr.records import fetch

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend

Kind = Literal["integer_id", "text_id", "date", "integer", "text"]

_SQL_TYPES = {
    "integer_id": "int64",
    "text_id": "string",
    "date": "date",
    "integer": "int64",
    "text": "string",
}
_FAULTS = {
    "integer_id": "is no whole number",
    "text_id": "is no text",
    "date": "is no date (want YYYY-MM-DD or YYYYMMDD)",
    "integer": "is no number",
    "text": "is no text",
}


def memory_table(table: pd.DataFrame, schema: Mapping[str, str]) -> ir.Table:
    """Make a small pandas table part of an expression; `schema` gives Ibis types."""
    arrow_schema = ibis.schema(dict(schema)).to_pyarrow()
    rows = pa.Table.from_pandas(
        table[list(schema)], schema=arrow_schema, preserve_index=False, safe=True
    )
    return cast(ir.Table, ibis.memtable(rows))


def stored_table(backend: SQLBackend, table: pd.DataFrame, schema: Mapping[str, str]) -> ir.Table:
    """Make a small pandas table one that large tables are joined with.

    DuckDB gets it as a table of its own, whose statistics tell it what to skip in the
    large one. Scanning an Arrow table it would call Python, which must not wait for
    it: such queries run in a thread.
    """
    rows = memory_table(table, schema)
    if backend.name != "duckdb":
        return rows
    return cast(ir.Table, backend.create_table(ibis.util.gen_name("pgs_trd"), rows, temp=True))


def empty_table(schema: Mapping[str, str]) -> ir.Table:
    """Give a table without rows, for what a source does not have."""
    return cast(ir.Table, ibis.memtable(ibis.schema(dict(schema)).to_pyarrow().empty_table()))


def blank_to_null(text: ir.StringValue) -> ir.StringValue:
    """Strip padding; text that is then empty is missing."""
    return cast(ir.StringValue, text.strip().nullif(""))


def read_field(column: ir.Value, kind: Kind) -> ir.Value:
    """Cast `column` to what `kind` says; what cannot be cast becomes null."""
    if kind == "date":
        return _date(column)
    if kind in ("integer_id", "integer"):
        return _integer(column)
    if isinstance(column, ir.StringValue):
        return blank_to_null(column)
    if isinstance(column, ir.FloatingValue):
        # Pandas keeps whole ids with a gap as floats: 12.0 is person "12".
        whole = whole_number(column)
        return (column == whole.cast("float64")).ifelse(whole.cast("string"), column.cast("string"))
    return column.cast("string")


def countable(column: ir.NumericValue) -> ir.FloatingValue:
    """Keep finite numbers below 2**53; null for the others.

    Ibis' round and floor are casts, and one NaN, or what no integer holds, stops the query.
    """
    number = column.cast("float64")
    return cast(ir.FloatingValue, (number.abs() < 2.0**53).ifelse(number, ibis.null("float64")))


def whole_number(column: ir.NumericValue) -> ir.IntegerValue:
    """Round to whole numbers; null where `countable` is."""
    return cast(ir.IntegerValue, countable(column).round().cast("int64"))


def _date(column: ir.Value) -> ir.Value:
    if isinstance(column, ir.TimestampValue):
        return column.date()
    if not isinstance(column, ir.StringValue):
        return column if isinstance(column, ir.DateValue) else ibis.null("date")
    text = blank_to_null(column)
    compact = (text.length() == 8) & ~text.contains("-") & ~text.contains("/")
    dashed = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2)
    iso = (text.substr(4, 1) == "-").ifelse(text.substr(0, 10), ibis.null("string"))
    return compact.ifelse(dashed, iso).try_cast("date")


def _integer(column: ir.Value) -> ir.Value:
    if isinstance(column, ir.IntegerValue):
        return column.cast("int64")
    if isinstance(column, ir.StringValue):
        text = blank_to_null(column)
        # Through float only what is no integer: 64-bit ids do not survive it.
        number = text.try_cast("float64")
        return ibis.coalesce(text.try_cast("int64"), countable(number).floor().cast("int64"))
    if isinstance(column, (ir.FloatingValue, ir.DecimalValue)):
        return countable(column).floor().cast("int64")
    return ibis.null("int64")


def _is_present(column: ir.Value) -> ir.BooleanValue:
    if isinstance(column, ir.StringValue):
        return blank_to_null(column).notnull()
    if isinstance(column, ir.FloatingValue):
        return column.notnull() & ~column.isnan()
    return column.notnull()


def _cannot_fail(column: ir.Value, kind: Kind) -> bool:
    if kind == "date":
        return isinstance(column, (ir.DateValue, ir.TimestampValue))
    if kind in ("integer_id", "integer"):
        return isinstance(column, ir.IntegerValue)
    return True


def check_fields(
    backend: SQLBackend, table: ir.Table, kinds: Mapping[str, Kind], *, required: Sequence[str]
) -> list[str]:
    """List every fault of one table: columns absent, values unreadable, ids missing.

    Only counts are given. Columns whose type leaves no room for a fault are not
    read, so that checking a Parquet table costs next to nothing.
    """
    faults = [f"no column {name!r}" for name in required if name not in table.columns]
    n_bad: dict[str, int] = {}
    counts: dict[str, ir.Value] = {}
    for name, kind in kinds.items():
        if name not in table.columns:
            continue
        column = table[name]
        if not _cannot_fail(column, kind):
            unreadable = _is_present(column) & read_field(column, kind).isnull()
            counts[f"rows whose {name!r} {_FAULTS[kind]}"] = unreadable.sum()
        if kind.endswith("_id"):
            text = f"rows without {name!r}"
            if isinstance(column, ir.IntegerValue):
                # As a filter: what Parquet says of a part without nulls spares its reading.
                n_bad[text] = count_rows(backend, table.filter(column.isnull()))
            else:
                counts[text] = (~_is_present(column)).sum()
    if counts:
        numbered = {f"n{place}": count for place, count in enumerate(counts.values())}
        found = fetch(backend, table.aggregate(**numbered)).iloc[0].fillna(0)
        n_bad |= dict(zip(counts, found.astype("int64").tolist(), strict=True))
    if any(n_bad.values()):
        n_rows = count_rows(backend, table)
        faults += [f"{n:,} of {n_rows:,} {text}" for text, n in n_bad.items() if n]
    return faults


def count_rows(backend: SQLBackend, table: ir.Table) -> int:
    """Count the rows of a table."""
    return int(fetch(backend, table.aggregate(n=table.count()))["n"].iloc[0])


def read_fields(table: ir.Table, kinds: Mapping[str, Kind]) -> ir.Table:
    """Select the columns of `kinds`, cast; a column the table lacks is null."""
    return table.select(
        **{
            name: read_field(table[name], kind)
            if name in table.columns
            else ibis.null(_SQL_TYPES[kind])
            for name, kind in kinds.items()
        }
    )
