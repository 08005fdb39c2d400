"""The estimates of some scores under many definitions: a specification curve.

References
----------
.. [1] Simonsohn, Simmons and Nelson (2020) Nature Human Behaviour 4:1208.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.report.figures.style import (
    BLUE,
    FAINT,
    INK,
    SOFT,
    VERMILLION,
    FigureFile,
    add_axes,
    draw,
    ratio_ticks,
    shorten,
)
from pgs_trd.report.specifications import Specifications

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE = 1.35
CHOICE = 0.13
GAP = 0.5
FOOT = 0.1
LEFT = 1.05


def specification_figure(found: Specifications) -> FigureFile | None:
    """Draw the odds ratios of scores under every definition, the smallest first.

    Below each curve dots say which definition it is: of a grid which of its
    resistant and of its responsive rules.
    """
    if found.table.empty or not found.scores:
        return None
    choices = found.choices
    n_definitions = found.table["definition"].nunique()
    panel = GAP + CURVE + CHOICE * len(choices)
    return draw(
        "specification_curve",
        f"{len(found.scores)} scores under {n_definitions} definitions of treatment resistance",
        "Each column is one definition, from the smallest odds ratio to the largest, with its 95% "
        "interval; the diamond is the main definition; dots below say which rules it is made "
        "of. A score that holds stays on one side of 1 all the way.",
        f"Curves of {len(found.scores)} scores under {n_definitions} definitions. All numbers "
        "are in the table.",
        height=panel * len(found.scores) + FOOT,
        paint=lambda figure: _paint(figure, found, panel),
    )


def _paint(figure: Figure, found: Specifications, panel: float) -> None:
    total = float(figure.get_size_inches()[1])
    for number, score in enumerate(found.scores):
        rows = found.table[found.table["score"] == score]
        rows = rows[rows["beta"].notna()].sort_values(["beta", "definition"], kind="stable")
        top = GAP - 0.2 + panel * number
        low = total - top - CURVE
        curve = add_axes(figure, left=LEFT, bottom=low, top=top, right=0.1)
        _curve(curve, rows, found.main)
        curve.set_title(
            shorten(str(rows["trait"].iloc[0]) if len(rows) else score, 50),
            loc="left", fontsize=8, weight="bold", x=-0.27,
        )  # fmt: skip
        height = CHOICE * len(found.choices)
        matrix = add_axes(figure, left=LEFT, bottom=low - height, top=total - low + 0.02, right=0.1)
        _choices(matrix, rows, found)


def _curve(axes: Axes, rows: pd.DataFrame, main: str) -> None:
    place = np.arange(len(rows))
    ratio, low, high = (
        np.exp(rows[name].to_numpy(float)) for name in ("beta", "ci_low", "ci_high")
    )
    is_main = (rows["definition"] == main).to_numpy()
    for chosen, color, marker, size in ((~is_main, BLUE, "o", 3.0), (is_main, VERMILLION, "D", 4)):
        axes.errorbar(
            place[chosen], ratio[chosen],
            yerr=np.array([ratio - low, high - ratio])[:, chosen], linestyle="none", color=color,
            marker=marker, markersize=size, elinewidth=1,
        )  # fmt: skip
    axes.axhline(1.0, color=SOFT, linewidth=0.8, zorder=1)
    axes.set_yscale("log")
    ends = np.r_[low, high, 1.0]
    bottom, top = float(np.nanmin(ends)), float(np.nanmax(ends))
    ticks = ratio_ticks(bottom, top)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(bottom * 0.98, top * 1.02)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.set_xticks([])
    axes.set_ylabel("Odds ratio per SD", fontsize=7.5)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def _choices(axes: Axes, rows: pd.DataFrame, found: Specifications) -> None:
    names = [name for name, _ in found.choices]
    is_on = np.array([[n in found.rules_of(str(d)) for n in names] for d in rows["definition"]])
    for chosen, color, size in ((~is_on, FAINT, 1.2), (is_on, INK, 2.8)):
        x, y = np.nonzero(chosen) if chosen.size else (np.array([]), np.array([]))
        axes.plot(x, y, marker="o", markersize=size, linestyle="none", color=color, zorder=2)
    axes.set_yticks(range(len(names)), [shorten(name, 17) for name in names], fontsize=6.5)
    axes.set_ylim(len(names) - 0.4, -0.8)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
