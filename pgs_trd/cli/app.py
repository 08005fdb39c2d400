"""The program `pgs-trd`: its commands, its exit codes."""

from __future__ import annotations

import gc
import os
import sys
import traceback
import warnings
from copy import copy
from typing import Annotated

import typer

from pgs_trd import __version__
from pgs_trd.cli import ancestry_people, definitions, models, records, scores, studies, workflow
from pgs_trd.cli.common import VOICE
from pgs_trd.cli.failures import explain_failure
from pgs_trd.errors import PgsTrdError, PgsTrdWarning, UsageError
from pgs_trd.resources import limit_pools

FLAGS = ("--quiet", "--verbose")

app = typer.Typer(
    name="pgs-trd",
    help="Polygenic scores and treatment-resistant depression, from raw files to a paper.",
    epilog="Exit codes: 0 done, 1 unexpected error, 2 wrong use, 3 wrong data, 75 no room on a "
    "disk, 137 out of memory.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
scores.add_commands(app)
ancestry_people.add_commands(app)
records.add_commands(app)
definitions.add_commands(app)
models.add_commands(app)
studies.add_commands(app)
workflow.add_commands(app)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pgs-trd {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress and no warnings, only errors.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            help="Progress every five seconds, warnings of libraries, where an error arose.",
        ),
    ] = False,
) -> None:
    """Take the options that every command has."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other")
    VOICE.loudness = "quiet" if quiet else "verbose" if verbose else "usual"


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print our own warnings as one line; others only if they are asked for."""
    is_ours = issubclass(category, PgsTrdWarning)
    if VOICE.loudness == "verbose" or (is_ours and VOICE.loudness != "quiet"):
        typer.echo(f"warning: {message}", err=True)


def _flags_first(arguments: list[str]) -> list[str]:
    """Put `--quiet` and `--verbose` before the command, wherever they were written."""
    flags = [word for word in arguments if word in FLAGS]
    return [*flags, *(word for word in arguments if word not in FLAGS)]


def _narrow(arguments: list[str]) -> typer.Typer:
    """Give the app with the one command that is asked for: to read all options takes 40 ms."""
    name = next((word for word in arguments if word not in FLAGS), None)
    asked = [c for c in app.registered_commands if getattr(c.callback, "__name__", "") == name]
    if not asked:
        return app
    narrow = copy(app)
    narrow.registered_commands, narrow.registered_groups = asked, []
    return narrow


def main() -> None:
    """Run the command line; a PgsTrdError becomes its message and its exit code."""
    # Loading libraries makes no garbage, and each search for some takes 30 ms then.
    gc.set_threshold(500_000, 50, 50)
    # Arrow's own allocator keeps what it frees; a cluster job pays for its peak.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    limit_pools(sys.argv[1:])
    warnings.showwarning = _show_warning  # type: ignore[assignment]  # a narrower signature does
    arguments = _flags_first(sys.argv[1:])
    try:
        _narrow(arguments)(arguments, prog_name="pgs-trd")
    except PgsTrdError as error:
        if VOICE.loudness == "verbose":
            traceback.print_exc()
        typer.echo(f"error: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            typer.echo(f"  {note}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:
        explained = explain_failure(error)
        if explained is None:
            raise
        code, lines = explained
        for line in lines:
            typer.echo(line, err=True)
        sys.exit(code)
    finally:
        # The interpreter would search all that was ever loaded for garbage once more.
        gc.freeze()
