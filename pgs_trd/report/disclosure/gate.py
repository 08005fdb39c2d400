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

from pgs_trd.errors import UsageError
from pgs_trd.report.disclosure.anchors import find_anchors
from pgs_trd.report.disclosure.characteristics import disclose_characteristics
from pgs_trd.report.disclosure.components import disclose_components
from pgs_trd.report.disclosure.counts import (
    SuppressionLog,
    check_threshold,
    is_small,
    small_label,
)
from pgs_trd.report.disclosure.curves import DisclosedCurves, disclose_curves, disclose_incidence
from pgs_trd.report.disclosure.estimates import COUNTS, ModelGate, disclose_pooled, disclose_strata
from pgs_trd.report.disclosure.flow import disclose_attrition
from pgs_trd.report.disclosure.further import (
    disclose_further,
    disclose_sensitivity,
    main_models,
    model_factors,
    shown_counts,
)
from pgs_trd.report.disclosure.ledger import disclose_class_counts, open_ledger
from pgs_trd.report.disclosure.rounding import round_cells, round_characteristics, round_count
from pgs_trd.report.results import FurtherTable, StudyResults

PEOPLE_KEY = re.compile(r"^n_(people|persons|participants|cases|controls|events|samples)")
MATCH_COLUMNS = ("score", "n_rows", "n_matched", "match_rate", "weight_matched", "status")
FLOW_COUNTS = ["n_people_in", "n_people_out", "n_lost"]
RISK_COUNTS = ["n_at_risk", "n_events_so_far"]
TRUTH_COLUMNS = ("score", "trait", "contrast", "beta")
PUBLISHED_COLUMNS = (
    "source", "doi", "analysis", "trait", "unit", "ratio", "ci_low", "ci_high", "note", "score",
)  # fmt: skip


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
    sensitivity: pd.DataFrame
    definitions: pd.DataFrame
    incidence: pd.DataFrame
    components: pd.DataFrame
    published: pd.DataFrame
    further: tuple[FurtherTable, ...]
    bias: pd.DataFrame
    threshold: int
    round_to: int
    log: pd.DataFrame


def disclose(results: StudyResults, *, threshold: int = 20, round_to: int = 1) -> DisclosedStudy:
    """Hide every count of 1..threshold, and all that would give one back.

    Parameters
    ----------
    results
        The tables of a study. They are not changed.
    threshold
        Largest count that is hidden; 0 hides nothing.
    round_to
        Counts that are shown are rounded to a multiple of this; 1 leaves them.

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
    if round_to < 1:
        raise UsageError(f"round_to is {round_to}: it must be at least 1, which rounds nothing")
    log = SuppressionLog()
    ledger = open_ledger(results.class_counts, threshold, log)
    gate = ModelGate(ledger, threshold, log)
    method = str(results.conventions.get("meta_method", "fixed"))
    association = disclose_strata(results.association, results.meta, gate, "association")
    progression = disclose_strata(
        results.progression, results.progression_meta, gate, "progression"
    )
    meta = disclose_pooled(
        results.meta,
        association,
        gate,
        "association_pooled",
        pooled_from=results.association,
        method=method,
    )
    progression_meta = disclose_pooled(
        results.progression_meta,
        progression,
        gate,
        "progression_pooled",
        pooled_from=results.progression,
        method=method,
    )
    curves = disclose_curves(results.curves, threshold, log)
    attrition = disclose_attrition(results.attrition, ledger, threshold, log)
    table_1 = disclose_characteristics(results.characteristics, ledger, threshold, log)
    anchors = find_anchors(results.meta, meta, association, gate)
    anchors |= find_anchors(results.progression_meta, progression_meta, progression, gate)
    pooled = ((results.meta, meta), (results.progression_meta, progression_meta))
    main = main_models(pooled, anchors)
    sensitivity = disclose_sensitivity(results.sensitivity, main, threshold, log)
    factors = model_factors(association, progression)
    is_open = shown_counts(association)
    further = tuple(
        disclose_further(one, factors, is_open, main, threshold, log) for one in results.further
    )
    counts = list(COUNTS)
    classes = [*ledger.classes, "all"]
    return DisclosedStudy(
        title=results.title,
        association=round_cells(association, counts, round_to),
        meta=round_cells(meta, counts, round_to),
        progression=round_cells(progression, counts, round_to),
        progression_meta=round_cells(progression_meta, counts, round_to),
        curves=DisclosedCurves(curves.points, round_cells(curves.risk, RISK_COUNTS, round_to)),
        attrition=round_cells(attrition, FLOW_COUNTS, round_to),
        match_summary=_known_columns(results.match_summary, MATCH_COLUMNS),
        class_counts=round_cells(disclose_class_counts(ledger), classes, round_to),
        characteristics=round_characteristics(table_1, round_to),
        traits=_known_columns(results.traits, ("score", "trait", "domain")),
        truth=None if results.truth is None else _known_columns(results.truth, TRUTH_COLUMNS),
        conventions=_disclose_mapping(results.conventions, threshold, round_to),
        provenance=_disclose_mapping(results.provenance, threshold, round_to),
        sensitivity=sensitivity,
        definitions=_known_columns(results.definitions, ("definition", "title")),
        incidence=disclose_incidence(results.incidence, threshold, log),
        components=disclose_components(results.components, threshold, log),
        published=_known_columns(results.published, PUBLISHED_COLUMNS),
        further=further,
        bias=_known_columns(results.bias, ("part", "is_done", "reason")),
        threshold=threshold,
        round_to=round_to,
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


def _disclose_mapping(mapping: Mapping[str, Any], threshold: int, base: int) -> dict[str, Any]:
    """Mark small counts of people, and cut folders off paths: they name users."""
    return {str(key): _disclose_value(str(key), mapping[key], threshold, base) for key in mapping}


def _disclose_value(key: str, value: Any, threshold: int, base: int) -> Any:
    if isinstance(value, Mapping):
        return _disclose_mapping(value, threshold, base)
    if isinstance(value, list | tuple):
        return [_disclose_value(key, item, threshold, base) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and PEOPLE_KEY.match(key):
        return small_label(threshold) if is_small(value, threshold) else round_count(value, base)
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, str) and re.match(r"^(/|~|[A-Za-z]:[\\/])", value):
        return re.split(r"[\\/]", value)[-1]
    return value
