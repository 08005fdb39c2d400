from __future__ import annotations

import numpy as np
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.genotypes import unpack_codes
from pgs_trd.genotypes.plink1 import open_plink1
from pgs_trd.simulate.demography import build_demography
from pgs_trd.simulate.genomes import (
    AUTOSOME_MB,
    MIN_FREQUENCY,
    decode_sites,
    share_out,
    simulate_genomes,
)

GROUPS = {"EUR": 60, "AFR": 60, "EAS": 60, "AMR": 60}


@pytest.fixture(scope="module")
def genomes():
    return simulate_genomes(GROUPS, 1_500, seed=np.random.SeedSequence(3))


@pytest.fixture(scope="module")
def copies(genomes):
    return np.concatenate([decode_sites(*chromosome) for chromosome in genomes.chromosomes])


def _frequencies(copies):
    ends = np.cumsum(list(GROUPS.values()))
    parts = np.split(copies, ends[:-1], axis=1)
    return {name: part.mean(axis=1) / 2 for name, part in zip(GROUPS, parts, strict=True)}


def _fst(p, q, n):
    """Hudson's estimator as a ratio of averages (Bhatia et al. 2013, equation 10)."""
    between = (p - q) ** 2 - p * (1 - p) / (n - 1) - q * (1 - q) / (n - 1)
    return between.sum() / (p * (1 - q) + q * (1 - p)).sum()


def test_simulate_genomes__gives_what_was_asked_for_in_genome_order(genomes):
    """Readers want ascending positions inside the chromosome, and exactly n variants."""
    variants = genomes.variants
    assert variants["is_typed"].sum() == 1_500
    assert variants["id"].is_unique
    assert list(variants["chromosome"].unique()) == [str(number) for number in range(1, 23)]
    for number, (_, chromosome) in enumerate(variants.groupby("chromosome", sort=False)):
        assert (np.diff(chromosome["position"]) > 0).all()
        assert chromosome["position"].between(1, AUTOSOME_MB[number] * 1e6).all()
    assert (variants["counted_allele"] != variants["other_allele"]).all()
    assert set(variants["counted_allele"]) == set(variants["other_allele"]) == set("ACGT")


def test_simulate_genomes__frequencies_are_those_of_the_decoded_genotypes(genomes, copies):
    """The filter and the weight files rely on them; counted here from the genotypes."""
    expected = copies.mean(axis=1, dtype=np.float64) / 2

    np.testing.assert_allclose(genomes.variants["frequency"], expected, rtol=1e-10)
    assert np.minimum(expected, 1 - expected).min() >= MIN_FREQUENCY


def test_decode_sites__adds_the_two_haplotypes_that_tskit_gives(genomes):
    """Oracle: tskit's own genotype matrix."""
    genealogy, sites = genomes.chromosomes[21]
    haplotypes = genealogy.genotype_matrix()[sites]

    expected = haplotypes[:, 0::2] + haplotypes[:, 1::2]

    np.testing.assert_array_equal(decode_sites(genealogy, sites), expected)


def test_simulate_genomes__ancestries_differ_as_human_ones_do(copies):
    """1000 Genomes: about 0.15 between Africa and the others, 0.11 between EUR and EAS."""
    p = _frequencies(copies)
    eur_afr, eas_afr, eur_eas = (
        _fst(p[first], p[second], 120)
        for first, second in (("EUR", "AFR"), ("EAS", "AFR"), ("EUR", "EAS"))
    )

    assert 0.08 < eur_afr < 0.25
    assert 0.08 < eas_afr < 0.28
    assert 0.05 < eur_eas < min(eur_afr, eas_afr)


def test_simulate_genomes__the_admixed_population_is_the_mixture_of_its_sources(copies):
    """Frequencies in AMR regress on the three sources with the shares of the admixture."""
    p = _frequencies(copies)
    sources = np.stack([p["AFR"], p["EUR"], p["EAS"]], axis=1)

    shares = np.linalg.lstsq(sources, p["AMR"], rcond=None)[0]

    np.testing.assert_allclose(shares, [1 / 6, 1 / 3, 1 / 2], atol=0.08)


def test_simulate_genomes__linkage_disequilibrium_falls_with_distance(genomes, copies):
    """Neighbours share genealogies, far sites less, other chromosomes nothing but chance."""
    people = slice(0, GROUPS["EUR"])
    variants = genomes.variants
    first = np.flatnonzero((variants["chromosome"] == "1").to_numpy())
    other = np.flatnonzero((variants["chromosome"] == "2").to_numpy())
    varies = copies[:, people].std(axis=1) > 0.3
    first, other = first[varies[first]], other[varies[other]]
    r2 = np.corrcoef(copies[np.concatenate([first, other])][:, people].astype(float)) ** 2
    n = len(first)
    position = variants["position"].to_numpy()[first]
    distance = np.abs(position[:, np.newaxis] - position)
    upper = np.triu(np.ones((n, n), dtype=bool), 1)

    near = r2[:n, :n][upper & (distance < 20_000)].mean()
    middle = r2[:n, :n][upper & (distance > 100_000) & (distance < 300_000)].mean()
    unlinked = r2[:n, n:].mean()

    assert near > 2 * middle
    assert middle > unlinked
    # Without linkage, r2 is 1 / (n - 1) on average.
    assert unlinked == pytest.approx(1 / (GROUPS["EUR"] - 1), rel=0.25)


def test_simulate_genomes__alleles_have_their_natural_shares():
    """Two transitions to one transversion leave a sixth of the sites palindromic."""
    variants = simulate_genomes({"EUR": 50}, 4_000, seed=np.random.SeedSequence(1)).variants
    pairs = variants["counted_allele"] + variants["other_allele"]
    n = len(pairs)

    assert pairs.isin(["AG", "GA", "CT", "TC"]).mean() == pytest.approx(2 / 3, abs=4 * 0.5 / n**0.5)
    assert pairs.isin(["AT", "TA", "CG", "GC"]).mean() == pytest.approx(1 / 6, abs=4 * 0.4 / n**0.5)


def test_typed_blocks__lose_half_a_percent_of_calls_and_change_no_other(genomes, copies):
    """Missing calls must be missing, not wrong; untyped variants must not appear."""
    order = np.random.default_rng(0).permutation(genomes.n_people)
    blocks = genomes.typed_blocks(order, np.random.default_rng(1), block_size=64)

    written = np.concatenate(list(blocks))

    expected = copies[genomes.variants["is_typed"].to_numpy()][:, order]
    is_missing = written == -1
    np.testing.assert_array_equal(written[~is_missing], expected[~is_missing])
    assert 0.004 < is_missing.mean() < 0.006


def test_share_out__hands_out_every_one():
    """Worked by hand: 10 in the ratio 1:1:1 leaves one over, 7 in 5:2 is exact."""
    assert sorted(share_out(10, np.ones(3))) == [3, 3, 4]
    assert list(share_out(7, np.array([5.0, 2.0]))) == [5, 2]


def test_build_demography__unknown_ancestry_is_refused():
    """A misspelt label must not give a population that was never simulated."""
    with pytest.raises(UsageError, match="'EURO'; there are EUR, AFR, EAS, AMR"):
        build_demography({"EURO": 10})


def test_written_genotypes__missing_calls_and_people_survive_the_file(biobank):
    """What is in the .bed is what was simulated: 400 people, half a percent missing."""
    source = open_plink1(biobank.genotypes)
    block = next(iter(source.blocks(np.arange(1_000), block_size=1_000)))
    copies = unpack_codes(block.codes, len(source.samples))

    assert len(source.samples) == 400
    assert 0.003 < (copies == -1).mean() < 0.007
