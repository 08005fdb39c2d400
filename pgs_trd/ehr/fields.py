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
    from ibis.backends.duckdb import Backend

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
        whole = column.round().try_cast("int64")
        return (column == whole.cast("float64")).ifelse(whole.cast("string"), column.cast("string"))
    return column.cast("string")


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
        return ibis.coalesce(text.try_cast("int64"), number.floor().try_cast("int64"))
    if isinstance(column, (ir.FloatingValue, ir.DecimalValue)):
        return column.floor().try_cast("int64")
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
    backend: Backend, table: ir.Table, kinds: Mapping[str, Kind], *, required: Sequence[str]
) -> list[str]:
    """List every fault of one table: columns absent, values unreadable, ids missing.

    Only counts are given. Columns whose type leaves no room for a fault are not
    read, so that checking a Parquet table costs next to nothing.
    """
    faults = [f"no column {name!r}" for name in required if name not in table.columns]
    counts: dict[str, ir.Value] = {}
    texts: dict[str, str] = {}
    for name, kind in kinds.items():
        if name not in table.columns:
            continue
        column = table[name]
        if not _cannot_fail(column, kind):
            key = f"bad_{name}"
            counts[key] = (_is_present(column) & read_field(column, kind).isnull()).sum()
            texts[key] = f"rows whose {name!r} {_FAULTS[kind]}"
        if kind.endswith("_id"):
            key = f"null_{name}"
            counts[key] = (~_is_present(column)).sum()
            texts[key] = f"rows without {name!r}"
    if not counts:
        return faults
    counts["n_rows"] = table.count()
    found = fetch(backend, table.aggregate(**counts)).iloc[0]
    n_rows = int(found["n_rows"])
    for key, text in texts.items():
        n_bad = 0 if pd.isna(found[key]) else int(found[key])
        if n_bad:
            faults.append(f"{n_bad:,} of {n_rows:,} {text}")
    return faults


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
