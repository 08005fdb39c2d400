"""The rules on trials: who failed which, and when resistance was reached."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.phenotype.definition import ResistantRule

TRIAL_COLUMNS = ("person_id", "trial", "ingredient", "start_date", "end_date", "switch_date")


def resistance_dates(trials: pd.DataFrame, rule: ResistantRule, *, min_days: int) -> pd.Series:
    """Give the day each person became resistant.

    That is the start of a drug that follows `rule.n_failures` adequate trials of
    different drugs, itself different from them, all in one line of treatment.
    Each trial is judged by what was known when the next of the chain began:
    min(its end, that start) less its start is at least `min_days`. Drugs begun on
    one day are no sequence: a combination is one step.

    Parameters
    ----------
    trials
        Those that count, with `TRIAL_COLUMNS`.

    Returns
    -------
    Series
        Dates by person id; people who never were resistant are not in it.
    """
    lines = trials.assign(line=treatment_lines(trials, link_days=rule.link_days))
    n_drugs = lines.groupby(["person_id", "line"])["ingredient"].transform("nunique")
    lines = lines[n_drugs > rule.n_failures]
    keys = ["person_id", "line"]
    steps = lines[[*keys, "start_date", "end_date", "ingredient"]]
    chain = steps.rename(columns={"ingredient": "drug_0"})
    for place in range(1, rule.n_failures + 1):
        chain = _follow(chain, steps, keys, min_days=min_days, place=place)
    first: pd.Series = chain.groupby("person_id")["start_date"].min()
    return first.rename("resistant_date")


def _follow(
    chain: pd.DataFrame, steps: pd.DataFrame, keys: list[str], *, min_days: int, place: int
) -> pd.DataFrame:
    """Lengthen each chain by every trial that an adequate failure of its last can lead to."""
    joined = chain.merge(steps, on=keys, suffixes=("", "_next"))
    known_end = joined[["end_date", "start_date_next"]].min(axis=1)
    is_next = joined["start_date_next"] > joined["start_date"]
    is_next &= (known_end - joined["start_date"]).dt.days >= min_days
    for earlier in range(place):
        is_next &= joined["ingredient"] != joined[f"drug_{earlier}"]
    kept = joined[is_next].drop(columns=["start_date", "end_date"])
    return kept.rename(
        columns={
            "start_date_next": "start_date",
            "end_date_next": "end_date",
            "ingredient": f"drug_{place}",
        }
    )


def treatment_lines(trials: pd.DataFrame, *, link_days: int) -> pd.Series:
    """Give each trial the number of its line of treatment: 0, 1, ... in a person.

    A line goes on as long as a trial starts at most `link_days` after everything
    before it has ended.
    """
    ordered = trials.sort_values(["person_id", "start_date", "ingredient"], kind="stable")
    end = ordered["end_date"].astype("int64")
    reach = end.groupby(ordered["person_id"]).cummax()
    before = reach.groupby(ordered["person_id"]).shift(1)
    gap = (ordered["start_date"].astype("int64") - before) / pd.Timedelta(days=1).value
    opens = (gap > link_days).astype("int64")
    lines: pd.Series = opens.groupby(ordered["person_id"]).cumsum()
    return lines.reindex(trials.index)


def count_trials(trials: pd.DataFrame, *, min_days: int, link_days: int) -> pd.DataFrame:
    """Count each person's trials, adequate ones, failed ones and different drugs.

    Adequate: at least `min_days` up to its end or switch. Failed: adequate, and
    another drug began at most `link_days` after its end.

    Returns
    -------
    DataFrame
        Index ``person_id``; ``first_start``, ``n_trials``, ``n_adequate``,
        ``n_failed``, ``n_ingredients``.
    """
    known_end = trials[["end_date", "switch_date"]].min(axis=1)
    is_adequate = (known_end - trials["start_date"]).dt.days >= min_days
    wait = (trials["switch_date"] - trials["end_date"]).dt.days
    is_failed = is_adequate & (wait <= link_days)
    flagged = trials.assign(is_adequate=is_adequate, is_failed=is_failed)
    counts = flagged.groupby("person_id").agg(
        first_start=("start_date", "min"),
        n_trials=("trial", "size"),
        n_adequate=("is_adequate", "sum"),
        n_failed=("is_failed", "sum"),
        n_ingredients=("ingredient", "nunique"),
    )
    numbers = ["n_trials", "n_adequate", "n_failed", "n_ingredients"]
    return counts.astype(dict.fromkeys(numbers, np.int64))
