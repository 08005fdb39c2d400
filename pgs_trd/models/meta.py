"""Pool the estimates of strata: inverse-variance, fixed and random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtri, stdtrit

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.pooling import (
    TAU2,
    Pools,
    range_of,
    size_of,
    tau2_interval,
    typical_variance,
    weigh,
)
from pgs_trd.models.results import STANDING
from pgs_trd.models.student import student_columns
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.tables import require_columns

MetaMethod: TypeAlias = Literal["fixed", "dl", "reml", "pm"]
MetaInterval: TypeAlias = Literal["wald", "hartung_knapp", "hartung_knapp_floor"]

COUNTS = ("n", "n_events")
# Estimates that differ by less than this share of their size are equal.
ROUNDING = 1e-14
METHOD_NOTES = {
    "fixed": "inverse-variance, one common effect",
    "dl": "inverse-variance, random effects, tau2 by DerSimonian and Laird",
    "reml": "inverse-variance, random effects, tau2 by restricted maximum likelihood",
    "pm": "inverse-variance, random effects, tau2 by Paule and Mandel",
}
INTERVAL_NOTES = {
    "wald": "Wald, normal",
    "hartung_knapp": "Hartung-Knapp, t with n_strata - 1 degrees of freedom, no floor",
    "hartung_knapp_floor": (
        "Hartung-Knapp, t with n_strata - 1 degrees of freedom, its variance factor at least 1"
    ),
}
TAU2_NOTES = {
    "fixed": "DerSimonian-Laird",
    "dl": "DerSimonian-Laird",
    "reml": "restricted maximum likelihood",
    "pm": "Paule-Mandel",
}
HETEROGENEITY = (
    "q", "q_p_value", "i2", "i2_low", "i2_high", "tau2", "tau2_low", "tau2_high",
    "prediction_low", "prediction_high",
)  # fmt: skip


def meta_analyse(
    estimates: pd.DataFrame,
    *,
    by: Sequence[str] = ("contrast", "score"),
    method: MetaMethod = "fixed",
    interval: MetaInterval = "wald",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Pool estimates over the rows that agree in the columns `by`.

    Rows whose `status` is neither "ok" nor "firth" leave the pool; `n_strata` counts those that
    stay, `n_strata_out` the others. One row passes through as it is.

    With two or three strata tau2 is hardly known whatever the method: look at its interval.
    There the Hartung-Knapp interval without the floor is often very wide, and narrower than
    Wald's where the estimates happen to agree [4]_; with the floor it never is.

    Parameters
    ----------
    estimates
        One row a stratum and test: the columns of `by`, `beta`, `se`; also `status`
        (all rows count as ok without it), `n` and `n_events` (summed; <NA> where a number
        is missing), and `stratum`, which must differ within a test.
    by
        Columns that name one test. Their order of first appearance is kept.
    method
        "fixed" for one common effect; random effects with tau2 by DerSimonian and Laird
        [1]_ ("dl"), restricted maximum likelihood [2]_ ("reml") or Paule and Mandel ("pm").
    interval
        "wald"; with random effects also "hartung_knapp" [3]_, or "hartung_knapp_floor",
        which takes the factor on the variance as 1 where it is below 1.
    confidence
        Coverage of all intervals.

    Returns
    -------
    pooled
        One row a test: `by`, `beta`, `se`, `ci_low`, `ci_high`, `p_value`,
        `log10_p`, `n_strata`, `n_strata_out`, `n`, `n_events`; `q`, `q_p_value`;
        `i2` (a share, in [0, 1]) and `tau2` with their intervals by the Q-profile [5]_
        (`i2_low`, `i2_high`, `tau2_low`, `tau2_high`; both ends 0 where Q is smaller
        than chance allows); `prediction_low`, `prediction_high`, between which the effect
        of a further stratum is expected (normal with Wald's interval, else t; NaN with
        "fixed"); `status` ("ok", "no_estimates", "not_converged" if REML did not settle,
        "no_spread" if the estimates are equal, so that Hartung-Knapp without the floor has
        no error). With "fixed", tau2 is DerSimonian and Laird's and is not used.
        Heterogeneity is NaN where fewer than two strata are pooled.

    Raises
    ------
    UsageError
        If an option is unknown, `by` is empty, or the estimates are pooled already.
    DataError
        If a column is missing or holds text, a stratum repeats within a test, or a row
        says "ok" or "firth" without a number.

    References
    ----------
    .. [1] DerSimonian and Laird (1986) Controlled Clinical Trials 7:177.
    .. [2] Viechtbauer (2005) Journal of Educational and Behavioral Statistics 30:261.
    .. [3] Knapp and Hartung (2003) Statistics in Medicine 22:2693.
    .. [4] Jackson et al. (2017) Statistics in Medicine 36:3923.
    .. [5] Viechtbauer (2007) Statistics in Medicine 26:37.

    Examples
    --------
    >>> import pandas as pd
    >>> strata = pd.DataFrame(
    ...     {"score": ["bmi", "bmi"], "beta": [0.1, 0.3], "se": [0.1, 0.1], "status": "ok"}
    ... )
    >>> pooled = meta_analyse(strata, by=["score"])
    >>> pooled[["beta", "se", "q", "n_strata"]].round(4).to_dict("records")
    [{'beta': 0.2, 'se': 0.0707, 'q': 2.0, 'n_strata': 2}]
    """
    _check_options(method, interval)
    keys = [by] if isinstance(by, str) else list(by)
    if not keys:
        raise UsageError("by is empty: name the columns that make one test, such as ('score',)")
    check_confidence(confidence)
    if "n_strata" in estimates.columns:
        raise UsageError(
            f"estimates has a column 'n_strata': its {len(estimates):,} rows are pooled already. "
            "Give the table with one row a stratum"
        )
    require_columns(estimates, [*keys, "beta", "se"], "estimates")
    estimates = _with_numbers(estimates.reset_index(drop=True))
    _refuse_repeated_strata(estimates, keys)
    layout = _lay_out(estimates, keys)
    table = estimates.loc[layout.first, keys].reset_index(drop=True)
    pooled = _pool(layout, method, interval, confidence)
    for name in ("beta", "se", "ci_low", "ci_high", "p_value", "log10_p"):
        table[name] = pooled.pop(name)
    table["n_strata"] = layout.n_strata
    table["n_strata_out"] = layout.n_rows - layout.n_strata
    for count in COUNTS:
        table[count] = layout.sum_counts(estimates, count)
    for name in (*HETEROGENEITY, "status"):
        table[name] = pooled[name]
    table.attrs["conventions"] = {
        "model": "meta-analysis",
        "method": method,
        "weights": METHOD_NOTES[method],
        "tau2": TAU2_NOTES[method],
        "tau2_interval": "Q-profile",
        "i2": "tau2 / (tau2 + the typical variance of a stratum), a share",
        "interval": INTERVAL_NOTES[interval],
        "prediction": "t with n_strata - 1 degrees" if interval != "wald" else "normal",
        "confidence": confidence,
    }
    return table


def _check_options(method: str, interval: str) -> None:
    if method not in get_args(MetaMethod):
        raise UsageError(f"method is {method!r}: it must be one of {get_args(MetaMethod)}")
    if interval not in get_args(MetaInterval):
        raise UsageError(f"interval is {interval!r}: it must be one of {get_args(MetaInterval)}")
    if method == "fixed" and interval != "wald":
        raise UsageError(
            f"interval {interval!r} is for random effects: with method='fixed' it is 'wald'"
        )


def _with_numbers(estimates: pd.DataFrame) -> pd.DataFrame:
    """Give beta, se and counts as numbers, NaN where missing; count what is text."""
    numbers, faults = {}, []
    for name in ("beta", "se", *COUNTS):
        if name not in estimates.columns:
            continue
        given = estimates[name].astype(object)
        is_number = given.map(lambda value: isinstance(value, Real | np.bool_)).astype(bool)
        n_text = int((~is_number & given.notna()).sum())
        if n_text:
            faults.append(f"{name}: {n_text:,} of {len(given):,} values are no number")
        numbers[name] = given.where(is_number).astype(np.float64)
    if faults:
        raise DataError(join_faults("estimates", faults))
    return estimates.assign(**numbers)


def _refuse_repeated_strata(estimates: pd.DataFrame, keys: list[str]) -> None:
    """Raise if a test has a stratum twice: its people would count twice."""
    if "stratum" not in estimates.columns or "stratum" in keys:
        return
    named = estimates[estimates["stratum"].notna()]
    n_repeated = int(named.duplicated([*keys, "stratum"]).sum())
    if n_repeated:
        raise DataError(
            f"estimates: {n_repeated:,} of {len(estimates):,} rows repeat a stratum of their "
            f"group (one group is one {' and '.join(keys)}). Pool people once: leave rows out, or "
            "name in `by` what tells them apart"
        )


def _rows_that_stand(estimates: pd.DataFrame) -> BoolArray:
    """Mark the rows to pool; refuse those without numbers."""
    beta = estimates["beta"].to_numpy(dtype=np.float64, na_value=np.nan)
    error = estimates["se"].to_numpy(dtype=np.float64, na_value=np.nan)
    sound = np.isfinite(beta) & np.isfinite(error) & (error > 0)
    if "status" not in estimates.columns:
        return np.asarray(sound)
    ok = estimates["status"].isin(STANDING).to_numpy(dtype=bool)
    n_wrong = int(np.sum(ok & ~sound))
    if n_wrong:
        raise ModelDataError(
            f"estimates: {n_wrong:,} of {int(ok.sum()):,} rows with status 'ok' or 'firth' "
            "have no finite beta or no positive se: rows without numbers need a status that says "
            "why"
        )
    return np.asarray(ok)


@dataclass(frozen=True)
class _Layout:
    """Where the rows of a table stand among the pools.

    Attributes
    ----------
    codes, stands : (n_rows,)
        The pool of each row, and whether it is pooled.
    first : (n_pools,)
        The first row of each pool.
    beta, variance : (n_pools, n_slots)
        The rows that stand, each in a slot of its pool; infinite variance elsewhere.
    """

    codes: IntArray
    stands: BoolArray
    first: IntArray
    beta: FloatArray
    variance: FloatArray

    @property
    def n_rows(self) -> IntArray:
        """Rows of each pool."""
        return np.bincount(self.codes, minlength=len(self.first)).astype(np.int64)

    @property
    def n_strata(self) -> IntArray:
        """Rows of each pool that stand."""
        return np.asarray(np.isfinite(self.variance).sum(axis=1), dtype=np.int64)

    def sum_counts(self, estimates: pd.DataFrame, name: str) -> pd.Series:
        """Sum a count over the rows that stand, <NA> where one is missing."""
        n_pools = len(self.first)
        if name not in estimates.columns:
            return pd.Series(pd.array([pd.NA] * n_pools, dtype="Int64"))
        counts, codes = estimates[name].to_numpy()[self.stands], self.codes[self.stands]
        n_missing = np.bincount(codes, weights=np.isnan(counts), minlength=n_pools)
        total = np.bincount(codes, weights=np.nan_to_num(counts), minlength=n_pools)
        whole = pd.Series(np.round(total).astype(np.int64), dtype="Int64").mask(n_missing > 0)
        return whole if whole.isna().any() else whole.astype(np.int64)


def _lay_out(estimates: pd.DataFrame, keys: list[str]) -> _Layout:
    """Give each row its pool, and each row that stands its slot."""
    stands = _rows_that_stand(estimates)
    grouped = estimates.groupby(keys, sort=False, dropna=False, observed=True)
    codes: IntArray = np.asarray(grouped.ngroup(), dtype=np.int64)
    n_pools = int(codes.max(initial=-1)) + 1
    starts = np.flatnonzero(grouped.cumcount().to_numpy() == 0)
    first = np.asarray(starts[np.argsort(codes[starts])], dtype=np.int64)
    slots = pd.Series(codes[stands]).groupby(codes[stands]).cumcount().to_numpy(dtype=np.int64)
    n_slots = max(2, int(slots.max(initial=-1)) + 1)
    beta, variance = np.zeros((n_pools, n_slots)), np.full((n_pools, n_slots), np.inf)
    beta[codes[stands], slots] = estimates["beta"].to_numpy()[stands]
    variance[codes[stands], slots] = np.square(estimates["se"].to_numpy()[stands])
    return _Layout(codes, stands, first, beta, variance)


def _pool(
    layout: _Layout, method: MetaMethod, interval: MetaInterval, confidence: float
) -> dict[str, FloatArray]:
    """Pool each row of the layout; a pool of one passes through."""
    n_strata = layout.n_strata
    columns = {name: np.full(len(n_strata), np.nan) for name in ("beta", "se", *HETEROGENEITY)}
    freedom = np.full(len(n_strata), np.inf)
    status = np.where(n_strata > 0, "ok", "no_estimates").astype(object)
    alone = n_strata == 1
    columns["beta"][alone] = layout.beta[alone, 0]
    columns["se"][alone] = np.sqrt(layout.variance[alone, 0])
    several = n_strata > 1
    pools = Pools(layout.beta[several], layout.variance[several])
    for name, values in _heterogeneity(pools, method, confidence).items():
        columns[name][several] = values
    tau2 = columns["tau2"][several]
    at = weigh(pools, np.zeros_like(tau2) if method == "fixed" else tau2)
    factor = np.ones_like(tau2)
    if interval != "wald":
        freedom[several] = pools.freedom
        factor = at.q / pools.freedom
        if interval == "hartung_knapp_floor":
            factor = np.maximum(1.0, factor)
    lost = np.isnan(tau2)
    # The centre of equal estimates rounds away from them: Q need not come out as 0.
    flat = (interval == "hartung_knapp") & (range_of(pools) <= ROUNDING * size_of(pools))
    columns["beta"][several] = at.centre
    columns["se"][several] = np.where(flat, np.nan, np.sqrt(factor / at.total))
    status[several] = np.where(lost, "not_converged", np.where(flat, "no_spread", "ok"))
    columns |= _intervals(columns["beta"], columns["se"], freedom, confidence)
    if method != "fixed":
        quantile = np.where(
            np.isinf(freedom),
            ndtri(0.5 + confidence / 2),
            stdtrit(np.where(np.isinf(freedom), 1.0, freedom), 0.5 + confidence / 2),
        )
        reach = quantile * np.sqrt(columns["se"] ** 2 + columns["tau2"])
        columns["prediction_low"] = columns["beta"] - reach
        columns["prediction_high"] = columns["beta"] + reach
    return columns | {"status": status}


def _heterogeneity(pools: Pools, method: MetaMethod, confidence: float) -> dict[str, FloatArray]:
    """Give Q, tau2, I2 and their intervals."""
    q = weigh(pools, np.zeros(len(pools.beta))).q
    typical = typical_variance(pools)
    tau2 = TAU2[method](pools)
    low, high = tau2_interval(pools, confidence=confidence)
    columns = {"q": q, "q_p_value": chdtrc(pools.freedom, q)}
    for end, value in (("", tau2), ("_low", low), ("_high", high)):
        columns[f"tau2{end}"] = value
        columns[f"i2{end}"] = value / (value + typical)
    return columns


def _intervals(
    beta: FloatArray, se: FloatArray, freedom: FloatArray, confidence: float
) -> dict[str, FloatArray]:
    """Give intervals and p-values, by t where the degrees of freedom are finite."""
    columns = wald_columns(beta, se, confidence=confidence)
    rows = np.isfinite(freedom)
    if rows.any():
        by_t = student_columns(beta[rows], se[rows], freedom[rows], confidence=confidence)
        for name, values in by_t.items():
            columns[name][rows] = values
    return columns
