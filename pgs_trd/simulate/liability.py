"""Who gets MDD, and who of them is resistant to treatment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq, minimize
from scipy.special import expit, roots_hermitenorm

from pgs_trd.models import expected_index_event_bias
from pgs_trd.simulate.traits import Planted

FloatArray = npt.NDArray[np.float64]

NODES = 61
FEMALE_SHARE = 0.58
FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1930, 1989
# Log odds of MDD: women against men, and per year of birth.
FEMALE_ON_MDD = 0.45
BIRTH_YEAR_ON_MDD = 0.01
MIDDLE_BIRTH_YEAR = 1960


def draw_people(n_people: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw sex and birth year: person_id (int), sex, birth_year."""
    span = LAST_BIRTH_YEAR - FIRST_BIRTH_YEAR
    return pd.DataFrame(
        {
            "person_id": np.arange(1_000_001, 1_000_001 + n_people),
            "sex": np.where(rng.random(n_people) < FEMALE_SHARE, "female", "male"),
            "birth_year": FIRST_BIRTH_YEAR
            + np.rint(span * rng.beta(1.6, 1.6, size=n_people)).astype(np.int64),
        }
    )


def draw_classes(
    people: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    planted: Planted,
    mdd_prevalence: float,
    trd_share: float,
    shared_cause: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draw MDD and resistance from logistic models; the truth behind the records.

    MDD depends on sex, birth year, the planted score and the shared cause;
    resistance, given MDD, on the planted scores and the shared cause. Ancestry is
    in neither. The intercepts are set so that the expected shares are those
    asked for.

    Parameters
    ----------
    people : n_people rows
        sex, birth_year.
    scores : (n_people, n_traits)
        Standardised within ancestry; columns named by trait.
    planted
        Log odds per standard deviation. With a shared cause they are what a model
        without it tends to, in the whole population for MDD, among people with MDD for
        resistance; those that hold the shared cause fixed are larger, since odds
        ratios do not collapse.
    mdd_prevalence, trd_share
        Share of people with MDD, and of those the share that is resistant.
    shared_cause
        Log odds, on MDD and again on resistance given MDD, per standard
        deviation of a hidden normal cause that no score knows of. Conditioning
        on MDD then ties the MDD score to that cause: a case-only analysis finds
        an effect of the MDD score on resistance that is not there.

    Returns
    -------
    DataFrame
        person_id, is_mdd, is_resistant, mdd_log_odds, trd_log_odds (of
        resistance were there MDD) and shared_cause.
    """
    hidden = rng.standard_normal(len(people))
    is_female = (people["sex"] == "female").to_numpy(dtype=np.float64)
    years = (people["birth_year"] - MIDDLE_BIRTH_YEAR).to_numpy(dtype=np.float64)
    on_mdd = FEMALE_ON_MDD * is_female + BIRTH_YEAR_ON_MDD * years + shared_cause * hidden
    on_trd = shared_cause * hidden
    held = _held(planted, mdd_prevalence, trd_share, shared_cause)
    for trait, beta in held.mdd.items():
        on_mdd += beta * scores[trait].to_numpy()
    for trait, beta in held.trd.items():
        on_trd += beta * scores[trait].to_numpy()
    on_mdd += _intercept(on_mdd, np.ones(len(people)), mdd_prevalence)
    on_trd += _intercept(on_trd, expit(on_mdd), trd_share)
    is_mdd = rng.random(len(people)) < expit(on_mdd)
    return pd.DataFrame(
        {
            "person_id": people["person_id"].to_numpy(),
            "is_mdd": is_mdd,
            "is_resistant": is_mdd & (rng.random(len(people)) < expit(on_trd)),
            "mdd_log_odds": on_mdd,
            "trd_log_odds": on_trd,
            "shared_cause": hidden,
        }
    )


def effects_against_none(
    planted: Planted, *, mdd_prevalence: float, trd_share: float, shared_cause: float
) -> dict[str, float]:
    """Give the log odds of resistance against no MDD to which each planted trait tends.

    With a shared cause they follow from integrals over a normal score and that cause: the
    resistant have more of it than others with MDD, and so owe their MDD less to the score.
    """
    held = _held(planted, mdd_prevalence, trd_share, shared_cause)
    nodes, mass = roots_hermitenorm(NODES)
    everybody = np.outer(mass, mass) / mass.sum() ** 2
    score, hidden = nodes[:, np.newaxis], shared_cause * nodes[np.newaxis, :]
    found = {}
    for trait in {**held.mdd, **held.trd}:
        on_mdd = held.mdd.get(trait, 0.0) * score + hidden
        mdd = everybody * expit(on_mdd + _intercept(on_mdd, everybody, mdd_prevalence))
        on_trd = held.trd.get(trait, 0.0) * score + hidden
        trd = mdd * expit(on_trd + _intercept(on_trd, mdd, trd_share))
        found[trait] = _slope(nodes, trd.sum(axis=1), (everybody - mdd).sum(axis=1))
    return found


def _slope(score: FloatArray, cases: FloatArray, controls: FloatArray) -> float:
    """Give the slope of the logistic regression of a whole population on the score."""

    def misfit(beta: FloatArray) -> float:
        linear = beta[0] + beta[1] * score
        loss = cases * np.logaddexp(0, -linear) + controls * np.logaddexp(0, linear)
        return float(loss.sum())

    start = np.array([np.log(cases.sum() / controls.sum()), 0.0])
    return float(minimize(misfit, start, method="BFGS", options={"gtol": 1e-9}).x[1])


def _held(
    planted: Planted, mdd_prevalence: float, trd_share: float, shared_cause: float
) -> Planted:
    """Give the effects with the shared cause held fixed."""
    on_mdd = {
        trait: _hold_fixed(beta, outcome_share=mdd_prevalence, shared=(0.0, shared_cause))
        for trait, beta in planted.mdd.items()
    }
    on_trd = {
        trait: _hold_fixed(
            beta,
            prevalence=mdd_prevalence,
            outcome_share=trd_share,
            shared=(shared_cause, shared_cause),
        )
        for trait, beta in planted.trd.items()
    }
    return Planted(trd=on_trd, mdd=on_mdd)


def _hold_fixed(
    beta: float, *, shared: tuple[float, float], outcome_share: float, prevalence: float = 0.5
) -> float:
    """Give the log odds, the shared cause held fixed, that tend to `beta` without it.

    `shared` is the effect of the shared cause on who is selected, a share of `prevalence`,
    and on the outcome.
    """
    if beta == 0 or shared[1] == 0:
        return beta

    def excess(held: float) -> float:
        grid = expected_index_event_bias(
            prevalence=prevalence,
            outcome_share=outcome_share,
            score_on_event=[0.0],
            shared_on_event=[shared[0]],
            shared_on_outcome=[shared[1]],
            score_on_outcome=held,
        )
        return float(grid["estimate"].iloc[0]) - beta

    return float(brentq(excess, 0.0, 10 * beta, xtol=1e-9))


def _intercept(linear: FloatArray, weight: FloatArray, share: float) -> float:
    """Find the intercept at which the weighted mean probability is `share`."""

    def excess(intercept: float) -> float:
        return float(np.average(expit(intercept + linear), weights=weight)) - share

    return float(brentq(excess, -50.0, 50.0))
