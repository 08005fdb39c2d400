"""Time `fit_logistic` against statsmodels, R and plink2, all on the same data in one run.

Each peer that is installed fits some of the models and is scaled up; its standard errors are
compared with ours, because the ratio of two programs that compute different numbers would say
nothing. R's own errors are those of the last but one step, so it is told to go on to 1e-14.
plink2 takes scores as dosages from 0 to 2 in steps of 2**-14 and is timed as a whole process. Which
version it is stands in its line: a3.5 computes in single precision, a.6.9 in double.

    python benchmarks/models/logistic.py                   # 125,000 people, 61 scores
    python benchmarks/models/logistic.py --people 290000
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.special import expit
from timing import Run, best, measure, peak_gib, print_head, report, run_r

from pgs_trd.models import fit_logistic

N_COMPONENTS = 10

R_PROGRAM = """
d <- read.csv("data.csv")
scores <- grep("^s[0-9]", names(d), value = TRUE)
rest <- setdiff(names(d), c("y", scores))
exact <- glm.control(1e-14, 50)
error <- function(f, s) summary(f)$coefficients[s, 2]
clock("R glm", sapply(scores, function(s)
  error(glm(reformulate(c(rest, s), "y"), binomial, d, control = exact), s)))
clock("R glm, default tolerance", sapply(scores, function(s)
  error(glm(reformulate(c(rest, s), "y"), binomial, d), s)))
clock("R glm.fit", sapply(scores, function(s) {
  x <- cbind(1, as.matrix(d[c(rest, s)]))
  f <- glm.fit(x, d$y, family = binomial(), control = exact)
  sqrt(diag(chol2inv(f$qr$qr[1:f$rank, 1:f$rank])))[f$rank]
}))
if (requireNamespace("brglm2", quietly = TRUE))
  clock("R brglm2, Firth", sapply(scores[1], function(s)
    error(glm(reformulate(c(rest, s), "y"), binomial, d, method = brglm2::brglmFit,
              type = "AS_mean", epsilon = 1e-10), s)))
"""


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
    predictor = -2.6 + 0.01 * (covariates["age"] - 50) + 0.3 * covariates["sex"]
    predictor += values[:, : min(12, n_scores)].sum(axis=1) * 0.1
    outcome = (rng.random(n_people) < expit(predictor)).astype(float)
    return outcome, pd.DataFrame(values).add_prefix("s"), covariates


def one_by_one(kind: str, outcome, scores, covariates) -> np.ndarray:
    """Fit score after score with statsmodels; give standard errors."""
    errors = []
    for name in scores:
        design = sm.add_constant(pd.concat([covariates, scores[[name]]], axis=1))
        if kind == "statsmodels Logit":
            fit = sm.Logit(outcome, design).fit(disp=0)
        else:
            fit = sm.GLM(outcome, design, family=sm.families.Binomial()).fit(tol=1e-12)
        errors.append(fit.bse[name])
    return np.array(errors)


def with_plink2(outcome, scores, covariates, n_threads: int, n_runs: int) -> Run:
    """Fit all scores as if they were variants; give errors per unit of the score."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        people = [f"p{i}" for i in range(len(scores))]
        low, wide = scores.min().to_numpy(), np.ptp(scores.to_numpy(), axis=0)
        steps = np.round((scores.to_numpy() - low) / wide * 2 * 2**14) / 2**14
        alleles = pd.DataFrame({"id": scores.columns, "a1": "A", "a2": "G"})
        dosages = pd.concat([alleles, pd.DataFrame(steps.T)], axis=1)
        dosages.to_csv(here / "dosage.txt", sep=" ", index=False, header=False)
        places = pd.DataFrame({"chromosome": 1, "id": scores.columns, "cm": 0})
        places["position"] = np.arange(1, len(low) + 1)
        places.to_csv(here / "scores.map", sep=" ", index=False, header=False)
        ids = pd.DataFrame({"#FID": people, "IID": people})
        ids.to_csv(here / "people.psam", sep="\t", index=False)
        cases = ids.assign(y=outcome.astype(int) + 1)
        cases.to_csv(here / "y.txt", sep="\t", index=False)
        adjusted = pd.concat([ids, covariates], axis=1)
        adjusted.to_csv(here / "covariates.txt", sep="\t", index=False)
        _plink2(
            folder, "--import-dosage", "dosage.txt", "noheader", "format=1",
            "--psam", "people.psam", "--map", "scores.map", "--make-pgen", "--out", "scores",
        )  # fmt: skip
        return best(lambda: _glm(folder, n_threads) * 2 / wide, n_runs)


def _plink2(folder: str | None, *arguments: str) -> str:
    done = subprocess.run(["plink2", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"plink2: {done.stderr}")
    return done.stdout


def _glm(folder: str, n_threads: int) -> np.ndarray:
    _plink2(
        folder, "--pfile", "scores", "--pheno", "y.txt", "--covar", "covariates.txt",
        "--covar-variance-standardize", "--glm", "hide-covar", "no-firth", "cols=+beta,+se",
        "--threads", str(n_threads), "--out", "fit",
    )  # fmt: skip
    table = pd.read_csv(next(Path(folder).glob("fit.*.glm.logistic*")), sep="\t")
    error = next(name for name in table.columns if "SE" in name)
    return table.sort_values("POS")[error].to_numpy()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=125_000)
    parser.add_argument("--scores", type=int, default=61)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-models", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    data = simulate(asked.people, asked.scores, asked.seed)
    print(f"{asked.people:,} people, {int(data[0].sum()):,} cases, {asked.scores} scores")
    print_head()
    variants = {
        "": {},
        ", one thread": {"threads": 1},
        ", HC0 errors": {"se": "HC0"},
        ", Firth": {"method": "firth"},
        ", Firth, one thread": {"method": "firth", "threads": 1},
        ", profile intervals": {"interval": "profile"},
    }
    runs = {}
    for name, options in variants.items():
        runs[name] = best(lambda o=options: fit_logistic(*data, **o)["se"].to_numpy(), asked.runs)
        report(f"ours{name}", runs[name], asked.scores, runs[name])
    some = (data[0], data[1].iloc[:, : asked.peer_models], data[2])
    for kind in ("statsmodels Logit", "statsmodels GLM"):
        peer = measure(lambda kind=kind: one_by_one(kind, *some))
        report(kind, peer, asked.scores, runs[""])
    if shutil.which("Rscript"):
        table = pd.concat([some[2], some[1]], axis=1).assign(y=some[0])
        for name, run in run_r(R_PROGRAM, {"data": table}).items():
            report(name, run, asked.scores, runs[", Firth" if "Firth" in name else ""])
    if shutil.which("plink2"):
        version = _plink2(None, "--version").split()[1]
        for n_threads, mine in ((2, ""), (1, ", one thread")):
            run = with_plink2(*data, n_threads, 2)
            report(f"plink2 {version}, {n_threads} threads", run, asked.scores, runs[mine])
    print(f"peak memory of this process {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()
