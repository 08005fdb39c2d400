"""URLs of databases: what they say, and what they lack."""

from __future__ import annotations

import pytest

from pgs_trd.ehr.connect import is_url, open_url, parse_url
from pgs_trd.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name", "schemas"),
    [
        ("postgresql://reader:x@host:5433/ehr/cdm", "postgresql://ehr/cdm", ("cdm",)),
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
        ("mysql://user:geheim@host/db", "cannot be read from mysql://; known are postgresql://"),
        ("postgresql://user:geheim@host", "postgresql:// is incomplete or has too many parts"),
        ("postgresql://user:geheim@host/a/b/c", "has too many parts; want postgresql://user@host"),
        ("bigquery://project", "bigquery:// is incomplete"),
        ("bigquery:///dataset", "bigquery:// is incomplete"),
        ("pyspark://gp/tables", "pyspark:// is incomplete or has too many parts"),
        ("postgresql://u:geheim@h/db?schema=x", "no option 'schema'; there are: host, vocabulary"),
    ],
)
def test_parse_url__a_wrong_url_is_named_without_its_password(text, message):
    """The mistake is said with the right form; what may be secret is not repeated."""
    with pytest.raises(UsageError, match=message) as caught:
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
