"""Estimates corrected for labels that err: by hand, by another program, and in simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, logit

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import fit_logistic
from pgs_trd.models.misclassification import fit_misclassified, misclassification_grid


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Draw 4,000 people with a true outcome and a label of sensitivity 0.8, specificity 0.9."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.standard_normal((4000, 3)), columns=["score", "other", "age"])
    truth = rng.random(4000) < expit(-1 + 0.8 * table["score"] + 0.5 * table["age"])
    erring = rng.random(4000)
    label = np.where(truth, erring < 0.8, erring < 0.1)
    return table.assign(truth=truth.astype(float), label=label.astype(float))


def _rates(people: pd.DataFrame) -> dict[str, list[float]]:
    """Give the PPV and NPV that the labels have."""
    right = people["truth"] == people["label"]
    is_case = people["label"] == 1
    return {"ppv": [float(right[is_case].mean())], "npv": [float(right[~is_case].mean())]}


def test_misclassification_grid__divides_by_ppv_and_npv_less_one():
    """0.06 / 0.6 = 0.1 and 0.02 / 0.6; the z and so the p-value stay."""
    found = pd.DataFrame({"score": ["a", "b"], "beta": [0.06, -0.3], "se": [0.02, 0.1]})

    grid = misclassification_grid(found, ppv=[0.7, 1.0], npv=[0.9, 1.0])

    assert list(zip(grid["ppv"], grid["npv"], strict=True))[::2] == [
        (0.7, 0.9), (0.7, 1.0), (1.0, 0.9), (1.0, 1.0),
    ]  # fmt: skip
    assert_allclose(grid.loc[:1, "beta"], [0.1, -0.5], rtol=1e-12)
    assert_allclose(grid.loc[:1, "se"], [0.02 / 0.6, 0.1 / 0.6], rtol=1e-12)
    assert_allclose(grid.loc[:1, "ci_low"], grid["beta"][:2] - 1.959963984540054 * grid["se"][:2])
    assert grid.groupby("score")["p_value"].agg(np.ptp).max() < 1e-12
    assert_allclose(grid["beta"][-2:], found["beta"], rtol=1e-12)


def test_misclassification_grid__rows_that_do_not_stand_get_no_numbers():
    """A corrected number of a fit that failed would look like a finding."""
    found = pd.DataFrame({"beta": [0.1, 0.1], "se": [0.1, 0.1], "status": ["ok", "too_few_events"]})
    grid = misclassification_grid(found, ppv=[0.9], npv=[0.9])
    assert grid["beta"].notna().tolist() == [True, False]
    assert grid["p_value"].notna().tolist() == [True, False]


def test_misclassification_grid__is_the_first_order_of_the_likelihood():
    """A weak score in a large sample: within 2 % of the maximum likelihood estimate."""
    rng = np.random.default_rng(4)
    score = rng.standard_normal(100_000)
    truth = rng.random(100_000) < expit(-1.4 + 0.1 * score)
    label = np.where(truth, rng.random(100_000) < 0.8, rng.random(100_000) < 0.05).astype(float)
    rates = _rates(pd.DataFrame({"truth": truth.astype(float), "label": label}))

    exact = fit_misclassified(label, score, **rates)
    near = misclassification_grid(fit_logistic(label, score), **rates)

    assert_allclose(near[["beta", "se"]], exact[["beta", "se"]], rtol=0.02)


@pytest.mark.parametrize(
    ("ppv", "npv", "message"),
    [
        ([0.4], [0.6], "ppv 0.4 and npv 0.6 add up"),
        ([90.0], [0.9], r"ppv is \[90.0\]"),
        ([0.9], [-0.1], r"npv is \[-0.1\]"),
        ([], [0.9], r"ppv is \[\]"),
    ],
)
def test_misclassification__rates_that_cannot_be_are_refused(ppv, npv, message):
    """A label no better than chance would divide by zero or turn the sign."""
    found = pd.DataFrame({"beta": [0.1], "se": [0.1]})
    with pytest.raises(UsageError, match=message):
        misclassification_grid(found, ppv=ppv, npv=npv)
    with pytest.raises(UsageError, match=message):
        fit_misclassified([0.0, 1.0], [0.5, 1.0], ppv=ppv, npv=npv)


def test_misclassification_grid__names_the_column_that_lacks():
    """Odds ratios in place of log odds have another name."""
    with pytest.raises(DataError, match="no column 'beta'"):
        misclassification_grid(pd.DataFrame({"or": [1.1], "se": [0.1]}), ppv=[0.9], npv=[0.9])


def test_fit_misclassified__without_errors_is_the_logistic_fit(people):
    """PPV and NPV of 1 leave nothing to correct."""
    scores, covariates = people[["score", "other"]], people[["age"]]
    plain = fit_logistic(people["label"], scores, covariates)

    fits = fit_misclassified(people["label"], scores, covariates, ppv=[1.0], npv=[1.0])

    names = ["beta", "se", "ci_low", "ci_high", "p_value", "log10_p", "log_likelihood"]
    assert_allclose(fits[names], plain[names], rtol=1e-7)
    assert fits[["n", "n_events"]].equals(plain[["n", "n_events"]])
    assert_allclose(fits[["sensitivity", "specificity"]], 1.0)


def test_fit_misclassified__of_a_binary_score_is_the_matrix_method():
    """A saturated model by hand: each group's share is corrected by itself, then its error."""
    counts = np.array([[300, 60], [150, 90]])  # rows: score 0 and 1; labels 0 and 1
    score = np.repeat([0.0, 1.0], counts.sum(axis=1))
    label = np.concatenate([np.repeat([0.0, 1.0], row) for row in counts])
    ppv, npv = 0.85, 0.95
    share = counts[:, 1].sum() / counts.sum()
    truth = ppv * share + (1 - npv) * (1 - share)
    sensitivity, specificity = ppv * share / truth, npv * (1 - share) / (1 - truth)
    observed = counts[:, 1] / counts.sum(axis=1)
    span = sensitivity + specificity - 1
    corrected = (observed - (1 - specificity)) / span
    variance = observed * (1 - observed) / counts.sum(axis=1) / span**2
    variance = variance / (corrected * (1 - corrected)) ** 2

    fits = fit_misclassified(label, score, ppv=[ppv], npv=[npv])

    assert_allclose(fits["beta"], np.diff(logit(corrected)), rtol=1e-8)
    assert_allclose(fits["se"], np.sqrt(variance.sum()), rtol=1e-8)
    assert_allclose(fits["sensitivity"], sensitivity, rtol=1e-12)
    assert_allclose(fits["specificity"], specificity, rtol=1e-12)


def test_fit_misclassified__is_the_maximum_that_scipy_finds(people):
    """The likelihood written once more, climbed by another method."""
    fits = fit_misclassified(
        people["label"], people[["score"]], people[["age"]], ppv=[0.8], npv=[0.92]
    )
    sensitivity, specificity = fits.loc[0, ["sensitivity", "specificity"]].astype(float)
    design = np.column_stack([np.ones(len(people)), people["age"], people["score"]])
    label = people["label"].to_numpy()

    def negative(beta):
        chance = (1 - specificity) + (sensitivity + specificity - 1) * expit(design @ beta)
        return -np.sum(label * np.log(chance) + (1 - label) * np.log1p(-chance))

    top = minimize(negative, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9,
        "fatol": 1e-11, "maxiter": 5000, "maxfev": 5000})  # fmt: skip

    assert_allclose(fits["beta"], top.x[2], rtol=1e-6)
    assert_allclose(fits["log_likelihood"], -top.fun, rtol=1e-12)


def test_fit_misclassified__recovers_what_the_labels_hide(people):
    """The label shows a smaller effect; the corrected interval holds the planted 0.8."""
    naive = fit_logistic(people["label"], people[["score"]], people[["age"]])
    fits = fit_misclassified(people["label"], people[["score"]], people[["age"]], **_rates(people))

    assert naive.loc[0, "ci_high"] < 0.8
    assert fits.loc[0, "ci_low"] < 0.8 < fits.loc[0, "ci_high"]
    assert fits.loc[0, "sensitivity"] == pytest.approx(0.8, abs=0.03)
    assert fits.loc[0, "specificity"] == pytest.approx(0.9, abs=0.02)


def test_fit_misclassified__gives_each_score_its_pairs_and_its_own_people(people):
    """Scores keep their order, pairs theirs; a missing score leaves its people out."""
    scores = people[["other", "score"]].copy()
    scores.loc[:999, "score"] = np.nan
    fits = fit_misclassified(people["label"], scores, ppv=[0.8, 1.0], npv=[0.9])

    assert fits["score"].tolist() == ["other", "other", "score", "score"]
    assert fits["ppv"].tolist() == [0.8, 1.0, 0.8, 1.0]
    assert fits["n"].tolist() == [4000, 4000, 3000, 3000]


def test_fit_misclassified__what_cannot_be_fitted_has_its_status(people):
    """A status each and no number."""
    few = people[:200].assign(flat=1.0, gone=np.nan, copy=people["age"], perfect=people["label"])
    scores = few[["flat", "gone", "copy", "perfect"]]
    rates = {"ppv": [1.0], "npv": [1.0]}
    fits = fit_misclassified(few["label"], scores, few[["age"]], **rates)
    nobody = fit_misclassified(np.zeros(200), few[["score"]], **rates)
    everybody = fit_misclassified(np.ones(200), few[["score"]], **rates)
    repeated = fit_misclassified(
        few["label"], few[["score"]], few[["age"]].assign(age2=few["age"]), **rates
    )
    tiny = fit_misclassified([0.0, 1.0], [0.5, 1.0], ppv=[0.9], npv=[0.9])

    assert fits["status"].tolist() == [
        "constant_score", "no_complete_cases", "collinear", "separation",
    ]  # fmt: skip
    others = pd.concat([nobody, everybody, repeated, tiny])
    assert others["status"].tolist() == [
        "no_events", "no_nonevents", "collinear", "too_few_people",
    ]  # fmt: skip
    assert pd.concat([fits, others])[["beta", "se", "p_value"]].isna().all(axis=None)


@pytest.mark.parametrize("label_of_it", [0.0, 1.0])
@pytest.mark.parametrize("npv", [0.9, 1.0])
def test_fit_misclassified__one_huge_value_does_not_lose_the_others(label_of_it, npv):
    """A label that errs says next to nothing of a case far out: the fit is that of the rest."""
    rng = np.random.default_rng(8)
    score = rng.normal(size=2000)
    label = (rng.random(2000) < 1 / (1 + np.exp(1 - 0.5 * score))).astype(float)
    score[0], label[0] = 1e6, label_of_it
    rates = {"ppv": [0.9], "npv": [npv]}

    fits = fit_misclassified(label, pd.DataFrame({"s": score}), **rates)
    rest = fit_misclassified(label[1:], pd.DataFrame({"s": score[1:]}), **rates)

    if label_of_it == 0 and npv == 1:  # a case is never labelled 0: at odds with the rest
        assert fits.loc[0, "status"] == "not_converged"
    else:
        assert_allclose(fits[["beta", "se"]], rest[["beta", "se"]], rtol=0.02)


def test_misclassification_grid__refuses_an_infinite_estimate():
    """It would have p = 0 at every pair of rates."""
    with pytest.raises(DataError, match="estimates: beta: 1 of 2 values are infinite"):
        misclassification_grid(
            pd.DataFrame({"beta": [np.inf, 0.1], "se": [0.1, 0.1]}), ppv=[0.9], npv=[1.0]
        )
