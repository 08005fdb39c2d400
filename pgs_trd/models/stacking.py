"""Estimates that were made apart, of strata, contrasts or definitions, as one table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.tables import require_columns

LABELS = ("definition", "stratum", "within", "contrast", "score", "term", "days")


def stack_estimates(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables that `associate` or `progression` gave of parts of a study.

    Nothing is computed again, so the rows are those of one run over all of it: a family of
    tests has as many as were planned, whatever the number of parts.

    Parameters
    ----------
    parts
        Strata, contrasts and definitions in the order that is wanted.

    Returns
    -------
    estimates
        All rows; `attrs` as in `associate`.

    Raises
    ------
    UsageError
        If there are no parts.
    DataError
        If they have other columns or conventions, or a row is in two of them.
    """
    if not parts:
        raise UsageError("no parts to stack")
    table, faults = parts[0], []
    for number, other in enumerate(parts[1:], start=2):
        odd = sorted(set(map(str, table.columns.symmetric_difference(other.columns))))
        if odd:
            faults.append(f"part {number}: {', '.join(odd)} are columns of one of the two only")
        mine, its = table.attrs.get("conventions", {}), other.attrs.get("conventions", {})
        for option in sorted(mine.keys() & its.keys()):
            if mine[option] != its[option]:
                faults.append(
                    f"part {number}: made with {option} {its[option]!r}, not {mine[option]!r}"
                )
    if faults:
        raise DataError(
            join_faults(f"{len(parts)} parts do not belong together with the first", faults)
        )
    stacked = pd.concat([part[table.columns] for part in parts], ignore_index=True)
    labels = [name for name in LABELS if name in stacked.columns]
    n_twice = int(stacked.duplicated(labels).sum())
    if n_twice:
        raise DataError(
            f"{len(parts)} parts overlap: {n_twice:,} of {len(stacked):,} rows have the "
            f"{', '.join(labels)} of an earlier one; give each part once"
        )
    # A part without a model to fit has fewer conventions.
    stacked.attrs = {
        "conventions": max((part.attrs.get("conventions", {}) for part in parts), key=len),
        "people": _count_people(parts),
    }
    return stacked


def _count_people(parts: Sequence[pd.DataFrame]) -> dict[str, int]:
    """Count people as one run does: once for all strata and contrasts of a definition."""
    counts: dict[tuple[str, ...], dict[str, int]] = {}
    for part in parts:
        names = part["definition"].unique() if "definition" in part.columns else ()
        counts.setdefault(tuple(names), part.attrs.get("people", {}))
    every = list(counts.values())
    return {name: sum(of.get(name, 0) for of in every) for name in every[0]}


def refuse_nothing_to_estimate(estimates: pd.DataFrame) -> None:
    """Raise a DataError where one run over all parts would have: no stratum has both groups."""
    if "contrast" not in estimates.columns:
        if not int(estimates["n_events"].sum()):
            raise DataError("progression: no events in any stratum. Check the definition")
        return
    require_columns(estimates, ["n_cases", "n_controls"], "association")
    has_both = estimates["n_cases"].gt(0) & estimates["n_controls"].gt(0)
    lacking = [
        f"contrast {name!r}: no stratum has cases and controls"
        for name, rows in has_both.groupby(estimates["contrast"], sort=False)
        if not rows.any()
    ]
    if lacking:
        raise DataError(f"{join_faults('association', lacking)}\nLeave it out, or check why")
