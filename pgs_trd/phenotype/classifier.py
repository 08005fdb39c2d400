"""Put every person into one class, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import NEVER, BoolArray, IntArray, to_dates
from pgs_trd.phenotype.attrition import count_attrition
from pgs_trd.phenotype.cohort import Cohort, read_cohort
from pgs_trd.phenotype.definition import Definition, list_grids, load_definition, load_grid
from pgs_trd.phenotype.evaluate import Evaluation
from pgs_trd.resources import freed_at_once

if TYPE_CHECKING:
    from pgs_trd.ehr.records import Ehr

COLUMNS = (
    "person_id",
    "phenotype",
    "reason",
    "is_mdd",
    "mdd_date",
    "index_date",
    "trd_date",
    "n_trials",
    "n_adequate",
    "n_ingredients",
    "sex",
    "birth_year",
    "observation_start",
    "observation_end",
    "death_date",
    "n_failed",
    "mdd_known_date",
    "resistant_date",
    "exclusion_date",
)
REASONS = (
    "no_depression_code",
    "depression_code_not_mdd",
    "excluded_bipolar",
    "excluded_psychosis",
    "excluded_other",
    "resistant",
    "untreated",
    "inadequate_trials",
    "partial",
    "few_visits",
    "insufficient_follow_up",
    "responsive",
)
"""Why a person has a class, in the order in which they are asked."""

_CLASSES = {"no_depression_code": "no_mdd", "resistant": "trd", "responsive": "responsive"}


@dataclass(frozen=True)
class Phenotype:
    """The class of every person under one definition.

    Attributes
    ----------
    table
        One row a person of the records, ordered by ``person_id``: ``phenotype``
        ("no_mdd", "responsive", "trd", "neither"), ``reason``, ``is_mdd``
        (depression by the rule, not excluded), ``mdd_date`` (first diagnosis; also
        of the excluded), ``index_date`` (start of the first counted trial, or
        ``mdd_date`` without one), ``trd_date`` (NaT unless trd), ``n_trials``,
        ``n_adequate``, ``n_failed``, ``n_ingredients`` (counted trials: on or after
        the first diagnosis; 0 without depression), ``sex``, ``birth_year``,
        ``observation_start``, ``observation_end``, ``death_date``; and for
        `follow_up` ``mdd_known_date`` (when the diagnoses were enough),
        ``resistant_date`` (the rule's date, whatever the class) and
        ``exclusion_date`` (first bipolar or psychosis diagnosis).
    attrition
        Everybody, step by step (`count_attrition`).
    definition
        What was applied.
    cohort
        What it was applied to; `explain` reads it.
    """

    table: pd.DataFrame
    attrition: pd.DataFrame
    definition: Definition
    cohort: Cohort | None = field(default=None, repr=False, compare=False)


def classify(
    ehr: Ehr, trials: pd.DataFrame, definition: str | Definition = "adequate2"
) -> Phenotype:
    """Classify everybody in the records as resistant, responsive, neither or control.

    Nobody is dropped: who fits no class is "neither", with the reason. That
    nobody is resistant, or depressed, is a result and no error.

    Parameters
    ----------
    trials
        From `build_trials` on the same records.
    definition
        The id of a preset, or a definition.

    Raises
    ------
    UsageError
        If there is no such definition.
    DataError
        If `trials` lacks columns or holds people who are not in the records.
    """
    rules = load_definition(definition) if isinstance(definition, str) else definition
    with freed_at_once():
        return _classify_one(Evaluation(read_cohort(ehr, trials)), rules)


def classify_grid(
    ehr: Ehr,
    trials: pd.DataFrame,
    definitions: str | Sequence[str | Definition] = "grid",
) -> dict[str, Phenotype]:
    """Classify everybody under many definitions; records and trials are read once.

    Parameters
    ----------
    trials
        From `build_trials` on the same records.
    definitions
        The id of a grid (`list_grids`), or definitions and ids of presets.

    Returns
    -------
    dict
        By definition id, in the order given, what `classify` gives for each alone.

    Raises
    ------
    UsageError
        If there is no such grid or definition.
    DataError
        If `trials` lacks columns or holds people who are not in the records.
    """
    if isinstance(definitions, str):
        chosen: Sequence[str | Definition] = (
            load_grid(definitions) if definitions in list_grids() else (definitions,)
        )
    else:
        chosen = definitions
    rules = [load_definition(each) if isinstance(each, str) else each for each in chosen]
    with freed_at_once():
        evaluation = Evaluation(read_cohort(ehr, trials))
        return {each.id: _classify_one(evaluation, each) for each in rules}


def _classify_one(evaluation: Evaluation, rules: Definition) -> Phenotype:
    cohort, counts = evaluation.cohort, evaluation.counts(rules)
    first, known = evaluation.depression(rules.depression)
    resistant, _ = evaluation.resistance(rules)
    index, exclusion = counts["index"], evaluation.first_exclusion(rules)
    excluded = _exclusion(evaluation, rules, index, resistant)
    codes = _reasons(evaluation, rules, index, excluded)
    names = np.array(REASONS, dtype=object)
    classes = np.array([_CLASSES.get(name, "neither") for name in REASONS], dtype=object)
    is_excluded = np.isin(codes, [REASONS.index(f"excluded_{name}") for name in excluded])
    is_trd = codes == REASONS.index("resistant")
    columns = {
        "phenotype": classes[codes],
        "reason": names[codes],
        "is_mdd": (first < NEVER) & ~is_excluded,
        "mdd_date": evaluation.dates(first),
        "mdd_known_date": evaluation.dates(known),
        "index_date": evaluation.dates(index),
        "trd_date": to_dates(np.where(is_trd, resistant, NEVER)),
        "resistant_date": evaluation.dates(resistant),
        "exclusion_date": evaluation.dates(exclusion),
        **{name: counts[name] for name in ("n_trials", "n_adequate", "n_failed", "n_ingredients")},
    }
    # No copy of what all definitions share: a grid holds many tables of all people.
    people = {name: cohort.people[name] for name in cohort.people.columns}
    table = pd.DataFrame({name: {**columns, **people}[name] for name in COLUMNS}, copy=False)
    n_left = dict(zip(REASONS, np.bincount(codes, minlength=len(REASONS)), strict=True))
    return Phenotype(table, count_attrition(n_left, rules), rules, cohort)


def _exclusion(
    evaluation: Evaluation, rules: Definition, index: IntArray, resistant: IntArray
) -> dict[str, BoolArray]:
    """Say who is excluded by what."""
    days = {
        "bipolar": evaluation.exclusion(rules.exclusions.bipolar),
        "psychosis": evaluation.exclusion(rules.exclusions.psychosis),
        "other": evaluation.exclusion(rules.other_exclusions),
    }
    exclusion = evaluation.first_exclusion(rules)
    decision = np.where(resistant < NEVER, resistant, index + rules.responsive.min_followup_days)
    excluded = exclusion < NEVER
    if rules.exclusions.when == "never":
        excluded = np.zeros(len(index), dtype=bool)
    elif rules.exclusions.when == "before_decision":
        excluded &= exclusion <= decision
    found: dict[str, BoolArray] = {}
    for name, day in days.items():
        found[name] = excluded & (day == exclusion)
        excluded = excluded & ~found[name]
    return found


def _reasons(
    evaluation: Evaluation, rules: Definition, index: IntArray, excluded: dict[str, BoolArray]
) -> IntArray:
    """Find the first reason that applies (its place in `REASONS`)."""
    cohort, counts, rule = evaluation.cohort, evaluation.counts(rules), rules.responsive
    first, _ = evaluation.depression(rules.depression)
    resistant, _ = evaluation.resistance(rules)
    _, until = cohort.observed(index)
    followed = (until < NEVER) & (until - index >= rule.min_followup_days)
    asks_adequate = getattr(rule, "min_adequate", 0) > 0
    asks_trials = getattr(rule, "min_trials", 1) > 0
    has_mdd = first < NEVER
    masks = {
        "no_depression_code": ~has_mdd & ~cohort.has_depression_code,
        "depression_code_not_mdd": ~has_mdd,
        **{f"excluded_{name}": mask for name, mask in excluded.items()},
        "resistant": resistant < NEVER,
        "untreated": (counts["n_trials"] == 0) & asks_trials,
        "inadequate_trials": (counts["n_adequate"] == 0) & asks_adequate,
        "partial": ~evaluation.is_responsive(rules),
        "few_visits": ~evaluation.has_visits(rules, index),
        "insufficient_follow_up": ~followed,
    }
    codes = np.full(cohort.n_people, len(REASONS) - 1, dtype=np.int64)
    for number in range(len(REASONS) - 2, -1, -1):
        codes[masks[REASONS[number]]] = number
    return codes
