"""Genome builds: what lengths exclude, and what a verdict says of a wrong build."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import open_genotypes
from pgs_trd.weights import lift_over, match_variants, read_chain, read_weights
from pgs_trd.weights.builds import (
    CHROMOSOME_LENGTHS,
    build_of_lengths,
    canonical_build,
    count_beyond_end,
)

BUILDS = ("NCBI36", "GRCh37", "GRCh38")


def with_columns(weights, **columns):
    return replace(weights, variants=weights.variants.assign(**columns))


def verdict_of(genotypes, weights, **options):
    return match_variants(genotypes, weights, **options).summary["verdict"].item()


def test_build_of_lengths__needs_lengths_that_one_build_alone_has():
    """Names of other sequences do not matter; no chromosome known says nothing."""
    for build, lengths in CHROMOSOME_LENGTHS.items():
        assert build_of_lengths(lengths) == build
        assert build_of_lengths({"7": lengths["7"], "GL000192.1": 547_496}) == build
    assert build_of_lengths({"1": CHROMOSOME_LENGTHS["GRCh37"]["1"], "2": 1}) is None
    assert build_of_lengths({"MT": 16_569}) is None
    assert build_of_lengths({}) is None


def test_chromosome_lengths__hold_every_real_position(real_data):
    """HapMap 3 is of NCBI36 and 1000 Genomes of GRCh38; each excludes another build."""
    for path, build in (
        ("hapmap3/hm3_b36", "NCBI36"),
        ("tiny1000G/vcf/tiny1000G.vcf.gz", "GRCh38"),
    ):
        variants = open_genotypes(real_data / path).variants
        beyond = count_beyond_end(variants["chromosome"], variants["position"].to_numpy())

        assert beyond.counts[build] == 0
        assert beyond.counts["GRCh37"] > 0


def test_count_beyond_end__leaves_out_what_no_build_has():
    """Chromosome 21 ends at 46,944,323, 48,129,895 and 46,709,983 in the three builds."""
    chromosome = pd.Series(["21"] * 5 + [None, "GL1"])
    position = np.array([46_709_983, 46_709_984, 46_944_324, 48_129_896, 0, 10**9, 10**9])

    beyond = count_beyond_end(chromosome, position)

    assert beyond.counts == {"NCBI36": 1, "GRCh37": 0, "GRCh38": 2}
    assert beyond.possible == {"GRCh37"}


def test_canonical_build__knows_both_families_of_names():
    """UCSC's names and those of the Genome Reference Consortium mean the same."""
    assert [canonical_build(name) for name in ("hg18", "HG19", "grch38")] == list(BUILDS)
    with pytest.raises(UsageError, match="got 'hg17'"):
        canonical_build("hg17")


@pytest.fixture(scope="module")
def hapmap(real_data):
    folder = real_data / "hapmap3"
    path = folder / "reference" / "weights_all.tsv"
    weights = read_weights(path, columns={"effect_weight": "W_dense"}, name="dense")
    return open_genotypes(folder / "hm3_b36"), weights


def test_verdict__of_shared_ids_at_other_positions_names_the_wrong_build(hapmap):
    """14,079 rs numbers stand in both files; all have moved by 1,000 bases."""
    genotypes, weights = hapmap
    moved = with_columns(weights, position=weights.variants["position"] + 1_000)

    match = match_variants(genotypes, moved, min_overlap=0)

    verdict = match.summary["verdict"].item()
    assert match.summary["status"].item() == "failed"
    assert "wrong genome build: the genotypes have 0.0% of the positions as they are" in verdict
    assert "of 14,079 ids in both files 0.0% have the same position" in verdict


def test_verdict__of_zero_based_positions_says_so(hapmap):
    """BED positions start at 0: all rows are there one base higher, so it is no build."""
    genotypes, weights = hapmap
    shifted = with_columns(weights, position=weights.variants["position"] - 1)

    verdict = verdict_of(genotypes, shifted)

    assert "off by one base" in verdict
    assert "100.0% one base higher" in verdict


def test_verdict__of_an_array_says_that_the_build_is_right(hapmap):
    """One row of ten is there, with its alleles: neither build nor chromosome is missing."""
    genotypes, weights = hapmap
    position = weights.variants["position"].to_numpy(dtype=np.int64)
    away = np.where(np.arange(len(position)) % 10 == 0, position, position + 7)
    sparse = with_columns(
        weights, position=pd.array(away, dtype="Int64"), id=pd.array([None] * len(away), "string")
    )

    verdict = verdict_of(genotypes, sparse)

    assert "90.0% are at positions absent from the genotypes, over 22 chromosomes" in verdict
    assert "alleles agree at 100.0% of the 1,408 positions that are there" in verdict
    assert "(14,079 variants) are filtered or not imputed" in verdict


def test_verdict__says_which_chromosome_is_missing(hapmap):
    """All rows of chromosomes 1 to 6 are off, the others are all there."""
    genotypes, weights = hapmap
    variants = weights.variants
    lost = variants["chromosome"].isin(["1", "2", "3", "4", "5", "6"])

    moved = with_columns(weights, position=variants["position"].where(~lost, 5))
    renamed = with_columns(weights, chromosome=variants["chromosome"].astype(str) + "_alt")

    assert "nearly all on chromosome 1-6: check that" in verdict_of(genotypes, moved)
    assert "do not have (10_alt, 11_alt, 12_alt" in verdict_of(genotypes, renamed)


def test_verdict__says_which_allele_column_does_not_fit(hapmap):
    """The effect allele is always there, the other one never."""
    genotypes, weights = hapmap
    long = pd.Categorical(["ACGTA"] * len(weights.variants))

    verdict = verdict_of(genotypes, with_columns(weights, other_allele=long))

    assert "the effect allele is there in 100.0% of them, the other allele in 0.0%" in verdict
    assert verdict.endswith("check the column of the other allele")


def test_verdict__says_that_ids_are_of_another_kind(hapmap):
    """An rs number never equals chr:pos:ref:alt, whatever the build."""
    genotypes, weights = hapmap
    places = "chr" + weights.variants["chromosome"].astype(str) + ":7:A:C"

    verdict = verdict_of(genotypes, with_columns(weights, id=places), by="id")

    assert "those are chromosome and position, the genotypes' rs numbers" in verdict


def test_chain__shows_what_lifting_would_find(real_data):
    """51,209 real weights lifted to GRCh37 meet genotypes of GRCh38.

    1,004 variants can match 1.8 % at most; the chain finds them all again.
    """
    genotypes = open_genotypes(real_data / "tiny1000G" / "vcf" / "tiny1000G.vcf.gz")
    path = real_data / "pgs_catalog" / "structured" / "PGS001229_hmPOS_GRCh38.txt.gz"
    chains = real_data / "chains"
    lifted = lift_over(read_weights(path), chains / "hg38ToHg19.over.chain.gz")
    back = read_chain(chains / "hg19ToHg38.over.chain.gz")

    silent = replace(lifted, genome_build=None)
    match = match_variants(genotypes, silent, chain=back, min_overlap=0)
    stated = verdict_of(genotypes, lifted, genome_build="hg38")
    again = match_variants(genotypes, lift_over(lifted, back)).summary

    assert match.summary["status"].item() == "failed"
    assert (
        "the genotypes have 0.0% of the positions as they are, 1.8% after lifting GRCh37 to GRCh38"
        in match.summary["verdict"].item()
    )
    assert "the weights are GRCh37, the genotypes GRCh38" in stated
    assert again["n_matched"].item() == 918


def test_wrong_build__fails_by_name_and_the_others_go_on(hapmap):
    """The verdict of one file says nothing about the next."""
    genotypes, weights = hapmap
    moved = with_columns(weights, position=weights.variants["position"] + 1_000)

    files = (file for file in (replace(moved, names=("moved",)), weights))
    match = match_variants(genotypes, files)

    assert match.summary["status"].tolist() == ["failed", "ok"]
    assert match.summary["score"].tolist() == ["moved", "dense"]
    assert match.table["file"].value_counts().to_dict() == {0: 14_079, 1: 14_079}
