"""When each person is observed, falls ill, is treated, leaves or dies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Days since 1970-01-01.
FIRST_DAY = int(np.datetime64("2008-01-01").astype(int))
LAST_DAY = int(np.datetime64("2023-12-31").astype(int))
EARLY_LOSS = 0.06
SECOND_DIAGNOSIS_BY = 50
# People stay at least this long after the first treatment, if they are not lost early, and are
# lost early before that: nobody is observed for a year who does not complete the course.
EARLY_LOSS_BEFORE, OBSERVED_AFTER = 300, 400
MARGIN = 45
# Gompertz: yearly hazard of death at age 0 and its growth per year of age; men against women.
HAZARD_AT_BIRTH, HAZARD_GROWTH, MALE_HAZARD = 2.5e-5, 0.09, 1.4
DAYS_A_YEAR = 365.25


def draw_timelines(
    people: pd.DataFrame, is_mdd: BoolArray, third_start: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw the dates that frame a person's records.

    Losses are of three kinds, all independent of the scores and of the latent
    class: 6 % leave within 300 days of the first treatment, death strikes by age
    and sex, and all others leave at a random time later. So that the class seen in
    complete records is the latent one, nobody leaves or dies between day 300 of
    treatment and the time when a resistant person would have got the third drug
    (a hole in the hazard, the same for everybody), nor before the second
    diagnosis. Who is lost early and was not yet seen to be resistant is thus
    neither resistant nor responsive in the records.

    Parameters
    ----------
    people
        sex, birth_year.
    is_mdd : (n_people,)
        People without MDD get the dates as well, of an illness that does not
        come, so that their observation is as long.
    third_start : (n_mdd,)
        Days from first treatment to the third drug, in the order of the people
        with MDD.

    Returns
    -------
    DataFrame
        Days since 1970: observation_start, first_diagnosis, second_diagnosis,
        first_treatment, third_drug, observation_end; and has_died, lost_early.
    """
    n = len(people)
    observation_start = FIRST_DAY + rng.integers(0, 4 * 365, size=n)
    first_diagnosis = observation_start + rng.integers(200, 1600, size=n)
    second_diagnosis = first_diagnosis + rng.integers(7, SECOND_DIAGNOSIS_BY + 1, size=n)
    wait = np.where(rng.random(n) < 0.5, 0, rng.integers(1, 46, size=n))
    first_treatment = first_diagnosis + wait
    until_third = np.full(n, 900, dtype=np.int64)
    if is_mdd.any():
        until_third[~is_mdd] = rng.choice(third_start, size=int((~is_mdd).sum()))
        until_third[is_mdd] = third_start
    third_drug = first_treatment + until_third

    safe_from = first_diagnosis + SECOND_DIAGNOSIS_BY + 1
    hole_start = first_treatment + EARLY_LOSS_BEFORE
    hole_stop = np.maximum(third_drug + MARGIN, first_treatment + OBSERVED_AFTER)
    death = _draw_deaths(people, safe_from, rng)
    death = np.where(death >= hole_start, death + hole_stop - hole_start, death)
    lost_early = rng.random(n) < EARLY_LOSS
    early = safe_from + np.floor(rng.random(n) * (hole_start - safe_from)).astype(np.int64)
    late = hole_stop + np.floor(rng.random(n) * (LAST_DAY - hole_stop + 1)).astype(np.int64)
    leave = np.where(lost_early, early, late)
    assert (hole_stop <= LAST_DAY).all()
    return pd.DataFrame(
        {
            "observation_start": observation_start,
            "first_diagnosis": first_diagnosis,
            "second_diagnosis": second_diagnosis,
            "first_treatment": first_treatment,
            "third_drug": third_drug,
            "observation_end": np.minimum(leave, death),
            "has_died": death <= leave,
            "lost_early": lost_early,
        }
    )


def _draw_deaths(people: pd.DataFrame, start: IntArray, rng: np.random.Generator) -> IntArray:
    """Draw the day of death of people alive at `start`, by inverting the hazard."""
    is_male = (people["sex"] == "male").to_numpy()
    born = (people["birth_year"].to_numpy(dtype=np.float64) + 0.5 - 1970) * DAYS_A_YEAR
    age = (start - born) / DAYS_A_YEAR
    hazard = HAZARD_AT_BIRTH * np.where(is_male, MALE_HAZARD, 1.0) * np.exp(HAZARD_GROWTH * age)
    years = np.log1p(HAZARD_GROWTH * rng.exponential(size=len(people)) / hazard) / HAZARD_GROWTH
    death: IntArray = start + np.floor(years * DAYS_A_YEAR).astype(np.int64)
    return death
