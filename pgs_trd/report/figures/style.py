"""How every figure looks, and how it becomes bytes that are the same each time.

Figures are narrow: at 360 pixels, the width of a phone, the smallest letters are
still nine pixels high. Colours are those of Okabe and Ito; nothing is told by
colour alone.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE = (
    "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7",
)  # fmt: skip
INK, SOFT, FAINT = "#1a1a1a", "#5c5c5c", "#d9d9d9"
SERIES = (BLUE, SOFT, VERMILLION, GREEN, PURPLE, ORANGE)
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "D", "^", "v", "P")
WIDTH = 4.7
PANEL = 1.75
N_COLUMNS = 2
FONT = 8.5
PNG_DPI = 200
FEWEST_TICKS = 4
STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
IN_LOGS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)


@dataclass(frozen=True)
class FigureFile:
    """One figure, drawn.

    Attributes
    ----------
    name
        Stem of its files.
    title
        What it shows.
    reading
        One sentence on how to read it.
    description
        What a reader who cannot see it must know.
    """

    name: str
    title: str
    reading: str
    description: str
    svg: bytes
    png: bytes

    def inline_svg(self) -> str:
        """Give the SVG as an element of a page, with ids of its own and no metadata."""
        text = self.svg.decode("utf-8")
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'\bid="', f'id="{self.name}-', text)
        text = re.sub(r'(xlink:href="|href="|url\()#', rf"\1#{self.name}-", text)
        text = text.replace("xlink:href=", "href=")
        label = f'<svg role="img" aria-labelledby="{self.name}-title {self.name}-desc" '
        text = text.replace("<svg ", label, 1)
        text = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", text, count=1)
        text = re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", text, count=1)
        head = (
            f'<title id="{self.name}-title">{_escape(self.title)}</title>'
            f'<desc id="{self.name}-desc">{_escape(self.description)}</desc>'
        )
        return re.sub(r"(<svg[^>]*>)", lambda found: found.group(1) + head, text, count=1).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@contextmanager
def figure_style(name: str) -> Iterator[None]:
    """Set what matplotlib reads from its settings, for the time of one drawing."""
    import matplotlib

    settings: dict[Any, Any] = {
        "svg.hashsalt": f"pgs_trd:{name}",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
        "font.size": FONT,
        "axes.labelsize": FONT,
        "axes.titlesize": FONT + 1,
        "xtick.labelsize": FONT - 0.5,
        "ytick.labelsize": FONT - 0.5,
        "legend.fontsize": FONT - 0.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": SOFT,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "axes.unicode_minus": True,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        yield


def draw(
    name: str,
    title: str,
    reading: str,
    description: str,
    *,
    height: float,
    paint: Callable[[Figure], None],
) -> FigureFile:
    """Draw one figure with `paint` and give its SVG and PNG.

    Parameters
    ----------
    name, title, reading, description
        As in `FigureFile`.
    height
        In inches; the width is the same for all.
    paint
        Draws on the figure it is given.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with figure_style(name):
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasAgg(figure)
        paint(figure)
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
        figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return FigureFile(name, title, reading, description, svg.getvalue(), png.getvalue())


def add_axes(
    figure: Figure, *, left: float, bottom: float, right: float = 0.15, top: float = 0.15
) -> Axes:
    """Add axes with margins in inches, so that letters fit whatever the height."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (
            left / width,
            bottom / height,
            (width - left - right) / width,
            (height - bottom - top) / height,
        )
    )


def score_panels(
    figure: Figure, table: pd.DataFrame, scores: Sequence[str], *, x_label: str, y_label: str
) -> Iterator[tuple[Axes, pd.DataFrame]]:
    """Add a small panel for each score, two a row; give it with the score's rows of `table`."""
    width, total = (float(size) for size in figure.get_size_inches())
    each = width / N_COLUMNS
    for number, score in enumerate(scores):
        row, column = divmod(number, N_COLUMNS)
        top = 0.3 + PANEL * row
        axes = add_axes(
            figure, left=0.5 + each * column, right=width - each * (column + 1) + 0.12,
            top=top, bottom=total - top - PANEL + 0.5,
        )  # fmt: skip
        own = table[table["score"] == score]
        trait = shorten(str(own["trait"].iloc[0]), 30)
        axes.set_title(trait, fontsize=8, weight="bold", loc="left")
        if column == 0:
            axes.set_ylabel(y_label, fontsize=7.5)
        if number >= len(scores) - N_COLUMNS:
            axes.set_xlabel(x_label, fontsize=7.5)
        yield axes, own


def panels_height(n_scores: int) -> float:
    """Give the inches that the panels of so many scores take."""
    return PANEL * -(-n_scores // N_COLUMNS)


def shorten(text: str, length: int) -> str:
    """Cut a label at `length` letters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def ratio_axis(axes: Axes, low: float, high: float) -> None:
    """Make the x axis one of ratios: even in logs, labelled in plain numbers."""
    low, high = min(low, 0.97), max(high, 1.03)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = ratio_ticks(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.axvline(1.0, color=SOFT, linewidth=0.8, zorder=1)


def ratio_ticks(low: float, high: float, *, most: int = 7) -> list[float]:
    """Give plain numbers between two ratios, 1 among them: even steps, or even in logs.

    There are about `most` of them, or fewer.

    Examples
    --------
    >>> ratio_ticks(0.83, 1.26), ratio_ticks(0.55, 2.1)
    ([0.9, 1.0, 1.1, 1.2], [0.7, 1.0, 1.5, 2.0])
    """
    step = next(
        s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 1e9) if (high - low) / s <= most
    )
    first, last = math.ceil(low / step), int(high / step)
    even = {round(i * step, 4) for i in range(max(first, 1), last + 1)}
    if len(even) < FEWEST_TICKS:
        even = max(even, {tick for tick in IN_LOGS if low <= tick <= high}, key=len)
    return sorted({*even, 1.0})
