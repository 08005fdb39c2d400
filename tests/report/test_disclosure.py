from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

from pgs_trd.errors import DataError, UsageError
from pgs_trd.report import disclose
from pgs_trd.report.disclosure.counts import SuppressionLog
from pgs_trd.report.disclosure.curves import disclose_curves
from pgs_trd.report.disclosure.flow import disclose_attrition
from pgs_trd.report.disclosure.grid import protection
from pgs_trd.report.disclosure.ledger import open_ledger

SMALL_STRATUM = {
    "AFR": {"trd": 12, "responsive": 60, "neither": 300, "no_mdd": 4000},
    "AMR": {"trd": 45, "responsive": 80, "neither": 350, "no_mdd": 3000},
    "EUR": {"trd": 150, "responsive": 600, "neither": 900, "no_mdd": 30000},
}
NO_LEDGER = open_ledger(pd.DataFrame(), 20, SuppressionLog())


def long_counts(counts):
    rows = [(s, c, n) for s, people in counts.items() for c, n in people.items()]
    return pd.DataFrame(rows, columns=["stratum", "phenotype", "n_people"])


@pytest.mark.parametrize("threshold", [-1, 1])
def test_disclose__refuses_a_threshold_that_hides_nothing(build, threshold):
    """Zeros are shown, so "≤1" would say one."""
    with pytest.raises(UsageError, match=f"threshold is {threshold}"):
        disclose(build(n_scores=2), threshold=threshold)


def test_disclose__threshold_zero_shows_every_count(build):
    """The user can switch the control off where the data are."""
    study = disclose(build(SMALL_STRATUM, n_scores=2), threshold=0)

    assert study.log.empty
    assert study.class_counts["trd"].tolist() == [12, 45, 150, 207]


def test_disclose__nothing_is_hidden_of_a_large_study(build):
    """The control must not cost a study that has nobody to protect."""
    study = disclose(build(n_scores=3), threshold=20)

    assert (study.association["status"] == "ok").all()
    assert not study.meta["hidden"].any()
    assert study.meta["i2"].notna().all()


def test_disclose__a_row_of_few_cases_goes_whole(build):
    """From a standard error and the controls the cases could be worked out."""
    study = disclose(build(SMALL_STRATUM, n_scores=3), threshold=20)

    rows = study.association.query("stratum == 'AFR' and contrast == 'trd_vs_responsive'")
    assert (rows["status"] == "withheld").all()
    numbers = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p"]
    assert rows[numbers].isna().all().all()
    assert set(rows["n_cases"]) == {"≤20"}
    assert set(rows["n"]) == {"withheld"}
    assert "log_likelihood" not in study.association


def test_disclose__the_pooled_row_does_not_give_a_stratum_back(build):
    """Pooled weight less the shown weights must leave two strata at least."""
    results = build(SMALL_STRATUM, n_scores=3)
    study = disclose(results, threshold=20)

    truth = results.association.query("contrast == 'trd_vs_responsive'")
    for score in truth["score"]:
        rows = truth[truth["score"] == score]
        shown = study.association.query("contrast == 'trd_vs_responsive' and score == @score")
        assert shown["beta"].isna().sum() == 2
        pooled = study.meta.query("contrast == 'trd_vs_responsive' and score == @score").iloc[0]
        left = 1 / pooled["se"] ** 2 - (1 / shown["se"] ** 2).sum()
        hidden = 1 / rows["se"].to_numpy()[shown["beta"].isna().to_numpy()] ** 2
        assert_allclose(left, hidden.sum(), rtol=1e-10)
        assert hidden.max() < 0.95 * left
        assert np.isnan(pooled["i2"])


def test_disclose__a_second_stratum_is_hidden_so_that_the_pooled_row_can_be_shown(build):
    """Of the others, the one with the fewest cases: here AMR with 45."""
    table = pd.DataFrame([("n_people", "", 900)], columns=["variable", "level", "trd"])
    results = build(SMALL_STRATUM, n_scores=2, class_counts=pd.DataFrame(), characteristics=table)

    study = disclose(results, threshold=20)

    rows = study.association.query("contrast == 'trd_vs_responsive'")
    assert set(rows[rows["hidden"]]["stratum"]) == {"AFR", "AMR"}
    pooled = study.meta.query("contrast == 'trd_vs_responsive'")
    assert pooled["beta"].notna().all()


def test_disclose__a_pooled_row_of_one_hidden_stratum_is_hidden(build):
    """Pooling one stratum repeats it."""
    counts = {"AFR": SMALL_STRATUM["AFR"]}

    study = disclose(build(counts, n_scores=2), threshold=20)

    pooled = study.meta.query("contrast == 'trd_vs_responsive'")
    assert (pooled["status"] == "withheld").all()


def test_disclose__estimates_of_a_class_that_protects_another_go_too(build):
    """61 standard errors of one model give its cases to a fraction of a per cent."""
    study = disclose(build(SMALL_STRATUM, n_scores=2), threshold=20)

    table = study.class_counts.set_index("stratum")
    for stratum in ("AFR", "AMR", "EUR"):
        rows = study.association.query("stratum == @stratum and contrast == 'trd_vs_responsive'")
        cells = [table.loc[stratum, name] for name in ("trd", "responsive")]
        is_shown = not any(isinstance(cell, str) for cell in cells)
        assert (rows["status"] == "ok").all() == is_shown


def test_disclose__a_model_that_lost_three_people_does_not_say_so(build, ordinary_counts):
    """310 cases in one table and 307 in the next: 3 people lack a covariate."""
    results = build(n_scores=2)
    association = results.association.copy()
    chosen = (association["stratum"] == "AFR") & (association["contrast"] == "trd_vs_none")
    association.loc[chosen, ["n_cases", "n_events"]] -= 3
    association.loc[chosen, "n"] -= 3

    study = disclose(build(n_scores=2, association=association), threshold=20)

    rows = study.association[chosen.to_numpy()]
    assert (rows[["n", "n_cases", "n_controls"]] == "withheld").all().all()
    assert rows["beta"].notna().all()
    pooled = study.meta.query("contrast == 'trd_vs_none'")
    assert (pooled["n_events"] == "withheld").all()


def shown_sums(study, strata, classes):
    """Every number of the page that is a sum of stratum by class cells, with its cells."""
    sides = {
        "trd_vs_responsive": (["trd"], ["responsive"]),
        "trd_vs_none": (["trd"], ["no_mdd"]),
        "mdd_vs_none": (["trd", "responsive", "neither"], ["no_mdd"]),
        "time_to_trd": (["trd"], ["responsive", "neither"]),
    }
    for row in study.class_counts.to_dict("records"):
        where = strata if row["stratum"] == "all" else [row["stratum"]]
        for name in classes:
            yield where, [name], row[name]
        yield where, classes, row["all"]
    for row in study.association.to_dict("records"):
        cases, controls = sides[row["contrast"]]
        yield [row["stratum"]], cases, row["n_cases"]
        yield [row["stratum"]], controls, row["n_controls"]
        yield [row["stratum"]], cases + controls, row["n"]
    for row in study.progression.to_dict("records"):
        yield [row["stratum"]], ["trd"], row["n_events"]
        yield [row["stratum"]], ["trd", "responsive", "neither"], row["n"]
    for table, strata_table in (
        (study.meta, study.association), (study.progression_meta, study.progression),
    ):  # fmt: skip
        for row in table.to_dict("records"):
            used = strata_table[strata_table["stood"]]
            used = list(used[used["contrast"] == row["contrast"]]["stratum"])
            cases, controls = sides[row["contrast"]]
            yield used, cases, row["n_events"]
            yield used, cases + controls, row["n"]
    for row in study.characteristics.query("variable in ('stratum', 'n_people')").to_dict(
        "records"
    ):
        where = [row["level"]] if row["variable"] == "stratum" else strata
        for name in classes:
            yield where, [name], row[name]
    for row in study.attrition.to_dict("records"):
        mdd = ["trd", "responsive", "neither"]
        left = {"": [], "no_depression_code": ["no_mdd"], "partial": ["neither"]}
        stayed = {"": classes, "no_depression_code": mdd, "partial": ["trd", "responsive"]}
        if ";" not in row["reason"]:
            yield strata, left[row["reason"]], row["n_lost"]
            yield strata, stayed[row["reason"]], row["n_people_out"]


@given(
    numbers=st.lists(
        st.one_of(st.just(0), st.integers(1, 25), st.integers(15, 400)), min_size=12, max_size=12
    ),
    n_strata=st.integers(1, 3),
)
@settings(max_examples=20)
def test_disclose__no_small_class_follows_from_all_tables_together(build, numbers, n_strata):
    """A linear program over class counts, models, pooled rows, Table 1 and cohort flow.

    It must leave every small class an interval of half the threshold.
    """
    strata, classes = ["A", "B", "C"][:n_strata], ["trd", "responsive", "neither", "no_mdd"]
    counts = {s: dict(zip(classes, numbers[4 * i :], strict=False)) for i, s in enumerate(strata)}
    results = build(counts, n_scores=1, curves=pd.DataFrame())
    study = disclose(results, threshold=20)

    truth = np.array([[counts[s][c] for c in classes] for s in strata], dtype=float).ravel()
    rows = []
    for where, which, cell in shown_sums(study, strata, classes):
        if isinstance(cell, str) or cell is None or cell != cell:
            continue
        assert not 1 <= cell <= 20
        cells = [s in where and c in which for s, c in itertools.product(strata, classes)]
        assert np.dot(cells, truth) == cell
        rows.append(np.array(cells, dtype=float))
    if not rows:
        return
    matrix = np.array(rows)
    for index in np.flatnonzero((truth >= 1) & (truth <= 20)):
        objective = np.eye(len(truth))[index]
        low, high = (
            sign * linprog(sign * objective, A_eq=matrix, b_eq=matrix @ truth, bounds=(0, 1e5)).fun
            for sign in (1, -1)
        )
        assert high - low >= protection(20)


def test_ledger__the_main_contrast_is_the_last_to_protect_another():
    """Few are neither in one stratum: of no depression, not of resistant, more is hidden."""
    counts = {
        "A": {"trd": 34, "responsive": 84, "neither": 15, "no_mdd": 313},
        "B": {"trd": 45, "responsive": 112, "neither": 40, "no_mdd": 411},
    }
    ledger = open_ledger(long_counts(counts), 20, SuppressionLog())

    assert not ledger.is_open(["A"], ["neither"])
    assert not ledger.is_open(["A"], ["no_mdd"])
    assert ledger.is_open(["A"], ["trd"])
    assert ledger.is_open(["A"], ["responsive"])


def test_ledger__a_sum_is_open_only_if_it_follows_from_the_page():
    """AFR trd and its protector are hidden; their sum is the total less the rest."""
    counts = {
        "A": {"trd": 12, "responsive": 60, "neither": 300, "no_mdd": 4000},
        "B": {"trd": 45, "responsive": 80, "neither": 350, "no_mdd": 3000},
    }
    ledger = open_ledger(long_counts(counts), 20, SuppressionLog())

    assert not ledger.is_open(["A"], ["trd"])
    assert not ledger.is_open(["A"], ["neither"])
    assert ledger.is_open(["A"], ["trd", "neither"])
    assert ledger.is_open(["A"], ["responsive"])
    assert ledger.is_open(["A", "B"], ["trd"])
    assert ledger.is_open(["A"], ["no_mdd"])


@given(
    losses=st.lists(st.one_of(st.just(0), st.integers(1, 30), st.integers(21, 500)), max_size=8),
    left=st.one_of(st.just(0), st.integers(1, 60)),
)
@settings(max_examples=60)
def test_attrition__no_number_nor_difference_shown_is_small(losses, left):
    """People lost are the difference of two counts shown, wherever they stand."""
    counts = np.r_[left, left + np.cumsum(losses[::-1])][::-1]
    steps = pd.DataFrame(
        {
            "step": [f"step {i}" for i in range(len(losses) + 1)],
            "n_people_in": [counts[0], *counts[:-1]],
            "n_people_out": counts,
            "rule": "a rule",
        }
    )

    shown = disclose_attrition(steps, NO_LEDGER, 20, SuppressionLog())

    cells = shown[["n_people_in", "n_people_out", "n_lost"]].to_numpy().ravel()
    numbers = {int(cell) for cell in cells if not isinstance(cell, str)}
    assert not any(1 <= number <= 20 for number in numbers)
    people = shown[["n_people_in", "n_people_out"]].to_numpy().ravel()
    people = sorted({int(cell) for cell in people if not isinstance(cell, str)})
    assert not any(1 <= b - a <= 20 for a, b in itertools.combinations(people, 2))


def test_attrition__joined_steps_keep_all_their_rules():
    """A reader still learns every rule that was applied."""
    steps = pd.DataFrame(
        {
            "step": ["a", "b", "c"], "n_people_in": [1000, 1000, 995],
            "n_people_out": [1000, 995, 400], "rule": ["all", "no psychosis", "treated"],
        }
    )  # fmt: skip

    shown = disclose_attrition(steps, NO_LEDGER, 20, SuppressionLog())

    assert shown["rule"].tolist() == ["all", "no psychosis; treated"]
    assert shown["n_lost"].tolist() == [0, 600]


def test_attrition__a_count_near_a_class_total_is_hidden():
    """812 with depression here and 805 in the class counts: 7 have no genotype."""
    counts = {"A": {"trd": 200, "responsive": 305, "neither": 300, "no_mdd": 4000}}
    ledger = open_ledger(long_counts(counts), 20, SuppressionLog())
    steps = pd.DataFrame(
        {"step": ["mdd"], "n_people_in": [6000], "n_people_out": [812], "rule": ["depression"]}
    )

    shown = disclose_attrition(steps, ledger, 20, SuppressionLog())

    assert shown["n_people_out"].tolist() == ["withheld"]
    assert shown["n_lost"].tolist() == ["withheld"]


def make_group(rng, name, n_people):
    leave = np.sort(rng.integers(1, 3000, n_people))
    event = rng.random(n_people) < 0.3
    days = np.arange(0, 3030, 30)
    at_risk = np.array([(leave >= day).sum() for day in days])
    so_far = np.array([(event & (leave <= day)).sum() for day in days])
    survival = np.exp(-so_far / max(n_people, 1))
    return pd.DataFrame(
        {
            "group": name, "days": days, "survival": survival, "ci_low": survival * 0.9,
            "ci_high": np.minimum(1, survival * 1.1), "n_at_risk": at_risk,
            "n_events_so_far": so_far,
        }
    )  # fmt: skip


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(5, 900), min_size=3, max_size=3))
@settings(max_examples=20)
def test_curves__each_stretch_holds_enough_events_and_each_point_enough_people(seed, sizes):
    """A step of a curve is events over people at risk: few of either could be worked out."""
    rng = np.random.default_rng(seed)
    groups = [make_group(rng, f"group {i}", size) for i, size in enumerate(sizes)]
    curves = pd.concat(groups, ignore_index=True)

    shown = disclose_curves(curves, 20, SuppressionLog())

    if len(shown.points):
        found = shown.points[["group", "days"]].merge(curves, on=["group", "days"])
        assert (found["n_at_risk"] > 20).all()
        events = found.groupby("group")["n_events_so_far"]
        steps = events.diff().dropna()
        assert ((steps == 0) | (steps > 20)).all()
    for _, rows in shown.risk.groupby("group"):
        for column in ("n_at_risk", "n_events_so_far"):
            seen = [cell for cell in rows[column] if not isinstance(cell, str)]
            assert not any(1 <= cell <= 20 for cell in seen)
            assert not any(1 <= abs(a - b) <= 20 for a, b in itertools.combinations(seen, 2))
    at_start = shown.risk[shown.risk["years"] == 0]["n_at_risk"]
    assert sum(isinstance(cell, str) for cell in at_start) != 1


def test_curves__of_too_few_people_are_empty_tables_with_their_columns():
    """Nobody is at risk at the origin, and never more than the threshold: no time is left."""
    groups = [make_group(np.random.default_rng(i), f"group {i}", 15) for i in range(2)]
    curves = pd.concat(groups, ignore_index=True)
    curves.loc[curves["days"] == 0, "n_at_risk"] = 0
    log = SuppressionLog()

    shown = disclose_curves(curves, 20, log)

    assert shown.points.empty
    assert shown.risk.empty
    assert list(shown.risk) == ["group", "years", "n_at_risk", "n_events_so_far"]
    assert "risk_table" not in set(log.to_table()["table"])


def test_curves__the_end_of_the_curve_is_the_true_one():
    """Merging must not leave the curve too high: the last point has the last survival."""
    curves = make_group(np.random.default_rng(3), "one", 800)

    shown = disclose_curves(curves, 20, SuppressionLog()).points

    enough = curves[curves["n_at_risk"] > 20]
    assert_allclose(shown["survival"].iloc[-1], enough["survival"].iloc[-1], atol=5e-4)
    assert shown["days"].iloc[-1] == enough["days"].iloc[-1]


def test_characteristics__levels_left_out_are_counted_and_protected(build):
    """Total less the levels shown is the number not recorded: it may be small."""
    table = pd.DataFrame(
        [("n_people", "", 500, 800), ("sex", "female", 300, 450), ("sex", "male", 193, 350)],
        columns=["variable", "level", "trd", "responsive"],
    )

    study = disclose(
        build(n_scores=2, characteristics=table, class_counts=pd.DataFrame()), threshold=20
    )

    shown = study.characteristics.set_index("level")
    assert shown.loc["not recorded", "trd"] == "≤20"
    assert shown.loc["male", "trd"] == "withheld"
    assert shown.loc["female", "trd"] == 300
    assert np.isnan(shown.loc["male", "trd__share"])
    assert_allclose(float(shown.loc["female", "responsive__share"]), 450 / 800, rtol=1e-12)


def test_characteristics__means_of_few_people_are_hidden(build):
    """A mean of one is that person's value."""
    table = pd.DataFrame(
        [("n_people", "", 7, 800), ("age_years", "mean", 44.0, 51.0)],
        columns=["variable", "level", "trd", "responsive"],
    )

    study = disclose(
        build(n_scores=2, characteristics=table, class_counts=pd.DataFrame()), threshold=20
    )

    mean = study.characteristics.iloc[1]
    assert mean["trd"] is None
    assert mean["responsive"] == 51.0


def test_characteristics__without_the_people_of_a_column_it_is_refused(build):
    """Shares and subtraction cannot be judged without the total."""
    table = pd.DataFrame([("sex", "female", 3)], columns=["variable", "level", "trd"])

    with pytest.raises(DataError, match="has 1 rows and none with variable 'n_people'"):
        disclose(build(n_scores=2, characteristics=table), threshold=20)


def test_characteristics__strata_hidden_in_the_class_counts_stay_hidden(build):
    """Table 1 repeats stratum by class; what one hides the other must."""
    study = disclose(build(SMALL_STRATUM, n_scores=2), threshold=20)

    classes = study.class_counts.set_index("stratum")
    strata = study.characteristics.query("variable == 'stratum'").set_index("level")
    for stratum, phenotype in itertools.product(("AFR", "AMR", "EUR"), ("trd", "responsive")):
        hidden = isinstance(classes.loc[stratum, phenotype], str)
        assert isinstance(strata.loc[stratum, phenotype], str) == hidden


def test_disclose__leaves_folders_and_small_counts_out_of_the_options(build):
    """A path names a user; a count of people is one wherever it stands."""
    provenance = {"options": {"genotypes": "/home/somebody/study/g.bed"}, "n_people_lost": 4}

    study = disclose(build(n_scores=2, provenance=provenance), threshold=20)

    assert study.provenance == {"options": {"genotypes": "g.bed"}, "n_people_lost": "≤20"}


def test_disclose__rounds_every_count_that_it_shows(build):
    """To 10: counts of all tables, shares of rounded counts, marks as they were."""
    exact = disclose(build(SMALL_STRATUM, n_scores=2), threshold=20)
    study = disclose(build(SMALL_STRATUM, n_scores=2), threshold=20, round_to=10)

    cells = [
        study.class_counts.drop(columns="stratum"),
        study.association[["n", "n_events", "n_cases", "n_controls"]],
        study.meta[["n", "n_events"]],
        study.progression[["n", "n_events"]],
        study.attrition[["n_people_in", "n_people_out", "n_lost"]],
        study.curves.risk[["n_at_risk", "n_events_so_far"]],
        study.characteristics[["trd", "responsive", "neither", "no_mdd"]],
    ]
    for table in cells:
        numbers = [cell for cell in table.to_numpy().ravel() if isinstance(cell, int)]
        assert numbers, table.columns
        assert all(number % 10 == 0 for number in numbers)
    marks = exact.class_counts.map(lambda cell: isinstance(cell, str))
    assert (study.class_counts.map(lambda cell: isinstance(cell, str)) == marks).all().all()
    shown = study.characteristics.query("level == 'female'")
    assert shown["no_mdd__share"].iloc[0] == shown["no_mdd"].iloc[0] / 37000


def test_disclose__refuses_to_round_to_nothing(build):
    """Multiples of 0 are 0."""
    with pytest.raises(UsageError, match="round_to is 0"):
        disclose(build(n_scores=2), round_to=0)


def test_study_results__says_which_columns_are_missing(build):
    """All faults of a table at once, by its name."""
    with pytest.raises(DataError, match=r"(?s)'attrition'.*no column 'rule'"):
        build(n_scores=2, attrition=pd.DataFrame({"step": ["a"], "n_people_in": [1]}))
