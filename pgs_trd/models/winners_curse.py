"""Take back what estimates gained by being chosen for their p-value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import log_ndtr, ndtri, ndtri_exp

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.multiplicity import adjust_p_values
from pgs_trd.models.wald import LOG10_E, check_confidence
from pgs_trd.tables import require_columns

HALVINGS = 200
LOG_ROOT_2_PI = 0.5 * float(np.log(2 * np.pi))


def correct_winners_curse(
    results: pd.DataFrame,
    *,
    alpha: float,
    by: Sequence[str] = (),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Correct estimates for the selection of the significant ones, in two ways.

    Among tests chosen by p < alpha estimates are too far from 0, the more so the closer they
    are to the threshold. The conditional likelihood [1]_ [2]_ is that of the estimate given
    that it passed: its maximum is the corrected estimate, and its distribution gives an
    interval that covers as often as it says among the tests that pass. FIQT [3]_ shrinks all
    tests, passing or not: the p-value adjusted for the false discovery rate is turned
    back into an estimate, which has no interval.

    Both need the whole family of tests as it was planned, and Wald tests (z = beta / se).

    Parameters
    ----------
    results
        One row a planned test: `beta`, `se`; NaN where the fit was refused.
    alpha
        The two-sided p-value below which tests were chosen, such as 0.05 / 61.
    by
        Columns that name a family, for FIQT; () takes all rows as one.
    confidence
        Coverage of the conditional interval.

    Returns
    -------
    corrected
        `results` with `selected` (p < alpha), `beta_conditional`, `ci_low_conditional`,
        `ci_high_conditional` (NaN where not selected) and `beta_fiqt`.

    Raises
    ------
    UsageError
        If alpha is not strictly between 0 and 1.
    DataError
        If an estimate has an error that is not positive, or a number is text or infinite.

    References
    ----------
    .. [1] Zhong and Prentice (2008) Biostatistics 9:621.
    .. [2] Ghosh, Zou and Wright (2008) American Journal of Human Genetics 82:1064.
    .. [3] Bigdeli et al. (2016) Bioinformatics 32:2598.

    Examples
    --------
    >>> import pandas as pd
    >>> tests = pd.DataFrame({"beta": [0.10, 0.05], "se": [0.03, 0.03]})
    >>> correct_winners_curse(tests, alpha=0.01)[["beta_conditional", "beta_fiqt"]].round(4)
       beta_conditional  beta_fiqt
    0            0.0738     0.0941
    1               NaN     0.0500
    """
    check_confidence(confidence)
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}: it must lie between 0 and 1, such as 0.05 / 61")
    keys = [by] if isinstance(by, str) else list(by)
    require_columns(results, ["beta", "se", *keys], "results")
    beta, se = (read_numbers(results, name, "results") for name in ("beta", "se"))
    n_wrong = int(np.sum(~np.isnan(beta) & ~(se > 0)))
    if n_wrong:
        raise ModelDataError(f"results: {n_wrong:,} of {len(beta):,} estimates have no positive se")
    z = beta / se
    threshold = -float(ndtri(alpha / 2))
    selected = np.abs(z) > threshold
    columns = {name: np.full(len(beta), np.nan) for name in ("beta", "ci_low", "ci_high")}
    size, sign = np.abs(z[selected]), np.sign(z[selected])
    tail = (1 - confidence) / 2
    ends = [_mean_at(size, threshold)]
    ends += [_tail_at(size, threshold, share) for share in (tail, 1 - tail)]
    centre, near, far = (sign * end * se[selected] for end in ends)
    columns["beta"][selected] = centre
    columns["ci_low"][selected] = np.minimum(near, far)
    columns["ci_high"][selected] = np.maximum(near, far)
    corrected = results.assign(
        selected=selected, **{f"{name}_conditional": values for name, values in columns.items()}
    )
    corrected["beta_fiqt"] = np.sign(z) * _fiqt(results, z, keys) * se
    corrected.attrs["winners_curse"] = {
        "conditional": "maximum of the likelihood given |z| > the threshold",
        "alpha": alpha,
        "fiqt": "normal quantile of the p-value adjusted by Benjamini and Hochberg",
        "confidence": confidence,
    }
    return corrected


def _log_passing(mu: FloatArray, threshold: float) -> FloatArray:
    """Give the logarithm of the probability to pass, on either side, with mean `mu`."""
    return np.asarray(np.logaddexp(log_ndtr(mu - threshold), log_ndtr(-mu - threshold)))


def _mean_at(z: FloatArray, threshold: float) -> FloatArray:
    """Give the mean at which passing tests have the mean `z`: the conditional maximum.

    The family is exponential, so that the mean of what passes grows with `mu`.
    """

    def excess(mu: FloatArray) -> FloatArray:
        passing = _log_passing(mu, threshold)
        above = -0.5 * (threshold - mu) ** 2 - LOG_ROOT_2_PI - passing
        below = -0.5 * (threshold + mu) ** 2 - LOG_ROOT_2_PI - passing
        return np.asarray(mu + np.exp(above) - np.exp(below) - z)

    return _rise(excess, np.zeros_like(z), z)


def _tail_at(z: FloatArray, threshold: float, share: float) -> FloatArray:
    """Give the mean at which `share` of what passes lies above `z`; that share grows with it."""

    def excess(mu: FloatArray) -> FloatArray:
        return np.asarray(log_ndtr(mu - z) - _log_passing(mu, threshold) - np.log(share))

    quantile = float(ndtri(1 - min(share, 1 - share)))
    return _rise(excess, -(z + threshold + quantile + 1), z + quantile + 1)


def _rise(
    excess: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Halve the interval in which each rising function passes 0, until it is a point."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_low = excess(middle) < 0
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        if np.all((middle <= low) | (middle >= high)) and np.all(
            high - low <= 1e-15 * np.abs(high)
        ):
            break
    return np.asarray((low + high) / 2)


def _fiqt(results: pd.DataFrame, z: FloatArray, by: Sequence[str]) -> FloatArray:
    """Give the size of z whose p-value is the adjusted one."""
    log10_p = (np.log(2) + log_ndtr(-np.abs(z))) * LOG10_E
    tests = results[list(by)].assign(log10_p=np.minimum(log10_p, 0.0))
    adjusted = adjust_p_values(tests, by=by, methods=["bh"])["log10_p_bh"].to_numpy()
    return np.asarray(np.abs(ndtri_exp(adjusted / LOG10_E - np.log(2))))
