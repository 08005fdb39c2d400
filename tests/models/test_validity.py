"""The studies of benchmarks/validity, small and with fixed seeds.

Bounds are the 99 % binomial interval around the nominal share: a seed that falls outside was
not looked for, and a wrong formula falls far outside.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom
from threadpoolctl import threadpool_limits

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks" / "validity"
N_NULLS = 400
N_STUDIES = 100
# By name: those whose p-value is not nominal at this size are left to benchmarks/validity.
EXACT = (
    "logistic, ML, Wald",
    "logistic, Firth, Wald",
    "logistic, HC1",
    "logistic, HC3",
    "logistic, families, cluster",
    "logistic, score x sex",
    "multinomial, equal effects",
    "ordinal",
    "Poisson, HC0",
    "Cox, Efron",
    "Cox, robust",
    "Cox, families, cluster",
    "Cox, late entry",
    "Cox, strata",
    "PH test, km",
    "Fine-Gray",
    "meta, fixed, tau = 0",
    "meta, Q, tau = 0",
    "meta, REML + Hartung-Knapp, strata alike",
    "selection weights",
    "shared controls, difference",
    "misclassified label",
    "score x 4 components, joint",
    "score x distance",
    "incidence slope",
)
COVERING = ("logistic, ML, Wald", "Poisson, HC0", "Cox, Efron", "Fine-Gray", "RMST difference")


@pytest.fixture(scope="module")
def studies() -> Iterator[SimpleNamespace]:
    """Import the modules of the benchmark, which stand beside its program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        names = ("nulls", "intervals", "small_samples")
        # Designs this small lose more to threads than they gain.
        with threadpool_limits(1):
            yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def _holds(share: float, n: int, nominal: float) -> bool:
    low, high = binom.interval(0.99, n, nominal)
    return low <= n * share <= high


@pytest.mark.parametrize("name", EXACT)
def test_estimators__reject_one_null_in_twenty(studies, name):
    """A wrong standard error or a wrong degree of freedom shows here first."""
    p_values = studies.nulls.NULLS[name](np.random.default_rng(11), N_NULLS)
    assert np.isfinite(p_values).all()
    assert _holds(np.mean(p_values < 0.05), N_NULLS, 0.05)


def test_estimators__the_bound_finds_errors_that_ignore_families(studies):
    """Copies of people make model-based errors too small: the same bound must say so."""
    p_values = studies.nulls.logistic_cluster("model")(np.random.default_rng(11), N_NULLS)
    assert not _holds(np.mean(p_values < 0.05), N_NULLS, 0.05)


@pytest.mark.parametrize("name", COVERING)
def test_estimators__cover_what_was_planted_and_are_not_biased(studies, name):
    """95 % intervals hold the truth as often as they say; the mean is within 4 errors."""
    estimator = studies.intervals.ESTIMATORS[name]
    rng = np.random.default_rng(12)
    found = np.array([estimator.estimate(rng) for _ in range(N_STUDIES)])
    beta, _, low, high = found.T

    assert _holds(np.mean((low <= estimator.truth) & (estimator.truth <= high)), N_STUDIES, 0.95)
    assert abs(beta.mean() - estimator.truth) < 4 * beta.std() / np.sqrt(N_STUDIES)


def test_firth__is_less_biased_than_maximum_likelihood_at_20_events(studies):
    """In the same studies, those where both are finite."""
    rng = np.random.default_rng(13)
    fits = [studies.small_samples.one_logistic(rng)["beta"].to_numpy() for _ in range(200)]
    ml, firth = np.array([pair for pair in fits if np.isfinite(pair).all()]).T
    truth = studies.small_samples.TRUTH

    assert np.mean(ml) - truth > 0.02
    assert abs(np.mean(firth) - truth) < np.mean(ml) - truth
