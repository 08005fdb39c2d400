"""Bring the inputs of a model into one order of people, and refuse what no model can take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.covariates import encode_covariates

Vector: TypeAlias = "pd.Series | npt.NDArray[np.generic] | Sequence[float] | Sequence[bool]"
Labels: TypeAlias = "pd.Series | npt.NDArray[np.generic] | Sequence[str] | Sequence[int]"
Matrix: TypeAlias = "pd.DataFrame | pd.Series | npt.NDArray[np.generic]"

MAX_BATCH_COLUMNS = 64
MAX_MODIFIERS = 15


class ModelDataError(DataError, ValueError):
    """Values that no model can be fitted to, with their number."""


class People:
    """The one order of people that all inputs of a call share.

    Pandas objects must have equal indices; arrays and lists are taken by
    position. Nothing is reindexed: a silent reindex hides a wrong join.
    """

    def __init__(self) -> None:
        self._index: pd.Index | None = None
        self._indexed_by = ""
        self._length: int | None = None
        self._counted_by = ""

    def check(self, name: str, values: object) -> None:
        """Raise a UsageError if `values` are not about the people seen so far."""
        try:
            length = len(values)  # type: ignore[arg-type]  # a scalar is refused just below
        except TypeError:
            raise UsageError(
                f"{name} is a {type(values).__name__}: one value a person is needed"
            ) from None
        if self._length is None:
            self._length, self._counted_by = length, name
        elif length != self._length:
            raise UsageError(
                f"{name} has {length:,} values and {self._counted_by} has {self._length:,}: "
                "both need one row a person, in the same order"
            )
        if not isinstance(values, pd.Series | pd.DataFrame):
            return
        if self._index is None:
            self._index, self._indexed_by = values.index, name
        elif not self._index.equals(values.index):
            n_shared = int(self._index.isin(values.index).sum())
            raise UsageError(
                f"the index of {name} differs from that of {self._indexed_by}: of {length:,} "
                f"people {n_shared:,} are in both. Bring them into one order first, for example "
                f"with {name}.loc[{self._indexed_by}.index]"
            )

    @property
    def length(self) -> int:
        """The number of people; 0 before anything was checked."""
        return self._length or 0


def read_vector(people: People, name: str, values: Vector) -> FloatArray:
    """Give `values` as numbers, NaN where missing; refuse text and infinities."""
    people.check(name, values)
    return _read_numbers(name, values if isinstance(values, pd.Series) else pd.Series(values))


def _read_numbers(name: str, series: pd.Series) -> FloatArray:
    try:
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        # The cause is left out: its text holds a value of one person.
        raise UsageError(
            f"{name} holds values that are not numbers (dtype {series.dtype})"
        ) from None
    refuse_infinite(name, numbers)
    return numbers


def read_labels(people: People, name: str, values: Labels) -> IntArray:
    """Give `values` as codes 0, 1, ... of their distinct labels, -1 where missing."""
    people.check(name, values)
    codes, _ = pd.factorize(pd.Series(values).reset_index(drop=True), sort=True)
    return np.asarray(codes, dtype=np.int64)


def check_cluster(se: str, cluster: Labels | None) -> None:
    """Raise a UsageError if clusters are asked for and not given, or the other way round."""
    if cluster is not None and se != "cluster":
        raise UsageError(f"cluster is given, but se is {se!r}: add se='cluster', or leave it out")
    if cluster is None and se == "cluster":
        raise UsageError("se='cluster' needs the clusters: give cluster, one label a person")


def read_binary(people: People, name: str, values: Vector) -> FloatArray:
    """Give a 0/1 vector, NaN where missing; refuse any other value."""
    numbers = read_vector(people, name, values)
    n_other = int(np.sum(~np.isnan(numbers) & (numbers != 0) & (numbers != 1)))
    if n_other:
        raise ModelDataError(
            f"{name}: {n_other:,} of {len(numbers):,} values are neither 0 nor 1. "
            "Code cases as 1, controls as 0 and people who are out as NaN"
        )
    return numbers


def read_weights_vector(people: People, values: Vector) -> FloatArray:
    """Give weights of at least 0; a weight of 0 or NaN puts the person out."""
    numbers = read_vector(people, "weights", values)
    n_negative = int(np.sum(numbers < 0))
    if n_negative:
        raise ModelDataError(f"weights: {n_negative:,} of {len(numbers):,} are negative")
    return np.where(numbers > 0, numbers, np.nan)


def refuse_infinite(name: str, numbers: FloatArray) -> None:
    """Raise a ModelDataError with the number of infinite values, if any."""
    n_infinite = int(np.isinf(numbers).sum())
    if n_infinite:
        raise ModelDataError(
            f"{name}: {n_infinite:,} of {numbers.size:,} values are infinite. "
            "Mend them or set them to NaN, which leaves these people out"
        )


def _all_finite(numbers: FloatArray) -> bool:
    """Say whether the sum is finite: then nothing is missing or infinite, which is the rule."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(numbers.sum()))


@dataclass(frozen=True)
class ScoreColumns:
    """The scores of a call: names, and columns read a block at a time."""

    names: tuple[str, ...]
    _table: pd.DataFrame

    def block(self, first: int, end: int) -> FloatArray:
        """Give the scores from `first` up to `end` as numbers, NaN where missing."""
        part = self._table.iloc[:, first:end]
        try:
            numbers = part.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            numbers = np.full((1, 1), np.inf)
        if not _all_finite(numbers) and np.isinf(numbers).any():
            # Column by column, to name the one at fault.
            columns = [
                _read_numbers(f"score {name!r}", part.iloc[:, place])
                for place, name in enumerate(self.names[first:end])
            ]
            numbers = np.column_stack(columns)
        return numbers


def _as_table(given: Matrix, name: str) -> pd.DataFrame:
    """Give a table with a column each of what is called `name`, and so are nameless columns."""
    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, pd.Series):
        return given.to_frame(name if given.name is None else given.name)
    array = np.asarray(given)
    array = array[:, np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2:
        raise UsageError(f"{name}s have {array.ndim} dimensions: people x {name}s is needed")
    return pd.DataFrame(array, columns=[f"{name}_{i + 1}" for i in range(array.shape[1])])


def read_scores(people: People, scores: Matrix) -> ScoreColumns:
    """Check a table of scores, one model a column."""
    people.check("scores", scores)
    table = _as_table(scores, "score")
    names = tuple(str(name) for name in table.columns)
    if not names:
        raise UsageError("scores have no column: there is nothing to fit")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"scores: column names occur more than once: {', '.join(repeated[:5])}")
    return ScoreColumns(names, table)


def read_covariates(
    people: People, covariates: Matrix | None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Give covariates as numbers (n_people, n_columns) with their names.

    Text and categorical columns become treatment dummies, as `encode_covariates`
    says; missing stays NaN.
    """
    if covariates is None:
        return np.empty((people.length, 0)), ()
    people.check("covariates", covariates)
    encoded = encode_covariates(_as_table(covariates, "covariate"))
    numbers = encoded.to_numpy(dtype=np.float64)
    for position, name in enumerate(encoded.columns):
        refuse_infinite(f"covariate {name!r}", numbers[:, position])
    return numbers, tuple(str(name) for name in encoded.columns)


def read_modifiers(interaction: str | Sequence[str] | None, names: Sequence[str]) -> list[int]:
    """Give the places of the encoded covariates that an interaction names.

    Parameters
    ----------
    interaction
        Names of covariates as given, which stand for all their dummies, or as encoded.
    names
        Of the encoded covariates.

    Raises
    ------
    UsageError
        If a name is no covariate, so that the model would lack its main effect, or
        there are more than 15 columns.
    """
    asked = [interaction] if isinstance(interaction, str) else list(interaction or ())
    places: list[int] = []
    for name in asked:
        exact = [place for place, given in enumerate(names) if given == name]
        found = exact or [
            place for place, given in enumerate(names) if given.startswith(f"{name}_")
        ]
        if not found:
            raise UsageError(
                f"interaction {name!r} is no covariate: it must be one, so that its own effect "
                f"is in the model. There are: {', '.join(names) or 'none'}"
            )
        places += [place for place in found if place not in places]
    if len(places) > MAX_MODIFIERS:
        raise UsageError(
            f"interaction names {len(places)} columns: at most {MAX_MODIFIERS} at a time"
        )
    return places


def explain_nobody(
    usable: BoolArray,
    covariates: FloatArray,
    names: Sequence[str],
    **others: FloatArray | IntArray | None,
) -> str:
    """Say what is missing where a score has no complete cases.

    Parameters
    ----------
    usable : (n_people,)
        Who has everything but the score.
    covariates : (n_people, n_covariates)
        NaN where missing, with one of `names` a column.
    others
        Name to (n_people,): NaN or a negative code where missing; None is not used.
    """
    n_usable = int(usable.sum())
    if n_usable:
        return (
            "no complete cases: every score value is missing among the "
            f"{n_usable:,} people who have the rest"
        )
    empty = [
        name
        for name, values in others.items()
        if values is not None
        and bool(np.all(np.isnan(values) if values.dtype.kind == "f" else values < 0))
    ]
    absent = np.isnan(covariates).all(axis=0)
    empty += [f"covariate {name!r}" for name, gone in zip(names, absent, strict=True) if gone]
    if not empty:
        return "no complete cases: everybody lacks something, but no one thing is always missing"
    return f"no complete cases: {empty[0]} is missing for everybody"


@dataclass(frozen=True)
class Batch:
    """Scores that are present in the same people, so that one design serves them."""

    positions: tuple[int, ...]
    rows: IntArray
    values: FloatArray


def batch_scores(scores: ScoreColumns, usable: BoolArray) -> Iterator[Batch]:
    """Group scores by who has them; at most 64 scores are copied at a time.

    Parameters
    ----------
    scores
        The score columns.
    usable : (n_people,)
        Who has everything else: outcome, covariates, cluster.

    Yields
    ------
    batch
        With `rows` the people who are complete, and `values`
        (len(rows), len(positions)) their scores.
    """
    rows_usable = np.flatnonzero(usable).astype(np.int64)
    for first in range(0, len(scores.names), MAX_BATCH_COLUMNS):
        block = scores.block(first, min(first + MAX_BATCH_COLUMNS, len(scores.names)))
        if len(rows_usable) < len(block):
            block = block[rows_usable]
        if _all_finite(block):
            yield Batch(tuple(range(first, first + block.shape[1])), rows_usable, block)
            continue
        missing = np.isnan(block)
        patterns: dict[bytes, list[int]] = {}
        for place, some in enumerate(missing.any(axis=0)):
            key = np.packbits(missing[:, place]).tobytes() if some else b""
            patterns.setdefault(key, []).append(place)
        for key, places in patterns.items():
            present = ~missing[:, places[0]] if key else slice(None)
            values = block if len(places) == block.shape[1] else block[:, places]
            rows = rows_usable[present]
            yield Batch(tuple(first + place for place in places), rows, values[present])
