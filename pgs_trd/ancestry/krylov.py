"""The largest eigenvalues of a matrix that is known by its products only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]

# Blocks kept before the space is compressed to its best directions.
DEPTH = 8
KEPT = 2
# Below this share of the largest eigenvalue a direction is rounding of single precision.
NEGLIGIBLE = 1e-7


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues, largest first, unit-length eigenvectors as columns, and how good.

    Attributes
    ----------
    values : (n_pairs,)
    vectors : (n, n_pairs)
    residuals : (n_pairs,)
        Length of ``A v - value v``, divided by the value.
    n_products
        How many products with the matrix it took.
    """

    values: FloatArray
    vectors: FloatArray
    residuals: FloatArray
    n_products: int


def largest_eigenpairs(
    multiply: Callable[[Float32Array], FloatArray],
    n: int,
    *,
    n_pairs: int,
    width: int,
    max_products: int,
    tolerance: float,
    rng: np.random.Generator,
) -> Eigenpairs:
    """Find the largest eigenvalues of a positive semi-definite matrix A.

    A randomised block Krylov iteration [1]_ with full orthogonalisation: the best
    approximations within the space of a random block, A times it, A squared times
    it, and so on. Every 8 blocks the space is compressed to its best directions, so
    that memory is bounded.

    Parameters
    ----------
    multiply
        Gives A times a block (n, up to `width`) of orthonormal columns.
    n
        Rows and columns of A.
    n_pairs
        How many eigenvalues are wanted; below `n`.
    width
        Columns of a block, at least `n_pairs`.
    max_products
        Stop after so many products.
    tolerance
        Stop when no residual is larger.
    rng
        Draws the first block.

    References
    ----------
    .. [1] Musco, Musco (2015) Advances in Neural Information Processing Systems 28.
    """
    block = np.linalg.qr(rng.standard_normal((n, min(width, n))))[0].astype(np.float32)
    space: list[Float32Array] = []
    projected = np.zeros((0, 0))
    for n_products in range(1, max_products + 1):
        product = multiply(block)
        space.append(block)
        projected = _grow(projected, [part.T.astype(np.float64) @ product for part in space])
        rest = _orthogonalise(_orthogonalise(product, space), space)
        values, weights = np.linalg.eigh(projected)
        values, weights = values[::-1], weights[:, ::-1]
        block, factor = _directions(rest, NEGLIGIBLE * values[0])
        last = weights[len(weights) - product.shape[1] :, :n_pairs]
        top = np.maximum(values[:n_pairs], np.finfo(float).tiny)
        residuals = np.linalg.norm(factor @ last, axis=0) / top
        n_left = n - len(projected)
        is_whole = not block.shape[1] or n_left <= 0
        if is_whole or residuals.max() <= tolerance or n_products == max_products:
            break
        block = block[:, :n_left]
        if len(projected) >= DEPTH * width:
            # A thick restart: the last block's rest goes on as if nothing had happened.
            space = [_combine(space, weights[:, : KEPT * width]).astype(np.float32)]
            projected = np.diag(values[: KEPT * width])
    vectors = _combine(space, weights[:, :n_pairs])
    vectors /= np.linalg.norm(vectors, axis=0)
    return Eigenpairs(values[:n_pairs], vectors, residuals, n_products)


def _grow(projected: FloatArray, columns: list[FloatArray]) -> FloatArray:
    """Add the products of the last block with all blocks to the projected matrix."""
    column = np.concatenate(columns)
    n_old, width = len(projected), column.shape[1]
    grown = np.zeros((n_old + width, n_old + width))
    grown[:n_old, :n_old] = projected
    grown[:, n_old:] = column
    grown[n_old:, :] = column.T
    grown[n_old:, n_old:] = (column[n_old:] + column[n_old:].T) / 2
    return grown


def _orthogonalise(product: FloatArray, space: list[Float32Array]) -> FloatArray:
    """Take off what of `product` lies within the space."""
    for part in space:
        exact = part.astype(np.float64)
        product = product - exact @ (exact.T @ product)
    return product


def _directions(rest: FloatArray, negligible: float) -> tuple[Float32Array, FloatArray]:
    """Give orthonormal directions of `rest`, the strongest first, and its triangle."""
    basis, triangle = np.linalg.qr(rest)
    turn, strength, _ = np.linalg.svd(triangle)
    directions = (basis @ turn[:, strength > negligible]).astype(np.float32)
    return directions, triangle


def _combine(space: list[Float32Array], weights: FloatArray) -> FloatArray:
    """Give the vectors that `weights` are the coordinates of."""
    combined = np.zeros((len(space[0]), weights.shape[1]))
    start = 0
    for part in space:
        stop = start + part.shape[1]
        combined += part.astype(np.float64) @ weights[start:stop]
        start = stop
    return combined
