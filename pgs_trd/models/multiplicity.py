"""Adjust p-values for the number of tests that were planned, not of those that gave a number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy.interpolate import make_smoothing_spline
from scipy.optimize import brentq

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.tables import require_columns

Adjustment: TypeAlias = Literal["bonferroni", "holm", "bh", "by", "storey"]
NullShare: TypeAlias = Literal["smoother", "bootstrap"]

# Storey's estimate of the share of nulls is a count of p-values above each lambda.
LAMBDA = np.arange(1, 20) * 0.05
MIN_TESTS_FOR_NULL_SHARE = 100
SMOOTHER_FREEDOM = 3.0


def adjust_p_values(
    results: pd.DataFrame,
    *,
    by: Sequence[str] = (),
    methods: Sequence[Adjustment] = ("bonferroni", "holm", "bh"),
    n_planned: int | None = None,
    n_effective: float | None = None,
    null_share: NullShare = "smoother",
) -> pd.DataFrame:
    """Adjust the p-values of a table of tests, family by family.

    The denominator is the number of tests planned. A test that was planned and gave no
    p-value counts as one with p = 1: a family does not become smaller because fits failed.
    Everything is computed from log10 p, so that p-values too small for a number keep
    their order.

    Parameters
    ----------
    results
        One row a planned test, with `log10_p`, or `p_value` in rows without `log10_p`;
        NaN where the fit was refused.
    by
        Columns that name a family; () takes all rows as one.
    methods
        "bonferroni"; "holm" [1]_; "bh" (false discovery rate [2]_); "by" (the same under
        any dependence [3]_); "storey" (q-values [4]_, see `null_share`).
    n_planned
        Tests planned in each family where that is more than its rows; None is its rows.
    n_effective
        Effective number of tests of each family, from `effective_tests`: adds
        `p_effective`, min(1, p x n_effective).
    null_share
        How "storey" estimates the share of true nulls. With fewer than 100 p-values in
        a family, or none above 0.95, the share is taken as 1 and q-values are those of "bh".

    Returns
    -------
    adjusted
        `results` with `n_planned`, `n_completed` (rows with a p-value), and for each method
        `p_<method>` and `log10_p_<method>`; with "storey" also `null_share`. Rows
        without a p-value have none adjusted. `attrs["multiplicity"]` says what was done.

    Raises
    ------
    UsageError
        If a method is unknown, or fewer tests are said to be planned than there are rows.
    DataError
        If there are no p-values in the table, or some lie outside [0, 1].

    References
    ----------
    .. [1] Holm (1979) Scandinavian Journal of Statistics 6:65.
    .. [2] Benjamini and Hochberg (1995) JRSS B 57:289.
    .. [3] Benjamini and Yekutieli (2001) Annals of Statistics 29:1165.
    .. [4] Storey and Tibshirani (2003) PNAS 100:9440; Storey, Taylor and Siegmund (2004)
       JRSS B 66:187.

    Examples
    --------
    >>> import pandas as pd
    >>> tests = pd.DataFrame({"score": ["a", "b", "c"], "p_value": [0.01, 0.04, None]})
    >>> adjust_p_values(tests, methods=["holm"])[["p_holm", "n_completed"]].round(4)
       p_holm  n_completed
    0    0.03            2
    1    0.08            2
    2     NaN            2
    """
    _check_options(methods, null_share, n_effective)
    keys = [by] if isinstance(by, str) else list(by)
    require_columns(results, keys, "results")
    log10_p = _read_log10_p(results)
    if keys:
        codes = results.groupby(keys, sort=False, dropna=False, observed=True).ngroup().to_numpy()
    else:
        codes = np.zeros(len(results), dtype=np.int64)
    families = [np.flatnonzero(codes == code) for code in np.unique(codes)]
    largest = max((len(rows) for rows in families), default=0)
    if n_planned is not None and n_planned < largest:
        raise UsageError(
            f"n_planned is {n_planned:,}, but a family has {largest:,} rows: every row is a "
            "planned test"
        )
    adjusted = results.copy()
    planned, completed = np.zeros((2, len(results)), dtype=np.int64)
    columns = {f"log10_p_{method}": np.full(len(results), np.nan) for method in methods}
    share = np.full(len(results), np.nan)
    for rows in families:
        known = rows[~np.isnan(log10_p[rows])]
        size = len(rows) if n_planned is None else n_planned
        planned[rows], completed[rows] = size, len(known)
        if not len(known):
            continue
        for method in methods:
            values, used = _adjust(log10_p[known], size, method, null_share)
            columns[f"log10_p_{method}"][known] = values
            if method == "storey":
                share[rows] = used
    adjusted["n_planned"], adjusted["n_completed"] = planned, completed
    for method in methods:
        adjusted[f"p_{method}"] = 10.0 ** columns[f"log10_p_{method}"]
        adjusted[f"log10_p_{method}"] = columns[f"log10_p_{method}"]
    if "storey" in methods:
        adjusted["null_share"] = share
    if n_effective is not None:
        adjusted["p_effective"] = 10.0 ** np.minimum(0.0, log10_p + np.log10(n_effective))
    adjusted.attrs["multiplicity"] = {
        "families": ", ".join(keys) or "one",
        "methods": ", ".join(methods),
        "denominator": "tests planned; one without a p-value counts as p = 1",
        "null_share": null_share if "storey" in methods else "",
        "n_effective": "" if n_effective is None else n_effective,
    }
    return adjusted


def _check_options(methods: Sequence[str], null_share: str, n_effective: float | None) -> None:
    unknown = [method for method in methods if method not in get_args(Adjustment)]
    if unknown or not methods:
        raise UsageError(
            f"methods are {list(methods)}: there are {', '.join(get_args(Adjustment))}"
        )
    if null_share not in get_args(NullShare):
        raise UsageError(f"null_share is {null_share!r}: it must be one of {get_args(NullShare)}")
    if n_effective is not None and not 1 <= n_effective < np.inf:
        raise UsageError(f"n_effective is {n_effective}: it is a number of tests, at least 1")


def _read_log10_p(results: pd.DataFrame) -> FloatArray:
    """Give log10 p of each row, NaN where there is none; refuse what is no p-value."""
    if not {"log10_p", "p_value"} & set(results.columns):
        raise DataError("results: no column 'log10_p' or 'p_value'")
    found = np.full(len(results), np.nan)
    faults = []
    if "p_value" in results.columns:
        p_value = read_numbers(results, "p_value", "results", finite=False)
        faults.append((int(np.sum((p_value < 0) | (p_value > 1))), "p_value outside [0, 1]"))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log10(p_value)
    if "log10_p" in results.columns:
        log10_p = read_numbers(results, "log10_p", "results", finite=False)
        faults.append((int(np.sum(log10_p > 0)), "log10_p above 0"))
        found = np.where(np.isnan(log10_p), found, log10_p)
    for n_wrong, kind in faults:
        if n_wrong:
            raise ModelDataError(f"results: {n_wrong:,} of {len(results):,} rows have {kind}")
    return np.asarray(found)


def _adjust(
    log10_p: FloatArray, n_planned: int, method: str, null_share: NullShare
) -> tuple[FloatArray, float]:
    """Adjust the complete p-values of one family; also give the share of nulls used."""
    order = np.argsort(log10_p, kind="stable")
    ranked, rank = log10_p[order], np.arange(1, len(log10_p) + 1)
    share = 1.0
    if method == "bonferroni":
        adjusted = ranked + np.log10(n_planned)
    elif method == "holm":
        adjusted = np.maximum.accumulate(ranked + np.log10(n_planned - rank + 1))
    else:
        factor = float(n_planned)
        if method == "by":
            factor *= float(np.sum(1 / np.arange(1, n_planned + 1)))
        elif method == "storey":
            share = estimate_null_share(10.0**log10_p, method=null_share)
            factor *= share
        adjusted = ranked + np.log10(factor / rank)
        ceiling = np.log10(share)  # of a planned test without a p-value, or one with p = 1
        adjusted = np.minimum.accumulate(np.minimum(adjusted, ceiling)[::-1])[::-1]
    values = np.empty_like(adjusted)
    values[order] = np.minimum(adjusted, 0.0)
    return values, share


def estimate_null_share(p_values: FloatArray, *, method: NullShare = "smoother") -> float:
    """Estimate the share of true null hypotheses from the p-values near 1.

    Parameters
    ----------
    p_values : (n,)
        Complete.
    method
        "smoother": the share of p-values above each lambda in 0.05, 0.10 ... 0.95, over
        1 - lambda, is smoothed by a cubic spline of 3 degrees of freedom, and its value at
        0.95 taken [1]_. "bootstrap": the lambda of the smallest mean square error [2]_.

    Returns
    -------
    share
        In (0, 1]; 1 where there are fewer than 100 p-values or none above 0.95, which says
        that they were cut off, and where the estimate is not above 0.

    References
    ----------
    .. [1] Storey and Tibshirani (2003) PNAS 100:9440.
    .. [2] Storey, Taylor and Siegmund (2004) JRSS B 66:187.
    """
    size = len(p_values)
    if size < MIN_TESTS_FOR_NULL_SHARE or p_values.max() < LAMBDA[-1]:
        return 1.0
    n_above = size - np.searchsorted(np.sort(p_values), LAMBDA, side="left")
    shares = n_above / (size * (1 - LAMBDA))
    if method == "smoother":
        found = float(_smoother_at_end() @ shares)
    else:
        spread = n_above / (size * (1 - LAMBDA)) ** 2 * (1 - n_above / size)
        error = spread + (shares - np.quantile(shares, 0.1)) ** 2
        found = float(shares[error == error.min()].min())
    return min(found, 1.0) if found > 0 else 1.0


@lru_cache(maxsize=1)
def _smoother_at_end() -> FloatArray:
    """Give the weights of values at `LAMBDA` in the smoothed value at its end.

    The smoother is the cubic spline whose matrix has the trace 3: it is linear, and the
    same for all p-values.
    """

    def matrix(log_penalty: float) -> FloatArray:
        columns = [
            make_smoothing_spline(LAMBDA, unit, lam=np.exp(log_penalty))(LAMBDA)
            for unit in np.eye(len(LAMBDA))
        ]
        return np.array(columns).T

    log_penalty = brentq(
        lambda at: float(np.trace(matrix(at))) - SMOOTHER_FREEDOM, -20.0, 5.0, xtol=1e-10
    )
    weights: FloatArray = matrix(log_penalty)[-1]
    weights.flags.writeable = False
    return weights
