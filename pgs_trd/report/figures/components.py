"""Where strata lie on the components of ancestry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pgs_trd.report.figures.style import (
    FAINT,
    MARKERS,
    SERIES,
    FigureFile,
    add_axes,
    draw,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL = 2.6
LEGEND = 0.32
STRATA_PER_LINE = 3
PALE, STRONG = 0.25, 0.6


def components_figure(squares: pd.DataFrame, threshold: int) -> FigureFile | None:
    """Draw the squares of each plane that hold enough people of a stratum.

    Parameters
    ----------
    squares
        As `disclose_components` gives them: no person has a point.
    threshold
        The limit of the disclosure control.
    """
    if squares.empty:
        return None
    strata = sorted(set(squares["stratum"]))
    planes = list(dict.fromkeys(zip(squares["horizontal"], squares["vertical"], strict=True)))
    dense = sorted(set(squares.loc[squares["more_than"] > threshold, "more_than"]))
    also = f", strong colour more than {dense[0]}" if dense else ""
    legend = LEGEND * -(-len(strata) // STRATA_PER_LINE)
    return draw(
        "components",
        "Strata on the components of ancestry",
        f"Each coloured square holds more than {threshold} people of each stratum whose mark it "
        f"bears{also}; no mark is a person, and squares of fewer people are left out. Strata "
        "that lie apart differ in ancestry; a square of several strata is parted among them.",
        f"{len(planes)} planes with the squares of {len(strata)} strata: {', '.join(strata)}. "
        "All squares are in the table.",
        height=PANEL * len(planes) + legend + 0.1,
        paint=lambda figure: _paint(figure, squares, strata, planes, legend, threshold),
    )


def _paint(
    figure: Figure,
    squares: pd.DataFrame,
    strata: list[str],
    planes: list[tuple[str, str]],
    legend: float,
    threshold: int,
) -> None:
    total = float(figure.get_size_inches()[1])
    for number, (horizontal, vertical) in enumerate(planes):
        top = legend + 0.1 + PANEL * number
        axes = add_axes(figure, left=0.75, top=top, bottom=total - top - PANEL + 0.55)
        own = squares[(squares["horizontal"] == horizontal) & (squares["vertical"] == vertical)]
        for _, square in own.groupby(["x_low", "y_low"]):
            _paint_square(axes, square, strata, threshold)
        axes.margins(0.06)
        axes.autoscale_view()
        axes.set_xlabel(horizontal)
        axes.set_ylabel(vertical)
        axes.grid(color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], linestyle="none", color=_color(n), marker=_marker(n), markersize=5,
               label=shorten(stratum, 24))
        for n, stratum in enumerate(strata)
    ]  # fmt: skip
    figure.legend(
        handles=marks, loc="upper left", ncols=STRATA_PER_LINE, frameon=False, handletextpad=0.2,
        bbox_to_anchor=(0.12, 1.0),
    )  # fmt: skip


def _color(number: int) -> str:
    return SERIES[number % len(SERIES)]


def _marker(number: int) -> str:
    """Give the mark of a stratum: no two of the first 36 have both mark and colour alike."""
    return MARKERS[(number + number // len(SERIES)) % len(MARKERS)]


def _paint_square(axes: Axes, rows: pd.DataFrame, strata: list[str], threshold: int) -> None:
    """Part one square among the strata that it is shown for, each part with its mark."""
    from matplotlib.patches import Rectangle

    square = rows.iloc[0]
    width = (square["x_high"] - square["x_low"]) / len(rows)
    height = square["y_high"] - square["y_low"]
    ranked = sorted(zip(rows["stratum"], rows["more_than"], strict=True))
    for part, (stratum, more_than) in enumerate(ranked):
        number, left = strata.index(stratum), square["x_low"] + part * width
        color = _color(number)
        shade = STRONG if more_than > threshold else PALE
        axes.add_patch(
            Rectangle((left, square["y_low"]), width, height, facecolor=color, alpha=shade,
                      linewidth=0)
        )  # fmt: skip
        axes.plot(
            left + width / 2, square["y_low"] + height / 2, linestyle="none", color=color,
            marker=_marker(number), markersize=3, markeredgewidth=0.3, markeredgecolor="white",
        )  # fmt: skip
