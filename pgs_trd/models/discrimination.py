"""Area under the ROC curve with DeLong's errors, for many predictors at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import Matrix, People, Vector, read_binary, read_scores, read_vector
from pgs_trd.models.wald import check_confidence, wald_columns


@dataclass(frozen=True)
class Placements:
    """How each person is placed among those of the other outcome.

    Attributes
    ----------
    cases : (n_cases,)
        Share of the controls below each case, those equal to it counting half.
    controls : (n_controls,)
        Share of the cases above each control, those equal to it counting half.
    """

    cases: FloatArray
    controls: FloatArray

    @property
    def auc(self) -> float:
        """The probability that a case is above a control."""
        return float(self.cases.mean())

    def covariance(self, other: Placements) -> float:
        """Give the covariance of two areas among the same people; NaN with one case."""
        if min(len(self.cases), len(self.controls)) < 2:
            return float("nan")
        parts = ((self.cases, other.cases), (self.controls, other.controls))
        return float(
            sum(
                np.dot(one - one.mean(), two - two.mean()) / (len(one) - 1) / len(one)
                for one, two in parts
            )
        )


def place(outcome: FloatArray, predictor: FloatArray) -> Placements:
    """Place cases among controls and controls among cases by sorting [1]_.

    Parameters
    ----------
    outcome, predictor : (n_people,)
        Complete; at least one case and one control.

    References
    ----------
    .. [1] Sun and Xu (2014) IEEE Signal Processing Letters 21:1389.
    """
    cases, controls = predictor[outcome == 1], predictor[outcome == 0]
    return Placements(_share_below(cases, controls), 1.0 - _share_below(controls, cases))


def _share_below(points: FloatArray, others: FloatArray) -> FloatArray:
    ranked = np.sort(others)
    order = np.argsort(points)
    below = np.searchsorted(ranked, points[order], side="left")
    up_to = np.searchsorted(ranked, points[order], side="right")
    share = np.empty(len(points))
    share[order] = (below + up_to) / (2 * len(others))
    return share


def auc(
    outcome: Vector,
    predictors: Matrix,
    *,
    base: Vector | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give the area under the ROC curve of each predictor, and its gain over another one.

    A high predictor means a case; an area below 1/2 is not turned around. Errors are
    DeLong's [1]_: they take predictors as they are. For predictions of a model fitted to the
    same people the area is too high, and for `base` nested in that model the test of the
    gain is far too cautious, whatever its p-value [2]_: test the score's coefficient, and
    use the gain for its size. An area of 0 or 1 has the error 0, which says nothing.

    Parameters
    ----------
    outcome : (n_people,)
        1 for cases, 0 for controls, NaN for people who are out.
    predictors : (n_people, n_predictors)
        Scores, probabilities or linear predictors; NaN is missing.
    base : (n_people,)
        What each predictor is compared with, among the people who have both.
    confidence
        Coverage of the intervals.

    Returns
    -------
    areas
        One row a predictor: `predictor`, `n`, `n_cases`, `auc`, `se`, `ci_low`, `ci_high`
        (within 0 and 1), `status`; with `base` also `auc_base`, `gain`, `gain_se`,
        `gain_ci_low`, `gain_ci_high`, `p_value`, `log10_p`. NaN with status "no_events",
        "no_nonevents" or "no_complete_cases".

    Raises
    ------
    UsageError
        If the inputs disagree about the people.
    ModelDataError
        If the outcome has values other than 0 and 1.

    References
    ----------
    .. [1] DeLong, DeLong and Clarke-Pearson (1988) Biometrics 44:837.
    .. [2] Demler, Pencina and D'Agostino (2012) Statistics in Medicine 31:2577.

    Examples
    --------
    >>> areas = auc([0, 0, 0, 1, 1], [[0.1], [0.2], [0.5], [0.4], [0.9]])
    >>> areas.loc[0, "auc"].round(4)
    0.8333
    """
    check_confidence(confidence)
    people = People()
    columns = read_scores(people, predictors)
    y = read_binary(people, "outcome", outcome)
    other = None if base is None else read_vector(people, "base", base)
    rows = []
    for position, name in enumerate(columns.names):
        values = columns.block(position, position + 1)[:, 0]
        complete = ~np.isnan(y) & ~np.isnan(values)
        if other is not None:
            complete &= ~np.isnan(other)
        here = None if other is None else other[complete]
        row = compare_areas(y[complete], values[complete], here)
        rows.append({"predictor": name} | row)
    return _with_intervals(pd.DataFrame(rows), confidence, with_gain=base is not None)


def name_missing_group(outcome: FloatArray) -> str:
    """Give the status of people who are all cases, all controls, or nobody."""
    if not len(outcome):
        return "no_complete_cases"
    return "no_nonevents" if outcome.any() else "no_events"


def compare_areas(
    outcome: FloatArray,
    predictor: FloatArray,
    base: FloatArray | None,
    base_placements: Placements | None = None,
) -> dict[str, object]:
    """Give area and gain of one predictor with their errors; all inputs complete.

    `base_placements` spares placing `base` again where it serves many predictors.
    """
    n_cases = int(outcome.sum())
    row: dict[str, object] = {"n": len(outcome), "n_cases": n_cases, "status": "ok"}
    numbers = dict.fromkeys(("auc", "se", "auc_base", "gain", "gain_se"), float("nan"))
    if not 0 < n_cases < len(outcome):
        return row | numbers | {"status": name_missing_group(outcome)}
    one = place(outcome, predictor)
    variance = one.covariance(one)
    numbers |= {"auc": one.auc, "se": float(np.sqrt(variance))}
    if base is not None:
        two = base_placements or place(outcome, base)
        of_gain = variance + two.covariance(two) - 2 * one.covariance(two)
        numbers |= {
            "auc_base": two.auc,
            "gain": one.auc - two.auc,
            "gain_se": float(np.sqrt(max(of_gain, 0.0))),
        }
    return row | numbers


def _with_intervals(table: pd.DataFrame, confidence: float, *, with_gain: bool) -> pd.DataFrame:
    """Add Wald intervals and the test of the gain, in the order of the docstring."""
    area = wald_columns(table["auc"].to_numpy(), table["se"].to_numpy(), confidence=confidence)
    table["ci_low"] = np.clip(area["ci_low"], 0.0, 1.0)
    table["ci_high"] = np.clip(area["ci_high"], 0.0, 1.0)
    order = ["predictor", "n", "n_cases", "auc", "se", "ci_low", "ci_high"]
    if with_gain:
        for name, values in gain_columns(table, confidence).items():
            table[name] = values
        order += ["auc_base", "gain", "gain_se", "gain_ci_low", "gain_ci_high"]
        order += ["p_value", "log10_p"]
    table = table[[*order, "status"]]
    table.attrs["conventions"] = {
        "se": "DeLong",
        "interval": "Wald, within 0 and 1",
        "p_value": "two-sided, of a gain of 0",
        "confidence": confidence,
    }
    return table


def gain_columns(table: pd.DataFrame, confidence: float) -> dict[str, FloatArray]:
    """Give interval and test of the gain; a gain of 0 with an error of 0 has p = 1."""
    gain = table["gain"].to_numpy(dtype=np.float64)
    error = table["gain_se"].to_numpy(dtype=np.float64)
    columns = wald_columns(gain, error, confidence=confidence)
    same = (gain == 0) & (error == 0)
    return {
        "gain_ci_low": columns["ci_low"],
        "gain_ci_high": columns["ci_high"],
        "p_value": np.where(same, 1.0, columns["p_value"]),
        "log10_p": np.where(same, 0.0, columns["log10_p"]),
    }
