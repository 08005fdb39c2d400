"""How much the program says: `--quiet`, `--verbose`, and standard output for what is piped."""

from __future__ import annotations

import sys
import warnings

import pytest
import yaml

from pgs_trd.cli import app as program
from pgs_trd.cli import common
from pgs_trd.errors import PgsTrdWarning


@pytest.fixture(autouse=True)
def as_usual(monkeypatch):
    """Loudness is of one run: tests leave it as it was, and warnings too."""
    monkeypatch.setattr(common.VOICE, "loudness", "usual")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["pgs-trd", *words])
    with pytest.raises(SystemExit) as ended:
        program.main()
    return ended.value.code, capsys.readouterr()


@pytest.mark.parametrize(
    "words", [("--verbose", "check", "gone.yaml"), ("check", "gone.yaml", "--verbose")]
)
def test_verbose__says_where_an_error_arose(monkeypatch, capsys, words):
    """Before or after the command; the message and its exit code stay."""
    code, said = run(monkeypatch, capsys, *words)

    assert code == 2
    assert "Traceback" in said.err
    assert said.err.rstrip().endswith("error: no such study file: gone.yaml")


def test_quiet__still_tells_errors(monkeypatch, capsys):
    """Nothing else: no progress, no warning."""
    code, said = run(monkeypatch, capsys, "check", "gone.yaml", "--quiet")

    assert (code, said.out) == (2, "")
    assert said.err == "error: no such study file: gone.yaml\n"
    with common.show_progress() as progress:
        progress("scores", 0.0)
    program._show_warning("few people", PgsTrdWarning)
    assert capsys.readouterr().err == ""


def test_warnings__of_libraries_are_shown_only_if_asked_for(monkeypatch, capsys):
    """Ours always, but for --quiet."""
    program._show_warning("few people", PgsTrdWarning)
    program._show_warning("old function", DeprecationWarning)
    assert capsys.readouterr().err == "warning: few people\n"

    monkeypatch.setattr(common.VOICE, "loudness", "verbose")
    program._show_warning("old function", DeprecationWarning)
    assert capsys.readouterr().err == "warning: old function\n"


def test_quiet__excludes_verbose(monkeypatch, capsys):
    """Both at once cannot be meant."""
    code, said = run(monkeypatch, capsys, "--quiet", "check", "x.yaml", "--verbose")

    assert code == 2
    assert said.err.endswith("error: --quiet and --verbose exclude each other\n")


def test_init__writes_to_standard_output_where_a_dash_is_the_file(monkeypatch, capsys, tmp_path):
    """It can be piped; no file named - is left behind."""
    monkeypatch.chdir(tmp_path)

    code, said = run(monkeypatch, capsys, "init", "-")

    assert code == 0
    assert yaml.safe_load(said.out)["definition"] == "adequate2"
    assert list(tmp_path.iterdir()) == []
    code, said = run(monkeypatch, capsys, "init", "-", "--design", "xu2025")
    assert code == 2
    assert "name a file, not -" in said.err
