"""Explained variance of a disease on the scale of its liability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri, xlogy
from scipy.stats import norm

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.wald import check_confidence
from pgs_trd.tables import require_columns

ObservedR2: TypeAlias = Literal["linear", "nagelkerke"]

# Published shares of treatment resistance among people with depression run from 6 to 31 %.
PREVALENCES = (0.10, 0.15, 0.20, 0.30)


def liability_r2(
    r2: ArrayLike,
    prevalence: ArrayLike,
    share_of_cases: ArrayLike,
    *,
    kind: ObservedR2 = "linear",
) -> FloatArray:
    """Turn R2 of a 0/1 outcome into R2 of a normal liability, whatever the sampling of cases.

    Parameters
    ----------
    r2
        Explained by the score: of a linear model of the 0/1 outcome ("linear"), or
        Nagelkerke's. NaN stays NaN.
    prevalence
        Share of cases in the population, K. For treatment resistance among people with
        depression it is P(TRD | depression), and so is the liability: among them.
    share_of_cases
        Share of cases in the sample, P; other than K where cases were sampled more often.
    kind
        What `r2` is.

    Returns
    -------
    r2
        On the liability scale [1]_, broadcast over the inputs: C R2 / (1 + C theta R2), where
        C = K^2 (1-K)^2 / (z^2 P (1-P)), theta = d (d - t), d = z/K (P-K)/(1-K), t the
        threshold and z the normal density there; Nagelkerke's is first multiplied by
        1 - P^2P (1-P)^2(1-P), which makes it Cox and Snell's.

    Raises
    ------
    UsageError
        If a share is not strictly between 0 and 1, or the kind unknown.

    References
    ----------
    .. [1] Lee et al. (2012) Genetic Epidemiology 36:214.

    Examples
    --------
    >>> liability_r2(0.02, prevalence=0.15, share_of_cases=0.5).round(6)
    0.024069
    """
    observed = np.asarray(r2, dtype=np.float64)
    return np.asarray(_transform(observed, prevalence, share_of_cases, kind)[0])


def _transform(
    r2: FloatArray, prevalence: ArrayLike, share_of_cases: ArrayLike, kind: str
) -> tuple[FloatArray, FloatArray]:
    """Give R2 of the liability and its derivative by the R2 given."""
    if kind not in get_args(ObservedR2):
        raise UsageError(f"kind is {kind!r}: it must be one of {get_args(ObservedR2)}")
    k = _share("prevalence", prevalence)
    p = _share("share_of_cases", share_of_cases)
    threshold = -ndtri(k)
    density = norm.pdf(threshold)
    factor = (k * (1 - k) / density) ** 2 / (p * (1 - p))
    shift = density / k * (p - k) / (1 - k)
    theta = shift * (shift - threshold)
    scale = np.ones_like(p)
    if kind == "nagelkerke":
        scale = -np.expm1(2 * (xlogy(p, p) + xlogy(1 - p, 1 - p)))
    below = 1 + factor * theta * scale * r2
    return factor * scale * r2 / below, factor * scale / below**2


def _share(name: str, values: ArrayLike) -> FloatArray:
    share = np.asarray(values, dtype=np.float64)
    n_wrong = int(np.sum(~((share > 0) & (share < 1))))
    if n_wrong:
        raise UsageError(
            f"{name}: {n_wrong:,} of {share.size:,} values are not strictly between 0 and 1"
        )
    return share


def two_threshold_r2(
    r2: ArrayLike, upper_share: ArrayLike, lower_share: ArrayLike, share_of_cases: ArrayLike
) -> FloatArray:
    """Turn R2 of a 0/1 outcome into R2 of the liability where controls are screened too.

    Cases are the people above one threshold of the liability, controls those below another:
    resistant against never depressed, for example.

    Parameters
    ----------
    r2
        Of a linear model of the 0/1 outcome.
    upper_share
        Share of the population above the cases' threshold.
    lower_share
        Share of the population below the controls' threshold; the two sum to 1 at most.
    share_of_cases
        Share of cases in the sample.

    Returns
    -------
    r2
        R2 / (P (1-P) (z_u/K_u + z_l/K_l)^2) [1]_, broadcast over the inputs.

    Raises
    ------
    UsageError
        If a share is not strictly between 0 and 1, or the two groups overlap.

    References
    ----------
    .. [1] Yap et al. (2018) Genetic Epidemiology 42:783.

    Examples
    --------
    >>> two_threshold_r2(0.1, 0.02, 0.85, 0.5).round(6)
    0.055065
    """
    above = _share("upper_share", upper_share)
    below = _share("lower_share", lower_share)
    p = _share("share_of_cases", share_of_cases)
    if np.any(above + below > 1 + 1e-12):
        raise UsageError("upper_share and lower_share sum to more than 1: the groups overlap")
    apart = norm.pdf(ndtri(above)) / above + norm.pdf(ndtri(below)) / below
    return np.asarray(np.asarray(r2, dtype=np.float64) / (p * (1 - p) * apart**2))


def liability_table(
    explained: pd.DataFrame,
    *,
    prevalence: Sequence[float] = PREVALENCES,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give R2 on the liability scale over a grid of prevalences.

    Parameters
    ----------
    explained
        As `explained_variation` gives it: one row a score, with `r2_linear`,
        `r2_linear_se`, `r2_nagelkerke`, `r2_nagelkerke_se`, `n`, `n_cases`.
    prevalence
        Shares of cases in the population to assume. How common resistance is depends on
        its definition: show several.
    confidence
        Coverage of the intervals.

    Returns
    -------
    table
        One row a score, kind ("linear", "nagelkerke") and prevalence: `score`, `kind`,
        `prevalence`, `share_of_cases`, `r2_observed`, `r2_liability`, `se` (delta method:
        the error of the observed R2 times the slope of the transformation), `ci_low`
        (at least 0), `ci_high` (at most 1), `status`. The prevalence counts as known.

    Raises
    ------
    UsageError
        If a prevalence is not strictly between 0 and 1.
    """
    check_confidence(confidence)
    require_columns(explained, ["score", "n", "n_cases", "status"], "explained")
    quantile = float(ndtri(0.5 + confidence / 2))
    ok = explained["status"].to_numpy() == "ok"
    share = np.full(len(explained), 0.5)
    share[ok] = explained["n_cases"].to_numpy()[ok] / explained["n"].to_numpy()[ok]
    parts = []
    for kind in get_args(ObservedR2):
        observed = explained[f"r2_{kind}"].to_numpy(dtype=np.float64)
        error = explained[f"r2_{kind}_se"].to_numpy(dtype=np.float64)
        for k in prevalence:
            found, slope = _transform(observed, k, share, kind)
            part = pd.DataFrame(
                {
                    "score": explained["score"].to_numpy(),
                    "kind": kind,
                    "prevalence": float(k),
                    "share_of_cases": np.where(ok, share, np.nan),
                    "r2_observed": observed,
                    "r2_liability": found,
                    "se": slope * error,
                }
            )
            part["ci_low"] = np.maximum(0.0, part["r2_liability"] - quantile * part["se"])
            part["ci_high"] = np.minimum(1.0, part["r2_liability"] + quantile * part["se"])
            parts.append(part.assign(status=explained["status"].to_numpy()))
    order = np.tile(np.arange(len(explained)), len(parts))
    table = pd.concat(parts, ignore_index=True).iloc[np.argsort(order, kind="stable")]
    table = table.reset_index(drop=True)
    table.attrs["conventions"] = {
        "r2_liability": "Lee et al. 2012, of the score beyond the covariates",
        "se": "delta method, prevalence known",
        "predictions": "in-sample",
        "confidence": confidence,
    }
    return table
