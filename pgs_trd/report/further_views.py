"""Further tables as the page shows them."""

from __future__ import annotations

import math

from pgs_trd.report.cells import Cell, Maker, Row, TableView, make_view, p_of, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import with_traits
from pgs_trd.report.results import FurtherTable
from pgs_trd.report.text import MISSING, contrast_label, format_ratio, plain_label

HEADINGS = {
    "auc_covariates": "AUC, covariates",
    "auc": "AUC, with score",
    "auc_ci_low": "95% from",
    "auc_ci_high": "95% to",
    "gain": "Gain",
    "gain_ci_low": "Gain from",
    "gain_ci_high": "Gain to",
    "r2_observed": "R2, observed",
    "r2_liability": "R2, liability",
    "r2_low": "95% from",
    "r2_high": "95% to",
}
RATIO = ("beta", "se", "ci_low", "ci_high")


def further_view(further: FurtherTable, study: DisclosedStudy) -> TableView | None:
    """Make the page's table of a disclosed further table: ratios in one column, p as text."""
    table = further.table
    makers: list[tuple[str, bool, Maker]] = []
    if "score" in further.text:
        table = with_traits(table, study.traits)
        makers.append(("Trait", False, text_of("trait")))
    for name in further.text:
        if name == "contrast":
            makers.append(("Contrast", False, _contrast))
        elif name != "score":
            makers.append((plain_label(name), False, text_of(name)))
    if set(RATIO) <= set(further.numbers):
        makers.append(("OR (95% CI)", True, _ratio))
    for name in further.numbers:
        if name.startswith("p_value"):
            makers.append((_heading(name), True, p_of(name)))
        elif name not in RATIO:
            makers.append((HEADINGS.get(name, plain_label(name)), True, _number(name)))
    return make_view(f"{further.name}-table", further.caption, f"{further.name}.csv", table, makers)


def _heading(name: str) -> str:
    rest = name.removeprefix("p_value").replace("_", " ").strip()
    return f"p, {rest}" if rest else "p"


def _contrast(row: Row) -> Cell:
    return Cell(contrast_label(str(row["contrast"])))


def _ratio(row: Row) -> Cell:
    beta, low, high = (float(str(row[key])) for key in ("beta", "ci_low", "ci_high"))
    if beta == 0 and math.isnan(low):
        return Cell("1 (reference)", "0")
    return Cell(format_ratio(beta, low, high), "" if math.isnan(beta) else f"{beta:.6g}")


def _number(name: str) -> Maker:
    def make(row: Row) -> Cell:
        value = float(str(row[name]))
        return Cell(MISSING) if math.isnan(value) else Cell(f"{value:.4g}", f"{value:.6g}")

    return make
