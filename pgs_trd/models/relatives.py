"""Pairs of relatives that were given: families as clusters, or people of whom no two are a pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pgs_trd.ancestry.kinship import THIRD_DEGREE
from pgs_trd.ancestry.unrelated import unrelated_set
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
        plink2 (`IID1`, `IID2`) name them. With a column `kinship` those of third degree
        and closer count, without one all.
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
    if "kinship" in related.columns:
        related = related[related["kinship"].to_numpy(dtype=np.float64) > THIRD_DEGREE]
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

    Who comes first is never left out for one who does not; see `unrelated_set`.

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
    chosen = candidates.copy()
    if len(edges):
        people = np.unique(edges)
        table = pd.DataFrame(edges, columns=["person_1", "person_2"]).assign(kinship=1.0)
        flags = unrelated_set(people, table, first=first[people], max_kinship=0.0)
        chosen[people] = (flags["status"] == "ok").to_numpy()
    return chosen
