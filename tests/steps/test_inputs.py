"""Weight files are read ahead, and nobody can tell but by the clock."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgs_trd.errors import DataError, PgsTrdWarning, UsageError
from pgs_trd.steps import inputs
from pgs_trd.steps.inputs import WeightFiles
from pgs_trd.weights import read_weights

N_FILES = 5


def write_file(folder: Path, number: int, *, stated: int = 3, weight: str = "0.5") -> Path:
    """Write a weight file of three rows whose header states `stated`."""
    path = folder / f"{number}.txt"
    path.write_text(
        f"#pgs_id=PGS{number}\n#variants_number={stated}\n"
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
        + "".join(f"1\t{100 * number + k}\tA\tG\t{weight}\n" for k in range(3))
    )
    return path


class Spy:
    """Stands for the reader, and notes which files it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.began = threading.Semaphore(0)
        self._read = inputs.read_with_doubts
        monkeypatch.setattr(inputs, "read_with_doubts", self)

    def __call__(self, path: Path, **options: object):
        self.asked.append(path.stem)
        self.began.release()
        return self._read(path, **options)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_weight_files__are_those_read_one_by_one(tmp_path, monkeypatch, n_threads):
    """The order says which score is which: no thread may change it, or a number."""
    monkeypatch.setattr(inputs, "thread_count", lambda: n_threads)
    paths = [write_file(tmp_path, number) for number in range(N_FILES)]
    shares: list[float] = []

    read = list(WeightFiles(paths).read(shares.append))

    for path, weights in zip(paths, read, strict=True):
        alone = read_weights(path)
        assert weights.names == alone.names
        pd.testing.assert_frame_equal(weights.variants, alone.variants)
        np.testing.assert_array_equal(weights.effects, alone.effects)
    np.testing.assert_allclose(shares, np.arange(1, N_FILES + 1) / N_FILES, rtol=1e-10)


@pytest.mark.parametrize(
    ("n_threads", "most_bytes", "expected"),
    [(2, 2**28, ["0", "1"]), (1, 2**28, ["0"]), (2, 10, ["0"])],
)
def test_weight_files__one_stands_ahead_at_most(
    tmp_path, monkeypatch, n_threads, most_bytes, expected
):
    """Memory is bounded by two files; by one where they are large, or threads are few."""
    monkeypatch.setattr(inputs, "thread_count", lambda: n_threads)
    monkeypatch.setattr(inputs, "MOST_BYTES_AHEAD", most_bytes)
    spy = Spy(monkeypatch)
    files = WeightFiles([write_file(tmp_path, number) for number in range(N_FILES)]).read()

    assert next(files).names == ("PGS0",)

    for _ in expected:
        assert spy.began.acquire(timeout=30)
    assert not spy.began.acquire(timeout=0.1)
    assert spy.asked == expected
    files.close()


@pytest.mark.parametrize(("most_bytes", "expected"), [(2**23, ["0"]), (10, [])])
def test_weight_files__the_first_is_begun_at_once_if_small(
    tmp_path, monkeypatch, most_bytes, expected
):
    """It is read while the genotypes are opened; a large one would stand beside their tables."""
    monkeypatch.setattr(inputs, "thread_count", lambda: 2)
    monkeypatch.setattr(inputs, "MOST_BYTES_AT_ONCE", most_bytes)
    spy = Spy(monkeypatch)

    files = WeightFiles([write_file(tmp_path, number) for number in range(N_FILES)]).read()

    for _ in expected:
        assert spy.began.acquire(timeout=30)
    assert not spy.began.acquire(timeout=0.1)
    assert spy.asked == expected
    assert len(list(files)) == N_FILES


def test_weight_files__a_fault_comes_when_its_file_is_asked_for(tmp_path, monkeypatch):
    """A file read ahead must not take away the one before, or be blamed on it."""
    monkeypatch.setattr(inputs, "thread_count", lambda: 2)
    paths = [write_file(tmp_path, 0), write_file(tmp_path, 1, weight="x")]
    files = WeightFiles([*paths, tmp_path / "absent.txt"]).read()

    assert next(files).names == ("PGS0",)

    with pytest.warns(PgsTrdWarning, match=r"1\.txt: its score fails, .*: none of the 3 rows has"):
        unreadable = next(files)
    assert unreadable.fault == "none of the 3 rows has a number in the weight column"
    with pytest.raises(UsageError, match=r"no such file: .*absent\.txt"):
        next(files)
    with pytest.raises(DataError, match=r"1\.txt: none of the 3 rows has a number"):
        next(WeightFiles(paths[1:]).read())


def test_weight_files__a_doubt_is_told_when_its_file_is_asked_for(tmp_path, monkeypatch, recwarn):
    """A warning of the file read ahead would seem to be about the one at work."""
    monkeypatch.setattr(inputs, "thread_count", lambda: 2)
    spy = Spy(monkeypatch)
    files = WeightFiles([write_file(tmp_path, 0), write_file(tmp_path, 1, stated=9)]).read()

    next(files)
    for _ in range(2):
        assert spy.began.acquire(timeout=30)
    assert not recwarn.list

    with pytest.warns(PgsTrdWarning, match=r"1\.txt: its header states 9 variants, it has 3"):
        next(files)


def test_weight_files__leaves_files_that_are_of_the_chains_target(tmp_path, recwarn):
    """A folder of scores is of both builds; --chain lifts the one and leaves the other, said once.

    Positions 0 .. 1,000 of chromosome 1 lie 10 further on in GRCh38.
    """
    chain = tmp_path / "to38.chain"
    chain.write_text("chain 9 chr1 249250621 + 0 1000 chr1 248956422 + 10 1010 1\n1000\n\n")
    paths = []
    for number, build in enumerate(["GRCh38", "GRCh37", "GRCh38"]):
        paths.append(write_file(tmp_path, number + 1))
        text = paths[-1].read_text()
        paths[-1].write_text(f"#genome_build={build}\n{text}")

    read = list(WeightFiles(paths, chain=chain).read())

    assert [weights.variants["position"].tolist() for weights in read] == [
        [100, 101, 102],
        [210, 211, 212],
        [300, 301, 302],
    ]
    assert [weights.genome_build for weights in read] == ["GRCh38"] * 3
    assert [str(warning.message) for warning in recwarn] == [
        "--chain to38.chain leads to GRCh38: weight files that are GRCh38 already stay as they are"
    ]
