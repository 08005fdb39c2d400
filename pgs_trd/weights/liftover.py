"""Weight files from one genome build to another, by a chain file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.alleles import canonical_chromosome, is_placed, other_strand
from pgs_trd.weights.builds import build_of_lengths
from pgs_trd.weights.codes import BoolArray, IntArray, to_codes
from pgs_trd.weights.table import Weights

Hit: TypeAlias = tuple[str, int, str, int]
Find: TypeAlias = Callable[[str, int], Sequence[Hit] | None]

LIFTED, NOWHERE, SEVERAL, ELSEWHERE, REVERSED_INDEL = range(5)
REASONS = {
    NOWHERE: "position has no counterpart in the other genome build",
    SEVERAL: "position has several counterparts in the other genome build",
    ELSEWHERE: "position lies on another chromosome in the other genome build",
    REVERSED_INDEL: "several bases on a stretch that the other genome build has reversed",
}


@dataclass(frozen=True)
class Chain:
    """A chain file: which stretches of one genome build are which of another.

    Attributes
    ----------
    source, target
        The builds, known by the lengths of their chromosomes; None if by none.
    path
        The file.
    """

    source: str | None
    target: str | None
    path: Path
    _find: Find
    _names: dict[str, str]

    def lift(
        self, chromosome: pd.Series, position: IntArray
    ) -> tuple[IntArray, BoolArray, npt.NDArray[np.int8]]:
        """Lift positions.

        The alignment with the best score counts. Positions of which the two best
        scores are equal have no answer, nor have those that leave their chromosome.

        Parameters
        ----------
        chromosome : (n_rows,)
            Canonical names, missing allowed.
        position : (n_rows,)
            1-based; 0 or less where missing.

        Returns
        -------
        lifted : (n_rows,)
            1-based position in the target build, 0 where there is none.
        is_reversed : (n_rows,)
            Whether the target build has the stretch on the other strand.
        fault : (n_rows,)
            `LIFTED`, `NOWHERE`, `SEVERAL` or `ELSEWHERE`.
        """
        codes, names = to_codes(chromosome)
        lifted = np.zeros(len(position), dtype=np.int64)
        is_reversed = np.zeros(len(position), dtype=bool)
        fault = np.full(len(position), NOWHERE, dtype=np.int8)
        can_lift = (codes >= 0) & is_placed(position)
        for code, name in enumerate(names):
            source = self._names.get(str(name))
            if source is None:
                continue
            rows = np.flatnonzero((codes == code) & can_lift)
            for row, place in zip(rows.tolist(), position[rows].tolist(), strict=True):
                hits = self._find(source, place - 1)
                if not hits:
                    continue
                if len(hits) > 1 and hits[0][3] == hits[1][3]:
                    fault[row] = SEVERAL
                    continue
                target, found, strand, _ = hits[0]
                if target != source and canonical_chromosome(target) != name:
                    fault[row] = ELSEWHERE
                    continue
                lifted[row], is_reversed[row], fault[row] = found + 1, strand == "-", LIFTED
        return lifted, is_reversed, fault


def read_chain(path: str | Path) -> Chain:
    """Read a chain file, as UCSC and Ensembl give them; plain or .gz.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is damaged or holds no alignment.
    """
    # Imported here because it brings urllib along, which every other start would pay for.
    from pyliftover import LiftOver

    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    try:
        with path.open("rb") as raw:
            is_zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as stream:
            lifter = LiftOver(_CheckedLines(stream))
    # pyliftover raises bare Exception for what breaks the format.
    except (EOFError, OSError, zlib.error, Exception) as error:
        raise DataError(f"{path.name}: cannot be read as a chain file: {error}") from error
    chains = lifter.chain_file.chains
    if not chains:
        raise DataError(f"{path.name}: holds no line that starts with 'chain'")
    source_lengths = {canonical_chromosome(c.source_name): c.source_size for c in chains}
    target_lengths = {canonical_chromosome(c.target_name): c.target_size for c in chains}
    return Chain(
        source=build_of_lengths(source_lengths),
        target=build_of_lengths(target_lengths),
        path=path,
        _find=lifter.convert_coordinate,
        _names={canonical_chromosome(c.source_name): c.source_name for c in chains},
    )


class _CheckedLines:
    """Lines of a chain file; raise a ValueError at those that pyliftover passes over."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self._number = 0
        self._in_chain = False

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._number += 1
        fields = line.split()
        if not fields or line.startswith(b"#"):
            return line
        if fields[0] == b"chain" and not self._in_chain:
            self._in_chain = True
        elif self._in_chain and fields[0].isdigit():
            self._in_chain = len(fields) > 1
        else:
            raise ValueError(f"line {self._number:,} does not belong to an alignment")
        return line

    def close(self) -> None:
        self._stream.close()


def lift_over(weights: Weights, chain: Chain | str | Path) -> Weights:
    """Give the weights with their positions in another genome build.

    A row whose position has no counterpart, several equally good ones, or one on
    another chromosome keeps no position and is refused with that reason. Where the
    other build has the stretch reversed, single bases are complemented; longer
    alleles are refused there, because the base that they are anchored at changes.

    Parameters
    ----------
    weights
        From `read_weights`. Rows without a position stay as they are.
    chain
        A chain file such as hg19ToHg38.over.chain.gz, or what `read_chain` gave, so
        that it is read once for many weight files.

    Returns
    -------
    weights
        The same rows and effects; `genome_build` is that of the chain's target (None
        if its lengths are of no build known), metadata has ``lifted_over``.

    Raises
    ------
    DataError
        If the weights say that they are of another build than the chain starts from,
        or the chain file is damaged.
    UsageError
        If there is no such chain file.
    """
    if not isinstance(chain, Chain):
        chain = read_chain(chain)
    stated = weights.genome_build
    if stated is not None and chain.source is not None and stated != chain.source:
        raise DataError(
            f"{' '.join(weights.names[:1])}: the weights are {stated}, but {chain.path.name} "
            f"starts from {chain.source}: take the chain file from {stated}"
        )
    variants = weights.variants
    position = variants["position"].to_numpy(dtype=np.int64, na_value=0)
    lifted, is_reversed, fault = chain.lift(variants["chromosome"], position)
    had_place = is_placed(position) & variants["chromosome"].notna().to_numpy()
    columns = ("effect_allele", "other_allele")
    is_long = np.logical_or.reduce([_has_several_bases(variants[name]) for name in columns])
    fault[(fault == LIFTED) & is_reversed & is_long] = REVERSED_INDEL
    is_lifted = fault == LIFTED
    changed = variants.assign(
        position=pd.arrays.IntegerArray(np.where(is_lifted, lifted, 0), ~is_lifted),
        **{name: _complement(variants[name], is_lifted & is_reversed) for name in columns},
    )
    lost = np.flatnonzero(had_place & ~is_lifted)
    return replace(
        weights,
        variants=changed,
        genome_build=chain.target,
        metadata={
            **weights.metadata,
            "lifted_over": f"{chain.source or stated or 'unknown'} to "
            f"{chain.target or 'unknown'} by {chain.path.name}",
        },
        refused=_refuse(weights.refused, lost + 1, fault[lost]),
    )


def _has_several_bases(alleles: pd.Series) -> BoolArray:
    codes, texts = to_codes(alleles)
    several: BoolArray = np.append([len(text) > 1 for text in texts], False).astype(bool)[codes]
    return several


def _complement(alleles: pd.Series, rows: BoolArray) -> pd.Categorical:
    codes, texts = to_codes(alleles)
    turned = [other_strand(text) for text in texts]
    numbers, distinct = pd.factorize(np.array([*texts, *turned], dtype=object))
    numbers = np.append(numbers, -1)
    codes = codes.astype(np.int64)
    other = np.where(codes < 0, -1, codes + len(texts))
    return pd.Categorical.from_codes(
        np.where(rows, numbers[other], numbers[np.where(codes < 0, -1, codes)]),
        categories=pd.Index(distinct, dtype=object),
    )


def _refuse(refused: pd.DataFrame, rows: IntArray, faults: npt.NDArray[np.int8]) -> pd.DataFrame:
    """Add rows to what is refused; a row refused before keeps its reason."""
    is_whole = refused["score"].isna()
    is_new = ~np.isin(rows, refused.loc[is_whole, "row"])
    rows, faults = rows[is_new], faults[is_new]
    if not len(rows):
        return refused
    # A row refused whole is no longer refused score by score.
    kept = refused[is_whole | ~refused["row"].isin(rows)]
    texts = np.array(["", *REASONS.values()], dtype=object)
    new = pd.DataFrame({"row": rows, "score": None, "reason": texts[faults]})
    both = new if kept.empty else pd.concat([kept, new], ignore_index=True)
    return both.sort_values("row", kind="stable", ignore_index=True)
