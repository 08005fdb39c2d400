"""Associate every score with every contrast in every stratum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.cells import Cell, fit_cells, stack_cells
from pgs_trd.models.contrasts import CONTRASTS
from pgs_trd.models.logistic import LogisticErrors, LogisticMethod, fit_logistic
from pgs_trd.models.people import JoinedPeople, Standardise
from pgs_trd.models.plans import MIN_EVENTS_PER_PARAMETER, Plan, make_plan
from pgs_trd.models.score_tables import ScoreTable
from pgs_trd.models.splines import Splines
from pgs_trd.models.term_fits import Interval
from pgs_trd.tables import require_columns

DEFAULT_CONTRASTS = ("trd_vs_responsive", "mdd_vs_none", "trd_vs_none")


def associate(
    phenotype_table: pd.DataFrame | Mapping[str, pd.DataFrame],
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    contrasts: Sequence[str] = DEFAULT_CONTRASTS,
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
    reference: pd.DataFrame | None = None,
    splines: Splines | None = None,
    within: str | None = None,
    interaction: str | Sequence[str] | None = None,
    related: pd.DataFrame | None = None,
    method: LogisticMethod = "auto",
    se: LogisticErrors = "model",
    cluster: str | None = None,
    interval: Interval = "wald",
    confidence: float = 0.95,
    min_events_per_parameter: float = MIN_EVENTS_PER_PARAMETER,
    threads: int | None = None,
    part: bool = False,
) -> pd.DataFrame:
    """Fit one logistic model for every stratum, contrast and score.

    Parameters
    ----------
    phenotype_table
        One row a person: `person_id`, `phenotype` ("no_mdd", "responsive", "trd",
        "neither"), `is_mdd`. Several tables by the name of their definition give a
        column `definition`.
    scores
        Index is the person id, one column a score; or a `ScoreTable`, of which some
        columns are read at a time.
    covariates
        `person_id`, the stratum column, and what to adjust for. Sex as text is 0/1,
        other text becomes dummies of the levels that occur.
    contrasts
        Names among `CONTRASTS`.
    stratum, strata
        Column that holds the stratum (None: all people as one), and the labels to use
        (None: all of them).
    covariate_columns
        Columns to adjust for; None is every column that has no other part here.
        A column that is constant among the complete cases of a contrast is left out
        there and named in `dropped_covariates`.
    standardise, reference
        What the unit of a score is. "stratum": the standard deviation among all people
        of the stratum with scores and covariates, cases or not. "controls": that among
        the controls of each model. "reference": by `reference`, a table with `score`,
        `score_mean`, `score_sd`, and `stratum` if they differ. "none": as given.
    splines
        Covariates that enter as restricted cubic splines with 4 knots, or names with a
        number of knots from 3 to 7; knots are at Harrell's quantiles of the people of
        each contrast.
    within
        Column, such as sex, by whose values people are split: each has its own models,
        in the unit of the whole stratum.
    interaction
        Covariates that the score is multiplied with; rows and `term` as in `fit_logistic`.
    related
        Pairs of relatives, see `read_pairs`. Of each pair one is left out of a model,
        controls before cases; with `se="cluster"` nobody is, and families are clusters.
    method, interval, confidence, threads
        As in `fit_logistic`: Firth's fit takes the place of one without a finite
        maximum, and the status is "firth".
    se, cluster
        "model", "HC0", "HC1", "HC3" or "cluster", with a column of `covariates` as clusters.
    min_events_per_parameter
        With fewer of the rarer outcome per coefficient a row has the status
        `too_few_events` and no numbers; 0 asks for nothing.
    part
        Whether these are some strata, contrasts or definitions of a study, for
        `stack_estimates`: of a contrast that none of its strata has, rows have a status.

    Returns
    -------
    associations
        Rows (definition x) stratum (x within) x contrast x score: these, the columns of
        `fit_logistic`, `n_cases`, `n_controls`, `n_incomplete` (people of the contrast
        who lack the score or a covariate), `n_related` (left out as relatives, if any
        were given), `score_mean`, `score_sd`, `dropped_covariates`.
        `attrs["conventions"]` says how numbers were made, `attrs["people"]` counts the
        people lost in the join.

    Raises
    ------
    UsageError
        If a contrast, label or option is unknown, or options do not go together.
    DataError
        If nobody is in all tables, or no stratum has cases and controls of a contrast
        (but for a part). Raised before any model is fitted.
    """
    if isinstance(phenotype_table, Mapping):
        options = {name: value for name, value in locals().items() if name != "phenotype_table"}
        return _each_definition(phenotype_table, options)
    _check_contrasts(contrasts)
    require_columns(phenotype_table, ["person_id", "phenotype", "is_mdd"], "phenotype table")
    plan = make_plan(
        phenotype_table,
        scores,
        covariates,
        subject="phenotype table",
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
    )
    if not part:
        _refuse_empty_contrasts(plan.people, contrasts)
    cells = [
        plan.cell(part, ~np.isnan(outcome), outcome == 1, contrast=name)
        for part in plan.people.strata
        for name in contrasts
        for outcome in [CONTRASTS[name].outcome(part.records)]
    ]
    fit = partial(
        _fit,
        plan,
        method=method,
        se=se,
        interval=interval,
        confidence=confidence,
        min_events_per_parameter=min_events_per_parameter,
        threads=threads,
    )
    fits = fit_cells(cells, fit, interaction=plan.interaction, controls=_controls)
    for table in fits:
        place = list(table.columns).index("n_incomplete")
        table.insert(place, "n_cases", table["n_events"])
        table.insert(place + 1, "n_controls", table["n"] - table["n_events"])
    return stack_cells(
        fits, plan.people, min_events_per_parameter=min_events_per_parameter, **plan.header
    )


def _fit(plan: Plan, cell: Cell, scores: pd.DataFrame, **options: object) -> pd.DataFrame:
    """Fit some scores of one stratum and contrast."""
    outcome = np.where(cell.complete, _outcome(cell), np.nan)
    clusters = plan.clusters(cell.part)
    return fit_logistic(
        outcome,
        scores,
        cell.covariates,
        interaction=plan.interaction or None,
        cluster=clusters,
        **options,  # type: ignore[arg-type]  # as `associate` was given them
    )


def _outcome(cell: Cell) -> FloatArray:
    return CONTRASTS[cell.labels["contrast"]].outcome(cell.part.records)


def _controls(cell: Cell) -> BoolArray:
    """Mark the controls with covariates: they can make the unit of a score."""
    return np.asarray((_outcome(cell) == 0) & cell.complete)


def _each_definition(
    tables: Mapping[str, pd.DataFrame], options: Mapping[str, object]
) -> pd.DataFrame:
    """Associate each definition's classes, and stack the results."""
    if not tables:
        raise UsageError("phenotype_table is an empty mapping: give at least one definition")
    parts = []
    for name, table in tables.items():
        part = associate(table, **options)  # type: ignore[arg-type]  # as they were given
        part.insert(0, "definition", str(name))
        parts.append(part)
    stacked = pd.concat(parts, ignore_index=True)
    stacked.attrs = {
        "conventions": parts[0].attrs["conventions"],
        "people": {
            count: sum(part.attrs["people"][count] for part in parts)
            for count in parts[0].attrs["people"]
        },
    }
    return stacked


def _check_contrasts(contrasts: Sequence[str]) -> None:
    if isinstance(contrasts, str) or not contrasts:
        raise UsageError("contrasts must be a list of names, such as ['trd_vs_responsive']")
    unknown = [name for name in contrasts if name not in CONTRASTS]
    if unknown:
        raise UsageError(
            f"contrasts: unknown {', '.join(map(repr, unknown))}. There are: {', '.join(CONTRASTS)}"
        )


def _refuse_empty_contrasts(people: JoinedPeople, contrasts: Sequence[str]) -> None:
    """Raise one DataError for contrasts that no stratum has both groups of."""
    faults = []
    for name in contrasts:
        counts = []
        for part in people.strata:
            outcome = CONTRASTS[name].outcome(part.records)
            counts.append((int(np.sum(outcome == 1)), int(np.sum(outcome == 0))))
        if not any(cases and controls for cases, controls in counts):
            n_cases, n_controls = np.sum(counts, axis=0)
            faults.append(
                f"contrast {name!r}: no stratum has both; {n_cases:,} cases and "
                f"{n_controls:,} controls in all {len(counts)} strata"
            )
    if faults:
        raise DataError(
            f"{join_faults('association', faults)}\nLeave the contrast out, or check the definition"
        )
