"""Wald intervals and p-values, on the log scale too so that they do not underflow."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray

LOG10_E = float(np.log10(np.e))


def check_confidence(confidence: float) -> None:
    """Raise a UsageError unless `confidence` lies strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}: it must lie between 0 and 1, such as 0.95")


def wald_columns(beta: FloatArray, se: FloatArray, *, confidence: float) -> dict[str, FloatArray]:
    """Give interval, p-value and its logarithm for normal estimates.

    Parameters
    ----------
    beta, se : (n,)
        Estimates and standard errors; NaN where there is none.
    confidence
        Coverage of the interval, in (0, 1).

    Returns
    -------
    columns
        `beta`, `se`, `ci_low`, `ci_high`, `p_value` (two-sided) and `log10_p`,
        which comes from the logarithm of the survival function and is finite
        where `p_value` is 0.
    """
    half_width = float(ndtri(0.5 + confidence / 2)) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -np.abs(beta / se)
    return {
        "beta": beta,
        "se": se,
        "ci_low": beta - half_width,
        "ci_high": beta + half_width,
        "p_value": np.asarray(2 * ndtr(distance)),
        "log10_p": np.asarray(np.log10(2) + log_ndtr(distance) * LOG10_E),
    }
