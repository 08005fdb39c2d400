"""Cox regression of one follow-up on many scores that share their covariates."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.cox_problem import (
    STEP_TOLERANCE,
    CoxErrors,
    CoxProblem,
    Ties,
    check_ties,
    read_cox_inputs,
)
from pgs_trd.models.cox_profile import profile_columns
from pgs_trd.models.fitting import fit_batch
from pgs_trd.models.inputs import Batch, Labels, Matrix, Vector, check_cluster
from pgs_trd.models.results import FitRows
from pgs_trd.models.risk_sets import TIME_TOLERANCE
from pgs_trd.models.wald import check_confidence
from pgs_trd.models.workers import one_blas_thread

__all__ = ["CoxErrors", "CoxInterval", "CoxMethod", "Ties", "fit_cox"]

CoxMethod: TypeAlias = Literal["auto", "ml", "firth"]
CoxInterval: TypeAlias = Literal["wald", "profile"]

ERROR_NOTES = {
    "model": "inverse observed information at the estimate",
    "robust": "Lin-Wei sandwich over people, no small-sample factor",
    "cluster": "Lin-Wei sandwich over cluster sums, no small-sample factor",
}
METHOD_NOTES = {
    "auto": "maximum partial likelihood; Firth where it is monotone",
    "ml": "maximum partial likelihood",
    "firth": "Firth's penalised partial likelihood",
}


def fit_cox(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    method: CoxMethod = "auto",
    se: CoxErrors = "model",
    cluster: Labels | None = None,
    interval: CoxInterval = "wald",
    weights: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit the hazard of an event on covariates + one score, for every score.

    Pandas inputs must have equal indices, arrays are taken by position. A person
    with anything missing is out, for each score by itself. Times that differ by
    rounding only are one time, as R's `timefix` has it.

    Parameters
    ----------
    duration : (n_people,)
        Time at the end of observation, from the origin; NaN is out.
    event : (n_people,)
        1 or True if the event happened then, else 0 or False; NaN is out.
    scores : (n_people, n_scores)
        One model a column; NaN is missing.
    covariates : (n_people, n_covariates)
        Shared by all models. Text becomes dummies, see `encode_covariates`.
    entry : (n_people,)
        Time at which observation began (left truncation): at risk at t means
        entry < t <= duration. None means that everybody was seen from the origin.
    strata : (n_people,)
        Labels; each has a baseline hazard of its own. Missing is out.
    ties
        "efron" or "breslow".
    se
        "model", "robust" (each person by itself) or "cluster".
    cluster : (n_people,)
        Labels of clusters, for `se="cluster"`; missing is out.
    method
        "ml" for maximum partial likelihood, "firth" for the likelihood penalised by
        Jeffreys' prior [1]_; "auto" takes Firth's where the likelihood is monotone.
    interval
        "wald", or "profile": likelihood-ratio intervals and p-values.
    weights : (n_people,)
        Each person's factor in the partial likelihood; 0 or NaN is out. With weights
        that are not counts use a robust error.
    confidence
        Coverage of the intervals.
    min_events_per_parameter
        Below this number of events per coefficient the row has the status
        `too_few_events`. 0 asks for nothing.
    threads
        Models are shared out over them; the numbers do not depend on it. None is what
        this process may use.

    Returns
    -------
    fits
        One row a score: `score`, `beta` (log hazard ratio per unit), `se`, `ci_low`,
        `ci_high`, `p_value`, `log10_p`, `n`, `n_events`, `log_likelihood` (partial;
        penalised with Firth), `iterations`, `status`, `reason`. Rows with status "ok" have
        numbers, and rows with "firth", which "auto" makes; `STATUSES` explains the others.
        `attrs["conventions"]` says how they were made.

    Raises
    ------
    UsageError
        If inputs disagree about the people, or options do not go together.
    ModelDataError
        If times are infinite or people leave no later than they enter.

    References
    ----------
    .. [1] Heinze and Schemper (2001) Biometrics 57:114.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=500)})
    >>> time = rng.exponential(np.exp(-scores["mdd"]))
    >>> fits = fit_cox(np.minimum(time, 1), time < 1, scores)
    >>> fits.loc[0, "status"], bool(fits.loc[0, "beta"] > 0.5)
    ('ok', True)
    """
    _check_options(ties, se, cluster, method, interval)
    check_confidence(confidence)
    inputs = read_cox_inputs(
        duration,
        event,
        scores,
        covariates,
        entry=entry,
        strata=strata,
        cluster=cluster,
        weights=weights,
    )
    rows = FitRows(inputs.scores.names)
    profiles: dict[int, tuple[float, float, float]] = {}
    with one_blas_thread():
        for batch, problem in inputs.problems(
            ties=ties,
            se=se,
            min_events_per_parameter=min_events_per_parameter,
            threads=threads,
        ):
            first = problem.penalised() if method == "firth" else problem
            fit_batch(rows, batch, first, nobody=inputs.nobody)
            monotone = (
                _fit_monotone(rows, batch, problem) if method == "auto" and se == "model" else []
            )
            if interval == "profile":
                penalised = batch.positions if method == "firth" else monotone
                profiles |= profile_columns(rows, batch, problem, penalised, confidence)
    table = rows.table(confidence=confidence, conventions=_conventions(ties, se, method, interval))
    for position, (low, high, log10_p) in profiles.items():
        numbers = [low, high, 10.0**log10_p, log10_p]
        table.loc[position, ["ci_low", "ci_high", "p_value", "log10_p"]] = numbers
    return table


def _fit_monotone(rows: FitRows, batch: Batch, problem: CoxProblem) -> list[int]:
    """Fit by Firth's method what has no finite maximum; give the positions."""
    places = [
        place
        for place, position in enumerate(batch.positions)
        if rows.status[position] == problem.infinite_status
    ]
    if not places:
        return []
    positions = [batch.positions[place] for place in places]
    why = [rows.reason[position] for position in positions]
    part = Batch(tuple(positions), batch.rows, np.ascontiguousarray(batch.values[:, places]))
    fit_batch(rows, part, problem.penalised(), nobody="")
    for position, reason in zip(positions, why, strict=True):
        if rows.status[position] == "ok":
            rows.status[position], rows.reason[position] = "firth", reason
    return positions


def _check_options(ties: str, se: str, cluster: Labels | None, method: str, interval: str) -> None:
    check_ties(ties)
    for name, value, known in (
        ("se", se, get_args(CoxErrors)),
        ("method", method, get_args(CoxMethod)),
        ("interval", interval, get_args(CoxInterval)),
    ):
        if value not in known:
            raise UsageError(f"{name} is {value!r}: it must be one of {known}")
    if se != "model" and (method == "firth" or interval == "profile"):
        chosen = "method='firth'" if method == "firth" else "interval='profile'"
        raise UsageError(f"{chosen} goes with se='model', and se is {se!r}")
    check_cluster(se, cluster)


def _conventions(ties: str, se: str, method: str, interval: str) -> dict[str, str | float]:
    is_wald = interval == "wald"
    return {
        "model": "cox",
        "method": METHOD_NOTES[method],
        "ties": ties,
        "near_ties": "merged as R's timefix",
        "time_tolerance": TIME_TOLERANCE,
        "log_likelihood": "partial",
        "se": se,
        "se_definition": ERROR_NOTES[se],
        "interval": "Wald" if is_wald else "profile likelihood",
        "p_value": "two-sided Wald, normal" if is_wald else "likelihood ratio, chi-square",
        "step_tolerance": STEP_TOLERANCE,
        "missing": "complete cases of each score",
    }
