"""Time `fit_logistic` against statsmodels Logit and GLM, and R's glm where R is installed.

All fit the same models in one run, in alternation; each peer fits some of them and is
scaled up. Every pair of results is compared: the ratio of two programs that compute
different numbers would say nothing.

    python benchmarks/models/logistic.py                       # 125,000 people, 61 scores
    python benchmarks/models/logistic.py --people 300000 --scores 1000 --peers none
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.special import expit

from pgs_trd.models import fit_logistic

N_COMPONENTS = 10

R_PROGRAM = """
d <- read.csv("data.csv")
scores <- grep("^s[0-9]", names(d), value = TRUE)
rest <- setdiff(names(d), c("y", scores))
t <- proc.time()
rows <- lapply(scores, function(s) {
  f <- glm(reformulate(c(rest, s), "y"), binomial, d, control = glm.control(1e-14, 50))
  summary(f)$coefficients[s, 1:2]
})
cat((proc.time() - t)[["elapsed"]], "\\n", file = "time.txt")
write.csv(do.call(rbind, rows), "fits.csv")
"""


@dataclass(frozen=True)
class Run:
    """Seconds of one fit of all models, and its numbers for the models it made."""

    wall: float
    cpu: float
    beta: np.ndarray
    se: np.ndarray


def simulate(
    n_people: int, n_scores: int, seed: int
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Draw correlated scores, age, sex and components on their raw scale, 10 % cases."""
    rng = np.random.default_rng(seed)
    components = rng.normal(size=(n_people, N_COMPONENTS))
    covariates = pd.DataFrame(components / np.sqrt(n_people)).add_prefix("pc")
    covariates["age"] = rng.uniform(20, 80, size=n_people)
    covariates["sex"] = (rng.random(n_people) < 0.6).astype(float)
    shared = rng.normal(size=(n_people, 8))
    values = np.empty((n_people, n_scores))
    for place in range(n_scores):
        values[:, place] = (
            rng.normal(size=n_people)
            + shared @ rng.normal(scale=0.3, size=8)
            + components @ rng.normal(scale=0.1, size=N_COMPONENTS)
        )
        values[:, place] /= values[:, place].std()
    predictor = -3 + 0.01 * (covariates["age"] - 50) + 0.3 * covariates["sex"]
    predictor += values[:, : min(12, n_scores)].sum(axis=1) * 0.1
    outcome = (rng.random(n_people) < expit(predictor)).astype(float)
    return outcome, pd.DataFrame(values).add_prefix("s"), covariates


def measure(fit: Callable[[], tuple[np.ndarray, np.ndarray]]) -> Run:
    """Time one fit."""
    wall, cpu = time.perf_counter(), time.process_time()
    beta, se = fit()
    return Run(time.perf_counter() - wall, time.process_time() - cpu, beta, se)


def ours(outcome, scores, covariates, **options) -> tuple[np.ndarray, np.ndarray]:
    """Fit all scores at once."""
    fits = fit_logistic(outcome, scores, covariates, **options)
    return fits["beta"].to_numpy(), fits["se"].to_numpy()


def one_by_one(kind: str, outcome, scores, covariates) -> tuple[np.ndarray, np.ndarray]:
    """Fit score after score with statsmodels."""
    rows = []
    for name in scores:
        design = sm.add_constant(pd.concat([covariates, scores[[name]]], axis=1))
        if kind == "statsmodels Logit":
            fit = sm.Logit(outcome, design).fit(disp=0)
        else:
            fit = sm.GLM(outcome, design, family=sm.families.Binomial()).fit(tol=1e-12)
        rows.append((fit.params[name], fit.bse[name]))
    return tuple(np.array(rows).T)


def with_r(outcome, scores, covariates) -> Run:
    """Fit score after score with R's glm; its time is without reading the data."""
    with tempfile.TemporaryDirectory() as folder:
        table = pd.concat([covariates, scores], axis=1).assign(y=outcome)
        table.to_csv(Path(folder, "data.csv"), index=False)
        Path(folder, "fit.R").write_text(R_PROGRAM, encoding="utf-8")
        subprocess.run(["Rscript", "fit.R"], cwd=folder, check=True)
        wall = float(Path(folder, "time.txt").read_text(encoding="utf-8"))
        fits = pd.read_csv(Path(folder, "fits.csv"), index_col=0).to_numpy()
    return Run(wall, float("nan"), fits[:, 0], fits[:, 1])


def best(runs: list[Run]) -> Run:
    """Give the fastest run: the others waited for something else."""
    return min(runs, key=lambda run: run.wall)


def report(name: str, run: Run, factor: float, mine: Run) -> None:
    """Print one line; `factor` scales the peer's models up to all."""
    n = len(run.beta)
    beta = np.max(np.abs(run.beta - mine.beta[:n]) / mine.se[:n])
    se = np.max(np.abs(run.se / mine.se[:n] - 1))
    print(
        f"{name:32s} {run.wall * factor:9.3f} s wall {run.cpu * factor:9.3f} s CPU   "
        f"{run.wall * factor / mine.wall:7.1f} x wall {run.cpu * factor / mine.cpu:7.1f} x CPU   "
        f"beta off by {beta:.0e} se, se by {se:.0e}"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=125_000)
    parser.add_argument("--scores", type=int, default=61)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-models", type=int, default=2)
    parser.add_argument("--peers", choices=["all", "none"], default="all")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    data = simulate(asked.people, asked.scores, asked.seed)
    print(f"{asked.people:,} people, {int(data[0].sum()):,} cases, {asked.scores} scores")
    some = (data[0], data[1].iloc[:, : asked.peer_models], data[2])
    kinds = ["statsmodels Logit", "statsmodels GLM"] if asked.peers == "all" else []
    variants = {
        "one thread": {"threads": 1},
        "all threads": {},
        "all threads, HC0": {"se": "HC0"},
        "all threads, Firth": {"method": "firth"},
        "all threads, profile intervals": {"interval": "profile"},
    }
    runs: dict[str, list[Run]] = {name: [] for name in [*variants, *kinds]}
    for _ in range(asked.runs):
        for name, options in variants.items():
            runs[name].append(measure(lambda options=options: ours(*data, **options)))
        for kind in kinds:
            runs[kind].append(measure(lambda kind=kind: one_by_one(kind, *some)))
    mine = best(runs["all threads"])
    for name in variants:
        report(f"ours, {name}", best(runs[name]), 1.0, mine)
    for kind in kinds:
        report(kind, best(runs[kind]), asked.scores / asked.peer_models, mine)
    if asked.peers == "all" and shutil.which("Rscript"):
        report("R glm", with_r(*some), asked.scores / asked.peer_models, mine)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    inputs = sum(part.to_numpy().nbytes for part in data[1:]) / 2**30
    print(f"peak memory {peak:.2f} GiB, of which the inputs are {inputs:.2f} GiB")


if __name__ == "__main__":
    main()
