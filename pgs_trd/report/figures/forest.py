"""Forest plots: all scores by domain, and the important ones by stratum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.report.figures.style import (
    BLUE,
    FAINT,
    INK,
    SOFT,
    VERMILLION,
    WIDTH,
    FigureFile,
    add_axes,
    draw,
    ratio_axis,
    shorten,
)
from pgs_trd.report.findings import Findings, with_traits
from pgs_trd.report.text import contrast_label, format_p

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.185
LEFT = 1.62
RIGHT = 0.15
HEAD_AND_FOOT = 0.75
WIDEST = 1.6
"""Intervals that reach further than this factor beyond all estimates are cut, with an arrow."""


def domain_forest(
    findings: Findings, *, name: str = "forest_by_domain", unit: str = "Odds ratio"
) -> FigureFile:
    """Draw the estimates of all scores, grouped by the domain of their trait."""
    lines = _lines_by_domain(findings.table)
    what = "Time to treatment resistance" if unit == "Hazard ratio" else contrast_label(
        findings.contrast
    )  # fmt: skip
    meaning = (
        "A dot to the right of 1 means earlier resistance"
        if unit == "Hazard ratio"
        else "A dot to the right of 1 means higher odds of the group named first"
    )
    n_shown = int(findings.table["beta"].notna().sum())
    return draw(
        name,
        f"{what}: {unit.lower()} of {n_shown} polygenic scores, by domain",
        f"{meaning} for each SD of the score; bars are "
        f"95% intervals; filled vermillion diamonds pass the Bonferroni limit of "
        f"p < {format_p(findings.alpha)} for {findings.n_tests} scores.",
        f"Forest plot of {n_shown} scores; {len(findings.significant)} of them pass the "
        f"Bonferroni limit. All numbers are in the table below the figure.",
        height=HEAD_AND_FOOT + ROW * len(lines),
        paint=lambda figure: _paint_domains(figure, lines, unit),
    )


def _lines_by_domain(table: pd.DataFrame) -> list[tuple[str, pd.Series | None]]:
    """Give the lines from the top: a heading (no row) before the scores of each domain."""
    lines: list[tuple[str, pd.Series | None]] = []
    for domain, rows in table.groupby("domain", sort=True):
        lines.append((str(domain), None))
        ordered = rows.sort_values(["beta", "score"], ascending=[False, True], na_position="last")
        lines.extend((str(row["trait"]), row) for _, row in ordered.iterrows())
    return lines


def ratio_limits(table: pd.DataFrame) -> tuple[float, float]:
    """Give the ends of the axis: all estimates, and their intervals unless very wide."""
    betas = table["beta"].dropna()
    if betas.empty:
        return 0.9, 1.1
    low = max(table["ci_low"].min(), betas.min() - np.log(WIDEST))
    high = min(table["ci_high"].max(), betas.max() + np.log(WIDEST))
    pad = 0.03 * (high - low)
    return float(np.exp(low - pad)), float(np.exp(high + pad))


def _paint_domains(
    figure: Figure, lines: Sequence[tuple[str, pd.Series | None]], unit: str
) -> None:
    axes = add_axes(figure, left=LEFT, right=RIGHT, bottom=0.5, top=0.2)
    rows = pd.DataFrame([row for _, row in lines if row is not None])
    low, high = ratio_limits(rows)
    ratio_axis(axes, low, high)
    for y, (label, row) in enumerate(lines):
        if row is None:
            paint_heading(axes, y, label)
            continue
        _label(axes, y, label, bold=bool(row["is_significant"]))
        paint_estimate(axes, y, row, is_significant=bool(row["is_significant"]))
    finish_forest(axes, len(lines), f"{unit} per SD of the score, 95% CI (log scale)")


def paint_heading(axes: Axes, y: float, label: str, *, margin: float = LEFT) -> None:
    """Write a heading over a band as wide as the figure; `margin` is left of the axes."""
    from matplotlib.patches import Rectangle

    left = -margin / (WIDTH - margin - RIGHT)
    axes.add_patch(
        Rectangle(
            (left, y - 0.5), 1 - left, 1, transform=axes.get_yaxis_transform(),
            color="#f1f1f1", linewidth=0, zorder=0, clip_on=False,
        )
    )  # fmt: skip
    axes.annotate(
        shorten(label, 40), (0, y), xycoords=("axes fraction", "data"),
        xytext=(-margin * 72 + 4, 0), textcoords="offset points",
        va="center", ha="left", weight="bold", fontsize=8,
    )  # fmt: skip


def _label(axes: Axes, y: float, label: str, *, bold: bool = False, indent: float = 10) -> None:
    axes.annotate(
        shorten(label, 23 if bold else 25), (0, y), xycoords=("axes fraction", "data"),
        xytext=(-LEFT * 72 + indent, 0), textcoords="offset points",
        va="center", ha="left", fontsize=7.5, weight="bold" if bold else "normal",
    )  # fmt: skip


def paint_estimate(
    axes: Axes, y: float, row: pd.Series, *, is_significant: bool, color: str = BLUE
) -> None:
    """Draw an estimate with its interval, or write its status where it has no number."""
    if not np.isfinite(row["beta"]):
        axes.annotate(
            str(row["status"]).replace("_", " "), (0.5, y), xycoords=("axes fraction", "data"),
            va="center", ha="center", fontsize=7, color=SOFT, style="italic", zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        return
    color = VERMILLION if is_significant else color
    low, high = axes.get_xlim()
    left, right = np.exp(row["ci_low"]), np.exp(row["ci_high"])
    axes.plot([max(left, low), min(right, high)], [y, y], color=color, linewidth=1.1, zorder=2)
    for end, is_cut, marker in ((low, left < low, "<"), (high, right > high, ">")):
        if is_cut:
            axes.plot([end], [y], marker=marker, color=color, markersize=3.5, clip_on=False)
    axes.plot(
        [np.exp(row["beta"])], [y], linestyle="none", color=color, zorder=3,
        marker="D" if is_significant else "o", markersize=4 if is_significant else 3.4,
        markerfacecolor=color if is_significant else "white",
    )  # fmt: skip


def finish_forest(axes: Axes, n_lines: int, label: str, *, margin: float = LEFT) -> None:
    """Set the axes of a forest of so many lines."""
    axes.set_ylim(n_lines - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.5, zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel(label, x=0.5 - margin / 2 / (WIDTH - margin))


def stratified_forest(
    findings: Findings, strata: pd.DataFrame, traits: pd.DataFrame, scores: Sequence[str]
) -> FigureFile | None:
    """Draw the estimates of some scores in each stratum, and pooled as a diamond.

    Parameters
    ----------
    findings
        Pooled estimates of the main contrast.
    strata
        Disclosed rows by stratum, of any contrast.
    traits
        Labels of the scores.
    scores
        Those to draw, from the top.
    """
    rows = with_traits(strata[strata["contrast"] == findings.contrast], traits)
    blocks: list[tuple[str, pd.Series | None, str]] = []
    for score in scores:
        pooled = findings.table[findings.table["score"] == score]
        own = rows[rows["score"] == score]
        if own.empty or pooled.empty:
            continue
        blocks.append((str(own["trait"].iloc[0]), None, "head"))
        blocks += [(str(row["stratum"]), row, "stratum") for _, row in own.iterrows()]
        blocks.append((_pooled_label(pooled.iloc[0]), pooled.iloc[0], "pooled"))
    if not blocks:
        return None
    return draw(
        "forest_by_stratum",
        f"{contrast_label(findings.contrast)}: estimates by stratum, and pooled",
        "Each circle is one stratum, with its 95% interval; the diamond is the pooled estimate, "
        "as wide as its interval; I² is the share of the spread between strata that chance "
        "does not explain.",
        f"Forest plot of {len(scores)} scores in {rows['stratum'].nunique()} strata with pooled "
        "estimates. All numbers are in the tables.",
        height=HEAD_AND_FOOT + ROW * 1.1 * len(blocks),
        paint=lambda figure: paint_blocks(figure, blocks),
    )


def _pooled_label(row: pd.Series) -> str:
    i2 = row.get("i2", np.nan)
    if np.isfinite(i2):
        return f"pooled, I² {100 * i2:.0f}%"
    return "pooled, I² withheld" if row.get("n_strata", 0) > 1 else "pooled"


def paint_blocks(figure: Figure, blocks: Sequence[tuple[str, pd.Series | None, str]]) -> None:
    """Draw lines of a label, an estimate (None: a heading) and its kind: stratum or pooled."""
    axes = add_axes(figure, left=LEFT, right=RIGHT, bottom=0.5, top=0.2)
    low, high = ratio_limits(pd.DataFrame([row for _, row, _ in blocks if row is not None]))
    ratio_axis(axes, low, high)
    for y, (label, row, kind) in enumerate(blocks):
        if row is None:
            paint_heading(axes, y, label)
            continue
        _label(axes, y, label, indent=10)
        if kind == "stratum":
            paint_estimate(axes, y, row, is_significant=False)
        else:
            _diamond(axes, y, row)
    finish_forest(axes, len(blocks), "Odds ratio per SD of the score, 95% CI (log scale)")


def _diamond(axes: Axes, y: float, row: pd.Series) -> None:
    if not np.isfinite(row["beta"]):
        paint_estimate(axes, y, row, is_significant=False)
        return
    middle, left, right = np.exp([row["beta"], row["ci_low"], row["ci_high"]])
    axes.fill(
        [left, middle, right, middle], [y, y - 0.32, y, y + 0.32],
        facecolor=VERMILLION, edgecolor=INK, linewidth=0.5, zorder=3,
    )  # fmt: skip
