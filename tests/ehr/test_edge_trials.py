"""Edge cases of health records, up to trials: each a small patient with its answer.

The numbers are those of the project's list of edge cases; the others, up to classes
and follow-up, stand in tests/phenotype/test_edge_cases.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pgs_trd.ehr import Ehr, build_trials, open_ehr, prescription_flow
from pgs_trd.ehr.adjuncts import build_adjuncts
from pgs_trd.ehr.doses import gate_trials, trial_doses

Row = tuple[object, ...]


def open_one(
    drugs: list[Row], diagnoses: list[tuple[str, str]] | None = None, **tables: pd.DataFrame
) -> Ehr:
    """Open the records of one person: drugs are (name, date, days_supply, dose_mg)."""
    rows = [("p", *(*row, None, None)[:4]) for row in drugs]
    columns = ["person_id", "drug", "date", "days_supply", "dose_mg"]
    codes = diagnoses if diagnoses is not None else [("F32.1", "2010-01-01")]
    source: dict[str, Any] = {
        "prescriptions": pd.DataFrame(rows, columns=columns),
        "diagnoses": pd.DataFrame(
            [("p", date, code) for code, date in codes], columns=["person_id", "date", "code"]
        ),
        "observation": pd.DataFrame(
            {"person_id": ["p"], "start_date": ["2005-01-01"], "end_date": ["2019-12-31"]}
        ),
        **tables,
    }
    return open_ehr(source)


def spans(trials: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Give ingredient, start and end of trials as text."""
    return [
        (t.ingredient, str(t.start_date.date()), str(t.end_date.date()))
        for t in trials.itertuples()
    ]


def test_edge_01__duplicates_and_two_strengths_on_one_day():
    """A duplicate is no second fill; two strengths are one day of the sum of both."""
    ehr = open_one(
        [
            ("sertraline", "2010-01-01", 30, 50),
            ("sertraline", "2010-01-01", 30, 50),
            ("sertraline", "2010-01-01", 30, 25),
        ]
    )
    trials = build_trials(ehr)

    assert spans(trials) == [("sertraline", "2010-01-01", "2010-01-31")]
    assert trials["n_prescriptions"].tolist() == [1]
    assert trial_doses(ehr, trials)["max_dose_mg"].tolist() == [75.0]


def test_edge_02__early_refill_is_kept_only_when_stockpiling():
    """The ten days left at the refill are lost by default, and added on request."""
    ehr = open_one([("sertraline", "2010-01-01", 30), ("sertraline", "2010-01-21", 30)])

    assert spans(build_trials(ehr))[0][2] == "2010-02-20"
    assert spans(build_trials(ehr, stockpile=True))[0][2] == "2010-03-02"


def test_edge_02__stockpiled_supply_does_not_cross_a_pause():
    """After a pause the next fill starts afresh: worked by hand, day by day."""
    drugs = [
        ("sertraline", d, 30) for d in ("2010-01-01", "2010-01-11", "2010-06-01", "2010-06-11")
    ]
    found = spans(build_trials(open_one(drugs), stockpile=True))

    assert found == [
        ("sertraline", "2010-01-01", "2010-03-02"),
        ("sertraline", "2010-06-01", "2010-07-31"),
    ]


def test_edge_03__a_short_fill_inside_a_long_one():
    """The end of the row before is not the end of what was supplied before."""
    ehr = open_one(
        [
            ("sertraline", "2010-01-01", 90),
            ("sertraline", "2010-01-10", 7),
            ("sertraline", "2010-04-20", 30),
        ]
    )

    assert len(build_trials(ehr)) == 1


def test_edge_04__supply_null_zero_negative_huge_one():
    """Impute, impute, drop, cut to a year, keep: two years lie between the rows."""
    given = [None, 0, -5, 9999, 1]
    drugs = [("sertraline", f"{2006 + 2 * place}-01-01", n) for place, n in enumerate(given)]
    trials = build_trials(open_one(drugs))

    found = dict(zip(trials["start_date"].dt.year, trials["days"], strict=True))
    assert found == {2006: 30, 2008: 30, 2012: 365, 2014: 1}


def test_edge_04__a_supply_of_one_day_is_kept_but_for_written_orders(omop):
    """In hospital a row is a day; an order that says 1 did not know."""
    folder = omop.write(
        observation_period=omop.observed(2),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline, "2010-01-01", None, 1, 38000177, None),
                (2, omop.sertraline, "2010-01-01", None, 1, 38000175, None),
            ]
        ),
    )
    trials = build_trials(open_ehr(folder))

    assert trials["days"].tolist() == [30, 1]
    assert trials["n_supply_imputed"].tolist() == [1, 0]


def test_edge_05__end_before_or_on_the_start_is_unknown(omop):
    """Sites fill the end with the start where they do not know it."""
    folder = omop.write(
        observation_period=omop.observed(2),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline, "2010-01-01", "2010-01-01", None),
                (2, omop.sertraline, "2010-01-01", "2009-12-01", None),
            ]
        ),
    )
    trials = build_trials(open_ehr(folder))

    assert trials["days"].tolist() == [30, 30]
    assert trials["n_supply_imputed"].tolist() == [1, 1]


def test_edge_06__refills_of_orders_not_of_dispensings(omop):
    """Each dispensing is a row of its own: its refills would count four times."""
    folder = omop.write(
        observation_period=omop.observed(2),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline, "2010-01-01", None, 30, 38000177, 3),
                (2, omop.sertraline, "2010-01-01", None, 30, 38000175, 3),
            ]
        ),
    )

    assert build_trials(open_ehr(folder))["days"].tolist() == [120, 30]


def test_edge_07__placeholder_dates_are_dropped_and_counted():
    """Else the first prescription ever would be one of 1901."""
    periods = {"person_id": ["p"], "start_date": ["1900-01-01"], "end_date": ["2040-12-31"]}
    dates = ["1901-01-01", "1902-02-02", "1903-03-03", "2037-07-07", "2010-01-01"]
    ehr = open_one([("sertraline", date, 30) for date in dates], observation=pd.DataFrame(periods))
    flow = prescription_flow(ehr).set_index("step")["n_rows_dropped"]

    assert spans(build_trials(ehr)) == [("sertraline", "2010-01-01", "2010-01-31")]
    assert flow["sentinel_date"] == 4


def test_edge_08__before_birth_after_death_outside_observation():
    """Each is dropped, and counted under its own name."""
    ehr = open_one(
        [
            ("sertraline", "2004-12-31", 30),
            ("sertraline", "2006-05-05", 30),
            ("sertraline", "2012-03-01", 30),
        ],
        persons=pd.DataFrame({"person_id": ["p"], "sex": ["F"], "birth_year": [2008]}),
        deaths=pd.DataFrame({"person_id": ["p"], "death_date": ["2011-01-01"]}),
    )
    flow = prescription_flow(ehr).set_index("step")["n_rows_dropped"]

    assert build_trials(ehr).empty
    # Each row has one reason, the first: both of 2004 and 2006 lie before the birth.
    assert flow["before_birth"] == 2
    assert flow["after_death"] == 1


def test_edge_09__a_hole_in_observation_ends_an_era():
    """What happened in the hole is unknown: no era may span it."""
    periods = {
        "person_id": ["p", "p"],
        "start_date": ["2005-01-01", "2010-02-01"],
        "end_date": ["2010-01-20", "2019-12-31"],
    }
    ehr = open_one(
        [("sertraline", "2010-01-10", 30), ("sertraline", "2010-02-05", 30)],
        observation=pd.DataFrame(periods),
    )

    assert spans(build_trials(ehr)) == [
        ("sertraline", "2010-01-10", "2010-01-21"),
        ("sertraline", "2010-02-05", "2010-03-07"),
    ]


def test_edge_10__bupropion_for_smoking_or_weight():
    """With naltrexone it never counts; alone it needs a depression code, where asked."""
    rows = [("bupropion", "2012-01-01", 60), ("naltrexone and bupropion", "2014-01-01", 60)]
    ehr = open_one([*rows, ("A08AA62", "2015-01-01", 60)])
    trials = build_trials(ehr)

    assert trials["start_date"].dt.year.tolist() == [2012]
    assert build_trials(ehr, counted=("yes", "dose-dependent")).empty
    gated = gate_trials(ehr, trials, indication_days=365)
    assert gated["gate"].tolist() == ["no_indication"]
    near = gate_trials(ehr, trials, indication_days=800)
    assert pd.isna(near["gate"].iloc[0])


def test_edge_11__low_doses_for_sleep_or_pain_are_gated():
    """Known and low is gated; unknown is not low; one day at a full dose is enough."""
    ehr = open_one(
        [
            ("amitriptyline", "2010-01-01", 60, 25),
            ("trazodone", "2011-01-01", 60, 100),
            ("doxepin", "2012-01-01", 60, 6),
            ("mirtazapine", "2013-01-01", 60, 7.5),
            ("amitriptyline", "2014-01-01", 60, 75),
            ("trazodone", "2015-01-01", 60),
            ("mirtazapine", "2016-01-01", 30, 7.5),
            ("mirtazapine", "2016-01-31", 30, 30),
        ]
    )
    gated = gate_trials(ehr, build_trials(ehr))

    expected = ["low_dose"] * 4 + [None] * 3
    assert gated["gate"].where(gated["gate"].notna(), None).tolist() == expected
    assert gated["dose_adequacy"].tolist() == [
        *["inadequate"] * 4,
        "adequate",
        "unknown",
        "adequate",
    ]


def test_edge_11__quetiapine_for_sleep_adds_nothing():
    """25 mg is a hypnotic; 150 mg, or a dose that is not known, is an addition."""
    ehr = open_one(
        [
            ("quetiapine", "2010-01-01", 30, 25),
            ("quetiapine", "2011-01-01", 30, 150),
            ("quetiapine", "2012-01-01", 30),
        ]
    )

    assert build_adjuncts(ehr)["start_date"].dt.year.tolist() == [2011, 2012]
    assert build_trials(ehr).empty


def test_edge_12__other_indications_and_routes():
    """Oral selegiline is a drug of Parkinson's disease; duloxetine may be for pain."""
    ehr = open_one(
        [
            ("selegiline", "2010-01-01", 60),
            ("duloxetine", "2010-01-10", 60),
            ("duloxetine", "2014-01-01", 60),
            ("viloxazine", "2015-01-01", 60),
        ]
    )
    trials = build_trials(ehr)

    assert trials["ingredient"].tolist() == ["duloxetine", "duloxetine"]
    gated = gate_trials(ehr, trials, indication_days=180)
    assert [pd.isna(gate) for gate in gated["gate"]] == [True, False]


def test_edge_14__combination_products():
    """Symbyax is fluoxetine and an added antipsychotic; Deanxit is no trial."""
    ehr = open_one(
        [
            ("N06CA03", "2010-01-01", 30),
            ("N06CA01", "2011-01-01", 30),
            ("N06CA02", "2012-01-01", 30),
        ]
    )
    added = build_adjuncts(ehr)

    assert build_trials(ehr)["ingredient"].tolist() == ["fluoxetine", "amitriptyline"]
    assert added[["name", "kind"]].to_numpy().tolist() == [["olanzapine", "augmentation"]]
    assert added["start_date"].tolist() == [pd.Timestamp("2010-01-01")]


def test_edge_15__ingredient_and_product_concepts_are_one_drug(omop):
    """Rows at the ingredient and at the clinical drug belong to one era."""
    folder = omop.write(
        observation_period=omop.observed(1),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (1, omop.sertraline, "2010-01-01", None, 30),
                (1, omop.sertraline_50, "2010-02-01", None, 30),
            ]
        ),
    )

    assert spans(build_trials(open_ehr(folder))) == [("sertraline", "2010-01-01", "2010-03-03")]


def test_edge_16__unmapped_rows_are_reported(omop):
    """Concept 0 is silent loss unless somebody says so."""
    folder = omop.write(
        observation_period=omop.observed(1),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [(1, 0, "2010-01-01", None, 30), (1, omop.sertraline, "2010-01-01", None, 30)]
        ),
    )

    assert any("1 of 2 rows of drug_exposure have no concept" in n for n in open_ehr(folder).notes)


def test_edge_17__a_class_code_makes_no_different_drug():
    """N06AB is some SSRI: which one is unknown, so it can be no second drug."""
    ehr = open_one([("N06AB04", "2010-01-01", 60), ("N06AB", "2010-03-02", 60)])
    flow = prescription_flow(ehr).set_index("step")["n_rows_dropped"]

    assert build_trials(ehr)["ingredient"].tolist() == ["citalopram"]
    assert flow["ingredient_unknown"] == 1


def test_edge_28__daily_administrations_are_one_era():
    """An inpatient stay is a row a day with one day's supply each."""
    days = [str(day.date()) for day in pd.date_range("2010-01-01", periods=45)]
    trials = build_trials(open_one([("sertraline", day, 1) for day in days]))

    assert trials["days"].tolist() == [45]
    assert trials["is_adequate"].tolist() == [True]


def test_edge_29__infusions_and_short_courses_are_markers():
    """Six weeks cannot be asked of esketamine or zuranolone: they mark, they are no trial."""
    ehr = open_one([("esketamine", "2010-01-01", 1), ("zuranolone", "2011-01-01", 14)])

    assert build_trials(ehr).empty
    assert build_adjuncts(ehr)[["kind", "name"]].to_numpy().tolist() == [
        ["marker", "esketamine"],
        ["marker", "zuranolone"],
    ]


def test_edge_30__sessions_of_ect_are_courses():
    """Twelve records are one course; a year later it is another."""
    dates = [*pd.date_range("2010-01-01", periods=12, freq="3D"), pd.Timestamp("2011-06-01")]
    procedures = pd.DataFrame(
        {"person_id": "p", "date": [str(d.date()) for d in dates], "procedure": "90870"}
    )
    ehr = open_one([("sertraline", "2010-01-01", 30)], procedures=procedures)
    found = build_adjuncts(ehr)

    assert found["name"].tolist() == ["ECT", "ECT"]
    assert found["n_records"].tolist() == [12, 1]
    assert found["end_date"].tolist() == [pd.Timestamp("2010-02-04"), pd.Timestamp("2011-06-02")]


def test_edge_31__prochlorperazine_is_no_augmentation():
    """It is given for nausea; only listed drugs can be an addition."""
    ehr = open_one([("prochlorperazine", "2010-01-01", 30), ("N05AB04", "2010-01-01", 30)])

    assert build_adjuncts(ehr).empty


def test_edge_41__large_ids_stay_apart(omop):
    """As floats, 2**60 + 1 and 2**60 + 2 are one person."""
    first, second = 2**60 + 1, 2**60 + 2
    periods = omop.observed(2).assign(person_id=[first, second])
    folder = omop.write(
        observation_period=periods,
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(first, omop.mdd, "2010-01-01")]),
        drug_exposure=omop.drugs(
            [
                (first, omop.sertraline, "2010-01-01", None, 30),
                (second, omop.citalopram, "2010-01-01", None, 30),
            ]
        ),
    )

    assert build_trials(open_ehr(folder))["person_id"].tolist() == [str(first), str(second)]


def test_edge_42__sums_are_of_64_bits():
    """32-bit sums of days wrap in silence at cohort size."""
    trials = build_trials(open_one([("sertraline", "2010-01-01", 30)]))
    counts = ["days", "n_prescriptions", "n_supply_imputed", "trial"]

    assert set(trials[counts].dtypes) == {np.dtype("int64")}


def test_edge_43__times_of_day_are_floored_once():
    """A time in the evening is that day, not the next."""
    drugs = pd.DataFrame(
        {
            "person_id": ["p", "p"],
            "drug": "sertraline",
            "date": pd.to_datetime(["2010-01-01 23:59:59", "2010-01-31 00:00:01"]),
            "days_supply": 30,
        }
    )
    trials = build_trials(open_one([], prescriptions=drugs))

    assert spans(trials) == [("sertraline", "2010-01-01", "2010-03-02")]


def test_edge_43__a_zone_does_not_move_the_day():
    """Half past midnight in Copenhagen is the day before in UTC: the clock on the wall decides."""
    zoned = pd.to_datetime(["2010-01-01 23:30", "2010-01-31 00:30"]).tz_localize(
        "Europe/Copenhagen"
    )
    west = pd.to_datetime(["2010-01-01 23:30"]).tz_localize("America/Los_Angeles")
    drugs = pd.DataFrame(
        {"person_id": ["p", "p"], "drug": "sertraline", "date": zoned, "days_supply": 30}
    )

    assert spans(build_trials(open_one([], prescriptions=drugs))) == [
        ("sertraline", "2010-01-01", "2010-03-02")
    ]
    late = drugs.iloc[:1].assign(date=west)
    assert spans(build_trials(open_one([], prescriptions=late)))[0][1] == "2010-01-01"


def test_edge_44__days_are_half_open():
    """42 days from 1 January end on 12 February, the first day without."""
    trials = build_trials(
        open_one([("sertraline", "2009-01-01", 41), ("sertraline", "2010-01-01", 42)])
    )

    assert trials["days"].tolist() == [41, 42]
    assert trials["is_adequate"].tolist() == [False, True]
    assert trials["end_date"].iloc[1] == pd.Timestamp("2010-02-12")
