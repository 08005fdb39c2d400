"""Where strata lie on the components of ancestry, through the gate.

A square of a plane is shown if it holds more people of the stratum than the threshold, and
says no more than that. Of the people of a stratum some must be left over: where the squares
shown, at the least they can hold, leave fewer than the protection of a hidden cell, the
reader would know each square, and what lies outside, to within a few people.
"""

from __future__ import annotations

import pandas as pd

from pgs_trd.report.disclosure.counts import SuppressionLog
from pgs_trd.report.disclosure.grid import protection

COLUMNS = (
    "stratum", "horizontal", "vertical", "x_low", "x_high", "y_low", "y_high", "more_than",
)  # fmt: skip
MANY = 100
"""Squares of more people than this, or than five times the threshold, are marked dense."""


def disclose_components(table: pd.DataFrame, threshold: int, log: SuppressionLog) -> pd.DataFrame:
    """Put the squares of the planes of components through the gate.

    Parameters
    ----------
    table
        As `StudyResults.components`.
    threshold
        Squares of at most so many people of a stratum are not shown.
    log
        Told how many squares were left out, or not marked dense.

    Returns
    -------
    DataFrame
        The squares that may be shown. `more_than` is all that is said of their people.
    """
    if table.empty:
        return pd.DataFrame()
    parts = [
        _disclose_plane(rows, threshold, log)
        for _, rows in table.groupby(["horizontal", "vertical", "stratum"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _disclose_plane(rows: pd.DataFrame, threshold: int, log: SuppressionLog) -> pd.DataFrame:
    """Choose the squares of one stratum in one plane."""
    n_all = int(rows["n_people"].sum())
    shown = rows[rows["n_people"] > threshold].sort_values("n_people", kind="stable")
    log.add("components", "count of 1 to threshold", len(rows) - len(shown))
    dense = max(MANY, 5 * threshold)
    more_than = shown["n_people"].map(lambda n: dense if n > dense else threshold)

    def left_over() -> int:
        return n_all - int((more_than + 1).sum())

    if left_over() < protection(threshold):
        log.add("components", "would give a small count back", int((more_than > threshold).sum()))
        more_than[:] = threshold
    while len(more_than) and left_over() < protection(threshold):
        log.add("components", "would give a small count back")
        more_than = more_than.iloc[1:]
    kept = rows.loc[more_than.index].assign(more_than=more_than)
    return kept.sort_values(["x_low", "y_low"])
