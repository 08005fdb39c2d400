"""How many independent tests correlated scores amount to."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgs_trd.errors import UsageError
from pgs_trd.models.arrays import FloatArray
from pgs_trd.models.inputs import Matrix, ModelDataError, People, read_covariates, read_scores

# An eigenvalue of 1 may come out as 1 - 1e-15, which Li and Ji's rule would count twice.
ROUNDING = 1e-8
METHODS = ("nyholt", "li_ji", "galwey")


def effective_tests(
    scores: Matrix, covariates: Matrix | None = None, *, alpha: float = 0.05
) -> pd.DataFrame:
    """Give the effective number of tests of K scores from the eigenvalues of their correlation.

    Models of one outcome on each of K scores give test statistics whose correlation is,
    under the null, that of the scores given the covariates. Nyholt's number is the most
    cautious of the three and the other two count about how many eigenvalues are large;
    for none of them is the level guaranteed, unlike Bonferroni's for K.

    Parameters
    ----------
    scores : (n_people, n_scores)
        People with anything missing are out.
    covariates : (n_people, n_covariates)
        What the models adjust for; the correlation is that of the scores' residuals.
    alpha
        Level for the whole family.

    Returns
    -------
    numbers
        One row a method, "nyholt" [1]_, "li_ji" [2]_, "galwey" [3]_: `method`, `n_tests`,
        `n_effective`, `alpha_per_test` (alpha / n_effective), `n` (people).

    Raises
    ------
    UsageError
        If inputs disagree about the people, or alpha is not in (0, 1).
    ModelDataError
        If a score is constant or a combination of the covariates, or too few people are
        complete.

    References
    ----------
    .. [1] Nyholt (2004) American Journal of Human Genetics 74:765.
    .. [2] Li and Ji (2005) Heredity 95:221.
    .. [3] Galwey (2009) Genetic Epidemiology 33:559.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> one, other = rng.normal(size=(2, 1000))
    >>> numbers = effective_tests(np.column_stack([one, one + 1e-9 * other, other]))
    >>> numbers["n_effective"].round(1).tolist()
    [2.3, 2.0, 1.9]
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}: it must lie between 0 and 1, such as 0.05")
    people = People()
    columns = read_scores(people, scores)
    x, _ = read_covariates(people, covariates)
    values = columns.block(0, len(columns.names))
    complete = ~np.isnan(values).any(axis=1) & ~np.isnan(x).any(axis=1)
    values, x = values[complete], x[complete]
    correlation = _residual_correlation(values, x, columns.names)
    eigenvalues = np.linalg.eigvalsh(correlation)
    numbers = pd.DataFrame(
        {
            "method": METHODS,
            "n_tests": len(columns.names),
            "n_effective": [count_effective(eigenvalues, method) for method in METHODS],
        }
    )
    numbers["alpha_per_test"] = alpha / numbers["n_effective"]
    numbers["n"] = len(values)
    return numbers


def count_effective(eigenvalues: FloatArray, method: str) -> float:
    """Give the effective number of tests from the eigenvalues of a correlation matrix."""
    size = len(eigenvalues)
    if size == 1:
        return 1.0
    if method == "nyholt":
        return float(1 + (size - 1) * (1 - np.var(eigenvalues, ddof=1) / size))
    if method == "li_ji":
        lifted = np.abs(eigenvalues) + ROUNDING
        return float(np.sum((lifted >= 1) + lifted - np.floor(lifted)))
    positive = np.maximum(eigenvalues, 0.0)
    return float(np.sqrt(positive).sum() ** 2 / positive.sum())


def _residual_correlation(values: FloatArray, x: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Correlate the scores once the covariates are taken out."""
    n_people, n_covariates = x.shape
    if n_people < n_covariates + 3:
        raise ModelDataError(
            f"scores: {n_people:,} people are complete, too few to correlate scores given "
            f"{n_covariates} covariates"
        )
    centred = values - values.mean(axis=0)
    away = x - x.mean(axis=0)
    # Each covariate in its own unit: least squares drops columns that are small beside others.
    spread = np.sqrt(np.mean(away**2, axis=0))
    design = np.column_stack([np.ones(n_people), away / np.where(spread > 0, spread, 1.0)])
    residual = centred - design @ np.linalg.lstsq(design, centred, rcond=None)[0]
    length = np.sqrt(np.sum(residual**2, axis=0))
    size = np.max(np.abs(values), axis=0) * np.sqrt(n_people)
    flat = ~(length > 1e-10 * size)
    if flat.any():
        raise ModelDataError(
            f"score {names[int(np.argmax(flat))]!r} is constant or a combination of the "
            f"covariates among the {n_people:,} complete people: leave it out"
        )
    scaled = residual / length
    return np.asarray(scaled.T @ scaled)
