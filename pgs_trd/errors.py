"""Errors that a user can mend, each with the exit code of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class PgsTrdError(Exception):
    """What every error that pgs_trd raises on purpose descends from.

    The message says what was found, with numbers, the limit, the likely cause
    and the next step. It never holds a person's id, date or code.
    """

    exit_code = 3


class UsageError(PgsTrdError, ValueError):
    """The call is wrong: an option, a name or a combination that cannot be."""

    exit_code = 2


class DataError(PgsTrdError):
    """The data are wrong: a file is damaged, or two files disagree."""


class MatchRateError(DataError):
    """Too few rows of a weight file were found among the genotypes.

    Attributes
    ----------
    summary
        The table of one row a score, where there is one.
    """

    def __init__(self, message: str, summary: Any = None) -> None:
        super().__init__(message)
        self.summary = summary


class PgsTrdWarning(UserWarning):
    """A result that stands but needs a look."""


def join_faults(subject: str, faults: Sequence[str]) -> str:
    """Write all faults of one subject as one message, one fault a line."""
    if len(faults) == 1:
        return f"{subject}: {faults[0]}"
    return f"{subject}: {len(faults)} faults\n" + "\n".join(f"  - {fault}" for fault in faults)
