"""From diagnosis concepts and codes to the classes of the code lists."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.codes import (
    DEPRESSION_CLASSES,
    PACKAGE_LISTS,
    CodeLists,
    code_family,
    diagnosis_codes,
    normalise_code,
)
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.fields import memory_table

SHORTEST_CODE, LONGEST_CODE, LONGEST_ICD9 = 2, 7, 5
_CLASS = {"codelist": "string", "diagnosis_class": "string"}


def diagnosis_concepts(ancestors: ir.Table | None, lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Map diagnosis concepts to depression tiers and exclusion classes.

    A concept that stands in the depression list has the tier of that list, not
    of what it descends from: 440383 "Depressive disorder" has bipolar, drug
    induced and perinatal descendants. One that stands nowhere takes the strictest
    tier of its listed ancestors (exclusions first, then the core, then the vague).
    Exclusions reach all their descendants but those the depression list names
    itself, and but psychosis where it meets the core: psychotic depression descends
    from 436073 "Psychotic disorder". Bipolar depression that no list names is both.

    Returns
    -------
    Table
        ``concept_id``, ``diagnosis_class``; one row a concept and class.
    """
    listed = diagnosis_codes(lists).dropna(subset=["concept_id"])
    listed = listed.drop_duplicates(["codelist", "concept_id", "diagnosis_class"])
    table = memory_table(listed, {"concept_id": "int64", **_CLASS})
    if ancestors is None:
        return table.select("concept_id", "diagnosis_class").distinct()
    expanded = descendants(ancestors, table)
    tiers = _one_tier(expanded.filter(expanded.codelist == "depression"))
    clean = tiers.filter(~tiers.diagnosis_class.startswith("exclude_"))
    exclusions = expanded.filter(expanded.codelist == "exclusions")
    inherited = exclusions.filter(exclusions.is_listed == 0).anti_join(
        clean.filter(clean.is_listed == 1), "concept_id"
    )
    psychotic_depression = clean.filter(clean.diagnosis_class == "mdd_core").select(
        "concept_id", diagnosis_class=ibis.literal("other_psychosis", "string")
    )
    inherited = inherited.anti_join(psychotic_depression, ["concept_id", "diagnosis_class"])
    own = exclusions.filter(exclusions.is_listed == 1)
    columns = ["concept_id", "diagnosis_class"]
    return (
        tiers.select(columns).union(inherited.select(columns)).union(own.select(columns)).distinct()
    )


def _one_tier(expanded: ir.Table) -> ir.Table:
    strictness = sorted(
        DEPRESSION_CLASSES,
        key=lambda name: (not name.startswith("exclude_"), DEPRESSION_CLASSES.index(name)),
    )
    ranks = memory_table(
        pd.DataFrame({"diagnosis_class": strictness, "strictness": range(len(strictness))}),
        {"diagnosis_class": "string", "strictness": "int64"},
    )
    ranked = expanded.inner_join(ranks, "diagnosis_class")
    place = ibis.row_number().over(
        group_by="concept_id", order_by=[ibis.desc("is_listed"), "strictness"]
    )
    return ranked.mutate(place=place).filter(lambda t: t.place == 0)


def diagnosis_source_codes(used: pd.DataFrame, lists: CodeLists = PACKAGE_LISTS) -> pd.DataFrame:
    """Map recorded codes to classes, each by its longest listed prefix.

    Parameters
    ----------
    used
        One row a code and vocabulary: ``code``, ``vocabulary`` (absent: told from
        the code, since ICD-10 begins with a letter and ICD-9 mental disorders
        with a digit).

    Returns
    -------
    DataFrame
        ``code``, ``vocabulary``, ``diagnosis_class``; codes without a class are not in
        it. "F32.10", "f3210", "DF321" and "F32.1 G" have the class of F32.1; "311.0"
        that of 311.
    """
    listed = _listed_codes(lists)
    found = [
        (code, vocabulary, name)
        for code, vocabulary in zip(used["code"], used["vocabulary"], strict=True)
        for name in sorted(_classes_of(str(code), vocabulary, listed))
    ]
    return pd.DataFrame(found, columns=["code", "vocabulary", "diagnosis_class"], dtype=object)


Listed = Mapping[tuple[str, str], Mapping[str, frozenset[str]]]


def _listed_codes(lists: CodeLists) -> Listed:
    """Give the classes of each code, by list and family of vocabularies."""
    codes = diagnosis_codes(lists)
    found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for row in codes[codes["family"] != ""].itertuples():
        of_code = found.setdefault((str(row.codelist), str(row.family)), {})
        of_code[str(row.code)] = of_code.get(str(row.code), frozenset()) | {
            str(row.diagnosis_class)
        }
    return found


def _classes_of(code: str, vocabulary: str | None, listed: Listed) -> set[str]:
    plain = normalise_code(code)
    family = _guess_family(plain) if pd.isna(vocabulary) else code_family(vocabulary)
    prefixes = [plain]
    # SNOMED ids are numbers, not paths: only the whole id is the concept.
    if family != "SNOMED":
        longest = min(len(plain) - 1, LONGEST_CODE)
        prefixes += [plain[:length] for length in range(longest, SHORTEST_CODE - 1, -1)]
    classes: set[str] = set()
    for (_, of_family), of_code in listed.items():
        if of_family == family:
            classes |= next((of_code[prefix] for prefix in prefixes if prefix in of_code), set())
    return classes


def _guess_family(plain: str) -> str:
    if "A" <= plain[:1] <= "Z":
        return "ICD10"
    return "ICD9" if len(plain) <= LONGEST_ICD9 else "SNOMED"


def procedure_concepts(ancestors: ir.Table | None, lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Map procedure concepts to ECT, rTMS, VNS, esketamine and psychotherapy."""
    listed = lists.read("procedures").dropna(subset=["concept_id"])
    table = memory_table(listed, {"concept_id": "int64", "procedure_class": "string"})
    if ancestors is None:
        return table
    return descendants(ancestors, table).drop("is_listed")


def procedure_codes(lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """List what names a procedure: its class, and the codes of the list.

    Returns
    -------
    Table
        ``code`` (upper case, no dots), ``is_prefix`` (1: stands for all codes that
        begin so), ``procedure_class``.
    """
    listed = lists.read("procedures")
    classes = sorted(set(listed["procedure_class"]))
    named = pd.DataFrame({"code": classes, "procedure_class": classes})
    codes = pd.concat([listed[["code", "procedure_class"]], named], ignore_index=True)
    codes["is_prefix"] = codes["code"].str.endswith("*").astype("int64")
    codes["code"] = codes["code"].str.upper().str.replace(r"[.*]", "", regex=True)
    codes = codes.drop_duplicates(["code", "procedure_class"])
    kinds = {"code": "string", "is_prefix": "int64", "procedure_class": "string"}
    return memory_table(codes, kinds)
