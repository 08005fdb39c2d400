"""The bias panel of the page: its parts, what each says, and its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pgs_trd.report.bias import (
    calibrate_by_controls,
    correct_for_misclassification,
    expect_index_event_bias,
)
from pgs_trd.report.cells import Cell, Maker, Row, TableView, make_view, number_of, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.figures.bias import (
    approach_figure,
    controls_figure,
    expected_bias_figure,
    misclassification_figure,
)
from pgs_trd.report.figures.style import FigureFile
from pgs_trd.report.findings import with_traits
from pgs_trd.report.text import (
    contrast_label,
    format_number,
    format_p,
    format_percent,
    format_ratio,
)


@dataclass(frozen=True)
class Part:
    """One bias: its heading, what it is, and how its figure is read.

    Attributes
    ----------
    name
        Of its figure, its table and its CSV file.
    unit
        Of the estimates.
    """

    name: str
    heading: str
    about: str
    title: str = ""
    reading: str = ""
    unit: str = "Odds ratio"


PARTS = (
    Part(
        "index_event",
        "Selection into depression (index event)",
        "Resistant people are compared with responsive ones, and all of them have depression. "
        "Among people chosen so, a score that causes depression is tied to its other causes, and "
        "where one of these acts on resistance too, the score seems to act on it, mostly with the "
        "wrong sign. Slopes over variants (Dudbridge 2019) are not used: they need effects of "
        "hundreds of independent variants, and a study of scores has none.",
        "Resistant against responsive, and what answers the selection",
        "The bold row is the estimate among people with depression; rows below hold shared causes "
        "fixed or weigh people so that they stand for everybody, and where they move away from "
        "the bold row, selection biased it; the last two rows do not select.",
    ),
    Part(
        "expected_bias",
        "Selection into depression: a hidden cause",
        "What nobody measured cannot be held fixed. Its bias can be worked out from the share of "
        "people with depression, the share of them that is resistant, and the effect of the "
        "score on depression.",
    ),
    Part(
        "misclassification",
        "Misclassification",
        "Where some of the people called resistant or responsive are not, and alike at every value "
        "of the score, an estimate is too near to no effect. To first order a log odds ratio is "
        "PPV + NPV − 1 of the true one (Neuhaus 1999, Biometrika 86:843); here it is divided by "
        "that. The p-value stays. The shares count as known.",
    ),
    Part(
        "visit_density",
        "Visit density",
        "Resistance is found in records, so that it is found sooner in people who are seen often. "
        "Visits are counted in the year before the first antidepressant.",
        "Resistant against responsive, by visits in the year before",
        "The bold row is the main estimate; where it differs from the rows that adjust for visits "
        "or ask for them, being seen explains part of it; the last three rows should agree within "
        "their intervals.",
    ),
    Part(
        "left_truncation",
        "Left truncation",
        "Nobody can join a study after the event that keeps them out. People count as at risk from "
        "the day on which their becoming resistant would have been seen.",
        "Time to resistance, by the day from which people count as at risk",
        "The bold row is the main estimate; if a hazard ratio moves where people enter earlier or "
        "later, it rests on who stayed long enough to be in the study.",
        "Hazard ratio",
    ),
    Part(
        "competing_events",
        "Death, and conversion to bipolar disorder or psychosis",
        "Who dies or converts can no longer become resistant. The hazard ratio of a cause counts "
        "them as gone, that of its incidence (Fine and Gray) keeps them among those without.",
        "Hazard ratios of resistance and of what competes with it",
        "Of each event the hazard ratio among people still free of all of them, and that of its "
        "incidence; where the two differ, the score acts on resistance partly through the others.",
        "Hazard ratio",
    ),
    Part(
        "negative_controls",
        "Negative controls",
        "Scores of traits that cannot act on resistance show by how much estimates err beyond "
        "chance: confounding, ancestry, selection. Their spread is the null with which the "
        "calibrated p-values compare.",
    ),
)
REASONS = {
    "expected_bias": "the study file names no score of depression (bias.mdd_score), or its "
    "estimates or the class counts are not shown",
    "misclassification": "no estimate of the main contrast is shown",
    "negative_controls": "the study file names fewer than five scores with an estimate "
    "(bias.negative_controls)",
}
NOT_ASKED = "the study file asks for no bias panel (bias.panel)"


@dataclass(frozen=True)
class PanelPart:
    """A part of the panel as the page shows it; `reason` is why, if there is no table."""

    part: Part
    view: TableView | None
    reason: str


def draw_panel(study: DisclosedStudy) -> list[FigureFile | None]:
    """Draw the figures of the panel."""
    tables = _approaches(study)
    drawn: list[FigureFile | None] = []
    for part in PARTS:
        if part.name in tables:
            drawn.append(
                approach_figure(
                    tables[part.name], name=part.name, title=part.title, reading=part.reading,
                    unit=part.unit,
                )
            )  # fmt: skip
    expected = expect_index_event_bias(study)
    if expected is not None:
        drawn.append(expected_bias_figure(expected.table, expected.main))
    drawn.append(misclassification_figure(correct_for_misclassification(study)))
    calibrated = calibrate_by_controls(study)
    if calibrated is not None:
        drawn.append(controls_figure(calibrated.table, (calibrated.mean, calibrated.sd)))
    return drawn


def panel_tables(study: DisclosedStudy) -> dict[str, pd.DataFrame]:
    """Give the tables that the panel makes from what is shown, by the name of their part."""
    expected, calibrated = expect_index_event_bias(study), calibrate_by_controls(study)
    return {
        "expected_bias": pd.DataFrame() if expected is None else expected.table,
        "misclassification": correct_for_misclassification(study),
        "negative_controls": pd.DataFrame() if calibrated is None else calibrated.table,
    }


def show_panel(study: DisclosedStudy) -> list[PanelPart]:
    """Give every part with its table, or with the reason why there is none."""
    views: dict[str, TableView | None] = {
        name: _approach_view(table, part)
        for name, table in _approaches(study).items()
        for part in PARTS
        if part.name == name
    }
    made = panel_tables(study)
    views["expected_bias"] = _expected_view(made["expected_bias"])
    views["misclassification"] = _misclassification_view(made["misclassification"])
    views["negative_controls"] = _controls_view(made["negative_controls"])
    told: Mapping[str, str] = {}
    if len(study.bias):
        told = dict(zip(study.bias["part"], study.bias["reason"], strict=True))
    return [
        PanelPart(part, view, told.get(part.name) or REASONS.get(part.name, NOT_ASKED))
        for part in PARTS
        for view in [views.get(part.name)]
    ]


def is_of_panel(name: str) -> bool:
    """Tell whether a further table is a part of the panel."""
    return any(part.name == name for part in PARTS)


def _approaches(study: DisclosedStudy) -> dict[str, pd.DataFrame]:
    return {
        one.name: with_traits(one.table, study.traits)
        for one in study.further
        if is_of_panel(one.name) and len(one.table)
    }


def _approach_view(table: pd.DataFrame, part: Part) -> TableView | None:
    ratio = "OR" if part.unit == "Odds ratio" else "HR"
    return make_view(
        f"{part.name}-table", f"{part.title}.", f"{part.name}.csv", table,
        [
            ("Trait", False, text_of("trait")),
            ("Approach", False, text_of("approach")),
            (f"{ratio} per SD (95% CI)", True, _ratio),
            ("p", True, _p_value("p_value")),
            ("Status", False, text_of("status")),
        ],
    )  # fmt: skip


def _expected_view(table: pd.DataFrame) -> TableView | None:
    return make_view(
        "expected-bias-table", "Odds ratio to which a score of depression without effect on "
        "resistance tends.",
        "expected_bias.csv", table,
        [
            ("Odds ratio of the hidden cause", True,
             number_of("shared", lambda value: format_number(value))),
            ("Odds ratio expected", True,
             number_of("estimate", lambda value: format_number(math.exp(value), 3))),
        ],
    )  # fmt: skip


def _misclassification_view(table: pd.DataFrame) -> TableView | None:
    return make_view(
        "misclassified", "Odds ratios per SD, if these shares of the resistant and of the "
        "comparators are what they are taken for.",
        "misclassification.csv", table,
        [
            ("Trait", False, text_of("trait")),
            ("Contrast", False, lambda row: Cell(contrast_label(str(row["contrast"])))),
            ("Right among cases (PPV)", True, number_of("ppv", format_percent)),
            ("Right among comparators (NPV)", True, number_of("npv", format_percent)),
            ("OR (95% CI)", True, _ratio),
        ],
    )  # fmt: skip


def _controls_view(table: pd.DataFrame) -> TableView | None:
    return make_view(
        "controls-table", "Estimates and p-values, also calibrated by the negative controls.",
        "negative_controls.csv", table,
        [
            ("Trait", False, text_of("trait")),
            ("Control", False, lambda row: Cell("yes" if row["is_control"] else "no")),
            ("OR per SD (95% CI)", True, _ratio),
            ("p", True, _p_value("p_value")),
            ("p, calibrated", True, _p_value("calibrated_p_value")),
        ],
    )  # fmt: skip


def _p_value(column: str) -> Maker:
    return number_of(column, format_p)


def _ratio(row: Row) -> Cell:
    beta, low, high = (float(str(row[key])) for key in ("beta", "ci_low", "ci_high"))
    return Cell(format_ratio(beta, low, high), "" if math.isnan(beta) else f"{beta:.6g}")
