"""Published effects, to be put beside those that a study finds."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.models import CONTRASTS
from pgs_trd.report.published import TIME_TO_TRD, UNITS
from pgs_trd.tables import read_table, require_columns

TABLE_ENDINGS = (".tsv", ".csv", ".txt", ".parquet")
REQUIRED = ("source", "analysis", "trait", "ratio")
TEXT = ("source", "doi", "analysis", "trait", "aliases", "unit", "note")
NUMBERS = ("ratio", "ci_low", "ci_high")


def list_published() -> list[str]:
    """Name the tables of published effects that come with the package."""
    folder = resources.files("pgs_trd.study") / "published"
    return sorted(one.name.removesuffix(".tsv") for one in folder.iterdir())


def read_published(name: str) -> pd.DataFrame:
    """Read a table of published effects.

    Parameters
    ----------
    name
        One of `list_published`, or a table file with the columns `source`, `analysis` (a
        contrast, or "time_to_trd"), `trait` and `ratio` (odds or hazard ratio), and, where
        known, `doi`, `aliases` (other names of the trait, parted by semicolons), `unit`
        ("sd", or "p80_p20" for the 80th against the 20th percentile), `ci_low`, `ci_high`
        and `note`.

    Raises
    ------
    UsageError
        If there is no such table.
    DataError
        If columns are missing, or hold what they cannot.
    """
    if not name.endswith(TABLE_ENDINGS):
        if name not in list_published():
            known = ", ".join(list_published())
            raise UsageError(f"no published effects {name!r} and no table; there are: {known}")
        with resources.as_file(resources.files("pgs_trd.study") / "published" / f"{name}.tsv") as p:
            return _checked(read_table(p, text_columns=TEXT), name)
    return _checked(read_table(Path(name), text_columns=TEXT), Path(name).name)


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    require_columns(table, REQUIRED, name)
    found = pd.DataFrame(index=table.index)
    for column in TEXT:
        found[column] = table[column].fillna("").astype(str) if column in table else ""
    found["unit"] = found["unit"].replace("", "sd")
    for column in NUMBERS:
        given = table[column] if column in table else pd.Series(np.nan, index=table.index)
        found[column] = pd.to_numeric(given, errors="coerce")
    for column, known in (("analysis", [*CONTRASTS, TIME_TO_TRD]), ("unit", list(UNITS))):
        wrong = sorted(set(found[column]) - set(known))
        if wrong:
            raise DataError(f"{name}: {column} {wrong[0]!r} is none of {', '.join(known)}")
    n_bad = int((~(found["ratio"] > 0)).sum())
    if n_bad:
        raise DataError(f"{name}: {n_bad:,} of {len(found):,} rows have no ratio above 0")
    return found


def find_scores(published: pd.DataFrame, traits: pd.DataFrame) -> pd.DataFrame:
    """Find the scores of published traits, by name or alias; letters' case does not matter.

    Returns
    -------
    DataFrame
        `published` with `score`, one row a published effect and score of its trait; a trait of
        which there is no score stays, with an empty one.
    """
    scores: dict[str, list[str]] = {}
    for score, trait in zip(traits["score"], traits["trait"], strict=True):
        scores.setdefault(_plain(str(trait)), []).append(str(score))
    rows = []
    for row in published.to_dict("records"):
        names = [_plain(name) for name in (row["trait"], *str(row["aliases"]).split(";")) if name]
        found = [score for name in dict.fromkeys(names) for score in scores.get(name, [])]
        rows += [{**row, "score": score} for score in found or [""]]
    columns = [*(name for name in published.columns if name != "aliases"), "score"]
    return pd.DataFrame(rows, columns=columns)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())
