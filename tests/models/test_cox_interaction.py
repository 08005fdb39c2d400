"""Cox models of scores multiplied with covariates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.models.cox_interaction import fit_cox_interaction


def test_fit_cox_interaction__equals_r(r_model):
    """R's coxph(Surv(time, status) ~ age * sex) on lung: all three coefficients."""
    model = r_model("cox_lung", "lung_sexint")
    columns = model.columns
    product = next(name for name in columns if ":" in name)
    first, second = product.split(":")
    others = columns.drop(columns=[product, first])

    fits = fit_cox_interaction(
        model.table["time"],
        model.table["status"] == 2,
        columns[[first]],
        others,
        interaction=second,
    )

    expected = model.expected
    assert fits["term"].tolist() == [first, f"{first}:{second}"]
    assert_allclose(fits["beta"], [expected["coef"][t] for t in (first, product)], rtol=1e-8)
    assert_allclose(fits["se"], [expected["se"][t] for t in (first, product)], rtol=1e-8)


def test_fit_cox_interaction__each_row_has_numbers_or_a_reason():
    """A constant score and one without complete cases cost the others nothing."""
    rng = np.random.default_rng(3)
    n = 300
    scores = pd.DataFrame({"good": rng.normal(size=n), "flat": 2.0, "empty": np.full(n, np.nan)})
    sex = pd.DataFrame({"sex": rng.choice(["female", "male"], size=n)})
    time = rng.exponential(size=n)

    fits = fit_cox_interaction(time, time < 1, scores, sex, interaction="sex")
    few = fit_cox_interaction(
        time, time < 0.05, scores, sex, interaction="sex", min_events_per_parameter=10
    )

    status = fits.set_index("term")["status"]
    assert status["good"] == status["good:sex_male"] == "ok"
    assert status["flat"] == "constant_score"
    assert status["empty"] == "no_complete_cases"
    assert fits.loc[fits["status"] != "ok", "beta"].isna().all()
    assert few.loc[0, "status"] == "too_few_events"
    assert few.loc[0, "reason"] == f"{(time < 0.05).sum()} events, 3 coefficients"
    with pytest.raises(UsageError, match="interaction 'age' is no covariate"):
        fit_cox_interaction(time, time < 1, scores, sex, interaction="age")
