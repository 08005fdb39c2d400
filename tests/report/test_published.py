"""Published effects beside those found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgs_trd.report import disclose, render_report
from pgs_trd.report.published import compare_published


def published(**changes: object) -> pd.DataFrame:
    row = {
        "source": "Somebody 2020", "doi": "10.1/x", "analysis": "trd_vs_responsive",
        "trait": "insomnia", "unit": "sd", "ratio": 1.11, "ci_low": np.nan, "ci_high": np.nan,
        "note": "", "score": "",
    }  # fmt: skip
    return pd.DataFrame([row | changes])


def test_published__stands_beside_the_pooled_estimate(build):
    """Ratio and interval are those of the report's table, and whether the one holds the other."""
    results = build()
    score = results.traits.set_index("trait").loc["Insomnia", "score"]
    study = disclose(build(published=published(score=score)))

    (row,) = compare_published(study).to_dict("records")

    pooled = study.meta.query("contrast == 'trd_vs_responsive'").set_index("score").loc[score]
    assert row["ratio"] == pytest.approx(np.exp(pooled["beta"]), rel=1e-12)
    assert row["ratio_low"] == pytest.approx(np.exp(pooled["ci_low"]), rel=1e-12)
    assert row["is_inside"] == (row["ratio_low"] <= 1.11 <= row["ratio_high"])


def test_published__between_percentiles_is_found_between_percentiles(build):
    """80th against 20th percentile of a normal score are 1.683 standard deviations."""
    score = build().traits["score"].iloc[0]
    given = published(score=score, analysis="time_to_trd", unit="p80_p20", ratio=1.2)
    study = disclose(build(published=given))

    (row,) = compare_published(study).to_dict("records")

    beta = study.progression_meta.set_index("score").loc[score, "beta"]
    assert np.log(row["ratio"]) == pytest.approx(1.6832424671 * beta, rel=1e-9)


def test_published__without_a_score_has_no_ratio_found(build, tmp_path):
    """The published effect still stands there: it was planned to be compared."""
    path = render_report(build(published=published(), curves=pd.DataFrame()), tmp_path)

    table = pd.read_csv(tmp_path / "tables" / "published_against_found.csv")
    assert table["published_ratio"].tolist() == [1.11]
    assert table["ratio"].isna().all()
    assert '<a href="#published">' in path.read_text(encoding="utf-8")
