"""The basis of covariates and what it leaves of scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pgs_trd.models.design import build_basis, orthogonalise_scores


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("intercept", [True, False])
def test_orthogonalise_scores__leaves_residuals_of_a_regression(order, intercept):
    """However the scores lie in memory; BLAS writes only into arrays by rows."""
    rng = np.random.default_rng(2)
    covariates = rng.normal(size=(50, 3)) + np.array([5, 0, 0])
    scores = np.array(rng.normal(size=(50, 4)) + covariates[:, :1], order=order)
    scores[:, 3] = covariates[:, 1]
    kept = scores.copy()

    own = orthogonalise_scores(
        scores, build_basis(covariates, ("a", "b", "c"), intercept=intercept)
    )

    full = np.column_stack([np.ones(50), covariates])
    left = scores - full @ np.linalg.lstsq(full, scores, rcond=None)[0]
    assert own.status == ["ok", "ok", "ok", "collinear"]
    assert_allclose(own.columns[:, :3] * own.scale[:3], left[:, :3], atol=1e-12)
    assert_allclose(np.mean(own.columns[:, :3] ** 2, axis=0), 1, rtol=1e-12)
    assert_allclose(scores, kept, rtol=0)
