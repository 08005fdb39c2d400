"""From diagnosis concepts and codes to the classes of the code lists."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.codes import (
    DEPRESSION_CLASSES,
    diagnosis_codes,
    read_codelist,
)
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.fields import memory_table

SHORTEST_CODE, LONGEST_CODE = 2, 7
_CLASS = {"codelist": "string", "diagnosis_class": "string"}


def diagnosis_concepts(ancestors: ir.Table | None) -> ir.Table:
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
    listed = diagnosis_codes().dropna(subset=["concept_id"])
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


def diagnosis_source_codes(used: ir.Table) -> ir.Table:
    """Map recorded codes to classes, each by its longest listed prefix.

    Parameters
    ----------
    used
        One row a code and vocabulary: ``code``, ``vocabulary`` (null: told from
        the code, since ICD-10 begins with a letter and ICD-9 mental disorders
        with a digit).

    Returns
    -------
    Table
        ``code``, ``vocabulary``, ``diagnosis_class``. "F32.10", "f3210", "DF321"
        and "F32.1 G" have the class of F32.1; "311.0" that of 311.
    """
    listed = diagnosis_codes()
    listed = listed[listed["family"] != ""].drop_duplicates(
        ["codelist", "family", "code", "diagnosis_class"]
    )
    table = memory_table(
        listed.rename(columns={"code": "listed_code"}),
        {"family": "string", "listed_code": "string", **_CLASS},
    )
    keyed = used.select("code", "vocabulary", plain=_plain_code(used.code))
    keyed = keyed.mutate(family=_family(keyed.vocabulary, keyed.plain))
    prefixes = [
        keyed.filter(keyed.plain.length() >= length).mutate(
            prefix=keyed.plain.substr(0, length), length=ibis.literal(length, "int64")
        )
        for length in range(SHORTEST_CODE, LONGEST_CODE + 1)
    ]
    whole = keyed.filter(keyed.plain.length() > LONGEST_CODE).mutate(
        prefix=keyed.plain, length=keyed.plain.length().cast("int64")
    )
    candidates = ibis.union(*prefixes, whole)
    matched = candidates.inner_join(
        table,
        [candidates.family == table.family, candidates.prefix == table.listed_code],
    )
    # SNOMED ids are numbers, not paths: only the whole id is the concept.
    matched = matched.filter((matched.family != "SNOMED") | (matched.prefix == matched.plain))
    longest = matched.length.max().over(group_by=["code", "vocabulary", "codelist"])
    return (
        matched.mutate(longest=longest)
        .filter(lambda t: t.length == t.longest)
        .select("code", "vocabulary", "diagnosis_class")
        .distinct()
    )


def _plain_code(code: ir.StringValue) -> ir.StringValue:
    plain = code.upper().strip().replace(".", "").replace(" ", "")
    second = plain.substr(1, 1)
    is_danish = (plain.substr(0, 1) == "D") & (second >= "A") & (second <= "Z")
    return is_danish.ifelse(plain.substr(1, 20), plain)


def _family(vocabulary: ir.StringValue, plain: ir.StringValue) -> ir.StringValue:
    named = vocabulary.upper().replace("-", "").replace(" ", "").replace("_", "")
    first = plain.substr(0, 1)
    guessed = ibis.cases(
        ((first >= "A") & (first <= "Z"), "ICD10"),
        (plain.length() <= 5, "ICD9"),
        else_="SNOMED",
    )
    stated = ibis.cases(
        (named.startswith("ICD10PCS") | named.startswith("ICD9PROC"), ""),
        (named.startswith("ICD10"), "ICD10"),
        (named.startswith("ICD9"), "ICD9"),
        (named.startswith("SNOMED"), "SNOMED"),
        else_="",
    )
    return vocabulary.isnull().ifelse(guessed, stated)


def procedure_concepts(ancestors: ir.Table | None) -> ir.Table:
    """Map procedure concepts to ECT, rTMS, VNS, esketamine and psychotherapy."""
    listed = read_codelist("procedures").dropna(subset=["concept_id"])
    table = memory_table(listed, {"concept_id": "int64", "procedure_class": "string"})
    if ancestors is None:
        return table
    return descendants(ancestors, table).drop("is_listed")


def procedure_codes() -> ir.Table:
    """List what names a procedure: its class, and the codes of the list.

    Returns
    -------
    Table
        ``code`` (upper case, no dots), ``is_prefix`` (1: stands for all codes that
        begin so), ``procedure_class``.
    """
    listed = read_codelist("procedures")
    classes = sorted(set(listed["procedure_class"]))
    named = pd.DataFrame({"code": classes, "procedure_class": classes})
    codes = pd.concat([listed[["code", "procedure_class"]], named], ignore_index=True)
    codes["is_prefix"] = codes["code"].str.endswith("*").astype("int64")
    codes["code"] = codes["code"].str.upper().str.replace(r"[.*]", "", regex=True)
    codes = codes.drop_duplicates(["code", "procedure_class"])
    kinds = {"code": "string", "is_prefix": "int64", "procedure_class": "string"}
    return memory_table(codes, kinds)
