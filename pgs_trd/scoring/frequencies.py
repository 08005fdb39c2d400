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
        allele (ALT, A1), other_allele (REF, A2), frequency (ALT_FREQS, MAF) of
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
        If a column is missing, or a frequency lies outside [0, 1].
    """
    path = Path(path)
    head = read_head(path)
    lower = [name.strip().lower() for name in head.columns]
    places = {
        ours: next(lower.index(name) for name in names if name in lower)
        for ours, names in NAMES.items()
        if any(name in lower for name in names)
    }
    absent = [name for name in NEEDED if name not in places]
    if absent:
        faults = [f"no column {name} ({', '.join(NAMES[name])})" for name in absent]
        raise DataError(join_faults(path.name, faults))
    with open_rows(path, head) as stream:
        table = pd.read_csv(
            stream,
            sep=head.separator if head.separator != " " else r"\s+",
            header=None,
            names=range(len(head.columns)),
            usecols=sorted(places.values()),
            dtype=str,
            keep_default_na=False,
        )
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

    A row belongs to a variant of the same id, or of the same place if the table has
    positions, whose two alleles are its own, in either order. Rows that contradict
    each other count as not stated.

    Parameters
    ----------
    frequencies
        From `read_frequencies`.
    variants
        Of a `GenotypeSource`.
    """
    has_places = bool((frequencies["position"] > 0).all())
    keys = ["chromosome", "position"] if has_places else ["id"]
    found = np.full(len(variants), np.nan)
    ours = variants[[*keys, "counted_allele", "other_allele"]].astype(
        dict.fromkeys((*keys[:1], "counted_allele", "other_allele"), object)
    )
    ours["place"] = np.arange(len(variants))
    for allele, other, is_swapped in (
        ("allele", "other_allele", False),
        ("other_allele", "allele", True),
    ):
        theirs = frequencies[[*keys, allele, other, "frequency"]].set_axis(
            [*keys, "counted_allele", "other_allele", "frequency"], axis=1
        )
        theirs = theirs.astype(
            dict.fromkeys((*keys[:1], "counted_allele", "other_allele"), object)
        ).dropna(subset=["frequency"])
        theirs = theirs.drop_duplicates()
        theirs = theirs[~theirs.duplicated([*keys, "counted_allele", "other_allele"], keep=False)]
        both = ours.merge(theirs, on=[*keys, "counted_allele", "other_allele"])
        values = both["frequency"].to_numpy()
        found[both["place"].to_numpy()] = 1.0 - values if is_swapped else values
    return found
