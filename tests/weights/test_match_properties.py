"""Matching, for any genotypes and weights: a slow plain version, and what must not matter."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgs_trd.weights import match_variants, read_weights

STATUS_COLUMNS = [
    "n_refused", "n_no_position", "n_no_id", "n_chromosome_absent", "n_position_absent",
    "n_id_absent", "n_duplicate_target", "n_allele_mismatch", "n_palindromic", "n_ambiguous",
    "n_collision",
]  # fmt: skip


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


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


KEPT = ["id", "status", "reason", "target", "swapped", "flipped"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets=TARGETS, rows=ROWS, seed=st.integers(0, 99))
def test_match_variants__does_not_depend_on_the_order_of_rows_or_files(
    genotypes_of, weights_of, targets, rows, seed
):
    """A row that is chosen because it comes first is a choice that nobody made."""
    genotypes = genotypes_of(*[(*place, one, two) for place, one, two in targets])
    rows = [(*place, effect, other, 1.0) for place, effect, other in rows]
    weights = weights_of(*rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    turned = replace(
        weights,
        variants=weights.variants.iloc[order].reset_index(drop=True).assign(row=weights.variants["row"]),
        effects=weights.effects[order],
        refused=weights.refused.assign(row=np.argsort(order)[weights.refused["row"] - 1] + 1),
    )  # fmt: skip

    here = match_variants(genotypes, [weights, turned])
    there = match_variants(genotypes, [turned, weights])

    tables = [
        match.table[match.table["file"] == number][KEPT].astype(object).sort_values("id")
        for match, number in ((here, 0), (here, 1), (there, 0), (there, 1))
    ]
    for table in tables[1:]:
        assert table.values.tolist() == tables[0].values.tolist()
    assert set(map(tuple, here.summary[["n_matched", *STATUS_COLUMNS]].values)) == set(
        map(tuple, there.summary[["n_matched", *STATUS_COLUMNS]].values)
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(targets=TARGETS, rows=ROWS)
def test_match_variants__of_the_other_allele_counted_matches_the_same_rows(
    genotypes_of, weights_of, targets, rows
):
    """Which allele a file counts is a convention: only `swapped` turns round."""
    weights = weights_of(*[(*place, effect, other, 1.0) for place, effect, other in rows])

    counted = match_variants(
        genotypes_of(*[(*place, one, two) for place, one, two in targets]), weights
    ).table
    other = match_variants(
        genotypes_of(*[(*place, two, one) for place, one, two in targets]), weights
    ).table

    for column in ("status", "reason", "target", "flipped"):
        assert counted[column].tolist() == other[column].tolist()
    matched = counted["status"] == "matched"
    assert (counted["swapped"] ^ other["swapped"]).tolist() == matched.tolist()
