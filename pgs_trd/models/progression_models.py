"""Associate every score with the time to treatment resistance, in every stratum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import BoolArray
from pgs_trd.models.association import explain_missing, label_fits, stack_fits, usable_covariates
from pgs_trd.models.cox import CoxErrors, Ties, fit_cox
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.models.people import JoinedPeople, Standardise, join_people
from pgs_trd.tables import require_columns


def progression(
    follow_up: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame | None,
    *,
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
    ties: Ties = "efron",
    se: CoxErrors = "model",
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit one Cox model for every stratum and score.

    Parameters
    ----------
    follow_up
        One row a person at risk: `person_id`, `entry_days`, `exit_days`, `event`.
    scores, covariates, stratum, strata, covariate_columns, standardise
        As in `associate`.
    ties, se, confidence, min_events_per_parameter
        As in `fit_cox`; `se` is "model" or "robust".

    Returns
    -------
    progressions
        Rows stratum x score: `stratum`, the columns of `fit_cox`, `n_incomplete`
        (people with days who lack the event, the score or a covariate), `score_mean`,
        `score_sd`, `dropped_covariates`. `attrs["people"]` counts the people lost in
        the join.

    Raises
    ------
    UsageError
        If a label or option is unknown.
    DataError
        If nobody is in all tables, a stratum has no events, or follow-up ends before
        it begins.
    """
    if se == "cluster":
        raise UsageError("progression has no clusters: se is 'model' or 'robust'")
    needed = ["person_id", "entry_days", "exit_days", "event"]
    require_columns(follow_up, needed, "follow-up")
    people = join_people(
        follow_up,
        scores,
        covariates,
        subject="follow-up",
        stratum=stratum,
        strata=strata,
        covariate_columns=covariate_columns,
        standardise=standardise,
    )
    _refuse_no_events(people)
    parts, faults = [], []
    for part in people.strata:
        records = part.records
        known = records[needed].notna().all(axis=1).to_numpy()
        adjusted, complete, dropped = usable_covariates(part, known)
        try:
            fits = fit_cox(
                records["exit_days"].where(complete),
                records["event"],
                part.scores,
                adjusted,
                entry=records["entry_days"],
                ties=ties,
                se=se,
                confidence=confidence,
                min_events_per_parameter=min_events_per_parameter,
            )
        except ModelDataError as error:
            faults.append(f"stratum {part.label!r}: {error}")
            continue
        explain_missing(fits, part, known, complete)
        fits["n_incomplete"] = int(_has_days(records).sum()) - fits["n"]
        parts.append(label_fits(fits, part, dropped))
    if faults:
        raise ModelDataError(join_faults("progression", faults))
    return stack_fits(parts, people, standardise)


def _has_days(records: pd.DataFrame) -> BoolArray:
    """Mark who was at risk at all: others of the follow-up have no days."""
    return records[["entry_days", "exit_days"]].notna().all(axis=1).to_numpy(dtype=bool)


def _refuse_no_events(people: JoinedPeople) -> None:
    faults = []
    for part in people.strata:
        at_risk = part.records[_has_days(part.records)]
        n_events = int(np.nansum(at_risk["event"].to_numpy(dtype=np.float64, na_value=np.nan)))
        if not n_events:
            n_people = len(at_risk)
            faults.append(f"stratum {part.label!r}: no events among {n_people:,} people at risk")
    if faults:
        labels = ", ".join(repr(part.label) for part in people.strata)
        raise DataError(
            f"{join_faults('progression', faults)}\nName the strata to use with strata=[...] "
            f"(there are {labels}), or check the definition of the event"
        )
