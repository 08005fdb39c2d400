"""Matching: every row gets a status, and it is the right one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import open_genotypes
from pgs_trd.genotypes.variants import make_variants
from pgs_trd.weights import Matcher, Weights, match_variants, read_weights


def statuses(match):
    return match.table["status"].tolist()


@pytest.mark.parametrize(
    ("effect", "other", "status", "swapped", "flipped"),
    [
        ("A", "C", "matched", False, False),
        ("C", "A", "matched", True, False),
        ("T", "G", "matched", False, True),
        ("G", "T", "matched", True, True),
        ("a", "c", "matched", False, False),
        ("A", None, "matched", False, False),
        ("C", None, "matched", True, False),
        ("T", None, "matched", False, True),
        ("G", None, "matched", True, True),
        ("A", "G", "allele_mismatch", False, False),
        ("A", "AC", "allele_mismatch", False, False),
        ("AC", "A", "allele_mismatch", False, False),
        ("A", "T", "allele_mismatch", False, False),
    ],
)
def test_match_variants__reads_both_strands_and_both_orders(
    genotypes_of, weights_of, effect, other, status, swapped, flipped
):
    """The genotypes count A over C: the table says whether to count the other one."""
    genotypes = genotypes_of(("1", 5, "G", "A"), ("1", 10, "A", "C"))

    table = match_variants(genotypes, weights_of(("chr01", 10, effect, other, 1))).table

    assert table["status"].tolist() == [status]
    assert table["target"].tolist() == [1 if status == "matched" else -1]
    assert (table["swapped"].item(), table["flipped"].item()) == (swapped, flipped)


def test_match_variants__gives_the_reason_for_every_row(genotypes_of, weights_of):
    """One row of each kind; rows are in the order of the file."""
    genotypes = genotypes_of(
        ("1", 10, "A", "C"), ("1", 20, "A", "T"), ("1", 30, "A", "C"), ("1", 30, "C", "A"),
        ("1", 40, "A", "C"), ("1", 0, "A", "C"), ("1", 50, "AT", "A"), ("1", 60, "C", "A"),
        ("1", 60, "G", "A"),
    )  # fmt: skip
    weights = weights_of(
        ("1", 10, "A", "C", 1),
        ("1", 20, "A", "T", 1),
        ("1", 30, "A", "C", 1),
        ("1", 40, "A", "C", 1),
        ("1", 40, "G", "T", 1),
        ("1", 0, "A", "C", 1),
        ("1", None, "A", "C", 1),
        ("2", 10, "A", "C", 1),
        ("1", 11, "A", "C", 1),
        ("1", 50, "A", "AT", 1),
        ("1", 60, "A", "C", 1),
        ("1", 60, "G", "A", 1),
        ("1", 60, "G", None, 1),
        ("1", 10, "HLA", "C", 1),
        ("1", 10, "A", "G", 1),
    )

    match = match_variants(genotypes, weights)

    assert statuses(match) == [
        "matched", "palindromic", "duplicate_target", "collision", "collision", "no_position",
        "no_position", "chromosome_absent", "position_absent", "matched", "refused", "matched",
        "ambiguous", "refused", "allele_mismatch",
    ]  # fmt: skip
    reasons = match.table["reason"]
    assert reasons[2] == "duplicate in genotypes"
    assert reasons[10] == (
        "effect allele is REF of a multi-allelic site: "
        "its copies are the ploidy less those of all ALTs"
    )
    assert reasons[13] == "effect allele not spelled in A, C, G, T"
    assert match.table["target"].tolist() == [0] + 8 * [-1] + [6, -1, 8] + 3 * [-1]
    assert match.table["row"].tolist() == list(range(1, 16))


def test_match_variants__is_ambiguous_where_the_strands_fit_different_alleles(
    genotypes_of, weights_of
):
    """At A>C,G an effect allele C alone may be C, or the complement of G.

    G over T is, on the other strand, C over A; but G as written is there as well.
    """
    genotypes = genotypes_of(("1", 10, "C", "A"), ("1", 10, "G", "A"))

    for effect, other, status in [
        ("C", None, "ambiguous"),
        ("G", "T", "ambiguous"),
        ("C", "A", "matched"),
        ("G", "A", "matched"),
        ("A", None, "refused"),
        ("C", "G", "allele_mismatch"),
    ]:
        match = match_variants(genotypes, weights_of(("1", 10, effect, other, 1)))
        assert statuses(match) == [status], (effect, other)


def test_match_variants__leaves_the_reference_of_a_multi_allelic_vcf_site_out(
    tmp_path: Path, weights_of
):
    """Copies of A at A>C,G are two minus both; one row would count G/G as two copies.

    `*` and `<NON_REF>` never match, and do not make the site unusable for C.
    """
    people = "\t".join(["0/1", "2/2"])
    path = tmp_path / "x.vcf"
    path.write_text(
        '##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp0\tp1\n"
        f"1\t10\t.\tA\tC,G\t.\t.\t.\tGT\t{people}\n1\t20\t.\tA\tC,*\t.\t.\t.\tGT\t{people}\n"
    )

    match = match_variants(
        open_genotypes(path),
        weights_of(
            ("1", 10, "A", "C", 1), ("1", 10, "G", "A", 1), ("1", 20, "C", "A", 1),
            ("1", 20, "A", "C", 1),
        ),
    )  # fmt: skip

    assert statuses(match) == ["refused", "matched", "matched", "refused"]


def test_match_variants__by_id_needs_the_alleles_too(genotypes_of, weights_of):
    """rs0 is there under another position, which by id does not matter; its alleles do."""
    genotypes = genotypes_of(("1", 999, "A", "C"), ("1", 998, "A", "C"))
    weights = weights_of(("1", 10, "C", "A", 1), ("1", 20, "A", "G", 1), ("1", 30, "A", "C", 1))
    weights.variants.loc[len(weights.variants) - 1, "id"] = None

    assert statuses(match_variants(genotypes, weights)) == ["position_absent"] * 3
    match = match_variants(genotypes, weights, by="id")
    assert statuses(match) == ["matched", "allele_mismatch", "no_id"]
    assert match.table["swapped"].tolist() == [True, False, False]


def palindromic_weights(tmp_path, *frequencies):
    path = tmp_path / "palindromes.tsv"
    lines = ["chr\tpos\tea\toa\tbeta\teaf"]
    lines += [f"1\t{10 * k}\tA\tT\t1\t{value}" for k, value in enumerate(frequencies, 1)]
    path.write_text("\n".join(lines) + "\n")
    return read_weights(path)


def test_match_variants__settles_palindromes_as_asked(genotypes_of, tmp_path):
    """The genotypes count A at 2/8 = 0.25, but at 4/8 in the last.

    Weights whose A is at 0.1 are on our strand; at 0.9 it is our T. Neither 0.45 nor
    no frequency tells, nor does any at a target frequency of one half.
    """
    copies = np.array([[2, 0, 0, 0]] * 5 + [[2, 2, 0, 0]], dtype=np.int8)
    rows = [("1", 10 * k, "A", "T") for k in range(1, 7)]
    genotypes = genotypes_of(*rows, copies=copies)
    weights = palindromic_weights(tmp_path, 0.1, 0.9, 0.45, "NA", 0.4, 0.1)

    dropped = match_variants(genotypes, weights).table
    kept = match_variants(genotypes, weights, palindromes="keep").table
    settled = match_variants(genotypes, weights, palindromes="frequency").table

    assert set(dropped["status"]) == {"palindromic"}
    assert (set(kept["status"]), set(kept["swapped"])) == ({"matched"}, {False})
    assert settled["status"].tolist() == ["matched"] * 2 + ["palindromic"] * 2 + [
        "matched",
        "palindromic",
    ]
    assert settled["swapped"].tolist() == [False, True, False, False, False, False]
    assert settled["flipped"].tolist() == [False, True, False, False, False, False]
    assert "within 0.1 of one half" in settled["reason"][2]
    assert "no effect allele frequency" in settled["reason"][3]
    assert "within 0.1 of one half" in settled["reason"][5]


def test_collision__is_between_rows_of_one_score(genotypes_of, weights_of):
    """Two scores may each use one variant their own way; one score may not, twice."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("1", 20, "A", "C"))
    rows = [("1", 10, "A", "C", 1, None), ("1", 10, "C", "A", None, 1), ("1", 20, "A", "C", 1, 1)]

    apart = match_variants(genotypes, weights_of(*rows, names=("a", "b")))
    rows[1] = ("1", 10, "C", "A", 1, 1)
    together = match_variants(genotypes, weights_of(*rows, names=("a", "b")))

    assert statuses(apart) == ["matched", "matched", "matched"]
    assert statuses(together) == ["collision", "collision", "matched"]
    assert together.summary[["n_rows", "n_matched", "n_collision"]].values.tolist() == [
        [3, 1, 2],
        [2, 1, 1],
    ]


def test_match_variants__of_several_files_keeps_them_apart(genotypes_of, weights_of):
    """A failed score must not take the others with it, and rows name their file."""
    genotypes = genotypes_of(("1", 10, "A", "C"))
    good, bad = weights_of(("1", 10, "A", "C", 1)), weights_of(("1", 11, "A", "C", 1))

    match = match_variants(genotypes, [bad, good])

    assert match.table["file"].tolist() == [0, 1]
    assert match.summary["status"].tolist() == ["failed", "ok"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"palindromes": "guess"}, "got 'guess'"),
        ({"by": "rsid"}, "got 'rsid'"),
        ({"min_overlap": 75}, "got 75"),
    ],
)
def test_match_variants__refuses_unknown_options(genotypes_of, weights_of, option, message):
    """A misspelt option must not silently mean the default."""
    with pytest.raises(UsageError, match=message):
        match_variants(
            genotypes_of(("1", 1, "A", "C")), weights_of(("1", 1, "A", "C", 1)), **option
        )


def test_match_variants__does_not_depend_on_how_texts_are_kept(genotypes_of, weights_of):
    """Tables made by hand have plain objects where readers give categories."""
    genotypes = genotypes_of(("1", 10, "A", "C"), ("X", 20, "G", "T"), ("X", 30, "A", "T"))
    weights = weights_of(
        ("1", 10, "C", None, 1), ("X", 20, "G", "T", 2), ("X", 30, "A", "T", 3),
        ("2", 1, "A", "G", 4),
    )  # fmt: skip
    plain = replace(weights, variants=weights.variants.astype(object))

    for by in ("position", "id"):
        expected, actual = (match_variants(genotypes, w, by=by) for w in (weights, plain))
        pd.testing.assert_frame_equal(
            actual.table, expected.table, check_dtype=False, check_categorical=False
        )
        pd.testing.assert_frame_equal(actual.summary, expected.summary)


@pytest.mark.parametrize("by", ["position", "id"])
def test_matcher__of_more_rows_than_a_chunk_equals_a_join(by):
    """Rows are matched 65,536 at a time; these are 150,000, in no order."""
    rng = np.random.default_rng(5)
    n_rows = 150_000
    chromosome = rng.choice(["2", "11", "X"], n_rows)
    position = rng.permutation(4 * n_rows)[:n_rows] + 1
    variants = make_variants(
        chromosome, position, [f"v{k}" for k in range(n_rows)], ["A"] * n_rows, ["G"] * n_rows
    )
    order = rng.permutation(n_rows)
    moved = rng.random(n_rows) < 0.1
    rows = pd.DataFrame(
        {
            "row": np.arange(1, n_rows + 1),
            "id": variants["id"].to_numpy()[order],
            "chromosome": chromosome[order],
            "position": pd.array(position[order] + np.where(moved, 4 * n_rows, 0), dtype="Int64"),
            "effect_allele": np.where(rng.random(n_rows) < 0.5, "A", "C"),
            "other_allele": None,
            "effect_allele_frequency": np.nan,
        }
    )
    rows["other_allele"] = np.where(rows["effect_allele"] == "A", "G", "T")
    refused = pd.DataFrame({"row": [], "score": [], "reason": []}).astype({"row": np.int64})
    weights = Weights(rows, rng.normal(size=(n_rows, 2)), ("a", "b"), None, {}, None, refused)
    source = SimpleNamespace(variants=variants, samples=None, paths=(), format="none")

    matched = Matcher(source, by=by).match(weights)

    found = ~moved if by == "position" else np.ones(n_rows, dtype=bool)
    np.testing.assert_array_equal(matched.is_matched, found)
    np.testing.assert_array_equal(matched.target, np.where(found, order, -1))
    np.testing.assert_array_equal(matched.flipped, found & (rows["effect_allele"] == "C"))
    np.testing.assert_array_equal(matched.swapped, found & (rows["effect_allele"] == "C"))
    assert matched.summary["n_matched"].tolist() == [found.sum()] * 2
    assert_allclose(
        matched.summary["weight_matched"],
        np.abs(weights.effects)[found].sum(axis=0) / np.abs(weights.effects).sum(axis=0),
        rtol=1e-10,
    )
