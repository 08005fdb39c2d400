"""Two-bit codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.genotypes import GenotypeBlock, pack_codes, unpack_codes
from pgs_trd.genotypes.packing import count_codes


def test_pack_codes__matches_the_bits_of_the_plink_documentation():
    """Copies 2, missing, 1, 0 are 00, 01, 10, 11, low bits first: 0b11100100."""
    assert_array_equal(pack_codes(np.array([[2, -1, 1, 0]], dtype=np.int8)), [[0b11100100]])


@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(0, 23), n_rows=st.integers(0, 5))
def test_unpack_codes__undoes_pack_codes(seed, n_people, n_rows):
    """No call may change on its way to the disk and back, whatever the pad."""
    copies = np.random.default_rng(seed).integers(-1, 3, (n_rows, n_people)).astype(np.int8)

    assert_array_equal(unpack_codes(pack_codes(copies), n_people), copies)


@given(seed=st.integers(0, 2**32 - 1), n_people=st.integers(1, 23))
def test_count_codes__counts_as_a_plain_loop_and_ignores_the_pad(seed, n_people):
    """Bits behind the last person may hold anything and are nobody's allele."""
    rng = np.random.default_rng(seed)
    copies = rng.integers(-1, 3, (3, n_people)).astype(np.int8)
    codes = pack_codes(copies)
    n_pad = -n_people % 4
    if n_pad:
        codes[:, -1] |= rng.integers(0, 256, 3, dtype=np.uint8) & np.uint8(
            (0xFF << (8 - 2 * n_pad)) & 0xFF
        )
    before = codes.copy()

    n_copies, n_called = count_codes(codes, n_people)

    assert n_copies.tolist() == [sum(c for c in row if c >= 0) for row in copies.tolist()]
    assert n_called.tolist() == [sum(c >= 0 for c in row) for row in copies.tolist()]
    assert_array_equal(codes, before)


def test_pack_codes__refuses_a_third_copy():
    """Three copies have no code; wrapping them round would score a wrong person."""
    with pytest.raises(ValueError, match="go from 0 to 3"):
        pack_codes(np.array([[0, 3]], dtype=np.int8))


def test_unpack_codes__refuses_a_width_of_other_people():
    """Five people need two bytes; one byte is another file's row."""
    with pytest.raises(ValueError, match="1 bytes a row cannot hold 5 people: 2"):
        unpack_codes(np.zeros((1, 1), dtype=np.uint8), 5)


def test_genotype_block__holds_codes_or_dosages_but_not_both():
    """A consumer that finds both could score people twice."""
    rows = np.array([0])
    codes = np.zeros((1, 1), dtype=np.uint8)
    with pytest.raises(ValueError, match="one of them"):
        GenotypeBlock(rows=rows, codes=codes, units=np.zeros((1, 4), dtype=np.uint16))
    with pytest.raises(ValueError, match=r"shape \(1, 1\), but there are 2 rows"):
        GenotypeBlock(rows=np.array([0, 1]), codes=codes)
