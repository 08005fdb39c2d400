"""Principal components: against an exact decomposition and against plink2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.ancestry import choose_variants, fit_pca
from pgs_trd.errors import DataError
from pgs_trd.genotypes import open_genotypes, write_plink1


def write_two_populations(prefix: Path, n_people: int = 40, n_variants: int = 300) -> np.ndarray:
    """Write genotypes of two populations that differ; give the copies."""
    rng = np.random.default_rng(5)
    frequency = rng.uniform(0.1, 0.9, size=(n_variants, 2))
    population = np.arange(n_people) % 2
    copies = rng.binomial(2, frequency[:, population]).astype(np.int8)
    copies[rng.random(copies.shape) < 0.01] = -1
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "position": np.arange(1, n_variants + 1),
            "id": [f"v{i}" for i in range(n_variants)],
            "counted_allele": "A",
            "other_allele": "G",
        }
    )
    samples = pd.DataFrame(
        {"person_id": [f"p{i}" for i in range(n_people)], "family_id": "0", "sex": "unknown"}
    )
    write_plink1(prefix, [copies], variants=variants, samples=samples)
    return copies


def test_fit_pca__equals_an_exact_decomposition(tmp_path: Path):
    """The first component, which stands apart, must be the exact eigenvector."""
    copies = write_two_populations(tmp_path / "two").astype(float)
    copies[copies < 0] = np.nan
    frequency = np.nanmean(copies, axis=1, keepdims=True) / 2
    standard = np.nan_to_num((copies - 2 * frequency) / np.sqrt(2 * frequency * (1 - frequency)))
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    source = open_genotypes(tmp_path / "two")
    rows = np.arange(len(source.variants))

    actual = fit_pca(source, rows, n_components=2, rng=np.random.default_rng(1))

    first = actual.components["PC1"].to_numpy()
    # Blocks are standardised in single precision.
    assert_allclose(abs(first @ vectors[:, -1]), 1.0, rtol=1e-6)
    assert_allclose(actual.eigenvalues[0], values[-1], rtol=1e-5)


def test_fit_pca__hardly_depends_on_where_the_iteration_starts(tmp_path: Path):
    """A random start must not decide a result."""
    write_two_populations(tmp_path / "two")
    source = open_genotypes(tmp_path / "two")
    rows = np.arange(len(source.variants))

    one, two = (
        fit_pca(source, rows, n_components=1, rng=np.random.default_rng(seed)) for seed in (1, 2)
    )

    assert_allclose(one.components, two.components, atol=1e-5)


def test_fit_pca__refuses_more_components_than_people(tmp_path: Path):
    """Forty people have no forty components."""
    write_two_populations(tmp_path / "two")
    source = open_genotypes(tmp_path / "two")

    with pytest.raises(DataError, match="there are 40 people and 300 variants"):
        fit_pca(source, np.arange(300), n_components=40, rng=np.random.default_rng(1))


def test_choose_variants__leaves_out_rare_and_badly_called_ones(tmp_path: Path):
    """Both limits are counted by hand on three variants."""
    copies = np.array(
        [[0] * 19 + [1], [1] * 10 + [0] * 10, [1] * 10 + [0] * 9 + [-1]], dtype=np.int8
    )
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "position": [1, 2, 3],
            "id": ["rare", "common", "missing"],
            "counted_allele": "A",
            "other_allele": "G",
        }
    )
    samples = pd.DataFrame(
        {"person_id": [f"p{i}" for i in range(20)], "family_id": "0", "sex": "unknown"}
    )
    write_plink1(tmp_path / "three", [copies], variants=variants, samples=samples)

    rows = choose_variants(open_genotypes(tmp_path / "three"))

    assert rows.tolist() == [1]


def test_fit_pca__agrees_with_plink2_on_hapmap3(real_data: Path):
    """The components that separate populations are plink2's (sign-free correlation)."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    reference = pd.read_csv(
        real_data / "hapmap3" / "reference" / "pca_maf05.eigenvec", sep="\t", dtype={"IID": str}
    ).set_index("IID")
    rows = choose_variants(source)

    actual = fit_pca(source, rows, n_components=5, rng=np.random.default_rng(1))

    assert actual.n_variants == 13_691
    for name in actual.components:
        correlation = np.corrcoef(
            actual.components[name], reference.loc[actual.components.index, name]
        )[0, 1]
        assert abs(correlation) > 0.999, name
