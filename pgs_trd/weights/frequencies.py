"""What allele frequencies tell: the strand of palindromes, and swapped alleles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.genotypes import GenotypeSource, count_alleles
from pgs_trd.weights.codes import BoolArray, Codes, IntArray, take_evenly
from pgs_trd.weights.reasons import REASONS, Outcome

FloatArray = npt.NDArray[np.float64]

FREQUENCY_MARGIN = 0.1
MOST_ROWS_COMPARED = 20_000
FEWEST_ROWS_COMPARED = 20
AUTOSOMES = frozenset(str(number) for number in range(1, 23))


def observed_frequencies(
    genotypes: GenotypeSource, target: Codes, swapped: BoolArray
) -> FloatArray:
    """Give the frequency of the effect allele in the genotypes, NaN if nobody is called.

    Parameters
    ----------
    genotypes
        Read once for each distinct target.
    target : (n_rows,)
        Rows of the variants, in any order.
    swapped : (n_rows,)
        Whether the effect allele is the one not counted.
    """
    targets, place = np.unique(target.astype(np.int64), return_inverse=True)
    counted: FloatArray = count_alleles(genotypes, targets)[0][place]
    return np.where(swapped, 1 - counted, counted)


def settle_by_frequency(
    genotypes: GenotypeSource, stated: FloatArray, outcome: Outcome, rows: IntArray
) -> None:
    """Choose the strand on which the effect allele is the rarer one here and there.

    Parameters
    ----------
    genotypes
        The target.
    stated : (n_rows,)
        Frequency of the effect allele in the weight file, NaN where it has none.
    outcome
        Of the whole file; is written to.
    rows
        The matched palindromic rows.
    """
    stated = stated[rows]
    is_stated = ~np.isnan(stated)
    outcome.set_status(rows[~is_stated], "palindromic", REASONS["palindromic_no_frequency"])
    rows, stated = rows[is_stated], stated[is_stated]
    observed = observed_frequencies(genotypes, outcome.target[rows], outcome.swapped[rows])
    near = _is_near_half(stated) | _is_near_half(observed)
    outcome.set_status(rows[near], "palindromic", REASONS["palindromic_near_half"])
    other_strand = rows[~near & ((stated < 0.5) != (observed < 0.5))]
    outcome.swapped[other_strand] = ~outcome.swapped[other_strand]
    outcome.flipped[other_strand] = True


def _is_near_half(frequency: FloatArray) -> BoolArray:
    """Tell what is too near one half, unknown frequencies included."""
    is_far: BoolArray = np.abs(frequency - 0.5) >= FREQUENCY_MARGIN - 1e-12
    return ~is_far


def correlate_frequencies(
    genotypes: GenotypeSource, variants: pd.DataFrame, outcome: Outcome
) -> float:
    """Correlate stated and observed frequencies of the effect allele.

    Compared are up to 20,000 matched rows of autosomes, evenly spaced, palindromic
    ones left out. Below zero says that effect and other allele are likely swapped.

    Returns
    -------
    r
        Pearson's correlation, NaN for fewer than 20 rows or frequencies all alike.
    """
    stated = variants["effect_allele_frequency"].to_numpy(dtype=np.float64)
    on_autosome = genotypes.variants["chromosome"].isin(AUTOSOMES).to_numpy()
    usable = outcome.is_matched & ~outcome.is_palindromic & ~np.isnan(stated)
    rows = np.flatnonzero(usable)
    rows = take_evenly(rows[on_autosome[outcome.target[rows]]], MOST_ROWS_COMPARED)
    if not len(rows):
        return float("nan")
    observed = observed_frequencies(genotypes, outcome.target[rows], outcome.swapped[rows])
    known = ~np.isnan(observed)
    here, there = observed[known], stated[rows][known]
    if len(here) < FEWEST_ROWS_COMPARED or np.ptp(here) == 0 or np.ptp(there) == 0:
        return float("nan")
    return float(np.corrcoef(here, there)[0, 1])
