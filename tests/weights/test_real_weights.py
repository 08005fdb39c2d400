"""Real weight files, read and matched."""

from __future__ import annotations

import gzip
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, PgsTrdWarning
from pgs_trd.genotypes import open_genotypes
from pgs_trd.weights import match_variants, read_weights

NOT_BASES = "effect allele not spelled in A, C, G, T"
CUT_OFF = ["bad_harmonised.txt", "invalid_scorefile.txt"]
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
        {},
    ),
    "bad_harmonised.txt": ("PGS003581", "GRCh38", 3, {}),
    "complex_variants_PGS000021.txt": (
        "complex_variants_PGS000021",
        None,
        33,
        {"diplotype": 5, "HLA allele": 3},
    ),
    "complex_variants_PGS004239.txt": (
        "complex_variants_PGS004239",
        None,
        14,
        {"HLA amino acid": 6, "HLA allele": 3},
    ),
    "custom_no_oa.txt": ("test2", "GRCh37", 1, {}),
    "invalid_scorefile.txt": ("PGS003581", "GRCh37", 3, {}),
    "lift_to_grch37.txt": ("PGS000001", "GRCh38", 77, {}),
    "lift_to_grch38.txt": ("PGS000001", "GRCh37", 77, {}),
    "structured/PGS000001_hmPOS_GRCh38.txt.gz": ("PGS000001", None, 77, {}),
    "structured/PGS001229_hmPOS_GRCh38.txt.gz": ("PGS001229", None, 51_209, {NOT_BASES: 4}),
    "structured/PGS999999_hmPOS_GRCh38.txt.gz": ("PGS999999", None, 51_209, {NOT_BASES: 4}),
}


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_read_weights__reads_real_catalog_files(real_data, name):
    """Rows, build and refused rows as counted in the files with zcat and awk."""
    score, build, n_rows, reasons = CATALOG[name]

    with (
        pytest.warns(PgsTrdWarning, match="states 4,861,398 variants, it has 3")
        if (name in CUT_OFF)
        else nullcontext()
    ):
        weights = read_weights(real_data / "pgs_catalog" / name)

    assert weights.names == (score,)
    assert weights.genome_build == build
    assert len(weights.variants) == n_rows
    assert weights.refused["reason"].value_counts().to_dict() == reasons


def test_read_weights__reads_dominant_and_recessive_rows_of_a_real_score(real_data):
    """PGS000802 flags 7 rows dominant and 7 recessive, counted with awk."""
    weights = read_weights(real_data / "pgs_catalog" / "PGS000802_hmPOS_GRCh37.txt")
    doses = [tuple(row) for row in weights.doses]

    assert {row: doses.count(row) for row in doses} == {(0, 1, 2): 5, (0, 1, 1): 7, (0, 0, 1): 7}
    assert dict(zip(weights.variants["id"], doses, strict=True))["rs6061231"] == (0, 0, 1)


def test_read_weights__reads_real_gwas_results_by_p_value(real_data):
    """93 lead SNPs: alleles, place, frequency and p-value are recognised by name."""
    okbay = read_weights(
        real_data / "sumstats" / "eduAttainOkbay.txt", p_thresholds=[1e-15, 5e-8, 1]
    )
    table = pd.read_csv(real_data / "sumstats" / "eduAttainOkbay.txt", sep="\t")

    assert okbay.names == ("eduAttainOkbay_p1e-15", "eduAttainOkbay_p5e-08", "eduAttainOkbay_p1")
    assert okbay.refused.empty
    for k, threshold in enumerate([1e-15, 5e-8, 1]):
        expected = table["Beta"].where(table["Pval"] <= threshold)
        np.testing.assert_array_equal(okbay.effects[:, k], expected)
    assert okbay.variants["effect_allele_frequency"].tolist() == table["EAF"].tolist()


def test_read_weights__refuses_a_real_file_with_a_row_broken_in_two(real_data):
    """Line 408 of ieu-a-298 ends in the middle and goes on in line 409 (awk: NF)."""
    path = real_data / "sumstats" / "ieu-a-298.tsv.gz"

    with pytest.raises(DataError, match=r"2 of 417 rows do not have the 12 columns.*row 407:"):
        read_weights(path)


def test_read_weights__lets_the_alleles_of_a_real_table_be_named_the_other_way(real_data, tmp_path):
    """MungeSumstats has the effect in A2: one name alone would leave A2 with two meanings."""
    with gzip.open(real_data / "sumstats" / "ieu-a-298.tsv.gz", "rt") as lines:
        whole = [line for line in lines if line.count("\t") == 11]
    path = tmp_path / "mended.tsv"
    path.write_text("".join(whole))
    table = pd.read_csv(path, sep="\t")

    weights = read_weights(path, columns={"effect_allele": "A2", "other_allele": "A1"})

    assert weights.variants["effect_allele"].tolist() == table["A2"].tolist()
    assert weights.variants["id"].tolist() == table["SNP"].tolist()
    np.testing.assert_array_equal(weights.effects[:, 0], table["BETA"])
    with pytest.raises(DataError, match="'A2' would be effect_allele and other_allele"):
        read_weights(path, columns={"effect_allele": "A2"})


def test_read_weights__refuses_a_gwas_catalog_download(real_data):
    """Odds ratios and betas in one column, alleles inside the ids: nothing to go by."""
    with pytest.raises(DataError, match=r"2 faults[\s\S]*no weight[\s\S]*no effect allele"):
        read_weights(real_data / "sumstats" / "gwas_catalog_2014_psych.tsv")


def test_read_weights__makes_the_ranges_of_plink_of_real_p_values(real_data):
    """qrange.txt has P up to 0.05, 0.5 and 1; plink2 used as many variants, in .sscore.

    ALLELE_CT is twice the variants called: the largest of a column is twice all of them.
    """
    folder = real_data / "hapmap3" / "reference"
    bounds = pd.read_csv(folder / "qrange.txt", sep=r"\s+", header=None)[2].tolist()
    weights = read_weights(
        folder / "weights_all.tsv",
        columns={"effect_weight": "W_dense"},
        name="dense",
        p_thresholds=bounds,
    )
    n_rows = (~np.isnan(weights.effects)).sum(axis=0)

    assert weights.names == ("dense_p0.05", "dense_p0.5", "dense_p1")
    for k, label in enumerate(["S1", "S2", "S3"]):
        counts = pd.read_csv(folder / f"score_q.{label}.sscore", sep="\t")["DENOM"]
        assert counts.max() == 2 * n_rows[k]


def test_read_weights__refuses_a_list_of_positions(real_data):
    """PGS003162_positions has neither header nor weights."""
    with pytest.raises(DataError, match="it has no header line"):
        read_weights(real_data / "pgs_catalog" / "PGS003162_positions.txt.gz")


@pytest.mark.parametrize("name", CUT_OFF)
def test_match_variants__says_that_a_file_has_no_positions(real_data, name):
    """All three rows of each lack a place; the verdict must say that, not "absent"."""
    genotypes = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    with pytest.warns(PgsTrdWarning, match="states 4,861,398 variants, it has 3"):
        weights = read_weights(real_data / "pgs_catalog" / name)
    summary = match_variants(genotypes, weights).summary

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
