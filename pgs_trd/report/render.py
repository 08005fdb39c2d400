"""The report: one page, its tables as CSV, its figures as SVG and PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pgs_trd.report import views
from pgs_trd.report.bias_panel import draw_panel, is_of_panel, show_panel
from pgs_trd.report.cells import TableView
from pgs_trd.report.checklists import checklist_view
from pgs_trd.report.citations import cite
from pgs_trd.report.component_views import components_view
from pgs_trd.report.definition_views import holds_view, specification_view
from pgs_trd.report.disclosure import DisclosedStudy, disclose
from pgs_trd.report.figures import (
    FigureFile,
    components_figure,
    domain_forest,
    flow_figure,
    group_figure,
    incidence_figure,
    match_figure,
    overview_figure,
    planted_figure,
    replication_figure,
    specification_figure,
    stratified_forest,
    survival_figure,
)
from pgs_trd.report.findings import (
    compare_planted,
    estimates,
    find,
    find_all,
    find_progression,
    important_scores,
    with_traits,
)
from pgs_trd.report.further_views import further_view
from pgs_trd.report.narrative import list_provenance, summarise, write_methods
from pgs_trd.report.published import published_view
from pgs_trd.report.replication import (
    find_replication,
    replication_counts_view,
    replication_view,
)
from pgs_trd.report.results import StudyResults
from pgs_trd.report.specifications import find_specifications
from pgs_trd.report.text import contrast_label
from pgs_trd.tables import replace_on_success, write_table, write_text

FIGURE_NAME = re.compile(
    r"(forest_by_domain|forest_progression|forest_by_stratum|cohort_flow|match_rates"
    r"|overview|components|replication|odds_by_group|cumulative_incidence"
    r"|specification_curve|planted_against_estimated"
    r"|index_event|expected_bias|misclassification|visit_density|left_truncation"
    r"|competing_events|negative_controls|survival_\d+)\.(svg|png)"
)
"""File names that a report can have in `figures/`."""


def render_report(
    results: StudyResults, out: Path, *, threshold: int = 20, round_to: int = 1
) -> Path:
    """Write the report of a study and give the path of its page.

    Everything passes the disclosure gate first. The page is written last, so
    that it never names a file that is not there; files of an earlier report in
    the same folder that this one does not have are removed.

    Parameters
    ----------
    results
        The tables of the study.
    out
        Folder for report.html, tables/*.csv, figures/*.svg and figures/*.png.
    threshold
        Counts of people from 1 to this are hidden, with all that would give them
        back; 0 hides nothing.
    round_to
        Counts that are shown are rounded to a multiple of this; 1 leaves them.

    Returns
    -------
    Path
        out/report.html

    Raises
    ------
    UsageError
        If the threshold is negative or 1, or `round_to` is below 1.
    """
    study = disclose(results, threshold=threshold, round_to=round_to)
    figures = draw_figures(study)
    page = render_page(study, figures)
    tables = views.csv_tables(study)
    for name, table in tables.items():
        write_table(table, out / "tables" / name)
    for figure in figures.values():
        for ending, content in (("svg", figure.svg), ("png", figure.png)):
            with replace_on_success(out / "figures" / f"{figure.name}.{ending}") as temporary:
                temporary.write_bytes(content)
    write_text(page, out / "report.html")
    _remove_stale(out, set(tables), {figure.name for figure in figures.values()})
    return out / "report.html"


def draw_figures(study: DisclosedStudy) -> dict[str, FigureFile]:
    """Draw every figure that the study has the tables for, by name."""
    main, course = find(study), find_progression(study)
    drawn: list[FigureFile | None] = [flow_figure(study.attrition, study.class_counts)]
    drawn.append(match_figure(study.match_summary, study.traits, _limit(study.conventions)))
    drawn.append(components_figure(study.components, study.threshold))
    if main is not None:
        drawn.append(domain_forest(main))
        if main.is_pooled and not study.association.empty:
            scores = important_scores(study, main)
            drawn.append(stratified_forest(main, study.association, study.traits, scores))
    drawn.append(overview_figure(find_all(study)))
    specifications = find_specifications(study)
    if specifications is not None:
        drawn.append(specification_figure(specifications))
    drawn.append(replication_figure(find_replication(study)))
    drawn += [
        group_figure(with_traits(one.table, study.traits))
        for one in study.further
        if {"score", "group", "beta"} <= set(one.table.columns)
    ]
    drawn.append(incidence_figure(study.incidence, study.threshold))
    if course is not None:
        drawn.append(domain_forest(course, name="forest_progression", unit="Hazard ratio"))
    drawn += _survival_figures(study)
    drawn += draw_panel(study)
    planted = compare_planted(study)
    if len(planted):
        drawn.append(planted_figure(planted))
    return {figure.name: figure for figure in drawn if figure is not None}


def _limit(conventions: Mapping[str, Any]) -> float | None:
    """Find the least share of variants that a score needed, wherever it stands."""
    for key, value in conventions.items():
        if isinstance(value, Mapping):
            found = _limit(value)
            if found is not None:
                return found
        elif key == "min_overlap" and isinstance(value, int | float):
            return float(value)
    return None


def _survival_figures(study: DisclosedStudy) -> list[FigureFile | None]:
    points, risk = study.curves.points, study.curves.risk
    if points.empty:
        return []
    keys = [key for key in ("stratum", "score") if key in points.columns]
    panels = list(points.groupby(keys, sort=False)) if keys else [((), points)]
    drawn = []
    for number, (key, rows) in enumerate(panels, start=1):
        named = dict(zip(keys, map(str, key if isinstance(key, tuple) else (key,)), strict=True))
        own = risk
        for column, value in named.items():
            own = own[own[column].astype(str) == value]
        drawn.append(
            survival_figure(
                rows,
                own,
                name=f"survival_{number}",
                threshold=study.threshold,
                subject=_curve_subject(study, named),
            )
        )
    return drawn


def _curve_subject(study: DisclosedStudy, keys: Mapping[str, str]) -> str:
    """Write what the groups of a curve are of: the trait, or "the polygenic score"."""
    score = str(keys.get("score", study.conventions.get("curve_score", "")))
    traits: dict[str, str] = {}
    if len(study.traits):
        traits = dict(zip(study.traits["score"], study.traits["trait"], strict=True))
    name = f"the score for {traits[score]}" if score in traits else score or "the polygenic score"
    return f"{name}, {keys['stratum']}" if "stratum" in keys else name


def render_page(study: DisclosedStudy, figures: Mapping[str, FigureFile]) -> str:
    """Write the page: no request leaves it, whatever opens it."""
    environment = Environment(
        loader=PackageLoader("pgs_trd.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    sentences, others = write_methods(study)
    return environment.get_template("report.html.j2").render(
        study=study,
        figures=figures,
        views=_page_views(study),
        association_groups=_association_groups(study),
        summary=summarise(study),
        methods=sentences,
        citations=cite(study),
        other_choices=others,
        provenance=list_provenance(study),
        further=[
            (one, further_view(one, study)) for one in study.further if not is_of_panel(one.name)
        ],
        panel=show_panel(study),
        survival_names=[name for name in figures if name.startswith("survival_")],
        is_simulated=study.truth is not None,
    )


def _page_views(study: DisclosedStudy) -> dict[str, TableView | None]:
    pooled = estimates(study.progression_meta, study.progression)
    found = find_specifications(study)
    return {
        "flow": views.flow_view(study),
        "classes": views.class_view(study),
        "characteristics": views.characteristics_view(study),
        "match": views.match_view(study),
        "components": components_view(study),
        "progression": views.model_view(
            pooled, study, name="progression-table",
            caption="Hazard ratios of treatment resistance, pooled over strata.",
            csv="progression_pooled.csv" if len(study.progression_meta) else "progression.csv",
            ratio="HR",
        ),
        "progression_strata": views.model_view(
            study.progression, study, name="progression-strata",
            caption="Hazard ratios of treatment resistance in each stratum.",
            csv="progression.csv", ratio="HR",
        ),
        "specifications": specification_view(found),
        "holds": holds_view(found),
        "replication": replication_view(study),
        "replication_counts": replication_counts_view(study),
        "published": published_view(study),
        "planted": views.planted_view(study),
        "checklists": checklist_view(study),
        "log": views.log_view(study),
    }  # fmt: skip


def _association_groups(study: DisclosedStudy) -> list[dict[str, Any]]:
    """Give pooled and stratified tables of each contrast, the main one first."""
    everything = study.association if study.meta.empty else study.meta
    if everything.empty:
        return []
    main = find(study)
    contrasts = list(dict.fromkeys(everything["contrast"]))
    if main is not None:
        contrasts = [main.contrast, *(name for name in contrasts if name != main.contrast)]
    groups = []
    for contrast in contrasts:
        label = contrast_label(contrast)
        groups.append(
            {
                "contrast": contrast,
                "label": label,
                "pooled": _contrast_view(study, "meta", contrast, f"{label}: pooled estimates."),
                "strata": _contrast_view(
                    study, "association", contrast, f"{label}: estimates by stratum."
                ),
            }
        )
    return groups


def _contrast_view(
    study: DisclosedStudy, source: str, contrast: str, caption: str
) -> TableView | None:
    table = getattr(study, source)
    if table.empty:
        return None
    pooled = source == "meta"
    return views.model_view(
        table[table["contrast"] == contrast],
        study, name=f"{source}-{contrast}", caption=caption,
        csv="association_pooled.csv" if pooled else "association.csv",
    )  # fmt: skip


def _remove_stale(out: Path, tables: set[str], figures: set[str]) -> None:
    """Remove what an earlier report wrote and this one did not; touch nothing else."""
    for name in views.CSV_NAMES:
        if name not in tables:
            (out / "tables" / name).unlink(missing_ok=True)
    folder = out / "figures"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if FIGURE_NAME.fullmatch(path.name) and path.stem not in figures:
            path.unlink()
