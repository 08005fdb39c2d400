"""Projection of new people: the shrinkage undone, whatever the alleles and missing calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.ancestry.kinship import king_kinship
from pgs_trd.ancestry.projection import Projection, project
from pgs_trd.ancestry.reference import PrincipalComponents, read_reference, write_reference
from pgs_trd.ancestry.shrinkage import correct_shrinkage, remaining_shrinkage
from pgs_trd.ancestry.unrelated import unrelated_set
from pgs_trd.errors import MatchRateError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import open_genotypes, unpack_codes, write_plink1
from pgs_trd.weights import read_chain

N_PEOPLE, N_VARIANTS = 150, 3000
ALLELES = np.array(["A", "C", "G", "T"])


def variant_table(n_variants: int) -> pd.DataFrame:
    """Give variants on two chromosomes, none of them palindromic."""
    pairs = np.array([["A", "G"], ["C", "A"], ["T", "C"], ["G", "T"]])[np.arange(n_variants) % 4]
    return pd.DataFrame(
        {
            "chromosome": np.where(np.arange(n_variants) < n_variants // 2, "1", "2"),
            "position": 1000 * (1 + np.arange(n_variants)),
            "id": [f"v{i}" for i in range(n_variants)],
            "counted_allele": pairs[:, 0],
            "other_allele": pairs[:, 1],
        }
    )


def draw_copies(n_people: int, seed: int) -> np.ndarray:
    """Give copies (n_variants, n_people) of three populations that differ."""
    old = np.random.default_rng(11).uniform(0.2, 0.8, size=(N_VARIANTS, 1))
    spread = 0.03
    size = (1 - spread) / spread
    shape = (N_VARIANTS, 3)
    frequency = np.random.default_rng(12).beta(old * size, (1 - old) * size, size=shape)
    rng = np.random.default_rng(seed)
    return rng.binomial(2, frequency[:, np.arange(n_people) % 3]).astype(np.int8)


def write_people(prefix: Path, copies: np.ndarray, variants: pd.DataFrame) -> None:
    """Write a PLINK 1 fileset."""
    samples = pd.DataFrame(
        {"person_id": [f"p{i}" for i in range(copies.shape[1])], "sex": "unknown"}
    )
    write_plink1(prefix, [copies], variants=variants, samples=samples)


def exact_reference(
    copies: np.ndarray, variants: pd.DataFrame, n_components: int, build: str | None = None
) -> PrincipalComponents:
    """Decompose people's genotypes exactly: the definition of a reference."""
    numbers = np.where(copies < 0, np.nan, copies.astype(float))
    frequency = np.nanmean(numbers, axis=1) / 2
    varies = (frequency > 0.01) & (frequency < 0.99)
    numbers, frequency = numbers[varies], frequency[varies]
    sd = np.sqrt(2 * frequency * (1 - frequency))
    standard = np.nan_to_num((numbers - 2 * frequency[:, None]) / sd[:, None]).T
    squares, left = np.linalg.eigh(standard @ standard.T)
    squares, left = squares[::-1][:n_components], left[:, ::-1][:, :n_components]
    names = [f"PC{k + 1}" for k in range(n_components)]
    people = pd.Index([f"r{i}" for i in range(copies.shape[1])], name="person_id")
    table = variants.loc[varies].rename(columns={"counted_allele": "effect_allele"})
    return PrincipalComponents(
        components=pd.DataFrame(left, index=people, columns=names),
        eigenvalues=squares / len(table),
        loadings=standard.T @ left / np.sqrt(squares),
        variants=table.reset_index(drop=True).assign(frequency=frequency, sd=sd),
        build=build,
    )


@pytest.fixture(scope="module")
def reference() -> PrincipalComponents:
    """Six components of three populations, of which two are more than noise."""
    return exact_reference(draw_copies(N_PEOPLE, 1), variant_table(N_VARIANTS), 6)


@pytest.fixture(scope="module")
def new_copies() -> np.ndarray:
    """Sixty people of the same populations."""
    return draw_copies(60, 2)


@pytest.fixture(scope="module")
def complete(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path_factory
) -> Projection:
    """Project the new people from complete genotypes."""
    prefix = tmp_path_factory.mktemp("complete") / "new"
    write_people(prefix, new_copies, variant_table(N_VARIANTS))
    return project(open_genotypes(prefix), reference, threads=2)


def test_correct_shrinkage__equals_a_decomposition_with_the_person_in_it():
    """The paper's procedure, done the long way with all genotypes, must come out."""
    rng = np.random.default_rng(3)
    standard = rng.normal(size=(30, 200)) + np.outer(rng.normal(size=30), rng.normal(size=200))
    standard -= standard.mean(axis=0)
    left, values, right = np.linalg.svd(standard, full_matrices=False)
    left, values, right = left[:, :29], values[:29], right[:29]
    people = rng.normal(size=(4, 200))
    projected = people @ right.T
    residual = (people**2).sum(axis=1) - (projected**2).sum(axis=1)

    actual = correct_shrinkage(projected, residual, values)

    for person, scores in zip(people, actual, strict=True):
        u, d, _ = np.linalg.svd(np.vstack([standard, person]), full_matrices=False)
        kept = np.argsort(u[-1, :30] ** 2)[:29]
        augmented = u[:, kept] * d[kept]
        a, s, b = np.linalg.svd(augmented[:-1].T @ (left * values))
        scale = s.sum() / (augmented[:-1] ** 2).sum()
        assert_allclose(scores, scale * augmented[-1] @ a @ b, rtol=1e-8, atol=1e-8)


def test_correct_shrinkage__sees_each_person_alone():
    """Who else is projected, and with how many threads, must not move anybody."""
    rng = np.random.default_rng(4)
    projected, residual = rng.normal(size=(1100, 3)), rng.uniform(5, 6, size=1100)
    values = np.array([9.0, 7.0, 5.0])

    together = correct_shrinkage(projected, residual, values, threads=2)
    alone = correct_shrinkage(projected[1050:1051], residual[1050:1051], values, threads=1)

    assert_allclose(together[1050:1051], alone, rtol=1e-12)


def test_project__puts_new_people_as_far_out_as_the_references(
    reference: PrincipalComponents, complete: Projection
):
    """Uncorrected, both components came to three quarters of where the populations lie."""
    new = complete.components.groupby(np.arange(60) % 3).mean()
    old = reference.scores.groupby(np.arange(N_PEOPLE) % 3).mean()
    for name in ("PC1", "PC2"):
        slope = (new[name] * old[name]).sum() / (old[name] ** 2).sum()
        assert 0.94 < slope < 1.06, name
    assert (complete.shrinkage[["PC1", "PC2"]] < 0.85).all()
    assert complete.n_matched == reference.n_variants


def test_project__counts_the_right_allele_whatever_the_file_does(
    reference: PrincipalComponents, complete: Projection, new_copies: np.ndarray, tmp_path: Path
):
    """Swapped alleles, the other strand, another order, two files: the same people."""
    variants = variant_table(N_VARIANTS)
    copies = new_copies.copy()
    swap = np.arange(N_VARIANTS) % 3 == 0
    flip = np.arange(N_VARIANTS) % 5 == 0
    copies[swap] = 2 - copies[swap]
    first, second = variants["counted_allele"].to_numpy(), variants["other_allele"].to_numpy()
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    turned = dict(zip("ACGT", "TGCA", strict=True))
    first = [turned[a] if f else a for a, f in zip(first, flip, strict=True)]
    second = [turned[a] if f else a for a, f in zip(second, flip, strict=True)]
    variants = variants.assign(counted_allele=first, other_allele=second)
    for chromosome, rows in variants.groupby("chromosome").indices.items():
        rows = rows[::-1] if chromosome == "1" else rows
        part = variants.iloc[rows].reset_index(drop=True)
        write_people(tmp_path / f"chr{chromosome}", copies[rows], part)

    actual = project(open_genotypes(tmp_path / "chr{1:2}.bed"), reference, threads=1)

    # Sums in single precision, in another order.
    assert_allclose(actual.components, complete.components, atol=2e-4)
    assert actual.match["swapped"].sum() > 900


def test_project__is_not_pulled_by_missing_calls_and_absent_variants(
    reference: PrincipalComponents, complete: Projection, new_copies: np.ndarray, tmp_path: Path
):
    """Half the calls of each person missing and a tenth of the variants absent: slope one.

    Counted as the mean, they put people at less than half of their distance.
    """
    rng = np.random.default_rng(5)
    copies = np.where(rng.random(new_copies.shape) < 0.5, -1, new_copies).astype(np.int8)
    present = np.arange(N_VARIANTS) % 10 != 0
    variants = variant_table(N_VARIANTS)[present].reset_index(drop=True)
    write_people(tmp_path / "sparse", copies[present], variants)

    actual = project(open_genotypes(tmp_path / "sparse"), reference, min_call_rate=0.4)

    for name in ("PC1", "PC2"):
        known, full = actual.components[name], complete.components[name]
        slope = (known * full).sum() / (full**2).sum()
        assert 0.93 < slope < 1.07, name
    assert_allclose(actual.quality["call_rate"].mean(), 0.5, atol=0.02)
    assert_allclose(actual.quality["residual"], complete.quality["residual"], rtol=0.1)


def test_project__gives_no_scores_to_people_without_calls(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path: Path
):
    """Somebody without genotypes has no ancestry; the others keep theirs."""
    copies = new_copies.copy()
    copies[:, 7] = -1
    write_people(tmp_path / "new", copies, variant_table(N_VARIANTS))

    actual = project(open_genotypes(tmp_path / "new"), reference, n_components=2)

    assert actual.components.isna().all(axis=1).to_numpy().nonzero()[0].tolist() == [7]
    assert actual.quality["status"].value_counts().to_dict() == {"ok": 59, "few_calls": 1}
    assert actual.components.columns.tolist() == ["PC1", "PC2"]


def test_project__refuses_genotypes_that_are_not_the_references(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path: Path
):
    """Too few variants, and another build, are said with their numbers."""
    variants = variant_table(N_VARIANTS)
    write_people(tmp_path / "few", new_copies[:1000], variants.iloc[:1000])
    few = open_genotypes(tmp_path / "few")
    write_people(tmp_path / "all", new_copies, variants)

    with pytest.raises(MatchRateError, match=r"1,000 of the reference's 3,000 variants .*33\.3%"):
        project(few, reference)
    with pytest.raises(MatchRateError, match="reference is GRCh37 and the genotypes are GRCh38"):
        project(
            open_genotypes(tmp_path / "all"), replace(reference, build="GRCh37"),
            genome_build="hg38",
        )  # fmt: skip
    with pytest.raises(UsageError, match="n_components is 7, but the reference has 6"):
        project(few, reference, n_components=7)


def test_project__lifts_the_reference_to_another_build(
    reference: PrincipalComponents,
    complete: Projection,
    new_copies: np.ndarray,
    real_data: Path,
    tmp_path: Path,
):
    """Genotypes of GRCh38 are refused by a GRCh37 reference, and fit it once it is lifted."""
    chain = read_chain(real_data / "chains" / "hg19ToHg38.over.chain.gz")
    place = 20_000_000 + 10_000 * np.arange(N_VARIANTS)
    old = replace(
        reference, build="GRCh37", variants=reference.variants.assign(position=place)
    )  # fmt: skip
    variants = variant_table(N_VARIANTS)
    lifted = chain.lift(variants["chromosome"], place)[0]
    can = lifted > 0
    variants = variants.assign(position=lifted)[can].sort_values(["chromosome", "position"])
    write_people(tmp_path / "new", new_copies[variants.index], variants.reset_index(drop=True))
    source = open_genotypes(tmp_path / "new")

    with pytest.raises(MatchRateError, match="of the reference's 3,000 variants"):
        project(source, old)
    actual = project(source, old, chain=chain, genome_build="GRCh38")

    assert actual.n_matched > 0.9 * N_VARIANTS
    for name in ("PC1", "PC2"):
        assert np.corrcoef(actual.components[name], complete.components[name])[0, 1] > 0.99


def test_project__warns_of_the_references_own_people(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path: Path
):
    """The loadings fit their noise too: the correction would carry them too far out."""
    write_people(tmp_path / "new", new_copies, variant_table(N_VARIANTS))
    theirs = reference.components.rename(index={"r3": "p3", "r4": "p4"})

    with pytest.warns(PgsTrdWarning, match="2 of 60 people have ids of the reference's own"):
        project(open_genotypes(tmp_path / "new"), replace(reference, components=theirs))


def test_project__is_the_same_with_a_reference_read_from_its_file(
    reference: PrincipalComponents, complete: Projection, new_copies: np.ndarray, tmp_path: Path
):
    """One file has to hold all that projecting needs; threads must not change a bit."""
    write_reference(reference, tmp_path / "reference.npz")
    write_people(tmp_path / "new", new_copies, variant_table(N_VARIANTS))

    actual = project(
        open_genotypes(tmp_path / "new"), read_reference(tmp_path / "reference.npz"), threads=1
    )

    assert_allclose(actual.components, complete.components, rtol=0)


def test_remaining_shrinkage__is_what_a_planted_component_comes_out_too_near_by():
    """People of one planted direction: without the factor they come to nine tenths.

    How far out a score lies is the slope on the planted position, of the reference's own
    people and of new ones.
    """
    rng = np.random.default_rng(21)
    n_people, n_variants, x = 300, 6000, 0.45
    slopes = []
    for _ in range(40):
        direction = rng.normal(size=n_variants) * np.sqrt(x / n_people)
        place, new_place = rng.normal(size=n_people), rng.normal(size=n_people)
        standard = np.outer(place, direction) + rng.normal(size=(n_people, n_variants))
        people = np.outer(new_place, direction) + rng.normal(size=(n_people, n_variants))
        squares, left = np.linalg.eigh(standard @ standard.T)
        value, left = np.sqrt(squares[-1:]), left[:, -1:]
        projected = people @ (standard.T @ left / value)
        residual = (people**2).sum(axis=1) - projected[:, 0] ** 2
        mean = squares.mean()
        factor = remaining_shrinkage(squares[-1:] / mean, n_people=n_people, n_variants=n_variants)
        corrected = correct_shrinkage(projected, residual, value)[:, 0]
        old = (place * left[:, 0] * value).sum() / (place**2).sum()
        new = (new_place * corrected).sum() / (new_place**2).sum()
        slopes.append([new / old, factor[0] * new / old])

    before, after = np.mean(slopes, axis=0)
    assert before < 0.9
    assert_allclose(after, 1.0, atol=0.02)


def test_remaining_shrinkage__leaves_noise_and_leading_components_alone():
    """(1 + sqrt(c))^2 is where noise ends; a large eigenvalue has nothing to mend."""
    c = 400 / 10_000
    edge = (1 + np.sqrt(c)) ** 2
    others = (400 - 40.0 - edge + 0.01) / 398  # the mean of all is 1

    factor = remaining_shrinkage(
        np.array([40.0, edge * others - 0.01]), n_people=400, n_variants=10_000
    )

    x = 40 / others - 1 - c
    assert_allclose(factor, [1 + c / x**2, 1.0], rtol=1e-4)


def test_project__shows_no_shrinkage_on_hapmap3(real_data: Path, tmp_path: Path):
    """Half the people on the other half's components lie where they would in the whole.

    Where they would lie is told by the components of all people, mapped on the
    reference's by the reference's own people; both have noise, so the slope is the ratio of
    their spreads. Nobody has a relative in the set: beside relatives the sixth component is a
    family, another one in each half. Noise reaches to an eigenvalue of 1.3, and the sixth has
    1.8.
    """
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    n_people = len(source.samples)
    pairs = king_kinship(source, np.arange(len(source.variants)))
    person = pd.Index(source.samples["person_id"])
    alone = (unrelated_set(person, pairs, max_kinship=0.0442)["status"] == "ok").to_numpy()
    codes = [b.codes for b in source.blocks(np.arange(len(source.variants)))]
    copies = np.vstack([unpack_codes(code, n_people) for code in codes])[:, alone]
    frequency = np.where(copies < 0, np.nan, copies.astype(np.float32))
    frequency = np.nanmean(frequency, axis=1) / 2
    common = np.minimum(frequency, 1 - frequency) >= 0.05
    copies, variants = copies[common], source.variants.loc[common].reset_index(drop=True)
    population = pd.read_csv(
        real_data / "hapmap3" / "hm3_populations.tsv", sep="\t", index_col="IID"
    ).loc[person[alone], "Population"]
    whole = exact_reference(copies, variants, 10).scores.to_numpy()
    slopes = []
    for seed in range(4):
        # Every second person of each population.
        order = pd.Series(np.random.default_rng(seed).random(len(whole)), index=population.index)
        is_reference = (order.groupby(population).rank() % 2 == 0).to_numpy()
        reference = exact_reference(copies[:, is_reference], variants, 10)
        write_people(tmp_path / "new", copies[:, ~is_reference], variants)

        actual = project(open_genotypes(tmp_path / "new"), reference)

        mapped = whole @ np.linalg.lstsq(whole[is_reference], reference.scores, rcond=None)[0]
        mapped = mapped[~is_reference]
        slopes.append(np.sqrt((actual.components**2).sum() / (mapped**2).sum(axis=0)))
        assert (actual.shrinkage[:6] < 0.95).all()

    slope = np.mean(slopes, axis=0)[:6]
    assert ((slope > 0.97) & (slope < 1.03)).all(), slope.round(3).tolist()


def test_project__gives_no_scores_without_calls_whatever_is_asked_for(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path: Path
):
    """With min_call_rate 0 people of no call, or of few, stood in the middle as ok."""
    copies = new_copies.copy()
    copies[:, 7] = -1
    copies[5:, 8] = -1
    write_people(tmp_path / "new", copies, variant_table(N_VARIANTS))

    actual = project(open_genotypes(tmp_path / "new"), reference, min_call_rate=0.0)

    assert actual.components.isna().all(axis=1).to_numpy().nonzero()[0].tolist() == [7, 8]
    assert actual.quality["status"].iloc[[7, 8]].tolist() == ["few_calls"] * 2
    assert actual.quality["residual"].isna().sum() == 2


def test_project__warns_where_alleles_are_told_wrongly(
    reference: PrincipalComponents, new_copies: np.ndarray, tmp_path: Path
):
    """Right ids and positions and wrong genotypes came out as components, without a word."""
    swapped = np.where(new_copies < 0, new_copies, 2 - new_copies).astype(np.int8)
    write_people(tmp_path / "wrong", swapped, variant_table(N_VARIANTS))

    with pytest.warns(PgsTrdWarning, match="half of 60 people a residual of [2-9]"):
        project(open_genotypes(tmp_path / "wrong"), reference)
