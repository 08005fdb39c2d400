"""The same records in DuckDB, a real PostgreSQL server, local Spark and BigQuery's SQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot
from ibis.backends.duckdb import Backend as DuckDb

from pgs_trd.ehr import Ehr, build_trials, diagnosis_flow, open_ehr, prescription_flow
from pgs_trd.ehr.adjuncts import build_adjuncts
from pgs_trd.ehr.connect import open_url
from pgs_trd.ehr.doses import gate_trials
from pgs_trd.ehr.verify import verify_codes
from pgs_trd.errors import DataError
from pgs_trd.phenotype import (
    classify_grid,
    find_perinatal,
    follow_up,
    list_definitions,
    load_definition,
    load_grid,
)
from pgs_trd.simulate import draw_people, simulate_records
from pgs_trd.simulate.omop import SCHEMAS, write_omop
from pgs_trd.steps.records import phenotype_step

N_PEOPLE = 150
SQL_TYPES = {
    pa.int64(): "bigint",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp",
    pa.float64(): "double precision",
    pa.string(): "text",
}
Answers = dict[str, pd.DataFrame]


def far_apart(ids: pd.Series) -> pd.Series:
    """Make ids negative, or of more bits than a float keeps; two of them are neighbours."""
    return ids.where(ids % 3 > 0, 2**62 + ids).where(ids % 3 != 1, -ids)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write simulated OMOP tables, with childbirths, of people with ids of every kind."""
    rng = np.random.default_rng(5)
    place = np.arange(N_PEOPLE)
    classes = pd.DataFrame({"is_mdd": place % 2 == 0, "is_resistant": place % 6 == 0})
    records = simulate_records(draw_people(N_PEOPLE, rng), classes, rng=rng)
    tables = dict(records.tables)
    mothers = tables["person"].query("gender_concept_id == 8532")["person_id"]
    births = tables["condition_occurrence"].query("condition_concept_id > 0")
    births = births[births["person_id"].isin(mothers)].drop_duplicates("person_id")
    births = births.assign(
        condition_concept_id=433260,
        condition_start_date=births["condition_start_date"] - pd.Timedelta(days=60),
    )
    tables["condition_occurrence"] = pd.concat([tables["condition_occurrence"], births])
    moved = {
        name: table.assign(person_id=far_apart(table["person_id"]))
        if "person_id" in table.columns
        else table
        for name, table in tables.items()
    }
    return write_omop(moved, tmp_path_factory.mktemp("omop"))


def answers_of(ehr: Ehr, definitions: list[Any]) -> Answers:
    """Ask the records everything that the package asks."""
    trials = build_trials(ehr)
    classes = classify_grid(ehr, trials, definitions)
    perinatal = find_perinatal(ehr, trials)
    return {
        "trials": trials,
        "gated": gate_trials(ehr, trials, indication_days=90),
        "adjuncts": build_adjuncts(ehr),
        "prescription_rows": prescription_flow(ehr),
        "diagnosis_rows": diagnosis_flow(ehr),
        "follow_up": follow_up(ehr, next(iter(classes.values()))),
        "perinatal": perinatal.table,
        "perinatal_attrition": perinatal.attrition,
        **{f"classes {name}": each.table for name, each in classes.items()},
        **{f"attrition {name}": each.attrition for name, each in classes.items()},
    }


def all_definitions() -> list[Any]:
    """Give the definitions of the package, and one that asks where a diagnosis was made."""
    first = load_definition("adequate2")
    in_hospital = replace(first.depression, min_dates=3, min_inpatient_dates=1)
    own = replace(first, id="in_hospital", depression=in_hospital)
    return [*list_definitions(), *load_grid(), own]


@dataclass(frozen=True)
class Asked:
    """What was asked of DuckDB, and what it said."""

    answers: Answers
    queries: list[tuple[Any, pa.Table, DuckDb]]


@pytest.fixture(scope="module")
def asked(folder: Path) -> Asked:
    """Ask DuckDB everything, and keep every expression that is run on the way."""
    queries = []
    run = DuckDb.to_pyarrow

    def keep(self: DuckDb, expression: Any, /, **options: Any) -> pa.Table:
        found = run(self, expression, **options)
        queries.append((expression, found, self))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDb, "to_pyarrow", keep)
        answers = answers_of(open_ehr(folder), all_definitions())
    return Asked(answers, queries)


@pytest.fixture(scope="module")
def answers(asked: Asked) -> Answers:
    """Give what DuckDB answers, which the others are compared with."""
    return asked.answers


def assert_same(actual: Answers, expected: Answers) -> None:
    for name, table in actual.items():
        pd.testing.assert_frame_equal(table, expected[name], obj=name)


def test_records__show_something_in_every_table(answers: Answers):
    """Engines that agree on empty tables would prove nothing."""
    for name, table in answers.items():
        assert len(table), name
    classes = answers["classes adequate2"]["phenotype"].value_counts()
    assert set(classes.index) == {"trd", "responsive", "neither", "no_mdd"}
    assert answers["perinatal"]["ppd_date"].notna().sum() > 5
    assert answers["gated"]["gate"].notna().any()
    ids = answers["classes adequate2"]["person_id"].astype("int64")
    assert ids.min() < 0
    assert ids.max() > 2**53


def test_duckdb__same_answers_from_any_row_order_and_thread_count(
    folder: Path, answers: Answers, tmp_path: Path
):
    """Files are written in any order, and machines have other numbers of processors."""
    for path in sorted(folder.glob("*.parquet")):
        table = pd.read_parquet(path, dtype_backend="pyarrow")
        table.sample(frac=1, random_state=3).to_parquet(tmp_path / path.name, index=False)

    shuffled = answers_of(open_ehr(tmp_path, threads=1), all_definitions())

    assert_same(shuffled, answers)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Path]:
    """Start a PostgreSQL server on a socket in a folder of its own; give that folder.

    Its text is ordered as people order it (ICU), unlike DuckDB's.
    """
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install '.[postgres]'")
    found = [
        shutil.which("initdb"),
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))),
    ]
    found = [path for path in found if path]
    if not found:
        pytest.skip("no PostgreSQL server here (initdb): apt-get install postgresql")
    binaries = Path(str(found[-1])).parent
    # The server refuses to run as root; sockets need a short path that it may enter.
    user = "nobody" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pgs", dir="/tmp"))
    if user is not None:
        shutil.chown(folder, user)

    def run(program: str, *arguments: object) -> None:
        subprocess.run(
            [str(binaries / program), *map(str, arguments)],
            check=True, user=user, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip

    try:
        run(
            "initdb", "-D", folder / "data", "-A", "trust", "-U", "tester", "--no-sync",
            "--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US",
        )  # fmt: skip
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=10"
        run("pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def execute(postgres: Path) -> Iterator[Callable[..., Any]]:
    """Give a function that runs SQL as the owner of the tables."""
    import psycopg

    with psycopg.connect(
        host=str(postgres), user="tester", dbname="postgres", autocommit=True
    ) as connection:
        yield connection.execute


@pytest.fixture(scope="module")
def in_postgres(postgres: Path, folder: Path, execute: Callable[..., Any]) -> str:
    """Copy the tables into two schemas, the vocabulary apart; give the URL of a mere reader."""
    connection = execute.__self__  # type: ignore[attr-defined]  # a bound method
    execute("CREATE SCHEMA cdm; CREATE SCHEMA vocabulary; CREATE ROLE reader LOGIN")
    for path in sorted(folder.glob("*.parquet")):
        schema = "vocabulary" if path.stem.startswith("concept") else "cdm"
        name = (
            f'{schema}."{path.stem.upper()}"' if path.stem == "person" else f"{schema}.{path.stem}"
        )
        columns = ", ".join(f"{f.name} {SQL_TYPES[f.type]}" for f in SCHEMAS[path.stem])
        execute(f"CREATE TABLE {name} ({columns})")
        rows = pd.read_parquet(path, dtype_backend="pyarrow")
        with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
            copy.write(rows.to_csv(index=False, header=False))
    for schema in ("cdm", "vocabulary"):
        execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
        execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
    return f"postgresql://reader@/postgres/cdm?host={postgres}&vocabulary=vocabulary"


def test_postgresql__same_answers_as_duckdb(in_postgres: str, answers: Answers):
    """One set of expressions: every table equal, for somebody who may only read."""
    ehr = open_ehr(in_postgres)

    assert ehr.kind == "omop"
    assert_same(answers_of(ehr, all_definitions()), answers)


def test_postgresql__code_lists_are_verified_where_the_vocabulary_is(
    in_postgres: str, folder: Path
):
    """The vocabulary stands in a schema of its own, as sites have it."""
    found = verify_codes(in_postgres)

    assert {"ok", "absent"} <= set(found["status"])
    pd.testing.assert_frame_equal(found, verify_codes(folder))


def test_postgresql__a_run_records_the_database_but_neither_user_nor_host(
    in_postgres: str, postgres: Path, tmp_path: Path
):
    """The JSON file beside the classes is shared; how to log in is not for it."""
    description = phenotype_step(in_postgres, tmp_path)

    assert description["source"] == "postgresql://postgres/cdm"
    assert description["inputs"] == []
    written = (tmp_path / "phenotype.parquet.json").read_text()
    assert "reader" not in written
    assert str(postgres) not in written


def test_postgresql__a_schema_without_tables_is_named(postgres: Path, execute):
    """A slip in the schema must not look like records of nobody."""
    execute("CREATE SCHEMA IF NOT EXISTS elsewhere")
    with pytest.raises(DataError, match=r"postgresql://postgres/elsewhere: 2 faults\n"):
        open_ehr(f"postgresql://tester@/postgres/elsewhere?host={postgres}")


def test_postgresql__takes_the_password_from_the_environment(
    in_postgres: str, monkeypatch: pytest.MonkeyPatch
):
    """No URL may hold it, so that there must be another way."""
    monkeypatch.setenv("PGPASSWORD", "geheim")
    backend, _ = open_url(in_postgres)
    assert backend.con.info.password == "geheim"


def test_postgresql__no_server_is_said_without_the_password(
    postgres: Path, monkeypatch: pytest.MonkeyPatch
):
    """Logs are shared; secrets and hosts are not for them."""
    monkeypatch.setenv("PGPASSWORD", "geheim")
    url = f"postgresql://tester@/nowhere/cdm?host={postgres}"
    with pytest.raises(DataError, match=r'database "nowhere" does not exist') as caught:
        open_url(url)
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_postgresql__a_damaged_value_is_not_repeated(postgres: Path, execute):
    """The server's message quotes what it could not read: that is a person's record."""
    execute(
        "DROP SCHEMA IF EXISTS damaged CASCADE; CREATE SCHEMA damaged;"
        "CREATE TABLE damaged.person (person_id text);"
        "INSERT INTO damaged.person VALUES ('secret-id');"
        "CREATE TABLE damaged.drug_exposure (person_id bigint, drug_concept_id bigint,"
        " drug_exposure_start_date date);"
        "CREATE TABLE damaged.condition_occurrence (person_id bigint,"
        " condition_concept_id bigint, condition_start_date date)"
    )
    with pytest.raises(DataError, match="health records cannot be read") as caught:
        open_ehr(f"postgresql://tester@/postgres/damaged?host={postgres}")
    assert "secret" not in str(caught.value)


IN_SPARK = """
import sys
from pathlib import Path
from pyspark.sql import SparkSession
from pgs_trd.ehr import build_trials, open_ehr
from pgs_trd.phenotype import classify_grid

folder, out = map(Path, sys.argv[1:])
session = SparkSession.builder.getOrCreate()
session.sql("CREATE DATABASE cdm")
for path in sorted(folder.glob("*.parquet")):
    session.sql(f"CREATE TABLE cdm.{path.stem} USING PARQUET LOCATION '{path}'")
ehr = open_ehr("pyspark://cdm")
trials = build_trials(ehr)
trials.to_pickle(out / "trials.pkl")
for name, found in classify_grid(ehr, trials, ["adequate2", "grid_t4_r2"]).items():
    found.table.to_pickle(out / f"classes {name}.pkl")
"""
SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    # As Spark 4 has it by default: what cannot be cast is an error.
    "spark.sql.ansi.enabled": "true",
    # Queries are small: compiling each to Java would take most of the time.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
}


@pytest.mark.slow
def test_spark__same_answers_as_duckdb(folder: Path, answers: Answers, tmp_path: Path):
    """Research platforms keep their tables in Spark; in a process of its own, as it has a JVM."""
    if find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install '.[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt-get install default-jre-headless")
    options = [f"--conf '{name}={value}'" for name, value in SPARK_SETTINGS.items()]
    shell = ["--master local[1]", *options, "pyspark-shell"]
    done = subprocess.run(
        [sys.executable, "-c", IN_SPARK, str(folder), str(tmp_path)],
        env=os.environ | {"PYSPARK_SUBMIT_ARGS": " ".join(shell)},
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-3000:]
    found = {path.stem: pd.read_pickle(path) for path in tmp_path.glob("*.pkl")}
    assert len(found) == 3
    assert_same(found, answers)


def test_bigquery__sql_of_every_expression_gives_the_rows_of_duckdb(asked: Asked):
    """No server here: the SQL is parsed as BigQuery's, translated by sqlglot, and run."""
    assert len(asked.queries) > 20
    checked: set[str] = set()
    for expression, expected, backend in asked.queries:
        text = ibis.to_sql(expression, dialect="bigquery")
        if text in checked:
            continue
        checked.add(text)
        (statement,) = sqlglot.parse(text, read="bigquery")
        assert isinstance(statement, sqlglot.exp.Query)
        translated = statement.sql(dialect="duckdb")
        backend.con.execute("CREATE OR REPLACE TEMP MACRO ieee_divide(a, b) AS a / b")
        found = backend.con.execute(translated).fetch_arrow_table()
        order = [(name, "ascending") for name in expected.column_names]
        assert found.num_rows == expected.num_rows
        assert found.cast(expected.schema).sort_by(order).equals(expected.sort_by(order)), text
