"""Tables of the estimates under other definitions."""

from __future__ import annotations

import pandas as pd

from pgs_trd.report.cells import Cell, Maker, Row, TableView, count_of, make_view, text_of
from pgs_trd.report.specifications import Specifications
from pgs_trd.report.text import format_p, format_ratio

CSV = "association_by_definition.csv"


def specification_view(found: Specifications | None) -> TableView | None:
    """Give the estimates of the scores that have a curve under every definition."""
    if found is None:
        return None
    table = found.table[found.table["score"].isin(found.scores)]
    table = table.assign(title=table["definition"].map(found.titles).fillna(""))
    makers: list[tuple[str, bool, Maker]] = [
        ("Trait", False, text_of("trait")),
        ("Definition", False, text_of("definition")),
        ("OR per SD (95% CI)", True, _ratio),
        ("p", True, _p_value),
        ("What it is", False, text_of("title")),
    ]
    order = {score: place for place, score in enumerate(found.scores)}
    table = table.assign(place=table["score"].map(order)).sort_values("place", kind="stable")
    caption = "Estimates under every definition, of the scores with a curve."
    return make_view("specifications", caption, CSV, table, makers)


def holds_view(found: Specifications | None) -> TableView | None:
    """Give under how many definitions each hit of the main one holds."""
    if found is None:
        return None
    return make_view(
        "holds",
        "Scores that pass the Bonferroni limit under the main definition, and under how many "
        "others they have the same sign, or pass it too.",
        CSV,
        found.holds(),
        [
            ("Trait", False, text_of("trait")),
            ("Other definitions", True, count_of("n_definitions")),
            ("Same sign", True, count_of("n_same_sign")),
            ("Pass the limit", True, count_of("n_significant")),
        ],
    )


def _ratio(row: Row) -> Cell:
    beta, low, high = (float(str(row[key])) for key in ("beta", "ci_low", "ci_high"))
    return Cell(format_ratio(beta, low, high), "" if pd.isna(beta) else f"{beta:.6g}")


def _p_value(row: Row) -> Cell:
    exponent = float(str(row["log10_p"]))
    text = format_p(float(str(row["p_value"])), exponent)
    return Cell(text, "" if pd.isna(exponent) else f"{exponent:.6g}")
