"""Associate every score with the time to treatment resistance, in every stratum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import BoolArray
from pgs_trd.models.cells import Cell, fit_cells, stack_cells
from pgs_trd.models.cox import CoxErrors, CoxInterval, CoxMethod, Ties, fit_cox
from pgs_trd.models.cox_interaction import fit_cox_interaction
from pgs_trd.models.cox_problem import read_times
from pgs_trd.models.inputs import ModelDataError, People
from pgs_trd.models.people import JoinedPeople, Standardise
from pgs_trd.models.plans import MIN_EVENTS_PER_PARAMETER, Plan, make_plan
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.splines import Splines
from pgs_trd.tables import require_columns

FOLLOW_UP_COLUMNS = ("person_id", "entry_days", "exit_days", "event")


def progression(
    follow_up: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
    reference: pd.DataFrame | None = None,
    splines: Splines | None = None,
    within: str | None = None,
    interaction: str | Sequence[str] | None = None,
    related: pd.DataFrame | None = None,
    ties: Ties = "efron",
    method: CoxMethod = "auto",
    se: CoxErrors = "model",
    cluster: str | None = None,
    interval: CoxInterval = "wald",
    confidence: float = 0.95,
    min_events_per_parameter: float = MIN_EVENTS_PER_PARAMETER,
    threads: int | None = None,
    part: bool = False,
) -> pd.DataFrame:
    """Fit one Cox model for every stratum and score.

    Parameters
    ----------
    follow_up
        One row a person at risk: `person_id`, `entry_days`, `exit_days`, `event`.
    scores, covariates, stratum, strata, covariate_columns, reference, within, related, cluster
        As in `associate`; of relatives those with the event are kept before others.
    standardise
        As in `associate`, but for "controls": everybody at risk may become a case.
    splines
        As in `associate`; knots are at quantiles of the people at risk.
    interaction
        Covariates that the score is multiplied with, by maximum likelihood and with Wald
        intervals; a row for each product, with `term`.
    ties, method, se, interval, confidence, threads
        As in `fit_cox`; `se` is "model", "robust" or "cluster".
    min_events_per_parameter
        With fewer events per coefficient a row has the status `too_few_events` and no
        numbers; 0 asks for nothing.
    part
        Whether these are some strata of a study, for `stack_estimates`: a part without
        events has rows with a status.

    Returns
    -------
    progressions
        Rows stratum (x within) x score: these, the columns of `fit_cox`, `n_incomplete`
        (people with days who lack the event, the score or a covariate), `n_related` (left
        out as relatives, if any were given), `score_mean`, `score_sd`,
        `dropped_covariates`. `attrs` as in `associate`.

    Raises
    ------
    UsageError
        If a label or option is unknown, or options do not go together.
    DataError
        If nobody is in all tables, no stratum has events, or follow-up ends before it
        begins.
    """
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
        interaction=interaction,
        related=related,
        se=se,
        cluster=cluster,
        part=part,
    )
    if plan.interaction and (method == "firth" or interval != "wald"):
        chosen = "method='firth'" if method == "firth" else f"interval={interval!r}"
        raise UsageError(f"{chosen} is not there for interactions of Cox models")

    def fit(cell: Cell, scores: pd.DataFrame) -> pd.DataFrame:
        records = cell.part.records
        duration = records["exit_days"].where(cell.complete)
        if plan.interaction:
            return fit_cox_interaction(
                duration,
                records["event"],
                scores,
                cell.covariates,
                interaction=plan.interaction,
                entry=records["entry_days"],
                ties=ties,
                se=se,
                cluster=plan.clusters(cell.part),
                confidence=confidence,
                min_events_per_parameter=min_events_per_parameter,
            )
        return fit_cox(
            duration,
            records["event"],
            scores,
            cell.covariates,
            entry=records["entry_days"],
            ties=ties,
            method=method,
            se=se,
            cluster=plan.clusters(cell.part),
            interval=interval,
            confidence=confidence,
            min_events_per_parameter=min_events_per_parameter,
            threads=threads,
        )

    fits = fit_cells(cells, fit, interaction=plan.interaction)
    return stack_cells(
        fits, plan.people, min_events_per_parameter=min_events_per_parameter, **plan.header
    )


def plan_progression(
    follow_up: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    part: bool = False,
    **options: Any,
) -> tuple[Plan, list[Cell]]:
    """Join people with their follow-up; give a cell for each stratum.

    Parameters
    ----------
    follow_up, scores, covariates, part
        As in `progression`.
    options
        Of `make_plan`.

    Raises
    ------
    UsageError, DataError
        As `progression`, before any model is fitted.
    """
    require_columns(follow_up, FOLLOW_UP_COLUMNS, "follow-up")
    plan = make_plan(follow_up, scores, covariates, subject="follow-up", **options)
    if not part:
        _refuse_no_events(plan.people)
    cells, faults = [], []
    for stratum in plan.people.strata:
        records = stratum.records
        known = records[list(FOLLOW_UP_COLUMNS)].notna().all(axis=1).to_numpy(dtype=bool)
        happened = records["event"].fillna(False).to_numpy(dtype=bool)
        cell = plan.cell(stratum, known, happened)
        cells.append(replace(cell, included=cell.included | (_has_days(records) & ~known)))
        try:
            exits = records["exit_days"].where(cell.complete)
            read_times(People(), exits, records["event"], records["entry_days"])
        except ModelDataError as error:
            faults.append(f"stratum {stratum.label!r}: {error}")
    if faults:
        raise ModelDataError(join_faults("progression", faults))
    return plan, cells


def _has_days(records: pd.DataFrame) -> BoolArray:
    """Mark who was at risk at all: others of the follow-up have no days."""
    return records[["entry_days", "exit_days"]].notna().all(axis=1).to_numpy(dtype=bool)


def _refuse_no_events(people: JoinedPeople) -> None:
    n_people = n_events = 0
    for part in people.strata:
        at_risk = part.records[_has_days(part.records)]
        n_people += len(at_risk)
        n_events += int(np.nansum(at_risk["event"].to_numpy(dtype=np.float64, na_value=np.nan)))
    if not n_events:
        raise DataError(
            f"progression: no events among {n_people:,} people at risk in all "
            f"{len(people.strata)} strata. Check the definition of the event"
        )
