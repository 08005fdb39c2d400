"""Cell suppression in a two-way table of counts with its totals.

A reader of the page knows every number shown, that a row sums to its total and
a column to its own, that a cell marked "≤20" lies in 1..20, and that one marked
"withheld" is larger. `suppress_grid` hides cells until, for all the reader knows,
each hidden one may lie anywhere in an interval of at least `protection` people, and
proves it: it has found tables of whole numbers, which the reader could not tell
from the true one, at both ends. The rows and columns of such a system form a
network, so the corners of its polytope are whole numbers and a linear program is
enough [1]_.

Hidden cells are groups of people too, and the size of some follows from totals less
what is shown, over one line or several. No such group is of 1..threshold people.

References
----------
.. [1] Cox (1995) J Am Stat Assoc 90:1453, network models for cell suppression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from pgs_trd.report.disclosure.counts import WITHHELD, is_small, small_label
from pgs_trd.report.disclosure.groups import smallest_group

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


def protection(threshold: int) -> int:
    """Give how wide, in people, the interval of a hidden cell must be: half the threshold."""
    return threshold // 2


def suppress_grid(
    counts: IntArray,
    threshold: int,
    *,
    has_row_totals: bool = True,
    has_column_totals: bool = True,
    forced: NDArray[np.bool_] | None = None,
    cost: Sequence[int] | None = None,
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
    cost : (n_columns,), optional
        What it costs to hide a cell of a column that protects another: those of the
        lowest are taken first, of equal ones the smallest cell.

    Returns
    -------
    SuppressedGrid
        The shown numbers and the marks leave each hidden cell an interval of
        `protection` people or more, unless nothing is left to hide: then the marks
        alone, of a total of 20 that eleven small cells share, say, tell more. No sum of
        1..threshold over hidden cells follows from the totals.
    """
    full = _with_totals(counts)
    status = np.where((full >= 1) & (full <= threshold), SMALL, SHOWN)
    if forced is not None:
        status[forced & (status == SHOWN) & (full > 0)] = HIDDEN
    if not has_row_totals:
        status[:, -1] = ABSENT
    if not has_column_totals:
        status[-1, :] = ABSENT
    wanted = _reachable_widths(full, status, threshold)
    of_column = np.zeros(counts.shape[1], dtype=np.int64) if cost is None else np.asarray(cost)
    price = np.broadcast_to(np.append(of_column, 0), full.shape)
    while (cell := _next_cell_to_hide(full, status, threshold, wanted, price)) is not None:
        status[cell] = HIDDEN
    return SuppressedGrid(full, status.astype(np.int64), threshold)


def _with_totals(counts: IntArray) -> IntArray:
    rows = np.column_stack([counts, counts.sum(axis=1)])
    return np.vstack([rows, rows.sum(axis=0)]).astype(np.int64)


def _reachable_widths(full: IntArray, status: IntArray, threshold: int) -> IntArray:
    """Give how wide the interval of each cell must be, if it is hidden.

    That is `protection`, or what the marks alone would leave if all were hidden: of
    eleven small cells under a total of 20 or fewer none can be more than 10.
    """
    wanted = np.full(full.shape, protection(threshold), dtype=np.int64)
    wanted[status == ABSENT] = 0
    if (status == SMALL).any():
        everything = np.where((status == SHOWN) & (full > 0), HIDDEN, status)
        for cell, low, high in _intervals(full, everything, threshold, wanted):
            wanted[cell] = min(wanted[cell], round(high - low))
    return wanted


def _next_cell_to_hide(
    full: IntArray, status: IntArray, threshold: int, wanted: IntArray, price: IntArray
) -> Cell | None:
    """Give the smallest cell that protects an exposed one, or None if all are safe."""
    for line in _lines(full.shape):
        unknown = [cell for cell in line if status[cell] != SHOWN]
        if len(unknown) == 1 and status[unknown[0]] != ABSENT:
            return _cheapest_shown(line, full, status, price)
        if _tells_small_sum(line, full, status, threshold):
            return _cheapest_shown(line, full, status, price)
    exposed = exposed_cells(full, status, threshold, wanted)
    if not exposed:
        return _protector_of_group(full, status, threshold, price)
    row, column = exposed[0]
    neighbours = [cell for line in _lines(full.shape) for cell in line
                  if cell[0] == row or cell[1] == column]  # fmt: skip
    everywhere = [cell for line in _lines(full.shape) for cell in line]
    return _cheapest_shown(neighbours, full, status, price) or _cheapest_shown(
        everywhere, full, status, price
    )


def _tells_small_sum(line: list[Cell], full: IntArray, status: IntArray, threshold: int) -> bool:
    """Tell whether a total, shown, less the shown cells of its line is 1..threshold."""
    if status[line[-1]] != SHOWN:
        return False
    hidden = [int(full[cell]) for cell in line[:-1] if status[cell] != SHOWN]
    return is_small(sum(hidden), threshold)


def _protector_of_group(
    full: IntArray, status: IntArray, threshold: int, price: IntArray
) -> Cell | None:
    """Give a cell to hide if the totals of several lines together give a small group."""
    hidden = [(int(i), int(j)) for i, j in np.argwhere(status[:-1, :-1] != SHOWN)]
    totals = [line[-1] for line in _lines(full.shape) if status[line[-1]] == SHOWN]
    totals = list(dict.fromkeys(totals))
    last = full.shape[0] - 1, full.shape[1] - 1
    equations = np.array(
        [
            [(row in (i, last[0])) and (column in (j, last[1])) for i, j in hidden]
            for row, column in totals
        ],
        dtype=np.float64,
    ).reshape(len(totals), len(hidden))
    counts = np.array([full[cell] for cell in hidden], dtype=np.int64)
    group = smallest_group(equations, counts, threshold)
    if group is None:
        return None
    used = [totals[number] for number in group.totals]
    neighbours = [
        cell for line in _lines(full.shape) for cell in line
        if any(cell[0] == row or cell[1] == column for row, column in used)
    ]  # fmt: skip
    return _cheapest_shown(neighbours, full, status, price)


def _lines(shape: tuple[int, ...]) -> Iterator[list[Cell]]:
    """Give the cells of each row, then of each column; the total comes last."""
    n_rows, n_columns = shape
    for row in range(n_rows):
        yield [(row, column) for column in range(n_columns)]
    for column in range(n_columns):
        yield [(row, column) for row in range(n_rows)]


def _cheapest_shown(
    cells: list[Cell], full: IntArray, status: IntArray, price: IntArray
) -> Cell | None:
    """Give the cheapest, then smallest, non-zero shown cell; a total if there is nothing else."""
    last = full.shape[0] - 1, full.shape[1] - 1
    candidates = [
        (
            (row == last[0]) + (column == last[1]),
            int(price[row, column]),
            int(full[row, column]),
            (row, column),
        )
        for row, column in cells
        if status[row, column] == SHOWN and full[row, column] > 0
    ]
    return min(candidates)[3] if candidates else None


def exposed_cells(full: IntArray, status: IntArray, threshold: int, wanted: IntArray) -> list[Cell]:
    """List the hidden cells whose interval is narrower than `wanted` says."""
    return [
        cell
        for cell, low, high in _intervals(full, status, threshold, wanted)
        if high - low < wanted[cell]
    ]


def _intervals(
    full: IntArray, status: IntArray, threshold: int, wanted: IntArray
) -> list[tuple[Cell, float, float]]:
    """Give hidden cells with values that they may have, as far apart as `wanted` if they can be.

    Minimises and maximises each hidden cell over all tables that fit the shown
    numbers and the marks, unless the tables found so far are far enough apart.
    """
    unknown = [(int(i), int(j)) for i, j in np.argwhere(status != SHOWN)]
    if not unknown:
        return []
    truth = np.array([full[cell] for cell in unknown], dtype=np.float64)
    matrix = _line_matrix(full.shape, unknown)
    bounds = [_bounds(int(status[cell]), threshold) for cell in unknown]
    low, high = truth.copy(), truth.copy()
    for index, cell in enumerate(unknown):
        for sign in (1.0, -1.0):
            if high[index] - low[index] >= wanted[cell]:
                break
            other = _other_table(matrix, truth, bounds, index, sign)
            low, high = np.minimum(low, other), np.maximum(high, other)
    return list(zip(unknown, low.tolist(), high.tolist(), strict=True))


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
) -> FloatArray:
    """Move one cell as far as the shown numbers allow; give the table that does it."""
    objective = np.zeros(len(truth))
    objective[index] = sign
    # The sum of a row can only be unbounded upwards: a total of 10 times all is far enough.
    ceiling = 10 * int(truth.sum()) + 1000
    capped = [(low, ceiling if high is None else high) for low, high in bounds]
    solution = linprog(
        objective, A_eq=matrix, b_eq=matrix @ truth, bounds=capped, method="highs-ds"
    )
    return truth if not solution.success else np.rint(np.asarray(solution.x, dtype=np.float64))
