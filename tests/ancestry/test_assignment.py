"""Assignment to groups: by the nearest people, and not at any price."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.ancestry import choose_variants, fit_pca
from pgs_trd.ancestry.assignment import assign_ancestry
from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes import open_genotypes

CENTRES = {"one": (0.0, 0.0), "three": (0.0, 20.0), "two": (20.0, 0.0)}


def draw_groups(n_each: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Draw three round groups that lie apart."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(centre, 1.0, (n_each, 2)) for centre in CENTRES.values()])
    people = pd.Index([f"t{i}" for i in range(len(values))], name="person_id")
    table = pd.DataFrame(values, index=people, columns=["PC1", "PC2"])
    return table, pd.Series(np.repeat(list(CENTRES), n_each), index=people)


def people_at(*points: tuple[float, float]) -> pd.DataFrame:
    """Place people by hand."""
    index = pd.Index([f"p{i}" for i in range(len(points))], name="person_id")
    return pd.DataFrame(points, index=index, columns=["PC1", "PC2"])


def test_assign_ancestry__gives_the_group_or_says_why_not():
    """In a group, between two, far from all, and without components."""
    training, labels = draw_groups(50, 1)
    people = people_at((0.0, 0.0), (20.5, 0.5), (10.0, 0.0), (-9.0, -9.0), (np.nan, 0.0))

    actual = assign_ancestry(people, training, labels)

    table = actual.people
    assert table["ancestry"].tolist()[:2] == ["one", "two"]
    assert table["ancestry"].tolist()[2:] == ["unassigned"] * 3
    assert table["reason"].tolist()[:2] == ["assigned"] * 2
    assert table["reason"].tolist()[3:] == ["far", "no_components"]
    assert table.loc["p3", "most_similar"] == "one"
    assert table.loc["p3", "probability"] == 1.0
    assert actual.probabilities.columns.tolist() == ["one", "three", "two"]
    assert_allclose(actual.probabilities.iloc[:4].sum(axis=1), 1.0)
    assert actual.probabilities.loc["p4"].isna().all()
    assert pd.isna(table.loc["p4", "most_similar"])


def test_assign_ancestry__takes_the_share_of_the_neighbours_as_probability():
    """Five neighbours, three of them in one group: 0.6, counted by hand."""
    position = np.arange(12.0) ** 1.1
    training = pd.DataFrame({"PC1": position}, index=[f"t{i}" for i in range(12)])
    labels = pd.Series(["a", "a", "a", "b", "b", "b", "b", "b", "b", "a", "a", "a"],
                       index=training.index)  # fmt: skip
    person = pd.DataFrame({"PC1": [-1.0]}, index=["p"])

    actual = assign_ancestry(
        person, training, labels, n_neighbours=5, min_probability=0.5, min_distance_p=0.0
    )

    assert_allclose(actual.probabilities.loc["p"], [0.6, 0.4])
    assert actual.people.loc["p", "ancestry"] == "a"


def test_assign_ancestry__judges_its_accuracy_by_people_left_out():
    """Labels drawn at random cannot be told: a person must not vote for itself."""
    training, _ = draw_groups(100, 2)
    labels = pd.Series(np.random.default_rng(3).choice(["a", "b"], 300), index=training.index)
    nobody = training.iloc[:0]

    one = assign_ancestry(
        nobody, training, labels, n_neighbours=1, min_probability=0, min_distance_p=0
    )

    total = one.accuracy.set_index("group").loc["all"]
    assert total["n_people"] == 300
    assert 0.4 < total["accuracy"] < 0.6
    assert total["n_right"] + total["n_wrong"] == 300


def test_assign_ancestry__counts_reconcile_by_group():
    """Right, wrong and unassigned make up each group, and the last row the whole."""
    training, labels = draw_groups(40, 4)
    labels.iloc[0] = "two"  # wrong on purpose
    labels.iloc[5] = None

    accuracy = assign_ancestry(training, training, labels).accuracy

    assert accuracy["group"].tolist() == ["one", "three", "two", "all"]
    parts = accuracy[["n_right", "n_wrong", "n_unassigned"]]
    assert (parts.sum(axis=1) == accuracy["n_people"]).all()
    assert accuracy["n_people"].tolist() == [38, 40, 41, 119]
    assert accuracy["n_wrong"].tolist() == [0, 0, 1, 1]
    assert_allclose(accuracy["accuracy"], accuracy["n_right"] / accuracy["n_people"])


def test_assign_ancestry__refuses_groups_too_small_to_win():
    """Ten people can never be nine tenths of twenty neighbours: better said than silent."""
    training, labels = draw_groups(40, 5)
    labels.iloc[:10] = "few"

    with pytest.raises(DataError, match=r"1 of 4 groups .* n_neighbours = 20 .*few \(10\)"):
        assign_ancestry(training, training, labels)
    with pytest.raises(UsageError, match="min_probability must lie in"):
        assign_ancestry(training, training, labels, min_probability=1.5)


def test_assign_ancestry__tells_super_populations_of_hapmap3(real_data: Path):
    """Six components and the nearest people: at least 99 % right, each person left out."""
    source = open_genotypes(real_data / "hapmap3" / "hm3_b36")
    rows = choose_variants(source)[::2]
    labels = pd.read_csv(
        real_data / "hapmap3" / "hm3_populations.tsv", sep="\t", index_col="IID"
    )["SuperPop"]  # fmt: skip
    pca = fit_pca(source, rows, n_components=6, rng=np.random.default_rng(1))
    scores = pca.components * np.sqrt(pca.eigenvalues)

    accuracy = assign_ancestry(scores, scores, labels).accuracy.set_index("group")

    assert accuracy.loc["all", "n_people"] == 957
    assert accuracy.loc["all", "accuracy"] >= 0.99
    assert accuracy["accuracy"].min() >= 0.95


@pytest.mark.parametrize("name", ["unassigned", "all"])
def test_assign_ancestry__refuses_names_that_mean_something_else(name: str):
    """People of a group "unassigned" could not be told from those of no group."""
    rng = np.random.default_rng(3)
    training = pd.DataFrame(rng.normal(size=(80, 2)), columns=["PC1", "PC2"])
    labels = pd.Series(np.where(training.index < 40, name, "other"), index=training.index)

    with pytest.raises(DataError, match=f"a group is named '{name}'"):
        assign_ancestry(training, training, labels)


def test_assign_ancestry__refuses_people_who_occur_twice():
    """With two labels, or as their own neighbour, they would count wrongly."""
    rng = np.random.default_rng(4)
    training = pd.DataFrame(rng.normal(size=(60, 2)), columns=["PC1", "PC2"])
    labels = pd.Series("one", index=training.index)

    with pytest.raises(DataError, match="2 of 62 rows of the labels repeat"):
        assign_ancestry(training, training, pd.concat([labels, labels.iloc[:2]]))
    with pytest.raises(DataError, match="5 of 65 rows of the labelled people repeat"):
        assign_ancestry(training, pd.concat([training, training.iloc[:5]]), labels)
