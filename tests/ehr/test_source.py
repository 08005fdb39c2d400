"""Opening health records: formats, column names, faults."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest
import sqlglot

from pgs_trd.ehr import Ehr, build_trials, diagnosis_flow, open_ehr
from pgs_trd.errors import DataError, UsageError

PRESCRIPTIONS = pd.DataFrame(
    {
        "person_id": ["7", "7", "8"],
        "date": ["2010-01-01", "2010-02-01", "2010-01-05"],
        "drug": ["N06AB06", "N06AB06", "citalopram"],
        "days_supply": [30, 30, 60],
    }
)
DIAGNOSES = pd.DataFrame(
    {"person_id": ["7", "8"], "date": ["2009-01-01", "2009-01-01"], "code": ["F32.1", "DF33"]}
)
OBSERVATION = pd.DataFrame(
    {"person_id": ["7", "8"], "start_date": "2005-01-01", "end_date": "2015-01-01"}
)


def _flat(**tables: object) -> dict[str, object]:
    given = {"prescriptions": PRESCRIPTIONS, "diagnoses": DIAGNOSES, "observation": OBSERVATION}
    return given | tables


def _records(ehr: Ehr) -> pd.DataFrame:
    return ehr.fetch(ehr.prescriptions.order_by(["person_id", "date", "ingredient"]))


EXPECTED = pd.DataFrame(
    {
        "person_id": ["7", "7", "8"],
        "date": pd.to_datetime(["2010-01-01", "2010-02-01", "2010-01-05"]),
        "days_supply": [30, 30, 60],
        "ingredient": ["sertraline", "sertraline", "citalopram"],
    }
)


def _assert_expected(ehr: Ehr) -> None:
    found = _records(ehr)[list(EXPECTED.columns)]
    pd.testing.assert_frame_equal(found, EXPECTED, check_dtype=False)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_open_ehr__flat_tables_are_the_same_from_every_format(tmp_path: Path, ending: str):
    """Text has no types: dates and numbers must come out as from Parquet."""
    source = {}
    for name, table in _flat().items():
        source[name] = tmp_path / f"{name}{ending}"
        if ending == ".parquet":
            table.to_parquet(source[name])
        else:
            table.to_csv(source[name], index=False, sep="\t" if "tsv" in ending else ",")

    _assert_expected(open_ehr(source))


def test_open_ehr__ids_as_number_text_or_float_are_one_person():
    """Pandas makes 7.0 of 7 where a row lacks one; 7 and 7.0 are no two people."""
    as_number = PRESCRIPTIONS.astype({"person_id": "int64"})
    as_float = DIAGNOSES.assign(person_id=[7.0, 8.0])
    as_mixed = OBSERVATION.assign(person_id=pd.Series([7, "8"], dtype=object))

    source = _flat(prescriptions=as_number, diagnoses=as_float, observation=as_mixed)
    ehr = open_ehr(source)

    _assert_expected(ehr)
    assert len(ehr.fetch(ehr.persons)) == 2


def test_open_ehr__dates_come_in_several_types():
    """Timestamps, compact text and text with a time of day are the same day."""
    stamps = PRESCRIPTIONS.assign(date=pd.to_datetime(PRESCRIPTIONS["date"]))
    objects = PRESCRIPTIONS.assign(date=pd.to_datetime(PRESCRIPTIONS["date"]).dt.date)
    compact = PRESCRIPTIONS.assign(date=PRESCRIPTIONS["date"].str.replace("-", ""))
    timed = PRESCRIPTIONS.assign(date=PRESCRIPTIONS["date"] + " 23:59:00")

    for table in (stamps, objects, compact, timed):
        _assert_expected(open_ehr(_flat(prescriptions=table)))


def test_open_ehr__columns_are_mapped_from_the_source_s_names():
    """Registers have names of their own, in any case."""
    danish = PRESCRIPTIONS.rename(
        columns={"person_id": "PNR", "date": "EKSD", "drug": "ATC", "days_supply": "DAGE"}
    )
    names = {"person_id": "pnr", "date": "EKSD", "drug": "atc", "days_supply": "DAGE"}

    ehr = open_ehr(_flat(prescriptions=danish), columns={"prescriptions": names})

    _assert_expected(ehr)
    with pytest.raises(DataError, match="prescriptions has no column 'cpr'"):
        open_ehr(_flat(), columns={"prescriptions": {"person_id": "cpr"}})
    with pytest.raises(UsageError, match="does not have: visits"):
        open_ehr(_flat(), columns={"visits": {"person_id": "pnr"}})


def test_open_ehr__all_faults_are_named_at_once_and_no_person():
    """One message a run costs a day a fault on a locked platform; and it is shown to others."""
    prescriptions = PRESCRIPTIONS.assign(
        date=["2010-01-01", "01/02/2010", "soon"], days_supply=["30", "many", None]
    )
    diagnoses = DIAGNOSES.drop(columns="code").assign(person_id=["7", None])

    with pytest.raises(DataError) as caught:
        open_ehr(_flat(prescriptions=prescriptions, diagnoses=diagnoses))

    message = str(caught.value)
    assert "4 faults" in message
    assert "prescriptions: 2 of 3 rows whose 'date' is no date" in message
    assert "prescriptions: 1 of 3 rows whose 'days_supply' is no number" in message
    assert "diagnoses: no column 'code'" in message
    assert "diagnoses: 1 of 2 rows without 'person_id'" in message
    assert "soon" not in message
    assert "01/02/2010" not in message


def test_open_ehr__absent_tables_are_named_with_those_that_exist(omop):
    """The user sees in one look that the folder is another one."""
    folder = omop.write(death=pd.DataFrame({"person_id": [1], "death_date": ["2010-01-01"]}))
    with pytest.raises(DataError, match=r"(?s)no table drug_exposure.*Its tables are: death"):
        open_ehr(folder)
    with pytest.raises(UsageError, match="no such file or folder"):
        open_ehr(folder / "nowhere")
    with pytest.raises(UsageError, match="unknown flat tables: drugs"):
        open_ehr(_flat(drugs=PRESCRIPTIONS))
    with pytest.raises(DataError, match="no table diagnoses"):
        open_ehr({"prescriptions": PRESCRIPTIONS})


def _omop_tables(omop) -> dict[str, pd.DataFrame]:
    big = 9_007_199_254_740_993  # 2**53 + 1: a float would make it its neighbour
    observed = pd.concat([omop.observed(1), omop.observed(1).assign(person_id=big)])
    return {
        "observation_period": observed,
        "concept_ancestor": omop.ancestors(),
        "condition_occurrence": omop.conditions(
            [(1, omop.mdd, "2009-01-01"), (1, 0, "2009-05-01", "F32.1"), (big, 0, "2009-02-01")]
        ),
        "drug_exposure": omop.drugs(
            [
                (1, omop.sertraline_50, "2010-01-01", None, 30),
                (big, omop.citalopram_20, "2010-01-01", None, 60),
                (big - 1, omop.citalopram_20, "2010-01-01", None, 60),
            ]
        ),
    }


def _write_text(tables: dict[str, pd.DataFrame], folder: Path, *, separator: str) -> Path:
    folder.mkdir()
    for name, table in tables.items():
        text = table.to_csv(index=False, sep=separator)
        header, _, body = text.partition("\n")
        quoted = separator.join(f'"{column.upper()}"' for column in header.split(separator))
        with gzip.open(folder / f"{name.upper()}.csv.gz", "wt", encoding="utf-8") as stream:
            stream.write("\ufeff" + quoted + "\n" + body)
    return folder


def test_open_ehr__omop_is_the_same_from_parquet_text_and_database(omop, tmp_path: Path):
    """Sites ship Parquet, quoted upper-case CSV with a byte order mark, tabs, or DuckDB."""
    tables = _omop_tables(omop)
    commas = _write_text(tables, tmp_path / "commas", separator=",")
    tabs = _write_text(tables, tmp_path / "tabs", separator="\t")
    database = tmp_path / "site.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE SCHEMA cdm")
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE cdm.{name} AS SELECT * FROM given")
            connection.unregister("given")

    expected = _records(open_ehr(omop.write(**tables)))

    big = 9_007_199_254_740_993
    assert expected["person_id"].tolist() == [1, big - 1, big]
    assert expected["ingredient"].tolist() == ["sertraline", "citalopram", "citalopram"]
    for source in (commas, tabs, database):
        ehr = open_ehr(source)
        pd.testing.assert_frame_equal(_records(ehr), expected)
        assert int(diagnosis_flow(ehr)["n_rows_out"].iloc[-1]) == 2


def test_open_ehr__notes_say_what_is_missing(omop):
    """A source without deaths is no source in which nobody dies."""
    tables = _omop_tables(omop)
    full = open_ehr(omop.write(**tables))

    text = "\n".join(full.notes)
    assert "no death table" in text
    assert "no person table" in text
    assert "2 of 3 rows of condition_occurrence have no concept" in text
    assert "concept_ancestor" not in text


def test_open_ehr__without_observation_periods_the_records_span_the_time(omop):
    """Otherwise every record would lie outside observation and be dropped."""
    tables = _omop_tables(omop)
    del tables["observation_period"]
    tables["person"] = pd.DataFrame(
        {"person_id": [1], "gender_concept_id": [8532], "year_of_birth": [1960]}
    )
    ehr = open_ehr(omop.write(**tables))

    observation = ehr.fetch(ehr.observation.filter(ehr.observation.person_id == 1))
    assert observation[["start_date", "end_date"]].astype(str).to_numpy().tolist() == [
        ["2009-01-01", "2010-01-01"]
    ]
    assert any("no observation_period" in note for note in ehr.notes)


def test_open_ehr__repeated_person_and_doubled_table_are_refused(omop):
    """Two rows of a person would double each of their records."""
    tables = _omop_tables(omop)
    person = pd.DataFrame({"person_id": [1, 1, 2]})
    folder = omop.write(**tables, person=person)
    with pytest.raises(DataError, match="person: 1 rows repeat a 'person_id'"):
        open_ehr(folder)

    person.iloc[1:].to_parquet(folder / "person.parquet")
    (folder / "PERSON.csv").write_text("person_id\n1\n")
    with pytest.raises(DataError, match=r"person: PERSON.csv, person.parquet"):
        open_ehr(folder)


def test_open_ehr__damaged_files_give_no_content_away(tmp_path: Path):
    """DuckDB quotes the line it stumbles on; that line is a person's record."""
    path = tmp_path / "prescriptions.csv"
    good = "".join(f"12{i},2010-01-01,N06AB06\n" for i in range(5000))
    path.write_text("person_id,date,drug\n" + good + "SECRET,2010-01-01,N06AB06,1,2\n")
    diagnoses = tmp_path / "diagnoses.csv.gz"
    with gzip.open(diagnoses, "wt") as stream:
        stream.write(
            "person_id,date,code\n" + "".join(f"{i},2010-01-01,F32\n" for i in range(9999))
        )
    diagnoses.write_bytes(diagnoses.read_bytes()[:2000])

    with pytest.raises(DataError, match=r"prescriptions.csv|near line|cannot be read") as ragged:
        build_trials(open_ehr({"prescriptions": path, "diagnoses": DIAGNOSES}))
    with pytest.raises(DataError, match=r"cannot be read") as truncated:
        build_trials(open_ehr({"prescriptions": PRESCRIPTIONS, "diagnoses": diagnoses}))

    for caught in (ragged, truncated):
        assert "SECRET" not in str(caught.value)
        assert caught.value.__suppress_context__


def test_open_ehr__empty_file_and_wrong_ending_are_named(tmp_path: Path):
    """The user learns which file, not which library."""
    empty = tmp_path / "prescriptions.csv"
    empty.write_text("")
    with pytest.raises(DataError, match=r"prescriptions.csv: is empty"):
        open_ehr(_flat(prescriptions=empty))
    wrong = tmp_path / "prescriptions.xlsx"
    wrong.write_text("x")
    with pytest.raises(UsageError, match=r"'prescriptions.xlsx': it should end in .parquet"):
        open_ehr(_flat(prescriptions=wrong))
    broken = tmp_path / "prescriptions.parquet"
    broken.write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"prescriptions.parquet: cannot be read as parquet"):
        open_ehr(_flat(prescriptions=broken))


def test_open_ehr__keeps_to_its_threads_and_does_not_follow_the_table_it_was_given():
    """Jobs share a machine; and a notebook changes its table after opening it."""
    table = PRESCRIPTIONS.copy()
    ehr = open_ehr(_flat(prescriptions=table), threads=1, memory_mb=256)
    table["drug"] = "N06AX11"

    _assert_expected(ehr)
    settings = ehr.backend.con.execute(
        "SELECT current_setting('threads'), current_setting('memory_limit')"
    ).fetchone()
    assert settings[0] == 1
    assert settings[1].startswith("244")
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        open_ehr(_flat(), threads=0)


def test_open_ehr__procedures_are_classed_by_concept(omop):
    """ECT is recorded under a CPT concept below none of the others, or under a hierarchy."""
    procedures = pd.DataFrame(
        {
            "person_id": [1, 1, 1],
            "procedure_concept_id": [2213552, 49000009, 12345],
            "procedure_date": pd.to_datetime(["2010-01-01", "2010-01-02", "2010-01-03"]),
        }
    )
    tables = _omop_tables(omop) | {"procedure_occurrence": procedures}
    tables["concept_ancestor"] = omop.ancestors([(2795842, 49000009)])
    ehr = open_ehr(omop.write(**tables))

    found = ehr.fetch(ehr.procedures.order_by("date"))

    assert found["procedure_class"].tolist() == ["ECT", "ECT"]
    assert found["date"].tolist() == [pd.Timestamp("2010-01-01"), pd.Timestamp("2010-01-02")]


LAZY_TABLES = ("persons", "observation", "prescriptions", "diagnoses", "procedures", "deaths")


@pytest.mark.parametrize("dialect", ["bigquery", "pyspark", "postgres"])
def test_open_ehr__expressions_compile_for_other_engines(omop, dialect: str):
    """Records too large for one machine run where they lie, by the same expressions."""
    ehr = open_ehr(omop.write(**_omop_tables(omop)))
    tables = {name: getattr(ehr, name) for name in LAZY_TABLES}

    for name, expression in tables.items():
        text = str(ibis.to_sql(expression, dialect=dialect))
        assert sqlglot.parse_one(text, read="spark" if dialect == "pyspark" else dialect), name


SAID = "Hospital\tH\tus\twhat\twhere\thow\t2020-01-01\t2020-01-01\t{}\tv5.0 05-NOV-17\n"


@pytest.mark.parametrize(
    ("version", "other"),
    [("v5.4.0", None), ("5.3.1", None), ("v5.2.2", "5.2"), ("CDM v6.0", "6.0"), ("?", None)],
)
def test_open_ehr__another_version_of_the_cdm_is_named(omop, version: str, other: str | None):
    """Sites say it in cdm_source, with header or without; absent columns have this cause."""
    table = omop.drugs([(1, omop.sertraline, "2010-01-01", None, 30)])
    folder = omop.write(
        observation_period=omop.observed(1),
        concept_ancestor=omop.ancestors(),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        drug_exposure=table,
    )
    said = f"cdm_source: the version is {other}; 5.3 and 5.4 are read"

    (folder / "cdm_source.csv").write_text(SAID.format(version))
    assert (said in open_ehr(folder).notes) == bool(other)
    (folder / "cdm_source.csv").write_text(f"cdm_source_name,cdm_version\nHospital,{version}\n")
    assert (said in open_ehr(folder).notes) == bool(other)

    table.drop(columns="drug_exposure_start_date").to_parquet(folder / "drug_exposure.parquet")
    with pytest.raises(DataError, match="no column 'drug_exposure_start_date'") as refused:
        open_ehr(folder)
    assert (said in str(refused.value)) == bool(other)
