"""A study through Snakemake on this machine: the values of `run_study`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Head, assert_same_results

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake") is None, reason="snakemake is not installed"
    ),
]


def test_workflow__gives_the_values_of_run_study_and_does_nothing_twice(
    make_study: Callable[[str], Path], expected: Path, start_workflow: Callable[..., Head]
):
    """The rules call the public commands, so the numbers are the same."""
    study = make_study("local")

    head = start_workflow(study, "--profile", "local")

    assert head.finish() == 0, head.said()[-3000:]
    assert_same_results(study.parent / "results", expected)
    again = start_workflow(study, "--dry-run")
    assert again.finish() == 0
    assert "Nothing to be done" in again.said()
