"""What each trial was: first, switch, combination, addition; and what was added to it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import IntArray, ends_of, first_of, pair_rows, starts_of, to_days
from pgs_trd.errors import UsageError
from pgs_trd.phenotype.arrays import Trials
from pgs_trd.phenotype.cohort import TRIAL_COLUMNS, trial_arrays
from pgs_trd.phenotype.rules import treatment_lines
from pgs_trd.tables import require_columns

BEGINNINGS = ("first", "restart", "switch", "failed_addition", "combination")
"""How a trial can begin; of several that hold, the last counts."""


def label_trials(
    trials: pd.DataFrame,
    adjuncts: pd.DataFrame | None = None,
    *,
    taper_days: int = 30,
    min_together_days: int = 28,
    link_days: int = 180,
) -> pd.DataFrame:
    """Say of each trial how it began and what other drugs were added to it.

    Parameters
    ----------
    trials
        From `build_trials`.
    adjuncts
        From `build_adjuncts`; None: nothing is known of added drugs.
    taper_days
        Overlap that still is a switch (cross-taper).
    min_together_days
        Days beside another drug that make a combination, or an augmentation.
    link_days
        Days without any drug that a line of treatment survives.

    Returns
    -------
    DataFrame
        `trials`, ordered by person, start and ingredient, with ``line`` (0, 1, ... in a
        person), ``begins_as`` and ``augmented_with`` (added drugs, "lithium;quetiapine";
        empty without). "first": nothing before in the line. "restart": only this drug
        before. "switch": another drug before, which had at most `taper_days` to go.
        "failed_addition": stopped within `min_together_days` while another drug went on.
        "combination": begun on one day with another drug, or taken beside it for longer.
        An added drug counts that is begun on or after the trial's start, after no
        earlier use before any antidepressant, and taken beside it for
        `min_together_days`.

    Raises
    ------
    UsageError
        If a number of days is negative.
    """
    require_columns(trials, TRIAL_COLUMNS, "trials")
    days = {
        "taper_days": taper_days,
        "min_together_days": min_together_days,
        "link_days": link_days,
    }
    for name, value in days.items():
        if value < 0:
            raise UsageError(f"label_trials: {name} must be at least 0, got {value}")
    people = pd.Index(sorted(set(trials["person_id"])))
    rows = people.get_indexer(pd.Index(trials["person_id"])).astype(np.int64)
    arrays, order = trial_arrays(trials, rows)
    table = trials.iloc[order].reset_index(drop=True)
    line = treatment_lines(arrays, link_days=link_days)
    begins = _beginnings(arrays, line, taper_days=taper_days, together=min_together_days)
    added = np.full(len(table), "", dtype=object)
    if adjuncts is not None:
        added = _additions(arrays, adjuncts, people, min_together_days)
    names = np.array(BEGINNINGS, dtype=object)
    labelled: pd.DataFrame = table.assign(line=line, begins_as=names[begins], augmented_with=added)
    return labelled


def _beginnings(trials: Trials, line: IntArray, *, taper_days: int, together: int) -> IntArray:
    found = np.zeros(len(trials.person), dtype=np.int64)
    low, high = starts_of(trials.person), ends_of(trials.person)
    own, other = pair_rows(low, high)
    is_other = (own != other) & (line[own] == line[other])
    is_other &= trials.start[other] <= trials.start[own]
    own, other = own[is_other], other[is_other]
    same_drug = trials.drug[own] == trials.drug[other]
    np.maximum.at(found, own[same_drug], BEGINNINGS.index("restart"))
    own, other = own[~same_drug], other[~same_drug]
    same_day = trials.start[own] == trials.start[other]
    overlap = np.minimum(trials.end[own], trials.end[other]) - trials.start[own]
    goes_on = trials.end[other] > trials.end[own]
    fails = goes_on & (overlap > 0) & (overlap < together)
    combines = same_day | (goes_on & (overlap >= together)) | (~goes_on & (overlap > taper_days))
    label = np.full(len(own), BEGINNINGS.index("switch"), dtype=np.int64)
    label[fails] = BEGINNINGS.index("failed_addition")
    label[combines] = BEGINNINGS.index("combination")
    np.maximum.at(found, own, label)
    return found


def _additions(
    trials: Trials, adjuncts: pd.DataFrame, people: pd.Index, together: int
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    added = np.full(len(trials.person), "", dtype=object)
    drugs = adjuncts[adjuncts["kind"] == "augmentation"]
    person = people.get_indexer(pd.Index(drugs["person_id"])).astype(np.int64)
    drugs, person = drugs[person >= 0], person[person >= 0]
    start, end = to_days(drugs["start_date"]), to_days(drugs["end_date"])
    first = first_of(trials.person, trials.start, len(people))
    is_new = start >= first[person]
    drugs, person, start, end = drugs[is_new], person[is_new], start[is_new], end[is_new]
    low = np.searchsorted(trials.person, person, side="left")
    high = np.searchsorted(trials.person, person, side="right")
    left, row = pair_rows(low, high)
    beside = np.minimum(trials.end[row], end[left]) - start[left]
    holds = (start[left] >= trials.start[row]) & (beside >= max(together, 1))
    names = drugs["name"].to_numpy(dtype=object)[left[holds]]
    pairs = pd.DataFrame({"row": row[holds], "name": names}).drop_duplicates()
    joined = pairs.sort_values(["row", "name"]).groupby("row")["name"].agg(";".join)
    added[joined.index.to_numpy()] = joined.to_numpy(dtype=object)
    return added
