"""Phenotypes as the tables that other programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype.classifier import Phenotype

CONTRASTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "trd_vs_responsive": (("trd",), ("responsive",)),
    "trd_vs_control": (("trd",), ("no_mdd",)),
    "responsive_vs_control": (("responsive",), ("no_mdd",)),
    "trd_vs_other_mdd": (("trd",), ("responsive", "neither")),
}
"""Cases and controls by class; "neither" only of people with depression."""


def _columns(phenotypes: Mapping[str, Phenotype], contrast: str) -> pd.DataFrame:
    if contrast not in CONTRASTS:
        raise UsageError(f"no contrast {contrast!r}; there are: {', '.join(CONTRASTS)}")
    if not phenotypes:
        raise UsageError("no definitions to export")
    cases, controls = CONTRASTS[contrast]
    ids = next(iter(phenotypes.values())).table["person_id"]
    columns: dict[str, object] = {}
    for name, each in phenotypes.items():
        if any(character.isspace() for character in name):
            raise UsageError(f"definition {name!r}: a column name must not have spaces")
        table = each.table
        if not np.array_equal(table["person_id"].to_numpy(), ids.to_numpy()):
            raise DataError(f"definition {name!r} was applied to other people than the first")
        is_control = table["phenotype"].isin(controls)
        is_control &= (table["phenotype"] != "neither") | table["is_mdd"]
        values = np.select([table["phenotype"].isin(cases), is_control], [1, 0], -1)
        columns[name] = pd.array(values, dtype="Int64")
        columns[name] = pd.Series(columns[name]).mask(values < 0)
    return pd.DataFrame({"person_id": ids, **columns})


def _family(ids: pd.Series, families: Mapping[str, str] | None) -> pd.Series:
    if families is None:
        return ids
    named = ids.map(dict(families))
    n_absent = int(named.isna().sum())
    if n_absent:
        raise DataError(f"families has no entry for {n_absent:,} of {len(ids):,} people")
    return named


def regenie_table(
    phenotypes: Mapping[str, Phenotype],
    *,
    contrast: str = "trd_vs_responsive",
    families: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Give the phenotype file of REGENIE: FID, IID, one column a definition, 0/1/NA.

    Parameters
    ----------
    phenotypes
        By the name of the column.
    contrast
        One of `CONTRASTS`.
    families
        Family id by person id, as in the genotypes; by default the person id, as
        single-id genotype files have it.

    Returns
    -------
    DataFrame
        All text; who is neither case nor control is "NA". Write it separated by spaces
        or tabs, without an index.

    Raises
    ------
    UsageError
        If the contrast is unknown.
    DataError
        If definitions differ in their people, or a family is not known.
    """
    table = _columns(phenotypes, contrast)
    found = pd.DataFrame({"FID": _family(table["person_id"], families), "IID": table["person_id"]})
    for name in phenotypes:
        found[name] = table[name].astype("string").fillna("NA").astype(object)
    return found


def plink2_table(
    phenotypes: Mapping[str, Phenotype],
    *,
    contrast: str = "trd_vs_responsive",
    families: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Give the phenotype file of PLINK 2: ``#FID`` and ``IID`` or ``#IID``, 1/2/NA.

    Without `families` there is no family column, so that PLINK 2 compares person ids
    alone. Cases are 2, controls 1. Parameters, returns and errors as `regenie_table`.
    """
    table = _columns(phenotypes, contrast)
    found = pd.DataFrame({"#IID": table["person_id"]})
    if families is not None:
        family = _family(table["person_id"], families)
        found = pd.DataFrame({"#FID": family, "IID": table["person_id"]})
    for name in phenotypes:
        found[name] = (table[name] + 1).astype("string").fillna("NA").astype(object)
    return found


def survival_table(
    followed: pd.DataFrame, *, competing: Sequence[str] = ("death", "bipolar_or_psychosis")
) -> pd.DataFrame:
    """Give the people at risk as intervals with a status, as survival programs read them.

    Parameters
    ----------
    followed
        From `follow_up`.
    competing
        Ends that compete with resistance; the others censor.

    Returns
    -------
    DataFrame
        ``person_id``, ``start``, ``stop`` (days; at risk after start, up to stop),
        ``status`` (0 censored, 1 resistance, 2 and on the competing ends in the order
        given) and ``event`` ("censored", "trd" or the competing end).

    Raises
    ------
    UsageError
        If an end is unknown.
    """
    ends = ("death", "bipolar_or_psychosis")
    unknown = [name for name in competing if name not in ends]
    if unknown:
        raise UsageError(f"no end {unknown[0]!r} can compete; there are: {', '.join(ends)}")
    at_risk = followed[followed["status"] == "at_risk"]
    numbers = {"trd": 1, **{name: place + 2 for place, name in enumerate(competing)}}
    status = at_risk["end_reason"].map(numbers).fillna(0).astype("int64")
    names = {number: name for name, number in numbers.items()}
    return pd.DataFrame(
        {
            "person_id": at_risk["person_id"],
            "start": at_risk["entry_days"],
            "stop": at_risk["exit_days"],
            "status": status,
            "event": status.map({0: "censored", **names}).astype(object),
        }
    ).reset_index(drop=True)


def at_landmark(followed: pd.DataFrame, landmark_days: float) -> pd.DataFrame:
    """Keep who is at risk at a landmark, and follow them from there.

    What is known by the landmark, and nothing later, may then define groups [1]_.

    Parameters
    ----------
    followed
        From `follow_up`.
    landmark_days
        Days since the origin.

    Returns
    -------
    DataFrame
        Of `followed` the people at risk who entered by the landmark and left after it,
        with ``entry_days`` set to it.

    Raises
    ------
    UsageError
        If the landmark is negative.

    References
    ----------
    .. [1] Anderson et al. (1983) J Clin Oncol 1:710-9.
    """
    if not landmark_days >= 0:
        raise UsageError(f"landmark_days must be at least 0, got {landmark_days}")
    kept = (followed["status"] == "at_risk") & (followed["entry_days"] <= landmark_days)
    kept &= followed["exit_days"] > landmark_days
    return followed[kept].assign(entry_days=float(landmark_days)).reset_index(drop=True)
