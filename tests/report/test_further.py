"""Estimates under other definitions, and further tables, say nothing of few people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError
from pgs_trd.report import FurtherTable, disclose


def pooled(n_cases, n_controls, *, definition="other"):
    n = n_cases + n_controls
    se = np.sqrt(n / (n_cases * n_controls)) if n_cases and n_controls else np.nan
    return {
        "definition": definition, "contrast": "trd_vs_responsive", "score": "SIM000001",
        "beta": 0.1, "se": se, "ci_low": 0.1 - 2 * se, "ci_high": 0.1 + 2 * se, "p_value": 0.2,
        "n_strata": 1, "n": n, "n_events": n_cases, "i2": 0.3, "status": "ok",
    }  # fmt: skip


def test_sensitivity__two_definitions_that_differ_by_a_few_cases_look_the_same(build):
    """202 resistant by one and 205 by the next: 3 had stimulation besides."""
    rows = pd.DataFrame([pooled(202, 577, definition="a"), pooled(205, 577, definition="b")])

    study = disclose(build(n_scores=2, sensitivity=rows, meta=pd.DataFrame()), threshold=20)

    shown = study.sensitivity
    assert shown["se"].iloc[0] == pytest.approx(shown["se"].iloc[1], rel=1e-12)
    # 200 and 560 are what is left of 202 (or 205) and 577.
    assert_allclose(shown["se"], np.sqrt(760 / (200 * 560)), rtol=1e-12)
    assert not {"n", "n_events", "i2"} & set(shown.columns)


def test_sensitivity__estimates_of_few_people_are_withheld(build):
    """18 cases by a narrow definition."""
    rows = pd.DataFrame([pooled(18, 577), pooled(300, 577, definition="wide")])

    study = disclose(build(n_scores=2, sensitivity=rows), threshold=20)

    assert study.sensitivity["status"].tolist() == ["withheld", "ok"]
    assert study.sensitivity["beta"].isna().tolist() == [True, False]
    assert study.log.query("table == 'definitions'")["n_hidden"].tolist() == [1]


def further(**changes):
    fields = {
        "name": "deciles", "section": "Deciles", "caption": "A table.",
        "table": pd.DataFrame(
            {
                "stratum": ["EUR"] * 3 + ["AFR"] * 3, "contrast": "trd_vs_none",
                "decile": ["1", "2", "3"] * 2, "n_cases": [312, 247, 210, 12, 247, 210],
                "n_controls": 300, "beta": 0.1, "se": [0.1, 0.2, 0.0912345] * 2,
                "ci_low": 0.0, "ci_high": 1.0, "p_value": 0.3, "person_id": list("abcdef"),
            }
        ),
        "text": ("stratum", "contrast", "decile"), "counts": ("n_cases", "n_controls"),
        "numbers": ("beta", "se", "ci_low", "ci_high", "p_value"),
    }  # fmt: skip
    return FurtherTable(**(fields | changes))


def test_further__shows_no_counts_and_withholds_rows_of_few_people(build):
    """Nothing that was not named as a column of the table comes through."""
    study = disclose(build(n_scores=2, further=(further(),)), threshold=20)

    shown = study.further[0].table
    assert list(shown.columns) == [*further().text, *further().numbers]
    assert shown["beta"].isna().tolist() == [False, False, False, True, False, False]
    assert shown["se"].iloc[2] == 0.09123


def test_further__rows_whose_people_add_up_fall_together(build):
    """Of ten deciles nine and their total give the tenth."""
    one = further(groups=("stratum",))

    shown = disclose(build(n_scores=2, further=(one,)), threshold=20).further[0].table

    assert shown["beta"].isna().tolist() == [False] * 3 + [True] * 3


def test_further__is_widened_and_withheld_with_its_model(build):
    """3 people lost in EUR, and a stratum of 12 cases: the deciles say no more than the model."""
    results = build(n_scores=2)
    association = results.association.copy()
    rows = (association["stratum"] == "EUR") & (association["contrast"] == "trd_vs_none")
    association.loc[rows, ["n_cases", "n_events", "n"]] -= 3
    few = association["stratum"] == "AFR"
    association.loc[few, ["n_cases", "n_events"]] = 12
    table = further().table.assign(n_cases=300)

    study = disclose(
        build(n_scores=2, association=association, further=(further(table=table),)), threshold=20
    )

    shown = study.further[0].table
    factor = study.association.loc[rows.to_numpy(), "factor"].iloc[0]
    assert factor > 1.001
    assert shown["se"].iloc[0] == float(f"{0.1 * factor:.4g}")
    assert shown["beta"].iloc[3:].isna().all()


def test_further__of_a_model_that_is_not_shown_is_withheld(build):
    """A stratum that the main tables do not have could be anybody."""
    table = further().table.assign(stratum="EAS", n_cases=300)

    study = disclose(build(n_scores=2, further=(further(table=table),)), threshold=20)

    assert study.further[0].table["beta"].isna().all()


def test_further__of_all_people_has_errors_of_rounded_counts(build):
    """Without a stratum there is no model to go by: 210 and 299 are taken for 200 and 280."""
    table = further().table.assign(n_controls=299)
    one = further(table=table, text=("decile",))

    results = build(n_scores=2, further=(one,), meta=pd.DataFrame())
    shown = disclose(results, threshold=20).further[0].table

    known, least = 210 * 299 / 509, 200 * 280 / 480
    assert shown["se"].iloc[2] == float(f"{0.0912345 * np.sqrt(known / least):.4g}")


def test_further__says_which_columns_it_lacks():
    """A column that is named and not there is a mistake, not an empty column."""
    with pytest.raises(DataError, match=r"(?s)table 'deciles'.*no column 'auc'"):
        further(numbers=("auc",))
