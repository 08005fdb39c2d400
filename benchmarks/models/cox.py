"""Time `fit_cox` and `ph_test` against lifelines, and R's survival where R is installed.

All fit the same models in one run; each peer fits some of them and is scaled up. Every
pair of results is compared: the ratio of two programs that compute different numbers
would say nothing.

    python benchmarks/models/cox.py                    # 28,964 people, 61 scores
    python benchmarks/models/cox.py --robust --ph      # robust errors and PH tests too
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test

from pgs_trd.models import fit_cox, ph_test

N_COMPONENTS = 10

R_PROGRAM = """
library(survival)
d <- read.csv("data.csv")
scores <- grep("^s[0-9]", names(d), value = TRUE)
rest <- setdiff(names(d), c("t", "e", scores))
y <- Surv(d$t, d$e)
clock <- function(work) { t <- proc.time(); work; (proc.time() - t)[["elapsed"]] }
bare <- clock(for (s in scores) {
  x <- as.matrix(d[c(rest, s)])
  coxph.fit(x, y, NULL, NULL, NULL, coxph.control(), NULL, "efron", NULL)
})
formula <- function(s) reformulate(c(rest, s), "y")
fits <- list()
plain <- clock(for (s in scores) fits[[s]] <- coxph(formula(s), d, eps = 1e-14))
robust <- clock(for (s in scores) coxph(formula(s), d, robust = TRUE))
zph <- clock(tests <- lapply(fits, function(f) cox.zph(f)$table))
rows <- t(sapply(scores, function(s) c(summary(fits[[s]])$coefficients[s, c(1, 3)],
                                       tests[[s]][s, 1])))
write.csv(rows, "fits.csv")
write.csv(data.frame(bare, plain, robust, zph), "times.csv", row.names = FALSE)
"""


@dataclass(frozen=True)
class Run:
    """Seconds of some models, and one number a model to compare."""

    wall: float
    cpu: float
    values: np.ndarray


def simulate(
    n_people: int, n_events: int, n_scores: int, seed: int
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Draw correlated scores, age, sex, components on their raw scale, and whole days."""
    rng = np.random.default_rng(seed)
    components = rng.normal(size=(n_people, N_COMPONENTS))
    covariates = pd.DataFrame(components / np.sqrt(n_people)).add_prefix("pc")
    covariates["age"] = rng.uniform(20, 80, size=n_people)
    covariates["sex"] = (rng.random(n_people) < 0.6).astype(float)
    shared = rng.normal(size=(n_people, 8))
    scores = rng.normal(size=(n_people, n_scores)) + shared @ rng.normal(
        scale=0.3, size=(8, n_scores)
    )
    scores /= scores.std(axis=0)
    predictor = 0.01 * covariates["age"] + scores[:, : min(12, n_scores)].sum(axis=1) * 0.05
    hidden = rng.exponential(np.exp(-predictor.to_numpy()))
    limit = rng.uniform(0.02, 1.0, size=n_people)
    # The day unit is such that the number of events comes out as asked.
    scale = np.partition(hidden / limit, n_events)[n_events]
    limit *= scale
    day = max(float(limit.max()) / 2_700, 1e-12)
    event = hidden < limit
    duration = np.ceil(np.minimum(hidden, limit) / day)
    return duration, event, pd.DataFrame(scores).add_prefix("s"), covariates


def measure(work: Callable[[], np.ndarray]) -> Run:
    """Time one piece of work."""
    wall, cpu = time.perf_counter(), time.process_time()
    values = work()
    return Run(time.perf_counter() - wall, time.process_time() - cpu, values)


def best(work: Callable[[], np.ndarray], n_runs: int) -> Run:
    """Give the fastest run: the others waited for something else."""
    return min((measure(work) for _ in range(n_runs)), key=lambda run: run.wall)


def with_lifelines(duration, event, scores, covariates, **options) -> list[CoxPHFitter]:
    """Fit score after score."""
    fits = []
    for name in scores:
        table = covariates.assign(score=scores[name], t=duration, e=event)
        fits.append(CoxPHFitter().fit(table, "t", "e", fit_options={"precision": 1e-9}, **options))
    return fits


def lifelines_tests(fits, duration, event, scores, covariates) -> np.ndarray:
    """Test the score's hazard ratio, with the older approximation that lifelines has."""
    rows = []
    for fit, name in zip(fits, scores, strict=True):
        table = covariates.assign(score=scores[name], t=duration, e=event)
        tests = proportional_hazard_test(fit, table, time_transform="km")
        rows.append(tests.summary.loc["score", "test_statistic"])
    return np.array(rows)


def with_r(duration, event, scores, covariates) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit score after score with R; give its numbers and its times without reading the data."""
    with tempfile.TemporaryDirectory() as folder:
        table = pd.concat([covariates, scores], axis=1).assign(t=duration, e=event.astype(int))
        table.to_csv(Path(folder, "data.csv"), index=False)
        Path(folder, "fit.R").write_text(R_PROGRAM, encoding="utf-8")
        subprocess.run(["Rscript", "fit.R"], cwd=folder, check=True)
        return pd.read_csv(Path(folder, "fits.csv"), index_col=0), pd.read_csv(
            Path(folder, "times.csv")
        )


def report(name: str, run: Run, factor: float, mine: Run) -> None:
    """Print one line; `factor` scales the peer's models up to all."""
    n = len(run.values)
    apart = np.max(np.abs(run.values / mine.values[:n] - 1))
    print(
        f"{name:34s} {run.wall * factor:9.3f} s wall {run.cpu * factor:9.3f} s CPU   "
        f"{run.wall * factor / mine.wall:7.1f} x wall {run.cpu * factor / mine.cpu:7.1f} x CPU   "
        f"apart by {apart:.0e}"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=28_964)
    parser.add_argument("--events", type=int, default=3_854)
    parser.add_argument("--scores", type=int, default=61)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peer-models", type=int, default=2)
    parser.add_argument("--robust", action="store_true")
    parser.add_argument("--ph", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    data = simulate(asked.people, asked.events, asked.scores, asked.seed)
    some = (*data[:2], data[2].iloc[:, : asked.peer_models], data[3])
    factor = asked.scores / asked.peer_models
    print(
        f"{asked.people:,} people, {int(data[1].sum()):,} events on "
        f"{len(np.unique(data[0][data[1]])):,} days, {asked.scores} scores"
    )
    mine = best(lambda: fit_cox(*data)["se"].to_numpy(), asked.runs)
    one = best(lambda: fit_cox(*data, threads=1)["se"].to_numpy(), asked.runs)
    report("ours, fit", mine, 1.0, mine)
    report("ours, fit, one thread", one, 1.0, mine)
    robust = best(lambda: fit_cox(*data, se="robust")["se"].to_numpy(), asked.runs)
    report("ours, fit with robust errors", robust, 1.0, robust)

    def our_tests() -> np.ndarray:
        tests = ph_test(*data)
        return tests.loc[tests["term"] == tests["score"], "chi2"].to_numpy()

    tests = best(our_tests, asked.runs)
    report("ours, PH tests (fits in them)", tests, 1.0, tests)
    fits: list[CoxPHFitter] = []

    def plain() -> np.ndarray:
        fits[:] = with_lifelines(*some)
        return np.array([fit.standard_errors_["score"] for fit in fits])

    report("lifelines, fit", measure(plain), factor, mine)
    if asked.robust:
        peer = measure(
            lambda: np.array(
                [fit.standard_errors_["score"] for fit in with_lifelines(*some, robust=True)]
            )
        )
        report("lifelines, fit with robust errors", peer, factor, robust)
    if asked.ph:
        report("lifelines, PH tests", measure(lambda: lifelines_tests(fits, *some)), factor, tests)
    if shutil.which("Rscript") is None:
        print("R is not installed: no comparison with survival")
        return
    numbers, seconds = with_r(*data)
    for name, column, ours in (
        ("bare", 1, mine),
        ("plain", 1, mine),
        ("robust", 1, robust),
        ("zph", 2, tests),
    ):
        values = numbers.iloc[:, column].to_numpy() if name != "robust" else ours.values
        report(f"R survival, {name}", Run(float(seconds[name][0]), np.nan, values), 1.0, ours)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
