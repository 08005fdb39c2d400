"""Inputs that break fits elsewhere: each fit answers each with the right status."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from statsmodels.duration.hazard_regression import PHReg

from pgs_trd import models
from pgs_trd.errors import UsageError

N = 120


@dataclass(frozen=True)
class Sample:
    """What a fit of any kind needs."""

    score: pd.DataFrame
    covariates: pd.DataFrame
    outcome: np.ndarray
    duration: np.ndarray
    event: np.ndarray
    strata: np.ndarray | None = None


def _plain() -> Sample:
    rng = np.random.default_rng(12)
    score = pd.DataFrame({"score": rng.standard_normal(N)})
    return Sample(
        score,
        pd.DataFrame({"age": rng.standard_normal(N)}),
        (rng.random(N) < 1 / (1 + np.exp(0.5 - score["score"]))).astype(float),
        np.ceil(rng.exponential(100, N)),
        (rng.random(N) < 0.6).astype(float),
    )


def _heavy_tails(seed: int = 5) -> Sample:
    """Give a covariate over ten or more orders of magnitude, both signs."""
    sample = _plain()
    tail = np.tan(np.pi * (np.random.default_rng(seed).random(N) - 0.5)) ** 3
    return replace(sample, covariates=sample.covariates.assign(heavy=tail))


def _separated() -> Sample:
    """Everybody above 0 has the outcome and the event, nobody below has."""
    sample = _plain()
    above = (sample.score["score"] > 0).to_numpy().astype(float)
    return replace(sample, score=pd.DataFrame({"score": above}), outcome=above, event=above)


def _site_without_events() -> Sample:
    """Give a dummy covariate whose people have no event."""
    sample = _plain()
    site = np.arange(N) < N // 4
    event, outcome = np.where(site, 0.0, sample.event), np.where(site, 0.0, sample.outcome)
    covariates = sample.covariates.assign(site=site.astype(float))
    return replace(sample, covariates=covariates, event=event, outcome=outcome)


def _stratum_without_events() -> Sample:
    sample = _plain()
    strata = np.arange(N) % 4
    return replace(sample, strata=strata, event=np.where(strata == 0, 0.0, sample.event))


def _tied_times() -> Sample:
    return replace(_plain(), duration=np.full(N, 5.0))


def _tied_score() -> Sample:
    return replace(_plain(), score=pd.DataFrame({"score": np.full(N, 0.3)}))


def _no_events() -> Sample:
    return replace(_plain(), outcome=np.zeros(N), event=np.zeros(N))


def _everybody() -> Sample:
    return replace(_plain(), outcome=np.ones(N), event=np.ones(N))


def _nobody() -> Sample:
    return replace(_plain(), score=pd.DataFrame({"score": np.full(N, np.nan)}))


SAMPLES = {
    function.__name__.lstrip("_"): function
    for function in (
        _heavy_tails,
        _separated,
        _site_without_events,
        _stratum_without_events,
        _tied_times,
        _tied_score,
        _no_events,
        _everybody,
        _nobody,
    )
}


def _logistic(**options):
    return lambda s: models.fit_logistic(s.outcome, s.score, s.covariates, **options)


def _cox(fit=models.fit_cox, **options):
    return lambda s: fit(s.duration, s.event, s.score, s.covariates, strata=s.strata, **options)


OUTCOME_FITS = {
    "logistic": _logistic(),
    "logistic_ml": _logistic(method="ml"),
    "logistic_firth": _logistic(method="firth"),
    "logistic_robust": _logistic(se="HC0"),
    "logistic_profile": _logistic(interval="profile"),
    "ordinal": lambda s: models.fit_ordinal(s.outcome, s.score, s.covariates),
    "poisson": lambda s: models.fit_poisson(s.outcome, s.score, s.covariates),
    "misclassified": lambda s: models.fit_misclassified(
        s.outcome, s.score, s.covariates, ppv=[0.95], npv=[0.98]
    ),
}
TIME_FITS = {
    "cox": _cox(),
    "cox_ml": _cox(method="ml"),
    "cox_breslow": _cox(ties="breslow"),
    "cox_robust": _cox(se="robust"),
    "cox_profile": _cox(interval="profile"),
    "cox_log_time": _cox(models.fit_cox_log_time),
    "cox_periods": _cox(models.fit_cox_periods, cuts=[60.0]),
    "ph_test": _cox(models.ph_test),
    "fine_gray": lambda s: models.fit_fine_gray(s.duration, s.event, s.score, s.covariates),
}
FITS = OUTCOME_FITS | TIME_FITS

# By sample: the status of all fits, and of those that differ.
EXPECTED: dict[str, dict[str, str]] = {
    "heavy_tails": {"": "ok"},
    "separated": {
        **dict.fromkeys(OUTCOME_FITS, "separation"),
        "logistic": "firth",
        "logistic_firth": "ok",
        "logistic_profile": "firth",
        **dict.fromkeys(TIME_FITS, "monotone_likelihood"),
        "cox": "firth",
        "cox_breslow": "firth",
        "cox_profile": "firth",
        "cox_periods": "firth",
    },
    "site_without_events": {
        **dict.fromkeys(OUTCOME_FITS, "separation"),
        "logistic": "firth",
        "logistic_firth": "ok",
        "logistic_profile": "firth",
        **dict.fromkeys(TIME_FITS, "monotone_likelihood"),
        "cox": "firth",
        "cox_breslow": "firth",
        "cox_profile": "firth",
        "cox_periods": "firth",
    },
    "stratum_without_events": {"": "ok"},
    "tied_times": {
        "": "ok",
        "cox_log_time": "not_converged",
        "cox_periods": "collinear",
        "ph_test": "too_few_events",
    },
    "tied_score": {"": "constant_score", "cox_periods": "collinear"},
    "no_events": {"": "no_events"},
    "everybody": {
        **dict.fromkeys(OUTCOME_FITS, "no_nonevents"),
        "ordinal": "no_events",
        **dict.fromkeys(TIME_FITS, "ok"),
    },
    "nobody": {"": "no_complete_cases"},
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_fits__answer_hard_inputs_with_the_right_status(sample, fit):
    """Numbers stand where the status says so and nowhere else; nothing is raised or warned."""
    expected = EXPECTED[sample].get(fit, EXPECTED[sample].get(""))

    fits = FITS[fit](SAMPLES[sample]())

    assert fits["status"].unique().tolist() == [expected]
    numbers = fits[["chi2"] if fit == "ph_test" else ["beta", "se", "p_value"]]
    stands = expected in ("ok", "firth")
    assert np.isfinite(numbers.to_numpy()).all() if stands else numbers.isna().all(axis=None)
    assert stands or fits["reason"].str.len().min() > 0


@pytest.mark.parametrize("seed", range(8))
def test_fits__stand_whatever_the_tails(seed):
    """R converges on such columns. Labels that err make several peaks, and may get no number."""
    sample = _heavy_tails(seed)
    for name in FITS.keys() - {"misclassified"}:
        assert FITS[name](sample)["status"].unique().tolist() == ["ok"], name


def test_fit_multinomial__answers_hard_inputs_with_the_right_status():
    """It needs two classes, and says so by name where there is one."""

    def status(sample, outcome):
        fits = models.fit_multinomial(outcome, sample.score, sample.covariates, reference=0.0)
        return fits["status"].unique().tolist()

    third = np.arange(N) % 3.0
    assert status(_heavy_tails(), third) == ["ok"]
    assert status(_tied_score(), third) == ["constant_score"]
    assert status(_nobody(), third) == ["no_complete_cases"]
    assert status(_separated(), _separated().outcome) == ["separation"]
    with pytest.raises(UsageError, match="has 1 classes"):
        status(_no_events(), np.zeros(N))


def _standardised(sample: Sample) -> pd.DataFrame:
    columns = sample.covariates.join(sample.score)
    return (columns - columns.mean()) / columns.std()


def test_fit_logistic__of_heavy_tails_is_the_fit_of_standardised_columns():
    """Statsmodels on columns standardised by us; on the raw ones it has no answer."""
    sample = _heavy_tails()
    fits = models.fit_logistic(sample.outcome, sample.score, sample.covariates)
    design = _standardised(sample)
    exact = sm.Logit(sample.outcome, sm.add_constant(design)).fit(disp=0, tol=1e-13, maxiter=100)

    scale = sample.score["score"].std()
    assert_allclose(fits["beta"], exact.params["score"] / scale, rtol=1e-6)
    assert_allclose(fits["se"], exact.bse["score"] / scale, rtol=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_fit_cox__of_heavy_tails_is_the_fit_of_standardised_columns(ties):
    """Statsmodels' PHReg on columns standardised by us."""
    sample = _heavy_tails()
    fits = models.fit_cox(sample.duration, sample.event, sample.score, sample.covariates, ties=ties)
    design = _standardised(sample)
    exact = PHReg(sample.duration, design, status=sample.event, ties=ties).fit(disp=0)

    scale = sample.score["score"].std()
    assert_allclose(fits["beta"], exact.params[-1] / scale, rtol=1e-5)
    assert_allclose(fits["se"], exact.bse[-1] / scale, rtol=1e-5)


def test_fit_cox__a_stratum_without_events_says_nothing():
    """Its people are compared with nobody who has the event: leaving them out is the same."""
    sample = _stratum_without_events()
    kept = sample.strata != 0
    whole = models.fit_cox(
        sample.duration, sample.event, sample.score, sample.covariates, strata=sample.strata
    )
    without = models.fit_cox(
        sample.duration[kept],
        sample.event[kept],
        sample.score[kept],
        sample.covariates[kept],
        strata=sample.strata[kept],
    )
    assert_allclose(whole[["beta", "se"]], without[["beta", "se"]], rtol=1e-9)


@pytest.mark.parametrize(
    ("kind", "huge"),
    [(kind, huge) for kind in ("logistic", "ordinal", "multinomial") for huge in (1e3, 1e5, 1e7)]
    + [("cox", 1e3)],
)
def test_fits__one_value_far_out_does_not_hide_the_slope_of_the_others(kind, huge):
    """R's glm gives the slope of the others; we called it separation, and gave Firth's instead.

    The one far out is a case, as the slope of the others has it, and says no more.
    """
    rng = np.random.default_rng(30)
    n = 800
    score, age = rng.standard_normal(n), rng.standard_normal(n)
    level = np.digitize(0.5 * score + 0.3 * age + rng.logistic(size=n), [0.0, 1.0]).astype(float)
    days = rng.exponential(np.exp(-0.5 * score))
    level[0], days[0] = 2.0, 1e-6
    outcomes = {
        "logistic": lambda people: models.fit_logistic(level[people] > 0, *people_of(people)),
        "ordinal": lambda people: models.fit_ordinal(level[people], *people_of(people)),
        "multinomial": lambda people: models.fit_multinomial(
            level[people], *people_of(people), reference=0.0
        ),
        "cox": lambda people: models.fit_cox(
            days[people], np.ones(len(people)), *people_of(people)
        ),
    }

    def people_of(people):
        return pd.DataFrame({"score": far[people]}), pd.DataFrame({"age": age[people]})

    far = score.copy()
    far[0] = huge
    fits = outcomes[kind](np.arange(n))
    others = outcomes[kind](np.arange(1, n))

    assert (fits["status"] == "ok").all()
    # The square of what is far out takes digits from the information of the others.
    assert_allclose(fits[["beta", "se"]], others[["beta", "se"]], rtol=1e-5)
