"""Cells and tables of the page, made from rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from pgs_trd.report.text import format_count, format_p


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what is read, and what sorting goes by ("" for the text)."""

    text: str
    sort: str = ""


@dataclass(frozen=True)
class TableView:
    """One table of the page.

    Attributes
    ----------
    name
        Anchor, and part of the name of nothing else.
    caption
        One sentence.
    columns
        Headings with whether their cells are numbers.
    rows
        Cells; the first of a row is its heading.
    csv
        Name of the file in `tables/` that holds the same numbers.
    """

    name: str
    caption: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Cell, ...], ...]
    csv: str


Row = dict[str, object]
Maker = Callable[[Row], Cell]


def make_view(
    name: str,
    caption: str,
    csv: str,
    table: pd.DataFrame,
    makers: Sequence[tuple[str, bool, Maker]],
) -> TableView | None:
    """Make a table of the page; None if there are no rows.

    Parameters
    ----------
    name, caption, csv
        As in `TableView`.
    table
        The rows.
    makers
        For each column its heading, whether it holds numbers, and what makes its cells.
    """
    if table.empty:
        return None
    records: list[Row] = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    rows = tuple(tuple(make(row) for _, _, make in makers) for row in records)
    return TableView(
        name, caption, tuple((title, number) for title, number, _ in makers), rows, csv
    )


def text_of(column: str) -> Maker:
    """Make cells of a column of names."""
    return lambda row: Cell(str(row[column]))


def count_of(column: str) -> Maker:
    """Make cells of a column of counts, marks among them."""

    def make(row: Row) -> Cell:
        value = row.get(column)
        is_number = isinstance(value, int | float) and not math.isnan(value)
        return Cell(format_count(value), str(value) if is_number else "-1")

    return make


def p_of(column: str) -> Maker:
    """Make cells of a column of p-values."""

    def make(row: Row) -> Cell:
        value = float(row.get(column, math.nan))  # type: ignore[arg-type]  # a float column
        return Cell(format_p(value), "" if math.isnan(value) else f"{value:.6g}")

    return make


def number_of(column: str, write: Callable[[float], str]) -> Maker:
    """Make cells of a column of numbers, as `write` writes them."""

    def make(row: Row) -> Cell:
        value = float(row.get(column, math.nan))  # type: ignore[arg-type]  # a float column
        return Cell(write(value), "" if math.isnan(value) else f"{value:.6g}")

    return make
