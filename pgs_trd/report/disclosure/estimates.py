"""Model rows through the gate: estimates of few people, and sums that give counts back.

From a standard error and one of the two counts the other can be worked out, so a
row whose cases or controls are few is hidden whole. The same holds for a pooled
row less all of its strata but one.

Where a row's counts are withheld because they differ by 1..threshold from others
that are shown, its estimates stay, with standard errors that are widened so that
they do not tell the number: see `widening`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pgs_trd.report.disclosure.counts import (
    WITHHELD,
    Record,
    SuppressionLog,
    as_count,
    as_records,
    is_near,
    is_small,
    small_label,
)
from pgs_trd.report.disclosure.ledger import CLASSES_OF_SIDE, ClassLedger
from pgs_trd.report.disclosure.widening import pool_again, widen, widening_factor

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Sides = tuple[int | None, int | None]
ESTIMATES = ("beta", "se", "ci_low", "ci_high", "p_value", "log10_p")
HETEROGENEITY = ("q", "q_p_value", "i2", "tau2")
COUNTS = ("n", "n_events", "n_cases", "n_controls")
ASSOCIATION_COLUMNS = ("stratum", "contrast", "score", *ESTIMATES, *COUNTS, "status")
POOLED_COLUMNS = (
    "contrast", "score", *ESTIMATES, "n_strata", "n_strata_out", "n", "n_events",
    *HETEROGENEITY, "status",
)  # fmt: skip
FEWEST_HIDDEN_FOR_HETEROGENEITY = 3
SMALL_REASON = "estimate from 1 to threshold people on one side"
LINKED_REASON = "estimate would give a hidden class count back"
POOLED_REASON = "estimate would follow from the pooled one"
NEAR_REASON = "count differs by 1 to threshold from another shown"
WIDENED_REASON = "standard error widened: the counts are withheld"
HETEROGENEITY_REASON = "heterogeneity would give hidden strata back"
TIME_TO_TRD = "time_to_trd"
"""Stands for the contrast in tables of the Cox models, which have none."""


@dataclass(frozen=True)
class ModelGate:
    """What is needed to judge a row of a model table."""

    ledger: ClassLedger
    threshold: int
    log: SuppressionLog

    def sides(self, contrast: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Give the phenotypes that are cases and controls of a contrast, if it says so."""
        if contrast == TIME_TO_TRD:
            mdd = CLASSES_OF_SIDE["mdd"]
            return ("trd",), tuple(name for name in mdd if name != "trd")
        cases, _, controls = contrast.partition("_vs_")
        if cases in CLASSES_OF_SIDE and controls in CLASSES_OF_SIDE:
            return CLASSES_OF_SIDE[cases], CLASSES_OF_SIDE[controls]
        return None

    def strata(self, stratum: str) -> tuple[str, ...]:
        """Give the strata that a row is about: "all" is every one."""
        return self.ledger.strata if stratum == "all" else (stratum,)

    def says_something_new(self, strata: Sequence[str], contrast: str) -> bool:
        """Tell whether the counts of a contrast would add to what the class counts show."""
        if not set(strata) <= set(self.ledger.strata) or not strata:
            return False
        sides = self.sides(contrast)
        if sides is None:
            return not self.ledger.is_open(strata, self.ledger.classes)
        return not all(self.ledger.is_open(strata, side) for side in sides)

    def class_sides(self, strata: Sequence[str], contrast: str) -> Sides:
        """Give the people of the class counts on each side of a contrast, if they are known."""
        sides = self.sides(contrast)
        if sides is None:
            return None, None
        first, second = (
            self.ledger.count(strata, side) if self.ledger.knows(strata, side) else None
            for side in sides
        )
        return first, second

    def is_near_classes(self, strata: Sequence[str], contrast: str, sides: Sides) -> bool:
        """Tell whether a model's counts differ from the class counts by a few people."""
        return _is_near_pair(sides, self.class_sides(strata, contrast), self.threshold)


def disclose_strata(
    table: pd.DataFrame, pooled: pd.DataFrame, gate: ModelGate, name: str
) -> pd.DataFrame:
    """Put a table of model rows by stratum through the gate.

    Parameters
    ----------
    table
        Rows stratum x contrast x score; a Cox table has no contrast.
    pooled
        The same models pooled: what it shows decides what must be hidden here.
    gate
        Class counts, threshold and log.
    name
        The table's name in the log.

    Returns
    -------
    DataFrame
        The same rows, columns of known meaning only. Numbers of hidden rows are
        NaN and their status is "withheld"; counts are int or the mark in their
        place; `hidden` says whether the estimates are gone.
    """
    if table.empty:
        return pd.DataFrame()
    shown = _with_contrast(table)
    columns = [column for column in ASSOCIATION_COLUMNS if column in shown.columns]
    shown = shown[columns].reset_index(drop=True)
    reasons = pd.Series([_reason(row, gate) for row in as_records(shown)])
    _protect_from_pooled(shown, reasons, _with_contrast(pooled))
    near = _near_rows(shown, gate)
    is_shown = (reasons == "").to_numpy()
    factor = np.where(is_shown, _factors(shown, near, gate), 1.0)
    # Where the factor is not known the estimates go.
    reasons[is_shown & np.isnan(factor)] = NEAR_REASON
    for reason, rows in reasons.groupby(reasons):
        if reason:
            gate.log.add(name, str(reason), len(rows))
    gate.log.add(name, NEAR_REASON, int((near & (reasons == "")).sum()))
    # Also where the factor happens to be 1: that it is would tell the number.
    is_widened = near.to_numpy() & (reasons == "").to_numpy()
    gate.log.add(name, WIDENED_REASON, int(is_widened.sum()))
    factor = np.nan_to_num(factor, nan=1.0)
    shown = widen(shown, factor).assign(se_widened=is_widened, factor=factor)
    return _blank(shown, (reasons != "").to_numpy(), near, gate.threshold)


def disclose_pooled(
    table: pd.DataFrame,
    strata: pd.DataFrame,
    gate: ModelGate,
    name: str,
    *,
    pooled_from: pd.DataFrame,
    method: str = "fixed",
) -> pd.DataFrame:
    """Put a table of pooled rows through the gate, after the strata it was made from.

    `strata` are the disclosed rows, `pooled_from` the same rows before; rows that rest on
    a widened stratum are pooled again by `method`.

    A pooled row is hidden if its own counts are small, or if it rests on one
    hidden stratum alone. Its counts are hidden if they, less the strata that
    are shown, leave a hidden one; its heterogeneity if two strata are hidden,
    because with it there would be as many equations as unknowns.
    """
    if table.empty:
        return pd.DataFrame()
    again = pool_again(table, pooled_from, strata, method) if len(strata) else table
    shown = _with_contrast(again)
    shown = shown[[c for c in POOLED_COLUMNS if c in shown.columns]].reset_index(drop=True)
    parts = dict(list(strata.groupby(["contrast", "score"]))) if len(strata) else {}
    hidden = np.zeros(len(shown), dtype=bool)
    counts_hidden = np.zeros(len(shown), dtype=bool)
    spread_hidden = np.zeros(len(shown), dtype=bool)
    for index, row in enumerate(as_records(shown)):
        part = parts.get((row["contrast"], row["score"]), strata.iloc[:0])
        used = _pooled_strata(part)
        n_hidden = int(used["hidden"].sum()) if len(used) else 0
        small = _has_small_side(row, gate.threshold)
        hidden[index] = small or n_hidden == 1
        spread_hidden[index] = 0 < n_hidden < FEWEST_HIDDEN_FOR_HETEROGENEITY
        names = tuple(used["stratum"]) if len(used) else ()
        counts_hidden[index] = _pooled_counts_tell(row, names, used, gate)
    gate.log.add(name, SMALL_REASON, int(hidden.sum()))
    gate.log.add(name, NEAR_REASON, int((counts_hidden & ~hidden).sum()))
    gate.log.add(name, HETEROGENEITY_REASON, int((spread_hidden & ~hidden).sum()))
    blanked = _blank(shown, hidden, counts_hidden, gate.threshold)
    for column in HETEROGENEITY:
        if column in blanked:
            blanked.loc[hidden | spread_hidden, column] = np.nan
    return blanked


def _with_contrast(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty or "contrast" in table.columns:
        return table
    return table.assign(contrast=TIME_TO_TRD)


def _sides_of(row: Record) -> Sides:
    """Give cases and controls; where there is no column for them, events and the rest."""
    n, events = as_count(row.get("n")), as_count(row.get("n_events"))
    cases = as_count(row["n_cases"]) if "n_cases" in row else events
    if "n_controls" in row:
        return cases, as_count(row["n_controls"])
    return cases, None if n is None or cases is None else n - cases


def _has_small_side(row: Record, threshold: int) -> bool:
    return any(count is not None and is_small(count, threshold) for count in _sides_of(row))


def _reason(row: Record, gate: ModelGate) -> str:
    if _has_small_side(row, gate.threshold):
        return SMALL_REASON
    strata = gate.strata(str(row["stratum"]))
    return LINKED_REASON if gate.says_something_new(strata, str(row["contrast"])) else ""


def _pooled_strata(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the rows that stood, and so entered the pooled estimate."""
    return rows[rows["stood"]] if len(rows) else rows


def _protect_from_pooled(shown: pd.DataFrame, reasons: pd.Series, pooled: pd.DataFrame) -> None:
    """Hide a second stratum where one is hidden and the pooled row would give it back.

    The smallest of the others is chosen, by its cases. Where nobody else is in
    the pooled row, `disclose_pooled` hides that instead.
    """
    if pooled.empty:
        return
    has_pooled = set(zip(pooled["contrast"], pooled["score"], strict=True))
    cases = shown["n_cases"] if "n_cases" in shown else shown["n_events"]
    stood = shown["beta"].notna()
    for key, rows in shown[stood].groupby(["contrast", "score"]):
        is_hidden = reasons[rows.index] != ""
        if key in has_pooled and is_hidden.sum() == 1 and len(rows) > 1:
            others = rows.index[~is_hidden]
            smallest = int(cases[others].astype(float).to_numpy().argmin())
            reasons.loc[[others[smallest]]] = POOLED_REASON


def _near_rows(shown: pd.DataFrame, gate: ModelGate) -> pd.Series:
    """Find rows whose counts differ by a few people from the class counts or each other."""
    near = pd.Series(False, index=shown.index)
    for (stratum, contrast), rows in shown.groupby(["stratum", "contrast"]):
        strata = gate.strata(str(stratum))
        sides = pd.Series(
            [_sides_of(row) for row in as_records(rows)], index=rows.index, dtype=object
        )
        kept: list[Sides] = []
        for pair, _ in Counter(sides).most_common():
            is_close = gate.is_near_classes(strata, str(contrast), pair) or any(
                _is_near_pair(pair, other, gate.threshold) for other in kept
            )
            if is_close:
                near[sides.index[[side == pair for side in sides]]] = True
            else:
                kept.append(pair)
    return near


def _factors(shown: pd.DataFrame, near: pd.Series, gate: ModelGate) -> FloatArray:
    """Give by what the standard errors of rows with withheld counts are multiplied."""
    factors = np.ones(len(shown))
    for (stratum, contrast), rows in shown[near].groupby(["stratum", "contrast"]):
        name = str(contrast)
        same = shown[(shown["stratum"] == stratum) & (shown["contrast"] == contrast)]
        known = [gate.class_sides(gate.strata(str(stratum)), name)]
        known += list({_sides_of(row) for row in as_records(same)})
        for index, row in zip(rows.index, as_records(rows), strict=True):
            factors[index] = widening_factor(
                _sides_of(row), known, gate.threshold, is_cox=name == TIME_TO_TRD
            )
    return factors


def _is_near_pair(one: Sides, other: Sides, threshold: int) -> bool:
    return any(
        a is not None and b is not None and is_near(a, [b], threshold)
        for a, b in zip(one, other, strict=True)
    )


def _pooled_counts_tell(
    row: Record, strata: Sequence[str], used: pd.DataFrame, gate: ModelGate
) -> bool:
    """Tell whether pooled counts would add to what the strata and class counts show."""
    contrast = str(row["contrast"])
    # What all strata lost together bounds what each did.
    if len(used) and used["counts_hidden"].any():
        return True
    if not strata:
        return False
    return gate.says_something_new(strata, contrast) or gate.is_near_classes(
        strata, contrast, _sides_of(row)
    )


def _blank(
    shown: pd.DataFrame, hidden: BoolArray, counts_hidden: pd.Series | BoolArray, threshold: int
) -> pd.DataFrame:
    """Put NaN and marks where numbers may not stand; add what later steps must know."""
    blanked = shown.copy()
    blanked["stood"] = shown["beta"].notna()
    blanked["hidden"] = hidden
    blanked["counts_hidden"] = np.asarray(counts_hidden) | hidden
    for column in COUNTS:
        if column not in shown:
            continue
        values = [as_count(value) for value in shown[column]]
        cells: list[object] = []
        for value, gone in zip(values, blanked["counts_hidden"], strict=True):
            if value is not None and is_small(value, threshold):
                cells.append(small_label(threshold))
            else:
                cells.append(WITHHELD if gone and value else value)
        blanked[column] = pd.Series(cells, index=blanked.index, dtype=object)
    for column in ESTIMATES:
        if column in blanked:
            blanked.loc[hidden, column] = np.nan
    blanked.loc[hidden, "status"] = WITHHELD
    return blanked
