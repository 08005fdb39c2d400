"""The genotypes' variants by place, made once for all weight files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.genotypes.alleles import find_shared_alleles, is_placed
from pgs_trd.weights.codes import (
    BoolArray,
    Codes,
    IntArray,
    chunks,
    take_codes,
    to_codes,
)
from pgs_trd.weights.ids import IdIndex, number_ids

Scalar = TypeVar("Scalar", bound=np.generic)

NO_KEY = -1
NO_PLACE = -1


@dataclass(frozen=True)
class TargetIndex:
    """The variants of a genotype source by place, alleles as numbers.

    A place is a position of a chromosome, or an id.

    Attributes
    ----------
    chromosomes
        Those on which a variant has a position; None if the places are ids.
    ids
        The ids, whose numbers are their places; None if places are positions.
    keys : (n_places,)
        Chromosome number * 2**32 + position of each place, ascending; empty for ids.
    starts : (n_places + 1,)
        The variants of place k are ``order[starts[k]:starts[k + 1]]``.
    order : (n_placed,)
        Rows of the variants.
    is_crowded : (n_places,)
        Whether there is more than one variant.
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
    has_shared : (n_variants,)
        Whether either does.
    """

    chromosomes: pd.Index | None
    ids: IdIndex | None
    keys: IntArray
    starts: Codes
    order: Codes
    is_crowded: BoolArray
    alleles: pd.Index
    counted: Codes
    other: Codes
    site: IntArray
    is_duplicate: BoolArray
    has_shared: BoolArray
    counted_is_shared: BoolArray
    other_is_shared: BoolArray


def index_by_position(variants: pd.DataFrame) -> TargetIndex:
    """Index variants by chromosome and position; unplaced ones are left out."""
    codes, names = to_codes(variants["chromosome"])
    position = variants["position"].to_numpy(dtype=np.int64)
    has_place = (codes >= 0) & is_placed(position)
    # A chromosome is there if some variant has a place on it.
    placed = np.unique(codes[has_place]).astype(np.int64)
    number = np.full(len(names), NO_KEY, dtype=np.int64)
    number[placed] = np.arange(len(placed))
    keys = pack_keys(take_codes(number, codes, NO_KEY), position)
    rows = np.flatnonzero(has_place)
    keys = keys[rows]
    if np.any(keys[1:] < keys[:-1]):
        by_key = np.argsort(keys, kind="stable")
        rows, keys = rows[by_key], keys[by_key]
    is_first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    first = np.flatnonzero(is_first)
    return _index(
        variants,
        rows,
        np.append(first, len(rows)),
        chromosomes=pd.Index(names[placed]),
        ids=None,
        keys=keys[first],
    )


def index_by_id(variants: pd.DataFrame) -> TargetIndex:
    """Index variants by id; those without (".") are left out."""
    ids, number = number_ids(variants["id"])
    if len(ids.first) == len(number):
        # Every row has an id of its own, as in most files.
        rows, starts = ids.first, np.arange(len(number) + 1, dtype=np.int32)
    else:
        rows = np.flatnonzero(number >= 0)
        place = number[rows]
        starts = np.append(0, np.cumsum(np.bincount(place, minlength=len(ids.first))))
        if len(rows) > len(ids.first):
            rows = rows[np.argsort(place, kind="stable")]
    return _index(
        variants,
        rows,
        starts,
        chromosomes=None,
        ids=ids,
        keys=np.empty(0, dtype=np.int64),
    )


def pack_keys(chromosome: IntArray, position: IntArray) -> IntArray:
    """Give chromosome number * 2**32 + position, `NO_KEY` where either is none."""
    has_place = (chromosome >= 0) & is_placed(position)
    return np.where(has_place, (chromosome << 32) + np.where(has_place, position, 0), NO_KEY)


def _index(
    variants: pd.DataFrame,
    order: Codes,
    starts: Codes,
    *,
    chromosomes: pd.Index | None,
    ids: IdIndex | None,
    keys: IntArray,
) -> TargetIndex:
    codes, texts = zip(
        *(to_codes(variants[name]) for name in ("counted_allele", "other_allele")), strict=True
    )
    numbers, alleles = pd.factorize(np.concatenate([np.asarray(names) for names in texts]))
    counted = take_codes(numbers[: len(texts[0])], codes[0], NO_KEY).astype(np.int32)
    other = take_codes(numbers[len(texts[0]) :], codes[1], NO_KEY).astype(np.int32)
    site = variants["site"].to_numpy(dtype=np.int64)
    shared = find_shared_alleles(variants)
    return TargetIndex(
        chromosomes=chromosomes,
        ids=ids,
        keys=keys,
        # Half the memory: no file has 2**31 variants.
        starts=starts.astype(np.int32, copy=False),
        order=order.astype(np.int32, copy=False),
        is_crowded=np.diff(starts) > 1,
        alleles=pd.Index(alleles),
        counted=counted,
        other=other,
        site=site,
        is_duplicate=_duplicates(order, starts, counted, other),
        has_shared=shared[0] | shared[1],
        counted_is_shared=shared[0],
        other_is_shared=shared[1],
    )


def _duplicates(order: Codes, starts: Codes, counted: Codes, other: Codes) -> BoolArray:
    duplicate = np.zeros(len(counted), dtype=bool)
    sizes = np.diff(starts)
    crowded = np.repeat(sizes > 1, sizes)
    rows = order[crowded]
    pairs = pd.DataFrame(
        {
            "place": np.repeat(np.arange(len(sizes)), sizes)[crowded],
            "low": np.minimum(counted[rows], other[rows]),
            "high": np.maximum(counted[rows], other[rows]),
        }
    )
    duplicate[rows] = pairs.duplicated(keep=False).to_numpy()
    return duplicate


def places_of_positions(
    index: TargetIndex, chromosome: Codes, names: pd.Index, position: IntArray
) -> tuple[IntArray, BoolArray]:
    """Find the places of positions.

    Parameters
    ----------
    index
        By position.
    chromosome : (n_rows,)
        Places among `names`, -1 where missing.
    names
        Chromosomes.
    position : (n_rows,)
        1-based; 0 or less where missing.

    Returns
    -------
    place : (n_rows,)
        `NO_PLACE` where the genotypes have nothing.
    on_known_chromosome : (n_rows,)
        Whether the genotypes have the chromosome at all.
    """
    assert index.chromosomes is not None
    numbers = index.chromosomes.get_indexer(names)
    place = np.full(len(position), NO_PLACE, dtype=np.int64)
    known = np.zeros(len(position), dtype=bool)
    for part in chunks(len(position)):
        number = take_codes(numbers, chromosome[part], NO_KEY)
        known[part] = number != NO_KEY
        place[part] = _find_keys(index.keys, pack_keys(number, position[part]))
    return place, known


def _find_keys(sorted_keys: IntArray, keys: IntArray) -> IntArray:
    if not len(sorted_keys) or not len(keys):
        return np.full(len(keys), NO_PLACE, dtype=np.int64)
    if np.any(keys[1:] < keys[:-1]):
        # Keys in order are found several times faster, sorting included.
        order = np.argsort(keys)
        low = np.empty(len(keys), dtype=np.int64)
        low[order] = np.searchsorted(sorted_keys, keys[order])
    else:
        # Only the stretch in question, which stays in the cache.
        start = int(np.searchsorted(sorted_keys, keys[0]))
        stop = int(np.searchsorted(sorted_keys, keys[-1], side="right"))
        low = start + np.searchsorted(sorted_keys[start:stop], keys)
    low[low == len(sorted_keys)] = 0
    return np.where(sorted_keys[low] == keys, low, NO_PLACE)


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows and the variants at their places, by row.

    Attributes
    ----------
    row : (n_pairs,)
        Numbers of the rows, ascending; every row has a pair.
    target : (n_pairs,)
        Rows of the genotypes' variants.
    n_rows
        Number of rows.
    """

    row: IntArray
    target: IntArray
    n_rows: int

    @property
    def is_single(self) -> bool:
        """Whether every row has one pair, so that rows and pairs are the same."""
        return len(self.row) == self.n_rows

    def count(self, mask: BoolArray) -> npt.NDArray[np.integer[Any]]:
        """Count the pairs of each row where `mask` holds."""
        if self.is_single:
            return mask.view(np.int8)
        return np.bincount(self.row[mask], minlength=self.n_rows)

    def spread(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Give each pair the value of its row."""
        return values if self.is_single else values[self.row]


def pair_up(index: TargetIndex, place: Codes) -> Pairs:
    """Give all pairs of rows and variants that share a place, `NO_PLACE` not allowed."""
    start = index.starts[place]
    counts = index.starts[place + 1] - start
    row = np.arange(len(place))
    if len(place) == 0 or counts.max() == 1:
        return Pairs(row, index.order[start], len(place))
    row = np.repeat(row, counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Pairs(row, index.order[np.repeat(start, counts) + within], len(place))
