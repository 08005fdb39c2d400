"""Classes of small patients worked by hand, and that nobody is lost."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from pgs_trd.ehr import build_trials, open_ehr
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import classify, load_definition

TWO_DX = (("F32.1", "2010-01-01"), ("F33.2", "2010-02-01"))
# Sertraline 60 days to 2 March, citalopram 60 days to 1 May, mirtazapine from 1 May.
A, B, C = (
    ("sertraline", "2010-01-01", 60),
    ("citalopram", "2010-03-02", 60),
    ("mirtazapine", "2010-05-01", 60),
)


def _cases(patient) -> dict[str, tuple[object, str, str]]:
    """Give patient, class and reason by a name that says what is tested."""
    return {
        "third drug after two adequate": (
            patient(TWO_DX, (A, B, C)),
            "trd",
            "resistant",
        ),
        "second trial stopped after 41 days": (
            patient(TWO_DX, (A, ("citalopram", "2010-03-02", 41), C)),
            "neither",
            "partial",
        ),
        "second trial cut by the third at 41 days": (
            patient(TWO_DX, (A, B, ("mirtazapine", "2010-04-12", 60))),
            "neither",
            "partial",
        ),
        "second trial cut by the third at 42 days": (
            patient(TWO_DX, (A, B, ("mirtazapine", "2010-04-13", 60))),
            "trd",
            "resistant",
        ),
        "the first drug again is no third drug": (
            patient(TWO_DX, (A, B, ("sertraline", "2010-05-01", 60))),
            "neither",
            "partial",
        ),
        "second and third begun on one day": (
            patient(TWO_DX, (A, B, ("mirtazapine", "2010-03-02", 60))),
            "neither",
            "partial",
        ),
        "first two begun on one day are one step": (
            patient(
                TWO_DX, (("sertraline", "2010-01-01", 60), ("citalopram", "2010-01-01", 60), C)
            ),
            "neither",
            "partial",
        ),
        "third drug 180 days after the second ended": (
            patient(TWO_DX, (A, B, ("mirtazapine", "2010-10-28", 60))),
            "trd",
            "resistant",
        ),
        "third drug 181 days after the second ended": (
            patient(TWO_DX, (A, B, ("mirtazapine", "2010-10-29", 60))),
            "neither",
            "partial",
        ),
        "an inadequate drug between does not break the line": (
            patient(
                TWO_DX,
                (A, ("bupropion", "2010-03-02", 14), ("citalopram", "2010-03-16", 60), C),
            ),
            "trd",
            "resistant",
        ),
        "the drug begun before the first diagnosis does not count: two drugs, one failure": (
            patient((("F32.1", "2010-01-02"), ("F33.2", "2010-02-01")), (A, B, C)),
            "responsive",
            "responsive",
        ),
        "one drug for long": (patient(TWO_DX, (A,)), "responsive", "responsive"),
        "one switch, then well": (patient(TWO_DX, (A, B)), "responsive", "responsive"),
        "one drug, observed 364 days": (
            patient(TWO_DX, (A,), (("2005-01-01", "2010-12-31"),)),
            "neither",
            "insufficient_follow_up",
        ),
        "one drug, observed 365 days": (
            patient(TWO_DX, (A,), (("2005-01-01", "2011-01-01"),)),
            "responsive",
            "responsive",
        ),
        "a hole in observation ends what was seen": (
            patient(TWO_DX, (A,), (("2005-01-01", "2010-06-01"), ("2010-08-01", "2019-01-01"))),
            "neither",
            "insufficient_follow_up",
        ),
        "only short trials": (
            patient(TWO_DX, (("sertraline", "2010-01-01", 41),)),
            "neither",
            "inadequate_trials",
        ),
        "no drug": (patient(TWO_DX), "neither", "untreated"),
        "a marker drug is no trial": (
            patient(TWO_DX, (("esketamine", "2010-01-01", 60),)),
            "neither",
            "untreated",
        ),
        "two codes on one date": (
            patient((("F32.1", "2010-01-01"), ("F33.2", "2010-01-01")), (A, B, C)),
            "neither",
            "depression_code_not_mdd",
        ),
        "dysthymia is no major depression": (
            patient((("F34.1", "2010-01-01"), ("F34.1", "2010-02-01")), (A, B, C)),
            "neither",
            "depression_code_not_mdd",
        ),
        "a depression code outside observation still bars a control": (
            patient((("F32.1", "2001-01-01"),)),
            "neither",
            "depression_code_not_mdd",
        ),
        "drugs without a diagnosis": (
            patient((("E11", "2010-01-01"),), (A, B, C)),
            "no_mdd",
            "no_depression_code",
        ),
        "no record at all": (patient(), "no_mdd", "no_depression_code"),
        "bipolar on the day of resistance": (
            patient((*TWO_DX, ("F31.1", "2010-05-01")), (A, B, C)),
            "neither",
            "excluded_bipolar",
        ),
        "bipolar the day after": (
            patient((*TWO_DX, ("F31.1", "2010-05-02")), (A, B, C)),
            "trd",
            "resistant",
        ),
        "psychosis before bipolar": (
            patient((*TWO_DX, ("F20.0", "2009-05-01"), ("F31.1", "2009-06-01")), (A,)),
            "neither",
            "excluded_psychosis",
        ),
        "bipolar within the year that makes responsive": (
            patient((*TWO_DX, ("296.40", "2011-01-01")), (A,)),
            "neither",
            "excluded_bipolar",
        ),
        "bipolar after that year": (
            patient((*TWO_DX, ("296.40", "2011-01-02")), (A,)),
            "responsive",
            "responsive",
        ),
        "psychotic depression is depression": (
            patient((("F32.3", "2010-01-01"), ("F33.3", "2010-02-01")), (A, B, C)),
            "trd",
            "resistant",
        ),
    }


@pytest.fixture(scope="module")
def classified(patient, open_small):
    """Give the cases, their records, trials and phenotype; ids are numbers of cases."""
    cases = _cases(patient)
    patients = {f"{number:02d}": case[0] for number, case in enumerate(cases.values())}
    ehr, trials = open_small(patients)
    return cases, ehr, trials, classify(ehr, trials)


def test_classify__small_patients_worked_by_hand(classified):
    """Each name says which edge of a rule it stands on."""
    cases, _, _, phenotype = classified
    table = phenotype.table.set_index("person_id")

    for number, (name, (_, expected, reason)) in enumerate(cases.items()):
        row = table.loc[f"{number:02d}"]
        assert (row["phenotype"], row["reason"]) == (expected, reason), name


def test_classify__dates_and_counts_worked_by_hand(classified):
    """Resistance begins with the third drug, not with the failure before it."""
    cases, _, _, phenotype = classified
    row = phenotype.table.iloc[list(cases).index("third drug after two adequate")]

    assert row["mdd_date"] == pd.Timestamp("2010-01-01")
    assert row["mdd_known_date"] == pd.Timestamp("2010-02-01")
    assert row["index_date"] == pd.Timestamp("2010-01-01")
    assert row["trd_date"] == pd.Timestamp("2010-05-01")
    assert row[["n_trials", "n_adequate", "n_failed", "n_ingredients"]].tolist() == [3, 3, 2, 3]
    assert row[["sex", "birth_year"]].tolist() == ["female", 1970]


def test_classify__nobody_is_lost(classified):
    """Every person has one class, and the attrition accounts for each of them."""
    cases, _, _, phenotype = classified
    table, attrition = phenotype.table, phenotype.attrition

    assert table["person_id"].tolist() == [f"{number:02d}" for number in range(len(cases))]
    assert attrition["n_people_in"].iloc[0] == len(cases)
    assert attrition["n_people_in"].tolist()[1:] == attrition["n_people_out"].tolist()[:-1]
    assert (attrition["n_people_in"] - attrition["n_people_left"]).equals(attrition["n_people_out"])
    n_classed = table["phenotype"].isin(["trd", "responsive"]).sum()
    assert attrition["n_people_out"].iloc[-1] == n_classed
    left = attrition[attrition["reason"] != ""].set_index("reason")["n_people_left"]
    others = table[~table["phenotype"].isin(["trd", "responsive"])]["reason"].value_counts()
    assert left[left > 0].to_dict() == others.to_dict()
    assert (left > 0).all(), "a reason that no test patient has is not tested"


def test_classify__who_is_excluded_is_no_case_of_depression(classified):
    """Contrasts take depression by this flag: bipolar disorder is not to enter them."""
    table = classified[3].table
    excluded = table["reason"].isin(["excluded_bipolar", "excluded_psychosis"])

    assert excluded.sum() == 3
    assert not table.loc[excluded, "is_mdd"].any()
    assert table.loc[excluded, "mdd_date"].notna().all()
    assert table.loc[table["phenotype"].isin(["trd", "responsive"]), "is_mdd"].all()
    assert table["trd_date"].notna().equals(table["phenotype"] == "trd")


def test_classify__exclusion_can_be_ever_or_never(classified):
    """Published rules differ here; the choice is a parameter of the definition."""
    cases, ehr, trials, _ = classified
    base = load_definition("adequate2")
    names = list(cases)
    before = names.index("bipolar on the day of resistance")
    after = names.index("bipolar the day after")
    found = {}
    for when in ("ever", "never"):
        rules = replace(base, exclusions=replace(base.exclusions, when=when))
        table = classify(ehr, trials, rules).table
        found[when] = table.loc[[before, after], "phenotype"].tolist()

    assert found == {"ever": ["neither", "neither"], "never": ["trd", "trd"]}


def test_classify__the_order_of_rows_does_not_matter(classified):
    """Trials come from files and joins; their order carries nothing."""
    _, ehr, trials, phenotype = classified
    shuffled = trials.sample(frac=1, random_state=5)

    again = classify(ehr, shuffled)

    pd.testing.assert_frame_equal(again.table, phenotype.table)
    pd.testing.assert_frame_equal(again.attrition, phenotype.attrition)


def test_classify__nobody_depressed_is_a_result():
    """A cohort without cases is an answer; a crash or an error is none."""
    ehr = open_ehr(
        {
            "prescriptions": pd.DataFrame(
                {"person_id": ["1"], "date": ["2010-01-01"], "drug": ["x"]}
            ),
            "diagnoses": pd.DataFrame(
                {"person_id": ["2"], "date": ["2010-01-01"], "code": ["E11"]}
            ),
        }
    )

    phenotype = classify(ehr, build_trials(ehr))

    assert phenotype.table["phenotype"].tolist() == ["no_mdd", "no_mdd"]
    assert phenotype.attrition["n_people_out"].iloc[-1] == 0


def test_classify__trials_of_other_records_are_refused(classified):
    """Ids that match nobody would silently make everybody untreated."""
    _, ehr, trials, _ = classified
    foreign = trials.assign(person_id="x" + trials["person_id"])
    n_people = trials["person_id"].nunique()

    with pytest.raises(DataError, match=f"{n_people} of {n_people} people are not in the records"):
        classify(ehr, foreign)
    with pytest.raises(DataError, match="no column 'switch_date'"):
        classify(ehr, trials.drop(columns="switch_date"))
    with pytest.raises(UsageError, match=r"no definition 'adequate9'.*adequate2"):
        classify(ehr, trials, "adequate9")


def test_classify__one_code_in_hospital_is_enough_where_the_rule_says_so():
    """Registers take one inpatient code or two of any setting; worked by hand."""
    codes = [
        ("in", "2010-01-01", "F32.1", "inpatient"),
        ("out", "2010-01-01", "F32.1", "outpatient"),
        ("both", "2010-01-01", "F32.1", "outpatient"),
        ("both", "2010-05-01", "F32.1", "Inpatient"),
        ("unsaid", "2010-01-01", "F32.1", None),
    ]
    table = pd.DataFrame(codes, columns=["person_id", "date", "code", "setting"])
    ehr = open_ehr(
        {
            "diagnoses": table,
            "prescriptions": pd.DataFrame(
                [("in", "2010-02-01", "sertraline")], columns=["person_id", "date", "drug"]
            ),
        }
    )
    base = load_definition("adequate2")
    rule = replace(base.depression, min_inpatient_dates=1)

    plain = classify(ehr, build_trials(ehr), base).table.set_index("person_id")
    found = classify(ehr, build_trials(ehr), replace(base, depression=rule))
    known = found.table.set_index("person_id")["mdd_known_date"]

    assert plain["is_mdd"].to_dict() == {"both": True, "in": False, "out": False, "unsaid": False}
    assert known.notna().to_dict() == {"both": True, "in": True, "out": False, "unsaid": False}
    assert known["both"] == pd.Timestamp("2010-05-01")
    assert "or on 1 in hospital" in found.attrition["rule"].to_list()[2]
    assert replace(base, depression=rule).hash != base.hash
