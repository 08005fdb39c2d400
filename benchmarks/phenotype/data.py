"""Make health records for the benchmark: OMOP tables in Parquet, the same for the same size."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pgs_trd.ehr import read_codelist

CHUNK = 1_000_000
PRODUCTS = 40
"""Clinical drugs below each listed ingredient."""
FIRST_PRODUCT, FIRST_OTHER_DRUG, FIRST_OTHER_CONDITION = 40_000_000, 45_000_000, 46_000_000
N_OTHER = 20_000
MDD, RECURRENT, DEPRESSIVE, BIPOLAR, PSYCHOSIS = 4152280, 432285, 440383, 436665, 436073
MALE, FEMALE = 8507, 8532
DISPENSED = 32825
DAY_2005 = 12_784
USERS = ("sertraline", "escitalopram", "citalopram", "fluoxetine", "venlafaxine", "duloxetine",
         "mirtazapine", "paroxetine", "bupropion", "trazodone", "amitriptyline")  # fmt: skip


@dataclass(frozen=True)
class People:
    """Ids, time of observation and illness of everybody; days since 1970."""

    person_id: np.ndarray
    start: np.ndarray
    end: np.ndarray
    is_mdd: np.ndarray
    is_user: np.ndarray
    onset: np.ndarray


def make_data(
    folder: Path, n_people: int, n_drugs: int, n_conditions: int, n_ancestors: int
) -> None:
    """Write person, observation_period, death, both big tables and concept_ancestor.

    27 % of the people have depression and 30 % take antidepressants, in up to five courses;
    30 % of the prescriptions do not know their supply, 3 % are there twice. Rows of
    the big tables stand in no order of people. Nothing is done if all is there.
    """
    if (folder / "concept_ancestor.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.SFC64(20_260_102))
    people = _draw_people(rng, n_people)
    _write_people(folder, people, rng)
    prescriptions = _draw_prescriptions(rng, people)
    _write_big(folder / "drug_exposure.parquet", prescriptions, n_drugs, rng,
               lambda n: _other_prescriptions(rng, people, n))  # fmt: skip
    diagnoses = _draw_diagnoses(rng, people)
    _write_big(folder / "condition_occurrence.parquet", diagnoses, n_conditions, rng,
               lambda n: _other_diagnoses(rng, people, n))  # fmt: skip
    _write_ancestors(folder, n_ancestors, rng)


def _draw_people(rng: np.random.Generator, n: int) -> People:
    start = DAY_2005 + rng.integers(0, 2_500, n)
    is_mdd = rng.random(n) < 0.27
    is_user = np.where(is_mdd, rng.random(n) < 0.85, rng.random(n) < 0.1)
    end = start + rng.integers(1_500, 3_600, n)
    onset = start + (rng.random(n) * 1_400).astype(np.int64)
    ids = 10_000_000_000 + 7 * rng.permutation(n).astype(np.int64)
    return People(ids, start, end, is_mdd, is_user, onset)


def _write_people(folder: Path, people: People, rng: np.random.Generator) -> None:
    n = len(people.person_id)
    person = {
        "person_id": people.person_id,
        "gender_concept_id": rng.choice([FEMALE, MALE], n),
        "year_of_birth": rng.integers(1930, 1990, n),
    }
    pq.write_table(pa.table(person), folder / "person.parquet", compression="zstd")
    period = {
        "person_id": people.person_id,
        "observation_period_start_date": _dates(people.start),
        "observation_period_end_date": _dates(people.end),
    }
    pq.write_table(pa.table(period), folder / "observation_period.parquet", compression="zstd")
    dies = rng.random(n) < 0.03
    death = {"person_id": people.person_id[dies], "death_date": _dates(people.end[dies] - 200)}
    pq.write_table(pa.table(death), folder / "death.parquet", compression="zstd")


def _draw_prescriptions(rng: np.random.Generator, people: People) -> dict[str, np.ndarray]:
    """Draw the fills of up to five courses of each user."""
    row = np.flatnonzero(people.is_user)
    n_courses = rng.choice([1, 2, 3, 4, 5], len(row), p=[0.45, 0.27, 0.15, 0.08, 0.05])
    person, place = np.repeat(row, n_courses), _places(n_courses)
    n_fills = rng.geometric(0.14, len(person))
    span = 32 * n_fills + rng.integers(-20, 60, len(person))
    before = np.cumsum(span) - span
    first = before - np.repeat(before[place == 0], n_courses)
    begin = people.onset[person] + first + rng.integers(-200, 400, len(row)).repeat(n_courses)
    listed = read_codelist("antidepressants").reset_index(drop=True)
    ingredients = np.array([listed.index[listed["ingredient"] == name][0] for name in USERS])
    course = np.repeat(np.arange(len(person)), n_fills)
    product = FIRST_PRODUCT + rng.choice(ingredients, len(person)) * PRODUCTS
    supply = rng.choice([30, 90], len(person), p=[0.6, 0.4])[course].astype(np.float64)
    supply[rng.random(len(course)) < 0.3] = np.nan
    day = begin[course] + 31 * _places(n_fills) + rng.integers(-4, 5, len(course))
    rows = {
        "person_id": people.person_id[person][course],
        "concept": product[course] + rng.integers(0, PRODUCTS, len(course)),
        "day": day,
        "supply": supply,
    }
    twice = np.r_[np.arange(len(course)), np.flatnonzero(rng.random(len(course)) < 0.03)]
    return {name: values[twice] for name, values in rows.items()}


def _draw_diagnoses(rng: np.random.Generator, people: People) -> dict[str, np.ndarray]:
    row = np.flatnonzero(people.is_mdd)
    n = rng.geometric(0.2, len(row)) + (rng.random(len(row)) < 0.9)
    depressed = np.repeat(row, n)
    later = _places(n) * rng.integers(1, 200, len(depressed))
    concept = rng.choice([MDD, RECURRENT, DEPRESSIVE, 4152281], len(depressed),
                         p=[0.5, 0.3, 0.1, 0.1])  # fmt: skip
    n_vague, n_excluded = len(people.person_id) // 50, len(people.person_id) // 60
    vague = rng.integers(0, len(people.person_id), n_vague)
    excluded = rng.integers(0, len(people.person_id), n_excluded)
    return {
        "person_id": people.person_id[np.r_[depressed, vague, excluded]],
        "concept": np.r_[concept, np.full(n_vague, DEPRESSIVE),
                         rng.choice([BIPOLAR, PSYCHOSIS], n_excluded)],
        "day": np.r_[people.onset[depressed] + later, people.onset[vague],
                     people.onset[excluded] + rng.integers(-300, 2_000, n_excluded)],
    }  # fmt: skip


def _other_prescriptions(rng: np.random.Generator, people: People, n: int) -> dict[str, np.ndarray]:
    who = rng.integers(0, len(people.person_id), n)
    return {
        "person_id": people.person_id[who],
        "concept": FIRST_OTHER_DRUG + _zipf(rng, n),
        "day": people.start[who] + rng.integers(0, 3_500, n),
        "supply": rng.choice([30.0, 90.0, np.nan], n),
    }


def _other_diagnoses(rng: np.random.Generator, people: People, n: int) -> dict[str, np.ndarray]:
    who = rng.integers(0, len(people.person_id), n)
    concept = FIRST_OTHER_CONDITION + _zipf(rng, n)
    concept[rng.random(n) < 0.01] = 0
    return {
        "person_id": people.person_id[who],
        "concept": concept,
        "day": people.start[who] + rng.integers(0, 3_500, n),
    }


def _write_big(path: Path, wanted: dict[str, np.ndarray], n_rows: int, rng, others) -> None:
    """Write `n_rows` rows in chunks, those `wanted` scattered over all chunks."""
    order = rng.permutation(len(wanted["day"]))
    n_chunks = max(1, -(-n_rows // CHUNK))
    bounds = np.linspace(0, len(order), n_chunks + 1).astype(np.int64)
    sizes = np.diff(np.linspace(0, max(n_rows, len(order)), n_chunks + 1).astype(np.int64))
    writer = None
    for low, high, size in zip(bounds[:-1], bounds[1:], sizes, strict=True):
        more = others(int(size - (high - low)))
        mixed = rng.permutation(int(size))
        rows = {
            name: np.concatenate([values[order[low:high]], more[name]])[mixed]
            for name, values in wanted.items()
        }
        table = _drug_table(rows) if "supply" in rows else _condition_table(rows)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=500_000)
    writer.close()


def _drug_table(rows: dict[str, np.ndarray]) -> pa.Table:
    supply = rows["supply"]
    known = np.where(np.isnan(supply), 1, supply).astype(np.int64)
    # An end that is not known stands as the start, as many sites have it.
    return pa.table(
        {
            "person_id": rows["person_id"],
            "drug_concept_id": rows["concept"],
            "drug_exposure_start_date": _dates(rows["day"]),
            "drug_exposure_end_date": _dates(rows["day"] + known - 1),
            "drug_type_concept_id": np.full(len(supply), DISPENSED),
            "days_supply": pa.array(np.nan_to_num(supply).astype(np.int64), mask=np.isnan(supply)),
            "quantity": np.nan_to_num(supply, nan=30.0),
        }
    )


def _condition_table(rows: dict[str, np.ndarray]) -> pa.Table:
    concept = rows["concept"]
    codes = pa.array([f"J{n // 10:02d}.{n % 10}" for n in range(1_000)])
    source = pa.DictionaryArray.from_arrays(pa.array((concept % 1_000).astype(np.int32)), codes)
    return pa.table(
        {
            "person_id": rows["person_id"],
            "condition_concept_id": concept,
            "condition_start_date": _dates(rows["day"]),
            "condition_source_value": source.cast(pa.string()),
            "condition_source_concept_id": np.zeros(len(concept), dtype=np.int64),
        }
    )


def _write_ancestors(folder: Path, n_rows: int, rng: np.random.Generator) -> None:
    """Products below ingredients, one diagnosis below depression; the rest of a vocabulary."""
    listed = read_codelist("antidepressants").reset_index(drop=True)
    known = listed[listed["concept_id"].notna()]
    ancestor = np.repeat(known["concept_id"].to_numpy(dtype=np.int64), PRODUCTS)
    product = FIRST_PRODUCT + np.repeat(known.index.to_numpy() * PRODUCTS, PRODUCTS)
    product = product + np.tile(np.arange(PRODUCTS), len(known))
    n_more = max(0, n_rows - len(ancestor))
    below = rng.integers(0, 2 * N_OTHER, n_more)
    other = np.where(below < N_OTHER, FIRST_OTHER_DRUG, FIRST_OTHER_CONDITION - N_OTHER) + below
    pairs = pd.DataFrame(
        {
            "ancestor_concept_id": np.r_[ancestor, MDD, DEPRESSIVE, DEPRESSIVE,
                                         50_000_000 + rng.integers(0, 50_000, n_more)],
            "descendant_concept_id": np.r_[product, 4152281, 4152281, MDD, other],
        }
    ).drop_duplicates()  # fmt: skip
    table = pa.Table.from_pandas(pairs, preserve_index=False)
    pq.write_table(table, folder / "concept_ancestor.parquet", compression="zstd")


def _places(sizes: np.ndarray) -> np.ndarray:
    """Give the members of consecutive groups their places: 0, 1, ... in each."""
    ends = np.cumsum(sizes)
    return np.arange(int(ends[-1])) - np.repeat(ends - sizes, sizes)


def _zipf(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw concepts of which a few are frequent and most are rare."""
    return np.minimum((N_OTHER ** rng.random(n)).astype(np.int64), N_OTHER - 1)


def _dates(days: np.ndarray) -> pa.Array:
    return pa.array(days.astype(np.int32)).cast(pa.date32())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("people", "drugs", "conditions", "ancestors"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    make_data(options.folder, options.people, options.drugs, options.conditions, options.ancestors)
