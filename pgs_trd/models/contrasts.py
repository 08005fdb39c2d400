"""Who is compared with whom: the contrasts of the study, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray

# A person with depression is of one of these classes; "neither" met neither rule.
MDD_CLASSES = ("trd", "responsive", "neither")


@dataclass(frozen=True)
class Contrast:
    """Cases and controls by phenotype class.

    People of a depression class count only if `is_mdd` is true, so that those whom
    the definition excluded (bipolar disorder, psychosis) are in neither group.

    Attributes
    ----------
    cases, controls
        Values of `phenotype`.
    question
        What the contrast asks, for tables and figures.
    """

    cases: tuple[str, ...]
    controls: tuple[str, ...]
    question: str

    def outcome(self, phenotype_table: pd.DataFrame) -> FloatArray:
        """Give 1 for cases, 0 for controls, NaN for people in neither group."""
        phenotype = phenotype_table["phenotype"]
        is_mdd = phenotype_table["is_mdd"].fillna(False).to_numpy(dtype=bool)
        counts = np.where(phenotype.isin(MDD_CLASSES), is_mdd, True)
        outcome = np.full(len(phenotype_table), np.nan)
        outcome[phenotype.isin(self.controls).to_numpy() & counts] = 0.0
        outcome[phenotype.isin(self.cases).to_numpy() & counts] = 1.0
        return outcome


CONTRASTS: Mapping[str, Contrast] = MappingProxyType(
    {
        "trd_vs_responsive": Contrast(
            ("trd",), ("responsive",), "resistant against responsive, among treated depression"
        ),
        "trd_vs_none": Contrast(("trd",), ("no_mdd",), "resistant against no depression"),
        "responsive_vs_none": Contrast(
            ("responsive",), ("no_mdd",), "responsive against no depression"
        ),
        "mdd_vs_none": Contrast(MDD_CLASSES, ("no_mdd",), "depression against none"),
    }
)
