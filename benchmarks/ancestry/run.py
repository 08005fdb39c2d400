"""Time components, kinship and pruning against plink2, both as whole processes.

Sets are made once and kept. Both programs' results are compared before a time is
printed: the ratio of two programs that compute different things would say nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.ancestry.kinship import king_kinship
from pgs_trd.ancestry.pca import fit_pca
from pgs_trd.ancestry.pruning import prune_variants
from pgs_trd.genotypes import open_genotypes, write_plink1

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scoring"))
from peers import (
    BLAS,
    Command,
    Run,
    available_blas,
    describe_machine,
    install_plink2,
    measure,
    version,
)

SIZES = {"pca": (20_000, 50_000), "king": (5_000, 50_000), "prune": (20_000, 50_000)}
N_POPULATIONS, N_COMPONENTS = 5, 10
DIFFERENTIATION = (0.005, 0.01, 0.02, 0.05, 0.1)
MISSING, BLOCK = 0.005, 500
KING_CUTOFF = 2.0**-4.5
WINDOW_KB, MAX_R2 = 1_000, 0.1


def make_data(folder: Path, n_people: int, n_variants: int) -> Path:
    """Write people of five populations (Balding-Nichols), neighbours in part correlated."""
    prefix = folder / f"{n_people}x{n_variants}"
    if Path(f"{prefix}.bed").exists():
        return prefix
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.SFC64(20_260_201))
    variants = pd.DataFrame(
        {
            "chromosome": (1 + np.arange(n_variants) * 22 // n_variants).astype(str),
            "position": 1_000 + 20_000 * np.arange(n_variants),
            "id": [f"rs{k}" for k in range(n_variants)],
            "counted_allele": "A",
            "other_allele": "G",
        }
    )
    people = [f"P{k:06d}" for k in range(n_people)]
    samples = pd.DataFrame({"person_id": people, "family_id": people})
    write_plink1(prefix, draw_blocks(rng, n_people, n_variants), variants=variants, samples=samples)
    return prefix


def draw_blocks(rng: np.random.Generator, n_people: int, n_variants: int):
    """Draw copies; the first twenty people have a child each, the last twenty."""
    population = np.arange(n_people) * N_POPULATIONS // n_people
    population[-20:] = population[:20]
    for start in range(0, n_variants, BLOCK):
        size = min(BLOCK, n_variants - start)
        ancestral = rng.uniform(0.06, 0.94, (size, 1))
        odds = 1 / np.array(DIFFERENTIATION) - 1
        frequency = rng.beta(ancestral * odds, (1 - ancestral) * odds)[:, population]
        alleles = [rng.random((size, n_people), dtype=np.float32) < frequency for _ in "ab"]
        for pair in alleles:
            copied = rng.random((size // 2, n_people), dtype=np.float32) < 0.5
            pair[1::2][copied] = pair[0 : 2 * (size // 2) : 2][copied]
        picked = rng.random((size, 20)) < 0.5
        alleles[0][:, -20:] = np.where(picked, alleles[0][:, :20], alleles[1][:, :20])
        copies = alleles[0].astype(np.int8) + alleles[1]
        copies[rng.random(copies.shape, dtype=np.float32) < MISSING] = -1
        yield copies


def run_ours(task: str, prefix: Path, threads: int, out: Path) -> None:
    """Do one task with pgs_trd in this process and write its result."""
    source = open_genotypes(prefix)
    rows = np.arange(len(source.variants))
    if task == "pca":
        fitted = fit_pca(
            source, rows, n_components=N_COMPONENTS, rng=np.random.default_rng(1), threads=threads
        )
        fitted.components.to_parquet(out)
    elif task == "king":
        king_kinship(source, rows, threads=threads).to_parquet(out)
    else:
        kept = prune_variants(source, rows, window_kb=WINDOW_KB, max_r2=MAX_R2, threads=threads)
        source.variants.iloc[kept][["id"]].to_parquet(out)


def our_command(task: str, prefix: Path, threads: int, out: Path) -> Command:
    """Give the command that runs this file for one task."""
    return Command(
        "pgs_trd",
        [sys.executable, str(Path(__file__).resolve()), "--ours", task, str(prefix), str(out),
         "--threads", str(threads)],
        {},
        out,
    )  # fmt: skip


def plink2_command(
    task: str, program: str, blas: str, prefix: Path, threads: int, out: Path
) -> Command:
    """Give plink2's command for one task."""
    wanted, ending = {
        "pca": (["--pca", str(N_COMPONENTS), "approx"], "eigenvec"),
        "king": (["--make-king-table", "--king-table-filter", str(KING_CUTOFF)], "kin0"),
        "prune": (["--indep-pairwise", f"{WINDOW_KB}kb", str(MAX_R2)], "prune.in"),
    }[task]
    environment = {"OPENBLAS_NUM_THREADS": str(threads)}
    if blas in BLAS:
        environment["LD_LIBRARY_PATH"] = str(BLAS[blas])
    return Command(
        f"plink2, {blas}",
        [program, "--bfile", str(prefix), "--threads", str(threads), *wanted, "--out", str(out)],
        environment,
        out.with_name(f"{out.name}.{ending}"),
    )


def compare_results(task: str, ours: Path, theirs: Path) -> str:
    """Say how far the results agree; stop if they do not."""
    mine = pd.read_parquet(ours)
    if task == "prune":
        peer = theirs.read_text().split()
        if mine["id"].tolist() != peer:
            raise SystemExit("the programs keep different variants")
        return f"the same {len(peer):,} variants"
    table = pd.read_csv(theirs, sep="\t")
    if task == "king":
        peer = table["KINSHIP"].sort_values().to_numpy()
        if not np.allclose(mine["kinship"].sort_values(), peer, rtol=0, atol=1e-6):
            raise SystemExit("the programs find different pairs")
        return f"the same {len(peer):,} pairs"
    names = [f"PC{k}" for k in range(1, N_POPULATIONS)]
    worst = min(abs(np.corrcoef(mine[name], table[name])[0, 1]) for name in names)
    if worst < 0.999:
        raise SystemExit(f"a leading component correlates by {worst:.4f} only")
    return f"PC1 to PC{len(names)}: r > {np.floor(worst * 1e6) / 1e6:.6f}"


def run_task(task: str, options: argparse.Namespace, program: str | None) -> None:
    """Print the row of one task."""
    default = SIZES[task]
    n_people, n_variants = options.people or default[0], options.variants or default[1]
    prefix = make_data(options.dir, n_people, n_variants)
    ours = our_command(task, prefix, options.threads, options.dir / f"ours.{task}.parquet")
    label = f"{task}, {n_people:,} x {n_variants:,}"
    if program is None:
        runs = [measure(ours) for _ in range(options.runs)]
        print(f"| {label} | {middle(runs)} | | | | |", flush=True)
        return
    blas = available_blas(program)[0]
    peer = plink2_command(task, program, blas, prefix, options.threads, options.dir / task)
    pairs = [(measure(ours), measure(peer)) for _ in range(options.runs)]
    agreement = compare_results(task, ours.out, peer.out)
    mine, theirs = zip(*pairs, strict=True)
    ratio = statistics.median([b.wall / a.wall for a, b in pairs])
    print(
        f"| {label} | {middle(list(mine))} | {middle(list(theirs))} | {ratio:.1f}x | {agreement} |",
        flush=True,
    )


def middle(runs: list[Run]) -> Run:
    """Give the median of each figure."""
    return Run(
        *(statistics.median([getattr(r, f) for r in runs]) for f in ("wall", "cpu", "memory"))
    )


def main() -> None:
    """Make what sets are not there, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--people", type=int, help="instead of the size of the task")
    parser.add_argument("--variants", type=int, help="instead of the size of the task")
    parser.add_argument("--dir", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--plink2", help="program to time against, if not the one installed")
    parser.add_argument("--ours", nargs=3, metavar=("TASK", "PREFIX", "OUT"),
                        help="only do one task with pgs_trd")  # fmt: skip
    parser.add_argument("--make", action="store_true", help="only make the sets")
    options = parser.parse_args()
    if options.ours:
        task, prefix, out = options.ours
        run_ours(task, Path(prefix), options.threads, Path(out))
        return
    if options.make:
        for task in options.tasks:
            make_data(options.dir, options.people or SIZES[task][0],
                      options.variants or SIZES[task][1])  # fmt: skip
        return
    program = install_plink2(options.plink2)
    print(f"{describe_machine()}; {options.threads} threads, files in the page cache")
    if program is not None:
        print(f"{version(program)}; BLAS there: {', '.join(available_blas(program))}")
    print(
        "\n| | pgs_trd wall / cpu s | MiB | plink2 wall / cpu s | MiB | ratio of wall | results |"
        "\n|---|---|---|---|---|---|---|"
    )
    for task in options.tasks:
        run_task(task, options, program)


if __name__ == "__main__":
    main()
