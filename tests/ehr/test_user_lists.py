"""Code lists of the user instead of the package's."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pgs_trd.ehr import build_adjuncts, build_trials, list_codelists, open_codelists, open_ehr
from pgs_trd.ehr.codes import PACKAGE_LISTS, read_codelist
from pgs_trd.ehr.verify import compare_codes
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import classify
from pgs_trd.tables import write_table


def write_list(folder: Path, name: str, table: pd.DataFrame) -> Path:
    """Write a list as `pgs-trd codes show --out` does."""
    path = folder / f"{name}.tsv"
    write_table(table, path)
    return path


def classes_of(source, lists) -> dict[str, str]:
    ehr = open_ehr(source, codelists=lists)
    table = classify(ehr, build_trials(ehr), "adequate2").table
    return dict(zip(table["person_id"], table["phenotype"], strict=True))


@pytest.fixture
def flat() -> dict[str, pd.DataFrame]:
    """Give two people; B's diagnoses are of remission."""
    return {
        "prescriptions": pd.DataFrame(
            [("A", "2015-03-01", "N06AB06", 100), ("B", "2015-03-01", "newlift 10 mg", 100)],
            columns=["person_id", "date", "drug", "days_supply"],
        ),
        "diagnoses": pd.DataFrame(
            [("A", "2015-02-01", "F32.1"), ("A", "2015-02-20", "F32.1"),
             ("B", "2015-02-01", "F33.42"), ("B", "2015-02-20", "F33.42")],
            columns=["person_id", "date", "code"],
        ),
        "observation": pd.DataFrame(
            [(name, "2010-01-01", "2020-12-31") for name in "AB"],
            columns=["person_id", "start_date", "end_date"],
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", list_codelists())
def test_open_codelists__copy_of_a_list_is_that_list(name: str, tmp_path: Path):
    """Users begin with a copy: what is written must be read back whole, ids included."""
    lists = open_codelists(write_list(tmp_path, name, read_codelist(name)))

    pd.testing.assert_frame_equal(lists.read(name), read_codelist(name))
    assert not lists.differ
    assert lists.notes == (f"code list {name}: yours, with the lines of the package's",)


def test_open_codelists__hash_is_of_the_content(tmp_path: Path):
    """The same lines are the same list, however the file is written."""
    tsv = write_list(tmp_path, "depression", read_codelist("depression"))
    csv = tmp_path / "Depression.CSV"
    read_codelist("depression").to_csv(csv, index=False, encoding="utf-8-sig")
    shorter = tmp_path / "shorter"
    shorter.mkdir()
    write_list(shorter, "depression", read_codelist("depression").iloc[:-2])

    assert open_codelists(csv).hashes == open_codelists([tsv]).hashes
    other = open_codelists(shorter)
    assert other.differ
    assert other.hashes != open_codelists(tsv).hashes
    (note,) = other.notes
    assert "0 of its" in note
    assert "2 of the package's" in note
    assert open_codelists(None) is PACKAGE_LISTS


def test_open_codelists__all_faults_of_all_files_with_their_lines(tmp_path: Path):
    """Who types a list mends it in one go."""
    (tmp_path / "depression.csv").write_text(
        "concept_id,vocabulary,code,diagnosis_class,source\n"
        "440383,SNOMED,35489007,mdd_core,us\n"
        "12x,ICD10,F32.1,mdd,us\n"
        ",ICD10,F33,mdd_core,\n"
        ",ICD10CM,f33,dysthymia,us\n"
        ",Read v2,E112.,mdd_core,us\n"
        ",,,mdd_core,us\n"
    )
    (tmp_path / "antidepressants.tsv").write_text(
        "concept_id\tingredient\tdrug_class\tcounts_as_trial\tmin_adequate_dose_mg\tsource\n"
        "1\tsertraline\tSSRI\tyes\t-5\tus\n"
        "1\tcitalopram\tSSRI\tyes\t20\tus\n"
        "2\tcitalopram\tSNRI\tyes\t20\tus\n"
    )
    (tmp_path / "procedures.csv").write_text("code,procedure,source\nX,ECT,us\n")
    (tmp_path / "combinations.csv").write_text(
        "atc_code,ingredient,partner,counts_as_trial,source\nN06CA01,amitriptyline\n"
    )
    (tmp_path / "exclusion.csv").write_text("code\n")
    (tmp_path / "augmentation.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "perinatal.csv").write_text("")

    with pytest.raises(DataError) as raised:
        open_codelists(tmp_path)

    lines = str(raised.value).splitlines()
    expected = [
        "depression.csv: line 4: no 'source'",
        "depression.csv: line 3: 'diagnosis_class' is none of depression_nos, dysthymia",
        "depression.csv: line 3: 'concept_id' is no positive whole number",
        "depression.csv: line 7: neither 'concept_id' nor 'code'",
        "depression.csv: line 6: codes of this 'vocabulary' match nothing",
        "depression.csv: lines 4, 5: one 'code' has two diagnosis classes",
        "antidepressants.tsv: line 2: 'min_adequate_dose_mg' is no number",
        "antidepressants.tsv: lines 2, 3: one 'concept_id' is of two ingredients",
        "antidepressants.tsv: lines 3, 4: one 'ingredient' has two drug classes",
        "procedures.csv: no column 'procedure_class'",
        "procedures.csv: no list of this name has a column 'procedure'",
        "combinations.csv: line 2: not 5 fields, as the header has",
        "exclusion.csv: is no code list; want one of antidepressants, augmentation",
        "augmentation.csv: cannot be read as a table of text",
        "perinatal.csv: is empty",
    ]
    assert lines[0] == f"code lists: {len(expected)} faults"
    for text in expected:
        assert sum(line.startswith(f"  - {text}") for line in lines) == 1, text


def test_open_codelists__what_is_not_there_is_named(tmp_path: Path):
    """A folder that is empty by mistake must not mean the package's lists."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "depression.xlsx").touch()
    messages = {
        "absent": "no such file: .*absent",
        "empty": "empty: holds no code list",
        "depression.xlsx": r"want a code list as \.csv or \.tsv",
    }
    for name, message in messages.items():
        with pytest.raises(UsageError, match=message):
            open_codelists(tmp_path / name)
    one = write_list(tmp_path, "depression", read_codelist("depression"))
    with pytest.raises(DataError, match="is the second file of the code list depression"):
        open_codelists([one, one])


def test_open_ehr__remission_codes_count_no_more_where_the_list_says_so(flat, tmp_path: Path):
    """Edge 20: a remission code dates no episode; its column chooses the lines to change.

    Given another class and not left out: F33.42 would else be found by its prefix F33.
    """
    listed = read_codelist("depression")
    is_remission = (listed["remission"] == "true") & (listed["diagnosis_class"] == "mdd_core")
    own = listed.assign(
        diagnosis_class=listed["diagnosis_class"].mask(is_remission, "other_depression")
    )
    flat["prescriptions"]["drug"] = "N06AB06"

    assert classes_of(flat, None) == {"A": "responsive", "B": "responsive"}
    path = write_list(tmp_path, "depression", own)
    assert classes_of(flat, path) == {"A": "responsive", "B": "neither"}
    left_out = write_list(tmp_path, "depression", listed[~is_remission])
    assert classes_of(flat, left_out)["B"] == "responsive"


def test_open_ehr__drug_of_the_users_list_makes_trials_and_keeps_its_class(flat, tmp_path: Path):
    """A new drug is found by its name; drugs that the list leaves out are none."""
    new = read_codelist("antidepressants").head(1)
    new = new.assign(concept_id=pd.NA, ingredient="NewLift", synonym="", drug_class="other",
                     atc_code="N06AX99")  # fmt: skip
    ehr = open_ehr(flat, codelists=[write_list(tmp_path, "antidepressants", new)])

    trials = build_trials(ehr)

    (trial,) = trials.itertuples()
    assert (trial.person_id, trial.ingredient, trial.drug_class) == ("B", "newlift", "other")
    assert ehr.notes[0].startswith("code list antidepressants: yours instead of the package's; 1")
    assert build_adjuncts(ehr).empty


def test_open_ehr__omop_concepts_of_the_users_list_and_their_descendants(omop, tmp_path: Path):
    """In OMOP the list is expanded by concept_ancestor as the package's is."""
    drugs = [(1, omop.sertraline_50, "2010-01-01", "2010-04-01", 90)]
    conditions = [(1, 777, f"2010-01-0{day}") for day in (1, 2)]
    folder = omop.write(
        drug_exposure=omop.drugs(drugs),
        condition_occurrence=omop.conditions(conditions),
        observation_period=omop.observed(1),
        concept_ancestor=omop.ancestors([(999_001, 777)]),
    )
    own = pd.DataFrame(
        {"concept_id": [999_001], "diagnosis_class": ["mdd_core"], "source": ["local"]}
    )
    assert classes_of(folder, None) == {"1": "no_mdd"}
    assert classes_of(folder, write_list(tmp_path, "depression", own)) == {"1": "responsive"}


def test_compare_codes__verifies_the_lists_of_the_user(tmp_path: Path):
    """An id typed by hand is where lists go wrong."""
    own = read_codelist("procedures").head(2).assign(code=["23835007", "1"], vocabulary="SNOMED")
    lists = open_codelists(write_list(tmp_path, "procedures", own))
    concept = pd.DataFrame(
        {"concept_id": own["concept_id"].astype("int64"), "concept_name": own["name"],
         "vocabulary_id": "SNOMED", "concept_code": "23835007", "standard_concept": "S",
         "invalid_reason": None}
    )  # fmt: skip

    found = compare_codes(concept, ["procedures"], codelists=lists)

    assert found["status"].tolist() == ["ok", "other_code"]
