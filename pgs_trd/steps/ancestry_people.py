"""People to groups, to an unrelated set, and to scores that compare across ancestry."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd

from pgs_trd.ancestry import (
    UNASSIGNED,
    Adjustment,
    AdjustmentMethod,
    Assignment,
    adjust_scores,
    adjust_within_groups,
    assign_ancestry,
    find_beyond,
    fit_adjustment,
    genetic_distance,
    read_pairs,
    unrelated_set,
)
from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.provenance import write_sidecar
from pgs_trd.scoring.files import beside
from pgs_trd.steps.ancestry_tables import (
    Labelled,
    keep_path,
    read_components,
    read_groups,
    read_ids,
    read_labelled,
    read_scores,
    write_keep,
)
from pgs_trd.steps.outputs import check_outputs, describe_inputs, stage_outputs
from pgs_trd.tables import write_table

FEWEST_IN_GROUP = 20
"""Ten people for each of mean and standard deviation."""
StepMethod: TypeAlias = Literal["z_norm1", "z_norm2", "most_similar"]


def assign_step(
    components: Path,
    reference: Path,
    out: Path,
    *,
    labels: Path | None = None,
    label_column: str | None = None,
    distance_from: str | None = None,
    n_components: int | None = None,
    n_neighbours: int = 20,
    min_probability: float = 0.9,
    min_distance_p: float = 1e-6,
    threads: int | None = None,
) -> Assignment:
    """Assign people to the groups of a reference; write them, and how often it is right.

    With `distance_from`, the continuous distance from that group is written too.
    """
    check_outputs(out, [components, reference, labels], companions=("accuracy",))
    people = read_components(components)
    known = read_labelled(reference, labels, label_column)
    if known.labels is None:
        raise UsageError(
            f"{reference.name} has no groups: give --labels, a table of them, and --label-column"
        )
    options: dict[str, Any] = {
        "n_components": n_components,
        "n_neighbours": n_neighbours,
        "min_probability": min_probability,
        "min_distance_p": min_distance_p,
    }
    result = assign_ancestry(people, known.components, known.labels, threads=threads, **options)
    table = result.people
    if distance_from is not None:
        table = table.assign(genetic_distance=_distance(people, known, distance_from, n_components))
    table = table.join(result.probabilities.add_prefix("probability_"))
    options |= {"label_column": label_column, "distance_from": distance_from}
    inputs = {"components": [components], "reference": list(known.paths)}
    with stage_outputs(out) as staged:
        write_table(table.reset_index(), staged)
        write_table(result.accuracy, beside(staged, "accuracy"))
        facts = {
            "ancestry": _count(table["ancestry"]),
            "reasons": _count(table["reason"]),
            "accuracy": float(result.accuracy["accuracy"].iloc[-1]),
        }
        write_sidecar(describe_inputs("ancestry assign", options, inputs, **facts), staged)
    return result


def adjust_step(
    scores: Path,
    components: Path | None,
    out: Path,
    *,
    method: StepMethod = "z_norm2",
    fit_on: Path | None = None,
    reference: Path | None = None,
    reference_scores: Path | None = None,
    labels: Path | None = None,
    label_column: str | None = None,
    groups: Path | None = None,
    group_column: str = "most_similar",
    n_components: int | None = None,
) -> pd.DataFrame:
    """Adjust scores for ancestry, by a reference or by controls; write a table of scores.

    Who the adjustment is fitted in has to be said: the people of `fit_on`, who are among
    those scored, or those of `reference` with `reference_scores`.
    """
    if method not in get_args(StepMethod):
        raise UsageError(f"method must be one of {', '.join(get_args(StepMethod))}, got {method!r}")
    companion = "percentiles" if method == "most_similar" else "fits"
    paths = (scores, components, fit_on, reference, reference_scores, labels, groups)
    check_outputs(out, paths, companions=(companion, "people"))
    _check_training(fit_on, reference, reference_scores)
    people = read_scores(scores)
    trained = _read_training(people, fit_on, reference_scores)
    options: dict[str, Any] = {"method": method, "n_components": n_components}
    facts: dict[str, Any] = {"n_people": len(people), "n_fitted_in": len(trained)}
    if method == "most_similar":
        options |= {"group_column": group_column, "label_column": label_column}
        adjusted, tables = _adjust_by_group(
            people, trained, groups, group_column, reference, labels, label_column
        )
    else:
        if components is None:
            raise UsageError(f"--method {method} needs --components of the people")
        adjusted, tables, fitted = _adjust_by_components(
            people, trained, read_components(components), method, reference, n_components
        )
        facts["statuses"] = _count(fitted.fits["status"])
    facts["n_without"] = int(adjusted.isna().all(axis=1).sum())
    roles = ("scores", "components", "fit_on", "reference", "reference_scores", "labels", "groups")
    inputs = {role: [] if path is None else [path] for role, path in zip(roles, paths, strict=True)}
    with stage_outputs(out) as staged:
        write_table(adjusted.reset_index(), staged)
        for name, table in tables.items():
            write_table(table.reset_index(), beside(staged, name))
        write_sidecar(describe_inputs("ancestry adjust", options, inputs, **facts), staged)
    return adjusted


def unrelated_step(
    people: Path,
    pairs: Path,
    out: Path,
    *,
    first: Path | None = None,
    max_kinship: float = 2.0**-3.5,
) -> pd.DataFrame:
    """Choose people of whom no two are related; write all of them, flagged, and a list."""
    check_outputs(out, [people, pairs, first], companions=())
    keep = keep_path(out, [people, pairs, first])
    index = read_ids(people)
    n_repeated = int(index.duplicated().sum())
    if n_repeated:
        raise DataError(f"{people.name}: {n_repeated:,} of {len(index):,} rows repeat a person")
    is_first = None
    if first is not None:
        is_first = index.isin(read_ids(first))
        if not is_first.any():
            raise DataError(
                f"--first {first.name}: nobody of it is among the {len(index):,} people"
            )
    table = unrelated_set(list(index), read_pairs(pairs), first=is_first, max_kinship=max_kinship)
    with stage_outputs(out) as staged:
        write_table(table, staged)
        write_keep(table, staged.with_name(keep.name))
        inputs = {"people": [people], "pairs": [pairs], "first": [] if first is None else [first]}
        facts = {"n_people": len(table), "n_kept": int((table["status"] == "ok").sum())}
        if is_first is not None:
            facts["n_first"] = int(is_first.sum())
            facts["n_first_kept"] = int((is_first & (table["status"] == "ok").to_numpy()).sum())
        write_sidecar(
            describe_inputs("ancestry unrelated", {"max_kinship": max_kinship}, inputs, **facts),
            staged,
        )
    return table


def _distance(
    people: pd.DataFrame, known: Labelled, group: str, n_components: int | None
) -> pd.Series[float]:
    """Give people's distance from the mean of a group."""
    assert known.labels is not None
    members = known.components[(known.labels == group).to_numpy(dtype=bool)]
    if members.empty:
        there = ", ".join(sorted(known.labels.dropna().unique())[:12])
        raise UsageError(f"--distance-from {group}: no such group; there are {there}")
    return genetic_distance(people, members, n_components=n_components)


def _check_training(
    fit_on: Path | None, reference: Path | None, reference_scores: Path | None
) -> None:
    if (fit_on is None) == (reference_scores is None):
        raise UsageError(
            "say whom to fit in: --fit-on, a list of controls among the people scored; or "
            "--reference with --reference-scores. Fitted in cases and controls together, the "
            "adjustment would take a part of the disease for ancestry"
        )
    if (reference is None) != (reference_scores is None):
        raise UsageError(
            "--reference-scores and --reference, the components of the same people, go together"
        )


def _read_training(
    scores: pd.DataFrame, fit_on: Path | None, reference_scores: Path | None
) -> pd.DataFrame:
    """Give the scores of the people to fit in."""
    if reference_scores is not None:
        trained = read_scores(reference_scores)
        absent = [str(name) for name in scores if name not in trained]
        if absent:
            raise DataError(
                f"{reference_scores.name}: lacks {len(absent)} of {scores.shape[1]} scores, the "
                f"first is {absent[0]}: score the reference with the same weight files"
            )
        return trained[list(scores.columns)]
    assert fit_on is not None
    listed = read_ids(fit_on)
    trained = scores[scores.index.isin(listed)]
    if trained.empty:
        raise DataError(f"{fit_on.name}: nobody of {len(listed):,} listed people has scores")
    if len(trained) == len(scores):
        warnings.warn(
            f"--fit-on {fit_on.name} lists everybody who is scored: if cases are among them, a "
            "part of the disease is taken for ancestry",
            PgsTrdWarning,
            stacklevel=3,
        )
    return trained


def _adjust_by_components(
    scores: pd.DataFrame,
    trained: pd.DataFrame,
    components: pd.DataFrame,
    method: AdjustmentMethod,
    reference: Path | None,
    n_components: int | None,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Adjustment]:
    """Adjust by mean, or mean and variance, on components."""
    known = components if reference is None else read_labelled(reference).components
    fitted = fit_adjustment(trained, known, method=method, n_components=n_components)
    n_unsettled = int((fitted.fits["status"] != "ok").sum())
    if n_unsettled:
        warnings.warn(
            f"{n_unsettled:,} of {len(fitted.fits):,} scores were not fitted, or not by the joint "
            "likelihood: see their status in the table of fits",
            PgsTrdWarning,
            stacklevel=3,
        )
    adjusted = adjust_scores(scores, components, fitted)
    coefficients = fitted.mean.add_prefix("mean_").join(
        fitted.log_variance.add_prefix("log_variance_")
    )
    beyond = find_beyond(components, fitted).reindex(scores.index)
    tables = {
        "fits": fitted.fits.join(coefficients).rename_axis("score"),
        "people": pd.DataFrame(
            {
                "has_components": beyond.notna(),
                "beyond": beyond.where(beyond.notna(), False).astype(bool),
            }
        ).rename_axis("person_id"),
    }
    return adjusted, tables, fitted


def _adjust_by_group(
    scores: pd.DataFrame,
    trained: pd.DataFrame,
    groups: Path | None,
    group_column: str,
    reference: Path | None,
    labels: Path | None,
    label_column: str | None,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Place scores in the distribution of the most similar group."""
    if groups is None:
        raise UsageError("--method most_similar needs --groups, from `pgs-trd ancestry assign`")
    of_people = read_groups(groups, group_column)
    # They are of several groups, and like none.
    of_people = of_people.mask(of_people == UNASSIGNED)
    of_trained: pd.Series[str] | None = of_people
    if reference is not None:
        of_trained = read_labelled(reference, labels, label_column).labels
        if of_trained is None:
            raise UsageError(f"{reference.name} has no groups: give --labels and --label-column")
    assert of_trained is not None
    wanted = of_people.reindex(scores.index).dropna().unique()
    sizes = of_trained.reindex(trained.index).value_counts().reindex(wanted, fill_value=0)
    if n_small := int((sizes < FEWEST_IN_GROUP).sum()):
        warnings.warn(
            f"{n_small} of {len(sizes)} groups have fewer than {FEWEST_IN_GROUP} people to fit in: "
            "there scores are rough, and missing where there is nobody",
            PgsTrdWarning,
            stacklevel=3,
        )
    z, percentile = adjust_within_groups(scores, of_people, trained, of_trained)
    table = of_people.reindex(scores.index).to_frame().rename_axis("person_id")
    return z, {"percentiles": percentile, "people": table}


def _count(values: pd.Series[str]) -> dict[str, int]:
    return {str(name): int(n) for name, n in values.value_counts().items()}
