"""Tables written a piece at a time: what is written stands in memory no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pgs_trd.tables import TEXT_SEPARATORS, check_ending, replace_on_success

TEXT = pa.dictionary(pa.int32(), pa.string())
MATCH_TYPES: Mapping[str, pa.DataType] = {
    "file": pa.int64(),
    "row": pa.int64(),
    "id": pa.string(),
    "chromosome": TEXT,
    "position": pa.int64(),
    "effect_allele": TEXT,
    "other_allele": TEXT,
    "status": TEXT,
    "reason": TEXT,
    "target": pa.int64(),
    "swapped": pa.bool_(),
    "flipped": pa.bool_(),
}
"""Types of a match table in Parquet: the same for every weight file."""

ROWS_AT_ONCE = 1 << 16
"""Rows of a row group in Parquet: a copy of them stands in memory while they are written."""

Append = Callable[..., None]


@contextmanager
def stream_table(path: Path, types: Mapping[str, pa.DataType] = MATCH_TYPES) -> Iterator[Append]:
    """Give a function that appends a table to `path`, which stands there once all is well.

    Missing is empty in text.

    Parameters
    ----------
    path
        Ends in .parquet, .tsv, .txt or .csv.
    types
        Arrow types of columns in Parquet; other columns keep what they have.
    """
    separator = TEXT_SEPARATORS.get(check_ending(path))
    with replace_on_success(path) as temporary:
        if separator is None:
            writer = _ParquetStream(temporary, types)
            try:
                yield writer.append
            finally:
                writer.close()
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield partial(_append_text, file, separator)


def _append_text(file: TextIO, separator: str, table: pd.DataFrame) -> None:
    is_first = file.tell() == 0
    table.to_csv(file, sep=separator, index=False, lineterminator="\n", header=is_first)


class _ParquetStream:
    """Opens the file with the first table: only then are the columns known."""

    def __init__(self, path: Path, types: Mapping[str, pa.DataType]) -> None:
        self._path = path
        self._types = types
        self._writer: pq.ParquetWriter | None = None

    def append(self, table: pd.DataFrame, **columns: pa.Array) -> None:
        """Write `table`, and Arrow arrays as further columns."""
        for start in range(0, max(len(table), 1), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            self._write(table.iloc[rows], {name: array[rows] for name, array in columns.items()})

    def _write(self, table: pd.DataFrame, columns: Mapping[str, pa.Array]) -> None:
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        for name, array in columns.items():
            arrow = arrow.append_column(name, array)
        typed = [
            _cast(arrow.column(name), self._types.get(name, arrow.schema.field(name).type))
            for name in arrow.column_names
        ]
        # The note for pandas says which columns are whole numbers with missing values.
        arrow = pa.table(typed, names=arrow.column_names, metadata=arrow.schema.metadata)
        if self._writer is None:
            # Twice as fast as the defaults, which try a dictionary of every column.
            self._writer = pq.ParquetWriter(
                self._path,
                arrow.schema,
                compression="lz4",
                use_dictionary=[f.name for f in arrow.schema if pa.types.is_dictionary(f.type)],
                column_encoding={
                    f.name: "DELTA_BINARY_PACKED" for f in arrow.schema if f.type == pa.int64()
                },
                # By which the rows of one weight file are found.
                write_statistics=["file"],
            )
        self._writer.write_table(arrow, row_group_size=max(1, len(arrow)))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _cast(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    if column.type == wanted:
        return column
    if not pa.types.is_dictionary(wanted):
        return column.cast(wanted)
    if not pa.types.is_dictionary(column.type):
        return column.cast(wanted.value_type).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(
            chunk.indices.cast(wanted.index_type), chunk.dictionary.cast(wanted.value_type)
        )
        for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, type=wanted)
