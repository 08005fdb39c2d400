"""Principal components of genotypes, streamed from packed codes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

from pgs_trd.ancestry.krylov import Eigenpairs, largest_eigenpairs
from pgs_trd.ancestry.packed import (
    LANES,
    CodeArray,
    Float32Array,
    FloatArray,
    IntArray,
    PackedKernel,
)
from pgs_trd.ancestry.qc import variant_quality
from pgs_trd.ancestry.reading import PackedReader, check_autosomal
from pgs_trd.ancestry.reference import PrincipalComponents
from pgs_trd.ancestry.regions import check_build
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.provenance import library_versions
from pgs_trd.resources import thread_count
from pgs_trd.weights.builds import canonical_build

# Below it a person's missing calls, which count as the mean, weigh more than the others.
FEWEST_CALLS = 0.5
# An eigenvalue that is no larger part of the first is rounding in single precision.
NO_VARIANCE = 1e-6
# Columns of a block beyond the components, so that the last ones converge too.
OVERSAMPLING = 4
# What each code is in a product that is centred afterwards: copies - 1, missing none.
CENTRED_CODES = (1.0, 0.0, 0.0, -1.0)


def choose_variants(
    genotypes: GenotypeSource, *, min_frequency: float = 0.05, max_missing: float = 0.02
) -> IntArray:
    """Give the rows of variants that are ok in `variant_quality`.

    These are autosomal, the only row of their site, common and well called.

    Parameters
    ----------
    min_frequency
        Smallest frequency of the rarer allele.
    max_missing
        Largest share of missing calls.
    """
    quality = variant_quality(genotypes, min_frequency=min_frequency, max_missing=max_missing)
    return np.flatnonzero(quality["status"] == "ok").astype(np.int64)


def fit_pca(
    genotypes: GenotypeSource,
    rows: IntArray,
    *,
    n_components: int = 10,
    n_passes: int = 24,
    tolerance: float = 1e-3,
    rng: np.random.Generator,
    threads: int | None = None,
    build: str | None = None,
) -> PrincipalComponents:
    """Compute principal components by a randomised block Krylov iteration.

    A genotype is centred and scaled by its frequency, ``(copies - 2p) / sqrt(2p(1 -
    p))``, and a missing call counts as the mean, as in plink2's ``--pca`` [1]_. The
    genotypes stay packed: memory holds them up to 1 GiB, or else a block of 1,536
    variants and one pass reads them once; and a few hundred numbers a person. The
    result is the same to the last bit for any number of threads and any cut of the
    genotypes into files.

    Parameters
    ----------
    genotypes
        From `open_genotypes`; dosages count as hard calls, see `PackedReader`.
    rows : (n_variants,)
        Ascending rows of ``genotypes.variants``: common, well called, and in
        approximate linkage equilibrium; see `choose_variants`, `prune_variants`,
        `is_in_long_range_ld`. Variants without variation are left out.
    n_components
        How many components to give.
    n_passes
        Passes over the genotypes at most, besides one to count and one for the loadings.
    tolerance
        Stop when for each component the length of ``A u - eigenvalue u``, A the
        relationship matrix, is at most so large a part of the eigenvalue. The angle to
        the true component is about that, divided by the relative distance to the next
        eigenvalue.
    rng
        Draws where the iteration starts; the result hardly depends on it.
    threads
        Default: what the scheduler allotted, else the processors allowed.
    build
        Genome build of the positions, to be kept with the result.

    Raises
    ------
    DataError
        If there are not more people and varying variants than components, somebody has no
        call, the genotypes vary in fewer directions than there are components, or their
        positions cannot be of the build.
    UsageError
        If there is to be no component or no pass at all, a row is not of an autosome,
        or the build is unknown.

    Warns
    -----
    PgsTrdWarning
        If somebody has calls at fewer than half of the variants, and so lies nearer to the
        mean than where they belong.

    References
    ----------
    .. [1] Price et al. (2006) Nat Genet 38:904; Chang et al. (2015) GigaScience 4:7.
    """
    for name, value in (("n_components", n_components), ("n_passes", n_passes)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, got {value}")
    known_build = None if build is None else canonical_build(build)
    rows = check_autosomal(genotypes, rows)
    if known_build is not None:
        check_build(genotypes.variants, known_build)
    n_people = len(genotypes.samples)
    # Threads of BLAS would change the last bits with their number.
    with PackedKernel(thread_count(threads)) as kernel, threadpool_limits(limits=1):
        matrix = _StandardisedGenotypes(PackedReader(genotypes, rows, keep=True), kernel)
        if min(n_people, matrix.n_variants) <= n_components:
            raise DataError(
                f"{n_components} components need more than {n_components} people and variants; "
                f"there are {n_people:,} people and {matrix.n_variants:,} variants. Ask for "
                "fewer components"
            )
        _check_calls(matrix.n_called, len(rows))
        found = largest_eigenpairs(
            matrix.relate,
            n_people,
            n_pairs=n_components,
            width=_round_up(n_components + OVERSAMPLING),
            max_products=n_passes,
            tolerance=tolerance,
            rng=rng,
        )
        return _finish(genotypes, matrix, found, known_build)


class _StandardisedGenotypes:
    """The matrix X of standardised genotypes, people x variants, as products with it."""

    def __init__(self, reader: PackedReader, kernel: PackedKernel) -> None:
        self._reader = reader
        self._kernel = kernel
        self.n_called = np.zeros(reader.n_people, dtype=np.int64)
        counts = []
        for _, block in reader.blocks():
            counts.append(kernel.count(block, reader.n_people))
            turned = kernel.transpose(block, reader.n_people)
            self.n_called += kernel.count(turned, len(block))[:, [0, 2, 3]].sum(axis=1)
        counted = np.concatenate([np.zeros((0, 4), dtype=np.int64), *counts])
        n_alleles = 2 * (reader.n_people - counted[:, 1])
        self.frequency = np.zeros(len(counted))
        np.divide(
            2 * counted[:, 0] + counted[:, 2],
            n_alleles,
            out=self.frequency,
            where=n_alleles > 0,
        )
        self.sd = np.sqrt(2 * self.frequency * (1 - self.frequency))
        self.varies = self.sd > 0
        self.n_variants = int(self.varies.sum())
        self._has_missing = counted[:, 1] > 0
        self._scale = np.zeros(len(counted))
        np.divide(1.0, self.sd, out=self._scale, where=self.varies)
        codes = np.array(CENTRED_CODES, dtype=np.float32)
        self._centred_codes = np.ascontiguousarray(np.tile(codes, (reader.n_people, 1)))

    @property
    def rows(self) -> IntArray:
        """Rows of the variants that vary."""
        rows: IntArray = self._reader.rows[self.varies]
        return rows

    def relate(self, block: Float32Array) -> FloatArray:
        """Give X X' / n_variants times `block` (n_people, n_columns)."""
        dense = _pad(block)
        product = np.zeros(dense.shape)
        for start, codes in self._reader.blocks():
            stop = start + len(codes)
            of_variants = self._combine_people(start, codes, dense)
            of_variants *= self._scale[start:stop, np.newaxis]
            p = self.frequency[start:stop]
            coefficients = np.stack([2 - 2 * p, np.zeros_like(p), 1 - 2 * p, -2 * p], axis=1)
            self._kernel.multiply(
                self._kernel.transpose(codes, self._reader.n_people),
                coefficients.astype(np.float32),
                of_variants.astype(np.float32),
                product,
            )
        return product[:, : block.shape[1]] / self.n_variants

    def load(self, vectors: FloatArray) -> FloatArray:
        """Give X' times `vectors` (n_people, n_columns), of the variants that vary."""
        dense = _pad(vectors.astype(np.float32))
        loadings = np.zeros((len(self.varies), vectors.shape[1]))
        for start, codes in self._reader.blocks():
            product = self._combine_people(start, codes, dense)
            loadings[start : start + len(codes)] = product[:, : vectors.shape[1]]
        return loadings[self.varies]

    def _combine_people(self, start: int, codes: CodeArray, dense: Float32Array) -> FloatArray:
        """Give X' times `dense` for the variants of one block."""
        stop = start + len(codes)
        product = np.zeros((len(codes), dense.shape[1]))
        self._kernel.multiply(codes, self._centred_codes, dense, product)
        missing = np.zeros_like(product)
        if self._has_missing[start:stop].any():
            self._kernel.add_missing(codes, dense, missing)
        called = dense.sum(axis=0, dtype=np.float64) - missing
        product -= (2 * self.frequency[start:stop, np.newaxis] - 1) * called
        product *= self._scale[start:stop, np.newaxis]
        return product


def _check_calls(n_called: IntArray, n_variants: int) -> None:
    """Refuse people without calls, whom nothing places; warn of those with few."""
    n_none = int((n_called == 0).sum())
    if n_none:
        raise DataError(
            f"{n_none:,} of {len(n_called):,} people have no call at any of {n_variants:,} "
            "variants: leave them out"
        )
    n_few = int((n_called < FEWEST_CALLS * n_variants).sum())
    if n_few:
        warnings.warn(
            f"{n_few:,} of {len(n_called):,} people have calls at fewer than half of "
            f"{n_variants:,} variants and lie too near to the mean: leave them out, and project "
            "them",
            PgsTrdWarning,
            stacklevel=3,
        )


def _finish(
    genotypes: GenotypeSource,
    matrix: _StandardisedGenotypes,
    found: Eigenpairs,
    build: str | None,
) -> PrincipalComponents:
    """Fix signs, add loadings and variants."""
    n_strong = int((found.values > NO_VARIANCE * found.values[0]).sum())
    if n_strong < len(found.values):
        raise DataError(
            f"the genotypes vary in {n_strong} directions only, and {len(found.values)} components "
            "are asked for: ask for fewer; are people in them twice?"
        )
    components = found.vectors
    largest = np.abs(components).argmax(axis=0)
    components = components * np.sign(components[largest, np.arange(components.shape[1])])
    loadings = matrix.load(components)
    loadings /= np.linalg.norm(loadings, axis=0)
    table = genotypes.variants.iloc[matrix.rows]
    variants = pd.DataFrame(
        {
            "chromosome": table["chromosome"].astype(object).to_numpy(),
            "position": table["position"].to_numpy(dtype=np.int64),
            "id": table["id"].astype(object).to_numpy(),
            "effect_allele": table["counted_allele"].astype(object).to_numpy(),
            "other_allele": table["other_allele"].astype(object).to_numpy(),
            "frequency": matrix.frequency[matrix.varies],
            "sd": matrix.sd[matrix.varies],
        }
    )
    return PrincipalComponents(
        components=pd.DataFrame(
            components,
            index=pd.Index(genotypes.samples["person_id"], name="person_id"),
            columns=[f"PC{k + 1}" for k in range(components.shape[1])],
        ),
        eigenvalues=found.values.copy(),
        loadings=loadings,
        variants=variants,
        residuals=found.residuals,
        build=build,
        versions=library_versions(),
    )


def _pad(block: Float32Array) -> Float32Array:
    """Give `block` with columns of zeros up to what the kernel takes at once."""
    padded = np.zeros((len(block), _round_up(block.shape[1])), dtype=np.float32)
    padded[:, : block.shape[1]] = block
    return padded


def _round_up(n: int) -> int:
    return -(-n // LANES) * LANES
