"""Effects of scores that change along continuous ancestry, beside strata of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc
from scipy.stats import chi2 as chi_square

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import (
    Matrix,
    People,
    Vector,
    read_binary,
    read_covariates,
    refuse_infinite,
)
from pgs_trd.models.logistic import fit_logistic
from pgs_trd.models.results import FIT_COLUMNS
from pgs_trd.models.wald import LOG10_E, check_confidence, wald_columns


def fit_ancestry_interaction(
    outcome: Vector,
    scores: Matrix,
    covariates: pd.DataFrame,
    *,
    components: Sequence[str],
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Test whether the effect of each score changes with genetic principal components.

    Logistic regression on covariates, components, score and score x each component,
    by maximum likelihood; the joint test is the likelihood ratio against the model
    without the products.

    Parameters
    ----------
    outcome, scores, confidence, threads
        As in `fit_logistic`.
    covariates : (n_people, n_covariates)
        Holds the components.
    components
        Names of numeric columns of `covariates`, 1 to 15. They are centred on their
        mean among people with an outcome and all covariates, so that the row of the
        score is its effect at the mean of ancestry.

    Returns
    -------
    fits
        Rows score x term: `score`, `term` (the score, then score:component), the
        columns of `fit_logistic`, and the joint test of all products, the same in all
        rows of a score: `joint_chi2`, `joint_df`, `joint_p_value`, `joint_log10_p`.

    Raises
    ------
    UsageError
        If a component is no covariate or holds text; or as `fit_logistic`.
    ModelDataError
        As `fit_logistic`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> pcs = pd.DataFrame(rng.normal(size=(2000, 2)), columns=["PC1", "PC2"])
    >>> scores = pd.DataFrame({"mdd": rng.normal(size=2000)})
    >>> chance = 1 / (1 + np.exp(-scores["mdd"] * (0.5 - 0.3 * pcs["PC1"])))
    >>> fits = fit_ancestry_interaction(
    ...     rng.random(2000) < chance, scores, pcs, components=["PC1", "PC2"]
    ... )
    >>> fits["term"].tolist(), bool(fits.loc[0, "joint_p_value"] < 1e-4)
    (['mdd', 'mdd:PC1', 'mdd:PC2'], True)
    """
    names = list(components)
    if not names:
        raise UsageError("components is empty: name the columns of principal components")
    if len(set(names)) < len(names):
        raise UsageError(f"components has {len(names)} names, {len(set(names))} of them different")
    centred = _centre(outcome, covariates, names)
    without = fit_logistic(
        outcome, scores, centred, method="ml", confidence=confidence, threads=threads
    )
    fits = fit_logistic(
        outcome,
        scores,
        centred,
        method="ml",
        interaction=names,
        confidence=confidence,
        threads=threads,
    )
    plain = without.set_index("score")["log_likelihood"]
    gain = fits["log_likelihood"] - fits["score"].map(plain)
    ratio = 2 * gain.clip(lower=0.0).to_numpy()
    fits["joint_chi2"] = ratio
    fits["joint_df"] = len(names)
    fits["joint_p_value"] = chdtrc(len(names), ratio)
    fits["joint_log10_p"] = chi_square.logsf(ratio, len(names)) * LOG10_E
    fits.attrs["conventions"] |= {"joint_test": "likelihood ratio, chi-square"}
    return fits


def fit_along_distance(
    outcome: Vector,
    scores: Matrix,
    covariates: pd.DataFrame,
    *,
    distance: str,
    at: Sequence[float],
    confidence: float = 0.95,
    threads: int | None = None,
) -> pd.DataFrame:
    """Give the effect of each score at points of a genetic distance.

    Logistic regression on covariates, distance, score and score x distance: the log
    odds ratio of the score is a straight line in the distance, and its interval that
    of the line.

    Parameters
    ----------
    outcome, scores, confidence, threads
        As in `fit_logistic`.
    covariates : (n_people, n_covariates)
        Holds the distance.
    distance
        Name of a numeric column of `covariates`, such as the distance from the people
        whose genomes gave the weights.
    at
        Distances at which effects are given.

    Returns
    -------
    effects
        Rows score x point: `score`, `distance`, the columns of `fit_logistic` (`beta`
        is the log odds ratio per unit of the score at that distance), and
        `change_beta`, `change_se`, `change_p_value`: the slope of the line, per unit
        of distance, the same in all rows of a score.

    Raises
    ------
    UsageError
        If the distance is no covariate or holds text, or `at` has no finite numbers;
        or as `fit_logistic`.
    ModelDataError
        As `fit_logistic`.
    """
    check_confidence(confidence)
    points = np.asarray(at, dtype=np.float64)
    if points.ndim != 1 or not len(points) or not np.isfinite(points).all():
        raise UsageError("at holds no distances, or some that are not finite: give numbers")
    centred = _centre(outcome, covariates, [distance])
    middle = _middle(outcome, covariates, [distance])[0]
    known = centred[distance].dropna().to_numpy(np.float64)
    apart = float(known.std()) if len(known) and known.std() > 0 else 1.0
    here, there = (
        fit_logistic(
            outcome,
            scores,
            centred.assign(**{distance: centred[distance] - shift}),
            method="ml",
            interaction=distance,
            confidence=confidence,
            threads=threads,
        )
        for shift in (0.0, apart)
    )
    line = here.iloc[0::2].reset_index(drop=True)
    change = here.iloc[1::2].reset_index(drop=True)
    # A variance is a parabola in the distance: its values at two points and its curvature, that
    # of the slope, leave the covariance.
    spread, curvature = (fits["se"].to_numpy() ** 2 for fits in (line, change))
    covariance = (there["se"].to_numpy()[0::2] ** 2 - spread - apart**2 * curvature) / (2 * apart)
    steps = points[np.newaxis, :] - middle
    columns = [table.to_numpy()[:, np.newaxis] for table in (line["beta"], change["beta"])]
    beta = columns[0] + columns[1] * steps
    variance = (
        spread[:, np.newaxis]
        + 2 * steps * covariance[:, np.newaxis]
        + steps**2 * curvature[:, np.newaxis]
    )
    effects = line.loc[line.index.repeat(len(points))].reset_index(drop=True)
    numbers = wald_columns(beta.ravel(), np.sqrt(variance).ravel(), confidence=confidence)
    effects = effects.assign(distance=np.tile(points, len(line)), **numbers)
    effects = effects[["score", "distance", *FIT_COLUMNS[1:]]]
    for name in ("beta", "se", "p_value"):
        effects[f"change_{name}"] = np.repeat(change[name].to_numpy(), len(points))
    effects.attrs["conventions"] = {
        **here.attrs["conventions"],
        "effect": f"at points of {distance}, linear in it",
    }
    return effects


def _columns(covariates: pd.DataFrame, names: list[str]) -> FloatArray:
    """Give the named columns as numbers."""
    absent = [name for name in names if name not in covariates.columns]
    if absent:
        raise UsageError(f"covariates have no column {', '.join(map(repr, absent))}")
    try:
        numbers = covariates[names].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        # The cause is left out: its text holds a value of one person.
        raise UsageError(f"covariates: {', '.join(names)} must all be numbers") from None
    refuse_infinite(", ".join(names), numbers)
    return np.asarray(numbers)


def _middle(outcome: Vector, covariates: pd.DataFrame, names: list[str]) -> FloatArray:
    """Give the means of the columns among people with outcome and covariates."""
    people = People()
    people.check("covariates", covariates)
    known = ~np.isnan(read_binary(people, "outcome", outcome))
    # As the fit reads them: text may be missing only once it is encoded.
    known &= ~np.isnan(read_covariates(people, covariates)[0]).any(axis=1)
    numbers = _columns(covariates, names)[known]
    return np.asarray(numbers.mean(axis=0)) if known.any() else np.zeros(len(names))


def _centre(outcome: Vector, covariates: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Give the covariates with the named columns centred."""
    centred = _columns(covariates, names) - _middle(outcome, covariates, names)
    return covariates.assign(**dict(zip(names, centred.T, strict=True)))
