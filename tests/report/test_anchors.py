"""Rows of nearly the same people tell no more than that they are nearly the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.report import FurtherTable, disclose
from pgs_trd.report.disclosure.anchors import anchored_factor, round_down

ESTIMATES = ("beta", "se", "ci_low", "ci_high", "p_value")


def panel_row(score, n_cases, n_controls, *, approach="Adjusted for visits", beta=0.05):
    se = np.sqrt((n_cases + n_controls) / (n_cases * n_controls))
    return {
        "score": score, "approach": approach, "contrast": "trd_vs_responsive", "status": "ok",
        "beta": beta, "se": se, "ci_low": beta - 2 * se, "ci_high": beta + 2 * se, "p_value": 0.3,
        "n_events": n_cases, "n_others": n_controls,
    }  # fmt: skip


def panel(rows, **changes):
    fields = {
        "name": "visit_density", "section": "Bias panel", "caption": "",
        "table": pd.DataFrame(rows), "text": ("score", "approach", "contrast", "status"),
        "numbers": ESTIMATES, "counts": ("n_events", "n_others"),
    }  # fmt: skip
    return FurtherTable(**(fields | changes))


@given(
    anchor=st.integers(21, 5000), fewer=st.integers(0, 400), threshold=st.sampled_from([2, 5, 20])
)
def test_round_down__from_the_anchor_everything_within_a_threshold_looks_alike(
    anchor, fewer, threshold
):
    """The attack: who knows the anchor learns of the difference a range of a whole threshold."""
    count = anchor - fewer
    least = round_down(count, anchor, threshold)

    alike = [c for c in range(count - 2 * threshold, count + 2 * threshold)
             if round_down(c, anchor, threshold) == least]  # fmt: skip
    assert count in alike
    assert len(alike) == threshold
    # None of them on the other side of the anchor: what is known already takes nothing away.
    assert max(alike) <= anchor if fewer >= 0 else True
    assert 0 < count - least <= threshold


@settings(max_examples=30)
@given(lost=st.integers(0, 60), lost_controls=st.integers(0, 60), is_cox=st.booleans())
def test_anchored_factor__the_error_shown_is_that_of_the_rounded_counts(
    lost, lost_controls, is_cox
):
    """Whatever the true counts of a range, error x factor gives the same number."""
    anchor = (375, 1050)
    sides = anchor[0] - lost, anchor[1] - lost_controls
    factor = anchored_factor(sides, anchor, 20, is_cox=is_cox)

    least = [round_down(count, start, 20) for count, start in zip(sides, anchor, strict=True)]
    if is_cox:
        assert_allclose(factor / np.sqrt(sides[0]), 1 / np.sqrt(least[0]), rtol=1e-12)
    else:
        known = sides[0] * sides[1] / sum(sides)
        assert_allclose(
            factor / np.sqrt(known), np.sqrt(sum(least) / (least[0] * least[1])), rtol=1e-12
        )
    assert factor > 1


def test_panel__rows_that_lost_up_to_twenty_people_look_alike(build):
    """Of 3,402 resistant people 1, 7 or 20 lack a visit: the errors do not say which."""
    meta = build(n_scores=2).meta.query("contrast == 'trd_vs_responsive'").iloc[0]
    n_cases, n_controls = int(meta["n_events"]), int(meta["n"] - meta["n_events"])
    rows = [panel_row(meta["score"], n_cases - lost, n_controls - lost, beta=0.05 + lost / 1e3)
            for lost in (1, 7, 19, 20)]  # fmt: skip

    shown = disclose(build(n_scores=2, further=(panel(rows),)), threshold=20).further[0].table

    assert shown["se"].iloc[0] == shown["se"].iloc[1] == shown["se"].iloc[2]
    assert shown["se"].iloc[3] > shown["se"].iloc[0]
    assert not {"n_events", "n_others"} & set(shown.columns)


def test_panel__of_the_main_models_shows_these(build):
    """Where 3 people are missing the main errors are widened; the panel must not undo it."""
    results = build(n_scores=2)
    association = results.association.copy()
    rows = (association["stratum"] == "EUR") & (association["contrast"] == "trd_vs_responsive")
    association.loc[rows, ["n_cases", "n_events", "n"]] -= 3
    meta = results.meta.copy()
    of_main = meta["contrast"] == "trd_vs_responsive"
    meta.loc[of_main, ["n_events", "n"]] -= 3
    first = meta[of_main].iloc[0]
    cases = int(first["n_events"])
    row = panel_row(first["score"], cases, int(first["n"]) - cases, beta=first["beta"])
    fields = {"association": association, "meta": meta, "further": (panel([row]),)}

    study = disclose(build(n_scores=2, **fields), threshold=20)

    main = study.meta[study.meta["contrast"] == "trd_vs_responsive"].iloc[0]
    shown = study.further[0].table.iloc[0]
    assert main["beta"] != pytest.approx(first["beta"], rel=1e-9)
    for column in ESTIMATES:
        assert shown[column] == main[column]


def test_panel__few_people_on_a_side_are_withheld(build):
    """Fifteen deaths; everybody else is no protection."""
    study = disclose(build(n_scores=2, further=(panel([panel_row("SIM000001", 15, 9000)]),)))

    assert study.further[0].table["status"].tolist() == ["withheld"]
    assert study.further[0].table[list(ESTIMATES)].isna().all().all()


def test_panel__rounds_from_the_class_counts_where_the_main_counts_are_withheld(build):
    """3 of EUR lack a covariate: 3,399 is not known, 3,402 is, and steps go from that."""
    results = build(n_scores=2)
    association, meta = results.association.copy(), results.meta.copy()
    rows = (association["stratum"] == "EUR") & (association["contrast"] == "trd_vs_responsive")
    association.loc[rows, ["n_cases", "n_events", "n"]] -= 3
    meta.loc[meta["contrast"] == "trd_vs_responsive", ["n_events", "n"]] -= 3
    first = meta[meta["contrast"] == "trd_vs_responsive"].iloc[0]
    cases, controls = int(first["n_events"]), int(first["n"] - first["n_events"])
    row = panel_row(first["score"], cases - 2, controls)
    fields = {"association": association, "meta": meta, "further": (panel([row]),)}

    shown = disclose(build(n_scores=2, **fields), threshold=20).further[0].table.iloc[0]

    least = cases + 3 - 20, controls - 20
    assert shown["se"] == float(f"{np.sqrt(sum(least) / (least[0] * least[1])):.4g}")
