"""Calibration by negative controls: outcomes or scores with no effect to be found.

What estimates of negative controls show beyond their sampling errors is systematic
error: confounding, selection, ancestry, visits to the doctor. Its distribution is the
null that other estimates of the same design are compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import ndtr

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.estimates import read_numbers
from pgs_trd.models.results import STANDING
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.tables import require_columns

MIN_CONTROLS = 5
GRID = 65

NULL_COLUMNS = ("null_mean", "null_sd", "n_controls")


@dataclass(frozen=True)
class EmpiricalNull:
    """The distribution of systematic error, normal.

    Attributes
    ----------
    mean, sd
        On the scale of the estimates, log odds or log hazard ratios.
    n_controls
        Estimates that it was fitted to.
    """

    mean: float
    sd: float
    n_controls: int

    @property
    def expected_absolute_error(self) -> float:
        """Mean of the absolute systematic error: 0 is none.

        That of a folded normal distribution.
        """
        if self.sd == 0:
            return abs(self.mean)
        ratio = self.mean / self.sd
        density = np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
        return float(self.sd * density + self.mean * (1 - 2 * ndtr(-ratio)))


def fit_empirical_null(controls: pd.DataFrame) -> EmpiricalNull:
    """Fit the distribution of systematic error to estimates of negative controls.

    Each estimate is normal with variance sd^2 + se^2 around a common mean; mean and sd
    by maximum likelihood [1]_.

    Parameters
    ----------
    controls
        `beta` and `se`, one row a negative control. If there is a `status`, only rows
        with "ok" or "firth" count; rows with a number missing do not.

    Returns
    -------
    null
        Its sd is 0 where the estimates vary no more than their sampling errors.

    Raises
    ------
    DataError
        If a column is missing, an error is not above 0, a number is text or infinite, or
        there are fewer than 5 controls with numbers.

    References
    ----------
    .. [1] Schuemie et al. (2014) Statistics in Medicine 33:209.

    Examples
    --------
    >>> import pandas as pd
    >>> controls = pd.DataFrame({"beta": [0.1, 0.3, 0.2, 0.0, 0.4], "se": [0.01] * 5})
    >>> null = fit_empirical_null(controls)
    >>> round(null.mean, 3), round(null.sd, 3)
    (0.2, 0.141)
    """
    beta, se = _numbers(controls, "controls")
    if len(beta) < MIN_CONTROLS:
        raise DataError(
            f"controls: {len(beta)} have numbers, at least {MIN_CONTROLS} are needed. Below "
            "some dozens the null is a rough guess"
        )
    return _fit(beta, se)


def calibrate_estimates(
    estimates: pd.DataFrame,
    controls: pd.DataFrame,
    *,
    by: str | Sequence[str] = (),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare estimates with the null that negative controls show, in place of 0.

    The p-value is that of the estimate under the empirical null [1]_; the interval
    takes the systematic error to be the same whatever the true effect, which without
    positive controls cannot be checked [2]_. The null counts as known.

    Parameters
    ----------
    estimates
        `beta`, `se` and any other columns; rows whose `status`, if there is one, is
        neither "ok" nor "firth" get no numbers.
    controls
        `beta`, `se`: as in `fit_empirical_null`.
    by
        Columns of both tables; each group has its own null, such as each score, with
        controls that are outcomes it does not act on.
    confidence
        Coverage of the intervals.

    Returns
    -------
    calibrated
        The rows of `estimates` with `null_mean`, `null_sd`, `n_controls`, and
        `calibrated_` `beta` (less the mean of the null), `se`, `ci_low`, `ci_high`,
        `p_value`, `log10_p`. No numbers for groups with fewer than 5 controls.

    Raises
    ------
    DataError
        If a column is missing, an error is not above 0, or a number is text or infinite.

    References
    ----------
    .. [1] Schuemie et al. (2014) Statistics in Medicine 33:209.
    .. [2] Schuemie et al. (2018) PNAS 115:2571.
    """
    check_confidence(confidence)
    keys = _keys(by, estimates, controls)
    nulls = {key: _fit_if_enough(rows) for key, rows in _groups(controls, keys)}
    _numbers(estimates, "estimates")
    found = [nulls.get(key, EmpiricalNull(np.nan, np.nan, 0)) for key in _row_keys(estimates, keys)]
    return _calibrate(estimates, found, confidence)


def calibrate_controls(
    controls: pd.DataFrame, *, by: str | Sequence[str] = (), confidence: float = 0.95
) -> pd.DataFrame:
    """Calibrate each negative control by the others of its group.

    The check of the calibration: intervals should hold 0 as often as they say, and
    p-values be uniform.

    Parameters
    ----------
    controls, by, confidence
        As in `calibrate_estimates`.

    Returns
    -------
    calibrated
        As `calibrate_estimates`; `n_controls` counts the others.

    Raises
    ------
    DataError
        As `calibrate_estimates`.
    """
    check_confidence(confidence)
    keys = _keys(by, controls, controls)
    nulls = np.empty(len(controls), dtype=object)
    places = pd.Series(np.arange(len(controls)), index=controls.index)
    for _, rows in _groups(controls.set_axis(places.to_numpy()), keys):
        for place in rows.index:
            nulls[place] = _fit_if_enough(rows.drop(index=place))
    return _calibrate(controls, nulls.tolist(), confidence)


def _keys(by: str | Sequence[str], *tables: pd.DataFrame) -> list[str]:
    keys = [by] if isinstance(by, str) else list(by)
    for table, subject in zip(tables, ("estimates", "controls"), strict=True):
        require_columns(table, ("beta", "se", *keys), subject)
    clash = sorted(set(tables[0].columns) & {*NULL_COLUMNS, "calibrated_beta"})
    if clash:
        raise UsageError(f"estimates have a column {clash[0]!r}: they are calibrated already")
    return keys


def _row_keys(table: pd.DataFrame, keys: list[str]) -> list[tuple[object, ...]]:
    """Give the group of each row."""
    if not keys:
        return [()] * len(table)
    # None for what is missing, as one NaN need not equal another.
    named = table[keys].astype(object)
    return list(named.where(named.notna(), None).itertuples(index=False, name=None))


def _groups(
    table: pd.DataFrame, keys: list[str]
) -> Iterator[tuple[tuple[object, ...], pd.DataFrame]]:
    """Give the rows of each group."""
    if not keys:
        yield (), table
        return
    for _, rows in table.groupby(keys, sort=False, dropna=False, observed=True):
        yield _row_keys(rows.head(1), keys)[0], rows


def _numbers(table: pd.DataFrame, subject: str) -> tuple[FloatArray, FloatArray]:
    """Give the estimates that stand, and their errors."""
    require_columns(table, ("beta", "se"), subject)
    stands = np.ones(len(table), dtype=bool)
    if "status" in table.columns:
        stands = table["status"].isin(STANDING).to_numpy()
    beta, se = (read_numbers(table, name, subject) for name in ("beta", "se"))
    stands &= np.isfinite(beta) & np.isfinite(se)
    n_wrong = int(np.sum(se[stands] <= 0))
    if n_wrong:
        raise DataError(f"{subject}: {n_wrong:,} of {len(table):,} errors are not above 0")
    return beta[stands], se[stands]


def _fit_if_enough(controls: pd.DataFrame) -> EmpiricalNull:
    """Fit the null, or give one without numbers."""
    beta, se = _numbers(controls, "controls")
    return _fit(beta, se) if len(beta) >= MIN_CONTROLS else EmpiricalNull(np.nan, np.nan, len(beta))


def _fit(beta: FloatArray, se: FloatArray) -> EmpiricalNull:
    """Maximise the likelihood over sd, with the mean that is best for it."""

    def mean_at(sd: float) -> float:
        return float(np.average(beta, weights=1 / (sd**2 + se**2)))

    def deviance(sd: float) -> float:
        variance = sd**2 + se**2
        return float(np.sum(np.log(variance) + (beta - mean_at(sd)) ** 2 / variance))

    # No sd above the spread of the estimates can be best; two modes are told apart by a grid.
    top = float(np.ptp(beta)) or float(se.max())
    grid = np.linspace(0.0, top, GRID)
    best = int(np.argmin([deviance(sd) for sd in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
    found = minimize_scalar(
        deviance, bounds=(low, high), method="bounded", options={"xatol": 1e-10 * top}
    )
    sd = float(found.x) if found.fun < deviance(0.0) else 0.0
    return EmpiricalNull(mean_at(sd), sd, len(beta))


def _calibrate(
    estimates: pd.DataFrame, nulls: Sequence[EmpiricalNull], confidence: float
) -> pd.DataFrame:
    """Put the null and the calibrated numbers beside each estimate."""
    mean, sd = (np.array([getattr(null, name) for null in nulls], float) for name in ("mean", "sd"))
    beta, se = (read_numbers(estimates, name, "estimates") for name in ("beta", "se"))
    if "status" in estimates.columns:
        beta = np.where(estimates["status"].isin(STANDING), beta, np.nan)
    shifted = beta - mean
    spread = np.where(np.isnan(shifted), np.nan, np.sqrt(se**2 + sd**2))
    numbers = wald_columns(shifted, spread, confidence=confidence)
    calibrated = estimates.assign(
        null_mean=mean,
        null_sd=sd,
        n_controls=np.array([null.n_controls for null in nulls], dtype=np.int64),
        **{f"calibrated_{name}": values for name, values in numbers.items()},
    )
    calibrated.attrs["conventions"] = {
        **estimates.attrs.get("conventions", {}),
        "calibration": "empirical null, normal, by maximum likelihood, taken as known",
        "calibrated_confidence": confidence,
    }
    return calibrated
