"""Which scores hold under other definitions, counted by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from pgs_trd.report import disclose
from pgs_trd.report.specifications import find_specifications


@pytest.fixture
def found(build):
    """Two other definitions: one leaves every estimate, the next turns the first score round."""
    results = build(n_scores=61)
    meta = results.meta.query("contrast == 'trd_vs_responsive'")
    turned = meta.assign(definition="grid_t2_r1")
    is_first = turned["score"] == meta["score"].iloc[0]
    turned.loc[is_first, ["beta", "ci_low", "ci_high"]] *= -1
    few = meta.assign(definition="few", n_events=12)
    rows = [meta.assign(definition="grid_t1_r1"), turned, few]
    titles = pd.DataFrame(
        {"definition": ["adequate2", "grid_t1_r1", "grid_t2_r1", "few"], "title": list("abcd")}
    )
    study = disclose(build(n_scores=61, sensitivity=pd.concat(rows), definitions=titles))
    specifications = find_specifications(study)
    assert specifications is not None
    return specifications


def test_specifications__counts_the_definitions_under_which_a_hit_holds(found):
    """The first score turns its sign in one of two; one of few cases is not counted."""
    holds = found.holds().set_index("trait")

    assert holds.loc["Educational attainment"].tolist()[1:] == [2, 1, 1]
    assert (holds.drop(index="Educational attainment")["n_same_sign"] == 2).all()
    assert len(holds) == len(found.findings.significant) >= 2


def test_specifications__name_the_rules_of_a_pair(found):
    """A definition of a grid is a resistant and a responsive rule; any other is itself."""
    assert found.rules_of("grid_t2_r1") == ("t2", "r1")
    assert found.rules_of("fabbri2021") == ("fabbri2021",)
    names = [name for name, _ in found.choices]
    assert names == ["adequate2", "few", "t1", "t2", "r1"]
    assert dict(found.choices)["r1"] == 2


def test_specifications__without_other_definitions_there_are_none(build):
    """The section is left out."""
    assert find_specifications(disclose(build(n_scores=2))) is None
