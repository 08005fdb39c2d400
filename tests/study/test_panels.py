"""Counts of people in squares of the components, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from pgs_trd.study.panels import count_in_squares


def people(n=800, seed=1):
    rng = np.random.default_rng(seed)
    ids = [f"p{i}" for i in range(n)]
    stratum = np.where(np.arange(n) < n / 2, "X", "Y")
    covariates = pd.DataFrame(
        {
            "person_id": ids, "ancestry": stratum,
            "PC1": rng.normal(size=n) + np.where(stratum == "X", 5, -5),
            "PC2": rng.normal(size=n), "pc_03": rng.normal(size=n), "PC10": 1.0,
        }
    )  # fmt: skip
    return pd.DataFrame({"person_id": ids, "stratum": stratum}), covariates


def test_squares__hold_everybody_once_within_their_edges():
    """Strata of 400 with a standard deviation of 1 have squares with sides of 1."""
    used, covariates = people()

    squares = count_in_squares(used, covariates, ["sex", "PC1", "PC2"])

    assert_allclose(squares["x_high"] - squares["x_low"], 1.0, rtol=1e-12)
    inside = (covariates["PC1"].between(2, 3)) & covariates["PC2"].between(-1, 0)
    row = squares.query("x_low == 2 and y_low == -1 and stratum == 'X'")
    assert row["n_people"].item() == inside.sum()
    assert squares.groupby("stratum")["n_people"].sum().to_dict() == {"X": 400, "Y": 400}


def test_squares__do_not_move_with_the_outermost_person():
    """An edge at the largest value would give somebody's component away."""
    used, covariates = people()
    before = count_in_squares(used, covariates, ["PC1", "PC2"])
    covariates.loc[covariates["PC2"].idxmax(), "PC2"] += 3.3

    after = count_in_squares(used, covariates, ["PC1", "PC2"])

    corners = ["x_low", "y_low"]
    assert (after[corners] % 1 == 0).all().all()
    assert (before[corners] % 1 == 0).all().all()


def test_squares__only_of_people_in_use_with_both_components():
    """One person is not in the models, another lacks a component."""
    used, covariates = people()
    covariates.loc[0, "PC2"] = np.nan

    squares = count_in_squares(used.drop(index=1), covariates, ["PC1", "PC2"])

    assert squares.groupby("stratum")["n_people"].sum().to_dict() == {"X": 398, "Y": 400}


def test_squares__of_covariates_without_a_plane_are_none():
    """One component is no plane, nor are two of which one is constant; PC10 is not PC1."""
    used, covariates = people()

    assert count_in_squares(used, covariates, ["sex", "PC2", "PC10"]).empty
    constant = covariates.assign(PC2=0.5)
    assert count_in_squares(used, constant, ["PC1", "PC2"]).empty
    third = covariates.assign(PC4=covariates["PC2"])
    planes = count_in_squares(used, third, ["pc_03", "PC4"])
    assert set(planes["horizontal"]) == {"pc_03"}


def test_finished_study__has_the_picture_of_ancestry(finished):
    """The demo's covariates have four components: two planes, three strata."""
    tables = finished / "results" / "report" / "tables"
    found = pd.read_csv(tables / "components.csv")

    assert found.groupby("horizontal")["stratum"].nunique().to_dict() == {"PC1": 3, "PC3": 3}
    assert set(found["more_than"]) <= {20, 100}
