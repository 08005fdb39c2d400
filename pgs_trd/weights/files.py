"""Read delimited text and Parquet, plain or compressed, a few columns of it, fast."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pgs_trd.errors import DataError, UsageError
from pgs_trd.weights.formats import headerless_names

# text: few distinct values; names: many; numbers.
Kind: TypeAlias = Literal["text", "names", "numbers"]
Separator: TypeAlias = Literal["\t", ",", ";", " ", "parquet"]

MISSING_TEXTS = ["", ".", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "none"]
ARROW_TYPES = {
    "text": pa.dictionary(pa.int32(), pa.string()),
    "names": pa.string(),
    "numbers": pa.float64(),
}
CODEC_OF_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
REFUSED_MAGIC = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
PARQUET_MAGIC = b"PAR1"
# The empty last block that bgzip writes, so that a cut file can be told.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
LONGEST_LINE = 2**24
BLOCK_BYTES = 2**20
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


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, taking off gzip, bgzip or zstd compression told by its first bytes."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    with path.open("rb") as handle:
        magic = handle.read(18)
        handle.seek(0)
        for start, what in REFUSED_MAGIC.items():
            if magic.startswith(start):
                raise DataError(f"{path.name}: is {what}: unpack it, or compress it with gzip")
        codec = CODEC_OF_MAGIC.get(magic[:2]) or CODEC_OF_MAGIC.get(magic[:4])
        if codec is None:
            yield handle
            return
        try:
            if magic[:4] == BGZF_END[:4] and magic[12:14] == b"BC":
                _check_bgzip_end(handle)
            # Arrow's streams, unlike zstandard's, tell a cut file from a short one.
            with pa.CompressedInputStream(pa.PythonFile(handle, mode="r"), codec) as stream:
                yield io.BufferedReader(stream, BLOCK_BYTES)
        except OSError as error:
            raise DataError(
                f"{path.name}: its {codec} compression is damaged or cut off: a truncated copy"
            ) from error


def _check_bgzip_end(handle: IO[bytes]) -> None:
    handle.seek(max(handle.seek(0, io.SEEK_END) - len(BGZF_END), 0))
    end = handle.read()
    handle.seek(0)
    if end != BGZF_END:
        raise OSError("no end-of-file block")


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


class _RowStream(io.RawIOBase):
    """Rows of data for Arrow: runs of white space made one tab, lines counted."""

    def __init__(self, stream: IO[bytes], *, by_whitespace: bool) -> None:
        self._stream = stream
        self._by_whitespace = by_whitespace
        self._carried = b""
        self._last = b"\n"
        self._n_ends = 0

    @property
    def n_lines(self) -> int:
        """How many lines were read, the last one also without a line end."""
        return self._n_ends + (self._last != b"\n")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, at most `size`; none at the end."""
        while True:
            room = max(size - len(self._carried), 1) if size >= 0 else -1
            chunk = self._stream.read(room)
            self._n_ends += chunk.count(b"\n")
            self._last = chunk[-1:] or self._last
            if not self._by_whitespace:
                return chunk
            whole = self._carried + chunk
            cut = whole.rfind(b"\n") + 1 if chunk else len(whole)
            self._carried = whole[cut:]
            if cut or not chunk:
                return _squeeze(whole[:cut])
            if len(whole) >= LONGEST_LINE:
                raise DataError(f"a line is longer than {LONGEST_LINE:,} bytes")


def _squeeze(text: bytes) -> bytes:
    """Make each run of spaces and tabs one tab, and none at the ends of lines."""
    text = text.replace(b"\r\n", b"\n").replace(b" ", b"\t")
    while b"\t\t" in text:
        text = text.replace(b"\t\t", b"\t")
    return text.replace(b"\n\t", b"\n").replace(b"\t\n", b"\n").lstrip(b"\t")


def _read_text(path: Path, head: Head, kinds: Mapping[int, Kind]) -> pa.Table:
    names = [str(place) for place in range(len(head.columns))]
    try:
        with open_rows(path, head) as stream:
            rows = _RowStream(stream, by_whitespace=head.separator == " ")
            table = pyarrow.csv.read_csv(
                rows,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=names,
                    block_size=max(BLOCK_BYTES, BYTES_PER_COLUMN * len(names)),
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter="\t" if head.separator == " " else head.separator
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=[str(place) for place in kinds],
                    column_types={str(place): ARROW_TYPES[kind] for place, kind in kinds.items()},
                    null_values=MISSING_TEXTS,
                    strings_can_be_null=True,
                ),
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
