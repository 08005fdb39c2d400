"""Tables on disk: written whole or not at all, read by their ending."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults

TEXT_SEPARATORS = {".tsv": "\t", ".txt": "\t", ".csv": ","}


def make_folder(folder: Path) -> None:
    """Make `folder` if need be, and check that files can be written into it.

    Raises
    ------
    UsageError
        If it cannot be made or written into; steps ask before they start to work.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # no fault of the call: it may go well another time
        raise UsageError(f"cannot write into {folder}: {error.strerror}") from error


@contextmanager
def replace_on_success(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it onto `path` if all went well.

    Whatever goes wrong inside the block, `path` is either as it was before or
    complete: the temporary file is synced before the rename and deleted on error.
    """
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_ending(path: Path) -> str:
    """Give the ending of `path`, which tells the format of a table.

    Raises
    ------
    UsageError
        If it is none of .parquet, .tsv, .txt, .csv.
    """
    if path.suffix != ".parquet" and path.suffix not in TEXT_SEPARATORS:
        raise UsageError(
            f"cannot tell the table format of {path.name!r}: it should end in "
            ".parquet, .tsv, .txt or .csv"
        )
    return path.suffix


def check_output(path: Path) -> None:
    """Raise a UsageError, before any work, if a table could not be written to `path`."""
    check_ending(path)
    make_folder(path.parent)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as Parquet, TSV or CSV, told by the ending of `path`.

    Floating-point numbers are written so that reading gives the same bits back;
    missing is empty in text. The index is not written.

    Raises
    ------
    UsageError
        If the ending is none of .parquet, .tsv, .txt, .csv.
    """
    separator = TEXT_SEPARATORS.get(check_ending(path))
    with replace_on_success(path) as temporary:
        if separator is None:
            # A dictionary of numbers that all differ takes longer than the rest, and more room.
            texts = [name for name, kind in table.dtypes.items() if kind != np.float64]
            table.to_parquet(temporary, index=False, use_dictionary=texts)
        else:
            table.to_csv(temporary, sep=separator, index=False, lineterminator="\n")


def write_text(text: str, path: Path) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replace_on_success(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_table(path: Path, *, text_columns: Sequence[str] = ("person_id",)) -> pd.DataFrame:
    """Read a Parquet, TSV or CSV table (text also as .gz), told by its ending.

    Parameters
    ----------
    path
        The file.
    text_columns
        Columns kept as text, whatever they look like: "007" is no number.

    Raises
    ------
    UsageError
        If there is no such file, or its ending is none of the known.
    DataError
        If the file cannot be read as what its ending says.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    suffix = check_ending(Path(path.stem) if path.suffix == ".gz" else path)
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(
                path,
                sep=TEXT_SEPARATORS[suffix],
                dtype=dict.fromkeys(text_columns, "string"),
                float_precision="round_trip",
            )
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path.name}: cannot be read as {suffix[1:]}: {error}") from error
    for column in text_columns:
        if column in table.columns:
            table[column] = table[column].astype("string").astype(object)
    return table


def require_columns(table: pd.DataFrame, columns: Sequence[str], subject: str) -> None:
    """Raise a DataError that names every column of `columns` that `table` lacks."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns[:12])) + (", ..." if table.shape[1] > 12 else "")
        raise DataError(
            join_faults(subject, [f"no column {name!r}" for name in missing])
            + f"\nIts columns are: {have}"
        )
