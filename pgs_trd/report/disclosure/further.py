"""Tables besides the main ones through the gate: other definitions, and what others add.

They show no counts. Their people are those of the main tables, a few more or fewer, so
that standard errors must not tell more than the main ones do. Rows of a model of the main
tables are withheld with it and widened as it is. Rows of other people, by another
definition say, have the standard errors of counts rounded down (see `anchors`): of two that
differ by a few the reader learns that they are alike, and no more. Rows that are the main
models again are shown as these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray
from pgs_trd.report.disclosure.anchors import Anchors, anchored_factor, key_of
from pgs_trd.report.disclosure.counts import (
    WITHHELD,
    Record,
    SuppressionLog,
    as_count,
    as_records,
    is_small,
)
from pgs_trd.report.disclosure.estimates import ESTIMATES, TIME_TO_TRD, Sides
from pgs_trd.report.disclosure.widening import widen
from pgs_trd.report.results import FurtherTable

SENSITIVITY_COLUMNS = ("definition", "contrast", "score", *ESTIMATES, "n_strata", "status")
SMALL = "statistic from 1 to threshold people"
TELLS = "statistic that tells counts that are not shown"
ShownCounts = set[tuple[str, str, str, int, int]]
SIGNIFICANT_DIGITS = 4
SAME = 1e-6


@dataclass(frozen=True)
class MainModels:
    """The pooled main models, and from which counts those of others are rounded down.

    Attributes
    ----------
    rows
        As they are shown, by contrast and score.
    betas
        As they are.
    anchors
        From `find_anchors`.
    """

    rows: Mapping[tuple[str, str], Mapping[str, object]]
    betas: Mapping[tuple[str, str], float]
    anchors: Anchors

    def factor(self, key: tuple[str, str], sides: Sides, threshold: int, is_cox: bool) -> float:
        """Give the factor to the errors of a model of these people; NaN for few."""
        if any(count is None or is_small(count, threshold) for count in sides):
            return float("nan")
        cases, controls = (int(count or 0) for count in sides)
        if not cases or not controls:
            return 1.0
        anchor = self.anchors.get(key, (0, 0))
        if anchor is None:
            return float("nan")
        return anchored_factor((cases, controls), anchor, threshold, is_cox=is_cox)

    def put_in(self, shown: pd.DataFrame, true: pd.DataFrame) -> pd.DataFrame:
        """Put the main estimates in the place of rows that are the main models again.

        Where these are pooled anew from widened errors, the estimate as it was would tell
        by how much they were widened.
        """
        found = []
        for row, beta in zip(as_records(shown), true["beta"], strict=True):
            main = self.betas.get(key_of(row), np.nan)
            is_shown = np.isfinite(float(str(row["beta"])))
            is_main = is_shown and np.isclose(float(beta), main, rtol=SAME, atol=0)
            found.append(self.rows[key_of(row)] if is_main else row)
        changed = shown.copy()
        for column in (*ESTIMATES, "status"):
            if column in shown:
                values = [row.get(column, np.nan) for row in found]
                changed[column] = pd.Series(values, index=shown.index, dtype=shown[column].dtype)
        return changed


def main_models(
    pooled: Sequence[tuple[pd.DataFrame, pd.DataFrame]], anchors: Anchors
) -> MainModels:
    """Collect the pooled rows of association and progression, before and after the gate."""
    rows, betas = {}, {}
    for true, shown in pooled:
        for before, row in zip(as_records(true), as_records(shown), strict=True):
            rows[key_of(row)] = row
            betas[key_of(row)] = float(str(before["beta"]))
    return MainModels(rows, betas, anchors)


def disclose_sensitivity(
    table: pd.DataFrame,
    main: MainModels,
    threshold: int,
    log: SuppressionLog,
) -> pd.DataFrame:
    """Put pooled estimates under many definitions through the gate.

    Parameters
    ----------
    table
        Rows definition x contrast x score with `n`, `n_events` and estimates.
    main
        The main models.
    threshold
        Largest count that is hidden.
    log
        Told how many rows were hidden.

    Returns
    -------
    DataFrame
        The same rows without counts and heterogeneity.
    """
    if table.empty:
        return pd.DataFrame()
    shown = table[[c for c in SENSITIVITY_COLUMNS if c in table.columns]].reset_index(drop=True)
    rows = as_records(table)
    factor = np.array(
        [main.factor(key_of(row), _sides(row, "n_events", "n"), threshold, False) for row in rows]
    )
    hidden = np.isnan(factor) & shown["beta"].notna().to_numpy()
    log.add("definitions", SMALL, int(hidden.sum()))
    shown = widen(shown, np.nan_to_num(factor, nan=1.0))
    for column in ESTIMATES:
        if column in shown:
            shown.loc[hidden, column] = np.nan
    shown.loc[hidden, "status"] = WITHHELD
    return main.put_in(shown, table)


def _sides(row: Record, events: str, people: str) -> Sides:
    n, cases = as_count(row[people]), as_count(row[events])
    return cases, None if n is None or cases is None else n - cases


def model_factors(*tables: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Give the factor of the standard errors of each model shown; NaN for withheld ones.

    Parameters
    ----------
    tables
        Disclosed tables by stratum, with `contrast`, `hidden` and `factor`.
    """
    factors: dict[tuple[str, str], float] = {}
    for table in tables:
        if table.empty:
            continue
        for (stratum, contrast), rows in table.groupby(["stratum", "contrast"]):
            worst = float("nan") if rows["hidden"].any() else float(rows["factor"].max())
            factors[str(stratum), str(contrast)] = worst
    return factors


def shown_counts(association: pd.DataFrame) -> ShownCounts:
    """Give stratum, contrast, score, cases and controls where a disclosed table shows them."""
    if association.empty:
        return set()
    found: ShownCounts = set()
    for row in association[association["beta"].notna()].to_dict("records"):
        cases, controls = as_count(row["n_cases"]), as_count(row["n_controls"])
        if cases is not None and controls is not None:
            model = str(row["stratum"]), str(row["contrast"]), str(row["score"])
            found.add((*model, cases, controls))
    return found


def disclose_further(
    further: FurtherTable,
    factors: Mapping[tuple[str, str], float],
    open_counts: ShownCounts,
    main: MainModels,
    threshold: int,
    log: SuppressionLog,
) -> FurtherTable:
    """Put one further table through the gate.

    Parameters
    ----------
    further
        The table.
    factors
        From `model_factors`. A row of a model that is not there is withheld.
    open_counts
        From `shown_counts`, for tables whose numbers tell their people.
    main
        The main models.
    threshold
        Largest count that is hidden.
    log
        Told how many rows were withheld.

    Returns
    -------
    FurtherTable
        Without counts; numbers have four digits, or are NaN where they are withheld.
    """
    table = further.table.reset_index(drop=True)
    shown = table[[*further.text, *further.numbers]].copy()
    factor = _row_factors(further, table, factors, main, threshold)
    few = np.isnan(factor)
    for column in further.counts:
        counts = [as_count(value) for value in table[column]]
        few |= [count is None or is_small(count, threshold) for count in counts]
    if further.groups and len(table):
        keys = [table[name] for name in further.groups]
        few = pd.Series(few).groupby(keys).transform("any").to_numpy()
    if further.tells_counts:
        named = ["stratum", "contrast", "score", *further.counts]
        rows = table[named].itertuples(index=False)
        closed = np.array([tuple(row) not in open_counts for row in rows], dtype=bool)
        log.add(further.name, TELLS, int((closed & ~few).sum()))
        n_few, few = int(few.sum()), few | closed
    else:
        n_few = int(few.sum())
    if "se" in further.numbers:
        shown = widen(shown, np.where(few, 1.0, factor))
    for column in further.numbers:
        shown[column] = shown[column].astype(float).map(_four_digits)
        shown.loc[few, column] = np.nan
    if "status" in further.text:
        shown.loc[few, "status"] = WITHHELD
    if "se" in further.numbers and "stratum" not in further.text:
        shown = main.put_in(shown, table)
    log.add(further.name, SMALL, n_few)
    return replace(further, table=shown, counts=())


def _row_factors(
    further: FurtherTable,
    table: pd.DataFrame,
    factors: Mapping[tuple[str, str], float],
    main: MainModels,
    threshold: int,
) -> FloatArray:
    """Give the factor of each row: that of its model, else by its own counts."""
    if "stratum" in further.text:
        contrasts = table["contrast"] if "contrast" in further.text else [TIME_TO_TRD] * len(table)
        keys = zip(map(str, table["stratum"]), map(str, contrasts), strict=True)
        return np.array([factors.get(key, float("nan")) for key in keys], dtype=np.float64)
    if "se" in further.numbers and len(further.counts) == 2:
        first, second = further.counts
        return np.array(
            [
                main.factor(
                    key_of(row),
                    (as_count(row[first]), as_count(row[second])),
                    threshold,
                    further.is_cox,
                )
                for row in as_records(table)
            ],
            dtype=np.float64,
        )
    return np.ones(len(table))


def _four_digits(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
