"""Multinomial logistic regression: one score, several kinds of cases, one reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray, IntArray
from pgs_trd.models.inputs import Labels, Matrix, People, Vector, read_scores
from pgs_trd.models.multinomial_likelihood import MultinomialLikelihood
from pgs_trd.models.newton import solve_each
from pgs_trd.models.sandwich import Errors
from pgs_trd.models.term_fits import (
    Interval,
    Method,
    TermProblem,
    describe_fit,
    fit_terms,
    read_options,
)
from pgs_trd.models.term_inputs import read_term_inputs
from pgs_trd.models.term_rows import TermRows
from pgs_trd.models.terms import TermDesign
from pgs_trd.models.workers import Workers

MAX_CLASSES = 12


def fit_multinomial(
    outcome: Labels,
    scores: Matrix,
    covariates: Matrix | None = None,
    *,
    reference: str | float | bool,
    se: Errors | Literal["robust"] = "model",
    cluster: Labels | None = None,
    interval: Interval = "wald",
    weights: Vector | None = None,
    confidence: float = 0.95,
    min_events_per_parameter: float = 0.0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Fit log odds of each class against the reference, for every score.

    Parameters
    ----------
    outcome : (n_people,)
        The class of each person, text or numbers; missing is out.
    scores, covariates, cluster, interval, weights, confidence, threads
        As in `fit_logistic`.
    reference
        The class that the others are compared with.
    se
        "model", "HC0" (also called "robust"), "HC1" or "cluster".
    min_events_per_parameter
        Below this number of people in the rarest class per coefficient of one class
        the rows have the status `too_few_events`. 0 asks for nothing.

    Returns
    -------
    fits
        One row a score and class: the columns of `fit_logistic`, with `class` after
        `score`, `n_events` the people of that class, and the Wald test that the score
        has the same effect in all classes: `equal_effects_chi2` (of as many degrees as
        there are classes, less two), `equal_effects_p`.

    Raises
    ------
    UsageError
        If the reference is not a class, or there are fewer than two classes or more
        than 12; if inputs disagree about the people.
    ModelDataError
        If anything is infinite.
    """
    options = read_options(se, interval, confidence, min_events_per_parameter, cluster)
    people = People()
    columns = read_scores(people, scores)
    codes, classes = _read_classes(people, outcome, reference)
    inputs = read_term_inputs(people, columns, codes, covariates, weights=weights, cluster=cluster)
    tests = ("equal_effects_chi2", "equal_effects_p")
    rows = TermRows(
        columns.names,
        classes,
        "class",
        confidence,
        extra={name: np.full(len(columns.names), np.nan) for name in tests},
    )
    with Workers(threads) as workers:
        for batch, part in inputs.batches():
            problem = MultinomialProblem(part, options, workers, classes=classes)
            fit_terms(rows, batch, problem, nobody=inputs.nobody)
    equal = f"Wald, chi-square of {len(classes) - 1} degrees"
    header = describe_fit(
        "multinomial logistic", options, reference=str(reference), equal_effects=equal
    )
    return rows.table(header)


def _read_classes(
    people: People, outcome: Labels, reference: str | float | bool
) -> tuple[FloatArray, tuple[str, ...]]:
    """Give the place of each person's class, the reference 0, and the names of the others."""
    people.check("outcome", outcome)
    values: npt.NDArray[np.object_] = pd.Series(outcome).to_numpy(dtype=object)
    series = pd.Series(values)
    levels: Sequence[object] = sorted(series.dropna().unique().tolist(), key=str)
    if reference not in levels:
        found = ", ".join(repr(level) for level in levels[:MAX_CLASSES])
        raise UsageError(f"reference {reference!r} is no class of the outcome: there are {found}")
    if not 2 <= len(levels) <= MAX_CLASSES:
        raise UsageError(
            f"the outcome has {len(levels)} classes: 2 to {MAX_CLASSES} can be compared"
        )
    others = [level for level in levels if level != reference]
    places = {level: float(place) for place, level in enumerate([reference, *others])}
    codes = series.map(places).to_numpy(dtype=np.float64)
    return codes, tuple(str(level) for level in others)


@dataclass(frozen=True, kw_only=True)
class MultinomialProblem(TermProblem):
    """Everything about a batch of multinomial models but its scores."""

    classes: tuple[str, ...]
    infinite_reason = "separates one class from the others, wholly or for some people"

    @property
    def n_events(self) -> IntArray:
        """Number of people of each class but the reference."""
        return self._counts()[1:]

    @property
    def n_parameters(self) -> int:
        """Intercept, covariates and score of each class but the reference."""
        return len(self.classes) * (len(self.inputs.basis.names) + 2)

    def _counts(self) -> IntArray:
        codes = self.inputs.data.outcome.astype(np.int64)
        return np.asarray(np.bincount(codes, minlength=len(self.classes) + 1), dtype=np.int64)

    def fault(self) -> tuple[str, str] | None:
        """Say why no score of this batch can be fitted, if so."""
        counts, n_people = self._counts(), self.inputs.n_people
        if counts[0] == 0:
            return "no_nonevents", f"nobody of the reference among {n_people:,} complete cases"
        if counts.min() == 0:
            absent = self.classes[int(np.argmin(counts[1:]))]
            return "no_events", f"nobody of class {absent!r} among {n_people:,} complete cases"
        n_own = len(self.inputs.basis.names) + 2
        if counts.min() < self.options.min_events_per_parameter * n_own:
            return (
                "too_few_events",
                f"{counts.min():,} in the rarest class, {n_own} coefficients a class",
            )
        return self.inputs.common_fault(self.n_parameters)

    def begin(self) -> FloatArray:
        """Start from the shares of the classes."""
        codes = self.inputs.data.outcome.astype(np.int64)
        shares = np.bincount(codes, self.inputs.data.weights, len(self.classes) + 1)
        start = np.zeros((len(self.classes), len(self.inputs.basis.columns)))
        start[:, 0] = np.log(shares[1:] / shares[0])
        return start.ravel()

    def likelihood(self, design: TermDesign, _method: Method, /) -> MultinomialLikelihood:
        """Give the likelihood of the models in `design`."""
        return MultinomialLikelihood(design, self.inputs.data, len(self.classes) + 1, self.workers)

    def own_scale(self, scale: FloatArray) -> FloatArray:
        """Give the scale of each own parameter: that of the score, for every class."""
        return np.repeat(scale.T, len(self.classes), axis=1)

    def describe(self, direction: FloatArray) -> str:
        """Name the covariate that moves most in the class that moves most."""
        each = direction.reshape(len(self.classes), -1)
        largest = int(np.argmax(np.abs(each).max(axis=1)))
        return self.inputs.basis.describe_direction(each[largest])

    def note(
        self, rows: TermRows, positions: IntArray, beta: FloatArray, covariance: FloatArray
    ) -> None:
        """Test that the effects of all classes are equal."""
        degrees = len(self.classes) - 1
        if not degrees:
            return
        difference = beta[:, 1:] - beta[:, :1]
        contrast = np.hstack([-np.ones((degrees, 1)), np.eye(degrees)])
        spread = contrast @ covariance @ contrast.T
        chi2 = np.sum(difference * solve_each(spread, difference), axis=1)
        rows.extra["equal_effects_chi2"][positions] = chi2
        rows.extra["equal_effects_p"][positions] = chdtrc(degrees, chi2)
