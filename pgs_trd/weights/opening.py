"""Open weight files, plain or compressed, as streams that Arrow and Python read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from pgs_trd.errors import DataError, UsageError
from pgs_trd.genotypes.decoding_gzip import INFLATE_ERRORS, open_gzip

CODEC_OF_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
REFUSED_MAGIC = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
# The empty last block that bgzip writes, so that a cut file can be told.
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
BLOCK_BYTES = 2**20
LONGEST_LINE = 2**24
LINE_END = ord("\n")


@contextmanager
def open_stream(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file, taking off gzip, bgzip or zstd compression told by its first bytes.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is packed in another way, or its compression is damaged, also when what
        reads the stream comes to that place.
    """
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    with path.open("rb") as handle:
        magic = handle.read(18)
        for start, what in REFUSED_MAGIC.items():
            if magic.startswith(start):
                raise DataError(f"{path.name}: is {what}: unpack it, or compress it with gzip")
        codec = CODEC_OF_MAGIC.get(magic[:2]) or CODEC_OF_MAGIC.get(magic[:4])
        is_blocked = magic[:4] == BGZF_END[:4] and magic[12:14] == b"BC"
        is_cut = is_blocked and not _has_bgzip_end(handle)
    if codec is None:
        with pa.OSFile(str(path)) as stream:
            yield stream
        return
    try:
        if is_cut:
            raise EOFError("no end-of-file block")
        if codec == "gzip":
            with open_gzip(path) as unfolded:
                yield pa.PythonFile(unfolded, mode="r")
        else:
            # Arrow's stream, unlike zstandard's, tells a cut file from a short one.
            with pa.CompressedInputStream(pa.OSFile(str(path)), codec) as stream:
                yield stream
    except INFLATE_ERRORS as error:
        raise DataError(
            f"{path.name}: its {codec} compression is damaged or cut off: a truncated copy"
        ) from error


def _has_bgzip_end(handle: IO[bytes]) -> bool:
    handle.seek(max(handle.seek(0, io.SEEK_END) - len(BGZF_END), 0))
    return handle.read() == BGZF_END


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as `open_stream` does, to read it by the line."""
    with open_stream(path) as stream:
        yield io.BufferedReader(stream, BLOCK_BYTES)


class RowStream(io.RawIOBase):
    """Rows of data for Arrow: runs of white space made one tab, lines counted.

    Parameters
    ----------
    stream
        From `open_stream`.
    n_skipped
        How many lines stand before the data.
    by_whitespace
        Whether runs of spaces and tabs divide columns.
    """

    def __init__(self, stream: pa.NativeFile, *, n_skipped: int, by_whitespace: bool) -> None:
        self._stream = stream
        self._n_skipped = n_skipped
        self._by_whitespace = by_whitespace
        self._carried = b""
        self._n_ends = 0
        self._is_open_line = False

    @property
    def n_lines(self) -> int:
        """How many lines of data were read, the last one also without a line end."""
        return self._n_ends + self._is_open_line

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read_buffer(self, size: int) -> pa.Buffer:
        """Give the next bytes, about `size`; none at the end."""
        return pa.py_buffer(self.read(size)) if self._by_whitespace else self._next(size)

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        """Give the next bytes, runs of white space made one tab; none at the end."""
        while True:
            chunk = self._next(max(size - len(self._carried), 1)).to_pybytes()
            whole = self._carried + chunk
            cut = whole.rfind(b"\n") + 1 if chunk else len(whole)
            self._carried = whole[cut:]
            if cut or not chunk:
                return _squeeze(whole[:cut])
            if len(whole) >= LONGEST_LINE:
                raise DataError(f"a line is longer than {LONGEST_LINE:,} bytes")

    def _next(self, size: int) -> pa.Buffer:
        """Give bytes of the data as they stand, their line ends counted."""
        while True:
            chunk = self._stream.read_buffer(size)
            is_end = np.frombuffer(chunk, dtype=np.uint8) == LINE_END
            if not self._n_skipped or not len(is_end):
                break
            ends = np.flatnonzero(is_end)[: self._n_skipped]
            self._n_skipped -= len(ends)
            if not self._n_skipped and ends[-1] + 1 < len(is_end):
                chunk, is_end = chunk.slice(ends[-1] + 1), is_end[ends[-1] + 1 :]
                break
        if len(is_end):
            self._n_ends += int(np.count_nonzero(is_end))
            self._is_open_line = not is_end[-1]
        return chunk


def _squeeze(text: bytes) -> bytes:
    """Make each run of spaces and tabs one tab, and none at the ends of lines."""
    text = text.replace(b"\r\n", b"\n").replace(b" ", b"\t")
    while b"\t\t" in text:
        text = text.replace(b"\t\t", b"\t")
    return text.replace(b"\n\t", b"\n").replace(b"\t\n", b"\n").lstrip(b"\t")
