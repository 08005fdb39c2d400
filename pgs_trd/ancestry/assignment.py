"""People assigned to the groups of a reference, with a probability and a way out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from pgs_trd.ancestry.distance import (
    GroupShapes,
    check_people,
    check_shared,
    describe_groups,
    distance_p_values,
    leave_one_out,
    shared_components,
    squared_mahalanobis,
)
from pgs_trd.errors import DataError, UsageError
from pgs_trd.resources import thread_count

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

UNASSIGNED = "unassigned"
ALL = "all"
REASONS = ("assigned", "low_probability", "far", "no_components")


@dataclass(frozen=True)
class Assignment:
    """People and the groups they are most similar to.

    Attributes
    ----------
    people : (n_people,)
        ancestry (the group, or ``"unassigned"``), most_similar (the group even if
        unassigned), probability (share of the nearest reference people in it), distance
        (Mahalanobis, from its mean), distance_p (probability of lying as far out or
        further in it), reason: ``"assigned"``, ``"low_probability"``, ``"far"``, or
        ``"no_components"``, where the rest is missing. Index `person_id`.
    probabilities : (n_people, n_groups)
        Of every group, one column each.
    accuracy
        What became of the reference's own people when each was left out: group,
        n_people, n_right, n_wrong, n_unassigned, accuracy (right of all), accuracy_assigned
        (right of those assigned); the last row is of all groups.
    """

    people: pd.DataFrame
    probabilities: pd.DataFrame
    accuracy: pd.DataFrame


def assign_ancestry(
    components: pd.DataFrame,
    training: pd.DataFrame,
    labels: pd.Series[str],
    *,
    n_components: int | None = None,
    n_neighbours: int = 20,
    min_probability: float = 0.9,
    min_distance_p: float = 1e-6,
    threads: int | None = None,
) -> Assignment:
    """Assign people to the groups of labelled people who are nearest on components.

    The probability of a group is its share of the `n_neighbours` labelled people nearest
    in Euclidean distance: no shape of the groups is assumed, so that a group may be a
    cline. The person stays unassigned if no group has `min_probability`, or if members
    of the most similar one so far out are rarer than `min_distance_p`: the nearest
    people can all be far. Of groups with equally many neighbours the first by name is the
    most similar one. The groups are those of the labelled people, similar on
    components and nothing more.

    Parameters
    ----------
    components : (n_people, n_components)
        Of the people to assign; index `person_id`. From `project`, or a biobank's own.
    training
        The same components of labelled people, such as ``reference.scores``.
    labels : (n_training,)
        Their groups, by the index of `training`; without a label a person is not used.
    n_components
        The leading ones to use; default: all of `training`.
    n_neighbours
        How many neighbours vote.
    min_probability, min_distance_p
        Where assignment ends; 0 assigns everybody.
    threads
        Default: what `thread_count` gives.

    Raises
    ------
    UsageError
        If an option is out of range.
    DataError
        If the components differ, a labelled person occurs twice, none has components, a group
        has no more people than there are neighbours, or is named ``"unassigned"`` or ``"all"``.
    """
    _check_options(n_neighbours, min_probability, min_distance_p)
    check_people("the labels", labels)
    check_people("the labelled people", training)
    check_shared("the labels", labels.index, "the labelled people", training.index)
    names = shared_components(components, training, n_components)
    values = training[names].to_numpy(dtype=np.float64)
    groups = labels.reindex(training.index)
    used = groups.notna().to_numpy() & np.isfinite(values).all(axis=1)
    codes, group_names = pd.factorize(groups[used].astype(str), sort=True)
    codes = codes.astype(np.int64)
    _check_groups(codes, group_names, n_neighbours)
    values = values[used]
    neighbours = _Neighbours(cKDTree(values), codes, len(group_names), n_neighbours, threads)
    shapes = describe_groups(values, codes, list(group_names))
    limits = (min_probability, min_distance_p)
    people, probabilities = _assign(components[names], neighbours, shapes, limits)
    left_out = _assign_left_out(values, neighbours, shapes, limits)
    return Assignment(people, probabilities, _count_right(left_out, codes, shapes))


@dataclass(frozen=True)
class _Neighbours:
    """Labelled people, ready to be searched.

    Attributes
    ----------
    tree
        Of their components.
    codes : (n_training,)
        Their groups.
    n_groups, n_neighbours, threads
        Numbers.
    """

    tree: cKDTree
    codes: IntArray
    n_groups: int
    n_neighbours: int
    threads: int | None

    def probabilities(self, values: FloatArray, *, leave_self_out: bool = False) -> FloatArray:
        """Give the share (n_people, n_groups) of each group among the neighbours.

        With `leave_self_out`, `values` are those of the tree in its order.
        """
        wanted = self.n_neighbours + leave_self_out
        _, found = self.tree.query(values, wanted, workers=thread_count(self.threads))
        found = np.asarray(found).reshape(len(values), wanted)
        if leave_self_out:
            is_self = found == np.arange(len(values))[:, np.newaxis]
            # Among people at one point the person may not be found: then the last goes.
            is_self[~is_self.any(axis=1), -1] = True
            found = found[~is_self].reshape(len(values), self.n_neighbours)
        votes = self.codes[found]
        rows = np.repeat(np.arange(len(values)), self.n_neighbours)
        counts = np.bincount(
            rows * self.n_groups + votes.ravel(), minlength=len(values) * self.n_groups
        )
        return counts.reshape(len(values), self.n_groups) / self.n_neighbours


def _assign(
    components: pd.DataFrame,
    neighbours: _Neighbours,
    shapes: GroupShapes,
    limits: tuple[float, float],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the tables `Assignment.people` and `Assignment.probabilities`."""
    values = components.to_numpy(dtype=np.float64)
    known = np.isfinite(values).all(axis=1)
    shares = np.full((len(values), len(shapes.names)), np.nan)
    shares[known] = neighbours.probabilities(values[known])
    best = np.where(known, np.where(known[:, np.newaxis], shares, 0.0).argmax(axis=1), 0)
    squared = squared_mahalanobis(values, shapes, best)
    p_value = distance_p_values(squared, shapes.sizes[best], values.shape[1])
    probability = shares[np.arange(len(values)), best]
    reason = _judge(probability, p_value, limits)
    names = np.array(shapes.names, dtype=object)[best]
    nobody = np.full(len(values), None, dtype=object)
    people = pd.DataFrame(
        {
            "ancestry": np.where(reason == "assigned", names, UNASSIGNED).astype(object),
            "most_similar": np.where(known, names, nobody),
            "probability": probability,
            "distance": np.sqrt(squared),
            "distance_p": p_value,
            "reason": reason,
        },
        index=components.index,
    )
    return people, pd.DataFrame(shares, index=components.index, columns=list(shapes.names))


def _judge(
    probability: FloatArray, p_value: FloatArray, limits: tuple[float, float]
) -> npt.NDArray[np.object_]:
    """Give the reason of each person, NaN being no components."""
    reason = np.select(
        [np.isnan(probability), probability < limits[0], p_value < limits[1]],
        ["no_components", "low_probability", "far"],
        default="assigned",
    )
    return reason.astype(object)


def _assign_left_out(
    values: FloatArray, neighbours: _Neighbours, shapes: GroupShapes, limits: tuple[float, float]
) -> IntArray:
    """Assign each labelled person by the others; -1 is unassigned."""
    codes = neighbours.codes
    shares = neighbours.probabilities(values, leave_self_out=True)
    best = shares.argmax(axis=1)
    squared = squared_mahalanobis(values, shapes, best)
    sizes = shapes.sizes[best]
    is_own = best == codes
    squared[is_own] = leave_one_out(squared[is_own], sizes[is_own])
    p_value = distance_p_values(squared, sizes - is_own, values.shape[1])
    reason = _judge(shares[np.arange(len(values)), best], p_value, limits)
    return np.where(reason == "assigned", best, -1).astype(np.int64)


def _count_right(assigned: IntArray, codes: IntArray, shapes: GroupShapes) -> pd.DataFrame:
    """Give `Assignment.accuracy`."""
    table = pd.DataFrame(
        {
            "group": np.array(shapes.names, dtype=object)[codes],
            "n_people": 1,
            "n_right": assigned == codes,
            "n_wrong": (assigned != codes) & (assigned >= 0),
            "n_unassigned": assigned < 0,
        }
    )
    counts = table.groupby("group", as_index=False).sum()
    whole = counts.drop(columns="group").sum().to_frame().T.assign(group=ALL)
    counts = pd.concat([counts, whole[counts.columns]], ignore_index=True)
    numbers = [name for name in counts.columns if name != "group"]
    counts[numbers] = counts[numbers].astype(np.int64)
    n_assigned = counts["n_right"] + counts["n_wrong"]
    return counts.assign(
        accuracy=counts["n_right"] / counts["n_people"],
        accuracy_assigned=counts["n_right"] / n_assigned.where(n_assigned > 0),
    )


def _check_options(n_neighbours: int, min_probability: float, min_distance_p: float) -> None:
    if n_neighbours < 1:
        raise UsageError(f"n_neighbours must be at least 1, got {n_neighbours}")
    for name, value in (("min_probability", min_probability), ("min_distance_p", min_distance_p)):
        if not 0 <= value <= 1:
            raise UsageError(f"{name} must lie in [0, 1], got {value}")


def _check_groups(codes: IntArray, names: pd.Index, n_neighbours: int) -> None:
    """Refuse groups that could never win the vote."""
    if len(names) == 0:
        raise DataError("nobody of the labelled people has both a label and components")
    reserved = sorted({UNASSIGNED, ALL} & set(names))
    if reserved:
        raise DataError(
            f"a group is named {reserved[0]!r}, which means something else in the results: give it "
            "another name, or its people no label"
        )
    sizes = np.bincount(codes)
    small = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True)
             if size <= n_neighbours]  # fmt: skip
    if small:
        raise DataError(
            f"{len(small)} of {len(names)} groups have no more than n_neighbours = {n_neighbours} "
            f"labelled people: {', '.join(small[:8])}; leave them out, or ask fewer neighbours"
        )
