"""How much scores explain in each ancestry, and with distance from where they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from pgs_trd.ancestry.distance import check_shared
from pgs_trd.errors import DataError, UsageError
from pgs_trd.models.arrays import BoolArray, FloatArray
from pgs_trd.models.inputs import People, read_covariates, read_scores, read_vector
from pgs_trd.models.liability import liability_r2
from pgs_trd.models.wald import check_confidence

FEWEST_PEOPLE = 50
FEWEST_CASES = 10


def portability_table(
    outcome: pd.Series[float],
    scores: pd.DataFrame,
    covariates: pd.DataFrame,
    *,
    strata: pd.Series[str] | None = None,
    distance: pd.Series[float] | None = None,
    n_bins: int = 5,
    prevalence: float | Mapping[str, float] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give the variance that scores explain by stratum and by genetic distance.

    Within each group of people, the incremental R2 is what a score adds to the R2 of a
    linear model of the outcome on the covariates: the squared semi-partial correlation.
    Its interval is that of the partial correlation by Fisher's transformation, the
    covariates' R2 taken as known; it starts at 0 where the correlation's includes 0. A
    zero-one outcome has R2 on the observed scale, which differs between groups with the
    share of cases alone: groups compare on the liability scale, see `liability_r2`.

    Parameters
    ----------
    outcome : (n_people,)
        A number, or 1 for cases and 0 for controls; index `person_id`. People without
        are left out. All tables are joined by their index.
    scores : (n_people, n_scores)
        As they are in the analysis; index `person_id`. Who misses a score is out for it.
    covariates : (n_people, n_covariates)
        Such as age, sex and components; people who miss one are left out. Text becomes
        dummies, see `encode_covariates`.
    strata : (n_people,)
        Ancestry group of each person; missing is left out.
    distance : (n_people,)
        From `pgs_trd.ancestry.genetic_distance`; people are put in `n_bins` bins of equal size.
    n_bins
        How many bins of distance.
    prevalence
        Of a zero-one outcome in the population, for the liability scale: one for all,
        or one for each stratum (then bins of distance have none).
    confidence
        Coverage of the intervals.

    Returns
    -------
    table
        One row a score and group: score, grouping (``"all"``, ``"stratum"`` or
        ``"distance"``), group, distance_low, distance_mean, distance_high (of its
        people; missing without `distance`), n_people, n_cases (missing unless
        zero-one), r (partial correlation, with its sign), r2, r2_low, r2_high,
        r2_covariates, prevalence, r2_liability and its _low and _high, relative (r2 on
        the liability scale, if there is one, over that of the group in which it is
        largest for the score's grouping) and status: ``"ok"``, ``"few_people"``,
        ``"few_cases"``, ``"constant"``; without numbers unless ok.

    Raises
    ------
    UsageError
        If neither strata nor distance is given, a number is out of range, or a person
        occurs twice in a table.
    DataError
        If nobody has outcome and covariates, a stratum or a distance; or a value is infinite.
    """
    if strata is None and distance is None:
        raise UsageError("give strata or distance: by what should people be grouped?")
    if n_bins < 2:
        raise UsageError(f"n_bins must be at least 2, got {n_bins}")
    check_confidence(confidence)
    _refuse_repeated_people(
        outcome=outcome, scores=scores, covariates=covariates, strata=strata, distance=distance
    )
    x, _ = read_covariates(People(), covariates)
    people = scores.index.intersection(outcome.dropna().index)
    people = people.intersection(covariates.index[~np.isnan(x).any(axis=1)])
    if not len(people):
        raise DataError("nobody has an outcome, scores and all covariates")
    if strata is not None:
        check_shared("the scores", people, "the strata", strata.index)
    x = x[covariates.index.get_indexer(people)]
    order = People()
    values = read_scores(order, scores.loc[people])
    matrix = values.block(0, len(values.names))
    y = read_vector(order, "outcome", outcome.loc[people])
    is_binary = bool(np.isin(y, (0.0, 1.0)).all())
    if prevalence is not None and not is_binary:
        raise UsageError("prevalence is for an outcome of 0 and 1; this one has other values")
    far = None if distance is None else read_vector(order, "distance", distance.reindex(people))
    if far is not None and np.isnan(far).all():
        raise DataError(f"none of {len(people):,} people has a distance")
    tables = []
    for grouping, group, inside in _groups(people, strata, far, n_bins):
        k = _prevalence(prevalence, grouping, group)
        rows = _explain_complete(
            y[inside],
            pd.DataFrame(matrix[inside], columns=list(values.names)),
            x[inside],
            is_binary=is_binary,
            confidence=confidence,
        )
        rows.insert(0, "grouping", grouping)
        rows.insert(1, "group", group)
        for name, value in _describe_distance(far, inside).items():
            rows[name] = value
        rows["prevalence"] = k
        tables.append(_add_liability(rows, k))
    return _arrange(pd.concat(tables, ignore_index=True), values.names)


def _refuse_repeated_people(**tables: pd.Series | pd.DataFrame | None) -> None:
    """Raise if a table has a person twice: joins by person would multiply rows."""
    for name, table in tables.items():
        n_repeated = 0 if table is None else int(table.index.duplicated().sum())
        if table is not None and n_repeated:
            raise UsageError(
                f"{name}: {n_repeated:,} of {len(table):,} rows repeat a person: one row a person "
                "is needed, with its index the person"
            )


def _groups(
    people: pd.Index, strata: pd.Series[str] | None, distance: FloatArray | None, n_bins: int
) -> list[tuple[str, str, BoolArray]]:
    """Give grouping, name and members of every group."""
    groups = [("all", "all", np.ones(len(people), dtype=bool))]
    if strata is not None:
        of_person = strata.reindex(people)
        for name in sorted(of_person.dropna().unique()):
            inside = (of_person == name).to_numpy(dtype=bool, na_value=False)
            groups.append(("stratum", str(name), inside))
    if distance is not None:
        known = np.isfinite(distance)
        edges = np.quantile(distance[known], np.linspace(0, 1, n_bins + 1)[1:-1])
        bins = np.searchsorted(edges, distance, side="right")
        groups += [("distance", str(i + 1), known & (bins == i)) for i in range(n_bins)]
    return groups


def _prevalence(given: float | Mapping[str, float] | None, grouping: str, group: str) -> float:
    """Give the prevalence of a group, NaN if not known."""
    if isinstance(given, Mapping):
        by_name = {str(name): share for name, share in given.items()}
        value = by_name.get(group, np.nan) if grouping == "stratum" else np.nan
    else:
        value = np.nan if given is None else given
    return float(value)


def _describe_distance(distance: FloatArray | None, inside: BoolArray) -> dict[str, float]:
    names = ("distance_low", "distance_mean", "distance_high")
    values = np.array([]) if distance is None else distance[inside]
    values = values[np.isfinite(values)]
    if not len(values):
        return dict.fromkeys(names, np.nan)
    return dict(zip(names, (values.min(), values.mean(), values.max()), strict=True))


def _explain_complete(
    y: FloatArray,
    scores: pd.DataFrame,
    covariates: FloatArray,
    *,
    is_binary: bool,
    confidence: float,
) -> pd.DataFrame:
    """Explain with scores that the same people have at a time."""
    missing = scores.isna().to_numpy()
    patterns, codes = np.unique(missing, axis=1, return_inverse=True)
    parts = []
    for code, gaps in enumerate(patterns.T):
        part = scores.loc[~gaps, np.ravel(codes) == code]
        parts.append(
            _explain(y[~gaps], part, covariates[~gaps], is_binary=is_binary, confidence=confidence)
        )
    return pd.concat(parts, ignore_index=True)


def _explain(
    y: FloatArray,
    scores: pd.DataFrame,
    covariates: FloatArray,
    *,
    is_binary: bool,
    confidence: float,
) -> pd.DataFrame:
    """Give partial correlation and incremental R2 of all scores in one group."""
    n_people = len(y)
    n_cases = int(y.sum()) if is_binary else -1
    table = pd.DataFrame(
        {"score": scores.columns, "n_people": n_people, "n_cases": n_cases if is_binary else np.nan}
    )
    names = ["r", "r2", "r2_low", "r2_high", "r2_covariates"]
    table[names] = np.nan
    design = np.column_stack([np.ones(n_people), covariates])
    if n_people < max(FEWEST_PEOPLE, 2 * design.shape[1]):
        return table.assign(status="few_people")
    if is_binary and min(n_cases, n_people - n_cases) < FEWEST_CASES:
        return table.assign(status="few_cases")
    basis, rank = _basis(design)
    left = y - basis @ (basis.T @ y)
    total = float(((y - y.mean()) ** 2).sum())
    values = scores.to_numpy(dtype=np.float64)
    rest = values - basis @ (basis.T @ values)
    size = np.sqrt((rest**2).sum(axis=0))
    varies = size > 1e-8 * np.sqrt((values**2).sum(axis=0))
    if not total > 0 or not (left @ left) > 1e-12 * total:
        varies = np.zeros_like(varies)
    r = np.divide(left @ rest, np.sqrt(left @ left) * size, where=varies, out=size * np.nan)
    r2_covariates = 1 - float(left @ left) / total if total > 0 else float("nan")
    reach = stats.norm.ppf(0.5 + confidence / 2) / np.sqrt(max(n_people - rank - 3, 1))
    r = np.clip(r, -1.0, 1.0)  # a score that is the outcome may round to more
    with np.errstate(divide="ignore"):
        ends = np.tanh(np.arctanh(r) + np.array([[-reach], [reach]]))
    crosses = ends[0] * ends[1] < 0
    ends = np.sort(ends**2, axis=0)
    unexplained = 1 - r2_covariates
    table["r"], table["r2"] = r, r**2 * unexplained
    table["r2_low"] = np.where(crosses, 0.0, ends[0]) * unexplained
    table["r2_high"] = ends[1] * unexplained
    table["r2_covariates"] = r2_covariates
    return table.assign(status=np.where(varies & np.isfinite(r), "ok", "constant").astype(object))


def _basis(design: FloatArray) -> tuple[FloatArray, int]:
    """Give orthonormal columns that span `design`, and how many."""
    scaled = design / np.maximum(np.linalg.norm(design, axis=0), 1e-300)
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    rank = int((values > 1e-10 * values[0]).sum())
    return left[:, :rank], rank


def _add_liability(rows: pd.DataFrame, prevalence: float) -> pd.DataFrame:
    share = rows["n_cases"].to_numpy(dtype=np.float64) / np.maximum(rows["n_people"], 1)
    for name, source in (("", "r2"), ("_low", "r2_low"), ("_high", "r2_high")):
        r2 = rows[source].to_numpy(dtype=np.float64)
        known = np.isfinite(r2) & np.isfinite(share) & np.isfinite(prevalence)
        values = np.full(len(rows), np.nan)
        if known.any():
            values[known] = liability_r2(r2[known], prevalence, share[known])
        rows[f"r2_liability{name}"] = values
    return rows


def _arrange(table: pd.DataFrame, scores: Sequence[str]) -> pd.DataFrame:
    """Add the share of the best group's R2, and put rows and columns in order."""
    on_liability = table.groupby(["score", "grouping"])["r2_liability"].transform("count")
    n_numbers = table.groupby(["score", "grouping"])["r2"].transform("count")
    used = table["r2_liability"].where(on_liability == n_numbers, table["r2"])
    best = used.groupby([table["score"], table["grouping"]]).transform("max")
    table["relative"] = used / best.where(best > 0)
    place = pd.Categorical(table["score"], categories=list(scores), ordered=True)
    order = pd.DataFrame({"score": place, "row": np.arange(len(table))}).sort_values(
        ["score", "row"]
    )
    columns = [
        "score", "grouping", "group", "distance_low", "distance_mean", "distance_high",
        "n_people", "n_cases", "r", "r2", "r2_low", "r2_high", "r2_covariates", "prevalence",
        "r2_liability", "r2_liability_low", "r2_liability_high", "relative", "status",
    ]  # fmt: skip
    return table.loc[order["row"].to_numpy(), columns].reset_index(drop=True)
