"""Scores: by hand, against plain numpy, and against plink2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.errors import DataError, MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeBlock, open_genotypes, write_plink1
from pgs_trd.scoring import score
from pgs_trd.scoring.plan import MANY_WEIGHTS, WEIGHT_BITS, choose_shifts
from pgs_trd.weights import Weights, read_weights

ALLELES = np.array([["A", "G"], ["C", "A"], ["T", "C"], ["G", "T"]])


class GenotypesInMemory:
    """A source of hard calls, dosages or haploid calls for tests; never packed on disk."""

    format = "memory"
    haploid_coding = "one"
    paths: tuple[Path, ...] = ()

    def __init__(self, dosages: np.ndarray, ploidy: np.ndarray | None = None) -> None:
        n_variants, n_people = dosages.shape
        self.dosages = dosages.astype(np.float32)
        self.ploidy = ploidy
        pairs = ALLELES[np.arange(n_variants) % len(ALLELES)]
        self.samples = pd.DataFrame(
            {"person_id": [f"p{i}" for i in range(n_people)], "family_id": "0", "sex": "unknown"}
        )
        self.variants = pd.DataFrame(
            {
                "chromosome": "1",
                "position": 100 * np.arange(1, n_variants + 1),
                "id": [f"v{i}" for i in range(n_variants)],
                "counted_allele": pairs[:, 0],
                "other_allele": pairs[:, 1],
                "site": np.arange(n_variants),
            }
        )

    def blocks(self, rows, *, block_size=1024):
        for start in range(0, len(rows), block_size):
            part = rows[start : start + block_size]
            ploidy = None if self.ploidy is None else self.ploidy[part]
            units = np.rint(16384 * np.nan_to_num(self.dosages[part], nan=65535 / 16384))
            yield GenotypeBlock(rows=part, units=units.astype(np.uint16), ploidy=ploidy)


def make_weights(effects: np.ndarray, *, swapped: np.ndarray | None = None) -> Weights:
    """Make weights for the variants of `GenotypesInMemory`, one row each."""
    n_rows, n_scores = effects.shape
    pairs = ALLELES[np.arange(n_rows) % len(ALLELES)]
    if swapped is not None:
        pairs = np.where(swapped[:, np.newaxis], pairs[:, ::-1], pairs)
    variants = pd.DataFrame(
        {
            "row": np.arange(1, n_rows + 1),
            "id": [f"v{i}" for i in range(n_rows)],
            "chromosome": "1",
            "position": pd.array(100 * np.arange(1, n_rows + 1), dtype="Int64"),
            "effect_allele": pairs[:, 0],
            "other_allele": pairs[:, 1],
            "effect_allele_frequency": np.nan,
        }
    )
    return Weights(
        variants=variants,
        effects=effects,
        names=tuple(f"s{k}" for k in range(n_scores)),
        genome_build=None,
        metadata={},
        path=None,
        refused=pd.DataFrame({"row": [], "score": [], "reason": []}),
    )


def plain_scores(copies: np.ndarray, effects: np.ndarray, missing: str) -> np.ndarray:
    """Sum copies of the effect allele times weights, as one would on paper."""
    expected = np.nanmean(copies, axis=1, keepdims=True)
    filled = np.where(np.isnan(copies), 0.0 if missing == "zero" else expected, copies)
    return filled.T @ np.nan_to_num(effects)


def test_score__matches_a_sum_worked_out_by_hand():
    """Two variants, three people; the missing call counts as 2 x 0.25 copies of A."""
    dosages = np.array([[0.0, 1.0, np.nan], [2.0, 1.0, 0.0]])
    weights = make_weights(np.array([[0.5], [-1.0]]))

    result = score(GenotypesInMemory(dosages), weights, small_sample=True)

    assert result.scores.index.tolist() == ["p0", "p1", "p2"]
    assert_allclose(result.scores["s0"], [-2.0, -0.5, 0.25], rtol=1e-12)
    assert_allclose(result.averages["s0"], [-0.5, -0.125, 0.0625], rtol=1e-12)


def test_score__zero_leaves_missing_calls_out_of_sum_and_denominator():
    """With no copy for a missing call, its variant is not among the alleles averaged over."""
    dosages = np.array([[0.0, 1.0, np.nan], [2.0, 1.0, 0.0]])
    weights = make_weights(np.array([[0.5, np.nan], [-1.0, 3.0]]))

    result = score(GenotypesInMemory(dosages), weights, missing="zero")

    assert_allclose(result.scores["s0"], [-2.0, -0.5, 0.0], atol=1e-12)
    assert_allclose(result.averages["s0"], [-0.5, -0.125, 0.0], atol=1e-12)
    assert_allclose(result.averages["s1"], [3.0, 1.5, 0.0], atol=1e-12)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_people=st.integers(1, 70),
    n_variants=st.integers(1, 40),
    n_scores=st.integers(1, 11),
    missing=st.sampled_from(["mean", "zero"]),
)
def test_score__equals_plain_numpy(seed, n_people, n_variants, n_scores, missing):
    """Packed, swapped, partly absent and missing: the sum is the plain sum."""
    rng = np.random.default_rng(seed)
    copies = rng.integers(0, 3, (n_variants, n_people)).astype(float)
    # At least one call a variant: without any there is no frequency to fill in.
    is_missing = rng.random(copies.shape) < 0.2
    is_missing[:, 0] = False
    copies[is_missing] = np.nan
    effects = rng.normal(size=(n_variants, n_scores))
    effects[rng.random(effects.shape) < 0.3] = np.nan
    effects[0] = 1.0
    swapped = rng.random(n_variants) < 0.5
    of_effect = np.where(swapped[:, np.newaxis], 2 - copies, copies)

    result = score(
        GenotypesInMemory(copies),
        make_weights(effects, swapped=swapped),
        missing=missing,
        block_size=7,
        small_sample=True,
        threads=2,
    )

    assert_allclose(result.scores, plain_scores(of_effect, effects, missing), atol=1e-9)


def test_score__is_the_same_to_the_last_bit_for_any_threads_blocks_and_packing(tmp_path: Path):
    """Integer sums: neither order nor partition may show in a result."""
    rng = np.random.default_rng(11)
    copies = rng.integers(-1, 3, (300, 517)).astype(np.int8)
    in_memory = GenotypesInMemory(np.where(copies < 0, np.nan, copies))
    write_plink1(tmp_path / "set", [copies], variants=in_memory.variants, samples=in_memory.samples)
    packed = open_genotypes(tmp_path / "set")
    weights = make_weights(rng.normal(size=(300, 5)), swapped=rng.random(300) < 0.5)

    first = score(packed, weights, threads=1, block_size=1024).scores

    for threads, block_size in ((2, 1024), (3, 16), (1, 1), (2, 37)):
        again = score(packed, weights, threads=threads, block_size=block_size).scores
        assert_array_equal(again, first)
    assert_array_equal(score(in_memory, weights, block_size=50).scores, first)


def test_score__counts_one_allele_of_a_haploid_call():
    """A man's single X carries at most one copy of either allele."""
    dosages = np.array([[1.0, 0.0, 2.0]])
    ploidy = np.array([[1, 1, 2]], dtype=np.int8)
    counted = score(GenotypesInMemory(dosages, ploidy), make_weights(np.array([[1.0]])))
    other = score(
        GenotypesInMemory(dosages, ploidy),
        make_weights(np.array([[1.0]]), swapped=np.array([True])),
    )

    assert counted.scores["s0"].tolist() == [1.0, 0.0, 2.0]
    assert other.scores["s0"].tolist() == [0.0, 1.0, 0.0]


def test_score__a_failed_score_does_not_stop_the_others():
    """The first score has half of its rows in the genotypes, the second all of its."""
    dosages = np.ones((2, 4))
    weights = make_weights(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, np.nan], [1.0, np.nan]]))

    with pytest.warns(PgsTrdWarning, match=r"s0: matched 2 of 4 rows \(50.0%\)"):
        result = score(GenotypesInMemory(dosages), weights, small_sample=True)

    assert result.scores.columns.tolist() == ["s1"]
    assert result.summary.set_index("score")["status"].to_dict() == {"s0": "failed", "s1": "ok"}


def test_score__raises_when_no_score_is_left():
    """Nothing to give is an error with the numbers, not an empty table."""
    weights = make_weights(np.ones((4, 1)))

    with pytest.raises(MatchRateError, match=r"matched 1 of 4 rows .* min_overlap is 75%"):
        score(GenotypesInMemory(np.ones((1, 4))), weights)


def test_score__refuses_a_score_named_like_a_column_of_people():
    """Its column would stand twice in the table that is written."""
    weights = replace(make_weights(np.ones((1, 1))), names=("IID",))

    with pytest.raises(UsageError, match="named 'IID'"):
        score(GenotypesInMemory(np.ones((1, 2))), weights)


def test_score__refuses_weights_too_small_to_add_up():
    """Below 1e-280 float64 cannot scale them to whole steps; a wrong sum would come out."""
    with pytest.raises(DataError, match="add up to less than 1e-280"):
        score(GenotypesInMemory(np.ones((1, 2))), make_weights(np.full((1, 1), 1e-300)))

    result = score(GenotypesInMemory(np.ones((1, 2))), make_weights(np.full((1, 1), 1e-270)))
    assert_allclose(result.scores["s0"], 1e-270, rtol=1e-12)


@pytest.mark.parametrize("scale", ["none", "standardize"])
def test_score__many_weights_are_rounded_by_less_than_matters(scale):
    """24 bits for the mean weight: 1e-7 of a standard deviation, whatever the few largest are."""
    rng = np.random.default_rng(11)
    n_rows, n_people = MANY_WEIGHTS * 5 // 4, 60  # a tenth of them zero
    effects = rng.standard_normal((n_rows, 3)) * [1.0, 1e-100, 1e140]
    effects[rng.random((n_rows, 3)) < 0.1] = 0.0
    effects[:9, 2] *= 3000.0  # do not fit 32 bits with their neighbours
    dosages = rng.binomial(2, rng.uniform(0.05, 0.95, (n_rows, 1)), (n_rows, n_people)) * 1.0
    varying = dosages.std(axis=1) > 0
    dosages, effects = dosages[varying], effects[varying]

    result = score(GenotypesInMemory(dosages), make_weights(effects), scale=scale)

    p = dosages.mean(axis=1, keepdims=True) / 2
    spread = np.sqrt(2 * p * (1 - p)) if scale == "standardize" else 1.0
    expected = ((dosages - (2 * p if scale == "standardize" else 0)) / spread).T @ effects
    error = np.abs(result.scores.to_numpy() - expected) / expected.std(axis=0)
    assert error.max() < 2e-7  # the largest of 180 errors whose deviation is 3e-8
    assert error.max() > 1e-9  # else they were not rounded, and this test shows nothing


def test_choose_shifts__few_weights_get_all_the_bits():
    """One weight fewer than many: as fine as sums below 2**53 allow; zeros and NaN do not count."""
    few = np.ones((MANY_WEIGHTS + 50, 1))
    few[-51:-20], few[-20:] = 0.0, np.nan
    many = few.copy()
    many[-51] = 1.0

    assert choose_shifts(few, "none") == [52 - 14]
    assert choose_shifts(many, "none") == [WEIGHT_BITS - 1]
    assert choose_shifts(many * 2.0**-300, "none") == [WEIGHT_BITS - 1 + 300]


def test_score__a_score_that_cannot_be_added_up_does_not_stop_the_others():
    """Weights too small to scale, and a dominant effect that cannot be centred."""
    good = make_weights(np.ones((1, 1)))
    tiny = replace(make_weights(np.full((1, 1), 1e-300)), names=("tiny",))
    dominant = replace(good, names=("dominant",), doses=np.array([[0.0, 1.0, 1.0]]))
    genotypes = GenotypesInMemory(np.array([[0.0, 1.0, 2.0]]))

    with pytest.warns(PgsTrdWarning, match=r"2 of 3 scores failed. The first: tiny: its weights"):
        result = score(genotypes, [tiny, good, dominant], scale="center", small_sample=True)

    assert result.scores.columns.tolist() == ["s0"]
    assert_allclose(result.scores["s0"], [-1, 0, 1], atol=1e-12)
    assert result.summary["status"].tolist() == ["failed", "ok", "failed"]
    assert result.summary["verdict"][2].startswith("scale='center' is for additive effects")


def test_score__refuses_to_impute_by_the_frequencies_of_a_few_people():
    """Forty-nine people say too little, unless frequencies of others are given."""
    dosages = np.ones((1, 49))
    dosages[0, 0] = np.nan

    with pytest.raises(UsageError, match=r"49 people are too few .* and 1 missing calls"):
        score(GenotypesInMemory(dosages), make_weights(np.ones((1, 1))))

    frequencies = pd.DataFrame(
        {"chromosome": ["1"], "position": [100], "id": ["v0"], "allele": ["A"],
         "other_allele": ["G"], "frequency": [0.25]}
    )  # fmt: skip
    given = score(
        GenotypesInMemory(dosages), make_weights(np.ones((1, 1))), frequencies=frequencies
    )
    assert given.scores["s0"].iloc[0] == 0.5


def test_score__warns_of_variants_that_nobody_has_a_call_of():
    """Their frequency is unknown: the same amount for everybody, but the user should know."""
    dosages = np.full((2, 60), np.nan)
    dosages[0] = 1.0

    with pytest.warns(PgsTrdWarning, match="nobody has a call of 1 of 2 scored variants"):
        result = score(GenotypesInMemory(dosages), make_weights(np.ones((2, 1))))
    assert (result.scores["s0"] == 1.0).all()


def test_score__refuses_two_scores_of_one_name():
    """One of the two columns would be lost."""
    weights = make_weights(np.ones((1, 1)))

    with pytest.raises(UsageError, match="the first is 's0'"):
        score(GenotypesInMemory(np.ones((1, 2))), [weights, weights])


HM3_COLUMNS = {
    "id": "ID",
    "effect_allele": "A1",
    "other_allele": "A2",
    "chromosome": "chr",
    "position": "pos",
}


@pytest.mark.parametrize(
    ("missing", "reference"),
    [("mean", "score_dense_meanimpute"), ("zero", "score_dense_nomeanimpute")],
)
def test_score__equals_plink2_on_hapmap3(real_data: Path, missing: str, reference: str):
    """957 real people, 14,079 SNPs: sums and averages are plink2's six printed digits."""
    folder = real_data / "hapmap3"
    weights = read_weights(
        folder / "reference" / "weights_all.tsv",
        columns={**HM3_COLUMNS, "effect_weight": "W_dense"},
    )
    expected = pd.read_csv(
        folder / "reference" / f"{reference}.sscore", sep="\t", dtype={"IID": str}
    )

    result = score(open_genotypes(folder / "hm3_b36"), weights, palindromes="keep", missing=missing)

    assert result.scores.index.tolist() == expected["IID"].tolist()
    assert_allclose(result.scores.iloc[:, 0], expected["SCORE1_SUM"], rtol=1e-5, atol=1e-5)
    assert_allclose(result.averages.iloc[:, 0], expected["SCORE1_AVG"], rtol=1e-5, atol=1e-9)


def test_score__equals_plink2_for_many_scores_on_hapmap3(real_data: Path):
    """A wide file: each column is a score of its own."""
    folder = real_data / "hapmap3"
    weights = read_weights(
        folder / "reference" / "weights_all.tsv", columns={**HM3_COLUMNS, "effect_weight": "*"}
    )
    expected = pd.read_csv(folder / "reference" / "score_multi.sscore", sep="\t")

    result = score(open_genotypes(folder / "hm3_b36"), weights, palindromes="keep")

    assert result.scores.columns.tolist() == ["W_dense", "W_sparse", "W_half"]
    for number, name in enumerate(["W_dense", "W_sparse", "W_half"], start=1):
        assert_allclose(result.scores[name], expected[f"SCORE{number}_SUM"], rtol=1e-5, atol=1e-5)
        assert_allclose(result.averages[name], expected[f"SCORE{number}_AVG"], rtol=1e-5, atol=1e-9)


def test_score__reports_what_matched_of_a_real_score_in_a_vcf(real_data: Path):
    """Of 51,209 weights, the 1,004 variants of the small panel can match few, and all say why."""
    weights = read_weights(
        real_data / "pgs_catalog" / "structured" / "PGS001229_hmPOS_GRCh38.txt.gz"
    )
    source = open_genotypes(real_data / "tiny1000G" / "vcf" / "tiny1000G.vcf.gz")

    result = score(source, weights, min_overlap=0)

    summary = result.summary.iloc[0]
    reasons = summary.filter(regex="^n_").drop(["n_rows", "n_matched"])
    assert len(result.scores) == 3202
    assert summary["n_rows"] == 51_209
    assert summary["n_matched"] + reasons.sum() == 51_209
    matched = result.match[result.match["status"] == "matched"]
    assert len(matched) == summary["n_matched"] > 0
    assert matched["target"].is_unique
