"""Results of a study that never was, as realistic as the report needs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgs_trd.report import StudyResults

DOMAINS = {
    "education and cognition": ["Educational attainment", "Intelligence"],
    "metabolic and inflammation": [
        "Body mass index", "Type 2 diabetes", "C-reactive protein", "HDL cholesterol",
        "LDL cholesterol", "Triglycerides", "Interleukin 6", "Waist-to-hip ratio adjusted for BMI",
        "Fasting glucose", "Fasting insulin", "HbA1c", "Systolic blood pressure",
        "Diastolic blood pressure", "Coronary artery disease", "Leptin", "Adiponectin",
        "White blood cell count",
    ],
    "personality": [
        "Neuroticism", "Extraversion", "Openness", "Agreeableness", "Conscientiousness",
        *(f"Neuroticism item {i}" for i in range(1, 15)),
    ],
    "psychiatric": [
        "Major depression", "Bipolar disorder", "Schizophrenia", "ADHD", "Autism", "Anxiety",
        "PTSD", "OCD", "Anorexia nervosa",
    ],
    "sleep": ["Insomnia", "Chronotype"],
    "substance use and temperament": [
        "Smoking initiation", "Cigarettes per day", "Smoking cessation", "Drinks per week",
        "Alcohol dependence", "Cannabis use", "Opioid dependence", "Risk tolerance",
        "Subjective well-being", "Loneliness", "Irritability", "Self-harm ideation",
    ],
}  # fmt: skip
CONTRASTS = {
    "trd_vs_responsive": (("trd",), ("responsive",)),
    "mdd_vs_none": (("trd", "responsive", "neither"), ("no_mdd",)),
    "trd_vs_none": (("trd",), ("no_mdd",)),
}
PLANTED_TRD = {
    "Insomnia": 0.104, "Neuroticism": 0.104, "Educational attainment": -0.128,
    "Intelligence": -0.094,
}  # fmt: skip
PLANTED_MDD = {"Major depression": 0.3, "Neuroticism": 0.15}
COUNTS = {
    "AFR": {"trd": 310, "responsive": 1160, "neither": 402, "no_mdd": 9120},
    "AMR": {"trd": 188, "responsive": 905, "neither": 350, "no_mdd": 7011},
    "EUR": {"trd": 2904, "responsive": 11600, "neither": 3122, "no_mdd": 61240},
}
Build = Callable[..., StudyResults]


def make_traits() -> pd.DataFrame:
    rows = [(trait, domain) for domain, traits in DOMAINS.items() for trait in traits]
    return pd.DataFrame(
        [(f"SIM{i:06d}", trait, domain) for i, (trait, domain) in enumerate(rows, 1)],
        columns=["score", "trait", "domain"],
    )


def wald(beta: np.ndarray, se: np.ndarray) -> dict[str, np.ndarray]:
    from scipy.special import log_ndtr

    log10_p = (np.log(2) + log_ndtr(-np.abs(beta / se))) / np.log(10)
    return {
        "beta": beta, "se": se, "ci_low": beta - 1.959964 * se, "ci_high": beta + 1.959964 * se,
        "p_value": 10.0**log10_p, "log10_p": log10_p,
    }  # fmt: skip


def make_truth(traits: pd.DataFrame) -> pd.DataFrame:
    on_trd = traits["trait"].map(PLANTED_TRD).fillna(0.0)
    on_mdd = traits["trait"].map(PLANTED_MDD).fillna(0.0)
    betas = {
        "trd_vs_responsive": on_trd, "mdd_vs_none": on_mdd, "trd_vs_none": on_mdd + 0.8 * on_trd,
    }  # fmt: skip
    parts = [traits[["score", "trait"]].assign(contrast=c, beta=b) for c, b in betas.items()]
    return pd.concat(parts, ignore_index=True)


def make_models(
    truth: pd.DataFrame, counts: dict[str, dict[str, int]], rng: np.random.Generator
) -> pd.DataFrame:
    parts = []
    for stratum, people in counts.items():
        for contrast, (case_classes, control_classes) in CONTRASTS.items():
            planted = truth[truth["contrast"] == contrast]
            cases = sum(people[name] for name in case_classes)
            controls = sum(people[name] for name in control_classes)
            stands = cases > 0 and controls > 0
            share = cases / (cases + controls) if stands else 0.5
            se = np.full(len(planted), 1 / np.sqrt(max(cases + controls, 1) * share * (1 - share)))
            beta = planted["beta"].to_numpy() + rng.normal(size=len(planted)) * se
            if not stands:
                beta, se = beta * np.nan, se * np.nan
            parts.append(
                pd.DataFrame(
                    {
                        "stratum": stratum, "contrast": contrast, "score": planted["score"],
                        **wald(beta, se), "n": cases + controls, "n_events": cases,
                        "log_likelihood": -1234.5, "iterations": 4,
                        "status": "ok" if stands else "no_events", "n_cases": cases,
                        "n_controls": controls,
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def pool(estimates: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    rows = []
    for key, part in estimates.groupby(by, sort=False):
        used = part[part["status"] == "ok"]
        if used.empty:
            continue
        weight = 1 / used["se"] ** 2
        beta = float((weight * used["beta"]).sum() / weight.sum())
        q = float((weight * (used["beta"] - beta) ** 2).sum())
        se = np.array([1 / np.sqrt(weight.sum())])
        columns = {name: value[0] for name, value in wald(np.array([beta]), se).items()}
        rows.append(
            {
                **dict(zip(by, key, strict=True)), **columns, "n_strata": len(used),
                "n_strata_out": len(part) - len(used), "n": int(used["n"].sum()),
                "n_events": int(used["n_events"].sum()), "q": q, "q_p_value": 0.5,
                "i2": max(0.0, (q - len(used) + 1) / q) if q > 0 and len(used) > 1 else np.nan,
                "tau2": 0.0, "status": "ok",
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def make_curves(counts: dict[str, dict[str, int]], rng: np.random.Generator) -> pd.DataFrame:
    n_mdd = sum(people[c] for people in counts.values() for c in ("trd", "responsive", "neither"))
    parts = []
    for group, share, rate in (
        ("bottom fifth", 0.2, 0.018), ("middle", 0.6, 0.024), ("top fifth", 0.2, 0.03),
    ):  # fmt: skip
        n_people = max(1, int(n_mdd * share))
        time = rng.exponential(365.25 / rate, n_people)
        end = rng.uniform(200, 365.25 * 10, n_people)
        leave, event = np.minimum(time, end), time < end
        days = np.arange(0.0, leave.max() + 30, 30.0)
        survival, low, high, at_risk, so_far = [], [], [], [], []
        alive, variance = 1.0, 0.0
        for day, before in zip(days, [-1.0, *days[:-1]], strict=True):
            for one in np.sort(leave[event & (leave > before) & (leave <= day)]):
                n = int((leave >= one).sum())
                alive *= 1 - 1 / n
                variance += 1 / (n * (n - 1)) if n > 1 else 0.0
            survival.append(alive)
            width = 1.96 * np.sqrt(variance) * alive
            low.append(max(0.0, alive - width))
            high.append(min(1.0, alive + width))
            at_risk.append(int((leave >= day).sum()))
            so_far.append(int((event & (leave <= day)).sum()))
        parts.append(
            pd.DataFrame(
                {
                    "group": group, "days": days, "survival": survival, "ci_low": low,
                    "ci_high": high, "n_at_risk": at_risk, "n_events_so_far": so_far,
                    "n_people": n_people,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def make_characteristics(
    counts: dict[str, dict[str, int]], rng: np.random.Generator
) -> pd.DataFrame:
    classes = ["trd", "responsive", "neither", "no_mdd"]
    totals = {name: sum(people[name] for people in counts.values()) for name in classes}
    rows: list[dict[str, Any]] = [{"variable": "all", "level": "people", **totals}]
    women = {name: int(totals[name] * rng.uniform(0.55, 0.68)) for name in classes}
    rows.append({"variable": "sex", "level": "female", **women})
    rows.append({"variable": "sex", "level": "male", **{n: totals[n] - women[n] for n in classes}})
    rows += [{"variable": "stratum", "level": name, **people} for name, people in counts.items()]
    left = dict(totals)
    for decade, share in (("1940s", 0.2), ("1950s", 0.35), ("1960s", 0.5), ("1970s", 0.7)):
        people = {name: int(left[name] * share) for name in classes}
        left = {name: left[name] - people[name] for name in classes}
        rows.append({"variable": "born in the", "level": decade, **people})
    rows.append({"variable": "born in the", "level": "1980s", **left})
    rows.append({"variable": "age_years", "level": "mean", **dict.fromkeys(classes, 51.37)})
    rows.append({"variable": "age_years", "level": "sd", **dict.fromkeys(classes, 12.84)})
    return pd.DataFrame(rows)


def make_attrition(counts: dict[str, dict[str, int]]) -> pd.DataFrame:
    n_mdd = sum(people[c] for people in counts.values() for c in ("trd", "responsive", "neither"))
    total = n_mdd + sum(people["no_mdd"] for people in counts.values())
    n_two = n_mdd - sum(people["neither"] for people in counts.values())
    steps = [
        ("people", total, total, "people in the records", ""),
        ("any_depression_code", total, n_mdd, "a depression code of any tier",
         "no_depression_code"),
        ("resistant_or_simple", n_mdd, n_two, "resistant (2 failures, then another drug), or at "
         "most 2 drugs and 1 failures", "partial"),
    ]  # fmt: skip
    columns = ["step", "n_people_in", "n_people_out", "rule", "reason"]
    return pd.DataFrame(steps, columns=columns)


def make_match(traits: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = rng.integers(500, 1_200_000, len(traits))
    rate = np.clip(rng.normal(0.94, 0.03, len(traits)), 0, 0.999)
    rate[-1] = 0.41
    matched = (rows * rate).astype(int)
    return pd.DataFrame(
        {
            "score": traits["score"], "n_rows": rows, "n_matched": matched,
            "match_rate": matched / rows, "n_absent": rows - matched,
            "weight_matched": rate, "status": np.where(rate < 0.75, "failed", "ok"),
            "verdict": "a sentence",
        }
    )  # fmt: skip


def build_results(
    counts: dict[str, dict[str, int]] | None = None,
    *,
    seed: int = 1,
    n_scores: int = 61,
    **changes: Any,
) -> StudyResults:
    rng = np.random.default_rng(seed)
    counts = COUNTS if counts is None else counts
    traits = make_traits()
    step = len(traits) // n_scores
    traits = traits.iloc[:: max(1, step)].head(n_scores).reset_index(drop=True)
    truth = make_truth(traits)
    association = make_models(truth, counts, rng)
    progression = (
        association[association["contrast"] == "trd_vs_responsive"]
        .drop(columns=["contrast", "n_cases", "n_controls"])
        .reset_index(drop=True)
    )
    mdd = {s: p["trd"] + p["responsive"] + p["neither"] for s, p in counts.items()}
    progression["n"] = progression["stratum"].map(mdd)
    fields: dict[str, Any] = {
        "title": "Polygenic scores and treatment-resistant depression: a test",
        "association": association,
        "meta": pool(association, ["contrast", "score"]),
        "progression": progression,
        "progression_meta": pool(progression, ["score"]),
        "curves": make_curves(counts, rng),
        "attrition": make_attrition(counts),
        "match_summary": make_match(traits, rng),
        "class_counts": pd.DataFrame(
            [(s, c, n) for s, people in counts.items() for c, n in people.items()],
            columns=["stratum", "phenotype", "n_people"],
        ),
        "characteristics": make_characteristics(counts, rng),
        "traits": traits,
        "truth": truth,
        "conventions": {
            "definition": "adequate2", "origin": "first_diagnosis", "stratum": "ancestry",
            "covariates": ["sex", "birth_year", *(f"PC{i}" for i in range(1, 11))],
            "curve_score": "SIM000048",
            "scoring": {"palindromes": "drop", "missing": "mean", "min_overlap": 0.75},
        },
        "provenance": {
            "step": "run",
            "versions": {"python": "3.11.2", "pgs-trd": "0.1.0", "numpy": "1.26.4"},
            "options": {"definition": "adequate2", "genotypes": "/home/somebody/secret/genos.bed"},
            "inputs": [
                {"name": "covariates.tsv", "bytes": 1234567, "checksum": "sha256:" + "ab" * 32}
            ],
        },
    }  # fmt: skip
    fields.update(changes)
    return StudyResults(**fields)


@pytest.fixture(scope="session")
def build() -> Build:
    """Builder of study results; takes class counts by stratum and changes of fields."""
    return build_results


@pytest.fixture(scope="session")
def ordinary_counts() -> dict[str, dict[str, int]]:
    """Class counts with none small."""
    return COUNTS
