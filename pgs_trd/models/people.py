"""Join records, scores and covariates of people, and cut them into strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from pandas.api import types as dtypes

from pgs_trd.errors import DataError, UsageError, join_faults
from pgs_trd.models.inputs import ModelDataError
from pgs_trd.tables import require_columns

Standardise: TypeAlias = Literal["stratum", "none"]
ALL_PEOPLE = "all"


@dataclass(frozen=True)
class StratumPeople:
    """The people of one stratum who have records, scores and covariates.

    All tables share one index, the person ids, in one order.

    Attributes
    ----------
    label
        Of the stratum; "all" if there are none.
    records
        One row a person: phenotype or follow-up.
    scores
        In units of the standard deviation if these were asked for.
    covariates
        As given, only the columns to adjust for.
    scale
        One row a score: `score`, `score_mean`, `score_sd` in the scores' own unit.
    """

    label: str
    records: pd.DataFrame
    scores: pd.DataFrame
    covariates: pd.DataFrame
    scale: pd.DataFrame


@dataclass(frozen=True)
class JoinedPeople:
    """All strata of a study, and how many people were lost on the way."""

    strata: tuple[StratumPeople, ...]
    counts: dict[str, int]


def join_people(
    records: pd.DataFrame,
    scores: pd.DataFrame,
    covariates: pd.DataFrame | None,
    *,
    subject: str,
    stratum: str | None,
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    standardise: Standardise = "stratum",
) -> JoinedPeople:
    """Join by person id, as text, and cut into strata.

    Parameters
    ----------
    records
        With a column `person_id`, one row a person.
    scores
        Index is the person id, one column a score.
    covariates
        With `person_id`, the column `stratum` and the covariates; None is none.
    subject
        What the records are, for messages.
    stratum
        Column with the stratum; None takes all people as one. People without a label
        are in no stratum, and counted.
    strata
        Labels to use; None is all, sorted.
    covariate_columns
        Columns to adjust for; None is every column but `person_id` and `stratum`.
    standardise
        "stratum": each score minus its mean, divided by its standard deviation, over
        all people of the stratum with scores and covariates, whatever their records.
        "none": as given.

    Raises
    ------
    UsageError
        If a label or option is unknown.
    DataError
        If a person occurs twice or has no id, columns are missing, a score is not made of
        finite numbers, or nobody is in all tables.
    """
    if standardise not in get_args(Standardise):
        raise UsageError(
            f"standardise is {standardise!r}: it must be one of {get_args(Standardise)}"
        )
    require_columns(records, ["person_id"], subject)
    by_person = _index_by_person(records, subject)
    scored = scores.set_axis(_text_ids(scores.index, "scores"), axis=0)
    _refuse_repeated(scored.index, "scores")
    scored = _finite_scores(scored)
    described = _describe_people(scored, covariates, stratum, covariate_columns)
    common = by_person.index.intersection(scored.index).intersection(described.covariates.index)
    _refuse_no_overlap(by_person.index, scored.index, described.covariates.index, subject, common)
    counts = {
        "n_records": len(by_person),
        "n_without_scores": int((~by_person.index.isin(scored.index)).sum()),
        "n_without_covariates": int((~by_person.index.isin(described.covariates.index)).sum()),
        "n_joined": len(common),
        "n_without_stratum": int(described.labels.loc[common].isna().sum()),
    }
    parts = []
    for label in _choose_labels(described.labels.loc[common], strata):
        members = described.labels.index[described.labels == label]
        reference = scored.loc[scored.index.intersection(members)]
        here = common[described.labels.loc[common] == label]
        scale = _scale(reference, standardise)
        standard = (scored.loc[here] - scale["mean"]) / scale["sd"]
        parts.append(
            StratumPeople(
                label=label,
                records=by_person.loc[here],
                scores=standard.astype(np.float64),
                covariates=described.covariates.loc[here],
                scale=_scale_table(scale),
            )
        )
    return JoinedPeople(tuple(parts), counts)


@dataclass(frozen=True)
class _Description:
    covariates: pd.DataFrame
    labels: pd.Series


def _text_ids(ids: pd.Index | pd.Series, subject: str) -> pd.Index:
    """Give ids as text; None, NaN and blank text are no id."""
    missing = pd.Series(list(ids), dtype=object).isna()
    text = [str(person) for person in ids]
    n_without = sum(gap or not person.strip() for person, gap in zip(text, missing, strict=True))
    if n_without:
        raise DataError(
            f"{subject}: {n_without:,} of {len(text):,} rows without 'person_id'. "
            "Give each row its person, or leave it out"
        )
    return pd.Index(text, dtype=object)


def _index_by_person(table: pd.DataFrame, subject: str) -> pd.DataFrame:
    indexed = table.set_axis(_text_ids(table["person_id"], subject), axis=0)
    _refuse_repeated(indexed.index, subject)
    return indexed


def _refuse_repeated(ids: pd.Index, subject: str) -> None:
    n_repeated = int(ids.duplicated().sum())
    if n_repeated:
        raise DataError(
            f"{subject}: {n_repeated:,} of {len(ids):,} rows repeat a person_id of an earlier row. "
            "Each person needs one row"
        )


def _finite_scores(scored: pd.DataFrame) -> pd.DataFrame:
    """Give scores as numbers; refuse text and infinities of all columns at once, by count."""
    faults = []
    for place, name in enumerate(scored.columns):
        n_text = _count_no_numbers(scored.iloc[:, place])
        if n_text:
            faults.append(
                f"column {str(name)!r}: {n_text:,} of {len(scored):,} values are no number"
            )
    if faults:
        raise DataError(
            f"{join_faults('scores', faults)}\nEvery column of scores is a score: leave ids "
            "and labels out, and read numbers as numbers"
        )
    if not all(dtypes.is_float_dtype(kind) for kind in scored.dtypes):
        scored = scored.astype(np.float64)
    for place, name in enumerate(scored.columns):
        n_infinite = int(
            np.isinf(scored.iloc[:, place].to_numpy(np.float64, na_value=np.nan)).sum()
        )
        if n_infinite:
            faults.append(f"score {str(name)!r}: {n_infinite:,} of {len(scored):,} are infinite")
    if faults:
        raise ModelDataError(
            f"{join_faults('scores', faults)}\nMend them or set them to NaN, which leaves these "
            "people out"
        )
    return scored


def _count_no_numbers(values: pd.Series) -> int:
    if dtypes.is_numeric_dtype(values.dtype) or dtypes.is_bool_dtype(values.dtype):
        return 0
    return sum(not isinstance(value, Real | np.bool_) for value in values[values.notna()])


def _describe_people(
    scored: pd.DataFrame,
    covariates: pd.DataFrame | None,
    stratum: str | None,
    covariate_columns: Sequence[str] | None,
) -> _Description:
    if covariates is None:
        if stratum is not None or covariate_columns:
            raise UsageError(
                "covariates is None, so there is neither a stratum nor a column to adjust for: "
                "give covariates, or stratum=None and no covariate_columns"
            )
        return _Description(
            pd.DataFrame(index=scored.index), pd.Series(ALL_PEOPLE, index=scored.index)
        )
    needed = ["person_id", *([stratum] if stratum else []), *(covariate_columns or [])]
    require_columns(covariates, needed, "covariates")
    table = _index_by_person(covariates, "covariates")
    if covariate_columns is None:
        covariate_columns = [c for c in table.columns if c not in ("person_id", stratum)]
    return _Description(table[list(covariate_columns)], _stratum_labels(table, stratum))


def _stratum_labels(table: pd.DataFrame, stratum: str | None) -> pd.Series:
    """Give each person's stratum as text, None where there is none."""
    if stratum is None:
        return pd.Series(ALL_PEOPLE, index=table.index)
    given = table[stratum]
    labels = [None if missing else str(v) for v, missing in zip(given, given.isna(), strict=True)]
    return pd.Series(labels, index=table.index, dtype=object)


def _choose_labels(labels: pd.Series, strata: Sequence[str] | None) -> list[str]:
    present = sorted(labels.dropna().unique())
    if not present:
        raise DataError(f"none of the {len(labels):,} joined people has a stratum")
    if strata is None:
        return present
    wanted = [strata] if isinstance(strata, str) else list(strata)
    unknown = [label for label in wanted if label not in present]
    if unknown or not wanted:
        raise UsageError(
            f"strata: nobody is in {', '.join(map(repr, unknown)) or 'an empty list'}. "
            f"There are: {', '.join(map(repr, present))}"
        )
    return wanted


def _refuse_no_overlap(
    records: pd.Index, scored: pd.Index, described: pd.Index, subject: str, common: pd.Index
) -> None:
    if len(common):
        return
    n_scored = int(records.isin(scored).sum())
    n_described = int(records.isin(described).sum())
    hint = _guess_cause(records, scored if not n_scored else described)
    raise DataError(
        f"no person is in {subject}, scores and covariates at once: of {len(records):,} people in "
        f"{subject}, {n_scored:,} are among the {len(scored):,} with scores and {n_described:,} "
        f"among the {len(described):,} with covariates. {hint}"
    )


def _guess_cause(left: pd.Index, right: pd.Index) -> str:
    """Say why ids may differ, from tries that would make them equal; shows no id."""
    if not len(left) or not len(right):
        return "One of the tables is empty"
    whole = [set(ids.str.replace(r"\.0$", "", regex=True)) for ids in (left, right)]
    if whole[0] & whole[1]:
        return "The ids differ by a trailing '.0': a table was read as decimal numbers"
    bare = [{person.lstrip("0") for person in ids} for ids in whole]
    if bare[0] & bare[1]:
        return "The ids differ by leading zeros: read person_id as text in both"
    for separator in ("_", ":", "-"):
        tails = [set(ids.str.rsplit(separator, n=1).str[-1]) for ids in (left, right)]
        if tails[0] & set(right) or tails[1] & set(left):
            return f"One table has the family id pasted before the person id with {separator!r}"
    return (
        "Likely causes: a family id pasted before the person id, leading zeros lost, "
        "or data of another release with other ids"
    )


def _scale(reference: pd.DataFrame, standardise: Standardise) -> pd.DataFrame:
    """Give mean and standard deviation of each score; 0 and 1 where none is wanted."""
    if standardise == "none":
        ones = np.ones(reference.shape[1])
        return pd.DataFrame({"mean": 0 * ones, "sd": ones}, index=reference.columns)
    mean, deviation = reference.mean(), reference.std(ddof=1)
    # A constant score stays constant, so that the fit can say so.
    flat = ~(deviation > 1e-12 * reference.abs().max())
    return pd.DataFrame({"mean": mean, "sd": deviation.mask(flat, 1.0)})


def _scale_table(scale: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "score": [str(name) for name in scale.index],
            "score_mean": scale["mean"].to_numpy(),
            "score_sd": scale["sd"].to_numpy(),
        }
    )
