"""Treatment trials: small patients worked by hand, and invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgs_trd.ehr import build_trials, open_ehr, prescription_flow
from pgs_trd.ehr.arrays import NEVER
from pgs_trd.ehr.eras import build_eras
from pgs_trd.ehr.fills import Fills
from pgs_trd.ehr.people import UNKNOWN_YEAR, Keys, People
from pgs_trd.ehr.periods import Periods
from pgs_trd.errors import UsageError

# Person: rows (start, end, days_supply) of sertraline, and the trials expected as
# (start, end, days, prescriptions, imputed). Everybody is observed 2005 to 2019.
ONE_DRUG = {
    "exact duplicates and two strengths on one day are one row, the longer supply": (
        [("2010-01-01", None, 30), ("2010-01-01", None, 30), ("2010-01-01", None, 60)],
        [("2010-01-01", "2010-03-02", 60, 1, 0)],
    ),
    "an early refill joins, and is not stockpiled": (
        [("2010-01-01", None, 30), ("2010-01-21", None, 30)],
        [("2010-01-01", "2010-02-20", 50, 2, 0)],
    ),
    "a short fill inside a long one does not split what follows": (
        [("2010-01-01", None, 90), ("2010-01-10", None, 7), ("2010-04-20", None, 30)],
        [("2010-01-01", "2010-05-20", 139, 3, 0)],
    ),
    "a gap of 30 days is survived": (
        [("2010-01-01", None, 30), ("2010-03-02", None, 30)],
        [("2010-01-01", "2010-04-01", 90, 2, 0)],
    ),
    "a gap of 31 days is not": (
        [("2010-01-01", None, 30), ("2010-03-03", None, 30)],
        [("2010-01-01", "2010-01-31", 30, 1, 0), ("2010-03-03", "2010-04-02", 30, 1, 0)],
    ),
    "supply null and zero are imputed": (
        [("2010-01-01", None, None), ("2010-01-31", None, 0)],
        [("2010-01-01", "2010-03-02", 60, 2, 2)],
    ),
    "a negative supply drops its row": (
        [("2010-01-01", None, -5), ("2011-01-01", None, 10)],
        [("2011-01-01", "2011-01-11", 10, 1, 0)],
    ),
    "a supply of 9999 days is cut to a year": (
        [("2010-01-01", None, 9999)],
        [("2010-01-01", "2011-01-01", 365, 1, 0)],
    ),
    "a supply of one day stays one day": (
        [("2010-01-01", None, 1)],
        [("2010-01-01", "2010-01-02", 1, 1, 0)],
    ),
    "an end before or on the start is unknown": (
        [("2010-01-01", "2009-12-01", None), ("2011-01-01", "2011-01-01", None)],
        [("2010-01-01", "2010-01-31", 30, 1, 1), ("2011-01-01", "2011-01-31", 30, 1, 1)],
    ),
    "an end after the start stands in for the supply, its day included": (
        [("2010-01-01", "2010-02-14", None)],
        [("2010-01-01", "2010-02-15", 45, 1, 0)],
    ),
    "the supply is believed before the end": (
        [("2010-01-01", "2010-12-31", 30)],
        [("2010-01-01", "2010-01-31", 30, 1, 0)],
    ),
    "a known supply is believed before an imputed one of the same day": (
        [("2010-01-01", None, None), ("2010-01-01", None, 14)],
        [("2010-01-01", "2010-01-15", 14, 1, 0)],
    ),
    "placeholder dates are no dates": (
        [("1901-01-01", None, 30), ("2037-07-07", None, 30), ("2010-01-01", None, 30)],
        [("2010-01-01", "2010-01-31", 30, 1, 0)],
    ),
    "rows outside observation are dropped, supply ends with it": (
        [("2004-12-31", None, 30), ("2019-12-20", None, 30), ("2020-01-01", None, 30)],
        [("2019-12-20", "2020-01-01", 12, 1, 0)],
    ),
    "without a date there is no row": ([(None, None, 30)], []),
}


def _one_drug_records() -> dict[str, pd.DataFrame]:
    rows = [
        (f"p{number:02d}", start, end, supply)
        for number, (given_rows, _) in enumerate(ONE_DRUG.values())
        for start, end, supply in given_rows
    ]
    people = [f"p{number:02d}" for number in range(len(ONE_DRUG))]
    table = pd.DataFrame(rows, columns=["person_id", "date", "end_date", "days_supply"])
    return {
        "prescriptions": table.assign(drug="N06AB06"),
        "diagnoses": pd.DataFrame(
            {"person_id": people, "date": "2010-01-01", "code": "F32.1"},
        ),
        "observation": pd.DataFrame(
            {"person_id": people, "start_date": "2005-01-01", "end_date": "2019-12-31"}
        ),
    }


def test_build_trials__small_patients_worked_by_hand():
    """Each is an edge case that published code gets wrong; see its name."""
    trials = build_trials(open_ehr(_one_drug_records()))

    for number, (name, (_, expected)) in enumerate(ONE_DRUG.items()):
        own = trials[trials["person_id"] == f"p{number:02d}"]
        actual = [
            (
                str(t.start_date.date()),
                str(t.end_date.date()),
                t.days,
                t.n_prescriptions,
                t.n_supply_imputed,
            )
            for t in own.itertuples()
        ]
        assert actual == expected, name


def test_prescription_flow__reconciles_and_names_what_was_dropped():
    """A row that vanishes uncounted is a result nobody can check."""
    records = _one_drug_records()
    flow = prescription_flow(open_ehr(records)).set_index("step")

    assert flow["n_rows_in"].iloc[0] == len(records["prescriptions"])
    assert (flow["n_rows_in"] - flow["n_rows_dropped"] == flow["n_rows_out"]).all()
    assert flow["n_rows_in"].tolist()[1:] == flow["n_rows_out"].tolist()[:-1]
    dropped = flow["n_rows_dropped"]
    assert dropped[dropped > 0].to_dict() == {
        "no_date": 1,
        "sentinel_date": 2,
        "outside_observation": 2,
        "negative_supply": 1,
        "same_day": 3,
    }


# Person: (drug, start, days_supply) and the switch date and adequacy of each trial.
SEVERAL_DRUGS = {
    "a switch ends a trial": (
        [("sertraline", "2010-01-01", 60), ("citalopram", "2010-03-02", 30)],
        [("sertraline", "2010-03-02", True), ("citalopram", None, False)],
    ),
    "what is taken after the switch does not make a trial adequate": (
        [("sertraline", "2010-01-01", 60), ("citalopram", "2010-02-05", 90)],
        [("sertraline", "2010-02-05", False), ("citalopram", None, True)],
    ),
    "42 days at the switch are adequate": (
        [("sertraline", "2010-01-01", 60), ("citalopram", "2010-02-12", 90)],
        [("sertraline", "2010-02-12", True), ("citalopram", None, True)],
    ),
    "a drug added and stopped is no switch": (
        [("sertraline", "2010-01-01", 200), ("citalopram", "2010-01-20", 14)],
        [("sertraline", None, True), ("citalopram", None, False)],
    ),
    "drugs begun on one day do not end each other": (
        [("sertraline", "2010-01-01", 60), ("citalopram", "2010-01-01", 60)],
        [("citalopram", None, True), ("sertraline", None, True)],
    ),
    "the same drug again is a new trial and no switch": (
        [("sertraline", "2010-01-01", 60), ("sertraline", "2010-06-01", 60)],
        [("sertraline", None, True), ("sertraline", None, True)],
    ),
}


def _several_drug_records() -> dict[str, pd.DataFrame]:
    rows = [
        (number, drug, start, supply)
        for number, (given_rows, _) in enumerate(SEVERAL_DRUGS.values())
        for drug, start, supply in given_rows
    ]
    people = range(len(SEVERAL_DRUGS))
    return {
        "prescriptions": pd.DataFrame(rows, columns=["person_id", "drug", "date", "days_supply"]),
        "diagnoses": pd.DataFrame({"person_id": people, "date": "2010-01-01", "code": "F32.1"}),
        "observation": pd.DataFrame(
            {"person_id": people, "start_date": "2005-01-01", "end_date": "2019-12-31"}
        ),
    }


def test_build_trials__adequacy_is_what_was_known_at_the_switch():
    """The whole era would use the future: a third drug would reach back in time."""
    trials = build_trials(open_ehr(_several_drug_records()))

    for number, (name, (_, expected)) in enumerate(SEVERAL_DRUGS.items()):
        own = trials[trials["person_id"] == str(number)]
        actual = [
            (
                t.ingredient,
                None if pd.isna(t.switch_date) else str(t.switch_date.date()),
                t.is_adequate,
            )
            for t in own.itertuples()
        ]
        assert actual == expected, name
        assert own["trial"].tolist() == list(range(1, len(expected) + 1))


def test_build_trials__death_birth_and_unknown_people(omop):
    """Fills after death are errors of linkage; a hole in observation ends an era."""
    periods = omop.observed(4)
    hole = periods[periods["person_id"] == 3].assign(
        observation_period_end_date=pd.Timestamp("2010-01-20")
    )
    after = hole.assign(
        observation_period_start_date=pd.Timestamp("2010-02-01"),
        observation_period_end_date=pd.Timestamp("2012-01-01"),
    )
    folder = omop.write(
        person=pd.DataFrame(
            {
                "person_id": [1, 2, 3],
                "gender_concept_id": [8507, 8532, 0],
                "year_of_birth": [1980, 2008, 1990],
            }
        ),
        observation_period=pd.concat([periods[periods["person_id"] != 3], hole, after]),
        death=pd.DataFrame({"person_id": [1, 1], "death_date": ["2010-01-10", "2010-03-01"]}),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline_50, "2010-01-01", None, 30),
                (1, omop.sertraline_50, "2010-01-11", None, 30),
                (2, omop.sertraline_50, "2007-05-05", None, 30),
                (3, omop.sertraline_50, "2010-01-10", None, 30),
                (3, omop.sertraline, "2010-02-02", None, 30),
                (4, omop.sertraline, "2010-02-02", None, 30),
                (3, 12345, "2010-02-02", None, 30),
            ]
        ),
    )
    ehr = open_ehr(folder)

    trials = build_trials(ehr)
    flow = prescription_flow(ehr).set_index("step")["n_rows_dropped"]

    found = trials[["person_id", "start_date", "end_date"]].astype(str).to_numpy().tolist()
    assert found == [
        ["1", "2010-01-01", "2010-01-11"],
        ["3", "2010-01-10", "2010-01-21"],
        ["3", "2010-02-02", "2010-03-04"],
    ]
    assert flow["after_death"] == 1
    assert flow["before_birth"] == 1
    assert flow["unknown_person"] == 1


def test_build_trials__refills_count_for_orders_only(omop):
    """On dispensings each refill is its own row: counting it twice makes four times."""
    folder = omop.write(
        observation_period=omop.observed(3),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline, "2010-01-01", None, 30, 38000177, 3),
                (2, omop.sertraline, "2010-01-01", None, 30, 38000175, 3),
                (3, omop.sertraline, "2010-01-01", None, 90, 32838, 11),
            ]
        ),
    )
    ehr = open_ehr(folder)

    assert build_trials(ehr)["days"].tolist() == [120, 30, 365]
    assert build_trials(ehr, use_refills=False)["days"].tolist() == [30, 30, 90]


def test_build_trials__row_order_and_threads_do_not_matter():
    """A result that depends on how rows arrive cannot be had again."""
    rng = np.random.default_rng(20)
    n_rows = 3000
    prescriptions = pd.DataFrame(
        {
            "person_id": rng.integers(0, 60, n_rows),
            "date": pd.Timestamp("2006-01-01")
            + pd.to_timedelta(rng.integers(0, 3000, n_rows), unit="D"),
            "drug": rng.choice(["sertraline", "citalopram", "N06AX11"], n_rows),
            "days_supply": rng.choice([7, 30, 90, 0], n_rows),
        }
    )
    diagnoses = pd.DataFrame({"person_id": [1], "date": ["2010-01-01"], "code": ["F32"]})
    shuffled = prescriptions.sample(frac=1, random_state=3)

    first = build_trials(
        open_ehr({"prescriptions": prescriptions, "diagnoses": diagnoses}, threads=1)
    )
    second = build_trials(open_ehr({"prescriptions": shuffled, "diagnoses": diagnoses}, threads=2))

    assert len(first) > 300
    pd.testing.assert_frame_equal(first, second)
    assert not first.duplicated(["person_id", "trial"]).any()
    assert first.equals(first.sort_values(["person_id", "trial"]))


def test_build_trials__impossible_options_are_all_named():
    """Two wrong options cost one run, not two."""
    records = _several_drug_records()
    with pytest.raises(UsageError, match=r"(?s)gap_days.*got -1.*max_supply_days.*got 0"):
        build_trials(open_ehr(records), gap_days=-1, max_supply_days=0)


def _eras_by_hand(days: list[tuple[int, int, int]], gap_days: int) -> list[tuple[int, ...]]:
    """Build eras day by day: a set of covered days, cut where none is within the gap."""
    eras = []
    for person in sorted({person for person, _, _ in days}):
        own = sorted((start, end) for p, start, end in days if p == person)
        first, last, n_rows = own[0][0], own[0][1], 0
        for start, end in own:
            if start > last + gap_days:
                eras.append((person, first, last, n_rows))
                first, last, n_rows = start, end, 0
            last = max(last, end)
            n_rows += 1
        eras.append((person, first, last, n_rows))
    return eras


@settings(max_examples=25)
@given(
    fills=st.dictionaries(
        st.tuples(st.integers(0, 2), st.integers(0, 200)), st.integers(1, 90), min_size=1
    ),
    gap_days=st.integers(0, 60),
)
def test_build_eras__equals_a_plain_loop(fills: dict[tuple[int, int], int], gap_days: int):
    """The pass over sorted numbers is clever; the loop is not."""
    days = [(person, start, start + supply) for (person, start), supply in fills.items()]
    person, start, end = (np.array(column) for column in zip(*sorted(days), strict=True))
    alike = np.zeros(len(person), dtype=np.int32)
    everybody = np.arange(3)
    people = People(
        person_id=everybody.astype(str).astype(object),
        sex=np.full(3, "unknown", dtype=object),
        birth_year=np.full(3, UNKNOWN_YEAR),
        death_day=np.full(3, NEVER),
        periods=Periods(everybody, everybody * 0, everybody * 0 + 10_000),
        keys=Keys(pa.array(everybody)),
    )
    made = Fills(person, alike, person, start, end, alike.astype(np.int8))

    eras = build_eras(made, people, gap_days=gap_days)

    columns = (eras.person, eras.start, eras.end, eras.n_prescriptions)
    found = [tuple(map(int, row)) for row in zip(*columns, strict=True)]
    assert found == _eras_by_hand(days, gap_days)
