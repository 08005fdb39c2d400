"""The exact score test of proportional hazards, for many scores at once."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from scipy.special import gammaincc
from scipy.stats import chi2, rankdata

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_climb import Climb, climb
from pgs_trd.models.cox_problem import CoxInputs, CoxProblem, Ties, check_ties, read_cox_inputs
from pgs_trd.models.inputs import Labels, Matrix, ModelDataError, Vector
from pgs_trd.models.risk_sets import build_risk_sets
from pgs_trd.models.wald import LOG10_E
from pgs_trd.models.workers import one_blas_thread

Transform: TypeAlias = Literal["km", "rank", "identity", "log"]

GLOBAL = "GLOBAL"


def ph_test(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    weights: Vector | None = None,
    transform: Transform = "km",
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Test for every score whether hazards are proportional.

    The score test of a coefficient that changes with g(time), as `cox.zph` of R's
    survival from version 3 on has it [1]_: exact, not the older approximation.

    Parameters
    ----------
    duration, event, scores, covariates, entry, strata, ties, weights, threads
        As in `fit_cox`, and `min_events_per_parameter` too.
    transform
        g: "km" (one less the Kaplan-Meier estimate just before, over all strata),
        "rank" (of the durations), "identity" or "log".

    Returns
    -------
    tests
        Rows score x term: `score`, `term` (each covariate, the score under its own name,
        and "GLOBAL" for all of them), `chi2`, `df`, `p_value`, `log10_p`, `status`,
        `reason`. Only rows with status "ok" have numbers.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or an option is unknown.
    ModelDataError
        If times are infinite, people leave no later than they enter, or the logarithm
        is asked of an event at time 0.

    References
    ----------
    .. [1] Grambsch and Therneau (1994) Biometrika 81:515.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=500)})
    >>> time = rng.exponential(np.exp(-scores["mdd"]))
    >>> tests = ph_test(np.minimum(time, 1), time < 1, scores)
    >>> tests["term"].tolist(), bool(tests.loc[0, "p_value"] > 0.01)
    (['mdd', 'GLOBAL'], True)
    """
    check_ties(ties)
    if transform not in get_args(Transform):
        raise UsageError(f"transform is {transform!r}: it must be one of {get_args(Transform)}")
    inputs = read_cox_inputs(
        duration, event, scores, covariates, entry=entry, strata=strata, weights=weights
    )
    terms = len(inputs.names) + 2
    values = np.full((len(inputs.scores.names), terms), np.nan)
    status, reason = [""] * len(values), [""] * len(values)
    batches = inputs.problems(
        ties=ties, min_events_per_parameter=min_events_per_parameter, threads=threads
    )
    with one_blas_thread():
        for batch, problem in batches:
            fits = climb(problem, batch.values)
            times = _transform(inputs, batch.rows, problem, transform)
            chi_squares = _chi_squares(fits, times)
            for place, position in enumerate(batch.positions):
                status[position], reason[position] = fits.status[place], fits.reason[place]
                if not len(batch.rows):
                    status[position], reason[position] = "no_complete_cases", inputs.nobody
                elif status[position] == "ok" and not times.any():
                    status[position], reason[position] = (
                        "too_few_events",
                        "all events are at one time",
                    )
                elif status[position] == "ok":
                    values[position] = chi_squares[place]
    tests = _table(inputs, values, status, reason)
    tests.attrs["conventions"] = {
        "model": "proportional hazards",
        "test": "exact score test, as cox.zph of R's survival 3",
        "transform": transform,
        "ties": ties,
    }
    return tests


def _transform(
    inputs: CoxInputs, rows: IntArray, problem: CoxProblem, transform: str
) -> FloatArray:
    """Give g at each death of the risk sets, centred and scaled, which the test ignores."""
    duration, deaths = inputs.duration[rows], problem.risk_sets.deaths
    if transform == "km":
        values = _failed_before(inputs, rows)[deaths]
    elif transform == "rank":
        values = rankdata(duration)[deaths]
    elif transform == "log":
        if (duration[deaths] <= 0).any():
            n_zero = int((duration[deaths] <= 0).sum())
            raise ModelDataError(
                f"transform='log': {n_zero:,} events are at time 0. Take 'km' or 'identity'"
            )
        values = np.log(duration[deaths])
    else:
        values = duration[deaths]
    if not values.size:
        return values
    centred = values - values.mean()
    spread = float(np.sqrt(np.mean(centred**2)))
    if spread <= 1e-12 * max(float(np.max(np.abs(values))), 1e-300):
        return np.zeros(len(values))
    return np.asarray(centred / spread)


def _failed_before(inputs: CoxInputs, rows: IntArray) -> FloatArray:
    """Give one less the Kaplan-Meier estimate just before each person's last time."""
    duration, event = inputs.duration[rows], inputs.event[rows] == 1
    entry = None if inputs.entry is None else inputs.entry[rows]
    sets = build_risk_sets(duration, event, entry=entry)
    died = sets.of_the_day(np.ones(len(sets.deaths)))
    survival = np.r_[1.0, np.cumprod(1 - died / sets.at_risk(np.ones(len(rows))))]
    days = duration[sets.deaths[sets.death_starts]] if sets.n_days else np.zeros(0)
    return np.asarray(1 - survival[np.searchsorted(days, duration, "left")])


def _chi_squares(fits: Climb, times: FloatArray) -> dict[int, FloatArray]:
    """Give place in the batch to the statistics of all terms, covariates first, then all."""
    if fits.likelihood is None or fits.top is None or not times.any():
        return {}
    settled = np.flatnonzero([ending == "converged" for ending in fits.top.ending])
    if not settled.size:
        return {}
    factors = np.column_stack([np.ones(len(times)), times, times**2])
    moments = fits.likelihood.moments(fits.top.beta[settled], settled, factors)
    results = {}
    for row, model in enumerate(settled.tolist()):
        plain, cross, squared = moments.information[:, row]
        left = squared - cross @ np.linalg.lstsq(plain, cross, rcond=None)[0]
        slope = moments.gradient[1, row]
        # The tests of single terms are of covariates and score, not of the basis.
        matrix = fits.to_design[model]
        alone = (matrix.T @ slope) ** 2 / np.einsum("ij,ik,kj->j", matrix, left, matrix)
        together = slope @ np.linalg.lstsq(left, slope, rcond=None)[0]
        results[int(fits.places[model])] = np.r_[alone, together]
    return results


def _table(
    inputs: CoxInputs, values: FloatArray, status: list[str], reason: list[str]
) -> pd.DataFrame:
    """Give rows score x term, from statistics (n_scores, n_terms)."""
    n_scores, n_terms = values.shape
    df = np.tile(np.r_[np.ones(n_terms - 1, dtype=np.int64), n_terms - 1], n_scores)
    flat = values.ravel()
    names = inputs.scores.names
    return pd.DataFrame(
        {
            "score": np.repeat(np.array(names, dtype=object), n_terms),
            "term": [term for name in names for term in (*inputs.names, name, GLOBAL)],
            "chi2": flat,
            "df": df,
            "p_value": gammaincc(df / 2, flat / 2),
            "log10_p": chi2.logsf(flat, df) * LOG10_E,
            "status": np.repeat(np.array(status, dtype=object), n_terms),
            "reason": np.repeat(np.array(reason, dtype=object), n_terms),
        }
    )
