"""Edge cases of health records, from codes to classes: each a small patient with its answer.

The numbers are those of the project's list of edge cases; those up to trials stand in
tests/ehr/test_edge_trials.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pgs_trd.ehr import Ehr, build_trials, open_ehr, read_codelist
from pgs_trd.ehr.adjuncts import build_adjuncts
from pgs_trd.ehr.doses import gate_trials
from pgs_trd.ehr.scales import read_scores, sum_items
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import (
    Phenotype,
    classify,
    consensus_class,
    explain,
    find_perinatal,
    follow_up,
    improvement,
    label_trials,
    load_definition,
)

TWO_DX = (("F32.1", "2010-01-01"), ("F33.2", "2010-02-01"))
A, B, C = (
    ("sertraline", "2010-01-01", 60),
    ("citalopram", "2010-03-02", 60),
    ("mirtazapine", "2010-05-01", 60),
)


def open_many(patients: dict[str, dict[str, object]]) -> Ehr:
    """Open people by id: drugs (name, date, days, dose), diagnoses (code, date), tables.

    Many small patients in one set of records: opening records takes a second.
    """
    drugs = [
        (i, *(*row, None, None)[:4]) for i, own in patients.items() for row in own.get("drugs", ())
    ]
    codes = [
        (i, date, code)
        for i, own in patients.items()
        for code, date in own.get("diagnoses", TWO_DX)
    ]
    columns = ["person_id", "drug", "date", "days_supply", "dose_mg"]
    given = {
        "persons": [{"sex": own.get("sex", "F"), "birth_year": 1970} for own in patients.values()],
        "observation": [
            {"start_date": "1995-01-01", "end_date": own.get("until", "2019-12-31")}
            for own in patients.values()
        ],
    }
    source = {
        "prescriptions": pd.DataFrame(drugs, columns=columns),
        "diagnoses": pd.DataFrame(codes, columns=["person_id", "date", "code"]),
        **{k: pd.DataFrame(v).assign(person_id=list(patients)) for k, v in given.items()},
    }
    for name in ("procedures", "visits", "scales", "deliveries"):
        parts = [
            own[name].assign(person_id=i)
            for i, own in patients.items()
            if own.get(name) is not None
        ]
        if parts:
            source[name] = pd.concat(parts, ignore_index=True)
    return open_ehr(source)


def open_one(drugs=(), diagnoses=TWO_DX, **more: object) -> Ehr:
    """Open the records of one person."""
    return open_many({"p": {"drugs": drugs, "diagnoses": diagnoses, **more}})


def answers(
    patients: dict[str, dict[str, object]], definition: str = "adequate2"
) -> dict[str, tuple[str, str]]:
    """Give class and reason of each person, all classified together."""
    ehr = open_many(patients)
    table = classify(ehr, build_trials(ehr), definition).table
    pairs = table[["phenotype", "reason"]].itertuples(index=False, name=None)
    return dict(zip(table["person_id"], pairs, strict=True))


def dated(column: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    """Make a table of person "p": (date, value)."""
    return pd.DataFrame(
        [("p", *row) for row in rows], columns=["person_id", "date", *column.split()]
    )


def answer(ehr: Ehr, definition: str = "adequate2", trials: pd.DataFrame | None = None):
    """Give class and reason of the one person."""
    found = classify(ehr, build_trials(ehr) if trials is None else trials, definition)
    row = found.table.iloc[0]
    return row["phenotype"], row["reason"]


def test_edge_13__citalopram_to_escitalopram_is_a_switch_unless_joined():
    """Two ingredients, one molecule: three drugs by default, two where they are one."""
    ehr = open_one([A, B, ("escitalopram", "2010-05-01", 60)])
    base = load_definition("adequate2")
    joined = replace(base, one_drug=(("citalopram", "escitalopram"),))
    trials = build_trials(ehr)

    assert answer(ehr) == ("trd", "resistant")
    row = classify(ehr, trials, joined).table.iloc[0]
    assert row[["phenotype", "n_ingredients", "n_failed"]].tolist() == ["responsive", 2, 1]
    assert joined.hash != base.hash


def test_edge_18__codes_in_every_writing_are_found():
    """With or without dot, lower case, national letters, as a number."""
    codes = ["F32.1", "f321", " F32.10 ", "DF32", "F32.1 G", "311.0", "311"]
    found = answers({code: {"diagnoses": [(code, "2010-01-01")]} for code in codes})

    assert all(reason != "no_depression_code" for _, reason in found.values()), found


def test_edge_19__codes_that_changed_over_time_bar_a_control():
    """F32.9 became F32.A, F53 became F53.0: neither version may make a control."""
    codes = ["F32.9", "F32.A", "F53", "F53.0"]
    found = answers({code: {"diagnoses": [(code, "2010-01-01")]} for code in codes})

    assert all(reason != "no_depression_code" for _, reason in found.values()), found


def test_edge_20__remission_is_flagged_in_the_list():
    """A code of remission tells of an earlier episode: the list says which these are."""
    listed = read_codelist("depression")
    flagged = set(listed.loc[listed["remission"] == "true", "code"])

    assert {"F33.4", "F32.5"} <= flagged
    assert "F33.2" not in flagged


def test_edge_21__two_codes_on_one_day_are_one_date():
    """One visit with two codes is no second diagnosis."""
    same = (("F32.1", "2010-01-01"), ("F33.2", "2010-01-01"))
    found = answers({"same": {"drugs": [A], "diagnoses": same}, "two": {"drugs": [A]}})

    assert found["same"] == ("neither", "depression_code_not_mdd")
    assert found["two"] == ("responsive", "responsive")


def test_edge_22__bipolar_after_resistance_ends_follow_up_and_excludes_on_request():
    """Excluding for what came later conditions on the future."""
    ehr = open_one([A, B, C], (*TWO_DX, ("F31.1", "2012-01-01")))
    base = load_definition("adequate2")
    ever = replace(base, exclusions=replace(base.exclusions, when="ever"))
    trials = build_trials(ehr)

    assert answer(ehr) == ("trd", "resistant")
    assert classify(ehr, trials, ever).table["reason"].tolist() == ["excluded_bipolar"]
    before = open_one([A, B], (*TWO_DX, ("F31.1", "2012-01-01")))
    followed = follow_up(before, classify(before, build_trials(before)))
    assert followed["end_reason"].tolist() == ["bipolar_or_psychosis"]
    assert followed["exit_days"].tolist() == [730]


def test_edge_23__going_back_to_the_first_drug():
    """A, B, A are two drugs."""
    ehr = open_one([A, B, ("sertraline", "2010-05-01", 60)])

    assert answer(ehr) == ("neither", "partial")
    assert classify(ehr, build_trials(ehr)).table["n_ingredients"].tolist() == [2]
    assert label_trials(build_trials(ehr))["begins_as"].tolist() == ["first", "switch", "switch"]


def test_edge_24__two_drugs_begun_on_one_day_are_a_combination():
    """They are one step, and their order is that of their names."""
    ehr = open_one([A, B, ("mirtazapine", "2010-03-02", 60)])
    labelled = label_trials(build_trials(ehr))

    assert labelled["ingredient"].tolist() == ["sertraline", "citalopram", "mirtazapine"]
    assert labelled["begins_as"].tolist() == ["first", "combination", "combination"]
    assert answer(ehr) == ("neither", "partial")


def test_edge_25__cross_taper_of_30_days_is_a_switch():
    """Overlap up to 30 days is a taper, longer a combination; who stops first was added."""
    expected = {
        ("2010-03-02", 60): "switch",
        ("2010-01-31", 60): "switch",
        ("2010-01-30", 60): "combination",
        ("2010-01-05", 20): "failed_addition",
        ("2010-01-05", 28): "combination",
        ("2010-08-29", 60): "switch",
        ("2010-08-30", 60): "first",
    }
    patients = {
        f"{place}": {"drugs": [A, ("citalopram", *second)]} for place, second in enumerate(expected)
    }
    labelled = label_trials(build_trials(open_many(patients)))

    second = labelled[labelled["ingredient"] == "citalopram"]
    assert second["begins_as"].tolist() == list(expected.values())


def test_edge_26__switches_decades_apart():
    """One line of treatment does not span twenty years; the lifetime rule does not ask."""
    far = [
        ("sertraline", "1996-01-01", 60),
        ("sertraline", "1996-02-20", 60),
        ("citalopram", "1996-04-20", 60),
        ("citalopram", "2016-01-01", 60),
        ("citalopram", "2016-02-20", 60),
        ("mirtazapine", "2016-04-20", 60),
    ]
    ehr = open_one(far, [("F32.1", "1996-01-01"), ("F33.2", "1996-02-01")])

    assert answer(ehr)[0] == "neither"
    assert answer(ehr, "fabbri2021") == ("trd", "resistant")


def test_edge_27__one_prescription_of_the_third_drug_is_enough():
    """That it was begun is the event; how long it lasted is the future."""
    assert answer(open_one([A, B, ("mirtazapine", "2010-05-01", 1)])) == ("trd", "resistant")


def test_edge_27__a_second_prescription_can_be_asked_for():
    """Without a third drug that was fetched once, two drugs and one failure are left."""
    once, later = ("mirtazapine", "2010-05-01", 14), ("mirtazapine", "2010-05-15", 14)
    twice = [(name, date, 30) for name, start, _ in (A, B) for date in _fills(start)]
    base = load_definition("adequate2")
    asked = replace(base, trials=replace(base.trials, min_prescriptions=2))
    found = {
        name: classify(ehr, build_trials(ehr), asked)
        for name, ehr in (
            ("once", open_one([*twice, once])),
            ("again", open_one([*twice, once, later])),
        )
    }

    assert {name: each.table["phenotype"].iloc[0] for name, each in found.items()} == {
        "once": "responsive",
        "again": "trd",
    }
    assert asked.hash != base.hash
    shown = explain(found["once"], found["once"].table["person_id"].iloc[0])
    assert shown.loc[shown["detail"] == "mirtazapine", "note"].tolist() == [
        "fewer than 2 prescriptions"
    ]


def _fills(start: str) -> list[str]:
    """Give two dates, 30 days apart."""
    return [str((pd.Timestamp(start) + pd.Timedelta(days=30 * n)).date()) for n in range(2)]


def test_edge_30__ect_counts_with_depression_only():
    """ECT is given for catatonia, mania and psychosis too; VNS for epilepsy never counts."""
    ect = dated("procedure", ("2010-05-01", "ECT"))
    vns = dated("procedure", ("2010-05-01", "VNS"))
    patients = {
        "ect": {"drugs": [A, B], "procedures": ect},
        "vns": {"drugs": [A, B], "procedures": vns},
        "no depression": {"drugs": [A, B], "procedures": ect, "diagnoses": ()},
    }

    assert answers(patients, "grid_t4_r1") == {
        "ect": ("trd", "resistant"),
        "vns": ("neither", "partial"),
        "no depression": ("no_mdd", "no_depression_code"),
    }
    assert answers(patients, "grid_t1_r1")["ect"] == ("neither", "partial")


def test_edge_31__an_antipsychotic_counts_when_new_and_long_enough():
    """Taken before any antidepressant, or for less than 28 days, it is no augmentation."""
    added = {
        "new": ("quetiapine", "2010-04-01", 60),
        "before": ("quetiapine", "2009-12-01", 500),
        "short": ("quetiapine", "2010-04-01", 27),
        # Ten days of citalopram are left on 20 April: too few beside it.
        "late": ("quetiapine", "2010-04-20", 60),
    }
    ehr = open_many({name: {"drugs": [A, B, drug]} for name, drug in added.items()})
    trials = build_trials(ehr)
    table = classify(ehr, trials, "grid_t4_r1").table.set_index("person_id")
    labelled = label_trials(trials, build_adjuncts(ehr))

    assert table["phenotype"].to_dict() == {
        "before": "neither",
        "late": "neither",
        "new": "trd",
        "short": "neither",
    }
    # On its first day nobody knew that it would last 28 days.
    assert table.loc["new", "trd_date"] == pd.Timestamp("2010-04-29")
    with_drug = labelled[labelled["augmented_with"] != ""]
    assert with_drug[["person_id", "ingredient", "augmented_with"]].to_numpy().tolist() == [
        ["new", "citalopram", "quetiapine"]
    ]


def test_edge_32__lithium_alone_is_no_augmentation():
    """Without an antidepressant it treats something else; thyroid hormone is in no rule."""
    patients = {
        "lithium": {"drugs": [("lithium", "2010-01-01", 90)]},
        "thyroid": {"drugs": [A, B, ("liothyronine", "2010-04-01", 60)]},
    }

    assert answers(patients, "grid_t4_r1") == {
        "lithium": ("neither", "untreated"),
        "thyroid": ("neither", "partial"),
    }


def test_edge_33__thin_records_are_no_response():
    """Who was last seen with the prescription is not well: nobody knows."""
    patients = {
        "thin": {"drugs": [A], "until": "2010-03-01"},
        "seen twice": {"drugs": [A], "visits": dated("", ("2010-06-01",), ("2010-09-01",))},
        "seen for a year": {"drugs": [A], "visits": dated("", ("2010-06-01",), ("2011-06-01",))},
    }

    assert answers(patients, "grid_t1_r1") == {
        "thin": ("neither", "insufficient_follow_up"),
        "seen twice": ("responsive", "responsive"),
        "seen for a year": ("responsive", "responsive"),
    }
    # Observed for years, seen never again: the rule that asks for visits says so.
    assert answers(patients, "grid_t1_r2") == {
        "thin": ("neither", "few_visits"),
        "seen twice": ("neither", "few_visits"),
        "seen for a year": ("responsive", "responsive"),
    }


def mothers(patients: dict[str, dict[str, object]], **options: int):
    """Find postpartum depression of people with ``births``: table by id, and attrition."""
    tables = {
        i: {**own, "deliveries": dated("", *[(day,) for day in own["births"]])}
        for i, own in patients.items()
    }
    ehr = open_many(tables)
    found = find_perinatal(ehr, build_trials(ehr), **options)
    return found.table.set_index("person_id"), found.attrition.set_index("step")["n_people_out"]


def test_edge_34_to_36__deliveries_windows_and_a_man():
    """Nearest birth before; twins are one birth; a year, its last day included; no men."""
    one = ["2010-01-01"]
    table, attrition = mothers(
        {
            "two births": {
                "births": ["2008-01-01", "2008-01-01", "2008-06-01", "2010-01-01"],
                "diagnoses": [("F53.0", "2010-03-01")],
            },
            "day 365": {"births": one, "diagnoses": [("F32.1", "2011-01-01")]},
            "day 366": {"births": one, "diagnoses": [("F32.1", "2011-01-02")]},
            "depressed before": {
                "births": one,
                "diagnoses": [("F32.1", "2005-01-01"), ("F53.0", "2010-03-01")],
            },
            "man": {"births": one, "diagnoses": [("F32.1", "2010-02-01")], "sex": "M"},
        }
    )

    assert table.loc["two births", "n_deliveries"] == 2
    assert table.loc["two births", "delivery_date"] == pd.Timestamp("2010-01-01")
    assert table["ppd_days"].dropna().to_dict() == {
        "two births": 59,
        "day 365": 365,
        "depressed before": 59,
    }
    assert table["is_incident"].to_dict() == {
        "two births": True,
        "day 365": True,
        "day 366": False,
        "depressed before": False,
    }
    assert attrition.to_dict() == {
        "delivery_record": 5,
        "women_with_delivery": 4,
        "postpartum_depression": 3,
        "incident": 2,
        "resistant": 0,
    }


def test_edge_35__the_window_after_delivery_is_a_parameter():
    """Studies use 4 weeks, 6 months or 12."""
    patient = {"births": ["2010-01-01"], "diagnoses": [("F32.1", "2010-07-01")]}

    assert mothers({"p": patient}, window_days=180)[0]["ppd_date"].isna().all()
    assert mothers({"p": patient}, window_days=181)[0]["ppd_date"].notna().all()


def test_find_perinatal__resistant_by_the_conference_rule():
    """Three drugs, an add-on, ECT or rTMS, within a year of the diagnosis."""
    three = [(name, date, 30) for name, date, _ in (A, B, C)]
    lithium = ("lithium", "2010-02-01", 30)
    expected = {
        "three drugs": ({"drugs": three}, "2010-05-01"),
        "two drugs": ({"drugs": three[:2]}, None),
        "the third after a year": (
            {"drugs": [A, B, ("mirtazapine", "2011-01-02", 30)]},
            None,
        ),
        "an add-on": ({"drugs": [A, lithium]}, "2010-02-01"),
        "an add-on alone": ({"drugs": [lithium]}, None),
        "rTMS": (
            {"drugs": [A], "procedures": dated("procedure", ("2010-02-03", "rTMS"))},
            "2010-02-03",
        ),
    }
    common = {"births": ["2009-12-01"], "diagnoses": [("F53.0", "2010-01-01")]}
    table, _ = mothers({name: {**own, **common} for name, (own, _) in expected.items()})

    for name, (_, date) in expected.items():
        found = table.loc[name, "resistant_date"]
        assert (None if pd.isna(found) else str(found.date())) == date, name
    ehr = open_one([A])
    trials = build_trials(ehr)
    with pytest.raises(DataError, match="no table of deliveries"):
        find_perinatal(ehr, trials)
    with pytest.raises(UsageError, match="n_drugs must be at least 1, got 0"):
        find_perinatal(ehr, trials, n_drugs=0)


def test_edge_37__items_negative_codes_and_other_codings():
    """UK Biobank codes 1 to 4 and missing as -818; a PHQ-8 is no PHQ-9."""
    assert sum_items([[3] * 9], "PHQ-9").tolist() == [27.0]
    assert sum_items([[1] * 8], "PHQ-8").tolist() == [8.0]
    assert sum_items([[4] * 9], "PHQ-9", coding="from_1").tolist() == [27.0]
    assert np.isnan(sum_items([[0] * 8 + [-818]], "PHQ-9")).all()
    assert np.isnan(sum_items([[0] * 8 + [4]], "PHQ-9")).all()
    # QIDS: the highest of sleep, of appetite and weight, of the psychomotor items.
    assert sum_items([[3] * 16], "QIDS").tolist() == [27.0]
    assert sum_items([[0, 2, 1, 0, 1, 0, np.nan, 1, np.nan, *[0] * 7]], "QIDS").tolist() == [4.0]
    with pytest.raises(UsageError, match="PHQ-9 has 9 items, got 8"):
        sum_items([[1] * 8], "PHQ-9")


def test_edge_37__scores_out_of_range_and_of_unknown_scales_are_left_out():
    """A 27 on the PHQ-8 is no PHQ-8; HAM-D21 is not HAM-D17."""
    rows = [
        ("2010-01-01", "PHQ-9", 20),
        ("2010-01-02", "phq8", 27),
        ("2010-01-03", "HAM-D21", 20),
        ("2010-01-04", "MADRS", -1),
        ("2010-01-05", "madrs", 30),
    ]
    found = read_scores(open_one([A], scales=dated("scale score", *rows)))

    assert sorted(found[["scale", "score"]].to_numpy().tolist()) == [["MADRS", 30], ["PHQ-9", 20]]


def test_edge_38__no_symptoms_cannot_improve():
    """A baseline of 0, or below the entry cut, gives no percentage."""
    percent = improvement(np.array([0.0, 9.0, 10.0]), np.array([5.0, 0.0, 5.0]), min_baseline=10)

    assert np.isnan(percent[:2]).all()
    assert percent[2] == 50
    assert np.isnan(improvement(np.array([0.0]), np.array([0.0]))).all()


def test_edge_39__bands_hold_their_lower_end():
    """Exactly 25 is partial, exactly 50 a response; getting worse is resistant."""
    percent = np.array([-30.0, 0.0, 24.99, 25.0, 49.99, 50.0, 100.0, np.nan])

    assert consensus_class(percent).tolist() == [
        *["resistant"] * 3,
        *["partial"] * 2,
        *["response"] * 2,
        "unknown",
    ]


def scores(*rows: tuple[str, int]) -> pd.DataFrame:
    """Make PHQ-9 scores by date."""
    return dated("scale score", *[(date, "PHQ-9", score) for date, score in rows])


def test_edge_40__a_score_before_week_four_tells_of_no_failure():
    """Sertraline to 2 March, citalopram to 1 May: the second score decides each.

    And the bands: half the symptoms gone is a response, a third is in between, and
    without a scale nothing is known.
    """
    first, last = ("2010-01-01", 20), ("2010-04-25", 18)
    patients = {
        "failing": {"drugs": [A, B], "scales": scores(first, ("2010-02-25", 19), last)},
        "too early": {"drugs": [A, B], "scales": scores(first, ("2010-01-27", 19), last)},
        "half": {"drugs": [A], "scales": scores(first, ("2010-02-25", 10))},
        "a third": {"drugs": [A], "scales": scores(first, ("2010-02-25", 13))},
        "no scale": {"drugs": [A]},
    }
    ehr = open_many(patients)
    table = classify(ehr, build_trials(ehr), "sforzini2021").table.set_index("person_id")

    assert table["phenotype"].to_dict() == {
        "a third": "neither",
        "failing": "trd",
        "half": "responsive",
        "no scale": "neither",
        "too early": "neither",
    }
    assert table.loc["failing", "trd_date"] == pd.Timestamp("2010-04-25")


def test_gate_trials__a_dose_known_to_be_too_low_is_no_failure():
    """Three-valued: too low is no failure, unknown is not too low."""
    low, rest = (*A, 25), [(*B, 20), (*C, 30)]
    ehr = open_many({"low": {"drugs": [low, *rest]}, "unknown": {"drugs": [A, *rest]}})
    trials = build_trials(ehr)
    gated = gate_trials(ehr, trials, dose="floor")

    assert classify(ehr, trials).table["phenotype"].tolist() == ["trd", "trd"]
    assert classify(ehr, gated).table["phenotype"].tolist() == ["neither", "trd"]
    with pytest.raises(UsageError, match="indication_days must be at least 0, got -1"):
        gate_trials(ehr, trials, indication_days=-1)


def test_gate_trials__gated_trials_neither_count_nor_end_others():
    """Amitriptyline for sleep in between is no drug tried, and no switch."""
    ehr = open_one([A, ("amitriptyline", "2010-02-01", 60, 10), B, C])
    gated = gate_trials(ehr, build_trials(ehr))
    row = classify(ehr, gated).table.iloc[0]

    assert row[["n_trials", "n_ingredients"]].tolist() == [3, 3]
    own = gated.set_index("ingredient")["switch_date"]
    assert own["sertraline"] == pd.Timestamp("2010-03-02")
    assert gated["gate"].notna().sum() == 1


def test_follow_up__lifetime_rules_have_events_before_entry():
    """A rule without anchor can be true before the diagnosis: that is no event in time."""
    far = [A, ("sertraline", "2010-02-20", 60), B, ("citalopram", "2010-04-20", 60), C]
    ehr = open_one(far, [("F32.1", "2012-01-01"), ("F33.2", "2012-02-01")])
    found: Phenotype = classify(ehr, build_trials(ehr), "fabbri2021")

    followed = follow_up(ehr, found)

    assert found.table["phenotype"].tolist() == ["trd"]
    assert followed["status"].tolist() == ["event_before_entry"]
