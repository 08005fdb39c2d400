"""Covariances of estimates from each person's pull on them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.fitting import sum_by_cluster
from pgs_trd.models.logistic_likelihood import GlmLikelihood
from pgs_trd.models.profiles import Peaks

Errors: TypeAlias = Literal["model", "HC0", "HC1", "cluster"]
GlmErrors: TypeAlias = Literal["model", "HC0", "HC1", "HC3", "cluster"]

ROUNDING = 1e-8

ERROR_NOTES = {
    "model": "inverse Fisher information at the estimate",
    "HC0": "sandwich, no small-sample factor",
    "HC1": "sandwich times n / (n - coefficients)",
    "HC3": "sandwich of residuals over 1 - hat value",
    "cluster": "sandwich over cluster sums times clusters / (clusters - 1)",
}


def own_covariance(
    peaks: Peaks, n_shared: int, *, se: GlmErrors, clusters: IntArray | None
) -> FloatArray:
    """Give the covariances of the coefficients after the first `n_shared`, of the kind asked for.

    Returns
    -------
    covariance : (n_models, n_own, n_own)
        "HC3" divides each residual by 1 - hat value, nearly what it would be had the
        person not been in the fit [1]_: where few people carry much of the weight the
        others are too small.

    References
    ----------
    .. [1] Long and Ervin (2000) The American Statistician 54:217.
    """
    n_parameters = peaks.beta.shape[1]
    own = range(n_shared, n_parameters)
    if se == "model":
        return peaks.variance[:, n_shared:, n_shared:]
    pulls, factor = [], 1.0
    for row in own:
        influence = peaks.likelihood.influence(
            peaks.beta, peaks.models, np.ascontiguousarray(peaks.variance[:, row])
        )
        n_people = influence.shape[1]
        if clusters is not None:
            influence = sum_by_cluster(influence.T, clusters).T
            factor = influence.shape[1] / (influence.shape[1] - 1)
        elif se == "HC1":
            factor = n_people / (n_people - n_parameters)
        elif se == "HC3":
            assert isinstance(peaks.likelihood, GlmLikelihood)
            hat = peaks.likelihood.hat_values(peaks.beta, peaks.models, peaks.variance)
            # Who has a covariate alone is fitted exactly, and pulls at nothing else.
            is_alone = hat > 1 - ROUNDING
            influence = np.where(is_alone, 0.0, influence / np.where(is_alone, 1.0, 1 - hat))
        pulls.append(influence)
    covariance = [[np.einsum("kn,kn->k", one, other) for other in pulls] for one in pulls]
    return np.asarray(factor * np.moveaxis(np.array(covariance), 2, 0))
