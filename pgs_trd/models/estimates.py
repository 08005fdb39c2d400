"""Read the numbers of a table of estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import refuse_infinite


def read_numbers(
    table: pd.DataFrame, name: str, subject: str, *, finite: bool = True
) -> FloatArray:
    """Give a column as numbers, NaN where missing.

    Parameters
    ----------
    table
        One row an estimate.
    name
        Of the column.
    subject
        What the table is, for messages.
    finite
        Whether to refuse infinite values: an infinite estimate would have p = 0.

    Raises
    ------
    DataError
        If the column holds text, or values are infinite.
    """
    try:
        numbers = table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        # The cause is left out: its text holds a value.
        raise DataError(f"{subject}: {name} holds values that are not numbers") from None
    if finite:
        refuse_infinite(f"{subject}: {name}", numbers)
    return np.asarray(numbers)
