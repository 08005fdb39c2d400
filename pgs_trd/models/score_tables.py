"""Tables of scores, read some columns at a time so that a large one never stands twice."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np
import pandas as pd
from pandas.api import types as dtypes

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import ModelDataError


class ScoreTable(Protocol):
    """Scores of people, one column a score.

    A pandas DataFrame whose index is the person id does as well wherever one of these is
    asked for; a table that reads its columns from a file keeps less in memory.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Of the scores."""
        ...

    @property
    def person_ids(self) -> pd.Index:
        """One id a row."""
        ...

    def read(self, first: int, end: int) -> FloatArray:
        """Give the scores from `first` up to `end`, (n_people, end - first); NaN is missing."""
        ...


@dataclass(frozen=True)
class FrameScores:
    """A DataFrame as a table of scores; see `score_table`."""

    frame: pd.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, as text."""
        return tuple(str(name) for name in self.frame.columns)

    @property
    def person_ids(self) -> pd.Index:
        """The index."""
        return self.frame.index

    def read(self, first: int, end: int) -> FloatArray:
        """Give the scores from `first` up to `end`; NaN is missing."""
        part = self.frame.iloc[:, first:end]
        return np.asarray(part.to_numpy(dtype=np.float64, na_value=np.nan))


def score_table(scores: pd.DataFrame | ScoreTable) -> ScoreTable:
    """Give `scores` as a table of scores; check a DataFrame whole.

    Raises
    ------
    UsageError
        If there is no column, or two have one name.
    DataError
        If columns hold what is no number; all of them are named.
    ModelDataError
        If values are infinite.
    """
    if not isinstance(scores, pd.DataFrame):
        return scores
    repeated = scores.columns[scores.columns.duplicated()].unique()
    if len(repeated):
        names = ", ".join(map(str, repeated[:5]))
        raise UsageError(f"scores: column names occur more than once: {names}")
    if not len(scores.columns):
        raise UsageError("scores have no column: there is nothing to fit")
    faults = []
    for place, name in enumerate(scores.columns):
        n_text = _count_no_numbers(scores.iloc[:, place])
        if n_text:
            faults.append(
                f"column {str(name)!r}: {n_text:,} of {len(scores):,} values are no number"
            )
    if faults:
        raise DataError(
            f"{join_faults('scores', faults)}\nEvery column of scores is a score: leave ids "
            "and labels out, and read numbers as numbers"
        )
    columns = FrameScores(scores)
    for place, name in enumerate(columns.names):
        refuse_infinite_scores(columns.read(place, place + 1), (name,))
    return columns


def refuse_infinite_scores(values: FloatArray, names: tuple[str, ...]) -> None:
    """Raise a ModelDataError that counts the infinite values of each column, if any."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(values.sum()):
            return
    counts = np.isinf(values).sum(axis=0)
    faults = [
        f"score {name!r}: {count:,} of {len(values):,} are infinite"
        for name, count in zip(names, counts.tolist(), strict=True)
        if count
    ]
    if faults:
        raise ModelDataError(
            f"{join_faults('scores', faults)}\nMend them or set them to NaN, which leaves these "
            "people out"
        )


def _count_no_numbers(values: pd.Series) -> int:
    if dtypes.is_numeric_dtype(values.dtype) or dtypes.is_bool_dtype(values.dtype):
        return 0
    return sum(not isinstance(value, Real | np.bool_) for value in values[values.notna()])
