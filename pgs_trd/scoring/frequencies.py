"""Allele frequencies given by the user, in place of those of the genotypes at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, join_faults
from pgs_trd.genotypes.variants import make_variants
from pgs_trd.weights.files import open_rows, read_head

FloatArray = npt.NDArray[np.float64]

# Our names, and what plink2's .afreq and others call them; lower case.
NAMES = {
    "chromosome": ("chromosome", "#chrom", "chrom", "chr", "#chr"),
    "position": ("position", "pos", "bp"),
    "id": ("id", "snp", "rsid", "variant_id"),
    "allele": ("allele", "alt", "alt1", "effect_allele", "counted_allele", "a1"),
    "other_allele": ("other_allele", "ref", "a2"),
    "frequency": ("frequency", "alt_freqs", "alt1_freq", "freq", "maf", "eaf", "af"),
}
NEEDED = ("id", "allele", "other_allele", "frequency")


def read_frequencies(path: str | Path) -> pd.DataFrame:
    """Read a table of allele frequencies: plink2's .afreq, plink's .frq, or a like one.

    Parameters
    ----------
    path
        Text with a header, plain or compressed. Columns are recognised by name: id,
        allele (ALT, A1), other_allele (REF, A2), frequency (ALT_FREQS; MAF beside A1) of
        `allele`, and, if they are there, chromosome and position.

    Returns
    -------
    frequencies
        chromosome, position (0 where the file has none), id, allele, other_allele,
        frequency in [0, 1], NaN where the file states none.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If a column is missing or stands twice under two names, the file cannot be read,
        or a frequency lies outside [0, 1].
    """
    path = Path(path)
    head = read_head(path)
    lower = [name.strip().lower() for name in head.columns]
    found = {ours: [name for name in lower if name in names] for ours, names in NAMES.items()}
    faults = [f"no column {name} ({', '.join(NAMES[name])})" for name in NEEDED if not found[name]]
    faults += [
        f"{len(names)} columns could be the {ours}: {', '.join(names)}"
        for ours, names in found.items()
        if len(names) > 1
    ]
    if found["frequency"] == ["maf"] and found["allele"] != ["a1"]:
        faults.append("MAF is the frequency of A1 only beside columns A1 and A2")
    if faults:
        raise DataError(join_faults(path.name, faults))
    places = {ours: lower.index(names[0]) for ours, names in found.items() if names}
    try:
        with open_rows(path, head) as stream:
            table = pd.read_csv(
                stream,
                sep=head.separator if head.separator != " " else r"\s+",
                header=None,
                names=range(len(head.columns) + 1),  # one too many, so that a longer row shows
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                index_col=False,
            )
        if table.iloc[:, -1].notna().any() or table.iloc[:, -2].isna().any():
            raise pd.errors.ParserError("rows of other lengths")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name}: cannot be read as a table of {len(head.columns)} columns: rows of "
            "other lengths, no rows, or not text"
        ) from error
    table = pd.DataFrame({ours: table[place] for ours, place in places.items()})
    frequency = pd.to_numeric(table["frequency"], errors="coerce").to_numpy(float)
    wrong = (frequency < 0) | (frequency > 1)
    if wrong.any():
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(wrong):,} frequencies lie outside [0, 1], "
            f"the first in row {int(wrong.argmax()) + 1:,}"
        )
    position = pd.to_numeric(table.get("position", pd.Series(0, table.index)), errors="coerce")
    chromosome = table.get("chromosome", pd.Series("0", table.index))
    variants = make_variants(
        chromosome,
        position.fillna(0),
        table["id"],
        table["allele"],
        table["other_allele"],
    )
    return (
        variants.drop(columns=["site", "is_par"])
        .rename(columns={"counted_allele": "allele"})
        .assign(frequency=frequency)
    )


def align_frequencies(frequencies: pd.DataFrame, variants: pd.DataFrame) -> FloatArray:
    """Give the frequency of each variant's counted allele; NaN where it is not stated.

    A row belongs to a variant of the same place, or if it has no position of the same
    id, whose two alleles are its own, in either order. Rows that contradict
    each other count as not stated.

    Parameters
    ----------
    frequencies
        From `read_frequencies`.
    variants
        Of a `GenotypeSource`.
    """
    found = np.full(len(variants), np.nan)
    is_placed = (frequencies["position"] > 0).to_numpy()
    for keys, theirs in (
        (["chromosome", "position"], frequencies[is_placed]),
        (["id"], frequencies[~is_placed]),
    ):
        values = _look_up(theirs, variants, keys)
        found = np.where(np.isnan(found), values, found)
    return found


def _look_up(theirs: pd.DataFrame, variants: pd.DataFrame, keys: list[str]) -> FloatArray:
    """Give the frequency of each variant's counted allele by `keys` and both alleles."""
    names = [*keys, "counted_allele", "other_allele"]
    # Only what has no number is made plain text: categories of two tables do not compare.
    texts = dict.fromkeys((n for n in names if n != "position"), object)
    rows = [
        theirs[[*keys, first, second]].set_axis(names, axis=1).astype(texts).assign(f=frequency)
        for first, second, frequency in (
            ("allele", "other_allele", theirs["frequency"].to_numpy()),
            ("other_allele", "allele", 1.0 - theirs["frequency"].to_numpy()),
        )
    ]
    both = pd.concat(rows, ignore_index=True).dropna(subset=["f"]).drop_duplicates()
    both = both[~both.duplicated(names, keep=False)]
    joined = variants[names].astype(texts).merge(both, on=names, how="left")
    values: FloatArray = joined["f"].to_numpy(dtype=np.float64)
    return values
