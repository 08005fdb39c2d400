"""Time `classify` against the same definition written by hand as SQL, in alternation.

Data are made once and kept. Each run is a process of its own; the class and date of every
person must be the same, or the run stops: the ratio of two programs that find different
people would say nothing.

    python benchmarks/phenotype/run.py                                   # a tenth of the next
    python benchmarks/phenotype/run.py --people 500000 --drugs 50000000 --conditions 30000000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
Figures = dict[str, float]


def run_task(task: str, cdm: Path, threads: int) -> Figures:
    """Run one task in a process of its own; give what it measured."""
    out = cdm / f"result_{task}.parquet"
    command = [sys.executable, str(HERE / "task.py"), task, str(cdm), str(out)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True
    )
    figures: Figures = json.loads(done.stdout)
    return figures


def make_data(cdm: Path, *sizes: int) -> None:
    """Make the data unless they are there."""
    texts = [str(size) for size in sizes]
    subprocess.run([sys.executable, str(HERE / "data.py"), str(cdm), *texts], check=True)


def check_equal(cdm: Path, task: str) -> int:
    """Stop unless both found the same class and date for everybody; count the resistant."""
    import pandas as pd

    kinds = {"trd_date": "datetime64[ns]"}
    mine, theirs = (
        pd.read_parquet(cdm / f"result_{name}.parquet").astype(kinds) for name in (task, "by_hand")
    )
    if not mine.equals(theirs):
        differ = (mine != theirs).any(axis=1) if mine.shape == theirs.shape else []
        raise SystemExit(f"{task} and by_hand.sql differ in {sum(differ):,} of {len(mine):,} rows")
    return int((mine["phenotype"] == "trd").sum())


def middle(runs: list[Figures], name: str) -> float:
    """Give the median of one figure."""
    return statistics.median(run[name] for run in runs)


def row(name: str, runs: list[Figures], beside: list[Figures]) -> str:
    """Give a row of the table: medians, and median ratios run by run."""
    ratios = (
        statistics.median(a[figure] / b[figure] for a, b in zip(runs, beside, strict=True))
        for figure in ("wall", "cpu")
    )
    cells = [f"{middle(runs, 'wall'):.2f} / {middle(runs, 'cpu'):.2f}"]
    cells += [f"{middle(runs, 'mib'):,.0f}", *(f"{ratio:.2f}" for ratio in ratios)]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Make the data if they are not there, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--drugs", type=int, default=5_000_000, help="rows of drug_exposure")
    parser.add_argument("--conditions", type=int, default=3_000_000)
    parser.add_argument("--ancestors", type=int, default=3_000_000)
    parser.add_argument("--dir", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    cdm = options.dir / f"ehr-{options.people}-{options.drugs}-{options.conditions}"
    make_data(cdm, options.people, options.drugs, options.conditions, options.ancestors)
    tasks = ("by_hand", "adequate2", "grid")
    found: dict[str, list[Figures]] = {task: [] for task in tasks}
    for number in range(options.runs + 1):
        for task in tasks:
            figures = run_task(task, cdm, options.threads)
            # The first round fills the page cache.
            if number:
                found[task].append(figures)
        if not number:
            n_resistant = check_equal(cdm, "adequate2")
    print(f"{platform.machine()}, {os.cpu_count()} processors, {options.threads} threads")
    print(
        f"{options.people:,} people, {options.drugs:,} rows of drug_exposure, "
        f"{options.conditions:,} of condition_occurrence; {n_resistant:,} resistant, "
        "the same by both\n"
    )
    print("| | wall / cpu s | MiB | wall, times the SQL | cpu, times the SQL |")
    print("|---|---|---|---|---|")
    for task in tasks:
        print(row(task, found[task], found["by_hand"]))
    over_one = statistics.median(
        a["wall"] / b["wall"] for a, b in zip(found["grid"], found["adequate2"], strict=True)
    )
    print(f"\ngrid of 15 definitions, times one: {over_one:.2f}")
    print(f"explain, median of 21 people: {1000 * middle(found['adequate2'], 'explain'):.0f} ms")


if __name__ == "__main__":
    main()
