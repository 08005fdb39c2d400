"""Why rows of a weight file cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.weights.table import REFUSED_COLUMNS

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

HEADER_AGAIN = "header line repeated"
INTERACTION = "interaction"
DIPLOTYPE = "diplotype"
HAPLOTYPE = "haplotype"
HLA_ALLELE = "HLA allele"
HLA_AMINO_ACID = "HLA amino acid"
HLA_SEROTYPE = "HLA serotype"
NO_EFFECT_ALLELE = "effect allele missing"
EFFECT_ALLELE_TEXT = "effect allele not spelled in A, C, G, T"
OTHER_ALLELE_TEXT = "other allele not spelled in A, C, G, T"
SAME_ALLELES = "effect allele equals other allele"
BOTH_MODELS = "dominant and recessive at once"
UNKNOWN_MODEL = "effect type unknown"
UNKNOWN_FLAG = "flag neither true nor false"
DOSES_INCOMPLETE = "dosage weights incomplete or not numbers"
DOSES_OF_MANY = "dosage weights beside several weights"
WEIGHT_MISSING = "weight missing"
WEIGHT_TEXT = "weight not a number"
WEIGHT_INFINITE = "weight not finite"
RATIO_NOT_POSITIVE = "ratio not positive"
P_MISSING = "p-value missing"
P_WRONG = "p-value not a number in [0, 1]"
REFUSAL_REASONS = (
    HEADER_AGAIN, INTERACTION, DIPLOTYPE, HAPLOTYPE, HLA_ALLELE, HLA_AMINO_ACID, HLA_SEROTYPE,
    NO_EFFECT_ALLELE, EFFECT_ALLELE_TEXT, OTHER_ALLELE_TEXT, SAME_ALLELES, BOTH_MODELS,
    UNKNOWN_MODEL, UNKNOWN_FLAG, DOSES_INCOMPLETE, DOSES_OF_MANY, WEIGHT_MISSING, WEIGHT_TEXT,
    WEIGHT_INFINITE, RATIO_NOT_POSITIVE, P_MISSING, P_WRONG,
)  # fmt: skip
_FAULTS_OF_WEIGHT = (WEIGHT_MISSING, WEIGHT_TEXT, WEIGHT_INFINITE, RATIO_NOT_POSITIVE)


class Refusals:
    """Rows and cells that are refused, each for the first reason found.

    Parameters
    ----------
    n_rows
        Rows of the file.
    """

    def __init__(self, n_rows: int) -> None:
        self._reason = np.full(n_rows, -1, dtype=np.int8)
        self._cells: list[tuple[IntArray, int, str]] = []

    def refuse(self, rows: BoolArray, reason: str) -> None:
        """Refuse rows for every score, those excepted that are refused already."""
        self._reason[rows & (self._reason < 0)] = REFUSAL_REASONS.index(reason)

    def take(self, other: Refusals, rows: BoolArray) -> None:
        """Refuse, of `rows`, those that `other` refuses, for its reasons."""
        new = rows & other.is_refused & ~self.is_refused
        self._reason[new] = other._reason[new]

    def refuse_cells(self, rows: IntArray, score: int, reason: str) -> None:
        """Refuse rows (0-based) for one score."""
        if len(rows):
            self._cells.append((rows, score, reason))

    @property
    def is_refused(self) -> BoolArray:
        """Which rows are refused for every score."""
        rows: BoolArray = self._reason >= 0
        return rows

    def only_weights(self) -> bool:
        """Tell whether nothing but weights is at fault."""
        faults = [REFUSAL_REASONS.index(reason) for reason in _FAULTS_OF_WEIGHT]
        return bool(np.isin(self._reason, [-1, *faults]).all())

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """Give `Weights.refused`."""
        rows = np.flatnonzero(self.is_refused)
        reasons = np.array(REFUSAL_REASONS, dtype=object)[self._reason[rows]]
        parts = [pd.DataFrame({"row": rows + 1, "score": None, "reason": reasons})]
        for cells, score, reason in self._cells:
            kept = cells[~self.is_refused[cells]] + 1
            if len(kept):
                parts.append(pd.DataFrame({"row": kept, "score": names[score], "reason": reason}))
        table = parts[0]
        if len(parts) > 1:
            table = pd.concat([part.astype(object) for part in parts], ignore_index=True)
            table["row"] = table["row"].astype(np.int64)
        return table.sort_values("row", kind="stable", ignore_index=True)[list(REFUSED_COLUMNS)]
