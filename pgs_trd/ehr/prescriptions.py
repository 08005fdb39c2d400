"""Prescriptions of antidepressants and of what is added to them, as arrays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pgs_trd.ehr.arrays import BoolArray, SmallIntArray
from pgs_trd.ehr.cleaning import ReasonArray, place_rows, reason_number
from pgs_trd.ehr.people import days_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from pgs_trd.ehr.records import Ehr

_MOST, _MOST_UG = 10**6, 2 * 10**9


@dataclass(frozen=True)
class Prescriptions:
    """All rows of the listed drugs, in the order of the source.

    Attributes
    ----------
    person, day, reason
        As in `Rows`; the reason is one that every dated row can have.
    end
        Last day as recorded; `NEVER`: none.
    supply
        Days' supply; 0: not known; negative: recorded so.
    refills
        0 where not known, or not of an order.
    dose_ug
        Micrograms a day; 0: not known.
    ingredient
        Number into `ingredients`; -1: only the class of the drug is known.
    listed_as
        Number into `kinds`, the values of ``counts_as_trial``.
    ingredients, kinds
        Names, sorted.
    are_eras
        Each row is an era of the source: however long, its end is believed.
    """

    person: SmallIntArray
    day: SmallIntArray
    reason: ReasonArray
    end: SmallIntArray
    supply: SmallIntArray
    refills: SmallIntArray
    dose_ug: SmallIntArray
    ingredient: npt.NDArray[np.int16]
    listed_as: npt.NDArray[np.int8]
    ingredients: tuple[str, ...]
    kinds: tuple[str, ...]
    are_eras: bool = False

    def is_of(self, counted: Collection[str]) -> BoolArray:
        """Say which rows have one of these values of ``counts_as_trial``."""
        wanted = np.array([*(name in counted for name in self.kinds), False])
        found: BoolArray = wanted[self.listed_as]
        return found

    def reasons(self, counted: Collection[str]) -> ReasonArray:
        """Say why rows cannot be used as prescriptions of drugs that are `counted`."""
        is_open = self.reason == 0
        broken = {
            "negative_supply": self.supply < 0,
            "not_counted": ~self.is_of(counted),
            "ingredient_unknown": self.ingredient < 0,
        }
        reason = self.reason.copy()
        for name, mask in broken.items():
            reason[is_open & mask] = reason_number(name)
        return reason


def prescription_query(ehr: Ehr) -> ir.Table:
    """Ask for what `read_prescriptions` needs of each row."""
    table = ehr.prescriptions
    # Small numbers by the engine: what is larger than a bound is cut later anyway.
    numbers = {
        "days_supply": table.days_supply.clip(-1, _MOST).cast("int32"),
        "refills": table.refills.clip(0, _MOST).cast("int32"),
        "dose_ug": table.dose_ug.clip(0, _MOST_UG).cast("int32"),
    }
    return table.select("person_id", "date", "end_date", "drug_number", **numbers)


def read_prescriptions(ehr: Ehr, found: pa.Table) -> Prescriptions:
    """Make arrays of the rows of `prescription_query`."""
    rows = place_rows(ehr, found)
    number = rows.values.column("drug_number").to_numpy()
    ingredients = sorted(set(ehr.drugs["ingredient"].dropna()))
    kinds = sorted(set(ehr.drugs["counts_as_trial"]))
    of_drug = pd.Categorical(ehr.drugs["ingredient"], categories=ingredients).codes
    listed_as = pd.Categorical(ehr.drugs["counts_as_trial"], categories=kinds).codes
    return Prescriptions(
        person=rows.person,
        day=rows.day,
        reason=rows.reason,
        end=days_of(rows.values.column("end_date")),
        supply=_numbers(rows.values.column("days_supply")),
        refills=_numbers(rows.values.column("refills")),
        dose_ug=_numbers(rows.values.column("dose_ug")),
        ingredient=of_drug.astype(np.int16)[number],
        listed_as=listed_as.astype(np.int8)[number],
        ingredients=tuple(ingredients),
        kinds=tuple(kinds),
        are_eras=ehr.has_drug_eras,
    )


def _numbers(column: pa.ChunkedArray) -> SmallIntArray:
    """Give a column of whole numbers, null as 0; one zero for all if none is known."""
    if column.null_count == len(column):
        return np.broadcast_to(np.int32(0), len(column))
    numbers: SmallIntArray = column.fill_null(0).to_numpy()
    return numbers
