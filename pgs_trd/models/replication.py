"""Whether effects found in one sample come back in another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy.special import log_ndtr, ndtr
from scipy.stats import binomtest

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.inputs import ModelDataError, refuse_infinite
from pgs_trd.models.results import STANDING
from pgs_trd.models.wald import LOG10_E, check_confidence, wald_columns
from pgs_trd.tables import require_columns

# What `sign_concordance` reads of the table of `replicate`.
SUMMED = ("same_sign", "nominal", "replicated", "beta_discovery", "se_replication")


def replicate(
    discovery: pd.DataFrame,
    replication: pd.DataFrame,
    *,
    by: Sequence[str] = ("contrast", "score"),
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Put each test of a discovery sample beside the same test in another sample.

    Parameters
    ----------
    discovery
        The tests to replicate, one row each: `by`, `beta`, `se`; also `status`, where rows
        other than "ok" and "firth" count as without an estimate. Give the ones that were
        significant, chosen before the replication was seen.
    replication
        The same columns, other people. Tests that are not in `discovery` are left out.
    by
        Columns that name a test.
    alpha
        One-sided level for all tests of `discovery` together.

    Returns
    -------
    table
        One row a test of `discovery`, in its order: `by`; `beta_discovery`, `se_discovery`,
        `beta_replication`, `se_replication`; `same_sign` (<NA> without both estimates);
        `p_one_sided` and `log10_p_one_sided`, that the effect of the replication is not
        in the direction of the discovery; `nominal` (below alpha) and `replicated` (below
        alpha / number of rows, Bonferroni over the tests planned); `difference` =
        beta_replication - beta_discovery with `difference_se` and `difference_p_value`,
        which is shifted from 0 by the winner's curse, see `correct_winners_curse`.

    Raises
    ------
    UsageError
        If alpha is not strictly between 0 and 1, or `by` is empty.
    DataError
        If columns are missing, a test occurs twice, a number is infinite, or a column of
        `by` holds numbers in one sample and text in the other.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}: it must lie between 0 and 1, such as 0.05")
    keys = [by] if isinstance(by, str) else list(by)
    if not keys:
        raise UsageError("by is empty: name the columns that make one test, such as ('score',)")
    parts = []
    for name, given in (("discovery", discovery), ("replication", replication)):
        require_columns(given, [*keys, "beta", "se"], name)
        parts.append(_read_estimates(given, keys, name))
    _refuse_keys_of_two_kinds(parts[0], parts[1], keys)
    table = parts[0].merge(parts[1], on=keys, how="left", validate="1:1")
    both = table[["beta_discovery", "beta_replication"]].notna().all(axis=1).to_numpy()
    sign = np.sign(table["beta_discovery"].to_numpy())
    z = np.asarray(sign * table["beta_replication"] / table["se_replication"])
    table["same_sign"] = pd.Series(z > 0).astype("boolean").mask(~both)
    table["p_one_sided"] = ndtr(-z)
    table["log10_p_one_sided"] = log_ndtr(-z) * LOG10_E
    for name, level in (("nominal", alpha), ("replicated", alpha / max(len(table), 1))):
        passes = table["log10_p_one_sided"] < np.log10(level)
        table[name] = passes.astype("boolean").mask(~both)
    apart = wald_columns(
        (table["beta_replication"] - table["beta_discovery"]).to_numpy(),
        np.hypot(table["se_discovery"].to_numpy(), table["se_replication"].to_numpy()),
        confidence=0.95,
    )
    table["difference"], table["difference_se"] = apart["beta"], apart["se"]
    table["difference_p_value"] = apart["p_value"]
    table.attrs["conventions"] = {
        "p_one_sided": "Wald, normal, in the direction of the discovery",
        "replicated": f"below {alpha:g} / {len(table)} tests planned",
    }
    return table


def _refuse_keys_of_two_kinds(one: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> None:
    """Raise if a key is a number in one sample and text in the other: no test would be found."""
    for key in keys:
        are_numbers = [is_numeric_dtype(table[key].dtype) for table in (one, other)]
        if are_numbers[0] != are_numbers[1] and len(one) and len(other):
            kinds = ["numbers" if number else "text" for number in are_numbers]
            raise DataError(
                f"{key!r} holds {kinds[0]} in discovery and {kinds[1]} in replication: bring both "
                "to one type"
            )


def _read_estimates(table: pd.DataFrame, keys: list[str], name: str) -> pd.DataFrame:
    """Give keys, beta and se of one sample, NaN where there is no estimate."""
    n_repeated = int(table.duplicated(keys).sum())
    if n_repeated:
        raise DataError(
            f"{name}: {n_repeated:,} of {len(table):,} rows repeat a test (one test is one "
            f"{' and '.join(keys)}). Leave rows out, or name in `by` what tells them apart"
        )
    numbers = table[["beta", "se"]].apply(pd.to_numeric, errors="coerce")
    n_text = int((numbers.isna() & table[["beta", "se"]].notna()).to_numpy().sum())
    if n_text:
        raise DataError(f"{name}: {n_text:,} values of beta and se are no number")
    beta, se = (numbers[column].to_numpy(np.float64, na_value=np.nan) for column in ("beta", "se"))
    refuse_infinite(f"{name}: beta", beta)
    refuse_infinite(f"{name}: se", se)
    known = ~np.isnan(beta) & ~np.isnan(se)
    if "status" in table.columns:
        known &= table["status"].isin(STANDING).to_numpy()
    n_wrong = int(np.sum(known & ~(se > 0)))
    if n_wrong:
        raise ModelDataError(f"{name}: {n_wrong:,} of {len(table):,} estimates have no positive se")
    estimates = table[keys].reset_index(drop=True)
    estimates[f"beta_{name}"] = np.where(known, beta, np.nan)
    estimates[f"se_{name}"] = np.where(known, se, np.nan)
    return estimates


def sign_concordance(table: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Count effects that keep their sign, and test that against a coin.

    The test takes the tests as independent. Scores that are correlated, or contrasts that
    share people, make it too sure of itself: look at `n_effective` of `effective_tests` too.

    Parameters
    ----------
    table
        As `replicate` gives it.
    confidence
        Coverage of the interval of the share (Clopper and Pearson's).

    Returns
    -------
    summary
        One row: `n_planned`, `n_completed` (tests with both estimates), `n_same_sign`,
        `share_same_sign`, `ci_low`, `ci_high`, `p_value` (exact binomial, one-sided, share
        above 1/2), `n_same_sign_expected` (were the discovery's estimates the truth: sum of
        Phi(|beta_discovery| / se_replication)), `n_nominal`, `n_replicated`.

    Raises
    ------
    DataError
        If columns are missing.
    """
    check_confidence(confidence)
    require_columns(table, SUMMED, "replication table")
    done = table[table["same_sign"].notna()]
    n_same, n_done = int(done["same_sign"].sum()), len(done)
    row: dict[str, object] = {
        "n_planned": len(table),
        "n_completed": n_done,
        "n_same_sign": n_same,
        "share_same_sign": np.nan,
        "ci_low": np.nan,
        "ci_high": np.nan,
        "p_value": np.nan,
    }
    if n_done:
        test = binomtest(n_same, n_done, 0.5, alternative="greater")
        interval = binomtest(n_same, n_done).proportion_ci(confidence)
        row |= {"share_same_sign": n_same / n_done, "p_value": float(test.pvalue)}
        row |= {"ci_low": float(interval.low), "ci_high": float(interval.high)}
    size = done["beta_discovery"].abs() / done["se_replication"]
    row["n_same_sign_expected"] = float(ndtr(size.to_numpy()).sum())
    row["n_nominal"] = int(done["nominal"].sum())
    row["n_replicated"] = int(done["replicated"].sum())
    return pd.DataFrame([row])
