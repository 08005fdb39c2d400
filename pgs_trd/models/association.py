"""Associate every score with every contrast in every stratum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.arrays import BoolArray
from pgs_trd.models.contrasts import CONTRASTS
from pgs_trd.models.covariates import constant_columns, encode_covariates
from pgs_trd.models.logistic import LogisticErrors, LogisticMethod, fit_logistic
from pgs_trd.models.people import JoinedPeople, Standardise, StratumPeople, join_people
from pgs_trd.tables import require_columns

DEFAULT_CONTRASTS = ("trd_vs_responsive", "mdd_vs_none", "trd_vs_none")


def associate(
    phenotype_table: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame | None,
    *,
    contrasts: Sequence[str] = DEFAULT_CONTRASTS,
    stratum: str | None = "ancestry",
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
    method: LogisticMethod = "ml",
    se: LogisticErrors = "model",
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
) -> pd.DataFrame:
    """Fit one logistic model for every stratum, contrast and score.

    Parameters
    ----------
    phenotype_table
        One row a person: `person_id`, `phenotype` ("no_mdd", "responsive", "trd",
        "neither"), `is_mdd`.
    scores
        Index is the person id, one column a score.
    covariates
        `person_id`, the stratum column, and what to adjust for. Sex as text is 0/1,
        other text becomes dummies of the levels that occur.
    contrasts
        Names among `CONTRASTS`.
    stratum, strata
        Column that holds the stratum (None: all people as one), and the labels to use
        (None: all of them).
    covariate_columns
        Columns to adjust for; None is every column but `person_id` and the stratum.
        A column that is constant among the complete cases of a contrast is left out
        there and named in `dropped_covariates`.
    standardise
        "stratum": `beta` is per standard deviation of the score among all people of
        the stratum with scores and covariates, cases or not. "none": per unit.
    method, se, confidence, min_events_per_parameter
        As in `fit_logistic`; `se` is "model", "HC0" or "HC1".

    Returns
    -------
    associations
        Rows stratum x contrast x score: `stratum`, `contrast`, the columns of
        `fit_logistic`, `n_cases`, `n_controls`, `n_incomplete` (people of the contrast
        who lack the score or a covariate), `score_mean`, `score_sd`,
        `dropped_covariates`. `attrs["people"]` counts the people lost in the join.

    Raises
    ------
    UsageError
        If a contrast, label or option is unknown.
    DataError
        If nobody is in all tables, or a stratum has no cases or no controls for a
        contrast. Raised before any model is fitted.
    """
    _check_contrasts(contrasts, se)
    require_columns(phenotype_table, ["person_id", "phenotype", "is_mdd"], "phenotype table")
    people = join_people(
        phenotype_table,
        scores,
        covariates,
        subject="phenotype table",
        stratum=stratum,
        strata=strata,
        covariate_columns=covariate_columns,
        standardise=standardise,
    )
    _refuse_empty_groups(people, contrasts)
    parts = []
    for part in people.strata:
        for name in contrasts:
            outcome = CONTRASTS[name].outcome(part.records)
            included = ~np.isnan(outcome)
            adjusted, complete, dropped = usable_covariates(part, included)
            fits = fit_logistic(
                np.where(complete, outcome, np.nan),
                part.scores,
                adjusted,
                method=method,
                se=se,
                confidence=confidence,
                min_events_per_parameter=min_events_per_parameter,
            )
            fits["n_cases"] = fits["n_events"]
            fits["n_controls"] = fits["n"] - fits["n_events"]
            explain_missing(fits, part, included, complete)
            fits["n_incomplete"] = int(included.sum()) - fits["n"]
            parts.append(label_fits(fits, part, dropped, contrast=name))
    return stack_fits(parts, people, standardise)


def _check_contrasts(contrasts: Sequence[str], se: str) -> None:
    if isinstance(contrasts, str) or not contrasts:
        raise UsageError("contrasts must be a list of names, such as ['trd_vs_responsive']")
    unknown = [name for name in contrasts if name not in CONTRASTS]
    if unknown:
        raise UsageError(
            f"contrasts: unknown {', '.join(map(repr, unknown))}. There are: {', '.join(CONTRASTS)}"
        )
    if se == "cluster":
        raise UsageError("associate has no clusters: se is 'model', 'HC0' or 'HC1'")


def _refuse_empty_groups(people: JoinedPeople, contrasts: Sequence[str]) -> None:
    """Raise one DataError that names every stratum and contrast without a group."""
    faults = []
    for part in people.strata:
        for name in contrasts:
            outcome = CONTRASTS[name].outcome(part.records)
            n_cases, n_controls = int(np.sum(outcome == 1)), int(np.sum(outcome == 0))
            if not (n_cases and n_controls):
                faults.append(
                    f"stratum {part.label!r}, contrast {name!r}: {n_cases:,} cases and "
                    f"{n_controls:,} controls among {len(outcome):,} people"
                )
    if faults:
        labels = ", ".join(repr(part.label) for part in people.strata)
        raise DataError(
            f"{join_faults('association', faults)}\nEvery stratum needs both. Name the strata to "
            f"use with strata=[...] (there are {labels}), or leave the contrast out"
        )


def usable_covariates(
    part: StratumPeople, included: BoolArray
) -> tuple[pd.DataFrame, BoolArray, list[str]]:
    """Encode the covariates of one model, and leave out those that do not vary in it.

    Parameters
    ----------
    part
        The stratum.
    included : (n_people,)
        Whose outcome is known. Only the levels that occur among them give dummies.

    Returns
    -------
    covariates
        One row for each person of the stratum, NaN for those not complete.
    complete : (n_people,)
        Who is included and has all covariates, also those left out.
    dropped
        Names of the columns left out.
    """
    known = included & part.covariates.notna().all(axis=1).to_numpy()
    encoded = encode_covariates(part.covariates[known]).dropna()
    complete = known & part.covariates.index.isin(encoded.index)
    dropped = constant_columns(encoded)
    silent = [
        name
        for name in map(str, part.covariates.columns)
        if not any(column == name or column.startswith(f"{name}_") for column in encoded.columns)
    ]
    if not complete.any():
        # Nothing varies among nobody; that is not why there is no estimate.
        return encoded.reindex(part.covariates.index), complete, []
    kept = encoded.drop(columns=dropped).reindex(part.covariates.index)
    return kept, complete, [*silent, *dropped]


def explain_missing(
    fits: pd.DataFrame, part: StratumPeople, included: BoolArray, complete: BoolArray
) -> None:
    """Name in `reason` the covariate that leaves no complete cases, if one does."""
    if complete.any():
        return
    reason = "no complete cases: each person lacks some covariate"
    for name in part.covariates.columns:
        given = part.covariates.loc[included, [name]]
        # Text may be missing only once it is encoded, such as a sex of "unknown".
        encoded = encode_covariates(given)
        if given.isna().all(axis=None) or (encoded.shape[1] and encoded.isna().all(axis=None)):
            reason = f"no complete cases: covariate {str(name)!r} is missing for everybody"
            break
    fits["reason"] = reason


def label_fits(
    fits: pd.DataFrame, part: StratumPeople, dropped: Sequence[str], **labels: str
) -> pd.DataFrame:
    """Put stratum and labels before, scale and dropped covariates behind the fits."""
    for place, (name, value) in enumerate({"stratum": part.label, **labels}.items()):
        fits.insert(place, name, value)
    fits["score_mean"] = part.scale["score_mean"].to_numpy()
    fits["score_sd"] = part.scale["score_sd"].to_numpy()
    fits["dropped_covariates"] = "; ".join(dropped)
    return fits


def stack_fits(
    parts: Sequence[pd.DataFrame], people: JoinedPeople, standardise: str
) -> pd.DataFrame:
    """Stack the fits of all strata, with the header of the first."""
    table = pd.concat(parts, ignore_index=True)
    table.attrs["conventions"] = {**parts[0].attrs["conventions"], "standardise": standardise}
    table.attrs["people"] = people.counts
    return table
