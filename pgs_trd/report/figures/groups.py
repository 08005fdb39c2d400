"""Odds by group of a score, and cumulative incidence of competing events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.report.figures.style import (
    BLUE,
    DASHES,
    FAINT,
    SERIES,
    SOFT,
    FigureFile,
    add_axes,
    draw,
    panels_height,
    score_panels,
)
from pgs_trd.report.text import contrast_label, plain_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOOT = 0.5
DAYS_PER_YEAR = 365.25
CAUSES = {
    "trd": "Treatment resistance",
    "death": "Death",
    "bipolar_or_psychosis": "Bipolar disorder or psychosis",
}


def group_figure(table: pd.DataFrame) -> FigureFile | None:
    """Draw odds ratios by group of a score, one panel a score.

    Parameters
    ----------
    table
        Rows score x group, low to high: trait, contrast, group, beta (log odds against the
        lowest group), ci_low, ci_high; NaN where withheld.
    """
    shown = table[table["beta"].notna()]
    scores = [s for s in dict.fromkeys(table["score"]) if (shown["score"] == s).sum() > 1]
    if not scores:
        return None
    n_groups = int((table["score"] == scores[0]).sum())
    return draw(
        "odds_by_group",
        f"{contrast_label(str(table['contrast'].iloc[0]))}: odds by {n_groups} groups of a score",
        "Groups hold equally many people, from the lowest scores to the highest; each odds ratio "
        "is against the lowest group, with its 95% interval. A score without effect stays at 1.",
        f"{len(scores)} panels of odds ratios by group. All numbers are in the table.",
        height=panels_height(len(scores)) + FOOT,
        paint=lambda figure: _paint_groups(figure, shown, scores),
    )


def _paint_groups(figure: Figure, table: pd.DataFrame, scores: list[str]) -> None:
    ends = np.exp(table[["ci_low", "ci_high", "beta"]].to_numpy(dtype=float))
    low, high = min(float(np.nanmin(ends)), 0.95), max(float(np.nanmax(ends)), 1.05)
    labels = {"x_label": "Group of the score", "y_label": "Odds ratio"}
    for axes, own in score_panels(figure, table, scores, **labels):
        place = own["group"].astype(int).to_numpy()
        ratio, start, end = (np.exp(own[name].to_numpy(float)) for name in
                             ("beta", "ci_low", "ci_high"))  # fmt: skip
        error = np.nan_to_num(np.array([ratio - start, end - ratio]))
        axes.errorbar(place, ratio, yerr=error, linestyle="none", marker="o", markersize=3,
                      color=BLUE, elinewidth=1)  # fmt: skip
        axes.axhline(1.0, color=SOFT, linewidth=0.8, zorder=1)
        axes.set_yscale("log")
        axes.set_ylim(low * 0.95, high * 1.05)
        ticks = [tick for tick in (0.2, 0.5, 1, 2, 4, 8) if low <= tick <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_xticks(place if len(place) < 8 else place[::3])
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)


def incidence_figure(points: pd.DataFrame, threshold: int) -> FigureFile | None:
    """Draw the cumulative incidence of each cause, as far as it may be shown."""
    if points.empty:
        return None
    causes = [c for c in dict.fromkeys(points["group"]) if (points["group"] == c).sum() > 1]
    if not causes:
        return None
    last = {c: points.loc[points["group"] == c, "incidence"].iloc[-1] for c in causes}
    merged = (
        f" Each stretch holds more than {threshold} events; causes of fewer are not drawn."
        if threshold
        else ""
    )
    return draw(
        "cumulative_incidence",
        "Treatment resistance and what competes with it",
        "Lines show the share of people followed who have had the event by then, whatever ended "
        f"their follow-up first (Aalen and Johansen); bands are 95% intervals.{merged}",
        "; ".join(f"{CAUSES.get(c, plain_label(c))}: {100 * last[c]:.1f}% at the end"
                  for c in causes) + ".",
        height=3.0,
        paint=lambda figure: _paint_incidence(figure, points, causes),
    )  # fmt: skip


def _paint_incidence(figure: Figure, points: pd.DataFrame, causes: list[str]) -> None:
    axes = add_axes(figure, left=0.7, bottom=0.5, top=0.1, right=0.2)
    for number, cause in enumerate(causes):
        _cause(axes, points[points["group"] == cause], cause, number)
    axes.set_ylim(0, None)
    axes.set_xlim(0, points["days"].max() / DAYS_PER_YEAR * 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.set_xlabel("Years since the origin of follow-up")
    axes.set_ylabel("Have had the event")
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none", handlelength=2.6)


def _cause(axes: Axes, rows: pd.DataFrame, cause: str, number: int) -> None:
    years = rows["days"].to_numpy(dtype=float) / DAYS_PER_YEAR
    color = SERIES[number % len(SERIES)]
    low, high = (rows[name].to_numpy(dtype=float) for name in ("ci_low", "ci_high"))
    axes.fill_between(years, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(
        years, rows["incidence"].to_numpy(dtype=float), color=color, linewidth=1.5,
        linestyle=DASHES[number % len(DASHES)], label=CAUSES.get(cause, plain_label(cause)),
    )  # fmt: skip
