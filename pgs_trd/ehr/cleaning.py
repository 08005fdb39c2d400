"""Which records can be used, and why the others cannot."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.periods import day_number
from pgs_trd.ehr.records import Ehr

SENTINEL_DATES = (
    (1900, 1, 1),
    (1901, 1, 1),
    (1902, 2, 2),
    (1903, 3, 3),
    (1970, 1, 1),
    (2037, 7, 7),
    (9999, 12, 31),
)
"""Dates that stand for "unknown", "at birth" or "in the future" in biobank exports."""

COUNTED_AS_TRIAL = ("yes", "dose-dependent", "indication-dependent")
"""Drugs that make a treatment trial while dose and indication rules are off.

Oral selegiline ("route-dependent") is a Parkinson drug; esketamine and ketamine
("marker") mark resistance rather than being tried.
"""

_RULES = {
    "no_date": "has a date",
    "sentinel_date": "its date is no placeholder",
    "unknown_person": "its person is in the person table",
    "before_birth": "not before the year of birth",
    "after_death": "not after death",
    "outside_observation": "inside an observation period",
    "ingredient_unknown": "its ingredient is known",
    "not_counted": "its drug counts as an antidepressant trial",
    "negative_supply": "days supply is not negative",
}


def flag_prescriptions(ehr: Ehr, *, counted: Collection[str] = COUNTED_AS_TRIAL) -> ir.Table:
    """Give every antidepressant row with the reason why it cannot be used.

    Returns
    -------
    Table
        The columns of `Ehr.prescriptions` and ``reason`` (null: usable),
        ``period``, ``last_day`` (days since 1970-01-01 of the last day observed
        and alive).
    """
    rows = _with_person(ehr, ehr.prescriptions)
    reason = ibis.coalesce(
        _reason(rows),
        ibis.cases(
            (rows.ingredient.isnull(), "ingredient_unknown"),
            (~rows.counts_as_trial.isin(list(counted)), "not_counted"),
            (rows.days_supply < 0, "negative_supply"),
        ),
    )
    last_day = ibis.coalesce(
        ibis.least(day_number(rows.observed_until), day_number(rows.death_date)),
        day_number(rows.observed_until),
    )
    return rows.select(*ehr.prescriptions.columns, "period", reason=reason, last_day=last_day)


def flag_diagnoses(ehr: Ehr) -> ir.Table:
    """Give every diagnosis row with the reason why it cannot be used (null: usable)."""
    return flag_events(ehr, ehr.diagnoses)


def flag_events(ehr: Ehr, events: ir.Table) -> ir.Table:
    """Give dated rows of people with the reason why one cannot be used (null: usable)."""
    rows = _with_person(ehr, events)
    return rows.select(*events.columns, reason=_reason(rows))


def prescription_flow(ehr: Ehr, *, counted: Collection[str] = COUNTED_AS_TRIAL) -> pd.DataFrame:
    """Count antidepressant rows from the source to what makes trials.

    Returns
    -------
    DataFrame
        ``step``, ``rule``, ``n_rows_in``, ``n_rows_out``, ``n_rows_dropped``. The
        last step merges rows of one drug on one day, exact duplicates among them.
    """
    flagged = flag_prescriptions(ehr, counted=counted)
    # Drugs that are only added to an antidepressant are no antidepressant rows.
    is_added = flagged.counts_as_trial == "augmentation"
    flagged = flagged.filter(~is_added.fill_null(False))
    flow = _flow(ehr, flagged)
    usable = flagged.filter(flagged.reason.isnull())
    days = usable.select("person_id", "ingredient", "date").distinct()
    n_days = int(ehr.fetch(days.aggregate(n=days.count()))["n"].iloc[0])
    n_in = int(flow["n_rows_out"].iloc[-1])
    merged = pd.DataFrame(
        {
            "step": ["same_day"],
            "rule": ["one row for a person, drug and day"],
            "n_rows_in": [n_in],
            "n_rows_out": [n_days],
            "n_rows_dropped": [n_in - n_days],
        }
    )
    return pd.concat([flow, merged], ignore_index=True)


def diagnosis_flow(ehr: Ehr) -> pd.DataFrame:
    """Count depression and exclusion diagnosis rows from the source to what is used.

    Returns
    -------
    DataFrame
        ``step``, ``rule``, ``n_rows_in``, ``n_rows_out``, ``n_rows_dropped``.
    """
    return _flow(ehr, flag_diagnoses(ehr))


def _with_person(ehr: Ehr, events: ir.Table) -> ir.Table:
    """Add birth year, death and the period of observation that holds the date.

    Periods of a person are disjoint, so that no event is doubled.
    """
    persons = ehr.persons.select("person_id", "birth_year", is_known=ibis.literal(1, "int64"))
    rows = events.left_join(persons, "person_id").drop("person_id_right")
    rows = rows.left_join(ehr.deaths, "person_id").drop("person_id_right")
    observed = ehr.observation.select(
        observed_person="person_id",
        period="period",
        observed_from="start_date",
        observed_until="end_date",
    )
    return rows.left_join(
        observed,
        [
            rows.person_id == observed.observed_person,
            rows.date >= observed.observed_from,
            rows.date <= observed.observed_until,
        ],
    )


def _reason(rows: ir.Table) -> ir.StringValue:
    sentinels = [ibis.date(*parts) for parts in SENTINEL_DATES]
    return cast(
        ir.StringValue,
        ibis.cases(
            (rows.date.isnull(), "no_date"),
            (rows.date.isin(sentinels), "sentinel_date"),
            (rows.is_known.isnull(), "unknown_person"),
            (rows.date.year() < rows.birth_year, "before_birth"),
            (rows.date > rows.death_date, "after_death"),
            (rows.observed_person.isnull(), "outside_observation"),
        ),
    )


def _flow(ehr: Ehr, flagged: ir.Table) -> pd.DataFrame:
    reasons = flagged.group_by("reason").aggregate(n=flagged.count())
    found = ehr.fetch(reasons)
    names: list[str] = found["reason"].fillna("").tolist()
    counts: dict[str, int] = dict(zip(names, found["n"].tolist(), strict=True))
    n_left = sum(counts.values())
    has_drugs = "ingredient" in flagged.columns
    diagnosis_only = list(_RULES)[:6]
    steps = []
    for name in _RULES if has_drugs else diagnosis_only:
        n_dropped = counts.get(name, 0)
        steps.append(
            {
                "step": name,
                "rule": _RULES[name],
                "n_rows_in": n_left,
                "n_rows_out": n_left - n_dropped,
                "n_rows_dropped": n_dropped,
            }
        )
        n_left -= n_dropped
    return pd.DataFrame(steps)
