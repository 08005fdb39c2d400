"""Tables fetched in a thread while Python works on the one before."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Timer

import pyarrow as pa
import pytest
from ibis.expr.operations import InMemoryTable

from pgs_trd.ehr import build_trials, open_ehr
from pgs_trd.ehr.ahead import Ahead
from pgs_trd.ehr.prescriptions import prescription_query
from pgs_trd.errors import DataError

TABLE = pa.table({"n": [1]})


def test_ahead__gives_what_was_begun_and_queries_wait_for_it():
    """One connection runs one query: the second must not begin before the first ended."""
    ahead, runs, may_end, order = Ahead(), Event(), Event(), []

    def slow() -> pa.Table:
        runs.set()
        assert may_end.wait(10)
        order.append("begun")
        return TABLE

    def never() -> pa.Table:
        raise AssertionError("fetched twice")

    ahead.start("rows", lambda: ahead.query(slow))
    assert runs.wait(10)
    Timer(0.05, may_end.set).start()

    ahead.query(lambda: order.append("now"))
    assert order == ["begun", "now"]
    assert ahead.take("rows", never) is TABLE


def test_ahead__query_that_was_ended_is_tried_once_more():
    """Another query on the same connection ends one that runs; real damage fails again."""

    def fail() -> pa.Table:
        raise DataError("the records cannot be read")

    ahead = Ahead()
    ahead.start("rows", fail)
    assert ahead.take("rows", lambda: TABLE) is TABLE
    ahead.start("rows", fail)
    with pytest.raises(DataError, match="the records cannot be read"):
        ahead.take("rows", fail)


def test_ehr__query_in_a_thread_calls_nothing_of_python(omop):
    """A scan of an Arrow table asks for the interpreter, and who holds it may wait for the scan."""
    folder = omop.write(
        drug_exposure=omop.drugs([(1, omop.sertraline_50, "2010-01-01", "2010-04-01", 90)]),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        observation_period=omop.observed(2),
        concept_ancestor=omop.ancestors(),
    )
    ehr = open_ehr(folder)

    for query in (prescription_query(ehr), ehr.diagnoses):
        assert not query.op().find(InMemoryTable)


@pytest.mark.parametrize("threads", [1, 2])
def test_ehr__fetches_ahead_only_with_more_than_one_thread(omop, threads: int):
    """A run that was allotted one processor must not use two; the trials are the same."""
    drugs = [(1, omop.sertraline_50, "2010-01-01", "2010-04-01", 90)]
    folder = omop.write(
        drug_exposure=omop.drugs(drugs),
        condition_occurrence=omop.conditions([(1, omop.mdd, "2010-01-01")]),
        observation_period=omop.observed(2),
        concept_ancestor=omop.ancestors(),
    )
    ehr = open_ehr(folder, threads=threads)

    assert build_trials(ehr)["days"].tolist() == [90]
    assert list(ehr._ahead._coming) == (["diagnoses"] if threads > 1 else [])
    # Another selection of the records must not get rows that were asked for before.
    nobody = replace(ehr, diagnoses=ehr.diagnoses.filter(ehr.diagnoses.person_id == 2))
    assert len(nobody.diagnosis_rows.person) == 0
    assert len(ehr.diagnosis_rows.person) == 1
