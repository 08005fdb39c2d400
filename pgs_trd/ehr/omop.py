"""The OMOP common data model, 5.3 and 5.4, in the package's form."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir

from pgs_trd.ehr.codes import read_codelist
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.diagnoses import diagnosis_concepts, diagnosis_source_codes, procedure_concepts
from pgs_trd.ehr.drugs import drug_concepts, drug_strengths
from pgs_trd.ehr.fields import Kind, blank_to_null, empty_table, memory_table, read_fields
from pgs_trd.ehr.periods import merge_periods, span_of_records

MALE, FEMALE = 8507, 8532
ORDER_TYPES = (38000177, 32838)
"""Drug types of prescriptions written: only there do refills add to the supply.

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
    "visit_occurrence": {"person_id": "integer_id", "visit_start_date": "date"},
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
    "concept": {"concept_id": "integer", "concept_name": "text"},
    "concept_names": {"concept_id": "integer", "concept_name": "text"},
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
    "concept": ("concept_id", "concept_name"),
    "concept_names": ("concept_id", "concept_name"),
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
        return merge_periods(
            period.select(
                person_id=period.person_id,
                start_date=period.observation_period_start_date,
                end_date=period.observation_period_end_date,
            )
        )
    drug, condition = tables["drug_exposure"], tables["condition_occurrence"]
    return span_of_records(
        drug.select(person_id=drug.person_id, date=drug.drug_exposure_start_date),
        condition.select(person_id=condition.person_id, date=condition.condition_start_date),
    )


def omop_prescriptions(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give antidepressant rows of drug_exposure with their ingredient."""
    drug = tables["drug_exposure"]
    used = drug.filter(drug.drug_concept_id != 0).select(concept_id=drug.drug_concept_id).distinct()
    names = tables.get("concept", tables.get("concept_names"))
    mapped = drug_concepts(used, tables.get("concept_ancestor"), names)
    mapped = _with_strength(mapped, names)
    joined = drug.inner_join(mapped, drug.drug_concept_id == mapped.concept_id)
    is_order = joined.drug_type_concept_id.isin(ORDER_TYPES)
    # Doses are whole micrograms: whole numbers compare alike on every engine.
    daily = joined.strength_ug * joined.quantity.try_cast("float64") / joined.days_supply.nullif(0)
    dose = daily.round().cast("int64")
    return joined.select(
        person_id=joined.person_id,
        date=joined.drug_exposure_start_date,
        end_date=joined.drug_exposure_end_date,
        days_supply=joined.days_supply,
        refills=is_order.ifelse(joined.refills, ibis.null("int64")),
        dose_ug=(dose > 0).ifelse(dose, ibis.null("int64")),
        ingredient=joined.ingredient,
        drug_class=joined.drug_class,
        counts_as_trial=joined.counts_as_trial,
    )


def _with_strength(mapped: ir.Table, names: ir.Table | None) -> ir.Table:
    """Add the strength of each product, as its name tells it."""
    columns = ["concept_id", "ingredient", "drug_class", "counts_as_trial"]
    if names is None:
        return mapped.select(*columns, strength_ug=ibis.null("int64"))
    strengths = drug_strengths(names)
    joined = mapped.left_join(strengths, "concept_id")
    return joined.select(**{name: joined[name] for name in columns}, strength_ug=joined.strength_ug)


def omop_diagnoses(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give depression and exclusion rows of condition_occurrence with their class.

    With concept_ancestor, rows are classed by their standard concept, and only
    unmapped ones (concept 0) by source concept and code. Without it the listed
    ids cannot be expanded, so that source concepts and codes speak for every row.
    """
    condition = tables["condition_occurrence"]
    ancestors = tables.get("concept_ancestor")
    classes = diagnosis_concepts(ancestors)
    rows = condition.select(
        person_id=condition.person_id,
        date=condition.condition_start_date,
        concept_id=condition.condition_concept_id,
        source_concept_id=condition.condition_source_concept_id,
        code=blank_to_null(condition.condition_source_value),
    )
    by_concept = _classed(rows, classes, "concept_id")
    is_unmapped = rows.concept_id.isnull() | (rows.concept_id == 0)
    unresolved = rows.filter(is_unmapped) if ancestors is not None else rows
    by_source = _classed(unresolved, classes, "source_concept_id")
    used = (
        unresolved.filter(unresolved.code.notnull())
        .select("code", vocabulary=ibis.null("string"))
        .distinct()
    )
    codes = diagnosis_source_codes(used)
    by_code = unresolved.inner_join(codes, "code").select("person_id", "date", "diagnosis_class")
    return ibis.union(by_concept, by_source, by_code, distinct=True)


def _classed(rows: ir.Table, classes: ir.Table, key: str) -> ir.Table:
    joined = rows.select("person_id", "date", key=rows[key])
    return joined.inner_join(classes, joined.key == classes.concept_id).select(
        "person_id", "date", "diagnosis_class"
    )


def omop_procedures(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give brain stimulation and psychotherapy rows of procedure_occurrence."""
    if "procedure_occurrence" not in tables:
        return empty_table({"person_id": "int64", "date": "date", "procedure_class": "string"})
    procedure = tables["procedure_occurrence"]
    classes = procedure_concepts(tables.get("concept_ancestor"))
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
        score=rows.value_as_number.try_cast("float64").round().cast("int64"),
    ).filter(lambda t: t.scale.notnull() & t.score.notnull())


def omop_deliveries(tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """Give the days with a delivery among conditions and procedures, by listed concepts."""
    listed = read_codelist("perinatal")
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
