"""Figures of the report; matplotlib is imported only when one is drawn."""

from __future__ import annotations

from pgs_trd.report.figures.cohort import flow_figure, match_figure
from pgs_trd.report.figures.components import components_figure
from pgs_trd.report.figures.forest import domain_forest, stratified_forest
from pgs_trd.report.figures.groups import group_figure, incidence_figure
from pgs_trd.report.figures.overview import overview_figure
from pgs_trd.report.figures.planted import planted_figure
from pgs_trd.report.figures.replication import replication_figure
from pgs_trd.report.figures.specification import specification_figure
from pgs_trd.report.figures.style import FigureFile
from pgs_trd.report.figures.survival import survival_figure

__all__ = [
    "FigureFile",
    "components_figure",
    "domain_forest",
    "flow_figure",
    "group_figure",
    "incidence_figure",
    "match_figure",
    "overview_figure",
    "planted_figure",
    "replication_figure",
    "specification_figure",
    "stratified_forest",
    "survival_figure",
]
