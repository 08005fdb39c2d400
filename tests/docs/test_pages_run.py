"""What the pages show can be typed, and gives what they say."""

from __future__ import annotations

import importlib.metadata
import shlex
from pathlib import Path

import pytest
import typer

from pgs_trd.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if page.name != "cli.md")
# Made once for the session, or a second biobank of no use.
NOT_RUN_AGAIN = {"pip install '.[all]' && pgs-trd demo", "pip install -e '.[test]' && pytest"}
# Under these the numbers of the pages were made; under others only the words are compared.
PINNED = {"msprime": "1.", "numpy": "1.26"}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands_of(text: str, run_pages) -> list[str]:
    """List the ``pgs-trd`` command lines of a page's sh blocks, those behind ``&&`` too."""
    lines = [
        part.strip()
        for block in run_pages.read_blocks(text)
        if block.kind == "sh"
        for line in block.text.splitlines()
        for part in line.split("&&")
    ]
    return [line for line in lines if line.startswith("pgs-trd ")]


def numbers_are_pinned() -> bool:
    return all(importlib.metadata.version(name).startswith(v) for name, v in PINNED.items())


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages__blocks_run_and_print_what_is_shown(page, run_pages, desk, workplace):
    """An output that nobody runs goes stale; `python docs/run_pages.py` writes it anew."""
    results = run_pages.run_page(
        page.read_text(encoding="utf-8"), desk, known={run_pages.DEMO: workplace.printed}
    )

    for result in results:
        if result.shown is None:
            assert result.block.kind == "sh" or not result.printed, result.block.text
            continue
        shown, printed = result.shown.text, result.printed
        assert run_pages.mask_numbers(shown) == run_pages.mask_numbers(printed), result.block.text
        if numbers_are_pinned():
            # The simulated weights are written with five digits, of which another
            # processor's exponential may round the last one otherwise.
            expected = pytest.approx(run_pages.find_numbers(shown), rel=1e-4, abs=1e-4)
            assert run_pages.find_numbers(printed) == expected, result.block.text


@pytest.mark.slow
def test_readme__commands_and_python_run(run_pages, desk):
    """The first page that anybody reads; its files are those of the simulated biobank."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block.text for block in run_pages.read_blocks(text) if block.kind == "sh"]
    assert set(blocks) >= NOT_RUN_AGAIN
    for line in NOT_RUN_AGAIN:
        text = text.replace(line, "true")

    results = run_pages.run_page(text, desk)

    kinds = [result.block.kind for result in results]
    assert kinds.count("python") >= 1
    assert (desk / "scores.tsv").read_text().startswith("person_id\t")


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", DOCS / "reference/cli.md"], ids=name_of
)
def test_pages__commands_are_understood_by_the_command_line(page, run_pages):
    """Each option that a page names must exist, and be given what it takes."""
    for line in commands_of(page.read_text(encoding="utf-8"), run_pages):
        command, (_, *arguments) = typer.main.get_command(app), shlex.split(line)
        while hasattr(command, "commands"):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments)


def test_pages__show_every_command(run_pages, cli_reference):
    """A command that no page uses is one that nobody finds."""
    pages = [*PAGES, ROOT / "README.md"]
    lines = [c for page in pages for c in commands_of(page.read_text(encoding="utf-8"), run_pages)]
    there = {name for name, _ in cli_reference.list_commands()}
    groups = {name.split()[0] for name in there if " " in name}
    words = [shlex.split(line)[1:] for line in lines]
    used = {" ".join(line[: 1 + (line[0] in groups)]) for line in words}

    assert there - used == {"simulate"}  # its sibling demo runs it
    assert used <= there


def test_run_pages__a_failing_command_stops_the_page(run_pages, tmp_path):
    """Else a page of commands that fail would pass."""
    with pytest.raises(run_pages.PageError, match=r"left with 2: .*no such"):
        run_pages.run_page("```sh\npgs-trd run absent.yaml\n```\n", tmp_path)
    with pytest.raises(run_pages.PageError, match="left with 1"):
        run_pages.run_page("```sh\nfalse\n```\n", tmp_path)


def test_run_pages__outputs_are_put_under_their_blocks(run_pages, tmp_path):
    """The program that writes pages must change outputs only."""
    page = '```text title="a.txt"\nkept\n```\n\n```sh\ncat a.txt\n```\n\n```text\nold\n```\nend\n'

    results = run_pages.run_page(page, tmp_path)

    assert run_pages.put_outputs(page, results) == page.replace("old", "kept")
