"""A reader attacks the published files of a real run: small counts must not come back.

All that the reader has are the CSV files beside the page, what the marks mean, and how
the tables hang together. Every hidden count is minimised and maximised over all tables
of people that fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

THRESHOLD = 20
SIDES = {
    "trd_vs_responsive": (["trd"], ["responsive"]),
    "trd_vs_none": (["trd"], ["no_mdd"]),
    "time_to_trd": (["trd"], ["responsive", "neither"]),
}  # mdd_vs_none leaves out those of "neither" who have no depression: no sum of classes
Key = tuple[str, ...]


@dataclass
class Attacker:
    """What the reader knows: people of cells that no table parts further, and sums of them."""

    cells: list[Key]
    equal: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    upper: list[np.ndarray] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    hidden: list[tuple[np.ndarray, str]] = field(default_factory=list)

    def indicator(self, keys: list[Key]) -> np.ndarray:
        return np.isin(np.arange(len(self.cells)), [self.cells.index(key) for key in keys]) * 1.0

    def see(self, keys: list[Key], cell: str, *, marks_mean_counts: bool = True) -> None:
        """Take in one published cell that counts the people of `keys`."""
        row = self.indicator(keys)
        if cell.isdigit():
            assert not 1 <= int(cell) <= THRESHOLD
            self.equal.append(row)
            self.values.append(int(cell))
        elif marks_mean_counts:
            assert cell in ("≤20", "withheld"), cell
            self.hidden.append((row, cell))
            low, high = (1, THRESHOLD) if cell == "≤20" else (THRESHOLD + 1, np.inf)
            self.upper.append(-row)
            self.limits.append(-low)
            if np.isfinite(high):
                self.upper.append(row)
                self.limits.append(high)

    def interval(self, row: np.ndarray) -> float:
        ends = [
            sign
            * linprog(
                sign * row, A_ub=np.array(self.upper), b_ub=self.limits,
                A_eq=np.array(self.equal), b_eq=self.values, bounds=(0, 1e5),
            ).fun
            for sign in (1, -1)
        ]  # fmt: skip
        return ends[1] - ends[0]


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / name, dtype=str, keep_default_na=False)


def attack(folder: Path) -> Attacker:
    """Read class counts, Table 1 and the models into one system."""
    classes_table = read(folder, "class_counts.csv")
    strata = [name for name in classes_table["stratum"] if name != "all"]
    classes = [name for name in classes_table.columns if name not in ("stratum", "all")]
    table_1 = read(folder, "characteristics.csv")
    variables = [v for v in dict.fromkeys(table_1["variable"]) if v not in ("n_people", "stratum")]
    levels = {v: list(table_1.loc[table_1["variable"] == v, "level"]) for v in variables}
    cells: list[Key] = [("stratum", s, c) for s in strata for c in classes]
    cells += [(v, level, c) for v in variables for level in levels[v] for c in classes]
    reader = Attacker(cells)
    for row in classes_table.to_dict("records"):
        where = strata if row["stratum"] == "all" else [row["stratum"]]
        for name in classes:
            reader.see([("stratum", s, name) for s in where], row[name])
        reader.see([("stratum", s, c) for s in where for c in classes], row["all"])
    for variable in variables:
        for name in classes:
            # Everybody of a class has one level of each variable.
            parted = reader.indicator([(variable, level, name) for level in levels[variable]])
            reader.equal.append(parted - reader.indicator([("stratum", s, name) for s in strata]))
            reader.values.append(0)
    for row in table_1.to_dict("records"):
        for name in classes:
            if row["variable"] == "n_people":
                reader.see([("stratum", s, name) for s in strata], row[name])
            else:
                reader.see([(row["variable"], row["level"], name)], row[name])
    for file in ("association.csv", "progression.csv"):
        for row in read(folder, file).drop_duplicates(["stratum", "contrast"]).to_dict("records"):
            if row["contrast"] not in SIDES:
                continue
            sides = [[("stratum", row["stratum"], c) for c in s] for s in SIDES[row["contrast"]]]
            if file == "association.csv":
                for side, column in zip(sides, ("n_cases", "n_controls"), strict=True):
                    reader.see(side, row[column], marks_mean_counts=False)
                reader.see(sides[0] + sides[1], row["n"], marks_mean_counts=False)
            else:
                reader.see(sides[0], row["n_events"], marks_mean_counts=False)
    return reader


@pytest.fixture(scope="module")
def published(finished: Path) -> Path:
    """Folder of the report of a run of 900 people."""
    return finished / "results" / "report"


def test_published__leaves_every_hidden_count_the_stated_interval(published: Path):
    """Class counts, Table 1 and models together, with what the marks say, in one program."""
    reader = attack(published)

    assert len(reader.hidden) > 10
    for row, cell in reader.hidden:
        assert reader.interval(row) >= THRESHOLD // 2, cell


def test_published__shares_are_of_counts_that_are_shown(published: Path):
    """A share times its total is a count."""
    table = read(published, "characteristics.csv")
    shares = [column for column in table.columns if column.endswith("__share")]

    for row in table.to_dict("records"):
        for column in shares:
            count = row[column.removesuffix("__share")]
            assert row[column] == "" or count.isdigit()
            if row[column] and float(row[column]) > 0:
                assert float(row[column]) * 900 > 20


def test_published__the_attack_finds_what_is_not_protected(published: Path):
    """With everything that is withheld given away small counts fall: the attack is no blank."""
    reader = attack(published)
    small = [row for row, cell in reader.hidden if cell == "≤20"]
    ends = linprog(
        np.sum(small, axis=0), A_ub=np.array(reader.upper), b_ub=reader.limits,
        A_eq=np.array(reader.equal), b_eq=reader.values, bounds=(0, 1e5),
    )  # fmt: skip
    for row in [row for row, cell in reader.hidden if cell == "withheld"]:
        reader.equal.append(row)
        reader.values.append(float(row @ ends.x))

    assert any(reader.interval(row) < THRESHOLD // 2 for row in small)
