"""Index-event bias: what selection into MDD does to an analysis among people with MDD.

Resistance is compared among people who have depression. Whatever causes depression is
tied, among them, to every other of its causes; if one of those also acts on
resistance, a score of depression seems to act on resistance, mostly with the wrong
sign. Three answers are here, each with its own assumption; a fourth, which needs
estimates only, is `adjust_for_incidence`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.design import build_basis
from pgs_trd.models.inputs import (
    Labels,
    Matrix,
    ModelDataError,
    People,
    Vector,
    read_binary,
    read_covariates,
    read_scores,
    read_vector,
)
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.logistic_likelihood import GlmData, GlmLikelihood
from pgs_trd.models.multinomial import fit_multinomial
from pgs_trd.models.newton import maximise
from pgs_trd.models.terms import null_terms
from pgs_trd.models.workers import Workers

STEP_TOLERANCE = 1e-9
MAX_ITERATIONS = 200


def selection_weights(
    selected: Vector,
    predictors: Matrix,
    *,
    truncate: float = 1.0,
    threads: int | None = None,
) -> FloatArray:
    """Weigh selected people by the inverse of their probability of selection [1]_.

    The probability comes from a logistic regression of selection on the predictors by
    maximum likelihood. Weighted so, the selected have the predictors of everybody.

    Parameters
    ----------
    selected : (n_people,)
        1 for people with the index event (MDD), 0 for those without; NaN is out.
    predictors : (n_people, n_predictors)
        All that acts on the index event and may act on the outcome: covariates,
        scores, measured shared causes. Text becomes dummies.
    truncate
        Weights above this quantile of the weights are set to it; 1 leaves all as they
        are. It trades some bias for less variance.
    threads
        At most so many; None is what this process may use.

    Returns
    -------
    weights : (n_people,)
        Mean 1 among the selected; NaN for those not selected, and for people with a
        predictor missing.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or `truncate` lies outside (0, 1].
    ModelDataError
        If the selection model has no finite estimate: nobody or everybody is
        selected, predictors are collinear, or they separate the selected from others.

    References
    ----------
    .. [1] Hernan, Hernandez-Diaz and Robins (2004) Epidemiology 15:615.

    Examples
    --------
    >>> import numpy as np
    >>> sex = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    >>> mdd = np.array([1.0, 0, 0, 0, 1, 1, 0, 0])
    >>> selection_weights(mdd, sex).round(3).tolist()
    [1.5, nan, nan, nan, 0.75, 0.75, nan, nan]
    """
    if not 0 < truncate <= 1:
        raise UsageError(f"truncate is {truncate}: it is a quantile, above 0 and at most 1")
    people = People()
    chosen = read_binary(people, "selected", selected)
    columns, names = read_covariates(people, predictors)
    complete = ~np.isnan(chosen) & ~np.isnan(columns).any(axis=1)
    probability = np.full(len(chosen), np.nan)
    probability[complete] = _fit_selection(chosen[complete], columns[complete], names, threads)
    weights = np.where(chosen == 1, 1 / probability, np.nan)
    is_weighed = ~np.isnan(weights)
    largest = np.quantile(weights[is_weighed], truncate)
    weights[is_weighed] = np.minimum(weights[is_weighed], largest)
    return np.asarray(weights / weights[is_weighed].mean())


def _fit_selection(
    chosen: FloatArray, columns: FloatArray, names: tuple[str, ...], threads: int | None
) -> FloatArray:
    """Give the fitted probability of selection of people without gaps."""
    n_people, n_chosen = len(chosen), int(chosen.sum())
    if n_chosen in (0, n_people):
        raise ModelDataError(
            f"selected: {n_chosen:,} of {n_people:,} people with all predictors are selected. "
            "Selection can be modelled only if some are and some are not"
        )
    basis = build_basis(columns, names, intercept=True)
    if basis.fault:
        raise ModelDataError(f"predictors of selection: {basis.fault}. Leave it out")
    start = np.zeros((1, len(basis.columns)))
    start[0, 0] = np.log(n_chosen / (n_people - n_chosen))
    with Workers(threads) as workers, np.errstate(all="ignore"):
        top = maximise(
            GlmLikelihood(null_terms(basis.columns), GlmData(chosen), "logistic", workers),
            start,
            step_tolerance=STEP_TOLERANCE,
            max_iterations=MAX_ITERATIONS,
        )
    if top.ending[0] != "converged":
        culprit = basis.describe_direction(top.direction[0])
        raise ModelDataError(
            f"selection has no finite estimate among {n_people:,} people: {culprit} separates "
            "the selected from the others. Leave it out: such people cannot stand for others"
        )
    linear = top.beta[0] @ basis.columns
    return np.asarray(1 / (1 + np.exp(-linear)))


def fit_weighted_for_selection(
    outcome: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    selected: Vector,
    predictors: Matrix,
    truncate: float = 1.0,
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit outcome ~ covariates + one score among the selected, weighted to stand for all.

    The estimate is that of the score on the outcome if everybody had had the index
    event [1]_. It is free of index-event bias if `predictors` hold every shared cause
    of index event and outcome; causes that nobody measured stay a bias.

    Parameters
    ----------
    outcome : (n_people,)
        1 for resistant, 0 for responsive; NaN for all others. Only the selected count.
    scores, covariates, confidence, threads
        As in `fit_logistic`.
    selected, predictors, truncate
        As in `selection_weights`: everybody, with and without the index event.

    Returns
    -------
    fits
        As `fit_logistic`, with `n_effective`, the people that the weighted ones are
        worth, (sum of weights)^2 / sum of squared weights [2]_. Errors are HC3, because
        few people may carry much of the weight, and take the weights as known, which in
        large samples makes them too large rather than too small [3]_.

    Raises
    ------
    UsageError, ModelDataError
        As `selection_weights` and `fit_logistic`.

    References
    ----------
    .. [1] Hernan, Hernandez-Diaz and Robins (2004) Epidemiology 15:615.
    .. [2] Kish (1965) Survey Sampling, section 11.2.
    .. [3] Lunceford and Davidian (2004) Statistics in Medicine 23:2937.
    """
    weights = selection_weights(selected, predictors, truncate=truncate, threads=threads)
    people = People()
    columns = read_scores(people, scores)
    chosen = read_vector(people, "outcome", outcome)
    people.check("selected", selected)
    people.check("predictors", predictors)
    values, _ = read_covariates(people, covariates)
    fits = fit_logistic(
        outcome,
        scores,
        covariates,
        se="HC3",
        weights=weights,
        confidence=confidence,
        threads=threads,
    )
    usable = ~np.isnan(chosen) & ~np.isnan(values).any(axis=1) & ~np.isnan(weights)
    worth = [
        _effective(weights[usable & ~np.isnan(columns.block(place, place + 1)[:, 0])])
        for place in range(len(columns.names))
    ]
    fits.insert(list(fits.columns).index("n") + 1, "n_effective", worth)
    fits.attrs["conventions"] |= {
        "weights": "inverse probability of selection, logistic, taken as known",
        "weights_truncated_at_quantile": truncate,
    }
    return fits


def _effective(weights: FloatArray) -> float:
    """Give how many unweighted people have the variance of these."""
    return float(weights.sum() ** 2 / np.sum(weights**2)) if len(weights) else 0.0


def fit_against_shared_controls(
    phenotype: Labels,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    cases: str = "trd",
    comparators: str = "responsive",
    controls: str = "no_mdd",
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compare two kinds of cases with the same controls, and with each other.

    One multinomial model a score: the effect on each kind against the controls, and
    their difference with the error that the shared controls leave it. The first two
    do not condition on the index event. The difference does: it estimates what the
    analysis among cases estimates, and is as open to index-event bias; it says what
    that estimate is made of.

    Parameters
    ----------
    phenotype : (n_people,)
        The class of each person; people of other classes, and missing, are out.
    scores, covariates, confidence, threads
        As in `fit_logistic`.
    cases, comparators, controls
        Values of `phenotype`.

    Returns
    -------
    fits
        Rows score x contrast: `score`, `contrast` ("trd_vs_no_mdd",
        "responsive_vs_no_mdd" and "difference"), then the columns of `fit_logistic`;
        `n_events` counts the cases of the contrast, those of `cases` in "difference".

    Raises
    ------
    UsageError
        If one of the classes does not occur, or two of them are the same.
    """
    wanted = (cases, comparators, controls)
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"cases, comparators and controls are {wanted}: three classes are needed")
    labels = pd.Series(phenotype, dtype=object)
    labels = labels.where(labels.isin(wanted))
    absent = [name for name in wanted if not (labels == name).any()]
    if absent:
        raise UsageError(f"phenotype has nobody of class {', '.join(map(repr, absent))}")
    given = labels if isinstance(phenotype, pd.Series) else labels.to_numpy()
    against, between = (
        fit_multinomial(
            given, scores, covariates, reference=reference, confidence=confidence, threads=threads
        )
        for reference in (controls, comparators)
    )
    names = {kind: f"{kind}_vs_{controls}" for kind in (cases, comparators)}
    table = pd.concat(
        [
            against.assign(contrast=against["class"].map(names)),
            between[between["class"] == cases].assign(contrast="difference"),
        ]
    )
    table = _order_rows(table, "contrast", [*names.values(), "difference"], scores=between)
    table = table.drop(columns=["class", "equal_effects_chi2", "equal_effects_p"])
    notes = against.attrs["conventions"]
    table.attrs["conventions"] = {
        name: note for name, note in notes.items() if name not in ("reference", "equal_effects")
    } | {"difference": f"{cases} against {comparators}, in the model with {controls}"}
    return table


def _order_rows(
    table: pd.DataFrame, column: str, values: list[str], *, scores: pd.DataFrame
) -> pd.DataFrame:
    """Put scores in their order, with the rows of each by `column`, which comes second."""
    rank = {name: place for place, name in enumerate(scores["score"].unique())}
    order = np.lexsort(
        (table[column].map(values.index).to_numpy(), table["score"].map(rank).to_numpy())
    )
    table = table.iloc[order].reset_index(drop=True)
    table.insert(1, column, table.pop(column))
    return table


def fit_adjusted_for_score(
    outcome: Vector,
    scores: pd.DataFrame,
    covariates: Matrix | None = None,
    *,
    adjust_for: str,
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit each score with and without another score, such as that of MDD, beside it.

    Selection into MDD ties the MDD score to the other causes of MDD. Holding the MDD
    score fixed takes from the other scores what they owe to that tie. It does nothing
    for the MDD score itself, and nothing about causes that are not in the model.

    Parameters
    ----------
    outcome : (n_people,)
        As in `fit_logistic`, among people with the index event.
    scores : (n_people, n_scores)
        Has a column named `adjust_for`.
    covariates, confidence, threads
        As in `fit_logistic`.
    adjust_for
        Name of the score that is held fixed. Both fits use the people who have it.

    Returns
    -------
    fits
        Rows score x approach: `score`, `approach` ("unadjusted", "adjusted"), then the
        columns of `fit_logistic`. The score `adjust_for` has its unadjusted row only.

    Raises
    ------
    UsageError
        If there is no such score, or inputs disagree about the people.
    """
    if not isinstance(scores, pd.DataFrame) or adjust_for not in scores.columns:
        raise UsageError(f"adjust_for is {adjust_for!r}: scores have no column of that name")
    people = People()
    cases = read_binary(people, "outcome", outcome)
    read_scores(people, scores)  # refuses two columns of one name, which would be `held` too
    values, names = read_covariates(people, covariates)
    held = read_vector(people, adjust_for, scores[adjust_for])
    has_it: BoolArray = ~np.isnan(held)
    shared = pd.DataFrame(values, columns=list(names), index=scores.index)
    label = f"score of {adjust_for}"
    plain = fit_logistic(
        pd.Series(np.where(has_it, cases, np.nan), index=scores.index),
        scores,
        shared,
        confidence=confidence,
        threads=threads,
    )
    parts = [plain.assign(approach="unadjusted")]
    others = scores.drop(columns=adjust_for)
    if len(others.columns):
        adjusted = fit_logistic(
            pd.Series(cases, index=scores.index),
            others,
            shared.assign(**{label: held}),
            confidence=confidence,
            threads=threads,
        )
        parts.append(adjusted.assign(approach="adjusted"))
    table = _order_rows(pd.concat(parts), "approach", ["unadjusted", "adjusted"], scores=plain)
    notes = plain.attrs["conventions"]
    table.attrs["conventions"] = {**notes, "adjusted": f"with the {label} held fixed"}
    return table
