"""OMOP CDM 5.4 tables as typed Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pgs_trd.tables import replace_on_success

# Columns of the CDM 5.4 with their kind: i integer, d date, t timestamp, f number, s text.
_COLUMNS = {
    "person": "person_id:i gender_concept_id:i year_of_birth:i month_of_birth:i day_of_birth:i "
    "birth_datetime:t race_concept_id:i ethnicity_concept_id:i location_id:i provider_id:i "
    "care_site_id:i person_source_value:s gender_source_value:s gender_source_concept_id:i "
    "race_source_value:s race_source_concept_id:i ethnicity_source_value:s "
    "ethnicity_source_concept_id:i",
    "observation_period": "observation_period_id:i person_id:i observation_period_start_date:d "
    "observation_period_end_date:d period_type_concept_id:i",
    "visit_occurrence": "visit_occurrence_id:i person_id:i visit_concept_id:i visit_start_date:d "
    "visit_start_datetime:t visit_end_date:d visit_end_datetime:t visit_type_concept_id:i "
    "provider_id:i care_site_id:i visit_source_value:s visit_source_concept_id:i "
    "admitted_from_concept_id:i admitted_from_source_value:s discharged_to_concept_id:i "
    "discharged_to_source_value:s preceding_visit_occurrence_id:i",
    "condition_occurrence": "condition_occurrence_id:i person_id:i condition_concept_id:i "
    "condition_start_date:d condition_start_datetime:t condition_end_date:d "
    "condition_end_datetime:t condition_type_concept_id:i condition_status_concept_id:i "
    "stop_reason:s provider_id:i visit_occurrence_id:i visit_detail_id:i "
    "condition_source_value:s condition_source_concept_id:i condition_status_source_value:s",
    "drug_exposure": "drug_exposure_id:i person_id:i drug_concept_id:i "
    "drug_exposure_start_date:d drug_exposure_start_datetime:t drug_exposure_end_date:d "
    "drug_exposure_end_datetime:t verbatim_end_date:d drug_type_concept_id:i stop_reason:s "
    "refills:i quantity:f days_supply:i sig:s route_concept_id:i lot_number:s provider_id:i "
    "visit_occurrence_id:i visit_detail_id:i drug_source_value:s drug_source_concept_id:i "
    "route_source_value:s dose_unit_source_value:s",
    "procedure_occurrence": "procedure_occurrence_id:i person_id:i procedure_concept_id:i "
    "procedure_date:d procedure_datetime:t procedure_end_date:d procedure_end_datetime:t "
    "procedure_type_concept_id:i modifier_concept_id:i quantity:i provider_id:i "
    "visit_occurrence_id:i visit_detail_id:i procedure_source_value:s "
    "procedure_source_concept_id:i modifier_source_value:s",
    "measurement": "measurement_id:i person_id:i measurement_concept_id:i measurement_date:d "
    "measurement_datetime:t measurement_time:s measurement_type_concept_id:i "
    "operator_concept_id:i value_as_number:f value_as_concept_id:i unit_concept_id:i "
    "range_low:f range_high:f provider_id:i visit_occurrence_id:i visit_detail_id:i "
    "measurement_source_value:s measurement_source_concept_id:i unit_source_value:s "
    "unit_source_concept_id:i value_source_value:s measurement_event_id:i "
    "meas_event_field_concept_id:i",
    "death": "person_id:i death_date:d death_datetime:t death_type_concept_id:i "
    "cause_concept_id:i cause_source_value:s cause_source_concept_id:i",
    "concept": "concept_id:i concept_name:s domain_id:s vocabulary_id:s concept_class_id:s "
    "standard_concept:s concept_code:s valid_start_date:d valid_end_date:d invalid_reason:s",
    "concept_ancestor": "ancestor_concept_id:i descendant_concept_id:i "
    "min_levels_of_separation:i max_levels_of_separation:i",
}
_TYPES = {
    "i": pa.int64(),
    "d": pa.date32(),
    "t": pa.timestamp("us"),
    "f": pa.float64(),
    "s": pa.string(),
}
SCHEMAS: Mapping[str, pa.Schema] = {
    table: pa.schema(
        [(name, _TYPES[kind]) for name, kind in (field.split(":") for field in columns.split())]
    )
    for table, columns in _COLUMNS.items()
}


def write_omop(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Write tables as ``<table>.parquet``, every column of the CDM there and typed.

    Columns that a table lacks are written as missing. The same tables give the
    same bytes.

    Parameters
    ----------
    tables
        By CDM name; dates as datetime64, missing whole numbers as <NA>.
    folder
        Where to.
    """
    for name, table in tables.items():
        schema = SCHEMAS[name]
        unknown = set(table.columns) - set(schema.names)
        if unknown:
            raise ValueError(f"no column {sorted(unknown)} in the CDM table {name}")
        columns = [
            pa.Array.from_pandas(table[field.name], type=field.type)
            if field.name in table.columns
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
        with replace_on_success(folder / f"{name}.parquet") as temporary:
            pq.write_table(
                pa.Table.from_arrays(columns, schema=schema), temporary, compression="zstd"
            )
    return folder
