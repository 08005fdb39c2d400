"""Write docs/reference/definitions.md from the definitions of the package.

Run it after a change to a definition: ``python docs/write_definitions.py``. A test fails
while the page and the definitions differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

from pgs_trd.ehr.disagreements import DISAGREEMENTS
from pgs_trd.phenotype import Definition, list_definitions, load_definition, load_grid

PAGE = Path(__file__).resolve().parent / "reference" / "definitions.md"
HEAD = """\
# Definitions

<!-- Written by docs/write_definitions.py from the YAML files; do not edit by hand. -->

A definition is data: a YAML file with an id, a version and rules. `pgs-trd definitions list` names
those of the package, `show ID` prints one as a file to start your own from, `check FILE` reads
yours and names every fault. The hash is of all rules and words; it stands in every output.

None of them is a replication of a publication. What each applies as published, what its source
does not say and is chosen here, and what of it is not applied, is said with it.
"""
GRID = """\
## The grid

Five resistant by three responsive rules, `grid_t1_r1` to `grid_t5_r3`, on the axes that Xu et al.
(2025) describe. Their own parameters are not public: every number here is a choice of pgs_trd.
`pgs-trd phenotype --grid` applies all fifteen.
"""
DISAGREEMENTS_HEAD = """\
## Codes of which sources differ

Published lists say different things of these. The class is what the package's lists say; to choose
otherwise takes a line of a definition, or [a list of your own](../explanation/phenotype.md).

| code | class here | sources | to choose otherwise |
|---|---|---|---|
"""
WORDS = ("id", "version", "title", "status", "source", "known", "unknown", "not_applied")


def render() -> str:
    """Give the page as Markdown."""
    parts = [HEAD]
    parts += [_section(load_definition(name)) for name in list_definitions()]
    parts.append(GRID)
    parts.append(_grid())
    parts.append(DISAGREEMENTS_HEAD + _disagreements())
    return "\n".join(parts)


def _section(definition: Definition) -> str:
    lines = [f"## {definition.id}", "", f"{definition.title}.", ""]
    lines += [f"Version {definition.version}, hash `{definition.hash[:16]}`.", ""]
    lines += [f"- Status: {definition.status}.", f"- Source: {_sentence(definition.source)}"]
    for name, said in (
        ("Known", definition.known),
        ("Not known, chosen here", definition.unknown),
        ("Not applied", definition.not_applied),
    ):
        lines += [f"- {name}: {'; '.join(said)}."] if said else []
    lines += ["", "| parameter | value |", "|---|---|"]
    lines += [f"| `{name}` | {value} |" for name, value in parameters_of(definition)]
    return "\n".join([*lines, ""])


def _sentence(text: str) -> str:
    plain = " ".join(text.split())
    return plain if plain.endswith(".") else f"{plain}."


def parameters_of(definition: Definition) -> Iterator[tuple[str, str]]:
    """Give every parameter of a definition and its value as text, but those not stated."""
    for part in fields(definition):
        content = getattr(definition, part.name)
        if part.name in WORDS or content in ((), None):
            continue
        if not is_dataclass(content):
            yield part.name, _value(content)
            continue
        for each in fields(content):
            value = getattr(content, each.name)
            if value is not None or each.default is not None:
                yield f"{part.name}.{each.name}", _value(value)


def _value(value: object) -> str:
    if value is None:
        return "any time"
    if isinstance(value, tuple | list):
        return ", ".join(" = ".join(v) if isinstance(v, tuple) else str(v) for v in value) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _grid() -> str:
    grid = {each.id: each for each in load_grid()}
    every = {name: dict(parameters_of(each)) for name, each in grid.items()}
    shared = set.intersection(*(set(own.items()) for own in every.values()))
    lines = ["All fifteen share:", "", "| parameter | value |", "|---|---|"]
    lines += [f"| `{n}` | {v} |" for n, v in next(iter(every.values())).items() if (n, v) in shared]
    for heading, is_responsive in (("Resistant", False), ("Responsive", True)):
        lines += ["", f"{heading}:", "", "| | title | parameters |", "|---|---|---|"]
        for name in grid:
            _, resistant, responsive = name.split("_")
            if (resistant if is_responsive else responsive) not in ("t1", "r1"):
                continue
            title = grid[name].title.split("; ")[int(is_responsive)]
            rest = [
                f"`{n}` {_short(v)}"
                for n, v in every[name].items()
                if (n, v) not in shared and n.startswith("responsive.") == is_responsive
            ]
            label = responsive if is_responsive else resistant
            lines.append(f"| {label} | {title} | {'; '.join(rest)} |")
    lines += ["", "| id | hash |", "|---|---|"]
    lines += [f"| `{name}` | `{each.hash[:16]}` |" for name, each in grid.items()]
    return "\n".join([*lines, ""])


def _disagreements() -> str:
    lines = []
    for each in DISAGREEMENTS:
        codes = "; ".join(" ".join(code) for code in each.codes)
        classes = ", ".join(f"`{name}`" for name in each.classes)
        lines.append(f"| {codes} | {classes} | {each.sources} | {each.switch} |")
    return "\n".join([*lines, ""])


def _short(value: str) -> str:
    return "all five" if value.startswith("grid_t1_") else value


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
