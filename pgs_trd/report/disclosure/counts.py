"""When a count of people may be shown, and what stands in its place if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError

Record = dict[str, object]
WITHHELD = "withheld"
"""Stands for a count that could be shown, were it not that it gives another one back."""


def check_threshold(threshold: int) -> None:
    """Raise a UsageError unless small counts can be hidden under `threshold`.

    Zero switches the control off. One cannot be: zeros are shown, so that "≤1"
    would say one.
    """
    if threshold < 0 or threshold == 1:
        raise UsageError(
            f"threshold is {threshold}: it must be 0 (show every count) or at least 2, "
            "because a hidden 1 would read '≤1' where zeros are shown"
        )


def is_small(count: float, threshold: int) -> bool:
    """Tell whether a count lies in 1..threshold."""
    return 1 <= count <= threshold


def small_label(threshold: int) -> str:
    """Write what stands in the place of a count of 1..threshold."""
    return f"≤{threshold}"


def is_near(count: float, anchors: Iterable[float], threshold: int) -> bool:
    """Tell whether `count` differs from one of `anchors` by 1..threshold.

    Two counts of nested groups, both shown, give the difference away: 400 cases
    in one table and 397 in the next say that 3 people were left out.
    """
    return any(is_small(abs(count - anchor), threshold) for anchor in anchors)


def as_count(value: object) -> int | None:
    """Give a table's cell as a whole number, or None where it is missing."""
    if not isinstance(value, int | float | np.integer | np.floating) or value != value:
        return None
    return int(value)


def as_records(table: pd.DataFrame) -> list[Record]:
    """Give the rows of a table as dicts by column name."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


@dataclass
class SuppressionLog:
    """How many cells of which table were hidden, and why; never which, nor their values."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, table: str, reason: str, n_cells: int = 1) -> None:
        """Count `n_cells` more cells of `table` as hidden for `reason`."""
        if n_cells:
            self.counts[table, reason] += n_cells

    def to_table(self) -> pd.DataFrame:
        """Give the log with one row a table and reason."""
        rows = [(table, reason, n) for (table, reason), n in sorted(self.counts.items())]
        return pd.DataFrame(rows, columns=["table", "reason", "n_hidden"])
