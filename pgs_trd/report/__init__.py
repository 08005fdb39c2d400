"""Report of a study: disclosure control, tables, figures and the page."""

from __future__ import annotations

from pgs_trd.report.disclosure import DisclosedStudy, disclose
from pgs_trd.report.render import render_report
from pgs_trd.report.results import FurtherTable, StudyResults

__all__ = ["DisclosedStudy", "FurtherTable", "StudyResults", "disclose", "render_report"]
