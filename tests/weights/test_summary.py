"""Summaries: what is counted and weighed, and what the verdict says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.genotypes import count_alleles
from pgs_trd.weights import Matcher, frequencies, match_variants, read_weights


def test_summary__weighs_what_was_lost(genotypes_of, weights_of):
    """Weights 3 and 0 of 3, -1, 0 match: two of three rows, three quarters of the weight."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "C"))
    weights = weights_of(("1", 10, "A", "C", 3), ("1", 11, "A", "C", -1), ("1", 20, "A", "C", 0))

    summary = match_variants(genotypes, weights, min_overlap=0.6).summary

    assert summary["score"].item() == "score"
    assert_allclose(summary["match_rate"], 2 / 3, rtol=1e-10)
    assert_allclose(summary["weight_matched"], 0.75, rtol=1e-10)
    assert (summary["status"].item(), summary["verdict"].item()) == ("ok", "66.7% of rows matched")


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (("1", 11, "A", "C", 1), "100.0% are at positions absent .* check the genome build and"),
        (("2", 10, "A", "C", 1), "100.0% are on chromosomes that the genotypes do not have"),
        (("1", None, "A", "C", 1), "100.0% have no position: take a harmonised weight file"),
        (("1", 10, "A", "G", 1), "100.0% have other alleles in the genotypes"),
        (("1", 20, "A", "T", 1), "100.0% are palindromic: decide by palindromes="),
    ],
)
def test_summary__says_why_few_rows_matched_and_what_to_do(genotypes_of, weights_of, row, verdict):
    """Low overlap without a reason is what users of every peer complain of most."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "T"))

    summary = match_variants(genotypes, weights_of(row)).summary

    assert summary["status"].item() == "failed"
    pd.testing.assert_series_equal(
        summary["verdict"].str.contains(r"few rows matched \(0\.0%\): " + verdict),
        pd.Series([True]), check_names=False,
    )  # fmt: skip


def test_match_variants__gives_an_example_of_each_reason(genotypes_of, weights_of):
    """Whoever reads a count wants to see one such row: the first one."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "T"))
    weights = weights_of(
        ("1", 10, "A", "C", 1), ("1", 11, "A", "C", 1), ("1", 20, "T", "A", 1),
        ("1", 12, "G", None, 1),
    )  # fmt: skip

    examples = match_variants(genotypes, [weights, weights]).examples

    assert examples["file"].tolist() == [0, 0, 1, 1]
    first = examples[examples["file"] == 0].set_index("status")
    assert first["n_rows"].to_dict() == {"position_absent": 2, "palindromic": 1}
    assert first.loc["position_absent", ["row", "id", "position"]].tolist() == [2, "rs1", 11]
    assert first.loc["palindromic", ["effect_allele", "other_allele"]].tolist() == ["T", "A"]
    assert first.loc["palindromic", "reason"] == "palindromic: the same alleles on both strands"


def test_summary__weighs_variance_where_frequencies_are_stated(genotypes_of, tmp_path):
    """Row 1: 2 x 0.5 x 0.5 x 1 = 0.5; row 2: 2 x 0.1 x 0.9 x 4 = 0.72, lost; row 3: no p."""
    path = tmp_path / "w.tsv"
    path.write_text(
        "chr\tpos\tea\toa\tbeta\teaf\n1\t10\tA\tC\t1\t0.5\n1\t11\tA\tC\t-2\t0.1\n1\t20\tA\tC\t9\tNA\n"
    )
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "C"))

    summary = match_variants(genotypes, read_weights(path)).summary

    assert_allclose(summary["variance_matched"], 0.5 / 1.22, rtol=1e-10)
    assert_allclose(summary["weight_matched"], 10 / 12, rtol=1e-10)


def frequency_file(path: Path, frequencies, *, alleles=("A", "C")):
    lines = ["chr\tpos\tea\toa\tbeta\teaf"]
    lines += [
        f"1\t{10 * k}\t{alleles[0]}\t{alleles[1]}\t1\t{p}" for k, p in enumerate(frequencies, 1)
    ]
    path.write_text("\n".join(lines) + "\n")
    return read_weights(path)


@pytest.mark.parametrize(
    ("turn", "alleles", "r"),
    [(False, ("A", "C"), 1), (True, ("A", "C"), -1), (True, ("C", "A"), 1)],
)
def test_check_frequencies__finds_swapped_allele_columns(genotypes_of, tmp_path, turn, alleles, r):
    """Person by person one copy more: frequencies are k/80 of A and 1 - k/80 of C."""
    n_rows = 30
    copies = np.tril(np.ones((n_rows, 40), dtype=np.int8))
    genotypes = genotypes_of(
        *[("1", 10 * k, "A", "C") for k in range(1, n_rows + 1)], copies=copies
    )
    frequency = np.arange(1, n_rows + 1) / 80
    weights = frequency_file(
        tmp_path / "w.tsv", 1 - frequency if turn else frequency, alleles=alleles
    )

    matched = Matcher(genotypes).match(weights)

    assert_allclose(matched.frequency_correlation, r, rtol=1e-10)
    assert_allclose(matched.summary["frequency_r"], r, rtol=1e-10)
    warns = "effect and other allele may be swapped" in matched.summary["verdict"].item()
    assert warns == (r < 0)
    unasked = Matcher(genotypes, check_frequencies=False).match(weights)
    assert np.isnan(unasked.frequency_correlation)


def test_check_frequencies__reads_a_variant_once_for_all_files(genotypes_of, tmp_path, monkeypatch):
    """61 files over the same variants: to decode these 61 times would cost more than scoring."""
    n_rows = 3_000
    copies = np.random.default_rng(1).integers(0, 3, (n_rows, 60)).astype(np.int8)
    places = [("1", 10 * k, "A", "C") for k in range(1, n_rows + 1)]
    matcher = Matcher(genotypes_of(*places, copies=copies))
    weights = frequency_file(tmp_path / "w.tsv", copies.mean(axis=1) / 2)
    read: list[int] = []

    def count(genotypes, rows):
        read.extend(rows)
        return count_alleles(genotypes, rows)

    monkeypatch.setattr(frequencies, "count_alleles", count)
    correlations = [matcher.match(weights, number).frequency_correlation for number in range(3)]

    assert_allclose(correlations, 1, rtol=1e-10)
    assert len(read) == len(set(read))
    assert 900 < len(read) < 1_100


def test_verdict__warns_where_palindromes_cannot_be_settled(genotypes_of, tmp_path):
    """One sentence a file, not one a row."""
    genotypes = genotypes_of(*[("1", 10 * k, "A", "T") for k in (1, 2)], ("1", 30, "A", "C"))
    weights = frequency_file(tmp_path / "w.tsv", ["NA", "NA"], alleles=("A", "T"))

    summary = match_variants(genotypes, weights, palindromes="frequency").summary

    assert "2 palindromic rows have no effect allele frequency" in summary["verdict"].item()


def test_verdict__warns_of_palindromes_kept_where_others_are_flipped(genotypes_of, weights_of):
    """Half of the other rows are on the other strand, so the A/T row may be as well."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "C"), ("1", 30, "A", "T"))
    rows = [("1", 10, "A", "C", 1), ("1", 20, "T", "G", 1), ("1", 30, "A", "T", 1)]

    kept = match_variants(genotypes, weights_of(*rows), palindromes="keep").summary
    same = match_variants(genotypes, weights_of(rows[0], rows[2]), palindromes="keep").summary

    assert "50.0% of the other matched rows are on the other strand" in kept["verdict"].item()
    assert same["verdict"].item() == "100.0% of rows matched"


def test_genotype_build__is_told_by_contig_lengths(genotypes_of, weights_of):
    """A VCF header that lists contigs of GRCh38 contradicts weights of GRCh37."""

    class WithContigs:
        def __init__(self, source):
            self.source = source
            self.contig_lengths = {"1": 248_956_422}

        def __getattr__(self, name):
            return getattr(self.source, name)

    genotypes = WithContigs(genotypes_of(("1", 10, "A", "C")))
    weights = replace(weights_of(("1", 11, "A", "C", 1)), genome_build="GRCh37")

    verdict = match_variants(genotypes, weights).summary["verdict"].item()

    assert "the weights are GRCh37, the genotypes GRCh38" in verdict
