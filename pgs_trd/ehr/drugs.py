"""From drug concepts, ATC codes and drug names to antidepressant ingredients."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd

from pgs_trd.ehr.codes import PACKAGE_LISTS, CodeLists
from pgs_trd.ehr.concepts import descendants
from pgs_trd.ehr.fields import memory_table

LOW_DOSES_MG: Mapping[str, float] = {
    "amitriptyline": 50,
    "trazodone": 100,
    "doxepin": 6,
    "mirtazapine": 7.5,
    "nortriptyline": 25,
    "quetiapine": 100,
}
"""Up to this dose a day the drug is given for sleep or pain, not for depression."""

_DRUG = {"ingredient": "string", "drug_class": "string", "counts_as_trial": "string"}


def listed_drugs(lists: CodeLists = PACKAGE_LISTS) -> pd.DataFrame:
    """Give antidepressants and the drugs that are added to them, as the lists have them.

    The latter have "augmentation" in ``counts_as_trial``.
    """
    parts = [lists.read(name) for name in ("antidepressants", "augmentation")]
    columns = ["concept_id", "atc_code", "synonym", "min_adequate_dose_mg", *_DRUG]
    return pd.concat([part[columns] for part in parts], ignore_index=True)


def class_of_ingredients(lists: CodeLists = PACKAGE_LISTS) -> dict[str, str]:
    """Give the class of each listed ingredient."""
    listed = listed_drugs(lists)
    return dict(zip(listed["ingredient"], listed["drug_class"], strict=True))


def number_drugs(mapped: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give each different drug a number, so that rows need to carry no more than that.

    Parameters
    ----------
    mapped
        ``ingredient`` (absent: only the class is known), ``drug_class``,
        ``counts_as_trial`` and other columns.

    Returns
    -------
    drugs, numbered
        Each different drug once, in order, its number the index; and `mapped` with
        ``drug_number``.
    """
    kinds = list(_DRUG)
    # Whether a code was found at all is known before; null equals nothing in a merge.
    filled = mapped.assign(ingredient=mapped["ingredient"].fillna(""))
    drugs = filled[kinds].drop_duplicates().sort_values(kinds, ignore_index=True)
    numbers = drugs.assign(drug_number=range(len(drugs)))
    numbered = filled.merge(numbers, on=kinds)
    for table in (drugs, numbered):
        table["ingredient"] = table["ingredient"].where(table["ingredient"] != "")
    return drugs, numbered


def drug_strengths(names: ir.Table) -> ir.Table:
    """Read the strength of single-drug products from their names ("... 50 MG Oral Tablet").

    Returns
    -------
    Table
        ``concept_id``, ``strength_ug`` (int64, micrograms in a tablet or capsule). Products of
        several drugs, liquids and patches have none: a dose cannot be told from them.
    """
    text = names.concept_name.upper()
    said = text.re_extract(r"(\d+(?:\.\d+)?) ?MG( |$)", 1).try_cast("float64")
    strength = (said * 1000).round().cast("int64")
    plain = ~(text.contains(" / ") | text.contains("/ML") | text.contains("/HR"))
    table = names.select("concept_id", strength_ug=plain.ifelse(strength, ibis.null("int64")))
    return table.filter(table.strength_ug > 0)


def drug_concepts(
    drug: ir.Table,
    ancestors: ir.Table | None,
    names: ir.Table | None,
    *,
    lists: CodeLists = PACKAGE_LISTS,
) -> ir.Table:
    """Map drug concepts to antidepressant ingredients.

    Parameters
    ----------
    drug
        The source's rows: ``drug_concept_id``.
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
    drugs = listed_drugs(lists).dropna(subset=["concept_id"])
    mapped = memory_table(drugs, {"concept_id": "int64", **_DRUG})
    if ancestors is not None:
        mapped = descendants(ancestors, mapped).drop("is_listed")
    if names is None:
        return mapped
    # Ibis 12 cannot join what is selected from a join itself; hence the selection between.
    if ancestors is None:
        # Names are many and slow to search: only those of drugs that were given.
        used = drug.select(concept_id=drug.drug_concept_id).distinct()
        named = names.semi_join(used, "concept_id").select("concept_id", drug="concept_name")
        mapped = mapped.union(match_drug_names(named, key="concept_id", lists=lists), distinct=True)
    else:
        named = names.semi_join(mapped, "concept_id").select("concept_id", drug="concept_name")
    return _gate_combinations(mapped, named, key="concept_id", lists=lists)


def match_drug_names(names: ir.Table, *, key: str, lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Find ingredients as whole words in drug names ("Sertraline 50 MG Oral Tablet").

    Whole words, since "desvenlafaxine" holds "venlafaxine". `names` has `key` and
    ``drug``; the result has `key` and the classes of the ingredient.
    """
    drugs = listed_drugs(lists)
    synonyms = drugs[drugs["synonym"] != ""].assign(word=drugs["synonym"])
    words = pd.concat([drugs.assign(word=drugs["ingredient"]), synonyms], ignore_index=True)
    words = words.drop_duplicates(["word", *_DRUG])
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


def _gate_combinations(
    mapped: ir.Table, named: ir.Table, *, key: str, lists: CodeLists
) -> ir.Table:
    """Take the ingredient out of products in which it is no antidepressant trial.

    `mapped` has `key` and the classes of an ingredient, `named` has `key` and ``drug``.
    """
    listed = lists.read("combinations")
    gated = listed[listed["counts_as_trial"] != "yes"]
    rows = [
        {"ingredient": row.ingredient, "partner": partner}
        for row in gated.itertuples()
        for partner in str(row.partner).split(";")
    ]
    partners = memory_table(pd.DataFrame(rows), {"ingredient": "string", "partner": "string"})
    text = named.select(key, text=_words(named.drug))
    no_trial = (
        text.inner_join(partners, text.text.contains(" " + partners.partner + " "))
        .select(key, "ingredient", is_gated=ibis.literal(1, "int64"))
        .distinct()
    )
    joined = mapped.left_join(no_trial, [key, "ingredient"])
    return joined.select(
        **{key: joined[key]},
        ingredient=joined.ingredient,
        drug_class=joined.drug_class,
        counts_as_trial=joined.is_gated.notnull().ifelse("no", joined.counts_as_trial),
    )


def flat_drugs(used: ir.Table, lists: CodeLists = PACKAGE_LISTS) -> ir.Table:
    """Map ATC codes or drug names of a flat table to ingredients.

    `used` has ``drug``, one row a value. A code of the antidepressants (N06A...)
    that names no ingredient of the list gives a null ingredient: the class is
    known, and "distinct drug" cannot be said of it.
    """
    drugs = listed_drugs(lists)
    combinations = lists.read("combinations")[["atc_code", "ingredient", "counts_as_trial"]]
    classes = dict(zip(drugs["ingredient"], drugs["drug_class"], strict=True))
    combinations = combinations.assign(drug_class=combinations["ingredient"].map(classes))
    codes = pd.concat([drugs[drugs["atc_code"] != ""], combinations], ignore_index=True)
    codes = codes.drop_duplicates(["atc_code", *_DRUG])
    listed = memory_table(codes, {"atc_code": "string", **_DRUG})
    keyed = used.select("drug", atc=used.drug.upper().replace(" ", "").replace(".", ""))
    by_code = keyed.inner_join(listed, keyed.atc == listed.atc_code).select("drug", *_DRUG)
    by_name = _gate_combinations(
        match_drug_names(used, key="drug", lists=lists), used, key="drug", lists=lists
    )
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
