"""From which counts those of nearly the same people are rounded down.

A table of people by another definition, or seen in another way, shows no counts, but its
standard errors tell some. They are widened to those of rounded counts. If the rounding went
by multiples of the threshold, a reader who knows the main model's count could learn that
the other one is 0 to 3 smaller, where a multiple happens to lie that near below. So the steps of
the threshold are counted from the main model's own count: from the same people to 20 fewer
all looks alike, then from 21 to 40 fewer, and so on.

Where the main count itself is withheld, the steps are counted from what the reader knows in
its place: the class counts, if the main standard errors were widened from them; else the
main standard errors, which are shown as they are and tell that count as well as any.
"""

from __future__ import annotations

import math

import pandas as pd

from pgs_trd.report.disclosure.counts import as_count, as_records
from pgs_trd.report.disclosure.estimates import TIME_TO_TRD, ModelGate

Sides = tuple[int, int]
Anchors = dict[tuple[str, str], Sides | None]


def find_anchors(
    true: pd.DataFrame, shown: pd.DataFrame, strata: pd.DataFrame, gate: ModelGate
) -> Anchors:
    """Give cases and controls to round from, by contrast and score of the pooled models.

    Parameters
    ----------
    true, shown
        Pooled rows before and after the gate, in one order.
    strata
        Rows by stratum after the gate.
    gate
        Of the class counts.

    Returns
    -------
    anchors
        None where nothing can be rounded from without telling a withheld count.
    """
    if shown.empty:
        return {}
    parts = dict(list(strata.groupby(["contrast", "score"]))) if len(strata) else {}
    anchors: Anchors = {}
    for before, row in zip(as_records(true), as_records(shown), strict=True):
        key = str(row["contrast"]), str(row["score"])
        n, events = as_count(before["n"]), as_count(before["n_events"])
        if n is None or events is None:
            anchors[key] = None
            continue
        anchors[key] = events, n - events
        if row["counts_hidden"]:
            part = parts.get(key, strata.iloc[:0])
            used = part[part["stood"]] if len(part) else part
            anchors[key] = _in_its_place((events, n - events), key[0], used, gate)
    return anchors


def _in_its_place(sides: Sides, contrast: str, used: pd.DataFrame, gate: ModelGate) -> Sides | None:
    names = tuple(map(str, used["stratum"])) if len(used) else ()
    if not gate.says_something_new(names, contrast):
        cases, controls = gate.class_sides(names, contrast)
        if cases is not None and controls is not None:
            return cases, controls
    return None if len(used) and used["se_widened"].any() else sides


def round_down(count: int, anchor: int, threshold: int) -> int:
    """Take a count to the nearest smaller one that is whole thresholds from `anchor`.

    Examples
    --------
    >>> [round_down(count, 375, 20) for count in (375, 374, 356, 355, 376)]
    [355, 355, 355, 335, 375]
    """
    return anchor - threshold * (math.floor((anchor - count) / threshold) + 1)


def anchored_factor(sides: Sides, anchor: Sides, threshold: int, *, is_cox: bool) -> float:
    """Give the factor to the errors of a model, its counts rounded down from `anchor`."""
    if threshold == 0:
        return 1.0
    least = [
        round_down(count, start, threshold) for count, start in zip(sides, anchor, strict=True)
    ]
    if is_cox:
        return math.sqrt(sides[0] / least[0])
    known = sides[0] * sides[1] / sum(sides)
    return math.sqrt(known * sum(least) / (least[0] * least[1]))


def key_of(row: dict[str, object]) -> tuple[str, str]:
    """Give the contrast and score of a row; time to resistance has no contrast."""
    return str(row.get("contrast", TIME_TO_TRD)), str(row.get("score", ""))
