"""Weights: what every weight file becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

VARIANT_COLUMNS = (
    "row", "id", "chromosome", "position", "effect_allele", "other_allele",
    "effect_allele_frequency",
)  # fmt: skip
REFUSED_COLUMNS = ("row", "score", "reason")


@dataclass(frozen=True)
class Weights:
    """One weight file: variants, the effects of one or more scores, what was refused.

    Attributes
    ----------
    variants
        One row a data row of the file, in its order: row (1-based), id (Arrow text,
        <NA> if absent), chromosome, effect_allele, other_allele (categories, NaN if
        absent), position (<NA> if absent), effect_allele_frequency (NaN if absent).
    effects : (n_rows, n_scores)
        Effect of one copy of the effect allele, or of one dose where `doses` say what
        the copies count as; NaN where the row is not part of the score.
    names : (n_scores,)
        Names of the scores.
    genome_build
        Such as ``"GRCh38"``; None if the file does not say.
    metadata
        What the file's header says, as text.
    path
        Where it was read from.
    refused
        What cannot be scored, and why: row, score (None: every score of the file),
        reason. `effects` may hold the number of a refused row, so that its weight can
        be counted; it is never scored.
    doses : (n_rows, 3)
        What 0, 1 and 2 copies of the effect allele count as, in units of the row's
        effect: (0, 1, 2) where it is additive, (0, 1, 1) dominant, (0, 0, 1)
        recessive. None: every row is additive.
    fault
        Why the file could not be read, if it could not: then it has no row, and its one
        score fails for that.
    """

    variants: pd.DataFrame
    effects: FloatArray
    names: tuple[str, ...]
    genome_build: str | None
    metadata: dict[str, str]
    path: Path | None
    refused: pd.DataFrame
    doses: FloatArray | None = None
    fault: str | None = None

    def __post_init__(self) -> None:
        expected = (len(self.variants), len(self.names))
        if self.effects.shape != expected:
            raise ValueError(
                f"effects has shape {self.effects.shape}, but there are {expected[0]} variants "
                f"and {expected[1]} names"
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"{len(self.names)} names, of which {len(set(self.names))} differ")
        if np.isinf(self.effects).any():
            raise ValueError(f"{int(np.isinf(self.effects).sum())} effects are infinite")
        self.effects.flags.writeable = False
        if self.doses is None:
            return
        if self.doses.shape != (expected[0], 3):
            raise ValueError(f"doses has shape {self.doses.shape}, not {(expected[0], 3)}")
        if not np.isfinite(self.doses).all():
            raise ValueError(f"{int((~np.isfinite(self.doses)).sum())} doses are not finite")
        self.doses.flags.writeable = False
