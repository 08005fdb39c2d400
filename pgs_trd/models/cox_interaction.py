"""Cox regression of scores that are multiplied with covariates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.cox import ERROR_NOTES
from pgs_trd.models.cox_model_fit import fit_cox_model
from pgs_trd.models.cox_problem import STEP_TOLERANCE, CoxErrors, Ties
from pgs_trd.models.inputs import (
    Labels,
    Matrix,
    People,
    Vector,
    read_covariates,
    read_modifiers,
    read_scores,
)
from pgs_trd.models.results import STANDING
from pgs_trd.models.risk_sets import TIME_TOLERANCE
from pgs_trd.models.term_rows import TermRows


def fit_cox_interaction(
    duration: Vector,
    event: Vector,
    scores: Matrix,
    covariates: Matrix,
    *,
    interaction: str | Sequence[str],
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    se: CoxErrors = "model",
    cluster: Labels | None = None,
    weights: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit the hazard on covariates, one score and its products with covariates.

    One model after the other, so slower than `fit_cox`.

    Parameters
    ----------
    duration, event, scores, covariates, entry, strata, ties, se, cluster, weights, confidence
        As in `fit_cox`; covariates hold what the scores are multiplied with.
    interaction
        Names of covariates, as given or once encoded.
    min_events_per_parameter
        Below this number of events per coefficient the rows have the status
        `too_few_events`. 0 asks for nothing.

    Returns
    -------
    fits
        Rows score x term, in the columns of `fit_cox` with `term` after `score`: the score
        (its effect where the covariates are 0) and each product. Intervals are Wald's;
        status "firth" is a penalised fit of a monotone likelihood.

    Raises
    ------
    UsageError, ModelDataError
        As `fit_cox`, and if what is named in `interaction` is no covariate.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=500)})
    >>> sex = pd.DataFrame({"sex": rng.integers(0, 2, 500)})
    >>> time = rng.exponential(np.exp(-scores["mdd"] * sex["sex"]))
    >>> fits = fit_cox_interaction(time, time < 1, scores, sex, interaction="sex")
    >>> fits["term"].tolist(), bool(fits.loc[1, "beta"] > 0.5)
    (['mdd', 'mdd:sex'], True)
    """
    people = People()
    columns = read_scores(people, scores)
    values, names = read_covariates(people, covariates)
    places = read_modifiers(interaction, names)
    labels = ("", *(f":{names[place]}" for place in places))
    rows = TermRows(columns.names, labels, "term", confidence)
    shared = pd.DataFrame(values, columns=list(names))
    for position, name in enumerate(columns.names):
        score = columns.block(position, position + 1)[:, 0]
        factors = [np.ones_like(score), *values[:, places].T]
        own = {f"{name}{label}": score * by for label, by in zip(labels, factors, strict=True)}
        model = fit_cox_model(
            np.asarray(duration),
            np.asarray(event),
            shared.assign(**own),
            entry=None if entry is None else np.asarray(entry),
            strata=None if strata is None else np.asarray(strata),
            ties=ties,
            se=se,
            cluster=None if cluster is None else np.asarray(cluster),
            weights=None if weights is None else np.asarray(weights),
            confidence=confidence,
        )
        rows.n[position], rows.n_events[position] = model.n, model.n_events
        rows.iterations[position] = model.iterations
        n_parameters = len(names) + len(labels)
        if model.n_events < min_events_per_parameter * n_parameters:
            reason = f"{model.n_events:,} events, {n_parameters} coefficients"
            rows.refuse(position, "too_few_events", reason)
        elif _is_constant(score, model.n):
            rows.refuse(position, "constant_score", "all people have the same score")
        elif model.status not in STANDING:
            rows.refuse(position, model.status, model.reason)
        else:
            wanted = model.coefficients.set_index("term").loc[list(own)]
            rows.accept(
                np.array([position]),
                wanted["beta"].to_numpy()[np.newaxis],
                wanted["se"].to_numpy()[np.newaxis],
                log_likelihood=np.array([model.log_likelihood]),
                status=model.status,
                reason=model.reason,
            )
    return rows.table(
        {
            "model": "cox",
            "method": "maximum partial likelihood; Firth where it is monotone",
            "ties": ties,
            "near_ties": "merged as R's timefix",
            "time_tolerance": TIME_TOLERANCE,
            "log_likelihood": "partial",
            "se": se,
            "se_definition": ERROR_NOTES[se],
            "interval": "Wald",
            "p_value": "two-sided Wald, normal",
            "step_tolerance": STEP_TOLERANCE,
            "missing": "complete cases of each score",
        }
    )


def _is_constant(score: FloatArray, n_complete: int) -> bool:
    """Say whether all present values are one; without complete cases that is not the reason."""
    present = score[~np.isnan(score)]
    return bool(n_complete and np.ptp(present) <= 1e-12 * np.max(np.abs(present)))
