"""Definitions as data."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from importlib.resources import files
from pathlib import Path

import pytest

from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import list_definitions, load_definition
from pgs_trd.phenotype.definition import parse_definition


def _text() -> str:
    path = files("pgs_trd.phenotype") / "definitions" / "adequate2.yaml"
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list_definitions())
def test_load_definition__every_preset_loads_under_its_own_id(name: str):
    """The id is what results carry; the file name is what users type."""
    definition = load_definition(name)

    assert definition.id == name
    assert definition.source


def test_load_definition__hash_is_of_the_content_not_of_the_file(tmp_path: Path):
    """Two people with one hash used the same rules, however they wrote them down."""
    preset = load_definition("adequate2")
    file = tmp_path / "mine.yaml"
    file.write_text("# a comment\n" + _text().replace("min_days: 42", "min_days:   42"))
    other = tmp_path / "other.yaml"
    other.write_text(_text().replace("min_days: 42", "min_days: 28"))

    assert load_definition(file).hash == preset.hash
    assert load_definition(str(other)).hash != preset.hash
    assert load_definition(other).trials.min_days == 28
    assert len(preset.hash) == 64
    assert replace(preset, version="2").hash != preset.hash
    with pytest.raises(FrozenInstanceError):
        preset.id = "other"  # type: ignore[misc]


def test_load_definition__all_faults_are_named():
    """A misspelt parameter that is ignored gives another definition than was meant."""
    text = _text().replace("min_dates: 2", "min_dates: two").replace("link_days", "link_day")

    with pytest.raises(DataError) as caught:
        parse_definition(text, "mine.yaml")

    message = str(caught.value)
    assert message.startswith("mine.yaml: 3 faults")
    assert "depression.min_dates" in message
    assert "resistant.link_days" in message
    assert "resistant.link_day:" in message


def test_load_definition__impossible_values_are_named():
    """A class that no code list has would make nobody a case, without a word."""
    text = (
        _text()
        .replace("[mdd_core, trd_code]", "[mdd_cor]")
        .replace("n_failures: 2", "n_failures: 0")
    )
    with pytest.raises(DataError, match=r"(?s)n_failures must be at least 1, got 0.*'mdd_cor'"):
        parse_definition(text, "mine.yaml")
    with pytest.raises(DataError, match="is no YAML"):
        parse_definition("id: [", "mine.yaml")
    with pytest.raises(UsageError, match=r"no definition 'nothing' and no such file.*adequate2"):
        load_definition("nothing")
