"""The files of a fileset, and many filesets of one study, a chromosome each, as one source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.genotypes.alleles import SHARED_COLUMNS, find_shared_alleles, number_sites
from pgs_trd.genotypes.source import (
    BLOCK_SIZE,
    GenotypeBlock,
    GenotypeSource,
    HaploidCoding,
    IntArray,
    check_rows,
)

AUTOSOMES = tuple(str(number) for number in range(1, 23))
OTHER_CHROMOSOMES = ("X", "Y", "XY", "MT")
MAX_MEMBERS = 10_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")
_ENDINGS = ("", ".bed", ".pgen")
PGEN_ENDINGS = (".pgen", ".pvar", ".pvar.zst", ".psam")
PLINK_ENDINGS = (".bed", ".bim", ".fam", *PGEN_ENDINGS)


@dataclass(frozen=True)
class FilesetSource:
    """Several sources of the same people as one. See `GenotypeSource`.

    `variants` are those of the members one after the other, in the order of the
    pattern; blocks end where a member ends.
    """

    members: tuple[GenotypeSource, ...]
    samples: pd.DataFrame
    variants: pd.DataFrame
    format: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files of all members."""
        return tuple(path for member in self.members for path in member.paths)

    @property
    def haploid_coding(self) -> HaploidCoding:
        """That of the members, which are of one format."""
        return self.members[0].haploid_coding

    def blocks(self, rows: IntArray, *, block_size: int = BLOCK_SIZE) -> Iterator[GenotypeBlock]:
        """Give the genotypes of `rows`, member by member; see `GenotypeSource.blocks`."""
        rows = check_rows(rows, len(self.variants), block_size)
        first = 0
        for member in self.members:
            end = first + len(member.variants)
            part = slice(*np.searchsorted(rows, [first, end]))
            for block in member.blocks(rows[part] - first, block_size=block_size):
                yield replace(block, rows=block.rows + first)
            first = end


def plink_prefix(path: Path) -> str:
    """Give the prefix of a PLINK 1 or 2 fileset from its prefix or any of its files."""
    name = path.name.lower()
    ending = next((ending for ending in PLINK_ENDINGS if name.endswith(ending)), "")
    return str(path)[: len(str(path)) - len(ending)]


def find_plink_files(path: Path) -> dict[str, Path]:
    """Give the files of a PLINK 1 or 2 fileset that exist, by their endings."""
    files = {ending: Path(plink_prefix(path) + ending) for ending in PLINK_ENDINGS}
    return {ending: file for ending, file in files.items() if file.is_file()}


def is_pattern(path: Path) -> bool:
    """Tell whether `path` means many files: a name with ``{...}`` or ``#`` that is no file."""
    return ("#" in path.name or "{" in path.name) and not path.exists()


def expand_pattern(path: Path) -> list[Path]:
    """Give the members that a pattern names.

    ``{1:22,X}`` lists numbers, ranges and names, each of which must exist. ``#``
    is the 22 autosomes, which must exist, and of X, Y, XY and MT those that do.

    Raises
    ------
    UsageError
        If the pattern cannot be read, or members are missing.

    Examples
    --------
    >>> [member.name for member in list_members(Path("chr{1:2,X}.bed"))[0]]
    ['chr1.bed', 'chr2.bed', 'chrX.bed']
    """
    required, optional = list_members(path)
    missing = [member.name for member in required if not _exists(member)]
    if missing:
        raise UsageError(
            f"{path.name}: {len(missing)} of {len(required)} members do not exist: "
            f"{', '.join(missing[:30])}"
            + (", ..." if len(missing) > 30 else "")
            + ". A score without them would be wrong; name fewer if that is meant"
        )
    return required + [member for member in optional if _exists(member)]


def list_members(path: Path) -> tuple[list[Path], list[Path]]:
    """Give the members of a pattern that must exist, and those that may."""
    groups = _BRACES.findall(path.name)
    if len(groups) + path.name.count("#") != 1:
        raise UsageError(
            f"{path.name}: {len(groups)} lists in braces and {path.name.count('#')} signs #; "
            "a pattern has one of either, as in chr{1:22,X}.bed or chr#.pgen"
        )
    if not groups:
        required, optional = list(AUTOSOMES), list(OTHER_CHROMOSOMES)
        return (
            [path.with_name(path.name.replace("#", name)) for name in required],
            [path.with_name(path.name.replace("#", name)) for name in optional],
        )
    names: list[str] = []
    for part in groups[0].split(","):
        names += _expand_part(part.strip(), path)
    if len(names) > MAX_MEMBERS:
        raise UsageError(f"{path.name}: means {len(names):,} files; {MAX_MEMBERS:,} are the most")
    if len(set(names)) < len(names):
        raise UsageError(f"{path.name}: names {len(names) - len(set(names))} members twice")
    return [path.with_name(_BRACES.sub(name, path.name)) for name in names], []


def _expand_part(part: str, path: Path) -> list[str]:
    if not part or not re.fullmatch(r"[\w.:-]+", part):
        raise UsageError(f"{path.name}: {part!r} is neither a name nor a range such as 1:22")
    span = _RANGE.fullmatch(part)
    if span is None:
        return [part]
    first, last = int(span[1]), int(span[2])
    if not first <= last < first + MAX_MEMBERS:
        raise UsageError(f"{path.name}: the range {part} holds no or too many numbers")
    return [str(number) for number in range(first, last + 1)]


def _exists(member: Path) -> bool:
    return any(member.with_name(member.name + ending).is_file() for ending in _ENDINGS)


def open_fileset(path: Path, open_member: Callable[[Path, int], GenotypeSource]) -> FilesetSource:
    """Open every member of a pattern, each told how many they are, and join them.

    Raises
    ------
    UsageError
        If the pattern cannot be read, or members are missing.
    DataError
        If members hold other people, in another order, or disagree on their sex.
    """
    members = expand_pattern(path)
    return join_sources([open_member(member, len(members)) for member in members])


def join_sources(members: Sequence[GenotypeSource]) -> FilesetSource:
    """Join sources of the same people, in the same order, to one."""
    if not members:
        raise UsageError("no genotypes to join")
    first = members[0]
    faults = [fault for member in members[1:] for fault in _compare_people(first, member)]
    if faults:
        raise DataError(join_faults(f"{len(members)} genotype files do not fit together", faults))
    variants = _concatenate([member.variants for member in members])
    site = np.concatenate([member.variants["site"].to_numpy() for member in members])
    number = np.repeat(np.arange(len(members)), [len(member.variants) for member in members])
    # The smallest row of each site stands for it, as `number_sites` expects of records.
    record = pd.Series(np.arange(len(site))).groupby([number, site]).transform("min").to_numpy()
    variants["site"] = number_sites(variants, record)
    if any(SHARED_COLUMNS[0] in member.variants for member in members):
        # What the members know of rows that they left out holds besides what joining shows.
        joined = np.array(find_shared_alleles(variants))
        own = np.hstack([find_shared_alleles(member.variants) for member in members])
        for name, shared in zip(SHARED_COLUMNS, joined | own, strict=True):
            variants[name] = shared
    samples = first.samples.copy()
    for member in members[1:]:
        known = member.samples["sex"].to_numpy()
        samples["sex"] = np.where(samples["sex"] == "unknown", known, samples["sex"])
    return FilesetSource(tuple(members), samples, variants, first.format)


def _concatenate(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Give the rows of all tables, less what is of a table alone; categories stay categories."""
    columns = {}
    for name in (name for name in tables[0].columns if name not in SHARED_COLUMNS):
        parts = [table[name] for table in tables]
        if isinstance(parts[0].dtype, pd.CategoricalDtype):
            columns[name] = pd.Series(union_categoricals(parts))
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns)


def _compare_people(first: GenotypeSource, other: GenotypeSource) -> list[str]:
    name, base = other.paths[0].name, first.paths[0].name
    ids, wanted = (source.samples["person_id"].to_numpy() for source in (other, first))
    if len(ids) != len(wanted) or set(ids) != set(wanted):
        n_common = len(set(ids) & set(wanted))
        return [
            f"{name} holds {len(ids):,} people, {base} {len(wanted):,}, and {n_common:,} are common"
        ]
    n_moved = int((ids != wanted).sum())
    if n_moved:
        return [f"{name} holds the people of {base} in another order: {n_moved:,} rows differ"]
    sex, wanted_sex = (source.samples["sex"].to_numpy() for source in (other, first))
    n_changed = int(((sex != wanted_sex) & (sex != "unknown") & (wanted_sex != "unknown")).sum())
    if n_changed:
        return [f"{name} and {base} give {n_changed:,} people another sex"]
    return []
