"""Join records, scores and covariates of people, and cut them into strata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray, IntArray
from pgs_trd.models.covariates import MAX_LEVELS, encode_covariates
from pgs_trd.models.score_tables import ScoreTable, refuse_infinite_scores, score_table
from pgs_trd.models.score_units import ScoreUnit, Standardise, check_unit
from pgs_trd.tables import require_columns

__all__ = ["JoinedPeople", "Standardise", "StratumPeople", "join_people", "split_people"]

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
    covariates
        As given, only the columns to adjust for.
    extras
        As given: columns of the covariate table that are used but not adjusted for.
    table, rows
        All scores, and which of their rows these people are.
    unit
        What scores are divided by.
    within
        Value of the column that `split_people` splits by; "" if it was not asked for.
    """

    label: str
    records: pd.DataFrame
    covariates: pd.DataFrame
    extras: pd.DataFrame
    table: ScoreTable
    rows: IntArray
    unit: ScoreUnit
    within: str = ""

    @property
    def scores(self) -> pd.DataFrame:
        """All scores, in the unit asked for; a copy."""
        return self.standardised(self.table.read(0, len(self.table.names)), 0)[0]

    @property
    def scale(self) -> pd.DataFrame:
        """One row a score: `score`, `score_mean`, `score_sd` in the scores' own unit."""
        return self.standardised(self.table.read(0, len(self.table.names)), 0)[1]

    def standardised(
        self, values: FloatArray, first: int, *, controls: BoolArray | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Give the scores of these people, and the scale they were given.

        Parameters
        ----------
        values : (n_rows, n_columns)
            Some columns of `table`, all rows, the first of them at place `first`.
        controls : (n_people,)
            Who the controls are; needed if these make the unit.
        """
        names = self.table.names[first : first + values.shape[1]]
        refuse_infinite_scores(values, names)
        own = values[self.rows]
        scale = self.unit.scale(values, own, names, stratum=self.label, controls=controls)
        own -= scale["score_mean"].to_numpy()
        own /= scale["score_sd"].to_numpy()
        return pd.DataFrame(own, index=self.records.index, columns=list(names), copy=False), scale


@dataclass(frozen=True)
class JoinedPeople:
    """All strata of a study, and how many people were lost on the way."""

    strata: tuple[StratumPeople, ...]
    counts: dict[str, int]


def join_people(
    records: pd.DataFrame,
    scores: pd.DataFrame | ScoreTable,
    covariates: pd.DataFrame | None,
    *,
    subject: str,
    stratum: str | None,
    strata: Sequence[str] | None = None,
    covariate_columns: Sequence[str] | None = None,
    extra_columns: Sequence[str] = (),
    standardise: Standardise = "stratum",
    reference: pd.DataFrame | None = None,
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
        Columns to adjust for; None is every column but `person_id`, `stratum` and
        `extra_columns`.
    extra_columns
        Columns of `covariates` to keep beside, such as a cluster.
    standardise
        "stratum": each score minus its mean, divided by its standard deviation, over
        all people of the stratum with scores and covariates, whatever their records.
        "controls": the same over the controls of each model. "reference": by mean and
        deviation of `reference`. "none": as given.
    reference
        `score`, `score_mean`, `score_sd`, and `stratum` if they differ between strata.

    Raises
    ------
    UsageError
        If a label or option is unknown.
    DataError
        If a person occurs twice or has no id, columns are missing, a score is not made of
        finite numbers, or nobody is in all tables.
    """
    require_columns(records, ["person_id"], subject)
    by_person = _index_by_person(records, subject)
    table = score_table(scores)
    check_unit(standardise, reference, table.names)
    scored = person_index(table)
    _refuse_repeated(scored, "scores")
    described = _describe_people(scored, covariates, stratum, covariate_columns, extra_columns)
    common = by_person.index.intersection(scored).intersection(described.covariates.index)
    _refuse_no_overlap(by_person.index, scored, described.covariates.index, subject, common)
    labels = described.labels.loc[common]
    counts = {
        "n_records": len(by_person),
        "n_without_scores": int((~by_person.index.isin(scored)).sum()),
        "n_without_covariates": int((~by_person.index.isin(described.covariates.index)).sum()),
        "n_joined": len(common),
        "n_without_stratum": int(labels.isna().sum()),
    }
    parts = []
    for label in _choose_labels(labels, strata):
        members = described.labels.index[described.labels == label]
        here = common[labels == label]
        parts.append(
            StratumPeople(
                label=label,
                records=by_person.loc[here],
                covariates=described.covariates.loc[here],
                extras=described.extras.loc[here],
                table=table,
                rows=_places(scored, here),
                unit=ScoreUnit(
                    standardise, _places(scored, scored.intersection(members)), reference
                ),
            )
        )
    return JoinedPeople(tuple(parts), counts)


def person_index(table: ScoreTable) -> pd.Index:
    """Give the person ids of a table of scores as text, one a row."""
    return _text_ids(table.person_ids, "scores")


def _places(index: pd.Index, labels: pd.Index) -> IntArray:
    return np.asarray(index.get_indexer(labels), dtype=np.int64)


def split_people(people: JoinedPeople, within: str) -> JoinedPeople:
    """Split each stratum by the values of a kept column; scores keep the stratum's unit.

    People for whom the column is missing are in no part, and counted. As in
    `encode_covariates`, sex is female or male however it is written.
    """
    parts, n_without = [], 0
    for part in people.strata:
        values = _levels(part.extras[within], within)
        n_without += int(values.isna().sum())
        parts += [
            _take(part, (values == level).to_numpy(), f"{within}={level}")
            for level in sorted(values.dropna().unique(), key=str)
        ]
    if not parts:
        n_people = people.counts["n_joined"]
        raise DataError(f"{within!r} is missing for all of the {n_people:,} joined people")
    return JoinedPeople(tuple(parts), {**people.counts, f"n_without_{within}": n_without})


def _take(part: StratumPeople, members: BoolArray, within: str) -> StratumPeople:
    return replace(
        part,
        records=part.records[members],
        covariates=part.covariates[members],
        extras=part.extras[members],
        rows=part.rows[members],
        within=within,
    )


@dataclass(frozen=True)
class _Description:
    covariates: pd.DataFrame
    extras: pd.DataFrame
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


def _describe_people(
    scored: pd.Index,
    covariates: pd.DataFrame | None,
    stratum: str | None,
    covariate_columns: Sequence[str] | None,
    extra_columns: Sequence[str],
) -> _Description:
    if covariates is None:
        if stratum is not None or covariate_columns or extra_columns:
            raise UsageError(
                "covariates is None, so there is neither a stratum nor a column to adjust for: "
                "give covariates, or stratum=None and no covariate_columns"
            )
        nothing = pd.DataFrame(index=scored)
        return _Description(nothing, nothing, pd.Series(ALL_PEOPLE, index=scored))
    needed = ["person_id", *([stratum] if stratum else []), *(covariate_columns or [])]
    require_columns(covariates, [*needed, *extra_columns], "covariates")
    table = _index_by_person(covariates, "covariates")
    if covariate_columns is None:
        beside = ("person_id", stratum, *extra_columns)
        covariate_columns = [c for c in table.columns if c not in beside]
    return _Description(
        table[list(covariate_columns)],
        table[list(dict.fromkeys(extra_columns))],
        _stratum_labels(table, stratum),
    )


def _levels(values: pd.Series, name: str) -> pd.Series:
    """Give values as text, None where missing; of sex, female and male only."""
    if name.casefold() == "sex":
        codes = encode_covariates(values.to_frame(name))
        if "sex_male" in codes:
            return codes["sex_male"].map({0.0: "female", 1.0: "male"})
    text = [None if missing else str(v) for v, missing in zip(values, values.isna(), strict=True)]
    levels = pd.Series(text, index=values.index, dtype=object)
    n_levels = levels.nunique()
    if n_levels > MAX_LEVELS:
        raise UsageError(
            f"within={name!r} has {n_levels:,} values (at most {MAX_LEVELS}): is it a number?"
        )
    return levels


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
