"""Hold what `pgs-trd plan` predicts to what the jobs of real studies take.

    python benchmarks/scale/run.py          # three studies, predicted against measured
    python benchmarks/scale/run.py --fit    # measure the constants anew, on other studies

Each job of a plan is run as a process of its own, after the files it reads are in the page
cache; its processor time and peak memory are the operating system's.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import nnls

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scoring"))

from peers import Command, describe_machine, find_plink2, measure, our_program  # noqa: E402
from studies import Wanted, make_study  # noqa: E402

from pgs_trd.study import costs  # noqa: E402
from pgs_trd.study.config import load_config  # noqa: E402
from pgs_trd.study.costs import KINDS, Size, job_cost, part_of, quantities  # noqa: E402
from pgs_trd.study.plan import Plan, plan_study  # noqa: E402
from pgs_trd.study.sizes import count_genotypes  # noqa: E402

CONSTANTS = Path(costs.__file__).with_name("costs.json")
CHECKED = [Wanted(2_000, 4), Wanted(10_000, 20, parts=4), Wanted(50_000, 40, covariates=12)]
FITTED = [
    Wanted(1_000, 1, covariates=12),
    Wanted(1_000, 60, parts=3),
    Wanted(5_000, 2, parts=2, grid=False),
    Wanted(5_000, 30, covariates=12),
    Wanted(20_000, 4, parts=2, covariates=12, grid=False),
    Wanted(20_000, 30),
]
RANGES = ("people", "variants", "scores", "weight_rows", "record_rows", "definitions", "covariates")
FITTED_RECORDS, CHECKED_RECORDS = (50_000, 200_000), (100_000, 400_000)
FORMS = {"pgen": FITTED[-1], "bgen": Wanted(5_000, 10), "vcf": Wanted(5_000, 10)}
ONE_SCORE = (FITTED[3], FITTED[5], Wanted(20_000, 90))
"""Scored with one file of a weight a variant: calls and rows of weights grow together else."""
PLINK2_WORDS = {
    "pgen": ["--bfile", "part1", "--make-pgen", "--sort-vars"],
    "bgen": ["--pfile", "part1", "--export", "bgen-1.2", "bits=8", "ref-first"],
    "vcf": ["--pfile", "part1", "--export", "vcf", "bgz"],
}
STEPS = {"score": "scoring", "score_part": "scoring", "merge": "scoring",
         "associate": "models", "progression": "models", "meta": "models"}  # fmt: skip
MB = 2**20


@dataclass(frozen=True)
class Row:
    """One job that was run: of which plan, how large, what it took (in the order of KINDS)."""

    plan: Plan
    number: int
    size: Size
    wall: float
    took: dict[str, float]

    @property
    def name(self) -> str:
        """Give the stage of the job."""
        return self.plan.jobs[self.number].stage

    @property
    def stage(self) -> str:
        """Give the stage whose constants the job has."""
        return self.name.removesuffix("_part")


def run_study(study: Path, options: argparse.Namespace) -> list[Row]:
    """Run the jobs of a study, one after the other."""
    plan = plan_study(load_config(study), study)
    shutil.rmtree(plan.output, ignore_errors=True)
    return [run_job(plan, number, options.threads) for number in range(len(plan.jobs))]


def run_job(plan: Plan, number: int, threads: int) -> Row:
    """Run one job as a process, after what it reads has been read once."""
    job = plan.jobs[number]
    given = {"--threads": threads, "--mem-mb": job.mem_mb}
    command = [our_program(), *job.command[1:]]
    command += [word for name in job.takes for word in (name, str(given[name]))]
    for path in job.outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    for path in job.inputs:
        read_through(Path(path))
    out = plan.output.parent / f"{job.stage}-{job.name}"
    start = time.time()
    run = measure(Command(job.stage, command, {"PYTHONDONTWRITEBYTECODE": ""}, out))
    print(f"  {job.stage} {job.name}: {run}", file=sys.stderr, flush=True)
    took = {"cpu": run.cpu, "memory": run.memory}
    took["disk"] = written_since(start, plan.output) / MB
    size = plan.size
    if job.stage == "score_part":
        bed = next(Path(name) for name in job.inputs if name.endswith(".bed"))
        size = part_of(size, variants=count_genotypes(bed)[1])
    return Row(plan, number, size, run.wall, took)


def written_since(start: float, folder: Path) -> int:
    """Give the bytes of the files in a folder that are as new."""
    stats = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum(stat.st_size for stat in stats if stat.st_mtime >= start)


def read_through(path: Path) -> None:
    """Bring a file into the page cache."""
    if path.is_file():
        with path.open("rb") as file:
            while file.read(16 * MB):
                pass


def run_forms(options: argparse.Namespace) -> list[Row]:
    """Score the same calls as PLINK 2, BGEN and VCF, which plink2 makes of a .bed."""
    program = find_plink2()
    if program is None:
        raise SystemExit("plink2 is needed to measure the forms of genotype files")
    rows = []
    for form, wanted in FORMS.items():
        study = make_study(options.dir, wanted)
        made = study.with_name("part1.vcf.gz" if form == "vcf" else f"part1.{form}")
        for kind, words in PLINK2_WORDS.items():
            # PLINK 2 sorts the variants, which the other two take from it.
            if kind in ("pgen", form) and not study.with_name(f"{kind}.done").exists():
                command = [program, *words, "--out", "part1"]
                subprocess.run(command, cwd=study.parent, check=True, stdout=subprocess.DEVNULL)
                study.with_name(f"{kind}.done").touch()
        rows.append(run_job(change(study, form, genotypes=made.name), 0, options.threads))
    return rows


def change(study: Path, name: str, **changes: Any) -> Plan:
    """Plan a study with some keys changed."""
    changed = study.with_name(f"{name}.yaml")
    changed.write_text(yaml.safe_dump(yaml.safe_load(study.read_text()) | changes))
    return plan_study(load_config(changed), changed)


def run_one_score(wanted: Wanted, options: argparse.Namespace) -> Row:
    """Score a study with one file that has a weight for every variant."""
    study = make_study(options.dir, wanted)
    every = study.with_name("every.txt")
    if not every.exists():
        lines = ["chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"]
        for row in study.with_name("part1.bim").read_text().splitlines():
            chromosome, _, _, position, one, other = row.split()
            lines.append(f"{chromosome}\t{position}\t{one}\t{other}\t0.0123")
        every.write_text("\n".join(lines) + "\n")
    plan = change(study, "one", weights=[every.name])
    return run_job(plan, 0, options.threads)


def run_records(people: int, options: argparse.Namespace) -> Row:
    """Make classes of records of many people: 100 prescriptions and 60 diagnoses each."""
    study = make_study(options.dir, FITTED[0])
    folder = options.dir / f"records-{people}"
    sizes = (people, 100 * people, 60 * people, 3_000_000)
    maker = HERE.parent / "phenotype" / "data.py"
    subprocess.run([sys.executable, maker, folder, *map(str, sizes)], check=True)
    plan = change(study, folder.name, records={"source": str(folder)})
    number = next(k for k, job in enumerate(plan.jobs) if job.stage == "phenotype")
    row = run_job(plan, number, options.threads)
    return replace(row, size=replace(row.size, people=people))


def fit(rows: list[Row]) -> dict[str, Any]:
    """Find the constants: least squares of relative errors, none of them negative."""
    stages: dict[str, Any] = {}
    for stage in dict.fromkeys(row.stage for row in rows):
        chosen = [row for row in rows if row.stage == stage]
        stages[stage] = {}
        for kind in KINDS:
            amounts = pd.DataFrame([quantities(row.name, kind, row.size) for row in chosen]).fillna(
                0
            )
            took = np.array([row.took[kind] for row in chosen])
            found, _ = nnls(amounts.to_numpy() / took[:, np.newaxis], np.ones(len(took)))
            stages[stage][kind] = {
                name: float(f"{value:.4g}")
                for name, value in zip(amounts.columns, found, strict=True)
                if value > 0
            }
    return stages


def write_constants(rows: list[Row], conditions: str) -> None:
    """Write the constants with their conditions and the sizes that they were measured with."""
    content = {
        "conditions": conditions,
        "measured": {name: measured_range(rows, name) for name in RANGES},
        "stages": fit(rows),
    }
    CONSTANTS.write_text(json.dumps(content, indent=1) + "\n")
    costs.read_constants.cache_clear()


def measured_range(rows: list[Row], name: str) -> list[int]:
    """Give the least and the most of a quantity; of records where they alone were many."""
    of_records = name == "record_rows"
    sizes = [asdict(row.size)[name] for row in rows if (row.stage == "phenotype") == of_records]
    return [min(sizes), max(sizes)]


def compare(rows: list[Row]) -> str:
    """Write predicted against measured, a line a study and step: sums, of memory the most."""
    table = pd.DataFrame([describe(row) for row in rows])
    how = {"cpu": "sum", "memory": "max", "disk": "sum", "wall": "sum"}
    how |= {f"predicted_{kind}": how[kind] for kind in KINDS}
    lines = [
        "| study | step | wall s | core-seconds | predicted | memory, MiB | predicted "
        "| disk, MiB | predicted |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (study, step), one in table.groupby(["study", "step"], sort=False).agg(how).iterrows():
        cells = [study, step, f"{one['wall']:.1f}"]
        for kind, digits in (("cpu", 1), ("memory", 0), ("disk", 2)):
            predicted = one[f"predicted_{kind}"]
            ratio = predicted / one[kind] - 1
            cells += [f"{one[kind]:,.{digits}f}", f"{predicted:,.{digits}f} ({ratio:+.0%})"]
        lines.append(f"| {' | '.join(cells)} |")
    jobs = [(row, row.plan.jobs[row.number]) for row in rows]
    slowest = max(row.wall / (60 * job.minutes) for row, job in jobs)
    largest = max(row.took["memory"] / job.mem_mb for row, job in jobs)
    asked = (
        f"{len(jobs)} jobs: the longest took {slowest:.0%} of the minutes asked for it, "
        f"the largest {largest:.0%} of the memory"
    )
    return "\n".join([*lines, "", asked])


def describe(row: Row) -> dict[str, Any]:
    """Give a job's row of the table, with what the plan predicts for it."""
    expected, size = job_cost(row.name, row.size), row.plan.size
    predicted = (expected.cpu_seconds, expected.memory_mb, expected.disk_mb)
    study = f"{size.people:,} x {size.variants:,} {size.form}"
    if row.size.people != size.people:
        study = f"{row.size.people:,} people, {size.record_rows:,} rows"
    return {
        "study": study, "step": STEPS.get(row.name, row.name), "wall": row.wall, **row.took,
        **{f"predicted_{kind}": value for kind, value in zip(KINDS, predicted, strict=True)},
    }  # fmt: skip


def main() -> None:
    """Run the studies, then fit or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("/tmp/pgs-trd-scale"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fit", action="store_true", help="measure the constants anew")
    parser.add_argument("--few", type=int, help="only so many of the studies")
    parser.add_argument("--conditions", default="", help="with --fit: what else ran, in words")
    options = parser.parse_args()
    rows: list[Row] = []
    for wanted in (FITTED if options.fit else CHECKED)[: options.few]:
        print(wanted.name, file=sys.stderr, flush=True)
        rows += run_study(make_study(options.dir, wanted), options)
    for people in FITTED_RECORDS if options.fit else CHECKED_RECORDS:
        rows.append(run_records(people, options))
    machine = describe_machine()
    if options.fit:
        rows += [*run_forms(options), *(run_one_score(wanted, options) for wanted in ONE_SCORE)]
        told = f"on {machine}, {options.threads} threads, {datetime.date.today():%d %B %Y}"
        write_constants(rows, f"{told}; {options.conditions}" if options.conditions else told)
        print(f"wrote {CONSTANTS}")
    print(f"{machine}, {options.threads} threads\n\n{compare(rows)}")


if __name__ == "__main__":
    main()
