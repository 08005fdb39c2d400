"""What the matched rows of each weight file add to its scores.

A weight becomes a whole number of steps of 2**-shift, with the shift chosen for
each score from all its weights, matched or not, so that the parts of a score that
was split by chromosome share one scale and add without rounding. No sum can reach
2**53 steps, so that float64 holds it exactly. Within this a few weights get the
finest steps there are; many get 24 bits each, of which the kernel adds twice as
many at a time, and whose rounding is lost in their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pgs_trd.scoring.kernel import Effects, IntArray
from pgs_trd.weights import FileMatch, Weights

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Missing = Literal["mean", "zero"]
Scale = Literal["none", "center", "standardize"]

SUM_BITS = 52
# From so many weights on, the mean absolute one is made WEIGHT_BITS long.
MANY_WEIGHTS = 8192
WEIGHT_BITS = 24
# Room for standardised genotypes, which reach 2 / sqrt(2 p): enough for p > 3e-8.
STANDARDIZE_BITS = 12
SMALLEST_SPREAD = 2.0**-STANDARDIZE_BITS
LARGEST_SHIFT = 980
ROWS_AT_ONCE = 1 << 9
ADDITIVE = np.array([0.0, 1.0, 2.0])


@dataclass(frozen=True)
class FilePlan:
    """The matched rows of one weight file, in the order of the genotypes.

    Attributes
    ----------
    targets : (n_rows,)
        Rows of the genotypes' variant table, ascending.
    swapped : (n_rows,)
        Whether the effect allele is the one that the genotypes do not count.
    rows : (n_rows,)
        Rows of `effects` and `doses`.
    effects : (n_file_rows, n_file_scores)
        All effects of the file; NaN outside a score.
    doses : (n_file_rows, 3) or None
        As in `Weights.doses`.
    chosen : (n_scores,)
        Which scores of the file are wanted.
    scales : (n_scores,)
        2**shift of each.
    columns : (n_scores,)
        Column of each among all scores of the run.
    """

    targets: npt.NDArray[np.int32]
    swapped: BoolArray
    rows: npt.NDArray[np.int32]
    effects: FloatArray
    doses: FloatArray | None
    chosen: IntArray
    scales: FloatArray
    columns: IntArray

    def within(self, first: int, last: int) -> slice:
        """Give the part of the rows whose targets lie in [first, last]."""
        # Of the type of `targets`, of which there would be a copy else.
        ends = np.array([first, last + 1], dtype=self.targets.dtype)
        start, end = np.searchsorted(self.targets, ends)
        return slice(int(start), int(end))

    def effects_of(self, part: slice | IntArray) -> Effects:
        """Give the effects of some rows, and what makes them steps."""
        return Effects(self.effects, self.rows[part], self.chosen, self.scales)

    def doses_of(self, part: slice | IntArray) -> FloatArray:
        """Give what 0, 1, 2 copies of the effect allele count as: (n_part or 1, 3)."""
        if self.doses is None:
            return ADDITIVE[np.newaxis, :]
        doses: FloatArray = self.doses[self.rows[part]]
        return doses


def choose_shifts(effects: FloatArray, scale: Scale) -> list[int]:
    """Choose the binary digits after the point for the weights of each score.

    Parameters
    ----------
    effects : (n_rows, n_scores)
        All weights, matched or not; NaN outside a score.
    scale
        Standardised genotypes need more room before the point.

    Returns
    -------
    shifts
        One a score. Above `LARGEST_SHIFT` the weights are too small for float64 to scale.
    """
    total, count = np.zeros(effects.shape[1]), np.zeros(effects.shape[1], dtype=np.int64)
    # Some rows at a time, so that no copy of all stands in memory.
    for start in range(0, len(effects), ROWS_AT_ONCE):
        size = np.abs(effects[start : start + ROWS_AT_ONCE])
        size = np.fmax(size, 0.0, out=size)
        total += size.sum(axis=0)
        count += np.count_nonzero(size, axis=0)
    room = SUM_BITS - (STANDARDIZE_BITS if scale == "standardize" else 0)
    finest = room - np.frexp(2.0 * total)[1]
    enough = WEIGHT_BITS - np.frexp(total / np.maximum(count, 1))[1]
    shifts = np.where(count < MANY_WEIGHTS, finest, np.minimum(finest, enough))
    return [int(shift) for shift in np.where(total > 0.0, shifts, 0)]


def find_fault(file: Weights, shift: int, scale: Scale) -> str | None:
    """Say why a score of a weight file cannot be added up at this scale, if it cannot."""
    if scale != "none" and file.doses is not None:
        return (
            f"scale={scale!r} is for additive effects, and this file has dominant, recessive or "
            "dosage-specific ones: score it with scale='none'"
        )
    if shift > LARGEST_SHIFT:
        return (
            "its weights add up to less than 1e-280: a column of p-values, or weights in another "
            "unit; scale them up"
        )
    return None


def plan_file(
    file: Weights, match: FileMatch, chosen: Sequence[int], first_column: int, shifts: Sequence[int]
) -> FilePlan:
    """Collect what the matched rows of one weight file add.

    Parameters
    ----------
    file, match
        The weight file, and where its rows lie in the genotypes.
    chosen
        Which of the file's scores are wanted.
    first_column
        Column of the first of them among all scores of the run.
    shifts : (n_file_scores,)
        From `choose_shifts`.
    """
    rows = np.flatnonzero(match.is_matched).astype(np.int32)
    targets = match.target[rows].astype(np.int32)
    if np.any(targets[1:] < targets[:-1]):
        order = np.argsort(targets, kind="stable")
        rows, targets = rows[order], targets[order]
    return FilePlan(
        targets=targets,
        swapped=match.swapped[rows],
        rows=rows,
        effects=file.effects,
        doses=file.doses,
        chosen=np.asarray(chosen, dtype=np.int64),
        scales=np.ldexp(1.0, np.array([shifts[k] for k in chosen], dtype=np.int64)),
        columns=np.arange(first_column, first_column + len(chosen)),
    )


def count_as(
    doses: FloatArray,
    swapped: BoolArray,
    frequency: FloatArray,
    *,
    missing: Missing,
    scale: Scale,
    is_haploid: bool = False,
) -> FloatArray:
    """Give what each 2-bit code counts as, in units of the row's effect.

    Parameters
    ----------
    doses : (n_rows or 1, 3)
        What 0, 1 and 2 copies of the effect allele count as.
    swapped : (n_rows,)
        Whether the effect allele is the one that the genotypes do not count.
    frequency : (n_rows,)
        Of the counted allele; NaN where it is unknown, which counts as 0.
    missing
        A missing call counts as the mean of the two homozygotes' doses, weighted by
        the frequency (``mean``): twice the frequency if the effect is additive, the
        frequency if it is dominant or recessive, as in plink2. Or as nothing (``zero``).
    scale
        ``center`` takes off what a missing call would count as by its frequency, so
        that it counts as 0; ``standardize`` divides also by sqrt(2 p (1 - p)), and
        a variant that does not vary (p below 3e-8 or above 1 - 3e-8) counts as 0.
    is_haploid
        For people with one copy, written as two alike.

    Returns
    -------
    counts : (n_rows, 4)
        For two copies of the counted allele, a missing call, one copy, none.
    """
    n_rows = len(swapped)
    none, one, two = doses.T
    if is_haploid:
        one, two = (none + one) / 2, one
    effect_frequency = np.where(swapped, 1.0 - frequency, frequency)
    effect_frequency[np.isnan(effect_frequency)] = 0.0
    mean = none + (two - none) * effect_frequency
    counts = np.empty((n_rows, 4))
    counts[:, 0] = np.where(swapped, none, two)
    counts[:, 1] = mean if missing == "mean" else 0.0
    counts[:, 2] = one
    counts[:, 3] = np.where(swapped, two, none)
    if scale == "none":
        return counts
    counts -= mean[:, np.newaxis]
    counts[:, 1] = 0.0
    if scale == "standardize":
        spread = np.sqrt(2.0 * effect_frequency * (1.0 - effect_frequency))
        inverse = np.divide(1.0, spread, out=np.zeros(n_rows), where=spread > SMALLEST_SPREAD)
        counts *= inverse[:, np.newaxis]
    return counts
