"""X, Y, mitochondria and PAR: as plink2 counts them, however the file writes a haploid call."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, PgsTrdWarning
from pgs_trd.genotypes import GenotypeBlock, open_genotypes, pack_codes, unpack_codes
from pgs_trd.scoring import score
from pgs_trd.weights import Weights

ORACLE = Path(__file__).parent.parent / "oracles" / "haploid"
oracle = runpy.run_path(str(ORACLE / "make.py"))
CHROMOSOMES, SEXES = oracle["CHROMOSOMES"], oracle["SEXES"]
draw, write_bed = oracle["draw"], oracle["write_bed"]


def haploid_weights() -> Weights:
    _, weights, swapped = draw()
    n_rows = len(weights)
    variants = pd.DataFrame(
        {
            "row": np.arange(1, n_rows + 1),
            "id": pd.array([f"v{k}" for k in range(n_rows)], dtype="string[pyarrow]"),
            "chromosome": pd.Categorical(["X" if c == "XY" else c for c in CHROMOSOMES]),
            "position": pd.array(1000 * np.arange(1, n_rows + 1), dtype="Int64"),
            "effect_allele": pd.Categorical(np.where(swapped, "G", "A")),
            "other_allele": pd.Categorical(np.where(swapped, "A", "G")),
            "effect_allele_frequency": np.nan,
        }
    )
    return Weights(
        variants=variants,
        effects=weights[:, np.newaxis].copy(),
        names=("s",),
        genome_build=None,
        metadata={},
        path=None,
        refused=pd.DataFrame({"row": [], "score": [], "reason": []}),
    )


class OneAlleleSource:
    """The same calls as VCF and BGEN write them: one allele where there is one copy."""

    format = "memory"
    haploid_coding = "one"
    paths: tuple[Path, ...] = ()

    def __init__(self, prefix: Path, *, as_units: bool) -> None:
        source = open_genotypes(prefix)
        self.samples, self.variants, self.as_units = source.samples, source.variants, as_units
        rows = np.arange(len(self.variants))
        n_people = len(self.samples)
        self.copies = np.vstack([unpack_codes(b.codes, n_people) for b in source.blocks(rows)])
        single = np.zeros(self.copies.shape, dtype=bool)
        for row, chromosome in enumerate(CHROMOSOMES):
            single[row] = {"X": SEXES == "1", "Y": True, "MT": True}.get(chromosome, False)
        self.ploidy = np.where(self.copies < 0, 0, np.where(single, 1, 2)).astype(np.int8)
        self.copies = np.where(single & (self.copies > 0), self.copies // 2, self.copies)

    def blocks(self, rows, *, block_size=1024):
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            copies = self.copies[part].astype(np.int8)
            # As readers do: no ploidies where all calls of a block are diploid.
            ploidy = self.ploidy[part] if (self.ploidy[part] == 1).any() else None
            if self.as_units:
                units = np.where(copies < 0, 65535, 16384 * copies.astype(np.int64))
                yield GenotypeBlock(rows=part, units=units.astype(np.uint16), ploidy=ploidy)
            else:
                yield GenotypeBlock(rows=part, codes=pack_codes(copies), ploidy=ploidy)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    write_bed(tmp_path / "set", draw()[0])
    return tmp_path / "set"


@pytest.mark.parametrize("male_x", ["0..1", "0..2"])
@pytest.mark.parametrize("missing", ["mean", "zero"])
@pytest.mark.parametrize("form", ["plink1", "codes", "units"])
def test_score__counts_haploid_calls_as_plink2(prefix, male_x, missing, form):
    """Sums to plink2's six digits, and its number of alleles, for both models of X."""
    expected = pd.read_csv(ORACLE / "haploid.tsv", sep="\t")
    model = male_x[-1]
    source = (
        open_genotypes(prefix)
        if form == "plink1"
        else OneAlleleSource(prefix, as_units=form == "units")
    )

    options = {"by": "id", "palindromes": "keep", "male_x": male_x, "missing": missing}
    if form == "plink1":
        with pytest.warns(PgsTrdWarning, match="12 of 60 people have no sex, and 8 .* X, 5 on Y"):
            result = score(source, haploid_weights(), block_size=7, **options)
    else:
        result = score(source, haploid_weights(), block_size=7, **options)

    assert_allclose(result.scores["s"], expected[f"sum_{model}_{missing}"], rtol=1e-5, atol=1e-5)
    assert_array_equal(result.alleles["s"], expected[f"alleles_{model}_{missing}"])


@pytest.mark.parametrize("male_x", ["0..1", "0..2"])
@pytest.mark.parametrize("as_units", [False, True])
def test_score__of_a_haploid_call_does_not_depend_on_its_neighbours(prefix, male_x, as_units):
    """Some men's X, and all mitochondria, are written as diploid; blocks of any size agree."""
    source = OneAlleleSource(prefix, as_units=as_units)
    alike = np.zeros(source.ploidy.shape, dtype=bool)
    alike[[row for row, name in enumerate(CHROMOSOMES) if name == "MT"]] = True
    alike[[row for row, name in enumerate(CHROMOSOMES) if name == "X"][::2]] = True
    alike &= source.ploidy == 1
    source.copies = np.where(alike, 2 * source.copies, source.copies)
    source.ploidy = np.where(alike, np.int8(2), source.ploidy)
    options = {"by": "id", "palindromes": "keep", "male_x": male_x}

    whole = score(source, haploid_weights(), **options)

    for block_size in (1, 2, 5):
        parts = score(source, haploid_weights(), block_size=block_size, **options)
        assert_array_equal(parts.scores, whole.scores)
        assert_array_equal(parts.alleles, whole.alleles)


def test_score__refuses_dosages_on_x_that_may_run_to_one_or_two(prefix):
    """A VCF's DS does not say which; half or twice a man's X would be a silent error."""
    source = OneAlleleSource(prefix, as_units=True)
    source.haploid_coding = "unknown"

    with pytest.raises(DataError, match="18 scored variants lie on X, Y or mitochondria"):
        score(source, haploid_weights(), by="id", palindromes="keep")
