"""Real files, read whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.genotypes import count_alleles, open_genotypes


def test_count_alleles__equals_plink2_on_hapmap3(real_data):
    """957 people x 14,079 SNPs; plink2's .afreq is printed to 6 digits, hence 5e-6."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    reference = pd.read_csv(real_data / "hapmap3" / "reference" / "plink2.afreq", sep="\t")
    variants = source.variants
    assert (len(source.samples), len(variants)) == (957, 14_079)

    frequency, n_called = count_alleles(source, np.arange(len(variants)))

    assert variants["id"].tolist() == reference["ID"].tolist()
    is_alternative = variants["counted_allele"].to_numpy() == reference["ALT"].to_numpy()
    alternative = np.where(is_alternative, frequency, 1 - frequency)
    assert_allclose(alternative, reference["ALT_FREQS"], rtol=5e-6, atol=1e-9)
    assert_array_equal(2 * n_called, reference["OBS_CT"])


def test_count_alleles__equals_plink2_with_many_missing_calls(real_data):
    """Missing calls leave the denominator; X is left out: plink2 counts men once there."""
    folder = real_data / "chrx_missing"
    source = open_genotypes(folder / "data.bed")
    reference = pd.read_csv(folder / "reference" / "plink2.afreq", sep="\t")
    assert (len(source.samples), len(source.variants)) == (200, 10_000)
    rows = np.flatnonzero(source.variants["chromosome"] != "X")

    frequency, n_called = count_alleles(source, rows)

    expected = reference.iloc[rows]
    is_alternative = source.variants["counted_allele"].to_numpy()[rows] == expected["ALT"]
    assert_allclose(
        np.where(is_alternative, frequency, 1 - frequency), expected["ALT_FREQS"], rtol=5e-6
    )
    assert_array_equal(2 * n_called, expected["OBS_CT"])


def test_open_genotypes__reads_3202_people_of_1000_genomes(real_data):
    """968 autosomal and 36 X variants; each man of the sample file is haploid on X."""
    source = open_genotypes(real_data / "tiny1000G" / "vcf" / "tiny1000G.vcf.gz")
    people = pd.read_csv(real_data / "tiny1000G" / "kg_3202.psam", sep="\t")
    people = people.set_index(people.columns[0]).loc[source.samples["person_id"]]
    is_x = (source.variants["chromosome"] == "X").to_numpy()
    assert (len(source.samples), len(is_x), int(is_x.sum())) == (3_202, 1_004, 36)

    (block,) = source.blocks(np.flatnonzero(is_x))

    assert block.ploidy is not None
    expected = np.where(people["SEX"].astype(str).isin(["1", "male"]), 1, 2)
    assert_array_equal(block.ploidy, np.tile(expected, (36, 1)))
