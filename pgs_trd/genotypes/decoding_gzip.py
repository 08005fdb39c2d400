"""Inflate zlib and gzip by ISA-L, two to three times as fast as zlib does."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from isal import igzip, isal_zlib

_Error: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # its stub says instance
INFLATE_ERRORS = (OSError, EOFError, zlib.error, _Error)
"""What is raised for damaged or cut compression."""

ZLIB_BITS, GZIP_BITS = 15, 31
"""Window bits that say what a stream starts with: the header of zlib, or of gzip."""


def inflate(packed: Any, n_bytes: int, *, wbits: int = ZLIB_BITS) -> bytes:
    """Inflate a whole stream that says it unfolds to `n_bytes`; its checksum is compared.

    No more than announced is unfolded, whatever the stream holds.

    Raises
    ------
    ValueError
        If it unfolds to another length.
    INFLATE_ERRORS
        If it is damaged.
    """
    stream = isal_zlib.decompressobj(wbits)
    found: bytes = stream.decompress(packed, n_bytes + 1)
    if not stream.eof:
        raise ValueError("does not end where it says")
    if len(found) != n_bytes:
        raise ValueError(f"unfolds to {len(found):,} bytes, not {n_bytes:,}")
    return found


@contextmanager
def open_gzip(path: Path) -> Iterator[BufferedIOBase]:
    """Open gzip of one member or several, as bgzip writes them, to read it unfolded."""
    with igzip.open(path, "rb") as stream:  # type: ignore[no-untyped-call]  # so in its stub
        yield stream
