"""Options of the phenotype step, in groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pgs_trd.ehr import Ehr
from pgs_trd.ehr.doses import gate_trials
from pgs_trd.errors import DataError, UsageError
from pgs_trd.phenotype import Definition, load_definition, load_grid
from pgs_trd.tables import read_table, require_columns

Origin = Literal["first_diagnosis", "first_antidepressant"]


@dataclass(frozen=True)
class Gates:
    """Which trials are no treatment of depression, or too low to fail (`gate_trials`)."""

    low_dose: bool = False
    indication_days: int | None = None
    dose: Literal["off", "floor"] = "off"

    def apply(self, ehr: Ehr, trials: pd.DataFrame) -> pd.DataFrame:
        """Mark the trials; without a gate they stay as they are."""
        if self == Gates():
            return trials
        return gate_trials(
            ehr,
            trials,
            low_dose=self.low_dose,
            dose=self.dose,
            indication_days=self.indication_days,
        )


@dataclass(frozen=True)
class FollowUp:
    """From when to when people are followed (`follow_up`).

    Attributes
    ----------
    washout_days
        Observation before day 0 that makes a case new.
    enrolment
        Table of ``person_id`` and ``date``: nobody is at risk before.
    data_end
        Last day of data, YYYY-MM-DD.
    """

    washout_days: int = 365
    enrolment: Path | None = None
    data_end: str | None = None

    def read_enrolment(self) -> dict[str, pd.Timestamp] | None:
        """Read the dates of enrolment.

        Raises
        ------
        DataError
            If a column is absent, a date is none, or a person has two.
        """
        if self.enrolment is None:
            return None
        table = read_table(self.enrolment)
        require_columns(table, ("person_id", "date"), self.enrolment.name)
        dates = pd.to_datetime(table["date"].astype("string"), format="%Y-%m-%d", errors="coerce")
        n_bad = int(dates.isna().sum())
        n_twice = int(table["person_id"].duplicated().sum())
        if n_bad or n_twice:
            raise DataError(
                f"{self.enrolment.name}: {n_bad:,} rows whose 'date' is none (want YYYY-MM-DD), "
                f"{n_twice:,} rows of a person who has one already"
            )
        return dict(zip(table["person_id"], dates, strict=True))

    def read_data_end(self) -> pd.Timestamp | None:
        """Read the last day of data.

        Raises
        ------
        UsageError
            If it is no date.
        """
        if self.data_end is None:
            return None
        day = pd.to_datetime(self.data_end, format="%Y-%m-%d", errors="coerce")
        if pd.isna(day):
            raise UsageError(f"data_end is no date (want YYYY-MM-DD): {self.data_end!r}")
        return pd.Timestamp(day)


@dataclass(frozen=True)
class Extras:
    """What is made besides trials, classes and follow-up of one definition.

    Attributes
    ----------
    compare
        Further definitions: ids or YAML files.
    grid
        Add the pairs of the grid of the package.
    perinatal
        Find postpartum depression.
    exports
        Of "regenie", "plink2" (cases and controls of `contrast`) and "survival".
    contrast
        One of `pgs_trd.phenotype.exports.CONTRASTS`.
    fam
        The .fam or .psam of the genotypes, for the family ids of the exports.
    landmark_days
        Keep who is at risk so many days after the origin.
    """

    compare: Sequence[str] = ()
    grid: bool = False
    perinatal: bool = False
    exports: Sequence[str] = ()
    contrast: str = "trd_vs_responsive"
    fam: Path | None = None
    landmark_days: float | None = None

    def definitions(self, first: str) -> list[Definition]:
        """Load all definitions, the main one first.

        Raises
        ------
        UsageError
            If two different ones have one id, so that one file would be written over
            the other, or an id cannot be part of a file's name.
        """
        loaded = [load_definition(name) for name in (first, *self.compare)]
        loaded += load_grid() if self.grid else ()
        chosen: dict[str, Definition] = {}
        for each in loaded:
            if chosen.setdefault(each.id, each) != each:
                raise UsageError(f"two definitions have the id {each.id!r}: give one another id")
        for name in chosen if len(chosen) > 1 else ():
            if not re.fullmatch(r"[\w+-]+", name):
                raise UsageError(
                    f"the id {name!r} of a definition becomes part of file names: "
                    "want letters, digits, _, + and - only"
                )
        return list(chosen.values())


def read_families(path: Path, people: pd.Series) -> dict[str, str]:
    """Read the family of each person from a .fam or .psam.

    Returns
    -------
    dict
        Family id by person id; people whom the file does not have are a family each.

    Raises
    ------
    DataError
        If the file has fewer than two columns or a person twice.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    with path.open(encoding="utf-8") as stream:
        lines = [line.split() for line in stream if line.strip() and not line.startswith("##")]
    header = lines.pop(0) if lines and lines[0][0].startswith("#") else ["#FID", "IID"]
    if header[0] == "#IID":
        return dict(zip(people, people, strict=True))
    n_short = sum(len(line) < 2 for line in lines)
    if n_short or not lines:
        raise DataError(f"{path.name}: {n_short:,} of {len(lines):,} lines lack family and person")
    families = {line[1]: line[0] for line in lines}
    if len(families) < len(lines):
        n_more = len(lines) - len(families)
        raise DataError(f"{path.name}: {n_more:,} lines have a person id that another has")
    return {person: families.get(person, person) for person in people}


def plain_options(options: Gates | FollowUp | Extras) -> dict[str, Any]:
    """Give the fields of options as they are recorded: of files only the name."""
    values = {each.name: getattr(options, each.name) for each in fields(options)}
    return {
        name: value.name if isinstance(value, Path) else value for name, value in values.items()
    }
