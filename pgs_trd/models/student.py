"""Intervals and p-values of Student's t, on the log scale too."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, betaln, hyp2f1, stdtrit

from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.wald import LOG10_E

# Below this the logarithm is taken of the series, not of the sum.
SMALLEST_P = 1e-280


def student_columns(
    beta: FloatArray, se: FloatArray, freedom: FloatArray, *, confidence: float
) -> dict[str, FloatArray]:
    """Give interval, p-value and its logarithm for estimates over their t-distributed errors.

    Parameters
    ----------
    beta, se : (n,)
        Estimates and standard errors; NaN where there is none.
    freedom : (n,)
        Degrees of freedom, finite and positive.
    confidence
        Coverage of the interval, in (0, 1).

    Returns
    -------
    columns
        The names of `wald_columns`. The p-value is a regularised incomplete beta function;
        its logarithm comes from the hypergeometric form of it [1]_ where it would underflow.

    References
    ----------
    .. [1] DLMF 8.17.8.
    """
    half_width = stdtrit(freedom, 0.5 + confidence / 2) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        log_share = -np.logaddexp(0.0, 2 * np.log(np.abs(beta / se)) - np.log(freedom))
    share = np.exp(log_share)
    p_value = np.asarray(betainc(freedom / 2, 0.5, share))
    with np.errstate(divide="ignore"):
        log_p = np.log(p_value)
    tiny = p_value < SMALLEST_P
    if tiny.any():
        log_p[tiny] = _log_p(log_share[tiny], freedom[tiny])
    return {
        "beta": beta,
        "se": se,
        "ci_low": beta - half_width,
        "ci_high": beta + half_width,
        "p_value": p_value,
        "log10_p": log_p * LOG10_E,
    }


def _log_p(log_share: FloatArray, freedom: FloatArray) -> FloatArray:
    """Give the logarithm of the incomplete beta function at a small share."""
    a, b, share = freedom / 2, 0.5, np.exp(log_share)
    leading = a * log_share + b * np.log1p(-share)
    return np.asarray(leading - np.log(a) - betaln(a, b) + np.log(hyp2f1(a + b, 1.0, a + 1, share)))
