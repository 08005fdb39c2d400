"""Treatment trials: one row for each course of one antidepressant."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL, flag_prescriptions
from pgs_trd.ehr.eras import build_eras, stockpile_rows, supply_rows
from pgs_trd.ehr.records import Ehr, fetch_arrow
from pgs_trd.errors import UsageError, join_faults


def build_trials(
    ehr: Ehr,
    *,
    gap_days: int = 30,
    default_supply_days: int = 30,
    max_supply_days: int = 365,
    min_days: int = 42,
    taper_days: int = 30,
    use_refills: bool = True,
    counted: Collection[str] = COUNTED_AS_TRIAL,
    stockpile: bool = False,
) -> pd.DataFrame:
    """Turn prescriptions into treatment trials, one row a trial.

    Rows are cleaned (`prescription_flow` counts what is dropped), missing days'
    supply is imputed, and the rows of a person and ingredient are joined into
    eras by a running maximum of the ends. Supply is not carried over from early
    refills, as in the official OMOP drug eras, unless `stockpile` is set.

    Parameters
    ----------
    gap_days
        Days without supply that a trial survives.
    default_supply_days
        Supply of a prescription that knows neither days' supply nor end date.
    max_supply_days
        Longest supply of one prescription; more is cut to this.
    min_days
        Length of an adequate trial.
    taper_days
        Overlap with the next drug that still is a switch (cross-taper). A trial
        that goes on for longer beside another drug was not ended by it.
    use_refills
        Multiply the supply of orders (not of dispensings) by one plus refills.
    counted
        Which values of ``counts_as_trial`` in the code list make a trial.
    stockpile
        Take what is left of a fill after the next one is begun.

    Returns
    -------
    DataFrame
        Ordered by person, start and ingredient: ``person_id``, ``trial`` (1, 2,
        ...), ``ingredient``, ``drug_class``, ``start_date``, ``end_date``
        (half-open: the first day without), ``days``, ``n_prescriptions`` (days
        with a prescription), ``n_supply_imputed`` (of these, with the default
        supply), ``switch_date`` (start of the next trial of another ingredient,
        NaT if none), ``is_adequate``: at least `min_days` long when the switch
        came, not counting what was still taken afterwards.

    Raises
    ------
    UsageError
        If a number of days is negative, or a supply less than one day.
    DataError
        If the records cannot be read.
    """
    _check_options(
        {"gap_days": gap_days, "min_days": min_days, "taper_days": taper_days},
        {"default_supply_days": default_supply_days, "max_supply_days": max_supply_days},
    )
    flagged = flag_prescriptions(ehr, counted=counted)
    rows = supply_rows(
        flagged.filter(flagged.reason.isnull()),
        default_supply_days=default_supply_days,
        max_supply_days=max_supply_days,
        use_refills=use_refills,
    )
    if stockpile:
        rows = stockpile_rows(rows)
    eras = fetch_arrow(ehr.backend, build_eras(rows, gap_days=gap_days))
    trials = _number_trials(cast(ir.Table, ibis.memtable(eras)), taper_days=taper_days)
    return _as_table(ehr.fetch(trials), min_days=min_days)


def _check_options(not_negative: dict[str, int], positive: dict[str, int]) -> None:
    faults = [f"{name} must be at least 0, got {n}" for name, n in not_negative.items() if n < 0]
    faults += [f"{name} must be at least 1, got {n}" for name, n in positive.items() if n < 1]
    if faults:
        raise UsageError(join_faults("build_trials", faults))


def _number_trials(eras: ir.Table, *, taper_days: int) -> ir.Table:
    """Give the eras of a person numbers, and find the day each was switched from.

    The order (start, ingredient) is total: eras of one drug do not share a start.
    """
    order = ["start_day", "ingredient"]
    trials = eras.mutate(
        trial=ibis.row_number().over(group_by="person_id", order_by=order).cast("int64") + 1
    )
    later = trials.select(person="person_id", drug="ingredient", later_day="start_day")
    switched = (
        trials.inner_join(
            later,
            [
                trials.person_id == later.person,
                trials.ingredient != later.drug,
                trials.start_day < later.later_day,
                trials.end_day - taper_days <= later.later_day,
            ],
        )
        .group_by(["person_id", "trial"])
        .aggregate(switch_day=lambda t: t.later_day.min())
    )
    joined = trials.left_join(switched, ["person_id", "trial"])
    return joined.select(
        person_id=joined.person_id.cast("string"),
        **{name: joined[name] for name in trials.columns if name != "person_id"},
        switch_day=joined.switch_day,
    ).order_by(["person_id", "trial"])


def find_switches(trials: pd.DataFrame, *, taper_days: int) -> pd.Series:
    """Find the day each trial was switched from, among these trials only.

    Returns
    -------
    Series
        Start of the next trial of another ingredient that began when this one had
        no more than `taper_days` to go; with the index of `trials`, NaT if none.
    """
    plain = trials[["person_id", "ingredient", "start_date", "end_date"]].reset_index()
    later = plain[["person_id", "ingredient", "start_date"]]
    pairs = plain.merge(later, on="person_id", suffixes=("", "_next"))
    earliest = pairs["end_date"] - pd.Timedelta(days=taper_days)
    is_switch = pairs["ingredient"] != pairs["ingredient_next"]
    is_switch &= pairs["start_date_next"] > pairs["start_date"]
    is_switch &= pairs["start_date_next"] >= earliest
    first = pairs[is_switch].groupby("index")["start_date_next"].min()
    return first.reindex(trials.index).astype("datetime64[ns]")


def _as_table(trials: pd.DataFrame, *, min_days: int) -> pd.DataFrame:
    start, end = trials["start_day"], trials["end_day"]
    switch = trials["switch_day"].astype("Int64")
    end_known = pd.concat([end.astype("Int64"), switch], axis=1).min(axis=1, skipna=True)
    return pd.DataFrame(
        {
            "person_id": trials["person_id"].astype(object),
            "trial": trials["trial"].astype("int64"),
            "ingredient": trials["ingredient"].astype(object),
            "drug_class": trials["drug_class"].astype(object),
            "start_date": _dates(start),
            "end_date": _dates(end),
            "days": (end - start).astype("int64"),
            "n_prescriptions": trials["n_prescriptions"].astype("int64"),
            "n_supply_imputed": trials["n_supply_imputed"].astype("int64"),
            "switch_date": _dates(switch),
            "is_adequate": ((end_known - start) >= min_days).astype(bool),
        }
    )


def _dates(days: pd.Series) -> pd.Series:
    """Give days since 1970 as dates.

    Not by pandas' to_datetime(unit="D"): where a day is missing it computes with
    memory that nobody wrote, and raises now and then (pandas 2.3).
    """
    known = days.notna().to_numpy()
    dates = np.full(len(days), np.datetime64("NaT", "D"))
    dates[known] = days[known].to_numpy(dtype=np.int64).astype("datetime64[D]")
    return pd.Series(dates.astype("datetime64[ns]"), index=days.index)
