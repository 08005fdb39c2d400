"""Names of chromosomes and alleles, made equal once, at the border."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.genotypes.source import IntArray

BoolArray = npt.NDArray[np.bool_]

_OTHER_NAMES = {
    "23": "X", "24": "Y", "25": "X", "26": "MT", "M": "MT",
    "XY": "X", "PAR": "X", "PAR1": "X", "PAR2": "X", "PAR3": "X",
}  # fmt: skip
MAX_POSITION = 2**31
SHARED_COLUMNS = ("counted_is_shared", "other_is_shared")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_SEQUENCE = re.compile(r"[ACGT]+")


def canonical_chromosome(name: str) -> str:
    """Give the one name that pgs_trd uses for a chromosome.

    Examples
    --------
    >>> [canonical_chromosome(name) for name in ("chr1", "01", "23", "chrM", "0X", "XY")]
    ['1', '1', 'X', 'MT', 'X', 'X']
    """
    short = name.strip()
    if short[:3].lower() == "chr":
        short = short[3:]
    short = short.lstrip("0") or "0"
    upper = short.upper()
    upper = _OTHER_NAMES.get(upper, upper)
    return upper if upper in {"X", "Y", "MT"} else short


def is_sequence(allele: str) -> bool:
    """Tell whether `allele` is spelled in A, C, G, T and nothing else."""
    return _SEQUENCE.fullmatch(allele) is not None


def other_strand(allele: str) -> str:
    """Give the allele as read on the other strand: complemented and reversed."""
    return allele.translate(_COMPLEMENT)[::-1]


def is_placed(position: IntArray) -> BoolArray:
    """Tell which positions a base of a chromosome can have; 0 or less is unplaced."""
    placed: BoolArray = (position > 0) & (position < MAX_POSITION)
    return placed


def number_sites(variants: pd.DataFrame, record: IntArray | None = None) -> IntArray:
    """Give each row its site, so that alleles that exclude each other share a number.

    Rows of one record are one site. So are single-base rows at one placed position,
    and longer rows at one placed position, in different records: that is how tools
    without multi-allelic records write one. There the number of reference alleles
    is not two minus the copies of one alternative.

    Parameters
    ----------
    variants
        With chromosome, position, counted_allele and other_allele.
    record : (n_variants,) or None
        The record that each row comes from; None if each row is its own.
    """
    n_rows = len(variants)
    position = variants["position"].to_numpy(dtype=np.int64)
    # A row's place as one number; few arrays of this length live at a time.
    key = pd.Categorical(variants["chromosome"]).codes.astype(np.int64) << 32
    key |= np.where(is_placed(position), position, 0)
    if np.all(key[1:] > key[:-1]):
        return np.arange(n_rows, dtype=np.int64) if record is None else record.copy()
    record = np.arange(n_rows, dtype=np.int64) if record is None else record
    site = record.copy()
    repeated = pd.Series(key).duplicated(keep=False).to_numpy() & is_placed(position)
    if not repeated.any():
        return site
    rows = np.flatnonzero(repeated)
    lengths = [
        variants[column].iloc[rows].str.len().to_numpy()
        for column in ("counted_allele", "other_allele")
    ]
    is_single = (lengths[0] == 1) & (lengths[1] == 1)
    group = pd.factorize(2 * key[rows] + is_single)[0]
    # Records and groups are joined: the smallest record number spreads until it rests.
    while True:
        by_group = pd.Series(site[rows]).groupby(group).transform("min").to_numpy()
        by_record = pd.Series(by_group).groupby(record[rows]).transform("min").to_numpy()
        if np.array_equal(by_record, site[rows]):
            return site
        site[rows] = by_record


def find_shared_alleles(variants: pd.DataFrame) -> tuple[BoolArray, BoolArray]:
    """Tell which alleles occur in more than one row of their site, as REF does.

    Copies of such an allele cannot be told from one row. A table that is part of
    another has the answers of the whole as columns `SHARED_COLUMNS`, because the
    other rows of the site may not be in it.

    Parameters
    ----------
    variants
        As in `GenotypeSource.variants`.

    Returns
    -------
    counted_is_shared, other_is_shared : (n_variants,)
    """
    if all(name in variants for name in SHARED_COLUMNS):
        counted, other = (variants[name].to_numpy(dtype=bool) for name in SHARED_COLUMNS)
        return counted, other
    shared = np.zeros((2, len(variants)), dtype=bool)
    site = variants["site"].to_numpy(dtype=np.int64)
    rows = np.flatnonzero(np.bincount(site)[site] > 1) if len(site) else site
    both = pd.DataFrame(
        {
            "site": np.tile(site[rows], 2),
            "allele": np.concatenate(
                [
                    variants[name].iloc[rows].to_numpy(dtype=object)
                    for name in ("counted_allele", "other_allele")
                ]
            ),
        }
    )
    shared[:, rows] = both.duplicated(keep=False).to_numpy().reshape(2, len(rows))
    return shared[0], shared[1]
