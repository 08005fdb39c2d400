"""Pruning and regions: against a literal restatement and against plink2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.ancestry.pca import fit_pca
from pgs_trd.ancestry.pruning import prune_variants
from pgs_trd.ancestry.reading import AUTOSOMES
from pgs_trd.ancestry.regions import is_in_long_range_ld, read_long_range_ld
from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import GenotypeSource, open_genotypes, write_plink1
from pgs_trd.weights.builds import CHROMOSOME_LENGTHS

M = 1_000_000
ORACLES = Path(__file__).resolve().parents[1] / "oracles" / "ancestry"


def write_correlated(prefix: Path, *, position: list[int] | None = None) -> GenotypeSource:
    """Write 90 variants on two chromosomes, runs of which copy one another in part."""
    rng = np.random.default_rng(12)
    n_variants, n_people = 90, 70
    frequency = rng.uniform(0.05, 0.95, n_variants)[:, np.newaxis]
    copies = rng.binomial(2, frequency, size=(n_variants, n_people)).astype(np.int8)
    for row in range(1, n_variants):
        copied = rng.random(n_people) < rng.choice([0.0, 0.5, 0.8, 1.0])
        copies[row, copied] = copies[row - 1, copied]
    copies[rng.random(copies.shape) < 0.05] = -1
    copies[40] = 1
    variants = pd.DataFrame(
        {
            "chromosome": ["1"] * 50 + ["2"] * 40,
            "position": position or np.sort(rng.integers(1, 60_000, n_variants)).tolist(),
            "id": [f"v{k}" for k in range(n_variants)],
            "counted_allele": "A",
            "other_allele": "G",
        }
    )
    variants.loc[50:, "position"] -= 0 if position else int(variants.loc[50, "position"]) - 1
    samples = pd.DataFrame({"person_id": [f"p{k}" for k in range(n_people)]})
    write_plink1(prefix, [copies], variants=variants, samples=samples)
    return open_genotypes(prefix)


def copies_of(source: GenotypeSource) -> np.ndarray:
    from pgs_trd.genotypes import unpack_codes

    blocks = [
        unpack_codes(block.codes, len(source.samples))
        for block in source.blocks(np.arange(len(source.variants)))
    ]
    return np.concatenate(blocks).astype(float)


def slow_prune(copies: np.ndarray, windows: list[tuple[int, int]], max_r2: float) -> list[int]:
    """Restate the rule of the docstring, pair by pair, window by window."""
    copies = np.where(copies < 0, np.nan, copies)
    frequency = np.nanmean(copies, axis=1) / 2
    minor = np.minimum(frequency, 1 - frequency)
    gone = {row for row, of_row in enumerate(copies) if np.nanstd(of_row) == 0}

    def correlate(i: int, j: int) -> float:
        called = ~np.isnan(copies[i]) & ~np.isnan(copies[j])
        with np.errstate(invalid="ignore"):
            return np.corrcoef(copies[i, called], copies[j, called])[0, 1] ** 2

    for start, end in windows:
        n_before = -1
        while len(gone) > n_before:
            n_before = len(gone)
            for i in range(start, end):
                for j in range(i + 1, end):
                    if i not in gone and j not in gone and correlate(i, j) > max_r2:
                        gone.add(i if minor[i] < minor[j] - 1e-9 else j)
                        break
    return [row for row in range(len(copies)) if row not in gone]


@pytest.mark.parametrize("threads", [1, 3])
def test_prune_variants__equals_the_rule_pair_by_pair(tmp_path: Path, threads: int):
    """Windows by number and by distance, the first and the later ones."""
    source = write_correlated(tmp_path / "set")
    rows = np.arange(len(source.variants))
    copies = copies_of(source)
    by_number = [
        (start, min(start + 12, end))
        for begin, end in ((0, 50), (50, 90))
        for start in range(begin, end)
    ]
    position = source.variants["position"].to_numpy()
    by_distance = [
        (start, begin + int(np.searchsorted(position[begin:end], position[start] + 5000, "right")))
        for begin, end in ((0, 50), (50, 90))
        for start in range(begin, end)
    ]

    number = prune_variants(
        source, rows, window_kb=None, window_variants=12, max_r2=0.2, threads=threads
    )
    distance = prune_variants(source, rows, window_kb=5, max_r2=0.1, threads=threads)

    assert number.tolist() == slow_prune(copies, by_number, 0.2)
    assert distance.tolist() == slow_prune(copies, by_distance, 0.1)
    assert 40 not in number  # all heterozygous: does not vary
    assert 20 < len(number) < 80


@pytest.mark.parametrize(
    ("name", "window", "max_r2"),
    [
        ("chrx_missing_50_1_0.2", {"window_kb": None, "window_variants": 50}, 0.2),
        ("hapmap3_5000kb_0.01", {"window_kb": 5000.0}, 0.01),
        ("chrx_missing_1000kb_0.1", {"window_kb": 1000.0}, 0.1),
    ],
)
def test_prune_variants__keeps_what_plink2_keeps(real_data: Path, name, window, max_r2):
    """Real genotypes, the second set with many missing calls: the same set of variants."""
    is_hapmap = name.startswith("hapmap3")
    source = open_genotypes(real_data / ("hapmap3/hm3_b36" if is_hapmap else "chrx_missing/data"))
    rows = np.flatnonzero(source.variants["chromosome"].isin(AUTOSOMES))
    pruned = set((ORACLES / f"prune_{name}.out.txt").read_text().split())

    kept = prune_variants(source, rows, max_r2=max_r2, **window)

    ids = source.variants["id"]
    assert set(ids.iloc[rows]) - set(ids.iloc[kept]) == pruned


def test_prune_variants__refuses_what_it_cannot_do(tmp_path: Path):
    """Unsorted positions would make windows of the wrong variants."""
    source = write_correlated(tmp_path / "set")
    rows = np.arange(90)
    for wrong, text in (
        ({"window_variants": 5}, "either window_kb or window_variants"),
        ({"window_kb": None}, "either window_kb or window_variants"),
        ({"window_kb": -1.0}, "larger than 0"),
        ({"max_r2": 1.0}, "max_r2 must lie in"),
    ):
        with pytest.raises(UsageError, match=text):
            prune_variants(source, rows, **wrong)
    unsorted = write_correlated(tmp_path / "unsorted", position=list(range(90, 0, -1)))
    with pytest.raises(DataError, match="not sorted by chromosome and position"):
        prune_variants(unsorted, rows)


def test_long_range_ld__holds_what_is_known_to_need_leaving_out():
    """MHC and the inversions on 8p23 in each build, ends included; lactase on 2q21."""
    places = pd.DataFrame(
        {
            "chromosome": ["6", "8", "2", "6", "1", "X", "1"],
            "position": [
                30_000_000,
                10_000_000,
                135_800_000,
                90_000_000,
                48_000_000,
                1,
                47_999_999,
            ],
        }
    )

    inside = is_in_long_range_ld(places, "hg19")

    assert inside.tolist() == [True, True, True, False, True, False, False]
    for build in ("NCBI36", "GRCh38"):
        assert is_in_long_range_ld(places, build)[:4].tolist() == [True, True, True, False]


@pytest.mark.parametrize("build", ["NCBI36", "GRCh37", "GRCh38"])
def test_long_range_ld__lies_on_its_chromosomes(build: str):
    """24 regions a build, the same number on each chromosome, none beyond an end."""
    regions = read_long_range_ld(build)

    lengths = regions["chromosome"].map(CHROMOSOME_LENGTHS[build])
    size = regions["end"] - regions["start"]
    assert len(regions) == 24
    assert (regions["end"] < lengths).all()
    assert size.between(2_000_000, 15_000_000).all()
    assert regions["chromosome"].tolist() == read_long_range_ld("GRCh37")["chromosome"].tolist()


def test_prune_variants__of_no_variants_keeps_none(write_genotypes):
    """Where quality leaves nothing, nothing is left; it was an error of zip."""
    source = write_genotypes(np.ones((3, 5), dtype=np.int8))

    assert prune_variants(source, np.zeros(0, dtype=np.int64)).tolist() == []


def test_is_in_long_range_ld__refuses_positions_of_another_build(write_genotypes):
    """Regions of the wrong build flagged the wrong variants, and a reference kept its name."""
    ends = [CHROMOSOME_LENGTHS["NCBI36"]["3"], CHROMOSOME_LENGTHS["NCBI36"]["17"]]
    variants = pd.DataFrame({"chromosome": ["3", "17"], "position": ends})
    source = write_genotypes(np.array([[0, 1, 2], [2, 1, 0]]), chromosome=["3", "17"],
                             position=ends)  # fmt: skip

    assert is_in_long_range_ld(variants, "hg18").tolist() == [False, False]
    with pytest.raises(DataError, match=r"1 of 2 positions .* GRCh38: .* possible in NCBI36"):
        is_in_long_range_ld(variants, "GRCh38")
    with pytest.raises(DataError, match=r"1 of 2 positions .* in GRCh37"):
        fit_pca(source, np.arange(2), rng=np.random.default_rng(1), build="hg19")
