"""The code lists against the vocabulary of the user: whether ids, codes and names agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr import connect
from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists, list_codelists
from pgs_trd.ehr.fields import Kind, read_fields
from pgs_trd.ehr.records import fetch
from pgs_trd.errors import DataError, UsageError

STATUSES = {
    "ok": "as listed",
    "absent": "the vocabulary has no concept of this id",
    "other_code": "the id is of another vocabulary or code",
    "invalid": "the concept was withdrawn (invalid_reason)",
    "not_standard": "a clinical concept that is not standard: records mapped to OMOP do not use it",
    "other_name": "the concept has another name; look whether it means the same",
}
"""How a listed concept can stand in a vocabulary; of several that hold, the first but "ok"."""

_STANDARD = ("RxNorm", "RxNorm Extension", "SNOMED")
_FIELDS: dict[str, Kind] = {
    "concept_id": "integer",
    "concept_name": "text",
    "vocabulary_id": "text",
    "concept_code": "text",
    "standard_concept": "text",
    "invalid_reason": "text",
}


def verify_codes(
    source: str | Path,
    names: Sequence[str] | None = None,
    *,
    codelists: CodeLists = PACKAGE_LISTS,
) -> pd.DataFrame:
    """Look up every listed concept in the user's concept table.

    Ids typed by hand go wrong: that an id exists does not say that it is the drug or the
    disease of the list.

    Parameters
    ----------
    source
        A folder of OMOP tables, a .duckdb file or the URL of a database, as `open_ehr`
        takes them; the table ``concept`` is enough.
    names
        Code lists; without, all that have concept ids.
    codelists
        What `open_codelists` gave, where lists of your own stand instead of the package's.

    Returns
    -------
    DataFrame
        As `compare_codes` gives it.

    Raises
    ------
    UsageError
        If the source or a list does not exist, or a list has no concept ids.
    DataError
        If there is no concept table, or it lacks a column.
    """
    listed = _listed(names, codelists)
    backend, tables = connect.open_tables(source)
    concept = tables.get("concept")
    if concept is None:
        raise DataError(
            "there is no table concept to verify the code lists against "
            f"(tables: {', '.join(sorted(tables)) or 'none'})"
        )
    absent = [name for name in _FIELDS if name not in concept.columns]
    if absent:
        raise DataError(f"concept: no column {', '.join(map(repr, absent))}")
    rows: ir.Table = read_fields(concept.select(*_FIELDS), _FIELDS)
    wanted = sorted(set(listed["concept_id"].astype("int64").tolist()))
    return compare_codes(
        fetch(backend, rows.filter(rows.concept_id.isin(wanted))), names, codelists=codelists
    )


def compare_codes(
    concept: pd.DataFrame,
    names: Sequence[str] | None = None,
    *,
    codelists: CodeLists = PACKAGE_LISTS,
) -> pd.DataFrame:
    """Compare listed concepts with rows of a concept table.

    Parameters
    ----------
    concept
        ``concept_id``, ``concept_name``, ``vocabulary_id``, ``concept_code``,
        ``standard_concept``, ``invalid_reason``; missing is null.
    names, codelists
        As in `verify_codes`.

    Returns
    -------
    DataFrame
        One row a listed concept, in the order of the lists: ``codelist``,
        ``concept_id``, ``vocabulary``, ``code``, ``name``, ``status`` (`STATUSES`), and
        ``found_vocabulary``, ``found_code``, ``found_name`` (missing where absent).
    """
    listed = _listed(names, codelists)
    known = concept.drop_duplicates("concept_id").set_index("concept_id")
    found = known.reindex(listed["concept_id"].astype("int64")).reset_index(drop=True)
    is_other = (found["concept_code"] != listed["code"]) & (listed["code"] != "")
    is_other |= (found["vocabulary_id"] != listed["vocabulary"]) & (listed["vocabulary"] != "")
    is_clinical = listed["vocabulary"].isin(_STANDARD)
    holds = {
        "absent": ~listed["concept_id"].isin(known.index),
        "other_code": is_other,
        "invalid": found["invalid_reason"].fillna("") != "",
        "not_standard": is_clinical & (found["standard_concept"].fillna("") != "S"),
        "other_name": _differ(listed["name"], found["concept_name"]),
    }
    status = pd.Series("ok", index=listed.index, dtype=object)
    for name in reversed(holds):
        status[holds[name].to_numpy(dtype=bool)] = name
    return listed.assign(
        status=status,
        found_vocabulary=found["vocabulary_id"].astype(object),
        found_code=found["concept_code"].astype(object),
        found_name=found["concept_name"].astype(object),
    )


def _listed(names: Sequence[str] | None, codelists: CodeLists) -> pd.DataFrame:
    """Give the lines with a concept id of some lists, each once."""
    parts = []
    for name in names if names is not None else list_codelists():
        table = codelists.read(name)
        if "concept_id" not in table.columns:
            if names is not None:
                raise UsageError(f"the code list {name!r} has no concept ids to verify")
            continue
        table = table.dropna(subset=["concept_id"])
        label = table["name"] if "name" in table.columns else table["ingredient"]
        part = table[["concept_id", "vocabulary", "code"]].assign(name=label)
        part.insert(0, "codelist", name)
        parts.append(part)
    columns = ["codelist", "concept_id", "vocabulary", "code", "name"]
    return pd.concat(parts, ignore_index=True)[columns].drop_duplicates(ignore_index=True)


def _differ(ours: pd.Series, theirs: pd.Series) -> pd.Series:
    """Say which names have no word in common: vocabularies reword, but keep the noun."""
    pairs = zip(ours, theirs.fillna(""), strict=True)
    return pd.Series([not _words(a) & _words(b) for a, b in pairs], index=ours.index, dtype=bool)


def _words(name: str) -> set[str]:
    plain = "".join(character if character.isalnum() else " " for character in name.lower())
    # The stem is enough: depression and depressive, treatment and treatments.
    return {word[:7] for word in plain.split() if len(word) > 3}
