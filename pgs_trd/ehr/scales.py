"""Symptom scales: which there are, their ranges, and sums of items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pgs_trd.ehr.arrays import to_dates
from pgs_trd.ehr.cleaning import read_rows
from pgs_trd.ehr.people import number_texts
from pgs_trd.ehr.records import Ehr
from pgs_trd.errors import UsageError


@dataclass(frozen=True)
class Scale:
    """One symptom scale: its items, their highest value, and its highest sum."""

    name: str
    n_items: int
    max_item: int
    max_score: int


SCALES: Mapping[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale("PHQ-9", 9, 3, 27),
        Scale("PHQ-8", 8, 3, 24),
        Scale("HAM-D17", 17, 4, 52),
        Scale("MADRS", 10, 6, 60),
        Scale("QIDS", 16, 3, 27),
    )
}
"""Ranges as in the published forms. QIDS counts the highest of its sleep, appetite and
weight, and psychomotor items once each, so that its sum ends at 27."""

_QIDS_GROUPS = ((0, 4), (5, 9), (14, 16))
_NAMES = {
    "phq9": "PHQ-9",
    "phq8": "PHQ-8",
    "hamd17": "HAM-D17",
    "hamd": "HAM-D17",
    "hdrs17": "HAM-D17",
    "madrs": "MADRS",
    "qids": "QIDS",
    "qidssr16": "QIDS",
    "qids16": "QIDS",
}


def scale_name(name: str) -> str | None:
    """Give the name of a scale as used here; None for one that is not known.

    Forms of another length, such as HAM-D21, are other scales and not known.

    Examples
    --------
    >>> scale_name("phq_9"), scale_name("HAM-D 17"), scale_name("HAM-D21")
    ('PHQ-9', 'HAM-D17', None)
    """
    plain = "".join(character for character in name.lower() if character.isalnum())
    return _NAMES.get(plain)


def sum_items(
    items: npt.ArrayLike, scale: str, *, coding: Literal["from_0", "from_1"] = "from_0"
) -> npt.NDArray[np.float64]:
    """Sum the items of a scale; NaN where any item is missing or out of range.

    Parameters
    ----------
    items : (n, n_items)
        Answers in the order of the form. Negative codes (UK Biobank's -1 and -818)
        and NaN are missing.
    scale
        A name in `SCALES`.
    coding
        "from_1": answers are coded 1 to 4, as in UK Biobank's questionnaire.

    Raises
    ------
    UsageError
        If the scale is unknown or has another number of items.
    """
    if scale not in SCALES:
        raise UsageError(f"no scale {scale!r}; there are: {', '.join(SCALES)}")
    form = SCALES[scale]
    values = np.array(items, dtype=np.float64, ndmin=2)
    if values.shape[1] != form.n_items:
        raise UsageError(f"{scale} has {form.n_items} items, got {values.shape[1]}")
    values = np.where(values < 0, np.nan, values)
    if coding == "from_1":
        values = np.where(values < 1, np.nan, values - 1)
    values = np.where(values > form.max_item, np.nan, values)
    if scale != "QIDS":
        return np.asarray(values.sum(axis=1))
    grouped = np.zeros(form.n_items, dtype=bool)
    total = np.zeros(len(values))
    for low, high in _QIDS_GROUPS:
        grouped[low:high] = True
        # Either decrease or increase of appetite and of weight is answered, not both.
        pair = values[:, low:high]
        total += np.nanmax(
            np.where(np.isnan(pair).all(axis=1, keepdims=True), -np.inf, pair), axis=1
        )
    total = np.where(np.isinf(total), np.nan, total)
    return np.asarray(total + values[:, ~grouped].sum(axis=1))


def read_scores(ehr: Ehr) -> pd.DataFrame:
    """Give the usable symptom scores of the records.

    A negative score is missing, one above the range of its scale is no score of it.
    Of several on one day the highest counts.

    Returns
    -------
    DataFrame
        ``person_id`` (text), ``date``, ``scale`` (a name in `SCALES`), ``score``.
    """
    columns = ["person_id", "date", "scale", "score"]
    if ehr.scales is None:
        empty = pd.DataFrame(columns=columns, dtype=object)
        return empty.astype({"date": "datetime64[ns]", "score": "float64"})
    rows = read_rows(ehr, ehr.scales, "scale", "score")
    said, names = number_texts(rows.values.column("scale"))
    scale = np.array([*map(scale_name, names), None], dtype=object)[said]
    highest = np.array([*(_highest(name) for name in names), -1.0])[said]
    score = rows.values.column("score").cast(pa.float64()).fill_null(-1).to_numpy()
    chosen = rows.is_usable & (score >= 0) & (score <= highest)
    table = pd.DataFrame(
        {
            "person_id": ehr.people.person_id[rows.person[chosen]],
            "date": to_dates(rows.day[chosen]),
            "scale": scale[chosen],
            "score": score[chosen],
        }
    )
    best: pd.DataFrame = table.groupby(columns[:3], sort=True)[["score"]].max().reset_index()
    return best


def _highest(said: str) -> float:
    """Give the highest sum of a scale, however it is written; -1 for one not known."""
    name = scale_name(said)
    return -1.0 if name is None else float(SCALES[name].max_score)
