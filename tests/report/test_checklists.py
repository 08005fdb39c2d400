"""Checklists and references are filled from the run, and only from it."""

from __future__ import annotations

import pandas as pd

from pgs_trd.report import disclose
from pgs_trd.report.checklists import FOR_AUTHORS, ITEMS, fill_checklists
from pgs_trd.report.citations import cite


def test_checklists__answer_with_the_numbers_of_the_run(build):
    """People, strata, covariates and hits as the tables of the page have them."""
    table = fill_checklists(disclose(build(n_scores=6)))

    answers = (table["checklist"] + " " + table["number"] + ": " + table["answer"]).tolist()
    assert len(table) == len(ITEMS)
    assert "PRS-RS 5: strata of 'ancestry': AFR, AMR, EUR" in answers
    assert any(text.startswith("PRS-RS 3: 98,312 people in 3 strata") for text in answers)
    assert any(text.startswith("STREGA 12: 10 principal components") for text in answers)
    assert any("1 of 6 scores pass the Bonferroni limit" in text for text in answers)
    filled = table[table["is_filled"]]
    assert (filled["section"] != "").all()
    assert 20 < len(filled) < len(table)


def test_checklists__leave_to_the_authors_what_no_table_says(build):
    """Without tables nothing is claimed; funding and limitations never are."""
    empty = pd.DataFrame()
    names = ("association", "meta", "progression", "progression_meta", "curves", "attrition",
             "match_summary", "class_counts", "characteristics", "traits")  # fmt: skip
    nothing = dict.fromkeys(names, empty) | {"conventions": {}, "provenance": {}, "truth": None}

    table = fill_checklists(disclose(build(n_scores=2, **nothing)))

    assert (table["answer"] == FOR_AUTHORS).all()
    assert (table["section"] == "").all()


def test_checklists__hide_what_the_gate_hides(build):
    """The total of a study of few people is a mark, here too."""
    few = {"trd": 3, "responsive": 6, "neither": 2, "no_mdd": 0}

    table = fill_checklists(disclose(build({"EUR": few}, n_scores=2)))

    answers = table[table["asks"].str.startswith("Design, recruitment")]["answer"]
    assert answers.iloc[0].startswith("≤20 people")


def test_checklists__name_sections_that_the_page_has(build, tmp_path):
    """An answer that points nowhere is none."""
    from pgs_trd.report import render_report

    meta = build(n_scores=3).meta.query("contrast == 'trd_vs_responsive'")
    titles = pd.DataFrame({"definition": ["adequate2", "other"], "title": ["a", "b"]})
    results = build(n_scores=3, sensitivity=meta.assign(definition="other"), definitions=titles)
    page = render_report(results, tmp_path).read_text(encoding="utf-8")

    sections = set(fill_checklists(disclose(results))["section"]) - {""}
    assert len(sections) > 8
    assert all(f'<section id="{section}"' in page for section in sections)


def test_citations__are_of_the_methods_that_were_used(build):
    """Breslow is cited where ties were handled so, Firth where he was needed."""
    plain = cite(disclose(build(n_scores=2)))
    results = build(n_scores=2)
    association = results.association.assign(status="firth")
    other = cite(
        disclose(
            build(
                n_scores=2, association=association,
                conventions={"ties": "breslow", "scoring": {"missing": "zero"}},
            )
        )
    )  # fmt: skip

    assert any(text.startswith("Chang") for text in plain)
    assert not any(text.startswith(("Chang", "Efron")) for text in other)
    assert any(text.startswith("Breslow") for text in other)
    assert any(text.startswith("Firth") for text in other)
    assert not any(text.startswith("Firth") for text in plain)
