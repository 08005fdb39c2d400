"""Measure the peak memory and time of `pgs-trd associate` on a large Parquet file of scores.

The file is made first, a range of people at a time, and deleted at the end. 1,000 scores of
300,000 people are 2.2 GiB as numbers; the command must stay below 6 GiB.

    python benchmarks/models/memory.py                            # 300,000 people, 1,000 scores
    python benchmarks/models/memory.py --people 50000 --scores 200
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_AT_ONCE = 25_000
N_COMPONENTS = 10


def write_tables(folder: Path, n_people: int, n_scores: int, seed: int) -> None:
    """Write scores, covariates and phenotype of made-up people."""
    rng = np.random.default_rng(seed)
    ids = [f"p{place}" for place in range(n_people)]
    names = [f"s{place}" for place in range(n_scores)]
    kinds = [("person_id", pa.string()), *((name, pa.float64()) for name in names)]
    with pq.ParquetWriter(folder / "scores.parquet", pa.schema(kinds)) as writer:
        for start in range(0, n_people, ROWS_AT_ONCE):
            part = ids[start : start + ROWS_AT_ONCE]
            columns = [pa.array(rng.normal(size=len(part))) for _ in names]
            writer.write_table(pa.table([pa.array(part), *columns], schema=writer.schema))
    covariates = pd.DataFrame(rng.normal(size=(n_people, N_COMPONENTS))).add_prefix("pc")
    covariates.insert(0, "person_id", ids)
    covariates["age"] = rng.uniform(20, 80, size=n_people)
    covariates["sex"] = rng.choice(["female", "male"], size=n_people)
    covariates.to_parquet(folder / "covariates.parquet")
    is_mdd = rng.random(n_people) < 0.2
    kind = np.where(rng.random(n_people) < 0.3, "trd", "responsive")
    pd.DataFrame(
        {"person_id": ids, "phenotype": np.where(is_mdd, kind, "no_mdd"), "is_mdd": is_mdd}
    ).to_parquet(folder / "phenotype.parquet")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300_000)
    parser.add_argument("--scores", type=int, default=1_000)
    parser.add_argument("--contrasts", default="mdd_vs_none")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tables(folder, asked.people, asked.scores, asked.seed)
        columns = ",".join(["age", "sex", *(f"pc{place}" for place in range(N_COMPONENTS))])
        start = time.perf_counter()
        subprocess.run(
            [
                sys.executable, "-c", "from pgs_trd.cli import main; main()", "associate",
                "--phenotype", folder / "phenotype.parquet",
                "--scores", folder / "scores.parquet",
                "--covariates", folder / "covariates.parquet",
                "--covariate-columns", columns, "--stratum", "", "--contrasts", asked.contrasts,
                "--out", folder / "association.parquet",
            ],
            check=True,
        )  # fmt: skip
        wall = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        table = pd.read_parquet(folder / "association.parquet")
        size = (folder / "scores.parquet").stat().st_size / 2**30
    print(
        f"{asked.people:,} people x {asked.scores:,} scores ({size:.2f} GiB of Parquet): "
        f"{(table['status'] == 'ok').sum():,} models, {wall:.1f} s, peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    main()
