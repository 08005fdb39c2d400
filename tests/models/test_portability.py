"""Variance explained by group: as defined, with intervals that hold, on the liability scale."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.portability import portability_table


def draw(n_people: int, seed: int) -> dict[str, pd.Series | pd.DataFrame]:
    """Draw an outcome that a score explains less and less with distance."""
    rng = np.random.default_rng(seed)
    people = pd.Index([f"p{i}" for i in range(n_people)], name="person_id")
    distance = rng.uniform(0, 10, size=n_people)
    covariates = pd.DataFrame(rng.normal(size=(n_people, 2)), index=people, columns=["age", "PC1"])
    score = rng.normal(size=n_people) + 0.5 * covariates["PC1"].to_numpy()
    effect = 0.5 * (1 - distance / 10)
    outcome = effect * score + covariates @ [0.4, 0.3] + rng.normal(size=n_people)
    return {
        "outcome": pd.Series(outcome, index=people),
        "scores": pd.DataFrame({"s": score, "null": rng.normal(size=n_people)}, index=people),
        "covariates": covariates,
        "strata": pd.Series(np.where(distance < 4, "near", "away"), index=people),
        "distance": pd.Series(distance, index=people),
    }


def test_portability_table__is_the_r2_that_the_score_adds():
    """The difference of two R2 by statsmodels, in a stratum and a bin of distance."""
    drawn = draw(2_000, 1)

    table = portability_table(**drawn).set_index(["score", "grouping", "group"]).sort_index()

    bins = pd.qcut(drawn["distance"], 5, labels=False)
    for key, inside in (
        (("s", "stratum", "near"), drawn["strata"] == "near"),
        (("s", "distance", "5"), bins == 4),
        (("null", "all", "all"), bins >= 0),
    ):
        base = sm.add_constant(drawn["covariates"][inside])
        small = sm.OLS(drawn["outcome"][inside], base).fit()
        large = sm.OLS(drawn["outcome"][inside], base.assign(s=drawn["scores"][key[0]])).fit()
        assert_allclose(table.loc[key, "r2"], large.rsquared - small.rsquared, rtol=1e-8)
        assert_allclose(table.loc[key, "r2_covariates"], small.rsquared, rtol=1e-10)
        assert table.loc[key, "n_people"] == inside.sum()
    falling = table.loc[("s", "distance"), "r2"].to_numpy()
    assert (np.diff(falling) < 0).all()
    assert table.loc[("s", "distance"), "relative"].max() == 1.0
    assert table["n_cases"].isna().all()


def test_portability_table__has_intervals_that_hold():
    """The true increment lies in 95 % intervals in about 95 of 100 samples."""
    rng = np.random.default_rng(2)
    n_samples, n_each = 200, 100
    people = pd.RangeIndex(n_samples * n_each)
    covariate, score, noise = rng.normal(size=(3, len(people)))
    outcome = 0.5 * covariate + np.sqrt(0.1) * score + noise
    true = 0.1 / (1 + 0.1 + 0.25)

    table = portability_table(
        pd.Series(outcome, index=people), pd.DataFrame({"s": score}, index=people),
        pd.DataFrame({"c": covariate}, index=people),
        strata=pd.Series(np.repeat(np.arange(n_samples), n_each).astype(str), index=people),
    )  # fmt: skip

    samples = table[table["grouping"] == "stratum"]
    is_inside = (samples["r2_low"] <= true) & (true <= samples["r2_high"])
    # Within three standard errors of 95 %.
    assert abs(is_inside.mean() - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_samples)


def test_portability_table__compares_groups_on_the_liability_scale():
    """One liability, another share of cases: the observed R2 differ, the liability R2 do not."""
    rng = np.random.default_rng(3)
    n_people = 60_000
    people = pd.Index(range(n_people))
    score = rng.normal(size=n_people)
    liability = np.sqrt(0.1) * score + np.sqrt(0.9) * rng.normal(size=n_people)
    case = liability > np.quantile(liability, 0.9)
    half = rng.random(n_people) < 0.5
    kept = np.where(half, True, case | (rng.random(n_people) < 1 / 9))
    frame = pd.DataFrame({"y": case.astype(float), "s": score, "half": half})[kept]

    table = portability_table(
        frame["y"], frame[["s"]], pd.DataFrame(index=people[kept]),
        strata=frame["half"].map({True: "population", False: "enriched"}),
        prevalence={"population": 0.1, "enriched": 0.1},
    ).set_index("group")  # fmt: skip

    assert table.loc["enriched", "r2"] > 1.5 * table.loc["population", "r2"]
    # Three standard errors of the smaller group.
    assert_allclose(table.loc[["population", "enriched"], "r2_liability"], 0.1, atol=0.015)
    assert np.isnan(table.loc["all", "r2_liability"])
    assert table.loc["population", "n_cases"] == frame["y"][frame["half"]].sum()


def test_portability_table__says_why_a_number_is_missing():
    """Few people, few cases, a constant score: a status and no number."""
    drawn = draw(400, 4)
    strata = drawn["strata"].copy()
    strata.iloc[:20] = "tiny"
    scores = drawn["scores"].assign(flat=2.0)
    outcome = (drawn["outcome"] > drawn["outcome"].quantile(0.98)).astype(float)

    table = portability_table(
        drawn["outcome"], scores, drawn["covariates"], strata=strata
    ).set_index(["score", "group"])
    rare = portability_table(outcome, scores, drawn["covariates"], strata=strata)

    assert table.loc[("s", "tiny"), "status"] == "few_people"
    assert table.loc[("flat", "near"), "status"] == "constant"
    assert table.loc[("s", "near"), "status"] == "ok"
    assert table[table["status"] != "ok"]["r2"].isna().all()
    assert (rare["status"] != "ok").all()


def test_portability_table__refuses_what_it_cannot_do():
    """Nothing to group by, and a prevalence of something that is no disease."""
    drawn = draw(100, 5)
    plain = {name: drawn[name] for name in ("outcome", "scores", "covariates")}

    with pytest.raises(UsageError, match="strata or distance"):
        portability_table(**plain)
    with pytest.raises(UsageError, match="outcome of 0 and 1"):
        portability_table(**plain, distance=drawn["distance"], prevalence=0.1)
    with pytest.raises(
        UsageError, match=r"prevalence: 1 of 1 values are not strictly between 0 and 1"
    ):
        portability_table(
            (plain["outcome"] > 0).astype(float), plain["scores"], plain["covariates"],
            distance=drawn["distance"], prevalence=15,
        )  # fmt: skip


def test_portability_table__who_misses_a_score_is_out_for_that_score_alone():
    """One gap must not take the numbers of everybody, nor people from the other score."""
    drawn = draw(600, 8)
    whole = portability_table(**drawn)
    gappy = drawn["scores"].copy()
    gappy.iloc[:7, 0] = np.nan

    table = portability_table(**(drawn | {"scores": gappy}))

    without = portability_table(**{name: part.iloc[7:] for name, part in drawn.items()})
    for score, expected in (("s", without), ("null", whole)):
        rows, others = (
            found[(found["score"] == score) & (found["grouping"] != "distance")].reset_index(
                drop=True
            )
            for found in (table, expected)
        )
        columns = ["group", "n_people", "r2", "r2_low", "r2_high", "status"]
        pd.testing.assert_frame_equal(rows[columns], others[columns])
    assert set(table["status"]) == {"ok"}


def test_portability_table__refuses_a_person_who_occurs_twice():
    """Joined by person, two rows each would give four."""
    drawn = draw(100, 9)
    twice = pd.concat([drawn["outcome"], drawn["outcome"].iloc[:5]])

    with pytest.raises(UsageError, match="outcome: 5 of 105 rows repeat a person"):
        portability_table(**(drawn | {"outcome": twice}))


def test_portability_table__text_is_a_covariate_and_its_values_are_in_no_message():
    """Sex as text is sex as dummies; text as an outcome is refused without quoting it."""
    drawn = draw(400, 10)
    is_male = np.arange(400) % 2 == 0
    text = drawn["covariates"].assign(sex=np.where(is_male, "male", "female"))
    number = drawn["covariates"].assign(sex=is_male.astype(float))

    text.iloc[0, 2] = "unknown"
    number.iloc[0, 2] = np.nan
    one, other = (portability_table(**(drawn | {"covariates": c})) for c in (text, number))

    pd.testing.assert_frame_equal(one, other)
    with pytest.raises(UsageError, match="outcome holds values that are not numbers") as caught:
        portability_table(**(drawn | {"outcome": text["sex"]}))
    assert "female" not in str(caught.value)


def test_portability_table__bins_may_be_empty_and_distances_absent():
    """Equal distances leave bins without people; no distance at all is an error that says so."""
    drawn = draw(300, 11)
    binary = drawn["outcome"] > 0

    table = portability_table(
        binary, drawn["scores"], drawn["covariates"], distance=0 * drawn["distance"],
        prevalence=0.1,
    )  # fmt: skip

    empty = table[table["n_people"] == 0]
    assert set(empty["status"]) == {"few_people"}
    assert empty[["r2", "r2_liability"]].isna().all(axis=None)
    with pytest.raises(DataError, match="none of 300 people has a distance"):
        portability_table(**(drawn | {"distance": drawn["distance"] * np.nan}))


def test_portability_table__a_score_that_is_the_outcome_explains_what_covariates_do_not():
    """The correlation is 1 but for rounding: no warning, no NaN."""
    drawn = draw(300, 12)
    scores = drawn["scores"].assign(s=drawn["outcome"])

    row = portability_table(**(drawn | {"scores": scores})).iloc[0]

    assert_allclose([row["r"], row["r2_high"] + row["r2_covariates"]], 1.0, rtol=1e-12)


def test_portability_table__prevalence_is_found_for_strata_that_are_numbers():
    """A cluster number names its stratum as text does."""
    drawn = draw(400, 13)
    binary, strata = drawn["outcome"] > 0, (drawn["strata"] == "near").astype(int)

    table = portability_table(
        binary, drawn["scores"], drawn["covariates"], strata=strata, prevalence={0: 0.1, 1: 0.2}
    )

    shares = table[table["grouping"] == "stratum"].groupby("group")["prevalence"].first()
    assert shares.to_dict() == {"0": 0.1, "1": 0.2}
