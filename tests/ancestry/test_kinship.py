"""Kinship and unrelated sets: planted relatives, brute force, and plink2."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.ancestry.kinship import SECOND_DEGREE, king_kinship, name_degree
from pgs_trd.ancestry.unrelated import read_pairs, unrelated_set
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import open_genotypes

ORACLES = Path(__file__).resolve().parents[1] / "oracles" / "ancestry"
N_FOUNDERS = 24


def draw_family() -> tuple[np.ndarray, dict[tuple[str, str], str]]:
    """Give copies of 24 founders of two populations and of one family, and its kin.

    The parents are p0 and p1, and p2 has half-siblings and a cousin of the children.
    """
    rng = np.random.default_rng(31)
    n_variants = 16_000
    frequency = rng.uniform(0.1, 0.9, (n_variants, 2))
    founders = [rng.random((2, n_variants)) < frequency[:, k % 2] for k in range(N_FOUNDERS)]
    # Everybody of the family is of the first population.
    mother, father, other = founders[0], founders[2], founders[4]

    def child(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        picked = rng.integers(0, 2, (2, n_variants))
        at = np.arange(n_variants)
        return np.stack([one[picked[0], at], two[picked[1], at]])

    daughter, son = child(mother, father), child(mother, father)
    half = child(mother, other)
    grandchild = child(daughter, founders[6])
    cousin = child(son, founders[8])
    people = [*founders, daughter, son, half, grandchild, cousin, daughter]
    copies = np.stack([person.sum(axis=0) for person in people], axis=1)
    copies[rng.random(copies.shape) < 0.02] = -1
    kin = {("p0", "p24"): "first", ("p24", "p25"): "first", ("p24", "p27"): "first",
           ("p24", "p26"): "second", ("p0", "p27"): "second", ("p25", "p27"): "second",
           ("p27", "p28"): "third", ("p24", "p29"): "duplicate"}  # fmt: skip
    return copies, kin


@pytest.fixture(scope="module")
def family():
    return draw_family()


def slow_king(a: np.ndarray, b: np.ndarray) -> tuple[int, float]:
    """Restate the formula for one pair."""
    called = (a >= 0) & (b >= 0)
    a, b = a[called].astype(int), b[called].astype(int)
    fewer = min((a == 1).sum(), (b == 1).sum())
    return len(a), 0.5 - ((a - b) ** 2).sum() / (4 * fewer)


def test_king_kinship__equals_the_formula_pair_by_pair(family, write_genotypes):
    """All pairs, for any number of threads."""
    copies = family[0][:1000]
    source = write_genotypes(copies)

    pairs = king_kinship(source, np.arange(1000), min_kinship=None, threads=2)

    expected = [slow_king(copies[:, i], copies[:, j]) for i, j in combinations(range(30), 2)]
    assert_array_equal(pairs["n_variants"], [n for n, _ in expected])
    assert_allclose(pairs["kinship"], [kinship for _, kinship in expected], rtol=1e-10, atol=1e-12)
    first = pairs[pairs["person_1"] == "p0"]["person_2"]
    assert first.tolist() == [f"p{k}" for k in range(1, 30)]


def test_king_kinship__finds_planted_relatives_and_no_others(family, write_genotypes):
    """Among two populations, of which strangers must not look related."""
    copies, kin = family
    source = write_genotypes(copies)

    pairs = king_kinship(source, np.arange(len(copies)), min_kinship=SECOND_DEGREE / 2)

    found = dict(zip(zip(pairs["person_1"], pairs["person_2"], strict=True), pairs["degree"],
                     strict=True))  # fmt: skip
    assert {pair: found.get(pair) for pair in kin} == kin
    strangers = {f"p{k}" for k in range(N_FOUNDERS)}
    assert [pair for pair in found if set(pair) <= strangers] == []


def test_king_kinship__agrees_with_plink2_on_hapmap3(real_data: Path):
    """Every pair of third degree or closer that plink2 finds, to the digits it prints."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    expected = pd.read_csv(
        ORACLES / "king_hapmap3.tsv", sep="\t", dtype={"#IID1": str, "IID2": str}
    )
    rows = np.arange(len(source.variants))

    pairs = king_kinship(source, rows)

    names = np.sort(pairs[["person_1", "person_2"]].to_numpy(dtype=str), axis=1)
    actual = pairs.set_index(pd.MultiIndex.from_arrays(names.T)).sort_index()
    names = np.sort(expected[["#IID1", "IID2"]].to_numpy(dtype=str), axis=1)
    expected = expected.set_index(pd.MultiIndex.from_arrays(names.T)).sort_index()
    assert actual.index.tolist() == expected.index.tolist()
    assert_allclose(actual["kinship"], expected["KINSHIP"], atol=6e-7)
    assert_allclose(actual["ibs0"], expected["IBS0"], atol=6e-7)


def test_king_kinship__has_no_answer_without_heterozygous_calls(write_genotypes):
    """A person of missing calls only has no kinship, not one of a half."""
    source = write_genotypes(np.array([[0, 1, -1], [1, 1, -1], [2, 0, -1]]))

    pairs = king_kinship(source, np.arange(3), min_kinship=None)

    assert pairs["kinship"].isna().tolist() == [False, True, True]
    assert pairs["degree"].tolist() == ["unrelated", None, None]
    assert pairs["n_variants"].tolist() == [3, 0, 0]


def test_king_kinship__refuses_chromosome_x(write_genotypes):
    """Men would look homozygous."""
    source = write_genotypes(np.ones((2, 3)), chromosome=["1", "X"])

    with pytest.raises(UsageError, match="1 of 2 variants are not on an autosome"):
        king_kinship(source, np.arange(2))
    with pytest.raises(DataError, match="3 people and 0 variants"):
        king_kinship(source, np.arange(0))


def test_name_degree__has_kings_limits():
    """The limits of the paper: 0.354, 0.177, 0.0884, 0.0442."""
    kinship = np.array([0.354, 0.353, 0.177, 0.176, 0.0884, 0.0883, 0.0442, 0.0441, np.nan])

    assert name_degree(kinship).tolist() == [
        "duplicate", "first", "first", "second", "second", "third", "third", "unrelated", None,
    ]  # fmt: skip


def pairs_of(edges: list[tuple[int, int]], kinship: float = 0.25) -> pd.DataFrame:
    return pd.DataFrame(
        [(f"p{i}", f"p{j}", kinship) for i, j in edges],
        columns=["person_1", "person_2", "kinship"],
    )


def is_unrelated(kept: set[int], edges: list[tuple[int, int]]) -> bool:
    return not any(i in kept and j in kept for i, j in edges)


@pytest.mark.parametrize("seed", range(6))
def test_unrelated_set__is_maximal_and_keeps_cases_first(seed: int):
    """Against all subsets: independent, nobody could be added, as many cases as can be.

    On forests, as here, taking whoever has the fewest relatives is best.
    """
    rng = np.random.default_rng(seed)
    n = 11
    edges = [(int(rng.integers(0, k)), k) for k in range(1, n) if rng.random() < 0.8]
    is_case = rng.random(n) < 0.4

    people = unrelated_set([f"p{k}" for k in range(n)], pairs_of(edges), first=is_case)

    kept = set(np.flatnonzero(people["status"] == "ok").tolist())
    assert is_unrelated(kept, edges)
    assert all(not is_unrelated(kept | {k}, edges) for k in range(n) if k not in kept)
    subsets = chain.from_iterable(combinations(np.flatnonzero(is_case), k) for k in range(n))
    most = max(len(s) for s in subsets if is_unrelated(set(s), edges))
    assert sum(is_case[k] for k in kept) == most


def test_unrelated_set__a_case_outweighs_any_number_of_controls():
    """A case with three children among the controls is kept; they are not."""
    edges = [(0, 1), (0, 2), (0, 3)]
    ids = [f"p{k}" for k in range(4)]

    without = unrelated_set(ids, pairs_of(edges))
    with_case = unrelated_set(ids, pairs_of(edges), first=np.array([True, False, False, False]))

    assert without["status"].tolist() == ["flagged", "ok", "ok", "ok"]
    assert with_case["status"].tolist() == ["ok", "flagged", "flagged", "flagged"]
    assert with_case["reason"].tolist() == ["", "related", "related", "related"]
    assert with_case["n_relatives"].tolist() == [3, 1, 1, 1]


def test_unrelated_set__looks_at_the_limit_and_at_these_people_only():
    """Third degree counts only if asked for; strangers' pairs count never."""
    ids = ["p0", "p1"]
    pairs = pd.concat([pairs_of([(0, 1)], 0.06), pairs_of([(0, 7), (8, 9)], 0.25)])

    assert unrelated_set(ids, pairs)["status"].tolist() == ["ok", "ok"]
    strict = unrelated_set(ids, pairs, max_kinship=0.0442)
    assert strict["status"].tolist() == ["ok", "flagged"]
    with pytest.warns(PgsTrdWarning, match="none of 3 related pairs is of two of the 2 people"):
        unrelated_set(["x", "y"], pairs)
    with pytest.raises(ValueError, match="first has shape"):
        unrelated_set(ids, pairs, first=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="1 of 3 ids occur before"):
        unrelated_set([*ids, "p0"], pairs)


@pytest.mark.parametrize(
    "text",
    [
        "ID1 ID2 HetHet IBS0 Kinship\n007 12 0.1 0.01 0.2538\n5 9 0.1 0.0 0.0500\n",
        "#FID1\tIID1\tFID2\tIID2\tNSNP\tHETHET\tIBS0\tKINSHIP\n"
        "a\t007\tb\t12\t9\t.1\t.01\t0.2538\nc\t5\tc\t9\t9\t.1\t.0\t0.0500\n",
        "#IID1\tIID2\tKINSHIP\n007\t12\t0.2538\n5\t9\t0.05\n",
        "FID1 ID1 FID2 ID2 N_SNP Kinship\n1 007 1 12 9 0.2538\n1 5 1 9 9 .05\n",
        "i.s,j.s,kin\n007,12,0.2538\n5,9,0.05\n",
    ],
    ids=["ukb", "plink2", "plink2-no-fid", "king", "all-of-us"],
)
def test_read_pairs__understands_what_biobanks_and_programs_write(tmp_path: Path, text: str):
    """Ids stay text: 007 is nobody else."""
    path = tmp_path / "rel.dat"
    path.write_text(text)

    pairs = read_pairs(path)

    assert pairs["person_1"].tolist() == ["007", "5"]
    assert pairs["person_2"].tolist() == ["12", "9"]
    assert pairs["kinship"].tolist() == [0.2538, 0.05]


def test_read_pairs__says_what_is_wrong(tmp_path: Path):
    """A table of something else must not count as nobody being related."""
    path = tmp_path / "rel.dat"
    path.write_text("ID1 ID2 PROPIBD\n1 2 0.3\n")
    with pytest.raises(DataError, match="no column for kinship"):
        read_pairs(path)
    path.write_text("ID1 ID2 Kinship\n1 2 0.3\n1 3 x\n")
    with pytest.raises(DataError, match="1 of 2 rows"):
        read_pairs(path)
    with pytest.raises(UsageError, match="no such file"):
        read_pairs(tmp_path / "absent.dat")


def test_read_pairs__reads_the_parquet_that_kinship_writes(tmp_path: Path):
    """`ancestry kinship --out pairs.parquet` is the table for `unrelated`; ids may be numbers."""
    pairs = pd.DataFrame({"person_1": [7, 8], "person_2": [8, 9], "kinship": [0.25, 0.1]})
    pairs.to_parquet(tmp_path / "pairs.parquet")

    actual = read_pairs(tmp_path / "pairs.parquet")

    assert actual["person_1"].tolist() == ["7", "8"]
    assert actual["person_2"].tolist() == ["8", "9"]
    assert actual["kinship"].tolist() == [0.25, 0.1]


def test_read_pairs__keeps_columns_behind_an_empty_cell(tmp_path: Path):
    """Families are often empty: the second person became the number of variants."""
    (tmp_path / "pairs.kin0").write_text(
        "FID1\tID1\tFID2\tID2\tKinship\tN\n\ta\t\tb\t0.25\t9\n1\tc\t\td\t0.2\t9\n"
    )

    actual = read_pairs(tmp_path / "pairs.kin0")

    assert actual.to_numpy().tolist() == [["a", "b", 0.25], ["c", "d", 0.2]]
