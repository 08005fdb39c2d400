"""Kaplan-Meier figure with its risk table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.report.disclosure.curves import DAYS_PER_YEAR
from pgs_trd.report.figures.style import (
    DASHES,
    FAINT,
    SERIES,
    WIDTH,
    FigureFile,
    add_axes,
    draw,
)
from pgs_trd.report.text import format_count, plain_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT = 1.0
MOST_DOTS = 14
PLOT_HEIGHT = 2.7
RISK_ROW = 0.17


def survival_figure(
    points: pd.DataFrame, risk: pd.DataFrame, *, subject: str, name: str, threshold: int
) -> FigureFile | None:
    """Draw the share of people free of TRD over time, by group of one score.

    Parameters
    ----------
    points, risk
        Of one score, as `DisclosedCurves` has them.
    subject
        What the groups are of, in words.
    name
        Stem of the files.
    threshold
        Of the disclosure control, for the sentence on how to read the figure.
    """
    if points.empty or points["group"].value_counts().max() < 2:
        return None
    groups = list(dict.fromkeys(points["group"]))
    merged = (
        f" Curves are joined up so that each stretch holds more than {threshold} events; a dot in "
        "the table stands for a count that would give a small one back."
        if threshold
        else ""
    )
    n_rows = 2 * risk["group"].nunique() if len(risk) else 0
    return draw(
        name,
        f"Time to treatment resistance, by group of {subject}",
        "Lines show the share of people who have not become treatment-resistant; a line that "
        f"falls faster means earlier resistance; bands are 95% intervals. "
        f"The table gives the people still at risk and the events so far.{merged}",
        f"Kaplan-Meier curves of {len(groups)} groups: "
        + "; ".join(_last_words(points[points["group"] == group]) for group in groups)
        + ".",
        height=PLOT_HEIGHT + 0.55 + RISK_ROW * n_rows + 0.3,
        paint=lambda figure: _paint(figure, points, risk, groups),
    )


def _last_words(rows: pd.DataFrame) -> str:
    last = rows.iloc[-1]
    years = last["days"] / DAYS_PER_YEAR
    return (
        f"{plain_label(last['group'])}: {100 * last['survival']:.1f}% free of treatment "
        f"resistance after {years:.1f} years"
    )


def _paint(
    figure: Figure, points: pd.DataFrame, risk: pd.DataFrame, groups: Sequence[object]
) -> None:
    total = figure.get_size_inches()[1]
    axes = add_axes(figure, left=LEFT, bottom=total - PLOT_HEIGHT, top=0.1, right=0.2)
    for index, group in enumerate(groups):
        own = points[points["group"] == group]
        if len(own) > 1:
            _curve(axes, own, index)
        else:
            axes.plot([], [], linestyle="none", label=f"{plain_label(str(group))}: too few events")
    lowest = float(points["ci_low"].min())
    floor = max(0.0, np.floor(lowest * 20 - 0.5) / 20) if np.isfinite(lowest) else 0.0
    axes.set_ylim(floor, 1.005)
    axes.set_xlim(0, points["days"].max() / DAYS_PER_YEAR * 1.02)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    if len(risk):
        axes.set_xticks(sorted(set(risk["years"])))
    axes.set_xlabel("Years since the origin of follow-up")
    axes.set_ylabel("Not treatment-resistant")
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", frameon=True, framealpha=0.9, edgecolor="none", handlelength=2.6)
    if floor > 0:
        axes.annotate(
            "axis does not start at 0", (1, 1), xycoords="axes fraction",
            ha="right", va="top", fontsize=7, style="italic",
        )  # fmt: skip
    if len(risk):
        _risk_table(figure, axes, risk)


def _curve(axes: Axes, rows: pd.DataFrame, index: int) -> None:
    years = rows["days"].to_numpy(dtype=float) / DAYS_PER_YEAR
    survival = rows["survival"].to_numpy(dtype=float)
    if years[0] > 0 and survival[0] < 1:
        years, survival = np.r_[0.0, years], np.r_[1.0, survival]
        low, high = np.r_[1.0, rows["ci_low"]], np.r_[1.0, rows["ci_high"]]
    else:
        low, high = rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float)
    color = SERIES[index % len(SERIES)]
    axes.fill_between(years, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(
        years, survival, color=color, linestyle=DASHES[index % len(DASHES)], linewidth=1.5,
        marker="o" if len(rows) <= MOST_DOTS else None, markersize=2.2,
        label=plain_label(str(rows["group"].iloc[0])),
    )  # fmt: skip


def _risk_table(figure: Figure, plot: Axes, risk: pd.DataFrame) -> None:
    """Write the counts under the plot, at the places of its ticks."""
    height = figure.get_size_inches()[1]
    top = height - PLOT_HEIGHT - 0.55
    blocks = (("n_at_risk", "People at risk"), ("n_events_so_far", "Events so far"))
    low, high = plot.get_xlim()
    box = plot.get_position()
    for column, heading in blocks:
        figure.text(0.06 / WIDTH, top / height, heading, fontsize=7.5, weight="bold", va="center")
        for group, rows in risk.groupby("group", sort=False, observed=True):
            top -= RISK_ROW
            _risk_line(figure, str(group), rows, column, top / height, (low, high, box.x0, box.x1))
        top -= RISK_ROW * 1.4


def _risk_line(
    figure: Figure,
    group: str,
    rows: pd.DataFrame,
    column: str,
    y: float,
    place: tuple[float, float, float, float],
) -> None:
    low, high, left, right = place
    figure.text(0.06 / WIDTH, y, plain_label(group), fontsize=7, va="center")
    for year, count in zip(rows["years"], rows[column], strict=True):
        x = left + (year - low) / (high - low) * (right - left)
        text = "·" if count == "withheld" else format_count(count)
        figure.text(x, y, text, fontsize=7, va="center", ha="center")
