"""Disclosure control: the one gate between the results and the outside."""

from __future__ import annotations

from pgs_trd.report.disclosure.counts import WITHHELD, small_label
from pgs_trd.report.disclosure.gate import DisclosedStudy, disclose
from pgs_trd.report.disclosure.grid import SuppressedGrid, suppress_grid

__all__ = [
    "WITHHELD",
    "DisclosedStudy",
    "SuppressedGrid",
    "disclose",
    "small_label",
    "suppress_grid",
]
