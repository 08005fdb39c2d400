"""A set of people of whom no two are related, to which none can be added."""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry.kinship import SECOND_DEGREE
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError

BoolArray = npt.NDArray[np.bool_]

# Column names of plink2 and KING (.kin0), UK Biobank (rel.dat) and All of Us.
PAIR_NAMES = {
    "person_1": ("person_1", "iid1", "id1", "i.s"),
    "person_2": ("person_2", "iid2", "id2", "j.s"),
    "kinship": ("kinship", "kin"),
}


def read_pairs(path: Path) -> pd.DataFrame:
    """Read a table of related pairs as biobanks and programs give it.

    Columns are told by their names, which may be those of plink2's or KING's ``.kin0``
    (IID1 or ID1, IID2 or ID2, KINSHIP), of UK Biobank's relatedness file (ID1, ID2,
    Kinship), of All of Us (i.s, j.s, kin) or of `king_kinship`; blanks, tabs or
    commas separate them, or the file is Parquet. Other columns are ignored.

    Returns
    -------
    pairs
        person_1, person_2 (text), kinship.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If a column is absent or a kinship is no number.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, sep=_separator(path), dtype=str, skipinitialspace=True)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(f"{path.name}: is not a table: {error}") from error
    known = {str(name).lstrip("#").lower(): name for name in table.columns}
    chosen = {
        wanted: next((known[name] for name in names if name in known), None)
        for wanted, names in PAIR_NAMES.items()
    }
    absent = [wanted for wanted, name in chosen.items() if name is None]
    if absent:
        raise DataError(
            f"{path.name}: has no column for {', '.join(absent)}: expected names such as "
            "ID1, ID2, Kinship"
        )
    pairs = pd.DataFrame({wanted: table[name].to_numpy() for wanted, name in chosen.items()})
    for name in ("person_1", "person_2"):
        pairs[name] = pairs[name].astype("string").astype(object)
    kinship = pd.to_numeric(pairs["kinship"], errors="coerce")
    n_wrong = int((kinship.isna() | pairs[["person_1", "person_2"]].isna().any(axis=1)).sum())
    if n_wrong:
        raise DataError(
            f"{path.name}: {n_wrong:,} of {len(pairs):,} rows have no two ids and a kinship that "
            "is a number"
        )
    return pairs.assign(kinship=kinship.to_numpy(dtype=np.float64))


def _separator(path: Path) -> str:
    """Tell what separates the columns from the first line: tabs, commas or else blanks.

    An empty cell between two tabs is one, and does not move those behind it.
    """
    header = str(pd.read_csv(path, sep="\x01", header=None, nrows=1, dtype=str).iat[0, 0])
    return next((separator for separator in "\t," if separator in header), r"\s+")


def unrelated_set(
    person_id: Sequence[str],
    pairs: pd.DataFrame,
    *,
    first: BoolArray | None = None,
    max_kinship: float = SECOND_DEGREE,
) -> pd.DataFrame:
    """Flag people so that no two of the rest are related, and none could be added.

    Whoever has the fewest relatives left is kept and these are flagged, until nobody
    is left; the earlier person where several have as few. Those that come `first`,
    such as cases, are settled among themselves before the others.

    Parameters
    ----------
    person_id : (n_people,)
        Unique.
    pairs
        person_1, person_2, kinship, from `king_kinship` or `read_pairs`. Pairs with
        anybody else are ignored.
    first : (n_people,) or None
        Who is to be kept rather than the others.
    max_kinship
        Pairs above it are related; by default second degree and closer. 0.0442
        takes third degree in.

    Returns
    -------
    people
        One row a person: person_id; n_relatives; status ``ok`` or ``flagged``; reason,
        ``related`` or empty.

    Raises
    ------
    ValueError
        If `first` is not one truth value a person, or ids are not unique.

    Warns
    -----
    PgsTrdWarning
        If there are pairs and none is of two of these people.
    """
    index = pd.Index(person_id)
    if not index.is_unique:
        raise ValueError(f"{int(index.duplicated().sum()):,} of {len(index):,} ids occur before")
    is_first = np.zeros(len(index), dtype=bool) if first is None else np.asarray(first, dtype=bool)
    if is_first.shape != (len(index),):
        raise ValueError(f"first has shape {is_first.shape}, expected ({len(index)},)")
    relatives = _relatives(index, pairs, max_kinship)
    is_kept = np.zeros(len(index), dtype=bool)
    is_settled = np.zeros(len(index), dtype=bool)
    for group in (is_first, ~is_first):
        _settle(np.flatnonzero(group & ~is_settled), relatives, is_kept, is_settled)
    return pd.DataFrame(
        {
            "person_id": index.to_numpy(),
            "n_relatives": [len(relatives.get(person, ())) for person in range(len(index))],
            "status": np.where(is_kept, "ok", "flagged"),
            "reason": np.where(is_kept, "", "related"),
        }
    )


def _relatives(
    index: pd.Index[str], pairs: pd.DataFrame, max_kinship: float
) -> dict[int, set[int]]:
    """Give the places of each person's relatives."""
    first, second = (index.get_indexer(pd.Index(pairs[name])) for name in ("person_1", "person_2"))
    is_known = (first >= 0) & (second >= 0) & (first != second)
    if len(pairs) and not is_known.any():
        warnings.warn(
            f"none of {len(pairs):,} related pairs is of two of the {len(index):,} people: are the "
            "ids of the same release?",
            PgsTrdWarning,
            stacklevel=3,
        )
    is_related = is_known & (pairs["kinship"].to_numpy(dtype=np.float64) > max_kinship)
    relatives: dict[int, set[int]] = {}
    for one, other in zip(first[is_related].tolist(), second[is_related].tolist(), strict=True):
        relatives.setdefault(one, set()).add(other)
        relatives.setdefault(other, set()).add(one)
    return relatives


def _settle(
    people: npt.NDArray[np.intp],
    relatives: dict[int, set[int]],
    is_kept: BoolArray,
    is_settled: BoolArray,
) -> None:
    """Keep or flag `people`, fewest relatives among those unsettled first."""
    members = set(people.tolist())
    n_left = {person: len(relatives.get(person, set()) & members) for person in members}
    queue = [(n, person) for person, n in n_left.items()]
    heapq.heapify(queue)
    while queue:
        n, person = heapq.heappop(queue)
        if is_settled[person] or n != n_left[person]:
            continue
        is_kept[person] = is_settled[person] = True
        for relative in relatives.get(person, ()):
            if is_settled[relative]:
                continue
            is_settled[relative] = True
            for other in relatives[relative]:
                if other in members and not is_settled[other]:
                    n_left[other] -= relative in members
                    heapq.heappush(queue, (n_left[other], other))
