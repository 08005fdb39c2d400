"""Fit one Cox model and keep what can be asked of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import gammaincc

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.cox_fitted import Fitted, score_residuals, to_coefficients
from pgs_trd.models.cox_likelihood import CoxLikelihood
from pgs_trd.models.cox_model import CoxModel
from pgs_trd.models.cox_problem import (
    CoxErrors,
    CoxInputs,
    CoxProblem,
    Ties,
    check_ties,
    read_cox_inputs,
)
from pgs_trd.models.design import null_design
from pgs_trd.models.fitting import sum_by_cluster
from pgs_trd.models.inputs import Labels, Matrix, Vector, check_cluster
from pgs_trd.models.newton import maximise
from pgs_trd.models.wald import check_confidence, wald_columns


def fit_cox_model(
    duration: Vector,
    event: Vector,
    columns: Matrix,
    *,
    entry: Vector | None = None,
    strata: Labels | None = None,
    ties: Ties = "efron",
    se: CoxErrors = "model",
    cluster: Labels | None = None,
    weights: Vector | None = None,
    confidence: float = 0.95,
) -> CoxModel:
    """Fit one Cox model and keep everything that can be asked of it.

    For many scores use `fit_cox`, which gives the coefficient of each score only.

    Parameters
    ----------
    duration, event, entry, strata, ties, se, cluster, weights, confidence
        As in `fit_cox`.
    columns : (n_people, n_columns)
        All columns of the model. Text becomes dummies, see `encode_covariates`.

    Returns
    -------
    model
        Firth's fit, said in `status`, where the likelihood is monotone and `se` is
        "model".

    Raises
    ------
    UsageError, ModelDataError
        As `fit_cox`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> columns = pd.DataFrame({"mdd": rng.normal(size=500), "sex": rng.integers(0, 2, 500)})
    >>> time = rng.exponential(np.exp(-columns["mdd"]))
    >>> model = fit_cox_model(np.minimum(time, 1), time < 1, columns)
    >>> model.status, bool(model.concordance().value > 0.65)
    ('ok', True)
    """
    check_ties(ties)
    check_cluster(se, cluster)
    check_confidence(confidence)
    inputs = read_cox_inputs(
        duration,
        event,
        None,
        columns,
        entry=entry,
        strata=strata,
        cluster=cluster,
        weights=weights,
    )
    rows = np.flatnonzero(inputs.usable)
    rows = rows[inputs.order_of(rows)]
    problem = inputs.problem(rows, ties=ties, se=se, threads=1)
    fault = ("no_complete_cases", inputs.nobody) if not len(rows) else problem.fault()
    if not fault and not inputs.names:
        raise UsageError("columns has no column: there is nothing to fit")
    if fault:
        return _failed(inputs, problem, *fault)
    labels = _stratum_labels(strata)
    index = columns.index if isinstance(columns, pd.DataFrame | pd.Series) else None
    index = pd.RangeIndex(len(inputs.duration)) if index is None else index
    return _climb(inputs, problem, rows, labels, index, confidence)


def _climb(
    inputs: CoxInputs,
    problem: CoxProblem,
    rows: IntArray,
    labels: pd.Index,
    index: pd.Index,
    confidence: float,
) -> CoxModel:
    status, reason = "ok", ""
    while True:
        likelihood = problem.likelihood(null_design(problem.basis.columns))
        with np.errstate(all="ignore"):  # far out numbers overflow; the ending says so
            top = maximise(
                likelihood,
                np.zeros((1, len(inputs.names))),
                step_tolerance=problem.step_tolerance,
                max_iterations=problem.max_iterations,
                exact_after=problem.exact_after,
            )
        if top.ending[0] == "converged" and _is_definite(top.at_end.information[0]):
            break
        if top.ending[0] == "diverging":
            culprit = problem.basis.describe_direction(top.direction[0])
            status, reason = "monotone_likelihood", f"{culprit} {problem.infinite_reason}"
        else:
            status, reason = "not_converged", f"after {top.iterations[0]} Newton steps"
        if problem.is_firth or problem.is_robust or status == "not_converged":
            return _failed(inputs, problem, status, reason, int(top.iterations[0]))
        problem, status = problem.penalised(), "firth"
    fitted = Fitted(inputs, problem, likelihood, rows, top.beta[0], labels, index)
    inverse = np.linalg.inv(problem.basis.triangle)
    covariance = inverse @ np.linalg.inv(top.at_end.information[0]) @ inverse.T
    beta = inverse @ top.beta[0]
    tests = _overall_tests(likelihood, top.at_end.log_likelihood[0], beta, covariance)
    if problem.is_robust:
        moved = to_coefficients(fitted, score_residuals(likelihood, top.beta[0]))
        if problem.clusters is not None:
            moved = sum_by_cluster(moved, problem.clusters)
        covariance = moved.T @ moved
    names = list(inputs.names)
    se = np.sqrt(np.diag(covariance))
    zero = likelihood.evaluate(np.zeros((1, len(names))), np.zeros(1, int))
    shift = problem.basis.log_volume if problem.is_firth else 0.0
    return CoxModel(
        coefficients=pd.DataFrame({"term": names, **wald_columns(beta, se, confidence=confidence)}),
        covariance=pd.DataFrame(covariance, index=names, columns=names),
        tests=tests,
        log_likelihood=float(top.at_end.log_likelihood[0] + shift),
        log_likelihood_null=float(zero.log_likelihood[0] + shift),
        n=len(rows),
        n_events=problem.n_events,
        iterations=int(top.iterations[0]),
        status=status,
        reason=reason,
        _fitted=fitted,
    )


def _overall_tests(
    likelihood: CoxLikelihood, value: float, beta: FloatArray, covariance: FloatArray
) -> pd.DataFrame:
    """Test all coefficients at once, with the model-based covariance."""
    zero = likelihood.evaluate(np.zeros((1, len(beta))), np.zeros(1, int))
    slope, curvature = zero.gradient[0], zero.information[0]
    chi2 = np.array(
        [
            2 * (value - zero.log_likelihood[0]),
            beta @ np.linalg.solve(covariance, beta),
            slope @ np.linalg.solve(curvature, slope),
        ]
    )
    return pd.DataFrame(
        {
            "test": ["likelihood ratio", "wald", "score"],
            "chi2": chi2,
            "df": len(beta),
            "p_value": gammaincc(len(beta) / 2, chi2 / 2),
        }
    )


def _failed(
    inputs: CoxInputs, problem: CoxProblem, status: str, reason: str, n_steps: int = 0
) -> CoxModel:
    names = list(inputs.names)
    nothing = np.full(len(names), np.nan)
    return CoxModel(
        coefficients=pd.DataFrame(
            {"term": names, **wald_columns(nothing, nothing, confidence=0.95)}
        ),
        covariance=pd.DataFrame(np.nan, index=names, columns=names),
        tests=pd.DataFrame(
            {
                "test": ["likelihood ratio", "wald", "score"],
                "chi2": np.nan,
                "df": len(names),
                "p_value": np.nan,
            }
        ),
        log_likelihood=np.nan,
        log_likelihood_null=np.nan,
        n=len(problem.event),
        n_events=problem.n_events,
        iterations=n_steps,
        status=status,
        reason=reason,
        _fitted=None,
    )


def _stratum_labels(strata: Labels | None) -> pd.Index:
    if strata is None:
        return pd.Index([None], dtype=object)
    labels: pd.Index = pd.Index(
        pd.factorize(pd.Series(strata).reset_index(drop=True), sort=True)[1]
    )
    return labels


def _is_definite(information: FloatArray) -> bool:
    """Say whether the information has an inverse that is a covariance."""
    return bool(np.linalg.eigvalsh(information)[0] > 0)
