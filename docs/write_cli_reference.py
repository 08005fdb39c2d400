"""Write docs/reference/cli.md from the commands themselves.

Run it after a change to a command: ``python docs/write_cli_reference.py``. A test
fails while the page and the commands differ.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from pgs_trd.cli.app import app

PAGE = Path(__file__).resolve().parent / "reference" / "cli.md"
HEAD = """\
# Command line

<!-- Written by docs/write_cli_reference.py from the commands; do not edit by hand. -->

`pgs-trd COMMAND --help` (or `-h`) says the same as this page; `pgs-trd --version` says which
version runs; `pgs-trd --install-completion` and `--show-completion` are for your shell.

A command's progress and messages go to standard error. What you may want to pipe goes to
standard output: the path of the report, or of the study file. On a terminal a bar shows the
time left; elsewhere, as in the log of a job, a line a minute. Colours are for terminals only, and
`NO_COLOR` switches them off. Every command takes, before or after its own options:

| | |
|---|---|
| `--quiet` | no progress and no warnings, only errors |
| `--verbose` | progress every five seconds, warnings of libraries, where an error arose |

Work is shared out over `--threads` where a command has it; without it, over the processors that
the scheduler allotted or allows. `pgs-trd init -` writes the study file to standard output.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | an error that was not foreseen: please report it |
| 2 | wrong use: an option, a name, or a combination that cannot be |
| 3 | wrong data: a file is damaged, or two files disagree |
"""
KINDS = {Path: "path", int: "whole number", float: "number", str: "text", bool: "flag"}


def render() -> str:
    """Give the page as Markdown."""
    return "\n".join([HEAD, *(_section(name, function) for name, function in list_commands())])


def list_commands() -> list[tuple[str, Callable[..., Any]]]:
    """Give name and function of every command; those of a group are ``group command``."""
    groups = [("", app)]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        groups.append((f"{group.typer_instance.info.name} ", group.typer_instance))
    commands = []
    for prefix, group_app in groups:
        for command in group_app.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            commands.append((prefix + name, command.callback))
    return commands


def _section(name: str, function: Callable[..., Any]) -> str:
    text, example = _help(function)
    hints = typing.get_type_hints(function, include_extras=True)
    arguments, rows = [], []
    for parameter in inspect.signature(function).parameters.values():
        kind, info = _split(hints[parameter.name])
        row, argument = _row(parameter, kind, info)
        rows.append(row)
        arguments += [argument] if argument else []
    usage = " ".join(["pgs-trd", name, *arguments, "[OPTIONS]"])
    lines = [f"## {name}", "", text, "", f"Usage: `{usage}`", ""]
    lines += ["| | takes | default | |", "|---|---|---|---|", *rows, ""]
    if example:
        lines += ["Example:", "", "```sh", example, "```", ""]
    return "\n".join(lines)


def _help(function: Callable[..., Any]) -> tuple[str, str]:
    """Give a command's description and its example."""
    text = inspect.getdoc(function) or ""
    text, _, example = text.partition("Example: ")
    return text.strip(), " ".join(example.split())


def _split(hint: Any) -> tuple[Any, OptionInfo | ArgumentInfo]:
    kind, *extras = typing.get_args(hint)
    info = next(extra for extra in extras if isinstance(extra, OptionInfo | ArgumentInfo))
    return kind, info


def _row(
    parameter: inspect.Parameter, kind: Any, info: OptionInfo | ArgumentInfo
) -> tuple[str, str | None]:
    """Give the table row of one parameter, and its place on the usage line if it has one."""
    dashed = parameter.name.replace("_", "-")
    if isinstance(info, ArgumentInfo):
        label, argument = f"`{dashed.upper()}`", dashed.upper()
    else:
        names = [name for name in (info.param_decls or ()) if name.startswith("-")]
        if not any(name.startswith("--") for name in names):
            names.insert(0, f"--{dashed}")
        label, argument = ", ".join(f"`{name}`" for name in names), None
    required = parameter.default is inspect.Parameter.empty
    default = "required" if required else _default(parameter.default)
    return f"| {label} | {_kind(kind, info)} | {default} | {info.help} |", argument


def _default(value: object) -> str:
    return "" if value is None or value == "" else f"`{value}`"


def _kind(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(kind))
    if origin is list:
        return f"{_kind(typing.get_args(kind)[0], info)}, repeatable"
    text = KINDS[kind]
    if info.min is not None and info.max is not None:
        return f"{text}, {info.min:g} to {info.max:g}"
    return text if info.min is None else f"{text}, {info.min:g} or more"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
