"""Pairs of relatives that were given: families as clusters, or people of whom no two are a pair."""

from __future__ import annotations

import heapq

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pgs_trd.errors import DataError
from pgs_trd.models.arrays import BoolArray, IntArray

# Columns that programs give to the two people of a pair.
PAIR_COLUMNS = (
    ("person_1", "person_2"),
    ("ID1", "ID2"),
    ("IID1", "IID2"),
    ("#IID1", "IID2"),
)


def read_pairs(related: pd.DataFrame, person_ids: pd.Index) -> IntArray:
    """Give the pairs whose people both have scores.

    Parameters
    ----------
    related
        One row a pair: `person_1`, `person_2`, or as UK Biobank (`ID1`, `ID2`), KING and
        plink2 (`IID1`, `IID2`) name them. All its pairs count as related.
    person_ids
        Of the rows of the table of scores, as text.

    Returns
    -------
    pairs : (n_pairs, 2)
        Rows of the table of scores; a person paired with itself is no pair.

    Raises
    ------
    DataError
        If there are no two columns of people.
    """
    for names in PAIR_COLUMNS:
        if set(names) <= set(related.columns):
            break
    else:
        found = ", ".join(map(str, related.columns[:8]))
        raise DataError(
            f"related: no columns {' and '.join(PAIR_COLUMNS[0])} (or ID1 and ID2, IID1 and "
            f"IID2). Its columns are: {found}"
        )
    ends = [person_ids.get_indexer(pd.Index(related[name].astype(str))) for name in names]
    pairs = np.column_stack(ends).astype(np.int64)
    return np.asarray(pairs[(pairs >= 0).all(axis=1) & (pairs[:, 0] != pairs[:, 1])])


def family_codes(n_people: int, pairs: IntArray) -> IntArray:
    """Give each person's family: who is joined by pairs, however many, is in one.

    Parameters
    ----------
    n_people
        Number of rows of the table of scores.
    pairs : (n_pairs, 2)
        Rows.

    Returns
    -------
    families : (n_people,)
        Codes; a person without relatives is a family.
    """
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n_people, n_people))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def choose_unrelated(
    rows: IntArray, pairs: IntArray, candidates: BoolArray, first: BoolArray
) -> BoolArray:
    """Choose people of whom no two are a pair, as many as greed gives.

    Who comes first is never left out for another; else whoever has most relatives left is
    left out, one after the other, until no pair is there.

    Parameters
    ----------
    rows : (n_people,)
        Their rows, as `pairs` counts them.
    pairs : (n_pairs, 2)
        Relatives.
    candidates, first : (n_people,)
        Who may be chosen, and who of them comes first.

    Returns
    -------
    chosen : (n_people,)
    """
    place = np.full(max(int(rows.max(initial=-1)), int(pairs.max(initial=-1))) + 1, -1)
    place[rows[candidates]] = np.flatnonzero(candidates)
    edges = place[pairs]
    edges = edges[(edges >= 0).all(axis=1)]
    ahead = first[edges]
    out = _thin(edges[ahead.all(axis=1)])
    mixed = edges[ahead.any(axis=1) & ~ahead.all(axis=1)]
    is_first = first[mixed]
    for case, other in zip(mixed[is_first].tolist(), mixed[~is_first].tolist(), strict=True):
        if case not in out:
            out.add(other)
    behind = edges[~ahead.any(axis=1)]
    gone = np.isin(behind, np.fromiter(out, np.int64, len(out)))
    out |= _thin(behind[~gone.any(axis=1)])
    chosen = candidates.copy()
    chosen[np.fromiter(out, np.int64, len(out))] = False
    return chosen


def _thin(edges: IntArray) -> set[int]:
    """Give whom to leave out so that no edge is left, those with most edges before others."""
    neighbours: dict[int, set[int]] = {}
    for one, other in edges.tolist():
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    queue = [(-len(around), person) for person, around in neighbours.items()]
    heapq.heapify(queue)
    out: set[int] = set()
    while queue:
        number, person = heapq.heappop(queue)
        around = neighbours[person]
        if not around or person in out:
            continue
        if -number != len(around):  # some of them have gone since
            heapq.heappush(queue, (-len(around), person))
            continue
        out.add(person)
        for other in around:
            neighbours[other].discard(person)
    return out
