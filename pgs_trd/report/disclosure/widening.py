"""Standard errors that say no more about the number of people than the counts do.

A standard error is about 1 / sqrt(n), so that the 61 of a stratum give its number of
people to within a few. Where that number is withheld because it differs by 1 to
threshold from another one shown, they are widened to what the smallest number of
people that the reader must reckon with would give: the larger count less the
threshold. The factor is one for all scores of the model, so that whatever is
worked out from them is that number, however many people are missing [1]_. Intervals
and p-values follow; pooled estimates are made anew from what is shown.

References
----------
.. [1] For a logistic model of a cases and b controls the variance of a coefficient is
   (a + b) / (a b var), for a Cox model of a events 1 / (a var): Hsieh, Bloch and
   Larsen (1998) Stat Med 17:1623; Schoenfeld (1983) Biometrics 39:499.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtri_exp

from pgs_trd.models import meta_analyse
from pgs_trd.models.arrays import FloatArray
from pgs_trd.report.disclosure.counts import is_small

LOG_10 = float(np.log(10))
REPOOLED = (
    "beta", "se", "ci_low", "ci_high", "p_value", "log10_p", "q", "q_p_value", "i2", "tau2",
)  # fmt: skip


def widening_factor(
    sides: tuple[int | None, int | None],
    anchors: Sequence[tuple[int | None, int | None]],
    threshold: int,
    *,
    is_cox: bool,
) -> float:
    """Give the factor of the standard errors of a model whose counts are withheld.

    Parameters
    ----------
    sides
        Cases and controls of the model, or events and the rest.
    anchors
        Counts of the same sides that the reader knows.
    threshold
        Of the disclosure control.
    is_cox
        Whether only the events carry information.

    Returns
    -------
    factor
        At least 1; NaN where a count is unknown.
    """
    known: list[float] = []
    assumed: list[float] = []
    for side, count in enumerate(sides):
        if count is None or count < 1:
            return float("nan")
        near = [anchor[side] for anchor in anchors if _is_near(anchor[side], count, threshold)]
        upper = max([count, *(value for value in near if value is not None)])
        known.append(count)
        assumed.append(max(upper - threshold, 1) if near else count)
    if is_cox:
        return float(np.sqrt(max(known[0] / assumed[0], 1.0)))
    information = known[0] * known[1] / sum(known)
    least = assumed[0] * assumed[1] / sum(assumed)
    return float(np.sqrt(max(information / least, 1.0)))


def _is_near(anchor: int | None, count: int, threshold: int) -> bool:
    return anchor is not None and is_small(abs(anchor - count), threshold)


def widen(table: pd.DataFrame, factor: FloatArray) -> pd.DataFrame:
    """Multiply standard errors by `factor`, and let intervals and p-values follow.

    Parameters
    ----------
    table
        Columns beta, se, ci_low, ci_high, p_value and, where there is one, log10_p.
    factor : (n_rows,)
        1 leaves a row as it is, to the last bit.
    """
    changed = table.copy()
    rows = factor != 1.0
    if not rows.any():
        return changed
    times = factor[rows]
    beta = table.loc[rows, "beta"].to_numpy(dtype=float)
    changed.loc[rows, "se"] = table.loc[rows, "se"].to_numpy(dtype=float) * times
    for end in ("ci_low", "ci_high"):
        distance = table.loc[rows, end].to_numpy(dtype=float) - beta
        changed.loc[rows, end] = beta + distance * times
    with np.errstate(divide="ignore"):
        logs = np.log(table.loc[rows, "p_value"].to_numpy(dtype=float))
    if "log10_p" in table:
        exact = table.loc[rows, "log10_p"].to_numpy(dtype=float)
        logs = np.where(np.isfinite(exact), -np.abs(exact) * LOG_10, logs)
    z = -ndtri_exp(np.minimum(logs - np.log(2), np.log(0.5)))
    logs = np.log(2) + log_ndtr(-z / times)
    changed.loc[rows, "p_value"] = np.exp(logs)
    if "log10_p" in table:
        changed.loc[rows, "log10_p"] = logs / LOG_10
    return changed


def pool_again(
    pooled: pd.DataFrame, strata: pd.DataFrame, shown: pd.DataFrame, method: str
) -> pd.DataFrame:
    """Make those pooled rows anew that rest on a widened stratum.

    Otherwise the pooled estimate, less the strata that are shown, would tell by how
    much one was widened.

    Parameters
    ----------
    pooled
        The pooled rows of the study; a table of Cox models has no contrast.
    strata
        The rows that were pooled, as they are.
    shown
        The same rows as they are shown, with `se_widened` and `hidden`; hidden ones enter
        the pool as they are.
    method
        How the study pooled its strata.
    """
    widened = shown["se_widened"].to_numpy(dtype=bool) & ~shown["hidden"].to_numpy(dtype=bool)
    if pooled.empty or not widened.any():
        return pooled
    by = [name for name in ("contrast", "score") if name in strata.columns]
    used = strata.reset_index(drop=True).copy()
    used.loc[widened, "se"] = shown.loc[widened, "se"].to_numpy(dtype=float)
    keys = pd.MultiIndex.from_frame(used[by])
    touched = keys.isin(keys[widened])
    again = meta_analyse(used[touched], by=by, method=method)  # type: ignore[arg-type]  # its own names
    index = pd.MultiIndex.from_frame(again[by])
    changed = pooled.copy()
    for position, key in enumerate(pd.MultiIndex.from_frame(pooled[by])):
        if key in index:
            row = again.iloc[index.get_loc(key)]
            for column in REPOOLED:
                if column in changed and column in again:
                    changed.loc[changed.index[position], column] = row[column]
    return changed
