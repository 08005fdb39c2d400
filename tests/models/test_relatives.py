"""Pairs of relatives: families, and people of whom no two are a pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgs_trd.errors import DataError
from pgs_trd.models.relatives import choose_unrelated, family_codes, read_pairs


def test_choose_unrelated__keeps_cases_and_leaves_out_who_has_most_relatives():
    """By hand: 0-1 (1 is a case), 2-3, 3-4, 3-5 (one mother), 6-7 both cases."""
    pairs = np.array([[0, 1], [2, 3], [3, 4], [3, 5], [6, 7]])
    first = np.isin(np.arange(9), [1, 6, 7])

    chosen = choose_unrelated(np.arange(9), pairs, np.ones(9, bool), first)

    assert chosen[[1, 2, 4, 5, 8]].all()
    assert not chosen[[0, 3]].any()
    assert chosen[[6, 7]].sum() == 1


@given(seed=st.integers(0, 2**32 - 1), n_pairs=st.integers(0, 30))
def test_choose_unrelated__no_pair_is_left_and_nobody_more_could_come_in(seed, n_pairs):
    """Independent and maximal; people who are no candidates do not count as relatives."""
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 20, size=(n_pairs, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    candidates, first = rng.random(12) < 0.8, rng.random(12) < 0.3
    rows = rng.permutation(20)[:12]

    chosen = choose_unrelated(rows, pairs, candidates, first)

    kept = set(rows[chosen].tolist())
    assert not any(a in kept and b in kept for a, b in pairs.tolist())
    assert not (chosen & ~candidates).any()
    around = {
        person: {b if a == person else a for a, b in pairs.tolist() if person in (a, b)}
        for person in rows.tolist()
    }
    for place in np.flatnonzero(candidates & ~chosen):
        assert around[rows[place]] & kept
    case_rows = set(rows[candidates & first].tolist())
    for place in np.flatnonzero(candidates & first & ~chosen):
        assert around[rows[place]] & kept & case_rows


def test_family_codes__join_whoever_is_linked():
    """A cousin of a cousin is in the family, or clusters would not be independent."""
    codes = family_codes(6, np.array([[0, 2], [2, 5], [3, 4]]))

    assert codes[0] == codes[2] == codes[5]
    assert codes[3] == codes[4]
    assert len(set(codes.tolist())) == 3


@pytest.mark.parametrize(
    "columns", [("person_1", "person_2"), ("ID1", "ID2"), ("IID1", "IID2"), ("#IID1", "IID2")]
)
def test_read_pairs__knows_the_columns_of_programs(columns):
    """Ids are text in the scores and may be numbers in the pairs; strangers are no pair."""
    table = pd.DataFrame([[11, 12], [12, 99], [13, 13]], columns=list(columns))

    pairs = read_pairs(table, pd.Index(["10", "11", "12", "13"]))

    assert pairs.tolist() == [[1, 2]]
    with pytest.raises(DataError, match=r"no columns person_1 and person_2 .* are: a, b"):
        read_pairs(table.set_axis(["a", "b"], axis=1), pd.Index(["10"]))


def test_read_pairs__distant_pairs_of_a_kinship_table_do_not_count():
    """plink2's table has every pair of people: all but the relatives would be left out."""
    table = pd.DataFrame(
        {"person_1": ["a", "a", "b"], "person_2": ["b", "c", "c"], "kinship": [0.25, 0.05, 0.01]}
    )

    pairs = read_pairs(table, pd.Index(["a", "b", "c"]))

    assert pairs.tolist() == [[0, 1], [0, 2]]
