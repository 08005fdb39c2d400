"""All scores by all contrasts: how far each estimate is from chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pgs_trd.report.figures.style import (
    BLUE,
    FAINT,
    SOFT,
    VERMILLION,
    FigureFile,
    add_axes,
    draw,
    shorten,
)
from pgs_trd.report.findings import Findings
from pgs_trd.report.text import contrast_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
PANEL = 1.75
HEAD = 0.3
FOOT = 1.55
MOST_NAMES = 4
HIGHEST = 50.0
"""Where the axis ends at the latest; what is beyond is drawn at its end."""


def overview_figure(findings: Sequence[Findings]) -> FigureFile | None:
    """Draw -log10 p of every score, one panel a contrast, by the domain of its trait.

    Parameters
    ----------
    findings
        One a contrast, of the same scores.
    """
    drawn = [one for one in findings if one.table["log10_p"].notna().any()]
    if not drawn:
        return None
    n_hits = sum(len(one.significant) for one in drawn)
    return draw(
        "overview",
        f"Overview of {drawn[0].n_tests} scores in {len(drawn)} contrasts",
        "The higher a mark, the less the estimate is like chance; a triangle that points up is an "
        "odds ratio above 1, one that points down below; filled marks above the dashed "
        "line pass the Bonferroni limit of their contrast. Bands are domains of traits.",
        f"{len(drawn)} panels of minus log10 p-values; {n_hits} estimates pass their Bonferroni "
        "limit. All numbers are in the tables.",
        height=PANEL * len(drawn) + FOOT,
        paint=lambda figure: _paint(figure, drawn),
    )


def _paint(figure: Figure, findings: Sequence[Findings]) -> None:
    scores = _order(findings)
    total = float(figure.get_size_inches()[1])
    for number, one in enumerate(findings):
        bottom = total - PANEL * (number + 1)
        axes = add_axes(
            figure, left=0.5, bottom=bottom, right=0.1, top=total - bottom - PANEL + HEAD
        )
        rows = one.table.drop_duplicates("score").set_index("score").reindex(scores.index)
        _panel(axes, rows, one)
        _bands(axes, scores, is_last=number == len(findings) - 1)
        axes.set_title(
            shorten(contrast_label(one.contrast), 62), loc="left", fontsize=8, weight="bold", x=-0.1
        )


def _order(findings: Sequence[Findings]) -> pd.DataFrame:
    """Give domain and trait of every score, by domain."""
    tables = pd.concat([one.table[["score", "trait", "domain"]] for one in findings])
    unique = tables.drop_duplicates("score").sort_values(["domain", "trait"], kind="stable")
    return unique.set_index("score")


def _panel(axes: Axes, rows: pd.DataFrame, findings: Findings) -> None:
    height = np.minimum(-rows["log10_p"].to_numpy(dtype=float), HIGHEST)
    beta = rows["beta"].to_numpy(dtype=float)
    hit = rows["is_significant"].to_numpy(dtype=object) == True  # noqa: E712 - None where absent
    limit = -np.log10(findings.alpha)
    place = np.arange(len(rows))
    for chosen, marker in ((beta >= 0, "^"), (beta < 0, "v")):
        for among, color, face in ((~hit, BLUE, "white"), (hit, VERMILLION, VERMILLION)):
            use = chosen & among & np.isfinite(height)
            axes.plot(
                place[use], height[use], linestyle="none", marker=marker, markersize=4,
                color=color, markerfacecolor=face, markeredgewidth=0.8, zorder=3,
            )  # fmt: skip
    axes.axhline(limit, color=SOFT, linestyle="--", linewidth=0.9, zorder=2)
    highest = max(limit, float(np.nanmax(height)))
    axes.set_ylim(0, highest * 1.22)
    axes.set_xlim(-1, len(rows))
    axes.set_ylabel("−log₁₀ p")
    _names(axes, rows, height, hit)


def _names(axes: Axes, rows: pd.DataFrame, height: FloatArray, hit: BoolArray) -> None:
    """Name the highest hits, from the middle of the panel inwards."""
    ranked = [int(i) for i in np.argsort(-np.nan_to_num(height)) if hit[i]][:MOST_NAMES]
    taken: list[tuple[float, float]] = []
    top = axes.get_ylim()[1]
    for index in ranked:
        y = float(height[index])
        is_left = index > len(rows) / 2
        while any(abs(y - other) < 0.1 * top for _, other in taken):
            y += 0.1 * top
        if y > 0.97 * top:
            continue
        taken.append((index, y))
        axes.annotate(
            shorten(str(rows["trait"].iloc[index]), 26), (index, y),
            xytext=(-5 if is_left else 5, 0), textcoords="offset points",
            ha="right" if is_left else "left", va="center", fontsize=7,
        )  # fmt: skip


def _bands(axes: Axes, scores: pd.DataFrame, *, is_last: bool) -> None:
    """Shade every second domain, and name them under the last panel."""
    domains = scores["domain"].to_numpy()
    starts = [0, *(i for i in range(1, len(domains)) if domains[i] != domains[i - 1])]
    ends = [*starts[1:], len(domains)]
    middles = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if number % 2:
            axes.axvspan(start - 0.5, end - 0.5, color=FAINT, alpha=0.45, linewidth=0, zorder=0)
        middles.append((start + end - 1) / 2)
    labels = [shorten(str(domains[start]), 27) for start in starts]
    if is_last:
        axes.set_xticks(middles, labels, rotation=90, fontsize=7)
    else:
        axes.set_xticks([])
    axes.tick_params(axis="x", length=0)
