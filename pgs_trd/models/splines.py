"""Restricted cubic splines: smooth curves of a covariate that are straight in the tails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray

Splines: TypeAlias = "Mapping[str, int] | Sequence[str] | str"

DEFAULT_KNOTS = 4
# Harrell (2015), Regression Modeling Strategies, 2nd edition, table 2.3.
KNOT_QUANTILES = {
    3: (0.1, 0.5, 0.9),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.5, 0.725, 0.95),
    6: (0.05, 0.23, 0.41, 0.59, 0.77, 0.95),
    7: (0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975),
}


def read_splines(splines: Splines | None, columns: Sequence[str]) -> dict[str, int]:
    """Give the number of knots of each covariate that is to be a spline.

    Parameters
    ----------
    splines
        Names, for 4 knots, or names with their number of knots.
    columns
        Of the covariates.

    Raises
    ------
    UsageError
        If a name is no covariate, or the number of knots is not 3 to 7.
    """
    if splines is None:
        return {}
    names = [splines] if isinstance(splines, str) else splines
    asked = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, DEFAULT_KNOTS)
    for name, n_knots in asked.items():
        if name not in columns:
            raise UsageError(
                f"spline {name!r} is no covariate. There are: {', '.join(columns) or 'none'}"
            )
        if n_knots not in KNOT_QUANTILES:
            raise UsageError(f"spline {name!r} has {n_knots} knots: it must be 3 to 7")
    return asked


def spline_knots(values: FloatArray, n_knots: int) -> FloatArray:
    """Give knots at Harrell's quantiles [1]_, each once; NaN is left out.

    References
    ----------
    .. [1] Harrell (2015) Regression Modeling Strategies, 2nd edition, table 2.3.
    """
    present = values[~np.isnan(values)]
    if not present.size:
        return np.empty(0)
    return np.asarray(np.unique(np.quantile(present, KNOT_QUANTILES[n_knots])))


def spline_columns(values: FloatArray, knots: FloatArray) -> FloatArray:
    """Give what a restricted cubic spline has beside the straight line [1]_.

    Parameters
    ----------
    values : (n_people,)
        NaN is missing.
    knots : (n_knots,)
        Ascending; beyond the outer ones the spline is a straight line.

    Returns
    -------
    columns : (n_people, n_knots - 2)
        In the unit of `values`; none with fewer than 3 knots.

    References
    ----------
    .. [1] Durrleman and Simon (1989) Statistics in Medicine 8:551.
    """
    if len(knots) < 3:
        return np.empty((len(values), 0))
    first, before_last, last = knots[0], knots[-2], knots[-1]
    columns = np.empty((len(values), len(knots) - 2))
    for place, knot in enumerate(knots[:-2]):
        columns[:, place] = (
            _cube(values - knot)
            - _cube(values - before_last) * (last - knot) / (last - before_last)
            + _cube(values - last) * (before_last - knot) / (last - before_last)
        )
    return np.asarray(columns / (last - first) ** 2)


def _cube(distance: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(distance, 0.0) ** 3)


def add_splines(
    covariates: pd.DataFrame, splines: Mapping[str, int]
) -> tuple[pd.DataFrame, list[str]]:
    """Add the columns of splines behind the covariates.

    Parameters
    ----------
    covariates
        As given; a column that is to be a spline is of numbers.
    splines
        Number of knots by column.

    Returns
    -------
    covariates
        With `name_spline1`, `name_spline2`, ... for each.
    straight
        Columns whose values are too few to bend.

    Raises
    ------
    UsageError
        If a column is not of numbers.
    """
    added, straight = {}, []
    for name, n_knots in splines.items():
        try:
            values = covariates[name].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            raise UsageError(f"spline {name!r} is not a column of numbers") from None
        columns = spline_columns(values, spline_knots(values, n_knots))
        if not columns.shape[1]:
            straight.append(name)
        for place in range(columns.shape[1]):
            added[f"{name}_spline{place + 1}"] = columns[:, place]
    return covariates.assign(**added), straight
