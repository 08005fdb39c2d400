"""Flat tables of registers and biobank exports, in the package's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists
from pgs_trd.ehr.diagnoses import diagnosis_source_codes, procedure_codes
from pgs_trd.ehr.drugs import flat_drugs, number_drugs
from pgs_trd.ehr.fields import Kind, empty_table, read_fields, stored_table, whole_number
from pgs_trd.ehr.periods import span_of_records
from pgs_trd.ehr.records import fetch

if TYPE_CHECKING:
    from ibis.backends.sql import SQLBackend

FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "prescriptions": {
        "person_id": "text_id",
        "date": "date",
        "drug": "text",
        "end_date": "date",
        "days_supply": "integer",
        "dose_mg": "text",
    },
    "diagnoses": {
        "person_id": "text_id",
        "date": "date",
        "code": "text",
        "vocabulary": "text",
        "setting": "text",
    },
    "persons": {"person_id": "text_id", "sex": "text", "birth_year": "integer"},
    "observation": {"person_id": "text_id", "start_date": "date", "end_date": "date"},
    "deaths": {"person_id": "text_id", "death_date": "date"},
    "procedures": {"person_id": "text_id", "date": "date", "procedure": "text"},
    "visits": {"person_id": "text_id", "date": "date"},
    "scales": {"person_id": "text_id", "date": "date", "scale": "text", "score": "text"},
    "deliveries": {"person_id": "text_id", "date": "date"},
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "prescriptions": ("person_id", "date", "drug"),
    "diagnoses": ("person_id", "date", "code"),
    "persons": ("person_id",),
    "observation": ("person_id", "start_date", "end_date"),
    "deaths": ("person_id", "death_date"),
    "procedures": ("person_id", "date", "procedure"),
    "visits": ("person_id", "date"),
    "scales": ("person_id", "date", "scale", "score"),
    "deliveries": ("person_id", "date"),
}


def read_flat(tables: Mapping[str, ir.Table]) -> dict[str, ir.Table]:
    """Cast the columns that are used; what they cannot be cast to is already checked."""
    return {name: read_fields(table, FIELDS[name]) for name, table in tables.items()}


def flat_persons(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give everybody: the persons table, or who has any record."""
    if "persons" in tables:
        person = tables["persons"]
        sex = person.sex.lower()
        return person.select(
            person_id=person.person_id,
            sex=ibis.cases(
                (sex.isin(["male", "m", "man"]), "male"),
                (sex.isin(["female", "f", "woman"]), "female"),
                else_="unknown",
            ),
            birth_year=person.birth_year,
        )
    names = ("observation", "prescriptions", "diagnoses")
    known = [tables[name].select("person_id") for name in names if name in tables]
    return ibis.union(*known, distinct=True).select(
        "person_id", sex=ibis.literal("unknown", "string"), birth_year=ibis.null("int64")
    )


def flat_observation(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the time each person was observed: given, or from first to last record."""
    if "observation" in tables:
        return tables["observation"]
    return span_of_records(
        *(tables[name].select("person_id", "date") for name in ("prescriptions", "diagnoses"))
    )


def flat_prescriptions(
    backend: SQLBackend, tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS
) -> tuple[ir.Table, pd.DataFrame]:
    """Give the antidepressant rows with their drug, and the drugs by number."""
    rows = tables["prescriptions"]
    used = rows.filter(rows.drug.notnull()).select("drug").distinct()
    kinds = dict.fromkeys(["drug", "ingredient", "drug_class", "counts_as_trial"], "string")
    drugs, numbered = number_drugs(fetch(backend, flat_drugs(used, lists)))
    listed = stored_table(backend, numbered, {**kinds, "drug_number": "int16"})
    table = rows.inner_join(listed, "drug").select(
        "person_id",
        "date",
        "end_date",
        "days_supply",
        "ingredient",
        "drug_class",
        "counts_as_trial",
        "drug_number",
        refills=ibis.null("int64"),
        dose_ug=whole_number(rows.dose_mg.try_cast("float64") * 1000),
    )
    return table, drugs


def flat_diagnoses(
    backend: SQLBackend, tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS
) -> ir.Table:
    """Give the depression and exclusion rows with their class."""
    rows = tables["diagnoses"]
    # Null equals nothing in a join: an unstated vocabulary needs a value.
    rows = rows.mutate(stated=rows.vocabulary.fill_null(""))
    used = fetch(backend, rows.filter(rows.code.notnull()).select("code", "stated").distinct())
    used["vocabulary"] = used["stated"].where(used["stated"] != "")
    found = diagnosis_source_codes(used, lists)
    found = found.assign(stated=found["vocabulary"].fillna(""))
    kinds = {"code": "string", "stated": "string", "diagnosis_class": "string"}
    joined = rows.inner_join(stored_table(backend, found, kinds), ["code", "stated"])
    return joined.select("person_id", "date", "diagnosis_class", "setting")


def flat_inpatient(diagnoses: ir.Table) -> ir.Table:
    """Give the diagnoses made in hospital, as the column ``setting`` says."""
    found = diagnoses.filter(diagnoses.setting.lower() == "inpatient")
    return found.select("person_id", "date", "diagnosis_class")


def flat_deaths(tables: Mapping[str, ir.Table]) -> ir.Table:
    """Give the first date of death of each person."""
    if "deaths" not in tables:
        return empty_table({"person_id": "string", "death_date": "date"})
    death = tables["deaths"].filter(tables["deaths"].death_date.notnull())
    return death.group_by("person_id").aggregate(death_date=death.death_date.min())


def flat_procedures(tables: Mapping[str, ir.Table], lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Give brain stimulation and psychotherapy rows with their class.

    A procedure is named by its class ("ECT", "rTMS") or a code of the list; codes that
    end in an asterisk there stand for all that begin so.
    """
    if "procedures" not in tables:
        return empty_table({"person_id": "string", "date": "date", "procedure_class": "string"})
    rows = tables["procedures"]
    plain = rows.procedure.upper().strip().replace(".", "")
    rows = rows.select("person_id", "date", plain=plain)
    listed = procedure_codes(lists)
    exact = rows.inner_join(listed, rows.plain == listed.code)
    prefixed = listed.filter(listed.is_prefix == 1)
    begun = rows.inner_join(prefixed, rows.plain.startswith(prefixed.code))
    columns = ["person_id", "date", "procedure_class"]
    return exact.select(columns).union(begun.select(columns), distinct=True)


def flat_scales(tables: Mapping[str, ir.Table]) -> ir.Table | None:
    """Give symptom scores, as recorded; None without a table of them."""
    if "scales" not in tables:
        return None
    rows = tables["scales"]
    return rows.select(
        "person_id", "date", "scale", score=whole_number(rows.score.try_cast("float64"))
    )
