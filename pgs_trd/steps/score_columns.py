"""Scores in a Parquet file, read some columns at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models import ScoreTable
from pgs_trd.tables import check_ending, read_table


def open_scores(path: Path) -> pd.DataFrame | ScoreTable:
    """Open a table of scores: Parquet is read as it is needed, text at once.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it has no column `person_id`, or columns that hold no numbers.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    return ParquetScores(path) if check_ending(path) == ".parquet" else read_scores(path)


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score table; give it with the index `person_id`."""
    table = read_table(path)
    if "person_id" not in table.columns:
        raise DataError(f"{path.name}: no column 'person_id'; is it a table of scores?")
    return table.set_index("person_id")


class ParquetScores:
    """A table of scores whose columns stay in the file until they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            schema = pq.read_schema(path)
            if "person_id" not in schema.names:
                raise DataError(f"{path.name}: no column 'person_id'; is it a table of scores?")
            ids = pq.read_table(path, columns=["person_id"])["person_id"]
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path.name}: cannot be read as parquet: {error}") from error
        self._ids: pd.Index = pd.Index(ids.cast(pa.string()).to_pandas(), dtype=object)
        self._names = tuple(name for name in schema.names if name != "person_id")
        faults = [
            f"column {name!r} is {schema.field(name).type}, no number"
            for name in self._names
            if not _is_number(schema.field(name).type)
        ]
        if faults:
            raise DataError(join_faults(path.name, faults))
        if not self._names:
            raise DataError(f"{path.name}: no column of scores beside 'person_id'")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns but `person_id`."""
        return self._names

    @property
    def person_ids(self) -> pd.Index:
        """One id a row."""
        return self._ids

    def read(self, first: int, end: int) -> npt.NDArray[np.float64]:
        """Give the scores from `first` up to `end`, (n_people, end - first); NaN is missing."""
        table = pq.read_table(self._path, columns=list(self._names[first:end]))
        values = np.empty((table.num_rows, table.num_columns))
        for place in range(table.num_columns):
            column = table.column(place).cast(pa.float64(), safe=False)
            values[:, place] = column.to_numpy()
        return values


def _is_number(kind: pa.DataType) -> bool:
    numbers = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_decimal)
    return any(is_kind(kind) for is_kind in numbers)
