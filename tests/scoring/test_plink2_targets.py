"""Scores as plink2 prints them, for every way of counting that plink2 has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.genotypes import GenotypeSource, open_genotypes
from pgs_trd.scoring import Scores, read_frequencies, score
from pgs_trd.weights import Weights, read_weights

COLUMNS = {
    "id": "ID",
    "effect_allele": "A1",
    "other_allele": "A2",
    "chromosome": "chr",
    "position": "pos",
    "effect_weight": "W_dense",
}
SETS = {"hapmap3": "hm3_b36", "chrx_missing": "data"}


@pytest.fixture(params=sorted(SETS))
def target(request, real_data: Path) -> tuple[Path, GenotypeSource]:
    """Give the folder of plink2's results and the genotypes of one real set."""
    folder = real_data / request.param
    return folder / "reference", open_genotypes(folder / SETS[request.param])


def read_dense(folder: Path, name: str = "weights_all.tsv") -> Weights:
    return read_weights(folder / name, columns=COLUMNS)


def without_x(weights: Weights) -> Weights:
    """Take out X, which plink2 leaves out when effects are not additive, or standardised."""
    effects = weights.effects.copy()
    effects[(weights.variants["chromosome"] == "X").to_numpy()] = np.nan
    return replace(weights, effects=effects)


def read_expected(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.sscore", sep="\t", dtype={"IID": str}).set_index("IID")


def assert_equals_plink2(
    result: Scores, expected: pd.DataFrame, *, counts_alleles: bool = True
) -> None:
    """Compare within plink2's six digits; a sum near zero has fewer that count."""
    assert result.scores.index.tolist() == expected.index.tolist()
    size = float(expected["SCORE1_SUM"].abs().max())
    assert_allclose(result.scores.iloc[:, 0], expected["SCORE1_SUM"], rtol=1e-5, atol=1e-6 * size)
    if not counts_alleles:
        return
    assert_array_equal(result.alleles.iloc[:, 0], expected["DENOM"])
    assert_allclose(
        result.averages.iloc[:, 0],
        expected["SCORE1_AVG"],
        rtol=1e-5,
        atol=1e-6 * float(expected["SCORE1_AVG"].abs().max()),
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("score_dense_meanimpute", {}),
        ("score_dense_nomeanimpute", {"missing": "zero"}),
        ("score_dense_center_missing0", {"scale": "center", "missing": "zero"}),
        ("score_dense_varstd_missing0", {"scale": "standardize", "missing": "zero"}),
    ],
)
def test_score__counts_and_scales_as_plink2(target, name, options):
    """Mean-imputed, not imputed, centred and standardised, autosomes and X."""
    folder, genotypes = target

    weights = read_dense(folder)
    if options.get("scale") == "standardize":
        weights = without_x(weights)
    result = score(genotypes, weights, by="id", palindromes="keep", **options)

    # plink2 does not count alleles of variants that do not vary; we do.
    is_standardized = options.get("scale") == "standardize"
    expected = read_expected(folder, name)
    assert_equals_plink2(result, expected, counts_alleles=not is_standardized)


@pytest.mark.parametrize(
    ("name", "doses"), [("dominant", [0.0, 1.0, 1.0]), ("recessive", [0.0, 0.0, 1.0])]
)
def test_score__counts_dominant_and_recessive_effects_as_plink2(target, name, doses):
    """What copies count as is a property of the row, so one run can mix them."""
    folder, genotypes = target
    weights = without_x(read_dense(folder))
    weights = replace(weights, doses=np.tile(doses, (len(weights.variants), 1)))

    result = score(genotypes, weights, by="id", palindromes="keep")

    assert_equals_plink2(result, read_expected(folder, f"score_dense_{name}"))


@pytest.mark.parametrize("name", ["defects_resolved", "defects_resolved_nopal"])
def test_score__leaves_out_defective_weights_that_plink2_would_score(target, name):
    """Mismatched alleles and absent variants are out, strands are turned, nothing else moves."""
    folder, genotypes = target
    weights = read_dense(folder, "weights_defects.tsv")
    palindromes = "drop" if name.endswith("nopal") else "keep"

    result = score(genotypes, weights, by="id", palindromes=palindromes, min_overlap=0.5)

    assert_equals_plink2(result, read_expected(folder, f"score_{name}"))


@pytest.mark.parametrize(("number", "threshold"), [(1, 0.05), (2, 0.5), (3, 1.0)])
def test_score__takes_rows_by_their_p_value_as_plink2(target, number, threshold):
    """plink2's ranges of q scores: rows up to each threshold, a score each."""
    folder, genotypes = target
    weights = read_weights(
        folder / "weights_all.tsv", columns=COLUMNS, p_thresholds=[0.05, 0.5, 1.0]
    )

    result = score(genotypes, weights, by="id", palindromes="keep")

    assert len(result.scores.columns) == 3
    one = replace(
        result,
        scores=result.scores.iloc[:, [number - 1]],
        alleles=result.alleles.iloc[:, [number - 1]],
    )
    assert_equals_plink2(one, read_expected(folder, f"score_q.S{number}"))


def test_score__takes_given_frequencies_in_place_of_the_samples(target):
    """With the sample's own frequencies as a file, to plink2's digits, nothing changes."""
    folder, genotypes = target
    weights = read_dense(folder)
    frequencies = read_frequencies(folder / "plink2.afreq")
    options = {"by": "id", "palindromes": "keep"}

    own = score(genotypes, weights, **options).scores
    given = score(genotypes, weights, frequencies=frequencies, **options).scores
    turned = frequencies.assign(frequency=1 - frequencies["frequency"])
    other = score(genotypes, weights, frequencies=turned, **options).scores

    assert_allclose(given, own, atol=1e-5 * float(own.abs().max().max()))
    assert float((other - own).abs().max().max()) > 1e-3
