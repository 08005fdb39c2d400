"""Why positions are absent: the wrong build, one base off, or not there at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.weights.builds import BeyondEnd
from pgs_trd.weights.codes import IntArray, take_evenly, to_codes
from pgs_trd.weights.ids import number_ids
from pgs_trd.weights.index import NO_PLACE, TargetIndex, pack_keys, places_of_positions
from pgs_trd.weights.liftover import Chain

MOST_ROWS_ASKED = 20_000
FEWEST_SHARED_IDS = 20
FEWEST_FOUND_ELSEWHERE = 10
TIMES_MORE_ELSEWHERE = 3


@dataclass(frozen=True)
class Lifted:
    """Positions found after lifting.

    Attributes
    ----------
    builds
        Such as ``"GRCh37 to GRCh38"``, or the chain file's name.
    n_found
        Of the rows asked.
    """

    builds: str
    n_found: int


@dataclass(frozen=True)
class Evidence:
    """What the positions of a weight file show about its genome build.

    Attributes
    ----------
    weights_build, genotype_build
        As stated; None if not.
    n_asked
        Rows looked at: up to 20,000, evenly spaced, of those on chromosomes that the
        genotypes have.
    n_found
        Those whose position the genotypes have.
    n_found_shifted
        Shift in bases -> those whose position the genotypes have after the shift.
    lifted
        The same after lifting; None without a chain file.
    n_shared_ids, n_same_position
        Rows asked whose id the genotypes have; those of them at the same position.
    weights_beyond, genotypes_beyond
        Positions that a build cannot have.
    """

    weights_build: str | None
    genotype_build: str | None
    n_asked: int
    n_found: int
    n_found_shifted: Mapping[int, int]
    lifted: Lifted | None
    n_shared_ids: int
    n_same_position: int
    weights_beyond: BeyondEnd
    genotypes_beyond: BeyondEnd

    @property
    def ids_disagree(self) -> bool:
        """Whether ids in both files are at other positions, in the main."""
        return (
            self.n_shared_ids >= FEWEST_SHARED_IDS and 2 * self.n_same_position < self.n_shared_ids
        )

    @property
    def ids_agree(self) -> bool:
        """Whether ids in both files are at the same positions, in the main."""
        return (
            self.n_shared_ids >= FEWEST_SHARED_IDS and 2 * self.n_same_position > self.n_shared_ids
        )

    def fault(self) -> str | None:
        """Say in words that all positions are wrong, with the evidence; None if not."""
        if self.ids_agree:
            return None
        for shift, n_found in self.n_found_shifted.items():
            if self._is_many(n_found):
                word = "higher" if shift > 0 else "lower"
                return (
                    f"positions are off by one base: {self._as_is()}, {self._share(n_found)} one "
                    f"base {word}: correct the weight file's positions"
                )
        reasons = self._build_reasons()
        if not reasons:
            return None
        return (
            f"wrong genome build: {', '.join([self._as_is(), *reasons])}: take the weight file "
            "of the genotypes' build, or lift it by a chain file"
        )

    def _build_reasons(self) -> list[str]:
        reasons = []
        if self.lifted is not None and self._is_many(self.lifted.n_found):
            reasons.append(f"{self._share(self.lifted.n_found)} after lifting {self.lifted.builds}")
        if self.ids_disagree:
            share = self.n_same_position / self.n_shared_ids
            reasons.append(
                f"of {self.n_shared_ids:,} ids in both files {share:.1%} have the same position"
            )
        if 2 * self.n_found >= self.n_asked:
            return reasons
        stated = (self.weights_build, self.genotype_build)
        if None not in stated and stated[0] != stated[1]:
            reasons.append(f"the weights are {stated[0]}, the genotypes {stated[1]}")
        elif reason := self._beyond_end():
            reasons.append(reason)
        return reasons

    def _beyond_end(self) -> str | None:
        """Say which positions exclude the builds that the other file could be of."""
        sides = (
            ("weights", self.weights_build, self.weights_beyond),
            ("genotypes", self.genotype_build, self.genotypes_beyond),
        )
        possible = [{build} if build else beyond.possible for _, build, beyond in sides]
        if possible[0] & possible[1]:
            return None
        said = []
        for (side, build, beyond), other in zip(sides, reversed(possible), strict=True):
            if build:
                said.append(f"the {side} are {build}")
            for excluded in sorted(other - beyond.possible):
                count = beyond.counts[excluded]
                said.append(
                    f"{count:,} position{'s' * (count > 1)} of the {side} "
                    f"{'lie' if count > 1 else 'lies'} beyond the chromosome's end in {excluded}"
                )
        return ", ".join(said)

    def _is_many(self, n_found: int) -> bool:
        return n_found >= max(FEWEST_FOUND_ELSEWHERE, TIMES_MORE_ELSEWHERE * (self.n_found + 1))

    def _share(self, count: int) -> str:
        return f"{count / max(self.n_asked, 1):.1%}"

    def _as_is(self) -> str:
        return f"the genotypes have {self._share(self.n_found)} of the positions as they are"


def gather_evidence(
    index: TargetIndex,
    genotype_variants: pd.DataFrame,
    variants: pd.DataFrame,
    rows: IntArray,
    *,
    builds: tuple[str | None, str | None],
    beyond: tuple[BeyondEnd, BeyondEnd],
    chain: Chain | None,
) -> Evidence:
    """Look at up to 20,000 of `rows` of a weight file; see `Evidence`.

    Parameters
    ----------
    index
        Of the genotypes, by position.
    genotype_variants
        `GenotypeSource.variants`.
    variants
        `Weights.variants`.
    rows
        Rows with a position on a chromosome that the genotypes have.
    builds
        Stated for the weights and for the genotypes.
    beyond
        `count_beyond_end` of the weights and of the genotypes.
    chain
        From `read_chain`.
    """
    asked = variants.iloc[take_evenly(rows, MOST_ROWS_ASKED)]
    position = asked["position"].to_numpy(dtype=np.int64, na_value=0)
    codes, names = to_codes(asked["chromosome"])

    def count_found(moved: IntArray) -> int:
        return int((places_of_positions(index, codes, names, moved)[0] != NO_PLACE).sum())

    lifted = None
    if chain is not None:
        known = chain.source is not None and chain.target is not None
        text = f"{chain.source} to {chain.target}" if known else f"by {chain.path.name}"
        lifted = Lifted(text, count_found(chain.lift(asked["chromosome"], position)[0]))
    shared, same = _compare_ids(index, genotype_variants, asked)
    return Evidence(
        weights_build=builds[0],
        genotype_build=builds[1],
        n_asked=len(asked),
        n_found=count_found(position),
        n_found_shifted={shift: count_found(position + shift) for shift in (1, -1)},
        lifted=lifted,
        n_shared_ids=shared,
        n_same_position=same,
        weights_beyond=beyond[0],
        genotypes_beyond=beyond[1],
    )


def _compare_ids(
    index: TargetIndex, genotype_variants: pd.DataFrame, asked: pd.DataFrame
) -> tuple[int, int]:
    """Count rows whose id the genotypes have, and those at the same position."""
    ids = number_ids(asked["id"])[0]
    if not len(ids.first):
        return 0, 0
    number = ids.find(genotype_variants["id"])
    there = np.flatnonzero(number >= 0)
    here = ids.first[number[there]]
    is_same = _keys(index, genotype_variants.iloc[there]) == _keys(index, asked.iloc[here])
    # An id that the genotypes have twice is one id, right if one of them is.
    return len(np.unique(here)), len(np.unique(here[is_same]))


def _keys(index: TargetIndex, variants: pd.DataFrame) -> IntArray:
    assert index.chromosomes is not None
    codes, names = to_codes(variants["chromosome"])
    numbers = np.append(index.chromosomes.get_indexer(names), -1)[codes]
    position = variants["position"].to_numpy(dtype=np.int64, na_value=0)
    return pack_keys(numbers.astype(np.int64), position)
