"""Principal components of genotypes, streamed from disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import GenotypeBlock, GenotypeSource, count_alleles, unpack_codes

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

OVERSAMPLING = 10
AUTOSOMES = frozenset(map(str, range(1, 23)))


@dataclass(frozen=True)
class PrincipalComponents:
    """Principal components of a set of people.

    Attributes
    ----------
    components : (n_people, n_components)
        Unit-length eigenvectors of the genetic relationship matrix, columns
        PC1, PC2, ...; index `person_id`. The sign is such that the entry of
        largest size is positive.
    eigenvalues : (n_components,)
        Of the relationship matrix, largest first.
    n_variants
        How many variants they rest on.
    """

    components: pd.DataFrame
    eigenvalues: FloatArray
    n_variants: int


def choose_variants(
    genotypes: GenotypeSource, *, min_frequency: float = 0.05, max_missing: float = 0.02
) -> IntArray:
    """Give the rows of autosomal variants that are common and well called.

    Parameters
    ----------
    min_frequency
        Smallest frequency of the rarer allele.
    max_missing
        Largest share of missing calls.
    """
    chromosomes = genotypes.variants["chromosome"]
    rows = np.flatnonzero(chromosomes.isin(AUTOSOMES).to_numpy()).astype(np.int64)
    frequency, n_called = count_alleles(genotypes, rows)
    rarer = np.minimum(frequency, 1 - frequency)
    n_people = len(genotypes.samples)
    kept: IntArray = rows[(rarer >= min_frequency) & (n_called >= (1 - max_missing) * n_people)]
    return kept


def fit_pca(
    genotypes: GenotypeSource,
    rows: IntArray,
    *,
    n_components: int = 10,
    n_passes: int = 10,
    rng: np.random.Generator,
) -> PrincipalComponents:
    """Compute principal components by randomised subspace iteration [1]_.

    Genotypes are read block by block, once a pass; memory holds one block and
    two matrices of people x (components + 10). A genotype is centred and scaled
    by its frequency, ``(copies - 2p) / sqrt(2p(1 - p))``, and a missing call
    counts as the mean, as in plink2's ``--pca``.

    Parameters
    ----------
    genotypes
        From `open_genotypes`.
    rows : (n_variants,)
        Ascending rows of ``genotypes.variants``; see `choose_variants`. Variants
        without variation add nothing.
    n_components
        How many components to give.
    n_passes
        Passes over the genotypes; more separate close eigenvalues better.
    rng
        Where the iteration starts; the result hardly depends on it.

    Raises
    ------
    DataError
        If there are fewer people or variants than components.
    UsageError
        If there is to be no pass at all.

    References
    ----------
    .. [1] Halko, Martinsson, Tropp (2011) SIAM Review 53:217.
    """
    n_people = len(genotypes.samples)
    if n_passes < 1:
        raise UsageError(f"n_passes must be at least 1, got {n_passes}")
    if min(n_people, len(rows)) <= n_components:
        raise DataError(
            f"{n_components} components need more than {n_components} people and variants; "
            f"there are {n_people:,} people and {len(rows):,} variants. Ask for fewer components"
        )
    size = min(n_components + OVERSAMPLING, n_people)
    product = rng.standard_normal((n_people, size))
    for _ in range(n_passes):
        basis = np.linalg.qr(product)[0].astype(np.float32)
        product[:] = 0.0
        for block in _standardised_blocks(genotypes, rows):
            product += block.T @ (block @ basis)
    values, vectors = np.linalg.eigh(basis.T.astype(np.float64) @ product)
    components = basis @ vectors[:, ::-1][:, :n_components]
    components /= np.linalg.norm(components, axis=0)
    largest = np.abs(components).argmax(axis=0)
    components *= np.sign(components[largest, np.arange(n_components)])
    return PrincipalComponents(
        components=pd.DataFrame(
            components,
            index=pd.Index(genotypes.samples["person_id"], name="person_id"),
            columns=[f"PC{k + 1}" for k in range(n_components)],
        ),
        eigenvalues=values[::-1][:n_components] / len(rows),
        n_variants=len(rows),
    )


def _standardised_blocks(genotypes: GenotypeSource, rows: IntArray) -> Iterator[Float32Array]:
    """Give blocks (n_rows, n_people) of centred and scaled genotypes; missing is 0."""
    n_people = len(genotypes.samples)
    for block in genotypes.blocks(rows):
        copies = _copies(block, n_people)
        is_missing = np.isnan(copies)
        n_alleles = 2.0 * (n_people - is_missing.sum(axis=1))
        total = np.where(is_missing, 0, copies).sum(axis=1)
        frequency = np.divide(total, n_alleles, out=np.zeros(len(copies)), where=n_alleles > 0)
        spread = np.sqrt(2 * frequency * (1 - frequency))
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        copies -= (2 * frequency)[:, np.newaxis].astype(np.float32)
        copies *= scale[:, np.newaxis].astype(np.float32)
        copies[is_missing] = 0.0
        yield copies


def _copies(block: GenotypeBlock, n_people: int) -> Float32Array:
    """Give copies of the counted allele as numbers, NaN where missing."""
    if block.codes is None:
        return block.dosages
    copies = unpack_codes(block.codes, n_people).astype(np.float32)
    copies[copies < 0] = np.nan
    return copies
