"""One row a score: the table that every fit returns, and what its status can be."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.wald import wald_columns

STATUSES = {
    "ok": "the numbers of the row stand",
    "firth": "the numbers stand and are Firth's: the likelihood has no finite maximum",
    "no_complete_cases": "nobody has outcome, score and all covariates; reason names the gap",
    "no_events": "nobody among the complete cases has the event",
    "no_nonevents": "everybody among the complete cases has the event",
    "too_few_people": "no more complete cases than coefficients",
    "too_few_events": "fewer events per coefficient than asked for",
    "too_few_clusters": "a clustered error needs at least two clusters",
    "constant_score": "the score does not vary among the complete cases",
    "collinear": "a column is a linear combination of others; reason names it",
    "separation": "some combination of columns separates cases from controls: no finite estimate",
    "monotone_likelihood": "the partial likelihood rises for ever: no finite estimate",
    "not_converged": "Newton's method did not settle",
    "short_follow_up": "follow-up ends before the day that was asked for",
}

# Statuses of rows whose numbers stand.
STANDING = ("ok", "firth")

FIT_COLUMNS = (
    "score",
    "beta",
    "se",
    "ci_low",
    "ci_high",
    "p_value",
    "log10_p",
    "n",
    "n_events",
    "log_likelihood",
    "iterations",
    "status",
    "reason",
)


@dataclass
class FitRows:
    """Rows of the result, filled batch by batch in any order."""

    names: tuple[str, ...]
    beta: FloatArray = field(init=False)
    se: FloatArray = field(init=False)
    log_likelihood: FloatArray = field(init=False)
    n: IntArray = field(init=False)
    n_events: IntArray = field(init=False)
    iterations: IntArray = field(init=False)
    status: list[str] = field(init=False)
    reason: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Start with rows that hold no numbers."""
        size = len(self.names)
        self.beta, self.se, self.log_likelihood = (np.full(size, np.nan) for _ in range(3))
        self.n, self.n_events, self.iterations = (np.zeros(size, dtype=np.int64) for _ in range(3))
        self.status = ["not_converged"] * size
        self.reason = [""] * size

    def refuse(self, position: int, status: str, reason: str) -> None:
        """Give one score a status and no numbers."""
        self.status[position], self.reason[position] = status, reason

    def accept(self, position: int, *, beta: float, se: float, log_likelihood: float) -> None:
        """Give one score its numbers."""
        self.status[position], self.reason[position] = "ok", ""
        self.beta[position], self.se[position] = beta, se
        self.log_likelihood[position] = log_likelihood

    def table(self, *, confidence: float, conventions: dict[str, str | float]) -> pd.DataFrame:
        """Give the result; `attrs["conventions"]` says how its numbers were made."""
        columns: dict[str, object] = {"score": list(self.names)}
        columns.update(wald_columns(self.beta, self.se, confidence=confidence))
        for name in ("n", "n_events", "log_likelihood", "iterations", "status", "reason"):
            columns[name] = getattr(self, name)
        table = pd.DataFrame(columns)[list(FIT_COLUMNS)]
        table.attrs["conventions"] = {**conventions, "confidence": confidence}
        return table


def refused_fits(
    names: list[str], status: str, reason: str, label_column: str = ""
) -> pd.DataFrame:
    """Give rows without numbers, one a score; the label of a row is the score itself."""
    rows = FitRows(tuple(names))
    for position in range(len(names)):
        rows.refuse(position, status, reason)
    table = rows.table(confidence=0.95, conventions={})
    table.attrs.clear()
    if label_column:
        table.insert(1, label_column, names)
    return table
