"""Effects of discovery, corrected for their selection, and in replication."""

from __future__ import annotations

import pandas as pd

from pgs_trd.report.figures.forest import HEAD_AND_FOOT, ROW, paint_blocks
from pgs_trd.report.figures.style import FigureFile, draw
from pgs_trd.report.text import contrast_label

MOST_TRAITS = 12
KINDS = (
    ("discovery", "discovery", "stratum"),
    ("corrected", "discovery, corrected", "stratum"),
    ("replication", "replication", "pooled"),
)


def replication_figure(found: pd.DataFrame) -> FigureFile | None:
    """Draw the effects of the first contrast that has any, three lines a score.

    Parameters
    ----------
    found
        As `replication.find_replication` gives it.
    """
    if found.empty:
        return None
    contrast = str(found["contrast"].iloc[0])
    own = found[found["contrast"] == contrast]
    rows = own[own["sample"] == own["sample"].iloc[0]].sort_values("discovery_p_value")
    blocks: list[tuple[str, pd.Series | None, str]] = []
    for _, row in rows.head(MOST_TRAITS).iterrows():
        blocks.append((str(row["trait"]), None, "head"))
        for name, label, kind in KINDS:
            ends = {end: row[f"{name}_{end}"] for end in ("beta", "ci_low", "ci_high")}
            blocks.append((label, pd.Series({**ends, "status": "withheld"}), kind))
    return draw(
        "replication",
        f"{contrast_label(contrast)}: discovery and replication",
        "The first circle is the estimate that passed the limit, the second the same corrected "
        "for having been chosen, the diamond that of other people; it should meet the second.",
        f"Forest plot of {min(len(rows), MOST_TRAITS)} scores in discovery and replication. All "
        "numbers are in the table.",
        height=HEAD_AND_FOOT + ROW * 1.1 * len(blocks),
        paint=lambda figure: paint_blocks(figure, blocks),
    )
