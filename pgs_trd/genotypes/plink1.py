"""Read PLINK 1 filesets: .bed, .bim, .fam."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.genotypes.filesets import find_plink_files, plink_prefix
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    GenotypeBlock,
    HaploidCoding,
    IntArray,
    UInt8Array,
    check_rows,
)
from pgs_trd.genotypes.variants import make_variants

if TYPE_CHECKING:
    from xarray import DataArray

MAGIC = b"\x6c\x1b"
VARIANT_MAJOR = 1
# Rows whose last byte is looked at; nobody has two copies of A1 at 100 variants on end.
PADDING_ROWS = 1000
ENOUGH_ROWS = 100
HEADER_SIZE = 3
MAX_LINE = 1 << 20
ARROW_BLOCK = 1 << 22
SEX_OF_CODE = {"1": "male", "2": "female"}
BIM_COLUMNS = ("chromosome", "id", "centimorgan", "position", "counted_allele", "other_allele")
FAM_COLUMNS = ("family_id", "person_id", "father", "mother", "sex", "phenotype")


@dataclass(frozen=True)
class Plink1Source:
    """A .bed/.bim/.fam fileset; the counted allele is A1. See `GenotypeSource`."""

    paths: tuple[Path, Path, Path]
    samples: pd.DataFrame
    variants: pd.DataFrame
    format: str = "plink1"
    haploid_coding: HaploidCoding = "alike"

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Read packed rows of the .bed; see `GenotypeSource.blocks`.

        Raises
        ------
        DataError
            If the file has become shorter since it was opened.
        """
        rows = check_rows(rows, len(self.variants), block_size)
        width = packed_width(len(self.samples))
        with self.paths[0].open("rb", buffering=0) as handle:
            for start in range(0, len(rows), block_size):
                part = rows[start : start + block_size]
                yield GenotypeBlock(rows=part, codes=_read_rows(handle, part, width))

    def to_xarray(self) -> DataArray:
        """Give the fileset as pandas-plink's lazy DataArray, people x variants.

        Raises
        ------
        UsageError
            If pandas-plink is not installed; it does not exist for Python 3.13 on.
        """
        try:
            from pandas_plink import read_plink1_bin
        except ImportError as error:
            raise UsageError(
                "to_xarray() needs pandas-plink, which is not installed: "
                "pip install pandas-plink (Python 3.12 or earlier)"
            ) from error
        bed, bim, fam = map(str, self.paths)
        array: DataArray = read_plink1_bin(bed, bim, fam, verbose=False)
        return array


def _read_rows(handle: io.FileIO, rows: IntArray, width: int) -> UInt8Array:
    """Read rows of a .bed: the whole span where most of it is wanted, else run by run."""
    span = int(rows[-1] - rows[0]) + 1
    if len(rows) == span or 2 * len(rows) > span:
        codes = np.empty((span, width), dtype=np.uint8)
        _fill(handle, codes, int(rows[0]))
        return codes if len(rows) == span else codes[rows - rows[0]]
    codes = np.empty((len(rows), width), dtype=np.uint8)
    starts = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        _fill(handle, codes[start:end], int(rows[start]))
    return codes


def _fill(handle: io.FileIO, codes: UInt8Array, first_row: int) -> None:
    """Read neighbouring rows into `codes`, without moving the file's own position."""
    buffer = codes.data.cast("B")
    offset = HEADER_SIZE + first_row * codes.shape[1]
    done = 0
    while done < len(buffer):
        found = os.preadv(handle.fileno(), [buffer[done:]], offset + done)
        if not found:
            raise DataError(
                f"{Path(handle.name).name}: ends at byte {offset + done:,}; it has become shorter "
                "since it was opened: is another program writing it?"
            )
        done += found


def open_plink1(path: Path) -> Plink1Source:
    """Open a PLINK 1 fileset, given its prefix or any of its three files.

    Raises
    ------
    UsageError
        If none of the files exists.
    DataError
        If a file is missing, damaged, or disagrees with the others.
    """
    paths = find_members(path)
    variants = read_bim(paths[1])
    samples = read_fam(paths[2])
    check_bed(paths[0], len(variants), len(samples))
    return Plink1Source(paths, samples, variants)


def find_members(path: Path) -> tuple[Path, Path, Path]:
    """Give the paths of the .bed, .bim and .fam that `path` means."""
    prefix, files = plink_prefix(path), find_plink_files(path)
    missing = [ending for ending in (".bed", ".bim", ".fam") if ending not in files]
    if len(missing) == 3:
        raise UsageError(f"no such PLINK 1 fileset: {prefix}.bed, .bim, .fam")
    if missing:
        name = Path(prefix).name
        raise DataError(
            f"{name}: {len(missing)} of the 3 files of a PLINK 1 fileset missing: "
            f"{', '.join(name + ending for ending in missing)}. "
            "The three must lie in one folder under one name."
        )
    return files[".bed"], files[".bim"], files[".fam"]


def check_bed(path: Path, n_variants: int, n_people: int) -> None:
    """Raise a DataError unless `path` is a .bed for that many variants and people."""
    with path.open("rb") as handle:
        start = handle.read(HEADER_SIZE)
    if len(start) < HEADER_SIZE:
        raise DataError(f"{path.name}: {len(start)} bytes long, so not a .bed, which has 3 or more")
    if start[:2] != MAGIC:
        raise DataError(
            f"{path.name}: starts with bytes {start.hex(' ')}, but a PLINK 1 .bed starts with "
            "6c 1b 01: another format, or damaged"
        )
    if start[2] != VARIANT_MAJOR:
        raise DataError(
            f"{path.name}: third byte is {start[2]:02x}, not 01"
            + (
                ": the file is in the old sample-major order; write it again with plink --make-bed"
                if start[2] == 0
                else ": damaged"
            )
        )
    expected = HEADER_SIZE + n_variants * packed_width(n_people)
    found = path.stat().st_size
    if found != expected:
        cause = (
            "a truncated copy, or a .bim or .fam of another fileset"
            if found < expected
            else "a .bim or .fam of another fileset"
        )
        raise DataError(
            f"{path.name}: {found:,} bytes found, {expected:,} expected from {n_variants:,} "
            f"variants in the .bim and {n_people:,} people in the .fam; likely {cause}"
        )
    if n_variants and n_people % 4:
        _check_last_people(path, n_variants, n_people)


def _check_last_people(path: Path, n_variants: int, n_people: int) -> None:
    """Raise a DataError if the last byte of the rows shows another number of people.

    Up to three people more or fewer do not change the size of a .bed, but every
    person behind the one who is missing would get a neighbour's genotypes.
    """
    width = packed_width(n_people)
    rows = np.unique(np.linspace(0, n_variants - 1, PADDING_ROWS).astype(np.int64))
    last = np.empty((len(rows), 1), dtype=np.uint8)
    with path.open("rb", buffering=0) as handle:
        for index, row in enumerate(rows.tolist()):
            end = HEADER_SIZE + (row + 1) * width
            os.preadv(handle.fileno(), [last[index]], end - 1)
    last = last[:, 0]
    n_in_byte = n_people % 4
    n_filled = int(np.count_nonzero(last >> (2 * n_in_byte)))
    if n_filled:
        raise DataError(
            f"{path.name}: behind the {n_people:,} people of the .fam there are genotypes of more "
            f"in {n_filled:,} of {len(rows):,} variants looked at: the .fam has too few people, "
            "or is of another fileset"
        )
    is_empty = (last >> (2 * (n_in_byte - 1))) == 0
    if len(rows) >= ENOUGH_ROWS and is_empty.all():
        raise DataError(
            f"{path.name}: the last of the {n_people:,} people of the .fam has no bit set in "
            f"{len(rows):,} variants looked at: the .fam has too many people, or is of another "
            "fileset"
        )


def read_bim(path: Path) -> pd.DataFrame:
    """Read the variants of a .bim; see `GenotypeSource.variants`."""
    table = _read_tabs(path)
    if table is None:
        table = _read_columns(path, BIM_COLUMNS, "variants", whole_number="position")
    return make_variants(
        table["chromosome"],
        table["position"],
        table["id"],
        table["counted_allele"],
        table["other_allele"],
    )


def _read_tabs(path: Path) -> pa.Table | None:
    """Read a .bim of clean tabs at once; None if it needs the patient reader."""
    with path.open("rb") as handle:
        first = handle.readline(MAX_LINE)
    if first.count(b"\t") != len(BIM_COLUMNS) - 1 or b" " in first or not first[:1].isascii():
        return None
    text = pa.dictionary(pa.int32(), pa.string())
    types = {"chromosome": text, "counted_allele": text, "other_allele": text}
    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(
                column_names=BIM_COLUMNS, block_size=ARROW_BLOCK, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=[name for name in BIM_COLUMNS if name != "centimorgan"],
                column_types={"id": pa.string(), "position": pa.int64(), **types},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    texts = [table["id"], *(chunk.dictionary for name in types for chunk in table[name].chunks)]
    has_blanks = any(
        pc.any(pc.or_(pc.equal(column, ""), pc.match_substring(column, " "))).as_py()
        for column in texts
    )
    return None if has_blanks or table.num_rows == 0 else table


def read_fam(path: Path) -> pd.DataFrame:
    """Read the people of a .fam; see `GenotypeSource.samples`."""
    table = _read_columns(path, FAM_COLUMNS, "people")
    samples = pd.DataFrame(
        {
            "person_id": table["person_id"],
            # Where both ids are one text, as they mostly are, it stands in memory once.
            "family_id": table["family_id"].mask(
                table["family_id"] == table["person_id"], table["person_id"]
            ),
            "sex": table["sex"].map(SEX_OF_CODE).fillna("unknown"),
        }
    )
    check_people(samples, path)
    return samples


def check_people(samples: pd.DataFrame, path: Path) -> None:
    """Raise a DataError if a person id occurs more than once."""
    repeated = samples["person_id"].duplicated(keep=False)
    if not repeated.any():
        return
    rows = ", ".join(str(row + 1) for row in np.flatnonzero(repeated)[:4])
    n_rows, n_ids = int(repeated.sum()), samples.loc[repeated, "person_id"].nunique()
    also_family = samples.duplicated(["family_id", "person_id"]).any()
    faults = [
        f"a person occurs more than once: {n_ids:,} person ids (IID) on {n_rows:,} rows, "
        f"the first rows {rows}"
    ]
    if not also_family:
        faults.append(
            "with the family id (FID) they would be unique, but pgs_trd tells people by IID "
            "alone: give them unique IIDs (plink --update-ids)"
        )
    raise DataError(join_faults(path.name, faults))


def _read_columns(
    path: Path, columns: tuple[str, ...], subject: str, *, whole_number: str | None = None
) -> pd.DataFrame:
    """Read a headerless table of white-space separated text, exactly `columns` wide."""
    try:
        table = _parse(path, columns, {} if whole_number is None else {whole_number: "int64"})
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path.name}: is empty, so there are no {subject}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error
    except pd.errors.ParserError as error:
        raise DataError(
            f"{path.name}: is not a table of {len(columns)} columns: {error}"
        ) from error
    except (ValueError, OverflowError):
        # Some text stands where a whole number should: read again to say where.
        table = _parse(path, columns, {})
    if table.empty:
        raise DataError(f"{path.name}: is empty, so there are no {subject}")
    wrong = (table[columns[-1]].isna() | table["beyond"].notna()).to_numpy()
    if wrong.any():
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(table):,} rows do not have "
            f"{len(columns)} columns, the first is row {int(wrong.argmax()) + 1:,}"
        )
    if whole_number is not None and table[whole_number].dtype != np.int64:
        wrong = ~table[whole_number].str.fullmatch(r"[+-]?[0-9]{1,18}").to_numpy(dtype=bool)
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(table):,} {whole_number}s "
            f"(column {columns.index(whole_number) + 1}) are not whole numbers, the first in "
            f"row {int(wrong.argmax()) + 1:,}"
        )
    return table.drop(columns="beyond")


def _parse(path: Path, columns: tuple[str, ...], dtype: Mapping[str, str]) -> pd.DataFrame:
    # One column too many is asked for, so that a wider row shows.
    names = [*columns, "beyond"]
    with warnings.catch_warnings():
        # Still wider rows make pandas warn; the caller raises.
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            names=names,
            dtype={name: dtype.get(name, "str") for name in names},
            keep_default_na=False,
            na_values=[""],
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
            engine="c",
            index_col=False,
            low_memory=False,
        )
