"""Figures of the bias panel: one estimate seen in several ways, and what errors would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.report.figures.forest import (
    HEAD_AND_FOOT,
    RIGHT,
    ROW,
    finish_forest,
    paint_estimate,
    paint_heading,
    ratio_limits,
)
from pgs_trd.report.figures.style import (
    BLUE,
    DASHES,
    FAINT,
    SERIES,
    SKY,
    SOFT,
    VERMILLION,
    FigureFile,
    add_axes,
    draw,
    panels_height,
    ratio_axis,
    ratio_ticks,
    score_panels,
    shorten,
)
from pgs_trd.report.results import AS_MAIN
from pgs_trd.report.text import format_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT = 1.95


def approach_figure(
    table: pd.DataFrame, *, name: str, title: str, reading: str, unit: str
) -> FigureFile | None:
    """Draw the estimates of some scores, each seen in several ways.

    Parameters
    ----------
    table
        Rows score x approach: trait, approach, beta, ci_low, ci_high, status.
    name, title, reading
        As in `FigureFile`.
    unit
        "Odds ratio" or "Hazard ratio".
    """
    lines: list[tuple[str, pd.Series | None]] = []
    for _, rows in table.groupby("score", sort=False):
        lines.append((str(rows["trait"].iloc[0]), None))
        lines += [(str(row["approach"]), row) for _, row in rows.iterrows()]
    if table["beta"].notna().sum() == 0:
        return None
    return draw(
        name,
        title,
        reading,
        f"Forest plot of {table['score'].nunique()} scores, each in "
        f"{table['approach'].nunique()} ways. All numbers are in the table below the figure.",
        height=HEAD_AND_FOOT + ROW * len(lines),
        paint=lambda figure: _paint_approaches(figure, lines, unit),
    )


def _paint_approaches(
    figure: Figure, lines: Sequence[tuple[str, pd.Series | None]], unit: str
) -> None:
    axes = add_axes(figure, left=LEFT, right=RIGHT, bottom=0.5, top=0.2)
    low, high = ratio_limits(pd.DataFrame([row for _, row in lines if row is not None]))
    ratio_axis(axes, low, high)
    for y, (label, row) in enumerate(lines):
        if row is None:
            paint_heading(axes, y, label, margin=LEFT)
            continue
        is_main = label == AS_MAIN
        axes.annotate(
            shorten(label, 34), (0, y), xycoords=("axes fraction", "data"),
            xytext=(-LEFT * 72 + 10, 0), textcoords="offset points", va="center", ha="left",
            fontsize=7.5, weight="bold" if is_main else "normal",
        )  # fmt: skip
        paint_estimate(axes, y, row, is_significant=is_main)
    finish_forest(axes, len(lines), f"{unit} per SD of the score, 95% CI (log scale)", margin=LEFT)


def misclassification_figure(grid: pd.DataFrame) -> FigureFile | None:
    """Draw the corrected odds ratio of each score over the PPV, a line for each NPV."""
    if grid.empty:
        return None
    scores = list(dict.fromkeys(grid["score"]))
    return draw(
        "misclassification",
        "Odds ratios if the definition errs",
        "Each line shows what the odds ratio would be if only this share of the people called "
        "resistant are (to the left, fewer); at the right end with no wrong comparator it is the "
        "estimate itself; the steeper the line, the more depends on the definition.",
        f"{len(scores)} panels of odds ratios over the positive predictive value. All numbers are "
        "in the table.",
        height=panels_height(len(scores)) + 0.6,
        paint=lambda figure: _paint_grid(figure, grid, scores),
    )


def _paint_grid(figure: Figure, grid: pd.DataFrame, scores: list[str]) -> None:
    ends = np.exp(grid[["ci_low", "ci_high"]].to_numpy(dtype=float))
    limits = min(float(np.nanmin(ends)), 0.97), max(float(np.nanmax(ends)), 1.03)
    labels = {"x_label": "Right among the resistant (PPV)", "y_label": "Odds ratio per SD"}
    for number, (axes, own) in enumerate(score_panels(figure, grid, scores, **labels)):
        for place, (npv, part) in enumerate(own.groupby("npv", sort=False)):
            _line(axes, part, place, f"NPV {format_percent(float(str(npv)), 0)}")
        _finish_panel(axes, limits)
        if number == 0:
            axes.legend(loc="best", fontsize=6.5, frameon=False, handlelength=2)


def _line(axes: Axes, rows: pd.DataFrame, number: int, label: str) -> None:
    ratio, low, high = (
        np.exp(rows[name].to_numpy(dtype=float)) for name in ("beta", "ci_low", "ci_high")
    )
    place = rows["ppv"].to_numpy(dtype=float) + (0.004 - 0.008 * number)
    axes.errorbar(
        place, ratio, yerr=np.array([ratio - low, high - ratio]), color=SERIES[number], marker="o",
        markersize=2.5, linewidth=1, elinewidth=0.7, linestyle=DASHES[number], label=label,
    )  # fmt: skip


def _finish_panel(axes: Axes, limits: tuple[float, float]) -> None:
    low, high = limits
    axes.axhline(1.0, color=SOFT, linewidth=0.8, zorder=1)
    axes.set_yscale("log")
    axes.set_ylim(low * 0.97, high * 1.03)
    ticks = ratio_ticks(low, high, most=5)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def expected_bias_figure(expected: pd.DataFrame, main: pd.Series | None) -> FigureFile | None:
    """Draw what the estimate would tend to without any effect, over the shared cause.

    Parameters
    ----------
    expected
        Rows: `shared` (odds ratio of a hidden shared cause per SD on both) and `estimate`.
    main
        The main estimate of the score, with `beta`, `ci_low`, `ci_high`.
    """
    if expected.empty or main is None or not np.isfinite(main["beta"]):
        return None
    return draw(
        "expected_bias",
        "What a hidden shared cause would do to the score of depression",
        "The line is the odds ratio to which resistant against responsive would tend if the score "
        "had no effect at all on resistance, by how strongly a hidden cause acts on depression "
        "and on resistance; the band is the estimate found: where the line runs through it, such "
        "a cause alone would explain it.",
        f"A falling line from 1 to {np.exp(expected['estimate'].iloc[-1]):.2f}, and the estimate "
        f"{np.exp(main['beta']):.2f}. All numbers are in the table.",
        height=2.6,
        paint=lambda figure: _paint_expected(figure, expected, main),
    )


def _paint_expected(figure: Figure, expected: pd.DataFrame, main: pd.Series) -> None:
    axes = add_axes(figure, left=0.75, bottom=0.5, top=0.1, right=0.2)
    low, middle, high = (float(np.exp(main[key])) for key in ("ci_low", "beta", "ci_high"))
    axes.axhspan(low, high, color=SKY, alpha=0.25, linewidth=0, label="Estimate found, 95% CI")
    axes.axhline(middle, color=BLUE, linewidth=1, linestyle="--")
    axes.axhline(1.0, color=SOFT, linewidth=0.8)
    axes.plot(
        expected["shared"], np.exp(expected["estimate"]), color=VERMILLION, marker="o",
        markersize=3, linewidth=1.5, label="If the score had no effect",
    )  # fmt: skip
    axes.set_xscale("log")
    ticks = [1, 1.5, 2, 3, 5, 8]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("Odds ratio of the hidden cause per SD, on both")
    axes.set_ylabel("Odds ratio per SD of the score")
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="best", frameon=True, framealpha=0.9, edgecolor="none")


def controls_figure(table: pd.DataFrame, null: tuple[float, float]) -> FigureFile | None:
    """Draw negative controls and other scores by estimate and standard error.

    Parameters
    ----------
    table
        Rows: trait, beta, se, `is_control`, `is_named`.
    null
        Mean and standard deviation of the systematic error, in log odds.
    """
    if table.empty:
        return None
    n_controls = int(table["is_control"].sum())
    return draw(
        "negative_controls",
        f"{n_controls} negative controls, and the other scores",
        "Each mark is one score by its estimate and its standard error; squares are the negative "
        "controls, whose true odds ratio is 1; between the grey lines p is above 0.05, between "
        "the vermillion ones it is after calibration by the controls; controls should lie "
        "between the grey lines but for one in twenty.",
        f"Scatter plot of {len(table)} scores. All numbers are in the table.",
        height=3.2,
        paint=lambda figure: _paint_controls(figure, table, null),
    )


def _paint_controls(figure: Figure, table: pd.DataFrame, null: tuple[float, float]) -> None:
    axes = add_axes(figure, left=0.7, bottom=0.5, top=0.1, right=0.2)
    ratio, se = np.exp(table["beta"].to_numpy(float)), table["se"].to_numpy(float)
    top = 1.15 * float(se.max())
    errors = np.linspace(0, top, 60)
    mean, sd = null
    for number, (middle, spread, color) in enumerate(
        ((0.0, errors, SOFT), (mean, np.sqrt(errors**2 + sd**2), VERMILLION))
    ):
        for sign in (-1, 1):
            axes.plot(
                np.exp(middle + sign * 1.959964 * spread), errors, color=color, linewidth=1,
                linestyle=DASHES[number],
            )  # fmt: skip
    is_control = table["is_control"].to_numpy(dtype=bool)
    for chosen, color, marker, label in (
        (~is_control, BLUE, "o", "Other scores"),
        (is_control, SOFT, "s", "Negative controls"),
    ):
        axes.plot(
            ratio[chosen], se[chosen], linestyle="none", marker=marker, markersize=3.2,
            color=color, markerfacecolor="white", label=label,
        )  # fmt: skip
    ends = np.exp(np.r_[-1.0, 1.0] * 2.6 * top / 1.15)
    low, high = min(float(ratio.min()) * 0.97, ends[0]), max(float(ratio.max()) * 1.03, ends[1])
    ratio_axis(axes, low, high)
    axes.set_ylim(top, 0)
    axes.set_xlabel("Odds ratio per SD of the score (log scale)")
    axes.set_ylabel("Standard error")
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="none")
