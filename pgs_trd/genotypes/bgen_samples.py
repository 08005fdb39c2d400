"""Who is in a BGEN: the ids inside it, or the .sample beside it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.plink1 import check_people
from pgs_trd.genotypes.plink2_tables import SEX_OF_TEXT


def samples_inside(ids: list[str] | None, path: Path) -> pd.DataFrame:
    """Give the people of the ids inside a BGEN; raise a UsageError if there are none."""
    if ids is None:
        raise UsageError(
            f"{path.name}: holds no ids of people, and there is no {path.stem}.sample beside it: "
            "name the .sample that belongs to it"
        )
    samples = pd.DataFrame({"person_id": ids, "family_id": ids, "sex": "unknown"}, dtype=object)
    check_people(samples, path)
    return samples


def read_sample(path: Path) -> pd.DataFrame:
    """Read the people of an Oxford .sample; see `GenotypeSource.samples`.

    ID_1 is the family and ID_2 the person; a single id is both.
    """
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name}: is not text: {error.reason}") from error
    lines = [line for line in lines if line and not line[0].startswith("#")]
    if len(lines) < 3 or lines[1][0] != "0" or not lines[0][0].upper().startswith("ID"):
        raise DataError(
            f"{path.name}: not a .sample, whose first line is 'ID_1 ID_2 missing', whose second "
            "gives the types, starting with 0, and whose others are people"
        )
    names = [name.lower() for name in lines[0]]
    wrong = [number for number, line in enumerate(lines[1:], 2) if len(line) != len(names)]
    if wrong:
        raise DataError(
            f"{path.name}: {len(wrong):,} of {len(lines) - 1:,} rows do not have {len(names)} "
            f"columns, the first is row {wrong[0]:,}"
        )
    table = pd.DataFrame(lines[2:], columns=names, dtype=object)
    person = table.iloc[:, 1] if len(names) > 1 and names[1] == "id_2" else table.iloc[:, 0]
    sex = table["sex"].map(SEX_OF_TEXT).fillna("unknown") if "sex" in names else "unknown"
    samples = pd.DataFrame({"person_id": person, "family_id": table.iloc[:, 0], "sex": sex})
    check_people(samples, path)
    return samples


def check_same_people(
    samples: pd.DataFrame, n_people: int, ids: list[str] | None, path: Path
) -> None:
    """Raise a DataError if the .sample cannot be of this BGEN.

    Writers put ID_2, ID_1 or both with an underscore into the BGEN.
    """
    if len(samples) != n_people:
        raise DataError(
            f"{path.name}: lists {len(samples):,} people, the .bgen holds {n_people:,}: "
            "the .sample of another file"
        )
    if ids is None:
        return
    person, family = samples["person_id"], samples["family_id"]
    inside = pd.Series(ids, dtype=object)
    agree = (inside == person) | (inside == family) | (inside == family + "_" + person)
    if not agree.all():
        raise DataError(
            f"{path.name}: {int((~agree).sum()):,} of {n_people:,} ids differ from those inside "
            f"the .bgen, the first in row {int((~agree).argmax()) + 1:,}: the .sample of another "
            "file, or in another order. If it is right, name it explicitly"
        )
