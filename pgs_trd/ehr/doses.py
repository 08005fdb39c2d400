"""Doses of trials: adequate, too low, or not known; and trials for another purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.ehr.arrays import IntArray, is_first_of, sort_key, split_key, to_days
from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL
from pgs_trd.ehr.codes import DEPRESSION_CLASSES
from pgs_trd.ehr.drugs import LOW_DOSES_MG, listed_drugs
from pgs_trd.ehr.records import Ehr
from pgs_trd.ehr.trials import find_switches
from pgs_trd.errors import UsageError

FloatArray = npt.NDArray[np.float64]

OTHER_INDICATIONS = (
    "amitriptyline",
    "bupropion",
    "clomipramine",
    "doxepin",
    "duloxetine",
    "milnacipran",
    "nortriptyline",
    "trazodone",
    "venlafaxine",
)
"""Drugs that are often given for something else: pain, sleep, smoking, obsessions, flushes."""


def trial_doses(
    ehr: Ehr, trials: pd.DataFrame, *, floors_mg: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Judge the dose of each trial; what is not known is not inadequate.

    Rows of one day are taken together, so different strengths add up, and an exact
    duplicate counts once. The highest day decides.

    Parameters
    ----------
    trials
        From `build_trials` on the same records.
    floors_mg
        Lowest adequate dose a day by ingredient, in place of the code list's.

    Returns
    -------
    DataFrame
        In the order of `trials`: ``person_id``, ``trial``, ``max_dose_mg`` (NaN: never
        known), ``n_days_known``, ``n_days_unknown``, ``dose_adequacy`` ("adequate";
        "inadequate": known on every day and too low; else "unknown", also for drugs
        without a floor), ``is_low_dose`` (known on every day, and never above
        `LOW_DOSES_MG`).
    """
    floors = _floors(ehr) if floors_mg is None else dict(floors_mg)
    n_days, n_known, highest = _dose_days(ehr, trials)
    n_unknown = n_days - n_known
    floor = trials["ingredient"].map(floors).to_numpy(dtype=np.float64)
    low = trials["ingredient"].map(LOW_DOSES_MG).to_numpy(dtype=np.float64)
    all_known = (n_unknown == 0) & (n_days > 0)
    adequacy = np.select(
        [highest >= floor, all_known & (highest < floor)], ["adequate", "inadequate"], "unknown"
    )
    return pd.DataFrame(
        {
            "person_id": trials["person_id"].to_numpy(),
            "trial": trials["trial"].to_numpy(dtype=np.int64),
            "max_dose_mg": highest,
            "n_days_known": n_known,
            "n_days_unknown": n_unknown,
            "dose_adequacy": adequacy.astype(object),
            "is_low_dose": all_known & (highest <= low),
        }
    )


def _floors(ehr: Ehr) -> dict[str, float]:
    listed = listed_drugs(ehr.codelists)
    listed = listed[listed["min_adequate_dose_mg"] != ""]
    return dict(
        zip(listed["ingredient"], listed["min_adequate_dose_mg"].astype(float), strict=True)
    )


def _dose_days(ehr: Ehr, trials: pd.DataFrame) -> tuple[IntArray, IntArray, FloatArray]:
    """Give each trial its days with a prescription, those of known dose, and the highest.

    A day's dose is the sum over its different doses; not known if one of them is not.
    """
    rows = ehr.prescription_rows
    n_drugs = len(rows.ingredients)
    usable = rows.reasons(COUNTED_AS_TRIAL) == 0
    group = rows.person[usable].astype(np.int64) * n_drugs + rows.ingredient[usable]
    key, dose = sort_key(group, rows.day[usable]), rows.dose_ug[usable].astype(np.int64)
    order = np.lexsort((dose, key))
    key, dose = key[order], dose[order]
    is_different = is_first_of(key, dose)
    key, dose = key[is_different], dose[is_different]
    opens = np.flatnonzero(is_first_of(key))
    total = np.add.reduceat(dose, opens) if len(opens) else dose
    # Sorted, an unknown dose (0) of a day stands first.
    known = dose[opens] > 0
    of_trial = ehr.people.find(trials["person_id"])
    number = {name: i for i, name in enumerate(rows.ingredients)}
    of_trial = of_trial * n_drugs + trials["ingredient"].map(number).to_numpy(dtype=np.int64)
    begins = sort_key(of_trial, to_days(trials["start_date"]))
    by_start = np.argsort(begins)
    place = np.searchsorted(begins[by_start], key[opens], side="right") - 1
    trial = by_start[np.maximum(place, 0)]
    held = (place >= 0) & (of_trial[trial] == split_key(key[opens])[0])
    n_days = np.bincount(trial[held], minlength=len(trials))
    held &= known
    highest = np.full(len(trials), np.nan)
    np.fmax.at(highest, trial[held], total[held] / 1000)
    return n_days, np.bincount(trial[held], minlength=len(trials)), highest


def gate_trials(
    ehr: Ehr,
    trials: pd.DataFrame,
    *,
    low_dose: bool = True,
    dose: Literal["off", "floor"] = "off",
    floors_mg: Mapping[str, float] | None = None,
    indication_days: int | None = None,
    indications: Collection[str] = OTHER_INDICATIONS,
    taper_days: int = 30,
) -> pd.DataFrame:
    """Mark trials that are no antidepressant treatment, and those of too low a dose.

    Nothing is dropped: `classify` leaves out the rows with a ``gate``, and takes a trial
    that is not ``is_dose_adequate`` for no failure. Switches are found anew among the
    others.

    Parameters
    ----------
    trials
        From `build_trials` on the same records.
    low_dose
        Gate trials that never exceeded a dose for sleep or pain.
    dose
        "floor": a trial known to have stayed below the lowest adequate dose is not
        adequate. An unknown dose is not inadequate.
    floors_mg
        As in `trial_doses`.
    indication_days
        Gate trials of `indications` without a depression code within so many days of
        their start; None: no such gate.
    taper_days
        As in `build_trials`.

    Returns
    -------
    DataFrame
        `trials` with ``gate`` (None, "low_dose", "no_indication"), ``dose_adequacy``,
        ``is_dose_adequate``, and ``switch_date`` as without the gated ones.

    Raises
    ------
    UsageError
        If `indication_days` is negative.
    """
    if indication_days is not None and indication_days < 0:
        raise UsageError(f"indication_days must be at least 0, got {indication_days}")
    table = trials.reset_index(drop=True)
    doses = trial_doses(ehr, table, floors_mg=floors_mg)
    gate = pd.Series(None, index=table.index, dtype=object)
    if indication_days is not None:
        other = table["ingredient"].isin(list(indications))
        gate[other & ~_has_code_near(ehr, table, indication_days)] = "no_indication"
    if low_dose:
        gate[doses["is_low_dose"]] = "low_dose"
    adequate = (doses["dose_adequacy"] != "inadequate") | (dose == "off")
    table = table.assign(gate=gate, dose_adequacy=doses["dose_adequacy"], is_dose_adequate=adequate)
    kept = table[gate.isna()]
    switch = find_switches(kept, taper_days=taper_days)
    table["switch_date"] = switch.reindex(table.index).astype("datetime64[ns]")
    return table


def _has_code_near(ehr: Ehr, trials: pd.DataFrame, days: int) -> pd.Series:
    rows = ehr.diagnosis_rows
    person, day, number = rows.usable_days()
    is_depression = np.isin(rows.classes, DEPRESSION_CLASSES)[number]
    key = sort_key(person[is_depression], day[is_depression])
    own = ehr.people.find(trials["person_id"])
    start = to_days(trials["start_date"])
    low = np.searchsorted(key, sort_key(own, start - days), side="left")
    high = np.searchsorted(key, sort_key(own, start + days), side="right")
    return pd.Series(high > low, index=trials.index)
