"""The compiled kernel against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.scoring import _kernel
from pgs_trd.scoring.kernel import MISSING_DOSAGE, Kernel


def unpack(codes: np.ndarray, n_people: int) -> np.ndarray:
    """Give the 2-bit codes one by one: (n_rows, n_people)."""
    single = (codes[:, :, np.newaxis] >> np.array([0, 2, 4, 6], dtype=np.uint8)) & 3
    return single.reshape(len(codes), -1)[:, :n_people]


sizes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_people": st.integers(1, 2200),
        "n_rows": st.integers(1, 40),
        "threads": st.integers(1, 3),
    }
)


@given(size=sizes, n_columns=st.sampled_from([1, 8, 24, 40]))
def test_score_codes__equals_a_plain_sum_of_table_entries(size, n_columns):
    """Every tile, group and column width, the odd ends included, adds the same integers."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = size["n_people"], size["n_rows"]
    codes = rng.integers(0, 256, (n_rows, -(-n_people // 4)), dtype=np.uint8)
    table = rng.integers(-(2**50), 2**50, (n_rows, 4, n_columns))
    sums = rng.integers(-100, 100, (n_people, n_columns))
    expected = sums + sum(table[row][unpack(codes, n_people)[row]] for row in range(n_rows))

    with Kernel(n_people, size["threads"]) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, expected)


@given(size=sizes, large=st.booleans())
def test_score_codes__equals_a_plain_sum_for_entries_in_dosage_units(size, large):
    """Multiples of one dosage unit take the path of 512-bit registers, where there are any."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = size["n_people"], 4 * size["n_rows"] + 1
    codes = rng.integers(0, 256, (n_rows, -(-n_people // 4)), dtype=np.uint8)
    limit = 2**46 if large else 1000
    table = rng.integers(-limit, limit, (n_rows, 4, 1)) << 14
    if large:
        # Every sum must stay below 2**63, as `choose_shift` sees to.
        table //= n_rows
        table = table >> 14 << 14
    expected = sum(table[row][unpack(codes, n_people)[row]] for row in range(n_rows))
    sums = np.zeros((n_people, 1), dtype=np.int64)

    with Kernel(n_people, size["threads"]) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, expected)


@given(size=sizes)
def test_count_codes__counts_what_bincount_counts(size):
    """Pad bits behind the last person must not be counted."""
    rng = np.random.default_rng(size["seed"])
    n_people = size["n_people"]
    codes = rng.integers(0, 256, (size["n_rows"], -(-n_people // 4)), dtype=np.uint8)

    with Kernel(n_people, size["threads"]) as kernel:
        counts = kernel.count_codes(codes)

    assert_array_equal(counts, [np.bincount(row, minlength=4) for row in unpack(codes, n_people)])


@given(size=sizes, n_columns=st.integers(1, 9))
def test_score_dosages__equals_a_plain_sum(size, n_columns):
    """A missing dosage adds its own entry and not 65,535 units."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = min(size["n_people"], 300), size["n_rows"]
    dosages = rng.integers(0, 2 * 16384 + 1, (n_rows, n_people)).astype(np.uint16)
    dosages[rng.random(dosages.shape) < 0.1] = MISSING_DOSAGE
    table = rng.integers(-(2**40), 2**40, (n_rows, 3, n_columns))
    sums = np.zeros((n_people, n_columns), dtype=np.int64)
    units = dosages.astype(np.int64)[:, :, np.newaxis]
    none, unit, missing = (table[:, np.newaxis, place, :] for place in range(3))
    expected = np.where(units == MISSING_DOSAGE, missing, none + unit * units).sum(axis=0)

    with Kernel(n_people, size["threads"]) as kernel:
        kernel.score_dosages(dosages, table, sums)

    assert_array_equal(sums, expected)


def test_score_codes__refuses_buffers_of_the_wrong_size():
    """A wrong size must be an error before the compiled code reads past the end."""
    codes = np.zeros((2, 1), dtype=np.uint8)
    table = np.zeros((2, 4, 1), dtype=np.int64)

    with pytest.raises(ValueError, match="sums holds 16 bytes, expected 32"):
        _kernel.score_codes(codes, table, np.zeros((2, 1), np.int64), 2, 4, 1, 0, 4)
    with pytest.raises(ValueError, match="start must be a multiple of 4"):
        _kernel.score_codes(codes, table, np.zeros((4, 1), np.int64), 2, 4, 1, 2, 4)
    with pytest.raises(ValueError, match="3 columns"):
        _kernel.score_codes(
            codes, np.zeros((2, 4, 3), np.int64), np.zeros((4, 3), np.int64), 2, 4, 3, 0, 4
        )
