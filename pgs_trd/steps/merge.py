"""What jobs made apart to what one job makes: scores of a genome, estimates of a study."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.stacking import refuse_nothing_to_estimate, stack_estimates
from pgs_trd.provenance import sidecar_path, write_sidecar
from pgs_trd.scoring import Scores
from pgs_trd.scoring.files import beside
from pgs_trd.scoring.merge import MIN_OVERLAP, merge_scores
from pgs_trd.scoring.parts import part_files, read_part
from pgs_trd.steps.models import PROGRESSION_COMPANIONS, warn_of_losses, write_estimates
from pgs_trd.steps.outputs import (
    OPTIONAL_COMPANIONS,
    check_outputs,
    describe_inputs,
    log_matches,
    stage_outputs,
    write_result,
)
from pgs_trd.tables import read_table

OF_MODELS = ("associate", "progression")
LISTED = ("strata", "contrasts")
"""Options of which each part has some; the whole has all of them."""
OF_PEOPLE = ("scores", "covariates")
"""Files that are the same for all models of a stratum; classes differ between definitions."""


def merge_step(
    parts: Sequence[Path], out: Path, *, min_overlap: float = MIN_OVERLAP, averages: bool = False
) -> Scores:
    """Add up what `score_step` wrote of each part; write what it writes of a whole."""
    check_outputs(out, [file for path in parts for file in part_files(path)])
    read = [read_part(path) for path in parts]
    options = {**read[0].options, "min_overlap": min_overlap, "averages": averages}
    with stage_outputs(out, OPTIONAL_COMPANIONS) as staged:
        result = log_matches(
            staged, lambda append: merge_scores(read, min_overlap=min_overlap, log=append)
        )
        is_zero = read[0].options["missing"] == "zero"
        write_result(result, staged, read[0].read_samples(), alleles=is_zero, averages=averages)
        facts = {"n_people": len(result.scores), "n_scores": result.scores.shape[1]}
        write_sidecar(describe_inputs("merge", options, {"part": list(parts)}, **facts), staged)
    return result


def is_of_models(path: Path) -> bool:
    """Tell whether a part is one of estimates, and not of scores."""
    return bool(_read_facts(path).get("step") in OF_MODELS)


def merge_estimates_step(parts: Sequence[Path], out: Path) -> pd.DataFrame:
    """Stack what `associate_step` or `progression_step` wrote of each part.

    Tables beside them are stacked, too.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If a part is none, or they do not belong together: options differ, a row is in two
        of them, or a stratum's scores or covariates are of different files.
    """
    if not parts:
        raise UsageError("no parts to merge")
    facts = {path: _read_facts(path) for path in parts}
    _check_parts(facts)
    companions = [name for name in PROGRESSION_COMPANIONS if beside(parts[0], name).is_file()]
    named = [beside(path, name) for path in parts for name in companions]
    check_outputs(out, [*parts, *named], companions=PROGRESSION_COMPANIONS)
    tables = [read_table(path) for path in parts]
    made = {"": stack_estimates(tables)}
    _check_people(dict(zip(parts, tables, strict=True)), facts)
    if "definition" not in made[""].columns:
        refuse_nothing_to_estimate(made[""])
    for name in companions:
        made[name] = stack_estimates([read_table(beside(path, name)) for path in parts])
    warn_of_losses(made[""])
    options = dict(next(iter(facts.values()))["options"])
    for option in LISTED:
        if option in options:
            options[option] = _union(each["options"][option] for each in facts.values())
    step = next(iter(facts.values()))["step"]
    write_estimates(step, made, out, options | {"part": False}, {"part": list(parts)})
    return made[""]


def _read_facts(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    sidecar = sidecar_path(path)
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
    except ValueError as error:
        raise DataError(f"{sidecar.name}: is no JSON: {error}") from error
    return facts if isinstance(facts, dict) else {}


def _check_parts(facts: Mapping[Path, Mapping[str, Any]]) -> None:
    first = next(iter(facts.values()))
    faults = []
    for path, its in facts.items():
        if its.get("step") not in OF_MODELS or not its.get("options", {}).get("part"):
            faults.append(f"{path.name}: is not what associate or progression wrote with --part")
        elif its["step"] != first.get("step"):
            faults.append(f"{path.name}: is of {its['step']}, not of {first.get('step')}")
        elif its["versions"]["pgs-trd"] != first["versions"]["pgs-trd"]:
            faults.append(f"{path.name}: made by another version of pgs-trd")
    if faults:
        raise DataError(join_faults(f"{len(facts)} parts", faults))


def _check_people(
    tables: Mapping[Path, pd.DataFrame], facts: Mapping[Path, Mapping[str, Any]]
) -> None:
    """Refuse parts that know a stratum's people by other scores or covariates than another does."""
    known: dict[str, tuple[Path, set[tuple[str, str]]]] = {}
    faults = []
    for path, table in tables.items():
        described = facts[path]["inputs"]
        read = {(one["role"], one["checksum"]) for one in described if one["role"] in OF_PEOPLE}
        for stratum in table["stratum"].unique():
            other, its = known.setdefault(stratum, (path, read))
            if odd := sorted({role for role, _ in read ^ its}):
                faults.append(
                    f"{path.name}: {' and '.join(odd)} of {stratum} are of another file than "
                    f"those of {other.name}"
                )
    if faults:
        raise DataError(join_faults(f"{len(facts)} parts of different studies", faults))


def _union(lists: Iterable[Sequence[str] | None]) -> list[str] | None:
    """Give what any of the lists has, in order; None where one of them means all."""
    given = list(lists)
    if any(one is None for one in given):
        return None
    return list(dict.fromkeys(item for one in given for item in one or ()))
