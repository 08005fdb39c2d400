"""What the jobs of a plan ask of a scheduler, and what a study takes altogether."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pgs_trd.simulate.genomes import AUTOSOME_MB, share_out
from pgs_trd.study.costs import (
    LEAST_MINUTES,
    SAFETY,
    SNAKEMAKE_MB,
    Cost,
    Size,
    conditions,
    find_extrapolated,
    is_measured,
    job_cost,
    part_of,
)
from pgs_trd.study.sizes import CALLS, RECORD_ROWS_A_PERSON, count_genotypes

if TYPE_CHECKING:
    from pgs_trd.study.jobs import Job

WEIGHT_ROWS_A_SCORE = 1_000_000
THREADS = {"score_part": 2, "merge": 1, "phenotype": 2, "associate": 2, "progression": 2,
           "meta": 1, "sensitivity": 2, "report": 1}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A job that is only thought of, and what it would ask for."""

    stage: str
    threads: int
    mem_mb: int
    minutes: int


@dataclass(frozen=True)
class Stage:
    """What the jobs of one stage ask for and take.

    Attributes
    ----------
    threads, mem_mb, minutes
        The most that one job asks for.
    core_hours, disk_mb
        Of all jobs together; None where that was never measured.
    """

    name: str
    n_jobs: int
    threads: int
    mem_mb: int
    minutes: int
    core_hours: float | None
    disk_mb: float | None


def estimate_jobs(jobs: Sequence[Job], size: Size) -> list[Cost | None]:
    """Give what each job of a plan is expected to take; None where that was never measured.

    Parameters
    ----------
    jobs
        Of one study.
    size
        Of that study.
    """
    n_of_stage = Counter(job.stage for job in jobs)
    n_of_calls = Counter(_calls(job) for job in jobs if job.stage == "score_part")
    n_batches = n_of_stage["sensitivity_part"]
    costs: list[Cost | None] = []
    for job in jobs:
        if job.stage == "score_part":
            calls = _calls(job)
            variants = count_genotypes(calls)[1] or size.variants // size.parts
            part = part_of(size, variants=variants, batches=n_of_calls[calls])
            costs.append(job_cost(job.stage, part))
        elif n_batches and job.stage in ("sensitivity", "sensitivity_part"):
            # Beside jobs of batches, what is left has models of the main definition only.
            n_shares = n_batches if job.stage == "sensitivity_part" else size.definitions
            own = replace(size, definitions=-(-size.definitions // n_shares))
            costs.append(job_cost(job.stage, own))
        elif not is_measured(job.stage):
            costs.append(None)
        else:
            is_part = job.stage.endswith("_part")
            share = 1 / n_of_stage[job.stage] if is_part else 1.0
            costs.append(job_cost(job.stage, size, share=share))
    return costs


def _calls(job: Job) -> Path:
    """Give the genotype file that a job scores."""
    return next(Path(name) for name in job.inputs if name.lower().endswith(CALLS))


def total_stages(jobs: Iterable[Job | Asked], costs: Iterable[Cost | None]) -> list[Stage]:
    """Add up jobs and what each is expected to take, by stage."""
    by_stage: dict[str, list[tuple[Job | Asked, Cost | None]]] = {}
    for job, cost in zip(jobs, costs, strict=True):
        by_stage.setdefault(job.stage, []).append((job, cost))
    stages = []
    for name, entries in by_stage.items():
        known = [cost for _, cost in entries if cost is not None]
        is_known = len(known) == len(entries)
        stages.append(
            Stage(
                name,
                len(entries),
                max(job.threads for job, _ in entries),
                max(job.mem_mb for job, _ in entries),
                max(job.minutes for job, _ in entries),
                sum(cost.cpu_seconds for cost in known) / 3600 if is_known else None,
                sum(cost.disk_mb for cost in known) if is_known else None,
            )
        )
    return stages


def imagine(people: int, variants: int, scores: int, definitions: int) -> tuple[Size, list[Stage]]:
    """Give the stages of a study that is only thought of, its genotypes one file a chromosome.

    Weight files have a million rows, or as many as there are variants; health records have 160
    rows a person; there are 3 contrasts and 12 covariates.
    """
    shares = share_out(variants, np.array(AUTOSOME_MB))
    rows = min(variants, WEIGHT_ROWS_A_SCORE)
    size = Size(
        people=people,
        variants=variants,
        scores=scores,
        weight_rows=scores * rows,
        record_rows=RECORD_ROWS_A_PERSON * people,
        definitions=definitions,
        parts=len(shares),
        guessed=(
            f"{rows:,} rows a weight file",
            f"{RECORD_ROWS_A_PERSON} rows of health records a person",
            "3 contrasts",
            "12 covariates",
            "one .bed a chromosome",
        ),
    )
    parts = [("score_part", part_of(size, variants=int(number))) for number in shares]
    wanted = [*parts, *((stage, size) for stage in list(THREADS)[1:])]
    costs = [job_cost(stage, one) for stage, one in wanted]
    jobs = [
        Asked(stage, THREADS[stage], cost.mem_mb, cost.minutes)
        for (stage, _), cost in zip(wanted, costs, strict=True)
    ]
    return size, total_stages(jobs, costs)


def describe_stages(stages: Sequence[Stage], size: Size) -> str:
    """Write the stages as a table, with what they rest on."""
    hours = sum(one.core_hours or 0.0 for one in stages)
    disk = sum(one.disk_mb or 0.0 for one in stages)
    rows = [("stage", "jobs", "threads", "mem_mb", "minutes", "core-hours", "disk_mb")]
    rows += [
        (
            one.name,
            str(one.n_jobs),
            str(one.threads),
            str(one.mem_mb),
            str(one.minutes),
            "-" if one.core_hours is None else f"{one.core_hours:.2f}",
            "-" if one.disk_mb is None else f"{one.disk_mb:,.0f}",
        )
        for one in stages
    ]
    most = max(one.mem_mb for one in stages)
    n_jobs = sum(one.n_jobs for one in stages)
    rows.append(("all", str(n_jobs), "", str(most), "", f"{hours:.2f}", f"{disk:,.0f}"))
    lines = [
        f"{name:<17} {' '.join(f'{cell:>10}' for cell in cells)}".rstrip() for name, *cells in rows
    ]
    lines += [
        "",
        f"{size.people:,} people, {size.variants:,} variants, {size.scores:,} scores with "
        f"{size.weight_rows:,} rows, {size.record_rows:,} rows of records, "
        f"{size.definitions} definitions",
    ]
    if unknown := [one.name for one in stages if one.core_hours is None]:
        lines.append(f"never measured, first guesses instead: {', '.join(unknown)}")
    if size.guessed:
        lines.append(f"not counted but taken as usual: {', '.join(size.guessed)}")
    if beyond := find_extrapolated(size):
        lines.append(f"beyond what was measured, so less sure: {'; '.join(beyond)}")
    lines += [
        f"mem_mb is {SAFETY['memory']} times what is expected and {SNAKEMAKE_MB} for Snakemake, "
        f"minutes {SAFETY['time']:.0f} times the work of one processor and {LEAST_MINUTES} more; "
        "core-hours and disk are what is expected",
        f"measured {conditions()}",
    ]
    return "\n".join(lines)
