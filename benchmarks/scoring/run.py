"""Time `pgs-trd score` against plink2, both as whole processes, in alternation."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from data import make_data

OPENBLAS = Path("/usr/lib/x86_64-linux-gnu/openblas-pthread")


@dataclass(frozen=True)
class Command:
    """One program's way to do the job."""

    name: str
    arguments: list[str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Run:
    """What one run took: wall seconds, processor seconds, peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


def measure(command: Command) -> Run:
    """Run once; take time and peak memory from the operating system's accounts."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command.arguments,
        env={**os.environ, **command.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command.name} failed: {' '.join(command.arguments)}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def plink2(data: Path, form: str, n_scores: int, threads: int) -> Command | None:
    """Give plink2's command; with OpenBLAS on one thread of its own where it is installed."""
    program = find_plink2()
    if program is None:
        return None
    columns = "4" if n_scores == 1 else f"4-{n_scores + 3}"
    weights = data / f"weights_{n_scores}.tsv"
    return Command(
        "plink2",
        [
            program, "--bfile" if form == "bed" else "--pfile", str(data / "set"),
            "--threads", str(threads), "--score", str(weights), "1", "2", "header-read",
            "cols=+scoresums", "--score-col-nums", columns, "--out", str(data / "plink2"),
        ],
        {"LD_LIBRARY_PATH": str(OPENBLAS), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def find_plink2() -> str | None:
    """Give the plink2 program itself, not a shell script that chooses among builds."""
    direct = Path("/usr/lib/plink2/plink2-avx2")
    return str(direct) if direct.exists() else shutil.which("plink2")


def pgs_trd(data: Path, form: str, n_scores: int, threads: int) -> Command:
    """Give our command for the same scores."""
    return Command(
        "pgs-trd",
        [
            str(Path(sys.executable).with_name("pgs-trd")), "score",
            str(data / f"set.{'bed' if form == 'bed' else 'pgen'}"),
            "--weights", str(data / f"weights_{n_scores}.tsv"),
            "--columns", "id=ID,effect_allele=A1,other_allele=A2,effect_weight=*",
            "--by", "id", "--palindromes", "keep", "--threads", str(threads),
            "--out", str(data / "pgs_trd.parquet"),
        ],
        {},
    )  # fmt: skip


def compare(ours: Command, peer: Command, n_runs: int) -> str:
    """Run both in alternation and give a row: medians and the median ratio pair by pair."""
    measure(ours), measure(peer)
    pairs = [(measure(ours), measure(peer)) for _ in range(n_runs)]

    def middle(values: list[float]) -> float:
        return statistics.median(values)

    mine, theirs = zip(*pairs, strict=True)
    ratio = middle([b.wall / a.wall for a, b in pairs])
    cells = [
        f"{middle([r.wall for r in mine]):.2f} / {middle([r.cpu for r in mine]):.2f}",
        f"{middle([r.memory for r in mine]):,.0f}",
        f"{middle([r.wall for r in theirs]):.2f} / {middle([r.cpu for r in theirs]):.2f}",
        f"{middle([r.memory for r in theirs]):,.0f}",
        f"{ratio:.1f}x",
    ]
    return " | ".join(cells)


def version(program: str) -> str:
    """Give the first line of a program's --version."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[0]


def main() -> None:
    """Make the data if they are not there, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--variants", type=int, default=200_000)
    parser.add_argument("--dir", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--forms", nargs="+", choices=["bed", "pgen"], default=["bed"])
    options = parser.parse_args()
    data = options.dir / f"{options.people}x{options.variants}"
    make_data(data, options.people, options.variants)
    ours = str(Path(sys.executable).with_name("pgs-trd"))
    print(f"{options.people:,} people x {options.variants:,} variants, {options.threads} threads")
    print(version(ours))
    peer_program = find_plink2()
    if peer_program is None:
        print("plink2 is not installed: only our own times")
    else:
        blas = "OpenBLAS" if OPENBLAS.exists() else "the BLAS of the distribution"
        print(f"{version(peer_program)}, {blas}")
    print("\n| | pgs-trd wall / cpu s | MiB | plink2 wall / cpu s | MiB | ratio of wall |")
    print("|---|---|---|---|---|---|")
    for form in options.forms:
        for n_scores in (1, 61):
            mine = pgs_trd(data, form, n_scores, options.threads)
            peer = plink2(data, form, n_scores, options.threads)
            name = f"{form}, {n_scores} score{'s' if n_scores > 1 else ''}"
            if peer is None:
                run = measure(mine)
                print(f"| {name} | {run.wall:.2f} / {run.cpu:.2f} | {run.memory:,.0f} | | | |")
            else:
                print(f"| {name} | {compare(mine, peer, options.runs)} |", flush=True)


if __name__ == "__main__":
    main()
