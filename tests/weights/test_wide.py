"""The fast way to read many columns of numbers, against the parser for tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from pgs_trd.errors import DataError
from pgs_trd.weights import read, read_weights, wide
from pgs_trd.weights.files import read_head

N_SCORES = 20
NAMES = [f"s{k}" for k in range(N_SCORES)]
FIRST = ["rsID", "chr_name", "chr_position", "effect_allele", "other_allele"]
COLUMNS = {"effect_weight": "*"}

plain = st.one_of(
    st.floats(-1e300, 1e300, allow_subnormal=False).map(repr),
    st.floats(-1, 1).filter(lambda x: not 0 < abs(x) < 1e-300).map(lambda x: f"{x:.6g}"),
    st.integers(-(10**17), 10**17).map(str),
    st.sampled_from(["", "NA", ".", "nan", "0", "-0.0", ".5", "5.", "1e5", "1E-07", "07", "0e-9"]),
)  # fmt: skip
strange = st.sampled_from(
    ["+1", "inf", "-Infinity", "1e400", "1e-320", "1 ", " 1", "1e", "-", "e5", "1_0", "0x1", "1,5",
     "9" * 70, "1.2.3", "--1", "text", "na", "\u0663", "1e+00005"]
)  # fmt: skip


def lines_of(cells: list[list[str]], first: list[str] | None = None) -> list[str]:
    """Give header and rows of a file with a column a score."""
    rows = [[f"rs{k}", "1", str(1000 + k), "A", "G", *row] for k, row in enumerate(cells)]
    return ["\t".join([*(first or FIRST), *NAMES]), *("\t".join(row) for row in rows)]


def write(path: Path, lines: list[str], end: str = "\n") -> Path:
    """Write lines, each ended by `end`."""
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def is_wide(path: Path) -> bool:
    """Tell whether a file is read the fast way."""
    head = read_head(path)
    kinds = dict.fromkeys(range(len(head.columns)), "numbers") | {0: "names", 3: "text", 4: "text"}
    weights = range(len(FIRST), len(head.columns))
    return wide.read_wide(path, head, kinds, list(weights)) is not None


def read_both(path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> list[object]:
    """Read a file as it is read, and by the parser for tables; give results or messages."""
    found: list[object] = []
    for way in (wide.read_wide, lambda *_: None):
        with monkeypatch.context() as patch:
            patch.setattr(read, "read_wide", way)
            try:
                found.append(read_weights(path, columns=COLUMNS | options))
            except DataError as error:
                found.append(str(error))
    return found


def assert_same(mine: object, theirs: object) -> None:
    """Compare two results of `read_both`."""
    if isinstance(mine, str) or isinstance(theirs, str):
        assert mine == theirs
        return
    assert mine.names == theirs.names
    # To the sign of zero.
    assert_array_equal(mine.effects.view(np.int64), theirs.effects.view(np.int64))
    assert_frame_equal(mine.variants, theirs.variants)
    assert_frame_equal(mine.refused, theirs.refused)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    cells=st.lists(st.lists(plain, min_size=N_SCORES, max_size=N_SCORES), min_size=2, max_size=6)
)
def test_read_wide__equals_the_parser_for_tables_in_plain_numbers(cells, tmp_path, monkeypatch):
    """Every number to the last bit, every missing one missing, the variants alike."""
    cells[0] = ["0.5"] * N_SCORES
    path = write(tmp_path / "wide.tsv", lines_of(cells))

    assert is_wide(path)
    assert_same(*read_both(path, monkeypatch))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    cell=strange,
    row=st.integers(0, 3),
    column=st.integers(0, N_SCORES - 1),
    place=st.integers(0, 1),
)
def test_read_wide__leaves_what_is_not_plain_to_the_parser_for_tables(
    cell, row, column, place, tmp_path, monkeypatch
):
    """One strange cell, among the weights or for a position, and the result is the parser's."""
    cells = [["0.25"] * N_SCORES for _ in range(4)]
    cells[row][column] = cell if place else "0.25"
    lines = lines_of(cells)
    if not place:
        lines[row + 1] = lines[row + 1].replace(str(1000 + row), cell)
    path = write(tmp_path / "wide.tsv", lines)

    assert_same(*read_both(path, monkeypatch))


def test_read_wide__rounds_every_number_right(tmp_path):
    """17 digits, tiny and huge: as Python reads them, to the last bit."""
    rng = np.random.default_rng(0)
    size = (3000, N_SCORES)
    numbers = rng.normal(size=size) * 10.0 ** rng.integers(-290, 290, size)
    numbers[::2] = np.round(rng.normal(size=size), 6)[::2]
    path = write(
        tmp_path / "wide.tsv", lines_of([[repr(x) for x in row] for row in numbers.tolist()])
    )

    assert is_wide(path)
    assert_array_equal(read_weights(path, columns=COLUMNS).effects, numbers)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("rs2", '"rs2"'),
        lambda text: text.replace("rs2", 'rs"2'),
        lambda text: text.replace("\nrs2", "\n\nrs2"),
        lambda text: text.replace("\nrs2", "\rrs2"),
        lambda text: text.replace("\nrs2\t", "\nrs2\t\t"),
        lambda text: text.replace("\nrs2\t1", "\nrs2"),
        lambda text: text[:-30],
        lambda text: text.replace("\t", "  "),
    ],
    ids=["quoted", "quote inside", "empty line", "old line end", "a cell more", "a cell less",
         "cut off", "white space"],
)  # fmt: skip
def test_read_wide__does_not_take_lines_that_are_not_plain(damage, tmp_path, monkeypatch):
    """Rows may be made one or broken there: the parser decides, or says what is wrong."""
    text = "\n".join(lines_of([["0.5"] * N_SCORES] * 4)) + "\n"
    path = tmp_path / "wide.tsv"
    path.write_bytes(damage(text).encode())

    assert not is_wide(path)
    assert_same(*read_both(path, monkeypatch))


@pytest.mark.parametrize("room", [300, 301, 350, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_read_wide__reads_pieces_that_end_within_a_line(room, end, is_ended, tmp_path, monkeypatch):
    """Comments before the names; a piece holds two lines or so, or half of the names."""
    lines = [
        "#pgs_id=PGS000001",
        *lines_of([[f"{k}.{j}" for j in range(N_SCORES)] for k in range(30)]),
    ]
    path = write(tmp_path / "wide.tsv", lines, end)
    if not is_ended:
        path.write_bytes(path.read_bytes().rstrip())
    monkeypatch.setattr(wide, "ROOM", room)

    assert is_wide(path)
    mine, theirs = read_both(path, monkeypatch)
    assert len(mine.effects) == 30
    assert_same(mine, theirs)


def test_read_wide__gives_up_at_a_line_that_is_longer_than_its_room(tmp_path, monkeypatch):
    """What follows it would be lost else."""
    lines = lines_of([["0.5"] * N_SCORES] * 3)
    lines[2] = lines[2].replace("rs1", "rs" + "1" * 400)
    path = write(tmp_path / "wide.tsv", lines)
    monkeypatch.setattr(wide, "ROOM", 300)

    assert not is_wide(path)
    assert_same(*read_both(path, monkeypatch))


@pytest.mark.parametrize("name", ["wide.tsv.gz", "wide.tsv.zst"])
def test_read_wide__reads_what_is_compressed_and_tells_what_was_cut_off(name, tmp_path):
    """A cut file must not pass for a short one."""
    text = "\n".join(lines_of([["0.5", *["0.123456"] * (N_SCORES - 1)]] * 5000)).encode() + b"\n"
    packed = gzip.compress(text) if name.endswith("gz") else zstandard.compress(text)
    path = tmp_path / name
    path.write_bytes(packed)
    assert is_wide(path)
    assert read_weights(path, columns=COLUMNS).effects.shape == (5000, N_SCORES)

    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="damaged or cut off"):
        read_weights(path, columns=COLUMNS)


def test_read_wide__takes_the_columns_asked_for_in_their_order(tmp_path, monkeypatch):
    """Weights in another order than the file's, an empty one among those guessed."""
    cells = [[str(k + j / 100) for j in range(N_SCORES)] for k in range(5)]
    path = write(tmp_path / "wide.tsv", lines_of(cells))
    asked = [*NAMES[5:], *NAMES[1:4]]
    mine, theirs = read_both(path, monkeypatch, effect_weight=asked)
    assert mine.names == tuple(asked)
    assert mine.effects[2, 0] == 2.05
    assert_same(mine, theirs)

    path = write(tmp_path / "empty.tsv", lines_of([[*row[:7], "", *row[8:]] for row in cells]))
    mine, theirs = read_both(path, monkeypatch)
    assert "s7" not in mine.names
    assert_same(mine, theirs)
