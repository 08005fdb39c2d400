"""Scores placed in the distribution of the most similar group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.ancestry.distance import check_people, check_shared
from pgs_trd.errors import DataError


def adjust_within_groups(
    scores: pd.DataFrame,
    groups: pd.Series[str],
    training_scores: pd.DataFrame,
    training_groups: pd.Series[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Place each score in the distribution of the most similar reference group.

    Parameters
    ----------
    scores : (n_people, n_scores)
        Index `person_id`.
    groups : (n_people,)
        Such as ``most_similar`` or ``ancestry`` of `assign_ancestry`. People whose group
        is missing, or none of the training groups, get no numbers.
    training_scores, training_groups
        The same of the people of the reference or of controls.

    Returns
    -------
    z : (n_people, n_scores)
        Less the mean of the group, over its standard deviation (over n - 1).
    percentile : (n_people, n_scores)
        Share of the group with a lower score, in [0, 1]; equal scores count half.

    Raises
    ------
    DataError
        If a person has two groups, nobody with scores has a group, or the training scores
        lack a score.
    """
    check_people("the groups", groups)
    check_people("the groups to fit in", training_groups)
    check_shared("the scores", scores.index, "the groups", groups.index)
    check_shared(
        "the training scores", training_scores.index, "their groups", training_groups.index
    )
    absent = [str(name) for name in scores.columns if name not in training_scores.columns]
    if absent:
        raise DataError(f"the training scores lack {len(absent)} of {scores.shape[1]} scores")
    groups = groups.reindex(scores.index)
    training_groups = training_groups.reindex(training_scores.index)
    z = pd.DataFrame(np.nan, index=scores.index, columns=scores.columns)
    percentile = z.copy()
    for name in training_groups.dropna().unique():
        inside = (groups == name).to_numpy(dtype=bool, na_value=False)
        if not inside.any():
            continue
        members = training_scores.loc[
            (training_groups == name).to_numpy(dtype=bool, na_value=False)
        ]
        spread = members.std()
        z.loc[inside] = (scores[inside] - members.mean()) / spread.where(spread > 0)
        for score in scores.columns:
            column = np.sort(members[score].dropna().to_numpy(dtype=np.float64))
            values = scores.loc[inside, score].to_numpy(dtype=np.float64)
            below = np.searchsorted(column, values, side="left")
            up_to = np.searchsorted(column, values, side="right")
            share = (below + up_to) / (2 * len(column)) if len(column) else np.nan * values
            percentile.loc[inside, score] = np.where(np.isnan(values), np.nan, share)
    return z, percentile
