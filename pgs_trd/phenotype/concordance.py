"""How far definitions agree: kappa, overlap, and who is a case under which."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype.classifier import Phenotype

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _cases(phenotypes: Mapping[str, Phenotype], phenotype: str) -> pd.DataFrame:
    """Give one column a definition: is a person of that class? Ids must be the same."""
    if len(phenotypes) < 1:
        raise UsageError("no definitions to compare")
    first = next(iter(phenotypes.values())).table["person_id"]
    for name, each in phenotypes.items():
        if len(each.table) != len(first) or not np.array_equal(
            each.table["person_id"].to_numpy(), first.to_numpy()
        ):
            raise DataError(f"definition {name!r} was applied to other people than the first")
    columns = {
        name: (each.table["phenotype"] == phenotype).to_numpy() for name, each in phenotypes.items()
    }
    return pd.DataFrame(columns)


def compare_definitions(
    phenotypes: Mapping[str, Phenotype], *, phenotype: str = "trd"
) -> pd.DataFrame:
    """Compare each pair of definitions on who is a case.

    Among people who have depression by either of the two: agreement that a control
    is no case would make every pair look alike.

    Parameters
    ----------
    phenotypes
        By definition id, on the same people; from `classify_grid`.
    phenotype
        The class to compare.

    Returns
    -------
    DataFrame
        One row a pair: ``definition_a``, ``definition_b``, ``n_people`` (compared),
        ``n_a``, ``n_b``, ``n_both``, ``overlap`` (both of either, the Jaccard index;
        NaN if nobody is a case), ``share_of_a`` and ``share_of_b`` (of one's cases that
        are the other's), ``kappa`` (Cohen's [1]_; NaN where chance alone explains all).

    Raises
    ------
    DataError
        If the definitions were applied to different people.

    References
    ----------
    .. [1] Cohen (1960) Educ Psychol Meas 20:37-46.
    """
    cases = _cases(phenotypes, phenotype)
    mdd = {name: each.table["is_mdd"].to_numpy() for name, each in phenotypes.items()}
    rows = []
    for a, b in combinations(phenotypes, 2):
        among = mdd[a] | mdd[b]
        is_a, is_b = cases[a].to_numpy()[among], cases[b].to_numpy()[among]
        n, n_a, n_b = len(is_a), int(is_a.sum()), int(is_b.sum())
        both = int((is_a & is_b).sum())
        either = n_a + n_b - both
        rows.append(
            {
                "definition_a": a,
                "definition_b": b,
                "n_people": n,
                "n_a": n_a,
                "n_b": n_b,
                "n_both": both,
                "overlap": both / either if either else np.nan,
                "share_of_a": both / n_a if n_a else np.nan,
                "share_of_b": both / n_b if n_b else np.nan,
                "kappa": _kappa(n, n_a, n_b, both),
            }
        )
    return pd.DataFrame(rows)


def _kappa(n: int, n_a: int, n_b: int, both: int) -> float:
    if not n:
        return float("nan")
    agreed = (both + (n - n_a - n_b + both)) / n
    chance = (n_a * n_b + (n - n_a) * (n - n_b)) / n**2
    return (agreed - chance) / (1 - chance) if chance < 1 else float("nan")


def count_overlaps(phenotypes: Mapping[str, Phenotype], *, phenotype: str = "trd") -> pd.DataFrame:
    """Count people by the exact set of definitions under which they are cases.

    Returns
    -------
    DataFrame
        One column a definition (whether it is in the set), ``n_people``; the largest
        set first. Who is a case under none is not counted. Counts are not yet
        suppressed for disclosure.
    """
    cases = _cases(phenotypes, phenotype)
    cases = cases[cases.any(axis=1)]
    names = list(cases.columns)
    counts = cases.groupby(names, sort=True).size().rename("n_people").reset_index()
    return counts.sort_values("n_people", ascending=False, kind="stable", ignore_index=True)


def draw_overlaps(overlaps: pd.DataFrame, *, max_sets: int = 30) -> Figure:
    """Draw the sets of `count_overlaps` as an UpSet figure [1]_.

    Parameters
    ----------
    overlaps
        From `count_overlaps`, or the same with small counts taken out (NaN): those
        have no bar.
    max_sets
        At most so many sets, the largest.

    References
    ----------
    .. [1] Lex et al. (2014) IEEE Trans Vis Comput Graph 20:1983-92.
    """
    from matplotlib.figure import Figure

    shown = overlaps.head(max_sets)
    names = [name for name in overlaps.columns if name != "n_people"]
    member = shown[names].to_numpy(dtype=bool)
    place = np.arange(len(shown))
    figure = Figure(figsize=(2.5 + 0.3 * len(shown), 2.2 + 0.25 * len(names)), layout="constrained")
    bars, dots = figure.subplots(2, 1, sharex=True, height_ratios=(2, max(1.0, 0.25 * len(names))))
    bars.bar(place, shown["n_people"].to_numpy(dtype=np.float64), color="0.3", width=0.6)
    bars.set_ylabel("people")
    bars.spines[["top", "right"]].set_visible(False)
    for row, sets in enumerate(member.T):
        dots.scatter(place, np.full(len(place), row), s=20, color="0.85", zorder=1)
        dots.scatter(place[sets], np.full(int(sets.sum()), row), s=20, color="0.1", zorder=3)
    for column, own in enumerate(member):
        held = np.flatnonzero(own)
        if len(held) > 1:
            dots.plot([column, column], [held[0], held[-1]], color="0.1", zorder=2)
    dots.set_yticks(np.arange(len(names)), names)
    dots.set_xticks([])
    dots.invert_yaxis()
    dots.spines[:].set_visible(False)
    return figure
