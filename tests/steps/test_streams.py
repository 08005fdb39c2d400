"""Tables written piece by piece are those written at once, or are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pgs_trd.errors import UsageError
from pgs_trd.steps import streams
from pgs_trd.steps.streams import stream_table


def make_table(file: int, chromosomes: list[str | None]) -> pd.DataFrame:
    """Give a match table whose categories and missing cells differ from file to file."""
    n_rows = len(chromosomes)
    text = pd.Series(chromosomes, dtype="string[pyarrow]")
    return pd.DataFrame(
        {
            "file": np.full(n_rows, file, dtype=np.int64),
            "row": np.arange(1, n_rows + 1),
            "id": text,
            "chromosome": pd.Categorical(chromosomes),
            "position": pd.array([None if c is None else 2**40 + 1 for c in chromosomes], "Int64"),
            "status": pd.Categorical(["matched"] * n_rows),
            "reason": ["matched"] * n_rows,
            "swapped": np.zeros(n_rows, dtype=bool),
        }
    )


TABLES = [
    make_table(0, ["1", None, "X"]),
    make_table(1, [None, None]),
    make_table(2, []),
    make_table(3, ["22"]),
]


@pytest.mark.parametrize("name", ["match.parquet", "match.tsv", "match.csv"])
def test_stream_table__writes_what_the_joined_tables_are(tmp_path: Path, name: str):
    """Categories, whole numbers with gaps, and files without a row must survive."""
    path = tmp_path / name

    with stream_table(path) as append:
        for table in TABLES:
            append(table)

    expected = pd.concat([table.astype(object) for table in TABLES], ignore_index=True)
    if path.suffix == ".parquet":
        actual = pd.read_parquet(path)
        assert actual["chromosome"].dtype == "category"
        assert str(actual["position"].dtype) == "Int64"
    else:
        separator = "," if path.suffix == ".csv" else "\t"
        kinds = {"id": "string", "chromosome": "string", "position": "Int64"}
        actual = pd.read_csv(path, sep=separator, dtype=kinds)
    actual, expected = (
        t.astype(object).where(t.notna(), None).reset_index(drop=True) for t in (actual, expected)
    )
    pd.testing.assert_frame_equal(actual, expected, check_dtype=False)


def test_stream_table__lets_one_file_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Merging reads the rows of one weight file at a time, and no row group of another."""
    monkeypatch.setattr(streams, "ROWS_AT_ONCE", 2)
    path = tmp_path / "match.parquet"

    with stream_table(path) as append:
        for table in TABLES:
            append(table, extra=pa.array([b"x"] * len(table), pa.large_binary()))

    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    files = [group.column(0).statistics for group in groups if group.num_rows]
    assert [group.num_rows for group in groups] == [2, 1, 2, 0, 1]
    assert [(stated.min, stated.max) for stated in files] == [(0, 0), (0, 0), (1, 1), (3, 3)]
    read = pq.read_table(path, filters=[("file", "==", 0)])
    assert read.column("extra").to_pylist() == [b"x"] * 3


def test_stream_table__leaves_nothing_when_it_fails(tmp_path: Path):
    """Half a match table would look like a whole one."""
    path = tmp_path / "match.parquet"
    path.write_text("as before")

    def write_half() -> None:
        with stream_table(path) as append:
            append(TABLES[0])
            raise KeyError("the second table")

    with pytest.raises(KeyError, match="the second"):
        write_half()

    assert [file.name for file in tmp_path.iterdir()] == ["match.parquet"]
    assert path.read_text() == "as before"


def test_stream_table__refuses_an_ending_it_does_not_know(tmp_path: Path):
    """Before any work is done."""
    with pytest.raises(UsageError, match=r"match\.xlsx"), stream_table(tmp_path / "match.xlsx"):
        pass
