"""What a Cox model of progression does not say: is its hazard ratio one, and what is the risk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.cells import Cell, score_blocks
from pgs_trd.models.cox_model_fit import fit_cox_model
from pgs_trd.models.cox_problem import Ties
from pgs_trd.models.fine_gray import fit_fine_gray
from pgs_trd.models.people import Standardise
from pgs_trd.models.percentiles import percentile_contrast
from pgs_trd.models.plans import MIN_EVENTS_PER_PARAMETER
from pgs_trd.models.progression_models import plan_progression
from pgs_trd.models.proportional_hazards import GLOBAL, Transform, ph_test
from pgs_trd.models.results import STANDING
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.splines import Splines
from pgs_trd.models.survival_groups import restricted_mean, restricted_mean_difference
from pgs_trd.models.wald import check_confidence
from pgs_trd.tables import require_columns

ProgressionTable: TypeAlias = Literal["ph_tests", "percentiles", "fine_gray", "restricted_means"]

DEFAULT_DAYS = (365.0, 1825.0)
BOTTOM, TOP = "bottom", "top"


@dataclass(frozen=True)
class _Asked:
    """Options that the tables have in common or of their own."""

    days: tuple[float, ...]
    percentiles: tuple[float, float]
    competing: tuple[str, ...]
    transform: Transform
    ties: Ties
    confidence: float
    min_events_per_parameter: float
    threads: int | None


def progression_tables(
    follow_up: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    tables: Sequence[ProgressionTable],
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
    reference: pd.DataFrame | None = None,
    splines: Splines | None = None,
    within: str | None = None,
    related: pd.DataFrame | None = None,
    days: Sequence[float] = DEFAULT_DAYS,
    percentiles: tuple[float, float] = (20.0, 80.0),
    competing: Sequence[str] = ("death",),
    transform: Transform = "km",
    ties: Ties = "efron",
    confidence: float = 0.95,
    min_events_per_parameter: float = MIN_EVENTS_PER_PARAMETER,
    threads: int | None = None,
    part: bool = False,
) -> dict[str, pd.DataFrame]:
    """Make further tables of the models of `progression`, for every stratum and score.

    Parameters
    ----------
    follow_up
        As in `progression`; for "fine_gray" with `end_reason` too.
    tables
        Which: see Returns.
    scores, covariates, stratum, strata, covariate_columns, standardise, reference, splines,
    within, related, ties, confidence, min_events_per_parameter, threads, part
        As in `progression`; of relatives one is left out.
    days
        Of "percentiles" and "restricted_means": days since the origin.
    percentiles
        Low and high, of the score among the people of each model.
    competing
        Values of `end_reason` that are events of another cause; all else is censored.
    transform
        Of time, as in `ph_test`.

    Returns
    -------
    tables
        By name, each with the labels of `progression` and `status`, `reason`:

        "ph_tests": rows x term (the score, and "GLOBAL" for all columns), as `ph_test`.

        "percentiles": rows x day, as `percentile_contrast`: survival of everybody given
        the high against the low percentile of the score, all else as it is, with
        `hazard_ratio` and its interval. Adjusted by the Cox model.

        "fine_gray": the columns of `fit_fine_gray`, with days since entry as time, since
        its risk sets have no late entry.

        "restricted_means": rows x day: mean event-free days up to then at or above the high
        percentile, at or below the low one (Kaplan-Meier, late entry allowed for) and their
        difference. Not adjusted.

    Raises
    ------
    UsageError, DataError
        As `progression`.
    """
    _check(tables, days, percentiles)
    check_confidence(confidence)
    if "fine_gray" in tables:
        require_columns(follow_up, ["end_reason"], "follow-up")
    plan, cells = plan_progression(
        follow_up,
        scores,
        covariates,
        stratum=stratum,
        strata=strata,
        covariate_columns=covariate_columns,
        standardise=standardise,
        reference=reference,
        splines=splines,
        within=within,
        related=related,
        part=part,
    )
    asked = _Asked(
        tuple(float(day) for day in days),
        percentiles,
        tuple(competing),
        transform,
        ties,
        confidence,
        min_events_per_parameter,
        threads,
    )
    parts: dict[str, list[list[pd.DataFrame]]] = {name: [[] for _ in cells] for name in tables}
    for place, block, _ in score_blocks(cells):
        for name in tables:
            parts[name][place].append(_one(MAKERS[name], cells[place], block, asked))
    made: dict[str, pd.DataFrame] = {}
    for name in tables:
        pieces = [piece for of_cell in parts[name] for piece in of_cell]
        table = pd.concat(pieces, ignore_index=True)
        table.attrs = {
            "conventions": _conventions(name, asked) | {"standardise": standardise},
            "people": plan.people.counts,
        }
        made[name] = table
    return made


def _check(tables: Sequence[str], days: Sequence[float], percentiles: tuple[float, float]) -> None:
    unknown = [name for name in tables if name not in get_args(ProgressionTable)]
    if unknown or isinstance(tables, str):
        raise UsageError(
            f"tables: unknown {', '.join(map(repr, unknown))}. There are: "
            f"{', '.join(get_args(ProgressionTable))}"
        )
    if not len(days) or not all(0 < day < np.inf for day in days):
        raise UsageError("days must be above 0 and finite, such as [365, 1825]")
    if not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise UsageError(f"percentiles are {percentiles}: low before high, within 0 and 100")


def _one(
    make: Callable[[Cell, pd.DataFrame, _Asked], pd.DataFrame],
    cell: Cell,
    scores: pd.DataFrame,
    asked: _Asked,
) -> pd.DataFrame:
    """Make the rows of one cell, with its labels before them."""
    if cell.complete.any():
        table = make(cell, scores, asked)
    else:
        table = pd.DataFrame({"score": list(scores.columns)})
        table["status"], table["reason"] = "no_complete_cases", cell.explain_nobody()
    for place, (name, value) in enumerate(cell.labels.items()):
        table.insert(place, name, value)
    table["dropped_covariates"] = "; ".join(cell.dropped)
    table.attrs.clear()
    return table


def _ph_tests(cell: Cell, scores: pd.DataFrame, asked: _Asked) -> pd.DataFrame:
    records = cell.part.records
    tests = ph_test(
        records["exit_days"].where(cell.complete),
        records["event"],
        scores,
        cell.covariates,
        entry=records["entry_days"],
        ties=asked.ties,
        transform=asked.transform,
        min_events_per_parameter=asked.min_events_per_parameter,
        threads=asked.threads,
    )
    return tests[tests["term"].eq(tests["score"]) | tests["term"].eq(GLOBAL)].copy()


def _percentiles(cell: Cell, scores: pd.DataFrame, asked: _Asked) -> pd.DataFrame:
    records = cell.part.records
    n_parameters = cell.covariates.shape[1] + 1
    parts = []
    for name in scores.columns:
        model = fit_cox_model(
            records["exit_days"].where(cell.complete),
            records["event"],
            cell.covariates.assign(**{name: scores[name]}),
            entry=records["entry_days"],
            ties=asked.ties,
            confidence=asked.confidence,
        )
        rows = pd.DataFrame({"score": name, "days": list(asked.days)})
        status, reason = model.status, model.reason
        if model.n_events < asked.min_events_per_parameter * n_parameters:
            status = "too_few_events"
            reason = f"{model.n_events:,} events, {n_parameters} coefficients"
        if status in STANDING:
            contrast = percentile_contrast(
                model, name, days=asked.days, percentiles=asked.percentiles,
                confidence=asked.confidence,
            )  # fmt: skip
            rows = pd.concat([rows[["score"]], contrast], axis=1)
            ratio = contrast.attrs["hazard_ratio"]
            for column in ("value_low", "value_high", "hazard_ratio"):
                rows[column] = ratio[column]
            rows["hazard_ratio_ci_low"], rows["hazard_ratio_ci_high"] = (
                ratio["ci_low"],
                ratio["ci_high"],
            )
        rows["n"], rows["n_events"] = model.n, model.n_events
        rows["status"], rows["reason"] = status, reason
        if status in STANDING:
            rows = _mark_short(rows, rows["difference"].isna())
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def _fine_gray(cell: Cell, scores: pd.DataFrame, asked: _Asked) -> pd.DataFrame:
    records = cell.part.records
    competes = records["end_reason"].isin(asked.competing).to_numpy()
    happened = records["event"].fillna(False).to_numpy(dtype=bool)
    code = np.where(happened, 1.0, np.where(competes, 2.0, 0.0))
    fits = fit_fine_gray(
        (records["exit_days"] - records["entry_days"]).where(cell.complete),
        pd.Series(code, index=records.index),
        scores,
        cell.covariates,
        confidence=asked.confidence,
        min_events_per_parameter=asked.min_events_per_parameter,
    )
    fits["n_competing"] = int(np.sum((code == 2) & cell.complete))
    return fits


def _restricted_means(cell: Cell, scores: pd.DataFrame, asked: _Asked) -> pd.DataFrame:
    records = cell.part.records[cell.complete]
    rows = []
    for name in scores.columns:
        groups = _tails(scores.loc[cell.complete, name].to_numpy(), asked.percentiles)
        people = records.assign(group=groups)[groups != ""]
        rows += [
            {"score": name, "days": day, **_mean_row(people, day, asked)} for day in asked.days
        ]
    return pd.DataFrame(rows)


def _tails(values: FloatArray, percentiles: tuple[float, float]) -> npt.NDArray[np.object_]:
    """Give who is in the low and the high tail, "" for those between or without a score."""
    groups = np.full(len(values), "", dtype=object)
    if np.isfinite(values).any():
        low, high = np.nanpercentile(values, percentiles)
        groups[values <= low] = BOTTOM
        groups[values >= high] = TOP
    return groups


def _mean_row(people: pd.DataFrame, day: float, asked: _Asked) -> dict[str, object]:
    in_tail = {name: people["group"] == name for name in (BOTTOM, TOP)}
    row: dict[str, object] = {}
    for name, label in ((BOTTOM, "low"), (TOP, "high")):
        row[f"n_{label}"] = int(in_tail[name].sum())
        row[f"n_events_{label}"] = int(people.loc[in_tail[name], "event"].sum())
    if not all(members.any() for members in in_tail.values()):
        return row | {"status": "constant_score", "reason": "the score has no two tails"}
    if not (row["n_events_low"] or row["n_events_high"]):
        return row | {"status": "no_events", "reason": "no events in the tails of the score"}
    try:
        means, differences = (
            make(
                people["exit_days"],
                people["event"],
                people["group"],
                horizon=day,
                entry=people["entry_days"],
                confidence=asked.confidence,
            )
            for make in (restricted_mean, restricted_mean_difference)
        )
    except UsageError as error:
        return row | {"status": "short_follow_up", "reason": str(error).split(":")[0]}
    mean = means.set_index("group")["mean"]
    row |= {"mean_low": mean[BOTTOM], "mean_high": mean[TOP]}
    # Labels are in the order of the alphabet, so the difference is top less bottom.
    for column in ("difference", "se", "ci_low", "ci_high", "p_value", "log10_p"):
        row[column] = differences[column].iloc[0]
    return row | {"status": "ok", "reason": ""}


def _mark_short(rows: pd.DataFrame, short: pd.Series) -> pd.DataFrame:
    rows.loc[short, "status"] = "short_follow_up"
    rows.loc[short, "reason"] = "follow-up ends before that day"
    return rows


def _conventions(name: str, asked: _Asked) -> dict[str, object]:
    low, high = asked.percentiles
    notes: dict[str, dict[str, object]] = {
        "ph_tests": {
            "test": "exact score test, as cox.zph of R's survival 3",
            "transform": asked.transform,
            "ties": asked.ties,
        },
        "percentiles": {
            "contrast": f"percentile {high:g} against {low:g}, standardised over the people",
            "ties": asked.ties,
            "interval": "Wald, with the uncertainty of baseline and coefficients",
        },
        "fine_gray": {
            "competing": list(asked.competing),
            "clock": "days since entry",
            "ties": "breslow",
            "se": "robust",
        },
        "restricted_means": {
            "groups": f"at or above percentile {high:g}, at or below {low:g}; not adjusted",
            "se": "Greenwood",
        },
    }
    shared = {
        "model": name,
        "confidence": asked.confidence,
        "min_events_per_parameter": asked.min_events_per_parameter,
    }
    return shared | notes[name]


MAKERS: dict[str, Callable[[Cell, pd.DataFrame, _Asked], pd.DataFrame]] = {
    "ph_tests": _ph_tests,
    "percentiles": _percentiles,
    "fine_gray": _fine_gray,
    "restricted_means": _restricted_means,
}
