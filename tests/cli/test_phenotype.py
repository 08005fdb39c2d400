"""`pgs-trd phenotype` and `explain`: what they write, refuse and show."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from pgs_trd.phenotype import load_grid

TABLES = {
    "prescriptions": (
        "person_id,date,drug,days_supply\n"
        "anna,2015-03-01,N06AB06,100\n"
        "anna,2015-07-01,venlafaxine 75 mg,100\n"
        "anna,2015-11-01,N06AX11,60\n"
        "bo,2016-02-01,N06AB10,100\n"
        "dora,2016-02-01,amitriptyline,100\n"
    ),
    "diagnoses": (
        "person_id,date,code\n"
        "anna,2015-02-20,F32.1\nanna,2015-03-20,F33.2\n"
        "bo,2016-01-20,F32.0\nbo,2016-02-01,F32.0\n"
        "cem,2016-05-05,I10\n"
        "dora,2014-02-20,F32.1\ndora,2014-03-20,F33.2\n"
    ),
    "persons": "person_id,sex,birth_year\n"
    "anna,female,1970\nbo,male,1982\ncem,female,1955\ndora,female,1960\n",
    "observation": "person_id,start_date,end_date\n"
    + "".join(f"{name},2010-01-01,2020-12-31\n" for name in ("anna", "bo", "cem", "dora")),
    "deliveries": "person_id,date\nanna,2014-09-01\n",
}


@pytest.fixture
def flat(tmp_path: Path) -> list[object]:
    """Write flat tables of four people; give the options that name them."""
    options: list[object] = []
    for name, text in TABLES.items():
        path = tmp_path / "records" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        options += [f"--{name}", path]
    return options


def classes_of(path: Path) -> dict[str, str]:
    table = pd.read_parquet(path)
    return dict(zip(table["person_id"], table["phenotype"], strict=True))


def test_phenotype__main_definition_and_its_sidecar(flat, tmp_path, run_cli):
    """Anna has three drugs in turn, Bo one, Cem no depression, Dora an old diagnosis."""
    out = tmp_path / "out"

    outcome = run_cli("phenotype", *flat, "--out", out)

    assert outcome.code == 0, outcome.err
    assert classes_of(out / "phenotype.parquet") == {
        "anna": "trd",
        "bo": "responsive",
        "cem": "no_mdd",
        "dora": "responsive",
    }
    assert sorted(path.name for path in out.iterdir()) == [
        "attrition.tsv",
        "follow_up.parquet",
        "phenotype.parquet",
        "phenotype.parquet.json",
        "trials.parquet",
    ]
    sidecar = json.loads((out / "phenotype.parquet.json").read_text())
    assert sidecar["options"]["definition"] == "adequate2"
    assert sidecar["options"]["washout_days"] == 365
    assert {entry["name"] for entry in sidecar["inputs"]} == {f"{name}.csv" for name in TABLES}
    assert "anna" not in outcome.err + json.dumps(sidecar)


def test_phenotype__further_definitions_are_compared(flat, tmp_path, run_cli):
    """Each has its own files, named by its id; counts are people of the classes."""
    out = tmp_path / "out"

    outcome = run_cli(
        "phenotype", *flat, "--out", out,
        "--definition", "kim2020", "--definition", "sealock2024", "--grid",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    ids = ["kim2020", "sealock2024", *(each.id for each in load_grid())]
    counts = pd.read_csv(out / "definitions.tsv", sep="\t").set_index("definition")
    assert counts.index.tolist() == ids
    assert counts.loc["kim2020", ["n_trd", "n_responsive", "n_neither", "n_no_mdd"]].tolist() == [
        1, 2, 0, 1,
    ]  # fmt: skip
    for name in ids[1:]:
        assert classes_of(out / f"phenotype.{name}.parquet")["cem"] == "no_mdd"
        assert (out / f"follow_up.{name}.parquet").is_file()
        assert (out / f"attrition.{name}.tsv").is_file()
    assert len(pd.read_csv(out / "concordance.tsv", sep="\t")) == len(ids) * (len(ids) - 1) / 2
    overlaps = pd.read_csv(out / "overlaps.tsv", sep="\t")
    assert overlaps["n_people"].tolist() == [1]
    assert overlaps.loc[0, ["kim2020", "sealock2024"]].tolist() == [True, False]
    assert "<svg" in (out / "overlaps.svg").read_text()
    sidecar = json.loads((out / "phenotype.parquet.json").read_text())
    assert list(sidecar["options"]["other_definitions"]) == sorted(ids[1:])

    run_cli("phenotype", *flat, "--out", out)
    assert not list(out.glob("*.kim2020.*"))
    assert not (out / "overlaps.svg").exists()


def test_phenotype__extras(flat, tmp_path, run_cli):
    """Tables for other programs, the landmark, the mother, and a gate, worked by hand."""
    out = tmp_path / "out"
    fam = tmp_path / "cohort.fam"
    fam.write_text("f1 anna 0 0 2 -9\nf2 bo 0 0 1 -9\n")

    outcome = run_cli(
        "phenotype", *flat, "--out", out, "--exports", "regenie,plink2,survival", "--fam", fam,
        "--landmark-days", 200, "--perinatal", "--gate-indication-days", 120, "--stockpile",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    # Dora's amitriptyline has no code of depression near it: no treatment of depression.
    assert classes_of(out / "phenotype.parquet")["dora"] == "neither"
    assert pd.read_csv(out / "regenie.txt", sep="\t", dtype=str, na_filter=False).to_numpy(
    ).tolist() == [["f1", "anna", "1"], ["f2", "bo", "0"], ["cem", "cem", "NA"],
                   ["dora", "dora", "NA"]]  # fmt: skip
    plink = pd.read_csv(out / "plink2.txt", sep="\t", dtype=str, na_filter=False)
    assert plink.columns.tolist() == ["#FID", "IID", "adequate2"]
    assert plink["adequate2"].tolist() == ["2", "1", "NA", "NA"]
    survival = pd.read_csv(out / "survival.tsv", sep="\t").set_index("person_id")
    assert survival.loc["anna", ["start", "stop", "status"]].tolist() == [28, 254, 1]
    landmark = pd.read_parquet(out / "landmark.parquet").set_index("person_id")
    assert set(landmark.index) == {"anna", "bo", "dora"}
    assert set(landmark["entry_days"]) == {200}
    mother = pd.read_parquet(out / "perinatal.parquet").iloc[0]
    assert mother["ppd_days"] == 172
    assert mother["is_incident"]
    assert (out / "perinatal_attrition.tsv").is_file()


def test_phenotype__entry_waits_for_enrolment_and_the_data_end(flat, tmp_path, run_cli):
    """Nobody is at risk before giving DNA, or after the data end."""
    enrolment = tmp_path / "enrolment.tsv"
    enrolment.write_text("person_id\tdate\nanna\t2015-06-01\n")

    outcome = run_cli(
        "phenotype", *flat, "--out", tmp_path / "out", "--enrolment", enrolment,
        "--data-end", "2015-10-01",
    )  # fmt: skip

    assert outcome.code == 0, outcome.err
    followed = pd.read_parquet(tmp_path / "out" / "follow_up.parquet").set_index("person_id")
    assert followed.loc["anna", ["entry_days", "exit_days", "event"]].tolist() == [101, 223, False]
    assert followed.loc["bo", "status"] != "at_risk"

    enrolment.write_text("person_id\tdate\nanna\t1.6.2015\nanna\t2015-06-01\n")
    outcome = run_cli("phenotype", *flat, "--out", tmp_path / "out", "--enrolment", enrolment)
    assert outcome.code == 3
    assert "1 rows whose 'date' is none" in outcome.err
    assert "1 rows of a person who has one already" in outcome.err
    assert "anna" not in outcome.err


def test_phenotype__columns_of_a_file(flat, tmp_path, run_cli):
    """Registers have their own names; the file is checked before records are."""
    path = Path(str(flat[1]))
    path.write_text(path.read_text().replace("date,drug", "dispensed,atc"))
    names = tmp_path / "columns.yaml"
    names.write_text("prescriptions: {date: dispensed, drug: atc}\n")

    outcome = run_cli("phenotype", *flat, "--columns", names, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert classes_of(tmp_path / "out" / "phenotype.parquet")["anna"] == "trd"

    names.write_text("date: dispensed\n")
    outcome = run_cli("phenotype", *flat, "--columns", names, "--out", tmp_path / "out")
    assert outcome.code == 3
    assert "want for each table our column name and yours" in outcome.err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--exports", "plink"), 2, "no export 'plink'; there are: regenie, plink2, survival"),
        (("--definition", "adequat2"), 2, "no definition 'adequat2'"),
        (("--omop", "cdm"), 2, "give either --omop, or flat tables"),
        (("--data-end", "2020-13-01"), 2, "data_end is no date (want YYYY-MM-DD): '2020-13-01'"),
        (("--fam", "absent.fam", "--exports", "regenie"), 2, "no such file: absent.fam"),
    ],
)
def test_phenotype__wrong_options_are_refused(flat, tmp_path, run_cli, options, code, message):
    """Each message has what there is; nothing is left behind."""
    out = tmp_path / "out"
    outcome = run_cli("phenotype", *flat, "--out", out, *options)

    assert outcome.code == code
    assert message in outcome.err
    assert not out.exists() or not list(out.iterdir())


def test_phenotype__tables_it_reads_are_not_written_onto(flat, tmp_path, run_cli):
    """A table of trials beside the records, named as ours, would be lost."""
    records = tmp_path / "records"
    Path(str(flat[1])).rename(records / "trials.parquet")
    flat[1] = records / "trials.parquet"

    outcome = run_cli("phenotype", *flat, "--out", records)
    assert outcome.code == 2
    assert "trials.parquet is read, and would be written onto" in outcome.err


def test_phenotype__two_definitions_of_one_id_are_refused(flat, tmp_path, run_cli):
    """Their files would have one name, and one would be lost."""
    own = tmp_path / "mine.yaml"
    text = run_cli("definitions", "show", "adequate2").out
    own.write_text(text.replace("min_days: 42", "min_days: 28"))

    outcome = run_cli(
        "phenotype", *flat, "--out", tmp_path / "out", "--definition", own,
        "--definition", "adequate2",
    )  # fmt: skip
    assert outcome.code == 2
    assert "two definitions have the id 'adequate2'" in outcome.err

    own.write_text(text.replace("id: adequate2", "id: ../mine"))
    outcome = run_cli(
        "phenotype", *flat, "--out", tmp_path / "out", "--definition", "adequate2",
        "--definition", own,
    )  # fmt: skip
    assert outcome.code == 2
    assert "the id '../mine' of a definition becomes part of file names" in outcome.err


def test_phenotype__own_code_lists_change_classes_and_it_is_said(flat, tmp_path, run_cli):
    """Who is a case depends on the list: its hash and what it changed are recorded."""
    lists = tmp_path / "lists"
    shown = run_cli("codes", "show", "depression", "--out", lists / "depression.tsv")
    assert shown.code == 0, shown.err
    out = tmp_path / "out"
    same = run_cli("phenotype", *flat, "--out", out, "--codelists", lists)
    assert same.code == 0, same.err
    assert "note: code list depression: yours, with the lines of the package's" in same.err
    usual = classes_of(out / "phenotype.parquet")

    table = pd.read_csv(lists / "depression.tsv", sep="\t", dtype=str, keep_default_na=False)
    table = table[~table["code"].str.startswith("F33")]
    table.to_csv(lists / "depression.tsv", sep="\t", index=False)
    other = run_cli("phenotype", *flat, "--out", out, "--codelists", lists)

    assert other.code == 0, other.err
    assert usual["anna"] == "trd"
    assert classes_of(out / "phenotype.parquet") == {**usual, "anna": "neither", "dora": "neither"}
    said = "your code lists change the class of 2 of 4 people: 0 are resistant and would not be"
    assert f"note: {said} by the package's, 1 are not and would be" in other.err
    sidecar = json.loads((out / "phenotype.parquet.json").read_text())
    assert sidecar["options"]["codelists"]["depression"].startswith("sha256:")
    assert "depression.tsv" in [each["name"] for each in sidecar["inputs"]]
    assert any(note.startswith(said) for note in sidecar["notes"])

    explained = run_cli("explain", *flat, "--codelists", lists, "--person", "anna", "--to-pipe")
    assert "depression_code_not_mdd" in explained.out


def test_explain__shows_the_same_decision_as_the_class(flat, tmp_path, run_cli, monkeypatch):
    """One person's records are enough: every rule looks at one person at a time."""
    refused = run_cli("explain", *flat, "--person", "anna")
    assert refused.code == 2
    assert "add --to-pipe" in refused.err
    assert "anna" not in refused.err + refused.out

    outcome = run_cli("explain", *flat, "--person", "anna", "--to-pipe")
    assert outcome.code == 0, outcome.err
    last = outcome.out.splitlines()[-1].split()
    assert last[-2:] == ["yes", "resistant"]
    assert "100 days until its end or switch: adequate" in outcome.out
    assert "2015-11-01" in outcome.out

    monkeypatch.setattr(sys, "stdin", io.StringIO("bo\n"))
    asked = run_cli("explain", *flat, "--to-pipe")
    assert asked.out.splitlines()[-1].split()[-2:] == ["yes", "responsive"]

    nobody = run_cli("explain", *flat, "--person", "nobody", "--to-pipe")
    assert nobody.code == 2
    assert "nobody in the records has the id" in nobody.err
