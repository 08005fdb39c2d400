"""What is given besides antidepressant trials: prescription days, added drugs, procedures."""

from __future__ import annotations

from collections.abc import Collection

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL, flag_events, flag_prescriptions
from pgs_trd.ehr.drugs import LOW_DOSES_MG, listed_drugs
from pgs_trd.ehr.eras import build_eras, supply_rows
from pgs_trd.ehr.records import Ehr, fetch_arrow

COURSE_DAYS = 60
"""Sessions of one procedure with no longer pause between them are one course."""

_EPOCH = pd.Timestamp("1970-01-01")


def prescription_days(ehr: Ehr, *, counted: Collection[str] = COUNTED_AS_TRIAL) -> pd.DataFrame:
    """Give the days on which each person got a usable prescription of a drug.

    Returns
    -------
    DataFrame
        ``person_id`` (text), ``date``, ``ingredient``, ``drug_class``; one row a person,
        day and ingredient, in no order.
    """
    flagged = flag_prescriptions(ehr, counted=counted)
    usable = flagged.filter(flagged.reason.isnull())
    days = usable.select("person_id", "date", "ingredient", "drug_class").distinct()
    return ehr.fetch(days.mutate(person_id=days.person_id.cast("string")))


def build_adjuncts(
    ehr: Ehr, *, gap_days: int = 30, default_supply_days: int = 30, max_supply_days: int = 365
) -> pd.DataFrame:
    """Build eras of added drugs and of markers, and courses of procedures.

    A row known to be of a dose for sleep (quetiapine up to 100 mg) adds nothing.

    Parameters
    ----------
    gap_days, default_supply_days, max_supply_days
        As in `build_trials`, for drugs.

    Returns
    -------
    DataFrame
        Ordered by person, start and name: ``person_id``, ``kind`` ("augmentation":
        lithium, antipsychotics and other added drugs; "marker": esketamine and others
        that mark resistance; "procedure": ECT, rTMS, VNS, esketamine visits), ``name``
        (ingredient or procedure class), ``drug_class``, ``start_date``, ``end_date``
        (half-open), ``n_records`` (days with one).
    """
    kinds = ("augmentation", "marker")
    flagged = flag_prescriptions(ehr, counted=kinds)
    usable = flagged.filter(flagged.reason.isnull() & ~_is_low_dose(flagged))
    rows = supply_rows(
        usable,
        default_supply_days=default_supply_days,
        max_supply_days=max_supply_days,
        use_refills=True,
    )
    eras = fetch_arrow(ehr.backend, build_eras(rows, gap_days=gap_days)).to_pandas()
    markers = _markers()
    drugs = pd.DataFrame(
        {
            "person_id": eras["person_id"].astype(str).astype(object),
            "kind": [
                "marker" if name in markers else "augmentation" for name in eras["ingredient"]
            ],
            "name": eras["ingredient"].astype(object),
            "drug_class": eras["drug_class"].astype(object),
            "start_date": _EPOCH + pd.to_timedelta(eras["start_day"], unit="D"),
            "end_date": _EPOCH + pd.to_timedelta(eras["end_day"], unit="D"),
            "n_records": eras["n_prescriptions"].astype("int64"),
        }
    )
    parts = [part for part in (drugs, _procedures(ehr)) if len(part)] or [drugs]
    found = pd.concat(parts, ignore_index=True)
    dates = {"start_date": "datetime64[ns]", "end_date": "datetime64[ns]"}
    found = found.astype({**dates, "n_records": "int64"})
    return found.sort_values(["person_id", "start_date", "name"], kind="stable", ignore_index=True)


def _is_low_dose(rows: ir.Table) -> ir.BooleanValue:
    """Say which rows are known to be of a dose for sleep (quetiapine up to 100 mg)."""
    found = ibis.literal(False)
    for ingredient, dose_mg in LOW_DOSES_MG.items():
        low = (rows.ingredient == ingredient) & (rows.dose_ug <= int(dose_mg * 1000))
        found = found | low.fill_null(False)
    return found


def _markers() -> set[str]:
    listed = listed_drugs()
    return set(listed.loc[listed["counts_as_trial"] == "marker", "ingredient"])


def _procedures(ehr: Ehr) -> pd.DataFrame:
    """Join the days of one procedure into courses."""
    flagged = flag_events(ehr, ehr.procedures)
    usable = flagged.filter(flagged.reason.isnull())
    days = usable.select("person_id", "date", name=usable.procedure_class).distinct()
    keys = ["person_id", "name"]
    before = days.mutate(before=days.date.lag(1).over(group_by=keys, order_by="date"))
    table = ehr.fetch(before.mutate(person_id=before.person_id.cast("string")))
    table = table.sort_values([*keys, "date"], kind="stable", ignore_index=True)
    opens = table["before"].isna() | ((table["date"] - table["before"]).dt.days > COURSE_DAYS)
    courses = table.assign(course=opens.cumsum()).groupby("course", sort=True)
    first = courses.first()
    return pd.DataFrame(
        {
            "person_id": first["person_id"].astype(object),
            "kind": "procedure",
            "name": first["name"].astype(object),
            "drug_class": "procedure",
            "start_date": first["date"],
            "end_date": courses["date"].max() + pd.Timedelta(days=1),
            "n_records": courses.size().astype("int64"),
        }
    ).reset_index(drop=True)


def visit_days(ehr: Ehr) -> pd.DataFrame | None:
    """Give the days each person was seen; None where the source has no visits.

    Returns
    -------
    DataFrame
        ``person_id`` (text), ``date``; in no order.
    """
    if ehr.visits is None:
        return None
    flagged = flag_events(ehr, ehr.visits)
    usable = flagged.filter(flagged.reason.isnull())
    days = usable.select("person_id", "date").distinct()
    return ehr.fetch(days.mutate(person_id=days.person_id.cast("string")))
