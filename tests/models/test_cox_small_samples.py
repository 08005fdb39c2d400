"""Samples too small for their models: a status each, never an exception or a warning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgs_trd.models import fit_cox, fit_cox_log_time, fit_cox_model, ph_test


@pytest.mark.parametrize("seed", [16, 21, 31, 52, 80, 88, 92, 144])
def test_cox_family__has_a_status_for_every_small_sample(seed):
    """These seeds overflowed, were singular, or had a stratum without events."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    covariates = pd.DataFrame({"a": rng.integers(0, 2, n) * 1.0, "b": rng.normal(size=n)})
    scores = pd.DataFrame({"z": rng.normal(size=n), "i": rng.integers(0, 2, n) * 1.0})
    scores["m"] = scores["z"].where(rng.random(n) < 0.7)
    duration, event = rng.integers(1, 6, n) * 1.0, rng.random(n) < rng.random()
    strata = rng.integers(0, 3, n)

    fits = fit_cox(duration, event, scores, covariates, strata=strata)
    tests = ph_test(duration, event, scores, covariates, strata=strata)
    effects = fit_cox_log_time(duration, event, scores[["z"]], covariates, strata=strata)
    model = fit_cox_model(duration, event, covariates.join(scores["z"]), strata=strata)

    has_numbers = fits["status"].isin(["ok", "firth"])
    assert (fits[["beta", "se", "p_value"]].notna().all(axis=1) == has_numbers).all()
    assert (tests["chi2"].notna() == (tests["status"] == "ok")).all()
    assert (effects["beta"].notna() == (effects["status"] == "ok")).all()
    if model.status in ("ok", "firth"):
        curves = model.predict_survival(covariates.assign(z=0.0), [0.0, 1.0], stratum=strata[0])
        assert (curves.loc[curves["days"] == 0, "survival"] == 1).all()
