"""Distances on components: their definition, and their distribution in a group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from pgs_trd.ancestry.distance import (
    describe_groups,
    distance_p_values,
    genetic_distance,
    leave_one_out,
    squared_mahalanobis,
)
from pgs_trd.errors import DataError


def test_genetic_distance__is_euclidean_from_the_mean_of_the_training_people():
    """Worked by hand: the mean is (1, 2), and (4, 6) lies five away."""
    training = pd.DataFrame({"PC1": [0.0, 2.0], "PC2": [1.0, 3.0]}, index=["a", "b"])
    people = pd.DataFrame({"PC1": [4.0, np.nan], "PC2": [6.0, 0.0]}, index=["x", "y"])

    distance = genetic_distance(people, training)

    assert_allclose(distance, [5.0, np.nan])
    assert_allclose(genetic_distance(people, training, n_components=1), [3.0, np.nan])


def test_genetic_distance__refuses_other_components():
    """A component that is missing must not count as none."""
    training = pd.DataFrame({"PC1": [0.0], "PC2": [1.0]})

    with pytest.raises(DataError, match="lack PC2"):
        genetic_distance(training[["PC1"]], training)
    with pytest.raises(DataError, match="3 components are asked for, but there are 2"):
        genetic_distance(training, training, n_components=3)


def test_leave_one_out__equals_the_distance_from_the_others():
    """The closed form against leaving each person out and computing anew."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 3))
    codes = np.zeros(12, dtype=np.int64)
    squared = squared_mahalanobis(values, describe_groups(values, codes, ["g"]), codes)

    actual = leave_one_out(squared, 12)

    for i in range(12):
        others = np.delete(values, i, axis=0)
        away = values[i] - others.mean(axis=0)
        expected = away @ np.linalg.solve(np.cov(others, rowvar=False), away)
        assert_allclose(actual[i], expected, rtol=1e-8)


def test_distance_p_values__are_uniform_for_new_members_of_small_groups():
    """Eight people estimate a covariance badly; the p-value must know it."""
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(600):
        values = rng.normal(size=(9, 2))
        shapes = describe_groups(values[:8], np.zeros(8, dtype=np.int64), ["g"])
        squared = squared_mahalanobis(values[8:], shapes, np.zeros(1, dtype=np.int64))
        p_values.append(distance_p_values(squared, shapes.sizes, 2)[0])

    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_describe_groups__refuses_groups_without_a_shape():
    """Five people have no covariance of four components; nor has a constant."""
    values = np.random.default_rng(3).normal(size=(20, 4))
    codes = np.repeat([0, 1], [5, 15])

    with pytest.raises(DataError, match=r"1 of 2 groups have 6 people or fewer, the smallest 5"):
        describe_groups(values, codes, ["a", "b"])
    values[:, 3] = values[:, 2]
    with pytest.raises(DataError, match="group a do not vary on their own"):
        describe_groups(values, np.zeros(20, dtype=np.int64), ["a"])
