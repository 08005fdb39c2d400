from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.optimize import linprog

from pgs_trd.report.disclosure.grid import (
    ABSENT,
    HIDDEN,
    SHOWN,
    SMALL,
    SuppressedGrid,
    protection,
    suppress_grid,
)
from pgs_trd.report.disclosure.groups import smallest_group

tables = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.lists(
            st.one_of(st.just(0), st.integers(1, 12), st.integers(5, 60)),
            min_size=shape[1],
            max_size=shape[1],
        ),
        min_size=shape[0],
        max_size=shape[0],
    )
)


def range_of_sum(grid, cells, *, knows_marks):
    """Smallest and largest sum of hidden cells that fit the shown numbers.

    Written from the definition: every cell of the interior is a variable, every
    shown number an equation; a reader who knows what the marks mean has bounds
    for the marked cells too.
    """
    n_rows, n_columns = grid.counts.shape[0] - 1, grid.counts.shape[1] - 1

    def indicator(i, j):
        chosen = np.zeros((n_rows, n_columns))
        chosen[slice(None) if i == n_rows else i, slice(None) if j == n_columns else j] = 1
        return chosen.ravel()

    equal, values, upper, limits = [], [], [], []
    for i, j in np.ndindex(grid.counts.shape):
        status = grid.status[i, j]
        if status == SHOWN:
            equal.append(indicator(i, j))
            values.append(grid.counts[i, j])
        elif knows_marks and status == SMALL:
            upper += [indicator(i, j), -indicator(i, j)]
            limits += [grid.threshold, -1]
        elif knows_marks and status == HIDDEN:
            upper.append(-indicator(i, j))
            limits.append(-(grid.threshold + 1))
    ends = []
    for sign in (1, -1):
        solution = linprog(
            sign * np.sum([indicator(*cell) for cell in cells], axis=0),
            A_ub=np.array(upper) if upper else None,
            b_ub=limits or None,
            A_eq=np.array(equal) if equal else None,
            b_eq=values or None,
            bounds=(0, 100_000),
        )
        assert solution.success
        ends.append(sign * solution.fun)
    return ends


def with_all_hidden(grid):
    """Give the same table with every number but zeros replaced by its mark."""
    status = np.where((grid.status == SHOWN) & (grid.counts > 0), HIDDEN, grid.status)
    return SuppressedGrid(grid.counts, status, grid.threshold)


@given(table=tables, has_totals=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=25)
def test_suppress_grid__each_hidden_cell_keeps_the_stated_interval(table, has_totals):
    """A linear program over all tables that fit the page finds half the threshold or more.

    Unless the marks by themselves say more: two small cells under a small total.
    """
    grid = suppress_grid(
        np.array(table), 8, has_row_totals=has_totals[0], has_column_totals=has_totals[1]
    )

    shown = grid.counts[grid.status == SHOWN]
    assert not ((shown >= 1) & (shown <= 8)).any()
    hidden = np.argwhere((grid.status == SMALL) | (grid.status == HIDDEN))
    for cell in itertools.islice(map(tuple, hidden), 6):
        marks = np.ptp(range_of_sum(with_all_hidden(grid), [cell], knows_marks=True))
        for knows_marks in (False, True):
            low, high = range_of_sum(grid, [cell], knows_marks=knows_marks)
            assert high - low >= min(protection(8), marks) - 1e-6


def derived_group_sizes(counts, status):
    """Sizes of all groups of hidden cells that the shown totals give: every group is tried."""
    n_rows, n_columns = counts.shape
    hidden = np.argwhere(status[:-1, :-1] != SHOWN)
    if not len(hidden):
        return np.zeros(1)
    totals = [
        [(i in (r, n_rows)) and (j in (c, n_columns)) for r, c in hidden]
        for i, j in np.argwhere(status == SHOWN)
        if i == n_rows or j == n_columns
    ]
    totals = np.array(totals, dtype=float).reshape(-1, len(hidden))
    groups = np.array(list(itertools.product((0.0, 1.0), repeat=len(hidden))))
    # A group follows if its indicator is a linear combination of those of the totals.
    projector = np.linalg.pinv(totals) @ totals if len(totals) else np.zeros((len(hidden),) * 2)
    is_derived = np.abs(groups @ projector - groups).max(axis=1) < 1e-8
    return groups[is_derived] @ counts[tuple(hidden.T)]


@given(table=tables, has_totals=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=40)
def test_suppress_grid__no_small_group_follows_from_several_lines(table, has_totals):
    """Rows less columns can be a group of people too."""
    counts = np.array(table)[:3, :3]

    grid = suppress_grid(counts, 8, has_row_totals=has_totals[0], has_column_totals=has_totals[1])

    sizes = derived_group_sizes(counts, grid.status)
    assert not ((sizes >= 1) & (sizes <= 8)).any()


def test_smallest_group__is_found_over_two_rows_and_a_column():
    """60 + 57 in two rows less 110 of a column leaves 7: no line alone says it."""
    equations = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
    counts = np.array([58, 2, 52, 5])

    group = smallest_group(equations.astype(float), counts, 8)

    assert group is not None
    assert group.n_people == 7
    assert group.totals == (0, 1, 2)


def test_suppress_grid__hides_more_where_two_lines_tell_a_small_group():
    """Rows hide 60 and 57 people, a column 110 of them: the 7 others must not follow."""
    counts = np.array([[58, 2, 400], [52, 5, 500], [300, 700, 900]])
    square = np.zeros((4, 4), dtype=int)
    square[:2, :2] = SMALL
    assert 7 in derived_group_sizes(counts, square)
    forced = np.zeros((4, 4), dtype=bool)
    forced[:2, 0] = True

    grid = suppress_grid(counts, 8, forced=forced)

    assert (grid.status[:2, :2] != SHOWN).all()
    sizes = derived_group_sizes(counts, grid.status)
    assert not ((sizes >= 1) & (sizes <= 8)).any()


def hidden_by_line(grid):
    """Hidden cells, without the total, of each row and column of a table and its totals."""
    is_hidden = grid.status != SHOWN
    for row in range(grid.counts.shape[0]):
        yield [(row, int(column)) for column in np.flatnonzero(is_hidden[row, :-1])]
    for column in range(grid.counts.shape[1]):
        yield [(int(row), column) for row in np.flatnonzero(is_hidden[:-1, column])]


@given(table=tables, has_totals=st.tuples(st.booleans(), st.booleans()))
@settings(max_examples=40)
def test_suppress_grid__no_small_sum_of_hidden_cells_follows_either(table, has_totals):
    """A total less the shown cells of its line is the size of the group that is hidden."""
    grid = suppress_grid(
        np.array(table), 8, has_row_totals=has_totals[0], has_column_totals=has_totals[1]
    )

    for cells in hidden_by_line(grid):
        if not 1 <= sum(grid.counts[cell] for cell in cells) <= 8:
            continue
        for knows_marks in (False, True):
            low, high = range_of_sum(grid, cells, knows_marks=knows_marks)
            assert high - low > 0.5


def test_suppress_grid__two_small_cells_do_not_protect_each_other():
    """180 - 35 - 126 says that 19 people are in the two hidden cells: 35 goes as well."""
    counts = np.array([[11, 35, 8, 126], [90, 250, 80, 900], [130, 360, 110, 1390]])

    grid = suppress_grid(counts, 20)

    assert [grid.cell(0, column) for column in range(4)] == ["≤20", "withheld", "≤20", 126]
    for cells in hidden_by_line(grid):
        assert not 1 <= sum(grid.counts[cell] for cell in cells) <= 20


@pytest.mark.parametrize("seed", range(6))
def test_suppress_grid__trying_every_table_finds_more_than_one_value(seed):
    """For 2 x 2 tables all tables can be tried: the linear program is not believed blindly."""
    counts = np.random.default_rng(seed).integers(0, 9, (2, 2))
    grid = suppress_grid(counts, 3)

    tried = np.array(list(itertools.product(range(20), repeat=4))).reshape(-1, 2, 2)
    full = np.concatenate([tried, tried.sum(axis=2, keepdims=True)], axis=2)
    full = np.concatenate([full, full.sum(axis=1, keepdims=True)], axis=1)
    fits = np.where(grid.status == SHOWN, full == grid.counts, True)
    fits &= np.where(grid.status == SMALL, (full >= 1) & (full <= 3), True)
    fits &= np.where(grid.status == HIDDEN, full > 3, True)
    possible = full[fits.all(axis=(1, 2))]
    for i, j in np.argwhere(grid.status != SHOWN):
        assert len(np.unique(possible[:, i, j])) > 1


def test_suppress_grid__the_smallest_other_cells_protect_a_small_one():
    """12 goes; 30 is the smallest of its row, 25 of its column, and 40 closes the square."""
    counts = np.array([[12, 30, 500], [25, 40, 600], [150, 200, 900]])

    grid = suppress_grid(counts, 20)

    assert grid.cell(0, 0) == "≤20"
    expected = [[SMALL, HIDDEN, SHOWN], [HIDDEN, HIDDEN, SHOWN], [SHOWN, SHOWN, SHOWN]]
    assert_array_equal(grid.status[:3, :3], expected)
    assert (grid.status[3] == SHOWN).all()
    assert (grid.status[:, 3] == SHOWN).all()


def test_suppress_grid__a_protector_at_its_lowest_bound_does_not_protect():
    """1 + 21 = 22: who knows that "withheld" is above 20 has the 1; more must be hidden."""
    grid = suppress_grid(np.array([[1, 21, 400]]), 20, has_column_totals=False)

    assert (grid.status[0] != SHOWN).sum() >= 3


def test_suppress_grid__zeros_and_large_counts_are_shown():
    """Nothing is hidden for nothing."""
    grid = suppress_grid(np.array([[0, 21], [300, 0]]), 20)

    assert (grid.status == SHOWN).all()


def test_suppress_grid__without_totals_nothing_else_is_hidden():
    """A lone small cell is safe if there is no sum to subtract from."""
    grid = suppress_grid(
        np.array([[5, 300], [400, 500]]), 20, has_row_totals=False, has_column_totals=False
    )

    assert (grid.n_small, grid.n_hidden) == (1, 0)
    assert (grid.status[-1] == ABSENT).all()


def test_suppress_grid__what_another_table_hides_stays_hidden():
    """A count hidden in one table and shown in the next would be no secret."""
    forced = np.zeros((3, 3), dtype=bool)
    forced[0, 0] = True

    grid = suppress_grid(np.array([[100, 200], [300, 400]]), 20, forced=forced)

    assert grid.cell(0, 0) == "withheld"
    assert grid.n_hidden == 4
