"""Effects of variants on the traits, drawn so that no score leans on another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import GenotypeSource, count_alleles, unpack_codes

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]
Number = TypeVar("Number", np.float32, np.float64)
BoolArray = npt.NDArray[np.bool_]

ROWS_PER_SCORE = 600
SMALLEST_EXCESS = 1.3
PEOPLE_PER_SCORE = 1.5
BLOCK_SIZE = 128
# Of the rows of a weight file: how many a matcher will meet with a difficulty.
UNTYPED_ROWS, PALINDROMIC_ROWS, FLIPPED_ROWS = 0.02, 0.01, 0.02
# Rows that default matching loses weigh less, so that the score a user computes is the trait.
LOST_ROW_WEIGHT = 1 / 3
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class ScoreRows:
    """The rows of one weight file, by the variants they stand on.

    Attributes
    ----------
    variants : (n_rows,)
        Ascending rows of the table of simulated variants.
    effects : (n_rows,)
        Of one copy of the counted allele, at the precision of the file.
    is_lost : (n_rows,)
        True where default matching cannot use the row: the site is not typed, or
        its alleles are palindromic.
    is_flipped : (n_rows,)
        True where the file names the alleles of the other strand.
    """

    variants: IntArray
    effects: FloatArray
    is_lost: BoolArray
    is_flipped: BoolArray


@dataclass(frozen=True)
class _Panel:
    """What drawing effects needs of the genotypes."""

    genotypes: GenotypeSource
    usable: IntArray
    typed_row: IntArray
    frequency: FloatArray
    groups: tuple[IntArray, ...]


def draw_scores(
    genotypes: GenotypeSource,
    variants: pd.DataFrame,
    ancestry: pd.Series,
    n_scores: int,
    rng: np.random.Generator,
) -> tuple[list[ScoreRows], FloatArray]:
    """Draw the effects of `n_scores` traits, and give every person's scores.

    Each trait has about 600 variants anywhere in the genome. Chance would make
    such scores correlate through linkage disequilibrium, and an unplanted score
    would inherit a part of a planted effect. The effects of each trait are
    therefore projected on those that leave its score uncorrelated, in every
    ancestry of this sample, with the scores of all traits before it. (An ancestry
    of fewer people than 1.5 times the number of scores is left to chance: so few
    people cannot hold so many uncorrelated scores.)

    Parameters
    ----------
    genotypes
        The typed variants as written, with missing calls.
    variants
        All simulated variants; the typed ones are the rows of `genotypes`.
    ancestry : (n_people,)
        Label of each person, in the order of `genotypes`.
    n_scores
        How many traits.
    rng
        Draws which variants and which effects.

    Returns
    -------
    rows
        The weight file of each trait.
    scores : (n_people, n_scores)
        Sums over the rows that default matching keeps, a missing call counted as
        its expectation: what a user computes. Mean 0, variance 1 in each ancestry.

    Raises
    ------
    UsageError
        If there are too few variants to keep so many scores apart.
    """
    panel = _prepare(genotypes, variants, ancestry)
    n_kept = min(ROWS_PER_SCORE, len(panel.usable) * 3 // 4)
    kept_apart = [group for group in panel.groups if len(group) >= PEOPLE_PER_SCORE * n_scores]
    n_constraints = len(kept_apart) * n_scores
    if n_kept < SMALLEST_EXCESS * n_constraints:
        raise UsageError(
            f"{len(panel.usable):,} usable variants are too few to keep {n_scores} scores apart in "
            f"{len(kept_apart)} ancestries: raise n_variants to at least "
            f"{int(np.ceil(SMALLEST_EXCESS * n_constraints * 1.7)):,}"
        )
    lost = _is_lost(variants)
    palindromic = np.flatnonzero(lost & variants["is_typed"].to_numpy())
    untyped = np.flatnonzero(~variants["is_typed"].to_numpy())
    scores = np.empty((len(ancestry), n_scores))
    rows = []
    for number in range(n_scores):
        kept = np.sort(rng.choice(panel.usable, n_kept, replace=False))
        effects, scores[:, number] = _draw_effects(
            panel, kept, (scores[:, :number], kept_apart), rng
        )
        extra = np.concatenate(
            [
                rng.choice(palindromic, round(n_kept * PALINDROMIC_ROWS), replace=False),
                rng.choice(untyped, round(n_kept * UNTYPED_ROWS), replace=False),
            ]
        )
        size = LOST_ROW_WEIGHT * np.sqrt(np.mean(effects**2))
        extra_effects = _round(size * rng.standard_normal(len(extra)))
        is_flipped = np.zeros(n_kept, dtype=bool)
        is_flipped[rng.choice(n_kept, round(n_kept * FLIPPED_ROWS), replace=False)] = True
        rows.append(_join(kept, effects, is_flipped, extra, extra_effects))
    return rows, scores


def _is_lost(variants: pd.DataFrame) -> BoolArray:
    alleles = variants["counted_allele"].astype(str) + variants["other_allele"].astype(str)
    is_palindromic = alleles.isin(["AT", "TA", "CG", "GC"]).to_numpy()
    lost: BoolArray = is_palindromic | ~variants["is_typed"].to_numpy()
    return lost


def _prepare(genotypes: GenotypeSource, variants: pd.DataFrame, ancestry: pd.Series) -> _Panel:
    is_typed = variants["is_typed"].to_numpy()
    typed_row = np.full(len(variants), -1, dtype=np.int64)
    typed_row[is_typed] = np.arange(is_typed.sum())
    frequency = np.full(len(variants), np.nan)
    frequency[is_typed], _ = count_alleles(genotypes, np.arange(is_typed.sum(), dtype=np.int64))
    varies = (frequency > 0) & (frequency < 1)
    labels = ancestry.to_numpy()
    return _Panel(
        genotypes=genotypes,
        usable=np.flatnonzero(~_is_lost(variants) & varies),
        typed_row=typed_row,
        frequency=frequency,
        groups=tuple(np.flatnonzero(labels == label) for label in pd.unique(ancestry)),
    )


def _draw_effects(
    panel: _Panel,
    kept: IntArray,
    avoid: tuple[FloatArray, list[IntArray]],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Draw effects of one trait; give them and the score, standardised by ancestry.

    `avoid` is the scores so far, and the groups in which to stay clear of them.
    """
    frequency = panel.frequency[kept]
    copies = _read_copies(panel.genotypes, panel.typed_row[kept])
    effects = rng.standard_normal(len(kept)) / np.sqrt(2 * frequency * (1 - frequency))
    earlier, groups = avoid
    earlier = earlier.astype(np.float32)
    if earlier.shape[1] and groups:
        # The earlier scores have mean 0 in each ancestry: these are covariances.
        covariances = np.concatenate(
            [
                np.concatenate(
                    [dosage[:, group] @ earlier[group] / len(group) for group in groups],
                    axis=1,
                )
                for dosage, _ in _dosage_blocks(copies, frequency, np.float32)
            ]
        )
        covariances = covariances.astype(np.float64)
        effects -= covariances @ np.linalg.lstsq(covariances, effects, rcond=None)[0]
    variance = np.sum(2 * frequency * (1 - frequency) * effects**2)
    effects = _round(effects / np.sqrt(variance))
    score: FloatArray = np.zeros(copies.shape[1])
    for dosage, part in _dosage_blocks(copies, frequency, np.float64):
        score += effects[part] @ dosage
    for group in panel.groups:
        score[group] = (score[group] - score[group].mean()) / score[group].std()
    return effects, score


def _read_copies(genotypes: GenotypeSource, rows: IntArray) -> Int8Array:
    """Read copies of the counted allele (n_rows, n_people), -1 where missing."""
    parts = []
    for block in genotypes.blocks(rows):
        assert block.codes is not None
        parts.append(unpack_codes(block.codes, len(genotypes.samples)))
    copies: Int8Array = np.concatenate(parts)
    return copies


def _dosage_blocks(
    copies: Int8Array, frequency: FloatArray, kind: type[Number]
) -> Iterator[tuple[npt.NDArray[Number], slice]]:
    """Give a few variants at a time as numbers, a missing call as its expectation."""
    for first in range(0, len(copies), BLOCK_SIZE):
        part = slice(first, first + BLOCK_SIZE)
        row, person = np.nonzero(copies[part] < 0)
        dosage = copies[part].astype(kind)
        dosage[row, person] = 2 * frequency[part][row]
        yield dosage, part


def _join(
    kept: IntArray,
    effects: FloatArray,
    is_flipped: BoolArray,
    extra: IntArray,
    extra_effects: FloatArray,
) -> ScoreRows:
    """Put the rows that match and those that do not in genome order."""
    variants = np.concatenate([kept, extra])
    order = np.argsort(variants)
    return ScoreRows(
        variants=variants[order],
        effects=np.concatenate([effects, extra_effects])[order],
        is_lost=(np.arange(len(variants)) >= len(kept))[order],
        is_flipped=np.concatenate([is_flipped, np.zeros(len(extra), dtype=bool)])[order],
    )


def _round(effects: FloatArray) -> FloatArray:
    """Round to what the weight file will hold."""
    return np.array([float(f"{effect:.{SIGNIFICANT_DIGITS}g}") for effect in effects])
