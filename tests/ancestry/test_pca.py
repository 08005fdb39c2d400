"""Principal components: against an exact decomposition and against plink2."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from pgs_trd.ancestry import choose_variants, fit_pca
from pgs_trd.ancestry.krylov import largest_eigenpairs
from pgs_trd.ancestry.reference import PrincipalComponents, read_reference, write_reference
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import open_genotypes

ORACLES = Path(__file__).resolve().parents[1] / "oracles" / "ancestry"


def draw_two_populations(n_people: int = 40, n_variants: int = 300) -> np.ndarray:
    """Draw copies of two populations that differ, 1 % missing."""
    rng = np.random.default_rng(5)
    frequency = rng.uniform(0.1, 0.9, size=(n_variants, 2))
    population = np.arange(n_people) % 2
    copies = rng.binomial(2, frequency[:, population]).astype(np.int8)
    copies[rng.random(copies.shape) < 0.01] = -1
    return copies


def standardise(copies: np.ndarray) -> np.ndarray:
    """Give X (n_people, n_variants) as the docstring states it."""
    known = np.where(copies < 0, np.nan, copies)
    frequency = np.nanmean(known, axis=1, keepdims=True) / 2
    return np.nan_to_num((known - 2 * frequency) / np.sqrt(2 * frequency * (1 - frequency))).T


def fit(source, n_components: int = 2, **options) -> PrincipalComponents:
    rows = np.arange(len(source.variants))
    return fit_pca(source, rows, n_components=n_components, rng=np.random.default_rng(1), **options)


def test_fit_pca__equals_an_exact_decomposition(write_genotypes):
    """All that the reference holds: components, eigenvalues, loadings, scores."""
    copies = draw_two_populations()
    x = standardise(copies)
    left, singular, right = np.linalg.svd(x, full_matrices=False)

    actual = fit(write_genotypes(copies), 3, tolerance=1e-6)

    # Products are in single precision.
    assert_allclose(actual.eigenvalues, singular[:3] ** 2 / 300, rtol=1e-5)
    assert_allclose(actual.singular_values, singular[:3], rtol=1e-5)
    for k in range(3):
        sign = np.sign(left[:, k] @ actual.components.iloc[:, k])
        assert_allclose(actual.components.iloc[:, k], sign * left[:, k], atol=1e-5)
        assert_allclose(actual.loadings[:, k], sign * right[k], atol=1e-5)
    assert_allclose(x @ actual.loadings, actual.scores, atol=1e-4)
    assert actual.components.abs().max().tolist() == actual.components.max().tolist()
    assert actual.residuals is not None
    assert actual.residuals.max() < 1e-6


def test_fit_pca__leaves_out_variants_that_do_not_vary(write_genotypes):
    """They hold no information, and would stand in the reference with a deviation of 0."""
    copies = draw_two_populations()
    more = np.insert(copies, [0, 100, 300], [[0], [2], [-1]], axis=0)

    without = fit(write_genotypes(copies))
    with_them = fit(write_genotypes(more, "more"))

    assert with_them.n_variants == without.n_variants == 300
    assert with_them.variants["id"].tolist()[:2] == ["v1", "v2"]
    assert_allclose(with_them.eigenvalues, without.eigenvalues, rtol=1e-6)
    assert_allclose(with_them.components, without.components, atol=1e-5)


def test_fit_pca__gives_the_same_bits_for_any_threads_and_cut_into_files(
    write_genotypes, tmp_path: Path
):
    """3,200 variants are three blocks of the kernel; the files cut them elsewhere."""
    copies = draw_two_populations(90, 3200)
    chromosome = np.where(np.arange(3200) < 1100, "1", "2")
    whole = write_genotypes(copies, chromosome=chromosome)
    for name in ("1", "2"):
        chosen = chromosome == name
        write_genotypes(copies[chosen], f"chr{name}", chromosome=name)
    cut = open_genotypes(tmp_path / "chr{1:2}.bed")

    expected = fit(whole, threads=1)

    for source, threads in ((whole, 3), (cut, 2)):
        actual = fit(source, threads=threads)
        assert_array_equal(actual.components.to_numpy(), expected.components.to_numpy())
        assert_array_equal(actual.loadings, expected.loadings)


def test_fit_pca__hardly_depends_on_where_the_iteration_starts(write_genotypes):
    """A random start must not decide a result."""
    source = write_genotypes(draw_two_populations())
    rows = np.arange(300)

    one, two = (
        fit_pca(source, rows, n_components=1, tolerance=1e-6, rng=np.random.default_rng(seed))
        for seed in (1, 2)
    )

    assert_allclose(one.components, two.components, atol=1e-5)


def test_fit_pca__says_how_exact_it_is(write_genotypes):
    """One pass is not enough for components of noise, and the result says so."""
    source = write_genotypes(draw_two_populations(200, 400))

    rough, fine = (fit(source, 4, n_passes=n) for n in (1, 24))

    assert rough.residuals is not None
    assert fine.residuals is not None
    assert rough.residuals[3] > 0.05
    assert fine.residuals.max() <= 1e-3


def test_fit_pca__refuses_what_cannot_be(write_genotypes):
    """Forty people have no forty components."""
    source = write_genotypes(draw_two_populations())

    with pytest.raises(DataError, match="there are 40 people and 300 variants"):
        fit(source, 40)
    with pytest.raises(UsageError, match="n_passes must be at least 1, got 0"):
        fit(source, n_passes=0)
    with pytest.raises(UsageError, match="genome build must be"):
        fit(source, build="hg17")
    on_x = write_genotypes(np.ones((3, 5)), "x", chromosome=["1", "X", "X"])
    with pytest.raises(UsageError, match="2 of 3 variants are not on an autosome"):
        fit(on_x)


@pytest.mark.parametrize("n", [30, 100])
def test_largest_eigenpairs__finds_planted_eigenvalues(n: int):
    """Also where the space is used up, and where it is compressed on the way."""
    rng = np.random.default_rng(6)
    vectors = np.linalg.qr(rng.standard_normal((n, n)))[0]
    values = np.concatenate([[9, 5, 4.9], np.linspace(2, 0, n - 3)])
    matrix = (vectors * values) @ vectors.T

    found = largest_eigenpairs(
        lambda block: matrix @ block,
        n,
        n_pairs=4,
        width=5,
        max_products=60,
        tolerance=1e-5,
        rng=rng,
    )

    # Blocks are rounded to single precision.
    assert_allclose(found.values, values[:4], rtol=1e-5)
    assert_allclose(abs(vectors[:, :3].T @ found.vectors[:, :3]), np.eye(3), atol=1e-3)
    assert found.n_products < 60


def test_choose_variants__leaves_out_rare_and_badly_called_ones(write_genotypes):
    """Both limits are counted by hand on three variants."""
    copies = np.array([[0] * 19 + [1], [1] * 10 + [0] * 10, [1] * 10 + [0] * 9 + [-1]])

    rows = choose_variants(write_genotypes(copies))

    assert rows.tolist() == [1]


def test_fit_pca__agrees_with_plink2_on_hapmap3(real_data: Path):
    """Twenty components of plink2 --pca meanimpute, sign-free, to the digits it prints."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    expected = pd.read_csv(ORACLES / "pca_hapmap3.tsv", sep="\t", dtype={"IID": str})
    expected = expected.set_index("IID")
    values = np.loadtxt(ORACLES / "pca_hapmap3.eigenval.txt")
    rows = choose_variants(source)

    actual = fit_pca(source, rows, n_components=20, rng=np.random.default_rng(1))

    assert actual.n_variants == 13_691
    assert_allclose(actual.eigenvalues, values, rtol=1e-5)
    for k, name in enumerate(expected.columns):
        one, two = actual.components[name], expected.loc[actual.components.index, name]
        # The tenth and further ones lie 2 % apart and less.
        assert abs(np.corrcoef(one, two)[0, 1]) > (1 - 1e-9 if k < 5 else 1 - 1e-5), name


def test_fit_pca__agrees_with_plink2_where_missing_calls_count_pair_by_pair(real_data: Path):
    """plink2 without meanimpute: the components that separate populations, over 0.999."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    path = real_data / "hapmap3" / "reference" / "pca_maf05.eigenvec"
    expected = pd.read_csv(path, sep="\t", dtype={"IID": str}).set_index("IID")

    actual = fit_pca(source, choose_variants(source), rng=np.random.default_rng(1))

    for name in actual.components:
        one, two = actual.components[name], expected.loc[actual.components.index, name]
        assert abs(np.corrcoef(one, two)[0, 1]) > 0.999, name


def test_fit_pca__of_dosages_is_that_of_their_hard_calls(real_data: Path):
    """The same genotypes as bed, pgen and BGEN: signs of copies may differ, people not."""
    folder = real_data / "regenie_example"
    fitted = []
    for name in ("example.bed", "example.pgen", "example.bgen"):
        source = open_genotypes(folder / name)
        fitted.append(fit(source, 3, n_passes=60))

    for other in fitted[1:]:
        assert_allclose(other.eigenvalues, fitted[0].eigenvalues, rtol=1e-5)
        # The BGEN names people otherwise, in the same order.
        cosines = other.components.to_numpy().T @ fitted[0].components.to_numpy()
        assert_allclose(abs(np.diag(cosines)), 1, rtol=1e-4)


def test_reference__comes_back_from_its_file(write_genotypes, tmp_path: Path):
    """One file with all that projection needs, to the last bit."""
    fitted = fit(write_genotypes(draw_two_populations()), build="hg19")
    labels = pd.Series(["a", None] * 20, index=fitted.components.index, name="label")
    labelled = replace(fitted, labels=labels)

    write_reference(labelled, tmp_path / "reference.npz")
    back = read_reference(tmp_path / "reference.npz")

    pd.testing.assert_frame_equal(back.components, labelled.components)
    pd.testing.assert_frame_equal(back.variants, labelled.variants, check_dtype=False)
    assert_array_equal(back.loadings, labelled.loadings)
    assert_array_equal(back.eigenvalues, labelled.eigenvalues)
    assert_array_equal(back.residuals, labelled.residuals)
    assert back.build == "GRCh37"
    assert back.labels is not None
    assert back.labels.fillna("none").tolist() == ["a", "none"] * 20
    assert back.versions == labelled.versions
    write_reference(fitted, tmp_path / "unlabelled.npz")
    assert read_reference(tmp_path / "unlabelled.npz").labels is None


def test_reference__refuses_what_is_none(tmp_path: Path, write_genotypes):
    """Damaged, another file, or of a later version: said, not guessed."""
    fitted = fit(write_genotypes(draw_two_populations()))
    path = tmp_path / "reference.npz"
    with pytest.raises(UsageError, match=r"one \.npz file"):
        write_reference(fitted, tmp_path / "reference.tsv")
    with pytest.raises(UsageError, match="no such file"):
        read_reference(path)
    write_reference(fitted, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="no ancestry reference of pgs_trd, or damaged"):
        read_reference(path)
    np.savez(path, x=np.ones(3))
    with pytest.raises(DataError, match="no ancestry reference"):
        read_reference(path)
    np.savez(path, about=np.array('{"file_version": 99}'))
    with pytest.raises(DataError, match="is of version 99"):
        read_reference(path)


def test_principal_components__refuses_parts_that_do_not_fit(write_genotypes):
    """Loadings of other variants would project everybody somewhere else."""
    fitted = fit(write_genotypes(draw_two_populations()))

    with pytest.raises(ValueError, match=r"loadings have shape \(299, 2\), expected \(300, 2\)"):
        replace(fitted, loadings=fitted.loadings[1:].copy())
    with pytest.raises(ValueError, match="no column sd"):
        replace(fitted, variants=fitted.variants.drop(columns="sd"))
    with pytest.raises(ValueError, match="labels must be of the people"):
        replace(fitted, labels=pd.Series(["a"], index=["p0"]))


def test_fit_pca__refuses_people_without_calls_and_warns_of_few(write_genotypes):
    """They came out in the middle of all, and as that into the reference."""
    copies = draw_two_populations()
    copies[:, 3] = -1
    nothing = write_genotypes(copies, "nothing")
    copies[:100, 3] = 1
    little = write_genotypes(copies, "little")

    with pytest.raises(DataError, match="1 of 40 people have no call at any of 300 variants"):
        fit(nothing)
    with pytest.warns(PgsTrdWarning, match="1 of 40 people have calls at fewer than half of 300"):
        fit(little)


def test_fit_pca__refuses_more_components_than_directions(write_genotypes):
    """Loadings of a component without variance were 0 / 0, and went into the reference."""
    rng = np.random.default_rng(6)
    five = rng.binomial(2, 0.5, (100, 5))

    with pytest.raises(DataError, match="vary in 4 directions only, and 6 components"):
        fit(write_genotypes(np.repeat(five, 3, axis=1)), 6)


def test_read_reference__says_that_a_file_is_damaged_wherever_it_is(
    write_genotypes, tmp_path: Path
):
    """A broken stream of zlib was an error of its own kind."""
    path = tmp_path / "reference.npz"
    write_reference(fit(write_genotypes(draw_two_populations())), path)
    whole = path.read_bytes()

    for place in range(0, len(whole), len(whole) // 400):
        for wrong in (bytes(8), bytes([255]) * 2, b"A"):
            path.write_bytes(whole[:place] + wrong + whole[place + len(wrong) :])
            with contextlib.suppress(DataError):
                read_reference(path)
