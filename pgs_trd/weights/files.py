"""Read delimited text, plain or compressed, a few columns of it, fast."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from pgs_trd.errors import DataError, UsageError

# text: few distinct values; names: many; numbers; guess: numbers if all of it is.
Kind: TypeAlias = Literal["text", "names", "numbers", "guess"]

MISSING_TEXTS = ["", ".", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "none"]
CODEC_OF_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
LONGEST_LINE = 2**24
BLOCK_BYTES = 2**23


@dataclass(frozen=True)
class Head:
    """What stands before the data: metadata, column names, how lines are divided."""

    metadata: dict[str, str]
    columns: tuple[str, ...]
    separator: Literal["\t", ",", ";", " "]
    n_lines: int


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, taking off gzip or zstd compression told by its first bytes."""
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    with path.open("rb") as handle:
        magic = handle.read(4)
        handle.seek(0)
        codec = CODEC_OF_MAGIC.get(magic[:2]) or CODEC_OF_MAGIC.get(magic)
        if codec is None:
            yield handle
            return
        try:
            # Arrow's streams, unlike zstandard's, tell a cut file from a short one.
            with pa.CompressedInputStream(pa.PythonFile(handle, mode="r"), codec) as stream:
                yield io.BufferedReader(stream)
        except OSError as error:
            raise DataError(
                f"{path.name}: its {codec} compression is damaged or cut off: a truncated copy"
            ) from error


def read_head(path: Path) -> Head:
    """Read comment lines (#) and the line of column names."""
    metadata: dict[str, str] = {}
    with open_binary(path) as stream:
        for n_lines in range(1, 100_000):
            line = _decode(stream.readline(LONGEST_LINE), path)
            if not line:
                what = "is empty" if n_lines == 1 else "has comment lines only, no column names"
                raise DataError(f"{path.name}: {what}")
            text = line.rstrip("\r\n").removeprefix("\ufeff")
            if not text.strip():
                continue
            if text.startswith("#") and not _is_column_line(text):
                key, equals, value = text.lstrip("#").partition("=")
                if equals and not text.startswith("##"):
                    metadata[key.strip()] = value.strip()
                continue
            separator = _separator(text)
            return Head(metadata, _split(text, separator), separator, n_lines)
    raise DataError(f"{path.name}: has no line of column names")


@contextmanager
def open_rows(path: Path, head: Head) -> Iterator[IO[bytes]]:
    """Open a file behind its line of column names."""
    with open_binary(path) as stream:
        for _ in range(head.n_lines):
            stream.readline()
        yield stream


def read_columns(path: Path, head: Head, kinds: dict[int, Kind]) -> dict[int, pd.Series]:
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
    columns
        ``text`` as categories, ``names`` as objects, ``numbers`` as float64,
        ``guess`` as float64 or objects; missing is null throughout.
    """
    read = _read_by_whitespace if head.separator == " " else _read_by_character
    try:
        table = read(path, head, kinds)
    except _NotNumbersError:
        kinds = {place: "names" if kind == "numbers" else kind for place, kind in kinds.items()}
        table = read(path, head, kinds)
    return table


class _NotNumbersError(Exception):
    """A column of numbers holds something else."""


def _read_by_character(path: Path, head: Head, kinds: dict[int, Kind]) -> dict[int, pd.Series]:
    names = [str(place) for place in range(len(head.columns))]
    arrow_types = {
        "text": pa.dictionary(pa.int32(), pa.string()),
        "names": pa.string(),
        "numbers": pa.float64(),
    }
    try:
        with open_rows(path, head) as stream:
            table = pyarrow.csv.read_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(delimiter=head.separator),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=[str(place) for place in kinds],
                    column_types={
                        str(place): arrow_types[kind]
                        for place, kind in kinds.items()
                        if kind != "guess"
                    },
                    null_values=MISSING_TEXTS,
                    strings_can_be_null=True,
                ),
            )
    except pa.ArrowInvalid as error:
        message = str(error)
        if "conversion error to double" in message:
            raise _NotNumbersError from error
        if "Empty CSV file" in message:
            raise DataError(f"{path.name}: has column names but no rows") from error
        raise DataError(f"{path.name}: {_readable(message, len(names))}") from error
    if table.num_rows == 0:
        raise DataError(f"{path.name}: has column names but no rows")
    return {place: _to_pandas(table.column(str(place)), kind) for place, kind in kinds.items()}


def _to_pandas(column: pa.ChunkedArray, kind: Kind) -> pd.Series:
    kind_of = pa.types
    if kind == "guess" and (kind_of.is_integer(column.type) or kind_of.is_floating(column.type)):
        column = column.cast(pa.float64())
    series: pd.Series = column.to_pandas()
    return series if kind != "guess" or series.dtype == np.float64 else series.astype(object)


def _read_by_whitespace(path: Path, head: Head, kinds: dict[int, Kind]) -> dict[int, pd.Series]:
    dtypes = {"text": "category", "names": "str", "numbers": "float64"}
    last = len(head.columns) - 1
    # One column too many is asked for, so that a wider row shows.
    missing = {str(place): [""] for place in (last, last + 1)}
    missing |= {str(place): MISSING_TEXTS for place in kinds}
    try:
        with open_rows(path, head) as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            table = pd.read_csv(
                stream,
                sep=r"\s+",
                header=None,
                names=[str(place) for place in range(last + 2)],
                dtype={
                    str(place): dtypes[kind] for place, kind in kinds.items() if kind != "guess"
                },
                keep_default_na=False,
                na_values=missing,
                float_precision="round_trip",
                engine="c",
                low_memory=False,
                index_col=False,
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path.name}: has column names but no rows") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error
    except pd.errors.ParserError as error:
        raise DataError(f"{path.name}: cannot be read as a table: {error}") from error
    except ValueError as error:
        raise _NotNumbersError from error
    if table.empty:
        raise DataError(f"{path.name}: has column names but no rows")
    wrong = table[str(last + 1)].notna().to_numpy()
    if last not in kinds:
        wrong |= table[str(last)].isna().to_numpy()
    if wrong.any():
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(table):,} rows do not have the "
            f"{last + 1} columns of the header, the first is row {int(wrong.argmax()) + 1:,}"
        )
    columns = {place: table[str(place)] for place in kinds}
    return {
        place: column.astype(np.float64) if column.dtype.kind in "iuf" else column
        for place, column in columns.items()
    }


def _decode(line: bytes, path: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error


def _is_column_line(text: str) -> bool:
    """Tell plink-like column names (``#CHROM<tab>POS``) from a comment."""
    return not text.startswith("##") and "=" not in text and "\t" in text.strip()


def _separator(text: str) -> Literal["\t", ",", ";", " "]:
    if "\t" in text:
        return "\t"
    if "," in text:
        return ","
    return ";" if ";" in text else " "


def _split(text: str, separator: str) -> tuple[str, ...]:
    if separator == " ":
        return tuple(text.split())
    return tuple(name.strip() for name in next(csv.reader([text], delimiter=separator)))


def _readable(message: str, n_columns: int) -> str:
    """Say what Arrow says, without the text of the row."""
    if "Expected" in message and "got" in message:
        found = message.partition("got ")[2].partition(":")[0]
        return f"a row has {found} columns, the header {n_columns}: cut off, or another separator"
    if "UTF8" in message or "UTF-8" in message:
        return "is not text: invalid UTF-8"
    return f"cannot be read: {message.partition(':')[0]}"


def distinct(series: pd.Series) -> tuple[npt.NDArray[np.int64], Sequence[str]]:
    """Give codes (-1 missing) and the distinct texts, stripped, of a column of text."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, texts = series.cat.codes.to_numpy(), series.cat.categories
    else:
        codes, texts = pd.factorize(series)
    return np.asarray(codes, dtype=np.int64), [str(text).strip() for text in texts]
