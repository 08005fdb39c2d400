"""Depression after childbirth, and its treatment-resistant form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.ehr.adjuncts import build_adjuncts
from pgs_trd.ehr.arrays import NEVER, IntArray, first_of, sort_key, to_dates, to_days
from pgs_trd.ehr.cleaning import read_rows
from pgs_trd.ehr.records import Ehr
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype.arrays import Events
from pgs_trd.phenotype.cohort import Cohort, dated_events, read_cohort
from pgs_trd.phenotype.rules import distinct_in_window

POSTPARTUM_CLASSES = (
    "mdd_core",
    "trd_code",
    "perinatal",
    "depression_nos",
    "dysthymia",
    "other_depression",
)
CONFERENCE_ADD_ONS = ("SGA", "lithium")


@dataclass(frozen=True)
class Perinatal:
    """Postpartum depression of each mother.

    Attributes
    ----------
    table
        One row a woman with a delivery, ordered by ``person_id``: ``delivery_date`` (the
        one before her depression, else her first), ``n_deliveries``, ``ppd_date`` (first
        depression after a delivery; NaT without), ``is_incident`` (no depression code
        before that delivery), ``ppd_days`` (from delivery; NaN without), ``n_drugs``
        (different antidepressants begun in the window after it), ``resistant_date``,
        ``is_resistant``, ``has_window`` (observed for the whole window).
    attrition
        ``step``, ``n_people_in``, ``n_people_out``: from people with a delivery record to
        incident, treatment-resistant postpartum depression.
    """

    table: pd.DataFrame
    attrition: pd.DataFrame


def find_perinatal(
    ehr: Ehr,
    trials: pd.DataFrame,
    *,
    window_days: int = 365,
    spacing_days: int = 180,
    n_drugs: int = 3,
    horizon_days: int = 365,
    add_ons: tuple[str, ...] = CONFERENCE_ADD_ONS,
    procedures: tuple[str, ...] = ("ECT", "rTMS"),
) -> Perinatal:
    """Find first postpartum depression and its treatment-resistant form.

    Postpartum depression is the first usable depression code within `window_days`
    after a delivery, taken to the nearest delivery before. It is incident when no
    depression code came before that delivery. It is resistant when `n_drugs` different
    antidepressants were begun within `horizon_days` of it, or one and an add-on, or a
    procedure: the rule of Chen et al.'s conference abstracts (8.5 percent of their
    cohort) with the defaults [1]_. Their article counts fewer by a rule that is not
    public.

    Parameters
    ----------
    trials
        From `build_trials` on the same records.
    spacing_days
        Records of a delivery less than this after one that counts are the same
        delivery (twins, and its codes on later days).
    add_ons
        Classes of added drugs that make resistant, begun after an antidepressant.
    procedures
        Procedure classes that make resistant.

    Raises
    ------
    UsageError
        If a number of days or drugs is out of range.
    DataError
        If the records have no deliveries.

    References
    ----------
    .. [1] Chen et al. (2026) Nature Mental Health, doi 10.1038/s44220-026-00587-8.
    """
    given = {"window_days": window_days, "spacing_days": spacing_days, "n_drugs": n_drugs}
    for name, value in {**given, "horizon_days": horizon_days}.items():
        if value < 1:
            raise UsageError(f"find_perinatal: {name} must be at least 1, got {value}")
    if ehr.deliveries is None:
        raise DataError("the records have no table of deliveries")
    cohort = read_cohort(ehr, trials)
    recorded = _deliveries(cohort)
    is_man = (cohort.people["sex"] == "male").to_numpy()
    of_women = recorded.take(~is_man[recorded.person])
    deliveries = of_women.take(_is_new_delivery(of_women, spacing_days))
    ppd, delivery = _postpartum(cohort, deliveries, window_days)
    begun = cohort.trials.start >= ppd[cohort.trials.person]
    counted = cohort.trials.take(begun)
    resistant = distinct_in_window(counted, ppd, n_drugs=n_drugs, window_days=horizon_days)
    alone = _alone(cohort, ppd, horizon_days, add_ons, procedures)
    resistant = np.where(ppd < NEVER, np.minimum(resistant, alone), NEVER)
    table = _as_table(cohort, deliveries, ppd, delivery, resistant, horizon_days)
    n_recorded = len(np.unique(recorded.person))
    return Perinatal(table, _attrition(table, n_recorded))


def _deliveries(cohort: Cohort) -> Events:
    ehr = cohort.ehr
    assert ehr.deliveries is not None
    return dated_events(read_rows(ehr, ehr.deliveries), "delivery")


def _is_new_delivery(
    events: Events, spacing_days: int
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Say which records are a delivery of their own: each is measured from the last that is."""
    kept = np.ones(len(events.person), dtype=bool)
    last_person, last_day = -1, -NEVER
    for row, (person, day) in enumerate(zip(events.person, events.day, strict=True)):
        if person == last_person and day - last_day < spacing_days:
            kept[row] = False
        else:
            last_person, last_day = int(person), int(day)
    return kept


def _postpartum(cohort: Cohort, deliveries: Events, window_days: int) -> tuple[IntArray, IntArray]:
    """Give the first depression in the window after a delivery, and that delivery."""
    n = cohort.n_people
    codes = cohort.diagnoses.of(POSTPARTUM_CLASSES)
    key = sort_key(deliveries.person, deliveries.day)
    place = np.searchsorted(key, sort_key(codes.person, codes.day), side="right") - 1
    if not len(key):
        nobody = np.full(n, NEVER, dtype=np.int64)
        return nobody, nobody
    inside = (place >= 0) & (deliveries.person[place] == codes.person)
    inside &= codes.day - deliveries.day[place] <= window_days
    ppd = first_of(codes.person[inside], codes.day[inside], n)
    is_first = inside & (codes.day == ppd[codes.person])
    return ppd, first_of(codes.person[is_first], deliveries.day[place[is_first]], n)


def _alone(
    cohort: Cohort,
    ppd: IntArray,
    horizon_days: int,
    add_ons: tuple[str, ...],
    procedures: tuple[str, ...],
) -> IntArray:
    """Give the first procedure, or add-on begun after an antidepressant, in the window."""
    table = build_adjuncts(cohort.ehr)
    row = cohort.ehr.people.find(table["person_id"])
    start = to_days(table["start_date"])
    trials = cohort.trials
    treated = first_of(trials.person, trials.start, cohort.n_people)
    since = start - ppd[row]
    inside = (since >= 0) & (since <= horizon_days)
    is_procedure = (table["kind"] == "procedure") & table["name"].isin(procedures)
    is_add_on = (table["kind"] == "augmentation") & table["drug_class"].isin(add_ons)
    chosen = inside & (is_procedure | (is_add_on & (start >= treated[row]))).to_numpy()
    return first_of(row[chosen], start[chosen], cohort.n_people)


def _as_table(
    cohort: Cohort,
    deliveries: Events,
    ppd: IntArray,
    delivery: IntArray,
    resistant: IntArray,
    horizon_days: int,
) -> pd.DataFrame:
    n = cohort.n_people
    n_deliveries = np.bincount(deliveries.person, minlength=n)
    first_delivery = first_of(deliveries.person, deliveries.day, n)
    chosen = np.where(delivery < NEVER, delivery, first_delivery)
    codes = cohort.diagnoses.of(POSTPARTUM_CLASSES)
    first_code = first_of(codes.person, codes.day, n)
    trials = cohort.trials
    since = trials.start - ppd[trials.person]
    inside = (since >= 0) & (since <= horizon_days)
    pairs = np.unique(trials.person[inside] * (len(trials.drugs) + 1) + trials.drug[inside])
    n_begun = np.bincount(pairs // (len(trials.drugs) + 1), minlength=n)
    _, until = cohort.observed(ppd)
    table = pd.DataFrame(
        {
            "person_id": cohort.people["person_id"],
            "n_deliveries": n_deliveries,
            "delivery_date": to_dates(chosen),
            "ppd_date": to_dates(ppd),
            "is_incident": (ppd < NEVER) & (first_code >= chosen),
            "ppd_days": np.where(ppd < NEVER, ppd - chosen, np.nan),
            "n_drugs": n_begun,
            "resistant_date": to_dates(resistant),
            "is_resistant": resistant < NEVER,
            "has_window": (until < NEVER) & (until - ppd >= horizon_days),
        }
    )
    return table[table["n_deliveries"] > 0].reset_index(drop=True)


def _attrition(table: pd.DataFrame, n_recorded: int) -> pd.DataFrame:
    has_ppd = table["ppd_date"].notna()
    incident = has_ppd & table["is_incident"]
    counts = [
        ("delivery_record", n_recorded),
        ("women_with_delivery", len(table)),
        ("postpartum_depression", int(has_ppd.sum())),
        ("incident", int(incident.sum())),
        ("resistant", int((incident & table["is_resistant"]).sum())),
    ]
    steps = [name for name, _ in counts]
    out = [n for _, n in counts]
    return pd.DataFrame({"step": steps, "n_people_in": [out[0], *out[:-1]], "n_people_out": out})
