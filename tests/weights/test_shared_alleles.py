"""REF of a multi-allelic site stays refused when a list cuts the site in two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from pgs_trd.genotypes import GenotypeSource, open_genotypes, subset_genotypes, write_plink1
from pgs_trd.genotypes.alleles import SHARED_COLUMNS, find_shared_alleles
from pgs_trd.genotypes.filesets import join_sources
from pgs_trd.weights import match_variants

# A is REF of a site with ALTs C and G; the site at 200 has one ALT.
ROWS = (("1", 100, "C", "A"), ("1", 100, "G", "A"), ("1", 200, "T", "C"))
WEIGHTS = (("1", 100, "A", "C", 1), ("1", 100, "C", "A", 1), ("1", 200, "C", "T", 1))


@pytest.fixture
def parts(genotypes_of, tmp_path: Path) -> dict[str, GenotypeSource]:
    """Make the same variants without rs1, in each way that leaves one out."""
    source = genotypes_of(*ROWS)
    (tmp_path / "two.txt").write_text("rs0\nrs2\n")
    (tmp_path / "one.txt").write_text("rs1\n")
    (tmp_path / "low.bed1").write_text("1 1 150\n")
    extracted = subset_genotypes(source, extract=tmp_path / "two.txt")
    samples = source.samples
    variants = pd.DataFrame(
        {"chromosome": ["2"], "position": [100], "id": ["other"], "counted_allele": ["C"],
         "other_allele": ["A"]}
    )  # fmt: skip
    copies = np.ones((1, len(samples)), dtype=np.int8)
    write_plink1(tmp_path / "second", [copies], variants=variants, samples=samples)
    second = open_genotypes(tmp_path / "second")
    return {
        "extracted": extracted,
        "excluded": subset_genotypes(source, exclude=tmp_path / "one.txt"),
        "twice": subset_genotypes(extracted, extract=tmp_path / "low.bed1"),
        "joined": join_sources([extracted, second]),
        "joined after": join_sources([second, extracted]),
    }


@pytest.mark.parametrize("name", ["extracted", "excluded", "twice", "joined", "joined after"])
def test_match_variants__refuses_ref_though_its_other_row_is_left_out(parts, weights_of, name):
    """2 less the copies of C is not the copies of A in who has a G: a score would be wrong."""
    status = match_variants(parts[name], weights_of(*WEIGHTS)).table["status"].tolist()

    assert status == ["refused", "matched", "position_absent" if name == "twice" else "matched"]


def test_join_sources__finds_what_is_shared_across_files(genotypes_of, tmp_path):
    """Rows of one site in two files are one site again, subsets or not."""
    source = genotypes_of(*ROWS)
    lists = {name: tmp_path / f"{name}.txt" for name in ("rs0", "rs1")}
    for name, path in lists.items():
        path.write_text(f"{name}\n")
    halves = [subset_genotypes(source, extract=path) for path in lists.values()]

    joined = join_sources(halves)

    assert joined.variants["other_is_shared"].tolist() == [True, True]
    assert joined.variants["counted_is_shared"].tolist() == [False, False]


def test_find_shared_alleles__believes_the_columns_of_a_part(genotypes_of):
    """A part knows from the whole what its rows no longer show."""
    variants = genotypes_of(*ROWS).variants
    counted, other = find_shared_alleles(variants)
    assert_array_equal(counted, [False, False, False])
    assert_array_equal(other, [True, True, False])

    part = variants.assign(**dict(zip(SHARED_COLUMNS, (counted, other), strict=True))).iloc[[0]]

    assert_array_equal(find_shared_alleles(part), [[False], [True]])
