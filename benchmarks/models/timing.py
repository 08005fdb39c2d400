"""What the benchmarks of models share: a timed run, the fastest of several, one line a peer."""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Run:
    """Seconds of some models, and their numbers, to compare: (n_models,) or (n_models, 2)."""

    wall: float
    cpu: float
    values: np.ndarray


def measure(work: Callable[[], np.ndarray]) -> Run:
    """Time one piece of work; processor seconds of programs it starts count too."""
    wall, cpu = time.perf_counter(), _processor_seconds()
    values = np.asarray(work())
    return Run(time.perf_counter() - wall, _processor_seconds() - cpu, values)


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def best(work: Callable[[], np.ndarray], n_runs: int) -> Run:
    """Give the fastest run: the others waited for something else."""
    return min((measure(work) for _ in range(n_runs)), key=lambda run: run.wall)


def print_head() -> None:
    """Print the names of the columns of `report`."""
    print(
        f"{'':38s}{'models':>7s}{'wall s':>10s}{'CPU s':>10s}{'x wall':>9s}{'x CPU':>9s}  apart\n"
        "(seconds are scaled to all models; x is how many times ours; apart is the largest "
        "relative\ndifference of what is compared, standard errors unless said)"
    )


def report(name: str, run: Run, n_models: int, mine: Run, *, compare: bool = True) -> None:
    """Print one line; a peer that made some models is scaled up to all.

    Parameters
    ----------
    run
        Of the peer; `values` are of the models it made, the first of all.
    n_models
        How many all are.
    mine
        Ours, of all models.
    compare
        Whether the two compute the same thing.
    """
    n_made = len(run.values)
    factor = n_models / n_made
    apart = "other method"
    if compare:
        apart = f"{np.max(np.abs(run.values / mine.values[:n_made] - 1)):.0e}"
    print(
        f"{name:38s}{n_made:7d}{run.wall * factor:10.3f}{run.cpu * factor:10.3f}"
        f"{run.wall * factor / mine.wall:9.1f}{run.cpu * factor / mine.cpu:9.1f}  {apart}",
        flush=True,
    )


def run_r(program: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, Run]:
    """Run an R program on tables; what it reads and writes is not in its seconds.

    The program finds `name.csv` for each table and calls `clock(name, expression)`, whose value
    is a vector or matrix with one row a model.
    """
    head = """
clock <- function(name, work) {
  start <- proc.time(); values <- work; used <- proc.time() - start
  write.table(values, paste0(name, ".out"), row.names = FALSE, col.names = FALSE)
  seconds <- c(used[["elapsed"]], sum(used[c("user.self", "sys.self")]))
  write(seconds, paste0(name, ".time"))
  invisible(values)
}
"""
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            table.to_csv(Path(folder, f"{name}.csv"), index=False)
        Path(folder, "program.R").write_text(head + program, encoding="utf-8")
        subprocess.run(["Rscript", "program.R"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        runs = {}
        for path in sorted(Path(folder).glob("*.time")):
            wall, cpu = (float(part) for part in path.read_text(encoding="utf-8").split())
            values = np.loadtxt(path.with_suffix(".out"), ndmin=1)
            runs[path.stem] = Run(wall, cpu, values)
    return runs


def peak_gib() -> float:
    """Give the peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
