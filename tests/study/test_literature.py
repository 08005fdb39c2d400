"""Tables of published effects: those of the package, and a user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, UsageError
from pgs_trd.simulate.traits import list_traits
from pgs_trd.study.literature import find_scores, list_published, read_published


def test_published__has_the_four_odds_ratios_that_could_be_read():
    """Insomnia 1.11, neuroticism 1.11, education 0.88, intelligence 0.91; no interval was read."""
    table = read_published("xu2025")

    assert list_published() == ["xu2025"]
    assert table.set_index("trait")["ratio"].to_dict() == {
        "insomnia": 1.11, "neuroticism": 1.11, "educational attainment": 0.88, "intelligence": 0.91,
    }  # fmt: skip
    assert set(table["analysis"]) == {"trd_vs_responsive"}
    assert set(table["doi"]) == {"10.1001/jamapsychiatry.2024.4825"}
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_find_scores__knows_traits_by_name_and_alias():
    """Letters' case does not matter; a trait without a score stays, without one."""
    traits = pd.DataFrame({"score": ["S1", "S2", "S3"], "trait": ["Insomnia", "Education", "x"]})

    found = find_scores(read_published("xu2025"), traits).set_index("trait")["score"]

    assert found.to_dict() == {
        "insomnia": "S1", "neuroticism": "", "educational attainment": "S2", "intelligence": "",
    }  # fmt: skip
    demo = find_scores(read_published("xu2025"), list_traits())
    assert (demo["score"] != "").all()


def test_read_published__takes_a_table_of_ones_own(tmp_path: Path):
    """Without a unit it is per SD; an interval is kept."""
    path = tmp_path / "own.csv"
    path.write_text("source,analysis,trait,ratio,ci_low\nMe,time_to_trd,worry,1.2,1.1\n")

    table = read_published(str(path))

    assert table.loc[0, "unit"] == "sd"
    assert table.loc[0, "ci_low"] == 1.1
    assert np.isnan(table.loc[0, "ci_high"])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("Me,trd_vs_all,worry,1.2", "analysis 'trd_vs_all' is none of trd_vs_responsive"),
        ("Me,time_to_trd,worry,-1", "1 of 1 rows have no ratio above 0"),
    ],
)
def test_read_published__refuses_what_cannot_be_compared(tmp_path: Path, row: str, told: str):
    """It would stand in the report as if it were an effect."""
    (tmp_path / "own.csv").write_text(f"source,analysis,trait,ratio\n{row}\n")

    with pytest.raises(DataError, match=told):
        read_published(str(tmp_path / "own.csv"))
    with pytest.raises(UsageError, match=r"no published effects .zu2025. .*: xu2025"):
        read_published("zu2025")
