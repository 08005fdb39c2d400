"""Run what the pages show, and put the true output under it.

Blocks of a page run in their order, in one folder: ``sh`` blocks line by line, where
``pgs-trd`` is run in this process, unless it becomes Snakemake; ``python`` blocks in one
namespace; a block with a ``title`` is written to the file of that name. An untitled ``text``
block right behind one that ran is its output. ``python docs/run_pages.py`` writes the outputs
anew; the tests compare them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgs_trd.cli import main

DOCS = Path(__file__).resolve().parent
DEMO = "pgs-trd demo --people 1500 --out demo"
"""The command that makes what all other pages use; the tutorial begins with it."""
BECOMES_ANOTHER = "pgs-trd workflow run"
"""A command in whose process another program goes on: it gets a process of its own."""
HOME = "/home/you"
"""What stands in outputs for the folder the pages run in."""
FENCE = re.compile(r"^```(?P<kind>[a-z]*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title, its lines [start, end) of the page."""

    kind: str
    title: str | None
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Result:
    """What a block printed, and the block that claims to show it."""

    block: Block
    printed: str
    shown: Block | None


class PageError(Exception):
    """A block of a page failed."""


EXAMPLES_ONLY = "cli.md"
"""The page whose commands are examples with files that are not there."""


def find_pages() -> list[Path]:
    """List the pages that run, the tutorial first: it makes what the others use."""
    pages = sorted(page for page in DOCS.rglob("*.md") if page.name != EXAMPLES_ONLY)
    return sorted(pages, key=lambda page: page.name != "tutorial.md")


def read_blocks(text: str) -> list[Block]:
    """Find the fenced blocks of a page."""
    blocks: list[Block] = []
    lines = text.splitlines()
    opened: tuple[int, str, str | None] | None = None
    for number, line in enumerate(lines):
        if opened is None:
            match = FENCE.match(line)
            if match:
                opened = number + 1, match["kind"], match["title"]
        elif line.rstrip() == "```":
            start, kind, title = opened
            blocks.append(Block(kind, title, start, number, "\n".join(lines[start:number])))
            opened = None
    return blocks


def run_page(text: str, folder: Path, known: Mapping[str, str] | None = None) -> list[Result]:
    """Run the blocks of a page in `folder`; `known` gives outputs of commands not to repeat."""
    results = []
    namespace: dict[str, Any] = {}
    blocks = read_blocks(text)
    for place, block in enumerate(blocks):
        if block.title:
            (folder / block.title).write_text(block.text + "\n", encoding="utf-8")
            continue
        if block.kind not in ("sh", "python"):
            continue
        with contextlib.chdir(folder):
            if block.kind == "sh":
                printed = "".join(_run_line(line, known or {}) for line in block.text.splitlines())
            else:
                printed = _run_python(block.text, namespace)
        printed = printed.replace(str(folder.resolve()), HOME).replace(str(folder), HOME)
        following = blocks[place + 1] if place + 1 < len(blocks) else None
        is_output = following and following.kind == "text" and not following.title
        results.append(Result(block, printed, following if is_output else None))
    return results


def _run_line(line: str, known: Mapping[str, str]) -> str:
    if line in known:
        return known[line]
    if not line.startswith("pgs-trd ") or line.startswith(BECOMES_ANOTHER):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line], env=os.environ | {"PATH": path},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        # The reader of `... | head` closes the pipe: that is no failure.
        if done.returncode not in (0, 141):
            raise PageError(f"{line}\nleft with {done.returncode}: {done.stderr}")
        return done.stdout
    with _captured() as output:
        code = run_command(line)
    if code:
        raise PageError(f"{line}\nleft with {code}: {output.getvalue()}")
    return output.getvalue()


def run_command(line: str) -> int:
    """Run a ``pgs-trd`` command line in this process; give its exit code."""
    before, shower = sys.argv, warnings.showwarning
    sys.argv = shlex.split(line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv, warnings.showwarning = before, shower
    return 0


def _run_python(source: str, namespace: dict[str, Any]) -> str:
    with _captured() as output:
        exec(compile(source, "<page>", "exec"), namespace)
    return output.getvalue()


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield output


def mask_numbers(text: str) -> list[str]:
    """Give the words of a text, numbers masked."""
    return NUMBER.sub("N", text).split()


def find_numbers(text: str) -> list[float]:
    """Give the numbers of a text."""
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def put_outputs(text: str, results: list[Result]) -> str:
    """Replace what a page shows by what was printed."""
    lines = text.splitlines()
    for result in reversed(results):
        if result.shown:
            lines[result.shown.start : result.shown.end] = result.printed.rstrip().splitlines()
    return "\n".join(lines) + "\n"


def write_outputs() -> None:
    """Run every page and write its outputs."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number, page in enumerate(find_pages()):
            folder = root / str(number)
            folder.mkdir()
            if number:
                demo = root / "0" / "demo"
                (folder / "demo").symlink_to(demo)
                (folder / "omop").symlink_to(demo / "biobank" / "omop")
            text = page.read_text(encoding="utf-8")
            page.write_text(put_outputs(text, run_page(text, folder)), encoding="utf-8")


if __name__ == "__main__":
    write_outputs()
