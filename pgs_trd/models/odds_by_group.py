"""Odds ratios of quantile groups of a score against the bottom or the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.inputs import Matrix, People, Vector, read_binary, read_scores
from pgs_trd.models.logistic import LogisticProblem
from pgs_trd.models.logistic_likelihood import FirthLikelihood
from pgs_trd.models.newton import Maximum, maximise
from pgs_trd.models.predictions import fit_shared
from pgs_trd.models.term_fits import MAX_ITERATIONS, STEP_TOLERANCE, FitOptions
from pgs_trd.models.term_inputs import BatchInputs, read_term_inputs
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.wald import check_confidence, wald_columns
from pgs_trd.models.workers import Workers

Reference: TypeAlias = Literal["middle", "bottom"]

MAX_GROUPS = 16
# Dummies of this many scores stand in memory at a time.
SCORES_AT_A_TIME = 8
DECILES = tuple(range(10, 100, 10))


def odds_by_group(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    cuts: Sequence[float] = DECILES,
    reference: Reference = "middle",
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit outcome ~ covariates + groups of a score, for every score.

    Groups show whether odds grow evenly with the score. They do not measure how well it
    predicts: the extremes are farther apart than most people are.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        As `fit_logistic` takes them.
    cuts
        Percentiles, among the people of the model, that part the groups; at most 15. By
        default deciles.
    reference
        "middle": the group that holds the median, or the two that it parts, taken as one;
        "bottom": the lowest.
    confidence
        Coverage of the Wald intervals.
    threads
        At most so many.

    Returns
    -------
    groups
        One row a score and group, from low to high: `score`, `group` (from 1),
        `percentile_low`, `percentile_high`, `n`, `n_cases`; `beta` (log odds ratio against
        the reference, where it is 0), `se`, `ci_low`, `ci_high`, `p_value`, `log10_p`;
        `status`: "reference" in its row, "ok", "firth" where a group has cases only or
        none and Firth's estimates stand in for all of that score, or why there is no
        number; `reason`.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or cuts or reference cannot be.
    ModelDataError
        If the outcome has values other than 0 and 1, or anything is infinite.
    """
    check_confidence(confidence)
    if reference not in get_args(Reference):
        raise UsageError(f"reference is {reference!r}: it must be one of {get_args(Reference)}")
    bounds = _read_cuts(cuts, reference)
    people = People()
    columns = read_scores(people, scores)
    inputs = read_term_inputs(people, columns, read_binary(people, "outcome", outcome), covariates)
    tables: dict[int, pd.DataFrame] = {}
    with Workers(threads) as workers:
        for batch, part in inputs.batches():
            problem = LogisticProblem(part, FitOptions(), workers)
            fault = problem.fault() if len(batch.rows) else ("no_complete_cases", inputs.nobody())
            for first in range(0, len(batch.positions), SCORES_AT_A_TIME):
                places = range(first, min(first + SCORES_AT_A_TIME, len(batch.positions)))
                values = batch.values[:, places.start : places.stop]
                found = _fit_groups(values, part, bounds, workers, fault)
                for place, table in zip(places, found, strict=True):
                    tables[batch.positions[place]] = table
    parts = [tables[position].assign(score=name) for position, name in enumerate(columns.names)]
    return _finish(pd.concat(parts, ignore_index=True), bounds, confidence)


@dataclass(frozen=True)
class _Bounds:
    """Percentiles that part the groups, both ends included, and which group is the reference."""

    percentiles: FloatArray
    reference: int

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.percentiles) - 1


def _read_cuts(cuts: Sequence[float], reference: Reference) -> _Bounds:
    at = np.asarray(cuts, dtype=np.float64)
    if not len(at) or len(at) >= MAX_GROUPS or not np.all(np.diff(at) > 0):
        raise UsageError(
            f"cuts has {len(at):,} percentiles: 1 to {MAX_GROUPS - 1} are needed, growing"
        )
    if not (at[0] > 0 and at[-1] < 100):
        raise UsageError("cuts are percentiles: they lie strictly between 0 and 100")
    if reference == "bottom":
        return _Bounds(np.r_[0.0, at, 100.0], 0)
    if len(at) == 1:
        raise UsageError("two groups have no middle: ask for reference='bottom'")
    apart = at[at != 50.0]
    percentiles = np.r_[0.0, apart, 100.0]
    return _Bounds(percentiles, int(np.searchsorted(percentiles, 50.0) - 1))


def _fit_groups(
    values: FloatArray,
    part: BatchInputs,
    bounds: _Bounds,
    workers: Workers,
    fault: tuple[str, str] | None,
) -> list[pd.DataFrame]:
    """Give the rows of some scores, (n_people, n_scores) complete."""
    if not len(values) and fault is not None:
        nobody = np.zeros(bounds.n_groups, dtype=np.int64)
        return [_rows(nobody, nobody, *fault)] * values.shape[1]
    outcome = part.data.outcome
    groups = np.stack([_group(column, bounds) for column in values.T])
    size = np.array([np.bincount(row, minlength=bounds.n_groups) for row in groups])
    cases = np.array(
        [np.bincount(row, weights=outcome, minlength=bounds.n_groups) for row in groups]
    ).astype(np.int64)
    word, reason = fault or ("too_few_people", "a group is empty: too many people share a score")
    tables = [_rows(*counts, word, reason) for counts in zip(size, cases, strict=True)]
    if fault is not None:
        return tables
    possible = np.flatnonzero((size > 0).all(axis=1))
    if not len(possible):
        return tables
    others = [group for group in range(bounds.n_groups) if group != bounds.reference]
    dummies = np.stack([(groups[possible] == group).astype(np.float64) for group in others])
    design = TermDesign(part.basis.columns, dummies)
    for place, fit in zip(possible.tolist(), _climb_both(design, part, workers), strict=True):
        table = _rows(size[place], cases[place], fit.status, fit.reason)
        table.loc[others, "beta"], table.loc[others, "se"] = fit.beta, fit.se
        if fit.status in ("ok", "firth"):
            table.loc[bounds.reference, "beta"] = 0.0
            table.loc[bounds.reference, "status"] = "reference"
        tables[place] = table
    return tables


def _group(values: FloatArray, bounds: _Bounds) -> IntArray:
    """Give each person a group; who is on a cut is below it."""
    cuts = np.percentile(values, bounds.percentiles[1:-1])
    return np.asarray(np.searchsorted(cuts, values, side="left"), dtype=np.int64)


def _rows(size: IntArray, cases: IntArray, status: str, reason: str) -> pd.DataFrame:
    """Give rows of one score without numbers."""
    return pd.DataFrame(
        {
            "n": size, "n_cases": cases, "beta": np.nan, "se": np.nan,
            "status": status, "reason": reason,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class _GroupFit:
    beta: FloatArray
    se: FloatArray
    status: str
    reason: str


def _climb_both(design: TermDesign, part: BatchInputs, workers: Workers) -> list[_GroupFit]:
    """Fit by maximum likelihood, and by Firth's where that is infinite."""
    _, top = fit_shared(design, part.data.outcome, workers)
    nothing = _GroupFit(np.empty(0), np.empty(0), "not_converged", "")
    fits = [nothing] * design.n_models
    if top is not None:
        fits = [_read_fit(top, model, design.n_shared, "ok") for model in range(design.n_models)]
    lost = [model for model, fit in enumerate(fits) if fit.status != "ok"]
    if lost:
        some = TermDesign(design.basis, np.ascontiguousarray(design.own[:, lost]))
        start = np.zeros((len(lost), design.n_shared + design.n_own))
        share = part.data.outcome.mean()
        start[:, 0] = np.log(share / (1 - share))
        again = maximise(
            FirthLikelihood(some, part.data, "logistic", workers),
            start,
            step_tolerance=STEP_TOLERANCE["firth"],
            max_iterations=MAX_ITERATIONS["firth"],
        )
        for place, model in enumerate(lost):
            fits[model] = _read_fit(again, place, design.n_shared, "firth")
    return fits


def _read_fit(top: Maximum, model: int, n_shared: int, status: str) -> _GroupFit:
    """Give the estimates of one model, NaN where it has none."""
    beta = top.beta[model, n_shared:]
    information = top.at_end.information[model]
    if top.ending[model] != "converged" or np.linalg.eigvalsh(information)[0] <= 0:
        nothing = np.full(len(beta), np.nan)
        return _GroupFit(nothing, nothing, "not_converged", "no finite estimate")
    variance = np.diag(np.linalg.inv(information))[n_shared:]
    reason = "separated: no finite maximum likelihood estimate" if status == "firth" else ""
    return _GroupFit(beta, np.sqrt(variance), status, reason)


def _finish(table: pd.DataFrame, bounds: _Bounds, confidence: float) -> pd.DataFrame:
    """Add percentiles and intervals."""
    n_scores = len(table) // bounds.n_groups
    table["group"] = np.tile(np.arange(1, bounds.n_groups + 1), n_scores)
    table["percentile_low"] = np.tile(bounds.percentiles[:-1], n_scores)
    table["percentile_high"] = np.tile(bounds.percentiles[1:], n_scores)
    wald = wald_columns(
        table["beta"].to_numpy(dtype=np.float64),
        table["se"].to_numpy(dtype=np.float64),
        confidence=confidence,
    )
    order = ["score", "group", "percentile_low", "percentile_high", "n", "n_cases", *wald]
    table = table.assign(**wald)[[*order, "status", "reason"]]
    table.attrs["conventions"] = {
        "model": "logistic, groups as dummies",
        "method": "maximum likelihood; where the status is 'firth', penalised",
        "se": "model",
        "interval": "Wald",
        "reference": f"group {bounds.reference + 1}",
        "confidence": confidence,
    }
    return table
