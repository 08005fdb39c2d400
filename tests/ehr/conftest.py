"""Small OMOP records made for these tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest


class OmopMaker:
    """Makes OMOP tables of tuples and writes them as Parquet.

    Clinical drugs stand below an ingredient, as in real vocabularies.
    """

    sertraline, sertraline_50 = 739138, 40000001
    citalopram, citalopram_20 = 797617, 40000002
    bupropion, contrave = 750982, 40000003
    depressive_disorder, mdd, bipolar, psychosis = 440383, 4152280, 436665, 436073

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def drugs(self, rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
        """Make drug_exposure of (person, concept, start, end, days_supply[, type, refills])."""
        columns = ["person_id", "drug_concept_id", "drug_exposure_start_date"]
        columns += ["drug_exposure_end_date", "days_supply", "drug_type_concept_id", "refills"]
        padded = [(*row, 38000175, None)[:7] if len(row) == 5 else row for row in rows]
        table = pd.DataFrame(padded, columns=columns)
        for column in ("drug_exposure_start_date", "drug_exposure_end_date"):
            table[column] = pd.to_datetime(table[column])
        return table.astype(
            {"person_id": "int64", "drug_concept_id": "int64", "days_supply": "Int64"}
            | {"refills": "Int64", "drug_type_concept_id": "int64"}
        )

    def conditions(self, rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
        """Make condition_occurrence of (person, concept, date[, source value])."""
        columns = ["person_id", "condition_concept_id", "condition_start_date"]
        padded = [(*row, None)[:4] for row in rows]
        table = pd.DataFrame(padded, columns=[*columns, "condition_source_value"])
        table["condition_start_date"] = pd.to_datetime(table["condition_start_date"])
        table["condition_source_value"] = table["condition_source_value"].astype("string")
        return table.astype({"person_id": "int64", "condition_concept_id": "int64"})

    def ancestors(self, pairs: Sequence[tuple[int, int]] = ()) -> pd.DataFrame:
        """Make concept_ancestor: products below ingredients, and `pairs`."""
        own = [
            (self.sertraline, self.sertraline_50),
            (self.citalopram, self.citalopram_20),
            (self.bupropion, self.contrave),
        ]
        columns = ["ancestor_concept_id", "descendant_concept_id"]
        return pd.DataFrame([*own, *pairs], columns=columns)

    def observed(self, n_people: int) -> pd.DataFrame:
        """Make observation_period: people 1 to n, from 2005 to 2019."""
        return pd.DataFrame(
            {
                "person_id": range(1, n_people + 1),
                "observation_period_start_date": pd.Timestamp("2005-01-01"),
                "observation_period_end_date": pd.Timestamp("2019-12-31"),
            }
        )

    def write(self, **tables: pd.DataFrame) -> Path:
        """Write the tables into the folder; give the folder."""
        self.folder.mkdir(exist_ok=True)
        for name, table in tables.items():
            table.to_parquet(self.folder / f"{name}.parquet", index=False)
        return self.folder


@pytest.fixture
def omop(tmp_path: Path) -> OmopMaker:
    """Give a maker of OMOP folders."""
    return OmopMaker(tmp_path / "omop")
