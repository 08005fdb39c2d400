"""Read delimited text and Parquet, plain or compressed, a few columns of it, fast."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pgs_trd.errors import DataError
from pgs_trd.weights.formats import headerless_names
from pgs_trd.weights.opening import (
    BLOCK_BYTES,
    LONGEST_LINE,
    RowStream,
    open_binary,
    open_stream,
)

# text: few distinct values; names: many; numbers.
Kind: TypeAlias = Literal["text", "names", "numbers"]
Separator: TypeAlias = Literal["\t", ",", ";", " ", "parquet"]

MISSING_TEXTS = ["", ".", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "none"]
ARROW_TYPES = {
    "text": pa.dictionary(pa.int32(), pa.string()),
    "names": pa.string(),
    "numbers": pa.float64(),
}
PARQUET_MAGIC = b"PAR1"
# Of fewer columns threads cost more than they gain: the stream is what takes the time.
MANY_COLUMNS = 16
BYTES_PER_COLUMN = 256  # Of a block: ten rows and more, however wide.


@dataclass(frozen=True)
class Head:
    """What stands before the data: metadata, column names, how lines are divided.

    Attributes
    ----------
    metadata
        The lines ``#key=value``.
    columns
        Column names; of a file without them those of its format, or numbers from 1.
    separator
        Between columns; a space stands for any run of spaces and tabs.
    n_lines
        How many lines stand before the data.
    has_names
        Whether the file has a line of column names.
    """

    metadata: dict[str, str]
    columns: tuple[str, ...]
    separator: Separator
    n_lines: int
    has_names: bool = True


def read_head(path: Path) -> Head:
    """Read comment lines (#) and the line of column names, or a Parquet schema."""
    metadata: dict[str, str] = {}
    with open_binary(path) as stream:
        for n_lines in range(1, 100_000):
            line = stream.readline(LONGEST_LINE)
            if n_lines == 1 and line.startswith(PARQUET_MAGIC):
                return _read_parquet_head(path)
            if not line:
                what = "is empty" if n_lines == 1 else "has comment lines only, no column names"
                raise DataError(f"{path.name}: {what}")
            text = _decode(line, path).rstrip("\r\n").removeprefix("\ufeff")
            if not text.strip():
                continue
            if text.startswith("#") and not _is_column_line(text):
                key, equals, value = text.lstrip("#").partition("=")
                if equals and not text.startswith("##"):
                    metadata[key.strip()] = value.strip()
                continue
            separator = _separator(text)
            columns = _split(text, separator)
            names = headerless_names(columns)
            if names is None:
                return Head(metadata, columns, separator, n_lines)
            return Head(metadata, names, separator, n_lines - 1, has_names=False)
    raise DataError(f"{path.name}: has no line of column names")


def _read_parquet_head(path: Path) -> Head:
    with _parquet_faults(path):
        schema = pyarrow.parquet.read_schema(path)
        return Head({}, tuple(schema.names), "parquet", 0)


@contextmanager
def open_rows(path: Path, head: Head) -> Iterator[IO[bytes]]:
    """Open a text file at its first row of data."""
    with open_binary(path) as stream:
        for _ in range(head.n_lines):
            stream.readline()
        yield stream


def read_columns(path: Path, head: Head, kinds: Mapping[int, Kind]) -> pa.Table:
    """Read some columns of the data rows.

    Parameters
    ----------
    path
        The file.
    head
        From `read_head`.
    kinds
        Column (0-based) -> what it holds. Columns of kind ``numbers`` that hold
        anything else come back as text.

    Returns
    -------
    table
        Columns named by their place ("0", "1", ...): ``text`` as dictionaries,
        ``names`` as strings, ``numbers`` as float64; missing is null throughout.
    """
    read = _read_parquet if head.separator == "parquet" else _read_text
    wanted = dict(kinds)
    for _ in range(2):
        try:
            return read(path, head, wanted)
        except _NotNumbersError as error:
            # One such column is usual (a missing value spelled otherwise); then it may be any.
            numeric = [place for place, kind in wanted.items() if kind == "numbers"]
            is_first = wanted == kinds and error.place in numeric
            as_text = [error.place] if is_first and error.place is not None else numeric
            wanted |= dict.fromkeys(as_text, "names")
    return read(path, head, wanted)


class _NotNumbersError(Exception):
    """A column of numbers holds something else."""

    def __init__(self, place: int | None) -> None:
        self.place = place


def _read_text(path: Path, head: Head, kinds: Mapping[int, Kind]) -> pa.Table:
    names = [str(place) for place in range(len(head.columns))]
    try:
        with open_stream(path) as stream:
            rows = RowStream(stream, n_skipped=head.n_lines, by_whitespace=head.separator == " ")
            table = pyarrow.csv.read_csv(
                rows,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=names,
                    use_threads=len(kinds) > MANY_COLUMNS,
                    block_size=max(BLOCK_BYTES, BYTES_PER_COLUMN * len(names)),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter="\t" if head.separator == " " else head.separator
                ),
                convert_options=_options(kinds),
            )
    except pa.ArrowInvalid as error:
        message = str(error)
        if "conversion error to double" in message:
            found = re.search(r"column #(\d+)", message)
            raise _NotNumbersError(int(found[1]) if found else None) from error
        if "Empty CSV file" in message:
            raise DataError(f"{path.name}: has column names but no rows") from error
        if "Expected" in message and "got" in message:
            raise DataError(f"{path.name}: {_count_uneven(path, head)}") from error
        what = "is not text: invalid UTF-8" if "UTF" in message else "cannot be read as a table"
        raise DataError(f"{path.name}: {what}") from error
    if table.num_rows == 0:
        raise DataError(f"{path.name}: has column names but no rows")
    if rows.n_lines != table.num_rows:
        _check_lines(path, head, table.num_rows)
    return table


def parse_text(
    text: bytes, separator: str, places: Sequence[int], kinds: Mapping[int, Kind]
) -> pa.Table:
    """Parse rows of the columns `places` alone; see `read_columns`.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the text is not UTF-8, or the lines are uneven.
    """
    return pyarrow.csv.read_csv(
        pa.py_buffer(text),
        read_options=pyarrow.csv.ReadOptions(
            column_names=[str(place) for place in places], use_threads=False
        ),
        parse_options=pyarrow.csv.ParseOptions(delimiter=separator, quote_char=False),
        convert_options=_options({place: kinds[place] for place in places}),
    )


def _options(kinds: Mapping[int, Kind]) -> pyarrow.csv.ConvertOptions:
    return pyarrow.csv.ConvertOptions(
        include_columns=[str(place) for place in kinds],
        column_types={str(place): ARROW_TYPES[kind] for place, kind in kinds.items()},
        null_values=MISSING_TEXTS,
        strings_can_be_null=True,
    )


def _count_uneven(path: Path, head: Head) -> str:
    """Say how many rows do not have the columns of the header."""
    n_columns, n_rows, uneven = len(head.columns), 0, []
    with open_rows(path, head) as stream:
        for line in stream:
            if line.strip():
                n_rows += 1
                text = line.rstrip(b"\r\n").decode("utf-8", errors="replace")
                if len(_split(text, head.separator)) != n_columns:
                    uneven.append(n_rows)
    where = f", the first is row {uneven[0]:,}" if uneven else ""
    return (
        f"{len(uneven):,} of {n_rows:,} rows do not have the {n_columns} columns of the "
        f"header{where}: cut off, broken in two, or divided otherwise"
    )


def _check_lines(path: Path, head: Head, n_rows: int) -> None:
    """Refuse rows that a quotation mark made one: they would be lost without a word."""
    with open_rows(path, head) as stream:
        n_lines = sum(1 for line in stream if line.strip())
    if n_lines != n_rows:
        raise DataError(
            f"{path.name}: {n_lines:,} lines make {n_rows:,} rows: a quotation mark that opens "
            "and does not close on its line, or a line end inside one"
        )


def _read_parquet(path: Path, head: Head, kinds: Mapping[int, Kind]) -> pa.Table:
    with _parquet_faults(path):
        names = [head.columns[place] for place in kinds]
        table = pyarrow.parquet.read_table(path, columns=names).select(names)
        if table.num_rows == 0:
            raise DataError(f"{path.name}: has column names but no rows")
        columns = []
        for (place, kind), column in zip(kinds.items(), table.columns, strict=True):
            try:
                columns.append(_as_kind(column, kind))
            except pa.ArrowInvalid as error:
                raise _NotNumbersError(place) from error
        # One division into chunks, as text files have it.
        return pa.table(columns, names=[str(place) for place in kinds])


def _as_kind(column: pa.ChunkedArray, kind: Kind) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kind == "numbers":
        return column.cast(pa.float64())
    texts = column.cast(pa.string())
    return texts if kind == "names" else texts.dictionary_encode()


@contextmanager
def _parquet_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name}: its Parquet is damaged, cut off, or holds columns that are neither "
            "numbers nor text"
        ) from error


def read_sample(path: Path, head: Head, n_rows: int) -> list[tuple[str, ...]]:
    """Give the cells of the first rows as text."""
    if head.separator == "parquet":
        with _parquet_faults(path):
            batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=n_rows)
            columns = [column.cast(pa.string()).to_pylist() for column in next(batches).columns]
            return [tuple(cell or "" for cell in row) for row in zip(*columns, strict=True)]
    rows = []
    with open_rows(path, head) as stream:
        for _ in range(n_rows):
            line = _decode(stream.readline(LONGEST_LINE), path)
            if not line:
                break
            rows.append(_split(line.rstrip("\r\n"), head.separator))
    return rows


def _decode(line: bytes, path: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error


def _is_column_line(text: str) -> bool:
    """Tell plink-like column names (``#CHROM<tab>POS``) from a comment."""
    return not text.startswith("##") and "=" not in text and "\t" in text.strip()


def _separator(text: str) -> Separator:
    if "\t" in text:
        return "\t"
    if "," in text:
        return ","
    return ";" if ";" in text else " "


def _split(text: str, separator: str) -> tuple[str, ...]:
    if separator == " ":
        return tuple(text.split())
    try:
        return tuple(name.strip() for name in next(csv.reader([text], delimiter=separator), ()))
    except csv.Error:  # A null byte, or a field of 128 KiB.
        return tuple(text.split(separator))
