"""Planted effects of a simulated study against what was estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pgs_trd.report.figures.style import (
    BLUE,
    FAINT,
    SKY,
    SOFT,
    VERMILLION,
    FigureFile,
    add_axes,
    draw,
    shorten,
)
from pgs_trd.report.text import contrast_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
PANEL = 2.6
FOOT = 0.55
SPARE = 0.3
MOST_NAMES = 8


def planted_figure(planted: pd.DataFrame) -> FigureFile | None:
    """Draw estimates with their intervals over the planted effects, a panel a contrast.

    Parameters
    ----------
    planted
        Columns score, trait, contrast, planted_beta, beta, ci_low, ci_high,
        is_covered, as `findings.compare_planted` gives them.
    """
    rows = planted.dropna(subset=["beta"])
    if rows.empty:
        return None
    contrasts = list(dict.fromkeys(rows["contrast"]))
    n_covered = int(rows["is_covered"].sum())
    return draw(
        "planted_against_estimated",
        "Planted against estimated effects",
        "Each mark is one score; bars are 95% intervals; a bar that meets the dashed line "
        "agrees with what was planted, and diamonds are those that do not; scores with no "
        "planted effect are spread around 0 to be seen.",
        f"Scatter plots of {len(rows)} effects in {len(contrasts)} contrasts; {n_covered} of "
        "the intervals hold the planted value. All numbers are in the table.",
        height=PANEL * len(contrasts) + FOOT - SPARE,
        paint=lambda figure: _paint(figure, rows, contrasts),
    )


def _paint(figure: Figure, rows: pd.DataFrame, contrasts: Sequence[str]) -> None:
    for index, contrast in enumerate(reversed(contrasts)):
        bottom = FOOT + PANEL * index
        total = float(figure.get_size_inches()[1])
        axes = add_axes(
            figure, left=0.78, bottom=bottom, top=total - bottom - PANEL + 0.6, right=0.15
        )
        axes.set_ylabel("Estimate, 95% CI (log odds per SD)", fontsize=7.5)
        _panel(axes, rows[rows["contrast"] == contrast])
        axes.set_title(
            shorten(contrast_label(contrast), 62), loc="left", fontsize=8, x=-0.19, weight="bold"
        )
        if index == 0:
            axes.set_xlabel("Planted effect (log odds per SD of the score)")


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    planted = rows["planted_beta"].to_numpy(dtype=float)
    ends = np.r_[rows[["ci_low", "ci_high"]].to_numpy(dtype=float).ravel(), planted]
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    x_low, x_high = min(planted.min(), 0.0), max(planted.max(), 0.0)
    width = x_high - x_low or 0.1
    axes.set_xlim(x_low - 0.2 * width, x_high + 0.2 * width)
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    axes.axline((0.0, 0.0), slope=1.0, color=SOFT, linestyle="--", linewidth=1, zorder=4)
    axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
    is_null = planted == 0
    places = planted + np.where(is_null, _spread(is_null) * 0.1 * width, 0.0)
    covered = rows["is_covered"].to_numpy(dtype=bool)
    for chosen, color, marker, size, width in (
        (covered & is_null, SKY, "o", 2.2, 0.5),
        (covered & ~is_null, BLUE, "o", 4.0, 1.2),
        (~covered, VERMILLION, "D", 3.8, 0.9),
    ):
        beta = rows["beta"].to_numpy(dtype=float)[chosen]
        ci = rows[["ci_low", "ci_high"]].to_numpy(dtype=float)[chosen]
        axes.errorbar(
            places[chosen], beta, yerr=np.abs(ci.T - beta), linestyle="none", elinewidth=width,
            color=color, marker=marker, markersize=size, zorder=3,
        )  # fmt: skip
    _name_points(axes, rows, places)


def _spread(is_null: NDArray[np.bool_]) -> FloatArray:
    """Give the scores without effect places from -1 to 1, in their order."""
    places = np.zeros(len(is_null))
    if is_null.sum() > 1:
        places[is_null] = np.linspace(-1, 1, int(is_null.sum()))
    return places


def _name_points(axes: Axes, rows: pd.DataFrame, places: FloatArray) -> None:
    """Write the trait beside the largest planted effects, on the side with room."""
    named = rows.assign(place=places)
    named = named[named["planted_beta"] != 0]
    named = named.loc[named["planted_beta"].abs().sort_values(ascending=False).index[:MOST_NAMES]]
    middle = float(np.mean(axes.get_xlim()))
    low, high = axes.get_ylim()
    taken: list[tuple[float, float]] = []
    for row in named.sort_values("beta").to_dict("records"):
        x, y = float(row["place"]), float(row["beta"])
        while any(abs(y - other) < 0.065 * (high - low) and (x > middle) == (place > middle)
                  for place, other in taken):  # fmt: skip
            y += 0.065 * (high - low)
        taken.append((x, y))
        axes.annotate(
            shorten(str(row["trait"]), 24), (x, y),
            xytext=(-6 if x > middle else 6, 0), textcoords="offset points",
            ha="right" if x > middle else "left", va="center", fontsize=7.5, zorder=1.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )  # fmt: skip
