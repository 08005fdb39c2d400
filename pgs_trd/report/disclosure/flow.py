"""Steps of a cohort's making through the gate: differences of counts are counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pgs_trd.report.disclosure.counts import (
    WITHHELD,
    SuppressionLog,
    is_near,
    is_small,
    small_label,
)
from pgs_trd.report.disclosure.ledger import CLASSES_OF_SIDE, ClassLedger


def disclose_attrition(
    attrition: pd.DataFrame, ledger: ClassLedger, threshold: int, log: SuppressionLog
) -> pd.DataFrame:
    """Merge steps until no number shown, nor a difference of two, is small.

    A step that loses 1..threshold people is joined to the next one, so that only
    their common loss is shown; the last one is joined backwards.

    Returns
    -------
    DataFrame
        step, rule, reason (of those who left), n_people_in, n_people_out, n_lost:
        counts are int or the mark in their place.
    """
    if attrition.empty:
        return pd.DataFrame()
    totals = _totals(ledger)
    rows: list[dict[str, object]] = []
    n_merged = n_marked = 0
    for chain in _chains(attrition):
        shown, merged = _merge_chain(chain, totals, threshold)
        n_merged += merged
        for step, rule, n_in, n_out, reason in shown:
            cells = _cells(n_in, n_out, totals, threshold)
            n_marked += sum(isinstance(cell, str) for cell in cells.values())
            rows.append({"step": step, "rule": rule, "reason": reason, **cells})
        totals = totals.and_shown(chain[-1][3])
    log.add("attrition", "steps joined: a loss of 1 to threshold", n_merged)
    log.add("attrition", "count of 1 to threshold, or one that gives it back", n_marked)
    return pd.DataFrame(rows)


Step = tuple[str, str, int, int, str]
TWO_CLASSES = ("trd", "responsive")


@dataclass(frozen=True)
class _Totals:
    """Totals of the class counts: those that follow from the page, and the others."""

    shown: tuple[int, ...]
    hidden: tuple[int, ...]

    def would_tell(self, count: int, threshold: int) -> bool:
        """Tell whether a count differs by a few people from a shown total, or is a hidden one."""
        is_hidden = count > 0 and any(abs(count - total) <= threshold for total in self.hidden)
        return is_hidden or is_near(count, self.shown, threshold)

    def and_shown(self, count: int) -> _Totals:
        """Add a count that the page shows now."""
        return _Totals((*self.shown, count), self.hidden)


def _totals(ledger: ClassLedger) -> _Totals:
    """Give the class totals that attrition counts might be compared with."""
    shown: list[int] = []
    hidden: list[int] = []
    if ledger.strata:
        for side in (*CLASSES_OF_SIDE.values(), TWO_CLASSES, ledger.classes):
            if ledger.knows(ledger.strata, side):
                is_open = ledger.is_open(ledger.strata, side)
                (shown if is_open else hidden).append(ledger.count(ledger.strata, side))
    return _Totals(tuple(shown), tuple(hidden))


def _chains(attrition: pd.DataFrame) -> list[list[Step]]:
    """Cut the steps where one does not start from the people that the last one left."""
    chains: list[list[Step]] = []
    columns = ["step", "rule", "n_people_in", "n_people_out"]
    reasons = attrition["reason"] if "reason" in attrition else [""] * len(attrition)
    rows = attrition[columns].itertuples(index=False)
    for (step, rule, n_in, n_out), reason in zip(rows, reasons, strict=True):
        why = "" if pd.isna(reason) else str(reason)
        one = (str(step), str(rule), int(n_in), int(n_out), why)
        if chains and chains[-1][-1][3] == one[2]:
            chains[-1].append(one)
        else:
            chains.append([one])
    return chains


def _merge_chain(chain: Sequence[Step], totals: _Totals, threshold: int) -> tuple[list[Step], int]:
    """Join steps of one chain until each loses nobody or more than `threshold`."""
    done: list[Step] = []
    waiting: Step | None = None
    n_merged = 0
    for step in chain:
        current = _join(waiting, step) if waiting else step
        n_merged += waiting is not None
        if _tells(current, totals, threshold):
            waiting = current
        else:
            done.append(current)
            waiting = None
    while waiting is not None and done and _tells(waiting, _Totals((), ()), threshold):
        waiting = _join(done.pop(), waiting)
        n_merged += 1
    return ([*done, waiting] if waiting else done), n_merged


def _tells(step: Step, totals: _Totals, threshold: int) -> bool:
    return is_small(step[2] - step[3], threshold) or totals.would_tell(step[3], threshold)


def _join(first: Step, second: Step) -> Step:
    def both(place: int) -> str:
        return "; ".join(str(text) for text in (first[place], second[place]) if text)

    return both(0), both(1), first[2], second[3], both(4)


def _cells(n_in: int, n_out: int, totals: _Totals, threshold: int) -> dict[str, object]:
    def mark(count: int) -> object:
        if is_small(count, threshold):
            return small_label(threshold)
        return WITHHELD if totals.would_tell(count, threshold) else count

    cells: dict[str, object] = {"n_people_in": mark(n_in), "n_people_out": mark(n_out)}
    lost = n_in - n_out
    if is_small(lost, threshold):
        # Joined as far as it goes: the people left are hidden with the loss.
        cells["n_people_out"] = WITHHELD if lost != n_in else cells["n_people_out"]
        cells["n_lost"] = small_label(threshold)
    elif any(isinstance(cell, str) for cell in cells.values()):
        cells["n_lost"] = WITHHELD if lost else 0
    else:
        cells["n_lost"] = lost
    return cells
