"""What logistic models of covariates and one score predict, in the sample or left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.inputs import Batch, Matrix, People, Vector, read_binary, read_scores
from pgs_trd.models.logistic import LogisticProblem
from pgs_trd.models.logistic_likelihood import GlmData, GlmLikelihood
from pgs_trd.models.newton import Maximum, maximise
from pgs_trd.models.term_fits import STEP_TOLERANCE, FitOptions
from pgs_trd.models.term_inputs import BatchInputs, TermInputs, read_term_inputs
from pgs_trd.models.terms import TermDesign, null_terms, orthogonalise_terms
from pgs_trd.models.workers import Workers

MAX_ITERATIONS = 200
MIN_FOLDS = 2


@dataclass(frozen=True)
class BatchPredictions:
    """Linear predictors of the models of some scores that the same people have.

    Attributes
    ----------
    positions : (n_models,)
        Which scores.
    rows : (n_people,)
        Which people, by position in the inputs.
    outcome : (n_people,)
        0 or 1.
    baseline : (n_people,)
        Linear predictor of the covariates alone.
    full : (n_models, n_people)
        Linear predictor of the covariates and the score.
    refused
        Position, status and reason of scores without a model.
    """

    positions: IntArray
    rows: IntArray
    outcome: FloatArray
    baseline: FloatArray
    full: FloatArray
    refused: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class PredictionPlan:
    """The inputs of a call, read once, and how its predictions are made."""

    inputs: TermInputs
    names: tuple[str, ...]
    index: pd.Index
    folds: int
    fold_seed: int
    threads: int | None


def read_prediction_plan(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None,
    *,
    folds: int,
    rng: np.random.Generator | None,
    threads: int | None,
) -> PredictionPlan:
    """Check and read the inputs of predictions.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or folds and the generator do not go together.
    """
    if folds and folds < MIN_FOLDS:
        raise UsageError(f"folds is {folds}: 0 for predictions in the sample, or 2 or more")
    if folds and rng is None:
        raise UsageError("folds are drawn at random: give rng, such as np.random.default_rng(1)")
    people = People()
    columns = read_scores(people, scores)
    read_outcome = read_binary(people, "outcome", outcome)
    inputs = read_term_inputs(people, columns, read_outcome, covariates)
    indexed = [
        given.index
        for given in (outcome, scores, covariates)
        if isinstance(given, pd.Series | pd.DataFrame)
    ]
    index = indexed[0] if indexed else pd.RangeIndex(people.length)
    # One draw a call: people who have a score get the same folds whatever scores are beside it.
    seed = draw_fold_seed(rng) if folds and rng is not None else 0
    return PredictionPlan(inputs, columns.names, index, folds, seed, threads)


def predict_cases(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    folds: int = 0,
    rng: np.random.Generator | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Give each person's probability to be a case, by a logistic model for each score.

    The model is outcome ~ intercept + covariates + score, by maximum likelihood. What comes
    out is one row a person: it is for curves, and not for a report.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        As `fit_logistic` takes them.
    folds
        0 predicts the people that the model was fitted to: what is computed from that
        is in-sample and too good by about coefficients / cases. Otherwise everybody is
        predicted by a model fitted without their fold; folds have the same share of cases.
    rng
        Draws the folds, the same for all scores that the same people have.
    threads
        At most so many.

    Returns
    -------
    probabilities : (n_people, n_scores)
        With the index of the inputs; NaN for people who are out, and for scores whose
        model has no estimate.
    """
    plan = read_prediction_plan(outcome, scores, covariates, folds=folds, rng=rng, threads=threads)
    values = np.full((len(plan.index), len(plan.names)), np.nan)
    for part in predict_batches(plan):
        values[part.rows[:, np.newaxis], part.positions] = expit(part.full.T)
    table = pd.DataFrame(values, index=plan.index, columns=list(plan.names))
    table.attrs["conventions"] = {"model": "logistic", "predictions": describe_folds(folds)}
    return table


def describe_folds(folds: int) -> str:
    """Say whether predictions are in-sample."""
    return f"{folds}-fold cross-validation, folds stratified by outcome" if folds else "in-sample"


def predict_batches(plan: PredictionPlan) -> Iterator[BatchPredictions]:
    """Predict with the scores of one batch after the other."""
    options = FitOptions()
    with Workers(plan.threads) as workers:
        for batch, part in plan.inputs.batches():
            problem = LogisticProblem(part, options, workers)
            fault = (
                problem.fault() if len(batch.rows) else ("no_complete_cases", plan.inputs.nobody())
            )
            if fault is None and plan.folds:
                fault = _fold_fault(part.data.outcome, plan.folds)
            if fault is not None:
                yield _refuse_all(batch, part, *fault)
            else:
                yield _predict_batch(batch, part, plan, workers)


def _fold_fault(outcome: FloatArray, folds: int) -> tuple[str, str] | None:
    n_rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
    if n_rarer < folds:
        return "too_few_events", f"{n_rarer:,} of the rarer outcome for {folds} folds"
    return None


def _refuse_all(batch: Batch, part: BatchInputs, status: str, reason: str) -> BatchPredictions:
    nothing = np.empty(0)
    return BatchPredictions(
        positions=np.empty(0, dtype=np.int64),
        rows=batch.rows,
        outcome=part.data.outcome,
        baseline=nothing,
        full=np.empty((0, len(batch.rows))),
        refused=[(position, status, reason) for position in batch.positions],
    )


def _predict_batch(
    batch: Batch, part: BatchInputs, plan: PredictionPlan, workers: Workers
) -> BatchPredictions:
    """Fit the models of a batch, in the sample or fold by fold."""
    # A copy by rows: these are changed, and the values of a batch may be the caller's own.
    scores = np.array(batch.values.T, order="C")
    own = orthogonalise_terms(scores, part.modifiers, part.basis)
    positions = np.array(batch.positions)
    status, reason = np.array(own.status, dtype=object), np.array(own.reason, dtype=object)
    possible = status == "ok"
    design = TermDesign(part.basis.columns, own.columns[:, possible])
    outcome = part.data.outcome
    baseline, full = np.full(len(outcome), np.nan), np.full((design.n_models, len(outcome)), np.nan)
    ending = np.full(design.n_models, "converged", dtype=object)
    for train, test in _splits(outcome, plan):
        shared, models = fit_shared(_some_people(design, train), outcome[train], workers)
        held_out = _some_people(design, test)
        baseline[test] = shared @ held_out.basis
        if models is not None:
            n_shared = design.n_shared
            full[:, test] = models.beta[:, :n_shared] @ held_out.basis
            full[:, test] += models.beta[:, n_shared:] * held_out.own[0]
            lost = np.array(models.ending) != "converged"
            ending[lost] = np.array(models.ending, dtype=object)[lost]
        if np.isnan(shared).any():
            ending[:] = "diverging"
    if design.n_shared == 1:
        # Shares of cases of other folds would rank people by their fold.
        baseline[:] = np.log(outcome.mean() / (1 - outcome.mean()))
    status[possible] = np.where(
        ending == "converged", "ok", np.where(ending == "diverging", "separation", ending)
    )
    reason[possible & (status != "ok")] = "no finite maximum likelihood estimate"
    kept = ending == "converged"
    return BatchPredictions(
        positions=positions[possible][kept],
        rows=batch.rows,
        outcome=outcome,
        baseline=baseline,
        full=full[kept],
        refused=[
            (int(positions[place]), str(status[place]), str(reason[place]))
            for place in np.flatnonzero(status != "ok")
        ],
    )


def _splits(
    outcome: FloatArray, plan: PredictionPlan
) -> Iterator[tuple[BoolArray | slice, BoolArray | slice]]:
    """Give who is fitted and who is predicted."""
    if not plan.folds:
        yield slice(None), slice(None)
        return
    fold = assign_folds(outcome, plan.folds, np.random.default_rng(plan.fold_seed))
    for number in range(plan.folds):
        yield fold != number, fold == number


def draw_fold_seed(rng: np.random.Generator) -> int:
    """Draw the seed of the folds of one call."""
    return int(rng.integers(2**63))


def assign_folds(outcome: FloatArray, folds: int, rng: np.random.Generator) -> IntArray:
    """Give each person a fold, as many cases and as many controls in each as can be."""
    fold = np.empty(len(outcome), dtype=np.int64)
    for value in (0, 1):
        members = np.flatnonzero(outcome == value)
        fold[rng.permutation(members)] = np.arange(len(members)) % folds
    return fold


def _some_people(design: TermDesign, people: BoolArray | slice) -> TermDesign:
    return TermDesign(design.basis[:, people], design.own[:, :, people])


def fit_shared(
    design: TermDesign, outcome: FloatArray, workers: Workers
) -> tuple[FloatArray, Maximum | None]:
    """Fit the covariates alone, and from there every model of a design.

    Returns
    -------
    shared : (n_shared,)
        Coefficients without scores; NaN where the likelihood has no maximum.
    models
        None where that is so, or the design has no models.
    """
    data = GlmData(np.ascontiguousarray(outcome))
    start = np.zeros((1, design.n_shared))
    share = outcome.mean()
    start[0, 0] = np.log(share / (1 - share))
    null = _climb(GlmLikelihood(null_terms(design.basis), data, "logistic", workers), start)
    if null.ending[0] != "converged":
        return np.full(design.n_shared, np.nan), None
    if not design.n_models:
        return null.beta[0], None
    likelihood = GlmLikelihood(design, data, "logistic", workers)
    begin = likelihood.approach(null.beta[0], np.arange(design.n_models))
    return null.beta[0], _climb(likelihood, begin)


def _climb(likelihood: GlmLikelihood, start: FloatArray) -> Maximum:
    """Climb to the maximum, as exactly as `fit_logistic` does."""
    return maximise(
        likelihood,
        start,
        step_tolerance=STEP_TOLERANCE["ml"],
        settle_tolerance=STEP_TOLERANCE["ml"],
        max_iterations=MAX_ITERATIONS,
    )
