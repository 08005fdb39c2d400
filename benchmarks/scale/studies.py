"""Make studies of a wanted size: a simulated biobank whose genome is repeated."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pgs_trd.simulate import simulate_biobank
from pgs_trd.simulate.biobank import Biobank, locate_biobank
from pgs_trd.study.demo import write_study_file

VARIANTS = 5_000
"""Of the simulated genome, which is repeated `copies` times at further positions."""


@dataclass(frozen=True)
class Wanted:
    """How large a study is to be.

    Attributes
    ----------
    people
        To simulate.
    copies
        Of the genome of 5,000 variants, and of the rows of the 61 weight files.
    parts
        Genotype files that the copies are shared out to.
    covariates
        6 or 12.
    grid
        Whether the models are repeated under the 15 definitions of the grid, or under one more.
    """

    people: int
    copies: int
    parts: int = 1
    covariates: int = 6
    grid: bool = True

    @property
    def name(self) -> str:
        """Give a name for its folder."""
        kind = "grid" if self.grid else "one"
        return f"{self.people}x{VARIANTS * self.copies}-{self.parts}-{self.covariates}-{kind}"


def make_study(folder: Path, wanted: Wanted) -> Path:
    """Give the study file, made with all that it names unless it is there."""
    home = folder / wanted.name
    study = home / "study.yaml"
    if study.exists():
        return study
    base = locate_biobank(folder / f"simulated-{wanted.people}")
    if not base.latent.exists():
        simulate_biobank(base.folder, n_people=wanted.people, n_variants=VARIANTS, threads=2)
    (home / "weights").mkdir(parents=True, exist_ok=True)
    _repeat_genotypes(base, home, wanted)
    span = _span(base)
    for path in sorted(base.weights.iterdir()):
        _repeat_weights(path, home / "weights" / path.name, span, wanted.copies)
    write_study_file(base, study, home / "results")
    content: dict[str, Any] = yaml.safe_load(study.read_text())
    content["genotypes"] = f"part{{1:{wanted.parts}}}.bed" if wanted.parts > 1 else "part1.bed"
    content["weights"] = ["weights/*.txt.gz"]
    components = [f"PC{number}" for number in range(1, wanted.covariates - 1)]
    content["covariates"]["columns"] = ["sex", "birth_year", *components]
    content["sensitivity"] = {"grid": "grid"} if wanted.grid else {"definitions": ["fabbri2021"]}
    study.write_text(yaml.safe_dump(content))
    return study


def _span(base: Biobank) -> int:
    """Give how far apart two copies lie."""
    lines = base.genotypes.with_suffix(".bim").read_text().splitlines()
    return max(int(line.split()[3]) for line in lines) + 1_000


def _repeat_genotypes(base: Biobank, home: Path, wanted: Wanted) -> None:
    bim = base.genotypes.with_suffix(".bim").read_text().splitlines()
    variants, span = [line.split() for line in bim], _span(base)
    calls, people = (base.genotypes.with_suffix(end).read_bytes() for end in (".bed", ".fam"))
    for part in range(wanted.parts):
        copies = range(part, wanted.copies, wanted.parts)
        stem = home / f"part{part + 1}"
        stem.with_suffix(".fam").write_bytes(people)
        with stem.with_suffix(".bed").open("wb") as bed, stem.with_suffix(".bim").open("w") as out:
            bed.write(calls[:3])
            for copy in copies:
                bed.write(calls[3:])
                for chromosome, name, _, position, one, other in variants:
                    place = int(position) + copy * span
                    out.write(f"{chromosome}\t{name}c{copy}\t0\t{place}\t{one}\t{other}\n")


def _repeat_weights(path: Path, to: Path, span: int, copies: int) -> None:
    with gzip.open(path, "rt") as lines:
        text = lines.read().splitlines()
    n_head = next(row for row, line in enumerate(text) if not line.startswith("#")) + 1
    place = text[n_head - 1].split("\t").index("chr_position")
    rows = [line.split("\t") for line in text[n_head:]]
    with gzip.open(to, "wt", compresslevel=4) as out:
        out.write("\n".join(text[:n_head]) + "\n")
        for copy in range(copies):
            for row in rows:
                moved = [*row[:place], str(int(row[place]) + copy * span), *row[place + 1 :]]
                out.write("\t".join(moved) + "\n")
