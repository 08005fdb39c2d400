"""What unfolds is what was packed, or refused."""

from __future__ import annotations

import gzip
import zlib

import pytest

from pgs_trd.genotypes.decoding_gzip import GZIP_BITS, INFLATE_ERRORS, inflate, open_gzip

TEXT = b"rs1\tA\tG\t0.125\n" * 5_000


def test_inflate__gives_what_was_packed():
    """The oracle is what Python's zlib packed, with either header."""
    assert inflate(zlib.compress(TEXT), len(TEXT)) == TEXT
    assert inflate(memoryview(gzip.compress(TEXT)), len(TEXT), wbits=GZIP_BITS) == TEXT


@pytest.mark.parametrize(
    ("change", "fault"),
    [(-9, "does not end where it says"), (9, "unfolds to 70,000 bytes, not 70,009")],
)
def test_inflate__refuses_another_length_than_announced(change, fault):
    """A record that unfolds to more may be a bomb, one to less a half-written file."""
    with pytest.raises(ValueError, match=fault):
        inflate(zlib.compress(TEXT), len(TEXT) + change)


def test_inflate__refuses_what_is_cut_or_has_another_checksum():
    """Wrong bytes that unfold all the same would be wrong genotypes."""
    packed = zlib.compress(TEXT)
    with pytest.raises(ValueError, match="does not end where it says"):
        inflate(packed[:-5], len(TEXT))
    with pytest.raises(INFLATE_ERRORS, match=r"(?i)check"):
        inflate(packed[:-4] + bytes(4), len(TEXT))


def test_open_gzip__reads_all_members_and_misses_none(tmp_path):
    """A bgzip file is many members: the first alone would be a file cut short."""
    path = tmp_path / "members.gz"
    path.write_bytes(b"".join(gzip.compress(part) for part in (TEXT, b"", TEXT[:14])))

    with open_gzip(path) as stream:
        assert stream.read() == TEXT + TEXT[:14]

    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(INFLATE_ERRORS), open_gzip(path) as stream:
        stream.read()
