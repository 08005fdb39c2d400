"""What the class counts say, and whether another number would say more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.report.disclosure.counts import SuppressionLog
from pgs_trd.report.disclosure.grid import SHOWN, FloatArray, SuppressedGrid, suppress_grid

CLASSES_OF_SIDE: dict[str, tuple[str, ...]] = {
    "trd": ("trd",),
    "responsive": ("responsive",),
    "neither": ("neither",),
    "mdd": ("responsive", "trd", "neither"),
    "none": ("no_mdd",),
}
"""Phenotypes that stand on each side of a contrast such as `trd_vs_responsive`."""
COST_OF_CLASS = {"neither": 0, "no_mdd": 1, "responsive": 2, "trd": 3}
"""What is lost with a class that protects another: the main contrast is the last to go."""


@dataclass(frozen=True)
class ClassLedger:
    """The table of stratum by phenotype that every other count hangs on.

    Model counts are sums of its cells. Such a sum may be shown if it follows
    from what the table shows already: then it says nothing new.
    """

    strata: tuple[str, ...]
    classes: tuple[str, ...]
    grid: SuppressedGrid

    def knows(self, strata: Sequence[str], classes: Sequence[str]) -> bool:
        """Tell whether all strata and any of the classes are in the table."""
        return set(strata) <= set(self.strata) and bool(set(classes) & set(self.classes))

    def count(self, strata: Sequence[str], classes: Sequence[str]) -> int:
        """Sum the people of `classes` in `strata`; a class that nobody is in counts 0."""
        return int((self._indicator(strata, classes) * self.grid.counts[:-1, :-1]).sum())

    def is_open(self, strata: Sequence[str], classes: Sequence[str]) -> bool:
        """Tell whether the sum over `classes` in `strata` follows from the shown cells.

        It does if its indicator is a linear combination of the indicators of the
        shown cells and totals.
        """
        target = self._indicator(strata, classes).ravel()
        shown = self._shown_equations()
        if not len(shown):
            return not target.any()
        solution, *_ = np.linalg.lstsq(shown.T, target, rcond=None)
        return bool(np.allclose(shown.T @ solution, target, atol=1e-8))

    def _indicator(self, strata: Sequence[str], classes: Sequence[str]) -> FloatArray:
        in_strata = np.array([name in strata for name in self.strata], dtype=float)
        in_classes = np.array([name in classes for name in self.classes], dtype=float)
        return np.outer(in_strata, in_classes)

    def _shown_equations(self) -> FloatArray:
        shape = len(self.strata), len(self.classes)
        rows = []
        for i, j in np.argwhere(self.grid.status == SHOWN):
            indicator = np.zeros(shape)
            indicator[slice(None) if i == shape[0] else i, slice(None) if j == shape[1] else j] = 1
            rows.append(indicator.ravel())
        return np.array(rows)


def open_ledger(class_counts: pd.DataFrame, threshold: int, log: SuppressionLog) -> ClassLedger:
    """Put the class counts through the gate; phenotypes and strata keep their order."""
    if class_counts.empty:
        empty = suppress_grid(np.zeros((0, 0), dtype=np.int64), threshold)
        return ClassLedger((), (), empty)
    strata = tuple(dict.fromkeys(str(name) for name in class_counts["stratum"]))
    classes = tuple(dict.fromkeys(str(name) for name in class_counts["phenotype"]))
    counts = np.zeros((len(strata), len(classes)), dtype=np.int64)
    rows = class_counts[["stratum", "phenotype", "n_people"]].itertuples(index=False)
    for stratum, phenotype, n_people in rows:
        counts[strata.index(str(stratum)), classes.index(str(phenotype))] += int(n_people)
    cost = [COST_OF_CLASS.get(name, 1) for name in classes]
    grid = suppress_grid(counts, threshold, cost=cost)
    log.add("class_counts", "count of 1 to threshold", grid.n_small)
    log.add("class_counts", "would give a small count back", grid.n_hidden)
    return ClassLedger(strata, classes, grid)


def disclose_class_counts(ledger: ClassLedger) -> pd.DataFrame:
    """Give the class counts as shown: one row a stratum, one column a phenotype, totals."""
    if not ledger.strata:
        return pd.DataFrame()
    names = [*ledger.strata, "all"]
    table = pd.DataFrame({"stratum": names})
    for column, name in enumerate([*ledger.classes, "all"]):
        table[name] = [ledger.grid.cell(row, column) for row in range(len(names))]
    return table
