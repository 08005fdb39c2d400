"""Staging scores of treatment resistance, as far as records hold what they ask for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError
from pgs_trd.phenotype.classifier import Phenotype
from pgs_trd.phenotype.labels import label_trials

MSM_TRD_CUT, MGH_TRD_CUT = 5, 4
"""Cuts for resistance in register studies."""


def stage(
    phenotype: Phenotype,
    adjuncts: pd.DataFrame | None = None,
    *,
    severity: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Score everybody with depression and a failed trial by MSM and MGH-s.

    The scores are of what is known at the end of observation. A failed trial is
    adequate, and another drug followed. MSM [1]_ adds duration since the first
    diagnosis (up to 12 months 1, up to 24 months 2, longer 3), severity (1 to 5),
    failed trials (1-2: 1, 3-4: 2, 5-6: 3, 7-10: 4, more: 5), augmentation (1) and ECT
    (1). MGH-s [2]_ adds 1 a failed trial, 0.5 an augmented trial and 3 for ECT; its 0.5
    an optimised trial is not counted, since why a dose rose is not recorded.

    Parameters
    ----------
    phenotype
        From `classify`.
    adjuncts
        From `build_adjuncts`; None: augmentation and ECT are unknown, and the scores
        are lower bounds.
    severity
        1 (subsyndromal) to 5 (severe and psychotic) by person id. Records rarely hold
        it: without it ``msm`` is missing and only its bounds are given.

    Returns
    -------
    DataFrame
        ``person_id``, ``n_failed``, ``duration_points``, ``failure_points``,
        ``severity_points`` (NaN unknown), ``has_augmentation``, ``has_ect`` (<NA>
        unknown), ``msm`` (3 to 15, NaN unknown), ``msm_low``, ``msm_high``, ``mgh_s``.

    Raises
    ------
    DataError
        If a severity is not from 1 to 5.

    References
    ----------
    .. [1] Fekadu et al. (2009) J Clin Psychiatry 70:177-84.
    .. [2] Fava (2003) Biol Psychiatry 53:649-59.
    """
    table = phenotype.table
    table = table[table["is_mdd"] & (table["n_failed"] > 0)].reset_index(drop=True)
    ends = table[["observation_end", "death_date"]].min(axis=1)
    months = (ends - table["mdd_date"]).dt.days / 30.4375
    duration = np.select([months <= 12, months <= 24], [1, 2], 3)
    failures = np.select([table["n_failed"] <= cut for cut in (2, 4, 6, 10)], [1, 2, 3, 4], 5)
    augmented, has_ect = _additions(phenotype, adjuncts, table)
    points = _severity(table["person_id"], severity)
    known = duration + failures + (augmented > 0).fillna(False) + has_ect.fillna(False)
    open_points = 2 * int(adjuncts is None)
    return pd.DataFrame(
        {
            "person_id": table["person_id"],
            "n_failed": table["n_failed"],
            "duration_points": duration,
            "failure_points": failures,
            "severity_points": points,
            "has_augmentation": (augmented > 0).astype("boolean"),
            "has_ect": has_ect,
            "msm": known + points if adjuncts is not None else np.nan,
            "msm_low": known + points.fillna(1),
            "msm_high": known + points.fillna(5) + open_points,
            "mgh_s": table["n_failed"] + 0.5 * augmented.fillna(0) + 3.0 * has_ect.fillna(False),
        }
    ).astype(dict.fromkeys(("msm", "msm_low", "msm_high", "mgh_s"), "float64"))


def _additions(
    phenotype: Phenotype, adjuncts: pd.DataFrame | None, table: pd.DataFrame
) -> tuple[pd.Series, pd.Series]:
    """Count augmented trials, and say who had ECT, since the first diagnosis."""
    ids = table["person_id"]
    if adjuncts is None or phenotype.cohort is None:
        unknown = pd.Series(pd.NA, index=table.index)
        return unknown.astype("Int64"), unknown.astype("boolean")
    first = table.set_index("person_id")["mdd_date"]
    trials = phenotype.cohort.trial_table
    trials = trials[trials["start_date"] >= trials["person_id"].map(first)]
    labelled = label_trials(trials, adjuncts)
    n_augmented = labelled[labelled["augmented_with"] != ""].groupby("person_id").size()
    ect = adjuncts[(adjuncts["kind"] == "procedure") & (adjuncts["name"] == "ECT")]
    ect = ect[ect["start_date"] >= ect["person_id"].map(first)]
    augmented = ids.map(n_augmented).fillna(0).astype("Int64")
    return augmented, ids.isin(ect["person_id"]).astype("boolean")


def _severity(ids: pd.Series, severity: Mapping[str, int] | None) -> pd.Series:
    points = ids.map(dict(severity or {})).astype("float64")
    n_wrong = int((~points.dropna().isin([1, 2, 3, 4, 5])).sum())
    if n_wrong:
        raise DataError(f"severity: {n_wrong:,} values are none of 1, 2, 3, 4, 5")
    return points
