"""Coverage and bias: one study a replicate, a planted effect, an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from draws import draw_cases, draw_classes, draw_competing, draw_levels, draw_risks, draw_times
from scipy.special import ndtr

from pgs_trd import models

Rng = np.random.Generator
BETA = 0.3
# Estimate, standard error, and both ends of the 95 % interval.
Found = tuple[float, float, float, float]


@dataclass(frozen=True)
class Estimator:
    """What is planted, and how it is estimated from one draw."""

    truth: float
    estimate: Callable[[Rng], Found]


def _first(fits: pd.DataFrame, row: int = 0) -> Found:
    beta, se, low, high = fits.iloc[row][["beta", "se", "ci_low", "ci_high"]].astype(float)
    return beta, se, low, high


def logistic(copies: bool = False, **options) -> Estimator:
    def estimate(rng: Rng) -> Found:
        draw = draw_cases(rng, 500, 1, beta=BETA)
        if copies:
            draw = draw.in_copies(rng)
            options["cluster"] = draw.cluster
        return _first(models.fit_logistic(draw.outcome, draw.scores, draw.covariates, **options))

    return Estimator(BETA, estimate)


def multinomial(rng: Rng) -> Found:
    draw = draw_classes(rng, 500, 1, betas=(BETA, -BETA))
    fits = models.fit_multinomial(draw.outcome, draw.scores, draw.covariates, reference=0.0)
    return _first(fits)


def ordinal(**options) -> Estimator:
    def estimate(rng: Rng) -> Found:
        draw = draw_levels(rng, 500, 1, beta=BETA)
        return _first(models.fit_ordinal(draw.outcome, draw.scores, draw.covariates, **options))

    return Estimator(BETA, estimate)


def poisson(rng: Rng) -> Found:
    draw = draw_risks(rng, 1000, 1, beta=BETA)
    return _first(models.fit_poisson(draw.outcome, draw.scores, draw.covariates))


def cox(*, late: bool = False, copies: bool = False, **options) -> Estimator:
    def estimate(rng: Rng) -> Found:
        draw = draw_times(rng, 400, 1, beta=BETA, late=late)
        if copies:
            draw = draw.in_copies(rng)
            options["cluster"] = draw.cluster
        fits = models.fit_cox(
            draw.duration, draw.event, draw.scores, draw.covariates, entry=draw.entry, **options
        )
        return _first(fits)

    return Estimator(BETA, estimate)


def fine_gray(rng: Rng) -> Found:
    draw = draw_competing(rng, 500, 1, beta=BETA)
    return _first(models.fit_fine_gray(draw.duration, draw.event, draw.scores, draw.covariates))


def _plain_times(rng: Rng, n_people: int, mean: float) -> tuple[np.ndarray, np.ndarray]:
    days, censored = rng.exponential(mean, n_people), rng.uniform(300, 2000, n_people)
    return np.minimum(days, censored), (days <= censored).astype(float)


def restricted_mean(rng: Rng) -> Found:
    parts = [_plain_times(rng, 200, mean) for mean in (1000.0, 600.0)]
    duration, event = (np.concatenate(values) for values in zip(*parts, strict=True))
    groups = np.repeat(["slow", "fast"], 200)
    table = models.restricted_mean_difference(
        duration, event, groups, horizon=800.0, reference="slow"
    ).iloc[-1]
    return tuple(float(table[name]) for name in ("difference", "se", "ci_low", "ci_high"))


def _restricted_truth() -> float:
    means = [mean * (1 - np.exp(-800 / mean)) for mean in (1000.0, 600.0)]
    return means[1] - means[0]


def kaplan_meier(rng: Rng) -> Found:
    duration, event = _plain_times(rng, 150, 1000.0)
    row = models.survival_table(duration, event, days=[500.0]).iloc[-1]
    return tuple(float(row[name]) for name in ("survival", "se", "ci_low", "ci_high"))


def aalen_johansen(rng: Rng) -> Found:
    days, censored = rng.exponential(500.0, 300), rng.uniform(300, 2000, 300)
    cause = 1.0 + (rng.random(300) < 0.5)
    event = np.where(days <= censored, cause, 0.0)
    table = models.cumulative_incidence(np.minimum(days, censored), event, days=[500.0])
    row = table[table["cause"] == 1].iloc[-1]
    return tuple(float(row[name]) for name in ("incidence", "se", "ci_low", "ci_high"))


def area(rng: Rng) -> Found:
    """Estimate the area of a predictor 0.5 standard deviations higher in cases."""
    outcome = (rng.random(300) < 0.3).astype(float)
    row = models.auc(outcome, rng.standard_normal(300) + 0.5 * outcome).iloc[0]
    return tuple(float(row[name]) for name in ("auc", "se", "ci_low", "ci_high"))


def pooled(method: str, interval: str, ends: str = "ci", *, alike: bool = False) -> Estimator:
    """Pool 8 strata of mean 0.3 and spread 0.1; `ends` "prediction" for one more stratum."""
    smallest, largest = (0.1, 0.1) if alike else (0.05, 0.2)

    def estimate(rng: Rng) -> Found:
        se = np.exp(rng.uniform(np.log(smallest), np.log(largest), 8))
        table = pd.DataFrame({"test": 0, "beta": rng.normal(BETA, np.hypot(se, 0.1)), "se": se})
        row = models.meta_analyse(table, by=["test"], method=method, interval=interval).iloc[0]
        low, high = row[f"{ends}_low"], row[f"{ends}_high"]
        if ends == "prediction":
            # The next stratum's effect, moved so that the truth to be covered is BETA.
            low, high = np.array([low, high]) - rng.normal(0, 0.1)
        return float(row["beta"]), float(row["se"]), float(low), float(high)

    return Estimator(BETA, estimate)


def tau_squared(rng: Rng) -> Found:
    se = np.exp(rng.uniform(np.log(0.05), np.log(0.2), 8))
    table = pd.DataFrame({"test": 0, "beta": rng.normal(BETA, np.hypot(se, 0.1)), "se": se})
    row = models.meta_analyse(table, by=["test"], method="reml").iloc[0]
    return float(row["tau2"]), np.nan, float(row["tau2_low"]), float(row["tau2_high"])


def misclassified(rng: Rng) -> Found:
    draw = draw_cases(rng, 2000, 1, beta=BETA)
    truth = draw.outcome == 1
    label = np.where(truth, rng.random(2000) < 0.8, rng.random(2000) < 0.05)
    # The rates are those of the process: taken as known, not counted in this sample.
    share = RARE["case"]
    ppv = 0.8 * share / (0.8 * share + 0.05 * (1 - share))
    npv = 0.95 * (1 - share) / (0.95 * (1 - share) + 0.2 * share)
    fits = models.fit_misclassified(
        label.astype(float), draw.scores, draw.covariates, ppv=[ppv], npv=[npv]
    )
    return _first(fits)


def calibrated(rng: Rng) -> Found:
    se = rng.uniform(0.02, 0.2, 51)
    beta = rng.normal(0.1, np.hypot(0.1, se)) + np.where(np.arange(51) == 50, BETA, 0.0)
    table = pd.DataFrame({"beta": beta, "se": se})
    row = models.calibrate_estimates(table[50:], table[:50]).iloc[0]
    names = ("beta", "se", "ci_low", "ci_high")
    return tuple(float(row[f"calibrated_{name}"]) for name in names)


def along_distance(rng: Rng) -> Found:
    draw = draw_cases(rng, 1000, 1)
    distance = rng.uniform(0, 2, 1000)
    linear = -1 + 0.4 * draw.covariates["age"] + (0.5 - 0.2 * distance) * draw.scores["s0"]
    outcome = (rng.random(1000) < 1 / (1 + np.exp(-linear))).astype(float)
    covariates = draw.covariates.assign(distance=distance)
    effects = models.fit_along_distance(
        outcome, draw.scores, covariates, distance="distance", at=[1.0]
    )
    return _first(effects)


def _share_of_cases() -> float:
    """Give the share of cases of `draw_cases`, from many people."""
    return float(draw_cases(np.random.default_rng(0), 2_000_000, 1, beta=BETA).outcome.mean())


RARE = {"case": _share_of_cases()}

ESTIMATORS: Mapping[str, Estimator] = {
    "logistic, ML, Wald": logistic(method="ml"),
    "logistic, ML, profile": logistic(method="ml", interval="profile"),
    "logistic, Firth, Wald": logistic(method="firth"),
    "logistic, Firth, profile": logistic(method="firth", interval="profile"),
    "logistic, HC0": logistic(se="HC0"),
    "logistic, HC1": logistic(se="HC1"),
    "logistic, families, cluster": logistic(copies=True, se="cluster"),
    "multinomial": Estimator(BETA, multinomial),
    "ordinal": ordinal(),
    "ordinal, HC0": ordinal(se="HC0"),
    "Poisson, HC0": Estimator(BETA, poisson),
    "Cox, Efron": cox(),
    "Cox, Breslow": cox(ties="breslow"),
    "Cox, profile": cox(interval="profile"),
    "Cox, Firth": cox(method="firth"),
    "Cox, robust": cox(se="robust"),
    "Cox, families, cluster": cox(copies=True, se="cluster"),
    "Cox, late entry": cox(late=True),
    "Fine-Gray": Estimator(BETA, fine_gray),
    "RMST difference": Estimator(_restricted_truth(), restricted_mean),
    "Kaplan-Meier, log-log": Estimator(float(np.exp(-0.5)), kaplan_meier),
    "Aalen-Johansen": Estimator(float((1 - np.exp(-1)) / 2), aalen_johansen),
    "AUC, DeLong": Estimator(float(ndtr(0.5 / np.sqrt(2))), area),
    "meta, DL, Wald": pooled("dl", "wald"),
    "meta, REML, Wald": pooled("reml", "wald"),
    "meta, REML, Hartung-Knapp": pooled("reml", "hartung_knapp"),
    "meta, REML, Hartung-Knapp, strata alike": pooled("reml", "hartung_knapp", alike=True),
    "meta, REML, Hartung-Knapp with floor": pooled("reml", "hartung_knapp_floor"),
    "meta, REML, Hartung-Knapp, prediction": pooled("reml", "hartung_knapp", "prediction"),
    "meta, REML, Hartung-Knapp with floor, prediction": pooled(
        "reml", "hartung_knapp_floor", "prediction"
    ),
    "meta, tau2, Q-profile": Estimator(0.01, tau_squared),
    "misclassified label": Estimator(BETA, misclassified),
    "empirical null, 50 controls": Estimator(BETA, calibrated),
    "score along distance": Estimator(BETA, along_distance),
}
