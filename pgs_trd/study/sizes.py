"""How large a study is, from the headers and sizes of its files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import duckdb
import pyarrow.parquet
import zstandard

from pgs_trd.errors import DataError
from pgs_trd.genotypes.filesets import (
    PGEN_ENDINGS,
    expand_pattern,
    find_plink_files,
    is_pattern,
)
from pgs_trd.phenotype import load_grid
from pgs_trd.steps.inputs import list_weight_files
from pgs_trd.study.costs import Size
from pgs_trd.study.sections import StudyConfig
from pgs_trd.weights.columns import recognise
from pgs_trd.weights.files import read_head

RECORD_ROWS_A_PERSON = 160
"""Of prescriptions and diagnoses, where they cannot be counted from files."""
BCF_BYTES_A_CALL = 1 / 8
CALLS = (".bed", ".pgen", ".bgen", ".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
RECORD_TABLES = ("drug_exposure", "condition_occurrence", "prescriptions", "diagnoses")
_SAMPLE, _BLOCK = 2**18, 2**14
# Unpacking reads ahead, by as much as it likes: when it reads on, what it gave before is all
# that was in the file up to there.


def measure_size(config: StudyConfig) -> Size:
    """Give how large a study is, without reading its data.

    The rows of text files are judged from those at their start.

    Parameters
    ----------
    config
        The study, its paths absolute.
    """
    guessed: list[str] = []
    members = member_files(config.genotypes)
    form = _form(members[0])
    counts = [count_genotypes(member) for member in members]
    people, variants = counts[0][0], sum(number for _, number in counts)
    if form == "bcf":
        people = _count_rows(config.covariates.file)
        bytes_of_all = sum(member.stat().st_size for member in members)
        variants = int(bytes_of_all / (BCF_BYTES_A_CALL * max(people, 1)))
        guessed.append(f"{variants:,} variants, from the size of the BCF")
    weights = [_count_weights(path, config) for path in list_weight_files(config.weights)]
    record_rows = _count_records(config)
    if record_rows is None:
        record_rows = RECORD_ROWS_A_PERSON * people
        guessed.append(f"{RECORD_ROWS_A_PERSON} rows of health records a person")
    further = config.sensitivity
    grid = len(load_grid(further.grid)) if further.grid is not None else 0
    return Size(
        people=people,
        variants=variants,
        scores=sum(scores for scores, _ in weights),
        weight_rows=sum(rows for _, rows in weights),
        record_rows=record_rows,
        definitions=1 + len(further.definitions or []) + grid,
        contrasts=len(config.contrasts),
        covariates=len(config.covariates.columns),
        form="vcf" if form == "bcf" else form,
        parts=len(members),
        guessed=tuple(guessed),
    )


def member_files(genotypes: Path) -> list[Path]:
    """Give the files with the calls: one, or one a member of a pattern."""
    given = expand_pattern(genotypes) if is_pattern(genotypes) else [genotypes]
    return [_calls(path) for path in given]


def _calls(path: Path) -> Path:
    """Give the .bed or .pgen of a fileset named by its prefix or another of its files."""
    if _form(path) in ("bgen", "vcf", "bcf"):
        return path
    files = find_plink_files(path)
    order = (".pgen", ".bed") if path.name.endswith(PGEN_ENDINGS) else (".bed", ".pgen")
    return next((files[ending] for ending in order if ending in files), path)


def _form(path: Path) -> str:
    name = path.name.lower()
    if name.endswith((".vcf", ".vcf.gz", ".vcf.bgz")):
        return "vcf"
    return next((form for form in ("bgen", "bcf", "pgen") if name.endswith(f".{form}")), "bed")


def count_genotypes(path: Path) -> tuple[int, int]:
    """Give the number of people and of variants of one file of calls; zeros of a BCF."""
    form = _form(path)
    if form == "bed":
        people = _count_people(path.with_suffix(".fam"))
        return people, (path.stat().st_size - 3) // max(-(-people // 4), 1)
    if form == "bcf":
        return 0, 0
    if form == "vcf":
        return _count_vcf(path)
    with path.open("rb") as handle:
        head = handle.read(16)
    if form == "pgen":
        return int.from_bytes(head[7:11], "little"), int.from_bytes(head[3:7], "little")
    return int.from_bytes(head[12:16], "little"), int.from_bytes(head[8:12], "little")


def _count_vcf(path: Path) -> tuple[int, int]:
    n_people, n_lines, at = 0, 0, 0
    with _unfolded(path) as (raw, lines):
        for line in lines:
            if line.startswith(b"#CHROM"):
                n_people = max(len(line.split(b"\t")) - 9, 0)
            if n_lines and at > _SAMPLE and raw.tell() != at:
                return n_people, round(n_lines * path.stat().st_size / at)
            n_lines += not line.startswith(b"#")
            at = raw.tell()
    return n_people, n_lines


def _count_people(path: Path) -> int:
    """Count the lines of a .fam."""
    text = path.read_bytes()
    return text.count(b"\n") + (not text.endswith(b"\n"))


def _count_rows(path: Path) -> int:
    """Count the rows of Parquet; judge the lines of a text by those at its start."""
    if path.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    n_lines, at = 0, 0
    with _unfolded(path) as (raw, text):
        while block := text.read(_BLOCK):
            if at > _SAMPLE and raw.tell() != at:
                return round(n_lines * path.stat().st_size / at)
            n_lines += block.count(b"\n")
            at = raw.tell()
    return n_lines


def _count_weights(path: Path, config: StudyConfig) -> tuple[int, int]:
    """Give the number of scores and of rows of a weight file."""
    head = read_head(path)
    n_scores = len(config.scoring.p_thresholds or [1])
    try:
        layout = recognise(head, config.scoring.columns, path.name)
    except DataError:  # the job that reads the file will say what is wrong with it
        return n_scores, _count_rows(path)
    if layout.is_wide:
        n_others = len(set(layout.places.values()))
        places = layout.weight_places
        n_scores *= len(head.columns) - n_others if places is None else len(places)
    return n_scores, _count_rows(path)


def _count_records(config: StudyConfig) -> int | None:
    """Count prescriptions and diagnoses; None where they lie in a database of a server."""
    source = config.records.source
    if isinstance(source, dict):
        tables = [path for name, path in source.items() if name in RECORD_TABLES]
        return sum(_count_table(path) for path in tables)
    if isinstance(source, str):
        return None
    if source.is_dir():
        tables = [path for path in source.iterdir() if path.name.split(".")[0].lower() in
                  RECORD_TABLES]  # fmt: skip
        return sum(_count_table(path) for path in tables)
    if source.suffix == ".duckdb":
        with duckdb.connect(str(source), read_only=True) as database:
            rows = database.execute("SELECT table_name, estimated_size FROM duckdb_tables()")
            return sum(int(size) for name, size in rows.fetchall() if name in RECORD_TABLES)
    return None


def _count_table(path: Path) -> int:
    """Count the rows of a table: a file, or a folder of files."""
    if path.is_dir():
        return sum(_count_rows(file) for file in path.rglob("*") if file.is_file())
    return _count_rows(path)


@contextmanager
def _unfolded(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file as it is on disk, and with its compression taken off."""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == b"\x1f\x8b":
            yield raw, cast(IO[bytes], gzip.GzipFile(fileobj=raw))
        elif magic == b"\x28\xb5\x2f\xfd":
            yield raw, zstandard.open(raw)
        else:
            yield raw, raw
