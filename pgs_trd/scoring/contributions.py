"""Turn matched weights into the integers that the kernel adds up.

A weight becomes a whole number of steps of 2**-shift, with the shift chosen for
each score from the sum of all its absolute weights, matched or not: sums cannot
overflow, and the parts of a score that was split by chromosome share one scale,
so that adding them is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.scoring.kernel import DOSAGE_BITS, DOSAGE_UNIT, IntArray
from pgs_trd.weights import Weights

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SUM_BITS = 61
LARGEST_SHIFT = 1000


@dataclass(frozen=True)
class FilePlan:
    """What one weight file adds, its rows in the order of the genotypes.

    Attributes
    ----------
    targets : (n_rows,)
        Rows of the genotypes' variant table, ascending.
    swapped : (n_rows,)
        Whether the effect allele is the one that the genotypes do not count.
    effects : (n_rows, n_scores)
        In steps of 2**-shift, multiples of one dosage unit; 0 outside a score.
    included : (n_rows, n_scores)
        Whether the row is part of the score.
    columns : (n_scores,)
        Column of each score among all scores of the run.
    """

    targets: IntArray
    swapped: BoolArray
    effects: IntArray
    included: BoolArray
    columns: IntArray


def choose_shift(effects: FloatArray) -> int:
    """Choose the binary digits after the point for one score's weights.

    Parameters
    ----------
    effects : (n_rows,)
        All weights of the score, matched or not; NaN outside the score.
    """
    largest = 2.0 * float(np.nansum(np.abs(effects)))
    if largest == 0.0:
        return 0
    shift = SUM_BITS - int(np.frexp(largest)[1])
    return max(-LARGEST_SHIFT, min(LARGEST_SHIFT, shift))


def to_steps(effects: FloatArray, shift: int) -> IntArray:
    """Round weights to whole steps of 2**-shift that divide into dosage units."""
    units = np.rint(np.ldexp(np.nan_to_num(effects, nan=0.0), shift - DOSAGE_BITS))
    steps: IntArray = units.astype(np.int64) << DOSAGE_BITS
    return steps


def plan_file(
    weights: Weights,
    matched: pd.DataFrame,
    scores: Sequence[int],
    shifts: Sequence[int],
    first_column: int,
) -> FilePlan:
    """Collect what the matched rows of one weight file add.

    Parameters
    ----------
    weights
        The weight file.
    matched
        Its rows of the match table with status ``matched``: row, target, swapped.
    scores
        Which of the file's scores are wanted.
    shifts
        The shift of each wanted score.
    first_column
        Column of the first wanted score among all scores of the run.
    """
    ordered = matched.sort_values("target", kind="stable")
    rows = weights.variants["row"].to_numpy(dtype=np.int64)
    places = np.searchsorted(rows, ordered["row"].to_numpy(dtype=np.int64))
    effects = weights.effects[places]
    return FilePlan(
        targets=ordered["target"].to_numpy(dtype=np.int64),
        swapped=ordered["swapped"].to_numpy(dtype=np.bool_),
        effects=np.column_stack(
            [to_steps(effects[:, k], shift) for k, shift in zip(scores, shifts, strict=True)]
        ),
        included=~np.isnan(effects[:, list(scores)]),
        columns=np.arange(first_column, first_column + len(scores)),
    )


def missing_copies(frequency: FloatArray, swapped: BoolArray, missing: str) -> FloatArray:
    """Give how many copies of the effect allele a missing call counts as.

    Parameters
    ----------
    frequency : (n_rows,)
        Of the counted allele; NaN where nobody is called, which counts as 0.
    swapped : (n_rows,)
        Whether the effect allele is the other one.
    missing
        ``mean`` for twice the frequency, ``zero`` for none.
    """
    if missing == "zero":
        return np.zeros(len(frequency))
    copies = 2.0 * np.where(swapped, 1.0 - frequency, frequency)
    return np.nan_to_num(copies, nan=0.0)


def fill_code_table(
    table: IntArray, plan: FilePlan, part: slice, rows: IntArray, missing: FloatArray
) -> None:
    """Enter into `table` what each 2-bit code adds, for the rows of one block.

    Parameters
    ----------
    table : (n_block_rows, 4, n_columns)
        Changed in place.
    plan
        The weight file.
    part
        Which of the plan's rows lie in the block.
    rows : (n_part,)
        Where they lie in the block.
    missing : (n_part,)
        Copies of the effect allele that a missing call counts as.
    """
    effect = plan.effects[part]
    swapped = plan.swapped[part, np.newaxis]
    place = (rows[:, np.newaxis], plan.columns[np.newaxis, :])
    table[place[0], 0, place[1]] = np.where(swapped, 0, 2 * effect)
    table[place[0], 1, place[1]] = round_steps(missing[:, np.newaxis], effect)
    table[place[0], 2, place[1]] = effect
    table[place[0], 3, place[1]] = np.where(swapped, 2 * effect, 0)


def fill_dosage_table(
    table: IntArray, plan: FilePlan, part: slice, rows: IntArray, missing: FloatArray
) -> None:
    """Enter what no copy, a unit of dosage, and a missing dosage add; see above."""
    effect = plan.effects[part]
    swapped = plan.swapped[part, np.newaxis]
    place = (rows[:, np.newaxis], plan.columns[np.newaxis, :])
    table[place[0], 0, place[1]] = np.where(swapped, 2 * effect, 0)
    table[place[0], 1, place[1]] = np.where(swapped, -1, 1) * (effect // DOSAGE_UNIT)
    table[place[0], 2, place[1]] = round_steps(missing[:, np.newaxis], effect)


def round_steps(copies: FloatArray, effect: IntArray) -> IntArray:
    """Round `copies` times `effect` to whole steps that divide into dosage units."""
    units = np.rint(copies * (effect >> DOSAGE_BITS)).astype(np.int64)
    steps: IntArray = units << DOSAGE_BITS
    return steps
