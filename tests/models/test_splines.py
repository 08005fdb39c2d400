"""Restricted cubic splines: their space, their tails, their refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import CubicSpline

from pgs_trd.errors import UsageError
from pgs_trd.models.splines import (
    KNOT_QUANTILES,
    add_splines,
    read_splines,
    spline_columns,
    spline_knots,
)


@pytest.mark.parametrize("n_knots", sorted(KNOT_QUANTILES))
def test_spline_columns__hold_every_natural_cubic_spline_through_the_knots(n_knots):
    """The space is that of scipy's natural cubic splines: a model can take any such curve."""
    rng = np.random.default_rng(n_knots)
    knots = np.sort(rng.uniform(20, 80, size=n_knots))
    curve = CubicSpline(knots, rng.normal(size=n_knots), bc_type="natural")
    inside = np.linspace(knots[0], knots[-1], 200)

    columns = np.column_stack([np.ones_like(inside), inside, spline_columns(inside, knots)])

    fitted = columns @ np.linalg.lstsq(columns, curve(inside), rcond=None)[0]
    assert_allclose(fitted, curve(inside), atol=1e-8)


def test_spline_columns__are_straight_beyond_the_outer_knots():
    """Few people are there: a cubic tail would follow them."""
    knots = np.array([30.0, 40.0, 55.0, 70.0])
    above, below = np.linspace(70, 120, 9), np.linspace(0, 30, 9)

    assert_allclose(np.diff(spline_columns(above, knots), n=2, axis=0), 0, atol=1e-9)
    assert_allclose(spline_columns(below, knots), 0)


def test_spline_columns__one_value_by_hand():
    """Knots 0, 1, 2 at 1.5: (1.5^3 - 2 * 0.5^3) / 2^2."""
    assert_allclose(
        spline_columns(np.array([1.5]), np.array([0.0, 1.0, 2.0])),
        [[(3.375 - 2 * 0.125) / 4]],
        rtol=1e-12,
    )


def test_spline_knots__are_quantiles_of_the_present_values():
    """Harrell's 4 knots; missing ages place no knot, equal quantiles are one knot."""
    values = np.r_[np.arange(101.0), np.nan]

    assert_allclose(spline_knots(values, 4), [5, 35, 65, 95])
    assert_allclose(spline_knots(np.array([1.0, 1.0, 1.0, 2.0]), 4), [1.0, 1.85])


def test_add_splines__too_few_values_stay_straight_and_are_named():
    """Two knots bend nothing; missing stays missing."""
    table = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0, np.nan], "wave": [0, 1, 0, 1, 1]})

    added, straight = add_splines(table, {"age": 4, "wave": 3})

    assert straight == ["wave"]
    assert list(added) == ["age", "wave", "age_spline1", "age_spline2"]
    assert added.iloc[4, 2:].isna().all()


@pytest.mark.parametrize(
    ("splines", "message"),
    [
        ("height", "spline 'height' is no covariate. There are: age, sex"),
        ({"age": 8}, "spline 'age' has 8 knots: it must be 3 to 7"),
    ],
)
def test_read_splines__refuses_what_cannot_be_one(splines, message):
    """Named before any model is fitted."""
    with pytest.raises(UsageError, match=message):
        read_splines(splines, ["age", "sex"])
    assert read_splines("age", ["age", "sex"]) == {"age": 4}
