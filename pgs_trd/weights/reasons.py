"""The states a weight row can end in, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Int8Array = npt.NDArray[np.int8]
Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]

STATUSES = (
    "matched", "refused", "no_position", "no_id", "chromosome_absent", "position_absent",
    "id_absent", "duplicate_target", "allele_mismatch", "palindromic", "ambiguous", "collision",
)  # fmt: skip
REASONS = {
    "matched": "matched",
    "refused": "cannot be scored",
    "no_position": "no position in the weight file",
    "no_id": "no id in the weight file",
    "chromosome_absent": "chromosome absent from the genotypes",
    "position_absent": "position absent from the genotypes",
    "id_absent": "id absent from the genotypes",
    "duplicate_target": "duplicate in genotypes",
    "allele_mismatch": "other alleles in the genotypes",
    "palindromic": "palindromic: the same alleles on both strands",
    "palindromic_no_frequency": "palindromic, and no effect allele frequency in the weight file",
    "palindromic_near_half": "palindromic, and a frequency within 0.1 of one half",
    "ambiguous": "fits more than one variant of the genotypes",
    "collision": "another row of the score is on the same variant",
    "multi_allelic_reference": "effect allele is REF of a multi-allelic site: "
    "its copies are the ploidy less those of all ALTs",
}
_OPEN = -1


@dataclass
class Outcome:
    """What is known so far of each row of one weight file; rows start open.

    Attributes
    ----------
    status : (n_rows,)
        Place in `STATUSES`, -1 while open.
    target, swapped, flipped : (n_rows,)
        As in `Match.table`.
    is_palindromic : (n_rows,)
        Whether both strands fit the target.
    reason : (n_rows,)
        Place in `texts`.
    texts
        The reasons that occur.
    """

    status: Int8Array
    target: Int32Array
    swapped: BoolArray
    flipped: BoolArray
    is_palindromic: BoolArray
    reason: Int16Array
    texts: list[str]

    @classmethod
    def start(cls, n_rows: int) -> Outcome:
        """Give an outcome in which every row is open."""
        return cls(
            status=np.full(n_rows, _OPEN, dtype=np.int8),
            target=np.full(n_rows, -1, dtype=np.int32),
            swapped=np.zeros(n_rows, dtype=bool),
            flipped=np.zeros(n_rows, dtype=bool),
            is_palindromic=np.zeros(n_rows, dtype=bool),
            reason=np.zeros(n_rows, dtype=np.int16),
            texts=[],
        )

    def part(self, rows: slice) -> Outcome:
        """Give some rows of this outcome: what is set there is set here."""
        return Outcome(
            status=self.status[rows],
            target=self.target[rows],
            swapped=self.swapped[rows],
            flipped=self.flipped[rows],
            is_palindromic=self.is_palindromic[rows],
            reason=self.reason[rows],
            texts=self.texts,
        )

    @property
    def is_open(self) -> BoolArray:
        """Which rows have no status yet."""
        rows: BoolArray = self.status == _OPEN
        return rows

    @property
    def is_matched(self) -> BoolArray:
        """Which rows are matched so far."""
        return self.has("matched")

    def has(self, status: str) -> BoolArray:
        """Which rows have this status."""
        rows: BoolArray = self.status == STATUSES.index(status)
        return rows

    def count_reason(self, reason: str) -> int:
        """Count the rows that have a reason of `REASONS`."""
        text = REASONS[reason]
        return int((self.reason == self.texts.index(text)).sum()) if text in self.texts else 0

    def set_status(
        self, rows: BoolArray | IntArray, status: str, reason: str | None = None
    ) -> None:
        """Give rows a status and a reason (that of the status unless given)."""
        self.status[rows] = STATUSES.index(status)
        self.reason[rows] = self._number(REASONS[status] if reason is None else reason)

    def refuse(self, rows: IntArray, reasons: pd.Series) -> None:
        """Refuse rows, each for its own reason."""
        codes, texts = pd.factorize(reasons)
        for code, text in enumerate(texts):
            self.set_status(rows[codes == code], "refused", str(text))

    def forget_unmatched(self) -> None:
        """Take the target from rows that did not match."""
        matched = self.is_matched
        np.putmask(self.target, ~matched, -1)
        self.swapped &= matched
        self.flipped &= matched

    def _number(self, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)
