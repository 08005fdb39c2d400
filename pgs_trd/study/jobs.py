"""One command of a study with its files, and how its words and files are named."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pgs_trd.provenance import sidecar_path
from pgs_trd.scoring.files import beside
from pgs_trd.study.words import option_words

THREADS, MEMORY = "--threads", "--mem-mb"


@dataclass(frozen=True)
class Job:
    """One command of a study.

    Attributes
    ----------
    stage
        Jobs of one stage need nothing of each other and may run at once.
    name
        Of the job within its stage; empty where it is the only one.
    command
        The words of the command, without `takes`.
    takes
        The options by which it is told the threads and the memory it may use.
    inputs, outputs
        Files it reads and writes; those that another job needs, and more.
    threads, mem_mb, minutes
        What to ask a scheduler for, at the first attempt.
    """

    stage: str
    name: str
    command: tuple[str, ...]
    takes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int = 1
    mem_mb: int = 2000
    minutes: int = 60

    def line(self) -> str:
        """Write the command as a line of a shell, with the threads and memory planned."""
        given = {THREADS: self.threads, MEMORY: self.mem_mb}
        return shlex.join(
            [*self.command, *option_words({name: given[name] for name in self.takes})]
        )


def plain_text(text: str) -> str:
    """Give a text as a name of a job: letters, digits, - and _."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in text)


def files_inside(path: Path) -> list[Path]:
    """Give the files of a folder, or the file: a folder's own time says little."""
    return sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]


def table_files(out: Path, *companions: str) -> tuple[str, ...]:
    """Give the names of a table, its sidecar and the tables beside it."""
    return path_names([out, sidecar_path(out), *(beside(out, name) for name in companions)])


def path_names(paths: Iterable[Path]) -> tuple[str, ...]:
    """Give paths as they stand in a plan."""
    return tuple(map(str, paths))
