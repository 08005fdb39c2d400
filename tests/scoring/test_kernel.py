"""The compiled kernel against plain numpy, for every set of machine instructions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from pgs_trd.genotypes.source import MISSING_UNITS
from pgs_trd.scoring import _kernel
from pgs_trd.scoring.kernel import WORTH_A_THREAD, Effects, Kernel

PATHS = _kernel.paths()

sizes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_people": st.integers(1, 2200),
        "n_rows": st.integers(1, 40),
        "threads": st.integers(1, 3),
    }
)


def draw_codes(rng: np.random.Generator, n_rows: int, n_people: int) -> np.ndarray:
    """Draw packed codes; the bits behind the last person are drawn too."""
    return rng.integers(0, 256, (n_rows, -(-n_people // 4)), dtype=np.uint8)


def unpack(codes: np.ndarray, n_people: int) -> np.ndarray:
    """Give the 2-bit codes one by one: (n_rows, n_people)."""
    single = (codes[:, :, np.newaxis] >> np.array([0, 2, 4, 6], dtype=np.uint8)) & 3
    return single.reshape(len(codes), -1)[:, :n_people]


def all_of(effects: np.ndarray) -> Effects:
    """Give all rows and scores of some effects, as they are."""
    n_rows, n_scores = effects.shape
    return Effects(
        effects, np.arange(n_rows, dtype=np.int32), np.arange(n_scores), np.ones(n_scores)
    )


def add_entries(codes: np.ndarray, table: np.ndarray, n_people: int) -> np.ndarray:
    """Add the entries that the codes name, one row after another; wraps as int64 does."""
    sums = np.zeros((n_people, table.shape[2]), dtype=np.int64)
    for row, single in enumerate(unpack(codes, n_people)):
        sums += table[row][single]
    return sums


def draw_dosages(rng: np.random.Generator, n_rows: int, n_people: int, kind: str) -> np.ndarray:
    """Draw dosages, some of them whole, all of them, or none."""
    fractional = rng.integers(1, 32768, (n_rows, n_people))
    whole = rng.choice([0, 16384, 32768, 32769, 40000, 49152, MISSING_UNITS], fractional.shape)
    share = {"certain": 1.0, "mixed": 0.9, "fractional": 0.05}[kind]
    is_whole = rng.random(fractional.shape) < share
    return np.where(is_whole, whole, fractional).astype(np.uint16)


def add_dosages(dosages: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Add what dosages are worth, in Python's unbounded integers."""
    units = dosages.astype(object)[:, :, np.newaxis]
    two, missing, one, none = (table[:, np.newaxis, k, :].astype(object) for k in range(4))
    below = none + ((one - none) * units + 8192) // 16384
    above = one + ((two - one) * (units - 16384) + 8192) // 16384
    value = np.where(units <= 16384, below, above)
    total = np.where(units > 32768, missing, value).sum(axis=0)
    return ((total + 2**63) % 2**64 - 2**63).astype(np.int64)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8, 16, 24, 64, 72])
@settings(max_examples=25)
@given(size=sizes)
def test_score_codes__equals_a_plain_sum_of_table_entries(path, n_columns, size):
    """Every tile, group and column width, the odd ends included, adds the same integers."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = size["n_people"], size["n_rows"]
    codes = draw_codes(rng, n_rows, n_people)
    table = rng.integers(-(2**47), 2**47, (n_rows, 4, n_columns))
    before = rng.integers(-100, 100, (n_people, n_columns))
    sums = before.copy()

    with Kernel(n_people, size["threads"], path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, before + add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25)
@given(size=sizes, bits=st.lists(st.integers(1, 40), min_size=9, max_size=9))
def test_score_codes__adds_the_same_with_sums_of_32_bits_or_64(path, size, bits):
    """Sums of 24 rows are added in 32 bits where they fit; columns and groups differ in that."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows, n_columns = size["n_people"], 3 * size["n_rows"], 72
    codes = draw_codes(rng, n_rows, n_people)
    largest = np.repeat(2 ** np.array(bits), 8)
    largest = np.where(np.arange(n_rows)[:, np.newaxis, np.newaxis] < 48, largest, largest[::-1])
    table = rng.integers(-largest, largest, (n_rows, 4, n_columns), endpoint=True)
    sums = np.zeros((n_people, n_columns), dtype=np.int64)

    with Kernel(n_people, size["threads"], path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("total", [2**31 - 1, 2**31, 2**31 + 5, 2**33, 2**62])
@pytest.mark.parametrize("sign", [1, -1])
def test_score_codes__does_not_overflow_32_bits_in_a_group_of_rows(path, total, sign):
    """24 rows of which a code adds the most come to just what 31 bits hold, or more."""
    n_people, n_rows = 100, 24
    table = np.zeros((n_rows, 4, 16), dtype=np.int64)
    table[:, 3] = sign * (total // n_rows)
    table[0, 3] += sign * (total % n_rows)
    codes = np.full((n_rows, n_people // 4), 0xFF, dtype=np.uint8)
    sums = np.zeros((n_people, 16), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, sign * total)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", [0x00, 0x55, 0xAA, 0xFF])
@pytest.mark.parametrize("sign", [1, -1])
def test_score_codes__carries_what_32_bits_do_not_hold_over_many_rows(path, code, sign):
    """A group's sum takes 31 bits, that of all 43 groups 36; every person has one code."""
    n_people, n_rows = 130, 1024
    table = sign * np.random.default_rng(3).integers(2**25, 2**26, (n_rows, 4, 16))
    table[:, 2] = 0
    table[:, 2, 8:] = 7 * sign * 2**24
    codes = np.full((n_rows, 33), code, dtype=np.uint8)
    sums = np.zeros((n_people, 16), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 1.0])
def test_score_codes__adds_missing_calls_of_few_people_and_of_all(path, share):
    """Missing calls are listed and added one by one, in sums of 32 bits and of 64."""
    rng = np.random.default_rng(4)
    n_people, n_rows = 2048 + 200, 50
    single = rng.choice([0, 2, 3], (n_rows, n_people))
    single[rng.random(single.shape) < share] = 1
    codes = np.bitwise_or.reduce(
        single.reshape(n_rows, -1, 4) << np.array([0, 2, 4, 6]), axis=2
    ).astype(np.uint8)
    table = rng.integers(-(2**24), 2**24, (n_rows, 4, 24))
    table[:, 1] *= 3
    sums = np.zeros((n_people, 24), dtype=np.int64)

    with Kernel(n_people, 2, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
def test_score_codes__takes_more_rows_than_it_indexes_at_once(path):
    """The index of 43 groups of 24 rows is kept; a larger block is taken in parts."""
    rng = np.random.default_rng(8)
    n_people, n_rows = 70, 2 * 43 * 24 + 5
    codes = draw_codes(rng, n_rows, n_people)
    table = rng.integers(-(2**26), 2**26, (n_rows, 4, 24))
    sums = np.zeros((n_people, 24), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8, 64])
def test_score_codes__crosses_the_edges_of_tiles(path, n_columns):
    """Tiles hold 2,048 people; several are passed here."""
    rng = np.random.default_rng(5)
    n_people, n_rows = 3 * 2048 + 77, 27
    codes = draw_codes(rng, n_rows, n_people)
    table = rng.integers(-(2**40), 2**40, (n_rows, 4, n_columns))
    sums = np.zeros((n_people, n_columns), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=50)
@given(size=sizes, bits=st.integers(0, 60), least=st.sampled_from([0, -(2**60), 2**59]))
def test_score_codes__one_score_of_small_entries_and_large(path, size, bits, least):
    """One score is cut into as many bytes as its entries' spread needs, or not at all."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = size["n_people"], size["n_rows"]
    codes = draw_codes(rng, n_rows, n_people)
    table = least + rng.integers(0, 2**bits, (n_rows, 4, 1), endpoint=True)
    sums = np.zeros((n_people, 1), dtype=np.int64)

    with Kernel(n_people, size["threads"], path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(250, 530), fit=st.booleans())
def test_score_codes__is_exact_for_the_largest_entries_of_one_score(path, seed, n_rows, fit):
    """Two limbs of 32 bits must hold 2**53 in all, in few rows or many; beyond, another way."""
    rng = np.random.default_rng(seed)
    n_people = 301
    codes = draw_codes(rng, n_rows, n_people)
    table = rng.integers(-(2**20), 2**20, (n_rows, 4, 1))
    large = rng.choice(n_rows, 1 if fit else 7, replace=False)
    table[large] = rng.choice([-(2**52), 2**52, 2**52 - 1, -1], (len(large), 4, 1))
    sums = np.zeros((n_people, 1), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, add_entries(codes, table, n_people))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("entry", [2**53 // 512, -(2**53 // 512), (1 << 24) - 1, -1])
def test_score_codes__does_not_overflow_when_every_row_adds_the_most(path, entry):
    """512 equal rows fill the limbs of 32 bits as far as they can be filled."""
    n_people, n_rows = 260, 512
    codes = np.zeros((n_rows, n_people // 4), dtype=np.uint8)
    table = np.full((n_rows, 4, 1), entry, dtype=np.int64)
    sums = np.zeros((n_people, 1), dtype=np.int64)

    with Kernel(n_people, 1, path=path) as kernel:
        kernel.score_codes(codes, table, sums)

    assert_array_equal(sums, np.full((n_people, 1), 512 * entry))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8])
def test_score_codes__touches_only_the_people_asked_for(path, n_columns):
    """Threads write to one array at once, each to its own people."""
    rng = np.random.default_rng(11)
    n_people, n_rows, start, end = 1003, 30, 332, 777
    codes = draw_codes(rng, n_rows, n_people)
    table = rng.integers(-(2**40), 2**40, (n_rows, 4, n_columns))
    sums = np.zeros((n_people, n_columns), dtype=np.int64)
    expected = sums.copy()
    expected[start:end] = add_entries(codes, table, n_people)[start:end]

    narrow, scratch = np.empty(0, np.uint8), np.empty(_kernel.scratch_size(), np.uint8)
    sizes, which = (n_rows, n_people, n_columns, start, end), PATHS.index(path)
    if n_columns > 1:
        narrow = np.empty(_kernel.narrow_size(n_rows, n_columns), np.uint8)
        _kernel.make_narrow(table, narrow, n_rows, n_columns, 0, n_rows, which)
    _kernel.score_codes(codes, table, narrow, scratch, sums, *sizes, which)

    assert_array_equal(sums, expected)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(size=sizes)
def test_count_codes__counts_what_bincount_counts(path, size):
    """Pad bits behind the last person must not be counted."""
    rng = np.random.default_rng(size["seed"])
    n_people = size["n_people"]
    codes = draw_codes(rng, size["n_rows"], n_people)

    with Kernel(n_people, size["threads"], path=path) as kernel:
        counts = kernel.count_codes(codes)

    assert_array_equal(counts, [np.bincount(row, minlength=4) for row in unpack(codes, n_people)])


@pytest.mark.parametrize("path", PATHS)
def test_count_codes__does_not_overflow_when_all_calls_are_alike(path):
    """Counters of a byte hold 63 times four calls; here are 20,001 of each code."""
    n_people = 20_001
    codes = np.repeat(np.array([[0x00], [0x55], [0xAA], [0xFF]], dtype=np.uint8), 5001, axis=1)

    with Kernel(n_people, 1, path=path) as kernel:
        counts = kernel.count_codes(codes)

    assert_array_equal(counts, n_people * np.eye(4, dtype=np.int64))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8, 24, 64, 72])
@settings(max_examples=10)
@given(size=sizes, kind=st.sampled_from(["certain", "mixed", "fractional"]))
def test_score_dosages__equals_a_sum_in_unbounded_integers(path, n_columns, size, kind):
    """Steps of 2**53 times a fraction pass 64 bits, and must round the same all the same."""
    rng = np.random.default_rng(size["seed"])
    n_people, n_rows = 1 + size["n_people"] % 90, size["n_rows"]
    dosages = draw_dosages(rng, n_rows, n_people, kind)
    table = rng.integers(-(2**52), 2**52, (n_rows, 4, n_columns), endpoint=True)
    sums = np.zeros((n_people, n_columns), dtype=np.int64)

    with Kernel(n_people, size["threads"], path=path) as kernel:
        kernel.score_dosages(dosages, table, sums)

    assert_array_equal(sums, add_dosages(dosages, table))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8])
def test_score_dosages__rounds_halves_up_between_the_copies(path, n_columns):
    """Worked by hand: steps 1 and -3 at a half copy give 0.5 -> 1 and -1.5 -> -1 more."""
    dosages = np.array([[0, 8192, 16384, 24576, 32768, MISSING_UNITS]], dtype=np.uint16)
    table = np.repeat(np.array([8, 100, 11, 10])[np.newaxis, :, np.newaxis], n_columns, axis=2)
    sums = np.zeros((6, n_columns), dtype=np.int64)

    with Kernel(6, 1, path=path) as kernel:
        kernel.score_dosages(dosages, table, sums)

    assert sums[:, -1].tolist() == [10, 11, 11, 10, 8, 100]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_columns", [1, 8, 64])
def test_score_dosages__equals_score_codes_where_all_are_certain(path, n_columns):
    """Hard calls give one score whichever way they are stored."""
    rng = np.random.default_rng(2)
    n_people, n_rows = 8192 + 130, 50
    codes = draw_codes(rng, n_rows, n_people)
    dosages = np.array([32768, MISSING_UNITS, 16384, 0], dtype=np.uint16)[unpack(codes, n_people)]
    table = rng.integers(-(2**46), 2**46, (n_rows, 4, n_columns))
    from_codes = np.zeros((n_people, n_columns), dtype=np.int64)
    from_dosages = from_codes.copy()

    with Kernel(n_people, 2, path=path) as kernel:
        kernel.score_codes(codes, table, from_codes)
        kernel.score_dosages(dosages, table, from_dosages)

    assert_array_equal(from_dosages, from_codes)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("n_people", [1, 31, 1000, 40_001])
def test_count_dosages__equals_plain_counts(path, n_people):
    """The sum of 40,001 dosages of two copies passes 2**30; 16-bit counters pass 2**14."""
    rng = np.random.default_rng(n_people)
    dosages = draw_dosages(rng, 5, n_people, "mixed")
    dosages[0] = 32768
    dosages[1] = 32767
    is_called = dosages <= 32768

    with Kernel(n_people, 2, path=path) as kernel:
        counts = kernel.count_dosages(dosages)

    assert_array_equal(counts[:, 0], np.where(is_called, dosages, 0).sum(axis=1, dtype=np.int64))
    assert_array_equal(counts[:, 1], is_called.sum(axis=1))
    assert_array_equal(counts[:, 2], (is_called & (dosages % 16384 != 0)).sum(axis=1))


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_scores=st.integers(0, 20),
    n_rows=st.integers(0, 30),
    is_run=st.booleans(),
)
def test_fill_codes__equals_rint_of_the_products(path, seed, n_scores, n_rows, is_run):
    """Repeated rows add up, NaN adds nothing, halves go to the even neighbour."""
    rng = np.random.default_rng(seed)
    n_table_rows, n_columns = 12, 24
    table = rng.integers(-100, 100, (n_table_rows, 4, n_columns))
    rows = rng.integers(0, n_table_rows, n_rows)
    copies = rng.choice([0.0, 0.5, 1.0, 2.0, 0.123], (n_rows, 4))
    effects = np.rint(rng.normal(size=(n_rows, n_scores)) * 2.0 ** rng.integers(0, 50, n_scores))
    effects[rng.random(effects.shape) < 0.2] = np.nan
    columns = np.arange(2, 2 + n_scores) if is_run else rng.permutation(n_columns)[:n_scores]
    expected = table.copy()
    for i, row in enumerate(rows):
        for k, column in enumerate(columns):
            if not np.isnan(effects[i, k]):
                expected[row, :, column] += np.rint(copies[i] * effects[i, k]).astype(np.int64)

    with Kernel(10, 2, path=path) as kernel:
        kernel.fill_codes(table, rows, copies, all_of(effects), columns)

    assert_array_equal(table, expected)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), is_run=st.booleans())
def test_fill_codes__takes_some_rows_and_scores_of_a_file(path, seed, is_run):
    """Rows of the file in any order, some twice; each score with a scale of its own."""
    rng = np.random.default_rng(seed)
    n_rows, n_chosen = 9, 11
    effects = rng.normal(size=(5, 20))
    effects[rng.random(effects.shape) < 0.2] = np.nan
    rows = rng.integers(0, len(effects), n_rows, dtype=np.int32)
    chosen = np.arange(4, 4 + n_chosen) if is_run else rng.permutation(20)[:n_chosen]
    scales = 2.0 ** rng.integers(3, 40, n_chosen)
    copies = rng.choice([0.0, 0.5, 1.0, 2.0, 0.123], (n_rows, 4))
    table = np.zeros((n_rows, 4, 16), dtype=np.int64)
    steps = copies[:, :, np.newaxis] * (effects[rows][:, chosen] * scales)[:, np.newaxis, :]

    with Kernel(10, 1, path=path) as kernel:
        some = Effects(effects, rows, chosen, scales)
        kernel.fill_codes(table, np.arange(n_rows), copies, some, np.arange(2, 2 + n_chosen))

    assert_array_equal(table[:, :, 2 : 2 + n_chosen], np.rint(np.nan_to_num(steps)).astype(int))
    assert not table[:, :, :2].any()
    assert not table[:, :, 2 + n_chosen :].any()


def test_fill_codes__gives_the_same_on_two_threads():
    """A table large enough to be shared out over threads; rows repeat in both parts."""
    rng = np.random.default_rng(1)
    n_rows, n_scores = 700, 32
    assert n_rows * n_scores > WORTH_A_THREAD
    rows = rng.integers(0, 300, n_rows)
    copies, effects = rng.random((n_rows, 4)), rng.normal(size=(n_rows, n_scores)) * 2.0**50
    tables = np.zeros((2, 300, 4, n_scores), dtype=np.int64)

    for table, threads in zip(tables, (1, 2), strict=True):
        with Kernel(10, threads) as kernel:
            kernel.fill_codes(table, rows, copies, all_of(effects), np.arange(n_scores))

    assert tables[0].any()
    assert_array_equal(tables[0], tables[1])


def test_fill_codes__refuses_places_outside_the_table():
    """A row or column too far would write over other memory."""
    table = np.zeros((2, 4, 8), dtype=np.int64)
    copies, effects = np.ones((1, 4)), all_of(np.ones((1, 1)))

    with Kernel(10, 1) as kernel:
        with pytest.raises(ValueError, match=r"rows\[0\] is 2, the table has 2"):
            kernel.fill_codes(table, np.array([2]), copies, effects, np.array([0]))
        with pytest.raises(ValueError, match=r"columns\[0\] is -1, the table has 8"):
            kernel.fill_codes(table, np.array([0]), copies, effects, np.array([-1]))
        wrong = replace(effects, rows=np.ones(1, dtype=np.int32))
        with pytest.raises(ValueError, match=r"from\[0\] is 1, there are 1 effects"):
            kernel.fill_codes(table, np.array([0]), copies, wrong, np.array([0]))
        wrong = replace(effects, chosen=np.array([1]))
        with pytest.raises(ValueError, match=r"chosen\[0\] is 1, the table has 1"):
            kernel.fill_codes(table, np.array([0]), copies, wrong, np.array([0]))
        with pytest.raises(ValueError, match="copies holds 24 bytes, expected 32"):
            kernel.fill_codes(table, np.array([0]), copies[:, :3], effects, np.array([0]))

    assert not table.any()


def test_score_codes__refuses_buffers_of_the_wrong_size():
    """A wrong size must be an error before the compiled code reads past the end."""
    codes = np.zeros((2, 1), dtype=np.uint8)
    table = np.zeros((2, 4, 1), dtype=np.int64)
    sums = np.zeros((4, 1), dtype=np.int64)

    none, narrow = np.empty(0, np.uint8), np.empty(_kernel.narrow_size(2, 8), np.uint8)
    wide, many = np.zeros((2, 4, 8), np.int64), np.zeros((4, 8), np.int64)

    with pytest.raises(ValueError, match="sums holds 16 bytes, expected 32"):
        _kernel.score_codes(codes, table, none, none, sums[:2], 2, 4, 1, 0, 4, 0)
    with pytest.raises(ValueError, match="start must be a multiple of 4"):
        _kernel.score_codes(codes, table, none, none, sums, 2, 4, 1, 2, 4, 0)
    with pytest.raises(ValueError, match="3 columns"):
        _kernel.score_codes(
            codes, wide[:, :, :3].copy(), none, none, many[:, :3].copy(), 2, 4, 3, 0, 4, 0
        )
    with pytest.raises(ValueError, match="narrow table holds 0 bytes"):
        _kernel.score_codes(codes, wide, none, none, many, 2, 4, 8, 0, 4, 0)
    with pytest.raises(ValueError, match="scratch holds 0 bytes"):
        _kernel.score_codes(codes, wide, narrow, none, many, 2, 4, 8, 0, 4, 0)
    with pytest.raises(ValueError, match="start must be a multiple of 24"):
        _kernel.make_narrow(wide, narrow, 2, 8, 1, 2, 0)
    with pytest.raises(ValueError, match="dosages holds 4 bytes, expected 16"):
        _kernel.score_dosages(np.zeros(2, np.uint16), table, none, none, sums, 2, 4, 1, 0, 4, 0)


def test_kernel__refuses_instructions_that_this_machine_lacks():
    """Running them would kill the interpreter."""
    with pytest.raises(ValueError, match=r"path must be one of portable.*got 'abacus'"):
        Kernel(10, 1, path="abacus")
    counts = np.zeros((1, 4), dtype=np.int64)
    with pytest.raises(ValueError, match="path 99: this machine runs paths 0 to"):
        _kernel.count_codes(np.zeros((1, 1), np.uint8), counts, 1, 4, 0, 4, 99)


@pytest.mark.parametrize("n_people", [100, 3 * 2048])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_score_codes__adds_blocks_that_overlap_without_waiting(n_people, threads):
    """Threads go on with the next block; the sums of one person are added in turn."""
    rng = np.random.default_rng(6)
    blocks = [
        (draw_codes(rng, 40, n_people), rng.integers(-(2**27), 2**27, (40, 4, 24)))
        for _ in range(8)
    ]
    sums = np.zeros((n_people, 24), dtype=np.int64)

    with Kernel(n_people, threads) as kernel:
        for codes, table in blocks:
            kernel.score_codes(codes, table, sums, wait=False)
        kernel.wait()
        assert_array_equal(
            sums, sum(add_entries(codes, table, n_people) for codes, table in blocks)
        )
