"""Treatment trials: one row for each course of one antidepressant."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import (
    IntArray,
    ends_of,
    first_of,
    pair_rows,
    places,
    sort_key,
    to_dates,
    to_days,
)
from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL
from pgs_trd.ehr.eras import Eras, build_eras
from pgs_trd.ehr.fills import SUPPLY_SOURCES, UnknownSupply, make_fills, stockpile_fills
from pgs_trd.ehr.records import Ehr
from pgs_trd.errors import UsageError, join_faults
from pgs_trd.resources import freed_at_once


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
    unknown_supply: UnknownSupply = "default",
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
    unknown_supply
        What a prescription supplies that does not say: "default", or "median_gap": the
        usual time from one prescription of the drug to the next, at most 90 days, and the
        default for who has but one.

    Returns
    -------
    DataFrame
        Ordered by person, start and ingredient: ``person_id``, ``trial`` (1, 2,
        ...), ``ingredient``, ``drug_class``, ``start_date``, ``end_date``
        (half-open: the first day without), ``days``, ``n_prescriptions`` (days
        with a prescription), ``n_supply_imputed`` (of these, with a supply that no
        row told; `prescription_supply` has it row by row), ``switch_date`` (start
        of the next trial of another ingredient, NaT if none), ``is_adequate``: at
        least `min_days` long when the switch came, not counting what was still
        taken afterwards.

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
    rows = ehr.prescription_rows
    with freed_at_once():
        fills = make_fills(
            rows,
            rows.reasons(counted) == 0,
            ehr.people,
            default_supply_days=default_supply_days,
            max_supply_days=max_supply_days,
            use_refills=use_refills,
            unknown_supply=unknown_supply,
        )
        if stockpile:
            fills = stockpile_fills(fills)
        eras = build_eras(fills, ehr.people, gap_days=gap_days)
        order = np.lexsort((eras.drug, sort_key(eras.person, eras.start)))
        return _as_table(ehr, eras.take(order), min_days=min_days, taper_days=taper_days)


def prescription_supply(
    ehr: Ehr,
    *,
    default_supply_days: int = 30,
    max_supply_days: int = 365,
    use_refills: bool = True,
    counted: Collection[str] = COUNTED_AS_TRIAL,
    unknown_supply: UnknownSupply = "default",
) -> pd.DataFrame:
    """Say what each prescription that makes trials supplies, and how that is known.

    Parameters
    ----------
    default_supply_days, max_supply_days, use_refills, counted, unknown_supply
        As in `build_trials`.

    Returns
    -------
    DataFrame
        One row a person, ingredient and day, in this order: ``person_id``,
        ``ingredient``, ``date``, ``supply_days``, ``supply_source`` ("days_supply";
        "end_date": from its start to there; "median_gap"; "default").

    Raises
    ------
    UsageError
        If a supply is less than one day.
    DataError
        If the records cannot be read.
    """
    _check_options(
        {}, {"default_supply_days": default_supply_days, "max_supply_days": max_supply_days}
    )
    rows = ehr.prescription_rows
    fills = make_fills(
        rows,
        rows.reasons(counted) == 0,
        ehr.people,
        default_supply_days=default_supply_days,
        max_supply_days=max_supply_days,
        use_refills=use_refills,
        unknown_supply=unknown_supply,
    )
    return pd.DataFrame(
        {
            "person_id": ehr.people.person_id[fills.person],
            "ingredient": np.array([*rows.ingredients, None], dtype=object)[fills.drug],
            "date": to_dates(fills.start.astype(np.int64)),
            "supply_days": (fills.end - fills.start).astype(np.int64),
            "supply_source": np.array(SUPPLY_SOURCES, dtype=object)[fills.source],
        }
    )


def _check_options(not_negative: dict[str, int], positive: dict[str, int]) -> None:
    faults = [f"{name} must be at least 0, got {n}" for name, n in not_negative.items() if n < 0]
    faults += [f"{name} must be at least 1, got {n}" for name, n in positive.items() if n < 1]
    if faults:
        raise UsageError(join_faults("build_trials", faults))


def switch_days(
    person: IntArray, drug: IntArray, start: IntArray, end: IntArray, *, taper_days: int
) -> IntArray:
    """Find the day each trial was switched from; `NEVER` if none.

    That is the start of the next trial of another drug, later than its own start, that
    began when it had no more than `taper_days` to go.

    Parameters
    ----------
    person, drug, start, end
        Trials ordered by person and start.
    """
    own, later = pair_rows(np.arange(1, len(person) + 1), ends_of(person))
    is_switch = drug[own] != drug[later]
    is_switch &= start[later] > start[own]
    is_switch &= start[later] >= end[own] - taper_days
    return first_of(own[is_switch], start[later[is_switch]], len(person))


def find_switches(trials: pd.DataFrame, *, taper_days: int) -> pd.Series:
    """Find the day each trial was switched from, among these trials only.

    Returns
    -------
    Series
        As `switch_days`, with the index of `trials`; NaT if none.
    """
    person = pd.factorize(trials["person_id"])[0]
    drug = pd.factorize(trials["ingredient"])[0]
    start, end = to_days(trials["start_date"]), to_days(trials["end_date"])
    order = np.argsort(sort_key(person, start), kind="stable")
    found = np.empty(len(trials), dtype=np.int64)
    found[order] = switch_days(
        person[order], drug[order], start[order], end[order], taper_days=taper_days
    )
    return pd.Series(to_dates(found), index=trials.index)


def _as_table(ehr: Ehr, eras: Eras, *, min_days: int, taper_days: int) -> pd.DataFrame:
    from pgs_trd.ehr.drugs import class_of_ingredients

    switch = switch_days(eras.person, eras.drug, eras.start, eras.end, taper_days=taper_days)
    names = ehr.prescription_rows.ingredients
    classes = class_of_ingredients(ehr.codelists)
    # Each id and name is one object, however many rows it has.
    ingredient = np.array([*names, None], dtype=object)
    drug_class = np.array([*(classes[name] for name in names), None], dtype=object)
    return pd.DataFrame(
        {
            "person_id": ehr.people.person_id[eras.person],
            "trial": places(eras.person) + 1,
            "ingredient": ingredient[eras.drug],
            "drug_class": drug_class[eras.drug],
            "start_date": to_dates(eras.start),
            "end_date": to_dates(eras.end),
            "days": eras.end - eras.start,
            "n_prescriptions": eras.n_prescriptions,
            "n_supply_imputed": eras.n_supply_imputed,
            "switch_date": to_dates(switch),
            "is_adequate": np.minimum(eras.end, switch) - eras.start >= min_days,
        },
        copy=False,
    )
