"""The program `pgs-trd`: its commands, its exit codes."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import metadata
from typing import Annotated

import typer

from pgs_trd.cli import models, records, scores, studies
from pgs_trd.errors import PgsTrdError, PgsTrdWarning

app = typer.Typer(
    name="pgs-trd",
    help="Polygenic scores and treatment-resistant depression, from raw files to a paper.",
    epilog="Exit codes: 0 done, 1 unexpected error, 2 wrong use, 3 wrong data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scores.add_commands(app)
records.add_commands(app)
models.add_commands(app)
studies.add_commands(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pgs-trd {metadata.version('pgs-trd')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Take the options that every command has."""


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print our own warnings as one line; others stay out of the user's sight."""
    if issubclass(category, PgsTrdWarning):
        typer.echo(f"warning: {message}", err=True)


def main() -> None:
    """Run the command line; a PgsTrdError becomes its message and its exit code."""
    # Arrow's own allocator keeps what it frees; a cluster job pays for its peak.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # a narrower signature does
    try:
        app(prog_name="pgs-trd")
    except PgsTrdError as error:
        typer.echo(f"error: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            typer.echo(f"  {note}", err=True)
        sys.exit(error.exit_code)
