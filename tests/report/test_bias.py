"""Estimates for definitions that err, made from what is shown."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from pgs_trd.report import disclose, render_report
from pgs_trd.report.bias import correct_for_misclassification


def test_misclassification__divides_by_ppv_plus_npv_less_one(build):
    """At a PPV of 0.8 and an NPV of 0.9 seven tenths of a log odds ratio are left."""
    study = disclose(build(n_scores=5))

    table = correct_for_misclassification(study)

    shown = study.meta.query("contrast == 'trd_vs_responsive'").set_index("score")
    rows = table.query("ppv == 0.8 and npv == 0.9").set_index("score")
    assert len(rows) == table["score"].nunique() > 0
    for column in ("beta", "se"):
        assert_allclose(rows[column], shown.loc[rows.index, column] / 0.7, rtol=1e-12)
    right = table.query("ppv == 1 and npv == 1").set_index("score")
    assert_allclose(right["beta"], shown.loc[right.index, "beta"], rtol=1e-12)


def test_misclassification__of_hidden_estimates_is_nothing(build):
    """A study whose estimates are all withheld has no corrected ones."""
    study = disclose(build(n_scores=2))
    hidden = study.meta.assign(beta=float("nan"), se=float("nan"), status="withheld")

    assert correct_for_misclassification(dataclasses.replace(study, meta=hidden)).empty
    empty = dataclasses.replace(study, meta=pd.DataFrame(), association=pd.DataFrame())
    assert correct_for_misclassification(empty).empty


def test_report__says_what_misclassification_would_do(build, tmp_path):
    """A section with a sentence, the table and its CSV, linked from the list."""
    path = render_report(build(n_scores=5, curves=pd.DataFrame()), tmp_path)

    text = path.read_text(encoding="utf-8")
    assert '<a href="#bias">' in text
    table = pd.read_csv(tmp_path / "tables" / "misclassification.csv")
    assert len(table) == 8 * table["score"].nunique()
    assert table["ppv"].min() == pytest.approx(0.7)
