"""Options and displays that several commands share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

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


Loudness = Literal["quiet", "usual", "verbose"]
SECONDS_BETWEEN_LINES: dict[Loudness, float] = {"usual": 60.0, "verbose": 5.0}


class _Voice:
    """How much the program says besides its result, for this run."""

    loudness: Loudness = "usual"


VOICE = _Voice()


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


class _Announcer:
    """Write the progress of steps as lines, not many of them."""

    def __init__(self, between: float) -> None:
        self._between = between
        self._started: dict[str, float] = {}
        self._said = 0.0

    def __call__(self, step: str, share: float) -> None:
        """Say that a step starts, or how far it is and how long it will take."""
        now = time.monotonic()
        if step not in self._started:
            self._started[step] = self._said = now
            typer.echo(f"{step} ...", err=True)
        elif now - self._said >= self._between and share > 0:
            self._said = now
            left = (now - self._started[step]) * (1 - share) / share
            typer.echo(f"{step}: {share:.0%}, about {left / 60:.0f} min left", err=True)


@contextmanager
def show_progress() -> Iterator[Callable[[str, float], None]]:
    """Give a function that shows a step's name and share done on standard error.

    On a terminal a bar a step, with the time left; elsewhere one line when a
    step starts and then one a minute, so that the log of a batch job stays short;
    one in five seconds with ``--verbose``, none with ``--quiet``.
    """
    if VOICE.loudness == "quiet":
        yield lambda _step, _share: None
        return
    if VOICE.loudness == "verbose" or not sys.stderr.isatty():
        yield _Announcer(SECONDS_BETWEEN_LINES[VOICE.loudness])
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
