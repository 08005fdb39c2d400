"""The SQL that BigQuery is given, which no test can run there."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import ibis
import pytest
import sqlglot

FOLDER = Path(__file__).resolve().parents[1] / "oracles" / "bigquery"


@pytest.fixture(scope="module")
def statements() -> dict[str, str]:
    spec = spec_from_file_location("oracles_bigquery_write", FOLDER / "write.py")
    assert spec is not None
    assert spec.loader is not None
    program = module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.statements()


def test_bigquery__sql_is_what_was_read_by_somebody(statements):
    """A change of it is looked at: run tests/oracles/bigquery/write.py, and read the difference."""
    if not ibis.__version__.startswith("12.0."):
        pytest.skip("the files were written with Ibis 12.0")
    assert sorted(path.stem for path in FOLDER.glob("*.sql")) == sorted(statements)
    for name, text in statements.items():
        assert (FOLDER / f"{name}.sql").read_text(encoding="utf-8") == text, name


def test_bigquery__sql_has_no_function_of_another_engine(statements):
    """What sqlglot does not know as a function of BigQuery stays anonymous in its tree."""
    for name, text in statements.items():
        (tree,) = sqlglot.parse(text, read="bigquery")
        unknown = {node.name.lower() for node in tree.find_all(sqlglot.exp.Anonymous)}
        # IEEE_DIVIDE is BigQuery's own; sqlglot does not model it.
        assert unknown <= {"ieee_divide"}, name
