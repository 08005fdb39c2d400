"""Pool the estimates of strata: inverse-variance, fixed and random effects."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.results import STANDING
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.tables import require_columns

MetaMethod: TypeAlias = Literal["fixed", "dl"]

COUNTS = ("n", "n_events")
METHOD_NOTES = {
    "fixed": "inverse-variance, one common effect",
    "dl": "inverse-variance, random effects, tau2 by DerSimonian and Laird",
}


def meta_analyse(
    estimates: pd.DataFrame,
    *,
    by: Sequence[str] = ("contrast", "score"),
    method: MetaMethod = "fixed",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Pool estimates over the rows that agree in the columns `by`.

    Rows whose `status` is neither "ok" nor "firth" leave the pool; `n_strata` counts those that
    stay, `n_strata_out` the others. One row passes through as it is.

    Parameters
    ----------
    estimates
        One row a stratum and test: the columns of `by`, `beta`, `se`; also `status`
        (all rows count as ok without it), `n` and `n_events` (summed; <NA> where a number
        is missing), and `stratum`, which must differ within a test.
    by
        Columns that name one test. Their order of first appearance is kept.
    method
        "fixed" or "dl" (DerSimonian-Laird random effects [1]_).
    confidence
        Coverage of the Wald intervals.

    Returns
    -------
    pooled
        One row a test: `by`, `beta`, `se`, `ci_low`, `ci_high`, `p_value`,
        `log10_p`, `n_strata`, `n_strata_out`, `n`, `n_events`, `q`, `q_p_value`,
        `i2` (in [0, 1]), `tau2` (by DerSimonian-Laird, with both methods; the fixed
        effect does not use it), `status` ("ok" or "no_estimates"). Heterogeneity is
        NaN where fewer than two strata are pooled.

    Raises
    ------
    UsageError
        If the method is unknown, `by` is empty, or the estimates are pooled already.
    DataError
        If a column is missing or holds text, a stratum repeats within a test, or a row
        says "ok" or "firth" without a number.

    References
    ----------
    .. [1] DerSimonian and Laird (1986) Controlled Clinical Trials 7:177.

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
    if method not in get_args(MetaMethod):
        raise UsageError(f"method is {method!r}: it must be one of {get_args(MetaMethod)}")
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
    estimates = _with_numbers(estimates)
    _refuse_repeated_strata(estimates, keys)
    stands = _rows_that_stand(estimates)
    rows = [
        _pool_one(group, stands.loc[group.index], keys, method)
        for _, group in estimates.reset_index(drop=True).groupby(
            keys, sort=False, dropna=False, observed=True
        )
    ]
    columns = [*keys, "beta", "se", "n_strata", "n_strata_out", "n", "n_events"]
    table = pd.DataFrame(rows, columns=[*columns, "q", "q_p_value", "i2", "tau2", "status"])
    for count in COUNTS:
        whole = table[count].astype("Int64")
        table[count] = whole if whole.isna().any() else whole.astype(np.int64)
    wald = wald_columns(
        table["beta"].to_numpy(dtype=np.float64),
        table["se"].to_numpy(dtype=np.float64),
        confidence=confidence,
    )
    for place, name in enumerate(("ci_low", "ci_high", "p_value", "log10_p")):
        table.insert(len(keys) + 2 + place, name, wald[name])
    table.attrs["conventions"] = {
        "model": "meta-analysis",
        "method": method,
        "weights": METHOD_NOTES[method],
        "tau2": "DerSimonian-Laird",
        "i2": "max(0, (Q - df) / Q), a share",
        "interval": "Wald",
        "confidence": confidence,
    }
    return table


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


def _rows_that_stand(estimates: pd.DataFrame) -> pd.Series:
    """Mark the rows to pool, by position; refuse those without numbers."""
    beta = estimates["beta"].to_numpy(dtype=np.float64, na_value=np.nan)
    error = estimates["se"].to_numpy(dtype=np.float64, na_value=np.nan)
    sound = np.isfinite(beta) & np.isfinite(error) & (error > 0)
    if "status" not in estimates.columns:
        return pd.Series(sound)
    ok = estimates["status"].isin(STANDING).to_numpy(dtype=bool)
    n_wrong = int(np.sum(ok & ~sound))
    if n_wrong:
        raise ModelDataError(
            f"estimates: {n_wrong:,} of {int(ok.sum()):,} rows with status 'ok' or 'firth' "
            "have no finite beta or no positive se: rows without numbers need a status that says "
            "why"
        )
    return pd.Series(ok)


def _pool_one(
    group: pd.DataFrame, stands: pd.Series, keys: list[str], method: MetaMethod
) -> dict[str, object]:
    pooled = group[stands.to_numpy()]
    row: dict[str, object] = {key: group[key].iloc[0] for key in keys}
    row |= {"n_strata": len(pooled), "n_strata_out": len(group) - len(pooled)}
    for count in COUNTS:
        known = count in pooled.columns and pooled[count].notna().all()
        row[count] = int(pooled[count].sum()) if known else pd.NA
    if pooled.empty:
        return row | {"status": "no_estimates"}
    beta = pooled["beta"].to_numpy(dtype=np.float64)
    variance = np.square(pooled["se"].to_numpy(dtype=np.float64))
    return row | pool(beta, variance, method=method) | {"status": "ok"}


def pool(beta: FloatArray, variance: FloatArray, *, method: MetaMethod) -> dict[str, float]:
    """Pool k estimates with their variances; heterogeneity is NaN for k = 1."""
    weight = 1 / variance
    centre = float(np.sum(weight * beta) / np.sum(weight))
    freedom = len(beta) - 1
    if not freedom:
        missing = dict.fromkeys(("q", "q_p_value", "i2", "tau2"), np.nan)
        return {"beta": centre, "se": float(np.sqrt(variance[0])), **missing}
    q = float(np.sum(weight * (beta - centre) ** 2))
    scale = float(np.sum(weight) - np.sum(weight**2) / np.sum(weight))
    tau2 = max(0.0, (q - freedom) / scale)
    if method == "dl":
        weight = 1 / (variance + tau2)
        centre = float(np.sum(weight * beta) / np.sum(weight))
    return {
        "beta": centre,
        "se": float(np.sqrt(1 / np.sum(weight))),
        "q": q,
        "q_p_value": float(chdtrc(freedom, q)),
        "i2": max(0.0, (q - freedom) / q) if q > 0 else 0.0,
        "tau2": tau2,
    }
