"""Numbers that are none: NaN, infinite, or larger than any integer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pgs_trd.ehr import Ehr, build_trials, open_ehr
from pgs_trd.ehr.scales import read_scores
from pgs_trd.errors import DataError

NO_NUMBERS = [np.nan, np.inf, -np.inf, 1e300]


def write_folder(folder: Path, **columns: pa.Array) -> Path:
    """Write OMOP tables of one person with three prescriptions and two diagnoses."""
    dates = pd.to_datetime(["2015-01-01", "2015-02-01", "2015-03-01"])
    days = pa.array(dates.date, pa.date32())
    drug = {
        "person_id": pa.array([1, 1, 1]),
        "drug_concept_id": pa.array([739138, 739138, 797617]),
        "drug_exposure_start_date": days,
        **columns,
    }
    measurement = {
        "person_id": pa.array([1, 1, 1]),
        "measurement_concept_id": pa.array([0, 0, 0]),
        "measurement_date": days,
        "measurement_source_value": pa.array(["44261-6"] * 3),
        "value_as_number": columns["quantity"],
    }
    condition = {
        "person_id": pa.array([1, 1]),
        "condition_concept_id": pa.array([4152280, 4152280]),
        "condition_start_date": days[:2],
    }
    period = {
        "person_id": pa.array([1]),
        "observation_period_start_date": pa.array([dates[0].date()], pa.date32()),
        "observation_period_end_date": pa.array([pd.Timestamp("2016-01-01").date()], pa.date32()),
    }
    tables = {
        "drug_exposure": drug,
        "measurement": measurement,
        "condition_occurrence": condition,
        "observation_period": period,
    }
    for name, table in tables.items():
        pq.write_table(pa.table(table), folder / f"{name}.parquet")
    return folder


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_omop__a_quantity_that_is_no_number_costs_that_value_only(tmp_path: Path, value: float):
    """Neither the dose nor the score is known then; the rest of the row is."""
    supply = pa.array([30.0, 30.0, 30.0])
    found = open_two(tmp_path, supply, supply, pa.array([value, 30.0, 20.0]))

    trials, scores = ([f(ehr) for ehr in found] for f in (build_trials, read_scores))
    pd.testing.assert_frame_equal(*trials)
    pd.testing.assert_frame_equal(*scores)
    assert scores[0]["score"].tolist() == [20.0]


def test_omop__a_supply_of_nan_is_missing(tmp_path: Path):
    """Writers other than pandas leave NaN in Parquet, where a row says nothing."""
    column = pa.array([np.nan, 30.0, 30.0])

    found, expected = open_two(tmp_path, column, column, column)

    pd.testing.assert_frame_equal(build_trials(found), build_trials(expected))


@pytest.mark.parametrize("value", [np.inf, 1e300])
def test_omop__a_supply_that_no_integer_holds_is_a_fault(tmp_path: Path, value: float):
    """It is counted with the other faults of the table, and named by its column."""
    column = pa.array([value, 30.0, 30.0])
    with pytest.raises(DataError, match="1 of 3 rows whose 'days_supply' is no number"):
        open_ehr(write_folder(tmp_path, days_supply=column, refills=column, quantity=column))


def open_two(folder: Path, supply: pa.Array, refills: pa.Array, quantity: pa.Array) -> list[Ehr]:
    """Open the records, and the same with null for what is no number."""
    opened = []
    for name in ("odd", "plain"):
        columns = {"days_supply": supply, "refills": refills, "quantity": quantity}
        if name == "plain":
            columns = {
                key: pa.array([value if 0 < value < 100 else None for value in column.to_pylist()])
                for key, column in columns.items()
            }
        (folder / name).mkdir()
        opened.append(open_ehr(write_folder(folder / name, **columns)))
    return opened


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "NaN"])
def test_flat__a_dose_that_is_no_number_is_unknown(value: str):
    """Exports write missing numbers as words."""
    prescriptions = pd.DataFrame(
        {"person_id": ["a"], "date": ["2015-01-01"], "drug": ["sertraline"], "dose_mg": [value]}
    )
    diagnoses = pd.DataFrame({"person_id": ["a"], "date": ["2015-01-01"], "code": ["F32.1"]})

    ehr = open_ehr({"prescriptions": prescriptions, "diagnoses": diagnoses})

    assert ehr.fetch(ehr.prescriptions)["dose_ug"].isna().all()
    assert len(build_trials(ehr)) == 1
