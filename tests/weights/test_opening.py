"""Rows reach Arrow as they stand, counted, from behind whatever stands before them."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgs_trd.errors import DataError
from pgs_trd.weights import opening, read_weights
from pgs_trd.weights.opening import RowStream

ROWS = ("rs1\tA\t0.5", "rs2\tC\t-1e-3", "rs3\tG\t0.25")


@given(
    lines=st.lists(st.sampled_from([b"", b"a", b"bb\tc", b" d  e"]), min_size=1, max_size=9),
    n_skipped=st.integers(0, 9),
    size=st.integers(1, 12),
    has_end=st.booleans(),
    by_whitespace=st.booleans(),
)
def test_row_stream__gives_every_byte_behind_the_skipped_lines(
    lines, n_skipped, size, has_end, by_whitespace
):
    """However the blocks fall: a byte lost would be a row lost, or joined to another.

    The oracle splits the whole text at once.
    """
    content = b"\n".join(lines) + b"\n" * has_end
    stream = RowStream(
        pa.PythonFile(io.BytesIO(content), mode="r"),
        n_skipped=n_skipped,
        by_whitespace=by_whitespace,
    )
    parts = []
    while part := stream.read_buffer(size).to_pybytes():
        parts.append(part)

    rest = content.split(b"\n", n_skipped)
    expected = rest[n_skipped] if len(rest) > n_skipped else b""
    n_lines = expected.count(b"\n") + bool(expected and expected[-1:] != b"\n")
    if by_whitespace:
        words = [b"\t".join(line.split()) for line in expected.split(b"\n")]
        assert [part.strip() for part in b"".join(parts).split(b"\n") if part.strip()] == [
            word for word in words if word
        ]
    else:
        assert b"".join(parts) == expected
        assert stream.n_lines == n_lines


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_weights__reads_behind_a_header_longer_than_a_block(tmp_path, pack):
    """Comments of more than a mebibyte must not hide the rows."""
    comments = f"#note={'x' * 1_000}\n" * (2 * opening.BLOCK_BYTES // 1_000)
    path = tmp_path / "long.txt"
    path.write_bytes(pack((comments + "\n".join(["rsid\ta1\tbeta", *ROWS])).encode()))

    weights = read_weights(path)

    assert weights.variants["id"].tolist() == ["rs1", "rs2", "rs3"]
    np.testing.assert_array_equal(weights.effects[:, 0], [0.5, -1e-3, 0.25])


@pytest.mark.parametrize("n_columns", [3, 40])
def test_read_weights__refuses_lines_that_a_quotation_mark_joins(tmp_path, n_columns):
    """Rows would be lost without a word, in a file of few columns or of many."""
    more = n_columns - 3
    header = "\t".join(["rsid", "a1", "beta", *(f"x{k}" for k in range(more))])
    rows = [f"{row}{chr(9)}{chr(9).join(['0.5'] * more)}".rstrip() for row in ROWS]
    rows[0], rows[1] = rows[0].replace("rs1", '"rs1'), rows[1].replace("rs2", 'rs2"')
    path = tmp_path / "quoted.txt"
    path.write_text("\n".join([header, *rows]) + "\n")

    with pytest.raises(DataError, match=r"3 lines make|rows do not have the"):
        read_weights(path, columns={"effect_weight": "*"} if more else None)
