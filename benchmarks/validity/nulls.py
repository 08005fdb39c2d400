"""Type-I error: p-values of scores that do nothing, one function an estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from draws import (
    Draw,
    draw_cases,
    draw_classes,
    draw_competing,
    draw_levels,
    draw_risks,
    draw_times,
)

from pgs_trd import models

Rng = np.random.Generator
SCORES_A_STUDY = 100


def in_studies(fit: Callable[[Rng, int], pd.Series]) -> Callable[[Rng, int], np.ndarray]:
    """Repeat studies of 100 null scores each until there are enough p-values."""

    def run(rng: Rng, n_nulls: int) -> np.ndarray:
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < n_nulls:
            parts.append(np.asarray(fit(rng, SCORES_A_STUDY), dtype=float))
        return np.concatenate(parts)[:n_nulls]

    return run


def one_by_one(fit: Callable[[Rng], float]) -> Callable[[Rng, int], np.ndarray]:
    """Repeat studies of one p-value each."""
    return lambda rng, n_nulls: np.array([fit(rng) for _ in range(n_nulls)])


def logistic(**options):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_cases(rng, 1000, n)
        return models.fit_logistic(draw.outcome, draw.scores, draw.covariates, **options)["p_value"]

    return in_studies(fit)


def logistic_cluster(se: str):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_cases(rng, 600, n).in_copies(rng)
        cluster = draw.cluster if se == "cluster" else None
        fits = models.fit_logistic(
            draw.outcome, draw.scores, draw.covariates, se=se, cluster=cluster
        )
        return fits["p_value"]

    return in_studies(fit)


def logistic_interaction(interval: str):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_cases(rng, 1000, n)
        fits = models.fit_logistic(
            draw.outcome, draw.scores, draw.covariates, interaction="sex", interval=interval
        )
        return fits.loc[fits["term"].str.endswith(":sex"), "p_value"]

    return in_studies(fit)


def logistic_weighted(rng: Rng, n: int) -> pd.Series:
    draw = draw_cases(rng, 1000, n)
    weights = rng.uniform(0.2, 3.0, 1000)
    fits = models.fit_logistic(
        draw.outcome, draw.scores, draw.covariates, weights=weights, se="HC0"
    )
    return fits["p_value"]


def multinomial(column: str, **options):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_classes(rng, 1000, n)
        fits = models.fit_multinomial(
            draw.outcome, draw.scores, draw.covariates, reference=0.0, **options
        )
        return fits.loc[fits["class"] == "1.0", column]

    return in_studies(fit)


def ordinal(**options):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_levels(rng, 1000, n)
        return models.fit_ordinal(draw.outcome, draw.scores, draw.covariates, **options)["p_value"]

    return in_studies(fit)


def poisson(rng: Rng, n: int) -> pd.Series:
    draw = draw_risks(rng, 1000, n)
    return models.fit_poisson(draw.outcome, draw.scores, draw.covariates)["p_value"]


def cox(*, late: bool = False, copies: bool = False, **options):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_times(rng, 600, n, late=late)
        draw = draw.in_copies(rng) if copies else draw
        extra = {"cluster": draw.cluster} if options.get("se") == "cluster" else {}
        fits = models.fit_cox(
            draw.duration,
            draw.event,
            draw.scores,
            draw.covariates,
            entry=draw.entry,
            **options,
            **extra,
        )
        return fits["p_value"]

    return in_studies(fit)


def cox_strata(rng: Rng, n: int) -> pd.Series:
    draw = draw_times(rng, 600, n)
    fits = models.fit_cox(
        draw.duration,
        draw.event,
        draw.scores,
        draw.covariates[["age"]],
        strata=draw.covariates["sex"],
    )
    return fits["p_value"]


def ph_test(transform: str, term: str = "score"):
    def fit(rng: Rng, n: int) -> pd.Series:
        # The score has an effect, the same at all times, in the first column of each study.
        draw = draw_times(rng, 600, n, beta=0.5)
        tests = models.ph_test(
            draw.duration, draw.event, draw.scores, draw.covariates, transform=transform
        )
        wanted = "GLOBAL" if term == "GLOBAL" else tests["score"]
        return tests.loc[tests["term"] == wanted, "p_value"]

    return in_studies(fit)


def ph_global(rng: Rng) -> float:
    """Test one study: global tests of one study share their covariates."""
    draw = draw_times(rng, 600, 1, beta=0.5)
    tests = models.ph_test(draw.duration, draw.event, draw.scores, draw.covariates)
    return float(tests.loc[tests["term"] == "GLOBAL", "p_value"].iloc[0])


def cox_log_time(rng: Rng, n: int) -> pd.Series:
    draw = draw_times(rng, 120, n)
    effects = models.fit_cox_log_time(draw.duration, draw.event, draw.scores, draw.covariates)
    return effects.loc[effects["term"] == "score x log time", "p_value"]


def cox_periods(rng: Rng, n: int) -> pd.Series:
    draw = draw_times(rng, 600, n)
    periods = models.fit_cox_periods(
        draw.duration, draw.event, draw.scores, draw.covariates, cuts=[200.0, 600.0]
    )
    return periods.drop_duplicates("score")["heterogeneity_p"]


def fine_gray(n_people: int):
    def fit(rng: Rng, n: int) -> pd.Series:
        draw = draw_competing(rng, n_people, n)
        fits = models.fit_fine_gray(draw.duration, draw.event, draw.scores, draw.covariates)
        return fits["p_value"]

    return in_studies(fit)


def _groups(rng: Rng) -> tuple[Draw, np.ndarray]:
    draw = draw_times(rng, 300, 1)
    return draw, np.where(draw.scores["s0"] - 0.3 * draw.covariates["age"] > 0, "high", "low")


def log_rank(rng: Rng) -> float:
    draw, groups = _groups(rng)
    return float(models.log_rank(draw.duration, draw.event, groups).p_value)


def restricted_mean(rng: Rng) -> float:
    draw, groups = _groups(rng)
    table = models.restricted_mean_difference(draw.duration, draw.event, groups, horizon=800.0)
    return float(table["p_value"].iloc[-1])


def area_gain(rng: Rng) -> float:
    """Compare two predictors, equally good and correlated, neither made from the other."""
    outcome = (rng.random(400) < 0.3).astype(float)
    shared = rng.standard_normal(400) + 0.5 * outcome
    pair = shared[:, np.newaxis] + rng.standard_normal((400, 2))
    return float(models.auc(outcome, pair[:, 1], base=pair[:, 0])["p_value"].iloc[0])


def pooled(column: str, *, tau: float, alike: bool = False, **options):
    """Pool eight strata whose effects have mean 0 and spread `tau`.

    Their errors differ up to fourfold, or are alike.
    """
    n_strata = 8

    def run(rng: Rng, n_nulls: int) -> np.ndarray:
        low, high = (0.1, 0.1) if alike else (0.05, 0.2)
        se = np.exp(rng.uniform(np.log(low), np.log(high), (n_nulls, n_strata)))
        beta = rng.normal(0, np.hypot(se, tau))
        table = pd.DataFrame(
            {
                "test": np.repeat(np.arange(n_nulls), n_strata),
                "beta": beta.ravel(),
                "se": se.ravel(),
            }
        )
        pooled_rows = models.meta_analyse(table, by=["test"], **options)
        return pooled_rows[column].to_numpy(float)

    return run


def _selected(rng: Rng, n: int):
    """Draw people of whom some have MDD; a shared cause acts on MDD and on resistance."""
    mdd = draw_cases(rng, 3000, n)
    cause = rng.standard_normal(3000)
    chance = 1 / (1 + np.exp(1 - cause - mdd.covariates["age"] - 0.5 * mdd.scores["s0"]))
    is_mdd = rng.random(3000) < chance
    resistant = rng.random(3000) < 1 / (1 + np.exp(0.5 - cause))
    outcome = np.where(is_mdd, resistant.astype(float), np.nan)
    return mdd, is_mdd.astype(float), outcome, cause


def selection_weighted(rng: Rng, n: int) -> pd.Series:
    mdd, is_mdd, outcome, cause = _selected(rng, n)
    fits = models.fit_weighted_for_selection(
        outcome,
        mdd.scores,
        mdd.covariates,
        selected=is_mdd,
        predictors=mdd.covariates.assign(cause=cause, s0=mdd.scores["s0"]),
    )
    return fits["p_value"]


def shared_controls(rng: Rng, n: int) -> pd.Series:
    mdd, is_mdd, outcome, _ = _selected(rng, n)
    phenotype = np.where(is_mdd == 0, "no_mdd", np.where(outcome == 1, "trd", "responsive"))
    # The first score acts on MDD: with a hidden cause its case-only null does not hold.
    fits = models.fit_against_shared_controls(phenotype, mdd.scores.iloc[:, 1:], mdd.covariates)
    return fits.loc[fits["contrast"] == "difference", "p_value"]


def misclassified(rng: Rng, n: int) -> pd.Series:
    draw = draw_cases(rng, 2000, n)
    truth = draw.outcome == 1
    label = np.where(truth, rng.random(2000) < 0.8, rng.random(2000) < 0.05)
    ppv, npv = float(truth[label].mean()), float((~truth)[~label].mean())
    fits = models.fit_misclassified(
        label.astype(float), draw.scores, draw.covariates, ppv=[ppv], npv=[npv]
    )
    return fits["p_value"]


def calibrated(rng: Rng) -> float:
    """Calibrate one estimate by 100 controls of its own: those of one null go together."""
    se = rng.uniform(0.02, 0.2, 101)
    table = pd.DataFrame({"beta": rng.normal(0.1, np.hypot(0.1, se)), "se": se})
    rows = models.calibrate_estimates(table[100:], table[:100])
    return float(rows["calibrated_p_value"].iloc[0])


def ancestry_joint(rng: Rng, n: int) -> pd.Series:
    draw = draw_cases(rng, 1000, n)
    pcs = rng.standard_normal((1000, 4))
    covariates = draw.covariates.assign(**{f"PC{k}": pcs[:, k] for k in range(4)})
    fits = models.fit_ancestry_interaction(
        draw.outcome, draw.scores, covariates, components=[f"PC{k}" for k in range(4)]
    )
    return fits.drop_duplicates("score")["joint_p_value"]


def ancestry_change(rng: Rng, n: int) -> pd.Series:
    draw = draw_cases(rng, 1000, n)
    covariates = draw.covariates.assign(distance=rng.gamma(2.0, size=1000))
    effects = models.fit_along_distance(
        draw.outcome, draw.scores, covariates, distance="distance", at=[1.0]
    )
    return effects["change_p_value"]


def slope_adjusted(rng: Rng, n_nulls: int) -> np.ndarray:
    """Take null variants of a set of which a tenth acts on the outcome itself."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < n_nulls:
        n = 1000
        on_event = rng.normal(0, 0.1, n)
        direct = np.where(np.arange(n) < 100, rng.normal(0, 0.1, n), 0.0)
        table = pd.DataFrame(
            {
                "beta_event": on_event + rng.normal(0, 0.05, n),
                "se_event": 0.05,
                "beta_outcome": direct - 0.4 * on_event + rng.normal(0, 0.05, n),
                "se_outcome": 0.05,
            }
        )
        parts.append(models.adjust_for_incidence(table)["p_value"].to_numpy()[100:200])
    return np.concatenate(parts)[:n_nulls]


NULLS: Mapping[str, Callable[[Rng, int], np.ndarray]] = {
    "logistic, ML, Wald": logistic(method="ml"),
    "logistic, ML, likelihood ratio": logistic(method="ml", interval="lr"),
    "logistic, Firth, Wald": logistic(method="firth"),
    "logistic, Firth, profile": logistic(method="firth", interval="profile"),
    "logistic, HC0": logistic(se="HC0"),
    "logistic, HC1": logistic(se="HC1"),
    "logistic, HC3": logistic(se="HC3"),
    "logistic, families, cluster": logistic_cluster("cluster"),
    "logistic, score x sex": logistic_interaction("wald"),
    "logistic, score x sex, likelihood ratio": logistic_interaction("lr"),
    "logistic, weighted, HC0": in_studies(logistic_weighted),
    "multinomial, one class": multinomial("p_value"),
    "multinomial, one class, likelihood ratio": multinomial("p_value", interval="lr"),
    "multinomial, equal effects": multinomial("equal_effects_p"),
    "ordinal": ordinal(),
    "ordinal, HC0": ordinal(se="HC0"),
    "Poisson, HC0": in_studies(poisson),
    "Cox, Efron": cox(),
    "Cox, Breslow": cox(ties="breslow"),
    "Cox, likelihood ratio": cox(interval="profile"),
    "Cox, Firth": cox(method="firth"),
    "Cox, robust": cox(se="robust"),
    "Cox, families, cluster": cox(se="cluster", copies=True),
    "Cox, late entry": cox(late=True),
    "Cox, strata": in_studies(cox_strata),
    "PH test, km": ph_test("km"),
    "PH test, log": ph_test("log"),
    "PH test, global": one_by_one(ph_global),
    "Cox, score x log time": in_studies(cox_log_time),
    "Cox, periods alike": in_studies(cox_periods),
    "Fine-Gray": fine_gray(600),
    "Fine-Gray, 2,400 people": fine_gray(2400),
    "log-rank": one_by_one(log_rank),
    "RMST difference": one_by_one(restricted_mean),
    "AUC, gain": one_by_one(area_gain),
    "meta, fixed, tau = 0": pooled("p_value", tau=0.0, method="fixed"),
    "meta, Q, tau = 0": pooled("q_p_value", tau=0.0, method="fixed"),
    "meta, DL, tau = 0.1": pooled("p_value", tau=0.1, method="dl"),
    "meta, REML, tau = 0.1": pooled("p_value", tau=0.1, method="reml"),
    "meta, PM, tau = 0.1": pooled("p_value", tau=0.1, method="pm"),
    "meta, REML + Hartung-Knapp, tau = 0.1": pooled(
        "p_value", tau=0.1, method="reml", interval="hartung_knapp"
    ),
    "meta, DL + Hartung-Knapp, tau = 0.1": pooled(
        "p_value", tau=0.1, method="dl", interval="hartung_knapp"
    ),
    "meta, REML + Hartung-Knapp, strata alike": pooled(
        "p_value", tau=0.1, alike=True, method="reml", interval="hartung_knapp"
    ),
    "meta, REML + Hartung-Knapp with floor, tau = 0.1": pooled(
        "p_value", tau=0.1, method="reml", interval="hartung_knapp_floor"
    ),
    "meta, REML + Hartung-Knapp with floor, tau = 0": pooled(
        "p_value", tau=0.0, method="reml", interval="hartung_knapp_floor"
    ),
    "selection weights": in_studies(selection_weighted),
    "shared controls, difference": in_studies(shared_controls),
    "misclassified label": in_studies(misclassified),
    "empirical null, 100 controls": one_by_one(calibrated),
    "score x 4 components, joint": in_studies(ancestry_joint),
    "score x distance": in_studies(ancestry_change),
    "incidence slope": slope_adjusted,
}
