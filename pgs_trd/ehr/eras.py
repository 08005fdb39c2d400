"""Prescriptions of one ingredient joined into eras."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pgs_trd.ehr.arrays import IntArray, running_max
from pgs_trd.ehr.fills import Fills
from pgs_trd.ehr.people import People


@dataclass(frozen=True)
class Eras:
    """Eras of one drug, ordered by person, drug and start.

    Attributes
    ----------
    person, drug, start, end
        As in `Fills`.
    n_prescriptions, n_supply_imputed
        Fills, and those of them with the default supply.
    """

    person: IntArray
    drug: IntArray
    start: IntArray
    end: IntArray
    n_prescriptions: IntArray
    n_supply_imputed: IntArray

    def take(self, order: IntArray) -> Eras:
        """Give the eras in another order."""
        return Eras(*(getattr(self, column.name)[order] for column in fields(self)))


def build_eras(fills: Fills, people: People, *, gap_days: int) -> Eras:
    """Join the fills of a person and drug into eras.

    A new era begins where a fill starts more than `gap_days` after everything
    before it has run out. "Everything before": the running maximum of the ends,
    so that a short fill inside a long one does not split the era. Eras do not
    cross a hole in observation, and end with observation or life.
    """
    opens = fills.opens
    reach = running_max(fills.end, opens)
    opens[1:] |= fills.start[1:] > reach[:-1] + gap_days
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(opens))[: len(first)] - 1
    person = fills.person[first].astype(np.int64)
    until = np.minimum(people.periods.last[fills.period[first]], people.death_day[person])
    imputed = fills.is_imputed.astype(np.int64)
    return Eras(
        person=person,
        drug=fills.drug[first].astype(np.int64),
        start=fills.start[first].astype(np.int64),
        end=np.minimum(reach[last], until + 1),
        n_prescriptions=last - first + 1,
        n_supply_imputed=np.add.reduceat(imputed, first) if len(first) else imputed,
    )
