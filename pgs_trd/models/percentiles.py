"""What a model says of a high score against a low one: survival of the same people at both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.cox_model import CoxModel
from pgs_trd.models.wald import check_confidence, wald_columns


def percentile_contrast(
    model: CoxModel,
    term: str,
    *,
    days: Sequence[float],
    percentiles: tuple[float, float] = (20.0, 80.0),
    stratum: object = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Contrast survival at two percentiles of a term, standardised over the model's people.

    Everybody of the fit is given the one and then the other value, all else as it is,
    and the predicted curves are averaged.

    Parameters
    ----------
    model
        With status "ok" or "firth".
    term
        A column of the model, such as the score.
    days
        When to compare.
    percentiles
        Low and high, in [0, 100], of the term among the people of the fit.
    stratum
        Whose baseline hazard; needed if the model has strata.
    confidence
        Coverage of the intervals.

    Returns
    -------
    contrast
        One row a day: `days`, `survival_low`, `survival_high`, `difference` (high less
        low), `se`, `ci_low`, `ci_high`, `p_value`, `log10_p` of the difference.
        `attrs["hazard_ratio"]` has `value_low`, `value_high`, `hazard_ratio`, `ci_low`,
        `ci_high`.

    Raises
    ------
    UsageError
        If the model has no estimates or no such term.
    """
    check_confidence(confidence)
    names = model.coefficients["term"].tolist()
    if term not in names:
        raise UsageError(f"term is {term!r}: the model has {len(names)} others")
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise UsageError(f"percentiles are {percentiles}: low before high, within 0 and 100")
    place = names.index(term)
    columns = model.people_columns()
    ends = np.percentile(columns[:, place], [low, high])
    at = np.asarray(days, dtype=np.float64)
    curves, pulls = [], []
    for value in ends:
        columns[:, place] = value
        curve, pull = model.standardised_survival(columns, at, stratum=stratum)
        curves.append(curve)
        pulls.append(pull)
    difference = curves[1] - curves[0]
    se = np.sqrt(_variance(model, pulls[1] - pulls[0]))
    table = pd.DataFrame(
        {
            "days": at,
            "survival_low": curves[0],
            "survival_high": curves[1],
            **wald_columns(difference, se, confidence=confidence),
        }
    ).rename(columns={"beta": "difference"})
    table.attrs["hazard_ratio"] = _ratio(model, place, ends, confidence)
    return table


def _variance(model: CoxModel, pull: FloatArray) -> FloatArray:
    """Give variances from pulls (n_days, n_terms + 1): of the coefficients, and of the hazard."""
    covariance = model.covariance.to_numpy()
    spread = np.einsum("di,ij,dj->d", pull[:, :-1], covariance, pull[:, :-1])
    return np.asarray(spread + pull[:, -1] ** 2)


def _ratio(model: CoxModel, place: int, ends: FloatArray, confidence: float) -> dict[str, float]:
    apart = float(ends[1] - ends[0])
    beta = apart * float(model.coefficients["beta"].iloc[place])
    width = float(ndtri(0.5 + confidence / 2)) * apart * float(model.coefficients["se"].iloc[place])
    return {
        "value_low": float(ends[0]),
        "value_high": float(ends[1]),
        "hazard_ratio": float(np.exp(beta)),
        "ci_low": float(np.exp(beta - width)),
        "ci_high": float(np.exp(beta + width)),
    }
