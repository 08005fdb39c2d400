"""What one unit of a score is: whose mean is taken off, and whose deviation divides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.tables import require_columns

Standardise: TypeAlias = Literal["stratum", "controls", "reference", "none"]

UNIT_NOTES = {
    "stratum": "standard deviation over all people of the stratum with scores and covariates",
    "controls": "standard deviation over the controls of the model with scores and covariates",
    "reference": "mean and standard deviation of the reference that was given",
    "none": "the score's own unit",
}


@dataclass(frozen=True)
class ScoreUnit:
    """How the scores of a stratum are standardised.

    Attributes
    ----------
    standardise
        The rule, one of `UNIT_NOTES`.
    members : (n_members,)
        Rows of the table of scores: everybody of the stratum.
    reference
        `score`, `score_mean`, `score_sd`, and `stratum` if there are several.
    """

    standardise: Standardise
    members: IntArray
    reference: pd.DataFrame | None = None

    def scale(
        self,
        values: FloatArray,
        own: FloatArray,
        names: tuple[str, ...],
        *,
        stratum: str,
        controls: BoolArray | None = None,
    ) -> pd.DataFrame:
        """Give `score`, `score_mean` and `score_sd` of some scores.

        Parameters
        ----------
        values : (n_rows, n_scores)
            All rows of the table.
        own : (n_people, n_scores)
            Of the people of the stratum who have records.
        controls : (n_people,)
            Who of them is a control.
        """
        if self.standardise == "stratum":
            mean, deviation = _moments(values[self.members])
        elif self.standardise == "controls":
            if controls is None:
                raise UsageError("standardise='controls': these models have no controls")
            mean, deviation = _moments(own[controls])
        elif self.reference is not None:
            chosen = self.reference
            if "stratum" in chosen.columns:
                chosen = chosen[chosen["stratum"].astype(str) == stratum]
            chosen = chosen.set_axis(chosen["score"].astype(str), axis=0)
            chosen = chosen[~chosen.index.duplicated()]
            absent = [name for name in names if name not in chosen.index]
            if absent:
                raise DataError(
                    f"reference: no row for {len(absent):,} scores in stratum {stratum!r}, "
                    f"such as {absent[0]!r}"
                )
            mean = chosen.loc[list(names), "score_mean"].to_numpy(dtype=np.float64)
            deviation = chosen.loc[list(names), "score_sd"].to_numpy(dtype=np.float64)
        else:
            mean, deviation = np.zeros(len(names)), np.ones(len(names))
        return pd.DataFrame({"score": list(names), "score_mean": mean, "score_sd": deviation})


def check_unit(standardise: str, reference: pd.DataFrame | None, names: tuple[str, ...]) -> None:
    """Raise a UsageError or a DataError if scores cannot be standardised so."""
    if standardise not in get_args(Standardise):
        raise UsageError(
            f"standardise is {standardise!r}: it must be one of {get_args(Standardise)}"
        )
    if (reference is not None) != (standardise == "reference"):
        raise UsageError(
            f"standardise is {standardise!r}, and a reference is "
            f"{'not given' if reference is None else 'given'}: they go together"
        )
    if reference is None:
        return
    require_columns(reference, ["score", "score_mean", "score_sd"], "reference")
    used = reference[reference["score"].astype(str).isin(names)]
    numbers = used[["score_mean", "score_sd"]].apply(pd.to_numeric, errors="coerce")
    n_wrong = int((~(np.isfinite(numbers).all(axis=1) & (numbers["score_sd"] > 0))).sum())
    if n_wrong:
        raise DataError(
            f"reference: {n_wrong:,} of {len(used):,} rows lack a mean, or a deviation above 0"
        )
    keys = [name for name in ("stratum", "score") if name in used.columns]
    n_repeated = int(used.duplicated(keys).sum())
    if n_repeated:
        raise DataError(f"reference: {n_repeated:,} rows repeat the {' and '.join(keys)} of others")


def _moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give mean and standard deviation of each column, missing left out; 0 and 1 of nobody."""
    missing = np.isnan(values)
    if missing.any():
        count = np.sum(~missing, axis=0)
        filled = np.where(missing, 0.0, values)
        mean = filled.sum(axis=0) / np.maximum(count, 1)
        square = np.sum(np.where(missing, 0.0, filled - mean) ** 2, axis=0)
    else:
        count = np.full(values.shape[1], len(values))
        mean = values.sum(axis=0) / max(len(values), 1)
        centred = values - mean
        square = np.einsum("ij,ij->j", centred, centred)
        filled = values
    deviation = np.sqrt(square / np.maximum(count - 1, 1))
    # A constant score stays constant, so that the fit can say so.
    top = np.maximum(filled.max(axis=0, initial=0.0), -filled.min(axis=0, initial=0.0))
    deviation[~(deviation > 1e-12 * top)] = 1.0
    return mean, deviation
