"""What the steps of a study take, from constants that were measured; see `costs.json`.

The processor seconds, memory and disk of a job are sums over quantities of the study,
such as people times variants, each with a constant. `benchmarks/scale/run.py` measures
the constants and compares what they predict with further runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from pgs_trd.genotypes.vcf_calls import KEPT_BYTES

KINDS = ("cpu", "memory", "disk")
SAFETY = {"memory": 1.3, "time": 2.0}
"""What is asked for, times what is expected."""
SNAKEMAKE_MB = 256
"""Snakemake runs inside of a job's allocation, beside the command."""
LEAST_MINUTES, MEMORY_STEP = 20, 100
"""Of any job: a slow disk may take longer to read from than the work does."""
LEAST_MB = {"phenotype": 2000, "sensitivity": 2000, "classes": 2000}
"""Room for DuckDB, which makes use of what it is told and lays on disk what is beyond."""
_AS = {
    "score_part": "score",
    "associate_part": "associate",
    "progression_part": "progression",
    "stack_association": "meta",
    "stack_progression": "meta",
    "classes": "sensitivity",
    "sensitivity_part": "sensitivity",
    "stack_sensitivity": "meta",
    "meta_sensitivity": "meta",
}
"""Stages whose jobs do the work of another one, or part of it."""
GROWS_WITH: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "score": {
        "cpu": ("one", "scores", "variants", "calls", "products", "weight_rows", "sums"),
        "memory": ("one", "variants", "matched_rows", "rows_of_a_file", "block", "sums"),
        "disk": ("one", "weight_rows", "sums"),
    },
    "merge": {
        "cpu": ("one", "rows_of_parts", "sums_of_parts"),
        "memory": ("one", "rows_of_a_file", "sums"),
        "disk": ("one", "weight_rows", "sums"),
    },
    "phenotype": {
        "cpu": ("one", "people", "record_rows"),
        "memory": ("one", "people", "record_rows"),
        "disk": ("one", "people", "root_people"),
    },
    "associate": {
        "cpu": ("one", "people", "sums", "fits"),
        "memory": ("one", "people", "sums"),
        "disk": ("one",),
    },
    "progression": {
        "cpu": ("one", "people", "sums", "cox_fits"),
        "memory": ("one", "people", "sums"),
        "disk": ("one",),
    },
    "meta": dict.fromkeys(KINDS, ("one",)),
    "sensitivity": {
        "cpu": ("one", "record_rows", "classes", "sums", "definition_fits"),
        "memory": ("one", "people", "classes", "sums"),
        "disk": ("one", "classes"),
    },
    "classes": {
        "cpu": ("one", "record_rows", "classes"),
        "memory": ("one", "people", "classes"),
        "disk": ("one", "classes"),
    },
    "report": dict.fromkeys(KINDS, ("one", "people", "sums")),
}
"""What the cost of a job of each stage is a sum over; see `quantities`."""
# A block of genotypes is this many bytes a person at most: 1,024 variants, two bits a call.
_BLOCK = 1024 / 4


@dataclass(frozen=True)
class Size:
    """How large a study is.

    Attributes
    ----------
    people, variants, scores
        Of the genotypes and of all weight files.
    weight_rows
        Rows of all weight files together.
    record_rows
        Prescriptions and diagnoses.
    definitions
        The main one and those of the sensitivity analysis.
    contrasts, covariates
        Of the models.
    form
        Of the genotype files: bed, pgen, bgen or vcf.
    parts
        Genotype files.
    share
        Of the variants, that a job scores.
    guessed
        What was not read from the files but taken as usual, in words.
    """

    people: int
    variants: int
    scores: int
    weight_rows: int
    record_rows: int
    definitions: int = 1
    contrasts: int = 3
    covariates: int = 12
    form: str = "bed"
    parts: int = 1
    share: float = 1.0
    guessed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a job takes.

    Attributes
    ----------
    cpu_seconds, memory_mb, disk_mb
        Processor time, the peak of memory and what is written.
    least_mb
        Memory to ask for in any case.
    """

    cpu_seconds: float
    memory_mb: float
    disk_mb: float
    least_mb: int = 0

    @property
    def mem_mb(self) -> int:
        """The memory to ask a scheduler for."""
        wanted = SAFETY["memory"] * self.memory_mb + SNAKEMAKE_MB
        return max(-(-int(wanted) // MEMORY_STEP) * MEMORY_STEP, self.least_mb)

    @property
    def minutes(self) -> int:
        """The time to ask a scheduler for, as if one processor did all the work."""
        return LEAST_MINUTES + int(SAFETY["time"] * self.cpu_seconds / 60)


def quantities(stage: str, kind: str, size: Size) -> dict[str, float]:
    """Give what a cost of one job of a stage grows with, in millions or billions.

    Parameters
    ----------
    stage
        Of `pgs_trd.study.plan.Job`.
    kind
        One of `KINDS`.
    size
        Of the study; of a job that scores one genotype file, as `part_of` gives it.
    """
    people, scores = size.people / 1e6, size.scores
    columns = size.covariates + 1
    rows, parts = size.weight_rows / 1e6, size.parts
    matched = rows * size.share
    amounts = {
        "one": 1.0,
        "people": people,
        # Days repeat more in larger tables, so that each takes less room.
        "root_people": people**0.5,
        "scores": scores,
        "variants": size.variants / 1e6,
        # Variants without a weight are not read.
        "calls": people * min(size.variants / 1e6, matched) * 1e3,
        "products": people * matched * 1e3,
        "weight_rows": rows,
        "matched_rows": matched,
        "rows_of_a_file": rows / scores,
        "rows_of_parts": rows * parts,
        "block": people * _BLOCK,
        "sums": people * scores,
        "sums_of_parts": people * scores * parts,
        "record_rows": size.record_rows / 1e6,
        "classes": people * size.definitions,
        "fits": people * scores * columns * size.contrasts,
        "cox_fits": people * scores * columns,
        "definition_fits": people * scores * columns * size.definitions,
    }
    names = GROWS_WITH[stage if stage in GROWS_WITH else _AS[stage]][kind]
    return {f"calls_{size.form}" if name == "calls" else name: amounts[name] for name in names}


def is_measured(stage: str) -> bool:
    """Tell whether what a stage takes was measured."""
    return _AS.get(stage, stage) in GROWS_WITH


def job_cost(stage: str, size: Size, *, share: float = 1.0) -> Cost:
    """Give what one job of a stage is expected to take.

    Parameters
    ----------
    stage, size
        As in `quantities`.
    share
        Of the stage's work that this job does; its memory and start are those of the whole.
    """
    constants = read_constants()["stages"][_AS.get(stage, stage)]
    cpu, memory, disk = (
        sum(
            constants[kind].get(name, 0.0) * amount
            for name, amount in quantities(stage, kind, size).items()
        )
        for kind in KINDS
    )
    memory += _kept_mb(stage, size)
    start = constants["cpu"].get("one", 0.0)
    return Cost(start + (cpu - start) * share, memory, disk * share, LEAST_MB.get(stage, 0))


def _kept_mb(stage: str, size: Size) -> float:
    """Give the memory of the calls that are kept when the sites of a VCF are read."""
    if _AS.get(stage, stage) != "score" or size.form != "vcf":
        return 0.0
    return min(KEPT_BYTES, size.people * size.variants / 4) / 2**20


def part_of(size: Size, *, variants: int, batches: int = 1) -> Size:
    """Give the size of a job that scores one genotype file, with one of `batches` of the scores."""
    return replace(
        size,
        variants=variants,
        share=variants / max(size.variants, 1),
        scores=-(-size.scores // batches),
        weight_rows=-(-size.weight_rows // batches),
    )


def find_extrapolated(size: Size) -> list[str]:
    """Say which quantities lie beyond those that the constants were measured with."""
    given = asdict(size)
    told = []
    for name, (low, high) in read_constants()["measured"].items():
        if not low <= given[name] <= high:
            told.append(f"{name.replace('_', ' ')} {given[name]:,} (measured {low:,} to {high:,})")
    return told


def conditions() -> str:
    """Say where and when the constants were measured."""
    return str(read_constants()["conditions"])


@cache
def read_constants() -> Mapping[str, Any]:
    """Read the constants, their conditions and the sizes that they were measured with."""
    text = files("pgs_trd.study").joinpath("costs.json").read_text(encoding="utf-8")
    content: Mapping[str, Any] = json.loads(text)
    return content
