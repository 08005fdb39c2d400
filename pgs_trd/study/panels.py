"""Where the people of each stratum lie on the components of ancestry, as counts of squares."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

COMPONENT = re.compile(r"PC_?0*(\d+)", re.IGNORECASE)
PAIRS = ((1, 2), (3, 4))
FINEST = 8.0
"""Squares to a standard deviation of all people, at most."""
PEOPLE_AT_ONE_PER_SD = 400


def count_in_squares(
    people: pd.DataFrame, covariates: pd.DataFrame, columns: Sequence[str]
) -> pd.DataFrame:
    """Count the people of each stratum in squares of the planes of components 1-2 and 3-4.

    A side is about the standard deviation within a stratum where a stratum has 400 people,
    half of it where it has 1,600, by the medians over strata; no less than an eighth of the
    standard deviation of all people. It is rounded to 1, 2 or 5 times a power of ten, and
    the squares start at 0, so that their edges tell nothing of the outermost people.

    Parameters
    ----------
    people
        `person_id` and `stratum` of the people whom the models can use.
    covariates
        One row a person, with `person_id` and components; a missing one leaves its people out.
    columns
        The covariates of the models. Components are those named PC1, PC2, ...

    Returns
    -------
    DataFrame
        As `StudyResults.components`: one row a stratum, plane and square that holds anybody.
        Empty where the covariates have no two components.
    """
    named = {int(m[1]): name for name in columns if (m := COMPONENT.fullmatch(name))}
    placed = people[["person_id", "stratum"]].merge(covariates, on="person_id", how="left")
    if "stratum_x" in placed:  # the covariates have a column of that name too
        placed = placed.rename(columns={"stratum_x": "stratum"})
    parts = []
    for first, second in PAIRS:
        if first in named and second in named:
            parts.append(_count_plane(placed, named[first], named[second]))
    parts = [part for part in parts if not part.empty]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _count_plane(placed: pd.DataFrame, horizontal: str, vertical: str) -> pd.DataFrame:
    known = placed[["stratum", horizontal, vertical]].dropna()
    sides = [_side(known[name], known["stratum"]) for name in (horizontal, vertical)]
    if 0.0 in sides:
        return pd.DataFrame()
    squares = pd.DataFrame(
        {
            "stratum": known["stratum"].astype(str),
            "x": np.floor(known[horizontal].to_numpy(dtype=np.float64) / sides[0]),
            "y": np.floor(known[vertical].to_numpy(dtype=np.float64) / sides[1]),
        }
    )
    counts = squares.groupby(["stratum", "x", "y"]).size().reset_index(name="n_people")
    return pd.DataFrame(
        {
            "stratum": counts["stratum"],
            "horizontal": horizontal,
            "vertical": vertical,
            "x_low": counts["x"] * sides[0],
            "x_high": (counts["x"] + 1) * sides[0],
            "y_low": counts["y"] * sides[1],
            "y_high": (counts["y"] + 1) * sides[1],
            "n_people": counts["n_people"],
        }
    )


def _side(values: pd.Series, strata: pd.Series) -> float:
    """Choose the side of the squares along one component; 0 if it is constant."""
    everybody = float(values.std(ddof=0)) if len(values) else 0.0
    if not everybody > 0:
        return 0.0
    grouped = values.groupby(strata)
    per_sd = math.sqrt(float(grouped.size().median()) / PEOPLE_AT_ONE_PER_SD)
    raw = max(float(grouped.std(ddof=0).median()) / per_sd, everybody / FINEST)
    power = math.floor(math.log10(raw))
    digit = min((1, 2, 5, 10), key=lambda digit: abs(digit - raw / 10.0**power))
    return float(f"{digit}e{power}")
