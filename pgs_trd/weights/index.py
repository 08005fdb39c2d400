"""Find the genotype rows at each weight row's place, for all rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.genotypes.alleles import is_placed, other_strand

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

NO_KEY = -1
UNKNOWN_ALLELE = -1


@dataclass(frozen=True)
class TargetIndex:
    """The variants of a genotype source, sorted by place, alleles as numbers.

    Attributes
    ----------
    names
        Chromosomes (by position) or ids (by id) that the genotypes have.
    keys : (n_placed,)
        Place of each variant that has one, ascending: chromosome number * 2**32 +
        position, or number of the id.
    order : (n_placed,)
        Which row of the variants that is.
    alleles
        Spelling of the alleles; their place here is their number.
    counted, other : (n_variants,)
        Numbers of the alleles.
    site : (n_variants,)
        Sites, as in `GenotypeSource.variants`.
    is_duplicate : (n_variants,)
        Whether another variant has the same place and the same two alleles.
    counted_is_shared, other_is_shared : (n_variants,)
        Whether the allele occurs in more than one row of a multi-allelic site, as
        the reference allele does: then its copies cannot be told from one row.
    """

    names: pd.Index
    keys: IntArray
    order: IntArray
    alleles: pd.Index
    counted: IntArray
    other: IntArray
    site: IntArray
    is_duplicate: BoolArray
    counted_is_shared: BoolArray
    other_is_shared: BoolArray


def index_by_position(variants: pd.DataFrame) -> TargetIndex:
    """Index variants by chromosome and position; unplaced ones are left out."""
    codes, names = pd.factorize(variants["chromosome"])
    position = variants["position"].to_numpy(dtype=np.int64)
    keys = pack_keys(codes.astype(np.int64), position)
    # A chromosome is there if some variant has a place on it.
    placed = np.unique(codes[keys != NO_KEY])
    renumber = np.full(len(names) + 1, NO_KEY, dtype=np.int64)
    renumber[placed] = np.arange(len(placed))
    keys = pack_keys(renumber[codes], position)
    return _index(variants, pd.Index(names[placed]), keys)


def index_by_id(variants: pd.DataFrame) -> TargetIndex:
    """Index variants by id; those without (".") are left out."""
    identity = variants["id"].mask(variants["id"].isin([".", ""]))
    keys, names = pd.factorize(identity)
    return _index(variants, pd.Index(names), keys.astype(np.int64))


def pack_keys(chromosome: IntArray, position: IntArray) -> IntArray:
    """Give chromosome number * 2**32 + position, `NO_KEY` where either is none."""
    has_place = (chromosome >= 0) & is_placed(position)
    return np.where(has_place, (chromosome << 32) + np.where(has_place, position, 0), NO_KEY)


def _index(variants: pd.DataFrame, names: pd.Index, keys: IntArray) -> TargetIndex:
    n_rows = len(variants)
    both, alleles = pd.factorize(
        np.concatenate([variants["counted_allele"], variants["other_allele"]])
    )
    counted, other = both[:n_rows].astype(np.int64), both[n_rows:].astype(np.int64)
    site = variants["site"].to_numpy(dtype=np.int64)
    placed = np.flatnonzero(keys != NO_KEY)
    order = placed
    if np.any(np.diff(keys[placed]) < 0):
        order = placed[np.argsort(keys[placed], kind="stable")]
    shared = _shared_alleles(site, counted, other)
    return TargetIndex(
        names=names,
        keys=keys[order],
        order=order,
        alleles=pd.Index(alleles),
        counted=counted,
        other=other,
        site=site,
        is_duplicate=_duplicates(keys, counted, other),
        counted_is_shared=shared[0],
        other_is_shared=shared[1],
    )


def _duplicates(keys: IntArray, counted: IntArray, other: IntArray) -> BoolArray:
    duplicate = np.zeros(len(keys), dtype=bool)
    crowded = pd.Series(keys).duplicated(keep=False).to_numpy() & (keys != NO_KEY)
    rows = np.flatnonzero(crowded)
    pairs = pd.DataFrame(
        {
            "key": keys[rows],
            "low": np.minimum(counted[rows], other[rows]),
            "high": np.maximum(counted[rows], other[rows]),
        }
    )
    duplicate[rows] = pairs.duplicated(keep=False).to_numpy()
    return duplicate


def _shared_alleles(
    site: IntArray, counted: IntArray, other: IntArray
) -> tuple[BoolArray, BoolArray]:
    n_rows = len(site)
    shared = np.zeros((2, n_rows), dtype=bool)
    rows = np.flatnonzero(pd.Series(site).duplicated(keep=False).to_numpy())
    both = pd.DataFrame(
        {"site": np.tile(site[rows], 2), "allele": np.concatenate([counted[rows], other[rows]])}
    )
    shared[:, rows] = both.duplicated(keep=False).to_numpy().reshape(2, len(rows))
    return shared[0], shared[1]


def number_alleles(
    index: TargetIndex, effect: Iterable[object], other: Iterable[object]
) -> tuple[IntArray, IntArray, IntArray, IntArray, BoolArray]:
    """Give the numbers of effect and other alleles, as spelled and on the other strand.

    The other strand is read for alleles of one length only: complemented, the base
    in front of an insertion or deletion stands behind it, at another position.

    Returns
    -------
    effect, other, effect_flipped, other_flipped, has_other
        `UNKNOWN_ALLELE` for what the genotypes do not have.
    """
    spelled, flipped, lengths, has = [], [], [], []
    for column in (effect, other):
        codes, texts = pd.factorize(np.asarray(column, dtype=object))
        spelled.append(_take(index.alleles.get_indexer(pd.Index(texts)), codes))
        turned = pd.Index([other_strand(text) for text in texts], dtype=object)
        flipped.append(_take(index.alleles.get_indexer(turned), codes))
        lengths.append(_take(np.array([len(text) for text in texts]), codes))
        has.append(codes >= 0)
    can_flip = np.where(has[1], lengths[0] == lengths[1], lengths[0] == 1)
    flipped = [np.where(can_flip, numbers, UNKNOWN_ALLELE) for numbers in flipped]
    return spelled[0], spelled[1], flipped[0], flipped[1], has[1]


def _take(numbers: npt.NDArray[np.int64], codes: npt.NDArray[np.int64]) -> IntArray:
    return np.append(numbers, UNKNOWN_ALLELE).astype(np.int64)[codes]


def candidates(index: TargetIndex, keys: IntArray) -> tuple[IntArray, IntArray]:
    """Give all pairs (weight row, genotype row) that share a place, by weight row."""
    rows = np.flatnonzero(keys != NO_KEY)
    low = np.searchsorted(index.keys, keys[rows], side="left")
    high = np.searchsorted(index.keys, keys[rows], side="right")
    counts = high - low
    weight_row = np.repeat(rows, counts)
    within = np.arange(len(weight_row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return weight_row, index.order[np.repeat(low, counts) + within]
