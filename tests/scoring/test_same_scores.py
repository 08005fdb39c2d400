"""One set of genotypes, many formats: the scores are the same to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from pgs_trd.genotypes import GenotypeSource, open_genotypes
from pgs_trd.scoring import score
from pgs_trd.weights import Weights


def weights_for(source: GenotypeSource, chosen: np.ndarray) -> Weights:
    """Make three scores over some of a source's variants, half of the alleles swapped."""
    rng = np.random.default_rng(3)
    table = source.variants.loc[chosen].reset_index(drop=True)
    swapped = rng.random(len(table)) < 0.5
    counted, other = (
        table[name].astype(object).to_numpy() for name in ("counted_allele", "other_allele")
    )
    variants = pd.DataFrame(
        {
            "row": np.arange(1, len(table) + 1),
            "id": table["id"],
            "chromosome": table["chromosome"],
            "position": table["position"].astype("Int64"),
            "effect_allele": np.where(swapped, other, counted),
            "other_allele": np.where(swapped, counted, other),
            "effect_allele_frequency": np.nan,
        }
    )
    return Weights(
        variants=variants,
        effects=rng.normal(size=(len(table), 3)),
        names=("a", "b", "c"),
        genome_build=None,
        metadata={},
        path=None,
        refused=pd.DataFrame({"row": [], "score": [], "reason": []}),
    )


@pytest.mark.parametrize("missing", ["mean", "zero"])
def test_score__is_the_same_from_vcf_and_both_bgens(real_data: Path, missing: str):
    """3,202 people of the 1000 Genomes: calls, phased and unphased probabilities."""
    folder = real_data / "tiny1000G"
    vcf = open_genotypes(folder / "vcf" / "tiny1000G.vcf.gz")
    is_autosomal = (vcf.variants["chromosome"] != "X").to_numpy()
    weights = weights_for(vcf, is_autosomal)
    options = {"palindromes": "keep", "missing": missing, "min_overlap": 0.9}

    expected = score(vcf, weights, **options).scores

    assert float(expected.abs().min().min()) > 0
    for name in ("phased", "unphased"):
        path = next((folder / "bgen" / name).glob("*.bgen"))
        found = score(open_genotypes(path), weights, **options).scores
        assert_array_equal(found.to_numpy(), expected.to_numpy())


def test_score__is_the_same_from_bed_bgen_and_pgen(real_data: Path):
    """The example of regenie in three formats, with people in one order."""
    folder = real_data / "regenie_example"
    bed = open_genotypes(folder / "example.bed")
    weights = weights_for(bed, np.ones(len(bed.variants), dtype=bool))
    options = {"palindromes": "keep", "by": "id"}

    expected = score(bed, weights, **options).scores

    for name in ("example.pgen", "example.bgen"):
        found = score(open_genotypes(folder / name), weights, **options).scores
        assert_array_equal(found.to_numpy(), expected.to_numpy())
