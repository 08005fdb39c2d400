"""Long-range linkage disequilibrium: where correlated variants would make components."""

from __future__ import annotations

from importlib import resources

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.weights.builds import canonical_build, count_beyond_end

BoolArray = npt.NDArray[np.bool_]


def read_long_range_ld(build: str) -> pd.DataFrame:
    """Give the autosomal regions of long-range linkage disequilibrium of a build.

    The 24 regions of Price et al. [1]_, in NCBI36 as given by Anderson et al. [2]_
    and in GRCh37 as in common use (rounded, and wider on 6p21 and 8p23); those of
    GRCh38 are the ends of the latter, lifted with UCSC's chain file.

    Parameters
    ----------
    build
        See `canonical_build`.

    Returns
    -------
    regions
        chromosome, start, end (1-based, both included).

    Raises
    ------
    UsageError
        If the build is none of the known.

    References
    ----------
    .. [1] Price et al. (2008) Am J Hum Genet 83:132.
    .. [2] Anderson et al. (2010) Nat Protoc 5:1564.
    """
    wanted = canonical_build(build)
    file = resources.files("pgs_trd.ancestry").joinpath("long_range_ld.tsv")
    with file.open(encoding="utf-8") as lines:
        regions = pd.read_csv(lines, sep="\t", dtype={"chromosome": str})
    of_build = regions[regions["build"] == wanted]
    return of_build[["chromosome", "start", "end"]].reset_index(drop=True)


def is_in_long_range_ld(variants: pd.DataFrame, build: str) -> BoolArray:
    """Tell which variants lie in a region of `read_long_range_ld`.

    Parameters
    ----------
    variants : (n_variants,)
        With chromosome (canonical names) and position (1-based).
    build
        Genome build of the positions.

    Returns
    -------
    is_inside : (n_variants,)

    Raises
    ------
    UsageError
        If the build is none of the known.
    DataError
        If a position lies beyond the end of its chromosome, as of another build.
    """
    check_build(variants, build)
    is_inside = np.zeros(len(variants), dtype=bool)
    chromosome = variants["chromosome"].astype(object).to_numpy()
    position = variants["position"].to_numpy(dtype=np.int64)
    for name, start, end in read_long_range_ld(build).itertuples(index=False, name=None):
        is_inside |= (chromosome == name) & (position >= start) & (position <= end)
    return is_inside


def check_build(variants: pd.DataFrame, build: str) -> None:
    """Raise a DataError if a position of `variants` cannot be of `build`."""
    wanted = canonical_build(build)
    position = variants["position"].to_numpy(dtype=np.int64)
    beyond = count_beyond_end(variants["chromosome"], position)
    if n_beyond := beyond.counts[wanted]:
        possible = ", ".join(sorted(beyond.possible)) or "no build"
        raise DataError(
            f"{n_beyond:,} of {len(variants):,} positions lie beyond the end of their chromosome "
            f"in {wanted}: all of them are possible in {possible}"
        )
