"""Firth against maximum likelihood where events are few."""

from __future__ import annotations

import numpy as np
import pandas as pd
from draws import DAYS
from scipy.special import expit

from pgs_trd import models

TRUTH = 1.0
METHODS = ("ml", "firth")


def _score_and_sex(rng: np.random.Generator, n_people: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal(n_people), rng.integers(0, 2, n_people).astype(float)


def one_logistic(rng: np.random.Generator) -> pd.DataFrame:
    """Give both estimates of one study of about 20 cases among 200 people."""
    score, sex = _score_and_sex(rng, 200)
    outcome = (rng.random(200) < expit(-2.85 + TRUTH * score + 0.5 * sex)).astype(float)
    parts = [models.fit_logistic(outcome, score, sex, method=method) for method in METHODS]
    return pd.concat(parts).assign(method=METHODS)


def one_cox(rng: np.random.Generator) -> pd.DataFrame:
    """Give both estimates of one study of about 20 events among 100 people."""
    score, sex = _score_and_sex(rng, 100)
    days = rng.exponential(DAYS / np.exp(TRUTH * score + 0.5 * sex))
    event = (days <= 125.0).astype(float)
    parts = [
        models.fit_cox(np.minimum(days, 125.0), event, score, sex, method=method)
        for method in METHODS
    ]
    return pd.concat(parts).assign(method=METHODS)


def compare(rng: np.random.Generator, n_replicates: int) -> pd.DataFrame:
    """Tabulate bias, spread and coverage of both methods over the same studies.

    Maximum likelihood has no estimate under separation; its numbers are over the studies
    where it has one, `n_infinite` counts the others. `bias_together` is over the studies in
    which both have one, for both.
    """
    rows = []
    for model, draw in (("logistic", one_logistic), ("Cox", one_cox)):
        fits = pd.concat([draw(rng).assign(study=k) for k in range(n_replicates)])
        has_both = fits["beta"].notna().groupby(fits["study"]).all()
        together = has_both.index[has_both]
        for method, some in fits.groupby("method", sort=False):
            found = some[some["beta"].notna()]
            covered = (found["ci_low"] <= TRUTH) & (found["ci_high"] >= TRUTH)
            rows.append(
                {
                    "model": model,
                    "method": method,
                    "n": len(some),
                    "mean_events": some["n_events"].mean(),
                    "n_infinite": len(some) - len(found),
                    "bias": found["beta"].mean() - TRUTH,
                    "bias_error": found["beta"].std() / np.sqrt(len(found)),
                    "bias_together": some.loc[some["study"].isin(together), "beta"].mean() - TRUTH,
                    "rmse": float(np.sqrt(np.mean((found["beta"] - TRUTH) ** 2))),
                    "coverage": covered.mean(),
                }
            )
    return pd.DataFrame(rows)
