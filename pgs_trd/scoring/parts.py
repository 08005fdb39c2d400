"""What a part of a genome leaves on disk, so that parts can be checked and merged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.provenance import file_checksum, sidecar_path
from pgs_trd.scoring.files import beside
from pgs_trd.tables import read_table, require_columns
from pgs_trd.weights import Weights
from pgs_trd.weights.reasons import STATUSES

BoolArray = npt.NDArray[np.bool_]

ENDING = ".parquet"
MEMBERS, REFUSED = "member_of", "refused_in"
"""Columns of a part's match table: bits, one a score of the file, low bits first."""
OF_ONE_PART = frozenset(
    {"part", "min_overlap", "keep", "remove", "extract", "exclude", "update_sex", "sample",
     "vcf_field", "read_freq", "averages", "check_frequencies"}
)  # fmt: skip
"""Options in which parts may differ: they choose people, variants or files."""


@dataclass(frozen=True)
class ScorePart:
    """The scores of one part of a genome, and what they were made from.

    Attributes
    ----------
    path
        The table of sums.
    people : (n_people,)
        Index `person_id`, in the order of the tables.
    summary
        One row a score.
    names
        The scores of each weight file.
    weights
        Checksums of the weight files, in their order.
    genotypes
        Checksums of the genotype files.
    options
        That decide about the numbers.
    version
        Of pgs_trd.
    """

    path: Path
    people: pd.Index
    summary: pd.DataFrame
    names: tuple[tuple[str, ...], ...]
    weights: tuple[str, ...]
    genotypes: tuple[str, ...]
    options: Mapping[str, Any]
    version: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    @property
    def score_names(self) -> frozenset[str]:
        """All scores of the part."""
        return frozenset(name for of_file in self.names for name in of_file)

    def read_sums(self, names: Sequence[str]) -> pd.DataFrame:
        """Give the sums of some scores over the variants of this part, (n_people, n_names)."""
        return _read_people(self.path, names)

    def read_alleles(self, names: Sequence[str]) -> pd.DataFrame:
        """Give the numbers of alleles that the sums are over, (n_people, n_names)."""
        return _read_people(beside(self.path, "alleles"), names)

    def read_samples(self) -> pd.DataFrame:
        """Give person_id and family_id of the people."""
        families = _read_people(beside(self.path, "alleles"), ["family_id"])
        return families.loc[self.people].reset_index()

    def read_statuses(self, number: int) -> npt.NDArray[np.int8]:
        """Give the status of every row of a weight file, as a place in `STATUSES`."""
        column = self._read(number, ["status"]).column("status")
        codes, texts = pd.factorize(column.to_pandas())
        places = np.array([STATUSES.index(text) for text in texts], dtype=np.int8)
        return places[codes]

    def read_members(self, number: int, n_scores: int) -> tuple[BoolArray, BoolArray]:
        """Tell which rows of a weight file are in which of its scores, and refused there.

        Returns
        -------
        is_member, is_refused : (n_rows, n_scores)
        """
        table = self._read(number, [MEMBERS, REFUSED])
        return (
            _unpack_bits(table.column(MEMBERS), n_scores),
            _unpack_bits(table.column(REFUSED), n_scores),
        )

    def read_match(self, number: int) -> pd.DataFrame:
        """Give the match table of a weight file."""
        table: pd.DataFrame = self._read(number).drop_columns([MEMBERS, REFUSED]).to_pandas()
        return table

    def _read(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Read the rows of weight file `number`; row groups of others are passed over."""
        path = beside(self.path, "match")
        return pq.read_table(path, columns=columns, filters=[("file", "==", number)])


def describe_part(names: Sequence[Sequence[str]], files: Sequence[Path]) -> dict[str, Any]:
    """Give what the sidecar of a part says beyond that of a whole: scores, checksums of files."""
    return {
        "scores": [list(of_file) for of_file in names],
        "files": {path.name: file_checksum(path) for path in files},
    }


def member_columns(weights: Weights) -> dict[str, pa.Array]:
    """Give the columns that say which rows of a weight file are in which of its scores."""
    is_member = ~np.isnan(weights.effects)
    is_refused = np.zeros_like(is_member)
    rows = weights.refused["row"].to_numpy(dtype=np.int64) - 1
    # A row refused whole counts in the file's only score even without a weight.
    if len(weights.names) == 1:
        is_member[rows] = True
    for k, name in enumerate(weights.names):
        is_refused[rows[weights.refused["score"].eq(name).to_numpy()], k] = True
    return {MEMBERS: _pack_bits(is_member | is_refused), REFUSED: _pack_bits(is_refused)}


def _pack_bits(bits: BoolArray) -> pa.Array:
    packed = np.packbits(bits, axis=1, bitorder="little")
    ends = np.arange(len(packed) + 1, dtype=np.int64) * packed.shape[1]
    return pa.Array.from_buffers(
        pa.large_binary(), len(packed), [None, pa.py_buffer(ends), pa.py_buffer(packed.tobytes())]
    )


def _unpack_bits(column: pa.ChunkedArray, n_scores: int) -> BoolArray:
    width = -(-n_scores // 8)
    parts = [np.zeros((0, width), dtype=np.uint8)]
    for chunk in column.chunks:
        fixed = chunk.cast(pa.large_binary()).cast(pa.binary(width))
        start = fixed.offset * width
        data = np.frombuffer(fixed.buffers()[1], dtype=np.uint8)
        parts.append(data[start : start + len(fixed) * width].reshape(len(fixed), width))
    packed = np.concatenate(parts)
    bits: BoolArray = np.unpackbits(packed, axis=1, count=n_scores, bitorder="little").view(bool)
    return bits


def part_files(path: Path) -> list[Path]:
    """Give the files that a part may consist of, by the path of its scores."""
    companions = [beside(path, name) for name in ("match", "summary", "alleles", "averages")]
    return [path, sidecar_path(path), *companions]


def read_part(path: Path) -> ScorePart:
    """Read what ``pgs-trd score --part`` wrote.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is no part, or a file of it is missing, damaged, or of another run.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    facts = _read_sidecar(path)
    _check_files(path, facts["files"])
    summary = read_table(beside(path, "summary"))
    names = tuple(tuple(of_file) for of_file in facts["scores"])
    every = [name for of_file in names for name in of_file]
    for table, others in ((path, []), (beside(path, "alleles"), ["family_id"])):
        given = pd.DataFrame(columns=pq.read_schema(table).names)
        require_columns(given, ["person_id", *others, *every], table.name)
    require_columns(summary, ["score"], beside(path, "summary").name)
    if summary["score"].tolist() != every:
        raise DataError(f"{path.name}: its summary has other scores: the files are of two runs")
    checksums = {
        role: tuple(e["checksum"] for e in facts["inputs"] if e.get("role") == role)
        for role in ("weights", "genotypes")
    }
    options = {k: v for k, v in facts["options"].items() if k not in OF_ONE_PART}
    options["read_freq"] = facts["options"].get("read_freq") is not None
    return ScorePart(
        path=path,
        people=_read_people(path, []).index,
        summary=summary,
        names=names,
        weights=checksums["weights"],
        genotypes=checksums["genotypes"],
        options=options,
        version=facts["versions"]["pgs-trd"],
    )


def _read_sidecar(path: Path) -> dict[str, Any]:
    sidecar = sidecar_path(path)
    if not sidecar.is_file():
        raise DataError(f"{path.name}: {sidecar.name} is not beside it: is it what score wrote?")
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{sidecar.name}: is no JSON: {error}") from error
    is_part = isinstance(facts, dict) and isinstance(facts.get("options"), dict)
    if not is_part or not facts["options"].get("part"):
        raise DataError(
            f"{path.name}: was not scored as a part, so its scores were judged by its own "
            "variants and their rows are not known; run `pgs-trd score --part` for every part"
        )
    faults = [
        f"no {key!r}" for key in ("scores", "files", "inputs", "versions") if key not in facts
    ]
    if faults:
        raise DataError(join_faults(sidecar.name, faults))
    return dict(facts)


def _check_files(path: Path, files: Mapping[str, str]) -> None:
    faults = []
    for name, checksum in files.items():
        companion = path.with_name(name)
        if not companion.is_file():
            faults.append(f"{name} is not beside it")
        elif file_checksum(companion) != checksum:
            faults.append(f"{name} has changed since it was written")
    if faults:
        raise DataError(join_faults(path.name, faults))


def _read_people(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of a table of a part, by person."""
    try:
        table: pd.DataFrame = pq.read_table(path, columns=["person_id", *columns]).to_pandas()
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name}: cannot be read as parquet: {error}") from error
    table["person_id"] = table["person_id"].astype("string").astype(object)
    return table.set_index("person_id")
