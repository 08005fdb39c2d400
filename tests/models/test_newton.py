"""The climb with true curvature, where the information given is not that of the likelihood."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit

from pgs_trd.models import fit_logistic
from pgs_trd.models.newton import Evaluation, maximise


class Crooked:
    """-(x - 1)' A (x - 1) / 2 - sum (x - 1)^4, with an information that is far too large."""

    curvature = np.array([[2.0, 0.9], [0.9, 1.0]])

    def evaluate(self, beta, models):
        away = beta - 1.0
        value = -0.5 * np.einsum("ij,jk,ik->i", away, self.curvature, away) - (away**4).sum(axis=1)
        gradient = -away @ self.curvature - 4 * away**3
        return Evaluation(value, gradient, np.tile(1000 * np.eye(2), (len(models), 1, 1)))


@pytest.mark.parametrize(("exact_after", "ending"), [(0, "not_converged"), (5, "converged")])
def test_maximise__goes_on_with_the_true_curvature(exact_after, ending):
    """Steps of a thousandth of the way never settle; the true curvature ends it at once."""
    top = maximise(
        Crooked(), np.array([[-3.0, 4.0], [1.0, 1.0]]), step_tolerance=1e-11, max_iterations=40,
        exact_after=exact_after,
    )  # fmt: skip

    assert top.ending == [ending, "converged"]
    if exact_after:
        assert_allclose(top.beta, 1.0, atol=1e-12)
        assert top.iterations[0] < 25


@pytest.mark.parametrize("seed", [4, 9])
def test_fit_logistic__firth_converges_with_a_heavy_tailed_covariate(seed):
    """At the maximum of the penalised likelihood, as a general optimiser finds it."""
    rng = np.random.default_rng(seed)
    n = 120
    score, heavy = rng.normal(size=n), np.exp(4 * rng.normal(size=n))
    outcome = (rng.random(n) < expit(score)).astype(float)

    fit = fit_logistic(
        outcome, pd.DataFrame({"s": score}), pd.DataFrame({"h": heavy}), method="firth"
    ).iloc[0]

    design = np.column_stack([np.ones(n), heavy / heavy.max(), score])

    def penalised(beta):
        eta = design @ beta
        mean = expit(eta)
        information = (design.T * (mean * (1 - mean))) @ design
        plain = outcome @ eta - np.logaddexp(0, eta).sum()
        return -plain - 0.5 * np.linalg.slogdet(information)[1]

    best = minimize(penalised, [0.0, 0.0, fit["beta"]], method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000})  # fmt: skip
    assert fit["status"] == "ok"
    assert_allclose(fit["beta"], best.x[2], rtol=1e-5)
