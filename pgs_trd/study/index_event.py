"""Index-event bias: the estimate among people with depression beside those that answer it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pgs_trd.models import CONTRASTS, encode_covariates, fit_weighted_for_selection, join_people
from pgs_trd.models.people import StratumPeople
from pgs_trd.report.results import AS_MAIN, HELD_FIXED
from pgs_trd.study.bias_inputs import CONTRAST, BiasInputs, NotPossibleError


def fit_index_event(inputs: BiasInputs) -> Iterator[pd.DataFrame]:
    """Fit resistant against responsive as it is, and in each way that answers the bias."""
    depression, causes = inputs.asked.mdd_score, inputs.asked.shared_causes or []
    if depression is None:
        raise NotPossibleError("the study file names no score of depression (bias.mdd_score)")
    columns = inputs.config.covariates.columns
    yield inputs.associate(AS_MAIN)
    if causes:
        yield inputs.associate(HELD_FIXED, covariate_columns=[*columns, *causes])
    others = inputs.scores.drop(columns=depression)
    if len(others.columns):
        held = inputs.scores[depression].rename("score held fixed").rename_axis("person_id")
        yield inputs.with_covariates(held.reset_index()).associate(
            "Depression score held fixed",
            scores=others,
            covariate_columns=[*columns, "score held fixed"],
        )
    yield _weighted(inputs, "Weighted, by the score", [])
    if causes:
        yield _weighted(inputs, "Weighted, shared causes too", causes)
    for contrast, words in (("trd_vs_none", "Resistant"), ("responsive_vs_none", "Responsive")):
        yield inputs.associate(f"{words} against none", contrast=contrast)


def _weighted(inputs: BiasInputs, approach: str, causes: list[str]) -> pd.DataFrame:
    """Weigh people with depression so that they stand for everybody; strata apart."""
    options = {name: value for name, value in inputs.shared.items() if name != "threads"}
    people = join_people(
        inputs.phenotype,
        inputs.scores,
        inputs.covariates,
        subject="phenotype table",
        extra_columns=causes,
        **options,
    )
    parts = [_weighted_stratum(part, inputs) for part in people.strata]
    return pd.concat(parts, ignore_index=True).assign(approach=approach, contrast=CONTRAST)


def _weighted_stratum(part: StratumPeople, inputs: BiasInputs) -> pd.DataFrame:
    outcome = CONTRASTS[CONTRAST].outcome(part.records)
    selected = CONTRASTS["mdd_vs_none"].outcome(part.records)
    known = part.covariates.notna().all(axis=1).to_numpy() & ~np.isnan(selected)
    encoded = encode_covariates(part.covariates[known])
    covariates = encoded.loc[:, encoded.nunique() > 1]
    scores = part.scores[known]
    fits = fit_weighted_for_selection(
        outcome[known],
        scores,
        covariates,
        selected=selected[known],
        predictors=covariates.assign(score=scores[inputs.asked.mdd_score], **part.extras[known]),
        threads=inputs.threads,
    )
    return fits.assign(stratum=part.label)
