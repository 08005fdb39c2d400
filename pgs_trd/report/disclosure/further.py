"""Tables besides the main ones through the gate: other definitions, and what others add.

They show no counts. Their people are those of the main tables, a few more or fewer, so
that standard errors must not tell more than the main ones do. Rows of a model of the main
tables are withheld with it and widened as it is. Rows of other people, by another
definition say, have the standard errors of counts rounded down to a multiple of the
threshold: of two that differ by a few the reader learns that they are alike, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray
from pgs_trd.report.disclosure.counts import (
    WITHHELD,
    SuppressionLog,
    as_count,
    is_small,
)
from pgs_trd.report.disclosure.estimates import ESTIMATES, TIME_TO_TRD
from pgs_trd.report.disclosure.widening import widen
from pgs_trd.report.results import FurtherTable

SENSITIVITY_COLUMNS = ("definition", "contrast", "score", *ESTIMATES, "n_strata", "status")
SMALL = "statistic from 1 to threshold people"
TELLS = "statistic that tells counts that are not shown"
ShownCounts = set[tuple[str, str, str, int, int]]
SIGNIFICANT_DIGITS = 4


def disclose_sensitivity(table: pd.DataFrame, threshold: int, log: SuppressionLog) -> pd.DataFrame:
    """Put pooled estimates under many definitions through the gate.

    Parameters
    ----------
    table
        Rows definition x contrast x score with `n`, `n_events` and estimates.
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
    factor = _factors(table["n_events"], table["n"] - table["n_events"], threshold)
    hidden = np.isnan(factor) & shown["beta"].notna().to_numpy()
    log.add("definitions", SMALL, int(hidden.sum()))
    shown = widen(shown, np.nan_to_num(factor, nan=1.0))
    for column in ESTIMATES:
        if column in shown:
            shown.loc[hidden, column] = np.nan
    shown.loc[hidden, "status"] = WITHHELD
    return shown


def _factors(cases: pd.Series, controls: pd.Series, threshold: int) -> FloatArray:
    pairs = zip(map(as_count, cases), map(as_count, controls), strict=True)
    return np.array(
        [np.nan if a is None or b is None else _factor(a, b, threshold) for a, b in pairs]
    )


def _factor(n_cases: int, n_controls: int, threshold: int) -> float:
    """Give the factor to the errors of so many people, rounded down; NaN for few."""
    if is_small(n_cases, threshold) or is_small(n_controls, threshold):
        return float("nan")
    if threshold == 0 or not n_cases or not n_controls:
        return 1.0
    least = [count // threshold * threshold for count in (n_cases, n_controls)]
    known = n_cases * n_controls / (n_cases + n_controls)
    return float(np.sqrt(known / (least[0] * least[1] / sum(least))))


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
    factor = _row_factors(further, table, factors, threshold)
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
    log.add(further.name, SMALL, n_few)
    return replace(further, table=shown, counts=())


def _row_factors(
    further: FurtherTable,
    table: pd.DataFrame,
    factors: Mapping[tuple[str, str], float],
    threshold: int,
) -> FloatArray:
    """Give the factor of each row: that of its model, else by its own counts."""
    if "stratum" in further.text:
        contrasts = table["contrast"] if "contrast" in further.text else [TIME_TO_TRD] * len(table)
        keys = zip(map(str, table["stratum"]), map(str, contrasts), strict=True)
        return np.array([factors.get(key, float("nan")) for key in keys], dtype=np.float64)
    if "se" in further.numbers and len(further.counts) == 2:
        cases, controls = (table[name] for name in further.counts)
        return _factors(cases, controls, threshold)
    return np.ones(len(table))


def _four_digits(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
