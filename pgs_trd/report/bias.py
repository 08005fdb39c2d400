"""What the estimates shown would be if the definition of resistance errs."""

from __future__ import annotations

import pandas as pd

from pgs_trd.models import misclassification_grid
from pgs_trd.report.cells import Cell, Row, TableView, make_view, number_of, text_of
from pgs_trd.report.disclosure import DisclosedStudy
from pgs_trd.report.findings import find, important_scores
from pgs_trd.report.text import contrast_label, format_percent, format_ratio

PPV = (1.0, 0.9, 0.8, 0.7)
NPV = (1.0, 0.9)
COLUMNS = [
    "score", "trait", "domain", "contrast", "ppv", "npv", "beta", "se", "ci_low", "ci_high",
]  # fmt: skip


def correct_for_misclassification(study: DisclosedStudy) -> pd.DataFrame:
    """Correct the main estimates for definitions whose cases and controls are partly wrong.

    It is made from the estimates shown, so that it tells no more of people than they do.

    Returns
    -------
    DataFrame
        Rows score x PPV x NPV of the main contrast: score, trait, domain, contrast, ppv, npv,
        and the log odds ratio with its error and interval, as
        `models.misclassification_grid` gives them. The scores are the planted ones, else
        those of the smallest p-values. Empty without estimates.
    """
    main = find(study)
    if main is None:
        return pd.DataFrame()
    chosen = important_scores(study, main)
    rows = main.table[main.table["score"].isin(chosen) & main.table["beta"].notna()]
    if rows.empty:
        return pd.DataFrame()
    names = ["score", "trait", "domain", "contrast", "beta", "se"]
    rows = rows.set_index("score").loc[[s for s in chosen if s in set(rows["score"])]]
    grid = misclassification_grid(rows.reset_index()[names], ppv=PPV, npv=NPV)
    order = grid["score"].map({score: place for place, score in enumerate(chosen)})
    grid = grid.assign(order=order).sort_values("order", kind="stable")
    return grid[COLUMNS].reset_index(drop=True)


def misclassification_view(study: DisclosedStudy) -> TableView | None:
    """Give the corrected estimates as ratios."""
    return make_view(
        "misclassified", "Odds ratios per SD, if these shares of the resistant and of the "
        "comparators are what they are taken for.",
        "misclassification.csv", correct_for_misclassification(study),
        [
            ("Trait", False, text_of("trait")),
            ("Contrast", False, lambda row: Cell(contrast_label(str(row["contrast"])))),
            ("Right among cases (PPV)", True, number_of("ppv", format_percent)),
            ("Right among comparators (NPV)", True, number_of("npv", format_percent)),
            ("OR (95% CI)", True, _ratio),
        ],
    )  # fmt: skip


def _ratio(row: Row) -> Cell:
    beta, low, high = (float(str(row[key])) for key in ("beta", "ci_low", "ci_high"))
    return Cell(format_ratio(beta, low, high), f"{beta:.6g}")
