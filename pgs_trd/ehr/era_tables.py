"""DRUG_ERA and CONDITION_ERA in place of the rows they were made of."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from pgs_trd.ehr.fields import Kind

STANDS_FOR = {"drug_era": "drug_exposure", "condition_era": "condition_occurrence"}
"""The table each of them is taken for where a site has only eras."""

FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "drug_era": {
        "person_id": "integer_id",
        "drug_concept_id": "integer",
        "drug_era_start_date": "date",
        "drug_era_end_date": "date",
    },
    "condition_era": {
        "person_id": "integer_id",
        "condition_concept_id": "integer",
        "condition_era_start_date": "date",
        "condition_era_end_date": "date",
        "condition_occurrence_count": "integer",
    },
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "drug_era": ("person_id", "drug_concept_id", "drug_era_start_date", "drug_era_end_date"),
    "condition_era": ("person_id", "condition_concept_id", "condition_era_start_date"),
}

NOTES = {
    "drug_era": (
        "no drug_exposure: each drug_era counts as one prescription that lasts to its end, "
        "pauses inside it as the site bridged them; rules on days of prescription see the "
        "starts of eras only"
    ),
    "condition_era": (
        "no condition_occurrence: a condition_era counts on its first day, and, made of two "
        "rows or more, also on its last; there are no source codes"
    ),
}


def replace_absent(tables: Mapping[str, ir.Table]) -> tuple[dict[str, ir.Table], tuple[str, ...]]:
    """Put eras where the tables they were made of are absent.

    Parameters
    ----------
    tables
        With the columns of `FIELDS`, cast.

    Returns
    -------
    tables, used
        The tables without eras; and the names of the era tables that were taken.
    """
    found = {name: table for name, table in tables.items() if name not in STANDS_FOR}
    used = tuple(
        name for name, other in STANDS_FOR.items() if name in tables and other not in tables
    )
    if "drug_era" in used:
        found["drug_exposure"] = _exposures(tables["drug_era"])
    if "condition_era" in used:
        found["condition_occurrence"] = _occurrences(tables["condition_era"])
    return found, used


def _exposures(era: ir.Table) -> ir.Table:
    return era.select(
        person_id=era.person_id,
        drug_concept_id=era.drug_concept_id,
        drug_exposure_start_date=era.drug_era_start_date,
        drug_exposure_end_date=era.drug_era_end_date,
        drug_type_concept_id=ibis.null("int64"),
        days_supply=ibis.null("int64"),
        refills=ibis.null("int64"),
        quantity=ibis.null("string"),
    )


def _occurrences(era: ir.Table) -> ir.Table:
    """Give the first day of each era, and the last of those of several rows."""
    first = era.select(
        person_id=era.person_id,
        condition_concept_id=era.condition_concept_id,
        condition_start_date=era.condition_era_start_date,
    )
    several = era.filter(
        (era.condition_occurrence_count >= 2)
        & (era.condition_era_end_date > era.condition_era_start_date)
    )
    last = several.select(
        person_id=several.person_id,
        condition_concept_id=several.condition_concept_id,
        condition_start_date=several.condition_era_end_date,
    )
    return first.union(last).mutate(
        condition_source_value=ibis.null("string"),
        condition_source_concept_id=ibis.null("int64"),
        visit_occurrence_id=ibis.null("int64"),
    )
