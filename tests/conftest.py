"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more of the machine's load than of the code.
hypothesis.settings.register_profile("pgs_trd", deadline=None)
hypothesis.settings.load_profile("pgs_trd")

REAL_DATA_VARIABLE = "PGS_TRD_REAL_DATA"
DEFAULT_REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real files; tests that need it skip where it is absent."""
    folder = Path(os.environ.get(REAL_DATA_VARIABLE, DEFAULT_REAL_DATA))
    if not folder.is_dir():
        pytest.skip(f"no real data: {REAL_DATA_VARIABLE} names no folder and the default is absent")
    return folder


@pytest.fixture(scope="session")
def r_reference(real_data: Path) -> Path:
    """Folder of data sets with what R computed for them, beside the real data."""
    folder = real_data.parent / "reference" / "r"
    if not folder.is_dir():
        pytest.skip("no R reference values beside the real data")
    return folder
