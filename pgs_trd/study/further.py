"""What a report shows besides its main tables: groups, competing events, tests of hazards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.models import (
    CONTRASTS,
    cumulative_incidence,
    encode_covariates,
    join_people,
    odds_by_group,
)
from pgs_trd.report import FurtherTable
from pgs_trd.study.sections import Covariates
from pgs_trd.tables import read_table

GROUPS = "odds_by_group"
WITHIN = "within_groups"
HAZARDS = "proportional_hazards"
GRID_DAYS = 30.0
MOST_SCORES = 4
GLOBAL = "GLOBAL"
CAUSES = ("trd", "death", "bipolar_or_psychosis")


def choose_scores(pooled: pd.DataFrame, contrast: str, truth: pd.DataFrame | None) -> list[str]:
    """Give the scores whose groups are worth a look: planted ones, else the smallest p-values."""
    rows = pooled[(pooled["contrast"] == contrast) & pooled["beta"].notna()]
    ranked = list(rows.sort_values("p_value", kind="stable")["score"])
    planted: list[str] = []
    if truth is not None:
        known = truth[(truth["contrast"] == contrast) & (truth["beta"] != 0)]
        planted = [score for score in dict.fromkeys(known["score"]) if score in set(ranked)]
    return (planted or ranked)[:MOST_SCORES]


def odds_of_groups(
    phenotype: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame,
    chosen: Covariates,
    *,
    contrast: str,
    names: list[str],
    threshold: int,
) -> FurtherTable | None:
    """Fit odds by tenth of some scores, all strata in one model; by fifth where people are few.

    Groups are those of the rank within the stratum, and each stratum has a level of its
    own, so that they do not differ in ancestry. They are fifths where a tenth of the cases or
    of the controls would be less than twice the threshold of the disclosure control.

    Returns
    -------
    FurtherTable or None
        Rows score x group; None where there is no score, or nobody of the contrast.
    """
    if not names:
        return None
    people = join_people(
        phenotype,
        scores[names],
        covariates,
        subject="phenotype table",
        stratum=chosen.stratum,
        strata=chosen.strata,
        covariate_columns=chosen.columns,
        standardise="none",
    )
    parts = people.strata
    outcome = np.concatenate([CONTRASTS[contrast].outcome(part.records) for part in parts])
    label = pd.Series(np.repeat([part.label for part in parts], [len(p.records) for p in parts]))
    ranks = pd.concat([part.scores.rank(pct=True) for part in parts], ignore_index=True)
    given = pd.concat([part.covariates for part in parts], ignore_index=True)
    known = ~np.isnan(outcome) & given.notna().all(axis=1).to_numpy()
    if not known.any():
        return None
    encoded = encode_covariates(given.assign(stratum=label)[known])
    adjusted = encoded.loc[:, encoded.nunique() > 1]
    n_cases = int(outcome[known].sum())
    n_fewest = min(n_cases, int(known.sum()) - n_cases)
    n_groups = 10 if n_fewest / 10 >= 2 * threshold else 5
    cuts = [100.0 * number / n_groups for number in range(1, n_groups)]
    try:
        table = odds_by_group(outcome[known], ranks[known], adjusted, cuts=cuts, reference="bottom")
    except DataError:
        return None
    table["contrast"] = contrast
    table["group"] = table["group"].astype(str)
    table["n_controls"] = table["n"] - table["n_cases"]
    return FurtherTable(
        name=GROUPS,
        section="Odds by group",
        caption="Odds against the lowest group of each score, all strata in one model.",
        table=table,
        text=("score", "contrast", "group", "status"),
        numbers=("beta", "se", "ci_low", "ci_high", "p_value"),
        counts=("n_cases", "n_controls"),
        groups=("score",),
    )


def hazards_table(tests: Path) -> FurtherTable | None:
    """Give the tests of proportional hazards of every score, if they were made."""
    if not tests.is_file():
        return None
    table = read_table(tests)
    is_global = table["term"] == GLOBAL
    keys = ["stratum", "score"]
    whole = table.loc[is_global, [*keys, "p_value"]].rename(
        columns={"p_value": "p_value_all_terms"}
    )
    rows = table[~is_global].merge(whole, on=keys, how="left")
    return FurtherTable(
        name=HAZARDS,
        section="Proportional hazards",
        caption="Tests of proportional hazards: of the score, and of all terms of its model.",
        table=rows,
        text=("stratum", "score", "status"),
        numbers=("chi2", "p_value", "p_value_all_terms"),
    )


def within_table(folder: Path, column: str | None) -> FurtherTable | None:
    """Give the estimates within each value of a covariate, with the test of its interaction.

    Parameters
    ----------
    folder
        Where `repeat_within` wrote.
    column
        The covariate; None if the study asked for none.
    """
    if column is None or not (folder / "within.parquet").is_file():
        return None
    table = read_table(folder / "within.parquet")
    tests = read_table(folder / "interaction.parquet")
    keys = ["contrast", "score"]
    # Of several terms no single one is the test of the interaction.
    single = tests[~tests.duplicated(keys, keep=False)]
    single = single[[*keys, "p_value"]].rename(columns={"p_value": "p_value_interaction"})
    rows = table.merge(single, on=keys, how="left", validate="many_to_one")
    rows["n_others"] = rows["n"] - rows["n_events"]
    rows = rows.sort_values([*keys, "within"], kind="stable").reset_index(drop=True)
    return FurtherTable(
        name=WITHIN,
        section=f"By {column.replace('_', ' ')}",
        caption=f"Estimates within each value of {column}, pooled over strata, and the test of "
        "its interaction with the score.",
        table=rows,
        text=("score", "contrast", "within", "status"),
        numbers=("beta", "se", "ci_low", "ci_high", "p_value", "p_value_interaction"),
        counts=("n_events", "n_others"),
        groups=("score", "contrast"),
    )


def incidence_of_causes(follow_up: pd.DataFrame, scored: pd.Index) -> pd.DataFrame:
    """Estimate the incidence of resistance and of what competes with it, among the scored.

    Returns
    -------
    DataFrame
        As `StudyResults.incidence`. Empty if nobody has an event.
    """
    used = follow_up[
        (follow_up["status"] == "at_risk")
        & follow_up["exit_days"].notna()
        & follow_up["person_id"].isin(scored)
    ]
    code = used["end_reason"].map({name: n for n, name in enumerate(CAUSES, 1)}).fillna(0)
    if used.empty or not (code > 0).any():
        return pd.DataFrame()
    entry, leave = used["entry_days"].to_numpy(float), used["exit_days"].to_numpy(float)
    days = np.arange(0.0, leave.max() + GRID_DAYS, GRID_DAYS)
    curves = cumulative_incidence(leave, code.to_numpy(float), days=days.tolist(), entry=entry)
    at_risk = np.array([np.sum((entry < day) & (leave >= day)) for day in days])
    parts = []
    for number in sorted(set(curves["cause"])):
        rows = curves[curves["cause"] == number]
        times = np.sort(leave[code.to_numpy() == number])
        so_far = np.searchsorted(times, days, side="right")
        parts.append(
            rows.assign(group=CAUSES[number - 1], n_at_risk=at_risk, n_events_so_far=so_far)
        )
    columns = ["group", "days", "incidence", "ci_low", "ci_high", "n_at_risk", "n_events_so_far"]
    found: pd.DataFrame = pd.concat(parts, ignore_index=True)[columns]
    return found
