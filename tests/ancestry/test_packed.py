"""The compiled work on packed genotypes: against plain numpy, on every path."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.ancestry import _packed
from pgs_trd.ancestry.packed import PackedKernel, hardy_weinberg
from pgs_trd.genotypes import pack_codes, unpack_codes

PATHS = _packed.paths()
# Multiples of 4, 24, 32 and 64 and their neighbours; beyond 1,536 sums become double.
SHAPES = [(1, 1), (5, 3), (40, 31), (33, 64), (130, 97), (7, 1600), (1030, 49)]
CODE_ORDER = (2, -1, 1, 0)


def draw_copies(n_rows: int, n_columns: int) -> np.ndarray:
    rng = np.random.default_rng(n_rows * 10_000 + n_columns)
    return rng.choice([0, 1, 2, -1], p=[0.4, 0.3, 0.2, 0.1], size=(n_rows, n_columns)).astype(
        np.int8
    )


def fill_padding(codes: np.ndarray, n_columns: int) -> np.ndarray:
    """Set all bits behind the last column: a file may hold anything there."""
    if n_columns % 4:
        codes[:, -1] |= np.uint8(0xFF << (2 * (n_columns % 4)) & 0xFF)
    return codes


@pytest.fixture(params=list(product(PATHS, (1, 3))), ids=lambda p: f"{p[0]}-{p[1]}")
def kernel(request):
    path, threads = request.param
    with PackedKernel(threads, path=path) as made:
        yield made


@pytest.mark.parametrize("shape", SHAPES)
def test_count__equals_counting_one_by_one(kernel, shape):
    """The bits behind the last column are no genotypes."""
    copies = draw_copies(*shape)

    counts = kernel.count(fill_padding(pack_codes(copies), shape[1]), shape[1])

    assert_array_equal(counts, [[(row == c).sum() for c in CODE_ORDER] for row in copies])


@pytest.mark.parametrize("shape", SHAPES)
def test_transpose__turns_rows_into_columns(kernel, shape):
    """Whatever the numbers of rows and columns are."""
    copies = draw_copies(*shape)

    turned = kernel.transpose(fill_padding(pack_codes(copies), shape[1]), shape[1])

    assert_array_equal(unpack_codes(turned, shape[0]), copies.T)


@pytest.mark.parametrize("shape", SHAPES)
def test_multiply__equals_a_dense_product(kernel, shape):
    """Each column gives each code a value of its own; what was in the sums stays."""
    n_rows, n_columns = shape
    copies = draw_copies(*shape)
    rng = np.random.default_rng(7)
    coefficients = rng.normal(size=(n_columns, 4)).astype(np.float32)
    dense = rng.normal(size=(n_columns, 32)).astype(np.float32)
    out = np.ones((n_rows, 32))

    kernel.multiply(fill_padding(pack_codes(copies), n_columns), coefficients, dense, out)

    code = np.array([3, 2, 0, 1])[copies]  # -1 takes the last
    values = coefficients[np.arange(n_columns), code].astype(float)
    # Single precision: 1,600 terms of size 1 have a rounding error below 1e-4.
    assert_allclose(out, 1 + values @ dense.astype(float), atol=1e-4)


def test_multiply__gives_the_same_bits_on_every_path_and_for_any_threads():
    """A component must not depend on the machine it was computed on."""
    codes = pack_codes(draw_copies(1200, 1700))
    rng = np.random.default_rng(8)
    coefficients = rng.normal(size=(1700, 4)).astype(np.float32)
    dense = rng.normal(size=(1700, 16)).astype(np.float32)
    results = []
    for path, threads in product(PATHS, (1, 2, 5)):
        results.append(np.zeros((1200, 16)))
        with PackedKernel(threads, path=path) as kernel:
            kernel.multiply(codes, coefficients, dense, results[-1])

    for result in results[1:]:
        assert_array_equal(result, results[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_add_missing__adds_the_missing_columns_only(kernel, shape):
    """Equal to a product with the matrix of what is missing."""
    copies = draw_copies(*shape)
    dense = np.random.default_rng(9).normal(size=(shape[1], 16)).astype(np.float32)
    out = np.zeros((shape[0], 16))

    kernel.add_missing(fill_padding(pack_codes(copies), shape[1]), dense, out)

    assert_allclose(out, (copies < 0) @ dense.astype(float), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_king__counts_what_pairs_share(kernel, shape):
    """Counted pair by pair from the copies."""
    copies = draw_copies(*shape)[:40]
    planes = kernel.planes(fill_padding(pack_codes(copies), shape[1]), shape[1])

    counts = kernel.king(planes[:5], planes, shape[1])

    for i, j in product(range(min(5, len(copies))), range(len(copies))):
        a, b = copies[i].astype(int), copies[j].astype(int)
        called = (a >= 0) & (b >= 0)
        expected = [
            (called & (a == 1) & (b == 1)).sum(),
            (called & (abs(a - b) == 2)).sum(),
            (called & (a == 1) & (b != 1)).sum(),
            (called & (a != 1) & (b == 1)).sum(),
        ]
        assert counts[i, j].tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_correlate__sums_over_columns_called_in_both(kernel, shape):
    """Genotypes count 1, 0, -1, which leaves a correlation as it is."""
    copies = draw_copies(*shape)[:30]
    planes = kernel.planes(fill_padding(pack_codes(copies), shape[1]), shape[1])
    others = np.arange(len(copies))[::-1].copy()

    sums = kernel.correlate(planes[0], planes, others, shape[1])

    a = copies[0].astype(int) - 1
    for row, other in zip(sums, others, strict=True):
        b = copies[other].astype(int) - 1
        called = (a >= -1) & (b >= -1)
        x, y = a[called], b[called]
        assert row.tolist() == [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), x @ y]


def slow_hardy(n_two: int, n_one: int, n_none: int, *, mid_p: bool) -> float:
    """Restate Wigginton et al. (2005): all outcomes by exact integer weights."""
    from math import comb

    n, rare = n_two + n_one + n_none, 2 * n_two + n_one
    weight = {
        het: comb(n, het) * comb(n - het, (rare - het) // 2) * 2**het
        for het in range(rare % 2, min(rare, 2 * n - rare) + 1, 2)
    }
    observed = weight[n_one]
    tail = 2 * sum(w for w in weight.values() if w < observed)
    ties = (1 if mid_p else 2) * sum(w for w in weight.values() if w == observed)
    return (tail + ties) / (2 * sum(weight.values()))


@pytest.mark.parametrize("mid_p", [True, False])
def test_hardy_weinberg__equals_exact_integer_arithmetic(mid_p):
    """Every table of up to 12 people, and larger ones far from and near equilibrium."""
    tables = [
        (a, b, n - a - b) for n in range(1, 13) for a in range(n + 1) for b in range(n + 1 - a)
    ]
    tables += [(30, 0, 30), (0, 60, 0), (200, 600, 450), (5, 40, 900), (0, 1, 2000), (300, 10, 300)]

    actual = hardy_weinberg(np.array(tables), mid_p=mid_p)

    assert_allclose(actual, [slow_hardy(*t, mid_p=mid_p) for t in tables], rtol=1e-8)


def test_hardy_weinberg__of_nobody_is_missing():
    """No call tells nothing; a negative count is a mistake."""
    assert np.isnan(hardy_weinberg(np.array([[0, 0, 0]]))[0])
    with pytest.raises(ValueError, match="count -1 is out of range"):
        hardy_weinberg(np.array([[1, -1, 0]]))


def test_kernel__refuses_arrays_that_do_not_fit():
    """A wrong size would read beyond the end of an array."""
    codes = pack_codes(draw_copies(3, 5))
    with PackedKernel() as kernel, pytest.raises(ValueError, match="holds 6 bytes, expected 9"):
        kernel.count(codes, 12)
    with pytest.raises(ValueError, match="path must be one of portable"):
        PackedKernel(path="abacus")
