"""Which genome build positions are of: what files say, and what the positions show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.weights.codes import IntArray, to_codes

BUILD_NAMES = {
    "hg18": "NCBI36", "ncbi36": "NCBI36", "b36": "NCBI36",
    "hg19": "GRCh37", "grch37": "GRCh37", "b37": "GRCh37",
    "hg38": "GRCh38", "grch38": "GRCh38", "b38": "GRCh38",
}  # fmt: skip

_NAMES = (*map(str, range(1, 23)), "X", "Y")
# Bases of chromosomes 1 to 22, X and Y, as chain files and VCF headers state them.
CHROMOSOME_LENGTHS: dict[str, dict[str, int]] = {
    build: dict(zip(_NAMES, lengths, strict=True))
    for build, lengths in {
        "NCBI36": (
            247_249_719, 242_951_149, 199_501_827, 191_273_063, 180_857_866, 170_899_992,
            158_821_424, 146_274_826, 140_273_252, 135_374_737, 134_452_384, 132_349_534,
            114_142_980, 106_368_585, 100_338_915, 88_827_254, 78_774_742, 76_117_153,
            63_811_651, 62_435_964, 46_944_323, 49_691_432, 154_913_754, 57_772_954,
        ),
        "GRCh37": (
            249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067,
            159_138_663, 146_364_022, 141_213_431, 135_534_747, 135_006_516, 133_851_895,
            115_169_878, 107_349_540, 102_531_392, 90_354_753, 81_195_210, 78_077_248,
            59_128_983, 63_025_520, 48_129_895, 51_304_566, 155_270_560, 59_373_566,
        ),
        "GRCh38": (
            248_956_422, 242_193_529, 198_295_559, 190_214_555, 181_538_259, 170_805_979,
            159_345_973, 145_138_636, 138_394_717, 133_797_422, 135_086_622, 133_275_309,
            114_364_328, 107_043_718, 101_991_189, 90_338_345, 83_257_441, 80_373_285,
            58_617_616, 64_444_167, 46_709_983, 50_818_468, 156_040_895, 57_227_415,
        ),
    }.items()
}  # fmt: skip


def canonical_build(name: str) -> str:
    """Give the one name that pgs_trd uses for a genome build.

    Raises
    ------
    UsageError
        If it is none of NCBI36, GRCh37, GRCh38, hg18, hg19, hg38.

    Examples
    --------
    >>> canonical_build("hg19")
    'GRCh37'
    """
    build = BUILD_NAMES.get(name.strip().lower())
    if build is None:
        raise UsageError(f"genome build must be NCBI36, GRCh37 or GRCh38, got {name!r}")
    return build


def build_of_lengths(lengths: Mapping[str, int]) -> str | None:
    """Give the build whose chromosomes have these lengths; None if none or several.

    Parameters
    ----------
    lengths
        Canonical chromosome -> bases; those of other sequences are ignored.
    """
    fitting = []
    for build, known in CHROMOSOME_LENGTHS.items():
        shared = [name for name in lengths if name in known]
        if shared and all(lengths[name] == known[name] for name in shared):
            fitting.append(build)
    return fitting[0] if len(fitting) == 1 else None


@dataclass(frozen=True)
class BeyondEnd:
    """How many positions lie beyond the end of their chromosome, build by build.

    A position that no build has is damaged, and counts in none.
    """

    counts: Mapping[str, int]

    @property
    def possible(self) -> frozenset[str]:
        """The builds that have all positions."""
        return frozenset(build for build, count in self.counts.items() if not count)


def count_beyond_end(chromosome: pd.Series, position: IntArray) -> BeyondEnd:
    """Count positions that a build cannot have.

    Parameters
    ----------
    chromosome : (n_rows,)
        Canonical names, missing allowed.
    position : (n_rows,)
        1-based; 0 or less where missing.
    """
    codes, names = to_codes(chromosome)
    # Of each chromosome only what lies beyond the shortest of the three ends matters.
    ends = np.array(
        [[known.get(name, 2**62) for name in names] for known in CHROMOSOME_LENGTHS.values()],
        dtype=np.int64,
    ).reshape(len(CHROMOSOME_LENGTHS), len(names))
    shortest = np.append(ends.min(axis=0, initial=2**62), 2**62)
    rows = np.flatnonzero(position > shortest[codes])
    beyond = position[rows] > ends[:, codes[rows]]
    beyond = beyond[:, ~beyond.all(axis=0)]
    counts = beyond.sum(axis=1)
    return BeyondEnd(dict(zip(CHROMOSOME_LENGTHS, counts.tolist(), strict=True)))
