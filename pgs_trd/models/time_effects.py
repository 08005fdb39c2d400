"""Effects of a score that change with time: by period, and with the logarithm of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import gammaincc

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_model_fit import fit_cox_model
from pgs_trd.models.cox_problem import CoxInputs, CoxProblem, Ties, check_ties, read_cox_inputs
from pgs_trd.models.design import orthogonalise_scores
from pgs_trd.models.inputs import Labels, Matrix, Vector
from pgs_trd.models.newton import maximise
from pgs_trd.models.time_likelihood import TimeEffectLikelihood
from pgs_trd.models.wald import check_confidence, wald_columns


def fit_cox_periods(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    cuts: Sequence[float],
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    weights: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Fit the hazard ratio of each score by period of follow-up.

    One model a score: the covariates act alike throughout, the score has one
    coefficient a period, as R's `survSplit` and `score:strata(period)`.

    Parameters
    ----------
    duration, event, scores, covariates, entry, strata, ties, weights, confidence
        As in `fit_cox`.
    cuts
        Ascending days at which one period ends and the next begins; an event on a cut
        belongs to the period that ends.

    Returns
    -------
    periods
        Rows score x period: `score`, `from_day`, `to_day` (infinite at the end), `beta`,
        `se`, `ci_low`, `ci_high`, `p_value`, `log10_p`, `n_events`, `status`, `reason`,
        and `heterogeneity_chi2`, `heterogeneity_df`, `heterogeneity_p` (Wald, that all
        periods are alike), the same in all rows of a score.

    Raises
    ------
    UsageError, ModelDataError
        As `fit_cox`; or if `cuts` are not ascending and above 0.
    """
    check_ties(ties)
    check_confidence(confidence)
    bounds = np.asarray(cuts, dtype=np.float64)
    if not bounds.size or not np.isfinite(bounds).all() or (np.diff(np.r_[0.0, bounds]) <= 0).any():
        raise UsageError("cuts must be ascending days above 0, such as [365, 1095]")
    edges = np.r_[-np.inf, bounds, np.inf]
    inputs = read_cox_inputs(
        duration, event, scores, covariates, entry=entry, strata=strata, weights=weights
    )
    parts = []
    for place, name in enumerate(inputs.scores.names):
        score = inputs.scores.block(place, place + 1)[:, 0]
        rows = np.flatnonzero(inputs.usable & ~np.isnan(score))
        parts.append(_fit_periods(inputs, name, score, rows, edges, ties, confidence))
    table = pd.concat(parts, ignore_index=True)
    table.attrs["conventions"] = {"model": "cox by period", "ties": ties, "se": "model"}
    return table


def _fit_periods(
    inputs: CoxInputs,
    name: str,
    score: FloatArray,
    rows: IntArray,
    edges: FloatArray,
    ties: Ties,
    confidence: float,
) -> pd.DataFrame:
    n_periods = len(edges) - 1
    entry = np.full(len(score), -np.inf) if inputs.entry is None else inputs.entry
    person, period = [], []
    for place in range(n_periods):
        there = rows[(inputs.duration[rows] > edges[place]) & (entry[rows] < edges[place + 1])]
        person.append(there)
        period.append(np.full(len(there), place))
    who, when = np.concatenate(person), np.concatenate(period)
    end = np.minimum(inputs.duration[who], edges[when + 1])
    begin = np.maximum(entry[who], edges[when])
    # -1 is before every time; entry must be finite.
    begin = np.where(np.isfinite(begin), begin, -1.0)
    happened = (inputs.event[who] == 1) & (inputs.duration[who] <= edges[when + 1])
    own = np.where(when[:, np.newaxis] == np.arange(n_periods), score[who, np.newaxis], 0.0)
    terms = [f"{name} in period {place + 1}" for place in range(n_periods)]
    columns = pd.DataFrame(
        np.column_stack([inputs.covariates[who], own]), columns=[*inputs.names, *terms]
    )
    model = fit_cox_model(
        end,
        happened,
        columns,
        entry=begin,
        strata=None if inputs.strata is None else inputs.strata[who],
        ties=ties,
        weights=None if inputs.weights is None else inputs.weights[who],
        confidence=confidence,
    )
    table = model.coefficients.set_index("term").loc[terms].reset_index(drop=True)
    table.insert(0, "to_day", edges[1:])
    table.insert(0, "from_day", np.r_[0.0, edges[1:-1]])
    table.insert(0, "score", name)
    table["n_events"] = np.bincount(when[happened], minlength=n_periods)
    table["status"], table["reason"] = model.status, model.reason
    beta, covariance = table["beta"].to_numpy(), model.covariance.loc[terms, terms].to_numpy()
    contrast = np.eye(n_periods)[1:] - np.eye(n_periods)[:1]
    apart = contrast @ beta
    chi2 = np.nan
    if model.status in ("ok", "firth"):
        chi2 = float(apart @ np.linalg.solve(contrast @ covariance @ contrast.T, apart))
    table["heterogeneity_chi2"], table["heterogeneity_df"] = chi2, n_periods - 1
    table["heterogeneity_p"] = gammaincc((n_periods - 1) / 2, chi2 / 2)
    return table


def fit_cox_log_time(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    shift: float = 0.0,
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    weights: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Let the log hazard ratio of each score change with the logarithm of time.

    Exact: the score's term is taken at every event time, as R's `tt()`. That costs
    people times event days, some seconds a score in large data; `ph_test` is the quick
    test of the same question.

    Parameters
    ----------
    duration, event, scores, covariates, entry, strata, ties, weights, confidence
        As in `fit_cox`.
    shift
        Added to time before the logarithm, so that the first days do not rule.

    Returns
    -------
    effects
        Rows score x term: `score`, `term` ("score", its effect where the logarithm is 0,
        and "score x log time"), `beta`, `se`, `ci_low`, `ci_high`, `p_value`, `log10_p`,
        `log_likelihood`, `status`, `reason`.

    Raises
    ------
    UsageError, ModelDataError
        As `fit_cox`; or if an event is at a time whose logarithm is not finite.
    """
    check_ties(ties)
    check_confidence(confidence)
    inputs = read_cox_inputs(
        duration, event, scores, covariates, entry=entry, strata=strata, weights=weights
    )
    times = inputs.duration[inputs.usable & (inputs.event == 1)]
    if ((times + shift) <= 0).any():
        n_early = int(((times + shift) <= 0).sum())
        raise UsageError(
            f"{n_early:,} events are at a time whose logarithm is not finite: give a shift above 0"
        )
    parts: dict[int, pd.DataFrame] = {}
    for batch, problem in inputs.problems(ties=ties):
        for place, position in enumerate(batch.positions):
            values = np.ascontiguousarray(batch.values[:, [place]])
            table = _fit_log_time(inputs, problem, batch.rows, values, shift, confidence)
            table.insert(0, "score", inputs.scores.names[position])
            parts[position] = table
    effects = pd.concat([parts[position] for position in sorted(parts)], ignore_index=True)
    effects.attrs["conventions"] = {
        "model": "cox with score x log(time + shift)",
        "shift": shift,
        "ties": ties,
        "se": "model",
    }
    return effects


def _fit_log_time(
    inputs: CoxInputs,
    problem: CoxProblem,
    rows: IntArray,
    values: FloatArray,
    shift: float,
    confidence: float,
) -> pd.DataFrame:
    beta, se, value = np.full(2, np.nan), np.full(2, np.nan), np.nan
    fault = ("no_complete_cases", inputs.nobody) if not len(rows) else problem.fault()
    status, reason = fault or ("ok", "")
    own = orthogonalise_scores(values, problem.basis) if not fault else None
    if own is not None and own.status[0] != "ok":
        status, reason = own.status[0], own.reason[0]
    elif own is not None:
        score = values[:, 0]
        mean, spread = float(score.mean()), float(score.std())
        sets = problem.risk_sets
        logs = np.log(inputs.duration[rows][sets.deaths[sets.death_starts]] + shift)
        middle = float(logs[sets.death_day].mean())
        columns = np.vstack([problem.basis.columns, (score - mean) / spread])
        likelihood = TimeEffectLikelihood(
            np.ascontiguousarray(columns.T), logs - middle, sets, problem.weights
        )
        with np.errstate(all="ignore"):  # far out numbers overflow; the ending says so
            top = maximise(
                likelihood,
                np.zeros((1, len(columns) + 1)),
                step_tolerance=problem.step_tolerance,
                max_iterations=problem.max_iterations,
            )
        information = top.at_end.information[0]
        if top.ending[0] != "converged" or not np.linalg.eigvalsh(information)[0] > 0:
            status = "monotone_likelihood" if top.ending[0] == "diverging" else "not_converged"
            reason = f"after {top.iterations[0]} Newton steps"
        else:
            covariance = np.linalg.inv(information)[-2:, -2:]
            # The effect where the logarithm is 0, not where it is at its mean.
            back = np.array([[1.0, -middle], [0.0, 1.0]]) / spread
            beta = back @ top.beta[0, -2:]
            se = np.sqrt(np.diag(back @ covariance @ back.T))
            value = float(top.at_end.log_likelihood[0])
    return pd.DataFrame(
        {
            "term": ["score", "score x log time"],
            **wald_columns(beta, se, confidence=confidence),
            "log_likelihood": value,
            "status": status,
            "reason": reason,
        }
    )
