"""Projected scores without the shrinkage towards the mean that projection brings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from pgs_trd.resources import thread_count

FloatArray = npt.NDArray[np.float64]

PEOPLE_AT_ONCE = 1024


def correct_shrinkage(
    projected: FloatArray,
    residual: FloatArray,
    singular_values: FloatArray,
    *,
    threads: int | None = None,
) -> FloatArray:
    """Undo the shrinkage of people projected on loadings that others were fitted with.

    Loadings fit the noise of the people they were fitted in, so that these lie further
    out than new people like them: the more so, the smaller the eigenvalue. Here each
    new person is added to the decomposition in turn, the decomposition is brought up
    to date, and its scores are turned and scaled back onto those of the reference by a
    Procrustes transformation: online augmentation, decomposition, Procrustes (OADP)
    [1]_. The reference's genotypes are not needed, nor its scores, because their
    cross-products are those of the singular vectors. A person is not seen by another.

    The new person's own direction, which is the one that has most of that person, is
    left out of the augmented decomposition, wherever it stands; in the paper it is the
    last one, which it is unless the person differs much from the reference.

    Parameters
    ----------
    projected : (n_people, n_components)
        Standardised genotypes times loadings.
    residual : (n_people,)
        Sum of squares of the standardised genotypes that the loadings leave.
    singular_values : (n_components,)
        Of the reference's standardised genotypes.
    threads
        Default: what `thread_count` gives. The result does not depend on it.

    Returns
    -------
    corrected : (n_people, n_components)
        On the scale of the reference's ``scores``.

    References
    ----------
    .. [1] Zhang, Dey, Lee (2020) Bioinformatics 36:3439.
    """
    starts = range(0, len(projected), PEOPLE_AT_ONCE)
    batches = [slice(start, start + PEOPLE_AT_ONCE) for start in starts]
    corrected = np.empty_like(projected, dtype=np.float64)

    def correct(batch: slice) -> None:
        corrected[batch] = _augment(projected[batch], residual[batch], singular_values)

    with ThreadPoolExecutor(thread_count(threads)) as executor:
        list(executor.map(correct, batches))
    return corrected


def remaining_shrinkage(eigenvalues: FloatArray, *, n_people: int, n_variants: int) -> FloatArray:
    """Give what people come out too near after `correct_shrinkage`, component by component.

    With c people a variant, a component whose variance is x times that of noise has the
    eigenvalue (1 + x)(1 + c / x), and projected people shrink to x / (1 + x) [1]_ [2]_.
    The augmented decomposition sees 1 - 1 / eigenvalue instead, which is more by the
    factor 1 + c / (x (x + c)): next to nothing for leading components, a tenth where
    the eigenvalue is 1.5 times the mean and there are thirty variants a person. A
    component whose eigenvalue is no larger than noise makes, (1 + sqrt(c))^2, is left as
    it is.

    Parameters
    ----------
    eigenvalues : (n_components,)
        The leading ones of the reference's relationship matrix, the mean of all being 1.
    n_people, n_variants
        Of the reference, in approximate linkage equilibrium.

    Returns
    -------
    factor : (n_components,)
        To multiply corrected scores by, 1 or larger.

    References
    ----------
    .. [1] Lee, Zou, Wright (2010) Annals of Statistics 38:3605.
    .. [2] Dey, Lee (2019) Journal of Multivariate Analysis 173:145.
    """
    factor = np.ones(len(eigenvalues))
    noise = (n_people - eigenvalues.sum()) / max(n_people - len(eigenvalues), 1)
    if noise <= 0:
        return factor
    c = n_people / n_variants
    half = (eigenvalues / noise - 1 - c) / 2
    stands = half > np.sqrt(c)
    x = half[stands] + np.sqrt(half[stands] ** 2 - c)
    factor[stands] = 1 + c / (x * (x + c))
    return factor


def _augment(
    projected: FloatArray, residual: FloatArray, singular_values: FloatArray
) -> FloatArray:
    """Do `correct_shrinkage` for a batch of people, one small decomposition each."""
    n_people, size = projected.shape
    # The augmented genotypes are [[D, 0], [projected, sqrt(residual)]] in the bases of the
    # singular vectors and the person's own direction; this is their product with themselves.
    product = np.zeros((n_people, size + 1, size + 1))
    product[:, range(size), range(size)] = singular_values**2
    product[:, :size, size] = product[:, size, :size] = projected * singular_values
    product[:, size, size] = (projected**2).sum(axis=1) + residual
    squares, vectors = np.linalg.eigh(product)
    kept = np.argsort(vectors[:, size, :] ** 2, axis=1)[:, :size]
    scale = np.sqrt(np.maximum(np.take_along_axis(squares, kept, axis=1), 0.0))
    vectors = np.take_along_axis(vectors, kept[:, np.newaxis, :], axis=2) * scale[:, np.newaxis, :]
    of_reference, of_person = vectors[:, :size, :], vectors[:, size, :]
    # Procrustes: the rotation and scale of the augmented scores of the reference that
    # come closest to the scores that it had.
    cross = of_reference.transpose(0, 2, 1) * singular_values
    left, values, right = np.linalg.svd(cross)
    shrink = values.sum(axis=1) / (of_reference**2).sum(axis=(1, 2))
    turned = np.einsum("nk,nkl->nl", of_person, left @ right)
    scaled: FloatArray = shrink[:, np.newaxis] * turned
    return scaled
