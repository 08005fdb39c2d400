"""The states a weight row can end in, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ObjectArray = npt.NDArray[np.object_]

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
    "multi_allelic_reference": "effect allele is REF of a multi-allelic site",
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
    """

    status: IntArray
    target: IntArray
    swapped: BoolArray
    flipped: BoolArray
    is_palindromic: BoolArray
    _reason: IntArray
    _texts: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, n_rows: int) -> Outcome:
        """Give an outcome in which every row is open."""
        no = np.zeros(n_rows, dtype=bool)
        return cls(
            status=np.full(n_rows, _OPEN, dtype=np.int64),
            target=np.full(n_rows, -1, dtype=np.int64),
            swapped=no.copy(),
            flipped=no.copy(),
            is_palindromic=no.copy(),
            _reason=np.zeros(n_rows, dtype=np.int64),
        )

    @property
    def is_open(self) -> BoolArray:
        """Which rows have no status yet."""
        rows: BoolArray = self.status == _OPEN
        return rows

    @property
    def is_matched(self) -> BoolArray:
        """Which rows are matched so far."""
        rows: BoolArray = self.status == STATUSES.index("matched")
        return rows

    def set_status(
        self, rows: BoolArray | IntArray, status: str, reason: str | None = None
    ) -> None:
        """Give rows a status and a reason (that of the status unless given)."""
        self.status[rows] = STATUSES.index(status)
        self._reason[rows] = self._number(REASONS[status] if reason is None else reason)

    def refuse(self, rows: IntArray, reasons: ObjectArray) -> None:
        """Refuse rows, each for its own reason."""
        for reason in dict.fromkeys(reasons):
            self.set_status(rows[reasons == reason], "refused", reason)

    def reason_texts(self) -> ObjectArray:
        """Give the reason of every row as text."""
        return np.array(self._texts, dtype=object)[self._reason]

    def forget_unmatched(self) -> None:
        """Take the target from rows that did not match."""
        unmatched = ~self.is_matched
        self.target[unmatched] = -1
        self.swapped[unmatched] = False
        self.flipped[unmatched] = False

    def _number(self, text: str) -> int:
        if text not in self._texts:
            self._texts.append(text)
        return self._texts.index(text)
