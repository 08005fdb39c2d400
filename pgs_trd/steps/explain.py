"""One person's record, for the user's own screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.ehr import Ehr, build_trials, open_ehr
from pgs_trd.phenotype import classify, explain, load_definition
from pgs_trd.steps.phenotype_options import Gates


def keep_person(ehr: Ehr, person_id: str) -> Ehr:
    """Keep the records of one person: every rule looks at one person at a time."""
    import ibis.expr.types as ir

    kept: dict[str, Any] = {}
    for field in fields(ehr):
        table = getattr(ehr, field.name)
        if isinstance(table, ir.Table) and "person_id" in table.columns:
            kept[field.name] = table.filter(table.person_id.cast("string") == person_id)
    return replace(ehr, **kept)


def explain_step(
    source: Path | str | Mapping[str, Path],
    person_id: str,
    *,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    codelists: Sequence[Path] | None = None,
    definition: str = "adequate2",
    gap_days: int = 30,
    default_supply_days: int = 30,
    stockpile: bool = False,
    gates: Gates | None = None,
    threads: int | None = None,
    memory_mb: int | None = None,
) -> pd.DataFrame:
    """Give the timeline of one person under one definition, from their records alone.

    It writes nothing: this is for the user's own screen (`explain`).

    Raises
    ------
    UsageError
        If nobody in the records has that id.
    """
    rules = load_definition(definition)
    ehr = open_ehr(
        source, columns=columns, codelists=codelists, threads=threads, memory_mb=memory_mb
    )
    own = keep_person(ehr, person_id)
    trials = build_trials(
        own, gap_days=gap_days, default_supply_days=default_supply_days, stockpile=stockpile
    )
    trials = (gates or Gates()).apply(own, trials)
    return explain(classify(own, trials, rules), person_id)
