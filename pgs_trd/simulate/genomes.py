"""Genomes from the coalescent: twenty-two chromosomes of people of several ancestries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.simulate.demography import build_demography

if TYPE_CHECKING:
    import tskit

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]

# Lengths of the autosomes in GRCh38, in Mb.
AUTOSOME_MB = (
    248.96, 242.19, 198.30, 190.21, 181.54, 170.81, 159.35, 145.14, 138.39, 133.80, 135.09,
    133.28, 114.36, 107.04, 101.99, 90.34, 83.26, 80.37, 58.62, 64.44, 46.71, 50.82,
)  # fmt: skip
FIRST_POSITION = 22_000_000
BASES_PER_VARIANT = 1_200
SHORTEST_GENOME = 10_000_000
RECOMBINATION_RATE = 1e-8
MUTATION_RATE = 1.25e-8
# Common variants (MAF >= 1 %) that `MUTATION_RATE` gives in one megabase of this model; a guide
# for the first attempt only.
COMMON_PER_MB = 2_100
MIN_FREQUENCY = 0.01
# Share of sites simulated but left out of the genotypes, as any array or panel does.
UNTYPED_SHARE = 0.02
MISSING_SHARE = 0.005
TRANSITION_SHARE = 2 / 3
BASES = np.array(["A", "C", "G", "T"], dtype=object)
# Index in BASES: the transition of each base, then its two transversions.
CHANGES = np.array([[2, 1, 3], [3, 0, 2], [0, 1, 3], [1, 0, 2]])


@dataclass(frozen=True)
class Genomes:
    """Simulated genomes, held as genealogies and not yet written out.

    Attributes
    ----------
    variants
        One row a variant in genome order: chromosome, position, id,
        counted_allele (derived), other_allele (ancestral), frequency (of the
        counted allele), is_typed (False where the site is not genotyped).
    chromosomes
        The genealogy of each chromosome and the sites chosen on it.
    n_people
        How many people, in the order of the groups they were asked for.
    """

    variants: pd.DataFrame
    chromosomes: tuple[tuple[tskit.TreeSequence, IntArray], ...]
    n_people: int

    def typed_blocks(
        self, order: IntArray, rng: np.random.Generator, *, block_size: int = 512
    ) -> Iterator[Int8Array]:
        """Give blocks (n_rows, n_people) of copies of the typed variants, -1 where missing.

        Parameters
        ----------
        order : (n_people,)
            Which simulated person stands at each place of the rows.
        rng
            Draws which calls are missing; some variants have more than others.
        block_size
            Variants in memory at a time.
        """
        is_typed = self.variants["is_typed"].to_numpy()
        start = 0
        for genealogy, sites in self.chromosomes:
            typed = sites[is_typed[start : start + len(sites)]]
            start += len(sites)
            for first in range(0, len(typed), block_size):
                copies = decode_sites(genealogy, typed[first : first + block_size])[:, order]
                yield _lose_calls(copies, rng)


def simulate_genomes(
    groups: Mapping[str, int], n_variants: int, *, seed: np.random.SeedSequence, threads: int = 1
) -> Genomes:
    """Simulate genomes under the coalescent with recombination (msprime [1]_).

    Linkage disequilibrium within a chromosome and frequency differences between
    ancestries come from the genealogies. Chromosomes have lengths in proportion
    to the human ones, shortened so that variants are about 1.2 kb apart, and lie
    inside their GRCh38 coordinates; sites are biallelic with one mutation each.

    Parameters
    ----------
    groups
        People by ancestry.
    n_variants
        Typed variants with a minor allele frequency of at least 1 %.
    seed
        Every chromosome draws from its own child of it.
    threads
        Chromosomes simulated at the same time; the result does not depend on it.

    References
    ----------
    .. [1] Baumdicker et al. (2022) Genetics 220:iyab229.
    """
    typed = share_out(n_variants, np.array(AUTOSOME_MB))
    untyped = np.ceil(typed * UNTYPED_SHARE).astype(np.int64)
    scale = max(n_variants * BASES_PER_VARIANT, SHORTEST_GENOME) / (1e6 * sum(AUTOSOME_MB))
    seeds = seed.spawn(len(AUTOSOME_MB))

    def grow(index: int) -> tuple[tskit.TreeSequence, IntArray, pd.DataFrame]:
        length = round(min(scale, 1.0) * AUTOSOME_MB[index] * 1e6)
        offset = min(FIRST_POSITION, int(AUTOSOME_MB[index] * 1e6 - length))
        return _grow_chromosome(
            groups, index, length, (int(typed[index]), int(untyped[index]), offset), seeds[index]
        )

    with ThreadPoolExecutor(max_workers=threads) as pool:
        grown = list(pool.map(grow, range(len(AUTOSOME_MB))))
    return Genomes(
        variants=pd.concat([variants for _, _, variants in grown], ignore_index=True),
        chromosomes=tuple((genealogy, sites) for genealogy, sites, _ in grown),
        n_people=sum(groups.values()),
    )


def decode_sites(genealogy: tskit.TreeSequence, sites: IntArray) -> Int8Array:
    """Give the copies (n_sites, n_people) of the derived allele at some sites."""
    import tskit

    variant = tskit.Variant(genealogy)
    copies = np.empty((len(sites), genealogy.num_samples // 2), dtype=np.int8)
    for row, site in enumerate(sites):
        variant.decode(int(site))
        copies[row] = variant.genotypes[0::2] + variant.genotypes[1::2]
    return copies


def share_out(total: int, weights: FloatArray) -> IntArray:
    """Share `total` out in proportion, by largest remainder."""
    exact = total * weights / weights.sum()
    shares: IntArray = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: total - shares.sum()]] += 1
    return shares


def _grow_chromosome(
    groups: Mapping[str, int],
    index: int,
    length: int,
    plan: tuple[int, int, int],
    seed: np.random.SeedSequence,
) -> tuple[tskit.TreeSequence, IntArray, pd.DataFrame]:
    """Simulate one chromosome; `plan` is typed and untyped sites and the first position."""
    import msprime

    n_typed, n_untyped, offset = plan
    seed_of_msprime, seed_of_sites = seed.spawn(2)
    ancestry_seed, *mutation_seeds = seed_of_msprime.generate_state(9, dtype=np.uint32)
    rng = np.random.default_rng(seed_of_sites)
    genealogy = msprime.sim_ancestry(
        samples=dict(groups),
        demography=build_demography(groups),
        sequence_length=length,
        recombination_rate=RECOMBINATION_RATE,
        random_seed=_msprime_seed(ancestry_seed),
    )
    n_sites = n_typed + n_untyped
    rate = MUTATION_RATE * 1.6 * n_sites / (COMMON_PER_MB * length / 1e6)
    for mutation_seed in mutation_seeds:
        mutated = msprime.sim_mutations(
            genealogy,
            rate=rate,
            model=msprime.BinaryMutationModel(),
            discrete_genome=False,
            random_seed=_msprime_seed(mutation_seed),
        )
        sites, positions, frequency = _common_sites(mutated)
        if len(sites) >= n_sites:
            break
        rate *= 2
    else:
        raise RuntimeError(f"chromosome {index + 1}: {len(sites)} common sites, need {n_sites}")
    chosen = np.sort(rng.choice(len(sites), n_sites, replace=False))
    is_typed = np.ones(n_sites, dtype=bool)
    is_typed[rng.choice(n_sites, n_untyped, replace=False)] = False
    variants = _describe(str(index + 1), positions[chosen] + offset, frequency[chosen], rng)
    return mutated, sites[chosen], variants.assign(is_typed=is_typed)


def _common_sites(genealogy: tskit.TreeSequence) -> tuple[IntArray, IntArray, FloatArray]:
    """Give sites that are common and alone at their base: id, position, frequency."""
    counts = genealogy.sample_count_stat(
        [genealogy.samples()],
        lambda count: count,
        1,
        windows="sites",
        polarised=True,
        span_normalise=False,
        strict=False,
    )[:, 0]
    frequency = counts / genealogy.num_samples
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= MIN_FREQUENCY)
    positions = np.floor(genealogy.sites_position[common]).astype(np.int64) + 1
    positions, first = np.unique(positions, return_index=True)
    sites = common[first].astype(np.int64)
    return sites, positions, frequency[sites]


def _describe(
    chromosome: str, positions: IntArray, frequency: FloatArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Name the variants and give them alleles, two transitions to one transversion."""
    n = len(positions)
    ancestral = rng.integers(4, size=n)
    change = np.where(rng.random(n) < TRANSITION_SHARE, 0, 1 + rng.integers(2, size=n))
    return pd.DataFrame(
        {
            "chromosome": chromosome,
            "position": positions,
            "id": [f"sim{chromosome}_{position}" for position in positions],
            "counted_allele": BASES[CHANGES[ancestral, change]],
            "other_allele": BASES[ancestral],
            "frequency": frequency,
        }
    )


def _lose_calls(copies: Int8Array, rng: np.random.Generator) -> Int8Array:
    n_rows, n_people = copies.shape
    n_lost = rng.poisson(rng.gamma(2.0, MISSING_SHARE * n_people / 2.0, size=n_rows))
    rows = np.repeat(np.arange(n_rows), n_lost)
    copies[rows, rng.integers(n_people, size=len(rows))] = -1
    return copies


def _msprime_seed(number: np.uint32) -> int:
    """Bring a random number into the range of seeds that msprime takes, 1..2^32-1."""
    return max(int(number), 1)
