"""Real OMOP tables, read whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from pgs_trd.ehr import Ehr, build_trials, open_ehr, prescription_flow
from pgs_trd.ehr.cleaning import COUNTED_AS_TRIAL
from pgs_trd.ehr.codes import diagnosis_codes, read_codelist
from pgs_trd.phenotype import Phenotype, classify, follow_up


@pytest.fixture(scope="module")
def synpuf(real_data: Path) -> tuple[Ehr, pd.DataFrame, Phenotype]:
    """Give the records of 50 people, with ICD-9 codes and drug names, no vocabulary."""
    ehr = open_ehr(real_data / "omop_synpuf_mini")
    trials = build_trials(ehr)
    return ehr, trials, classify(ehr, trials)


@pytest.fixture(scope="module")
def conditions(real_data: Path) -> pd.DataFrame:
    """Give the same diagnoses as pandas reads them."""
    path = real_data / "omop_synpuf_mini" / "condition_occurrence.csv.gz"
    return pd.read_csv(path, dtype=str)


def test_synpuf__antidepressant_rows_all_become_trials(synpuf):
    """59 drug rows name one of six tricyclics (counted with pandas); none is lost."""
    ehr, trials, phenotype = synpuf

    assert int(prescription_flow(ehr)["n_rows_in"].iloc[0]) == 59
    assert int(trials["n_prescriptions"].sum()) == 59
    assert set(trials["ingredient"]) == {
        "amitriptyline",
        "clomipramine",
        "desipramine",
        "doxepin",
        "imipramine",
        "nortriptyline",
    }
    assert trials["person_id"].isin(phenotype.table["person_id"]).all()
    assert (trials["days"] > 0).all()


def test_synpuf__attrition_accounts_for_fifty_people(synpuf):
    """Real records leave at several rules; the sum must still be everybody."""
    ehr, _, phenotype = synpuf
    attrition = phenotype.attrition

    assert len(phenotype.table) == 50
    assert attrition["n_people_left"].sum() + attrition["n_people_out"].iloc[-1] == 50
    followed = follow_up(ehr, phenotype, washout_days=90)
    assert len(followed) == phenotype.table["mdd_date"].notna().sum()


def test_synpuf__depression_dates_equal_a_plain_reading(synpuf, conditions):
    """The same first date by pandas over codes 296.2x and 296.3x, written without the dot."""
    core = conditions[conditions["condition_source_value"].str.match("296[23]")]
    dates = core.groupby("person_id")["condition_start_date"].unique().map(sorted)
    expected = {person: when[0] for person, when in dates.items() if len(when) >= 2}

    table = synpuf[2].table.dropna(subset=["mdd_date"])

    found = dict(zip(table["person_id"], table["mdd_date"].astype(str), strict=True))
    assert len(expected) == 15
    assert found == expected


def test_synpuf__controls_have_no_code_of_the_depression_list(synpuf, conditions):
    """The same people by pandas: no listed concept, source concept or ICD-9 code."""
    listed = diagnosis_codes().query("codelist == 'depression'")
    ids = set(listed["concept_id"].dropna().astype(str))
    codes = set(listed.loc[listed["family"] == "ICD9", "code"])
    is_depression = (
        conditions["condition_concept_id"].isin(ids)
        | conditions["condition_source_concept_id"].isin(ids)
        | conditions["condition_source_value"].str.strip().isin(codes)
    )
    table = synpuf[2].table
    controls = set(table.loc[table["phenotype"] == "no_mdd", "person_id"])

    assert len(controls) == 22
    assert controls == set(table["person_id"]) - set(conditions["person_id"][is_depression])


def test_synthea__nobody_with_depression_is_no_error(real_data: Path, tmp_path: Path):
    """A complete CDM 5.4 of text files with an empty concept_ancestor."""
    with zipfile.ZipFile(real_data / "omop_synthea27" / "Synthea27Nj_5.4.zip") as archive:
        wanted = [name for name in archive.namelist() if not name.startswith("__MACOSX")]
        archive.extractall(tmp_path, members=wanted)
    ehr = open_ehr(tmp_path)

    trials = build_trials(ehr)
    phenotype = classify(ehr, trials)

    n_people = len(pd.read_csv(tmp_path / "PERSON.csv"))
    assert trials.empty
    assert list(phenotype.table["phenotype"].unique()) == ["no_mdd"]
    assert len(phenotype.table) == n_people
    assert set(phenotype.table["sex"]) == {"female", "male"}
    assert phenotype.table["death_date"].notna().sum() == len(pd.read_csv(tmp_path / "DEATH.csv"))
    assert follow_up(ehr, phenotype).empty


@pytest.fixture(scope="module")
def eras(real_data: Path) -> Path:
    """Give the folder of 1,000 people of whom the source has eras only, without headers."""
    return real_data / "omop_synpuf1k"


def test_synpuf_eras__each_drug_era_of_a_listed_drug_is_in_a_trial(eras):
    """Taken for exposures, eras keep their days: none is cut, none is lost."""
    ehr = open_ehr(eras)
    trials = build_trials(ehr, gap_days=0)
    columns = ["era", "person_id", "concept_id", "start", "end", "n", "gap"]
    table = pd.read_csv(eras / "drug_era.csv.gz", sep="\t", names=columns)
    drugs = read_codelist("antidepressants")
    drugs = drugs[drugs["counts_as_trial"].isin(COUNTED_AS_TRIAL)].dropna(subset=["concept_id"])
    table = table[table["concept_id"].isin(drugs["concept_id"].astype("int64"))]
    table["ingredient"] = table["concept_id"].map(
        dict(zip(drugs["concept_id"], drugs["ingredient"], strict=True))
    )
    periods = pd.read_csv(
        eras / "observation_period.csv",
        sep="\t",
        names=["period", "person_id", "first", "last", "kind"],
    )
    table = table.merge(periods[["person_id", "first", "last"]], on="person_id")
    table = table[(table["start"] >= table["first"]) & (table["start"] <= table["last"])]

    assert trials["person_id"].nunique() == table["person_id"].nunique() > 500
    assert int(trials["n_prescriptions"].sum()) == len(
        table.drop_duplicates(["person_id", "ingredient", "start"])
    )
    assert any("each drug_era counts" in note for note in ehr.notes)
    assert any("a condition_era counts" in note for note in ehr.notes)


def test_synpuf_eras__depression_is_found_on_first_and_last_days(eras):
    """An era of several diagnoses is two dates of them; one of a single row is one."""
    phenotype = classify(open_ehr(eras), build_trials(open_ehr(eras)))
    columns = ["era", "person_id", "concept_id", "start", "end", "n"]
    table = pd.read_csv(eras / "condition_era.csv.gz", sep="\t", names=columns)
    codes = diagnosis_codes().dropna(subset=["concept_id"])
    mdd = codes.loc[codes["diagnosis_class"].isin(["mdd_core", "trd_code"]), "concept_id"]
    table = table[table["concept_id"].isin(mdd.astype("int64"))]
    several = table[(table["n"] >= 2) & (table["end"] > table["start"])]
    dates = pd.concat(
        [
            table[["person_id", "start"]],
            several[["person_id", "end"]].set_axis(["person_id", "start"], axis=1),
        ]
    ).drop_duplicates()
    periods = pd.read_csv(
        eras / "observation_period.csv",
        sep="\t",
        names=["period", "person_id", "first", "last", "kind"],
    )
    dates = dates.merge(periods[["person_id", "first", "last"]], on="person_id")
    dates = dates[(dates["start"] >= dates["first"]) & (dates["start"] <= dates["last"])]
    died = pd.read_csv(eras / "death.csv", sep="\t", header=None, usecols=[0, 1])
    dates["died"] = dates["person_id"].map(dict(died.to_numpy().tolist())).fillna("9999")
    expected = dates[dates["start"] <= dates["died"]].groupby("person_id").size()

    found = phenotype.table[phenotype.table["mdd_date"].notna()]

    assert set(found["person_id"].astype("int64")) == set(expected[expected >= 2].index)
    assert len(found) > 20
