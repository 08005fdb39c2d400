"""Published effects beside those found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtri

from pgs_trd.report.cells import Cell, Row, TableView, make_view, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.disclosure.estimates import TIME_TO_TRD
from pgs_trd.report.findings import estimates
from pgs_trd.report.text import MISSING, contrast_label, format_ratio

__all__ = ["P80_P20", "TIME_TO_TRD", "UNITS", "compare_published", "published_view"]

P80_P20 = float(2 * ndtri(0.8))
"""Standard deviations between the 20th and the 80th percentile of a normal score."""
UNITS: Mapping[str, tuple[str, float]] = {
    "sd": ("SD", 1.0),
    "p80_p20": ("80th vs 20th percentile", P80_P20),
}
"""Units of published effects: their names, and how many standard deviations they are."""
ENDS = ("beta", "ci_low", "ci_high")


def compare_published(study: DisclosedStudy) -> pd.DataFrame:
    """Put published effects beside the estimates shown, in the published unit.

    Returns
    -------
    DataFrame
        source, doi, analysis, trait, unit, published_ratio, published_low, published_high,
        score, ratio, ratio_low, ratio_high, `is_inside` (whether the interval found holds the
        published ratio; None without an estimate) and note. Empty without published effects.
    """
    if study.published.empty:
        return pd.DataFrame()
    course = estimates(study.progression_meta, study.progression)
    found = [estimates(study.meta, study.association), course]
    known = [table[["contrast", "score", *ENDS]] for table in found if not table.empty]
    if not known:
        return pd.DataFrame()
    both = study.published.merge(
        pd.concat(known, ignore_index=True).rename(
            columns={"contrast": "analysis", **{name: f"found_{name}" for name in ENDS}}
        ),
        on=["analysis", "score"],
        how="left",
    )
    times = both["unit"].map({name: size for name, (_, size) in UNITS.items()})
    shown = both[["source", "doi", "analysis", "trait", "unit"]].assign(
        published_ratio=both["ratio"],
        published_low=both["ci_low"],
        published_high=both["ci_high"],
        score=both["score"],
    )
    for name, end in (("ratio", "beta"), ("ratio_low", "ci_low"), ("ratio_high", "ci_high")):
        shown[name] = np.exp(both[f"found_{end}"].astype(float) * times)
    inside = shown["published_ratio"].between(shown["ratio_low"], shown["ratio_high"])
    shown["is_inside"] = inside.astype(object).where(shown["ratio"].notna(), None)
    return shown.assign(note=both["note"])


def published_view(study: DisclosedStudy) -> TableView | None:
    """Give published and found ratios side by side."""
    return make_view(
        "published", "Published effects, and the same effects in this study.",
        "published_against_found.csv", compare_published(study),
        [
            ("Trait", False, text_of("trait")),
            ("Contrast", False, lambda row: Cell(contrast_label(str(row["analysis"])))),
            ("Per", False, lambda row: Cell(UNITS[str(row["unit"])][0])),
            ("Published", True, _published),
            ("Found (95% CI)", True, _found),
            ("Published within", False, _inside),
            ("Source", False, _source),
            ("Note", False, text_of("note")),
        ],
    )  # fmt: skip


def _published(row: Row) -> Cell:
    ratio, low, high = (_number(row[f"published_{name}"]) for name in ("ratio", "low", "high"))
    text = f"{ratio:.2f}" if np.isnan(low) else f"{ratio:.2f} ({low:.2f} to {high:.2f})"
    return Cell(text, f"{ratio:.6g}")


def _found(row: Row) -> Cell:
    ends = [_number(row[name]) for name in ("ratio", "ratio_low", "ratio_high")]
    if np.isnan(ends[0]):
        return Cell(MISSING)
    return Cell(format_ratio(*(float(np.log(end)) for end in ends)), f"{ends[0]:.6g}")


def _inside(row: Row) -> Cell:
    return Cell(MISSING if row["is_inside"] is None else "yes" if row["is_inside"] else "no")


def _source(row: Row) -> Cell:
    return Cell(f"{row['source']}, doi {row['doi']}" if row["doi"] else str(row["source"]))


def _number(value: object) -> float:
    return float(str(value))
