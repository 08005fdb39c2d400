"""Time from diagnosis or first treatment to resistance, without immortal time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.phenotype.classifier import Phenotype
from pgs_trd.phenotype.people import observed_until

if TYPE_CHECKING:
    from pgs_trd.ehr.records import Ehr

Origin = Literal["first_diagnosis", "first_antidepressant"]
# On one day the first of these is what counts: an excluding diagnosis bars resistance.
_ENDS = ("bipolar_or_psychosis", "trd", "death", "end_of_observation")


def follow_up(
    ehr: Ehr,
    phenotype: Phenotype,
    *,
    origin: Origin = "first_diagnosis",
    washout_days: int = 365,
    enrolment: Mapping[str, pd.Timestamp] | None = None,
    data_end: str | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Follow everybody with depression from an origin to resistance or its end.

    No class enters: who turns out responsive or resistant is followed alike. Who
    needed a second diagnosis to count as depressed is at risk from that second
    date on, since before it they could not have been in the study; likewise from
    enrolment. A bipolar or psychosis diagnosis, death and the end of the period of
    observation end the follow-up; they do not reach back.

    Parameters
    ----------
    phenotype
        From `classify` on the same records.
    origin
        Day 0: first diagnosis of depression, or start of the first trial counted.
    washout_days
        Observation before day 0 that makes a case new. Who has less is prevalent:
        their true origin may lie before the records.
    enrolment
        Date by person id from which a person was in the study (say, gave DNA);
        people not in it enter as if no enrolment were asked for.
    data_end
        Last day of data; nobody is followed beyond.

    Returns
    -------
    DataFrame
        One row a person with depression, ordered by ``person_id``: ``origin_date``,
        ``entry_days``, ``exit_days`` (days since the origin; at risk after entry, up
        to and with exit), ``event`` (resistance at exit), ``end_reason`` ("trd",
        "death", "bipolar_or_psychosis", "end_of_observation"), ``status``: "at_risk",
        or why the person is not: "untreated" (no first antidepressant),
        "prevalent", "converted_before_entry", "event_before_entry",
        "no_follow_up". Only rows at risk have days; of the others ``event`` is
        False and the days are NaN.

    Raises
    ------
    UsageError
        If `origin` is unknown or `washout_days` negative.
    """
    if origin not in ("first_diagnosis", "first_antidepressant"):
        raise UsageError(f"origin is 'first_diagnosis' or 'first_antidepressant', got {origin!r}")
    if washout_days < 0:
        raise UsageError(f"washout_days must be at least 0, got {washout_days}")
    table = phenotype.table
    people = table[table["mdd_date"].notna()].reset_index(drop=True)
    started = people["index_date"].where(people["n_trials"] > 0)
    begin = people["mdd_date"] if origin == "first_diagnosis" else started
    periods = observed_until(ehr, people["person_id"], begin)
    entry = _entry(people, begin, enrolment)
    ends = _ends(people, periods, phenotype, data_end)
    exit_date = ends.min(axis=1)
    # The first column that holds the minimum: the order of _ENDS settles one day.
    filled = ends.fillna(pd.Timestamp.max)
    end_reason = filled.eq(filled.min(axis=1), axis=0).idxmax(axis=1).astype(object)
    status = _status(people, begin, periods, entry, exit_date, end_reason, washout_days)
    at_risk = status == "at_risk"
    return pd.DataFrame(
        {
            "person_id": people["person_id"],
            "origin_date": begin.astype("datetime64[ns]"),
            "entry_days": _days(entry - begin, at_risk),
            "exit_days": _days(exit_date - begin, at_risk),
            "event": (end_reason == "trd") & at_risk,
            "end_reason": end_reason.where(at_risk, None),
            "status": status,
        }
    )


def _entry(
    people: pd.DataFrame, begin: pd.Series, enrolment: Mapping[str, pd.Timestamp] | None
) -> pd.Series:
    dates = pd.DataFrame({"begin": begin, "known": people["mdd_known_date"]})
    if enrolment is not None:
        dates["enrolled"] = pd.to_datetime(people["person_id"].map(dict(enrolment)))
    return dates.max(axis=1)


def _ends(
    people: pd.DataFrame,
    periods: pd.DataFrame,
    phenotype: Phenotype,
    data_end: str | pd.Timestamp | None,
) -> pd.DataFrame:
    converted = people["exclusion_date"]
    if phenotype.definition.exclusions.when == "never":
        converted = pd.Series(pd.NaT, index=people.index, dtype="datetime64[ns]")
    observed = periods["period_end"]
    if data_end is not None:
        last = pd.Timestamp(data_end)
        observed = observed.where(~(observed > last), last)
    ends = [converted, people["resistant_date"], people["death_date"], observed]
    return pd.DataFrame(dict(zip(_ENDS, ends, strict=True)))


def _status(
    people: pd.DataFrame,
    begin: pd.Series,
    periods: pd.DataFrame,
    entry: pd.Series,
    exit_date: pd.Series,
    end_reason: pd.Series,
    washout_days: int,
) -> pd.Series:
    seen = (begin - periods["period_start"]).dt.days
    is_early = exit_date <= entry
    masks = {
        "untreated": begin.isna(),
        "prevalent": (seen < washout_days) | seen.isna(),
        "converted_before_entry": is_early & (end_reason == "bipolar_or_psychosis"),
        "event_before_entry": is_early & (end_reason == "trd"),
        "no_follow_up": is_early,
    }
    chosen = np.select(
        [mask.to_numpy(dtype=bool) for mask in masks.values()], list(masks), default="at_risk"
    )
    return pd.Series(chosen, index=people.index, dtype=object)


def _days(span: pd.Series, at_risk: pd.Series) -> pd.Series:
    days: pd.Series = span.dt.days.astype("float64").where(at_risk)
    return days
