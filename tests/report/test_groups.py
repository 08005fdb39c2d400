"""Groups of a score, competing events and tests of hazards, on the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgs_trd.report import FurtherTable, disclose, render_report
from pgs_trd.report.further_views import further_view

HAZARDS = FurtherTable(
    name="proportional_hazards",
    section="Proportional hazards",
    caption="Tests.",
    table=pd.DataFrame(
        {"stratum": ["EUR", "AFR"], "score": "SIM000001", "chi2": [4.5, 0.1],
         "p_value": [0.0339, 0.75], "p_value_all_terms": [0.2, 0.3]}
    ),
    text=("stratum", "score"),
    numbers=("chi2", "p_value", "p_value_all_terms"),
)  # fmt: skip


def groups(n_cases):
    beta = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    se = np.array([np.nan, 0.1, 0.1, 0.1, 0.1])
    table = pd.DataFrame(
        {
            "score": "SIM000001", "contrast": "trd_vs_responsive", "group": list("12345"),
            "status": ["reference", *["ok"] * 4], "beta": beta, "se": se,
            "ci_low": beta - 2 * se, "ci_high": beta + 2 * se, "p_value": 0.01,
            "n_cases": n_cases, "n_controls": 900,
        }
    )  # fmt: skip
    return FurtherTable(
        name="odds_by_group", section="Odds by group", caption="Odds.", table=table,
        text=("score", "contrast", "group", "status"),
        numbers=("beta", "se", "ci_low", "ci_high", "p_value"),
        counts=("n_cases", "n_controls"), groups=("score",),
    )  # fmt: skip


def incidence(events_of_death):
    days = np.arange(0.0, 3650, 30.0)
    n = len(days)
    parts = []
    for cause, n_events in (("trd", 400), ("death", events_of_death)):
        so_far = np.linspace(0, n_events, n).astype(int)
        share = so_far / 3000
        parts.append(
            pd.DataFrame(
                {
                    "group": cause, "days": days, "incidence": share, "ci_low": share * 0.9,
                    "ci_high": share * 1.1, "n_at_risk": np.linspace(3000, 200, n).astype(int),
                    "n_events_so_far": so_far,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_report__shows_groups_incidence_and_hazards(build, tmp_path):
    """Each with its figure or table, its CSV, and a link in the list of sections."""
    few = {"n_scores": 3, "curves": pd.DataFrame()}
    path = render_report(
        build(incidence=incidence(300), further=(groups(100), HAZARDS), **few), tmp_path
    )

    text = path.read_text(encoding="utf-8")
    assert 'id="figure-odds_by_group"' in text
    assert 'id="figure-cumulative_incidence"' in text
    for name in ("odds_by_group", "proportional_hazards"):
        assert f'<a href="#{name}">' in text
        assert f'<section id="{name}"' in text
        assert (tmp_path / "tables" / f"{name}.csv").exists()
    points = pd.read_csv(tmp_path / "tables" / "cumulative_incidence.csv")
    assert list(points.columns) == ["group", "days", "incidence", "ci_low", "ci_high"]


def test_report__draws_no_groups_of_few_people(build, tmp_path):
    """One of five groups has 15 cases: none of the five is shown."""
    few = {"n_scores": 2, "curves": pd.DataFrame()}
    render_report(build(further=(groups([100, 100, 15, 100, 100]),), **few), tmp_path)

    assert not (tmp_path / "figures" / "odds_by_group.svg").exists()
    table = pd.read_csv(tmp_path / "tables" / "odds_by_group.csv")
    assert table["beta"].isna().all()


@pytest.mark.parametrize("n_deaths", [15, 300])
def test_incidence__each_stretch_holds_more_events_than_the_threshold(build, n_deaths):
    """15 deaths are no curve; of 300 each stretch holds 21 or more."""
    curves = incidence(n_deaths)

    study = disclose(build(n_scores=2, incidence=curves), threshold=20)

    deaths = study.incidence[study.incidence["group"] == "death"]
    found = deaths.merge(curves, on=["group", "days"])["n_events_so_far"].diff().dropna()
    assert ((found == 0) | (found > 20)).all()
    assert (len(deaths) > 3) == (n_deaths > 20)
    assert study.log.query("table == 'incidence'")["n_hidden"].sum() > 0


def test_further_view__writes_ratios_and_p_values_as_text(build):
    """The reference is 1; a p-value has two digits; headings are words."""
    study = disclose(build(n_scores=2, further=(groups(100), HAZARDS)), threshold=20)

    odds, hazards = (further_view(one, study) for one in study.further)

    assert [title for title, _ in odds.columns] == [
        "Trait", "Contrast", "Group", "Status", "OR (95% CI)", "p",
    ]  # fmt: skip
    assert odds.rows[0][4].text == "1 (reference)"
    assert odds.rows[1][4].text.startswith("1.11 (")
    assert [title for title, _ in hazards.columns][2:] == ["Chi2", "p", "p, all terms"]
    assert [cell.text for cell in hazards.rows[0]][2:] == ["4.5", "0.034", "0.2"]
