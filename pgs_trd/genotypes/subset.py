"""Some of the people and some of the variants of a source, by lists in files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.genotypes import _decode
from pgs_trd.genotypes.alleles import (
    SHARED_COLUMNS,
    canonical_chromosome,
    find_shared_alleles,
)
from pgs_trd.genotypes.packing import packed_width
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    GenotypeBlock,
    GenotypeSource,
    HaploidCoding,
    IntArray,
    UInt8Array,
    check_rows,
)

BoolArray = npt.NDArray[np.bool_]
RANGE_ENDING = ".bed1"
SEX_OF_WORD = {
    "1": "male", "m": "male", "male": "male",
    "2": "female", "f": "female", "female": "female",
    **dict.fromkeys(("0", "-9", "na", "nan", "n/a", "u", "unknown"), "unknown"),
}  # fmt: skip


@dataclass(frozen=True)
class SubsetSource:
    """Some people and variants of another source, in its order. See `GenotypeSource`.

    `people` and `rows` are what was kept of the people and variants of `whole`.
    """

    whole: GenotypeSource
    samples: pd.DataFrame
    variants: pd.DataFrame
    people: IntArray = field(repr=False)
    rows: IntArray = field(repr=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files of the whole source."""
        return self.whole.paths

    @property
    def format(self) -> str:
        """Format of the whole source."""
        return self.whole.format

    @property
    def haploid_coding(self) -> HaploidCoding:
        """That of the whole source."""
        return self.whole.haploid_coding

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Give the genotypes of the kept people; see `GenotypeSource.blocks`."""
        rows = check_rows(rows, len(self.variants), block_size)
        n_people = len(self.whole.samples)
        mask = None if len(self.people) == n_people else _bit_mask(self.people, n_people)
        start = 0
        for block in self.whole.blocks(self.rows[rows], block_size=block_size):
            part = rows[start : start + len(block.rows)]
            start += len(block.rows)
            if mask is None:
                yield replace(block, rows=part)
                continue
            codes = block.codes
            yield GenotypeBlock(
                rows=part,
                codes=None if codes is None else self._take(codes, mask),
                units=None if block.units is None else block.units[:, self.people],
                ploidy=None if block.ploidy is None else block.ploidy[:, self.people],
            )

    def _take(self, codes: UInt8Array, mask: UInt8Array) -> UInt8Array:
        kept = np.empty((len(codes), packed_width(len(self.people))), dtype=np.uint8)
        _decode.take_people(
            np.ascontiguousarray(codes),
            mask,
            kept,
            len(codes),
            len(self.whole.samples),
            len(self.people),
        )
        return kept


def _bit_mask(people: IntArray, n_people: int) -> UInt8Array:
    """Set the two bits of each kept person, in whole 64-bit words."""
    bits = np.zeros((32 * -(-n_people // 32), 2), dtype=bool)
    bits[people] = True
    return np.packbits(bits.ravel(), bitorder="little")


def subset_genotypes(
    source: GenotypeSource,
    *,
    keep: str | Path | None = None,
    remove: str | Path | None = None,
    extract: str | Path | None = None,
    exclude: str | Path | None = None,
    sex: str | Path | None = None,
) -> GenotypeSource:
    """Keep some people and variants of a source; the files are those of plink2.

    Parameters
    ----------
    source
        From `open_genotypes`.
    keep, remove
        File of people: family and person (``FID IID``), or person alone, one a
        line. A header line starting with ``#FID``, ``FID``, ``#IID`` or ``IID``
        names the columns; others are ignored. A family of ``0`` fits any.
    extract, exclude
        File of variants. Whatever its name: one id a line; further columns are an
        error. Ending in ``.bed``, ``.bed0`` (from 0, end not included) or ``.bed1``
        (from 1, end included): chromosome, start and end of ranges.
    sex
        File of ``FID IID SEX`` or ``IID SEX``, with or without header, that tells
        the sex of people whose sex the genotypes do not: 1, M, male; 2, F, female;
        0, -9, NA, NaN, N/A, U, unknown; in upper or lower case.

    Returns
    -------
    GenotypeSource
        People and variants in the order of `source`; `source` itself if nothing
        is asked for.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If a file is damaged, nobody or no variant is left, or `sex` contradicts
        the genotypes.

    Warns
    -----
    PgsTrdWarning
        If people or variants that a file names are not among the genotypes.
    """
    samples, variants = source.samples, source.variants
    people = np.ones(len(samples), dtype=bool)
    for name, wanted, path in (("keep", True, keep), ("remove", False, remove)):
        if path is not None:
            people &= _find_people(samples, _check(path), name) == wanted
    rows = np.ones(len(variants), dtype=bool)
    for name, wanted, path in (("extract", True, extract), ("exclude", False, exclude)):
        if path is not None:
            rows &= _find_variants(variants, _check(path), name) == wanted
    for subject, left in (("people", people), ("variants", rows)):
        if not left.any():
            raise DataError(f"none of {len(left):,} {subject} left: see the lists that choose them")
    if sex is not None:
        samples = _fill_sex(samples, _check(sex))
    elif people.all() and rows.all():
        return source
    kept = variants
    if not rows.all():
        # Of a site that is cut in two, the whole table alone tells which alleles are shared.
        shared = dict(zip(SHARED_COLUMNS, find_shared_alleles(variants), strict=True))
        kept = variants.assign(**shared).loc[rows].reset_index(drop=True)
    return SubsetSource(
        source,
        samples.loc[people].reset_index(drop=True),
        kept,
        np.flatnonzero(people),
        np.flatnonzero(rows),
    )


def _check(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    return path


def _read_words(path: Path) -> list[list[str]]:
    """Give the words of each line that has any."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error
    lines = [words for line in text.splitlines() if (words := line.split())]
    if not lines:
        raise DataError(f"{path.name}: is empty")
    return lines


def _read_people(path: Path, *, with_sex: bool = False) -> pd.DataFrame:
    """Give family_id (``0`` where not told), person_id and, if wanted, sex of each line."""
    lines = _read_words(path)
    header = [name.removeprefix("#").upper() for name in lines[0]]
    if header[0] in ("FID", "IID"):
        lines = lines[1:]
    else:
        n_columns = len(lines[0]) - with_sex
        header = ["FID", "IID"] if n_columns >= 2 else ["IID"]
        header += ["SEX"] if with_sex else []
    wanted = ["IID", "SEX"] if with_sex else ["IID"]
    absent = [name for name in wanted if name not in header]
    if absent:
        raise DataError(f"{path.name}: has {len(header)} columns, but no {' and no '.join(absent)}")
    short = [number for number, words in enumerate(lines, 1) if len(words) < len(header)]
    if short:
        raise DataError(
            f"{path.name}: {len(short):,} of {len(lines):,} rows do not have {len(header)} "
            f"columns, the first is row {short[0]:,}"
        )
    columns = {name: [words[header.index(name)] for words in lines] for name in wanted}
    if "FID" in header:
        columns["FID"] = [words[header.index("FID")] for words in lines]
    people = pd.DataFrame(columns, dtype=object)
    if "FID" not in people:
        people["FID"] = "0"
    if people.empty:
        raise DataError(f"{path.name}: names nobody")
    return people


def _match_people(samples: pd.DataFrame, people: pd.DataFrame) -> IntArray:
    """Give the row in `samples` of each line of `people`, -1 where there is none.

    Person ids are unique in `samples`, so the family only has to agree: where the
    genotypes or the file know none (``0``, or the person's own id), it does.
    """
    rows = pd.Index(samples["person_id"]).get_indexer(people["IID"])
    family = samples["family_id"].to_numpy(dtype=object)[rows]
    person = samples["person_id"].to_numpy(dtype=object)[rows]
    listed = people["FID"].to_numpy(dtype=object)
    agrees = (listed == "0") | (family == listed) | (family == "0") | (family == person)
    return np.where((rows >= 0) & agrees, rows, -1)


def _find_people(samples: pd.DataFrame, path: Path, option: str) -> BoolArray:
    people = _read_people(path)
    rows = _match_people(samples, people)
    _warn_of_absent(path, option, "people", int((rows < 0).sum()), len(rows))
    found = np.zeros(len(samples), dtype=bool)
    found[rows[rows >= 0]] = True
    return found


def _warn_of_absent(path: Path, option: str, subject: str, n_absent: int, n_listed: int) -> None:
    if n_absent:
        warnings.warn(
            f"{option} {path.name}: {n_absent:,} of {n_listed:,} {subject} listed are not among "
            "the genotypes",
            PgsTrdWarning,
            stacklevel=4,
        )


def _find_variants(variants: pd.DataFrame, path: Path, option: str) -> BoolArray:
    ending = path.suffix.lower()
    if ending in (".bed", ".bed0", RANGE_ENDING):
        return _find_in_ranges(variants, path, first=0 if ending == RANGE_ENDING else 1)
    lines = _read_words(path)
    if lines[0][0] in ("#ID", "ID") and len(lines) > 1:
        lines = lines[1:]
    wide = [number for number, words in enumerate(lines, 1) if len(words) > 1]
    if wide:
        raise DataError(
            f"{path.name}: {len(wide):,} of {len(lines):,} rows have more than one column, the "
            f"first is row {wide[0]:,}: a list of variants has one id a line; ranges are told by "
            "the ending .bed (from 0, end not included) or .bed1 (from 1, end included)"
        )
    listed = pd.Index([words[0] for words in lines]).unique()
    ids = variants["id"]
    found: BoolArray = ids.isin(listed).to_numpy(dtype=bool)
    n_found = ids[found].nunique()
    _warn_of_absent(path, option, "variants", len(listed) - n_found, len(listed))
    return found


def _find_in_ranges(variants: pd.DataFrame, path: Path, *, first: int) -> BoolArray:
    """Tell which variants start in one of the ranges; `first` makes their start count from 1."""
    lines = [
        words
        for words in _read_words(path)
        if words[0][0] != "#" and words[0] not in ("track", "browser")
    ]
    wrong = [
        number
        for number, words in enumerate(lines, 1)
        if len(words) < 3 or not (words[1].isdecimal() and words[2].isdecimal())
    ]
    if wrong or not lines:
        raise DataError(
            f"{path.name}: {len(wrong):,} of {len(lines):,} ranges do not have a chromosome, a "
            f"start and an end{f', the first is range {wrong[0]:,}' if wrong else ''}"
        )
    ranges = pd.DataFrame(
        {
            "chromosome": [canonical_chromosome(words[0]) for words in lines],
            "start": [int(words[1]) + first for words in lines],
            "end": [int(words[2]) for words in lines],
        }
    )
    found = np.zeros(len(variants), dtype=bool)
    position = variants["position"].to_numpy()
    chromosome = variants["chromosome"]
    for name, group in ranges.groupby("chromosome", sort=False):
        rows = np.flatnonzero((chromosome == name).to_numpy())
        found[rows] = _is_covered(position[rows], group["start"], group["end"])
    return found


def _is_covered(position: IntArray, start: pd.Series[int], end: pd.Series[int]) -> BoolArray:
    """Tell which positions lie in one of the ranges, both ends included."""
    order = np.argsort(start.to_numpy(), kind="stable")
    starts = start.to_numpy()[order]
    reach = np.maximum.accumulate(end.to_numpy()[order])
    before = np.searchsorted(starts, position, side="right") - 1
    covered: BoolArray = (before >= 0) & (position <= reach[before])
    return covered


def _fill_sex(samples: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Give the people with the sex of the file where theirs is unknown."""
    people = _read_people(path, with_sex=True)
    told = people["SEX"].str.lower().map(SEX_OF_WORD).to_numpy(dtype=object)
    wrong = pd.isna(told)
    if wrong.any():
        raise DataError(
            f"{path.name}: {int(wrong.sum()):,} of {len(people):,} sexes are none of 1, M, male, "
            f"2, F, female, 0, NA, unknown, the first in row {int(wrong.argmax()) + 1:,}"
        )
    rows = _match_people(samples, people)
    _warn_of_absent(path, "sex", "people", int((rows < 0).sum()), len(rows))
    is_told = (rows >= 0) & (told != "unknown")
    sex = samples["sex"].to_numpy(dtype=object).copy()
    before = sex[rows[is_told]]
    n_other = int(((before != "unknown") & (before != told[is_told])).sum())
    if n_other:
        raise DataError(
            f"{path.name}: gives {n_other:,} people another sex than the genotype files do: "
            "the list of other people, or a mistake in one of the two"
        )
    sex[rows[is_told]] = told[is_told]
    if (sex[rows[is_told]] != told[is_told]).any():
        raise DataError(f"{path.name}: gives a person twice, with different sexes")
    filled = samples.copy()
    filled["sex"] = sex
    return filled
