"""Cell suppression in a two-way table of counts with its totals.

A reader of the page knows every number shown, that a row sums to its total and
a column to its own, that a cell marked "≤20" lies in 1..20, and that one marked
"withheld" is larger. `suppress_grid` hides cells until none of the hidden ones
follows from that, and proves it: for each it has found a second table of whole
numbers that the reader could not tell from the true one. The rows and columns of
such a system form a network, so the corners of its polytope are whole numbers
and a linear program is enough [1]_.

Hidden cells of one line are a group of people too, and its size is the total less
what is shown. So no line shows its total where its hidden cells sum to
1..threshold. Sums over several lines at once are not judged.

References
----------
.. [1] Cox (1995) J Am Stat Assoc 90:1453, network models for cell suppression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from pgs_trd.report.disclosure.counts import WITHHELD, is_small, small_label

SHOWN, SMALL, HIDDEN, ABSENT = range(4)
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Cell = tuple[int, int]


@dataclass(frozen=True)
class SuppressedGrid:
    """A table of counts with totals, and what may be seen of it.

    Attributes
    ----------
    counts : (n_rows + 1, n_columns + 1)
        The counts; last row and column are totals, the corner is the grand total.
    status : (n_rows + 1, n_columns + 1)
        SHOWN, SMALL (1..threshold), HIDDEN (protects another cell) or ABSENT (a
        total that the page does not have).
    threshold
        Largest count that is hidden.
    """

    counts: IntArray
    status: IntArray
    threshold: int

    def cell(self, row: int, column: int) -> int | str:
        """Give what is shown of one cell: its count or the mark in its place."""
        status = self.status[row, column]
        if status == SMALL:
            return small_label(self.threshold)
        return int(self.counts[row, column]) if status == SHOWN else WITHHELD

    @property
    def n_small(self) -> int:
        """Number of cells hidden because they are small."""
        return int((self.status == SMALL).sum())

    @property
    def n_hidden(self) -> int:
        """Number of cells hidden because they would give a small one back."""
        return int((self.status == HIDDEN).sum())


def suppress_grid(
    counts: IntArray,
    threshold: int,
    *,
    has_row_totals: bool = True,
    has_column_totals: bool = True,
    forced: NDArray[np.bool_] | None = None,
) -> SuppressedGrid:
    """Hide small counts of a two-way table, and as many more as protect them.

    Parameters
    ----------
    counts : (n_rows, n_columns)
        Counts of people, none negative. Each person is in one cell only.
    threshold
        Counts of 1..threshold are hidden; 0 hides nothing.
    has_row_totals, has_column_totals
        Whether the page shows the totals. The grand total needs both.
    forced : (n_rows + 1, n_columns + 1), optional
        Cells that another table already hides, totals included.

    Returns
    -------
    SuppressedGrid
        No hidden cell of it can be computed from the shown ones, nor a sum of
        1..threshold over all the hidden cells of a row or a column.
    """
    full = _with_totals(counts)
    status = np.where((full >= 1) & (full <= threshold), SMALL, SHOWN)
    if forced is not None:
        status[forced & (status == SHOWN) & (full > 0)] = HIDDEN
    if not has_row_totals:
        status[:, -1] = ABSENT
    if not has_column_totals:
        status[-1, :] = ABSENT
    while (cell := _next_cell_to_hide(full, status, threshold)) is not None:
        status[cell] = HIDDEN
    return SuppressedGrid(full, status.astype(np.int64), threshold)


def _with_totals(counts: IntArray) -> IntArray:
    rows = np.column_stack([counts, counts.sum(axis=1)])
    return np.vstack([rows, rows.sum(axis=0)]).astype(np.int64)


def _next_cell_to_hide(full: IntArray, status: IntArray, threshold: int) -> Cell | None:
    """Give the smallest cell that protects an exposed one, or None if all are safe."""
    for line in _lines(full.shape):
        unknown = [cell for cell in line if status[cell] != SHOWN]
        if len(unknown) == 1 and status[unknown[0]] != ABSENT:
            return _smallest_shown(line, full, status)
        if _tells_small_sum(line, full, status, threshold):
            return _smallest_shown(line, full, status)
    exposed = exposed_cells(full, status, threshold)
    if not exposed:
        return None
    row, column = exposed[0]
    neighbours = [cell for line in _lines(full.shape) for cell in line
                  if cell[0] == row or cell[1] == column]  # fmt: skip
    everywhere = [cell for line in _lines(full.shape) for cell in line]
    return _smallest_shown(neighbours, full, status) or _smallest_shown(everywhere, full, status)


def _tells_small_sum(line: list[Cell], full: IntArray, status: IntArray, threshold: int) -> bool:
    """Tell whether a total, shown, less the shown cells of its line is 1..threshold."""
    if status[line[-1]] != SHOWN:
        return False
    hidden = [int(full[cell]) for cell in line[:-1] if status[cell] != SHOWN]
    return is_small(sum(hidden), threshold)


def _lines(shape: tuple[int, ...]) -> Iterator[list[Cell]]:
    """Give the cells of each row, then of each column; the total comes last."""
    n_rows, n_columns = shape
    for row in range(n_rows):
        yield [(row, column) for column in range(n_columns)]
    for column in range(n_columns):
        yield [(row, column) for row in range(n_rows)]


def _smallest_shown(cells: list[Cell], full: IntArray, status: IntArray) -> Cell | None:
    """Give the smallest non-zero shown cell, a total only if there is nothing else."""
    last = full.shape[0] - 1, full.shape[1] - 1
    candidates = [
        ((row == last[0]) + (column == last[1]), int(full[row, column]), (row, column))
        for row, column in cells
        if status[row, column] == SHOWN and full[row, column] > 0
    ]
    return min(candidates)[2] if candidates else None


def exposed_cells(full: IntArray, status: IntArray, threshold: int) -> list[Cell]:
    """List the hidden cells whose value follows from what is shown.

    Minimises and maximises each hidden cell over all tables that fit the shown
    numbers and the marks. A solution that differs from the truth in other cells
    as well clears those at the same time.
    """
    unknown = [(int(i), int(j)) for i, j in np.argwhere(status != SHOWN)]
    if not unknown:
        return []
    truth = np.array([full[cell] for cell in unknown], dtype=np.float64)
    matrix = _line_matrix(full.shape, unknown)
    bounds = [_bounds(int(status[cell]), threshold) for cell in unknown]
    is_safe = np.array([status[cell] == ABSENT for cell in unknown])
    for index in range(len(unknown)):
        for sign in (1.0, -1.0):
            if is_safe[index]:
                break
            is_safe |= _other_table(matrix, truth, bounds, index, sign)
    return [cell for cell, safe in zip(unknown, is_safe, strict=True) if not safe]


def _bounds(status: int, threshold: int) -> tuple[int, int | None]:
    if status == SMALL:
        return 1, threshold
    return (threshold + 1, None) if status == HIDDEN else (0, None)


def _line_matrix(shape: tuple[int, ...], unknown: list[Cell]) -> FloatArray:
    """Write "a line sums to its total" as rows of coefficients of the unknown cells."""
    n_rows, n_columns = shape
    matrix = np.zeros((n_rows + n_columns, len(unknown)))
    for index, (row, column) in enumerate(unknown):
        matrix[row, index] = -1.0 if column == n_columns - 1 else 1.0
        matrix[n_rows + column, index] = -1.0 if row == n_rows - 1 else 1.0
    return matrix


def _other_table(
    matrix: FloatArray,
    truth: FloatArray,
    bounds: list[tuple[int, int | None]],
    index: int,
    sign: float,
) -> NDArray[np.bool_]:
    """Move one cell as far as the shown numbers allow; tell which cells moved with it."""
    objective = np.zeros(len(truth))
    objective[index] = sign
    # The sum of a row can only be unbounded upwards: a total of 10 times all is far enough.
    ceiling = 10 * int(truth.sum()) + 10
    capped = [(low, ceiling if high is None else high) for low, high in bounds]
    solution = linprog(
        objective, A_eq=matrix, b_eq=matrix @ truth, bounds=capped, method="highs-ds"
    )
    if not solution.success:
        return np.zeros(len(truth), dtype=bool)
    return np.asarray(np.abs(np.asarray(solution.x, dtype=np.float64) - truth) > 0.5)
