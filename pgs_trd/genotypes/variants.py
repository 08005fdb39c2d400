"""The table of variants, the same for every format and small enough for millions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pgs_trd.genotypes.alleles import canonical_chromosome, number_sites
from pgs_trd.genotypes.source import IntArray

ID_TYPE = pd.StringDtype("pyarrow")


def make_variants(
    chromosome: Any,
    position: Any,
    id: Any,
    counted_allele: Any,
    other_allele: Any,
    record: IntArray | None = None,
) -> pd.DataFrame:
    """Make the table of `GenotypeSource.variants`.

    Parameters
    ----------
    chromosome, counted_allele, other_allele : (n_variants,)
        Texts as the file spells them: an array, a Series, a Categorical or an Arrow
        array. Chromosomes get their canonical names, alleles upper case.
    position : (n_variants,)
        1-based; 0 or less is unplaced.
    id : (n_variants,)
        Texts.
    record : (n_variants,) or None
        The record that each row comes from; None if each row is its own.

    Returns
    -------
    variants
        chromosome, counted_allele and other_allele are categories, id is Arrow text,
        position and site are int64, is_par is bool.
    """
    raw = as_categories(chromosome)
    par = np.array([_says_par(str(name)) for name in raw.categories] + [False], dtype=bool)
    variants = pd.DataFrame(
        {
            "chromosome": to_categories(raw, canonical_chromosome),
            "position": np.asarray(position, dtype=np.int64),
            "id": pd.array(_plain(id), dtype=ID_TYPE),
            "counted_allele": to_categories(counted_allele, str.upper),
            "other_allele": to_categories(other_allele, str.upper),
        }
    )
    variants["site"] = number_sites(variants, record)
    variants["is_par"] = par[raw.codes]
    return variants


def to_categories(texts: Any, change: Callable[[str], str]) -> pd.Categorical:
    """Give `texts` as categories, `change` applied once to each distinct one."""
    values = as_categories(texts)
    changed, distinct = pd.factorize(
        np.array([change(str(text)) for text in values.categories], dtype=object)
    )
    codes = np.append(changed, -1).astype(values.codes.dtype)[values.codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(distinct, dtype=object))


def as_categories(texts: Any) -> pd.Categorical:
    """Give `texts` as categories, spelled as they are."""
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        return _dictionary(texts)
    return texts if isinstance(texts, pd.Categorical) else pd.Categorical(texts)


def _says_par(name: str) -> bool:
    """Tell whether a chromosome's name means a pseudo-autosomal region."""
    short = name.strip().upper().removeprefix("CHR").lstrip("0")
    return short in {"25", "XY"} or short.startswith("PAR")


def _dictionary(texts: pa.Array | pa.ChunkedArray) -> pd.Categorical:
    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
        if isinstance(texts, pa.ChunkedArray):
            texts = texts.chunk(0) if texts.num_chunks else pa.array([], pa.string())
    encoded: pd.Categorical = texts.to_pandas()
    return pd.Categorical(encoded)


def _plain(texts: Any) -> Any:
    if isinstance(texts, pa.ChunkedArray):
        # In one piece, so that nobody needs a second copy who wants it so.
        return texts.combine_chunks()
    return texts.to_numpy() if isinstance(texts, pd.Series) and texts.dtype == object else texts
