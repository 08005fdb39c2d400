"""The one gate: results in, what may leave the house out.

Everything that is drawn or written comes from a `DisclosedStudy`; nothing that
draws or writes ever sees a `StudyResults`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pandas as pd

from pgs_trd.report.disclosure.characteristics import disclose_characteristics
from pgs_trd.report.disclosure.counts import (
    SuppressionLog,
    check_threshold,
    is_small,
    small_label,
)
from pgs_trd.report.disclosure.curves import DisclosedCurves, disclose_curves
from pgs_trd.report.disclosure.estimates import ModelGate, disclose_pooled, disclose_strata
from pgs_trd.report.disclosure.flow import disclose_attrition
from pgs_trd.report.disclosure.ledger import disclose_class_counts, open_ledger
from pgs_trd.report.results import StudyResults

PEOPLE_KEY = re.compile(r"^n_(people|persons|participants|cases|controls|events|samples)")
MATCH_COLUMNS = ("score", "n_rows", "n_matched", "match_rate", "weight_matched", "status")
TRUTH_COLUMNS = ("score", "trait", "contrast", "beta")


@dataclass(frozen=True)
class DisclosedStudy:
    """The tables of a study as they may be shown; fields as in `StudyResults`.

    Counts are int, or text ("≤20", "withheld") where hidden. Estimates are NaN
    where hidden, and the row's status is "withheld".
    """

    title: str
    association: pd.DataFrame
    meta: pd.DataFrame
    progression: pd.DataFrame
    progression_meta: pd.DataFrame
    curves: DisclosedCurves
    attrition: pd.DataFrame
    match_summary: pd.DataFrame
    class_counts: pd.DataFrame
    characteristics: pd.DataFrame
    traits: pd.DataFrame
    truth: pd.DataFrame | None
    conventions: dict[str, Any]
    provenance: dict[str, Any]
    threshold: int
    log: pd.DataFrame


def disclose(results: StudyResults, *, threshold: int = 20) -> DisclosedStudy:
    """Hide every count of 1..threshold, and all that would give one back.

    Parameters
    ----------
    results
        The tables of a study. They are not changed.
    threshold
        Largest count that is hidden; 0 hides nothing.

    Returns
    -------
    DisclosedStudy
        What may be shown, with a log of how much was hidden and why.

    Notes
    -----
    The rule of All of Us: no count of 1 to 20, and no statistic from which one
    follows. Counts that are published elsewhere are not known here.
    """
    check_threshold(threshold)
    log = SuppressionLog()
    ledger = open_ledger(results.class_counts, threshold, log)
    gate = ModelGate(ledger, threshold, log)
    association = disclose_strata(results.association, results.meta, gate, "association")
    progression = disclose_strata(
        results.progression, results.progression_meta, gate, "progression"
    )
    return DisclosedStudy(
        title=results.title,
        association=association,
        meta=disclose_pooled(results.meta, association, gate, "association_pooled"),
        progression=progression,
        progression_meta=disclose_pooled(
            results.progression_meta, progression, gate, "progression_pooled"
        ),
        curves=disclose_curves(results.curves, threshold, log),
        attrition=disclose_attrition(results.attrition, ledger, threshold, log),
        match_summary=_known_columns(results.match_summary, MATCH_COLUMNS),
        class_counts=disclose_class_counts(ledger),
        characteristics=disclose_characteristics(results.characteristics, ledger, threshold, log),
        traits=_known_columns(results.traits, ("score", "trait", "domain")),
        truth=None if results.truth is None else _known_columns(results.truth, TRUTH_COLUMNS),
        conventions=_disclose_mapping(results.conventions, threshold),
        provenance=_disclose_mapping(results.provenance, threshold),
        threshold=threshold,
        log=log.to_table(),
    )


def _known_columns(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Keep columns whose meaning is known: nothing slips out because it was there."""
    names = [str(column) for column in table.columns]
    reasons = [
        name
        for name in names
        if "n_matched" in names and re.fullmatch(r"n_[a-z_]+", name) and not PEOPLE_KEY.match(name)
    ]
    wanted = dict.fromkeys([*columns, *reasons])
    return table[[column for column in wanted if column in table.columns]].reset_index(drop=True)


def _disclose_mapping(mapping: Mapping[str, Any], threshold: int) -> dict[str, Any]:
    """Mark small counts of people, and cut folders off paths: they name users."""
    return {str(key): _disclose_value(str(key), mapping[key], threshold) for key in mapping}


def _disclose_value(key: str, value: Any, threshold: int) -> Any:
    if isinstance(value, Mapping):
        return _disclose_mapping(value, threshold)
    if isinstance(value, list | tuple):
        return [_disclose_value(key, item, threshold) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and PEOPLE_KEY.match(key) and is_small(value, threshold):
        return small_label(threshold)
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, str) and re.match(r"^(/|~|[A-Za-z]:[\\/])", value):
        return re.split(r"[\\/]", value)[-1]
    return value
