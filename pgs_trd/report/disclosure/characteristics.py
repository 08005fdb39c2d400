"""Table 1 through the gate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pgs_trd.errors import DataError
from pgs_trd.report.disclosure.counts import SuppressionLog, as_count, is_near
from pgs_trd.report.disclosure.grid import SHOWN, IntArray, SuppressedGrid, suppress_grid
from pgs_trd.report.disclosure.ledger import ClassLedger

STATISTICS = ("mean", "sd", "median", "q1", "q3")
PEOPLE = ("n_people", "all")
TOTALS = ("all", "total")
NOT_RECORDED = "not recorded"


def disclose_characteristics(
    characteristics: pd.DataFrame, ledger: ClassLedger, threshold: int, log: SuppressionLog
) -> pd.DataFrame:
    """Hide small counts of Table 1, what gives them back, and statistics of few people.

    Levels that leave some people of a column out get a further row, "not
    recorded": their number could be had by subtraction, so it must pass as well.

    Returns
    -------
    DataFrame
        variable, level, then per class the cell and `<class>__share`, the share
        of the column's people, NaN where either count is hidden. Cells are int
        (counts), float (statistics), None (no value) or a mark.
    """
    if characteristics.empty:
        return pd.DataFrame()
    named = [str(column) for column in characteristics.columns]
    table = characteristics.set_axis(named, axis=1)
    classes = [c for c in named if c not in ("variable", "level") and c not in TOTALS]
    table = table[["variable", "level", *classes]]
    is_people = table["variable"].isin(PEOPLE)
    if not is_people.any():
        _raise_without_people(table)
    people = np.array([as_count(table.loc[is_people, name].iloc[0]) or 0 for name in classes])
    head = _people_grid(people, classes, ledger, threshold)
    _log_grid(log, head)
    rows = [_count_row(PEOPLE[0], "", head, 0, classes, head)]
    for variable, part in table[~is_people].groupby("variable", sort=False):
        is_statistic = part["level"].isin(STATISTICS)
        if (~is_statistic).any():
            rows += _count_rows(str(variable), part[~is_statistic], classes, ledger, head, log)
        rows += _statistic_rows(str(variable), part[is_statistic], classes, head, log)
    # As objects: beside a mean, a column of counts would become floats.
    return pd.DataFrame(rows, dtype=object)


def _raise_without_people(table: pd.DataFrame) -> None:
    """Raise the error of a Table 1 that does not say how many people a column has."""
    raise DataError(
        f"table 'characteristics' has {len(table)} rows and none with variable "
        f"{PEOPLE[0]!r}: without the people of a column its shares cannot be judged"
    )


def _people_grid(
    people: IntArray, classes: list[str], ledger: ClassLedger, threshold: int
) -> SuppressedGrid:
    """Judge the number of people of each column, with what the class counts hide.

    A column that differs from the class count by a few people is hidden too.
    """
    forced = np.zeros((2, len(classes) + 1), dtype=bool)
    for index, name in enumerate(classes):
        if ledger.knows(ledger.strata, [name]):
            is_open = ledger.is_open(ledger.strata, [name])
            count = ledger.count(ledger.strata, [name])
            forced[0, index] = not is_open or is_near(int(people[index]), [count], threshold)
    return suppress_grid(
        people[np.newaxis, :].astype(np.int64),
        threshold,
        has_row_totals=False,
        has_column_totals=False,
        forced=forced,
    )


def _log_grid(log: SuppressionLog, grid: SuppressedGrid) -> None:
    log.add("characteristics", "count of 1 to threshold", grid.n_small)
    log.add("characteristics", "would give a small count back", grid.n_hidden)


def _count_rows(
    variable: str,
    part: pd.DataFrame,
    classes: list[str],
    ledger: ClassLedger,
    head: SuppressedGrid,
    log: SuppressionLog,
) -> list[dict[str, object]]:
    levels = [str(level) for level in part["level"]]
    counts = np.array([[as_count(value) or 0 for value in part[name]] for name in classes]).T
    rest = head.counts[0, :-1] - counts.sum(axis=0)
    is_partition = bool((rest >= 0).all())
    if is_partition and rest.any():
        levels.append(NOT_RECORDED)
        counts = np.vstack([counts, rest])
    forced = np.zeros((len(levels) + 1, len(classes) + 1), dtype=bool)
    if is_partition:
        forced[-1, :-1] = head.status[0, :-1] != SHOWN
    _force_known_strata(forced, levels, classes, counts, ledger)
    grid = suppress_grid(
        counts.astype(np.int64),
        head.threshold,
        has_row_totals=False,
        has_column_totals=is_partition,
        forced=forced,
    )
    n_small = int((grid.status[:-1, :-1] == 1).sum())
    log.add("characteristics", "count of 1 to threshold", n_small)
    n_hidden = int((grid.status[:-1, :-1] == 2).sum())
    log.add("characteristics", "would give a small count back", n_hidden)
    return [
        _count_row(variable, level, grid, index, classes, head)
        for index, level in enumerate(levels)
    ]


def _force_known_strata(
    forced: NDArray[np.bool_],
    levels: list[str],
    classes: list[str],
    counts: IntArray,
    ledger: ClassLedger,
) -> None:
    """Hide here what the class counts hide, or say with a few people more or less."""
    for i, level in enumerate(levels):
        for j, name in enumerate(classes):
            if not ledger.knows([level], [name]):
                continue
            known = ledger.count([level], [name])
            is_close = is_near(int(counts[i, j]), [known], ledger.grid.threshold)
            forced[i, j] = is_close or not ledger.is_open([level], [name])


def _count_row(
    variable: str,
    level: str,
    grid: SuppressedGrid,
    index: int,
    classes: list[str],
    head: SuppressedGrid,
) -> dict[str, object]:
    row: dict[str, object] = {"variable": variable, "level": level}
    for column, name in enumerate(classes):
        row[name] = grid.cell(index, column)
        is_shown = grid.status[index, column] == SHOWN and head.status[0, column] == SHOWN
        total = int(head.counts[0, column])
        share = int(grid.counts[index, column]) / total if is_shown and total else np.nan
        row[f"{name}__share"] = np.nan if variable in PEOPLE else share
    return row


def _statistic_rows(
    variable: str,
    part: pd.DataFrame,
    classes: list[str],
    head: SuppressedGrid,
    log: SuppressionLog,
) -> list[dict[str, object]]:
    """Give means and quartiles; none of a column of few people."""
    rows = []
    few = (head.counts[0, :-1] > 0) & (head.counts[0, :-1] <= head.threshold)
    for record in part.to_dict("records"):
        row: dict[str, object] = {"variable": variable, "level": str(record["level"])}
        for column, name in enumerate(classes):
            row[name] = None if few[column] else float(record[name])
            row[f"{name}__share"] = np.nan
        rows.append(row)
    log.add("characteristics", "statistic of 1 to threshold people", int(few.sum()) * len(rows))
    return rows
