"""From drug concepts, ATC codes and drug names to antidepressant ingredients."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.codes import read_codelist
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.fields import memory_table

_DRUG = {"ingredient": "string", "drug_class": "string", "counts_as_trial": "string"}


def _antidepressants() -> pd.DataFrame:
    listed = read_codelist("antidepressants")
    return listed[["concept_id", "atc_code", "synonym", *_DRUG]]


def drug_concepts(used: ir.Table, ancestors: ir.Table | None, names: ir.Table | None) -> ir.Table:
    """Map drug concepts to antidepressant ingredients.

    Parameters
    ----------
    used
        One row a drug concept of the source: ``concept_id``.
    ancestors
        concept_ancestor, or None where the source has none (or an empty one).
    names
        ``concept_id``, ``concept_name``; used to find ingredients where there is
        no concept_ancestor, and always to tell combination products apart.

    Returns
    -------
    Table
        ``concept_id``, ``ingredient``, ``drug_class``, ``counts_as_trial``; one
        row a concept and ingredient.
    """
    drugs = _antidepressants().dropna(subset=["concept_id"])
    listed = memory_table(drugs, {"concept_id": "int64", **_DRUG})
    expanded = listed if ancestors is None else descendants(ancestors, listed).drop("is_listed")
    mapped = expanded.semi_join(used, "concept_id")
    if names is None:
        return mapped
    # Ibis 12 cannot join what is selected from a join itself; hence the selection between.
    named = names.semi_join(used, "concept_id").select("concept_id", "concept_name")
    if ancestors is None:
        by_name = match_drug_names(named.rename(drug="concept_name"), key="concept_id")
        mapped = mapped.union(by_name, distinct=True)
    return _gate_combinations(mapped, named)


def match_drug_names(names: ir.Table, *, key: str) -> ir.Table:
    """Find ingredients as whole words in drug names ("Sertraline 50 MG Oral Tablet").

    Whole words, since "desvenlafaxine" holds "venlafaxine". `names` has `key` and
    ``drug``; the result has `key` and the classes of the ingredient.
    """
    drugs = _antidepressants()
    synonyms = drugs[drugs["synonym"] != ""].assign(word=drugs["synonym"])
    words = pd.concat([drugs.assign(word=drugs["ingredient"]), synonyms], ignore_index=True)
    # The words enter as columns of one small table: one join, not sixty scans.
    listed = memory_table(words, {"word": "string", **_DRUG})
    padded = names.select(key, text=_words(names.drug))
    return (
        padded.inner_join(listed, padded.text.contains(" " + listed.word + " "))
        .select(key, *_DRUG)
        .distinct()
    )


def _words(text: ir.StringValue) -> ir.StringValue:
    plain = text.lower()
    for mark in "/,()[]+-;":
        plain = plain.replace(mark, " ")
    return " " + plain + " "


def _gate_combinations(mapped: ir.Table, named: ir.Table) -> ir.Table:
    """Take the ingredient out of products in which it is no antidepressant trial."""
    listed = read_codelist("combinations")
    gated = listed[listed["counts_as_trial"] != "yes"]
    rows = [
        {"ingredient": row.ingredient, "partner": partner}
        for row in gated.itertuples()
        for partner in str(row.partner).split(";")
    ]
    partners = memory_table(pd.DataFrame(rows), {"ingredient": "string", "partner": "string"})
    text = named.select("concept_id", text=_words(named.concept_name))
    no_trial = (
        text.inner_join(partners, text.text.contains(" " + partners.partner + " "))
        .select("concept_id", "ingredient", is_gated=ibis.literal(1, "int64"))
        .distinct()
    )
    joined = mapped.left_join(no_trial, ["concept_id", "ingredient"])
    return joined.select(
        concept_id=joined.concept_id,
        ingredient=joined.ingredient,
        drug_class=joined.drug_class,
        counts_as_trial=joined.is_gated.notnull().ifelse("no", joined.counts_as_trial),
    )


def flat_drugs(used: ir.Table) -> ir.Table:
    """Map ATC codes or drug names of a flat table to ingredients.

    `used` has ``drug``, one row a value. A code of the antidepressants (N06A...)
    that names no ingredient of the list gives a null ingredient: the class is
    known, and "distinct drug" cannot be said of it.
    """
    drugs = _antidepressants()
    combinations = read_codelist("combinations")[["atc_code", "ingredient", "counts_as_trial"]]
    classes = dict(zip(drugs["ingredient"], drugs["drug_class"], strict=True))
    combinations = combinations.assign(drug_class=combinations["ingredient"].map(classes))
    codes = pd.concat([drugs, combinations], ignore_index=True)
    listed = memory_table(codes, {"atc_code": "string", **_DRUG})
    keyed = used.select("drug", atc=used.drug.upper().replace(" ", "").replace(".", ""))
    by_code = keyed.inner_join(listed, keyed.atc == listed.atc_code).select("drug", *_DRUG)
    by_name = match_drug_names(used, key="drug")
    known = by_code.union(by_name, distinct=True)
    unknown = (
        keyed.filter(keyed.atc.startswith("N06A") & (keyed.atc.length() <= 7))
        .anti_join(known, "drug")
        .select(
            "drug",
            ingredient=ibis.null("string"),
            drug_class=ibis.literal("unknown", "string"),
            counts_as_trial=ibis.literal("unknown", "string"),
        )
    )
    return known.union(unknown)
