"""Small studies with a known answer, from models that hold exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

DAYS = 1000.0


@dataclass(frozen=True)
class Draw:
    """People of one simulated study.

    Attributes
    ----------
    scores
        One column a model.
    covariates
        age (standardised) and sex (0 or 1); age goes with the scores a little.
    outcome
        What the model predicts: 0/1, a level, a count; None for follow-up.
    duration, event, entry
        Follow-up; None for outcomes.
    cluster
        Family, where people come in copies.
    """

    scores: pd.DataFrame
    covariates: pd.DataFrame
    outcome: np.ndarray | None = None
    duration: np.ndarray | None = None
    event: np.ndarray | None = None
    entry: np.ndarray | None = None
    cluster: np.ndarray | None = None

    def in_copies(self, rng: np.random.Generator) -> Draw:
        """Give each person one to four times, as one family: the marginal model still holds."""
        rows = np.repeat(np.arange(len(self.scores)), rng.integers(1, 5, len(self.scores)))

        def take(values):
            return None if values is None else values[rows]

        return Draw(
            self.scores.iloc[rows].reset_index(drop=True),
            self.covariates.iloc[rows].reset_index(drop=True),
            take(self.outcome),
            take(self.duration),
            take(self.event),
            take(self.entry),
            rows,
        )


def _design(rng: np.random.Generator, n_people: int, n_scores: int):
    """Give covariates, scores and the linear predictor of the covariates."""
    age, sex = rng.standard_normal(n_people), rng.integers(0, 2, n_people)
    scores = rng.standard_normal((n_people, n_scores)) + 0.3 * age[:, np.newaxis]
    names = [f"s{place}" for place in range(n_scores)]
    covariates = pd.DataFrame({"age": age, "sex": sex.astype(float)})
    return covariates, pd.DataFrame(scores, columns=names), 0.4 * age + 0.3 * sex


def draw_cases(
    rng: np.random.Generator,
    n_people: int,
    n_scores: int,
    *,
    beta: float = 0.0,
    level: float = -1.5,
) -> Draw:
    """Draw cases by a logistic model; `beta` belongs to the first score."""
    covariates, scores, linear = _design(rng, n_people, n_scores)
    chance = expit(level + linear + beta * scores["s0"].to_numpy())
    return Draw(scores, covariates, (rng.random(n_people) < chance).astype(float))


def draw_levels(
    rng: np.random.Generator, n_people: int, n_scores: int, *, beta: float = 0.0
) -> Draw:
    """Draw 0, 1, 2 or 3 by proportional odds."""
    covariates, scores, linear = _design(rng, n_people, n_scores)
    latent = linear + beta * scores["s0"].to_numpy() + rng.logistic(size=n_people)
    return Draw(scores, covariates, np.digitize(latent, [0.0, 1.0, 2.5]).astype(float))


def draw_classes(
    rng: np.random.Generator, n_people: int, n_scores: int, *, betas: tuple[float, float] = (0, 0)
) -> Draw:
    """Draw class 0, 1 or 2 by a multinomial logistic model."""
    covariates, scores, linear = _design(rng, n_people, n_scores)
    first = scores["s0"].to_numpy()
    odds = np.exp([0 * linear, -1 + linear + betas[0] * first, -1.5 - linear + betas[1] * first])
    bounds = np.cumsum(odds / odds.sum(axis=0), axis=0)
    return Draw(scores, covariates, (rng.random(n_people) > bounds[:2]).sum(axis=0).astype(float))


def draw_risks(
    rng: np.random.Generator, n_people: int, n_scores: int, *, beta: float = 0.0
) -> Draw:
    """Draw cases by a log-linear risk, at most 1; scores are bounded so that it holds."""
    covariates, scores, _ = _design(rng, n_people, n_scores)
    covariates["age"] = covariates["age"].clip(-2, 2)
    scores = scores.clip(-3, 3)
    risk = np.exp(-2 + 0.2 * covariates["age"] + beta * scores["s0"]).to_numpy()
    return Draw(scores, covariates, (rng.random(n_people) < risk).astype(float))


def draw_times(
    rng: np.random.Generator,
    n_people: int,
    n_scores: int,
    *,
    beta: float = 0.0,
    late: bool = False,
) -> Draw:
    """Draw days to an event by proportional hazards, censored; with ties, and late entry."""
    covariates, scores, linear = _design(rng, n_people, n_scores)
    rate = np.exp(linear + beta * scores["s0"].to_numpy()) / DAYS
    event_day = rng.exponential(1 / rate)
    censored_day = rng.uniform(0.2, 2.0, n_people) * DAYS
    entry = rng.uniform(0, 0.5, n_people) * DAYS if late else None
    day = np.minimum(event_day, censored_day)
    seen = np.ones(n_people, dtype=bool) if entry is None else day > entry + 1
    return Draw(
        scores[seen].reset_index(drop=True),
        covariates[seen].reset_index(drop=True),
        duration=np.ceil(day[seen]),
        event=(event_day <= censored_day)[seen].astype(float),
        entry=None if entry is None else np.floor(entry[seen]),
    )


def draw_competing(
    rng: np.random.Generator, n_people: int, n_scores: int, *, beta: float = 0.0
) -> Draw:
    """Draw two causes; the subdistribution of the first has proportional hazards [1]_.

    References
    ----------
    .. [1] Fine and Gray (1999) J Am Stat Assoc 94:496, section 4.
    """
    covariates, scores, linear = _design(rng, n_people, n_scores)
    ratio = np.exp(linear + beta * scores["s0"].to_numpy())
    most = 0.5
    first = rng.random(n_people) < 1 - (1 - most) ** ratio
    # Inverse of the conditional distribution of the day, given the first cause.
    share = rng.random(n_people) * (1 - (1 - most) ** ratio)
    days = np.empty(n_people)
    days[first] = -np.log(1 - (1 - (1 - share[first]) ** (1 / ratio[first])) / most)
    days[~first] = rng.exponential(1 / np.exp(-0.3 * linear[~first]))
    censored = rng.uniform(0.3, 3.0, n_people)
    event = np.where(days <= censored, np.where(first, 1.0, 2.0), 0.0)
    return Draw(scores, covariates, duration=np.minimum(days, censored), event=event)
