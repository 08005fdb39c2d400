"""The files of a scoring run: which people and variants, which weight files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Literal

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import GenotypeSource, open_genotypes, subset_genotypes
from pgs_trd.resources import thread_count
from pgs_trd.weights import Chain, Weights, lift_over, read_chain
from pgs_trd.weights.files import MANY_COLUMNS, read_head
from pgs_trd.weights.read import read_with_doubts, stand_in

Columns = Mapping[str, str | Sequence[str]]
_WithDoubts = tuple[Weights, list[str]]

WEIGHT_ENDINGS = (".txt", ".tsv", ".csv", ".parquet", ".snpres", ".score", ".ma", ".assoc")
PACKED_ENDINGS = (".gz", ".zst", ".bgz")
MOST_BYTES_AHEAD = 2**28
"""A larger file is read when it is asked for: two of them do not stand in memory at once."""
MOST_BYTES_AT_ONCE = 2**23
"""A larger file is not read while the genotypes are opened, unless it is read in place."""


@dataclass(frozen=True)
class Target:
    """Which part of a genotype file is meant, by further files; see `open_target`.

    Attributes
    ----------
    keep, remove
        Files of people to keep, or to leave out.
    extract, exclude
        Files of variants to keep, or to leave out.
    update_sex
        File of the sex of people, for chromosome X.
    sample
        The .sample of a BGEN.
    vcf_field
        Calls (GT) or dosages (DS) of a VCF.
    half_calls
        What calls like ``0/.`` of a VCF count as; see `open_genotypes`.
    """

    keep: Path | None = None
    remove: Path | None = None
    extract: Path | None = None
    exclude: Path | None = None
    update_sex: Path | None = None
    sample: Path | None = None
    vcf_field: Literal["auto", "GT", "DS"] = "auto"
    half_calls: Literal["missing", "haploid", "reference", "error"] = "missing"

    @property
    def options(self) -> dict[str, object]:
        """Options as they stand in a sidecar: files by their name."""
        return {f.name: _name(getattr(self, f.name)) for f in fields(self)}

    @property
    def inputs(self) -> dict[str, list[Path]]:
        """Files that are not part of the genotypes, by what they are for."""
        names = ("keep", "remove", "extract", "exclude", "update_sex")
        return {name: [path] for name in names if (path := getattr(self, name)) is not None}


def _name(value: object) -> object:
    return value.name if isinstance(value, Path) else value


def open_target(genotypes: Path, target: Target) -> GenotypeSource:
    """Open genotypes, and choose people and variants."""
    source = open_genotypes(
        genotypes,
        vcf_field=target.vcf_field,
        sample=target.sample,
        half_calls=target.half_calls,
    )
    if not target.inputs:
        return source
    return subset_genotypes(
        source,
        keep=target.keep,
        remove=target.remove,
        extract=target.extract,
        exclude=target.exclude,
        sex=target.update_sex,
    )


def list_weight_files(given: Sequence[Path]) -> list[Path]:
    """Give the weight files that paths mean; a folder means those in it, by name.

    In a folder, names that begin with a dot or end in none of `WEIGHT_ENDINGS`,
    packed or not, are no weight files.

    Raises
    ------
    UsageError
        If a folder holds none, or a file is named twice.
    """
    files: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.is_file() and _is_weight_file(file))
        if not inside:
            raise UsageError(
                f"{path}: no weight file in this folder; their names end in "
                f"{', '.join(WEIGHT_ENDINGS)}, also with {', '.join(PACKED_ENDINGS)}"
            )
        files += inside
    n_twice = len(files) - len({file.resolve() for file in files})
    if n_twice:
        raise UsageError(f"--weights: {n_twice} of {len(files)} weight files are given twice")
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise UsageError(
            f"no such file: {missing[0]}"
            + (f" ({len(missing)} of {len(files)} are missing)" if len(missing) > 1 else "")
        )
    return files


def _is_weight_file(path: Path) -> bool:
    name = path.name.lower()
    for packed in PACKED_ENDINGS:
        name = name.removesuffix(packed)
    return name.endswith(WEIGHT_ENDINGS) and not name.startswith(".")


@dataclass(frozen=True)
class WeightFiles:
    """Weight files, and how they are to be read.

    Attributes
    ----------
    paths
        The files, in order.
    columns
        Our names of columns to the files'.
    p_thresholds
        One score for each, of the rows whose p-value is at most that.
    chain
        Chain file that lifts the positions to another genome build.
    """

    paths: Sequence[Path]
    columns: Columns | None = None
    p_thresholds: Sequence[float] | None = None
    chain: Path | None = None

    @property
    def options(self) -> dict[str, object]:
        """Options as they stand in a sidecar."""
        return {
            "columns": self.columns,
            "p_thresholds": self.p_thresholds,
            "chain": _name(self.chain),
        }

    @property
    def inputs(self) -> dict[str, list[Path]]:
        """The files, by what they are for."""
        return {"weights": list(self.paths), "chain": [self.chain] if self.chain else []}

    def read(self, progress: Callable[[float], None] | None = None) -> Iterator[Weights]:
        """Give one file after the other, each read while the one before is worked on.

        The first is begun at once, so that it is read while the genotypes are opened, if
        both together are small, or one column a score takes no more room than its effects.
        What a file raises or warns of comes when it is asked for.
        Where there are many, `progress` is called with the share of files done, in [0, 1].
        """
        chain = None if self.chain is None else read_chain(self.chain)
        read = partial(self._read_one, chain)
        executor = ThreadPoolExecutor(1, thread_name_prefix="weights")
        may_begin = bool(self.paths) and (
            _may_read_ahead(self.paths[0], MOST_BYTES_AT_ONCE) or _is_read_in_place(self.paths[0])
        )
        first = executor.submit(read, self.paths[0]) if may_begin else None
        return self._follow(executor, read, first, progress)

    def _follow(
        self,
        executor: ThreadPoolExecutor,
        read: Callable[[Path], _WithDoubts],
        ahead: Future[_WithDoubts] | None,
        progress: Callable[[float], None] | None,
    ) -> Iterator[Weights]:
        told: set[str] = set()  # what holds for many files is said once
        with executor:
            for number, path in enumerate(self.paths, start=1):
                weights, doubts = read(path) if ahead is None else ahead.result()
                ahead = None
                if number < len(self.paths) and _may_read_ahead(
                    self.paths[number], MOST_BYTES_AHEAD
                ):
                    ahead = executor.submit(read, self.paths[number])
                new = [doubt for doubt in doubts if doubt not in told]
                told.update(new)
                for doubt in new:
                    warnings.warn(doubt, PgsTrdWarning, stacklevel=2)
                yield weights
                del weights  # or three files would stand in memory at once
                if progress is not None and len(self.paths) > 1:
                    progress(number / len(self.paths))

    def _read_one(self, chain: Chain | None, path: Path) -> _WithDoubts:
        try:
            weights, doubts = read_with_doubts(
                path, columns=self.columns, p_thresholds=self.p_thresholds
            )
        except DataError as error:
            if len(self.paths) == 1:
                raise
            # One bad file never stops the others.
            weights = stand_in(path, error)
            return weights, [f"{path.name}: its score fails, the others go on: {weights.fault}"]
        if chain is None:
            return weights, doubts
        stated = weights.genome_build
        if stated is not None and stated == chain.target != chain.source:
            doubt = (
                f"--chain {chain.path.name} leads to {stated}: weight files that are {stated} "
                "already stay as they are"
            )
            return weights, [*doubts, doubt]
        return lift_over(weights, chain), doubts


def _may_read_ahead(path: Path, most_bytes: int) -> bool:
    return thread_count() > 1 and path.is_file() and path.stat().st_size < most_bytes


def _is_read_in_place(path: Path) -> bool:
    try:
        return thread_count() > 1 and len(read_head(path).columns) > MANY_COLUMNS
    except (DataError, UsageError):  # It is said when the file is read.
        return False
