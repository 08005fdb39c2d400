"""Options and displays that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pgs_trd.errors import UsageError

Out = Annotated[Path, typer.Option("--out", "-o", help="File to write (.tsv, .csv or .parquet).")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Default: what Slurm allotted, else allowed processors."),
]
MemoryMb = Annotated[
    int | None, typer.Option("--mem-mb", min=64, help="Memory for the health-record queries.")
]


def parse_columns(text: str | None) -> dict[str, str | list[str]] | None:
    """Read ``id=ID,effect_weight=W1,effect_weight=W2`` into a mapping.

    Raises
    ------
    UsageError
        If a part is not of the form name=column.
    """
    if text is None:
        return None
    columns: dict[str, list[str]] = {}
    for part in text.split(","):
        name, sign, column = part.strip().partition("=")
        if not sign or not name or not column:
            raise UsageError(
                f"--columns: {part!r} is not name=column; write for example "
                "--columns id=ID,effect_allele=A1,other_allele=A2,effect_weight=BETA"
            )
        columns.setdefault(name, []).append(column)
    return {name: given[0] if len(given) == 1 else given for name, given in columns.items()}


def split_list(text: str) -> list[str]:
    """Read a list separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


@contextmanager
def show_progress() -> Iterator[Callable[[str, float], None]]:
    """Give a function that shows a step's name and share done on standard error.

    On a terminal a bar a step, with the time left; elsewhere one line when a
    step starts and none after, so that the log of a batch job stays short.
    """
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def announce(step: str, _share: float) -> None:
            if step not in seen:
                seen.add(step)
                typer.echo(f"{step} ...", err=True)

        yield announce
        return

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as display:
        tasks: dict[str, int] = {}

        def update(step: str, share: float) -> None:
            if step not in tasks:
                tasks[step] = display.add_task(step, total=1.0)
            display.update(tasks[step], completed=share)  # type: ignore[arg-type]  # a TaskID is an int

        yield update
