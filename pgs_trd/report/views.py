"""Tables as the page and the CSV files show them."""

from __future__ import annotations

import math

import pandas as pd

from pgs_trd.report.adjusted import (
    ADJUSTED,
    PERCENTILES,
    percentile_ratio,
    with_adjusted,
)
from pgs_trd.report.bias_panel import panel_tables
from pgs_trd.report.cells import (
    Cell,
    Maker,
    Row,
    TableView,
    count_of,
    make_view,
    number_of,
    p_of,
    text_of,
)
from pgs_trd.report.checklists import fill_checklists
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import compare_planted, log10_p_column, with_traits
from pgs_trd.report.published import compare_published
from pgs_trd.report.replication import count_replication, find_replication
from pgs_trd.report.text import (
    MISSING,
    contrast_label,
    format_count,
    format_number,
    format_p,
    format_percent,
    format_ratio,
    phenotype_label,
    plain_label,
)


def csv_tables(study: DisclosedStudy) -> dict[str, pd.DataFrame]:
    """Give the tables that are written as CSV, by file name; empty ones are left out."""
    inner = ["stood", "hidden", "counts_hidden", "factor"]  # of the gate, not of the reader
    models = {
        "association.csv": study.association,
        "association_pooled.csv": with_adjusted(study.meta, study),
        "progression.csv": study.progression,
        "progression_pooled.csv": with_adjusted(study.progression_meta, study),
    }
    tables = {
        "cohort_flow.csv": study.attrition,
        "class_counts.csv": study.class_counts,
        "characteristics.csv": study.characteristics,
        "match_summary.csv": study.match_summary,
        "components.csv": study.components,
        **{
            name: with_traits(table.drop(columns=inner, errors="ignore"), study.traits)
            for name, table in models.items()
            if not table.empty
        },
        "survival_curves.csv": study.curves.points,
        "survival_risk_table.csv": study.curves.risk,
        "cumulative_incidence.csv": study.incidence,
        "definitions.csv": study.definitions,
        "association_by_definition.csv": with_traits(study.sensitivity, study.traits)
        if len(study.sensitivity)
        else study.sensitivity,
        **{
            f"{one.name}.csv": with_traits(one.table, study.traits)
            if "score" in one.table
            else one.table
            for one in study.further
        },
        "replication.csv": find_replication(study),
        "replication_counts.csv": count_replication(study),
        "published_against_found.csv": compare_published(study),
        **{f"{name}.csv": table for name, table in panel_tables(study).items()},
        "planted_against_estimated.csv": compare_planted(study),
        "checklists.csv": fill_checklists(study),
        "disclosure_log.csv": study.log,
    }
    return {name: table for name, table in tables.items() if not table.empty}


CSV_NAMES = (
    "cohort_flow.csv", "class_counts.csv", "characteristics.csv", "match_summary.csv",
    "association.csv", "association_pooled.csv", "progression.csv", "progression_pooled.csv",
    "survival_curves.csv", "survival_risk_table.csv", "cumulative_incidence.csv",
    "components.csv", "replication.csv", "replication_counts.csv",
    "published_against_found.csv", "misclassification.csv", "prediction.csv", "liability.csv",
    "odds_by_group.csv", "within_groups.csv", "index_event.csv", "expected_bias.csv",
    "visit_density.csv", "left_truncation.csv", "competing_events.csv", "negative_controls.csv",
    "proportional_hazards.csv", "definitions.csv",
    "association_by_definition.csv", "checklists.csv", "planted_against_estimated.csv",
    "disclosure_log.csv",
)  # fmt: skip
"""Every file name that `csv_tables` can give."""


def flow_view(study: DisclosedStudy) -> TableView | None:
    """Give the steps of the cohort's making."""
    return make_view(
        "flow", "Steps of the cohort's making.", "cohort_flow.csv", study.attrition,
        [
            ("Step", False, lambda row: Cell(plain_label(str(row["step"])))),
            ("Rule", False, text_of("rule")),
            ("People in", True, count_of("n_people_in")),
            ("Left", True, count_of("n_lost")),
            ("People out", True, count_of("n_people_out")),
        ],
    )  # fmt: skip


def class_view(study: DisclosedStudy) -> TableView | None:
    """Give the people by stratum and phenotype."""
    names = [str(column) for column in study.class_counts.columns if column != "stratum"]
    return make_view(
        "classes", "People by stratum and phenotype.", "class_counts.csv", study.class_counts,
        [
            ("Stratum", False, _stratum),
            *((phenotype_label(name), True, count_of(name)) for name in names),
        ],
    )  # fmt: skip


def _stratum(row: Row) -> Cell:
    return Cell("All" if row["stratum"] == "all" else str(row["stratum"]))


def characteristics_view(study: DisclosedStudy) -> TableView | None:
    """Give Table 1: counts with shares, and means, of each phenotype."""
    table = study.characteristics
    names = [
        str(c) for c in table.columns if c not in ("variable", "level") and "__share" not in str(c)
    ]

    def value(name: str) -> Maker:
        def make(row: Row) -> Cell:
            cell, share = row[name], row[f"{name}__share"]
            if isinstance(cell, float):
                return Cell(format_number(cell, 1), f"{cell:.6g}")
            has_share = isinstance(share, float) and not math.isnan(share)
            tail = f" ({format_percent(float(str(share)))})" if has_share else ""
            return Cell(format_count(cell) + tail, str(cell) if isinstance(cell, int) else "-1")

        return make

    return make_view(
        "characteristics",
        "Table 1. People of each phenotype: number (share of the column), or statistic.",
        "characteristics.csv",
        table,
        [
            ("Variable", False, lambda row: Cell(_variable_label(row))),
            ("Level", False, lambda row: Cell(_level_label(str(row["level"])))),
            *((phenotype_label(name), True, value(name)) for name in names),
        ],
    )


LEVELS = {"": MISSING, "sd": "SD", "q1": "First quartile", "q3": "Third quartile"}


def _level_label(level: str) -> str:
    return LEVELS.get(level, plain_label(level))


def _variable_label(row: Row) -> str:
    variable = str(row["variable"])
    return "People" if variable == "n_people" else plain_label(variable)


def match_view(study: DisclosedStudy) -> TableView | None:
    """Give how many rows of each weight file were found."""
    table = with_traits(study.match_summary, study.traits) if len(study.match_summary) else None
    if table is None:
        return None
    makers: list[tuple[str, bool, Maker]] = [
        ("Trait", False, text_of("trait")),
        ("Score", False, text_of("score")),
        ("Rows", True, count_of("n_rows")),
        ("Found", True, count_of("n_matched")),
        ("Share", True, number_of("match_rate", format_percent)),
    ]
    if "weight_matched" in table:
        makers.append(("Share of weight", True, number_of("weight_matched", format_percent)))
    makers.append(("Status", False, text_of("status")))
    return make_view(
        "matching", "Rows of each weight file that were found.", "match_summary.csv", table, makers
    )


def model_view(
    table: pd.DataFrame,
    study: DisclosedStudy,
    *,
    name: str,
    caption: str,
    csv: str,
    ratio: str = "OR",
) -> TableView | None:
    """Give estimates, pooled or by stratum, as ratios with intervals."""
    if table.empty:
        return None
    adjusted = table if "stratum" in table else with_adjusted(table, study)
    rows = with_traits(adjusted, study.traits)
    rows["log10_p"] = log10_p_column(rows)
    if "stratum" in rows:
        rows = rows.sort_values(["domain", "trait", "stratum"], kind="stable")
    else:
        rows = rows.sort_values("log10_p", kind="stable", na_position="last")
    makers: list[tuple[str, bool, Maker]] = [("Trait", False, text_of("trait"))]
    if "stratum" in rows:
        makers.append(("Stratum", False, text_of("stratum")))
    makers.append((f"{ratio} per SD (95% CI)", True, _ratio))
    if PERCENTILES[0] in rows:
        makers.append((f"{ratio}, 80th vs 20th percentile", True, percentile_ratio))
    makers.append(("p", True, _p_value))
    if ADJUSTED[0] in rows:
        makers.append(("p, Bonferroni", True, p_of("p_bonferroni")))
        makers.append(("FDR", True, p_of("p_bh")))
    if "n_cases" in rows:
        makers += [("Cases", True, count_of("n_cases")), ("Controls", True, count_of("n_controls"))]
    else:
        makers += [("People", True, count_of("n")), ("Events", True, count_of("n_events"))]
    if "i2" in rows:
        makers.append(("Strata", True, count_of("n_strata")))
        makers.append(("I²", True, number_of("i2", lambda value: format_percent(value, 0))))
    makers += [("Domain", False, text_of("domain")), ("Status", False, text_of("status"))]
    return make_view(name, caption, csv, rows, makers)


def _ratio(row: Row) -> Cell:
    beta, low, high = (float(str(row[key])) for key in ("beta", "ci_low", "ci_high"))
    return Cell(format_ratio(beta, low, high), "" if math.isnan(beta) else f"{beta:.6g}")


def _p_value(row: Row) -> Cell:
    exponent = float(str(row["log10_p"]))
    if math.isnan(exponent):
        return Cell(MISSING)
    return Cell(format_p(float(str(row["p_value"])), exponent), f"{exponent:.6g}")


def planted_view(study: DisclosedStudy) -> TableView | None:
    """Give planted and estimated effects, those with an effect first."""
    table = compare_planted(study)
    if table.empty:
        return None
    order = table["planted_beta"].abs().sort_values(ascending=False, kind="stable").index
    return make_view(
        "planted", "Planted and estimated effects, as log odds per SD.",
        "planted_against_estimated.csv", table.loc[order],
        [
            ("Trait", False, text_of("trait")),
            ("Contrast", False, lambda row: Cell(contrast_label(str(row["contrast"])))),
            ("Planted", True, number_of("planted_beta", lambda value: format_number(value, 3))),
            ("Estimated", True, number_of("beta", lambda value: format_number(value, 3))),
            ("95% CI", True, _interval),
            ("Planted value within", False, _is_covered),
        ],
    )  # fmt: skip


def _interval(row: Row) -> Cell:
    low, high = float(str(row["ci_low"])), float(str(row["ci_high"]))
    if math.isnan(low):
        return Cell(MISSING)
    return Cell(f"{format_number(low, 3)} to {format_number(high, 3)}", f"{low:.6g}")


def _is_covered(row: Row) -> Cell:
    covered = row["is_covered"]
    return Cell(MISSING if not isinstance(covered, bool) else "yes" if covered else "no")


def log_view(study: DisclosedStudy) -> TableView | None:
    """Give how much was hidden, and why."""
    return make_view(
        "disclosure", "What was hidden: number of cells, points or steps, never which.",
        "disclosure_log.csv", study.log,
        [
            ("Table", False, lambda row: Cell(plain_label(str(row["table"])))),
            ("Reason", False, text_of("reason")),
            ("Hidden", True, count_of("n_hidden")),
        ],
    )  # fmt: skip
