"""The code lists: ids and codes with their class and source."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from pgs_trd.errors import UsageError

DEPRESSION_CLASSES = (
    "mdd_core",
    "trd_code",
    "perinatal",
    "dysthymia",
    "depression_nos",
    "other_depression",
    "exclude_bipolar_psychosis",
    "exclude_secondary",
    "exclude_dementia",
    "exclude_pmdd",
)
"""Every class of the depression list; having any of them bars a control."""

EXCLUSION_CLASSES = (
    "bipolar",
    "schizophrenia_spectrum",
    "other_psychosis",
    "dementia",
    "substance_use",
)


def list_codelists() -> list[str]:
    """Name the code lists that come with the package."""
    folder = files("pgs_trd.ehr") / "codelists"
    return sorted(
        entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv")
    )


def read_codelist(name: str) -> pd.DataFrame:
    """Read one code list of the package.

    Parameters
    ----------
    name
        One of `list_codelists`: "antidepressants", "combinations", "depression",
        "exclusions", "procedures".

    Returns
    -------
    DataFrame
        All columns text, absent is the empty text, except ``concept_id``
        (Int64, <NA> where no OMOP concept was verified).

    Raises
    ------
    UsageError
        If there is no such list.
    """
    known = list_codelists()
    if name not in known:
        raise UsageError(f"no code list {name!r}; there are: {', '.join(known)}")
    return _read_codelist(name).copy()


@lru_cache(maxsize=16)
def _read_codelist(name: str) -> pd.DataFrame:
    path = files("pgs_trd.ehr") / "codelists" / f"{name}.csv"
    with path.open("r", encoding="utf-8") as stream:
        table = pd.read_csv(stream, dtype=str, keep_default_na=False)
    if "concept_id" in table.columns:
        table["concept_id"] = pd.to_numeric(table["concept_id"]).astype("Int64")
    return table


@dataclass(frozen=True, eq=False)
class CodeLists:
    """The code lists in force: those of the package, but for those the user replaced.

    Made by `open_codelists`.

    Attributes
    ----------
    own
        Each replaced list by its name, in the form that `read_codelist` gives.
    files
        Where they were read.
    """

    own: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def read(self, name: str) -> pd.DataFrame:
        """Give one list, as `read_codelist` does.

        Raises
        ------
        UsageError
            If there is no such list.
        """
        return self.own[name].copy() if name in self.own else read_codelist(name)

    @property
    def hashes(self) -> dict[str, str]:
        """Give the SHA-256 of the content of each replaced list."""
        return {name: _content_hash(table) for name, table in sorted(self.own.items())}

    @property
    def notes(self) -> tuple[str, ...]:
        """Say of each replaced list how its lines differ from the package's."""
        return tuple(_compare_lists(name, table) for name, table in sorted(self.own.items()))

    @property
    def differ(self) -> bool:
        """Say whether any list is another than the package's."""
        return any(
            digest != _content_hash(_read_codelist(name)) for name, digest in self.hashes.items()
        )


PACKAGE_LISTS = CodeLists()
"""The lists of the package, none replaced."""


def _content_hash(table: pd.DataFrame) -> str:
    text = table.to_csv(index=False, lineterminator="\n")
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _compare_lists(name: str, table: pd.DataFrame) -> str:
    """Count the lines that only one of the two lists has; who says so is no difference."""
    columns = [column for column in table.columns if column not in ("source", "note")]
    ours, theirs = (
        set(each[columns].astype("string").fillna("").itertuples(index=False, name=None))
        for each in (table, _read_codelist(name))
    )
    if ours == theirs:
        return f"code list {name}: yours, with the lines of the package's"
    return (
        f"code list {name}: yours instead of the package's; {len(ours - theirs):,} of its "
        f"{len(ours):,} lines are new or changed, {len(theirs - ours):,} of the package's "
        f"{len(theirs):,} are not in it"
    )


def code_family(vocabulary: str) -> str:
    """Give the family in which codes of one vocabulary are compared.

    ICD-10 and its national modifications share one family, since a deeper code
    keeps the meaning of the code it refines; the lists hold no code with two
    meanings in it. An unknown vocabulary gives the empty text: its codes match
    nothing.
    """
    name = vocabulary.upper().replace("-", "").replace(" ", "").replace("_", "")
    if name.startswith(("ICD10PCS", "ICD9PROC")):
        return ""
    for family in ("ICD10", "ICD9", "SNOMED"):
        if name.startswith(family):
            return family
    return ""


def normalise_code(code: str) -> str:
    """Write a diagnosis code as the lists are compared: upper case, no dots or spaces.

    The Danish prefix D of ICD-10 ("DF32.1") goes; ICD-10's own chapter D
    ("D50.9") has a digit in the second place and stays.

    Examples
    --------
    >>> normalise_code(" df32.1 "), normalise_code("296.20"), normalise_code("D50.9")
    ('F321', '29620', 'D509')
    """
    plain = "".join(character for character in code.upper() if character not in ". \t\u00a0")
    if len(plain) > 2 and plain[0] == "D" and "A" <= plain[1] <= "Z":
        return plain[1:]
    return plain


def diagnosis_codes(lists: CodeLists = PACKAGE_LISTS) -> pd.DataFrame:
    """Give both diagnosis lists as one table.

    Returns
    -------
    DataFrame
        Columns ``codelist`` ("depression" or "exclusions"), ``concept_id``,
        ``family``, ``code`` (normalised), ``diagnosis_class``. A code may stand
        in both lists (ICD-9 298.0 does), and twice in one (ICD-10-CM F25.0).
    """
    parts = []
    for codelist in ("depression", "exclusions"):
        listed = lists.read(codelist)
        parts.append(
            pd.DataFrame(
                {
                    "codelist": codelist,
                    "concept_id": listed["concept_id"],
                    "family": listed["vocabulary"].map(code_family),
                    "code": listed["code"].map(normalise_code),
                    "diagnosis_class": listed["diagnosis_class"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
