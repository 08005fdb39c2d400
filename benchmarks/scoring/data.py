"""Make genotypes and weights for the benchmark: the same for the same size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.genotypes import write_plink1

N_SCORES = 61
BLOCK = 500
MISSING = 0.01


def make_data(folder: Path, n_people: int, n_variants: int) -> None:
    """Write set.bed/.bim/.fam and weights_1.tsv, weights_61.tsv, unless they are there.

    Three quarters of the frequencies are uniform in 1-50 %, a quarter
    log-uniform in 0.1-5 %; every second variant is a 90 % copy of the one before
    it, so that formats that use linkage disequilibrium can; 1 % of calls missing.
    """
    if (folder / "weights_61.tsv").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.SFC64(20_260_101))
    pairs = np.array([["A", "G"], ["C", "T"], ["A", "C"], ["G", "T"]])
    pairs = pairs[rng.integers(0, 4, n_variants)]
    variants = pd.DataFrame(
        {
            "chromosome": (1 + np.arange(n_variants) * 22 // n_variants).astype(str),
            "position": 1_000 + 500 * np.arange(n_variants),
            "id": [f"rs{i}" for i in range(1, n_variants + 1)],
            "counted_allele": pairs[:, 0],
            "other_allele": pairs[:, 1],
        }
    )
    people = [f"P{i:07d}" for i in range(n_people)]
    samples = pd.DataFrame({"person_id": people, "family_id": people, "sex": "unknown"})
    write_plink1(
        folder / "set", _blocks(rng, n_people, n_variants), variants=variants, samples=samples
    )
    swapped = rng.random(n_variants) < 0.5
    effects = np.round(rng.normal(0, 0.01, (n_variants, N_SCORES)), 6)
    table = pd.DataFrame(effects, columns=[f"score{k + 1}" for k in range(N_SCORES)])
    table.insert(0, "A2", np.where(swapped, pairs[:, 0], pairs[:, 1]))
    table.insert(0, "A1", np.where(swapped, pairs[:, 1], pairs[:, 0]))
    table.insert(0, "ID", variants["id"])
    table.iloc[:, :4].to_csv(folder / "weights_1.tsv", sep="\t", index=False)
    table.to_csv(folder / "weights_61.tsv", sep="\t", index=False)


def _blocks(rng: np.random.Generator, n_people: int, n_variants: int) -> Iterator[np.ndarray]:
    for start in range(0, n_variants, BLOCK):
        size = min(BLOCK, n_variants - start)
        common = rng.uniform(0.01, 0.5, size)
        rare = np.exp(rng.uniform(np.log(0.001), np.log(0.05), size))
        frequency = np.where(rng.random(size) < 0.25, rare, common)
        limit = np.rint(frequency * 65_536).astype(np.uint16)[:, np.newaxis]
        draws = _uint16(rng, (2, size, n_people))
        copies = ((draws[0] < limit).view(np.int8)) + (draws[1] < limit).view(np.int8)
        keep = _uint16(rng, (size // 2, n_people)) < 0.9 * 65_536
        copies[1::2][keep] = copies[0 : 2 * (size // 2) : 2][keep]
        copies[_uint16(rng, (size, n_people)) < MISSING * 65_536] = -1
        yield copies


def _uint16(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    return np.frombuffer(rng.bytes(2 * size), dtype=np.uint16).reshape(shape)
