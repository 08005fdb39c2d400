"""Time `pgs-trd match`: 61 weight files of a million rows against a million variants."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from peers import Command, describe_machine, measure, our_program, version

from pgs_trd.genotypes import write_plink1

N_PEOPLE = 8
PAIRS = np.array([["A", "G"], ["C", "T"], ["A", "C"], ["G", "T"], ["A", "T"], ["C", "G"]])
BLOCK = 10_000


def make_genotypes(folder: Path, n_variants: int, rng: np.random.Generator) -> pd.DataFrame:
    """Write set.bed of a few people, and give its variants: one in ten palindromic."""
    shares = [0.25, 0.25, 0.2, 0.2, 0.05, 0.05]
    pairs = PAIRS[rng.choice(len(PAIRS), n_variants, p=shares)]
    variants = pd.DataFrame(
        {
            "chromosome": (1 + np.arange(n_variants) * 22 // n_variants).astype(str),
            "position": 10_000 + np.cumsum(rng.integers(1, 5_000, n_variants) // 25),
            "id": [f"rs{i}" for i in range(1, n_variants + 1)],
            "counted_allele": pairs[:, 0],
            "other_allele": pairs[:, 1],
        }
    )
    people = [f"P{i}" for i in range(N_PEOPLE)]
    samples = pd.DataFrame({"person_id": people, "family_id": people, "sex": "unknown"})
    sizes = [min(BLOCK, n_variants - start) for start in range(0, n_variants, BLOCK)]
    blocks = (rng.integers(0, 3, (size, N_PEOPLE)).astype(np.int8) for size in sizes)
    write_plink1(folder / "set", blocks, variants=variants, samples=samples)
    return variants


def write_weights(path: Path, variants: pd.DataFrame, n_rows: int, seed: int) -> None:
    """Write a file as the PGS Catalog's: 95 % of its rows at variants of the genotypes.

    Half of the effect alleles are the other allele; 1 in 20 rows is elsewhere.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(variants), n_rows, replace=n_rows > len(variants)))
    row = variants.iloc[chosen]
    swapped = rng.random(n_rows) < 0.5
    alleles = row[["counted_allele", "other_allele"]].to_numpy(dtype=object)
    elsewhere = rng.random(n_rows) < 0.05
    table = pa.table(
        {
            "rsID": row["id"].to_numpy(dtype=object),
            "chr_name": row["chromosome"].astype("int64").to_numpy(),
            "chr_position": row["position"].to_numpy() + np.where(elsewhere, 300_000_000, 0),
            "effect_allele": np.where(swapped, alleles[:, 1], alleles[:, 0]),
            "other_allele": np.where(swapped, alleles[:, 0], alleles[:, 1]),
            "effect_weight": np.round(rng.normal(0, 0.001, n_rows), 8),
            "allelefrequency_effect": np.round(rng.uniform(0.01, 0.99, n_rows), 4),
        }
    )
    head = (
        "###PGS CATALOG SCORING FILE\n#format_version=2.0\n"
        f"#pgs_id=PGS9{seed:05d}\n#genome_build=GRCh38\n"
    )
    form = pyarrow.csv.WriteOptions(delimiter="\t", quoting_style="none")
    with pa.CompressedOutputStream(str(path), "gzip") as file:
        file.write(head.encode())
        pyarrow.csv.write_csv(table, file, form)


def main() -> None:
    """Make the files if they are not there; run once warm, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=61)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    folder = options.dir / f"match-{options.files}x{options.rows}"
    weights = folder / "weights"
    if not (folder / "ready").exists():
        weights.mkdir(parents=True, exist_ok=True)
        variants = make_genotypes(folder, options.rows, np.random.default_rng(20_260_103))
        for number in range(options.files):
            path = weights / f"PGS9{number:05d}.txt.gz"
            write_weights(path, variants, options.rows, number)
        (folder / "ready").touch()
    out = folder / "match.parquet"
    command = Command(
        "pgs-trd match",
        [our_program(), "match", str(folder / "set.bed"), "-w", str(weights), "-o", str(out)],
        {},
        out,
    )
    measure(command)
    print(f"{describe_machine()}\n{version(our_program())}")
    print(f"{options.files} files x {options.rows:,} rows, {options.rows:,} variants\n")
    print("| wall / cpu s | MiB |\n|---|---|")
    for _ in range(options.runs):
        print(f"| {measure(command)} |", flush=True)


if __name__ == "__main__":
    main()
