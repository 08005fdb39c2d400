"""What pooled estimates say in other units: allowing for many tests, and between percentiles."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from pgs_trd.models import adjust_p_values
from pgs_trd.report.cells import Cell, Row
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.disclosure.estimates import TIME_TO_TRD
from pgs_trd.report.findings import planned_tests
from pgs_trd.report.published import P80_P20
from pgs_trd.report.text import format_ratio

ADJUSTED = ("p_bonferroni", "p_bh")
PERCENTILES = ("ratio_80_20", "ratio_80_20_low", "ratio_80_20_high")


def with_adjusted(table: pd.DataFrame, study: DisclosedStudy) -> pd.DataFrame:
    """Add p-values adjusted for the scores planned, and hazard ratios between percentiles.

    Parameters
    ----------
    table
        Disclosed pooled rows: contrast, score, beta, ci_low, ci_high and p-values.
    study
        Where the number of planned scores stands.

    Returns
    -------
    DataFrame
        With `p_bonferroni` and `p_bh` (false discovery rate) within each contrast; for time
        to resistance, where scores have a standard deviation of 1, also `ratio_80_20` with
        its interval: of the 80th against the 20th percentile of a normal score.
    """
    if table.empty:
        return table
    parts = [
        adjust_p_values(rows, methods=["bonferroni", "bh"], n_planned=planned_tests(study, rows))
        for _, rows in table.groupby("contrast", sort=False)
    ]
    adjusted = pd.concat(parts)
    shown = table.assign(**{name: adjusted[name] for name in ADJUSTED})
    in_sds = study.conventions.get("standardise") != "none"
    if in_sds and (shown["contrast"] == TIME_TO_TRD).all():
        for name, end in zip(PERCENTILES, ("beta", "ci_low", "ci_high"), strict=True):
            shown[name] = np.exp(shown[end].astype(float) * P80_P20)
    return shown


def percentile_ratio(row: Row) -> Cell:
    """Write the hazard ratio between percentiles with its interval."""
    ratio, low, high = (math.log(float(str(row[name]))) for name in PERCENTILES)
    return Cell(format_ratio(ratio, low, high), "" if math.isnan(ratio) else f"{ratio:.6g}")
