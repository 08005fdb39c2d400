"""How far people are from others on principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from pgs_trd.errors import DataError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def shared_components(
    people: pd.DataFrame, training: pd.DataFrame, n_components: int | None = None
) -> list[str]:
    """Give the names of the components to use, those of `training` in their order.

    Parameters
    ----------
    people, training
        Tables of components, one column each.
    n_components
        The leading ones; default: all of `training`.

    Raises
    ------
    DataError
        If there are fewer, or `people` lacks one of them.
    """
    names = [str(name) for name in training.columns]
    if n_components is not None and not 1 <= n_components <= len(names):
        raise DataError(f"{n_components} components are asked for, but there are {len(names)}")
    names = names[:n_components]
    absent = [name for name in names if name not in people.columns]
    if absent:
        raise DataError(
            f"the people's components lack {', '.join(absent)}: take them from the same "
            "components as those that they are compared with, or ask for fewer"
        )
    return names


def check_people(subject: str, table: pd.DataFrame | pd.Series) -> None:
    """Raise a DataError if a person occurs twice: whose row is meant cannot be told."""
    n_repeated = int(table.index.duplicated().sum())
    if n_repeated:
        raise DataError(f"{n_repeated:,} of {len(table):,} rows of {subject} repeat a person")


def check_shared(first: str, of_first: pd.Index, second: str, of_second: pd.Index) -> None:
    """Raise a DataError if two tables with people have nobody in common."""
    if not len(of_first) or not len(of_second) or of_first.isin(of_second).any():
        return
    kinds = f"{of_first.inferred_type} in {first}, {of_second.inferred_type} in {second}"
    raise DataError(
        f"none of the {len(of_first):,} people of {first} is among the {len(of_second):,} of "
        f"{second}: write ids the same way in both (they are {kinds})"
    )


def genetic_distance(
    components: pd.DataFrame, training: pd.DataFrame, *, n_components: int | None = None
) -> pd.Series[float]:
    """Give each person's distance from the people that a score was made from.

    It is the Euclidean distance on principal components from the mean of these people;
    the accuracy of a score falls with it, within what is called one ancestry too [1]_.

    Parameters
    ----------
    components : (n_people, n_components)
        On the scale of ``PrincipalComponents.scores``, where a unit is the same on
        every component; index `person_id`.
    training
        The same of people like those of the GWAS, such as a reference's group.
    n_components
        The leading ones to use; default: all.

    Returns
    -------
    distance : (n_people,)
        Missing where a component is.

    References
    ----------
    .. [1] Ding, Hou, Xu et al. (2023) Nature 618:774.
    """
    names = shared_components(components, training, n_components)
    centre = training[names].mean()
    squares = ((components[names] - centre) ** 2).sum(axis=1, skipna=False)
    return pd.Series(np.sqrt(squares), name="distance")


@dataclass(frozen=True)
class GroupShapes:
    """Mean and covariance of groups of people on components.

    Attributes
    ----------
    names : (n_groups,)
        Groups, in alphabetical order.
    sizes : (n_groups,)
        Number of people.
    means : (n_groups, n_components)
    inverses : (n_groups, n_components, n_components)
        Inverse covariance matrices.
    """

    names: Sequence[str]
    sizes: IntArray
    means: FloatArray
    inverses: FloatArray


def describe_groups(components: FloatArray, codes: IntArray, names: Sequence[str]) -> GroupShapes:
    """Give mean and covariance of each group.

    Parameters
    ----------
    components : (n_people, n_components)
    codes : (n_people,)
        Places among `names`.

    Raises
    ------
    DataError
        If a group has no more people than there are components, or does not vary.
    """
    size = components.shape[1]
    sizes = np.bincount(codes, minlength=len(names)).astype(np.int64)
    if (sizes <= size + 2).any():
        raise DataError(
            f"{int((sizes <= size + 2).sum())} of {len(names)} groups have {size + 2} people or "
            f"fewer, the smallest {sizes.min()}: too few for {size} components; leave these groups "
            "out or take fewer components"
        )
    means, inverses = [], []
    for code in range(len(names)):
        inside = components[codes == code]
        covariance = np.atleast_2d(np.cov(inside, rowvar=False))
        if np.linalg.cond(covariance) > 1e12:
            raise DataError(
                f"the components of group {names[code]} do not vary on their own: is one of them "
                "constant, or given twice?"
            )
        means.append(inside.mean(axis=0))
        inverses.append(np.linalg.inv(covariance))
    return GroupShapes(tuple(names), sizes, np.array(means), np.array(inverses))


def squared_mahalanobis(components: FloatArray, shapes: GroupShapes, codes: IntArray) -> FloatArray:
    """Give the squared Mahalanobis distance of each person from one group.

    Parameters
    ----------
    components : (n_people, n_components)
    codes : (n_people,)
        The group of each, a place among ``shapes.names``.
    """
    squared = np.empty(len(components))
    for code in range(len(shapes.names)):
        inside = codes == code
        away = components[inside] - shapes.means[code]
        squared[inside] = ((away @ shapes.inverses[code]) * away).sum(axis=1)
    return squared


def leave_one_out(squared: FloatArray, n_people: npt.ArrayLike) -> FloatArray:
    """Give squared distances of members of a group from the group without them.

    Parameters
    ----------
    squared : (n_people,)
        From the group with them.
    n_people : (n_people,) or number
        Size of the group, with the person.
    """
    n = np.asarray(n_people, dtype=np.float64)
    on_scatter = squared / (n - 1)
    away = on_scatter / np.maximum(1 - n / (n - 1) * on_scatter, 1e-12)
    without: FloatArray = (n - 2) * (n / (n - 1)) ** 2 * away
    return without


def distance_p_values(squared: FloatArray, sizes: IntArray, n_components: int) -> FloatArray:
    """Give the probability that a member of a normal group lies as far out or further.

    For a person who is not among those that mean and covariance were estimated in,
    ``n / (n + 1) (n - k) / ((n - 1) k)`` times the squared distance has an F
    distribution with k and n - k degrees of freedom (Hotelling).

    Parameters
    ----------
    squared : (n_people,)
        From the group.
    sizes : (n_people,)
        Number of people in the group, the person not counted.
    n_components
        How many components the distance is over.
    """
    n = sizes.astype(np.float64)
    scale = n / (n + 1) * (n - n_components) / ((n - 1) * n_components)
    return np.asarray(stats.f.sf(squared * scale, n_components, n - n_components), np.float64)
