"""One row for every coefficient that a call asks about: scores, their interactions, classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.results import FIT_COLUMNS
from pgs_trd.models.wald import wald_columns

NUMBERS = ("beta", "se", "ci_low", "ci_high", "p_value", "log10_p")


@dataclass(frozen=True)
class Tested:
    """Intervals and tests that are not Wald's, (n_scores, n_labels) each.

    `distance` is the root of the likelihood ratio statistic.
    """

    ci_low: FloatArray
    ci_high: FloatArray
    distance: FloatArray


@dataclass
class TermRows:
    """Rows of a result, filled batch by batch in any order.

    Attributes
    ----------
    names
        Of the scores.
    labels
        What distinguishes the rows of one score, such as "score" and "score:sex".
    label_column
        Name of their column; "" if there is one row a score.
    extra
        Further columns, one value a score.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...] = ("",)
    label_column: str = ""
    confidence: float = 0.95
    extra: dict[str, FloatArray] = field(default_factory=dict)
    log_likelihood: FloatArray = field(init=False)
    n: IntArray = field(init=False)
    n_events: IntArray = field(init=False)
    iterations: IntArray = field(init=False)
    status: list[str] = field(init=False)
    reason: list[str] = field(init=False)
    numbers: dict[str, FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        """Start with rows that hold no numbers."""
        size = len(self.names)
        self.log_likelihood = np.full(size, np.nan)
        self.n, self.iterations = (np.zeros(size, dtype=np.int64) for _ in range(2))
        self.n_events = np.zeros((size, len(self.labels)), dtype=np.int64)
        self.status, self.reason = ["not_converged"] * size, [""] * size
        self.numbers = {name: np.full((size, len(self.labels)), np.nan) for name in NUMBERS}

    def refuse(self, position: int, status: str, reason: str) -> None:
        """Give one score a status and no numbers."""
        self.status[position], self.reason[position] = status, reason

    def accept(
        self,
        positions: IntArray,
        beta: FloatArray,
        se: FloatArray,
        *,
        log_likelihood: FloatArray,
        tested: Tested | None = None,
        status: str = "ok",
        reason: str = "",
    ) -> None:
        """Give some scores their numbers, (n_scores, n_labels)."""
        columns = wald_columns(beta, se, confidence=self.confidence)
        if tested is not None:
            # The p-value of a chi-square of one degree is that of its root.
            by_ratio = wald_columns(tested.distance, np.ones_like(se), confidence=self.confidence)
            columns |= {"ci_low": tested.ci_low, "ci_high": tested.ci_high}
            columns |= {name: by_ratio[name] for name in ("p_value", "log10_p")}
        for name in NUMBERS:
            self.numbers[name][positions] = columns[name]
        self.log_likelihood[positions] = log_likelihood
        for position in positions.tolist():
            self.status[position], self.reason[position] = status, reason

    def table(self, conventions: dict[str, str | float]) -> pd.DataFrame:
        """Give the result; `attrs["conventions"]` says how its numbers were made."""
        times = len(self.labels)
        columns: dict[str, object] = {name: self.numbers[name].ravel() for name in NUMBERS}
        columns["score"] = np.repeat(np.array(self.names, dtype=object), times)
        columns["n_events"] = self.n_events.ravel()
        for name in ("n", "log_likelihood", "iterations"):
            columns[name] = np.repeat(getattr(self, name), times)
        for name in ("status", "reason"):
            columns[name] = np.repeat(np.array(getattr(self, name), dtype=object), times)
        order = list(FIT_COLUMNS)
        if self.label_column:
            columns[self.label_column] = [
                f"{name}{label}" if label.startswith(":") else label or name
                for name in self.names
                for label in self.labels
            ]
            order.insert(1, self.label_column)
        for name, values in self.extra.items():
            columns[name] = np.repeat(values, times)
            order.insert(order.index("n"), name)
        table = pd.DataFrame(columns)[order]
        table.attrs["conventions"] = {**conventions, "confidence": self.confidence}
        return table


def normal_quantile(confidence: float) -> float:
    """Give the half width of an interval in standard errors."""
    return float(ndtri(0.5 + confidence / 2))
