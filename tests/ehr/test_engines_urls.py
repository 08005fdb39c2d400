"""URLs of databases: what they say, and what they lack."""

from __future__ import annotations

import pytest

from pgs_trd.ehr.connect import is_url, open_url, parse_url
from pgs_trd.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "schemas"),
    [
        ("postgresql://reader@host:5433/ehr/cdm", "postgresql://ehr/cdm", ("cdm",)),
        ("postgres:///ehr", "postgresql://ehr", ()),
        ("postgresql:///ehr?vocabulary=v", "postgresql://ehr/public", ("public", "v")),
        ("postgresql:///my%20ehr/cdm?host=/run/pg&vocabulary=v", "postgresql://my ehr/cdm", None),
        ("bigquery://project/dataset?billing=mine", "bigquery://project/dataset", ("dataset",)),
        ("pyspark://gp?vocabulary=v", "pyspark://gp", ("gp", "v")),
        ("pyspark://", "pyspark://", ()),
    ],
)
def test_parse_url__finds_the_parts(text, name, schemas):
    """The name goes into messages: it has neither user, password nor host."""
    place = parse_url(text)
    assert place.name == name
    assert place.schemas == (schemas if schemas is not None else ("cdm", "v"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql://user@host/db", "cannot be read from mysql://; known are postgresql://"),
        ("postgresql://user@host", "postgresql:// is incomplete or has too many parts"),
        ("postgresql://user@host/a/b/c", "has too many parts; want postgresql://user@host"),
        ("bigquery://project", "bigquery:// is incomplete"),
        ("bigquery:///dataset", "bigquery:// is incomplete"),
        ("pyspark://gp/tables", "pyspark:// is incomplete or has too many parts"),
        (
            "postgresql://u@h/db?password=geheim",
            "no option 'password'; there are: host, vocabulary",
        ),
    ],
)
def test_parse_url__a_wrong_url_is_named_without_its_password(text, message):
    """The mistake is said with the right form; what may be secret is not repeated."""
    with pytest.raises(UsageError, match=message) as caught:
        parse_url(text)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:geheim@host/db/cdm",
        "postgres://:geheim@/db",
        "postgresql+psycopg2://user:geheim@host/db",
        "postgresql://user:12/geheim@host/db",
        "postgresql://user:[geheim#@host/db",
        "postgresql://user:geheim@@host/db",
        "bigquery://user:geheim@project/dataset",
    ],
)
def test_parse_url__refuses_a_password(text):
    """A plan, a printed command or a log would show it; signs in it must not hide it."""
    with pytest.raises(UsageError, match=r"holds a password.*~/\.pgpass or PGPASSWORD") as caught:
        parse_url(text)
    assert "geheim" not in str(caught.value)


def test_is_url__paths_are_none():
    """A Windows drive or a folder with a colon stays a path."""
    assert is_url("bigquery://project/dataset")
    assert not is_url("C:/cdm")
    assert not is_url("cdm/")


def test_open_url__an_engine_that_is_not_installed_is_named(monkeypatch):
    """The message has what to install."""
    from pgs_trd.ehr import connect

    monkeypatch.setitem(connect._DRIVERS, "bigquery", ("no_such_driver", "bigquery", "bigquery"))
    with pytest.raises(UsageError, match=r"pip install 'pgs-trd\[bigquery\]'"):
        open_url("bigquery://project/dataset")
