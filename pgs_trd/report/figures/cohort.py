"""Cohort flow and match rates."""

from __future__ import annotations

import textwrap
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
    shorten,
)
from pgs_trd.report.findings import with_traits
from pgs_trd.report.text import format_count, format_percent, phenotype_label, plain_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE = 0.15
GAP = 0.22
PAD = 0.09
MATCH_ROW = 0.165
MATCH_LEFT = 1.62


def flow_figure(attrition: pd.DataFrame, class_counts: pd.DataFrame) -> FigureFile | None:
    """Draw how the cohort was made: who stayed at each step, and who left."""
    if attrition.empty:
        return None
    steps = attrition.to_dict("records")
    classes = _classes(class_counts)
    plan = [_step_lines(step) for step in steps]
    heights = [PAD * 2 + LINE * max(len(stay), len(leave)) for stay, leave in plan]
    start = [f"Start: {format_count(steps[0]['n_people_in'])} people"]
    if steps[0]["n_lost"] == 0:
        start = plan.pop(0)[0]
        heights.pop(0)
    class_height = 0.76 if classes else 0.0
    total = (
        0.15
        + PAD * 2
        + LINE * len(start)
        + sum(h + GAP for h in heights)
        + (class_height + GAP if classes else 0.1)
    )
    return draw(
        "cohort_flow",
        "Cohort flow",
        "From the top down: each box says how many people stayed after a step; boxes on the "
        "right say how many left, and why.",
        f"Flow diagram of {len(steps)} steps, from {format_count(steps[0]['n_people_in'])} people "
        f"to {format_count(steps[-1]['n_people_out'])}. All numbers are in the table.",
        height=total,
        paint=lambda figure: _paint_flow(figure, start, plan, heights, classes),
    )


def _classes(class_counts: pd.DataFrame) -> list[tuple[str, str]]:
    if class_counts.empty:
        return []
    total = class_counts.iloc[-1]
    names = [str(c) for c in class_counts.columns if c not in ("stratum", "all")]
    return [(phenotype_label(name), format_count(total[name])) for name in names]


def _step_lines(step: dict[object, object]) -> tuple[list[str], list[str]]:
    """Give the lines of a step's two boxes: who stayed, and who left by which rule."""
    what = str(step["rule"]) or str(step["step"])
    stay = [*textwrap.wrap(plain_label(what), 36), f"{format_count(step['n_people_out'])} people"]
    lost = format_count(step["n_lost"])
    reason = plain_label(str(step["reason"]))
    leave = [] if lost == "0" else [f"{lost} left", *textwrap.wrap(reason, 25)]
    return stay, leave


def _paint_flow(
    figure: Figure,
    start: list[str],
    plan: Sequence[tuple[list[str], list[str]]],
    heights: Sequence[float],
    classes: Sequence[tuple[str, str]],
) -> None:
    total = figure.get_size_inches()[1]
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, total)
    axes.axis("off")
    left, wide, side, side_wide = 0.08, 2.5, 2.86, 1.76
    middle = left + wide / 2
    top = total - 0.1
    start_height = PAD * 2 + LINE * len(start)
    _box(axes, left, top, wide, start_height, start, bold_last=True)
    top -= start_height
    for (stay, leave), height in zip(plan, heights, strict=True):
        _arrow(axes, (middle, top), (middle, top - GAP))
        top -= GAP
        _box(axes, left, top, wide, height, stay, bold_last=True)
        if leave:
            _box(axes, side, top, side_wide, height, leave, color="#fdf1e8", bold=True)
            _arrow(axes, (left + wide, top - height / 2), (side, top - height / 2))
        top -= height
    if classes:
        _class_boxes(axes, classes, top)


def _class_boxes(axes: Axes, classes: Sequence[tuple[str, str]], top: float) -> None:
    """Draw the phenotype classes of everybody side by side, below the last step."""
    each = (WIDTH - 0.16 - 0.08 * (len(classes) - 1)) / len(classes)
    top -= 0.12
    axes.text(0.08, top - GAP / 2, "Everybody by class:", fontsize=7.5, va="center")
    for index, (label, count) in enumerate(classes):
        lines = [*textwrap.wrap(label, int(each / 0.068)), count]
        _box(axes, 0.08 + index * (each + 0.08), top - GAP, each, 0.6, lines,
             color="#e8f2f8", bold_last=True)  # fmt: skip


def _box(
    axes: Axes,
    left: float,
    top: float,
    width: float,
    height: float,
    lines: Sequence[str],
    *,
    color: str = "white",
    bold: bool = False,
    bold_last: bool = False,
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((left, top - height), width, height, facecolor=color, edgecolor=SOFT, lw=0.8)
    )
    used = LINE * len(lines)
    for index, line in enumerate(lines):
        is_bold = (bold and index == 0) or (bold_last and index == len(lines) - 1)
        axes.text(
            left + width / 2, top - (height - used) / 2 - LINE * (index + 0.5), line,
            ha="center", va="center", fontsize=7.5, weight="bold" if is_bold else "normal",
        )  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "", xy=end, xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def match_figure(
    match_summary: pd.DataFrame, traits: pd.DataFrame, limit: float | None
) -> FigureFile | None:
    """Draw the share of each score's variants that the genotypes have."""
    if match_summary.empty:
        return None
    rows = with_traits(match_summary, traits).sort_values(
        ["match_rate", "score"], ascending=[False, True]
    )
    n_failed = int((rows["status"] != "ok").sum())
    line = f" The dashed line is the limit of {format_percent(limit, 0)}." if limit else ""
    return draw(
        "match_rates",
        f"Share of weight-file variants found in the genotypes, {len(rows)} scores",
        f"The further right, the more of a score's variants were found.{line} Crosses failed "
        "and were left out.",
        f"Dot plot of {len(rows)} scores; the lowest rate is "
        f"{format_percent(rows['match_rate'].min())}, the highest "
        f"{format_percent(rows['match_rate'].max())}; {n_failed} failed.",
        height=0.75 + MATCH_ROW * len(rows),
        paint=lambda figure: _paint_match(figure, rows, limit),
    )


def _paint_match(figure: Figure, rows: pd.DataFrame, limit: float | None) -> None:
    axes = add_axes(figure, left=MATCH_LEFT, bottom=0.5, top=0.15, right=0.25)
    rates = rows["match_rate"].to_numpy(dtype=float)
    floor = min(np.nanmin(rates) if len(rates) else 0.0, limit or 1.0)
    floor = max(0.0, np.floor(floor * 10 - 0.2) / 10)
    for y, (rate, status) in enumerate(zip(rates, rows["status"], strict=True)):
        is_ok = status == "ok"
        color = BLUE if is_ok else VERMILLION
        axes.plot([floor, rate], [y, y], color=FAINT, linewidth=1, zorder=1)
        axes.plot([rate], [y], marker="o" if is_ok else "X", color=color, markersize=3.6,
                  linestyle="none", clip_on=False)  # fmt: skip
    if limit:
        axes.axvline(limit, color=SOFT, linestyle="--", linewidth=0.9)
    labels = [shorten(str(trait), 25) for trait in rows["trait"]]
    axes.set_yticks(range(len(rows)), labels, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(floor, 1.0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.set_xlabel("Variants found (% of rows of the weight file)", x=0.3)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
