"""Real weight files, read and matched."""

from __future__ import annotations

import pandas as pd
import pytest

from pgs_trd.errors import DataError
from pgs_trd.genotypes import open_genotypes
from pgs_trd.weights import match_variants, read_weights

NOT_ONE_VARIANT = "haplotype, diplotype or interaction: not one variant"
NOT_BASES = "effect allele not spelled in A, C, G, T"
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
COLUMNS = ["chromosome", "position", "counted_allele", "other_allele"]
CATALOG = {
    "OPGS002493.txt.gz": ("OPGS002493", "GRCh37", 23, {}),
    "OPGS017309.txt": ("OPGS017309", "GRCh37", 697, {}),
    "OPGS017309_hmPOS_GRCh38.txt.gz": ("OPGS017309", "GRCh38", 697, {}),
    "OPGS019828_hmPOS_GRCh38.txt.gz": ("OPGS019828", "GRCh38", 1, {}),
    "PGS000001_hmPOS_GRCh37.txt.gz": ("PGS000001", "GRCh37", 77, {}),
    "PGS000001_hmPOS_GRCh38.txt.gz": ("PGS000001", "GRCh38", 77, {}),
    "PGS000002.txt.gz": ("PGS000002", None, 77, {}),
    "PGS000802_hmPOS_GRCh37.txt": (
        "PGS000802",
        "GRCh37",
        19,
        {"dominant effect not supported yet": 7, "recessive effect not supported yet": 7},
    ),
    "bad_harmonised.txt": ("PGS003581", "GRCh38", 3, {}),
    "complex_variants_PGS000021.txt": (
        "complex_variants_PGS000021",
        None,
        33,
        {NOT_ONE_VARIANT: 8},
    ),
    "complex_variants_PGS004239.txt": (
        "complex_variants_PGS004239",
        None,
        14,
        {NOT_BASES: 6, NOT_ONE_VARIANT: 3},
    ),
    "custom_no_oa.txt": ("test2", "GRCh37", 1, {}),
    "invalid_scorefile.txt": ("PGS003581", "GRCh37", 3, {}),
    "lift_to_grch37.txt": ("PGS000001", "GRCh38", 77, {}),
    "lift_to_grch38.txt": ("PGS000001", "GRCh37", 77, {}),
    "structured/PGS000001_hmPOS_GRCh38.txt.gz": ("PGS000001", None, 77, {}),
    "structured/PGS001229_hmPOS_GRCh38.txt.gz": ("PGS001229", None, 51_209, {NOT_BASES: 4}),
}


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_read_weights__reads_real_catalog_files(real_data, name):
    """Rows, build and refused rows as counted in the files with zcat and awk."""
    score, build, n_rows, reasons = CATALOG[name]

    weights = read_weights(real_data / "pgs_catalog" / name)

    assert weights.names == (score,)
    assert weights.genome_build == build
    assert len(weights.variants) == n_rows
    assert weights.refused["reason"].value_counts().to_dict() == reasons


def test_read_weights__refuses_a_list_of_positions(real_data):
    """PGS003162_positions has neither header nor weights."""
    with pytest.raises(DataError, match="it has no header line"):
        read_weights(real_data / "pgs_catalog" / "PGS003162_positions.txt.gz")


@pytest.mark.parametrize("name", ["bad_harmonised.txt", "invalid_scorefile.txt"])
def test_match_variants__says_that_a_file_has_no_positions(real_data, name):
    """All three rows of each lack a place; the verdict must say that, not "absent"."""
    genotypes = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    summary = match_variants(genotypes, read_weights(real_data / "pgs_catalog" / name)).summary

    assert summary["n_no_position"].item() == 3
    assert "100.0% have no position" in summary["verdict"].item()


def test_match_variants__finds_all_defects_planted_in_hapmap3_weights(real_data):
    """3,000 rows whose defect is written beside them; flips are put right, not lost."""
    folder = real_data / "hapmap3"
    path = folder / "reference" / "weights_defects.tsv"
    truth = pd.read_csv(path, sep="\t")["status"]
    status = {
        "clean": "matched",
        "strand_flipped": "matched",
        "palindromic": "palindromic",
        "allele_mismatch": "allele_mismatch",
        "absent_from_target": "position_absent",
    }

    weights = read_weights(path, columns={"effect_weight": "W_dense"})
    match = match_variants(open_genotypes(folder / "hm3_b36"), weights)

    assert match.table["status"].tolist() == truth.map(status).tolist()
    assert match.table["flipped"].tolist() == truth.eq("strand_flipped").tolist()
    assert match.summary["n_matched"].item() == 2_372


def test_match_variants__matches_every_row_of_real_wide_weights(real_data):
    """All 14,079 SNPs are there once, by position and by id alike, palindromes kept."""
    folder = real_data / "hapmap3"
    genotypes = open_genotypes(folder / "hm3_b36")
    columns = {"effect_weight": ["W_dense", "W_sparse", "W_half"]}
    weights = read_weights(folder / "reference" / "weights_all.tsv", columns=columns)

    by_position = match_variants(genotypes, weights, palindromes="keep")
    by_id = match_variants(genotypes, weights, palindromes="keep", by="id")

    assert by_position.summary["n_matched"].tolist() == [14_079] * 3
    assert by_position.table["target"].equals(by_id.table["target"])
    assert by_position.table["swapped"].equals(by_id.table["swapped"])


def test_match_variants__reports_a_real_score_against_1000_genomes(real_data):
    """1,004 variants cannot hold 51,209 rows: most are absent, and it says so.

    The counts are those of a plain loop; three rows lie where the builds are inverted,
    so that they match on the other strand.
    """
    genotypes = open_genotypes(real_data / "tiny1000G" / "vcf" / "tiny1000G.vcf.gz")
    path = real_data / "pgs_catalog" / "structured" / "PGS001229_hmPOS_GRCh38.txt.gz"
    rows = pd.read_csv(path, sep="\t", dtype={"chr_name": str})
    alleles_at: dict[tuple[str, int], list[set[str]]] = {}
    for chromosome, position, *alleles in genotypes.variants[COLUMNS].itertuples(index=False):
        alleles_at.setdefault((chromosome, position), []).append(set(alleles))
    keys = zip(rows["chr_name"], rows["chr_position"], strict=True)
    pairs = zip(rows["effect_allele"], rows["other_allele"], strict=True)
    there = [(set(pair), alleles_at.get(key, [])) for key, pair in zip(keys, pairs, strict=True)]
    fits = [pair for pair, here in there if pair in here]
    n_flipped = sum(
        pair not in here and {COMPLEMENT.get(allele) for allele in pair} in here
        for pair, here in there
    )
    n_palindromic = sum(pair in ({"A", "T"}, {"C", "G"}) for pair in fits)

    match = match_variants(genotypes, read_weights(path))
    summary = match.summary.iloc[0]

    assert summary["n_rows"] == 51_209
    assert (summary["n_matched"], summary["n_palindromic"]) == (920, 66)
    assert (len(fits) - n_palindromic, n_palindromic, n_flipped) == (917, 66, 3)
    assert match.table["flipped"].sum() == n_flipped
    assert summary["status"] == "failed"
    assert "98.0% are at positions absent" in summary["verdict"]
