"""What a study found, as tables: everything the report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pgs_trd.tables import require_columns

AS_MAIN = "As in the main analysis"
"""The `approach` of the bias panel whose rows are the main models again."""
HELD_FIXED = "Shared causes held fixed"
"""That whose models adjust for causes that depression and resistance share."""

ESTIMATE_COLUMNS = ("beta", "se", "ci_low", "ci_high", "p_value")

REQUIRED_COLUMNS: dict[str, tuple[str, ...]] = {
    "association": (
        "stratum", "contrast", "score", *ESTIMATE_COLUMNS,
        "n", "n_events", "n_cases", "n_controls", "status",
    ),
    "meta": ("contrast", "score", *ESTIMATE_COLUMNS, "n_strata", "n", "n_events", "i2", "status"),
    "progression": ("stratum", "score", *ESTIMATE_COLUMNS, "n", "n_events", "status"),
    "progression_meta": (
        "score", *ESTIMATE_COLUMNS, "n_strata", "n", "n_events", "i2", "status",
    ),
    "curves": (
        "group", "days", "survival", "ci_low", "ci_high", "n_at_risk", "n_events_so_far",
    ),
    "attrition": ("step", "n_people_in", "n_people_out", "rule"),
    "match_summary": ("score", "n_rows", "n_matched", "match_rate", "status"),
    "class_counts": ("stratum", "phenotype", "n_people"),
    "characteristics": ("variable", "level"),
    "traits": ("score", "trait", "domain"),
    "sensitivity": (
        "definition", "contrast", "score", *ESTIMATE_COLUMNS, "n", "n_events", "status",
    ),
    "definitions": ("definition", "title"),
    "incidence": (
        "group", "days", "incidence", "ci_low", "ci_high", "n_at_risk", "n_events_so_far",
    ),
    "truth": ("score", "trait", "contrast", "beta"),
    "published": ("source", "analysis", "trait", "unit", "ratio", "score"),
    "bias": ("part", "is_done", "reason"),
    "components": (
        "stratum", "horizontal", "vertical", "x_low", "x_high", "y_low", "y_high", "n_people",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class FurtherTable:
    """A table that a study adds to its report, and what its columns are.

    No row may be of one person.

    Attributes
    ----------
    name
        Anchor, and the stem of its CSV file; letters, digits and underscores.
    section
        Heading under which it stands.
    caption
        One sentence.
    table
        The rows. Columns that are named nowhere below are left out.
    text
        Columns of names. `stratum` and, but for Cox models, `contrast` say which model of
        the main tables a row belongs to; without `stratum` it is of all people.
    numbers
        Columns of statistics. If `se` is one, `beta`, `ci_low`, `ci_high` and `p_value`
        are too.
    counts
        Columns of the people who bear the statistics, on each side. They are judged and
        never shown.
    groups
        Text columns whose rows stand or fall together, since their people add up.
    tells_counts
        Whether the people of a row follow from its numbers, as from a liability R2 at two
        prevalences. Such a row stands only if its `counts` are those that the association
        table shows for its stratum, contrast and score.
    """

    name: str
    section: str
    caption: str
    table: pd.DataFrame
    text: tuple[str, ...]
    numbers: tuple[str, ...]
    counts: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tells_counts: bool = False
    is_cox: bool = False

    def __post_init__(self) -> None:
        columns = (*self.text, *self.numbers, *self.counts)
        require_columns(self.table, columns, f"table {self.name!r}")


@dataclass(frozen=True)
class StudyResults:
    """The tables of one study, before disclosure control.

    No table may hold one row a person. A table that a study did not make is an
    empty `DataFrame()`; its section is then left out of the report.

    Parameters
    ----------
    title
        Heading of the report.
    association
        One row a stratum, contrast and score, as `models.associate` gives it.
    meta
        One row a contrast and score, pooled over strata, as `models.meta_analyse`
        gives it. `n_strata` is the number of strata that were pooled.
    progression, progression_meta
        The same for time to treatment resistance; `beta` is a log hazard ratio.
    curves
        Kaplan-Meier table, one row a group and time, as `models.survival_curves`
        gives it; columns `score` and `stratum`, where present, tell curves apart.
    attrition
        One row a step of the cohort's making, in order.
    match_summary
        One row a score: how many rows of its weight file were found.
    class_counts
        One row a stratum and phenotype. The phenotypes part the people of a
        stratum: nobody is in two.
    characteristics
        Table 1. Columns `variable`, `level`, then one a phenotype (and "all", if
        there is a total). The row with variable "n_people" (or "all") counts
        the people of the column. A level of "mean", "sd", "median", "q1" or "q3" holds that
        statistic; any other level counts the people that have it.
    traits
        What each score is for: trait and domain.
    truth
        Planted effects of a simulated study, or None for real data.
    conventions
        The choices in force, by the names of the options of the functions.
    provenance
        Versions, options and checksums, as `provenance.describe_run` gives them.
    sensitivity
        Pooled estimates under other definitions, as `meta_analyse` gives them by
        definition, contrast and score.
    definitions
        The definitions of `sensitivity`, the main one first, with their titles.
    incidence
        Cumulative incidence of treatment resistance and of the events that compete with
        it, over all people followed; `group` is the cause.
    components
        Where people lie on the components of ancestry: one row a stratum, plane of two
        components (`horizontal`, `vertical`) and square that holds anybody. The squares of
        a plane do not overlap.
    published
        Published effects to compare with, as `study.literature.find_scores` gives them.
    further
        Tables that the report shows besides, each under its own heading.
    bias
        The parts of the bias panel: `part`, `is_done`, and the `reason` where one has no
        estimates. Those that have are among `further`, by the name of the part.

    Raises
    ------
    DataError
        If a table lacks a column that the report needs.
    """

    title: str
    association: pd.DataFrame
    meta: pd.DataFrame
    progression: pd.DataFrame
    progression_meta: pd.DataFrame
    curves: pd.DataFrame
    attrition: pd.DataFrame
    match_summary: pd.DataFrame
    class_counts: pd.DataFrame
    characteristics: pd.DataFrame
    traits: pd.DataFrame
    truth: pd.DataFrame | None
    conventions: Mapping[str, Any]
    provenance: Mapping[str, Any]
    sensitivity: pd.DataFrame = field(default_factory=pd.DataFrame)
    definitions: pd.DataFrame = field(default_factory=pd.DataFrame)
    incidence: pd.DataFrame = field(default_factory=pd.DataFrame)
    components: pd.DataFrame = field(default_factory=pd.DataFrame)
    published: pd.DataFrame = field(default_factory=pd.DataFrame)
    further: tuple[FurtherTable, ...] = ()
    bias: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __post_init__(self) -> None:
        for name, columns in REQUIRED_COLUMNS.items():
            table = getattr(self, name)
            if table is not None and len(table.columns):
                require_columns(table, columns, f"table {name!r} of the study results")
