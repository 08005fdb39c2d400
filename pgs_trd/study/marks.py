"""A YAML file with the line of each of its keys, so that a fault can say where it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Fault:
    """Something wrong with a study file.

    Attributes
    ----------
    place
        Keys that lead there, from the top; empty for the whole file.
    text
        What is wrong.
    """

    place: Place
    text: str


@dataclass(frozen=True)
class MarkedYaml:
    """What a YAML file holds, and where.

    Attributes
    ----------
    content
        As `yaml.safe_load` gives it.
    lines
        Line (from 1) of every key and list item, by the keys that lead there.
    faults
        Keys that stand twice: YAML would take the last one without a word.
    """

    content: Any
    lines: Mapping[Place, int]
    faults: tuple[Fault, ...]

    def known(self, place: Place) -> Place:
        """Give as much of `place` as the file has: a missing key is of its section."""
        while place and place not in self.lines:
            place = place[:-1]
        return place

    def describe(self, fault: Fault) -> str:
        """Write a fault with its line, where it has one."""
        line = self.lines.get(self.known(fault.place))
        return fault.text if line is None else f"line {line}: {fault.text}"

    def in_order(self, faults: list[Fault]) -> list[str]:
        """Write faults in the order of their lines, each once."""
        ordered = sorted(faults, key=lambda fault: self.lines.get(self.known(fault.place), 0))
        return list(dict.fromkeys(self.describe(fault) for fault in ordered))


def read_marked(text: str) -> MarkedYaml:
    """Read YAML with the lines of its keys.

    Raises
    ------
    yaml.YAMLError
        If the text is no YAML.
    """
    lines: dict[Place, int] = {}
    faults: list[Fault] = []
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        for place, line in _walk(root, ()):
            if place in lines:
                faults.append(Fault(place, f"{_dotted(place)} stands twice, first in line "
                                           f"{lines[place]}"))  # fmt: skip
            lines[place] = line
    return MarkedYaml(yaml.safe_load(text), lines, tuple(faults))


def _walk(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            inner = (*place, number)
            yield inner, item.start_mark.line + 1
            yield from _walk(item, inner)


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
