"""Turn Arrow columns into numbers, categories and masks, without objects per row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pgs_trd.weights.files import MISSING_TEXTS
from pgs_trd.weights.table import FloatArray

BoolArray = npt.NDArray[np.bool_]

ID_TYPE = pd.StringDtype("pyarrow")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_MISSING = pa.array([text.lower() for text in MISSING_TEXTS])


def to_numbers(column: pa.Array | pa.ChunkedArray) -> tuple[FloatArray, BoolArray]:
    """Give a column as numbers, NaN where missing, and which cells hold other text."""
    if pa.types.is_floating(column.type):
        values = _to_numpy(column)
        values = values if values.flags.writeable else values.copy()
        return values, np.zeros(len(values), dtype=bool)
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    spelled = pc.or_(
        pc.match_substring_regex(texts, _NUMBER), pc.match_substring_regex(texts, _INFINITE)
    )
    numbers = pc.if_else(spelled, pc.replace_substring_regex(texts, r"^\+", ""), None)
    is_missing = pc.or_(pc.is_null(texts), pc.is_in(pc.utf8_lower(texts), _MISSING))
    is_text = pc.invert(pc.or_(is_missing, pc.fill_null(spelled, fill_value=False)))
    return to_numbers(numbers.cast(pa.float64()))[0], np.asarray(_to_numpy(is_text), dtype=bool)


def _to_numpy(column: pa.Array | pa.ChunkedArray) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column.to_numpy()
    return column.to_numpy(zero_copy_only=False)


def to_categories(column: pa.ChunkedArray, change: Callable[[str], str | None]) -> pd.Categorical:
    """Give a column as categories, `change` called once a distinct text; None is missing."""
    encoded = column.unify_dictionaries() if column.num_chunks else column
    texts = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    codes = np.concatenate(
        [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
        or [np.empty(0, dtype=np.int32)]
    )
    changed = np.empty(len(texts), dtype=object)
    changed[:] = [change(text.strip()) if text.strip() else None for text in texts]
    numbers, distinct = pd.factorize(changed)
    return pd.Categorical.from_codes(
        np.append(numbers, -1)[codes], categories=pd.Index(distinct, dtype=object)
    )


def fill_missing(first: pd.Categorical, second: pd.Categorical) -> pd.Categorical:
    """Give `first`, and `second` where it is missing."""
    categories = first.categories.append(second.categories.difference(first.categories))
    codes = np.append(categories.get_indexer(second.categories), -1)[second.codes]
    return pd.Categorical.from_codes(
        np.where(first.codes < 0, codes, first.codes), categories=categories
    )


def is_category(column: pd.Categorical, test: Callable[[str], bool]) -> BoolArray:
    """Tell which rows hold a text of which `test` is true, called once a distinct text."""
    answers = [test(text) for text in column.categories]
    mask: BoolArray = np.append(answers, False).astype(bool)[column.codes]
    return mask


def to_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give a column of strings without spaces around them, null where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    if not pc.any(pc.equal(trimmed, "")).as_py():
        return trimmed
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def to_ids(column: pa.ChunkedArray) -> pd.api.extensions.ExtensionArray:
    """Give strings as pandas' Arrow text."""
    ids: pd.api.extensions.ExtensionArray = pd.array(column, dtype=ID_TYPE)
    return ids
