"""People as arrays: found by id, alive and observed on a day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgs_trd.ehr import open_ehr
from pgs_trd.ehr.arrays import NEVER
from pgs_trd.ehr.people import UNKNOWN_YEAR, Keys, People, read_people
from pgs_trd.ehr.periods import merge_periods

PERSON = st.integers(-1, 3)


@pytest.mark.parametrize(
    "ids",
    [[5, 3, 9], [-(2**62), 7, 2**62], ["b", "a", "10"], []],
    ids=["close", "far apart", "text", "nobody"],
)
def test_keys__find_each_id_and_nobody_else(ids: list[object]):
    """Numbers that lie close are looked up in a table, others by a hash: one answer."""
    kind = pa.string() if "a" in ids else pa.int64()
    strangers = ["x", ""] if "a" in ids else [4, -1, 2**63 - 1, -(2**63)]
    asked = pa.chunked_array([pa.array([*ids, None], type=kind), pa.array(strangers, type=kind)])

    found = Keys(pa.array(ids, type=kind)).rows_of(asked)

    assert found.tolist() == [*range(len(ids)), -1, *(-1 for _ in strangers)]


def test_people__find_by_text_in_any_order():
    """Tables of results come back sorted, shuffled or with others in them."""
    ids = np.array(["1", "10", "a"], dtype=object)
    nothing = np.zeros(0, dtype=np.int64)
    people = People(
        person_id=ids,
        sex=ids,
        birth_year=np.zeros(3, dtype=np.int64),
        death_day=np.full(3, NEVER),
        periods=merge_periods(nothing, nothing, nothing),
        keys=Keys(pa.array(ids.tolist())),
    )

    assert people.find(pd.Series(["a", "a", "1", "b", "10", "1"])).tolist() == [2, 2, 0, -1, 1, 0]
    assert people.find(pd.Series([], dtype=object)).tolist() == []


@given(
    recorded=st.lists(st.tuples(PERSON, st.integers(0, 60), st.integers(-2, 30)), max_size=8),
    lives=st.lists(
        st.tuples(st.sampled_from([NEVER, 20, 45]), st.booleans()), min_size=4, max_size=4
    ),
    asked=st.lists(st.tuples(PERSON, st.integers(-5, 100)), max_size=12),
)
def test_people__are_placed_as_the_rules_say_one_by_one(recorded, lives, asked):
    """Most people have one period and take a short way: it must end where the long one does."""
    columns = (np.array([row[k] for row in recorded], dtype=np.int64) for k in range(3))
    person, first, length = columns
    periods = merge_periods(person, first, first + length)
    people = People(
        person_id=np.array(list("abcd"), dtype=object),
        sex=np.array(list("abcd"), dtype=object),
        birth_year=np.array([1971 if late else UNKNOWN_YEAR for _, late in lives]),
        death_day=np.array([died for died, _ in lives]),
        periods=periods,
        keys=Keys(pa.array(range(4))),
    )
    who = np.array([p for p, _ in asked], dtype=np.int32)
    when = np.array([day for _, day in asked], dtype=np.int32)

    period, is_alive = people.place(who, when)

    assert period.tolist() == periods.hold(who, when).tolist()
    # All days asked for lie in 1970: who was born in 1971 was not alive.
    expected = [
        place >= 0 and day <= lives[p][0] and not lives[p][1]
        for (p, day), place in zip(asked, period, strict=True)
    ]
    assert is_alive.tolist() == expected


IDS = st.one_of(
    st.sets(st.integers(0, 10**18 - 1)),
    st.sets(st.integers(0, 1200)),
    st.sets(st.integers(-(2**63), 2**63 - 1)),
    st.sets(st.text("0129ab", min_size=1)),
)


@given(ids=IDS)
def test_people__are_in_the_order_of_their_ids_as_text(ids):
    """Numbers are sorted as numbers, which is sooner done: 10 must still stand before 9."""
    persons = pa.table(
        {
            "person_id": pa.array(sorted(ids), pa.int64() if _are_numbers(ids) else pa.string()),
            "sex": pa.array(["unknown"] * len(ids), pa.string()),
            "birth_year": pa.nulls(len(ids), pa.int64()),
        }
    )
    nothing = persons.slice(0, 0).select(["person_id"])
    dates = pa.array([], pa.date32())
    deaths = nothing.append_column("death_date", dates)
    recorded = nothing.append_column("start_date", dates).append_column("end_date", dates)

    people = read_people([persons, deaths, recorded])

    assert people.person_id.tolist() == sorted(map(str, ids))
    everybody = people.person_id[np.arange(len(ids)).repeat(2)]
    assert people.find(everybody).tolist() == np.arange(len(ids)).repeat(2).tolist()


def _are_numbers(ids) -> bool:
    return all(isinstance(each, int) for each in ids)


def test_people__other_spellings_of_an_id_are_nobody():
    """Ids are text: person 7 is not "007", and nobody is found for what is no id at all."""
    people = People(
        person_id=np.array(["11", "7"], dtype=object),
        sex=np.array(["unknown"] * 2, dtype=object),
        birth_year=np.array([UNKNOWN_YEAR] * 2),
        death_day=np.array([NEVER] * 2),
        periods=merge_periods(*(np.zeros(0, dtype=np.int64) for _ in range(3))),
        keys=Keys(pa.array([11, 7])),
    )

    asked = [" 7", "7", "007", "+7", "7.0", "seven", "", "11", "12", str(2**70)]
    rows = {"11": 0, "7": 1}
    assert people.find(np.array(asked, dtype=object)).tolist() == [rows.get(t, -1) for t in asked]
    for text in asked:
        assert people.find(np.array([text], dtype=object)).tolist() == [rows.get(text, -1)]


def test_open_ehr__visits_measurements_and_the_setting_of_diagnoses_are_read(omop):
    """A folder holds them beside the rest; of two diagnoses one was made in hospital."""
    conditions = omop.conditions([(1, omop.mdd, "2010-01-01"), (2, omop.mdd, "2010-01-05")])
    folder = omop.write(
        observation_period=omop.observed(2),
        drug_exposure=omop.drugs([(1, omop.sertraline, "2010-02-01", None, 30)]),
        condition_occurrence=conditions.assign(visit_occurrence_id=[11, 12]),
        visit_occurrence=pd.DataFrame(
            {
                "person_id": [1, 2],
                "visit_occurrence_id": [11, 12],
                "visit_concept_id": [9202, 9201],
                "visit_start_date": pd.to_datetime(["2010-01-01", "2010-01-05"]),
            }
        ),
        measurement=pd.DataFrame(
            {
                "person_id": [1],
                "measurement_concept_id": [0],
                "measurement_date": pd.to_datetime(["2010-01-01"]),
                "measurement_source_value": ["44261-6"],
                "value_as_number": [17.0],
            }
        ),
    )
    ehr = open_ehr(folder)
    rows = ehr.inpatient_rows

    assert rows is not None
    assert ehr.people.person_id[rows.person].tolist() == ["2"]
    assert ehr.visits is not None
    assert len(ehr.fetch(ehr.visits)) == 2
    assert ehr.scales is not None
    assert ehr.fetch(ehr.scales)[["scale", "score"]].to_numpy().tolist() == [["PHQ-9", 17]]
