"""The planes of components as the page's table shows them."""

from __future__ import annotations

from pgs_trd.report.cells import Cell, Maker, Row, TableView, make_view, text_of
from pgs_trd.report.disclosure import DisclosedStudy


def components_view(study: DisclosedStudy) -> TableView | None:
    """Give the squares of the planes that hold enough people of a stratum."""
    return make_view(
        "components", "Squares of the components that hold enough people of a stratum.",
        "components.csv", study.components,
        [
            ("Stratum", False, text_of("stratum")),
            ("Plane", False, lambda row: Cell(f"{row['horizontal']}, {row['vertical']}")),
            ("First component", True, _range("x")),
            ("Second component", True, _range("y")),
            ("People, more than", True, _more_than),
        ],
    )  # fmt: skip


def _more_than(row: Row) -> Cell:
    return Cell(str(row["more_than"]), str(row["more_than"]))


def _range(axis: str) -> Maker:
    def make(row: Row) -> Cell:
        low, high = (float(str(row[f"{axis}_{end}"])) for end in ("low", "high"))
        return Cell(f"{low:.4g} to {high:.4g}".replace("-", "−"), f"{low:.6g}")

    return make
