"""Reporting checklists, filled with what the run knows; the rest is for the authors.

The items are in our words, after Wand et al. (2021, PRS-RS), von Elm et al. (2007, STROBE)
and Little et al. (2009, STREGA): journals want their own forms, which these lines help to fill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from pgs_trd.report.bias_panel import show_panel
from pgs_trd.report.cells import Cell, TableView, make_view, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import find, find_progression
from pgs_trd.report.specifications import find_specifications
from pgs_trd.report.text import contrast_label, format_count, format_percent

Filler = Callable[[DisclosedStudy], str]
FOR_AUTHORS = "for the authors"
CSV = "checklists.csv"


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes
    ----------
    checklist, number, asks
        Where it stands, and what for.
    section
        Anchor of the section of the page that answers it; empty for none.
    fill
        Writes the answer; an empty one leaves the item to the authors.
    """

    checklist: str
    number: str
    asks: str
    section: str = ""
    fill: Filler | None = None


def _people(study: DisclosedStudy) -> str:
    if study.class_counts.empty:
        return ""
    total = study.class_counts.iloc[-1]
    n_strata = max(1, len(study.class_counts) - 1)
    return f"{format_count(total['all'])} people in {n_strata} strata; the flow gives each step"


def _strata(study: DisclosedStudy) -> str:
    if study.class_counts.empty:
        return ""
    names = [str(name) for name in study.class_counts["stratum"] if name != "all"]
    label = study.conventions.get("stratum")
    return f"strata of {label!r}: {', '.join(names)}" if label else ""


def _definition(study: DisclosedStudy) -> str:
    name = study.conventions.get("definition")
    version = study.conventions.get("definition_version", "")
    return f"definition {name!r}, version {version}; its hash is in the methods" if name else ""


def _covariates(study: DisclosedStudy) -> str:
    names = study.conventions.get("covariates")
    return f"adjusted for {', '.join(map(str, names))}" if names else ""


def _components(study: DisclosedStudy) -> str:
    names = [str(name) for name in study.conventions.get("covariates") or []]
    components = [name for name in names if name.upper().startswith("PC")]
    parts = [f"{len(components)} principal components as covariates"] if components else []
    if study.conventions.get("stratum"):
        parts.append(f"models within strata of {study.conventions['stratum']!r}, then pooled")
    return "; ".join(parts)


def _genotypes(study: DisclosedStudy) -> str:
    summary = study.match_summary
    if summary.empty:
        return ""
    return (
        f"{len(summary)} scores; share of variants found: median "
        f"{format_percent(summary['match_rate'].median())}, lowest "
        f"{format_percent(summary['match_rate'].min())}"
    )


def _construction(study: DisclosedStudy) -> str:
    if study.match_summary.empty:
        return ""
    conventions = _flat(study.conventions)
    kept = [f"{name} {conventions[name]}" for name in ("palindromes", "missing", "scale", "by")
            if conventions.get(name) is not None]  # fmt: skip
    return f"published weights, summed as they are ({', '.join(kept)})" if kept else ""


def _flat(mapping: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in mapping.items():
        flat |= _flat(value) if isinstance(value, Mapping) else {str(key): value}
    return flat


def _models(study: DisclosedStudy) -> str:
    parts = [] if study.association.empty else ["logistic models, one a score"]
    if not study.progression.empty:
        parts.append("Cox models of time to treatment resistance")
    return "; ".join(parts)


def _main_result(study: DisclosedStudy) -> str:
    main = find(study)
    if main is None:
        return ""
    return (
        f"{contrast_label(main.contrast)}: {len(main.significant)} of {main.n_tests} scores pass "
        "the Bonferroni limit; all estimates with intervals"
    )


def _time(study: DisclosedStudy) -> str:
    course = find_progression(study)
    origin = study.conventions.get("origin")
    if course is None or not origin:
        return ""
    return f"followed from {str(origin).replace('_', ' ')} to treatment resistance"


def _other_analyses(study: DisclosedStudy) -> str:
    found = find_specifications(study)
    return f"{len(found.definitions) - 1} other definitions" if found else ""


def _bias(study: DisclosedStudy) -> str:
    done = [one.part.heading.lower() for one in show_panel(study) if one.view]
    return f"a panel of {'; '.join(done)}" if done else ""


def _quality(column: str, words: str) -> Filler:
    """Say of how many models a number of how well scores predict is shown."""

    def fill(study: DisclosedStudy) -> str:
        found = [one.table for one in study.further if column in one.table]
        n_rows = sum(int(table[column].notna().sum()) for table in found)
        return f"{words} of {n_rows} models, in people who did not fit them" if n_rows else ""

    return fill


def _replication(study: DisclosedStudy) -> str:
    n_strata = study.association["stratum"].nunique() if len(study.association) else 0
    return f"estimates in each of {n_strata} strata, with heterogeneity" if n_strata > 1 else ""


def _multiplicity(study: DisclosedStudy) -> str:
    main = find(study)
    return f"Bonferroni over {main.n_tests} scores a contrast" if main else ""


def _software(study: DisclosedStudy) -> str:
    versions = study.provenance.get("versions")
    if not isinstance(versions, Mapping):
        return ""
    return f"pgs-trd {versions.get('pgs-trd', '')}; versions, options and checksums are listed"


def _missing(study: DisclosedStudy) -> str:
    value = _flat(study.conventions).get("missing")
    calls = {"mean": "a missing call counts as its expectation", "zero": "a missing call as none"}
    return f"{calls[str(value)]}; complete cases of each model" if str(value) in calls else ""


PRS, STROBE, STREGA = "PRS-RS", "STROBE", "STREGA"
ITEMS = (
    Item(PRS, "1", "Type of study and aim of the score"),
    Item(PRS, "2", "Outcome that is predicted, and when", "methods", _definition),
    Item(PRS, "3", "Design, recruitment and setting", "cohort", _people),
    Item(PRS, "4", "Demographic and clinical characteristics", "table-1", _people),
    Item(PRS, "5", "Ancestry, and how it was told", "class-counts", _strata),
    Item(PRS, "6", "Genetic data: assay, imputation, quality control", "match-rates", _genotypes),
    Item(PRS, "7", "Other variables in the model", "methods", _covariates),
    Item(PRS, "8", "Missing data", "methods", _missing),
    Item(PRS, "9", "How the score was made, and from which source", "methods", _construction),
    Item(PRS, "10", "Kind of model", "methods", _models),
    Item(PRS, "11", "Model of score and other variables together", "methods", _covariates),
    Item(PRS, "12", "Distribution of the score"),
    Item(PRS, "13", "Effect of the score, with its uncertainty", "association", _main_result),
    Item(PRS, "14", "Discrimination", "prediction",
         _quality("auc", "areas under the ROC curve")),
    Item(PRS, "15", "Calibration", "prediction", _quality("slope", "slopes")),
    Item(PRS, "16", "Performance in subgroups", "by-stratum", _replication),
    Item(PRS, "17", "Interpretation"),
    Item(PRS, "18", "Limitations"),
    Item(PRS, "19", "Generalisability"),
    Item(PRS, "20", "Intended use"),
    Item(PRS, "21", "Availability of scores and data", "run", _software),
    Item(STROBE, "1", "Design in title and abstract"),
    Item(STROBE, "2-3", "Background and objectives"),
    Item(STROBE, "4", "Key elements of the design", "methods", _models),
    Item(STROBE, "5", "Setting, places and dates"),
    Item(STROBE, "6", "Who could take part, and how they were followed", "cohort", _people),
    Item(STROBE, "7", "Outcomes, exposures, confounders, defined", "methods", _definition),
    Item(STROBE, "8", "Sources of data and how things were measured", "run", _software),
    Item(STROBE, "9", "Bias, and what was done about it", "bias", _bias),
    Item(STROBE, "10", "How the size of the study came about"),
    Item(STROBE, "11", "Quantitative variables", "methods", _covariates),
    Item(STROBE, "12", "Statistical methods", "methods", _models),
    Item(STROBE, "13", "People at each stage, and why some left", "cohort", _people),
    Item(STROBE, "14", "Characteristics; missing data; time of follow-up", "table-1", _time),
    Item(STROBE, "15", "Numbers of outcomes", "class-counts", _people),
    Item(STROBE, "16", "Estimates with intervals; what was adjusted for", "association",
         _main_result),
    Item(STROBE, "17", "Other analyses", "definitions", _other_analyses),
    Item(STROBE, "18-21", "Key results, limitations, interpretation, generalisability"),
    Item(STROBE, "22", "Funding"),
    Item(STREGA, "3", "First report of an association, or a replication"),
    Item(STREGA, "6", "Relatives in the study, and how they were treated"),
    Item(STREGA, "7", "Variants and scores, clearly defined", "match-rates", _genotypes),
    Item(STREGA, "8", "Laboratory, platform and batches"),
    Item(STREGA, "9", "Treatment effects on quantitative traits"),
    Item(STREGA, "12", "Population stratification", "methods", _components),
    Item(STREGA, "12", "Genotyping errors and Hardy-Weinberg equilibrium"),
    Item(STREGA, "12", "Multiple comparisons", "association", _multiplicity),
    Item(STREGA, "13", "Numbers attempted and genotyped", "match-rates", _genotypes),
    Item(STREGA, "17", "Consistency over groups", "by-stratum", _replication),
)  # fmt: skip
"""Every item, in the order of the checklists."""


def fill_checklists(study: DisclosedStudy) -> pd.DataFrame:
    """Fill the checklists from the disclosed tables and the choices in force.

    Returns
    -------
    DataFrame
        checklist, number, asks, `is_filled`, answer, section.
    """
    rows = []
    for item in ITEMS:
        answer = item.fill(study) if item.fill else ""
        rows.append(
            {
                "checklist": item.checklist,
                "number": item.number,
                "asks": item.asks,
                "is_filled": bool(answer),
                "answer": answer or FOR_AUTHORS,
                "section": item.section if answer else "",
            }
        )
    return pd.DataFrame(rows)


def checklist_view(study: DisclosedStudy) -> TableView | None:
    """Give the checklists as a table of the page."""
    return make_view(
        "checklists",
        "Items of PRS-RS, STROBE and STREGA in our words, with what this run answers.",
        CSV,
        fill_checklists(study),
        [
            ("List", False, text_of("checklist")),
            ("Item", False, text_of("number")),
            ("What is asked", False, text_of("asks")),
            ("Answer", False, text_of("answer")),
            ("Section", False, lambda row: Cell(str(row["section"]))),
        ],
    )
