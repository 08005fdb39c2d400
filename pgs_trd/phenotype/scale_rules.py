"""Response and resistance as symptom scales tell them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.arrays import NEVER, BoolArray, IntArray, first_of, sort_key
from pgs_trd.phenotype.arrays import Trials, nth_distinct
from pgs_trd.phenotype.rule_types import ScaleFailures

FloatArray = npt.NDArray[np.float64]


def improvement(baseline: FloatArray, score: FloatArray, *, min_baseline: float = 1) -> FloatArray:
    """Give the improvement of a symptom score in percent of the baseline.

    Getting worse is negative. NaN where a score is missing or the baseline lies
    below `min_baseline`: of no symptoms there is no share to lose.

    Parameters
    ----------
    baseline, score
        Sums of one scale, more is worse; NaN where missing.
    """
    base = np.asarray(baseline, dtype=np.float64)
    usable = base >= max(min_baseline, np.nextafter(0, 1))
    change = base - np.asarray(score, dtype=np.float64)
    return np.divide(100 * change, base, out=np.full(np.shape(change), np.nan), where=usable)


def consensus_class(
    percent: FloatArray, *, resistant_below: float = 25, response_from: float = 50
) -> npt.NDArray[np.object_]:
    """Name the outcome of a trial: "resistant", "partial", "response" or "unknown".

    Resistant below 25 percent improvement (also worsening), partial from 25 to
    below 50, response from 50: each band holds its lower end [1]_.

    References
    ----------
    .. [1] Sforzini et al. (2021) Mol Psychiatry, doi 10.1038/s41380-021-01381-x.
    """
    values = np.asarray(percent, dtype=np.float64)
    chosen = np.select(
        [np.isnan(values), values < resistant_below, values < response_from],
        [0, 1, 2],
        default=3,
    )
    names = np.array(["unknown", "resistant", "partial", "response"], dtype=object)
    return np.asarray(names[chosen], dtype=object)


def judge_trials(
    trials: Trials, scores: pd.DataFrame, rule: ScaleFailures
) -> tuple[FloatArray, IntArray]:
    """Give each trial's improvement in percent and the day of the score that tells it.

    The scale is the first, by name, that has both scores. NaN and `NEVER` without.
    """
    percent = np.full(len(trials.person), np.nan)
    told = np.full(len(trials.person), NEVER, dtype=np.int64)
    known_end = np.minimum(trials.end, trials.switch)
    for scale in sorted(set(scores["scale"]), reverse=True):
        own = scores[scores["scale"] == scale]
        person, day = own["row"].to_numpy(dtype=np.int64), own["day"].to_numpy(dtype=np.int64)
        value = own["score"].to_numpy(dtype=np.float64)
        key = sort_key(person, day)
        before = np.searchsorted(key, sort_key(trials.person, trials.start), side="right") - 1
        after = np.searchsorted(key, sort_key(trials.person, known_end), side="right") - 1
        has_both = (before >= 0) & (after >= 0)
        has_both &= (person[before] == trials.person) & (person[after] == trials.person)
        has_both &= trials.start - day[before] <= rule.baseline_days
        # A score before week four, or an early stop, tells of no failure.
        has_both &= day[after] - trials.start >= rule.min_days
        found = improvement(value[before], value[after], min_baseline=rule.min_baseline)
        has_both &= ~np.isnan(found)
        percent[has_both], told[has_both] = found[has_both], day[after][has_both]
    return percent, told


def judge_by_scales(
    trials: Trials, scores: pd.DataFrame, rule: ScaleFailures, n_people: int
) -> tuple[IntArray, BoolArray]:
    """Give the day of the score that shows the last of `rule.n_failures`, and who responds.

    Failures are of different drugs. Who has a response and no resistance responds.
    """
    percent, told = judge_trials(trials, scores, rule)
    outcome = consensus_class(
        percent, resistant_below=rule.resistant_below, response_from=rule.response_from
    )
    failed = outcome == "resistant"
    day = nth_distinct(
        trials.person[failed], told[failed], trials.drug[failed], rule.n_failures, n_people
    )
    response = outcome == "response"
    responded = first_of(trials.person[response], told[response], n_people)
    return day, (responded < NEVER) & (day == NEVER)
