"""Time to resistance with other beginnings, and beside the events that compete with it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pgs_trd.models import progression, progression_tables
from pgs_trd.report.results import AS_MAIN
from pgs_trd.study.bias_inputs import BiasInputs, NotPossibleError

OF_FINE_GRAY = ("standardise", "splines", "min_events_per_parameter")
CAUSES = {"trd": "Resistance", "death": "Death", "bipolar_or_psychosis": "Bipolar or psychosis"}


def fit_entries(inputs: BiasInputs) -> Iterator[pd.DataFrame]:
    """Fit the Cox models with people at risk from other days on."""
    yield _progression(inputs, inputs.follow_up, AS_MAIN)
    if not (inputs.follow_up["entry_days"] > 0).any() and inputs.asked.enrolment is None:
        raise NotPossibleError("everybody enters at the origin, and no day of enrolment is named")
    from_origin = inputs.follow_up["entry_days"].where(inputs.follow_up["entry_days"].isna(), 0.0)
    yield _progression(
        inputs, inputs.follow_up.assign(entry_days=from_origin), "At risk from the origin"
    )
    if inputs.asked.enrolment is not None:
        yield _progression(inputs, enter_at_enrolment(inputs), "At risk from enrolment")


def enter_at_enrolment(inputs: BiasInputs) -> pd.DataFrame:
    """Give the follow-up with nobody at risk before enrolment; who left before has no days."""
    name = inputs.asked.enrolment
    dates = inputs.covariates.set_index(inputs.covariates["person_id"].astype(str))[name]
    enrolled = pd.to_datetime(inputs.follow_up["person_id"].astype(str).map(dates))
    late = (enrolled - inputs.follow_up["origin_date"]).dt.days.astype("float64")
    entry = inputs.follow_up["entry_days"].combine(late, np.maximum)  # NaN where either is
    at_risk = entry < inputs.follow_up["exit_days"]
    return inputs.follow_up.assign(
        entry_days=entry.where(at_risk),
        exit_days=inputs.follow_up["exit_days"].where(at_risk),
        event=inputs.follow_up["event"] & at_risk,
    )


def fit_competing(inputs: BiasInputs) -> Iterator[pd.DataFrame]:
    """Fit the hazard of each cause, and of its incidence, as Fine and Gray do."""
    for cause, words in CAUSES.items():
        happened = inputs.follow_up["end_reason"].eq(cause)
        if not happened.any():
            continue
        follow_up = inputs.follow_up.assign(event=happened)
        yield _progression(inputs, follow_up, f"{words}: hazard")
        tables = progression_tables(
            follow_up,
            inputs.scores,
            inputs.covariates,
            tables=("fine_gray",),
            competing=[other for other in CAUSES if other != cause],
            **{name: inputs.of_cox[name] for name in OF_FINE_GRAY},
            **inputs.shared,
        )
        yield tables["fine_gray"].assign(approach=f"{words}: incidence")


def _progression(inputs: BiasInputs, follow_up: pd.DataFrame, approach: str) -> pd.DataFrame:
    table = progression(
        follow_up, inputs.scores, inputs.covariates, **inputs.shared, **inputs.of_cox
    )
    return table.assign(approach=approach)
