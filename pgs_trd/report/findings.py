"""What stands out in the disclosed tables: the main contrast, the hits, the labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.text import log10_of_p

MAIN_CONTRASTS = ("trd_vs_responsive", "trd_vs_none", "mdd_vs_none")
ALPHA = 0.05
OTHER_DOMAIN = "other"
N_STRATIFIED = 6


@dataclass(frozen=True)
class Findings:
    """Estimates of one contrast with their labels, and what is significant.

    Attributes
    ----------
    table
        Pooled rows where there are any, else those of the only stratum; with
        trait, domain, log10_p (negative) and `is_significant` added.
    n_tests
        Number of scores planned, hidden and failed ones included.
    """

    contrast: str
    table: pd.DataFrame
    n_tests: int
    is_pooled: bool

    @property
    def alpha(self) -> float:
        """Bonferroni limit of the p-value."""
        return ALPHA / self.n_tests if self.n_tests else ALPHA

    @property
    def significant(self) -> pd.DataFrame:
        """Rows below the limit, the smallest p-value first."""
        return self.table[self.table["is_significant"]].sort_values("log10_p", kind="stable")


def find(study: DisclosedStudy, contrast: str | None = None) -> Findings | None:
    """Collect the association estimates of one contrast, by default the main one."""
    table = estimates(study.meta, study.association)
    if table.empty:
        return None
    present = list(dict.fromkeys(table["contrast"]))
    if contrast is None:
        contrast = next((name for name in MAIN_CONTRASTS if name in present), str(present[0]))
    rows = table[table["contrast"] == contrast]
    return None if rows.empty else _findings(rows, contrast, study, not study.meta.empty)


def find_all(study: DisclosedStudy) -> list[Findings]:
    """Collect the association estimates of every contrast, the main one first."""
    main = find(study)
    if main is None:
        return []
    names = dict.fromkeys(estimates(study.meta, study.association)["contrast"])
    others = [find(study, str(name)) for name in names if name != main.contrast]
    return [main, *(one for one in others if one is not None)]


def find_progression(study: DisclosedStudy) -> Findings | None:
    """Collect the hazard ratios of time to treatment resistance."""
    table = estimates(study.progression_meta, study.progression)
    if table.empty:
        return None
    return _findings(table, "time_to_trd", study, not study.progression_meta.empty)


def estimates(pooled: pd.DataFrame, strata: pd.DataFrame) -> pd.DataFrame:
    """Give the pooled rows, or the rows by stratum if there is one stratum only."""
    if not pooled.empty:
        return pooled
    if strata.empty or strata["stratum"].nunique() > 1:
        return pd.DataFrame()
    return strata


def _findings(
    rows: pd.DataFrame, contrast: str, study: DisclosedStudy, is_pooled: bool
) -> Findings:
    table = with_traits(rows.reset_index(drop=True), study.traits)
    table["log10_p"] = log10_p_column(table)
    n_tests = planned_tests(study, table)
    limit = np.log10(ALPHA / n_tests)
    table["is_significant"] = table["log10_p"] < limit
    return Findings(contrast, table, n_tests, is_pooled)


def planned_tests(study: DisclosedStudy, table: pd.DataFrame) -> int:
    """Give the number of scores that were planned: those of a table, failed ones too, or more."""
    planned = study.conventions.get("planned_scores") or 0
    return max(int(table["score"].nunique()), len(study.match_summary), int(planned))


def log10_p_column(table: pd.DataFrame) -> pd.Series:
    """Give log10 of the p-values, from `log10_p` where the table has it."""
    exact = table["log10_p"] if "log10_p" in table else pd.Series(np.nan, index=table.index)
    values = [log10_of_p(p, e) for p, e in zip(table["p_value"], exact, strict=True)]
    return pd.Series(values, index=table.index, dtype=float)


def with_traits(table: pd.DataFrame, traits: pd.DataFrame) -> pd.DataFrame:
    """Add trait and domain of each score; a score nobody named keeps its own name."""
    labelled = table.drop(columns=[c for c in ("trait", "domain") if c in table.columns])
    if traits.empty:
        return labelled.assign(trait=labelled["score"], domain=OTHER_DOMAIN)
    known = traits.drop_duplicates("score").set_index("score")
    labelled["trait"] = labelled["score"].map(known["trait"]).fillna(labelled["score"])
    labelled["domain"] = labelled["score"].map(known["domain"]).fillna(OTHER_DOMAIN)
    return labelled


def important_scores(study: DisclosedStudy, findings: Findings) -> list[str]:
    """Give the scores worth a look by stratum: the planted ones, else the smallest p-values."""
    ranked = findings.table.dropna(subset=["beta"]).sort_values("log10_p", kind="stable")
    if study.truth is not None and not study.truth.empty:
        planted = study.truth.loc[study.truth["beta"] != 0, "score"]
        chosen = [score for score in dict.fromkeys(planted) if score in set(ranked["score"])]
        if chosen:
            return chosen[:N_STRATIFIED]
    return list(ranked["score"][:N_STRATIFIED])


def compare_planted(study: DisclosedStudy) -> pd.DataFrame:
    """Put the planted effects of a simulated study beside the estimates.

    Returns
    -------
    DataFrame
        score, trait, contrast, planted_beta, beta, ci_low, ci_high, `is_covered`:
        whether the interval holds the planted effect. Empty for real data.
    """
    table = estimates(study.meta, study.association)
    if study.truth is None or study.truth.empty or table.empty:
        return pd.DataFrame()
    planted = study.truth.rename(columns={"beta": "planted_beta"})
    joined = planted.merge(
        table[["contrast", "score", "beta", "ci_low", "ci_high"]], on=["contrast", "score"]
    )
    within = (joined["ci_low"] <= joined["planted_beta"]) & (
        joined["planted_beta"] <= joined["ci_high"]
    )
    return joined.assign(is_covered=within.where(joined["beta"].notna()).astype(object))
