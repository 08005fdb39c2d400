"""The tables beside a .pgen: variants (.pvar, .pvar.zst, .bim) and people (.psam, .fam)."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import zstandard

from pgs_trd.errors import DataError
from pgs_trd.genotypes.plink1 import ARROW_BLOCK, check_people, read_fam
from pgs_trd.genotypes.source import IntArray
from pgs_trd.genotypes.variants import ID_TYPE, as_categories, make_variants

ZSTD_CHUNK = 1 << 17
PVAR_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT")
SEX_OF_TEXT = {"1": "male", "M": "male", "m": "male", "2": "female", "F": "female", "f": "female"}


def read_pvar(path: Path) -> tuple[pd.DataFrame, IntArray, IntArray, IntArray]:
    """Read the variants of a .pvar or .pvar.zst.

    Returns
    -------
    variants
        One row for each alternative allele; see `GenotypeSource.variants`. A record
        without one (ALT is ``.``) has no row.
    record, alternative : (n_variants,)
        Which record a row is of, from 0, and which of its ALT, from 1.
    n_alleles : (n_records,)
        At least 2, as pgenlib counts.
    """
    table = _read_tabs(path)
    if table is None:
        table = _read_patiently(path)
    alternatives = as_categories(table["ALT"])
    split = [[] if text == "." else text.split(",") for text in alternatives.categories]
    n_of_distinct = np.array([len(alleles) for alleles in split], dtype=np.int64)
    n_alternatives = n_of_distinct[alternatives.codes]
    record = np.repeat(np.arange(len(alternatives), dtype=np.int64), n_alternatives)
    if not len(record):
        raise DataError(
            f"{path.name}: none of its {len(alternatives):,} records has an alternative allele"
        )
    first = np.cumsum(n_alternatives) - n_alternatives
    alternative = np.arange(len(record), dtype=np.int64) - first[record] + 1
    # Every distinct ALT is split once: its alleles follow one another among `alleles`.
    alleles = [allele for group in split for allele in group]
    start = np.cumsum(n_of_distinct) - n_of_distinct
    codes, distinct = pd.factorize(np.array(alleles, dtype=object))
    counted = codes[start[alternatives.codes[record]] + alternative - 1]
    is_empty = np.append(distinct == "", False)[counted]
    if is_empty.any():
        raise DataError(
            f"{path.name}: {int(is_empty.sum()):,} alternative alleles are empty, "
            f"the first in row {int(record[is_empty.argmax()]) + 1:,}"
        )
    variants = make_variants(
        as_categories(table["#CHROM"]).take(record),
        np.asarray(table["POS"], dtype=np.int64)[record],
        pd.Series(table["ID"], dtype=ID_TYPE).array.take(record),
        pd.Categorical.from_codes(counted, categories=pd.Index(distinct, dtype=object)),
        as_categories(table["REF"]).take(record),
        record,
    )
    return variants, record, alternative, np.maximum(n_alternatives + 1, 2)


def _read_tabs(path: Path) -> pa.Table | None:
    """Read a .pvar of clean tabs at once; None if it needs the patient reader."""
    text = pa.dictionary(pa.int32(), pa.string())
    types = {"#CHROM": text, "REF": text, "ALT": text, "ID": pa.string(), "POS": pa.int64()}
    with _open_text(path) as handle:
        columns = _pvar_columns(handle, path)
        start = handle.peek(1)
        if len(set(columns)) < len(columns) or start.split(b"\n", 1)[0].count(b" "):
            return None
        try:
            table = pyarrow.csv.read_csv(
                handle,
                read_options=pyarrow.csv.ReadOptions(
                    column_names=columns, block_size=ARROW_BLOCK, use_threads=False
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(PVAR_COLUMNS),
                    column_types=types,
                    null_values=[],
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None
    names = ("#CHROM", "REF", "ALT")
    texts = [table["ID"], *(chunk.dictionary for name in names for chunk in table[name].chunks)]
    has_blanks = any(
        pc.any(pc.or_(pc.equal(column, ""), pc.match_substring(column, " "))).as_py()
        for column in texts
    )
    return None if has_blanks or table.num_rows == 0 else table


def _read_patiently(path: Path) -> pd.DataFrame:
    """Read a .pvar of any white space, or say what is wrong with it."""
    with _open_text(path) as handle:
        columns = _pvar_columns(handle, path)
        table = _read_table(handle, path, columns, PVAR_COLUMNS)
    table["POS"] = _whole_numbers(table["POS"], path)
    return table


def _pvar_columns(handle: io.BufferedReader, path: Path) -> list[str]:
    columns = _read_header(handle, path)
    absent = [column for column in PVAR_COLUMNS if column not in columns]
    if absent:
        raise DataError(f"{path.name}: its header lacks {len(absent)} columns: {absent}")
    return columns


def read_psam(path: Path) -> pd.DataFrame:
    """Read the people of a .psam, with or without FID; see `GenotypeSource.samples`.

    Without FID the family is the person, as with VCF.
    """
    with _open_text(path) as handle:
        header = _read_header(handle, path)
        if not header:
            return read_fam(path)
        columns = [header[0].removeprefix("#"), *header[1:]]
        if "IID" not in columns:
            raise DataError(f"{path.name}: its header has {len(columns)} columns, but no IID")
        wanted = tuple(name for name in ("FID", "IID", "SEX") if name in columns)
        table = _read_table(handle, path, columns, wanted)
    samples = pd.DataFrame(
        {
            "person_id": table["IID"],
            "family_id": table["FID"] if "FID" in table else table["IID"],
            "sex": table["SEX"].map(SEX_OF_TEXT).fillna("unknown") if "SEX" in table else "unknown",
        }
    )
    check_people(samples, path)
    return samples


def _open_text(path: Path) -> io.BufferedReader:
    if path.suffix.lower() != ".zst":
        return path.open("rb")
    return io.BufferedReader(_ZstdText(path), buffer_size=ZSTD_CHUNK)


class _ZstdText(io.RawIOBase):
    """The text of a .zst, as a stream; zstandard's own takes a cut frame for the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("rb")
        self.frame: Any = None
        self.waiting = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self.waiting:
            raw = self.file.read(ZSTD_CHUNK)
            if not raw:
                if self.frame is not None:
                    raise DataError(f"{self.path.name}: ends inside a zstd frame: a truncated copy")
                return 0
            self.waiting = self._decompress(raw)
        n_bytes = min(len(buffer), len(self.waiting))
        buffer[:n_bytes] = self.waiting[:n_bytes]
        self.waiting = self.waiting[n_bytes:]
        return n_bytes

    def _decompress(self, raw: bytes) -> bytes:
        parts = []
        while raw:
            if self.frame is None:
                self.frame = zstandard.ZstdDecompressor().decompressobj()
            try:
                parts.append(self.frame.decompress(raw))
            except zstandard.ZstdError as error:
                raise DataError(f"{self.path.name}: damaged, or not zstd: {error}") from error
            raw = b""
            if self.frame.eof:
                raw, self.frame = self.frame.unused_data, None
        return b"".join(parts)


def _read_header(handle: io.BufferedReader, path: Path) -> list[str]:
    """Read to the end of the header line and give its columns; none if it has no header."""
    while True:
        if not handle.peek(1):
            raise DataError(f"{path.name}: is empty, or has nothing behind its header")
        if handle.peek(1)[:1] != b"#":
            return []
        line = handle.readline()
        if not line.startswith(b"##"):
            try:
                return line.decode().split()
            except UnicodeDecodeError as error:
                raise DataError(f"{path.name}: its header is not text: {error.reason}") from error


def _read_table(
    handle: io.BufferedReader, path: Path, columns: list[str], wanted: tuple[str, ...]
) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            handle,
            sep=r"\s+",
            header=None,
            names=columns,
            usecols=list(wanted),
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            quoting=csv.QUOTE_NONE,
            engine="c",
            index_col=False,
        )
    except ValueError as error:
        raise DataError(f"{path.name}: not a table of {len(columns)} columns: {error}") from error
    short = table[list(wanted)].isna().any(axis=1).to_numpy()
    if short.any():
        raise DataError(
            f"{path.name}: {int(short.sum()):,} of {len(table):,} rows do not have "
            f"{len(columns)} columns, the first is row {int(short.argmax()) + 1:,}"
        )
    return table


def _whole_numbers(text: pd.Series[str], path: Path) -> IntArray:
    wrong = ~text.str.fullmatch(r"-?[0-9]{1,18}").to_numpy(dtype=bool)
    if wrong.any():
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(text):,} positions (POS) are not whole "
            f"numbers, the first in row {int(wrong.argmax()) + 1:,}"
        )
    return text.to_numpy(dtype=np.int64)
