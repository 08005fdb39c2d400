"""The picture of ancestry shows where strata lie, and no person."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from pgs_trd.report import disclose, render_report
from pgs_trd.report.disclosure.components import disclose_components
from pgs_trd.report.disclosure.counts import SuppressionLog


def squares(counts, *, stratum="EUR", vertical="PC2"):
    low = np.arange(len(counts)) * 0.01
    return pd.DataFrame(
        {
            "stratum": stratum, "horizontal": "PC1", "vertical": vertical,
            "x_low": low, "x_high": low + 0.01, "y_low": 0.0, "y_high": 0.01,
            "n_people": counts,
        }
    )  # fmt: skip


def shown(counts, threshold=20):
    return disclose_components(squares(counts), threshold, SuppressionLog())


def test_components__squares_of_few_people_are_not_shown():
    """20 people are few, 21 are not; the 101 are dense; no count comes through."""
    table = shown([20, 21, 300, 101, 1])

    assert table["x_low"].tolist() == [0.01, 0.02, 0.03]
    assert table["more_than"].tolist() == [20, 100, 100]
    assert "n_people" not in table.columns


@pytest.mark.parametrize("counts", [[21], [30], [21, 21, 9], [101, 24], [22] * 12, [101, 101]])
def test_components__tight_strata_lose_squares(counts):
    """Of 30 people more than 20 in one square leave 9 at most outside: that is too close."""
    assert len(shown(counts)) < len(counts) or shown(counts)["more_than"].max() == 20


def test_components__reader_knows_no_square_and_no_rest_to_within_ten_people():
    """Linear programs over all that is published, the total of the stratum included."""
    rng = np.random.default_rng(3)
    n_tables = 0
    for _ in range(60):
        counts = rng.choice([1, 5, 20, 21, 22, 25, 40, 101, 104, 300], size=rng.integers(1, 9))
        table = shown(counts)
        if table.empty:
            continue
        n_tables += 1
        n_cells = len(table) + 1  # the last is the people outside
        bounds = [(more + 1, None) for more in table["more_than"]] + [(0, None)]
        for cell in range(n_cells):
            aim = np.eye(n_cells)[cell]
            ends = [
                sign * linprog(sign * aim, A_eq=np.ones((1, n_cells)), b_eq=[counts.sum()],
                               bounds=bounds).fun
                for sign in (1, -1)
            ]  # fmt: skip
            assert ends[1] - ends[0] >= 10
    assert n_tables > 30


def test_components__each_stratum_and_plane_is_judged_by_itself():
    """Two strata of 15 in one square are not 30 people of it."""
    table = pd.concat(
        [squares([15, 200, 60]), squares([15, 80, 90], stratum="AFR"),
         squares([275], vertical="PC3")]
    )  # fmt: skip
    log = SuppressionLog()

    found = disclose_components(table, 20, log)

    assert found.groupby(["vertical", "stratum"]).size().to_dict() == {
        ("PC2", "AFR"): 2, ("PC2", "EUR"): 2, ("PC3", "EUR"): 1,
    }  # fmt: skip
    assert log.to_table()["n_hidden"].tolist() == [2]


def test_components__without_control_every_square_is_shown():
    """A threshold of 0 hides nothing, and says more than 0."""
    assert shown([1, 5, 101], threshold=0)["more_than"].tolist() == [0, 0, 100]


def test_report__has_the_picture_of_ancestry_with_its_files(build, tmp_path):
    """A section with figure and table, linked; the page does not name the sparse stratum."""
    counts = pd.concat(
        [squares([15, 200, 60]), squares([12, 8, 3], stratum="SPARSE"),
         squares([200, 30, 60], vertical="PC3", stratum="AFR")]
    )  # fmt: skip
    few = {"n_scores": 2, "curves": pd.DataFrame()}

    path = render_report(build(components=counts, **few), tmp_path)

    text = path.read_text(encoding="utf-8")
    assert '<a href="#ancestry">' in text
    assert 'id="figure-components"' in text
    assert "more than 20 people of each stratum" in text
    assert "SPARSE" not in text
    assert (tmp_path / "figures" / "components.png").stat().st_size > 1000
    table = pd.read_csv(tmp_path / "tables" / "components.csv")
    assert set(table["stratum"]) == {"EUR", "AFR"}
    assert set(table["more_than"]) == {20, 100}


def test_report__without_components_has_no_section_of_ancestry(build, tmp_path):
    """The files of an earlier report with one are removed."""
    few = {"n_scores": 2, "curves": pd.DataFrame()}
    render_report(build(components=squares([200, 60, 15]), **few), tmp_path)
    path = render_report(build(**few), tmp_path)

    assert "figure-components" not in path.read_text(encoding="utf-8")
    assert not (tmp_path / "figures" / "components.svg").exists()
    assert not (tmp_path / "tables" / "components.csv").exists()


def test_components__figure_has_no_more_marks_than_squares(build):
    """One mark a stratum and square shown, and one a stratum in the legend."""
    from pgs_trd.report.render import draw_figures

    few = {"n_scores": 2, "curves": pd.DataFrame()}
    both = pd.concat([squares([200, 60, 15]), squares([90, 300], stratum="AFR")])
    study = disclose(build(components=both, **few))

    svg = draw_figures(study)["components"].svg.decode()

    filled = len(re.findall(r"opacity: 0\.(?:25|6)\b", svg))
    assert filled == len(study.components) == 4
