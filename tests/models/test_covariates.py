"""Covariates as people keep them, made into columns of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.models import encode_covariates, fit_logistic


def test_encode_covariates__makes_dummies_with_the_first_level_as_reference():
    """Sex has a fixed reference and no third level; a missing level is missing everywhere."""
    table = pd.DataFrame(
        {
            "age": [30, 40, 50],
            "sex": ["Male", "female", "unknown"],
            "site": ["b", "a", None],
            "batch": pd.Categorical(["y", "x", "y"], categories=["y", "x", "unused"]),
            "smokes": [True, False, None],
        }
    )

    encoded = encode_covariates(table)

    expected = pd.DataFrame(
        {
            "age": [30.0, 40.0, 50.0],
            "sex_male": [1.0, 0.0, np.nan],
            "site_b": [1.0, 0.0, np.nan],
            "batch_x": [0.0, 1.0, 0.0],
            "smokes": [1.0, 0.0, np.nan],
        }
    )
    pd.testing.assert_frame_equal(encoded, expected)


def test_encode_covariates__refuses_ids_and_dates():
    """Thousands of dummies from an id column would fit, slowly, and mean nothing."""
    ids = pd.DataFrame({"code": [f"k{i}" for i in range(51)]})
    dates = pd.DataFrame({"born": pd.to_datetime(["2000-01-01", "2001-01-01"])})

    with pytest.raises(UsageError, match=r"'code' is text with 51 levels \(at most 50\)"):
        encode_covariates(ids)
    with pytest.raises(UsageError, match="'born' holds dates"):
        encode_covariates(dates)


@pytest.mark.parametrize("wrong", ["score", "covariate"])
def test_fit_logistic__refuses_tables_of_three_dimensions(wrong):
    """A block too many must not become columns."""
    given = {"score": np.zeros((4, 1)), "covariate": np.zeros((4, 2))}
    given[wrong] = np.zeros((4, 2, 2))

    with pytest.raises(UsageError, match=f"{wrong}s have 3 dimensions: people x {wrong}s is"):
        fit_logistic(np.array([0.0, 1, 0, 1]), given["score"], given["covariate"])
