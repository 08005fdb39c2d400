"""Doses of trials: adequate, too low, or not known; and trials for another purpose."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import numpy as np
import pandas as pd

from pgs_trd.ehr.cleaning import flag_diagnoses, flag_prescriptions
from pgs_trd.ehr.codes import DEPRESSION_CLASSES
from pgs_trd.ehr.drugs import LOW_DOSES_MG, listed_drugs
from pgs_trd.ehr.records import Ehr
from pgs_trd.ehr.trials import find_switches
from pgs_trd.errors import UsageError

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
    floors = _floors() if floors_mg is None else dict(floors_mg)
    days = _dose_days(ehr)
    days["ingredient"] = days["ingredient"].astype(object)
    keys = ["person_id", "ingredient"]
    wanted = trials[[*keys, "trial", "start_date"]].sort_values("start_date", kind="stable")
    held = pd.merge_asof(
        days.sort_values("date", kind="stable"),
        wanted,
        left_on="date",
        right_on="start_date",
        by=keys,
    ).dropna(subset=["trial"])
    found = (
        held.assign(trial=held["trial"].astype("int64"))
        .groupby(["person_id", "trial"])
        .agg(
            max_dose_mg=("dose_mg", "max"),
            n_days_known=("dose_mg", "count"),
            n_days=("dose_mg", "size"),
        )
    )
    index = pd.MultiIndex.from_frame(trials[["person_id", "trial"]])
    found = found.reindex(index).reset_index()
    known = found["n_days_known"].fillna(0).astype("int64")
    unknown = (found["n_days"].fillna(1) - found["n_days_known"].fillna(0)).astype("int64")
    floor = trials["ingredient"].map(floors).to_numpy(dtype=np.float64)
    low = trials["ingredient"].map(LOW_DOSES_MG).to_numpy(dtype=np.float64)
    highest = found["max_dose_mg"].to_numpy(dtype=np.float64)
    all_known = (unknown == 0).to_numpy()
    adequacy = np.select(
        [highest >= floor, all_known & (highest < floor)], ["adequate", "inadequate"], "unknown"
    )
    return pd.DataFrame(
        {
            "person_id": found["person_id"],
            "trial": found["trial"].astype("int64"),
            "max_dose_mg": highest,
            "n_days_known": known,
            "n_days_unknown": unknown,
            "dose_adequacy": adequacy.astype(object),
            "is_low_dose": all_known & (highest <= low),
        }
    )


def _floors() -> dict[str, float]:
    listed = listed_drugs()
    listed = listed[listed["min_adequate_dose_mg"] != ""]
    return dict(
        zip(listed["ingredient"], listed["min_adequate_dose_mg"].astype(float), strict=True)
    )


def _dose_days(ehr: Ehr) -> pd.DataFrame:
    """Give the dose of each person, ingredient and day; NaN where a row does not know it."""
    flagged = flag_prescriptions(ehr)
    usable = flagged.filter(flagged.reason.isnull())
    rows = usable.select("person_id", "ingredient", "date", "dose_ug").distinct()
    days = rows.group_by("person_id", "ingredient", "date").aggregate(
        total=rows.dose_ug.sum().cast("int64"), n_unknown=rows.dose_ug.isnull().sum().cast("int64")
    )
    table = ehr.fetch(days.mutate(person_id=days.person_id.cast("string")))
    dose = table["total"].astype("float64") / 1000
    table["person_id"] = table["person_id"].astype(object)
    return table.assign(dose_mg=dose.where(table["n_unknown"] == 0))


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
    flagged = flag_diagnoses(ehr)
    usable = flagged.filter(
        flagged.reason.isnull() & flagged.diagnosis_class.isin(list(DEPRESSION_CLASSES))
    )
    codes = usable.select("person_id", "date").distinct()
    table = ehr.fetch(codes.mutate(person_id=codes.person_id.cast("string")))
    table["person_id"] = table["person_id"].astype(object)
    wanted = trials[["person_id", "start_date"]].reset_index()
    near = pd.merge_asof(
        wanted.sort_values("start_date", kind="stable"),
        table.sort_values("date", kind="stable"),
        left_on="start_date",
        right_on="date",
        by="person_id",
        direction="nearest",
        tolerance=pd.Timedelta(days=days),
    )
    return near.set_index("index")["date"].notna().reindex(trials.index)
