"""Ids are found as a dictionary would find them, however Arrow lays them out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgs_trd.weights import _ids
from pgs_trd.weights.ids import ABSENT, NO_ID, number_ids

# pandas itself takes a NUL for the end of a text when it makes categories.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
IDS = st.lists(st.one_of(st.none(), st.sampled_from(["", ".", "rs1", "rs10", "é"]), TEXTS))
LAYOUTS = {
    "objects": lambda texts: pd.Series(texts, dtype=object),
    "short": lambda texts: arrow_series([pa.array(texts, pa.string())]),
    "long": lambda texts: arrow_series([pa.array(texts, pa.large_string())]),
    "pieces": lambda texts: arrow_series(
        [pa.array(texts[:2], pa.string()), pa.array(texts[2:], pa.string())]
    ),
    "slice": lambda texts: arrow_series([pa.array(["x", *texts, "y"], pa.string())[1:-1]]),
    "categories": lambda texts: pd.Series(texts, dtype="category"),
}


def arrow_series(chunks: list[pa.Array]) -> pd.Series:
    """Give a column of pandas' that stands on these Arrow arrays."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array(chunks)))


def is_id(text: str | None) -> bool:
    """Tell an id from what stands for none."""
    return text not in (None, "", ".")


@pytest.mark.parametrize("layout", LAYOUTS)
@given(own=IDS, asked=IDS)
def test_number_ids__does_what_a_dictionary_does(
    layout: str, own: list[str | None], asked: list[str | None]
):
    """A wrong place would give a variant the weight of another."""
    expected: dict[str, int] = {}
    for text in filter(is_id, own):
        expected.setdefault(str(text), len(expected))

    ids, numbers = number_ids(LAYOUTS[layout](own))
    found = ids.find(LAYOUTS[layout](asked))

    assert numbers.tolist() == [expected[str(t)] if is_id(t) else NO_ID for t in own]
    assert [own[row] for row in ids.first] == list(expected)
    assert found.tolist() == [expected.get(str(t), ABSENT) if is_id(t) else NO_ID for t in asked]


def test_number_ids__takes_many_alike():
    """A full table of slots would never end the search for a free one."""
    texts = pd.Series([f"rs{number % 1000}" for number in range(4096)], dtype="string[pyarrow]")

    ids, numbers = number_ids(texts)

    assert len(ids.first) == 1000
    np.testing.assert_array_equal(numbers, np.arange(4096) % 1000)


@pytest.mark.parametrize(
    "offsets", [[0, 2, 1], [0, 1, 9], [-1, 0, 1]], ids=["descending", "beyond", "negative"]
)
def test_ids__refuses_offsets_outside_the_texts(offsets: list[int]):
    """Reading there would end the program, or read what is not the text."""
    slots, rows, numbers = (np.empty(n, dtype=np.int32) for n in (4, 2, 2))

    with pytest.raises(ValueError, match="do not ascend within"):
        _ids.number(np.array(offsets, np.int32), b"ab", b"", 2, False, slots, rows, numbers)


def test_ids__refuses_too_few_slots():
    """With as many texts as slots none would be free."""
    rows = np.empty(2, dtype=np.int32)

    with pytest.raises(ValueError, match="power of two"):
        _ids.number(np.array([0, 1, 2], np.int32), b"ab", b"", 2, False, rows, rows, rows)
