"""The reference pages say what the code says: options, columns, statuses, parameters."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

import pgs_trd
from pgs_trd.ehr import build_trials
from pgs_trd.ehr.cleaning import PRESCRIPTION_RULES
from pgs_trd.ehr.flat import FIELDS, REQUIRED
from pgs_trd.models.contrasts import CONTRASTS
from pgs_trd.models.cox import ERROR_NOTES as COX_ERRORS
from pgs_trd.models.logistic import ERROR_NOTES as LOGISTIC_ERRORS
from pgs_trd.models.results import STATUSES as MODEL_STATUSES
from pgs_trd.phenotype import load_definition
from pgs_trd.simulate.traits import Planted
from pgs_trd.study import StudyConfig
from pgs_trd.weights.columns import KNOWN_NAMES
from pgs_trd.weights.liftover import REASONS as LIFT_REASONS
from pgs_trd.weights.reasons import REASONS, STATUSES
from pgs_trd.weights.refusals import REFUSAL_REASONS

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT_TYPES = {"text": "O", "number": "f", "whole number": "iI", "yes/no": "b", "date": "M"}


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Give what stands under a heading, up to the next of its level or above."""
    level = heading.split(" ", 1)[0]
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"no heading {heading!r}"
    return re.split(rf"\n#{{1,{len(level)}}} ", rest)[0]


def rows_of(text: str) -> list[list[str]]:
    """Give the cells of all table rows but the heads, code marks taken off."""
    lines = text.splitlines()
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"[|\- ]+", line) and "-" in line]
    heads = {i - 1 for i in rules} | set(rules)
    rows = [line for i, line in enumerate(lines) if line.startswith("|") and i not in heads]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


def read_result(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t")


def test_cli_page__is_what_the_commands_give(cli_reference):
    """Run `python docs/write_cli_reference.py` after a change to a command."""
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.render()


def test_api_page__has_every_public_name_and_says_what_each_does(api_reference):
    """Run `python docs/write_api_reference.py` after a name is added."""
    page = read_page("reference/api.md")
    headings = set(re.findall(r"^### (\w+) \(`pt`\)$", page, flags=re.M))
    targets = re.findall(r"^::: ([\w.]+)$", page, flags=re.M)

    assert page == api_reference.render()
    assert set(pgs_trd.__all__) - {"__version__"} == headings
    for target in targets:
        module, name = target.rsplit(".", 1)
        assert getattr(importlib.import_module(module), name).__doc__


@pytest.fixture(scope="session")
def dictionary() -> dict[str, list[list[str]]]:
    """Columns of each file as the page has them: name, type, meaning."""
    page = read_page("reference/files.md")
    names = re.findall(r"^### (\S+/\S+)$", page, flags=re.M)
    return {name: rows_of(section(page, f"### {name}")) for name in names}


@pytest.mark.slow
def test_files_page__has_every_table_that_a_run_writes(dictionary, workplace):
    """A file without a description is one whose columns are guessed at."""
    results = workplace.folder / "demo" / "results"
    written = {
        str(path.relative_to(results))
        for path in results.rglob("*")
        if path.suffix in (".parquet", ".tsv", ".csv")
    }
    written -= {name for name in written if name.replace(".tsv", ".parquet") in written - {name}}
    described = {name for name in dictionary if not name.startswith("biobank/")}

    assert described == written


@pytest.mark.slow
def test_files_page__columns_and_types_are_those_of_the_files(dictionary, workplace):
    """Order, names and types; a count may be text where it is hidden."""
    demo = workplace.folder / "demo"
    for name, rows in dictionary.items():
        table = read_result((demo if name.startswith("biobank/") else demo / "results") / name)
        columns = list(table.columns)
        described = [row[0] for row in rows]
        if "<score>" in described:
            columns = [columns[0], "<score>"]
        if "PC1` to `PC10" in described:
            columns = [*columns[:4], "PC1` to `PC10", *columns[14:]]
        assert described == columns, name
        if name.endswith(".parquet"):
            for column, kind, *_ in rows:
                found = table.iloc[:, 1] if column == "<score>" else table[column]
                assert found.dtype.kind in TEXT_TYPES[kind], f"{name}: {column}"


def test_statuses_page__has_what_the_code_can_say():
    """Words and meanings, in the order of the code."""
    page = read_page("reference/statuses.md")
    models = rows_of(section(page, "## Models"))
    rules = rows_of(section(page, "## Records that are not used"))

    assert dict(models) == MODEL_STATUSES
    assert [row[0] for row in rows_of(section(page, "## Rows of a match table"))] == list(STATUSES)
    assert dict(rules[:-1]) == PRESCRIPTION_RULES


def test_statuses_page__has_every_reason_for_refusing_a_weight():
    """Those of the reader, of lifting over, and the one of matching."""
    page = read_page("reference/statuses.md")
    rows = rows_of(section(page, "## Rows of a weight file that are refused"))

    assert [row[0] for row in rows] == [
        *REFUSAL_REASONS,
        *LIFT_REASONS.values(),
        REASONS["multi_allelic_reference"],
    ]


def test_matching_page__has_every_reason_in_the_words_of_the_table():
    """Readers search the page for what the table says."""
    rows = rows_of(section(read_page("explanation/matching.md"), "## Statuses and reasons"))
    said = {reason.split(" (the reason")[0] for _, reason in rows}

    assert said == set(REASONS.values())


@pytest.mark.slow
def test_statuses_page__has_what_a_run_says(workplace):
    """Words that no constant lists are compared with those of a run."""
    page = read_page("reference/statuses.md")
    folder = workplace.folder / "demo" / "results" / "phenotype"
    people = pd.read_parquet(folder / "phenotype.parquet")
    followed = pd.read_parquet(folder / "follow_up.parquet")
    attrition = pd.read_csv(folder / "attrition.tsv", sep="\t")
    classes = {tuple(row[:2]) for row in rows_of(section(page, "## Classes of people"))}
    words = {row[0] for row in rows_of(section(page, "## Follow-up"))}

    left = attrition.dropna(subset=["reason"])[["phenotype", "reason"]]
    both = {("trd", "resistant"), ("responsive", "responsive")}
    assert set(left.itertuples(index=False, name=None)) | both == classes
    assert set(people[["phenotype", "reason"]].itertuples(index=False, name=None)) <= classes
    assert set(followed["status"]) | set(followed["end_reason"].dropna()) <= words
    assert set(followed["end_reason"].dropna()) >= {"trd", "death", "end_of_observation"}


def test_phenotype_page__has_the_parameters_of_the_code():
    """Defaults of trials, and every parameter of the definition."""
    page = read_page("explanation/phenotype.md")
    trials = {row[0]: row[1] for row in rows_of(section(page, "## Trials"))}
    defaults = {
        name: str(parameter.default)
        for name, parameter in inspect.signature(build_trials).parameters.items()
        if name not in ("ehr", "counted")
    }
    stated = {r[0]: r[1] for r in rows_of(section(page, "## The definition `adequate2`"))}
    rules = {
        f"{part}.{name}": ", ".join(value) if isinstance(value, tuple) else str(value)
        for part, content in asdict(load_definition("adequate2")).items()
        if isinstance(content, dict)
        for name, value in content.items()
    }

    assert trials == defaults
    assert stated == rules


def test_phenotype_page__classes_are_those_of_the_statuses_page():
    """Two tables of one thing must not part."""
    explained = rows_of(section(read_page("explanation/phenotype.md"), "## Classes and reasons"))
    listed = rows_of(section(read_page("reference/statuses.md"), "## Classes of people"))

    assert [row[:2] for row in explained] == listed


def test_models_page__has_the_contrasts_and_errors_of_the_code():
    """Who is compared with whom, and what each standard error is."""
    page = read_page("explanation/models.md")
    contrasts = {
        row[0]: (row[1], row[2]) for row in rows_of(section(page, "## Logistic regression"))
    }
    errors = rows_of(section(page, "## Standard errors"))
    stated = [[kind.split("`")[0], note] for kind, note in errors]

    assert contrasts == {
        name: (", ".join(c.cases), ", ".join(c.controls)) for name, c in CONTRASTS.items()
    }
    assert stated == [list(item) for item in [*LOGISTIC_ERRORS.items(), *COX_ERRORS.items()]]


def test_how_to_pages__columns_are_those_of_the_readers():
    """Names recognised in weight files, and columns of flat tables."""
    weights = rows_of(section(read_page("how-to/own-weights.md"), "## Columns that are recognised"))
    flat = rows_of(read_page("how-to/flat-records.md"))
    tables = {
        row[0]: [re.findall(r"\w+", cell.replace("`", "")) for cell in row[2:4]] for row in flat
    }

    assert {row[0]: tuple(row[1].split(", ")) for row in weights} == KNOWN_NAMES
    assert set(tables) == set(FIELDS)
    for name, (required, optional) in tables.items():
        assert required == list(REQUIRED[name])
        assert optional == [column for column in FIELDS[name] if column not in REQUIRED[name]]


def test_simulation_page__has_the_planted_effects():
    """The known answer must be the one that is known."""
    rows = rows_of(section(read_page("explanation/simulation.md"), "## What is planted"))
    planted = Planted()

    assert {row[0]: float(row[2]) for row in rows if row[1].startswith("TRD")} == planted.trd
    assert {row[0]: float(row[2]) for row in rows if row[1] == "MDD"} == planted.mdd


def keys_of(section_type: type[BaseModel], before: str = "") -> dict[str, str]:
    """Give every key of a study file with its default as the page writes it."""
    keys: dict[str, str] = {}
    for name, field in section_type.model_fields.items():
        kind, default = field.annotation, field.default
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys |= keys_of(kind, f"{before}{name}.")
        elif field.is_required():
            keys[before + name] = "required"
        elif default is None:
            keys[before + name] = "none"
        else:
            keys[before + name] = ", ".join(default) if isinstance(default, list) else str(default)
    return keys


def test_study_page__has_every_key_and_its_default():
    """The study file is what users write by hand."""
    rows = rows_of(read_page("reference/study.md"))

    assert [row[0] for row in rows] == list(keys_of(StudyConfig))
    assert {row[0]: row[1] for row in rows} == keys_of(StudyConfig)
