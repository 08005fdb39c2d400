"""Matching: every row gets a status, and it is the right one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import open_genotypes
from pgs_trd.weights import match_variants

STATUS_COLUMNS = [
    "n_refused", "n_no_position", "n_no_id", "n_chromosome_absent", "n_position_absent",
    "n_id_absent", "n_duplicate_target", "n_allele_mismatch", "n_palindromic", "n_ambiguous",
    "n_collision",
]  # fmt: skip


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
    assert reasons[10] == "effect allele is REF of a multi-allelic site"
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
    from pgs_trd.weights import read_weights

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


def other_strand(allele):
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[base] for base in reversed(allele))


def match_plainly(targets, row):
    """Match one row by looking at every target; a slow version of the rules."""
    chromosome, position, effect, other = row
    if position is None:
        return "no_position", -1, False
    if chromosome not in {target[0] for target in targets}:
        return "chromosome_absent", -1, False
    here = [k for k, target in enumerate(targets) if target[:2] == (chromosome, position)]
    if not here:
        return "position_absent", -1, False

    def fits(first, second):
        if second is None:
            return [k for k in here if first in targets[k][2:]]
        return [k for k in here if {first, second} == set(targets[k][2:])]

    can_flip = len(effect) == 1 if other is None else len(effect) == len(other)
    plain = fits(effect, other)
    turned = fits(other_strand(effect), other and other_strand(other)) if can_flip else []
    chosen = plain or turned
    if not chosen:
        return "allele_mismatch", -1, False

    def twins(k):
        return [j for j in here if set(targets[j][2:]) == set(targets[k][2:])]

    def site(k):
        return max(map(len, targets[k][2:])) == 1

    if any(len(twins(k)) > 1 for k in chosen):
        return "duplicate_target", -1, False
    if len(chosen) > 1:
        one_site = len({site(k) for k in chosen}) == 1
        return ("refused" if one_site else "ambiguous"), -1, False
    (target,) = chosen
    if plain and set(turned) - {target}:
        return "ambiguous", -1, False
    if not plain and any(effect in targets[k][2:] for k in here):
        return "ambiguous", -1, False
    if plain and target in turned:
        return "palindromic", -1, False
    allele = effect if plain else other_strand(effect)
    if any(allele in targets[k][2:] for k in here if k != target and site(k) == site(target)):
        return "refused", -1, False
    return "matched", target, allele == targets[target][3]


ALLELES = st.sampled_from(["A", "C", "G", "T", "AC", "GT", "AT"])
PLACES = st.tuples(st.sampled_from(["1", "X"]), st.integers(1, 3))
TARGETS = st.lists(
    st.tuples(PLACES, ALLELES, ALLELES).filter(lambda row: row[1] != row[2]), min_size=1, max_size=8
)
ROWS = st.lists(
    st.tuples(
        st.tuples(st.sampled_from(["1", "X", "Y"]), st.one_of(st.none(), st.integers(1, 4))),
        ALLELES,
        st.one_of(st.none(), ALLELES),
    ).filter(lambda row: row[1] != row[2]),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(targets=TARGETS, rows=ROWS)
def test_match_variants__equals_a_slow_plain_version_and_reconciles(
    genotypes_of, weights_of, targets, rows
):
    """Row by row the status, target and order of alleles; and no row is lost or doubled."""
    targets = [(*place, counted, other) for place, counted, other in targets]
    rows = [(*place, effect, other) for place, effect, other in rows]
    expected = [match_plainly(targets, row) for row in rows]
    taken = Counter(target for _, target, _ in expected)
    expected = [
        ("collision", -1, False) if target >= 0 and taken[target] > 1 else (status, target, swapped)
        for status, target, swapped in expected
    ]

    match = match_variants(genotypes_of(*targets), weights_of(*[(*row, 1.0) for row in rows]))

    table = match.table
    assert list(zip(table["status"], table["target"], table["swapped"], strict=True)) == expected
    summary = match.summary.iloc[0]
    assert summary["n_rows"] == len(rows)
    assert summary["n_matched"] + summary[STATUS_COLUMNS].sum() == len(rows)
    counted = Counter(table["status"])
    assert summary["n_matched"] == counted.pop("matched", 0)
    assert all(summary[f"n_{status}"] == count for status, count in counted.items())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 4),
            *[st.sampled_from(["1.5", "-2", "0", "", "inf", "x"]) for _ in range(2)],
        ),
        min_size=1,
        max_size=8,
    )
)
def test_summary__reconciles_for_every_score_of_a_wide_file(genotypes_of, tmp_path, rows):
    """What is in a score: its numbers and its faults; an empty cell is not."""
    from pgs_trd.weights import read_weights

    path = tmp_path / "wide.tsv"
    rows = [*rows, (1, "1", "1")]
    lines = ["chr\tpos\tea\toa\tfirst\tsecond"]
    lines += [f"1\t{position}\tA\tC\t{first}\t{second}" for position, first, second in rows]
    path.write_text("\n".join(lines) + "\n")
    genotypes = genotypes_of(("1", 1, "A", "C"), ("1", 2, "A", "G"))
    weights = read_weights(path, columns={"effect_weight": ["first", "second"]})

    summary = match_variants(genotypes, weights).summary

    for k in (0, 1):
        cells = [row[k + 1] for row in rows]
        score = summary.iloc[k]
        assert score["n_rows"] == sum(cell != "" for cell in cells)
        assert score["n_matched"] + score[STATUS_COLUMNS].sum() == score["n_rows"]
        assert score["n_refused"] == sum(cell in ("inf", "x") for cell in cells)
