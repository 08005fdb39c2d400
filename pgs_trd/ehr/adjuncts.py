"""What is given besides antidepressant trials: added drugs and procedures."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import BoolArray, IntArray, ObjectArray, is_first_of, sort_key, to_dates
from pgs_trd.ehr.cleaning import read_classed
from pgs_trd.ehr.drugs import LOW_DOSES_MG, class_of_ingredients, listed_drugs
from pgs_trd.ehr.eras import build_eras
from pgs_trd.ehr.fills import make_fills
from pgs_trd.ehr.prescriptions import Prescriptions
from pgs_trd.ehr.records import Ehr

COURSE_DAYS = 60
"""Sessions of one procedure with no longer pause between them are one course."""


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
    rows = ehr.prescription_rows
    chosen = (rows.reasons(("augmentation", "marker")) == 0) & ~_is_low_dose(rows)
    fills = make_fills(
        rows,
        chosen,
        ehr.people,
        default_supply_days=default_supply_days,
        max_supply_days=max_supply_days,
        use_refills=True,
    )
    eras = build_eras(fills, ehr.people, gap_days=gap_days)
    names, markers = rows.ingredients, _markers(ehr)
    classes = class_of_ingredients(ehr.codelists)
    kinds = ["marker" if name in markers else "augmentation" for name in names]
    found = _Found(
        person=eras.person,
        kind=np.array(kinds, dtype=object)[eras.drug],
        name=np.array(names, dtype=object)[eras.drug],
        drug_class=np.array([classes[name] for name in names], dtype=object)[eras.drug],
        start=eras.start,
        end=eras.end,
        n_records=eras.n_prescriptions,
    )
    return _as_table(ehr, found, _procedures(ehr))


@dataclass(frozen=True)
class _Found:
    """Columns of the table that `build_adjuncts` gives, of drugs or of procedures."""

    person: IntArray
    kind: ObjectArray
    name: ObjectArray
    drug_class: ObjectArray
    start: IntArray
    end: IntArray
    n_records: IntArray


def _as_table(ehr: Ehr, *parts: _Found) -> pd.DataFrame:
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts])
        for column in fields(_Found)
    }
    order = np.lexsort((columns["name"].astype(str), sort_key(columns["person"], columns["start"])))
    columns = {name: values[order] for name, values in columns.items()}
    return pd.DataFrame(
        {
            "person_id": ehr.people.person_id[columns["person"]],
            "kind": columns["kind"],
            "name": columns["name"],
            "drug_class": columns["drug_class"],
            "start_date": to_dates(columns["start"]),
            "end_date": to_dates(columns["end"]),
            "n_records": columns["n_records"],
        }
    )


def _is_low_dose(rows: Prescriptions) -> BoolArray:
    """Say which rows are known to be of a dose for sleep (quetiapine up to 100 mg)."""
    low_ug = [int(LOW_DOSES_MG.get(name, 0) * 1000) for name in rows.ingredients]
    limit = np.array([*low_ug, 0])[rows.ingredient]
    found: BoolArray = (rows.dose_ug > 0) & (rows.dose_ug <= limit)
    return found


def _markers(ehr: Ehr) -> set[str]:
    listed = listed_drugs(ehr.codelists)
    return set(listed.loc[listed["counts_as_trial"] == "marker", "ingredient"])


def _procedures(ehr: Ehr) -> _Found:
    """Join the days of one procedure into courses."""
    rows = read_classed(ehr, ehr.procedures, "procedure_class")
    person, day, number = rows.usable_days()
    order = np.lexsort((day, number, person))
    person, day, number = person[order], day[order], number[order]
    opens = is_first_of(person, number)
    opens[1:] |= np.diff(day) > COURSE_DAYS
    first = np.flatnonzero(opens)
    after = np.append(first[1:], len(day))[: len(first)]
    constant = np.full(len(first), "procedure", dtype=object)
    return _Found(
        person=person[first],
        kind=constant,
        name=np.array([*rows.classes, None], dtype=object)[number[first]],
        drug_class=constant,
        start=day[first],
        end=day[after - 1] + 1,
        n_records=after - first,
    )
