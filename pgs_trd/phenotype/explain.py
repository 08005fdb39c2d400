"""Why one person has a class: the rows that decided, in order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.ehr.arrays import to_dates
from pgs_trd.errors import UsageError
from pgs_trd.phenotype.classifier import Phenotype
from pgs_trd.phenotype.cohort import Cohort

COLUMNS = ("date", "end_date", "what", "detail", "counts", "note")


def explain(phenotype: Phenotype, person_id: str) -> pd.DataFrame:
    """Give the timeline of one person: what was recorded, what counted, and what it led to.

    This shows one person's record. It is for the user's own screen: it goes into no
    file, report or message of the package.

    Parameters
    ----------
    phenotype
        From `classify` or `classify_grid`.

    Returns
    -------
    DataFrame
        In the order of time: ``date``, ``end_date`` (half-open, NaT for one day),
        ``what`` ("observation", "diagnosis", "trial", "added", "death", "decision"),
        ``detail``, ``counts`` (whether the rule could use it) and ``note`` (why not, or
        what it decided).

    Raises
    ------
    UsageError
        If the phenotype has no cohort, or nobody in it has that id.
    """
    cohort = phenotype.cohort
    if cohort is None:
        raise UsageError("explain needs a phenotype as classify gives it, with its cohort")
    row = int(cohort.ehr.people.find(np.array([str(person_id)], dtype=object))[0])
    if row < 0:
        raise UsageError("explain: nobody in the records has the id that was asked for")
    parts = [
        _observation(cohort, row),
        _diagnoses(phenotype, cohort, row),
        _trials(phenotype, cohort, row),
        _added(phenotype, cohort, row),
        _decision(phenotype, row),
    ]
    found = pd.DataFrame([line for part in parts for line in part], columns=list(COLUMNS))
    found = found.astype({"date": "datetime64[ns]", "end_date": "datetime64[ns]"})
    rank = found["what"].map({"observation": 0, "decision": 2}).fillna(1)
    order = np.lexsort((rank, found["date"].fillna(pd.Timestamp.max)))
    ordered: pd.DataFrame = found.iloc[order].reset_index(drop=True)
    return ordered


Line = tuple[object, object, str, str, bool, str]


def _observation(cohort: Cohort, row: int) -> list[Line]:
    periods = cohort.ehr.people.periods
    own = slice(*np.searchsorted(periods.person, [row, row + 1]))
    starts, ends = to_dates(periods.first[own]), to_dates(periods.last[own] + 1)
    lines: list[Line] = [
        (start, end, "observation", "", True, "") for start, end in zip(starts, ends, strict=True)
    ]
    death = cohort.people["death_date"].iloc[row]
    if pd.notna(death):
        lines.append((death, pd.NaT, "death", "", True, ""))
    return lines


def _diagnoses(phenotype: Phenotype, cohort: Cohort, row: int) -> list[Line]:
    rules, events = phenotype.definition, cohort.diagnoses
    excluding = {
        *rules.exclusions.bipolar,
        *rules.exclusions.psychosis,
        *rules.other_exclusions,
    }
    own = slice(*np.searchsorted(events.person, [row, row + 1]))
    lines: list[Line] = []
    for date, kind in zip(to_dates(events.day[own]), events.kind[own], strict=True):
        name = events.kinds[kind]
        if name in rules.depression.classes:
            lines.append((date, pd.NaT, "diagnosis", name, True, "makes depression"))
        elif name in excluding:
            note = f"excludes: {rules.exclusions.when.replace('_', ' ')}"
            lines.append((date, pd.NaT, "diagnosis", name, rules.exclusions.when != "never", note))
        else:
            note = "no class of this definition"
            lines.append((date, pd.NaT, "diagnosis", name, False, note))
    return lines


def _trials(phenotype: Phenotype, cohort: Cohort, row: int) -> list[Line]:
    rules, trials = phenotype.definition.trials, cohort.trials
    is_rare = np.zeros(len(trials.person), dtype=bool)
    if rules.min_prescriptions > 1:
        is_rare = cohort.trial_table["n_prescriptions"].to_numpy() < rules.min_prescriptions
    first = phenotype.table["mdd_date"].iloc[row]
    own = slice(*np.searchsorted(trials.person, [row, row + 1]))
    lines: list[Line] = []
    for start, end, switch, drug, too_low, rare in zip(
        to_dates(trials.start[own]),
        to_dates(trials.end[own]),
        to_dates(trials.switch[own]),
        trials.drug[own],
        trials.is_last_step[own],
        is_rare[own],
        strict=True,
    ):
        until = min(end, switch) if not np.isnat(switch) else end
        days = int((until - start) / np.timedelta64(1, "D"))
        if pd.isna(first):
            counts, note = False, "no depression by the rule"
        elif rules.lead_days is not None and start < first - np.timedelta64(rules.lead_days, "D"):
            counts, note = False, "begins before the first diagnosis"
        elif rare:
            counts, note = False, f"fewer than {rules.min_prescriptions} prescriptions"
        elif too_low:
            counts, note = True, f"{days} days, dose too low to fail"
        else:
            word = "adequate" if days >= rules.min_days else "too short to fail"
            counts, note = True, f"{days} days until its end or switch: {word}"
        lines.append((start, end, "trial", trials.drugs[drug], counts, note))
    return lines


def _added(phenotype: Phenotype, cohort: Cohort, row: int) -> list[Line]:
    # Read for this only where the definition itself needed them.
    if "adjuncts" not in cohort.__dict__:
        return []
    table = cohort.adjuncts
    markers, rule = phenotype.definition.markers, phenotype.definition.resistant
    used: set[str] = set()
    for holder in (markers, rule):
        for name in ("procedures", "drugs", "augmentation", "steps", "immediate", "markers"):
            used.update(getattr(holder, name, ()))
    own = table[table["row"] == row]
    lines: list[Line] = []
    for each in own.itertuples():
        counts = bool({each.name, each.drug_class} & used)
        dates = to_dates(np.array([each.start, each.end], dtype=np.int64))
        note = "" if counts else "no part of this definition"
        lines.append((dates[0], dates[1], "added", f"{each.kind}: {each.name}", counts, note))
    return lines


def _decision(phenotype: Phenotype, row: int) -> list[Line]:
    own = phenotype.table.iloc[row]
    lines: list[Line] = []
    for column, text in (
        ("mdd_known_date", "diagnoses are enough for depression"),
        ("resistant_date", phenotype.definition.resistant.text),
        ("exclusion_date", "first excluding diagnosis"),
    ):
        if pd.notna(own[column]):
            lines.append((own[column], pd.NaT, "decision", text, True, ""))
    last = pd.NaT
    lines.append((last, pd.NaT, "decision", str(own["phenotype"]), True, str(own["reason"])))
    return lines
