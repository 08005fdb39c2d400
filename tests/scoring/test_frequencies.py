"""Allele frequencies from files: whose they are, and when they are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import DataError
from pgs_trd.genotypes.variants import make_variants
from pgs_trd.scoring import read_frequencies
from pgs_trd.scoring.frequencies import align_frequencies

VARIANTS = make_variants(
    ["1", "1", "2"], [10, 20, 30], ["a", "b", "c"], ["A", "C", "T"], ["G", "T", "G"]
)


def write(folder: Path, text: str) -> Path:
    path = folder / "freq.tsv"
    path.write_text(text.replace(" ", "\t"))
    return path


def test_align_frequencies__turns_rows_of_the_other_allele_and_leaves_out_other_alleles(tmp_path):
    """The stated frequency is of the table's allele, wherever that stands in the genotypes."""
    table = read_frequencies(
        write(
            tmp_path,
            "#CHROM ID REF ALT ALT_FREQS OBS_CT\n1 a G A .1 9\n1 b C T .3 9\n2 c T C .2 9\n",
        )
    )

    assert_allclose(align_frequencies(table, VARIANTS), [0.1, 0.7, np.nan])


def test_align_frequencies__takes_rows_that_contradict_each_other_as_not_stated(tmp_path):
    """Also where they state the frequency of different alleles."""
    table = read_frequencies(
        write(tmp_path, "ID REF ALT ALT_FREQS\na G A .1\na A G .2\nb C T .3\nb T C .7\n")
    )

    assert_allclose(align_frequencies(table, VARIANTS), [np.nan, 0.7, np.nan])


def test_align_frequencies__goes_by_place_where_there_is_one_and_else_by_id(tmp_path):
    """One row without a position does not send the others to their ids."""
    table = read_frequencies(
        write(tmp_path, "CHR POS ID A2 A1 FREQ\n1 10 other G A .1\n1 0 b T C .4\n")
    )

    assert_allclose(align_frequencies(table, VARIANTS), [0.1, 0.4, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID REF ALT A1 FREQ\na G A G .1\n", "2 columns could be the allele: alt, a1"),
        ("ID REF ALT MAF\na G A .1\n", "MAF is the frequency of A1 only"),
        ("ID REF ALT\na G A\n", "no column frequency"),
        ("ID REF ALT FREQ\na G A 1.5\n", "1 of 1 frequencies lie outside"),
        ("ID REF ALT FREQ\na G A .1\nb G A .1 3\n", "cannot be read as a table of 4"),
    ],
)
def test_read_frequencies__refuses_what_could_mean_two_things(tmp_path, text, message):
    """A frequency of the wrong allele would turn what missing calls count as."""
    with pytest.raises(DataError, match=message):
        read_frequencies(write(tmp_path, text))
