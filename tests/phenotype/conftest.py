"""Small patients made for these tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pytest

from pgs_trd.ehr import Ehr, build_trials, open_ehr


@dataclass(frozen=True)
class Patient:
    """One patient: diagnoses (code, date), drugs (name, start, days), life and observation."""

    diagnoses: Sequence[tuple[str, str]] = ()
    drugs: Sequence[tuple[str, str, int]] = ()
    observed: Sequence[tuple[str, str]] = (("2005-01-01", "2019-12-31"),)
    died: str | None = None


def open_patients(patients: Mapping[str, Patient]) -> tuple[Ehr, pd.DataFrame]:
    """Make flat tables of patients by id; give the records and their trials."""
    diagnoses = [(i, date, code) for i, p in patients.items() for code, date in p.diagnoses]
    drugs = [(i, start, name, days) for i, p in patients.items() for name, start, days in p.drugs]
    observed = [(i, start, end) for i, p in patients.items() for start, end in p.observed]
    deaths = [(i, p.died) for i, p in patients.items() if p.died]
    ehr = open_ehr(
        {
            "persons": pd.DataFrame({"person_id": list(patients), "sex": "F", "birth_year": 1970}),
            "diagnoses": pd.DataFrame(diagnoses, columns=["person_id", "date", "code"]),
            "prescriptions": pd.DataFrame(
                drugs, columns=["person_id", "date", "drug", "days_supply"]
            ),
            "observation": pd.DataFrame(observed, columns=["person_id", "start_date", "end_date"]),
            "deaths": pd.DataFrame(deaths, columns=["person_id", "death_date"]),
        }
    )
    return ehr, build_trials(ehr)


@pytest.fixture(scope="session")
def patient() -> type[Patient]:
    """Give the class of small patients."""
    return Patient


@pytest.fixture(scope="session")
def open_small():
    """Give the function that opens small patients."""
    return open_patients
