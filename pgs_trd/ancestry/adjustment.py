"""Scores that compare across ancestry: less their mean, over their spread, on components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

from pgs_trd.ancestry.distance import check_people, check_shared, shared_components
from pgs_trd.errors import DataError, UsageError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

AdjustmentMethod: TypeAlias = Literal["z_norm1", "z_norm2"]
PEOPLE_PER_COEFFICIENT = 10
MOST_STEPS = 100
SHORTEST = 2.0**-30
LAST_STEP = 1e-8
"""A step in which no coefficient moves further than this is the last one."""
ROUNDING = 1e-12


@dataclass(frozen=True)
class Adjustment:
    """How the mean and the spread of scores depend on components among some people.

    Attributes
    ----------
    method
        ``"z_norm1"`` (mean) or ``"z_norm2"`` (mean and variance).
    centre, scale : (n_components,)
        Mean and standard deviation of the components, by which they are standardised;
        index: their names.
    lowest, highest : (n_components,)
        Range of the components.
    mean : (n_scores, 1 + n_components)
        Coefficients of the mean on 1 and the standardised components.
    log_variance : (n_scores, 1 + n_components)
        The same of the logarithm of the variance; only the first is not 0 for z_norm1.
    fits : (n_scores,)
        n_people, mean_r2 (share of the variance that the components explain by the mean),
        n_steps of the climb, gradient (largest entry of the gradient of the log
        likelihood of a person at the end; missing for z_norm1) and status: ``"ok"``;
        ``"two_step"``, where the joint likelihood did not converge and the variance is
        that of the residuals from least squares; ``"few_people"``, where fewer than ten
        people a coefficient have the score, or ``"constant"``, where the score is the
        same for all or a sum of components: there the coefficients are missing.
    """

    method: AdjustmentMethod
    centre: pd.Series[float]
    scale: pd.Series[float]
    lowest: pd.Series[float]
    highest: pd.Series[float]
    mean: pd.DataFrame
    log_variance: pd.DataFrame
    fits: pd.DataFrame


def fit_adjustment(
    scores: pd.DataFrame,
    components: pd.DataFrame,
    *,
    method: AdjustmentMethod = "z_norm2",
    n_components: int | None = None,
) -> Adjustment:
    """Fit the mean and spread of scores on components, in people who stand for all.

    These are a reference panel or controls. Cases and controls together will not do:
    where the share of cases differs with ancestry, what the score says of the disease
    would be taken for ancestry and removed.

    With s a score and x the standardised components, ``z_norm1`` is
    ``(s - a - b x) / sd`` by least squares [1]_; ``z_norm2`` is ``(s - m) / sqrt(v)``
    with ``m = a + b x`` and ``log v = c + d x`` of greatest normal likelihood [2]_. The
    likelihood is climbed by Fisher scoring, whose mean and variance steps do not mix,
    from least squares and a gamma regression of the squared residuals.

    Parameters
    ----------
    scores : (n_people, n_scores)
        Of the people to fit in; index `person_id`. People without a score are left out
        of that score's fit.
    components : (n_people, n_components)
        Of the same people, and perhaps others.
    method
        What is made equal.
    n_components
        The leading ones to use; default: all.

    Raises
    ------
    UsageError
        If the method is none of the known.
    DataError
        If there are fewer than ten people for each coefficient, a person occurs twice,
        nobody has both scores and components, or these are constant or collinear.

    References
    ----------
    .. [1] Khera et al. (2019) Circulation 139:1593.
    .. [2] Khan et al. (2022) Nature Medicine 28:1412.
    """
    if method not in get_args(AdjustmentMethod):
        raise UsageError(f"method must be 'z_norm1' or 'z_norm2', got {method!r}")
    check_people("the scores to fit in", scores)
    check_people("the components", components)
    check_shared("the scores to fit in", scores.index, "the components", components.index)
    names = shared_components(components, components, n_components)
    known = _finite(components[names]).reindex(scores.index).dropna()
    n_coefficients = _count_coefficients(1 + len(names), method)
    if len(known) < PEOPLE_PER_COEFFICIENT * n_coefficients:
        raise DataError(
            f"{len(known):,} people with scores and components are too few for {n_coefficients} "
            f"coefficients: {PEOPLE_PER_COEFFICIENT * n_coefficients:,} are needed; take fewer "
            "components or more people"
        )
    centre, scale = known.mean(), known.std(ddof=0)
    design = _design(known, centre, scale)
    if not (scale > 0).all() or np.linalg.cond(design) > 1e8:
        raise DataError("the components are constant or collinear among the people to fit in")
    values = scores.loc[known.index].to_numpy(dtype=np.float64)
    fits = [_fit(design, column, method) for column in values.T]
    columns = ["intercept", *names]
    return Adjustment(
        method=method,
        centre=centre,
        scale=scale,
        lowest=known.min(),
        highest=known.max(),
        mean=pd.DataFrame([fit.mean for fit in fits], index=scores.columns, columns=columns),
        log_variance=pd.DataFrame(
            [fit.log_variance for fit in fits], index=scores.columns, columns=columns
        ),
        fits=pd.DataFrame(
            {
                "n_people": [fit.n_people for fit in fits],
                "mean_r2": [fit.mean_r2 for fit in fits],
                "n_steps": [fit.n_steps for fit in fits],
                "gradient": [fit.gradient for fit in fits],
                "status": [fit.status for fit in fits],
            },
            index=scores.columns,
        ),
    )


def adjust_scores(
    scores: pd.DataFrame, components: pd.DataFrame, adjustment: Adjustment
) -> pd.DataFrame:
    """Give each score less its mean, over its standard deviation, at people's components.

    Parameters
    ----------
    scores : (n_people, n_scores)
        Those that `adjustment` was fitted for; index `person_id`.
    components : (n_people, n_components)
        Of the same people, and perhaps others; people without get no scores.
    adjustment
        From `fit_adjustment`.

    Returns
    -------
    adjusted : (n_people, n_scores)
        Standard normal among people like those of the fit, at every place of the
        components. It makes means and variances equal, not accuracy.

    Raises
    ------
    DataError
        If a score or a component is none of those fitted, a person occurs twice, or nobody
        has both scores and components.
    """
    check_people("the components", components)
    check_shared("the scores", scores.index, "the components", components.index)
    absent = [str(name) for name in scores.columns if name not in adjustment.mean.index]
    if absent:
        raise DataError(
            f"{len(absent)} of {scores.shape[1]} scores were not fitted: {', '.join(absent[:5])}"
        )
    names = shared_components(components, adjustment.centre.to_frame().T)
    known = _finite(components[names]).reindex(scores.index)
    design = _design(known, adjustment.centre, adjustment.scale)
    mean = design @ adjustment.mean.loc[scores.columns].to_numpy().T
    log_variance = design @ adjustment.log_variance.loc[scores.columns].to_numpy().T
    adjusted: pd.DataFrame = (scores - mean) / np.exp(0.5 * log_variance)
    return adjusted


def find_beyond(components: pd.DataFrame, adjustment: Adjustment) -> pd.Series[bool]:
    """Tell whose components lie outside the range of the people of the fit.

    There the adjustment is extrapolated, and the variance exponentially so. People
    without components are not outside.
    """
    known = components[shared_components(components, adjustment.centre.to_frame().T)]
    outside = (known < adjustment.lowest) | (known > adjustment.highest)
    return outside.any(axis=1).rename("beyond")


def _finite(components: pd.DataFrame) -> pd.DataFrame:
    """Give components as numbers; infinite ones, which no scale has room for, as missing."""
    numbers = components.astype(np.float64)
    return numbers.where(np.isfinite(numbers))


def _design(components: pd.DataFrame, centre: pd.Series, scale: pd.Series) -> FloatArray:
    """Give the columns 1 and the standardised components (n_people, 1 + n_components)."""
    standard = ((components - centre) / scale).to_numpy(dtype=np.float64)
    return np.column_stack([np.ones(len(standard)), standard])


def _count_coefficients(size: int, method: AdjustmentMethod) -> int:
    """Give how many coefficients are fitted with a design of so many columns."""
    return 2 * size if method == "z_norm2" else size


@dataclass(frozen=True)
class _Fit:
    """Coefficients of one score, and how they were found."""

    mean: FloatArray
    log_variance: FloatArray
    n_people: int
    mean_r2: float
    n_steps: int
    gradient: float
    status: str


def _fit(design: FloatArray, score: FloatArray, method: AdjustmentMethod) -> _Fit:
    """Fit one score; people whose score is missing are left out."""
    known = np.isfinite(score)
    x, s = design[known], score[known]
    size = x.shape[1]
    total = float(np.var(s)) if len(s) else 0.0
    none = np.full(size, np.nan)
    if len(s) < PEOPLE_PER_COEFFICIENT * _count_coefficients(size, method):
        return _Fit(none, none, len(s), np.nan, 0, np.nan, "few_people")
    if total <= 1e-20 * float(np.mean(s**2)):
        return _Fit(none, none, len(s), np.nan, 0, np.nan, "constant")
    # With mean 0 and variance 1, limits mean the same for all scores.
    origin, unit = float(np.mean(s)), np.sqrt(total)
    s = (s - origin) / unit
    factor = linalg.cho_factor(x.T @ x)
    mean = linalg.cho_solve(factor, x.T @ s)
    squares = (s - x @ mean) ** 2
    if squares.mean() <= 1e-20:
        return _Fit(none, none, len(s), 1.0, 0, np.nan, "constant")
    mean_r2 = 1.0 - float(squares.mean())
    log_variance = np.zeros(size)
    log_variance[0] = np.log(squares.mean())
    n_steps, gradient, status = 0, np.nan, "ok"
    if method == "z_norm2":
        climb = _Climb(x, s, factor)
        two_step = climb.run(mean, log_variance, move_mean=False)
        best = climb.run(mean, two_step.log_variance, move_mean=True)
        n_steps = best.n_steps
        if not best.has_converged:
            best, status = two_step, "two_step"
        mean, log_variance = best.mean, best.log_variance
        gradient = climb.gradient(mean, log_variance)
    first = np.eye(size)[0]
    mean = mean * unit + origin * first
    log_variance = log_variance + 2 * np.log(unit) * first
    return _Fit(mean, log_variance, len(s), mean_r2, n_steps, gradient, status)


@dataclass(frozen=True)
class _Climbed:
    """Where a climb ended."""

    mean: FloatArray
    log_variance: FloatArray
    n_steps: int
    has_converged: bool


@dataclass(frozen=True)
class _Climb:
    """Fisher scoring of the normal likelihood with log-linear variance.

    Attributes
    ----------
    design : (n_people, n_coefficients)
    score : (n_people,)
    factor
        Cholesky factor of the design's cross-product: the information of the variance's
        coefficients is half of it, wherever they are.
    """

    design: FloatArray
    score: FloatArray
    factor: tuple[FloatArray, bool]

    def loss(self, mean: FloatArray, log_variance: FloatArray) -> float:
        """Give minus the log likelihood of a person, but for a constant."""
        eta = self.design @ log_variance
        with np.errstate(over="ignore"):
            terms = eta + (self.score - self.design @ mean) ** 2 * np.exp(-eta)
        return float(0.5 * terms.mean())

    def run(self, mean: FloatArray, log_variance: FloatArray, *, move_mean: bool) -> _Climbed:
        """Climb until a step moves nothing.

        With the mean held still this is the gamma regression of the squared residuals.
        """
        loss = self.loss(mean, log_variance)
        for n_steps in range(1, MOST_STEPS + 1):
            by_mean, by_variance = self._step(mean, log_variance, move_mean=move_mean)
            share = 1.0
            while (
                new := self.loss(mean + share * by_mean, log_variance + share * by_variance)
            ) > loss + ROUNDING and share > SHORTEST:
                share /= 2
            if not new <= loss + ROUNDING:
                break
            loss = new
            mean = mean + share * by_mean
            log_variance = log_variance + share * by_variance
            if max(np.abs(by_mean).max(), np.abs(by_variance).max()) < LAST_STEP:
                return _Climbed(mean, log_variance, n_steps, True)
        return _Climbed(mean, log_variance, n_steps, False)

    def _step(
        self, mean: FloatArray, log_variance: FloatArray, *, move_mean: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Give the steps of the mean's and the variance's coefficients."""
        x = self.design
        precision = np.exp(-(x @ log_variance))
        left = self.score - x @ mean
        by_mean = np.zeros_like(mean)
        if move_mean:
            weighted = x * precision[:, np.newaxis]
            by_mean = linalg.solve(weighted.T @ x, weighted.T @ left, assume_a="pos")
        by_variance = linalg.cho_solve(self.factor, x.T @ (left**2 * precision - 1.0))
        return by_mean, by_variance

    def gradient(self, mean: FloatArray, log_variance: FloatArray) -> float:
        """Give the largest entry of the gradient of `loss`."""
        x = self.design
        precision = np.exp(-(x @ log_variance))
        left = self.score - x @ mean
        both = np.concatenate([x.T @ (left * precision), 0.5 * (x.T @ (left**2 * precision - 1.0))])
        return float(np.abs(both).max() / len(left))
