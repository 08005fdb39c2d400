"""Pooling against R's metafor, and a case worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import ModelDataError, meta_analyse

SUBSETS = [
    ("bcg_logRR", "rr", 13),
    ("bcg_logOR", "or", 13),
    ("bcg_logRR_first2", "rr", 2),
    ("bcg_logRR_first3", "rr", 3),
    ("bcg_logRR_first5", "rr", 5),
]


def strata(**columns):
    """Make one test's estimates, all fit to pool unless a status says otherwise."""
    size = len(columns["beta"])
    base = {"contrast": "c", "score": "s", "n": 100, "n_events": 10, "status": ["ok"] * size}
    return pd.DataFrame({**base, **columns})


@pytest.mark.parametrize(("model_id", "scale", "k"), SUBSETS)
@pytest.mark.parametrize(("method", "fit"), [("fixed", "EE_z"), ("dl", "DL_z")])
def test_meta_analyse__agrees_with_metafor(r_reference, model_id, scale, k, method, fit):
    """The 13 BCG trials, and as few of them as a study has ancestries."""
    models = json.loads((r_reference / "meta_bcg.json").read_text())["models"]
    expected = next(model for model in models if model["id"] == model_id)["fits"]
    trials = pd.read_csv(r_reference / "dat_bcg_effects.csv").head(k)

    pooled = meta_analyse(
        strata(beta=trials[f"yi_{scale}"], se=np.sqrt(trials[f"vi_{scale}"])), method=method
    ).iloc[0]

    names = {"beta": "est", "se": "se", "ci_low": "ci_lb", "ci_high": "ci_ub"}
    for ours, theirs in names.items():
        assert_allclose(pooled[ours], expected[fit][theirs], rtol=1e-8)
    assert_allclose(pooled["p_value"], expected[fit]["p"], rtol=1e-8)
    assert_allclose(pooled["q"], expected[fit]["Q"], rtol=1e-8)
    assert_allclose(pooled["q_p_value"], expected[fit]["Q_p"], rtol=1e-8)
    assert_allclose(100 * pooled["i2"], expected["EE_z"]["I2"], rtol=1e-8)
    assert_allclose(pooled["tau2"], expected["DL_z"]["tau2"], rtol=1e-8)
    assert pooled["n_strata"] == k


def test_meta_analyse__is_what_was_worked_out_by_hand():
    """Weights 4, 1, 1; mean 3/6 = 0.5; Q = 4 x 0.25 + 0.25 + 2.25 = 3.5; tau2 = 1.5 / 3.

    The weights' sum less the sum of squares over it is 6 - 18/6 = 3. With tau2 = 0.5 the
    weights are 4/3, 2/3, 2/3, the mean is (0 + 2/3 + 4/3) / (8/3) = 3/4, its variance 3/8.
    """
    table = strata(beta=[0.0, 1.0, 2.0], se=[0.5, 1.0, 1.0], n=[4, 5, 6], n_events=[1, 2, 3])

    fixed = meta_analyse(table).iloc[0]
    random = meta_analyse(table, method="dl").iloc[0]

    assert_allclose([fixed["beta"], fixed["se"]], [0.5, 1 / np.sqrt(6)], rtol=1e-12)
    assert_allclose([fixed["q"], fixed["i2"], fixed["tau2"]], [3.5, 1.5 / 3.5, 0.5], rtol=1e-12)
    assert_allclose([random["beta"], random["se"]], [0.75, np.sqrt(3 / 8)], rtol=1e-12)
    assert (fixed["n"], fixed["n_events"], fixed["n_strata"]) == (15, 6, 3)


def test_meta_analyse__rows_without_a_number_leave_the_pool_and_are_counted():
    """One stratum left passes through; none left has its own status and no number."""
    table = pd.concat(
        [
            strata(beta=[0.3, np.nan], se=[0.1, np.nan], status=["ok", "separation"]),
            strata(beta=[np.nan], se=[np.nan], status=["no_events"], score="t"),
        ]
    )

    pooled = meta_analyse(table).set_index("score")

    assert pooled["status"].to_dict() == {"s": "ok", "t": "no_estimates"}
    assert pooled["n_strata"].to_dict() == {"s": 1, "t": 0}
    assert pooled["n_strata_out"].to_dict() == {"s": 1, "t": 1}
    assert pooled["n"].to_dict() == {"s": 100, "t": 0}
    assert_allclose(pooled.loc["s", ["beta", "se"]].astype(float), [0.3, 0.1], rtol=1e-14)
    assert pooled.loc["s", ["q", "q_p_value", "i2", "tau2"]].isna().all()
    assert pooled.loc["t", ["beta", "se", "ci_low", "p_value", "log10_p"]].isna().all()


def test_meta_analyse__keeps_tests_apart_in_their_order():
    """A test is one combination of all columns of `by`."""
    table = pd.concat(
        [
            strata(beta=[float(i)], se=[1.0], contrast=c, score=s)
            for i, (c, s) in enumerate([("b", "y"), ("a", "x"), ("b", "x"), ("a", "x")])
        ]
    )

    pooled = meta_analyse(table)

    assert pooled[["contrast", "score"]].to_numpy().tolist() == [["b", "y"], ["a", "x"], ["b", "x"]]
    assert pooled["beta"].tolist() == [0.0, 2.0, 2.0]


def test_meta_analyse__refuses_an_ok_without_a_number():
    """It would turn the pooled estimate into NaN, or drop a stratum in silence."""
    with pytest.raises(ModelDataError, match="1 of 2 rows with status 'ok'"):
        meta_analyse(strata(beta=[0.1, np.nan], se=[0.1, 0.1]))
    with pytest.raises(DataError, match="no column 'se'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]).drop(columns="se"))
    with pytest.raises(UsageError, match="method is 'reml'"):
        meta_analyse(strata(beta=[0.1], se=[0.1]), method="reml")


def test_meta_analyse__a_count_that_is_not_given_is_missing_not_zero():
    """0 people would be read as a result."""
    table = strata(beta=[0.1, 0.2], se=[0.1, 0.1])

    without = meta_analyse(table.drop(columns=["n", "n_events"]))
    partly = meta_analyse(table.assign(n=[100, np.nan]))

    assert without[["n", "n_events"]].isna().all(axis=None)
    assert partly["n"].isna().all()
    assert partly["n_events"].tolist() == [20]


def test_meta_analyse__a_stratum_twice_in_a_test_is_refused():
    """Its people would count twice, and the error come out too small."""
    table = strata(beta=[0.1, 0.2, 0.3, 0.4], se=[0.1] * 4, stratum=["A", "A", "B", "B"])

    with pytest.raises(DataError, match="2 of 4 rows repeat a stratum of their group"):
        meta_analyse(table)

    apart = meta_analyse(table.assign(model=[1, 2, 1, 2]), by=["score", "model"])
    assert_allclose(apart["beta"], [0.2, 0.3], rtol=1e-12)


def test_meta_analyse__a_pooled_table_is_not_pooled_again():
    """Each pooled row alone in its test would pass through as if it were new."""
    pooled = meta_analyse(strata(beta=[0.1, 0.2], se=[0.1, 0.1]))

    with pytest.raises(UsageError, match="its 1 rows are pooled already"):
        meta_analyse(pooled)


def test_meta_analyse__text_is_counted_not_shown():
    """A table of the report has marks where numbers were."""
    table = strata(beta=[0.1, "withheld"], se=["withheld", "withheld"])

    with pytest.raises(DataError) as caught:
        meta_analyse(table)

    assert "beta: 1 of 2 values are no number" in str(caught.value)
    assert "se: 2 of 2 values are no number" in str(caught.value)
    assert "withheld" not in str(caught.value)


def test_meta_analyse__pools_estimates_of_firth_as_well():
    """A stratum with few events has Firth's numbers, and they stand."""
    rows = pd.DataFrame(
        {"score": "a", "contrast": "c", "beta": [0.2, 0.4], "se": [0.1, 0.1],
         "status": ["ok", "firth"]}
    )  # fmt: skip

    pooled = meta_analyse(rows).iloc[0]

    assert pooled["n_strata"] == 2
    assert pooled["beta"] == pytest.approx(0.3)
