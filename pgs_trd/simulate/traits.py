"""The sixty-one traits, and what is planted in the records for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

CONTRASTS = ("trd_vs_responsive", "mdd_vs_none", "trd_vs_none")

# Domains and their counts as in Xu et al. (2025) JAMA Psychiatry 82:505, who do not list all
# traits in the text that could be read; the names inside the domains are ours. Substance use and
# temperament hold twelve together, the split is not published.
DOMAINS: Mapping[str, tuple[str, ...]] = {
    "education and cognition": ("educational attainment", "intelligence"),
    "metabolic and inflammation": (
        "body mass index", "waist-to-hip ratio", "type 2 diabetes", "coronary artery disease",
        "systolic blood pressure", "HDL cholesterol", "LDL cholesterol", "triglycerides",
        "C-reactive protein", "interleukin-6", "fasting glucose", "fasting insulin",
        "asthma", "rheumatoid arthritis", "inflammatory bowel disease", "migraine",
        "chronic back pain",
    ),
    "personality": (
        "neuroticism", "extraversion", "openness", "agreeableness", "conscientiousness",
        "depressed affect", "worry", "mood swings", "miserableness", "irritability",
        "sensitivity", "fed-up feelings", "nervous feelings", "tense feelings",
        "worry after embarrassment", "suffering from nerves", "loneliness", "guilty feelings",
        "subjective well-being",
    ),
    "psychiatric": (
        "major depressive disorder", "bipolar disorder", "schizophrenia",
        "attention deficit hyperactivity disorder", "autism spectrum disorder",
        "anxiety disorder", "post-traumatic stress disorder", "obsessive-compulsive disorder",
        "anorexia nervosa",
    ),
    "sleep": ("insomnia", "sleep duration"),
    "substance use": (
        "alcohol use disorder", "drinks per week", "smoking initiation", "cigarettes per day",
        "smoking cessation", "cannabis use disorder", "opioid use disorder",
    ),
    "temperament": (
        "risk tolerance", "harm avoidance", "novelty seeking", "reward dependence", "persistence",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """Log odds per standard deviation of a score, by trait; all others are 0.

    Attributes
    ----------
    trd
        On resistance among people with MDD. Odds ratios 1.11, 1.11, 0.88 and
        0.91 are those published by Xu et al. (2025).
    mdd
        On MDD. The value is ours: an odds ratio of 1.35.
    """

    trd: Mapping[str, float] = field(
        default_factory=lambda: {
            "insomnia": 0.104,
            "neuroticism": 0.104,
            "educational attainment": -0.128,
            "intelligence": -0.094,
        }
    )
    mdd: Mapping[str, float] = field(default_factory=lambda: {"major depressive disorder": 0.30})


def list_traits() -> pd.DataFrame:
    """List the traits: score (the id in its weight file), trait, domain."""
    rows = [(trait, domain) for domain, traits in DOMAINS.items() for trait in traits]
    return pd.DataFrame(
        {
            "score": [f"SIM{number:06d}" for number in range(1, len(rows) + 1)],
            "trait": [trait for trait, _ in rows],
            "domain": [domain for _, domain in rows],
        }
    )


def state_truth(
    traits: pd.DataFrame,
    planted: Planted,
    *,
    trd_share: float,
    against_none: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """State the log odds ratio per standard deviation behind every score and contrast.

    They are conditional on age, sex and the other scores. ``trd_vs_responsive`` and
    ``mdd_vs_none`` are exactly what was planted; a model of one score at a time tends to
    a value closer to zero by under 1 %, because odds ratios do not collapse. ``trd_vs_none`` is
    implied: the probability of being a case is the product of those of MDD and of
    resistance, so its log odds against people without MDD have the slope
    ``mdd + (1 - P(resistant | MDD)) * trd``. That is exact for every score with
    no effect on resistance, and a first-order approximation, taken at the mean
    probability `trd_share`, for the others.

    Returns
    -------
    DataFrame
        score, trait, contrast, beta: one row a score and contrast.
    """
    on_mdd = traits["trait"].map(planted.mdd).fillna(0.0)
    on_trd = traits["trait"].map(planted.trd).fillna(0.0)
    betas = {
        "trd_vs_responsive": on_trd,
        "mdd_vs_none": on_mdd,
        "trd_vs_none": on_mdd + (1 - trd_share) * on_trd
        if against_none is None
        else traits["trait"].map(against_none).fillna(0.0),
    }
    return pd.concat(
        [
            traits[["score", "trait"]].assign(contrast=contrast, beta=betas[contrast].round(6))
            for contrast in CONTRASTS
        ],
        ignore_index=True,
    )
