"""Time `fit_cox` and `ph_test` against lifelines and R's survival, on the same data in one run.

Each peer that is installed fits some of the models and is scaled up; what it computes is
compared with ours, because the ratio of two programs that compute different numbers would say
nothing.

    python benchmarks/models/cox.py                    # 28,964 people, 61 scores
"""

from __future__ import annotations

import argparse
import shutil
import warnings

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.statistics import proportional_hazard_test
from timing import Run, best, measure, peak_gib, print_head, report, run_r

from pgs_trd.models import fit_cox, ph_test

N_COMPONENTS = 10

R_PROGRAM = """
library(survival)
d <- read.csv("data.csv")
scores <- grep("^s[0-9]", names(d), value = TRUE)
rest <- setdiff(names(d), c("t", "e", scores))
some <- head(scores, SOME)
few <- head(scores, FEW)
y <- Surv(d$t, d$e)
formula <- function(s) reformulate(c(rest, s), "y")
se <- function(f) sqrt(diag(f$var))[length(rest) + 1]
clock("R coxph.fit", sapply(scores, function(s) se(
  coxph.fit(as.matrix(d[c(rest, s)]), y, NULL, NULL, NULL, coxph.control(), NULL, "efron", NULL))))
fits <- list()
clock("R coxph", sapply(some, function(s) se(fits[[s]] <<- coxph(formula(s), d))))
clock("R cox.zph, fits made before", sapply(some, function(s) cox.zph(fits[[s]])$table[s, 1]))
clock("R coxph, robust", sapply(few, function(s) se(coxph(formula(s), d, robust = TRUE))))
"""


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


def errors_of(fits: list[CoxPHFitter]) -> np.ndarray:
    """Give the standard errors of the score."""
    return np.array([fit.standard_errors_["score"] for fit in fits])


def our_tests(data: tuple) -> np.ndarray:
    """Give the statistics of the scores' PH tests."""
    tests = ph_test(*data)
    return tests.loc[tests["term"] == tests["score"], "chi2"].to_numpy()


def time_ours(data: tuple, n_runs: int) -> dict[str, Run]:
    """Time what we do, and print it."""
    works = {
        "fit": lambda: fit_cox(*data)["se"].to_numpy(),
        "fit, one thread": lambda: fit_cox(*data, threads=1)["se"].to_numpy(),
        "fit, robust errors": lambda: fit_cox(*data, se="robust")["se"].to_numpy(),
        "PH tests, fits in them": lambda: our_tests(data),
    }
    runs = {}
    for name, work in works.items():
        runs[name] = best(work, n_runs)
        report(f"ours, {name}", runs[name], data[2].shape[1], runs[name])
    both = [runs["fit, robust errors"], runs["PH tests, fits in them"]]
    wall, cpu = (sum(getattr(run, kind) for run in both) for kind in ("wall", "cpu"))
    runs["all"] = Run(wall, cpu, runs["fit"].values)
    report("ours, robust fit + PH tests", runs["all"], data[2].shape[1], runs["all"])
    return runs


def time_lifelines(data: tuple, n_models: int, ours: dict[str, Run]) -> None:
    """Time some models of lifelines, and print them."""
    some = (*data[:2], data[2].iloc[:, :n_models], data[3])
    n_all = data[2].shape[1]
    fits: list[CoxPHFitter] = []

    def plain() -> np.ndarray:
        fits[:] = with_lifelines(*some)
        return errors_of(fits)

    report("lifelines", measure(plain), n_all, ours["fit"])
    robust = measure(
        lambda: errors_of(with_lifelines(*data[:2], data[2].iloc[:, :1], data[3], robust=True))
    )
    report("lifelines, robust errors", robust, n_all, ours["fit, robust errors"])
    first = (*data[:2], data[2].iloc[:, :1], data[3])
    tests = measure(lambda: lifelines_tests(fits[:1], *first))
    report("lifelines, PH tests", tests, n_all, ours["PH tests, fits in them"], compare=False)
    together = Run(robust.wall + tests.wall, robust.cpu + tests.cpu, robust.values)
    report("lifelines, robust fit + PH tests", together, n_all, ours["all"], compare=False)


def time_r(data: tuple, n_some: int, n_few: int, ours: dict[str, Run]) -> None:
    """Time R's survival, and print it."""
    duration, event, scores, covariates = data
    table = pd.concat([covariates, scores], axis=1).assign(t=duration, e=event.astype(int))
    program = R_PROGRAM.replace("SOME", str(n_some)).replace("FEW", str(n_few))
    runs = run_r(program, {"data": table})
    kinds = {
        "R coxph.fit": "fit",
        "R coxph": "fit",
        "R coxph, robust": "fit, robust errors",
        "R cox.zph, fits made before": "PH tests, fits in them",
    }
    for name, mine in kinds.items():
        report(name, runs[name], scores.shape[1], ours[mine])
    zph, robust = runs["R cox.zph, fits made before"], runs["R coxph, robust"]
    n_made = len(robust.values)
    share = n_made / len(zph.values)
    together = Run(robust.wall + zph.wall * share, robust.cpu + zph.cpu * share, robust.values)
    report("R coxph robust + cox.zph", together, scores.shape[1], ours["all"], compare=False)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=28_964)
    parser.add_argument("--events", type=int, default=3_854)
    parser.add_argument("--scores", type=int, default=61)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peer-models", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    data = simulate(asked.people, asked.events, asked.scores, asked.seed)
    print(
        f"{asked.people:,} people, {int(data[1].sum()):,} events on "
        f"{len(np.unique(data[0][data[1]])):,} days, {asked.scores} scores"
    )
    print_head()
    ours = time_ours(data, asked.runs)
    time_lifelines(data, asked.peer_models, ours)
    if shutil.which("Rscript"):
        time_r(data, 2 * asked.peer_models, 1, ours)
    print(f"peak memory of this process {peak_gib():.2f} GiB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
