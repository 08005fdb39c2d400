"""Code lists, and how recorded codes and names find them."""

from __future__ import annotations

import ibis
import pandas as pd
import pytest

from pgs_trd.ehr.codes import (
    DEPRESSION_CLASSES,
    EXCLUSION_CLASSES,
    diagnosis_codes,
    list_codelists,
    normalise_code,
    read_codelist,
)
from pgs_trd.ehr.diagnoses import diagnosis_concepts, diagnosis_source_codes
from pgs_trd.ehr.disagreements import DISAGREEMENTS
from pgs_trd.ehr.drugs import drug_concepts, flat_drugs, match_drug_names
from pgs_trd.ehr.fields import memory_table
from pgs_trd.errors import UsageError

CODES = [
    ("F32.1", None, {"mdd_core"}),
    (" f32.10 ", None, {"mdd_core"}),
    ("DF321", None, {"mdd_core"}),
    ("F32.1 G", "ICD-10-GM", {"mdd_core"}),
    ("F32.A", "ICD10CM", {"depression_nos"}),
    ("F32.81", None, {"exclude_pmdd"}),
    ("29620", None, {"mdd_core"}),
    ("296.2", "ICD9CM", {"mdd_core"}),
    ("311.0", None, {"depression_nos"}),
    ("F31.81", None, {"bipolar"}),
    ("DF31", "ICD-10", {"bipolar"}),
    ("F25.0", None, {"bipolar", "schizophrenia_spectrum"}),
    ("F25.1", None, {"exclude_bipolar_psychosis", "schizophrenia_spectrum"}),
    ("298.0", None, {"other_depression", "other_psychosis"}),
    ("370143000", None, {"mdd_core"}),
    ("3701430001", None, set()),
    ("2618002", "SNOMED", {"mdd_core"}),
    ("26180021", "SNOMED", set()),
    ("D50.9", None, set()),
    ("E11.9", None, set()),
    ("296.20", "ICD8", set()),
    ("F32.1", "Read", set()),
    ("F", None, set()),
]
DRUG_NAMES = [
    ("Sertraline 50 MG Oral Tablet", {"sertraline"}),
    ("SERTRALINE/HCL", {"sertraline"}),
    ("desvenlafaxine 50 MG", {"desvenlafaxine"}),
    ("Levomilnacipran 40 MG", {"levomilnacipran"}),
    ("escitalopram [Lexapro]", {"escitalopram"}),
    ("Esketamine nasal", {"esketamine"}),
    ("Dothiepin 75 MG", {"dosulepin"}),
    ("Fluoxetine 25 MG / Olanzapine 6 MG", {"fluoxetine", "olanzapine"}),
    ("Metformin 500 MG", set()),
]


def _classes(expression: ibis.expr.types.Table, key: str, value: str) -> dict[str, set[str]]:
    found = ibis.duckdb.connect().to_pyarrow(expression).to_pandas()
    return found.groupby(key)[value].agg(set).to_dict()


def test_read_codelist__ids_are_those_of_the_published_lists():
    """One wrong id is another drug or disease: public lists have swapped them."""
    drugs = read_codelist("antidepressants").set_index("ingredient")["concept_id"]
    diagnoses = diagnosis_codes().dropna(subset=["concept_id"])
    core = diagnoses[diagnoses["diagnosis_class"] == "mdd_core"]["concept_id"]

    assert len(drugs) == 61
    assert drugs["sertraline"] == 739138
    assert drugs["citalopram"] == 797617
    assert drugs["reboxetine"] == 19084693
    assert 4152280 in set(core)
    assert len(core) == 128


@pytest.mark.parametrize("name", ["antidepressants", "depression", "exclusions"])
def test_read_codelist__concept_stands_once_for_a_class(name: str):
    """A concept twice in a class would double every row of a join."""
    listed = read_codelist(name)
    column = "diagnosis_class" if "diagnosis_class" in listed else "ingredient"
    known = listed.dropna(subset=["concept_id"])

    assert not known.duplicated(["concept_id", column]).any()
    assert not listed.duplicated(["vocabulary", "code", column])[listed["code"] != ""].any()


def test_diagnosis_codes__have_known_classes_and_one_depression_tier_a_code():
    """A code in two tiers would make who is a case depend on the order of rows."""
    codes = diagnosis_codes()
    tiers = codes[(codes["codelist"] == "depression") & (codes["family"] != "")]

    known = {*DEPRESSION_CLASSES, *EXCLUSION_CLASSES}
    assert set(codes["diagnosis_class"]) <= known
    assert (tiers.groupby(["family", "code"])["diagnosis_class"].nunique() == 1).all()


def test_read_codelist__unknown_name_lists_those_that_exist():
    """A misspelt list is wrong use, and the message has the right spelling."""
    with pytest.raises(UsageError, match=r"no code list 'depresion'.*depression"):
        read_codelist("depresion")
    assert list_codelists() == [
        "antidepressants",
        "augmentation",
        "combinations",
        "depression",
        "exclusions",
        "perinatal",
        "procedures",
    ]


def test_diagnosis_source_codes__finds_each_code_by_its_longest_prefix():
    """Registers write one code in many ways; every way of it must mean the same."""
    table = pd.DataFrame(CODES, columns=["code", "vocabulary", "expected"])

    classes = diagnosis_source_codes(table)
    keys = classes["code"] + "|" + classes["vocabulary"].fillna("")
    found = classes["diagnosis_class"].groupby(keys).agg(set).to_dict()

    for code, vocabulary, expected in CODES:
        assert found.get(f"{code}|{vocabulary or ''}", set()) == expected, code


@pytest.mark.parametrize(
    ("code", "plain"), [(" df32.1 ", "F321"), ("296.20", "29620"), ("D50.9", "D509"), ("", "")]
)
def test_normalise_code__strips_what_registers_add(code: str, plain: str):
    """Lists and records are compared in this form."""
    assert normalise_code(code) == plain


def test_diagnosis_concepts__nearer_meaning_beats_descent():
    """Psychotic depression descends from psychosis, drug-induced from depression.

    49000001 is a made-up child of bipolar disorder and of depressive disorder: as
    no list names it, it bars a control and excludes a case. 49000003 is a made-up
    psychotic depression: a child of the core and of psychosis, and so the core only.
    """
    pairs = [(436073, 439259), (436073, 49000002), (4152280, 439259), (440383, 4152280)]
    pairs += [(440383, 4103126), (440383, 49000001), (436665, 49000001), (4152280, 49000003)]
    pairs += [(440383, 49000003), (436073, 49000003)]
    ancestors = memory_table(
        pd.DataFrame(pairs, columns=["ancestor_concept_id", "descendant_concept_id"]),
        {"ancestor_concept_id": "int64", "descendant_concept_id": "int64"},
    )

    found = _classes(diagnosis_concepts(ancestors), "concept_id", "diagnosis_class")

    assert found[439259] == {"mdd_core"}
    assert found[49000002] == {"other_psychosis"}
    assert found[4103126] == {"exclude_secondary"}
    assert found[49000003] == {"mdd_core"}
    assert found[4152280] == {"mdd_core"}
    assert found[436665] == {"bipolar"}
    assert found[49000001] == {"depression_nos", "bipolar"}


def test_match_drug_names__takes_whole_words():
    """Half the names hold another drug's name: desvenlafaxine is no venlafaxine."""
    table = pd.DataFrame({"drug": [name for name, _ in DRUG_NAMES]})
    found = _classes(
        match_drug_names(memory_table(table, {"drug": "string"}), key="drug"), "drug", "ingredient"
    )

    for name, expected in DRUG_NAMES:
        assert found.get(name, set()) == expected, name


def test_drug_concepts__naltrexone_with_bupropion_is_no_antidepressant():
    """The obesity product descends from bupropion, so concept_ancestor includes it."""
    ancestors = memory_table(
        pd.DataFrame({"a": [750982, 750982, 739138], "d": [40000003, 40000004, 40000001]}).rename(
            columns={"a": "ancestor_concept_id", "d": "descendant_concept_id"}
        ),
        {"ancestor_concept_id": "int64", "descendant_concept_id": "int64"},
    )
    ids = [40000001, 40000003, 40000004, 739138]
    used = memory_table(pd.DataFrame({"drug_concept_id": ids}), {"drug_concept_id": "int64"})
    names = memory_table(
        pd.DataFrame(
            {
                "concept_id": ids[:3],
                "concept_name": [
                    "sertraline 50 MG",
                    "bupropion 90 MG / naltrexone 8 MG",
                    "bupropion 150 MG",
                ],
            }
        ),
        {"concept_id": "int64", "concept_name": "string"},
    )

    found = _classes(drug_concepts(used, ancestors, names), "concept_id", "counts_as_trial")

    assert {concept: found[concept] for concept in ids} == {
        40000001: {"yes"},
        40000003: {"no"},
        40000004: {"indication-dependent"},
        739138: {"yes"},
    }


def test_flat_drugs__truncated_atc_code_names_no_ingredient():
    """N06AB is some SSRI: it cannot be told whether it is another drug than the last."""
    codes = ["N06AB06", "n06ab04 ", "N06AB", "N06AX62", "A08AA62", "A10BA02", "Citalopram 20 mg"]
    used = memory_table(pd.DataFrame({"drug": codes}), {"drug": "string"})
    found = ibis.duckdb.connect().to_pyarrow(flat_drugs(used)).to_pandas().set_index("drug")

    assert found.loc["N06AB06", "ingredient"] == "sertraline"
    assert found.loc["n06ab04 ", "ingredient"] == "citalopram"
    assert found.loc["Citalopram 20 mg", "ingredient"] == "citalopram"
    assert pd.isna(found.loc["N06AB", "ingredient"])
    assert found.loc["N06AX62", ["ingredient", "counts_as_trial"]].tolist() == ["bupropion", "yes"]
    assert found.loc["A08AA62", "counts_as_trial"] == "no"
    assert "A10BA02" not in found.index


@pytest.mark.parametrize("point", DISAGREEMENTS, ids=lambda point: point.codes[0][1])
def test_disagreements__say_of_each_code_what_the_lists_say(point):
    """A documented choice that is not the choice made is worse than none."""
    lists = [read_codelist(name) for name in ("depression", "exclusions")]
    rows = pd.concat([each[["vocabulary", "code", "diagnosis_class"]] for each in lists])

    for vocabulary, code in point.codes:
        own = rows[(rows["vocabulary"] == vocabulary) & (rows["code"] == code)]
        assert set(own["diagnosis_class"]) == set(point.classes), code
