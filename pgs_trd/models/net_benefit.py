"""Decision curves: what treating by a probability is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.calibration import read_probabilities
from pgs_trd.models.inputs import Matrix, Vector
from pgs_trd.models.wald import check_confidence, wald_columns

THRESHOLDS = tuple(np.arange(1, 51) / 100)


def decision_curve(
    outcome: Vector,
    probabilities: Matrix,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give the net benefit of acting on everybody whose probability reaches a threshold.

    The threshold says how many needless acts one needed act is worth: at 0.1, nine. The
    net benefit is in needed acts a person. The sample must be the population in which one
    would act: where cases were sampled more often than they occur, it is not. In-sample
    probabilities make it too good; `predict_cases` with folds gives others.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    probabilities : (n_people, n_models)
        Strictly between 0 and 1; NaN is missing.
    thresholds
        Strictly between 0 and 1.
    confidence
        Coverage of the intervals.

    Returns
    -------
    curve
        One row a column and threshold: `model`, `threshold`, `n`, `n_cases`, `share_acted`
        (who reach it), `sensitivity`, `specificity`; `net_benefit` = true positives / n -
        false positives / n x t / (1 - t) [1]_, with `se`, `ci_low`, `ci_high`;
        `net_benefit_all`, of acting on everybody (on nobody it is 0); `gain`, what the
        model has over the better of these two. Errors take the probabilities as given.

    Raises
    ------
    UsageError
        If a threshold is not strictly between 0 and 1.
    ModelDataError
        If a probability is not strictly between 0 and 1.

    References
    ----------
    .. [1] Vickers and Elkin (2006) Medical Decision Making 26:565.

    Examples
    --------
    >>> curve = decision_curve([1, 0, 0, 1], [[0.9], [0.6], [0.1], [0.4]], thresholds=[0.5])
    >>> curve[["share_acted", "net_benefit", "net_benefit_all"]].values.tolist()
    [[0.5, 0.0, 0.0]]
    """
    check_confidence(confidence)
    at = np.asarray(thresholds, dtype=np.float64)
    n_wrong = int(np.sum(~((at > 0) & (at < 1))))
    if n_wrong or not len(at):
        raise UsageError(
            f"thresholds: {n_wrong:,} of {len(at):,} are not strictly between 0 and 1, "
            "and at least one is needed"
        )
    y, columns = read_probabilities(outcome, probabilities)
    parts = []
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        complete = ~np.isnan(y) & ~np.isnan(values)
        numbers = _net_benefit(y[complete], values[complete], at)
        interval = wald_columns(numbers["net_benefit"], numbers["se"], confidence=confidence)
        numbers |= {"ci_low": interval["ci_low"], "ci_high": interval["ci_high"]}
        parts.append(pd.DataFrame({"model": name, "threshold": at} | numbers))
    table = pd.concat(parts, ignore_index=True)
    order = ["model", "threshold", "n", "n_cases", "share_acted", "sensitivity", "specificity"]
    order += ["net_benefit", "se", "ci_low", "ci_high", "net_benefit_all", "gain"]
    return table[order]


def _net_benefit(
    outcome: FloatArray, probability: FloatArray, thresholds: FloatArray
) -> dict[str, FloatArray]:
    """Count who reach each threshold by sorting, and weigh them; NaN without people."""
    n, n_cases = len(outcome), int(outcome.sum())
    true = n_cases - np.searchsorted(np.sort(probability[outcome == 1]), thresholds)
    false = (n - n_cases) - np.searchsorted(np.sort(probability[outcome == 0]), thresholds)
    cost = thresholds / (1 - thresholds)
    with np.errstate(divide="ignore", invalid="ignore"):
        benefit = (true - cost * false) / n
        of_all = (n_cases - cost * (n - n_cases)) / n
        variance = ((true + cost**2 * false) / n - benefit**2) / n
        return {
            "n": np.full(len(thresholds), n),
            "n_cases": np.full(len(thresholds), n_cases),
            "share_acted": (true + false) / np.float64(n),
            "sensitivity": true / np.float64(n_cases),
            "specificity": 1 - false / np.float64(n - n_cases),
            "net_benefit": benefit,
            "se": np.sqrt(np.maximum(variance, 0.0)),
            "net_benefit_all": of_all,
            "gain": benefit - np.maximum(of_all, 0.0),
        }
