"""Run the command line in this process, as a user would type it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pgs_trd.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and both its outputs."""

    code: int
    out: str
    err: str


@pytest.fixture
def run_cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Give a function that runs ``pgs-trd`` with arguments and catches its exit."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pgs-trd", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        code = 0
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
