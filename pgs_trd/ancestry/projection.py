"""New people on the principal components of a reference, without shrinkage."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ancestry.packed import LANES, PackedKernel
from pgs_trd.ancestry.reading import PackedReader
from pgs_trd.ancestry.reference import PrincipalComponents
from pgs_trd.ancestry.shrinkage import correct_shrinkage, remaining_shrinkage
from pgs_trd.errors import DataError, MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource
from pgs_trd.resources import thread_count
from pgs_trd.weights import Chain, FileMatch, MatchBy, Matcher, Palindromes, Weights, lift_over
from pgs_trd.weights.builds import build_of_lengths, canonical_build

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Progress = Callable[[float], None]

# People of other continents have less, people whose alleles are told wrongly more.
LARGEST_RESIDUAL = 2.0


@dataclass(frozen=True)
class Projection:
    """People on the components of a reference.

    Attributes
    ----------
    components : (n_people, n_components)
        Columns PC1, PC2, ... on the scale of ``reference.scores``; index `person_id`.
        Missing where a person has too few calls.
    quality : (n_people,)
        call_rate (share of the matched variants with a call), residual (mean square of
        the standardised genotypes that the components leave: near 1 for people like
        the reference's, more where much varies that does not vary there), status
        (``"ok"``, or ``"few_calls"`` where calls are fewer than asked for or no more than
        there are components); index `person_id`.
    shrinkage : (n_components,)
        How far out people came before correction, as a share of how far out they are:
        the slope of uncorrected on corrected scores. Components that shrink alike, behind
        those that do not, are noise of the reference.
    match : (n_variants,)
        The reference's variants, with what became of each: see `Match.table`.
    n_matched
        How many are among the genotypes.
    """

    components: pd.DataFrame
    quality: pd.DataFrame
    shrinkage: pd.Series[float]
    match: pd.DataFrame
    n_matched: int


def project(
    genotypes: GenotypeSource,
    reference: PrincipalComponents,
    *,
    n_components: int | None = None,
    palindromes: Palindromes = "drop",
    by: MatchBy = "position",
    min_overlap: float = 0.75,
    min_call_rate: float = 0.5,
    genome_build: str | None = None,
    chain: Chain | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Projection:
    """Place people on the principal components of a reference.

    Variants are matched by chromosome, position and both alleles, as weights are.
    Scores are least-squares fits to the variants that a person has a call for, so that
    absent variants and missing calls do not pull a person towards the mean; for missing
    calls the loadings are taken to be uncorrelated over a person's variants, for absent
    variants not. Then the shrinkage is corrected: see `correct_shrinkage` and
    `remaining_shrinkage`.

    Parameters
    ----------
    genotypes
        Of the new people; dosages count as hard calls, see `PackedReader`.
    reference
        From `fit_pca` or `read_reference`.
    n_components
        How many components to give, the leading ones; default: all of the reference's.
        The correction uses all of them whatever is given.
    palindromes, by
        As in `Matcher`; the weight file is the reference.
    min_overlap
        Share of the reference's variants that must be among the genotypes.
    min_call_rate
        People with calls for a smaller share of the matched variants get no scores.
    genome_build
        Of the genotypes, if known.
    chain
        From `read_chain`: lifts the reference to the genotypes' build.
    threads
        Default: what `thread_count` gives. The result does not depend on it.
    progress
        Called with the share of variants done.

    Raises
    ------
    UsageError
        If the reference has fewer components than asked for.
    MatchRateError
        If too few of the reference's variants are among the genotypes, or they are of
        another genome build.
    DataError
        If the matched variants cannot tell the components apart.

    Warns
    -----
    PgsTrdWarning
        If people have ids of the reference's own people, whom the loadings were fitted
        in: corrected, they come out too far. Theirs are ``reference.scores``. Or if half
        of the people have a residual above 2, as where alleles are told wrongly; among
        people of other continents it is 1.1 to 1.3 (HapMap 3, frequencies above 5%).
    """
    size = reference.loadings.shape[1]
    wanted = size if n_components is None else n_components
    if not 1 <= wanted <= size:
        raise UsageError(f"n_components is {wanted}, but the reference has {size} components")
    n_own = int(genotypes.samples["person_id"].isin(reference.components.index).sum())
    if n_own:
        warnings.warn(
            f"{n_own:,} of {len(genotypes.samples):,} people have ids of the reference's own, who "
            "do not shrink and come out too far: take their components from the reference, and "
            "leave them out here",
            PgsTrdWarning,
            stacklevel=2,
        )
    match = _match(
        genotypes,
        reference,
        chain=chain,
        palindromes=palindromes,
        by=by,
        min_overlap=min_overlap,
        genome_build=genome_build,
    )
    sums = _sum_products(genotypes, reference, match, threads, progress)
    projected, residual = _fit_scores(sums, n_variants=reference.n_variants)
    corrected = correct_shrinkage(projected, residual, reference.singular_values, threads=threads)
    corrected *= remaining_shrinkage(
        reference.eigenvalues,
        n_people=len(reference.components),
        n_variants=reference.n_variants,
    )
    call_rate = sums.n_called / sums.n_variants
    has_calls = (call_rate >= min_call_rate) & (sums.n_called > size)
    residual = np.where(has_calls, residual / reference.n_variants, np.nan)
    _warn_of_residuals(residual[has_calls])
    corrected[~has_calls] = np.nan
    names = list(reference.components.columns[:wanted])
    index = pd.Index(genotypes.samples["person_id"], name="person_id")
    return Projection(
        components=pd.DataFrame(corrected[:, :wanted], index=index, columns=names),
        quality=pd.DataFrame(
            {
                "call_rate": call_rate,
                "residual": residual,
                "status": np.where(has_calls, "ok", "few_calls").astype(object),
            },
            index=index,
        ),
        shrinkage=pd.Series(
            _slopes(projected[has_calls], corrected[has_calls])[:wanted],
            index=names,
            name="shrinkage",
        ),
        match=match.table(),
        n_matched=sums.n_variants,
    )


def _warn_of_residuals(residual: FloatArray) -> None:
    if len(residual) and (typical := float(np.median(residual))) > LARGEST_RESIDUAL:
        warnings.warn(
            f"the reference's components leave half of {len(residual):,} people a residual of "
            f"{typical:.2f} or more, where 1 is usual: are alleles swapped, or the frequencies of "
            "another set of people?",
            PgsTrdWarning,
            stacklevel=3,
        )


def _slopes(projected: FloatArray, corrected: FloatArray) -> FloatArray:
    """Give the slope through zero of uncorrected on corrected scores, by component."""
    squares = (corrected**2).sum(axis=0)
    none = np.full(len(squares), np.nan)
    slopes: FloatArray = np.divide(
        (projected * corrected).sum(axis=0), squares, where=squares > 0, out=none
    )
    return slopes


def _match(
    genotypes: GenotypeSource,
    reference: PrincipalComponents,
    *,
    chain: Chain | None,
    palindromes: Palindromes,
    by: MatchBy,
    min_overlap: float,
    genome_build: str | None,
) -> FileMatch:
    """Find the reference's variants among the genotypes, or refuse."""
    variants = _as_weights(reference)
    if chain is not None:
        variants = lift_over(variants, chain)
    stated = genome_build or build_of_lengths(getattr(genotypes, "contig_lengths", None) or {})
    if stated is not None and by == "position":
        stated = canonical_build(stated)
        if variants.genome_build not in (None, stated):
            raise MatchRateError(
                f"the reference is {variants.genome_build} and the genotypes are {stated}: take a "
                "reference of their build, or lift it by a chain file"
            )
    matcher = Matcher(
        genotypes,
        palindromes=palindromes,
        min_overlap=min_overlap,
        by=by,
        genome_build=genome_build,
    )
    match = matcher.match(variants)
    summary = match.summary.iloc[0]
    if summary["status"] != "ok":
        raise MatchRateError(
            f"{summary['n_matched']:,} of the reference's {summary['n_rows']:,} variants are among "
            f"the genotypes ({summary['match_rate']:.1%}), and min_overlap is {min_overlap:.0%}. "
            + summary["verdict"].split(": ", 1)[-1].replace("weight file", "reference"),
            summary=match.summary,
        )
    return match


def _as_weights(reference: PrincipalComponents) -> Weights:
    """Give the reference's variants in the form that can be matched."""
    variants = reference.variants
    n_rows = len(variants)
    return Weights(
        variants=pd.DataFrame(
            {
                "row": np.arange(1, n_rows + 1),
                "id": variants["id"].astype(pd.StringDtype("pyarrow")),
                "chromosome": pd.Categorical(variants["chromosome"]),
                "position": variants["position"].astype("Int64"),
                "effect_allele": pd.Categorical(variants["effect_allele"]),
                "other_allele": pd.Categorical(variants["other_allele"]),
                "effect_allele_frequency": variants["frequency"].to_numpy(dtype=np.float64),
            }
        ),
        effects=np.ones((n_rows, 1)),
        names=("reference",),
        genome_build=reference.build,
        metadata={},
        path=None,
        refused=pd.DataFrame({"row": [], "score": [], "reason": []}, dtype=object),
    )


@dataclass
class _Sums:
    """What is summed over the variants, for each person.

    Attributes
    ----------
    product : (n_people, n_components)
        Standardised genotypes times loadings, over the variants with a call.
    squares : (n_people,)
        Squares of the standardised genotypes.
    unseen : (n_people, n_components)
        Squared loadings of the variants without a call.
    n_called : (n_people,)
        Variants with a call.
    gram : (n_components, n_components)
        Products of the loadings of the matched variants.
    n_variants
        How many variants are matched.
    """

    product: FloatArray
    squares: FloatArray
    unseen: FloatArray
    n_called: IntArray
    gram: FloatArray
    n_variants: int


def _sum_products(
    genotypes: GenotypeSource,
    reference: PrincipalComponents,
    match: FileMatch,
    threads: int | None,
    progress: Progress | None,
) -> _Sums:
    """Stream the matched variants and sum what the scores are made of."""
    matched = np.flatnonzero(match.is_matched)
    matched = matched[np.argsort(match.target[matched], kind="stable")]
    loadings = reference.loadings[matched].astype(np.float32)
    standardised = _standardise_codes(reference.variants.iloc[matched], match.swapped[matched])
    size = loadings.shape[1]
    # What a missing call takes away: a squared loading of each component, and one call.
    seen = np.column_stack([loadings**2, np.ones(len(loadings), dtype=np.float32)])
    n_people = len(genotypes.samples)
    product = np.zeros((n_people, _pad(size)))
    squares = np.zeros((n_people, LANES))
    missing = np.zeros((n_people, size + 1))
    target = match.target[matched].astype(np.int64)
    reader = PackedReader(genotypes, target, keep=False)
    with PackedKernel(thread_count(threads)) as kernel:
        for start, codes in reader.blocks():
            rows = slice(start, start + len(codes))
            people = kernel.transpose(codes, n_people)
            kernel.multiply(people, standardised[rows], _widen(loadings[rows]), product)
            kernel.multiply(people, standardised[rows] ** 2, _widen(seen[rows, -1:]), squares)
            kernel.add_missing(people, seen[rows], missing)
            if progress is not None:
                progress(rows.stop / len(matched))
    whole = reference.loadings[matched]
    return _Sums(
        product=product[:, :size],
        squares=squares[:, 0],
        unseen=missing[:, :size],
        n_called=len(matched) - np.rint(missing[:, size]).astype(np.int64),
        gram=whole.T @ whole,
        n_variants=len(matched),
    )


def _standardise_codes(variants: pd.DataFrame, swapped: BoolArray) -> Float32Array:
    """Give the standardised genotype (n_variants, 4) of each code: 2, missing, 1, 0 copies.

    The copies are of the allele that the genotypes count: of the other allele of the
    reference where `swapped`.
    """
    frequency = variants["frequency"].to_numpy(dtype=np.float64)[:, np.newaxis]
    sd = variants["sd"].to_numpy(dtype=np.float64)[:, np.newaxis]
    copies = np.array([[2.0, np.nan, 1.0, 0.0]])
    copies = np.where(swapped[:, np.newaxis], 2.0 - copies, copies)
    standardised: Float32Array = np.nan_to_num((copies - 2 * frequency) / sd).astype(np.float32)
    return standardised


def _pad(width: int) -> int:
    """Give the number of columns that the kernel takes for so many."""
    return -(-width // LANES) * LANES


def _widen(columns: Float32Array) -> Float32Array:
    """Add columns of zeros, as many as the kernel needs."""
    wide = np.zeros((len(columns), _pad(columns.shape[1])), dtype=np.float32)
    wide[:, : columns.shape[1]] = columns
    return wide


def _fit_scores(sums: _Sums, *, n_variants: int) -> tuple[FloatArray, FloatArray]:
    """Give scores, and the squares that they leave, as of all variants of the reference.

    Parameters
    ----------
    n_variants
        Of the reference.

    Returns
    -------
    projected : (n_people, n_components)
    residual : (n_people,)
    """
    size = len(sums.gram)
    whole = np.diagonal(sums.gram)
    if sums.n_variants <= size or np.linalg.cond(sums.gram) > 1e6:
        raise DataError(
            f"{sums.n_variants:,} matched variants cannot tell {size} components apart: give the "
            "genotypes of all chromosomes"
        )
    seen = np.maximum(whole - sums.unseen, 1e-9 * whole)
    projected = np.linalg.solve(sums.gram, (sums.product * whole / seen).T).T
    share = np.sqrt(seen / whole)
    fitted = (projected * share) @ sums.gram
    left = sums.squares - 2 * (projected * sums.product).sum(axis=1)
    left += (fitted * projected * share).sum(axis=1)
    n_free = np.maximum(sums.n_called - size, 1)
    residual = np.maximum(left, 0.0) * (n_variants - size) / n_free
    return projected, residual
