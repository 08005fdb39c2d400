"""Commands for platforms that no test can reach are at least commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from pgs_trd.cli.app import app

PAGES = ("all-of-us.md", "registers.md", "uk-biobank.md")
HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to"


def find_commands(block: str) -> list[str]:
    """Find the command lines of the package in a block, inside a quoted argument too."""
    whole = [line for line in block.splitlines() if line.startswith("pgs-trd ")]
    quoted = re.findall(r"=\"(pgs-trd [^\"]*)\"", block)
    return [line.split(" > ")[0] for line in whole + quoted]


@pytest.mark.parametrize("page", PAGES)
def test_pages__commands_that_are_not_run_are_understood(page, run_pages):
    """Blocks named `bash` do not run: an option that is gone would stay in them."""
    blocks = run_pages.read_blocks((HOW_TO / page).read_text(encoding="utf-8"))
    lines = [line for block in blocks if block.kind == "bash" for line in find_commands(block.text)]

    assert page == "registers.md" or lines
    for line in lines:
        command, (_, *arguments) = typer.main.get_command(app), shlex.split(line)
        while hasattr(command, "commands"):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES)
def test_pages__say_that_they_were_not_run_there(page):
    """A reader must not take made-up rows for a platform on which this was seen to work."""
    text = " ".join((HOW_TO / page).read_text(encoding="utf-8").replace("*", "").split())
    assert re.search(r"Nothing (here|on this page) was run (on real|in the|on UK)", text)
