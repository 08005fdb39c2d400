"""The OMOP common data model, 5.3 and 5.4, in the package's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr import era_tables
from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.diagnoses import diagnosis_concepts, diagnosis_source_codes, procedure_concepts
from pgs_trd.ehr.drugs import drug_concepts, drug_strengths, number_drugs
from pgs_trd.ehr.fields import (
    Kind,
    empty_table,
    memory_table,
    read_fields,
    stored_table,
    whole_number,
)
from pgs_trd.ehr.periods import span_of_records
from pgs_trd.ehr.records import fetch

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend

VERSIONS = ("5.3", "5.4")
"""Versions of the CDM whose tables are read; columns that are used are the same in both."""

MALE, FEMALE = 8507, 8532
INPATIENT = (9201, 262, 8717)
"""Visits in hospital: inpatient, emergency and inpatient, inpatient hospital."""

ORDER_TYPES = (38000177, 32838)
"""Drug types of prescriptions written: only there do refills add to the supply of a row.

On dispensing records each refill is a row of its own.
"""

PHQ9_LOINC = ("44261-6", "44249-1")
"""The total score, and the panel, under which some sites store the total."""

FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "person": {
        "person_id": "integer_id",
        "gender_concept_id": "integer",
        "year_of_birth": "integer",
    },
    "observation_period": {
        "person_id": "integer_id",
        "observation_period_start_date": "date",
        "observation_period_end_date": "date",
    },
    "condition_occurrence": {
        "person_id": "integer_id",
        "condition_concept_id": "integer",
        "condition_start_date": "date",
        "condition_source_value": "text",
        "condition_source_concept_id": "integer",
        "visit_occurrence_id": "integer",
    },
    "drug_exposure": {
        "person_id": "integer_id",
        "drug_concept_id": "integer",
        "drug_exposure_start_date": "date",
        "drug_exposure_end_date": "date",
        "drug_type_concept_id": "integer",
        "days_supply": "integer",
        "refills": "integer",
        "quantity": "text",
    },
    "visit_occurrence": {
        "person_id": "integer_id",
        "visit_start_date": "date",
        "visit_occurrence_id": "integer",
        "visit_concept_id": "integer",
    },
    "measurement": {
        "person_id": "integer_id",
        "measurement_concept_id": "integer",
        "measurement_date": "date",
        "measurement_source_value": "text",
        "value_as_number": "text",
    },
    "procedure_occurrence": {
        "person_id": "integer_id",
        "procedure_concept_id": "integer",
        "procedure_date": "date",
    },
    "death": {"person_id": "integer_id", "death_date": "date"},
    "concept_ancestor": {
        "ancestor_concept_id": "integer",
        "descendant_concept_id": "integer",
    },
    **era_tables.FIELDS,
    "concept": {"concept_id": "integer", "concept_name": "text"},
    "concept_names": {"concept_id": "integer", "concept_name": "text"},
    "cdm_source": {"cdm_version": "text"},
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "person": ("person_id",),
    "observation_period": (
        "person_id",
        "observation_period_start_date",
        "observation_period_end_date",
    ),
    "condition_occurrence": ("person_id", "condition_concept_id", "condition_start_date"),
    "drug_exposure": ("person_id", "drug_concept_id", "drug_exposure_start_date"),
    "procedure_occurrence": ("person_id", "procedure_concept_id", "procedure_date"),
    "death": ("person_id", "death_date"),
    "visit_occurrence": ("person_id", "visit_start_date"),
    "measurement": ("person_id", "measurement_concept_id", "measurement_date"),
    "concept_ancestor": ("ancestor_concept_id", "descendant_concept_id"),
    **era_tables.REQUIRED,
    "concept": ("concept_id", "concept_name"),
    "concept_names": ("concept_id", "concept_name"),
    "cdm_source": (),
}


_CONCEPTS = {
    "concept_id": "int64",
    "ingredient": "string",
    "drug_class": "string",
    "counts_as_trial": "string",
    "strength_ug": "int64",
}


def read_omop(tables: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """Cast the columns that are used; what they cannot be cast to is already checked."""
    return {name: read_fields(table, FIELDS[name]) for name, table in tables.items()}


def omop_persons(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give everybody: the person table, or who has an observation period or a record."""
    if "person" in tables:
        person = tables["person"]
        return person.select(
            person_id=person.person_id,
            sex=ibis.cases(
                (person.gender_concept_id == MALE, "male"),
                (person.gender_concept_id == FEMALE, "female"),
                else_="unknown",
            ),
            birth_year=person.year_of_birth,
        )
    names = ("observation_period", "drug_exposure", "condition_occurrence")
    known = [tables[name].select("person_id") for name in names if name in tables]
    return ibis.union(*known, distinct=True).select(
        "person_id", sex=ibis.literal("unknown", "string"), birth_year=ibis.null("int64")
    )


def omop_observation(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the time each person was observed: given, or from first to last record."""
    if "observation_period" in tables:
        period = tables["observation_period"]
        return period.select(
            person_id=period.person_id,
            start_date=period.observation_period_start_date,
            end_date=period.observation_period_end_date,
        )
    drug, condition = tables["drug_exposure"], tables["condition_occurrence"]
    return span_of_records(
        drug.select(person_id=drug.person_id, date=drug.drug_exposure_start_date),
        condition.select(person_id=condition.person_id, date=condition.condition_start_date),
    )


def omop_prescriptions(
    backend: SQLBackend, tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS
) -> tuple[ir.Table, pd.DataFrame]:
    """Give antidepressant rows of drug_exposure with their drug, and the drugs by number."""
    drug = tables["drug_exposure"]
    names = tables.get("concept", tables.get("concept_names"))
    mapped = drug_concepts(drug, tables.get("concept_ancestor"), names, lists=lists)
    # Few concepts: fetched once, so that every query joins a small table of known size.
    drugs, numbered = number_drugs(fetch(backend, _with_strength(mapped, names)))
    concepts = stored_table(backend, numbered, {**_CONCEPTS, "drug_number": "int16"})
    joined = drug.inner_join(concepts, drug.drug_concept_id == concepts.concept_id)
    is_order = joined.drug_type_concept_id.isin(ORDER_TYPES)
    # Doses are whole micrograms: whole numbers compare alike on every engine.
    daily = joined.strength_ug * joined.quantity.try_cast("float64") / joined.days_supply.nullif(0)
    dose = whole_number(daily)
    knows_strength = names is not None
    table = joined.select(
        person_id=joined.person_id,
        date=joined.drug_exposure_start_date,
        end_date=joined.drug_exposure_end_date,
        # Nobody prescribes an antidepressant for a day: orders have 1 where none was said.
        days_supply=((joined.days_supply == 1) & is_order).ifelse(
            ibis.null("int64"), joined.days_supply
        ),
        refills=is_order.ifelse(joined.refills, ibis.null("int64")),
        # Not asked for in vain: it would read a column more of every row.
        dose_ug=(dose > 0).ifelse(dose, ibis.null("int64"))
        if knows_strength
        else ibis.null("int64"),
        ingredient=joined.ingredient,
        drug_class=joined.drug_class,
        counts_as_trial=joined.counts_as_trial,
        drug_number=joined.drug_number,
    )
    return table, drugs


def _with_strength(mapped: ir.Table, names: ir.Table | None) -> ir.Table:
    """Add the strength of each product, as its name tells it."""
    columns = [name for name in _CONCEPTS if name != "strength_ug"]
    if names is None:
        return mapped.select(*columns, strength_ug=ibis.null("int64"))
    strengths = drug_strengths(names.semi_join(mapped, "concept_id"))
    joined = mapped.left_join(strengths, "concept_id")
    return joined.select(**{name: joined[name] for name in columns}, strength_ug=joined.strength_ug)


def omop_inpatient(tables: Mapping[str, ir.Table], diagnoses: ir.Table) -> ir.Table | None:
    """Give the diagnoses made in hospital; None where no visit tells the setting."""
    if "visit_occurrence" not in tables:
        return None
    visit = tables["visit_occurrence"]
    inpatient = visit.filter(visit.visit_concept_id.isin(INPATIENT))
    inpatient = inpatient.select(visit_id=inpatient.visit_occurrence_id).distinct()
    found = diagnoses.semi_join(inpatient, "visit_id")
    return found.select("person_id", "date", "diagnosis_class")


@dataclass(frozen=True)
class Unmapped:
    """What rows without a standard concept say instead.

    Attributes
    ----------
    n_rows
        Rows whose concept is null or 0.
    classes
        ``source_concept_id`` (0: none), ``code`` (empty: none), ``diagnosis_class`` of
        those that have one.
    """

    n_rows: int
    classes: pd.DataFrame


def omop_diagnoses(
    backend: SQLBackend, tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS
) -> tuple[ir.Table, Unmapped]:
    """Give depression and exclusion rows of condition_occurrence with their class.

    With concept_ancestor, rows are classed by their standard concept, and only
    unmapped ones (concept 0) by source concept and code. Without it the listed
    ids cannot be expanded, so that source concepts and codes speak for every row.
    """
    condition = tables["condition_occurrence"]
    has_ancestors = "concept_ancestor" in tables
    listed = fetch(backend, diagnosis_concepts(tables.get("concept_ancestor"), lists))
    classes = stored_table(backend, listed, {"concept_id": "int64", "diagnosis_class": "string"})
    rows = condition.select(
        person_id=condition.person_id,
        date=condition.condition_start_date,
        concept_id=condition.condition_concept_id,
        source_concept_id=condition.condition_source_concept_id.fill_null(0),
        code=condition.condition_source_value.fill_null(""),
        visit_id=condition.visit_occurrence_id,
    )
    is_unmapped = rows.concept_id.isnull() | (rows.concept_id == 0)
    columns = ["person_id", "date", "diagnosis_class", "visit_id"]
    found = rows.inner_join(classes, "concept_id").select(columns)
    unresolved = rows.filter(is_unmapped) if has_ancestors else rows
    said = unresolved.group_by("source_concept_id", "code").aggregate(
        n_unmapped=is_unmapped.sum() if not has_ancestors else unresolved.count()
    )
    unmapped = _classes_of_sources(fetch(backend, said), listed, lists)
    if len(unmapped.classes):
        kinds = {"source_concept_id": "int64", "code": "string", "diagnosis_class": "string"}
        sources = stored_table(backend, unmapped.classes, kinds)
        more = unresolved.inner_join(sources, ["source_concept_id", "code"]).select(columns)
        # Mapped and unmapped rows are others, unless both ways are open to every row.
        found = found.union(more, distinct=not has_ancestors)
    return found, unmapped


def _classes_of_sources(said: pd.DataFrame, listed: pd.DataFrame, lists: CodeLists) -> Unmapped:
    keys = ["source_concept_id", "code"]
    by_code = diagnosis_source_codes(
        pd.DataFrame({"code": said.loc[said["code"] != "", "code"].unique(), "vocabulary": None}),
        lists,
    ).drop(columns="vocabulary")
    by_concept = listed.rename(columns={"concept_id": "source_concept_id"})
    parts = [said[keys].merge(by_code, on="code"), said[keys].merge(by_concept, on=keys[0])]
    classes = pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)
    return Unmapped(int(said["n_unmapped"].sum()), classes)


def omop_procedures(tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Give brain stimulation and psychotherapy rows of procedure_occurrence."""
    if "procedure_occurrence" not in tables:
        return empty_table({"person_id": "int64", "date": "date", "procedure_class": "string"})
    procedure = tables["procedure_occurrence"]
    classes = procedure_concepts(tables.get("concept_ancestor"), lists)
    joined = procedure.inner_join(classes, procedure.procedure_concept_id == classes.concept_id)
    return joined.select(
        person_id=joined.person_id,
        date=joined.procedure_date,
        procedure_class=joined.procedure_class,
    ).distinct()


def omop_deaths(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the first date of death of each person."""
    if "death" not in tables:
        return empty_table({"person_id": "int64", "death_date": "date"})
    death = tables["death"].filter(tables["death"].death_date.notnull())
    return death.group_by("person_id").aggregate(death_date=death.death_date.min())


def omop_visits(tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """Give the first day of every visit; None without a table of visits."""
    if "visit_occurrence" not in tables:
        return None
    visit = tables["visit_occurrence"]
    return visit.select(person_id=visit.person_id, date=visit.visit_start_date).distinct()


def omop_scales(tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """Give symptom scores found by LOINC code or name in the source value.

    Concept ids of these totals are not verified, and sites keep scores under local
    concepts: what the source called them is what is certain.
    """
    if "measurement" not in tables:
        return None
    rows = tables["measurement"]
    said = rows.measurement_source_value.strip()
    return rows.select(
        person_id=rows.person_id,
        date=rows.measurement_date,
        scale=said.isin(list(PHQ9_LOINC)).ifelse("PHQ-9", said),
        score=whole_number(rows.value_as_number.try_cast("float64")),
    ).filter(lambda t: t.scale.notnull() & t.score.notnull())


def omop_deliveries(
    tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS
) -> ir.Table | None:
    """Give the days with a delivery among conditions and procedures, by listed concepts."""
    listed = lists.read("perinatal")
    listed = listed[listed["perinatal_class"] == "delivery"].dropna(subset=["concept_id"])
    wanted = memory_table(listed, {"concept_id": "int64", "perinatal_class": "string"})
    ancestors = tables.get("concept_ancestor")
    if ancestors is not None:
        wanted = descendants(ancestors, wanted)
    wanted = wanted.select("concept_id").distinct()
    condition = tables["condition_occurrence"]
    parts = [
        condition.select(
            person_id=condition.person_id,
            date=condition.condition_start_date,
            concept_id=condition.condition_concept_id,
        )
    ]
    if "procedure_occurrence" in tables:
        procedure = tables["procedure_occurrence"]
        parts.append(
            procedure.select(
                person_id=procedure.person_id,
                date=procedure.procedure_date,
                concept_id=procedure.procedure_concept_id,
            )
        )
    found = [part.semi_join(wanted, "concept_id").select("person_id", "date") for part in parts]
    return ibis.union(*found, distinct=True) if len(found) > 1 else found[0].distinct()
