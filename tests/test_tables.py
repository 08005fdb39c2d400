"""Tables on disk are whole or not there, and come back as they went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from pgs_trd.errors import DataError, UsageError
from pgs_trd.tables import read_table, replace_on_success, require_columns, write_table


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".parquet"])
def test_write_table__gives_the_same_bits_back(tmp_path: Path, ending: str):
    """A score that loses its last digits on disk would not be the score."""
    table = pd.DataFrame({"person_id": ["007", "1e5"], "score": [0.1 + 0.2, np.nextafter(1, 2)]})

    write_table(table, tmp_path / f"t{ending}")

    assert_frame_equal(read_table(tmp_path / f"t{ending}"), table, check_exact=True)


def test_replace_on_success__leaves_the_old_file_when_writing_fails(tmp_path: Path):
    """Half a file must never stand under the name of a whole one."""
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def write_half() -> None:
        with replace_on_success(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_table__refuses_an_unknown_ending(tmp_path: Path):
    """The message names the file and what it could end in."""
    with pytest.raises(UsageError, match=r"'t.xlsx': it should end in .parquet, .tsv"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "t.xlsx")


def test_read_table__says_what_a_damaged_file_should_have_been(tmp_path: Path):
    """A text file that calls itself Parquet is wrong data, not a crash."""
    (tmp_path / "t.parquet").write_text("person_id\n1\n")

    with pytest.raises(DataError, match=r"t.parquet: cannot be read as parquet"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="no such file"):
        read_table(tmp_path / "absent.tsv")


def test_require_columns__names_all_that_are_missing():
    """One run shows every fault."""
    with pytest.raises(DataError, match=r"(?s)covariates: 2 faults.*'sex'.*'PC1'.*person_id"):
        require_columns(pd.DataFrame({"person_id": ["1"]}), ["sex", "PC1"], "covariates")
