"""Fill the effects of one or more scores, and split one by p-value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pgs_trd.errors import UsageError
from pgs_trd.weights.columns import LOG_P
from pgs_trd.weights.refusals import (
    P_MISSING,
    P_WRONG,
    RATIO_NOT_POSITIVE,
    WEIGHT_INFINITE,
    WEIGHT_MISSING,
    WEIGHT_TEXT,
    BoolArray,
    IntArray,
    Refusals,
)
from pgs_trd.weights.table import FloatArray
from pgs_trd.weights.values import to_numbers

RELEASE_BYTES = 2**24


def fill_effects(
    batches: list[pa.RecordBatch], n_rows: int, ratios: Sequence[bool], refusals: Refusals
) -> FloatArray:
    """Fill effects from batches of rows, one column a score; the batches are used up.

    In a file of several scores an empty cell says that the row is not part of that
    score, and a bad one is refused for that score alone. In a file of one score see
    `refuse_weights`.

    Parameters
    ----------
    batches
        The weight columns, float64 or text.
    n_rows
        Rows in all batches.
    ratios : (n_scores,)
        Which columns are ratios, whose logarithm is taken.
    refusals
        Where refused cells, or rows, are written.

    Returns
    -------
    effects : (n_rows, n_scores)
        NaN where there is none.
    """
    effects = np.empty((n_rows, len(ratios)))
    faults: dict[tuple[int, str], list[IntArray]] = {}
    batches.reverse()
    start = released = 0
    while batches:
        batch = batches.pop()
        block = effects[start : start + batch.num_rows]
        for k, is_ratio in enumerate(ratios):
            column = batch.column(k)
            if pa.types.is_floating(column.type) and not is_ratio:
                block[:, k] = column.to_numpy(zero_copy_only=False)
                continue
            block[:, k], is_text = to_numbers(column)
            _note(faults, k, WEIGHT_TEXT, is_text, start)
            if is_ratio:
                is_wrong = block[:, k] <= 0
                _note(faults, k, RATIO_NOT_POSITIVE, is_wrong, start)
                block[is_wrong, k] = np.nan
                block[:, k] = np.log(block[:, k])
        is_infinite = np.isinf(block)
        if is_infinite.any():
            for k in np.flatnonzero(is_infinite.any(axis=0)):
                _note(faults, int(k), WEIGHT_INFINITE, is_infinite[:, k], start)
            block[is_infinite] = np.nan
        start += batch.num_rows
        if start * effects.itemsize * len(ratios) > released + RELEASE_BYTES:
            # What was read and copied goes back, so that it is not there twice.
            del batch, column
            pa.default_memory_pool().release_unused()
            released = start * effects.itemsize * len(ratios)
    _refuse(faults, effects, refusals)
    return effects


def _refuse(
    faults: dict[tuple[int, str], list[IntArray]], effects: FloatArray, refusals: Refusals
) -> None:
    for (k, reason), parts in faults.items():
        rows = np.concatenate(parts)
        if effects.shape[1] > 1:
            refusals.refuse_cells(rows, k, reason)
        else:
            mask = np.zeros(len(effects), dtype=bool)
            mask[rows] = True
            refusals.refuse(mask, reason)


def _note(
    faults: dict[tuple[int, str], list[IntArray]], k: int, reason: str, mask: BoolArray, start: int
) -> None:
    if mask.any():
        faults.setdefault((k, reason), []).append(np.flatnonzero(mask) + start)


def refuse_missing(effects: FloatArray, refusals: Refusals) -> None:
    """Refuse the rows of a file of one score that have no weight."""
    refusals.refuse(np.isnan(effects[:, 0]), WEIGHT_MISSING)


def check_thresholds(thresholds: Sequence[float], name: str) -> tuple[str, ...]:
    """Give the names of the scores of p-value thresholds, ``<name>_p<threshold>``.

    Examples
    --------
    >>> check_thresholds([5e-8, 0.001, 1], "mdd")
    ('mdd_p5e-08', 'mdd_p0.001', 'mdd_p1')
    """
    wrong = [threshold for threshold in thresholds if not 0 < threshold <= 1]
    if wrong:
        raise UsageError(f"p_thresholds must lie in (0, 1], got {wrong[0]:g}")
    names = tuple(f"{name}_p{threshold:g}" for threshold in thresholds)
    if not names:
        raise UsageError("p_thresholds names no threshold")
    if len(set(names)) < len(names):
        raise UsageError(f"p_thresholds: {len(names)} of which {len(set(names))} differ")
    return names


def split_by_p_value(
    effects: FloatArray,
    column: Mapping[str, pa.ChunkedArray],
    thresholds: Sequence[float],
    refusals: Refusals,
) -> FloatArray:
    """Give one score a threshold: the rows with p-values up to it, the others NaN.

    Parameters
    ----------
    effects : (n_rows, 1)
        Of the one score.
    column
        With p_value or its negative logarithm.
    thresholds : (n_thresholds,)
        Bounds, themselves included.
    refusals
        Where rows without a p-value are written.
    """
    p_value, is_text = to_numbers(column["p_value" if "p_value" in column else LOG_P])
    if "p_value" not in column:
        with np.errstate(over="ignore"):
            p_value = 10.0**-p_value
    refusals.refuse(is_text, P_WRONG)
    refusals.refuse(np.isnan(p_value), P_MISSING)
    refusals.refuse((p_value < 0) | (p_value > 1), P_WRONG)
    inside = (p_value[:, np.newaxis] <= np.asarray(thresholds)) & (p_value >= 0)[:, np.newaxis]
    return np.where(inside, effects, np.nan)
