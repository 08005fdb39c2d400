"""The arithmetic of meta-analysis, for many pools at once.

A pool is a row of estimates, one a stratum. Pools of different sizes stand in one array:
a stratum that a pool lacks has an infinite variance, and so no weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from pgs_trd.models.arrays import BoolArray, FloatArray

MAX_ITERATIONS = 500
MAX_HALVINGS = 40
TOLERANCE = 1e-11
ROOT_TOLERANCE = 1e-14
GRID_POINTS = 48


@dataclass(frozen=True)
class Pools:
    """Estimates to pool, (n_pools, n_strata) each, with two strata or more in every pool.

    Attributes
    ----------
    beta
        Finite; any number where the stratum is absent.
    variance
        Positive; infinite where the stratum is absent.
    """

    beta: FloatArray
    variance: FloatArray

    @property
    def present(self) -> BoolArray:
        """Which strata a pool has."""
        return np.isfinite(self.variance)

    @property
    def freedom(self) -> FloatArray:
        """Strata less one."""
        return np.asarray(self.present.sum(axis=1) - 1.0)

    def take(self, rows: BoolArray) -> Pools:
        """Give some of the pools."""
        return Pools(self.beta[rows], self.variance[rows])


@dataclass(frozen=True)
class Weighted:
    """Pools weighted by the inverse of variance + tau2."""

    weight: FloatArray
    total: FloatArray
    centre: FloatArray
    residual: FloatArray

    @property
    def q(self) -> FloatArray:
        """The weighted sum of squares around the centre."""
        return np.asarray(np.sum(self.weight * self.residual**2, axis=1))

    @property
    def slope_of_q(self) -> FloatArray:
        """The derivative of `q` by tau2."""
        return np.asarray(-np.sum((self.weight * self.residual) ** 2, axis=1))


def weigh(pools: Pools, tau2: FloatArray) -> Weighted:
    """Weight the strata of each pool, (n_pools,) `tau2` given."""
    weight = 1 / (pools.variance + tau2[:, np.newaxis])
    total = weight.sum(axis=1)
    centre = np.sum(weight * pools.beta, axis=1) / total
    residual = np.where(pools.present, pools.beta - centre[:, np.newaxis], 0.0)
    return Weighted(weight, total, centre, residual)


def range_of(pools: Pools) -> FloatArray:
    """Give the largest estimate of each pool less the smallest."""
    highest = np.max(np.where(pools.present, pools.beta, -np.inf), axis=1, initial=-np.inf)
    return np.asarray(
        highest - np.min(np.where(pools.present, pools.beta, np.inf), axis=1, initial=np.inf)
    )


def size_of(pools: Pools) -> FloatArray:
    """Give the largest absolute estimate of each pool."""
    return np.asarray(np.max(np.where(pools.present, np.abs(pools.beta), 0.0), axis=1, initial=0.0))


def typical_variance(pools: Pools) -> FloatArray:
    """Give the one variance that stands for those of the strata, as I2 takes it [1]_.

    References
    ----------
    .. [1] Higgins and Thompson (2002) Statistics in Medicine 21:1539.
    """
    weight = 1 / pools.variance
    total = weight.sum(axis=1)
    return np.asarray(pools.freedom * total / (total**2 - np.sum(weight**2, axis=1)))


def tau2_dl(pools: Pools) -> FloatArray:
    """Give tau2 by the method of moments [1]_.

    References
    ----------
    .. [1] DerSimonian and Laird (1986) Controlled Clinical Trials 7:177.
    """
    at_zero = weigh(pools, np.zeros(len(pools.beta)))
    scale = at_zero.total - np.sum(at_zero.weight**2, axis=1) / at_zero.total
    return np.asarray(np.maximum(0.0, (at_zero.q - pools.freedom) / scale))


def tau2_pm(pools: Pools) -> FloatArray:
    """Give the tau2 at which Q is its degrees of freedom [1]_, 0 if Q is below them.

    References
    ----------
    .. [1] Paule and Mandel (1982) Journal of Research of the NBS 87:377.
    """
    return solve_q(pools, pools.freedom)


def solve_q(pools: Pools, target: FloatArray) -> FloatArray:
    """Give the tau2 at which Q is `target`, (n_pools,); 0 where Q at 0 is below it.

    Q falls with tau2 and is convex, so that Newton's steps from 0 never pass the root.
    """
    tau2 = np.zeros(len(pools.beta))
    active = np.arange(len(tau2))
    for _ in range(MAX_ITERATIONS):
        if not active.size:
            break
        some = weigh(Pools(pools.beta[active], pools.variance[active]), tau2[active])
        excess = some.q - target[active]
        climbs = excess > 0
        step = np.zeros(len(active))
        step[climbs] = -excess[climbs] / some.slope_of_q[climbs]
        tau2[active] += step
        active = active[step > ROOT_TOLERANCE * tau2[active]]
    return tau2


def tau2_interval(pools: Pools, *, confidence: float) -> tuple[FloatArray, FloatArray]:
    """Give the tau2 at which Q is the quantiles of its chi-square distribution [1]_.

    References
    ----------
    .. [1] Viechtbauer (2007) Statistics in Medicine 26:37.
    """
    tail = (1 - confidence) / 2
    low = np.asarray(chdtri(pools.freedom, tail), dtype=np.float64)
    high = np.asarray(chdtri(pools.freedom, 1 - tail), dtype=np.float64)
    return solve_q(pools, low), solve_q(pools, high)


def tau2_reml(pools: Pools) -> FloatArray:
    """Give tau2 by restricted maximum likelihood [1]_; NaN where the climb did not settle.

    The likelihood may have several maxima: it is climbed from the highest of 48 points,
    0 and others evenly spaced on the log scale between a hundredth of the smallest variance
    and four times the squared range of the estimates.

    References
    ----------
    .. [1] Viechtbauer (2005) Journal of Educational and Behavioral Statistics 30:261.
    """
    if not len(pools.beta):
        return np.empty(0)
    # In units in which the variances are near 1, as their cubes may not be numbers elsewhere.
    unit = np.sqrt(typical_variance(pools))[:, np.newaxis]
    pools = Pools(pools.beta / unit, pools.variance / unit**2)
    lowest = 0.01 * pools.variance.min(axis=1)
    highest = np.maximum(4 * range_of(pools) ** 2, 2 * lowest)
    starts = np.geomspace(lowest, highest, GRID_POINTS - 1)
    starts = np.vstack([np.zeros_like(lowest), starts])
    heights = np.array([_restricted_log_likelihood(pools, start) for start in starts])
    best = np.take_along_axis(starts, heights.argmax(axis=0)[np.newaxis], axis=0)[0]
    return np.asarray(_climb(pools, best) * unit[:, 0] ** 2)


def _restricted_log_likelihood(pools: Pools, tau2: FloatArray) -> FloatArray:
    """Give the restricted log likelihood, less a constant."""
    at = weigh(pools, tau2)
    log_variance = np.where(
        pools.present,
        np.log(np.where(pools.present, pools.variance, 1.0) + tau2[:, np.newaxis]),
        0.0,
    )
    return np.asarray(-0.5 * (log_variance.sum(axis=1) + np.log(at.total) + at.q))


def _newton_step(pools: Pools, tau2: FloatArray) -> FloatArray:
    """Give the step of Newton, or of Fisher's scoring where the likelihood is not concave."""
    at = weigh(pools, tau2)
    w, total = at.weight, at.total
    pull = w * at.residual
    second, third = np.sum(w**2, axis=1), np.sum(w**3, axis=1)
    slope = 0.5 * (np.sum(pull**2, axis=1) - (total - second / total))
    fisher = 0.5 * (second - 2 * third / total + (second / total) ** 2)
    observed = np.sum(w * pull**2, axis=1) - np.sum(w * pull, axis=1) ** 2 / total - fisher
    return np.asarray(slope / np.where(observed > 0.1 * fisher, observed, fisher))


def _climb(pools: Pools, start: FloatArray) -> FloatArray:
    """Climb the restricted likelihoods from `start`; NaN where a climb does not settle."""
    tau2, settled = start.copy(), np.zeros(len(start), dtype=bool)
    floor = ROOT_TOLERANCE * typical_variance(pools)
    for _ in range(MAX_ITERATIONS):
        rows = ~settled
        if not rows.any():
            break
        some = pools.take(rows)
        moved = _climb_once(some, tau2[rows])
        short = np.abs(moved - tau2[rows]) <= TOLERANCE * moved + floor[rows]
        tau2[rows] = moved
        settled[np.flatnonzero(rows)[short]] = True
    return np.where(settled, tau2, np.nan)


def _climb_once(pools: Pools, tau2: FloatArray) -> FloatArray:
    """Take one step, halved until the likelihood is no lower than before."""
    height = _restricted_log_likelihood(pools, tau2)
    slack = 1e-12 * (1 + np.abs(height))
    step = _newton_step(pools, tau2)
    moved = np.maximum(0.0, tau2 + step)
    for _ in range(MAX_HALVINGS):
        lower = _restricted_log_likelihood(pools, moved) < height - slack
        if not lower.any():
            return moved
        step = np.where(lower, step / 2, step)
        moved = np.maximum(0.0, tau2 + step)
    return np.where(lower, tau2, moved)


TAU2: dict[str, Callable[[Pools], FloatArray]] = {
    "fixed": tau2_dl,
    "dl": tau2_dl,
    "reml": tau2_reml,
    "pm": tau2_pm,
}
