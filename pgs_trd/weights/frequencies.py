"""What allele frequencies tell: the strand of palindromes, and swapped alleles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.genotypes import GenotypeSource, count_alleles
from pgs_trd.weights.codes import BoolArray, Codes, IntArray, to_codes
from pgs_trd.weights.reasons import REASONS, Outcome

FloatArray = npt.NDArray[np.float64]

FREQUENCY_MARGIN = 0.1
ROWS_COMPARED = 1_000
FEWEST_ROWS_COMPARED = 20
GOLDEN_RATIO = 0x9E3779B1  # over 2**32: multiples of it are spread evenly (Knuth, TAOCP 3, 6.4).
AUTOSOMES = frozenset(str(number) for number in range(1, 23))


class ObservedFrequencies:
    """Allele frequencies in the genotypes, each variant read once for all weight files."""

    def __init__(self, genotypes: GenotypeSource) -> None:
        self._genotypes = genotypes
        self._is_read: BoolArray = np.zeros(0, dtype=bool)
        self._counted: FloatArray = np.zeros(0)

    def of_effect(self, target: Codes, swapped: BoolArray) -> FloatArray:
        """Give the frequency of the effect allele of each row, NaN if nobody is called.

        Parameters
        ----------
        target : (n_rows,)
            Rows of the variants, in any order.
        swapped : (n_rows,)
            Whether the effect allele is the one not counted.
        """
        if not len(self._counted):
            n_variants = len(self._genotypes.variants)
            self._is_read = np.zeros(n_variants, dtype=bool)
            self._counted = np.full(n_variants, np.nan)
        unread = np.unique(target[~self._is_read[target]]).astype(np.int64)
        self._counted[unread] = count_alleles(self._genotypes, unread)[0]
        self._is_read[unread] = True
        counted = self._counted[target]
        return np.where(swapped, 1 - counted, counted)

    def is_on_autosome(self, target: Codes) -> BoolArray:
        """Tell which rows lie on autosomes, where every call is of two alleles."""
        codes, names = to_codes(self._genotypes.variants["chromosome"])
        is_autosome = np.append(names.isin(AUTOSOMES), False)
        on_autosome: BoolArray = is_autosome[codes[target]]
        return on_autosome


def settle_by_frequency(
    observed: ObservedFrequencies, stated: FloatArray, outcome: Outcome, rows: IntArray
) -> None:
    """Choose the strand on which the effect allele is the rarer one here and there.

    Parameters
    ----------
    observed
        In the target.
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
    here = observed.of_effect(outcome.target[rows], outcome.swapped[rows])
    near = _is_near_half(stated) | _is_near_half(here)
    outcome.set_status(rows[near], "palindromic", REASONS["palindromic_near_half"])
    other_strand = rows[~near & ((stated < 0.5) != (here < 0.5))]
    outcome.swapped[other_strand] = ~outcome.swapped[other_strand]
    outcome.flipped[other_strand] = True


def _is_near_half(frequency: FloatArray) -> BoolArray:
    """Tell what is too near one half, unknown frequencies included."""
    is_far: BoolArray = np.abs(frequency - 0.5) >= FREQUENCY_MARGIN - 1e-12
    return ~is_far


def correlate_frequencies(
    observed: ObservedFrequencies, variants: pd.DataFrame, outcome: Outcome
) -> float:
    """Correlate stated and observed frequencies of the effect allele.

    Compared are some 1,000 matched rows of autosomes, palindromic ones left out: of
    several weight files rows of the same variants, so that these are read once.

    Returns
    -------
    r
        Pearson's correlation, NaN for fewer than 20 rows or frequencies all alike.
    """
    stated = variants["effect_allele_frequency"].to_numpy(dtype=np.float64)
    rows = np.flatnonzero(outcome.is_matched & ~outcome.is_palindromic & ~np.isnan(stated))
    rows = _take_some(rows[observed.is_on_autosome(outcome.target[rows])], outcome.target)
    if len(rows) < FEWEST_ROWS_COMPARED:
        return float("nan")
    here = observed.of_effect(outcome.target[rows], outcome.swapped[rows])
    known = ~np.isnan(here)
    here, there = here[known], stated[rows][known]
    if len(here) < FEWEST_ROWS_COMPARED or np.ptp(here) == 0 or np.ptp(there) == 0:
        return float("nan")
    return float(np.corrcoef(here, there)[0, 1])


def _take_some(rows: IntArray, target: Codes) -> IntArray:
    """Take about `ROWS_COMPARED` rows, chosen by a hash of their targets."""
    if len(rows) <= ROWS_COMPARED:
        return rows
    mixed = target[rows].astype(np.uint64) * np.uint64(GOLDEN_RATIO) % np.uint64(2**32)
    taken: IntArray = rows[mixed < np.uint64(2**32 * ROWS_COMPARED // len(rows))]
    return taken


def note_swapped(r: float) -> str | None:
    """Say that frequencies run against those of the genotypes, if they do."""
    if not r < 0:
        return None
    return (
        f"effect allele frequencies run against those of the genotypes (r = {r:.2f}): effect and "
        "other allele may be swapped in the weight file"
    )
