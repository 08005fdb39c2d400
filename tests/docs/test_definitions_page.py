"""The catalogue of definitions is that of the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pgs_trd.ehr.drugs import LOW_DOSES_MG
from pgs_trd.ehr.verify import STATUSES
from pgs_trd.phenotype import list_definitions, load_definition, load_grid
from pgs_trd.phenotype.classifier import REASONS
from pgs_trd.phenotype.exports import CONTRASTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "definitions.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_definitions_page__is_what_its_program_writes(page):
    """Run `python docs/write_definitions.py` after a change to a definition."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("docs_write_definitions", ROOT / "docs/write_definitions.py")
    assert spec is not None
    assert spec.loader is not None
    program = module_from_spec(spec)
    spec.loader.exec_module(program)

    assert program.render() == page


def test_definitions_page__has_every_number_of_the_files(page):
    """Read from the YAML itself: the program could leave a rule out for both."""
    files = sorted((ROOT / "pgs_trd/phenotype/definitions").glob("*.yaml"))
    assert [path.stem for path in files] == list_definitions()
    for path in files:
        section = page.partition(f"\n## {path.stem}\n")[2].partition("\n## ")[0]
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part, rules in content.items():
            for name, value in rules.items() if isinstance(rules, dict) else ():
                (row,) = [r for r in section.splitlines() if r.startswith(f"| `{part}.{name}` |")]
                stated = value if isinstance(value, list) else [value]
                words = {True: "yes", False: "no", None: "any time"}
                for each in stated:
                    word = words[each] if each is None or isinstance(each, bool) else str(each)
                    assert word in row, f"{path.stem}: {row}"


def test_definitions_page__has_the_hashes_of_outputs(page):
    """Who finds a hash in a sidecar looks it up here."""
    for definition in [*map(load_definition, list_definitions()), *load_grid()]:
        assert page.count(f"`{definition.hash[:16]}`") == 1, definition.id


def test_statuses_page__has_every_reason_and_every_status_of_a_code():
    """A word in an output that no page explains is a riddle."""
    text = (ROOT / "docs/reference/statuses.md").read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    listed = [sections[name] for name in ("Classes of people", "Classes under other definitions")]

    assert set(re.findall(r"^\| `\w+` \| `(\w+)` \|", "".join(listed), flags=re.M)) == set(REASONS)
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \|$", sections["Listed concepts in your vocabulary"], flags=re.M
    )
    assert rows == list(STATUSES.items())


def test_phenotype_page__has_the_doses_and_contrasts_of_the_code():
    """Numbers of a page that nobody compares go stale."""
    text = (ROOT / "docs/explanation/phenotype.md").read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if "`--gate-low-dose`" in line]
    listed = re.search(r"`LOW_DOSES_MG`: (.+)\)", row)
    assert listed is not None
    doses = dict(part.rsplit(" ", 1) for part in listed[1].replace(" mg", "").split(", "))
    contrasts = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", text, flags=re.M)
    named = {name: (cases, controls) for name, cases, controls in contrasts if "_vs_" in name}

    assert {name: float(dose) for name, dose in doses.items()} == dict(LOW_DOSES_MG)
    assert list(named) == list(CONTRASTS)
    for name, (cases, controls) in CONTRASTS.items():
        assert named[name][0] == ", ".join(cases)
        assert set(re.findall(r"\w+", named[name][1])) >= set(controls)
