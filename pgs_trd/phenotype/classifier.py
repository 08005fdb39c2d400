"""Put every person into one class, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.phenotype.attrition import count_attrition
from pgs_trd.phenotype.definition import Definition, load_definition
from pgs_trd.phenotype.people import describe_people, observed_until
from pgs_trd.phenotype.rules import TRIAL_COLUMNS, count_trials, resistance_dates
from pgs_trd.tables import require_columns

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
    """

    table: pd.DataFrame
    attrition: pd.DataFrame
    definition: Definition


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
    require_columns(trials, TRIAL_COLUMNS, "trials")
    people = describe_people(ehr, rules)
    _check_people(trials, people)
    people = _add_trials(people, trials, rules)
    periods = observed_until(ehr, people["person_id"], people["index_date"])
    observed = (periods["period_end"] - people["index_date"]).dt.days
    people["is_followed"] = (observed >= rules.responsive.min_followup_days).fillna(False)
    people = _add_exclusion(people, rules)
    people["reason"] = _reasons(people, rules)
    people["phenotype"] = _classes(people["reason"])
    is_excluded = people["reason"].isin(["excluded_bipolar", "excluded_psychosis"])
    people["is_mdd"] = people["mdd_date"].notna() & ~is_excluded
    people["trd_date"] = people["resistant_date"].where(people["phenotype"] == "trd")
    table = people[list(COLUMNS)]
    return Phenotype(table, count_attrition(table, rules), rules)


def _check_people(trials: pd.DataFrame, people: pd.DataFrame) -> None:
    known = trials["person_id"].isin(people["person_id"])
    n_unknown = int(trials.loc[~known, "person_id"].nunique())
    if n_unknown:
        raise DataError(
            f"trials: {n_unknown:,} of {trials['person_id'].nunique():,} people are not in the "
            "records: were the trials built from other records?"
        )


def _add_trials(people: pd.DataFrame, trials: pd.DataFrame, rules: Definition) -> pd.DataFrame:
    """Add the counts of counted trials, the index date and the date of resistance."""
    first = trials["person_id"].map(people.set_index("person_id")["mdd_date"])
    earliest = first - pd.Timedelta(days=rules.trials.lead_days)
    counted = trials[(trials["start_date"] >= earliest).fillna(False)]
    counts = count_trials(
        counted, min_days=rules.trials.min_days, link_days=rules.resistant.link_days
    )
    dates = resistance_dates(counted, rules.resistant, min_days=rules.trials.min_days)
    people = people.join(counts, on="person_id").join(dates, on="person_id")
    numbers = ["n_trials", "n_adequate", "n_failed", "n_ingredients"]
    people[numbers] = people[numbers].fillna(0).astype(np.int64)
    for column in ("first_start", "resistant_date"):
        people[column] = people[column].astype("datetime64[ns]")
    people["index_date"] = people["first_start"].fillna(people["mdd_date"])
    return people


def _add_exclusion(people: pd.DataFrame, rules: Definition) -> pd.DataFrame:
    """Add the first excluding diagnosis, and whether it came in time to exclude."""
    dates = people[["bipolar_date", "psychosis_date"]]
    exclusion = dates.min(axis=1)
    window = pd.Timedelta(days=rules.responsive.min_followup_days)
    decision = people["resistant_date"].fillna(people["index_date"] + window)
    if rules.exclusions.when == "never":
        is_excluded = pd.Series(False, index=people.index)
    elif rules.exclusions.when == "ever":
        is_excluded = exclusion.notna()
    else:
        is_excluded = exclusion <= decision
    is_bipolar = people["bipolar_date"] == exclusion
    return people.assign(
        exclusion_date=exclusion,
        excludes_bipolar=is_excluded & is_bipolar,
        excludes_psychosis=is_excluded & ~is_bipolar,
    )


def _reasons(people: pd.DataFrame, rules: Definition) -> pd.Series:
    """Give the first reason that applies; the order is that of the attrition."""
    responsive = rules.responsive
    is_simple = (
        (people["n_adequate"] >= responsive.min_adequate)
        & (people["n_ingredients"] <= responsive.max_ingredients)
        & (people["n_failed"] <= responsive.max_failures)
    )
    has_mdd = people["mdd_date"].notna()
    reasons: list[tuple[str, pd.Series]] = [
        ("no_depression_code", ~has_mdd & ~people["has_depression_code"]),
        ("depression_code_not_mdd", ~has_mdd),
        ("excluded_bipolar", people["excludes_bipolar"]),
        ("excluded_psychosis", people["excludes_psychosis"]),
        ("resistant", people["resistant_date"].notna()),
        ("untreated", people["n_trials"] == 0),
        ("inadequate_trials", people["n_adequate"] == 0),
        ("partial", ~is_simple),
        ("insufficient_follow_up", ~people["is_followed"]),
    ]
    chosen = np.select(
        [mask.to_numpy(dtype=bool) for _, mask in reasons],
        [name for name, _ in reasons],
        default="responsive",
    )
    return pd.Series(chosen, index=people.index, dtype=object)


def _classes(reasons: pd.Series) -> pd.Series:
    named = {
        "no_depression_code": "no_mdd",
        "resistant": "trd",
        "responsive": "responsive",
    }
    classes: pd.Series = reasons.map(named).fillna("neither").astype(object)
    return classes
