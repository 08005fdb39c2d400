"""Covariates as people keep them (text, categories, numbers) made into columns of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api import types as dtypes

from pgs_trd.errors import UsageError

MAX_LEVELS = 50
SEX_CODES = {"female": 0.0, "f": 0.0, "male": 1.0, "m": 1.0}


def encode_covariates(table: pd.DataFrame) -> pd.DataFrame:
    """Make numeric columns of `table`, treatment dummies where it has text.

    Parameters
    ----------
    table
        One row a person. Numbers and booleans stay as they are. A text column
        named `sex` becomes `sex_male`: female 0, male 1, anything else missing.
        Other text and categorical columns become one 0/1 column for every level
        that occurs but the first (in category order, or sorted), named
        `column_level`; a missing level is missing in all of them.

    Returns
    -------
    encoded
        Columns of float64 with the index of `table`; NaN is missing. A text column
        with a single level gives no column.

    Raises
    ------
    UsageError
        If a column holds dates, or text with more than 50 levels (an id, most
        likely), or two columns end up with one name.
    """
    columns: dict[str, pd.Series] = {}
    for position, label in enumerate(table.columns):
        name, values = str(label), table.iloc[:, position]
        for encoded_name, encoded in _encode_column(name, values).items():
            if encoded_name in columns:
                raise UsageError(f"covariates: two columns are named {encoded_name!r}")
            columns[encoded_name] = encoded
    return pd.DataFrame(columns, index=table.index, dtype=np.float64)


def _encode_column(name: str, values: pd.Series) -> dict[str, pd.Series]:
    if dtypes.is_datetime64_any_dtype(values.dtype):
        raise UsageError(f"covariate {name!r} holds dates: give a number, such as birth_year")
    if dtypes.is_bool_dtype(values.dtype) or dtypes.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return {name: pd.Series(numbers, index=values.index)}
    if name.casefold() == "sex":
        text = values.astype(object).map(lambda value: str(value).strip().casefold())
        return {"sex_male": text.map(SEX_CODES).astype(np.float64)}
    if values.dtype == object:
        as_numbers = _numbers_in_object_column(values)
        if as_numbers is not None:
            return {name: as_numbers}
    return _dummies(name, values)


def _numbers_in_object_column(values: pd.Series) -> pd.Series | None:
    """Give the numbers of a column of Python numbers and booleans, None if it has text."""
    present = values[values.notna()]
    if not present.map(lambda value: isinstance(value, int | float | np.number | np.bool_)).all():
        return None
    return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)


def _dummies(name: str, values: pd.Series) -> dict[str, pd.Series]:
    if isinstance(values.dtype, pd.CategoricalDtype):
        category = values.cat.remove_unused_categories()
    else:
        category = values.astype(object).map(lambda value: value if pd.isna(value) else str(value))
        category = category.astype("category")
    levels = list(category.cat.categories)
    if len(levels) > MAX_LEVELS:
        raise UsageError(
            f"covariate {name!r} is text with {len(levels):,} levels (at most {MAX_LEVELS}): "
            "is it an id, or a number read as text?"
        )
    missing = category.isna()
    return {
        f"{name}_{level}": (category == level).astype(np.float64).mask(missing)
        for level in levels[1:]
    }


def constant_columns(table: pd.DataFrame) -> list[str]:
    """Name the columns of numbers that do not vary among their present values."""
    spread = table.max() - table.min()
    return [str(name) for name in table.columns[~(spread > 0)]]
