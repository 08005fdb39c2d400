"""The tables beside a .pgen: variants (.pvar, .pvar.zst, .bim) and people (.psam, .fam)."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import zstandard

from pgs_trd.errors import DataError
from pgs_trd.genotypes.alleles import canonical_chromosomes, number_sites, upper_case
from pgs_trd.genotypes.plink1 import check_people, read_fam
from pgs_trd.genotypes.source import IntArray

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
    with _open_text(path) as handle:
        columns = _read_header(handle, path)
        absent = [column for column in PVAR_COLUMNS if column not in columns]
        if absent:
            raise DataError(f"{path.name}: its header lacks {len(absent)} columns: {absent}")
        table = _read_table(handle, path, columns, PVAR_COLUMNS)
    position = _whole_numbers(table["POS"], path)
    alternatives = table["ALT"].to_numpy(dtype=object)
    alleles = [[] if text == "." else text.split(",") for text in alternatives]
    n_alternatives = np.fromiter(map(len, alleles), dtype=np.int64, count=len(alleles))
    record = np.repeat(np.arange(len(alleles), dtype=np.int64), n_alternatives)
    first = np.cumsum(n_alternatives) - n_alternatives
    alternative = np.arange(len(record), dtype=np.int64) - first[record] + 1
    counted = np.array([allele for group in alleles for allele in group], dtype=object)
    if not len(counted):
        raise DataError(
            f"{path.name}: none of its {len(table):,} records has an alternative allele"
        )
    if (counted == "").any():
        raise DataError(
            f"{path.name}: {int((counted == '').sum()):,} alternative alleles are empty, "
            f"the first in row {int(record[(counted == '').argmax()]) + 1:,}"
        )
    variants = pd.DataFrame(
        {
            "chromosome": canonical_chromosomes(table["#CHROM"])[record],
            "position": position[record],
            "id": table["ID"].to_numpy(dtype=object)[record],
            "counted_allele": upper_case(counted),
            "other_allele": upper_case(table["REF"])[record],
        }
    )
    variants["site"] = number_sites(variants, record)
    return variants, record, alternative, np.maximum(n_alternatives + 1, 2)


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
    return io.BufferedReader(io.BytesIO(_decompress(path)))


def _decompress(path: Path) -> bytes:
    """Give the text of a .zst; zstandard's reader would take a cut frame for the end."""
    parts, compressed = [], path.read_bytes()
    while compressed:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(compressed))
        except zstandard.ZstdError as error:
            raise DataError(f"{path.name}: damaged, or not zstd: {error}") from error
        if not frame.eof:
            raise DataError(f"{path.name}: ends inside a zstd frame: a truncated copy")
        compressed = frame.unused_data
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
