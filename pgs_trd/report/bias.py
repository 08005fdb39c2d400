"""What the estimates shown would be if something in the design errs.

Everything here is made from the estimates shown, so that it tells no more of people than
they do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.models import (
    calibrate_estimates,
    expected_index_event_bias,
    fit_empirical_null,
    misclassification_grid,
)
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.disclosure.counts import as_count
from pgs_trd.report.findings import Findings, find, important_scores

PPV = (1.0, 0.9, 0.8, 0.7)
NPV = (1.0, 0.9)
SHARED = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)
COLUMNS = [
    "score", "trait", "domain", "contrast", "ppv", "npv", "beta", "se", "ci_low", "ci_high",
]  # fmt: skip
ON_RESISTANCE, ON_DEPRESSION = "trd_vs_responsive", "mdd_vs_none"


def correct_for_misclassification(study: DisclosedStudy) -> pd.DataFrame:
    """Correct the main estimates for definitions whose cases and controls are partly wrong.

    Returns
    -------
    DataFrame
        Rows score x PPV x NPV of the main contrast: score, trait, domain, contrast, ppv, npv,
        and the log odds ratio with its error and interval, as
        `models.misclassification_grid` gives them. The scores are the planted ones, else
        those of the smallest p-values. Empty without estimates.
    """
    main = find(study)
    if main is None:
        return pd.DataFrame()
    chosen = important_scores(study, main)
    rows = main.table[main.table["score"].isin(chosen) & main.table["beta"].notna()]
    if rows.empty:
        return pd.DataFrame()
    names = ["score", "trait", "domain", "contrast", "beta", "se"]
    rows = rows.set_index("score").loc[[s for s in chosen if s in set(rows["score"])]]
    grid = misclassification_grid(rows.reset_index()[names], ppv=PPV, npv=NPV)
    order = grid["score"].map({score: place for place, score in enumerate(chosen)})
    grid = grid.assign(order=order).sort_values("order", kind="stable")
    return grid[COLUMNS].reset_index(drop=True)


@dataclass(frozen=True)
class ExpectedBias:
    """What a hidden shared cause would do to the score of depression.

    Attributes
    ----------
    table
        Rows: `shared`, the odds ratio of the cause on depression and on resistance, and
        `estimate`, the log odds ratio to which the score tends if it has no effect.
    main
        The estimate found.
    """

    table: pd.DataFrame
    main: pd.Series


def expect_index_event_bias(study: DisclosedStudy) -> ExpectedBias | None:
    """Work out index-event bias from the shares and the effect on depression that are shown.

    The effect on depression counts as that with the hidden cause held fixed.

    Returns
    -------
    ExpectedBias or None
        None without a score of depression, its estimates, or the class counts.
    """
    score = study.conventions.get("mdd_score")
    found = [_row(find(study, contrast), score) for contrast in (ON_RESISTANCE, ON_DEPRESSION)]
    shares = _shares(study)
    if found[0] is None or found[1] is None or shares is None:
        return None
    shared = [math.log(ratio) for ratio in SHARED]
    grid = expected_index_event_bias(
        prevalence=shares[0],
        outcome_share=shares[1],
        score_on_event=[float(found[1]["beta"])],
        shared_on_event=shared,
        shared_on_outcome=shared,
    )
    same = grid[grid["shared_on_event"] == grid["shared_on_outcome"]]
    table = pd.DataFrame({"shared": SHARED, "estimate": same["estimate"].to_numpy()})
    return ExpectedBias(table, found[0])


def _row(findings: Findings | None, score: object) -> pd.Series | None:
    if findings is None or score is None:
        return None
    rows = findings.table[(findings.table["score"] == score) & findings.table["beta"].notna()]
    return None if rows.empty else rows.iloc[0]


def _shares(study: DisclosedStudy) -> tuple[float, float] | None:
    """Give the shares of people with depression, and of those the resistant."""
    if study.class_counts.empty:
        return None
    total = study.class_counts.iloc[-1]
    counts = [as_count(total.get(name)) for name in ("trd", "responsive", "all", "no_mdd")]
    if not all(counts):
        return None
    trd, responsive, everybody, without = (count or 0 for count in counts)
    return (everybody - without) / everybody, trd / (trd + responsive)


@dataclass(frozen=True)
class Calibration:
    """The main estimates against what negative controls show.

    Attributes
    ----------
    table
        Rows score: trait, beta, se, p_value, `is_control`, `calibrated_p_value`.
    mean, sd
        Of the systematic error, in log odds.
    """

    table: pd.DataFrame
    mean: float
    sd: float


def calibrate_by_controls(study: DisclosedStudy) -> Calibration | None:
    """Calibrate the main estimates by scores that cannot act on resistance.

    Returns
    -------
    Calibration or None
        None without at least five controls that have an estimate.
    """
    main, names = find(study), study.conventions.get("negative_controls") or []
    if main is None or not names:
        return None
    shown = main.table[main.table["beta"].notna()]
    is_control = shown["score"].isin(names)
    try:
        null = fit_empirical_null(shown[is_control])
    except DataError:
        return None
    calibrated = calibrate_estimates(shown, shown[is_control])
    columns = ["score", "trait", "beta", "se", "ci_low", "ci_high", "p_value"]
    table = calibrated[[*columns, "calibrated_p_value"]].assign(is_control=is_control)
    return Calibration(table.reset_index(drop=True), null.mean, null.sd)
