"""Follow-up: entry, exit, what ends it, and that no class enters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.phenotype import at_landmark, classify, follow_up

# Diagnoses on day 0 (2010-01-01) and 31; resistance with the third drug on day 120.
TWO_DX = (("F32.1", "2010-01-01"), ("F33.2", "2010-02-01"))
DRUGS = (
    ("sertraline", "2010-01-01", 60),
    ("citalopram", "2010-03-02", 60),
    ("mirtazapine", "2010-05-01", 60),
)
END_DAYS = 3651  # 2010-01-01 to 2019-12-31


def _cases(patient):
    """Give patient, (entry, exit, event, end reason) or the status of who is not at risk."""
    seen = ("2005-01-01", "2019-12-31")
    return {
        "resistance": (patient(TWO_DX, DRUGS), (31, 120, True, "trd")),
        "one drug, to the end": (
            patient(TWO_DX, DRUGS[:1]),
            (31, END_DAYS, False, "end_of_observation"),
        ),
        "no drug is at risk too": (
            patient(TWO_DX),
            (31, END_DAYS, False, "end_of_observation"),
        ),
        "death": (patient(TWO_DX, DRUGS[:2], died="2010-04-11"), (31, 100, False, "death")),
        "death on the day of resistance comes after it": (
            patient(TWO_DX, DRUGS, died="2010-05-01"),
            (31, 120, True, "trd"),
        ),
        "bipolar before resistance": (
            patient((*TWO_DX, ("F31", "2010-04-11")), DRUGS),
            (31, 100, False, "bipolar_or_psychosis"),
        ),
        "bipolar on the day of resistance": (
            patient((*TWO_DX, ("F31", "2010-05-01")), DRUGS),
            (31, 120, False, "bipolar_or_psychosis"),
        ),
        "psychosis after resistance does not undo it": (
            patient((*TWO_DX, ("F20", "2010-05-02")), DRUGS),
            (31, 120, True, "trd"),
        ),
        "the period of observation ends, though another follows": (
            patient(TWO_DX, DRUGS[:1], (("2005-01-01", "2010-04-11"), ("2012-01-01", seen[1]))),
            (31, 100, False, "end_of_observation"),
        ),
        "bipolar before the second diagnosis": (
            patient((*TWO_DX, ("F31", "2010-01-20")), DRUGS),
            "converted_before_entry",
        ),
        "second diagnosis after resistance": (
            patient((("F32.1", "2010-01-01"), ("F33.2", "2010-05-01")), DRUGS),
            "event_before_entry",
        ),
        "observed 364 days before": (
            patient(TWO_DX, DRUGS, (("2009-01-02", seen[1]),)),
            "prevalent",
        ),
        "observed 365 days before": (
            patient(TWO_DX, DRUGS, (("2009-01-01", seen[1]),)),
            (31, 120, True, "trd"),
        ),
        "observation ends at the second diagnosis": (
            patient(TWO_DX, DRUGS[:1], (("2005-01-01", "2010-02-01"),)),
            "no_follow_up",
        ),
    }


@pytest.fixture(scope="module")
def followed(patient, open_small):
    """Give the cases, their records and phenotype, one control among them."""
    cases = _cases(patient)
    patients = {f"{number:02d}": case[0] for number, case in enumerate(cases.values())}
    patients["control"] = patient()
    ehr, trials = open_small(patients)
    return cases, ehr, classify(ehr, trials)


def test_follow_up__small_patients_worked_by_hand(followed):
    """Each name says which end of follow-up it stands on."""
    cases, ehr, phenotype = followed
    table = follow_up(ehr, phenotype).set_index("person_id")

    assert list(table.index) == [f"{number:02d}" for number in range(len(cases))]
    for number, (name, (_, expected)) in enumerate(cases.items()):
        row = table.loc[f"{number:02d}"]
        if isinstance(expected, str):
            assert row["status"] == expected, name
            assert row[["entry_days", "exit_days", "end_reason"]].isna().all(), name
            assert not row["event"], name
        else:
            found = row[["entry_days", "exit_days", "event", "end_reason"]].tolist()
            assert row["status"] == "at_risk", name
            assert found == list(expected), name


def test_follow_up__classes_do_not_enter(followed):
    """A class is formed by the future: whoever is relabelled is followed as before."""
    _, ehr, phenotype = followed
    blind = phenotype.table.assign(
        phenotype="neither", reason="", is_mdd=False, trd_date=pd.NaT, n_adequate=0
    )

    pd.testing.assert_frame_equal(
        follow_up(ehr, replace(phenotype, table=blind)), follow_up(ehr, phenotype)
    )


def test_follow_up__from_the_first_antidepressant_the_untreated_have_no_origin(followed):
    """Day 0 moves to the first trial; without one there is no day 0."""
    cases, ehr, phenotype = followed
    table = follow_up(ehr, phenotype, origin="first_antidepressant")
    names = list(cases)

    untreated = table.iloc[names.index("no drug is at risk too")]
    treated = table.iloc[names.index("resistance")]

    assert untreated["status"] == "untreated"
    assert pd.isna(untreated["origin_date"])
    assert treated[["entry_days", "exit_days", "event"]].tolist() == [31, 120, True]


def test_follow_up__enrolment_delays_entry_and_data_end_cuts(followed):
    """Who gave DNA on day 100 could not have been seen to be resistant on day 50."""
    cases, ehr, phenotype = followed
    names = list(cases)
    first = f"{names.index('resistance'):02d}"
    second = f"{names.index('one drug, to the end'):02d}"
    enrolment = {first: pd.Timestamp("2010-04-11"), second: pd.Timestamp("2010-04-11")}

    late = follow_up(ehr, phenotype, enrolment=enrolment, data_end="2010-06-10")
    late = late.set_index("person_id")
    after = follow_up(ehr, phenotype, enrolment={first: pd.Timestamp("2010-05-01")})

    assert late.loc[first, ["entry_days", "exit_days"]].tolist() == [100, 120]
    assert late.loc[second, ["entry_days", "exit_days"]].tolist() == [100, 160]
    assert late.loc[second, "end_reason"] == "end_of_observation"
    assert after.set_index("person_id").loc[first, "status"] == "event_before_entry"


def test_follow_up__every_one_at_risk_leaves_after_entering(followed):
    """A Cox model refuses intervals that are empty or run backwards."""
    _, ehr, phenotype = followed
    table = follow_up(ehr, phenotype, washout_days=0)
    at_risk = table[table["status"] == "at_risk"]

    assert (at_risk["exit_days"] > at_risk["entry_days"]).all()
    assert (at_risk["entry_days"] >= 0).all()
    assert "prevalent" not in set(table["status"])
    assert "control" not in set(table["person_id"])


def test_follow_up__wrong_options_are_refused(followed):
    """A misspelt origin must not quietly be the other one."""
    _, ehr, phenotype = followed
    with pytest.raises(UsageError, match="got 'first_drug'"):
        follow_up(ehr, phenotype, origin="first_drug")
    with pytest.raises(UsageError, match="washout_days must be at least 0, got -1"):
        follow_up(ehr, phenotype, washout_days=-1)


def _simulated(open_small, patient, n: int = 3000):
    """Make people whose hazard of resistance is one and the same, whatever their group.

    Group 1 waits longer for the second diagnosis that makes them a case.
    """
    rng = np.random.default_rng(11)
    group = rng.integers(0, 2, n)
    wait = rng.exponential(np.where(group == 1, 900, 100)).astype(int) + 1
    event = rng.exponential(1200, n).astype(int) + 1
    origin = pd.Timestamp("2008-01-01")
    ids = [f"{number:05d}" for number in range(n)]
    ehr, trials = open_small({i: patient(()) for i in ids})
    phenotype = classify(ehr, trials)
    end = 3650
    case = wait < end
    days = pd.to_timedelta(event, unit="D")
    table = phenotype.table.assign(
        mdd_date=pd.Series(origin, index=phenotype.table.index).where(case),
        mdd_known_date=(origin + pd.to_timedelta(wait, unit="D")),
        index_date=origin,
        resistant_date=pd.Series(origin + days).where(event < end),
        n_trials=1,
    )
    return ehr, replace(phenotype, table=table), pd.Series(group, index=ids)


def _rate_ratio(days: pd.Series, event: pd.Series, group: pd.Series) -> tuple[float, float]:
    """Give the ratio of the event rates of group 1 to 0, and the error of its logarithm."""
    one = group == 1
    n_one, n_zero = event[one].sum(), event[~one].sum()
    ratio = (n_one / days[one].sum()) / (n_zero / days[~one].sum())
    return float(ratio), float(np.sqrt(1 / n_one + 1 / n_zero))


def test_follow_up__is_free_of_immortal_time_where_the_naive_version_is_not(open_small, patient):
    """Time before the second diagnosis is time in which no case can be seen to fail.

    Counted as time at risk it protects whoever waits longer for that diagnosis, by
    nothing but counting. Both versions see the same people and the same events.
    """
    ehr, phenotype, group = _simulated(open_small, patient)
    followed = follow_up(ehr, phenotype, washout_days=0)
    at_risk = followed[followed["status"] == "at_risk"].set_index("person_id")
    own_group = group.reindex(at_risk.index)

    ours, se = _rate_ratio(
        at_risk["exit_days"] - at_risk["entry_days"], at_risk["event"], own_group
    )
    naive, naive_se = _rate_ratio(at_risk["exit_days"], at_risk["event"], own_group)

    assert abs(np.log(ours)) < 3 * se
    assert np.log(naive) < -5 * naive_se
    assert naive < 0.8


def test_at_landmark__what_comes_later_does_not_choose(followed):
    """At the landmark stay who is at risk there; their later course does not matter."""
    _, ehr, phenotype = followed
    table = follow_up(ehr, phenotype)

    kept = at_landmark(table, 110)

    assert (kept["entry_days"] == 110).all()
    assert (kept["exit_days"] > 110).all()
    # At risk past day 110: left out are those who left by then, and who is not at risk.
    expected = table[(table["status"] == "at_risk") & (table["exit_days"] > 110)]
    assert kept["person_id"].tolist() == expected["person_id"].tolist()
    late = table.assign(entry_days=table["entry_days"] + 100)
    assert at_landmark(late, 110).empty
    with pytest.raises(UsageError, match="landmark_days must be at least 0, got -1"):
        at_landmark(table, -1)
