"""What every score is worth in every stratum and contrast of a study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.cells import Cell, score_blocks
from pgs_trd.models.contrasts import CONTRASTS
from pgs_trd.models.explained import explained_variation
from pgs_trd.models.liability import PREVALENCES, liability_table
from pgs_trd.models.odds_by_group import DECILES, Reference, odds_by_group
from pgs_trd.models.plans import make_plan
from pgs_trd.models.prediction_quality import prediction_quality
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.splines import Splines
from pgs_trd.tables import require_columns

QUALITY_TABLES = ("prediction", "liability", "groups")


def judge_scores(
    phenotype_table: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    contrasts: Sequence[str] = ("trd_vs_responsive",),
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    splines: Splines | None = None,
    related: pd.DataFrame | None = None,
    folds: int = 0,
    seed: int = 1,
    prevalence: Sequence[float] = PREVALENCES,
    cuts: Sequence[float] = DECILES,
    reference: Reference = "middle",
    confidence: float = 0.95,
    threads: int | None = None,
) -> dict[str, pd.DataFrame]:
    """Judge every score in every stratum and contrast.

    Parameters
    ----------
    phenotype_table, scores, covariates
        As `associate` takes them.
    contrasts
        Names among `CONTRASTS`.
    stratum, strata, covariate_columns, splines, related
        As `associate` takes them. Relatives are left out, controls before cases.
    folds, seed
        0 predicts the people of the fit; see `prediction_quality`. The seed draws the folds,
        the same ones for all scores that the same people have.
    prevalence
        Of the cases among cases and controls of the contrast, for the liability.
    cuts, reference
        Groups of a score, see `odds_by_group`.
    confidence
        Coverage of the intervals.
    threads
        At most so many.

    Returns
    -------
    tables
        "prediction" (see `prediction_quality`), "liability" (see `liability_table`) and
        "groups" (see `odds_by_group`); each with `stratum` and `contrast` before,
        `dropped_covariates` behind, and `n_related` if relatives were given. None of them
        has one row a person.

    Raises
    ------
    UsageError
        If a contrast or an option is unknown.
    DataError
        If tables lack columns, or nobody is in all of them.
    """
    unknown = [name for name in contrasts if name not in CONTRASTS]
    if unknown or isinstance(contrasts, str) or not contrasts:
        raise UsageError(f"contrasts must be a list of names among {', '.join(CONTRASTS)}")
    require_columns(phenotype_table, ["person_id", "phenotype", "is_mdd"], "phenotype table")
    plan = make_plan(
        phenotype_table,
        scores,
        covariates,
        subject="phenotype table",
        stratum=stratum,
        strata=strata,
        covariate_columns=covariate_columns,
        standardise="stratum",
        reference=None,
        splines=splines,
        related=related,
    )
    cells = [
        plan.cell(part, ~np.isnan(outcome), outcome == 1, contrast=name)
        for part in plan.people.strata
        for name in contrasts
        for outcome in [CONTRASTS[name].outcome(part.records)]
    ]
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in QUALITY_TABLES}
    for place, block, _ in score_blocks(cells):
        cell = cells[place]
        given = (_outcome(cell), block, cell.covariates)
        rng = np.random.default_rng(seed) if folds else None
        explained = explained_variation(*given, threads=threads)
        found = {
            "prediction": prediction_quality(
                *given, folds=folds, rng=rng, confidence=confidence, threads=threads
            ),
            "liability": liability_table(explained, prevalence=prevalence, confidence=confidence),
            "groups": odds_by_group(
                *given, cuts=cuts, reference=reference, confidence=confidence, threads=threads
            ),
        }
        for name, table in found.items():
            parts[name].append(_label(table, cell, place))
    return {name: _stack(tables) for name, tables in parts.items()}


def _outcome(cell: Cell) -> FloatArray:
    """Give 1 for cases, 0 for controls, NaN for who is in neither or lacks a covariate."""
    outcome = CONTRASTS[cell.labels["contrast"]].outcome(cell.part.records)
    return np.where(cell.complete, outcome, np.nan)


def _label(table: pd.DataFrame, cell: Cell, place: int) -> pd.DataFrame:
    """Put labels before the rows of one cell, and what was left out behind."""
    for position, (name, value) in enumerate(cell.labels.items()):
        table.insert(position, name, value)
    if not cell.complete.any() and "reason" in table:
        table["reason"] = cell.explain_nobody()
    if cell.n_related is not None:
        table["n_related"] = cell.n_related
    table["dropped_covariates"] = "; ".join(cell.dropped)
    table.index = pd.Index([place] * len(table))
    return table


def _stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables by cell, whatever blocks of scores they came in; keep the header."""
    stacked = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
    stacked.attrs["conventions"] = tables[0].attrs["conventions"]
    return stacked
