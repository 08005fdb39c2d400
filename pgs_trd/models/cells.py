"""The models of one stratum and contrast: whose outcome is known, and what they adjust for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import BoolArray, IntArray
from pgs_trd.models.covariates import constant_columns, encode_covariates
from pgs_trd.models.inputs import MAX_BATCH_COLUMNS
from pgs_trd.models.people import JoinedPeople, StratumPeople
from pgs_trd.models.relatives import choose_unrelated
from pgs_trd.models.results import refused_fits
from pgs_trd.models.score_units import UNIT_NOTES
from pgs_trd.models.splines import add_splines


@dataclass(frozen=True)
class Cell:
    """What the models of one stratum and contrast share.

    Attributes
    ----------
    part
        The people of the stratum.
    labels
        Columns that the rows of the result begin with.
    included : (n_people,)
        Whose outcome is known.
    complete : (n_people,)
        Who of them has all covariates, and is in the models.
    covariates
        Numbers, one row a person of the stratum, NaN for those not complete.
    dropped
        Covariates left out because they do not vary.
    n_related
        Complete people left out because they are related to others; None if nobody asked.
    """

    part: StratumPeople
    labels: Mapping[str, str]
    included: BoolArray
    complete: BoolArray
    covariates: pd.DataFrame
    dropped: tuple[str, ...]
    n_related: int | None = None

    def without_relatives(self, pairs: IntArray, first: BoolArray) -> Cell:
        """Leave out as few people as will do so that no pair of relatives is in.

        Parameters
        ----------
        pairs : (n_pairs, 2)
            Rows of the table of scores.
        first : (n_people,)
            Who is kept before others: cases, people with the event.
        """
        kept = choose_unrelated(self.part.rows, pairs, self.complete, first)
        n_related = int(np.sum(self.complete & ~kept))
        covariates = self.covariates[kept]
        dropped = constant_columns(covariates) if kept.any() else []
        return replace(
            self,
            complete=kept,
            included=self.included & (kept | ~self.complete),
            covariates=covariates.drop(columns=dropped).reindex(self.covariates.index),
            dropped=(*self.dropped, *dropped),
            n_related=n_related,
        )

    def explain_nobody(self) -> str:
        """Name the covariate that leaves no complete cases, if one does."""
        if not self.included.any():
            return "no complete cases: nobody has the outcome"
        for name in self.part.covariates.columns:
            given = self.part.covariates.loc[self.included, [name]]
            # Text may be missing only once it is encoded, such as a sex of "unknown".
            encoded = encode_covariates(given)
            if given.isna().all(axis=None) or (encoded.shape[1] and encoded.isna().all(axis=None)):
                return f"no complete cases: covariate {str(name)!r} is missing for everybody"
        return "no complete cases: each person lacks some covariate"

    def lacking(self, interaction: Sequence[str]) -> str:
        """Name what the scores are to be multiplied with and does not vary here; "" if none."""
        columns = [str(name) for name in self.covariates.columns]
        return next((name for name in interaction if not _find(name, columns)), "")


def _find(name: str, columns: Sequence[str]) -> bool:
    """Say whether a covariate, as given or as encoded, is among the encoded columns."""
    return name in columns or any(column.startswith(f"{name}_") for column in columns)


def read_interaction(
    interaction: str | Sequence[str] | None, columns: Sequence[str]
) -> tuple[str, ...]:
    """Give the names that scores are multiplied with.

    Raises
    ------
    UsageError
        If one is neither a covariate nor a level of one: its own effect must be in the model.
    """
    names = (interaction,) if isinstance(interaction, str) else tuple(interaction or ())
    for name in names:
        if name not in columns and not any(name.startswith(f"{given}_") for given in columns):
            raise UsageError(
                f"interaction {name!r} is no covariate: it must be one, so that its own effect "
                f"is in the model. There are: {', '.join(columns) or 'none'}"
            )
    return names


def make_cell(
    part: StratumPeople,
    included: BoolArray,
    splines: Mapping[str, int],
    **labels: str,
) -> Cell:
    """Encode the covariates of some models, and leave out those that do not vary in them.

    Parameters
    ----------
    part
        The stratum.
    included : (n_people,)
        Whose outcome is known. Only the levels that occur among them give dummies, and
        knots of splines are at quantiles of their values.
    splines
        Number of knots by covariate.
    labels
        Columns of the result beside stratum and part of it.
    """
    before = {"stratum": part.label} | ({"within": part.within} if part.within else {})
    known = included & part.covariates.notna().all(axis=1).to_numpy()
    given, straight = add_splines(part.covariates[known], splines)
    encoded = encode_covariates(given).dropna()
    complete = known & part.covariates.index.isin(encoded.index)
    dropped: list[str] = []
    # Nothing varies among nobody; that is not why there is no estimate.
    if complete.any():
        constant = constant_columns(encoded)
        silent = [
            name
            for name in map(str, part.covariates.columns)
            if not any(c == name or c.startswith(f"{name}_") for c in encoded.columns)
        ]
        bent = [f"{name}_spline" for name in straight if name not in constant]
        dropped = [*silent, *constant, *bent]
        encoded = encoded.drop(columns=constant)
    return Cell(
        part=part,
        labels={**before, **labels},
        included=included,
        complete=complete,
        covariates=encoded.reindex(part.covariates.index),
        dropped=tuple(dropped),
    )


def fit_cells(
    cells: Sequence[Cell],
    fit: Callable[[Cell, pd.DataFrame], pd.DataFrame],
    *,
    interaction: Sequence[str] = (),
    controls: Callable[[Cell], BoolArray] | None = None,
) -> list[pd.DataFrame]:
    """Fit the scores of all cells, some columns of the table of scores at a time.

    Parameters
    ----------
    cells
        All with the same table of scores.
    fit
        From a cell and some of its scores to their rows, in order.
    interaction
        What the scores are multiplied with; a cell where it does not vary is refused.
    controls
        Who makes the unit of scores, if controls do.

    Returns
    -------
    fits
        One table a cell: its labels, what `fit` gives, `n_incomplete`, `score_mean`,
        `score_sd`, `dropped_covariates`, and `n_related` where relatives are left out.
    """
    pieces: list[list[pd.DataFrame]] = [[] for _ in cells]
    for place, scores, scale in score_blocks(cells, controls):
        cell = cells[place]
        pieces[place].append(_label(_fit(cell, scores, fit, interaction), cell, scale))
    return [_stack(parts) for parts in pieces]


def score_blocks(
    cells: Sequence[Cell], controls: Callable[[Cell], BoolArray] | None = None
) -> Iterator[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """Give the scores of each cell, standardised, some columns of the table at a time.

    Parameters
    ----------
    cells
        All with the same table of scores.
    controls
        Who makes the unit of scores, if controls do.

    Yields
    ------
    place, scores, scale
        Of the cell in `cells`; its scores; their means and deviations.
    """
    table = cells[0].part.table
    for first in range(0, len(table.names), MAX_BATCH_COLUMNS):
        values = table.read(first, min(first + MAX_BATCH_COLUMNS, len(table.names)))
        for place, cell in enumerate(cells):
            makers = None if controls is None else controls(cell)
            yield (place, *cell.part.standardised(values, first, controls=makers))


def _fit(
    cell: Cell,
    scores: pd.DataFrame,
    fit: Callable[[Cell, pd.DataFrame], pd.DataFrame],
    interaction: Sequence[str],
) -> pd.DataFrame:
    names, label = list(scores.columns), "term" if interaction else ""
    if not cell.complete.any():
        return refused_fits(names, "no_complete_cases", cell.explain_nobody(), label)
    lacking = cell.lacking(interaction)
    if lacking:
        reason = f"interaction {lacking!r} does not vary among the complete cases"
        return refused_fits(names, "collinear", reason, label)
    return fit(cell, scores)


def _label(fits: pd.DataFrame, cell: Cell, scale: pd.DataFrame) -> pd.DataFrame:
    """Put labels before, counts, scale and dropped covariates behind the fits."""
    for place, (name, value) in enumerate(cell.labels.items()):
        fits.insert(place, name, value)
    fits["n_incomplete"] = int(cell.included.sum()) - fits["n"]
    if cell.n_related is not None:
        fits["n_related"] = cell.n_related
    by_score = scale.set_index("score").loc[fits["score"]]
    fits["score_mean"] = by_score["score_mean"].to_numpy()
    fits["score_sd"] = by_score["score_sd"].to_numpy()
    fits["dropped_covariates"] = "; ".join(cell.dropped)
    return fits


def _stack(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables under the header of the first that has one."""
    headers = [part.attrs["conventions"] for part in parts if "conventions" in part.attrs]
    table = pd.concat(parts, ignore_index=True)
    table.attrs = {"conventions": headers[0]} if headers else {}
    return table


def stack_cells(
    fits: Sequence[pd.DataFrame], people: JoinedPeople, **header: object
) -> pd.DataFrame:
    """Stack the fits of all cells; the header says how they were made."""
    table = _stack(fits)
    unit = people.strata[0].unit.standardise
    table.attrs["conventions"] = {
        **table.attrs.get("conventions", {}),
        "standardise": unit,
        "score_unit": UNIT_NOTES[unit],
        **{name: value for name, value in header.items() if value not in (None, (), {})},
    }
    table.attrs["people"] = people.counts
    return table
